"""`kinspect audit`: the full picture, then the findings."""

import click

from kinspect import api
from kinspect.cli import cluster, options
from kinspect.cli.progress import progress
from kinspect.cli.reporting import Reporting, reporting
from kinspect.cli.requirements import requirements
from kinspect.model import Report
from kinspect.policy import Policy
from kinspect.sources import Named

EPILOG = """\
\b
Examples:
  kinspect audit dist/deep_ep-1.0-cp312-cp312-linux_x86_64.whl
  kinspect audit --require gfx942 --format json wheel.whl | jq .artifacts[0].wheel
  kinspect audit /opt/rocm/lib
  kinspect audit --dask tcp://10.0.0.1:8786 /index/*.whl

\b
Exit codes are those of verify: 0 every requirement holds; 1 one is violated;
2 could not tell.
"""


@click.command("audit", epilog=EPILOG)
@options.artifacts
@requirements
@options.exclude
@reporting
@options.limit
@options.jobs
@cluster.option
def command(
    paths: tuple[Named, ...],
    policy: Policy,
    exclude: tuple[str, ...],
    reporting: Reporting,
    limits: tuple[str, ...],
    jobs: int | None,
    dask: str | None,
) -> None:
    """Show what an artifact runs on, target by target and library by library.

    Then what verify has to say of it. The files of a wheel are also held to its RECORD,
    which reads all of them.
    """
    ceilings = options.read_limits(limits)
    # how far a worker is can't be seen from here
    shown = paths if dask is None else ()
    with (
        cluster.pool(dask, paths) as pool,
        progress(shown, quiet=reporting.quiet) as watch,
    ):
        report = api.verify(
            paths,
            policy,
            limits=ceilings,
            exclude=exclude,
            record=True,
            jobs=options.read_jobs(jobs),
            watch=watch,
            executor=pool.executor,
            in_flight=pool.in_flight,
        )
    reporting.end(report, _text)


def _text(report: Report, *, color: bool, verbose: int) -> str:
    from kinspect.render import audit  # noqa: PLC0415

    return audit.report(report, color=color, verbose=verbose)
