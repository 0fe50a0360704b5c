"""A snapshot of artifacts, with the resources of every kernel."""

from collections.abc import Iterable, Iterator

from kinspect.limits import DEFAULT, Limits
from kinspect.model import Artifact, Binary, CodeObject, Entry, Unreadable
from kinspect.snapshot.model import BinaryRecord, Snapshot, record, sorted_
from kinspect.snapshot.opening import Opener
from kinspect.snapshot.recording import records
from kinspect.sources import Named, Source, open_source
from kinspect.urls import is_url
from kinspect.walk import read_binary, worth_reading


def take(
    paths: Iterable[Named],
    *,
    limits: Limits = DEFAULT,
    exclude: tuple[str, ...] = (),
    problems: list[Unreadable],
    jobs: int = 1,
) -> Snapshot:
    """Record what artifacts hold that are installed together, binary by binary.

    A host that was split for kpack has what its archives have for it. What can't be read
    is added to `problems`: with any of these, the snapshot is not whole, and nothing
    should be held against it. `jobs` is the number of processes that may read a large
    binary. Raises InputError where a path can't be opened.
    """
    taking = _Taking(limits, problems)
    for path in paths:
        source = open_source(path, limits=limits, exclude=exclude, wanted=worth_reading)
        # a copy of this process would have no connection
        taking.add(source, 1 if is_url(path) else jobs)
    taking.join()
    return sorted_(taking.found)


class _Taking:
    """Binaries as they are read; those of kpack once all of them are."""

    def __init__(self, limits: Limits, problems: list[Unreadable]) -> None:
        self.found: list[BinaryRecord] = []
        self._limits = limits
        self._problems = problems
        self._opener = Opener(limits).open
        #: hosts that were split for kpack, and archives
        self._split: list[Artifact] = []

    def add(self, source: Source, jobs: int) -> None:
        split: list[Binary] = []
        for part in source.members():
            if isinstance(part, Unreadable):
                self._problems.append(part)
                continue
            binary = read_binary(
                part.view, self._limits, opener=self._opener, jobs=jobs, judged=False
            )
            if binary is None:
                continue
            if binary.kpack or binary.format == "kpack":
                split.append(binary)
            else:
                self._record(source.path, binary, source.distribution)
        if split:
            self._split.append(
                Artifact(
                    source.path,
                    source.kind,
                    tuple(split),
                    distribution=source.distribution,
                )
            )

    def join(self) -> None:
        """Record the hosts and archives of all artifacts, these laid over each other."""
        if not self._split:
            return
        from kinspect.overlay import laying, surroundings  # noqa: PLC0415  # few need it

        around = surroundings.look_around(self._split, self._limits, opener=self._opener)
        laid = laying.lay_over(self._split, around)
        for binary in (one for artifact in laid for one in artifact.binaries):
            self._problems += _missing(binary)
            self._tell(binary)
        self.found += records(laid)

    def _record(self, artifact: str, binary: Binary, distribution: str) -> None:
        self._tell(binary)
        if binary.device_code:
            self.found.append(record(artifact, binary, distribution))

    def _tell(self, binary: Binary) -> None:
        """What can't be vouched for; what a host has from an archive, once."""
        entries = (e for bundle in binary.bundles for e in bundle.hip_entries)
        wrong = [*binary.unreadable, *(part for e in entries for part in _damage(e))]
        self._problems += dict.fromkeys(p for p in wrong if p not in self._problems)


def _missing(binary: Binary) -> Iterator[Unreadable]:
    """A host whose archives are not there, so that nobody knows what it has."""
    lookups = [bundle.kpack for bundle in binary.bundles if bundle.kpack is not None]
    if binary.kpack and not any(lookup.sources for lookup in lookups):
        first = binary.kpack[0]
        names = ", ".join(first.reference.search_paths)
        message = f"its kernels lie in kpack archives, and none is here: {names}"
        yield Unreadable(message, first.where)


def _damage(entry: Entry) -> Iterator[Unreadable]:
    """Why a code object can't be vouched for; an empty slot is no code."""
    part = entry.code_object
    if isinstance(part, Unreadable) and entry.size:
        yield part
    elif isinstance(part, CodeObject):
        yield from (Unreadable(fault.message, fault.where) for fault in part.faults)
