"""`kinspect list`: what is packed, without opening it."""

import click

from kinspect import api
from kinspect.cli import options
from kinspect.cli.exit import Exit
from kinspect.cli.progress import progress
from kinspect.sources import Named
from kinspect.version import __version__

EPILOG = """\
\b
Examples:
  kinspect list libfoo.so
  kinspect list --format json libfoo.so | jq -r '.. | .uri? // empty'

URIs are those of ROCm's tools, exact for plain bundles. The URI of a compressed entry
leads to its compressed bundle; inflated-offset says where in it the entry lies.
"""


@click.command("list", epilog=EPILOG)
@options.artifacts
@click.option(
    "--format", "formats", metavar="NAME[=FILE]", multiple=True,
    help=f"text or json. {options.FORMAT_HELP}",
)  # fmt: skip
@click.option(
    "-v", "--verbose", count=True, help="Name the binaries without device code too."
)
@options.no_color
@options.exclude
@options.limit
def command(
    paths: tuple[Named, ...],
    formats: tuple[str, ...],
    verbose: int,
    color: bool | None,
    exclude: tuple[str, ...],
    limits: tuple[str, ...],
) -> None:
    """List bundles and their entries, with code-object URIs.

    Opens no code object, and inflates just the head of a compressed bundle. Exits with
    2 if something could not be read.
    """
    output = options.Output(formats, ("text", "json"))
    ceilings = options.read_limits(limits)
    with progress(paths) as watch:
        artifacts = api.inspect_all(
            paths, limits=ceilings, code_objects=False, exclude=exclude, watch=watch
        )

    def render(name: str, to_file: bool) -> str:
        if name == "json":
            from kinspect.render import json  # noqa: PLC0415

            return json.listing(artifacts, __version__)
        from kinspect.render import listing  # noqa: PLC0415

        styled = options.use_color(color, to_file=to_file)
        return listing.listing(artifacts, color=styled, verbose=verbose)

    output.write(render)
    whole = all(
        not artifact.unreadable and not any(b.unreadable for b in artifact.binaries)
        for artifact in artifacts
    )
    raise click.exceptions.Exit(Exit.VERIFIED if whole else Exit.COULD_NOT_TELL)
