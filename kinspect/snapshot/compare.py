"""What two snapshots have not in common."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from kinspect.errors import TargetError
from kinspect.snapshot.matching import pairs
from kinspect.snapshot.model import UNKNOWN, BinaryRecord, Resources, Snapshot, UnitRecord
from kinspect.target import TargetID

#: names by target; both sorted, no empty list
Lists = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class ResourceChange:
    """A kernel that takes more or less than it did."""

    target: str
    kernel: str
    old: Resources
    new: Resources


@dataclass(frozen=True, slots=True)
class Change:
    """One binary, before and after."""

    old: BinaryRecord
    new: BinaryRecord
    #: targets that no unit serves any more
    lost_targets: tuple[str, ...] = ()
    #: targets that some unit lost: how many of how many units still serve each
    thinned_targets: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    new_targets: tuple[str, ...] = ()
    #: kernels, for each target that is in both
    lost_kernels: Lists = field(default_factory=dict)
    new_kernels: Lists = field(default_factory=dict)
    #: functions of device bitcode, likewise
    lost_functions: Lists = field(default_factory=dict)
    new_functions: Lists = field(default_factory=dict)
    #: of kernels whose resources both snapshots know
    resources: tuple[ResourceChange, ...] = ()


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two builds, binary by binary, sorted by name."""

    changes: tuple[Change, ...]
    lost: tuple[BinaryRecord, ...]
    new: tuple[BinaryRecord, ...]


def compare(old: Snapshot, new: Snapshot) -> Comparison:
    """What the new build lost, what is new in it, and what takes other resources."""
    found = [pair for pair in pairs(old, new) if _told(*pair)]
    changes = [_change(one, other) for one, other in found if one and other]
    return Comparison(
        tuple(sorted(changes, key=lambda change: change.new.name)),
        tuple(one for one, other in found if one and other is None),
        tuple(other for one, other in found if other and one is None),
    )


def _told(old: BinaryRecord | None, new: BinaryRecord | None) -> bool:
    """Whether a pair says something that no host of kpack archives does."""
    return any(one is not None and not one.referred for one in (old, new))


def _change(old: BinaryRecord, new: BinaryRecord) -> Change:
    before = {target: _copies(old, target) for target in old.targets}
    after = {target: _copies(new, target) for target in old.targets}
    lost = [t for t in old.targets if _serving(old, t) and not _serving(new, t)]
    lost += [t for t in old.bitcode if t not in lost and t not in new.bitcode]
    both = [target for target in old.targets if target not in lost]
    return Change(
        old,
        new,
        lost_targets=tuple(sorted(lost)),
        thinned_targets={
            target: (_serving(new, target), len(new.units))
            for target in both
            if _thinned(old, new, target)
        },
        new_targets=tuple(t for t in new.targets if not _known(old, t)),
        lost_kernels=_lists({t: _lost(before, after, t) for t in both}),
        new_kernels=_lists({t: after[t].keys() - before[t].keys() for t in both}),
        lost_functions=_lists(_more_functions(old, new, both)),
        new_functions=_lists(_more_functions(new, old, both)),
        resources=tuple(c for target in both for c in _resources(old, new, target)),
    )


def _kernels(unit: UnitRecord, target: str) -> AbstractSet[str] | None:
    """The kernels of a unit for a target; None where it has no code for it.

    Code for both modes of a feature serves what code without a mode served.
    """
    if target in unit.targets:
        return unit.targets[target].kernels.keys()
    try:
        devices = TargetID.parse(target).devices()
        packed = {TargetID.parse(name): one for name, one in unit.targets.items()}
    except TargetError:
        return None  # SPIR-V, or a processor that kinspect does not know: by name only
    suiting = [{o: one for o, one in packed.items() if o.serves(d)} for d in devices]
    if not all(suiting):
        return None
    sets = [{k for one in found.values() for k in one.kernels} for found in suiting]
    return set.intersection(*sets)


def _serving(binary: BinaryRecord, target: str) -> int:
    """How many units have code for a target."""
    return sum(_kernels(unit, target) is not None for unit in binary.units)


def _known(binary: BinaryRecord, target: str) -> bool:
    return bool(_serving(binary, target)) or target in binary.bitcode


def _copies(binary: BinaryRecord, target: str) -> Counter[str]:
    """In how many units each kernel is there: a static one may be in several."""
    sets = [_kernels(unit, target) or () for unit in binary.units]
    return Counter(name for one in sets for name in one)


def _thinned(old: BinaryRecord, new: BinaryRecord, target: str) -> bool:
    """Whether more units than before lack a target: one that was lost, or a new one.

    A new unit counts where all of the old ones had it.
    """
    before, after = _serving(old, target), _serving(new, target)
    lacked, lack = len(old.units) - before, len(new.units) - after
    return bool(before) and lack > lacked and (not lacked or after < before)


def _lost(
    before: Mapping[str, Counter[str]], after: Mapping[str, Counter[str]], target: str
) -> Iterator[str]:
    """Kernels that are gone, or that fewer units have than is so for other targets.

    Where a kernel is in fewer units on every target alike, a unit that shared it went.
    """
    for name, count in before[target].items():
        fewer = count - after[target][name]
        if fewer <= 0:
            continue
        if not after[target][name] or fewer > _least(before, after, name):
            yield name


def _least(
    before: Mapping[str, Counter[str]], after: Mapping[str, Counter[str]], name: str
) -> int:
    """How many units lost a kernel on every target alike."""
    return min(before[t][name] - after[t][name] for t in before if before[t][name])


def _more_functions(
    one: BinaryRecord, other: BinaryRecord, targets: Iterable[str]
) -> dict[str, Iterable[str]]:
    """The functions of device bitcode that one has, and the other has not."""
    return {
        target: one.bitcode[target] - other.bitcode[target]
        for target in targets
        if target in one.bitcode and target in other.bitcode
    }


def _lists(found: Mapping[str, Iterable[str]]) -> Lists:
    sorted_ = {target: tuple(sorted(names)) for target, names in found.items()}
    return {target: names for target, names in sorted(sorted_.items()) if names}


def _resources(
    old: BinaryRecord, new: BinaryRecord, target: str
) -> Iterator[ResourceChange]:
    before, after = _rows(old, target), _rows(new, target)
    for name in sorted(before.keys() & after.keys()):
        if before[name] == after[name]:
            continue
        rows = sorted(before[name], key=_rank), sorted(after[name], key=_rank)
        for mine, theirs in zip(*rows, strict=False):  # where fewer units have it too
            if differ(mine, theirs):
                yield ResourceChange(target, name, mine, theirs)


def differ(old: Resources, new: Resources) -> bool:
    """Whether a kernel takes more or less, by what both snapshots know."""
    if old == new or UNKNOWN in (old, new):
        return False
    if old.occupancy is None or new.occupancy is None:  # an older snapshot
        return old._replace(occupancy=None) != new._replace(occupancy=None)
    return True


def _rows(binary: BinaryRecord, target: str) -> dict[str, list[Resources]]:
    rows: dict[str, list[Resources]] = {}
    for unit in binary.units:
        if target in unit.targets:
            for name, row in unit.targets[target].kernels.items():
                rows.setdefault(name, []).append(row)
    return rows


def _rank(row: Resources) -> list[int]:
    return [-1 if value is None else value for value in row]
