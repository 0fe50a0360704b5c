"""`kinspect size`: what device code costs, and what would make it smaller."""

import click

from kinspect import choosing
from kinspect.cli import options
from kinspect.cli.elsewhere import in_archives
from kinspect.cli.exit import Exit
from kinspect.cli.progress import progress
from kinspect.cli.reporting import fitted
from kinspect.cli.telling import tell, tell_each
from kinspect.costs.changes import Asked
from kinspect.costs.measured import Measured, Question, measure
from kinspect.costs.tally import SORTS, Dimension, dimensions
from kinspect.errors import UsageError
from kinspect.render.size_words import Look
from kinspect.sources import Named
from kinspect.version import __version__

EPILOG = """\
\b
Examples:
  kinspect size libfoo.so
  kinspect size --by binary --top 10 torch-2.9*.whl
  kinspect size --by kernel --target gfx942 --top 20 libfoo.so
  kinspect size --without each libfoo.so
  kinspect size --without gfx900,gfx906 --compress 3 --compress 19 libfoo.so

stored is what the file has, inflated what HIP has once a bundle is inflated. In a
compressed bundle nothing has a size of its own: each part gets its share of the stored
bytes, in proportion to its inflated size. What leaving it out would save is another
number: far less where code for other targets is much alike, more where none is. --without
measures it, by packing each bundle anew as clang would.

A kernel is its instructions (the size of its symbol) and its descriptor. Assembly often
has no size: then it reaches up to the next function, or to the end of its section.
Nothing counts twice. All sizes are those of binaries, also in a wheel, which compresses
them once more.
"""

FORMATS = ("text", "json", "csv", "markdown")
EACH = "each"


@click.command("size", epilog=EPILOG)
@options.artifacts
@click.option(
    "--by", "by", metavar="WHAT", multiple=True,
    help=f"Rows: {', '.join(Dimension)} [default: target]; several, as binary,target.",
)  # fmt: skip
@options.targets
@options.binaries
@click.option(
    "--sort", "sorts", metavar="[-]FIELD", multiple=True,
    help=f"Sort by {', '.join(SORTS)}; - for the largest first [default: -stored].",
)  # fmt: skip
@click.option(
    "--top", metavar="N", type=click.IntRange(min=1), help="Only the first N rows."
)
@click.option(
    "--without", metavar="TARGETS", multiple=True,
    help="What it would take without these targets, as gfx900,gfx906; each: every target"
    " by itself. Repeatable.",
)  # fmt: skip
@click.option(
    "--compress", "levels", metavar="LEVEL", multiple=True, type=click.IntRange(1, 22),
    help="What it would take compressed, at this level of zstd. Repeatable.",
)  # fmt: skip
@click.option(
    "--share", is_flag=True,
    help="What it would take with each of several equal code objects there once.",
)  # fmt: skip
@click.option("--bytes", "exact", is_flag=True, help="Numbers of bytes, not rounded.")
@click.option(
    "--format", "formats", metavar="NAME[=FILE]", multiple=True,
    help=f"{', '.join(FORMATS)}. {options.FORMAT_HELP}",
)  # fmt: skip
@options.no_color
@options.exclude
@options.limit
@options.jobs
def command(
    paths: tuple[Named, ...],
    by: tuple[str, ...],
    targets: tuple[str, ...],
    binaries: tuple[str, ...],
    sorts: tuple[str, ...],
    top: int | None,
    without: tuple[str, ...],
    levels: tuple[int, ...],
    share: bool,
    exact: bool,
    formats: tuple[str, ...],
    color: bool | None,
    exclude: tuple[str, ...],
    limits: tuple[str, ...],
    jobs: int | None,
) -> None:
    """Tell what device code costs: by target, binary, bundle, family or kernel.

    And what would make it smaller: fewer targets, compression, equal code objects shared.
    That is measured, by packing every bundle anew in memory. Exits with 2 if something
    could not be read or packed. What --share asks is found out by one process.
    """
    output = options.Output(formats, FORMATS)
    question = Question(
        dimensions(by),
        choosing.targets(targets),
        binaries,
        _asked(without, levels, share),
        options.read_limits(limits),
        exclude,
    )
    look = Look(top, exact, _sorts(sorts), chosen=bool(targets or binaries))
    with progress(paths) as watch:
        copies = options.read_jobs(jobs)
        found = [measure(path, question, watch, copies) for path in paths]

    def render(name: str, to_file: bool) -> str:
        return _render(found, look, name, color=color, to_file=to_file)

    output.write(render)
    problems = [part for one in found for part in one.problems]
    if not problems and not any(one.carriers for one in found):
        problems = list(in_archives(paths, question.limits, exclude))
    tell_each(problems)
    whole = not problems
    if whole and look.chosen and not any(one.tally.parts for one in found):
        tell("nothing there is what was asked for; `kinspect list` shows what there is")
        whole = False
    raise click.exceptions.Exit(Exit.VERIFIED if whole else Exit.COULD_NOT_TELL)


def _asked(without: tuple[str, ...], levels: tuple[int, ...], share: bool) -> Asked:
    sets = [choosing.ordered_targets([one], "--without") for one in without if one != EACH]
    return Asked(
        tuple(dict.fromkeys(sets)), EACH in without, share, tuple(dict.fromkeys(levels))
    )


def _sorts(names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        if name.lstrip("-") not in SORTS:
            message = f"--sort {name!r}: expected one of {', '.join(SORTS)}"
            raise UsageError(message)
    return names


def _render(
    found: list[Measured], look: Look, name: str, *, color: bool | None, to_file: bool
) -> str:
    if name in {"json", "csv"}:
        from kinspect.render import size_json  # noqa: PLC0415

        if name == "csv":
            return "".join(size_json.table(found, look))
        return size_json.report(found, look, __version__)
    if name == "markdown":
        from kinspect.render import size_markdown  # noqa: PLC0415

        return size_markdown.report(found, look)
    from kinspect.render import size_text  # noqa: PLC0415

    styled = options.use_color(color, to_file=to_file)
    text = size_text.report(found, look, color=styled)
    return text if to_file else fitted(text)
