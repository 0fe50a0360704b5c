"""What `kinspect size` tells, as cells and lines of text, for text and Markdown."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from kinspect.costs.anatomy import Part
from kinspect.costs.changes import Change
from kinspect.costs.measured import Measured
from kinspect.costs.packings import NEWEST
from kinspect.costs.repack import ZLIB_LEVEL, ZSTD_LEVEL, ZSTD_VERSION
from kinspect.costs.tally import Dimension, Sum, Value
from kinspect.model import Form
from kinspect.names import demangle, escape
from kinspect.needs import read_since
from kinspect.render.words import count, size

PARTS: Final = {
    Part.KERNELS: "kernels: instructions and descriptors",
    Part.FUNCTIONS: "other functions",
    Part.CODE: "code without a name, fill",
    Part.DATA: "constants and variables",
    Part.METADATA: "metadata",
    Part.SYMBOLS: "symbols, their names, relocations",
    Part.UNLOADED: "debug information, comments",
    Part.PADDING: "code objects: headers, padding",
    Part.BITCODE: "LLVM bitcode",
    Part.SPIRV: "SPIR-V",
    Part.OTHER: "other",
    Part.BUNDLE: "bundles and archives: headers, padding",
}


@dataclass(frozen=True, slots=True)
class Look:
    """How much is told, and how."""

    #: rows of a table; None for all
    top: int | None = None
    #: numbers of bytes as they are
    exact: bool = False
    #: of the rows
    sorts: tuple[str, ...] = ()
    #: whether just some of it was asked for
    chosen: bool = False

    @property
    def nothing(self) -> str:
        """In place of a table."""
        return "no such device code" if self.chosen else "no HIP device code"

    def bytes(self, number: int) -> str:
        """A size; one may be saved that is negative."""
        if self.exact:
            return f"{number:,}"
        return size(number) if number >= 0 else f"-{size(-number)}"


#: what a row is told by that has no such value
_NONE: Final = {
    Dimension.TARGET: "(no target)",
    Dimension.BINARY: "-",
    Dimension.BUNDLE: "-",
    Dimension.FAMILY: "(in no kernel)",
    Dimension.KERNEL: "(in no kernel)",
    Dimension.PART: "-",
}

#: headers of the columns before the names
COLUMNS: Final = ("stored", "share", "inflated", "objects")
CHANGES: Final = ("stored", "saved", "share")


def label(measured: Measured) -> str:
    return escape(measured.distribution or measured.path)


def head(measured: Measured, look: Look) -> str:
    """How much device code there is in how much of a file."""
    total = measured.tally.total
    whole = sum(measured.carriers.values())
    files = count(len(measured.carriers), "file")
    linked = measured.tally.parts.keys() - {Part.BITCODE, Part.BUNDLE}
    pieces = count(total.pieces, "code object" if linked else "bitcode module")
    return (
        f"{look.bytes(total.stored)} of {look.bytes(whole)} in {files}"
        f" ({percent(total.stored, whole)}), {pieces}"
    )


def percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f}%" if whole else "-"


def cells(one: Sum, whole: Sum, look: Look) -> list[str]:
    return [
        look.bytes(one.stored),
        percent(one.stored, whole.stored),
        look.bytes(one.inflated),
        str(one.pieces) if one.pieces else "-",
    ]


def table(
    measured: Measured, look: Look, show: Callable[[str], str]
) -> Iterator[tuple[list[str], list[str]]]:
    """Numbers and names of each row, of what was left out, and of everything.

    `show` makes a name harmless.
    """
    tally = measured.tally
    rows = tally.rows(look.sorts)
    kept = rows[: look.top]
    for row in kept:
        names = [_name(*value, measured.path, show) for value in row.values.items()]
        yield cells(row.sum, tally.total, look), names
    empty = [""] * (len(tally.by) - 1)
    if len(kept) < len(rows):
        rest = Sum()
        for row in rows[len(kept) :]:
            rest.merge(row.sum)
        numbers = cells(rest, tally.total, look)
        yield [*numbers[:3], "-"], [f"({len(rows) - len(kept):,} more)", *empty]
    if len(rows) != 1:
        yield cells(tally.total, tally.total, look), ["total", *empty]


def _name(
    dimension: Dimension, value: Value, artifact: str, show: Callable[[str], str]
) -> str:
    if value is None:
        return _NONE[dimension]
    if isinstance(value, Part):
        return PARTS[value]
    if dimension is Dimension.KERNEL:
        return show(escape(demangle(str(value))))
    return show(
        escape(str(value).removeprefix(f"{artifact}!").removeprefix(f"{artifact}/"))
    )


def parts(measured: Measured, look: Look) -> list[list[str]]:
    """What the bytes are for, the most first."""
    found = sorted(measured.tally.parts.items(), key=lambda one: (-one[1].inflated, one[0]))
    return [
        [*cells(one, measured.tally.total, look), PARTS[part]]
        for part, one in found
        if one.inflated or one.stored
    ]


def changes(measured: Measured, look: Look, show: Callable[[str], str]) -> list[list[str]]:
    now = measured.trial.now
    return [
        [
            look.bytes(one.stored),
            look.bytes(one.saved),
            percent(one.saved, now),
            change(one.change, show),
        ]
        for one in measured.trial.outcomes()
    ]


def change(one: Change, show: Callable[[str], str]) -> str:
    """`without gfx942, zstd level 9`"""
    words = []
    if one.without:
        words.append(f"without {', '.join(show(escape(name)) for name in one.without)}")
    if one.share:
        words.append("equal code objects once")
    if one.level is not None:
        words.append(f"zstd level {one.level}")
    return ", ".join(words)


def notes(measured: Measured, look: Look) -> Iterator[str]:
    """What one should know to read the numbers."""
    tally, trial = measured.tally, measured.trial
    if tally.total.stored != tally.total.inflated:
        yield (
            "stored: in what is compressed, each part's share in proportion to its"
            " inflated size"
        )
    changes = [one.change for one in trial.outcomes()]
    if any(one.level is not None for one in changes):
        major, minor = read_since(Form.CCOB, NEWEST) or (0, 0)
        yield (
            f"zstd level N: bundles as CCOB version {NEWEST}, which ROCm {major}.{minor}"
            f" and newer read; clang's own level is {ZSTD_LEVEL};"
            f" this is zstd {ZSTD_VERSION}"
        )
    if any(one.share for one in changes):
        yield (
            f"equal code objects: {trial.equal:,} equal an earlier one,"
            f" {look.bytes(trial.equal_size)} inflated"
        )
    if trial.before != trial.anew:
        yield (
            "compressed bundles that lose something are packed anew, with clang's zstd"
            f" level {ZSTD_LEVEL} or zlib level {ZLIB_LEVEL}; with nothing left out that"
            f" gives {look.bytes(trial.anew)} in place of {look.bytes(trial.before)}"
        )
    if changes and trial.now != tally.total.stored:
        yield f"what if: of all device code, {look.bytes(trial.now)} as it is"
    if trial.absent:
        yield f"not there: {', '.join(map(escape, trial.absent))}"
