"""A report as Markdown (GitHub's), for a job's summary or a comment."""

import re
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from typing import Final

from kinspect.linking import link_units
from kinspect.loader import units
from kinspect.model import Binary, Report, Severity, Verdict
from kinspect.names import escape
from kinspect.render import matrix, sidecar_table
from kinspect.render.place import short_name
from kinspect.render.problems import Group, problems
from kinspect.render.words import count, shortened, size

#: GitHub takes 1 MiB of summary of a step; what comes on top of it is left out
BYTES: Final = 900_000
#: what stays free for the line that says so
_RESERVE: Final = 100

_MARKS: Final = {Verdict.PASS: "✅", Verdict.FAIL: "❌", Verdict.UNKNOWN: "❔"}
_SIGNS: Final = {Severity.ERROR: "❌", Severity.WARNING: "⚠️", Severity.NOTE: "ℹ️"}
_LENGTH: Final = 2000

#: what a code span can hold without ending early, or ending the cell of a table
_PLAIN: Final = re.compile(r"[^`|]*")
#: what could begin markup, a link or a name; `_` inside of a word does not
_MARKUP: Final = re.compile(
    r"[\\`*{}\[\]<>#!|~&$@^\"']|(?<![^\W_])_|_(?![^\W_])|:(?=//)|(?<=www)\."
)
#: what could begin a list or underline a heading
_BEGINNING: Final = re.compile(r"[-+=]|\d+[.)]")


def report(report: Report, room: int = BYTES) -> str:
    """The verdict, the table of binaries and targets, and each problem with its hint.

    It takes no more than `room` bytes.
    """
    word, reason = matrix.verdict(report)
    reason = shortened(reason, _LENGTH)
    head = f"### {_MARKS[report.verdict]} kinspect: {word}: {prose(reason)}\n"
    return fitted([head, *_matrix(report), *_problems(report)], min(room, BYTES))


def fitted(blocks: Iterable[str], room: int) -> str:
    kept: list[str] = []
    left_out = 0
    if room < _RESERVE:
        return ""
    room -= _RESERVE
    for block in blocks:
        room -= len(block.encode()) + 1
        if room >= 0 and not left_out:
            kept.append(block)
        else:
            left_out += 1
    if left_out:
        kept.append(
            f"\n… {count(left_out, 'more line')} left out: `--format json` has all\n"
        )
    return "\n".join([*kept, ""])


def _matrix(report: Report) -> Iterator[str]:
    tables = sidecar_table.tables(report)
    grouped = frozenset(path for one in tables for path in one.paths)
    binaries = [one for one in matrix.carrying(report) if one.path not in grouped]
    if not binaries and not tables:
        return
    heads = ["binary", "device code", *map(prose, report.targets)]
    lacking = {(f.path, f.target) for f in report.findings if f.rule == "missing-bitcode"}
    yield row(heads)
    yield row(["---"] * len(heads))
    for binary in binaries:
        yield row(
            [
                code(short_name(binary.path, report.artifacts)),
                *_cells(binary, report, lacking),
            ]
        )
    for one in tables:
        yield row([code(one.name), one.facts, *map(_group_cell, one.cells)])
    yield ""


def _group_cell(cell: sidecar_table.Cell | matrix.Cell) -> str:
    if cell.status == matrix.NOT_REQUIRED:
        return cell.status
    if cell.style == "error":
        return f"**{cell.status}**"
    beside = "" if cell.status == "ok" else f" ({cell.status})"
    return f"{count(cell.kernels, 'kernel')}, {size(cell.size)}{beside}"


def _cells(
    binary: Binary, report: Report, lacking: AbstractSet[tuple[str, str | None]]
) -> Iterator[str]:
    yield ", ".join(matrix.facts(binary))
    found = list(units(binary))
    linked = any(link_units(binary))
    for cell in matrix.cells(found, report, binary.path):
        if not found and linked:
            missing = (binary.path, str(cell.target)) in lacking
            yield "**MISSING**" if missing else "bitcode"
        elif not found:
            yield "-"
        elif cell.status == matrix.NOT_REQUIRED:
            yield cell.status
        elif cell.style == "error":
            yield f"**{cell.status}** {len(cell.served)}/{cell.total}"
        else:
            kernels = count(cell.kernels, "kernel")
            beside = "" if cell.status == "ok" else f" ({cell.status})"
            yield f"{kernels}, {size(cell.size)}{beside}"


def row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _problems(report: Report) -> Iterator[str]:
    """Notes are folded: they are no news to a reviewer."""
    found = problems(report)
    for group in found:
        if group.first.severity is not Severity.NOTE:
            yield _problem(group, report)
    notes = [group for group in found if group.first.severity is Severity.NOTE]
    if notes:
        summary = count(len(notes), "note")
        body = "\n".join(_problem(group, report) for group in notes)
        yield f"<details><summary>{summary}</summary>\n\n{body}\n</details>\n"


def _problem(group: Group, report: Report) -> str:
    one = group.first
    told = [shortened(line, _LENGTH) for line in group.told()]
    head = f"- {_SIGNS[one.severity]} **{one.rule}**"
    if one.target:
        head += f" {code(one.target)}"
    if one.path:
        head += f" in {code(short_name(one.path, report.artifacts))}"
    return "<br>\n".join([head, *(f"  {_line(line)}" for line in told)])


def code(text: str) -> str:
    """A name, as it is."""
    shown = escape(text)
    if _PLAIN.fullmatch(shown):
        return f"`{shown}`" if shown else ""
    return f"<code>{_entities(shown)}</code>"


def prose(text: str) -> str:
    """A sentence, in which names can't be markup."""
    return _entities(escape(text))


def _line(text: str) -> str:
    """A sentence at the start of a line, where more could begin a heading or a list."""
    text = prose(text.strip())
    first = _BEGINNING.match(text)
    return f"&#{ord(text[0])};{text[1:]}" if first else text


def _entities(text: str) -> str:
    return _MARKUP.sub(lambda match: f"&#{ord(match[0])};", text)
