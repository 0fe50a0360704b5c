"""The same kernels for several targets, side by side."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from kinspect.choosing import admits_target
from kinspect.resources.rows import KernelRow


def _metadata(name: str) -> Callable[[KernelRow], Any]:
    return lambda row: getattr(row.kernel, name)


def _waves(row: KernelRow) -> int | None:
    found = row.occupancy
    return None if found is None else found.waves


#: what is compared, by the names of the JSON
FIELDS: Final[dict[str, Callable[[KernelRow], Any]]] = {
    name: _metadata(name)
    for name in (
        "vgpr_count",
        "agpr_count",
        "sgpr_count",
        "group_segment_fixed_size",
        "private_segment_fixed_size",
        "kernarg_segment_size",
        "vgpr_spill_count",
        "sgpr_spill_count",
        "wavefront_size",
        "max_flat_workgroup_size",
    )
} | {"occupancy": _waves}


@dataclass(frozen=True, slots=True)
class Comparison:
    """A kernel for each of the targets; None where there is none for it."""

    name: str
    #: where it is, if the targets have it in the same place
    path: str
    bundle: int | None
    rows: tuple[KernelRow | None, ...]

    @property
    def differing(self) -> tuple[str, ...]:
        """The fields in which the targets that have it are not all alike."""
        rows = [row for row in self.rows if row is not None]
        return tuple(
            name for name, field in FIELDS.items() if len({field(row) for row in rows}) > 1
        )

    @property
    def missing(self) -> bool:
        """Whether a target has no such kernel."""
        return None in self.rows


def columns(rows: Iterable[KernelRow], wanted: tuple[str, ...]) -> tuple[str, ...]:
    """The targets that are there of those that are wanted, each mode for itself."""
    found = {row.target for row in rows}
    return tuple(
        name
        for asked in wanted
        for name in sorted(t for t in found if admits_target(t, (asked,))) or [asked]
    )


def compare(rows: list[KernelRow], targets: tuple[str, ...]) -> Iterator[Comparison]:
    """Every kernel that one of the targets has, by name.

    Kernels of a name are one if no target has it twice. If not (a static kernel, in the
    bundles of several translation units), they are matched within a file, then within a
    bundle.
    """
    by_name: dict[str, list[KernelRow]] = {}
    for row in rows:
        if row.target in targets:
            by_name.setdefault(row.name, []).append(row)
    for name in sorted(by_name):
        for group in _apart(by_name[name]):
            first = {row.target: row for row in reversed(group)}
            yield Comparison(
                name,
                group[0].path,
                group[0].bundle if len({row.bundle for row in group}) == 1 else None,
                tuple(first.get(target) for target in targets),
            )


def _apart(rows: list[KernelRow]) -> Iterable[list[KernelRow]]:
    found: dict[Any, list[KernelRow]] = {}
    for key in _KEYS:
        found = {}
        for row in rows:
            found.setdefault(key(row), []).append(row)
        if all(len({r.target for r in group}) == len(group) for group in found.values()):
            break
    return found.values()


#: where kernels of a name are matched, from the widest place on
_KEYS: Final[tuple[Callable[[KernelRow], Any], ...]] = (
    lambda _: None,
    lambda row: row.path,
    lambda row: (row.path, row.bundle),
)
