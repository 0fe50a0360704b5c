"""How text is laid out: colours, tables, and lines as wide as a terminal."""

import re
from collections.abc import Collection, Sequence
from typing import Final

_STYLES: Final = {
    "error": "\x1b[1;31m",
    "warning": "\x1b[1;33m",
    "note": "\x1b[1;36m",
    "ok": "\x1b[32m",
    "strong": "\x1b[1m",
}
_END: Final = "\x1b[0m"
#: how much wider than its name a column is at least, as tabulate has it
_HEADER_ROOM: Final = 2
_COLOUR: Final = re.compile("\x1b\\[[0-9;]*m")


class Style:
    """Colours, or none."""

    def __init__(self, *, color: bool) -> None:
        self._color = color

    def __call__(self, style: str, text: str) -> str:
        return f"{_STYLES[style]}{text}{_END}" if self._color else text


def table(rows: Sequence[Sequence[str]], headers: Sequence[str]) -> list[str]:
    """The lines of a table, sizes to the right; none without rows."""
    if not rows:
        return []
    align = ["right" if name == "size" else "left" for name in headers]
    return _laid_out(rows, headers, align)


def narrow_table(
    rows: Sequence[Sequence[str]], headers: Sequence[str], left: Collection[str]
) -> list[str]:
    """The lines of a table of many columns, numbers to the right, all as narrow as can be.

    `left` names the columns that are text. A header of its own would widen each of them.
    """
    align = ["left" if name in left else "right" for name in headers]
    return _laid_out([headers, *rows], (), align)


def fitting_table(
    rows: Sequence[Sequence[str]],
    headers: Sequence[str],
    left: Collection[str],
    width: int | None,
) -> list[str]:
    """The same as wide as there is room, if that can be; None: as wide as it gets.

    Columns that say the same in all rows go into a line at the end. Then the last column,
    of names, gets lines of its own before the numbers, and these more than one, if need be.
    """
    lines = narrow_table(rows, headers, left)
    if width is None or max(map(_length, lines)) <= width:
        return lines
    *columns, names = zip(*rows, strict=True)
    alike = [_alike(column) for column in columns]
    kept = [number for number, one in enumerate(alike) if not one]
    told = [f"{headers[n]} {columns[n][0]}" for n, one in enumerate(alike) if one]
    note = wrapped(f"all alike: {', '.join(told)}", width).split("\n") if told else []
    numbers = [[row[n] for n in kept] for row in rows]
    short = [headers[n] for n in kept]
    whole = [[*row, name] for row, name in zip(numbers, names, strict=True)]
    lines = narrow_table(whole, [*short, headers[-1]], left)
    if max(map(_length, lines)) > width:
        tables = []
        for group in _groups([short, *numbers], width):
            some = [[row[n] for n in group] for row in numbers]
            tables.append(narrow_table(some, [short[n] for n in group], left))
        heads, *rest = zip(*tables, strict=True) if tables else [(), *[()] * len(names)]
        lines = list(heads)
        for name, parts in zip(names, rest, strict=True):
            lines += [*wrapped(name, width).split("\n"), *parts]
    return [*lines, *note]


def _groups(rows: Sequence[Sequence[str]], width: int) -> list[list[int]]:
    """Numbers of columns that fit into a line together."""
    groups: list[list[int]] = []
    room = 0
    for number, column in enumerate(zip(*rows, strict=True)):
        need = max(map(_length, column)) + 2
        if need > room or not groups:
            groups.append([])
            room = width + 2
        groups[-1].append(number)
        room -= need
    return groups


def _alike(column: Sequence[str]) -> bool:
    """Whether a column needs no lines: of one row, if it says nothing.

    A cell such as `47 | 48`, that tells a difference, does.
    """
    if len(set(column)) > 1 or len({*column[0].split(" | ")} - {"·"}) > 1:
        return False
    return len(column) > 1 or column[0] in {"0", "-"}


def _laid_out(
    rows: Sequence[Sequence[str]], headers: Sequence[str], align: Sequence[str]
) -> list[str]:
    lines = [headers, *rows] if headers else rows
    if all(line.isascii() and line.isprintable() for line in map("".join, lines)):
        return _plain(rows, headers, align)
    from tabulate import tabulate  # noqa: PLC0415  # takes longer than a small library

    text = tabulate(rows, headers, tablefmt="plain", disable_numparse=True, colalign=align)
    return [line.rstrip() for line in text.split("\n")]


def _plain(
    rows: Sequence[Sequence[str]], headers: Sequence[str], align: Sequence[str]
) -> list[str]:
    """As tabulate would, where text is as wide as it is long: no colours, ASCII alone."""
    cells = [[cell.strip() for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    if headers:
        least = [len(name) + _HEADER_ROOM for name in headers]
        widths = list(map(max, widths, least))
        cells.insert(0, list(headers))
    signs = {"left": "<", "right": ">"}
    template = "  ".join(
        f"{{:{signs[side]}{width}}}" for side, width in zip(align, widths, strict=True)
    )
    return [template.format(*row).rstrip() for row in cells]


def wrapped(text: str, width: int) -> str:
    """`text` with its long lines broken at spaces, two deeper than they began.

    A word that is longer than a line stays whole, so that it can be copied.
    """
    return "\n".join(_broken(line, width) for line in text.split("\n"))


def _broken(line: str, width: int) -> str:
    if _length(line) <= width:
        return line
    bare = line.lstrip(" ")
    indent = " " * (len(line) - len(bare))
    lines, room = [indent], width - len(indent)
    for word in bare.split(" "):
        empty = not lines[-1].strip()
        length = _length(word) + (not empty)
        if length > room and not empty:
            lines.append(f"{indent}  ")
            room = width - len(indent) - 2
            empty, length = True, length - 1
        lines[-1] += word if empty else f" {word}"
        room -= length
    return "\n".join(one.rstrip(" ") for one in lines)


def _length(text: str) -> int:
    return len(_COLOUR.sub("", text))
