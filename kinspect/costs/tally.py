"""Costs added up: by target, binary, bundle, kernel or whatever was asked for."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

from kinspect.choosing import admits_target
from kinspect.costs.anatomy import Part
from kinspect.costs.reading import Container, Cost
from kinspect.errors import UsageError
from kinspect.resources.families import family


class Dimension(StrEnum):
    """What costs are told apart by."""

    TARGET = "target"
    BINARY = "binary"
    BUNDLE = "bundle"
    FAMILY = "family"
    KERNEL = "kernel"
    PART = "part"


#: of which dimensions a row is one of many
Value = str | int | None

_VALUES: Final[Mapping[Dimension, Callable[[Container, Cost], Value]]] = MappingProxyType(
    {
        Dimension.TARGET: lambda _, cost: cost.target or None,
        Dimension.BINARY: lambda container, _: container.path,
        Dimension.BUNDLE: lambda container, _: (
            None if container.bundle is None else container.bundle.index
        ),
        Dimension.FAMILY: lambda _, cost: family(cost.kernel) if cost.kernel else None,
        Dimension.KERNEL: lambda _, cost: cost.kernel or None,
        Dimension.PART: lambda _, cost: cost.part,
    }
)


@dataclass(slots=True)
class Sum:
    """Bytes, and how many code objects (or bitcode, or SPIR-V) they lie in."""

    inflated: int = 0
    stored: int = 0
    pieces: int = 0
    _last: int | None = None

    def add(self, cost: Cost) -> None:
        self.inflated += cost.inflated
        self.stored += cost.stored
        if cost.piece is not None and cost.piece != self._last:
            self.pieces += 1
            self._last = cost.piece  # those of a piece come one after the other

    def merge(self, other: "Sum") -> None:
        self.inflated += other.inflated
        self.stored += other.stored
        self.pieces += other.pieces


@dataclass(frozen=True, slots=True)
class Row:
    """What has these values in common."""

    values: Mapping[Dimension, Value]
    sum: Sum


def dimensions(names: Iterable[str]) -> tuple[Dimension, ...]:
    """What `--by` names; a bundle has a number within its binary."""
    found: list[Dimension] = []
    for name in " ".join(names).replace(",", " ").split():
        if name not in set(Dimension):
            message = f"--by {name!r}: expected {', '.join(Dimension)}"
            raise UsageError(message)
        if name == Dimension.BUNDLE:
            found.append(Dimension.BINARY)
        found.append(Dimension(name))
    return tuple(dict.fromkeys(found)) or (Dimension.TARGET,)


class Tally:
    """The costs of an artifact, added up; what is kept grows with the rows alone."""

    def __init__(self, by: Sequence[Dimension], targets: frozenset[str]) -> None:
        self.by = tuple(by)
        self._targets = targets
        self.sums: dict[tuple[Value, ...], Sum] = {}
        self.parts: dict[Part, Sum] = {}
        self.total = Sum()

    def take(self, container: Container) -> None:
        readers = [_VALUES[dimension] for dimension in self.by]
        for cost in container.costs:
            if self._targets and not (
                cost.target and admits_target(cost.target, self._targets)
            ):
                continue
            key = tuple(read(container, cost) for read in readers)
            for one in (
                self.sums.setdefault(key, Sum()),
                self.parts.setdefault(cost.part, Sum()),
                self.total,
            ):
                one.add(cost)

    def merge(self, other: "Tally") -> None:
        """Add what another one of the same kind has of other containers."""
        for key, one in other.sums.items():
            self.sums.setdefault(key, Sum()).merge(one)
        for part, one in other.parts.items():
            self.parts.setdefault(part, Sum()).merge(one)
        self.total.merge(other.total)

    def rows(self, sorts: Sequence[str] = ()) -> list[Row]:
        """The largest first, unless `sorts` says otherwise."""
        found = [
            Row(dict(zip(self.by, key, strict=True)), one)
            for key, one in self.sums.items()
            if one.inflated or one.stored or one.pieces
        ]
        for name in ("name", *reversed(sorts or ("-stored",))):
            found.sort(key=SORTS[name.lstrip("-")], reverse=name.startswith("-"))
        return found


def _name(row: Row) -> list[tuple[bool, str | int]]:
    values = row.values.values()
    return [(one is None, "" if one is None else one) for one in values]


#: what --sort takes
SORTS: Final[Mapping[str, Callable[[Row], Any]]] = MappingProxyType(
    {
        "stored": lambda row: row.sum.stored,
        "inflated": lambda row: row.sum.inflated,
        "objects": lambda row: row.sum.pieces,
        "name": _name,
    }
)
