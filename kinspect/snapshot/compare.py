"""What two snapshots have not in common."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain

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
    before = {target: _Held(old, target) for target in old.targets}
    after = {target: _Held(new, target) for target in old.targets}
    lost = [t for t in old.targets if before[t].units and not after[t].units]
    lost += [t for t in old.bitcode if t not in lost and t not in new.bitcode]
    both = [target for target in old.targets if target not in lost]
    kernels = [_of_target(before, after, target) for target in both]
    return Change(
        old,
        new,
        lost_targets=tuple(sorted(lost)),
        thinned_targets={
            target: (len(after[target].units), len(new.units))
            for target in both
            if _thinned(old, new, len(before[target].units), len(after[target].units))
        },
        new_targets=tuple(t for t in new.targets if not _known(old, t)),
        lost_kernels=_lists({one.target: one.lost for one in kernels}),
        new_kernels=_lists({one.target: one.new for one in kernels}),
        lost_functions=_lists(_more_functions(old, new, both)),
        new_functions=_lists(_more_functions(new, old, both)),
        resources=tuple(change for one in kernels for change in one.changes),
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


class _Held:
    """The kernels that a binary has for a target."""

    def __init__(self, binary: BinaryRecord, target: str) -> None:
        found = (_kernels(unit, target) for unit in binary.units)
        #: of each unit that has code for it
        self.units = [one for one in found if one is not None]
        #: of each that has it by that name: with what they take
        self.own = [u.targets[target].kernels for u in binary.units if target in u.targets]

    @cached_property
    def counts(self) -> Counter[str]:
        """In how many units each kernel is: a static one may be in several."""
        return Counter(chain.from_iterable(self.units))

    def same(self, other: "_Held") -> bool:
        """Whether every unit has the kernels of the other's, which take the same."""
        exact = len(self.units) == len(self.own) == len(other.units)
        return exact and self.own == other.own

    def merged(self) -> "_Merged":
        rows: dict[str, Resources] = {}
        names: set[str] = set()
        several: set[str] = set()
        for own in self.own:
            rows.update(own)
        for kernels in self.units:
            several |= names & kernels
            names.update(kernels)
        each: dict[str, list[Resources]] = {name: [] for name in several}
        for own in self.own if several else ():
            for name in several & own.keys():
                each[name].append(own[name])
        again = chain.from_iterable(several & kernels for kernels in self.units)
        return _Merged(names, rows, Counter(again), each)


@dataclass(frozen=True, slots=True)
class _Merged:
    """The kernels of all units together."""

    names: AbstractSet[str]
    #: of code by the name of the target; of a kernel that is in several, the last one's
    rows: Mapping[str, Resources]
    #: of those that are in several units: in how many, and what they take in each
    several: Mapping[str, int]
    each: Mapping[str, list[Resources]]

    def rows_of(self, kernel: str) -> list[Resources]:
        """What it takes in each unit, the least first."""
        return sorted(self.each.get(kernel) or [self.rows[kernel]], key=_rank)


@dataclass(frozen=True, slots=True)
class _OfTarget:
    """What changed in the kernels for one target."""

    target: str
    lost: AbstractSet[str] = frozenset()
    new: AbstractSet[str] = frozenset()
    changes: Sequence[ResourceChange] = ()


def _of_target(
    before: Mapping[str, _Held], after: Mapping[str, _Held], target: str
) -> _OfTarget:
    if before[target].same(after[target]):  # nearly always, and fast to find out
        return _OfTarget(target)
    old, new = before[target].merged(), after[target].merged()
    thinned = {
        name
        for name, count in old.several.items()
        if count > new.several.get(name, 1) and _fewer(before, after, target, name)
    }
    changed = (old.several.keys() | new.several) & old.rows.keys() & new.rows.keys()
    rows = new.rows
    changed |= {name for name, row in old.rows.items() if rows.get(name, row) != row}
    return _OfTarget(
        target,
        (old.names - new.names) | (thinned & new.names),
        new.names - old.names,
        [
            ResourceChange(target, name, mine, theirs)
            for name in sorted(changed)
            # where fewer units have it, too
            for mine, theirs in zip(old.rows_of(name), new.rows_of(name), strict=False)
            if differ(mine, theirs)
        ],
    )


def _known(binary: BinaryRecord, target: str) -> bool:
    served = any(_kernels(unit, target) is not None for unit in binary.units)
    return served or target in binary.bitcode


def _thinned(old: BinaryRecord, new: BinaryRecord, before: int, after: int) -> bool:
    """Whether more units than before lack a target: one that was lost, or a new one.

    A new unit counts where all of the old ones had it.
    """
    lacked, lack = len(old.units) - before, len(new.units) - after
    return bool(before) and lack > lacked and (not lacked or after < before)


def _fewer(
    before: Mapping[str, _Held], after: Mapping[str, _Held], target: str, name: str
) -> bool:
    """Whether fewer units have a kernel than is so for other targets.

    Where it is in fewer units on every target alike, a unit that shared it went.
    """
    gone = {t: before[t].counts[name] - after[t].counts[name] for t in before}
    least = min(gone[t] for t in before if before[t].counts[name])
    return gone[target] > max(least, 0)


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


def differ(old: Resources, new: Resources) -> bool:
    """Whether a kernel takes more or less, by what both snapshots know."""
    if old == new or UNKNOWN in (old, new):
        return False
    if old.occupancy is None or new.occupancy is None:  # an older snapshot
        return old._replace(occupancy=None) != new._replace(occupancy=None)
    return True


def _rank(row: Resources) -> list[int]:
    return [-1 if value is None else value for value in row]
