"""Kernels for programs: JSON, a line each, and CSV."""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import msgspec

from kinspect.formats.metadata import RESOURCES
from kinspect.names import escape, inert

#: the columns of the CSV, by the names of the JSON
COLUMNS: Final = (
    "path",
    "bundle",
    "target",
    "name",
    "demangled",
    *(name for name in RESOURCES if name != "name"),
    "code_size",
    "occupancy",
    "max_occupancy",
    "occupancy_limits",
    "disagreements",
)
#: what a spreadsheet takes for a formula at the start of a cell
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def jsonl(values: Iterable[dict[str, Any]]) -> Iterator[str]:
    """An object a line, in ASCII."""
    encoder = msgspec.json.Encoder()
    for value in values:
        try:
            data = encoder.encode(value)
        except UnicodeEncodeError:  # bytes of a name that are no text
            data = b""
        if data.isascii() and data:
            yield inert(data.decode("ascii")) + "\n"
        else:
            yield inert(json.dumps(value, separators=(",", ":"))) + "\n"


def json_list(values: Iterable[dict[str, Any]]) -> Iterator[str]:
    """A list of objects, one after the other."""
    before = "[\n"
    for value in values:
        yield before + inert(json.dumps(value, indent=1))
        before = ",\n"
    yield "\n]\n" if before != "[\n" else "[]\n"


def table(
    values: Iterable[dict[str, Any]], columns: Sequence[str] = COLUMNS
) -> Iterator[str]:
    """CSV (RFC 4180) with a header; lists are joined by spaces, nothing stays empty.

    Names that a spreadsheet would run as a formula get an apostrophe before them.
    """
    yield _line(columns)
    for value in values:
        yield _line([_cell(value[name]) for name in columns])


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, list | tuple):
        return " ".join(map(str, value))
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        text = escape(value)
        return f"'{text}" if text.startswith(_FORMULA) else text
    return str(value)


def _line(cells: Iterable[str]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow(cells)
    return out.getvalue()
