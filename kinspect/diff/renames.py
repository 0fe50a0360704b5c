"""Kernels that are called otherwise in another build, and are the same.

The rule, from sure to bold. What a step pairs, no later one asks for; a step pairs only
where exactly one kernel of each side fits, so that nothing is guessed:

1. the C++ name is the same but for ABI tags and namespaces that are called after a
   version (`rocprim::ROCPRIM_400200_NS`);
2. the name and its template arguments are the same, the parameters are not;
3. one template argument was changed, added or removed;
4. one template argument was changed as step 3 saw it change in other kernels: a type that
   has a new name (`hip_bfloat16`, `__hip_bfloat16`);
5. the name is the same, whatever its template arguments are, and no other kernel of that
   name came or went.
"""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator
from collections.abc import Set as AbstractSet
from typing import Final

from kinspect.diff.template import Template, template, unversioned

Keys = Callable[[str], Iterable[Hashable]]


def renames(lost: AbstractSet[str], gained: AbstractSet[str]) -> dict[str, str]:
    """By the symbol of a kernel that is gone, the one that it has now."""
    left, right = set(lost), set(gained)
    found: dict[str, str] = {}
    for keys in _STEPS:
        _take(_matched(left, right, keys), found, left, right)
        if keys is _but_one:
            _take(_alike(found, left, right), found, left, right)
    return found


def _take(
    pairs: Iterable[tuple[str, str]], found: dict[str, str], left: set[str], right: set[str]
) -> None:
    for one, other in list(pairs):
        found[one] = other
        left.discard(one)
        right.discard(other)


def _matched(left: set[str], right: set[str], keys: Keys) -> Iterator[tuple[str, str]]:
    """Those that fit each other and nobody else."""
    mine, theirs = _by_key(left, keys), _by_key(right, keys)
    fits: dict[str, set[str]] = defaultdict(set)
    fitted: dict[str, set[str]] = defaultdict(set)
    for key in mine.keys() & theirs.keys():
        if len(mine[key]) == len(theirs[key]) == 1:
            fits[mine[key][0]].add(theirs[key][0])
            fitted[theirs[key][0]].add(mine[key][0])
    for one, others in sorted(fits.items()):
        other = min(others)
        if len(others) == len(fitted[other]) == 1:
            yield one, other


def _by_key(names: set[str], keys: Keys) -> dict[Hashable, list[str]]:
    found: dict[Hashable, list[str]] = defaultdict(list)
    for name in sorted(names):
        for key in set(keys(name)):
            found[key].append(name)
    return found


def _same(name: str) -> Iterator[Hashable]:
    yield unversioned(name)


def _same_arguments(name: str) -> Iterator[Hashable]:
    yield template(name)


def _but_one(name: str) -> Iterator[Hashable]:
    """With each argument left open, as if left out, and as if it were left out there."""
    one = template(name)
    yield one.head, one.args, "whole"
    for at in range(len(one.args)):
        rest = one.args[:at], one.args[at + 1 :]
        yield one.head, rest, "open"
        yield one.head, rest[0] + rest[1], "whole"


def _family(name: str) -> Iterator[Hashable]:
    yield template(name).head


_STEPS: Final[tuple[Keys, ...]] = (_same, _same_arguments, _but_one, _family)


def _alike(
    found: dict[str, str], left: set[str], right: set[str]
) -> Iterator[tuple[str, str]]:
    """Those whose argument changed as that of others did."""
    changes = _changes(found)
    targets: dict[Template, list[str]] = defaultdict(list)
    for name in right:
        targets[template(name)].append(name)
    fits: dict[str, list[str]] = {}
    fitted: dict[str, set[str]] = defaultdict(set)
    for name in left:
        now = {one for form in _changed(template(name), changes) for one in targets[form]}
        fits[name] = sorted(now)
        for one in now:
            fitted[one].add(name)
    for name, now_ in sorted(fits.items()):
        if len(now_) == 1 and len(fitted[now_[0]]) == 1:
            yield name, now_[0]


def _changes(found: dict[str, str]) -> dict[str, set[str]]:
    """Arguments that changed alone, with what they changed to, and more than once."""
    seen: dict[tuple[str, str], int] = defaultdict(int)
    for before, after in found.items():
        one, other = template(before), template(after)
        if len(one.args) == len(other.args):
            both = zip(one.args, other.args, strict=True)
            changed = [(a, b) for a, b in both if a != b]
            if len(changed) == 1:
                seen[changed[0]] += 1
    changes: dict[str, set[str]] = defaultdict(set)
    for (before, after), count in seen.items():
        if count > 1:
            changes[before].add(after)
    return changes


def _changed(one: Template, changes: dict[str, set[str]]) -> Iterator[Template]:
    for at, argument in enumerate(one.args):
        for instead in changes.get(argument, ()):
            args = (*one.args[:at], instead, *one.args[at + 1 :])
            yield Template(one.head, args, one.is_template)
