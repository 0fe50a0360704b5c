"""From two builds to what changed between them."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping

from kinspect.diff.bundles import moves
from kinspect.diff.model import BinaryDiff, Changed, Diff, Rename, Side
from kinspect.diff.packing import packing, targets
from kinspect.diff.renames import renames
from kinspect.diff.rows import rows
from kinspect.snapshot import (
    UNKNOWN,
    Change,
    Lists,
    compare,
    differ,
)


def diff(old: Side, new: Side) -> Diff:
    """What the new build lost, gained and changed."""
    found = compare(old.snapshot, new.snapshot)
    binaries = tuple(map(_binary, found.changes))
    return Diff(old, new, binaries, found.lost, found.new)


def _binary(change: Change) -> BinaryDiff:
    names = _renamed(change)
    renamed = {
        target: _pairs(names, lost, change.new_kernels.get(target, ()))
        for target, lost in change.lost_kernels.items()
    }
    now = {target: set(pairs.values()) for target, pairs in renamed.items()}
    return BinaryDiff(
        change,
        _without(change.lost_kernels, renamed),
        _without(change.new_kernels, now),
        tuple(_renames(renamed)),
        tuple(moves(change.old, change.new, names)),
        tuple(sorted(_resources(change, renamed), key=_place)),
        tuple(targets(change.old, change.new)),
        (packing(change.old), packing(change.new)),
    )


def _renamed(change: Change) -> dict[str, str]:
    """Of kernels whose name is on one side only, whatever the target."""
    lost = {name for names in change.lost_kernels.values() for name in names}
    gained = {name for names in change.new_kernels.values() for name in names}
    if not lost or not gained:
        return {}
    before = {name for unit in change.old.units for name in unit.kernels}
    after = {name for unit in change.new.units for name in unit.kernels}
    return renames(lost - after, gained - before)


def _pairs(
    names: Mapping[str, str], lost: Iterable[str], gained: Iterable[str]
) -> dict[str, str]:
    """The renames that hold for one target."""
    there = set(gained)
    return {name: names[name] for name in lost if names.get(name) in there}


def _without(lists: Lists, names: Mapping[str, Collection[str]]) -> Lists:
    rest = {
        target: tuple(name for name in found if name not in names.get(target, ()))
        for target, found in lists.items()
    }
    return {target: found for target, found in rest.items() if found}


def _renames(renamed: Mapping[str, Mapping[str, str]]) -> Iterator[Rename]:
    where: dict[tuple[str, str], list[str]] = defaultdict(list)
    for target, pairs in renamed.items():
        for pair in pairs.items():
            where[pair].append(target)
    for (old, new), found in sorted(where.items()):
        yield Rename(old, new, tuple(sorted(found)))


def _place(one: Changed) -> tuple[str, str]:
    return one.target, one.kernel


def _resources(
    change: Change, renamed: Mapping[str, Mapping[str, str]]
) -> Iterator[Changed]:
    for one in change.resources:
        yield Changed(one.target, one.kernel, one.kernel, one.old, one.new)
    for target, pairs in renamed.items():
        befores, afters = rows(change.old, target), rows(change.new, target)
        for old, new in pairs.items():
            before, after = befores.get(old, UNKNOWN), afters.get(new, UNKNOWN)
            if differ(before, after):
                yield Changed(target, new, old, before, after)
