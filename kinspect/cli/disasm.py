"""`kinspect disasm`: the instructions of kernels, by an LLVM that is there."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import click

from kinspect.cli import options
from kinspect.cli.chosen import Chosen, choice
from kinspect.cli.elsewhere import no_kernels
from kinspect.cli.exit import Exit
from kinspect.cli.reporting import fitted, table_width
from kinspect.cli.telling import tell, tell_each
from kinspect.disassembly import (
    Decoder,
    Disassembled,
    Tools,
    disassembled,
    statistics,
)
from kinspect.disassembly.statistics import sibling_of
from kinspect.errors import FormatError, TargetError, ToolError, UsageError, Where
from kinspect.limits import Limits
from kinspect.model import Unreadable
from kinspect.resources.reading import Query
from kinspect.sources import Named
from kinspect.target import TargetID

EPILOG = """\
\b
Examples:
  kinspect disasm --kernel '*combine*' --target gfx942 deep_ep_cpp.so
  kinspect disasm --stats --target gfx950 deep_ep_cpp.so
  kinspect disasm --stats --format csv libfoo.so > instructions.csv
  kinspect disasm --source --kernel my_kernel build/libfoo.so
  kinspect disasm --objdump /opt/rocm/llvm/bin/llvm-objdump libfoo.so

kinspect decodes nothing itself: it asks the llvm-objdump of ROCm ($ROCM_PATH/llvm/bin),
else the newest on PATH (llvm-objdump-22, …) that knows the processor, and holds what that
prints against the bytes. gfx942 needs LLVM 17, gfx950 LLVM 20. An older one can be made
to take gfx950 for gfx942 (--mcpu gfx942): then what is new in gfx950 is not decoded, and
what follows such an instruction may be wrong for a line or two. Exits with 2 where
something was not decoded, could not be read, or nothing is what was asked for.

What is not inlined is a function of its own, and much of a kernel may be in one. Without
--kernel and --regex all functions are shown; with them those that they name, kernels or
not, and whatever these call. A call by a pointer that lies in memory is not followed.

--stats has a row for each function: its own instructions, each once however often it
runs. mfma: MFMA, SMFMAC, WMMA; vmem: buffer, image, global; waits: for counters and
barriers; other: s_nop, s_endpgm, … What an older processor lacks is found by taking the
same bytes apart for it.
"""

FORMATS: Final = ("text", "json", "jsonl", "csv")


@dataclass(frozen=True, slots=True)
class View:
    """What is shown of the instructions."""

    format: str
    stats: bool
    beyond: str | None
    #: file and line, or source text
    source: bool = False

    def check(self) -> None:
        """Raise UsageError for what does not go together."""
        if self.format not in FORMATS:
            message = f"--format {self.format!r}: expected {', '.join(FORMATS)}"
            raise UsageError(message)
        if self.format == "csv" and not self.stats:
            message = "--format csv is for --stats"
            raise UsageError(message)
        if self.source and self.stats:
            message = "--lines and --source are for listings, not for --stats"
            raise UsageError(message)
        if self.beyond is not None and not self.stats:
            message = "--beyond is for --stats"
            raise UsageError(message)


@click.command("disasm", epilog=EPILOG)
@options.artifacts
@choice
@click.option(
    "--stats", is_flag=True,
    help="Count instructions by what they do, and those that an older processor lacks.",
)  # fmt: skip
@click.option(
    "--beyond", metavar="PROCESSOR",
    help="With --stats, the older one [default: for gfx950 gfx942, for gfx942 gfx90a, …].",
)  # fmt: skip
@click.option("-l", "--lines", is_flag=True, help="File and line, where they are known.")
@click.option(
    "-S", "--source", is_flag=True,
    help="Source text too, from the files that the code object names.",
)  # fmt: skip
@click.option(
    "--objdump", metavar="PROGRAM", type=click.Path(),
    help="The llvm-objdump to ask, and no other.",
)  # fmt: skip
@click.option(
    "--mcpu", metavar="PROCESSOR",
    help="Take all code for that of this processor, whatever it is for.",
)  # fmt: skip
@click.option(
    "--timeout", metavar="SECONDS", default=600.0, show_default=True,
    type=click.FloatRange(min=0, min_open=True), help="For each code object.",
)  # fmt: skip
@click.option(
    "--format", "format_", metavar="NAME", default="text", show_default=True,
    help="text, json, jsonl (one object a line, as they are read), or csv for --stats.",
)  # fmt: skip
@options.exclude
@options.limit
def command(
    paths: tuple[Named, ...],
    choice: Chosen,
    stats: bool,
    beyond: str | None,
    lines: bool,
    source: bool,
    objdump: str | None,
    mcpu: str | None,
    timeout: float,
    format_: str,
    exclude: tuple[str, ...],
    limits: tuple[str, ...],
) -> None:
    """Disassemble kernels and what they call, or count their instructions.

    An LLVM that is there does it.
    """
    view = View(format_, stats, _processor("--beyond", beyond), lines or source)
    view.check()
    decoder = Decoder(
        Tools(objdump, os.environ),
        _processor("--mcpu", mcpu),
        timeout,
        lines=lines,
        source=source,
    )
    work = _Work(paths, choice.query(), decoder, options.read_limits(limits), exclude)
    for text in options.in_blocks(work.render(view)):
        options.write(fitted(text) if view.format == "text" else text)
    if not work.listed and not work.problems:
        work.problems.extend(no_kernels(paths, work.limits, exclude))
    if not work.listed and not work.problems:
        asked = "no kernel there is what was asked for; `kinspect kernels` lists them"
        tell(asked if choice.restricts else "there is no kernel")
    tell_each(work.problems)
    whole = work.listed and not work.problems
    raise click.exceptions.Exit(Exit.VERIFIED if whole else Exit.COULD_NOT_TELL)


def _processor(option: str, text: str | None) -> str | None:
    if text is None:
        return None
    try:
        return TargetID.parse(text).processor
    except TargetError as error:
        message = f"{option}: {error}"
        raise UsageError(message) from error


class _Work:
    """What is read, and what went wrong with it."""

    def __init__(
        self,
        paths: tuple[Named, ...],
        query: Query,
        decoder: Decoder,
        limits: Limits,
        exclude: tuple[str, ...],
    ) -> None:
        self._paths = paths
        self._query = query
        self._decoder = decoder
        self.limits = limits
        self._exclude = exclude
        self.problems: list[Unreadable] = []
        #: whether there was any kernel
        self.listed = False

    def render(self, view: View) -> Iterator[str]:
        """The output in pieces, as it comes."""
        from kinspect.render import disassembly, kernel_lines  # noqa: PLC0415

        if view.format == "text":
            yield from self._tables(view) if view.stats else self._listings()
            return
        values = self._values(view)
        if view.format == "csv":
            rows = (disassembly.flat(value) for value in values)
            yield from kernel_lines.table(rows, disassembly.CSV)
        elif view.format == "json":
            yield from kernel_lines.json_list(values)
        else:
            yield from kernel_lines.jsonl(values)

    def _code_objects(self) -> Iterator[Disassembled]:
        for path in self._paths:
            for one in disassembled(
                path,
                self._query,
                self._decoder,
                limits=self.limits,
                exclude=self._exclude,
                problems=self.problems,
            ):
                self.listed = True
                yield one

    def _listings(self) -> Iterator[str]:
        from kinspect.render import disassembly  # noqa: PLC0415

        for one in self._code_objects():
            with self._guarded(one):
                yield from disassembly.listing(one)

    def _tables(self, view: View) -> Iterator[str]:
        from kinspect.render import disassembly  # noqa: PLC0415

        totals = disassembly.Totals()
        width = table_width()
        before = ""
        for one in self._code_objects():
            with self._guarded(one):
                sibling = sibling_of(one, view.beyond)
                rows = statistics(one, sibling)
                totals.add(one, rows, sibling)
                yield before + disassembly.table(one, rows, sibling, width)
                before = "\n"
        yield from totals.text(width)

    def _values(self, view: View) -> Iterator[dict[str, Any]]:
        from kinspect.render import disassembly  # noqa: PLC0415

        for one in self._code_objects():
            with self._guarded(one):
                if view.stats:
                    sibling = sibling_of(one, view.beyond)
                    yield from disassembly.counted(one, statistics(one, sibling), sibling)
                else:
                    yield from disassembly.listed(one)

    @contextmanager
    def _guarded(self, one: Disassembled) -> Iterator[None]:
        try:
            yield
        except ToolError as error:
            self._tell(one, str(error))
        except FormatError as error:
            self.problems.append(Unreadable.of(error, error.where))
        if one.undecoded:
            words = "1 word is" if one.undecoded == 1 else f"{one.undecoded} words are"
            llvm = one.objdump.version
            self._tell(one, f"{words} no instruction of {one.processor} to {llvm}")

    def _tell(self, one: Disassembled, message: str) -> None:
        layer = f"bundle {one.bundle} {one.target}"
        self.problems.append(Unreadable(message, Where(one.path, layer)))
