"""`kinspect kernels`: kernels and their resources."""

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

import click

from kinspect import api, choosing
from kinspect.cli import options
from kinspect.cli.chosen import Chosen, choice
from kinspect.cli.elsewhere import no_kernels
from kinspect.cli.exit import Exit
from kinspect.cli.progress import progress
from kinspect.cli.reporting import fitted, table_width
from kinspect.cli.telling import tell, tell_each
from kinspect.errors import UsageError
from kinspect.formats.metadata import Detail
from kinspect.limits import Limits
from kinspect.model import Unreadable
from kinspect.resources import comparing, families
from kinspect.resources.ordering import SORTS, ordered
from kinspect.resources.reading import Query
from kinspect.resources.rows import KernelRow, Launch
from kinspect.sources import Named, Watch

EPILOG = """\
\b
Examples:
  kinspect kernels deep_ep_cpp.so
  kinspect kernels --target gfx950 --kernel '*combine*' deep_ep_cpp.so
  kinspect kernels --sort -scratch --sort -vgpr --top 10 libfoo.so
  kinspect kernels --compare gfx942,gfx950 --differing deep_ep_cpp.so
  kinspect kernels --group --target gfx942 librocblas.so
  kinspect kernels --format jsonl libfoo.so | jq 'select(.vgpr_spill_count > 0)'

occupancy is what LLVM estimates: waves of a SIMD, of how many it has slots for, and what
keeps more away. It supposes the best workgroup size that a kernel allows, and no LDS but
the kernel's own; --workgroup and --lds say what a launch asks for, 0 that it is refused,
since it asks for more than the kernel allows or the processor has. A number with ! is one
that the kernel's descriptor, which the hardware gets, contradicts.
"""

FORMATS: Final = ("text", "json", "jsonl", "csv")


@dataclass(frozen=True, slots=True)
class View:
    """How the rows are shown."""

    format: str
    sorts: tuple[str, ...]
    top: int | None
    group: bool
    compare: tuple[str, ...]
    differing: bool
    arguments: bool
    color: bool
    #: of a terminal
    width: int | None

    def check(self) -> None:
        """Raise UsageError for what is not known, or does not go together."""
        if self.format not in FORMATS:
            message = f"--format {self.format!r}: expected {', '.join(FORMATS)}"
            raise UsageError(message)
        for name in self.sorts:
            if name.lstrip("-") not in SORTS:
                message = f"--sort {name!r}: expected one of {', '.join(SORTS)}"
                raise UsageError(message)
        csv = self.format == "csv"
        together = self.group or bool(self.compare)
        for wrong, message in (
            (self.group and self.compare, "--group and --compare: one of them at a time"),
            (
                together and (csv or self.sorts),
                "--group and --compare know neither --format csv nor --sort",
            ),
            (
                self.arguments and (together or csv),
                "--args goes with none of --group, --compare and --format csv",
            ),
            (self.group and self.top, "--group counts all kernels: it knows no --top"),
            (self.differing and not self.compare, "--differing is for --compare"),
        ):
            if wrong:
                raise UsageError(message)


@click.command("kernels", epilog=EPILOG)
@options.artifacts
@choice
@click.option(
    "--sort", "sorts", metavar="[-]FIELD", multiple=True,
    help=f"Sort by {', '.join(SORTS)}; - for the largest first. Repeatable.",
)  # fmt: skip
@click.option(
    "--top", metavar="N", type=click.IntRange(min=1), help="Only the first N kernels.",
)  # fmt: skip
@click.option("--group", is_flag=True, help="Count kernels by family, templates folded.")
@click.option(
    "--compare", metavar="TARGETS", multiple=True,
    help="Kernels side by side for these targets, as gfx942,gfx950; a processor alone"
    " stands for all of its modes.",
)  # fmt: skip
@click.option(
    "--differing", is_flag=True, help="With --compare, only kernels that are not alike."
)
@click.option("--args", "arguments", is_flag=True, help="The arguments of each kernel.")
@click.option(
    "--workgroup", metavar="N", type=click.IntRange(min=1),
    help="Lanes of the workgroup that occupancy is estimated for.",
)  # fmt: skip
@click.option(
    "--lds", metavar="BYTES", type=click.IntRange(min=0), default=0,
    help="LDS that the launch asks for beside the kernel's own.",
)  # fmt: skip
@click.option(
    "--format", "format_", metavar="NAME", default="text", show_default=True,
    help="text, json, jsonl (one object a line, as they are read) or csv.",
)  # fmt: skip
@options.no_color
@options.exclude
@options.limit
def command(
    paths: tuple[Named, ...],
    choice: Chosen,
    sorts: tuple[str, ...],
    top: int | None,
    group: bool,
    compare: tuple[str, ...],
    differing: bool,
    arguments: bool,
    workgroup: int | None,
    lds: int,
    format_: str,
    color: bool | None,
    exclude: tuple[str, ...],
    limits: tuple[str, ...],
) -> None:
    """Report the resources of every kernel: registers, LDS, scratch, spills, occupancy.

    VGPR, AGPR and SGPR are registers; LDS, scratch, kernarg and code are bytes; workgroup
    is the size that a kernel requires, or allows at most. Exits with 2 where something
    could not be read, or no kernel is what was asked for.
    """
    view = View(
        format_,
        sorts,
        top,
        group,
        choosing.ordered_targets(compare, "--compare"),
        differing,
        arguments,
        options.use_color(color),
        table_width(),
    )
    view.check()
    query = choice.query(
        targets=view.compare,
        detail=Detail.ARGUMENTS if arguments else Detail.RESOURCES,
    )
    ceilings = options.read_limits(limits)
    problems: list[Unreadable] = []
    reading = Reading(paths, query, ceilings, exclude, problems)
    for text in _output(reading, view, Launch(workgroup, lds)):
        options.write(fitted(text) if view.format == "text" else text)
    tell_each(problems)
    whole = not problems
    if whole and not reading.listed and (choice.restricts or view.compare):
        tell("no kernel there is what was asked for")
        whole = False
    raise click.exceptions.Exit(Exit.VERIFIED if whole else Exit.COULD_NOT_TELL)


@dataclass(slots=True)
class Reading:
    """What is read, and what came of it beside the kernels."""

    paths: tuple[Named, ...]
    query: Query
    limits: Limits
    exclude: tuple[str, ...]
    problems: list[Unreadable]
    #: whether there was any kernel
    listed: bool = False


def _output(reading: Reading, view: View, launch: Launch) -> Iterator[str]:
    """The output in blocks; on a terminal, a bar while there is nothing to see yet."""
    streams = not (view.sorts or view.group or view.compare)
    with progress(reading.paths, quiet=streams and sys.stdout.isatty()) as watch:
        rows = (replace(row, launch=launch) for row in _rows(reading, watch))
        blocks = options.in_blocks(_render(rows, view))
        if streams:
            yield from blocks
            return
        whole = list(blocks)
    yield from whole


def _rows(reading: Reading, watch: Watch | None) -> Iterator[KernelRow]:
    """Every kernel; where there is none and nothing else is wrong, why."""
    for path in reading.paths:
        for row in api.kernels(
            path,
            reading.query,
            limits=reading.limits,
            exclude=reading.exclude,
            problems=reading.problems,
            watch=watch,
        ):
            reading.listed = True
            yield row
    if not (reading.listed or reading.problems):
        found = no_kernels(reading.paths, reading.limits, reading.exclude)
        reading.problems.extend(found)


def _render(rows: Iterator[KernelRow], view: View) -> Iterator[str]:
    """The output in pieces, so that what can stream does."""
    if view.compare:
        yield from _compared(list(rows), view)
    elif view.group:
        yield from _grouped(rows, view)
    else:
        yield from _listed(ordered(rows, view.sorts, view.top), view)


def _listed(rows: Iterable[KernelRow], view: View) -> Iterator[str]:
    from kinspect.render import kernel_lines, kernel_table  # noqa: PLC0415

    if view.format == "csv":
        yield from kernel_lines.table(row.values() for row in rows)
    elif view.format != "text":
        yield from _for_programs((row.values() for row in rows), view)
    elif view.arguments:
        yield "\n".join(map(kernel_table.arguments, rows)) or "no kernels\n"
    elif view.sorts:
        yield kernel_table.ranking(list(rows), view.width)
    else:
        yield from kernel_table.tables(rows, view.width)


def _grouped(rows: Iterator[KernelRow], view: View) -> Iterator[str]:
    from kinspect.render import kernel_groups  # noqa: PLC0415

    found = families.groups(rows)
    if view.format == "text":
        yield kernel_groups.families(found, view.width)
    else:
        yield from _for_programs(kernel_groups.family_values(found), view)


def _compared(rows: list[KernelRow], view: View) -> Iterator[str]:
    from kinspect.render import kernel_groups  # noqa: PLC0415
    from kinspect.render.style import Style  # noqa: PLC0415

    targets = comparing.columns(rows, view.compare)
    if len(targets) == 1:
        message = "--compare: name two targets or more, such as gfx942,gfx950"
        raise UsageError(message)
    found = list(comparing.compare(rows, targets))
    shown = [one for one in found if one.differing or one.missing or not view.differing]
    shown = shown[: view.top]
    if view.format == "text":
        style = Style(color=view.color)
        yield kernel_groups.comparison(shown, targets, style, found, view.width)
    else:
        yield from _for_programs(kernel_groups.comparison_values(shown, targets), view)


def _for_programs(values: Iterable[dict[str, Any]], view: View) -> Iterator[str]:
    from kinspect.render import kernel_lines  # noqa: PLC0415

    if view.format == "jsonl":
        return kernel_lines.jsonl(values)
    return kernel_lines.json_list(values)
