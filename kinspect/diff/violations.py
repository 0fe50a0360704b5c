"""What `--fail-on` can ask for, in one visible table."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from kinspect.diff.model import BinaryDiff, Diff
from kinspect.diff.rows import rows
from kinspect.snapshot import BinaryRecord, Lists, Resources

#: how many kernels of each target
Found = Iterator[tuple[str | None, Sequence[str]]]
OfBinary = Callable[[BinaryDiff], Found]

SPILLS: Final = ("vgpr_spill_count", "sgpr_spill_count")
REGISTERS: Final = ("vgpr_count", "agpr_count", "sgpr_count")
SCRATCH: Final = ("private_segment_fixed_size",)
LDS: Final = ("group_segment_fixed_size",)
OCCUPANCY: Final = ("occupancy",)


@dataclass(frozen=True, slots=True)
class Violation:
    """Something that was asked not to happen, and did."""

    kind: str
    #: its path inside of the artifact
    binary: str
    #: None where it is not a question of one
    target: str | None = None
    #: symbols, sorted; none where it is not a question of kernels
    kernels: tuple[str, ...] = ()


def violations(diff: Diff, kinds: Sequence[str]) -> Iterator[Violation]:
    """What is sure: what NEW may have where it could not be read is not called lost."""
    unread = bool(diff.new.unreadable)
    for kind in KINDS:
        if kind not in kinds or (unread and kind.startswith("lost-")):
            continue
        if kind in _OF_LOST:
            for one in diff.lost:
                for target in _OF_LOST[kind](one):
                    yield Violation(kind, one.path, target)
        for binary in diff.binaries:
            for target, kernels in KINDS[kind][1](binary):
                yield Violation(kind, binary.new.path, target, tuple(kernels))


def _no_target(_: BinaryRecord) -> Sequence[str | None]:
    return (None,)


def _its_targets(binary: BinaryRecord) -> Sequence[str | None]:
    return binary.targets


#: what a binary that is gone has lost
_OF_LOST: Final[Mapping[str, Callable[[BinaryRecord], Sequence[str | None]]]] = (
    MappingProxyType({"lost-binary": _no_target, "lost-target": _its_targets})
)


def _nothing(_: BinaryDiff) -> Found:
    yield from ()


def _lost_targets(binary: BinaryDiff) -> Found:
    for target in binary.change.lost_targets:
        yield target, ()
    for target in sorted(binary.change.thinned_targets):
        yield target, ()


def _lists(lists: Lists) -> Found:
    yield from lists.items()


def _lost_kernels(binary: BinaryDiff) -> Found:
    yield from _lists(binary.lost_kernels)
    yield from _lists(binary.change.lost_functions)


def _renamed(binary: BinaryDiff) -> Found:
    if binary.renamed:
        yield None, [one.old for one in binary.renamed]


def _moved(binary: BinaryDiff) -> Found:
    if binary.moved:
        yield None, [one.kernel for one in binary.moved]


def _higher_floor(binary: BinaryDiff) -> Found:
    before, after = (one.floor for one in binary.packing)
    if before and (after is None or after > before):
        yield None, ()


def _more(binary: BinaryDiff, names: Sequence[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for one in binary.resources:
        deltas = [one.delta(name) for name in names]
        if any(d and (d[1] or 0) > (d[0] or 0) for d in deltas):
            found.setdefault(one.target, []).append(one.kernel)
    return found


def _new_spill(binary: BinaryDiff) -> Found:
    """A kernel that spills more; and one that is new, and spills."""
    found = _more(binary, SPILLS)
    for target, kernels in binary.new_kernels.items():
        taking = rows(binary.new, target)
        spilling = [name for name in kernels if _spills(taking.get(name))]
        if spilling:
            found.setdefault(target, []).extend(spilling)
    yield from sorted((target, sorted(names)) for target, names in found.items())


def _spills(row: Resources | None) -> bool:
    return row is not None and any(getattr(row, name) for name in SPILLS)


def _more_of(names: Sequence[str]) -> OfBinary:
    def found(binary: BinaryDiff) -> Found:
        yield from sorted(_more(binary, names).items())

    return found


def _lower_occupancy(binary: BinaryDiff) -> Found:
    found: dict[str, list[str]] = {}
    for one in binary.resources:
        delta = one.delta("occupancy")
        if delta and (delta[1] or 0) < (delta[0] or 0):
            found.setdefault(one.target, []).append(one.kernel)
    yield from sorted(found.items())


def untold(diff: Diff, kinds: Sequence[str]) -> int:
    """Of how many kernels what was asked for can't be said: one side does not know it.

    What is 0 now can't be more than it was.
    """
    asked = [name for kind in kinds for name in RESOURCES_OF.get(kind, ())]
    if not asked:
        return 0
    return sum(_unknown(binary, asked) for binary in diff.binaries)


def _unknown(binary: BinaryDiff, asked: Sequence[str]) -> int:
    names = {(one.old, t): one.new for one in binary.renamed for t in one.targets}
    count = 0
    for target in binary.old.targets:
        before, after = rows(binary.old, target), rows(binary.new, target)
        for name, row in before.items():
            now = after.get(names.get((name, target), name))
            count += now is not None and any(
                (getattr(row, one) is None) != (getattr(now, one) is None)
                and getattr(now, one) != 0
                for one in asked
            )
    return count


RESOURCES_OF: Final[Mapping[str, Sequence[str]]] = MappingProxyType(
    {
        "new-spill": SPILLS,
        "lower-occupancy": OCCUPANCY,
        "more-scratch": SCRATCH,
        "more-lds": LDS,
        "more-registers": REGISTERS,
    }
)

#: kind → (what it means, what has it); its order is that of a report
KINDS: Final[Mapping[str, tuple[str, OfBinary]]] = MappingProxyType(
    {
        "lost-binary": ("a binary with device code is gone", _nothing),
        "lost-target": ("a target is gone, be it from one bundle", _lost_targets),
        "lost-kernel": ("a kernel is gone that was not renamed", _lost_kernels),
        "renamed-kernel": ("a kernel has another name", _renamed),
        "moved-kernel": ("a kernel is in another bundle", _moved),
        "new-spill": ("a kernel spills more registers, or is new and spills", _new_spill),
        "lower-occupancy": ("a SIMD holds fewer waves of a kernel", _lower_occupancy),
        "more-scratch": ("a kernel takes more scratch memory", _more_of(SCRATCH)),
        "more-lds": ("a kernel takes more LDS", _more_of(LDS)),
        "more-registers": ("a kernel takes more registers", _more_of(REGISTERS)),
        "higher-floor": ("a newer ROCm is needed to read the bundles", _higher_floor),
    }
)
