"""`kinspect audit`: the full picture, then the findings."""

import click

from kinspect.cli.judging import judging
from kinspect.cli.reporting import Reporting
from kinspect.model import Report

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
@judging(record=True)
def command(report: Report, reporting: Reporting) -> None:
    """Show what an artifact runs on, target by target and library by library.

    Then what verify has to say of it. The files of a wheel are also held to its RECORD,
    which reads all of them.
    """
    reporting.end(report, _text)


def _text(report: Report, *, color: bool, verbose: int) -> str:
    from kinspect.render import audit  # noqa: PLC0415

    return audit.report(report, color=color, verbose=verbose)
