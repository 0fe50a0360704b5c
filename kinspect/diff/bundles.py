"""Kernels that moved from one bundle to another.

Bundles have no names. Two of them are the same one if they share more kernels with each
other than with any other; a kernel moved if it is not where its bundle went.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from kinspect.diff.model import Move
from kinspect.names import brief
from kinspect.snapshot import BinaryRecord, UnitRecord


def moves(
    old: BinaryRecord, new: BinaryRecord, renamed: Mapping[str, str]
) -> Iterator[Move]:
    """Kernels that exactly one bundle has, before and after; sorted by name."""
    if len(old.units) < 2 and len(new.units) < 2:
        return
    before = {renamed.get(k, k): at for k, at in _homes(old.units).items()}
    after = _homes(new.units)
    both = sorted(before.keys() & after.keys())
    went = _pairs(Counter((before[name], after[name]) for name in both))
    for name in both:
        if went.get(before[name]) != after[name]:
            one, other = old.units[before[name]], new.units[after[name]]
            yield Move(name, label(one), label(other))


def label(unit: UnitRecord) -> str:
    """What a report calls a bundle: snapshots know no order of bundles."""
    if unit.index is not None:
        return f"bundle {unit.index}"
    kernels = sorted(unit.kernels)
    return f"the bundle of {brief(kernels[0])}" if kernels else "a bundle without kernels"


def _homes(units: Sequence[UnitRecord]) -> dict[str, int]:
    """The bundle of each kernel that is in one only."""
    found: dict[str, int] = {}
    several: set[str] = set()
    for at, unit in enumerate(units):
        kernels = unit.kernels
        several |= found.keys() & kernels
        found |= dict.fromkeys(kernels, at)
    return {name: at for name, at in found.items() if name not in several}


def _pairs(shared: Counter[tuple[int, int]]) -> dict[int, int]:
    """Each bundle with the one that it went on as: those that share most come first."""
    pairs: dict[int, int] = {}
    taken: set[int] = set()
    for (one, other), _ in sorted(shared.items(), key=lambda item: (-item[1], item[0])):
        if one not in pairs and other not in taken:
            pairs[one] = other
            taken.add(other)
    return pairs
