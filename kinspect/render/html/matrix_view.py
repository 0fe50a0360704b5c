"""The picture of what is there: binaries and bundles by targets."""

from collections.abc import Iterable, Sequence
from typing import Final

from kinspect.linking import LinkUnit, link_units
from kinspect.loader import Unit, units
from kinspect.model import Binary, Report
from kinspect.render import sidecar_table
from kinspect.render.html import markup
from kinspect.render.html.markup import text
from kinspect.render.matrix import NOT_REQUIRED, Cell, carrying, cells, facts
from kinspect.render.place import short_name
from kinspect.render.words import count, size

#: how many binaries, and how many bundles of one, are drawn
MOST: Final = 1000

_SIGNS: Final = {"ok": "✓", "warning": "◐", "error": "✕"}


def coverage(report: Report) -> str:
    """The section, or nothing where there is nothing to draw."""
    groups = sidecar_table.tables(report)
    grouped = frozenset(path for one in groups for path in one.paths)
    binaries = [one for one in carrying(report) if one.path not in grouped]
    if not binaries and not groups:
        return ""
    shown = binaries[:MOST]
    others = other_targets(carrying(report), report)
    rows = "".join(
        [
            *(_row(binary, report, others) for binary in shown),
            *(_group_row(group, others) for group in groups[:MOST]),
        ]
    )
    picture = (
        f'<table class="matrix"><thead><tr>{_heads(report, others)}</tr></thead>'
        f"<tbody>{rows}</tbody></table>"
    )
    parts = [
        markup.wide("Coverage matrix", picture),
        _legend(others),
        left_out(len(binaries) - MOST, "binary"),
        left_out(len(groups) - MOST, "group"),
        _bundles(shown, report),
    ]
    return markup.section("coverage", "Coverage", "".join(parts))


def left_out(number: int, what: str) -> str:
    if number <= 0:
        return ""
    return f'<p class="more">{count(number, f"more {what}")} left out.</p>'


def other_targets(binaries: Iterable[Binary], report: Report) -> list[str]:
    """What is packed beside the required targets, by processor."""
    found = {
        name
        for binary in binaries
        for name in (
            *(entry.id.target_name for unit in units(binary) for entry in unit.entries),
            *(part.name for unit in link_units(binary) for part in unit.parts),
        )
    }
    return sorted(found - set(report.targets), key=by_processor)


def by_processor(target: str) -> tuple[int, str]:
    """Sorts gfx942 before gfx1030."""
    return len(target.partition(":")[0]), target


def _heads(report: Report, others: Sequence[str]) -> str:
    required = [f'<th scope="col">{text(name)}</th>' for name in report.targets]
    beside = [f'<th scope="col" class="other">{text(name)}</th>' for name in others]
    return "".join(['<th scope="col">binary</th>', *required, *beside])


def _row(binary: Binary, report: Report, others: Sequence[str]) -> str:
    found = list(units(binary))
    linked = list(link_units(binary))
    if not found and linked:
        required = [_bitcode(binary, linked, one, report) for one in report.targets]
        packed = [{part.name for part in unit.parts} for unit in linked]
    else:
        required = [_cell(cell) for cell in cells(found, report, binary.path)]
        packed = [{entry.id.target_name for entry in unit.entries} for unit in found]
    head = _name(short_name(binary.path, report.artifacts), ", ".join(facts(binary)))
    beside = [_dot(target, [target in has for has in packed]) for target in others]
    return f"<tr>{''.join([head, *required, *beside])}</tr>"


def _name(name: str, beside: str) -> str:
    return f'<th scope="row">{markup.name(name)}<small>{text(beside)}</small></th>'


def _group_row(group: sidecar_table.Table, others: Sequence[str]) -> str:
    """Files of device code beside a library, together."""
    packed = {str(target) for one in group.members for target in one.targets}
    beside = [_dot(target, [target in packed]) for target in others]
    required = [_group_cell(cell) for cell in group.cells]
    return f"<tr>{''.join([_name(group.name, group.facts), *required, *beside])}</tr>"


def _group_cell(cell: sidecar_table.Cell | Cell) -> str:
    if _beside_the_point(cell):
        return _empty(cell.status)
    if cell.style == "error":
        return _box("error", cell.status, "", ["error"])
    beside = [size(cell.size)] if cell.status == "ok" else [cell.status, size(cell.size)]
    told = count(cell.kernels, "kernel")
    return _box(cell.style, told, ", ".join(beside), [cell.style])


def _cell(cell: Cell) -> str:
    if _beside_the_point(cell):
        return _empty(cell.status)
    if not cell.total:
        return _empty("no device code")
    served = count(cell.kernels, "kernel") if cell.served else cell.status
    beside = [size(cell.size)] if cell.served else []
    if cell.total > 1:
        beside.append(f"{len(cell.served)} of {count(cell.total, 'bundle')}")
    if cell.served and cell.status != "ok":
        beside.insert(0, cell.status)
    kinds = [_kind(cell, at) for at in range(cell.total)]
    return _box(cell.style, served, ", ".join(beside), kinds)


def _beside_the_point(cell: sidecar_table.Cell | Cell) -> bool:
    """Whether the binary need not serve the target: it is for others."""
    return cell.status == NOT_REQUIRED or cell.style not in _SIGNS


def _empty(told: str) -> str:
    return f'<td class="cell none">{told}</td>'


def _box(kind: str, told: str, beside: str, kinds: Sequence[str]) -> str:
    sign = f'<span aria-hidden="true">{_SIGNS[kind]}</span>'
    return (
        f'<td class="cell {kind}"><b>{sign} {told}</b>'
        f"<small>{beside or '&nbsp;'}</small>{markup.strip(kinds)}</td>"
    )


def _kind(cell: Cell, at: int) -> str:
    """How one bundle serves the target."""
    return cell._replace(coverages=cell.coverages[at : at + 1]).style


def _bitcode(
    binary: Binary, linked: Sequence[LinkUnit], target: str, report: Report
) -> str:
    lacks = any(
        one.rule == "missing-bitcode" and one.path == binary.path and one.target == target
        for one in report.findings
    )
    kind, told = ("error", "MISSING") if lacks else ("ok", "bitcode")
    parts = [part for unit in linked for part in unit.parts if part.name == target]
    total = sum(part.size for part in parts)
    return _box(kind, told, size(total) if total else "", [kind])


def _dot(target: str, has: Sequence[bool]) -> str:
    """Whether a target that nobody asked for is in each bundle."""
    told = "not packed"
    if any(has):
        told = "packed" if all(has) else "packed in part"
    picture = markup.strip(["some" if one else "empty" for one in has])
    return (
        f'<td class="dot" title="{text(target)}: {told}">{picture}'
        f'<span class="hidden">{told}</span></td>'
    )


def _legend(others: Sequence[str]) -> str:
    told = {
        "ok": "HIP would load it",
        "warning": "by generic code or SPIR-V",
        "error": "missing, or some modes only",
    }
    if others:
        told |= {"some": "packed, not required", "empty": "not packed"}
    items = [f"<li>{markup.strip([kind])}{words}</li>" for kind, words in told.items()]
    return f'<ul class="legend">{"".join(items)}</ul>'


# --- bundles ----------------------------------------------------------------------------


def _bundles(binaries: Sequence[Binary], report: Report) -> str:
    """A table for each binary with several bundles, folded."""
    tables = []
    for binary in binaries:
        found = list(units(binary))
        if len(found) > 1:
            tables.append(_bundle_table(binary, found, report))
    return f'<div class="bundles">{"".join(tables)}</div>' if tables else ""


def _bundle_table(binary: Binary, found: Sequence[Unit], report: Report) -> str:
    name = markup.name(short_name(binary.path, report.artifacts))
    rows = [_bundle(unit, report, binary.path) for unit in found[:MOST]]
    heads = ["bundle", "form", "size", "targets", *map(text, report.targets)]
    return (
        f"<details><summary>{count(len(found), 'bundle')} of {name}</summary>"
        f"{markup.wide('Bundles', markup.table('plain', heads, rows))}"
        f"{left_out(len(found) - MOST, 'bundle')}</details>"
    )


def _bundle(unit: Unit, report: Report, path: str) -> list[str]:
    targets = {entry.id.target_name for entry in unit.entries}
    total = sum(bundle.size for bundle in unit.bundles)
    row = [
        text(unit.name),
        text(unit.bundles[0].form.value),
        size(total),
        str(len(targets)),
    ]
    for cell in cells([unit], report, path):
        told = count(cell.kernels, "kernel") if cell.served else ""
        other = "" if cell.status == "ok" else cell.status
        words = ", ".join(filter(None, (told, other)))
        row.append(f'<span class="{cell.style}">{words}</span>')
    return row
