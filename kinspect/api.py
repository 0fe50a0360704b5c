"""Inspect and verify artifacts: what the command line does, for Python."""

import os
import re
from collections.abc import Iterable, Iterator
from typing import Final

from kinspect import checks
from kinspect.errors import FormatError, InputError, Where
from kinspect.formats import tensile
from kinspect.limits import DEFAULT, Limits
from kinspect.model import Artifact, Binary, Report, SideFile, Unreadable
from kinspect.policy import Policy
from kinspect.resources import reading
from kinspect.resources.reading import Query
from kinspect.resources.rows import KernelRow
from kinspect.sources import Installed, Member, Named, Part, Watch, open_source
from kinspect.version import __version__
from kinspect.walk import read_binary, worth_reading

#: files that libraries find their kernels by, or in, though they are no binaries
SIDE_FILE: Final = re.compile(
    r"(?:^|[/!])(?:Tensile[^/]*\.dat(?:\.zlib)?|[^/]*\.(?:co|hsaco|kdb))$"
)


def inspect(
    path: Named,
    *,
    limits: Limits = DEFAULT,
    code_objects: bool = True,
    exclude: tuple[str, ...] = (),
    record: bool = False,
    watch: Watch | None = None,
) -> Artifact:
    """Read everything that kinspect can tell of an artifact: a path, or `Installed`.

    `code_objects=False` lists entries only: it opens no code object and inflates just
    the head of a compressed bundle. `record` holds every file of a wheel to the wheel's
    RECORD, which reads all of them once more. Raises InputError where the path can't be
    read; what can't be read inside of it is part of the result (`unreadable`).
    """
    (found,) = inspect_all(
        (path,),
        limits=limits,
        code_objects=code_objects,
        exclude=exclude,
        record=record,
        watch=watch,
    )
    return found


def inspect_all(
    paths: Iterable[Named],
    *,
    limits: Limits = DEFAULT,
    code_objects: bool = True,
    exclude: tuple[str, ...] = (),
    record: bool = False,
    watch: Watch | None = None,
) -> tuple[Artifact, ...]:
    """Read artifacts that are installed together, such as a host wheel and device wheels.

    The bundles of a host that was split for kpack come from the archives of all of them,
    and from those that lie around it on disk. Else as `inspect`.
    """
    found = [
        _read(path, limits, exclude, code_objects=code_objects, record=record, watch=watch)
        for path in paths
    ]
    return _together(found, limits, code_objects=code_objects)


def _together(
    artifacts: list[Artifact], limits: Limits, *, code_objects: bool
) -> tuple[Artifact, ...]:
    if not any(binary.kpack for artifact in artifacts for binary in artifact.binaries):
        return tuple(artifacts)
    from kinspect import overlay  # noqa: PLC0415  # few artifacts need it

    around = overlay.look_around(artifacts, limits, code_objects=code_objects)
    return overlay.lay_over(artifacts, around)


def _read(
    path: Named,
    limits: Limits,
    exclude: tuple[str, ...],
    *,
    code_objects: bool,
    record: bool,
    watch: Watch | None,
) -> Artifact:
    found = _Found(limits, watch)
    source = open_source(
        path,
        limits=limits,
        exclude=exclude,
        wanted=found.wanted,
        record=record if code_objects else None,
        watch=watch,
    )
    for part in source.members():
        found.take(part, code_objects=code_objects)
    return Artifact(
        source.path,
        source.kind,
        tuple(found.binaries),
        tuple(found.unreadable),
        tuple(found.side_files.values()),
        source.wheels,
        source.distribution,
    )


class _Found:
    """What the members of an artifact turned out to be."""

    def __init__(self, limits: Limits, watch: Watch | None) -> None:
        self._limits = limits
        self._watch = watch
        self.binaries: list[Binary] = []
        self.unreadable: list[Unreadable] = []
        self.side_files: dict[str, SideFile] = {}

    def wanted(self, name: str, size: int, head: bytes) -> bool:
        """Whether a member of an archive is worth inflating."""
        if worth_reading(name, size, head) or tensile.is_lazy(name):
            if self._watch is not None:
                self._watch.reading(name)
            return True
        if SIDE_FILE.search(name):
            self.side_files[name] = SideFile(name, size)
        return False

    def take(self, part: Part, *, code_objects: bool) -> None:
        if self._watch is not None and isinstance(part, Member):
            self._watch.reading(part.path)
        if isinstance(part, Unreadable):
            self.unreadable.append(part)
        elif binary := read_binary(part.view, self._limits, code_objects=code_objects):
            self.binaries.append(binary)
        elif SIDE_FILE.search(part.path):
            self.side_files[part.path] = _side_file(part, self._limits)


def _side_file(part: Member, limits: Limits) -> SideFile:
    refers: tuple[str, ...] | Unreadable | None = None
    if tensile.is_lazy(part.path):
        try:
            refers = tensile.references(part.view, limits)
        except FormatError as error:
            refers = Unreadable.of(error, part.view.where())
    return SideFile(part.path, len(part.view), refers)


def verify(
    paths: Named | Iterable[Named],
    policy: Policy | None = None,
    *,
    limits: Limits = DEFAULT,
    exclude: tuple[str, ...] = (),
    record: bool = False,
    watch: Watch | None = None,
) -> Report:
    """Hold artifacts to a policy (by default: gfx942 and gfx950 in every bundle).

    Never raises for what an artifact holds: what can't be read is a finding, and the
    verdict then is not `Verdict.PASS`. `record` also holds the files of wheels to their
    RECORD.
    """
    policy = policy or Policy()
    names = [paths] if isinstance(paths, str | os.PathLike | Installed) else list(paths)
    left_out = (*policy.exclude, *exclude)
    read = [
        _inspected(name, limits, left_out, record=record, watch=watch) for name in names
    ]
    artifacts = _together(read, limits, code_objects=True)
    findings = checks.run(artifacts, policy)
    return Report(
        version=__version__,
        required=tuple(map(str, policy.required)),
        artifacts=artifacts,
        runtime=policy.runtime,
        findings=findings,
        verdict=checks.verdict(artifacts, findings),
        exceptions=_exceptions(artifacts, policy),
        sources=policy.sources,
    )


def _exceptions(
    artifacts: Iterable[Artifact], policy: Policy
) -> dict[str, tuple[str, ...]]:
    """The binaries that the policy requires other targets of."""
    paths = (binary.path for artifact in artifacts for binary in artifact.binaries)
    found = ((path, policy.for_binary(path).required) for path in paths)
    return {p: tuple(map(str, own)) for p, own in found if own != policy.required}


def _inspected(
    path: Named,
    limits: Limits,
    exclude: tuple[str, ...],
    *,
    record: bool,
    watch: Watch | None,
) -> Artifact:
    try:
        return _read(path, limits, exclude, code_objects=True, record=record, watch=watch)
    except InputError as error:
        unreadable = Unreadable(error.message, Where(error.path))
        name = str(path) if isinstance(path, Installed) else os.fspath(path)
        return Artifact(name, "missing", unreadable=(unreadable,))


def kernels(
    path: Named,
    query: Query | None = None,
    *,
    limits: Limits = DEFAULT,
    exclude: tuple[str, ...] = (),
    problems: list[Unreadable] | None = None,
) -> Iterator[KernelRow]:
    """Every kernel of an artifact, as it is read: memory stays bounded by one bundle.

    What can't be read is added to `problems`.
    """
    problems = [] if problems is None else problems
    return reading.kernels(path, query, limits=limits, exclude=exclude, problems=problems)
