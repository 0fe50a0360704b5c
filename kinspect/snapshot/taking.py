"""A snapshot of artifacts, with the resources of every kernel."""

import sys
from collections.abc import Iterable, Iterator
from operator import attrgetter
from typing import Final

from kinspect.formats import code_object
from kinspect.limits import DEFAULT, Limits
from kinspect.model import Artifact, Binary, CodeObject, Entry, Unreadable
from kinspect.resources.kernels import Measured, measure
from kinspect.resources.rows import KernelRow
from kinspect.snapshot.model import BinaryRecord, Resources, Snapshot, record, sorted_
from kinspect.snapshot.recording import records
from kinspect.sources import Named, Source, open_source
from kinspect.view import View
from kinspect.walk import read_binary, worth_reading


def take(
    paths: Iterable[Named],
    *,
    limits: Limits = DEFAULT,
    exclude: tuple[str, ...] = (),
    problems: list[Unreadable],
) -> Snapshot:
    """Record what artifacts hold that are installed together, binary by binary.

    A host that was split for kpack has what its archives have for it. What can't be read
    is added to `problems`: with any of these, the snapshot is not whole, and nothing
    should be held against it. Raises InputError where a path can't be opened.
    """
    taking = _Taking(limits, problems)
    for path in paths:
        taking.add(open_source(path, limits=limits, exclude=exclude, wanted=worth_reading))
    taking.join()
    return sorted_(taking.found)


class _Taking:
    """Binaries as they are read; those of kpack once all of them are."""

    def __init__(self, limits: Limits, problems: list[Unreadable]) -> None:
        self.found: list[BinaryRecord] = []
        self._limits = limits
        self._problems = problems
        self._parser = code_object.Parser(limits)
        self._rows = _Rows()
        #: of the binary that is being read, by identity of its code objects: these stay
        #: alive as long as the binary
        self._resources: dict[int, dict[str, Resources]] = {}
        #: hosts that were split for kpack, and archives; their resources
        self._split: list[Artifact] = []
        self._kept: dict[int, dict[str, Resources]] = {}

    def add(self, source: Source) -> None:
        split: list[Binary] = []
        for part in source.members():
            if isinstance(part, Unreadable):
                self._problems.append(part)
                continue
            self._resources.clear()
            binary = read_binary(part.view, self._limits, opener=self._open)
            if binary is None:
                continue
            if binary.kpack or binary.format == "kpack":
                split.append(binary)
                self._kept.update(self._resources)
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

        self._resources = self._kept
        around = surroundings.look_around(self._split, self._limits, opener=self._open)
        laid = laying.lay_over(self._split, around)
        for binary in (one for artifact in laid for one in artifact.binaries):
            self._problems += _missing(binary)
            self._tell(binary)
        self.found += records(laid, self._resources)

    def _open(self, view: View) -> CodeObject:
        one = self._parser.parse(view)
        target = str(one.flags.target or "")
        self._resources[id(one)] = {
            sys.intern(part.kernel.name): self._rows.of(target, part)
            for part in measure(view, self._limits, parser=self._parser)
            if isinstance(part, Measured)  # what else there is, is a fault of `one`
        }
        return one

    def _record(self, artifact: str, binary: Binary, distribution: str) -> None:
        self._tell(binary)
        if binary.device_code:
            self.found.append(record(artifact, binary, self._resources, distribution))

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


#: the fields of the metadata, in their order, which occupancy comes after
_of_metadata: Final = attrgetter(*Resources._fields[:-1])


class _Rows:
    """The resources of kernels, each row once: few differ."""

    def __init__(self) -> None:
        self._known: dict[tuple[object, ...], Resources] = {}
        self._rows: dict[Resources, Resources] = {}

    def of(self, target: str, one: Measured) -> Resources:
        kernel, described = one.kernel, one.descriptor
        told = _of_metadata(kernel)
        # what else its occupancy depends on
        key = (
            told,
            target,
            kernel.workgroup_processor_mode,
            None if kernel.reqd_workgroup_size is None else (*kernel.reqd_workgroup_size,),
            None if described is None else described.compute_pgm_rsrc1,
            None if described is None else described.kernel_code_properties,
        )
        row = self._known.get(key)
        if row is None:
            found = KernelRow("", 0, target, kernel, described).occupancy
            waves = None if found is None else found.waves
            row = Resources._make((*told, waves))
            self._known[key] = row = self._rows.setdefault(row, row)
        return row
