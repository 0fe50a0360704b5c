"""A report as text for a person: a terminal, or a build log."""

from collections.abc import Container, Iterator, Sequence
from itertools import groupby
from typing import Final

from kinspect.linking import LinkUnit, link_units
from kinspect.loader import Unit, units
from kinspect.model import Artifact, Binary, Bitcode, DeviceBitcode, Report
from kinspect.names import demangle, escape
from kinspect.render import matrix, sidecar_table
from kinspect.render.place import short_name
from kinspect.render.problems import FOLD, Group, groups
from kinspect.render.style import Style, table
from kinspect.render.words import count, size

#: how many binaries a problem names that many of them have
NAMED: Final = 6


def report(report: Report, *, color: bool = False, verbose: int = 0) -> str:
    """What is there, what is wrong, and the verdict.

    Negative `verbose` gives the last line alone; 1 shows every bundle and names the
    host-only binaries, 2 names every kernel too.
    """
    style = Style(color=color)
    if verbose < 0:
        return summary(report, style) + "\n"
    tables = sidecar_table.tables(report)
    shown = tables if not verbose else []
    grouped = frozenset(path for one in shown for path in one.paths)
    blocks = [
        block
        for artifact in report.artifacts
        for block in binaries(artifact, report, style, verbose, grouped)
    ]
    blocks += sidecar_table.blocks(tables, style)
    blocks += findings(report, style)
    return "\n\n".join([*blocks, summary(report, style)]) + "\n"


def summary(report: Report, style: Style) -> str:
    """The last line, which says it all."""
    word, reason = matrix.verdict(report)
    colour = {"OK": "ok"}.get(word, "error")
    return f"{style(colour, word)}: {escape(reason)}"


# --- what is there ----------------------------------------------------------------------


def binaries(
    artifact: Artifact,
    report: Report,
    style: Style,
    verbose: int,
    grouped: Container[str] = (),
) -> Iterator[str]:
    """A block for each binary; the artifact's own name once, where it holds several.

    Those in `grouped` have no block: they are told of together.
    """
    found = [one for one in artifact.binaries if one.device_code or one.bundles]
    rest = [one for one in artifact.binaries if not one.bundles and not one.bitcode]
    inside = len(found) + len(rest) > 1 or any(b.path != artifact.path for b in found)
    if inside and found:
        carrying = f"{count(len(found), 'binary')} with device code"
        head = style("strong", escape(artifact.path))
        without = f", {len(rest)} without" if rest else ""
        yield f"{head}   {artifact.kind}, {carrying}{without}"
    for binary in found:
        if binary.path in grouped or binary.referred:
            continue
        lines = [_head(binary, artifact, style), *_overview(binary, report, style, verbose)]
        yield "\n  ".join(lines)
    opened = [one for one in found if one.referred]
    if opened:
        yield "\n".join(_opened(one, artifact, style) for one in opened)
    if verbose > 0 and rest:
        names = [escape(short_name(one.path, (artifact,))) for one in rest]
        yield "\n".join(f"{name}   host code only" for name in names)


def _opened(archive: Binary, artifact: Artifact, style: Style) -> str:
    """A kpack archive, which is judged through the hosts that open it."""
    hosts = archive.claims.hosts if archive.claims is not None else ()
    names = [short_name(host, (artifact,)) for host in hosts[:NAMED]]
    more = f" and {len(hosts) - NAMED} more" if len(hosts) > NAMED else ""
    return f"{_head(archive, artifact, style)}, for {escape(', '.join(names))}{more}"


def _head(binary: Binary, artifact: Artifact, style: Style) -> str:
    name = escape(short_name(binary.path, (artifact,)))
    return f"{style('strong', name)}   {', '.join(matrix.facts(binary))}"


def _overview(binary: Binary, report: Report, style: Style, verbose: int) -> Iterator[str]:
    linked = list(link_units(binary))
    yield from table(*_bitcode_table(linked))
    found = list(units(binary))
    if not found and linked:
        return
    cells = matrix.cells(found, report, binary.path)
    rows = [_row(cell, style) for cell in cells if cell.wanted]
    yield from table(rows, ["target", "bundles", "kernels", "size", ""])
    if verbose > 0:
        yield from table(*_unit_table(binary, found, report, style))
    if verbose > 1:
        yield from _kernels(found)


def _bitcode_table(linked: Sequence[LinkUnit]) -> tuple[list[list[str]], list[str]]:
    """Rows and headers: what is kept for each target, over all units."""
    parts: dict[str, list[DeviceBitcode]] = {}
    for unit in linked:
        for one in unit.parts:
            parts.setdefault(one.name, []).append(one)
    rows = [
        [
            escape(name),
            f"{len(kept)}/{len(linked)}",
            _functions(kept),
            size(sum(one.size for one in kept)),
        ]
        for name, kept in parts.items()
    ]
    headers = ["target", "units", "functions", "size"]
    if len(linked) == 1:
        return [[row[0], *row[2:]] for row in rows], [headers[0], *headers[2:]]
    return rows, headers


def _functions(kept: Sequence[DeviceBitcode]) -> str:
    known = [one.content for one in kept if isinstance(one.content, Bitcode)]
    return f"{sum(len(one.functions) for one in known):,}" if known else "?"


def _row(cell: matrix.Cell, style: Style) -> list[str]:
    return [
        str(cell.target),
        f"{len(cell.served)}/{cell.total}",
        f"{cell.kernels:,}" if cell.served else "-",
        size(cell.size) if cell.served else "-",
        style(cell.style, cell.status),
    ]


def _unit_table(
    binary: Binary, found: Sequence[Unit], report: Report, style: Style
) -> tuple[list[list[str]], list[str]]:
    """A row for each bundle: what it holds, and its kernels for each required target."""
    rows = []
    for unit in found:
        targets = {entry.id.target_name for entry in unit.entries}
        row = [unit.name, unit.bundles[0].form.value, count(len(targets), "target")]
        for cell in matrix.cells([unit], report, binary.path):
            served = count(cell.kernels, "kernel") if cell.served else ""
            other = "" if cell.status == "ok" else style(cell.style, cell.status)
            row.append(" ".join(filter(None, (served, other))))
        rows.append([*row[:2], size(sum(one.size for one in unit.bundles)), *row[2:]])
    return rows, ["", "form", "size", "", *report.targets]


def _kernels(found: Sequence[Unit]) -> Iterator[str]:
    for unit in found:
        having: dict[str, list[str]] = {}
        for entry in unit.entries:
            for name in getattr(entry.code_object, "kernels", ()):
                having.setdefault(name, []).append(entry.id.target_name)
        for name in sorted(having):
            targets = ", ".join(dict.fromkeys(having[name]))
            yield f"{unit.name}: {escape(demangle(name))} ({escape(targets)})"


# --- what is wrong ----------------------------------------------------------------------


def findings(report: Report, style: Style) -> Iterator[str]:
    """Worst first; what many binaries have is told of one, with the names of the others."""
    found = groups(report.findings)
    for _, same_severity in groupby(found, key=lambda group: group.first.severity):
        alike: dict[tuple[str, str | None, str], list[Group]] = {}
        for group in same_severity:
            key = (group.first.rule, group.first.target, group.first.hint)
            alike.setdefault(key, []).append(group)
        for same in alike.values():
            if len(same) < FOLD:
                yield from (_group(one, report, style) for one in same)
            else:
                yield _group(same[0], report, style, same[1:])


def _group(group: Group, report: Report, style: Style, others: Sequence[Group] = ()) -> str:
    severity = group.first.severity.value
    head = style(severity, f"{severity}[{group.first.rule}]")
    lines: list[str] = []
    for one in group.findings[:1] if group.folded else group.findings:
        lines.append(f"{head} {escape(one.message)}")
        if len(lines) == 1 and one.path:
            lines.append(f"  in: {escape(short_name(one.path, report.artifacts))}")
        lines += [f"  {escape(line)}" for line in one.details]
    if group.folded:
        lines.append(f"  {group.also()}")
    if others:
        lines.append(f"  {_elsewhere(others, report)}")
    if group.hint:
        lines.append(f"  hint: {escape(group.hint)}")
    return "\n".join(lines)


def _elsewhere(others: Sequence[Group], report: Report) -> str:
    names = [short_name(one.first.path, report.artifacts) for one in others]
    shown = ", ".join(escape(name) for name in names[:NAMED])
    more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    binaries = "binary" if len(names) == 1 else "binaries"
    return f"and the same in {len(names):,} more {binaries}: {shown}{more}"
