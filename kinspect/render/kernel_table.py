"""Kernels and their resources as tables, one a code object."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from types import MappingProxyType
from typing import Final

from kinspect.formats.agreement import described
from kinspect.formats.metadata import Kernel, KernelWithArguments
from kinspect.names import escape
from kinspect.render.style import fitting_table, narrow_table
from kinspect.render.words import count
from kinspect.resources.occupancy import Occupancy
from kinspect.resources.rows import KernelRow

#: fields of the metadata, by what their columns are called
FIELDS: Final = {
    "vgpr_count": "VGPR",
    "agpr_count": "AGPR",
    "sgpr_count": "SGPR",
    "group_segment_fixed_size": "LDS",
    "private_segment_fixed_size": "scratch",
    "kernarg_segment_size": "kernarg",
    "vgpr_spill_count": "spills",
    "sgpr_spill_count": "SGPR spills",
    "wavefront_size": "wave",
}
_OTHERS: Final = ("workgroup", "occupancy", "code")

#: columns of places, where there are none
_NOWHERE: Final[Mapping[str, Callable[[KernelRow], str]]] = MappingProxyType({})
#: how many kernels with contradictions are told in full
_TOLD: Final = 5


def tables(rows: Iterable[KernelRow], width: int | None = None) -> Iterator[str]:
    """A table for each code object, as the rows come; its kernels by name."""
    first = True
    for (path, bundle, target), group in groupby(
        rows, key=lambda row: (row.path, row.bundle, row.target)
    ):
        kernels = sorted(group, key=lambda row: row.name)
        number = count(len(kernels), "kernel")
        head = f"{escape(path)}   bundle {bundle}, {escape(target)}, {number}"
        text = "\n  ".join([head, *_table(kernels, width), *_notes(kernels)])
        yield f"{text}\n" if first else f"\n{text}\n"
        first = False
    if first:
        yield "no kernels\n"


def ranking(rows: Sequence[KernelRow], width: int | None = None) -> str:
    """One table of kernels from anywhere, in their order."""
    places: dict[str, Callable[[KernelRow], str]] = {
        "target": lambda row: escape(row.target),
        "bundle": lambda row: str(row.bundle),
    }
    if len({row.path for row in rows}) > 1:
        places["binary"] = lambda row: escape(row.path)
    if not rows:
        return "no kernels\n"
    return "\n".join([*_table(rows, width, places), *_notes(rows)]) + "\n"


def _table(
    rows: Sequence[KernelRow],
    width: int | None,
    places: Mapping[str, Callable[[KernelRow], str]] = _NOWHERE,
) -> list[str]:
    lines = [
        [*_cells(row), *(place(row) for place in places.values()), escape(row.demangled)]
        for row in rows
    ]
    headers = [*FIELDS.values(), *_OTHERS, *places, "kernel"]
    left = {"occupancy", *places, "kernel"}
    return fitting_table(lines, headers, left, width)


def _cells(row: KernelRow) -> Iterator[str]:
    wrong = row.disagreements
    for name in FIELDS:
        value = getattr(row.kernel, name)
        text = "-" if value is None else str(value)
        yield f"{text}!" if name in wrong else text
    yield workgroup(row.kernel)
    yield waves(row.occupancy)
    yield "-" if row.code_size is None else str(row.code_size)


def workgroup(kernel: Kernel) -> str:
    """The lanes of a workgroup: as required, or at most."""
    if kernel.reqd_workgroup_size is not None:
        return "x".join(map(str, kernel.reqd_workgroup_size))
    most = kernel.max_flat_workgroup_size
    return "-" if most is None else str(most)


def waves(found: Occupancy | None) -> str:
    """`4/8 VGPR`: waves of an execution unit, of how many, and why not more."""
    if found is None:
        return "-"
    limits = ", ".join(limit.value for limit in found.limits)
    return f"{found.waves}/{found.most} {limits}".rstrip()


def _notes(rows: Iterable[KernelRow]) -> Iterator[str]:
    """What the marks mean."""
    wrong = [row for row in rows if row.disagreements]
    for row in wrong[:_TOLD]:
        if row.descriptor is not None:
            told = described(row.descriptor, row.machine)
            facts = ", ".join(f"{k} {v}" for k, v in told.items() if v is not None)
            fields = ", ".join(row.disagreements)
            yield f"! {escape(row.demangled)}: its descriptor contradicts {fields}: {facts}"
    if len(wrong) > _TOLD:
        yield f"! and {len(wrong) - _TOLD} more (--format json tells all)"


def arguments(row: KernelRow) -> str:
    """The arguments of a kernel, by their offset in the kernarg segment."""
    args = row.kernel.args if isinstance(row.kernel, KernelWithArguments) else []
    head = f"{escape(row.demangled)}   {escape(row.target)}, bundle {row.bundle}"
    lines = [
        [
            str(one.offset),
            str(one.size),
            escape(one.value_kind),
            escape(one.address_space or ""),
            escape(one.type_name or ""),
            escape(one.name or ""),
        ]
        for one in args
    ]
    headers = ["offset", "size", "kind", "space", "type", "name"]
    shown = [i for i in range(6) if i < 3 or any(line[i] for line in lines)]
    if not lines:
        return f"{head}\n  no arguments\n"
    table = narrow_table(
        [[line[i] for i in shown] for line in lines],
        [headers[i] for i in shown],
        headers[2:],
    )
    return "\n  ".join([head, *table]) + "\n"
