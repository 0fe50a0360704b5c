"""`kinspect diff`: what changed between two builds."""

from collections.abc import Sequence

import click

from kinspect import snapshot
from kinspect.cli import options
from kinspect.cli.exit import Exit
from kinspect.diff import KINDS, Diff, Side, Violation, diff, untold, violations
from kinspect.errors import OutputError, UsageError
from kinspect.limits import Limits
from kinspect.model import Unreadable
from kinspect.names import escape
from kinspect.sources import label

FORMATS = ("text", "json", "markdown")

EPILOG = f"""\
\b
Examples:
  kinspect diff deep_ep-1.0*.whl deep_ep-1.1*.whl
  kinspect diff baseline.json.gz build/deep_ep_cpp.so --fail-on lost-target,new-spill
  kinspect diff old/ new/ --format text --format markdown=summary.md

\b
Kinds for --fail-on:
{chr(10).join(f"  {kind:<16}{KINDS[kind][0]}" for kind in KINDS)}

Binaries are paired by their paths; versions, hashes and Python's tags in names do not
count. Two files that are named themselves are held against each other. A kernel counts
as renamed where its C++ name is the same but for a version in a namespace, an ABI tag,
its parameters, or one template argument, and exactly one kernel of each build fits.

\b
Exit codes: 0 no kind of --fail-on was found; 1 one was; 2 could not tell.
"""


@click.command("diff", epilog=EPILOG)
@click.argument("old", type=click.Path())
@click.argument("new", type=click.Path())
@click.option(
    "--fail-on", "fail_on", metavar="KIND[,KIND...]", multiple=True,
    help="Exit with 1 where something of that kind is found. Repeatable.",
)  # fmt: skip
@click.option(
    "--format", "formats", metavar="NAME[=FILE]", multiple=True,
    help=f"{', '.join(FORMATS)}. {options.FORMAT_HELP}",
)  # fmt: skip
@click.option("-q", "--quiet", is_flag=True, help="Print the last line only.")
@click.option("-v", "--verbose", is_flag=True, help="Name every kernel.")
@options.no_color
@options.exclude
@options.limit
def command(
    old: str,
    new: str,
    fail_on: tuple[str, ...],
    formats: tuple[str, ...],
    quiet: bool,
    verbose: bool,
    color: bool | None,
    exclude: tuple[str, ...],
    limits: tuple[str, ...],
) -> None:
    """Tell what changed from OLD to NEW: targets, kernels, resources, sizes, packing.

    Each is anything that kinspect reads, or the file of a snapshot.
    """
    kinds = _kinds(fail_on)
    output = options.Output(formats, FORMATS)
    ceilings = options.read_limits(limits)
    found = diff(_side(old, ceilings, exclude), _side(new, ceilings, exclude))
    wrong = tuple(violations(found, kinds))

    def render(name: str, to_file: bool) -> str:
        if name == "text":
            return _text(
                found, wrong, to_file=to_file, color=color, asked=bool(kinds),
                verbose=-1 if quiet else int(verbose),
            )  # fmt: skip
        if name == "json":
            from kinspect.render import diff_json  # noqa: PLC0415

            return diff_json.report(found, wrong)
        from kinspect.render import diff_markdown  # noqa: PLC0415

        return diff_markdown.report(found, wrong)

    try:
        output.write(render)
    except OutputError as error:
        if not wrong:
            raise
        _tell(str(error))
    _end(found, wrong, kinds)


def _text(
    found: Diff,
    wrong: Sequence[Violation],
    *,
    to_file: bool,
    color: bool | None,
    asked: bool,
    verbose: int,
) -> str:
    from kinspect.cli.reporting import fitted  # noqa: PLC0415
    from kinspect.render import diff_text  # noqa: PLC0415

    styled = options.use_color(color, to_file=to_file)
    told = diff_text.report(found, wrong, color=styled, verbose=verbose, asked=asked)
    return told if to_file else fitted(told)


def _kinds(texts: tuple[str, ...]) -> tuple[str, ...]:
    kinds = [kind.strip() for text in texts for kind in text.split(",")]
    for kind in kinds:
        if kind not in KINDS:
            message = f"--fail-on {kind!r}: expected one of {', '.join(KINDS)}"
            raise UsageError(message)
    return tuple(dict.fromkeys(kinds))


def _side(path: str, limits: Limits, exclude: tuple[str, ...]) -> Side:
    if snapshot.is_snapshot(path):
        return Side(path, snapshot.load(path))
    problems: list[Unreadable] = []
    taken = snapshot.take([path], limits=limits, exclude=exclude, problems=problems)
    return Side(label(path), taken, tuple(problems))


def _end(found: Diff, wrong: Sequence[Violation], kinds: Sequence[str]) -> None:
    """Tell what could not be told, and exit."""
    reasons = [f"{one.where}: {one.message}" for one in found.unreadable]
    sides = [side for side in (found.old, found.new) if not side.snapshot.binaries]
    if len(sides) == 2 or (kinds and sides):
        reasons += [f"{side.path}: no device code to compare" for side in sides]
    unknown = untold(found, kinds)
    if unknown:
        reasons.append(
            f"--fail-on: of {unknown} kernels, one side alone says what they take"
        )
    for reason in reasons:
        _tell(reason)
    if wrong:
        raise click.exceptions.Exit(Exit.VIOLATION)
    raise click.exceptions.Exit(Exit.COULD_NOT_TELL if reasons else Exit.VERIFIED)


def _tell(reason: str) -> None:
    click.echo(f"kinspect: error: {escape(reason)}", err=True)
