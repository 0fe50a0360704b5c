"""`kinspect browse`: look around in artifacts."""

import sys

import click

from kinspect import api
from kinspect.cli import options
from kinspect.cli.exit import Exit
from kinspect.cli.requirements import requirements
from kinspect.cli.telling import tell
from kinspect.errors import UsageError
from kinspect.policy import Policy
from kinspect.sources import Named

EPILOG = """\
\b
Examples:
  kinspect browse deep_ep-1.0-cp312-cp312-linux_x86_64.whl
  kinspect browse --require gfx942 /opt/rocm/lib
  kinspect browse --installed deep_ep --python .venv

Keys: arrows and Enter walk through the tree, / searches (n and N go on), f goes to the
next finding, g to a bundle, u up, Tab to the details, q quits.

Needs textual: pip install 'kinspect[browse]'
"""


@click.command("browse", epilog=EPILOG)
@options.artifacts
@requirements
@options.exclude
@options.limit
def command(
    paths: tuple[Named, ...],
    policy: Policy,
    exclude: tuple[str, ...],
    limits: tuple[str, ...],
) -> None:
    """Walk through an artifact in the terminal, down to the resources of each kernel.

    What verify says of it stands beside what it says it of. Exits with 2 where there is
    nothing to look at.
    """
    try:
        from kinspect.browse.app import Browser  # noqa: PLC0415
        from kinspect.browse.resources import read  # noqa: PLC0415
    except ImportError as error:
        message = (
            f"browse needs textual, which is not installed ({error}):"
            " pip install 'kinspect[browse]'"
        )
        raise UsageError(message) from error
    if not all(one.isatty() for one in (sys.stdin, sys.stdout, sys.stderr)):
        message = "browse needs a terminal; in a pipe or a job, use kinspect audit"
        raise UsageError(message)
    from kinspect.render import matrix  # noqa: PLC0415

    ceilings = options.read_limits(limits)
    click.echo("reading …", err=True)
    report = api.verify(paths, policy, limits=ceilings, exclude=exclude)
    if not any(one.binaries for one in report.artifacts):
        for part in (part for one in report.artifacts for part in one.unreadable):
            tell(f"{part.where.path}: {part.message}")
        tell("nothing to look at: no binary")
        raise click.exceptions.Exit(Exit.COULD_NOT_TELL)
    word, reason = matrix.verdict(report)
    Browser(
        report, f"{word}: {reason}", lambda: read(report, paths, ceilings, exclude)
    ).run()
    raise click.exceptions.Exit(Exit.VERIFIED)
