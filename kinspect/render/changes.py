"""What changed between two builds, folded for people: text and Markdown share it."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Final

from kinspect.diff import BinaryDiff, Packing, Rename, template
from kinspect.names import escape
from kinspect.render.words import count, shortened, size
from kinspect.snapshot import BinaryRecord, Lists

#: in the order in which they matter, with their names for people
RESOURCES: Final = {
    "vgpr_spill_count": "VGPR spills",
    "sgpr_spill_count": "SGPR spills",
    "occupancy": "occupancy",
    "private_segment_fixed_size": "scratch bytes",
    "group_segment_fixed_size": "LDS bytes",
    "vgpr_count": "VGPRs",
    "agpr_count": "AGPRs",
    "sgpr_count": "SGPRs",
    "wavefront_size": "wave size",
    "max_flat_workgroup_size": "workgroup limit",
    "kernarg_segment_size": "kernarg bytes",
}

#: of these, more is better
_WELCOME: Final = frozenset({"occupancy"})
#: what is alarming where it gets worse
ALARMING: Final = ("VGPR spills", "SGPR spills", "occupancy")

#: targets that are spelled out; of more, their number is told
_SPELLED: Final = 4
#: how long the name of a kernel may be
_LENGTH: Final = 110


@dataclass(frozen=True, slots=True)
class Fold:
    """Kernels that came or went on the same targets."""

    #: `8 targets`
    targets: str
    kernels: tuple[str, ...]
    #: names with their template arguments folded, and how many kernels each is
    families: tuple[tuple[str, int], ...]


def folds(lists: Lists, common: Sequence[str]) -> Iterator[Fold]:
    """Kernels by the targets where that holds; `common` are all that it could be."""
    where: dict[str, list[str]] = defaultdict(list)
    for target, names in lists.items():
        for name in names:
            where[name].append(target)
    grouped: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for name, targets in where.items():
        grouped[tuple(targets)].append(name)
    for found, kernels in sorted(grouped.items(), key=lambda one: (-len(one[1]), one[0])):
        families = Counter(template(name).family for name in kernels)
        rows = sorted(families.items(), key=lambda one: (-one[1], one[0]))
        yield Fold(spelled(found, common), tuple(sorted(kernels)), tuple(rows))


def spelled(targets: Sequence[str], common: Sequence[str]) -> str:
    if len(targets) > 1 and len(targets) == len(common):
        return f"all {len(targets)} targets"
    shown = ", ".join(map(escape, targets[:_SPELLED]))
    more = len(targets) - _SPELLED
    return f"{shown} and {more} more" if more > 0 else shown


def renames(renamed: Sequence[Rename]) -> Iterator[str]:
    """What was renamed, those together where the same argument changed."""
    folded: Counter[tuple[str, str]] = Counter()
    for one in renamed:
        old, new = template(one.old), template(one.new)
        both = zip(old.args, new.args, strict=False)
        changed = [f"{a} → {b}" for a, b in both if a != b]
        if old.head == new.head and len(old.args) == len(new.args) and len(changed) == 1:
            folded[changed[0], new.family] += 1
        else:
            folded[arrow(old.name, new.name), ""] += 1
    for (change, family), number in sorted(folded.items(), key=lambda f: (-f[1], f[0])):
        where = f" in {family}" if family else ""
        yield f"{shortened(change, 2 * _LENGTH)}{where}" + (
            f"  ×{number}" if number > 1 else ""
        )


def common_targets(binary: BinaryDiff) -> list[str]:
    return [t.target for t in binary.targets if all(t.bundles)]


@dataclass(frozen=True, slots=True)
class Step:
    """A resource of a kernel, before and after, and the targets where that is so."""

    kernel: str
    values: str
    grows: bool
    #: whether that is for the worse
    worse: bool
    targets: str


def resources(binary: BinaryDiff) -> Iterator[tuple[str, list[Step]]]:
    """By the name of each resource, what got worse first, most of all before."""
    common = common_targets(binary)
    for field, name in RESOURCES.items():
        where: dict[tuple[str, int | None, int | None], list[str]] = defaultdict(list)
        for one in binary.resources:
            delta = one.delta(field)
            if delta:
                where[one.kernel, *delta].append(one.target)
        if where:
            sign = 1 if field in _WELCOME else -1
            steps = [
                (sign * _growth(key), key[0], _step(key, sign, spelled(targets, common)))
                for key, targets in where.items()
            ]
            yield name, [step for *_, step in sorted(steps, key=itemgetter(0, 1))]


def direction(steps: Sequence[Step]) -> str:
    """`more in 3 kernels, fewer in 1 kernel`."""
    more = len({one.kernel for one in steps if one.grows})
    fewer = len({one.kernel for one in steps if not one.grows})
    words = (("more", more), ("fewer", fewer))
    return ", ".join(f"{word} in {count(n, 'kernel')}" for word, n in words if n)


Values = tuple[str, int | None, int | None]


def _growth(key: Values) -> int:
    _, before, after = key
    return (after or 0) - (before or 0)


def _step(key: Values, sign: int, targets: str) -> Step:
    """`sign` is 1 where more is better."""
    kernel, before, after = key
    values = f"{_value(before)} → {_value(after)}"
    growth = _growth(key)
    return Step(kernel, values, growth > 0, sign * growth < 0, targets)


def _value(value: int | None) -> str:
    return "?" if value is None else f"{value:,}"


def short(symbol: str) -> str:
    """The C++ name of a kernel without its parameters, cut where templates are long."""
    name = template(symbol).name
    if len(name) > _LENGTH:
        half = (_LENGTH - 3) // 2
        name = f"{name[:half]} … {name[-half:]}"
    return escape(name)


def arrow(before: str, after: str) -> str:
    return before if before == after else f"{before} → {after}"


def sizes(before: int, after: int) -> str:
    """`4.8 MB → 5.1 MB (+6.2 %)`."""
    text = arrow(size(before), size(after))
    if not before or before == after:
        return text
    return f"{text} ({100 * (after - before) / before:+.1f} %)"


def packed(one: Packing) -> str:
    """`2 ccob 3 zstd`."""
    return ", ".join(f"{number} {form}" for form, number in one.forms) or "none"


def release(one: Packing) -> str:
    return "unknown" if one.floor is None else f"{one.floor[0]}.{one.floor[1]}"


def content(binary: BinaryRecord) -> str:
    """What a binary holds that is on one side only."""
    kernels = sum(len(t.kernels) for unit in binary.units for t in unit.targets.values())
    parts = [
        count(len(binary.targets), "target"),
        count(kernels, "kernel"),
        size(sum(unit.size for unit in binary.units)),
    ]
    return ", ".join(parts)
