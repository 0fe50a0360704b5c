"""`kinspect kernels`: kernels and their resources."""

import json
from collections.abc import Iterator
from fnmatch import fnmatchcase

import click

from kinspect import api
from kinspect.cli import options
from kinspect.cli.exit import Exit
from kinspect.errors import TargetError, UsageError
from kinspect.limits import Limits
from kinspect.model import Unreadable
from kinspect.names import demangle, escape
from kinspect.sources import Named
from kinspect.target import TargetID

EPILOG = """\
\b
Examples:
  kinspect kernels deep_ep_cpp.so
  kinspect kernels --target gfx950 --kernel '*combine*' deep_ep_cpp.so
  kinspect kernels --format jsonl libfoo.so | jq 'select(.vgpr_spill_count > 0)'
"""


@click.command("kernels", epilog=EPILOG)
@options.artifacts
@click.option(
    "-t", "--target", "targets", metavar="TARGET", multiple=True,
    help="Only code objects for this target. Repeatable.",
)  # fmt: skip
@click.option(
    "-k", "--kernel", "globs", metavar="GLOB", multiple=True,
    help="Only kernels of this name, mangled or demangled. Repeatable.",
)  # fmt: skip
@click.option(
    "--format", "format_", metavar="NAME", default="text", show_default=True,
    help="text, json, or jsonl: one object a line, as they are read.",
)  # fmt: skip
@options.limit
def command(
    paths: tuple[Named, ...],
    targets: tuple[str, ...],
    globs: tuple[str, ...],
    format_: str,
    limits: tuple[str, ...],
) -> None:
    """List the kernels of every code object, with their resources.

    VGPR, AGPR and SGPR are registers; LDS, scratch and kernarg are bytes.
    """
    if format_ not in {"text", "json", "jsonl"}:
        message = f"--format {format_!r}: expected text, json or jsonl"
        raise UsageError(message)
    wanted = frozenset(map(_target, targets))
    ceilings = options.read_limits(limits)
    problems: list[Unreadable] = []
    rows = _rows(paths, ceilings, problems)
    chosen = (row for row in rows if _selected(row, wanted, globs))
    for text in _render(chosen, format_):
        options.write(text)
    for problem in problems:
        text = escape(f"{problem.where}: {problem.message}")
        click.echo(f"kinspect: error: {text}", err=True)
    raise click.exceptions.Exit(Exit.COULD_NOT_TELL if problems else Exit.VERIFIED)


def _rows(
    paths: tuple[Named, ...], limits: Limits, problems: list[Unreadable]
) -> Iterator[api.KernelRow]:
    """Every kernel; where there is none and nothing else is wrong, why."""
    listed = False
    for path in paths:
        for row in api.kernels(path, limits=limits, problems=problems):
            listed = True
            yield row
    if not (listed or problems):
        problems += _in_archives(paths, limits)


def _in_archives(paths: tuple[Named, ...], limits: Limits) -> Iterator[Unreadable]:
    """Why hosts have no kernels of their own: these lie in kpack archives."""
    for path in paths:
        for binary in api.inspect(path, limits=limits, code_objects=False).binaries:
            for use in binary.kpack[:1]:
                names = ", ".join(use.reference.search_paths)
                message = f"its kernels lie in kpack archives, name these: {names}"
                yield Unreadable(message, use.where)


def _render(rows: Iterator[api.KernelRow], format_: str) -> Iterator[str]:
    """The output in pieces, so that what can stream does."""
    if format_ == "jsonl":
        yield from (json.dumps(row.values()) + "\n" for row in rows)
    elif format_ == "json":
        yield json.dumps([row.values() for row in rows], indent=1) + "\n"
    else:
        from kinspect.render import kernel_table  # noqa: PLC0415

        yield kernel_table.table(rows)


def _target(text: str) -> str:
    try:
        return str(TargetID.parse(text))
    except TargetError as error:
        message = f"--target: {error}"
        raise UsageError(message) from error


def _selected(row: api.KernelRow, targets: frozenset[str], globs: tuple[str, ...]) -> bool:
    if targets and row.target not in targets and row.target.split(":")[0] not in targets:
        return False
    return not globs or any(
        fnmatchcase(row.kernel.name, glob) or fnmatchcase(demangle(row.kernel.name), glob)
        for glob in globs
    )
