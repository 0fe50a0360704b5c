"""Kernels in the order that was asked for."""

from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import Any, Final

from kinspect.resources import comparing
from kinspect.resources.rows import KernelRow


def _kernel(name: str) -> Callable[[KernelRow], Any]:
    return lambda row: getattr(row.kernel, name)


#: what --sort takes
SORTS: Final[dict[str, Callable[[KernelRow], Any]]] = {
    "name": lambda row: row.demangled,
    "vgpr": _kernel("vgpr_count"),
    "agpr": _kernel("agpr_count"),
    "sgpr": _kernel("sgpr_count"),
    "lds": _kernel("group_segment_fixed_size"),
    "scratch": _kernel("private_segment_fixed_size"),
    "kernarg": _kernel("kernarg_segment_size"),
    "spills": _kernel("vgpr_spill_count"),
    "sgpr-spills": _kernel("sgpr_spill_count"),
    "workgroup": _kernel("max_flat_workgroup_size"),
    "occupancy": comparing.FIELDS["occupancy"],
    "code": lambda row: row.code_size,
}


def ordered(
    rows: Iterable[KernelRow], sorts: Sequence[str], top: int | None
) -> Iterable[KernelRow]:
    """By the last field first, since sorting is stable; what is not known comes last.

    Without any, they come as they are read.
    """
    found = rows
    for name in reversed(sorts):
        key = SORTS[name.lstrip("-")]
        every = list(found)
        unknown = [row for row in every if key(row) is None]
        known = [row for row in every if key(row) is not None]
        known.sort(key=key, reverse=name.startswith("-"))
        found = known + unknown
    return found if top is None else islice(found, top)
