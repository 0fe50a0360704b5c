"""Artifacts, read whole: one by one here, or many in the workers of an executor."""

import os
import stat
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from kinspect.copies import share
from kinspect.errors import KinspectError, WorkerError
from kinspect.inventory import Inventory
from kinspect.limits import Limits
from kinspect.model import Artifact
from kinspect.sources import Installed, Named, Watch, label, open_source
from kinspect.urls import is_url
from kinspect.version import __version__

if TYPE_CHECKING:
    from concurrent.futures import Executor


#: artifacts that are read at the same time, each of which may have a large member in memory
AT_ONCE: Final = 4


def read(
    path: Named,
    limits: Limits,
    exclude: tuple[str, ...],
    *,
    code_objects: bool,
    record: bool,
    watch: Watch | None,
    jobs: int = 1,
) -> Artifact:
    if is_url(path):
        jobs = 1  # a copy of this process would have no connection
    found = Inventory(limits, code_objects=code_objects, jobs=jobs, watch=watch)
    source = open_source(
        path,
        limits=limits,
        exclude=exclude,
        wanted=found.wanted,
        put_off=found.put_off,
        record=record if code_objects else None,
        watch=watch,
    )
    for part in source.members():
        if found.take(part, alone=source.kind == "file"):
            source.context.broken += 1
    return Artifact(
        source.path,
        source.kind,
        found.binaries,
        found.unreadable,
        found.side_files,
        source.wheels,
        source.distribution,
    )


class _Elsewhere(NamedTuple):
    """A file that another process has read."""

    size: int
    consumed: int


def read_all(
    paths: Iterable[Named],
    read_one: Callable[[Named, int], Artifact],
    watch: Watch | None,
    jobs: int,
) -> Iterator[Artifact]:
    """What `read_one` makes of each path with some number of processes, in order.

    Several files are read at once, each by one process; all processes help with one that
    is most of the work. What else there is to read can't be weighed: one by one.
    """
    paths = list(paths)
    sizes = [_size(path) for path in paths]
    at_once = min(jobs, AT_ONCE)
    if len(paths) < 2 or not all(sizes):
        at_once = 1
    most = sum(sizes) // (2 * at_once)
    here: set[int] = set()

    def work(index: int) -> Artifact:
        here.add(index)
        large = at_once == 1 or sizes[index] > most
        return read_one(paths[index], jobs if large else jobs // at_once)

    for index, one in enumerate(share(work, range(len(paths)), sizes, at_once)):
        if index not in here and watch is not None:
            watch.opened(_Elsewhere(sizes[index], sizes[index]))
        yield one


def _size(path: Named) -> int:
    """Bytes of a file; 0 of what is none, or is not there."""
    if isinstance(path, Installed) or is_url(path):
        return 0
    try:
        found = Path(path).stat()
    except OSError:
        return 0
    return found.st_size if stat.S_ISREG(found.st_mode) else 0


# --- together --------------------------------------------------------------------------


def together(
    artifacts: Iterable[Artifact], limits: Limits, *, code_objects: bool
) -> tuple[Artifact, ...]:
    """Artifacts that are installed together: hosts find their kpack archives."""
    artifacts = tuple(artifacts)
    if not any(binary.kpack for artifact in artifacts for binary in artifact.binaries):
        return artifacts
    from kinspect.overlay import laying, surroundings  # noqa: PLC0415  # few need it

    around = surroundings.look_around(artifacts, limits, code_objects=code_objects)
    return laying.lay_over(artifacts, around)


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
        return WorkerError(problem, label(path))
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
    except Exception as error:  # noqa: BLE001  # a bug, or no memory
        import traceback  # noqa: PLC0415

        failed = _failed(path, error)
        failed.add_note(traceback.format_exc())
        return failed


def _stranger(task: Task, path: str | Installed) -> str:
    """Why this process would find something else than the caller; empty if it would not."""
    if task.version != __version__:
        return f"a worker has kinspect {__version__}, the caller has {task.version}"
    if isinstance(path, Installed) or is_url(path) or Path(path).is_absolute():
        return ""
    if Path.cwd() != task.directory:
        return "a relative path, and the worker runs in another directory than the caller"
    return ""


def _found(
    path: str | Installed, result: Artifact | BaseException
) -> Artifact | KinspectError:
    if isinstance(result, Artifact | KinspectError):
        return result
    error = _failed(path, result)
    error.__cause__ = result
    return error


def _failed(path: str | Installed, error: BaseException) -> WorkerError:
    reason = " ".join(f"{type(error).__name__}: {error}".split())
    return WorkerError(f"the worker that should read it failed: {reason}", label(path))
