"""Artifacts, read whole: one by one here, or many in the workers of an executor."""

import os
import re
from collections.abc import Generator, Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from kinspect.errors import FormatError, KinspectError, WorkerError
from kinspect.formats import tensile
from kinspect.limits import Limits
from kinspect.model import Artifact, Binary, SideFile, Unreadable
from kinspect.sources import Installed, Member, Named, Part, Watch, open_source
from kinspect.version import __version__
from kinspect.walk import read_binary, worth_reading

if TYPE_CHECKING:
    from concurrent.futures import Executor

#: files that libraries find their kernels by, or in, though they are no binaries
SIDE_FILE: Final = re.compile(
    r"(?:^|[/!])(?:Tensile[^/]*\.dat(?:\.zlib)?|[^/]*\.(?:co|hsaco|kdb))$"
)


def read(
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


# --- together --------------------------------------------------------------------------


def together(
    artifacts: Iterable[Artifact], limits: Limits, *, code_objects: bool
) -> tuple[Artifact, ...]:
    """Artifacts that are installed together: hosts find their kpack archives."""
    artifacts = tuple(artifacts)
    if not any(binary.kpack for artifact in artifacts for binary in artifact.binaries):
        return artifacts
    from kinspect import overlay  # noqa: PLC0415  # few artifacts need it

    around = overlay.look_around(artifacts, limits, code_objects=code_objects)
    return overlay.lay_over(artifacts, around)


# --- many ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Inspected:
    """One of many artifacts: what it holds, or why that is not known."""

    #: of its path among all, from 0
    index: int
    path: Named
    found: Artifact | KinspectError


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """How workers are to read artifacts; goes to them with each path."""

    limits: Limits
    exclude: tuple[str, ...]
    code_objects: bool
    record: bool
    #: the caller puts them together, once it has them all
    apart: bool
    version: str = __version__
    #: what relative paths start from
    directory: Path = field(default_factory=Path.cwd)
    #: of this run alone: Dask gives what it still has for a call that looks the same
    run: str = field(default_factory=lambda: os.urandom(16).hex())


def each(
    paths: Iterable[Named],
    task: Task,
    executor: "Executor",
    *,
    in_flight: int,
    ordered: bool = False,
) -> Generator[Inspected, None, None]:
    """Artifacts, as the workers of an executor are done with them."""
    from kinspect.spreading import spread  # noqa: PLC0415  # most runs need no executor

    names = (one if isinstance(one, Installed) else os.fspath(one) for one in paths)
    call = partial(inspect_one, task)
    for done in spread(executor, call, names, in_flight=in_flight, ordered=ordered):
        yield Inspected(done.index, done.item, _found(done.item, done.result))


def inspect_one(task: Task, path: str | Installed) -> Artifact | KinspectError:
    """In a worker. An error is returned, since executors log and retry what is raised."""
    if problem := _stranger(task, path):
        return WorkerError(problem, str(path))
    try:
        found = read(
            path,
            task.limits,
            task.exclude,
            code_objects=task.code_objects,
            record=task.record,
            watch=None,
        )
        if task.apart:
            return found
        return together((found,), task.limits, code_objects=task.code_objects)[0]
    except KinspectError as error:
        return error


def _stranger(task: Task, path: str | Installed) -> str:
    """Why this process would find something else than the caller; empty if it would not."""
    if task.version != __version__:
        return f"a worker has kinspect {__version__}, the caller has {task.version}"
    if isinstance(path, Installed) or Path(path).is_absolute():
        return ""
    if Path.cwd() != task.directory:
        return "a relative path, and the worker runs in another directory than the caller"
    return ""


def _found(
    path: str | Installed, result: Artifact | BaseException
) -> Artifact | KinspectError:
    if isinstance(result, Artifact | KinspectError):
        return result
    reason = " ".join(f"{type(result).__name__}: {result}".split())
    error = WorkerError(f"the worker that should read it failed: {reason}", str(path))
    error.__cause__ = result
    return error
