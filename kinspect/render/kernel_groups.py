"""Kernels side by side over targets, and counted by family."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any, Final

from kinspect.names import demangle, escape
from kinspect.render.kernel_table import FIELDS
from kinspect.render.style import Style, fitting_table
from kinspect.render.words import count, size
from kinspect.resources import comparing
from kinspect.resources.comparing import Comparison
from kinspect.resources.families import Group, Span
from kinspect.resources.rows import KernelRow

#: the columns of a comparison
_COMPARED: Final = FIELDS | {"max_flat_workgroup_size": "workgroup", "occupancy": "waves"}


def families(groups: Iterable[Group], width: int | None = None) -> str:
    """A table for each target of each binary; spans where kernels are not alike."""
    blocks = []
    for (path, target), members in groupby(groups, key=lambda g: (g.path, g.target)):
        found = sorted(members, key=lambda group: group.family)
        lines = [
            [
                str(group.kernels),
                *(_span(span) for span in group.spans.values()),
                str(group.spilling),
                size(group.code_size),
                escape(group.family),
            ]
            for group in found
        ]
        headers = [
            "kernels",
            *(_COMPARED[name] for name in found[0].spans),
            "spilling",
            "code",
            "family",
        ]
        kernels = count(sum(group.kernels for group in found), "kernel")
        number = count(len(found), "family")
        head = f"{escape(path)}   {escape(target)}, {kernels} in {number}"
        table = fitting_table(lines, headers, {"family"}, width)
        blocks.append("\n  ".join([head, *table]))
    return "\n\n".join(blocks) + "\n" if blocks else "no kernels\n"


def _span(span: Span) -> str:
    if span.low is None:
        return "-"
    return str(span.low) if span.low == span.high else f"{span.low}–{span.high}"


def comparison(
    found: Sequence[Comparison],
    targets: Sequence[str],
    style: Style,
    every: Sequence[Comparison],
    width: int | None = None,
) -> str:
    """One row for each kernel that was found; the head is for `every` one there is.

    A cell is one number where the targets are alike.
    """
    order = " | ".join(map(escape, targets))
    lines = [
        [
            *(_cell(one, name, style) for name in _COMPARED),
            escape(demangle(one.name)),
        ]
        for one in found
    ]
    differing = sum(bool(one.differing) for one in every)
    facts = [count(len(every), "kernel"), f"{differing} not alike"]
    for index, target in enumerate(targets):
        lacking = sum(one.rows[index] is None for one in every)
        if lacking:
            facts.append(f"{lacking} without {escape(target)}")
    head = f"{order}   {', '.join(facts)}"
    if not lines:
        return f"{head}\n"
    headers = [*_COMPARED.values(), "kernel"]
    return "\n  ".join([head, *fitting_table(lines, headers, {"kernel"}, width)]) + "\n"


def _cell(one: Comparison, name: str, style: Style) -> str:
    field = comparing.FIELDS[name]
    cells = ["·" if row is None else _text(field(row)) for row in one.rows]
    if len(set(cells)) == 1:
        return cells[0]
    text = " | ".join(cells)
    return style("warning", text) if name in one.differing else text


def _text(value: object) -> str:
    return "-" if value is None else str(value)


def family_values(groups: Iterable[Group]) -> Iterator[dict[str, Any]]:
    """Plain values for JSON: `kinspect/schemas/kernel-family.schema.json`."""
    for group in groups:
        yield {
            "path": group.path,
            "target": group.target,
            "family": group.family,
            "kernels": group.kernels,
            "spilling": group.spilling,
            "code_size": group.code_size,
            **{k: {"min": s.low, "max": s.high} for k, s in group.spans.items()},
        }


def comparison_values(
    found: Iterable[Comparison], targets: Sequence[str]
) -> Iterator[dict[str, Any]]:
    """Plain values for JSON: `kinspect/schemas/kernel-comparison.schema.json`."""
    for one in found:
        yield {
            "name": one.name,
            "demangled": demangle(one.name),
            "path": one.path,
            "bundle": one.bundle,
            "differing": list(one.differing),
            "targets": {
                target: None if row is None else _compared(row)
                for target, row in zip(targets, one.rows, strict=True)
            },
        }


def _compared(row: KernelRow) -> dict[str, Any]:
    values = {name: field(row) for name, field in comparing.FIELDS.items()}
    return values | {"code_size": row.code_size}
