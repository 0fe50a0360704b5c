"""`kinspect verify`: the assertion."""

import sys

import click

from kinspect import api
from kinspect.cli import cluster, options
from kinspect.cli.progress import progress
from kinspect.cli.reporting import Reporting, reporting
from kinspect.cli.requirements import requirements
from kinspect.model import Report
from kinspect.names import escape
from kinspect.policy import Policy
from kinspect.sources import Named

EPILOG = """\
\b
Examples:
  kinspect verify build/lib/deep_ep_cpp*.so
  kinspect verify --require "$PYTORCH_ROCM_ARCH" dist/deep_ep_cpp.so
  kinspect verify --require gfx942:xnack+ --kernel '*dispatch*' libfoo.so
  kinspect verify --installed deep_ep --python .venv
  kinspect verify https://example.org/deep_ep-1.0-cp312-cp312-linux_x86_64.whl
  kinspect verify --format text --format json=report.json libfoo.so

\b
Exit codes: 0 every requirement holds; 1 a requirement is violated;
2 could not tell. A violation outranks what could not be told.
"""


@click.command("verify", epilog=EPILOG)
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
    """Assert that every bundle has code that HIP would load on each required target."""
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
            jobs=options.read_jobs(jobs),
            watch=watch,
            executor=pool.executor,
            in_flight=pool.in_flight,
        )
    if not reporting.quiet and sys.stderr.isatty():
        _propose(report)
    reporting.end(report, _text)


def _propose(report: Report) -> None:
    """Tell a person of the profiles that the names of the files call for."""
    from kinspect.settings.profiles import proposed  # noqa: PLC0415

    paths = (b.path for one in report.artifacts for b in one.binaries if b.device_code)
    for name, path in proposed(paths):
        if f"profile {name}" not in report.sources:
            told = f"note: {path} looks like a case for --profile {name}"
            click.echo(escape(told), err=True)


def _text(report: Report, *, color: bool, verbose: int) -> str:
    from kinspect.render import text  # noqa: PLC0415

    return text.report(report, color=color, verbose=verbose)
