"""Artifacts held to a policy: what `verify` and `audit` have in common."""

from collections.abc import Callable
from functools import update_wrapper
from typing import Any

from kinspect import api
from kinspect.cli import cluster, options
from kinspect.cli.options import F
from kinspect.cli.progress import progress
from kinspect.cli.reporting import Reporting, reporting
from kinspect.cli.requirements import requirements
from kinspect.model import Report
from kinspect.policy import Policy
from kinspect.sources import Named

_OPTIONS = (
    options.artifacts,
    requirements,
    options.exclude,
    reporting,
    options.limit,
    options.jobs,
    cluster.option,
)


def judging(*, record: bool) -> Callable[[F], F]:
    """Add all options to a command, which gets a `report`, and `reporting` to end with.

    With `record`, the files of wheels are held to their RECORD too.
    """

    def add(command: F) -> F:
        def with_report(*, reporting: Reporting, **others: Any) -> Any:
            report = _judged(record=record, quiet=reporting.quiet, **others)
            return command(report=report, reporting=reporting)

        wrapped: Callable[..., Any] = update_wrapper(with_report, command)
        for option in reversed(_OPTIONS):
            wrapped = option(wrapped)
        return wrapped  # type: ignore[return-value]

    return add


def _judged(
    *,
    paths: tuple[Named, ...],
    policy: Policy,
    exclude: tuple[str, ...],
    limits: tuple[str, ...],
    jobs: int | None,
    dask: str | None,
    record: bool,
    quiet: bool,
) -> Report:
    ceilings = options.read_limits(limits)
    # how far a worker is can't be seen from here
    shown = paths if dask is None else ()
    with cluster.pool(dask, paths) as pool, progress(shown, quiet=quiet) as watch:
        return api.verify(
            paths,
            policy,
            limits=ceilings,
            exclude=exclude,
            record=record,
            jobs=options.read_jobs(jobs),
            watch=watch,
            executor=pool.executor,
            in_flight=pool.in_flight,
        )
