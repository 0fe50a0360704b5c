"""`kinspect snapshot`: what an artifact holds, as a baseline for later builds."""

import sys

import click

from kinspect import snapshot
from kinspect.cli import options
from kinspect.cli.exit import Exit
from kinspect.cli.telling import tell
from kinspect.errors import UsageError
from kinspect.model import Unreadable
from kinspect.names import escape
from kinspect.render.words import count
from kinspect.sources import Named, label
from kinspect.version import __version__

EPILOG = """\
\b
Examples:
  kinspect snapshot dist/deep_ep-1.0-cp312-cp312-linux_x86_64.whl -o baseline.json
  kinspect verify --baseline baseline.json dist/deep_ep-1.1-cp312-cp312-linux_x86_64.whl

The file is JSON, sorted, with a line for each kernel: it can be kept and reviewed with
the sources. A name that ends in .gz is compressed; - is the standard output.
"""


@click.command("snapshot", epilog=EPILOG)
@options.artifacts
@click.option(
    "-o", "--output", metavar="FILE", required=True, type=click.Path(allow_dash=True),
    help="Where to write the snapshot.",
)  # fmt: skip
@options.exclude
@options.limit
@options.jobs
def command(
    paths: tuple[Named, ...],
    output: str,
    exclude: tuple[str, ...],
    limits: tuple[str, ...],
    jobs: int | None,
) -> None:
    """Record the targets, the kernels and their resources of each binary.

    Nothing is written, and the exit code is 2, where something could not be read or
    carries no device code at all.
    """
    if not output:
        message = "-o is empty: a variable that is not set?"
        raise UsageError(message)
    problems: list[Unreadable] = []
    taken = snapshot.take(
        paths,
        limits=options.read_limits(limits),
        exclude=exclude,
        problems=problems,
        jobs=options.read_jobs(jobs),
    )
    errors = [f"{part.where}: {part.message}" for part in problems]
    if not taken.binaries and not errors:
        errors = [f"{', '.join(map(label, paths))}: no device code to record"]
    for error in errors:
        tell(error)
    if errors:
        raise click.exceptions.Exit(Exit.COULD_NOT_TELL)
    if output == "-":
        sys.stdout.writelines(snapshot.text(taken, __version__))
    else:
        snapshot.save(taken, output, __version__)
        click.echo(f"{escape(output)}: {_told(taken)}", err=True)


def _told(taken: snapshot.Snapshot) -> str:
    """What was recorded, in a line."""
    targets = {name for binary in taken.own for name in binary.targets}
    kernels = sum(
        len(target.kernels)
        for binary in taken.own
        for unit in binary.units
        for target in unit.targets.values()
    )
    parts = (
        count(len(taken.own), "binary"),
        count(len(targets), "target"),
        count(kernels, "kernel"),
    )
    return ", ".join(parts)
