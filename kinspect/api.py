"""Inspect and verify artifacts: what the command line does, for Python."""

import os
from collections.abc import Generator, Iterable, Iterator
from typing import TYPE_CHECKING, Final

from kinspect.errors import InputError, KinspectError, Where
from kinspect.inspecting import Inspected, Task, each, read, read_all, together
from kinspect.limits import DEFAULT, Limits
from kinspect.model import Artifact, Report, Unreadable
from kinspect.sources import Installed, Named, Watch, label
from kinspect.version import __version__

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from kinspect.policy import Policy
    from kinspect.resources.reading import Query
    from kinspect.resources.rows import KernelRow

__all__ = ["Inspected", "inspect", "inspect_all", "inspect_many", "kernels", "verify"]

#: artifacts that an executor is given before their turn, so that no worker waits for work
IN_FLIGHT: Final = 64


def inspect(
    path: Named,
    *,
    limits: Limits = DEFAULT,
    code_objects: bool = True,
    exclude: tuple[str, ...] = (),
    record: bool = False,
    jobs: int = 1,
    watch: Watch | None = None,
) -> Artifact:
    """Read everything that kinspect can tell of an artifact: a path, URL or `Installed`.

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
        jobs=jobs,
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
    jobs: int = 1,
    watch: Watch | None = None,
) -> tuple[Artifact, ...]:
    """Read artifacts that are installed together, such as a host wheel and device wheels.

    The bundles of a host that was split for kpack come from the archives of all of them,
    and from those that lie around it on disk. Else as `inspect`.
    """

    def read_one(path: Named, jobs: int) -> Artifact:
        return read(
            path,
            limits,
            exclude,
            code_objects=code_objects,
            record=record,
            watch=watch,
            jobs=jobs,
        )

    found = read_all(paths, read_one, watch, jobs if code_objects else 1)
    return together(found, limits, code_objects=code_objects)


def inspect_many(
    paths: Iterable[Named],
    *,
    executor: "Executor",
    limits: Limits = DEFAULT,
    code_objects: bool = True,
    exclude: tuple[str, ...] = (),
    record: bool = False,
    ordered: bool = False,
    in_flight: int = IN_FLIGHT,
) -> Generator[Inspected, None, None]:
    """Read artifacts in the workers of an executor, each by itself as `inspect` would.

    They are given as they are done, or in the order of `paths`, of which there may be any
    number: no more than `in_flight` are with the executor, or read and not taken yet. An
    artifact that can't be read is an error in its place, and so is one whose worker died
    (WorkerError). Workers must find the same files under the same paths.
    """
    task = Task(
        limits=limits,
        exclude=exclude,
        code_objects=code_objects,
        record=record,
        apart=False,
    )
    return each(paths, task, executor, in_flight=in_flight, ordered=ordered)


def verify(
    paths: Named | Iterable[Named],
    policy: "Policy | None" = None,
    *,
    limits: Limits = DEFAULT,
    exclude: tuple[str, ...] = (),
    record: bool = False,
    jobs: int = 1,
    watch: Watch | None = None,
    executor: "Executor | None" = None,
    in_flight: int = IN_FLIGHT,
) -> Report:
    """Hold artifacts to a policy (by default: gfx942 and gfx950 in every bundle).

    Never raises for what an artifact holds: what can't be read is a finding, and the
    verdict then is not `Verdict.PASS`. `record` also holds the files of wheels to their
    RECORD. `jobs` is as for `inspect`; with an `executor`, its workers read the artifacts
    instead (see `inspect_many`). The report is the same.
    """
    from kinspect import checks  # noqa: PLC0415  # who just reads needs no rules
    from kinspect.policy import Policy  # noqa: PLC0415

    policy = policy or Policy()
    names = [paths] if isinstance(paths, str | os.PathLike | Installed) else list(paths)
    left_out = (*policy.exclude, *exclude)
    if executor is None:

        def read_one(path: Named, jobs: int) -> Artifact:
            return _inspected(path, limits, left_out, record=record, watch=watch, jobs=jobs)

        found = list(read_all(names, read_one, watch, jobs))
    else:
        task = Task(
            limits=limits,
            exclude=left_out,
            code_objects=True,
            record=record,
            apart=True,
        )
        many = each(names, task, executor, in_flight=in_flight)
        inspected = {one.index: _gathered(one, watch) for one in many}
        found = [inspected[index] for index in range(len(names))]
    artifacts = together(found, limits, code_objects=True)
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
    artifacts: Iterable[Artifact], policy: "Policy"
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
    jobs: int,
) -> Artifact:
    try:
        return read(
            path,
            limits,
            exclude,
            code_objects=True,
            record=record,
            watch=watch,
            jobs=jobs,
        )
    except InputError as error:
        return _missing(path, error)


def _gathered(one: Inspected, watch: Watch | None) -> Artifact:
    if watch is not None:
        watch.reading(label(one.path))
    if isinstance(one.found, InputError):
        return _missing(one.path, one.found)
    if isinstance(one.found, KinspectError):
        raise one.found
    return one.found


def _missing(path: Named, error: InputError) -> Artifact:
    """In place of an artifact of which nothing is known."""
    unreadable = Unreadable(error.message, Where(error.path))
    return Artifact(label(path), "missing", unreadable=(unreadable,))


def kernels(
    path: Named,
    query: "Query | None" = None,
    *,
    limits: Limits = DEFAULT,
    exclude: tuple[str, ...] = (),
    problems: list[Unreadable] | None = None,
    watch: Watch | None = None,
) -> "Iterator[KernelRow]":
    """Every kernel of an artifact, as it is read: memory stays bounded by one bundle.

    What can't be read is added to `problems`.
    """
    problems = [] if problems is None else problems
    from kinspect.resources import reading  # noqa: PLC0415

    return reading.kernels(
        path, query, limits=limits, exclude=exclude, problems=problems, watch=watch
    )
