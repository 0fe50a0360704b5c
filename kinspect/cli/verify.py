"""`kinspect verify`: the assertion."""

import sys

import click

from kinspect.cli.judging import judging
from kinspect.cli.reporting import Reporting
from kinspect.model import Report
from kinspect.names import escape

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
@judging(record=False)
def command(report: Report, reporting: Reporting) -> None:
    """Assert that every bundle has code that HIP would load on each required target."""
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
