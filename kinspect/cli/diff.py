"""`kinspect diff`: what changed between two builds."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click

from kinspect import snapshot
from kinspect.cli import options
from kinspect.cli.exit import Exit
from kinspect.copies import Later, Lost
from kinspect.diff import KINDS, Diff, Side, Violation, diff, untold, violations
from kinspect.errors import KinspectError, OutputError, UsageError
from kinspect.limits import Limits
from kinspect.model import Unreadable
from kinspect.names import escape
from kinspect.sources import label

FORMATS = ("text", "json", "markdown")

#: from this size on, both sides are read at the same time, in bytes
BESIDE: Final = 2 << 20

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
@options.jobs
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
    jobs: int | None,
) -> None:
    """Tell what changed from OLD to NEW: targets, kernels, resources, sizes, packing.

    Each is anything that kinspect reads, or the file of a snapshot.
    """
    kinds = _kinds(fail_on)
    output = options.Output(formats, FORMATS)
    ceilings = options.read_limits(limits)
    found = diff(*_sides(old, new, ceilings, exclude, options.read_jobs(jobs)))
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


def _sides(
    old: str, new: str, limits: Limits, exclude: tuple[str, ...], jobs: int
) -> tuple[Side, Side]:
    """Both sides, read at the same time."""
    if jobs < 2 or not (_is_large(old) and _is_large(new)):
        return _side(old, limits, exclude, jobs), _side(new, limits, exclude, jobs)
    recorded = snapshot.is_snapshot(old) or snapshot.is_snapshot(new)  # and soon read
    half = jobs if recorded else (jobs + 1) // 2
    later = Later(lambda: _tried(new, limits, exclude, half))
    first = _side(old, limits, exclude, half)
    try:
        second = later.result()
    except Lost:  # no memory for both at once, perhaps
        return first, _side(new, limits, exclude, jobs)
    if isinstance(second, KinspectError):
        raise second
    return first, second


def _is_large(path: str) -> bool:
    """Whether reading it is worth a process of its own; a URL is not read by a copy."""
    try:
        return Path(path).is_dir() or Path(path).stat().st_size >= BESIDE
    except OSError:
        return False


def _tried(
    path: str, limits: Limits, exclude: tuple[str, ...], jobs: int
) -> Side | KinspectError:
    try:
        return _side(path, limits, exclude, jobs)
    except KinspectError as error:
        return error


def _side(path: str, limits: Limits, exclude: tuple[str, ...], jobs: int) -> Side:
    if snapshot.is_snapshot(path):
        return Side(path, snapshot.load(path))
    problems: list[Unreadable] = []
    taken = snapshot.take(
        [path], limits=limits, exclude=exclude, problems=problems, jobs=jobs
    )
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
