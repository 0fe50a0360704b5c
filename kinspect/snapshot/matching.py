"""Which binary of another build is the same one, though versions in its name differ."""

import re
from collections.abc import Callable, Iterator
from typing import Final

from kinspect.snapshot.model import BinaryRecord, Snapshot

#: NAME-VERSION[-BUILD]-PYTHON-ABI-PLATFORM.whl (Python packaging, "Binary distribution
#: format")
_WHEEL: Final = re.compile(
    r"(?P<name>[^-/!]+)-[^-/!]+(?:-\d[^-/!]*)?(?P<tags>-[^-/!]+-[^-/!]+-[^-/!]+)\.whl"
)
#: `-1.2.3`, `_2.0rc1`, `-1.0+rocm7.0.git1a2b`: numbers with a dot between, up to the
#: next part of the name
_VERSION: Final = re.compile(
    r"[-_]v?\d+(?:\.\d+)+(?:(?:a|b|rc|\.post|\.dev|\+)[\w.]*?)?"
    r"(?=[-_/!]|\.(?:tar|tgz|zip|conda|deb|rpm|data|dist-info|so|dll)\b|$)"
)
#: what auditwheel adds to the libraries that it copies into a wheel
_HASH: Final = re.compile(r"-[0-9a-f]{8}(?=[-.])")
#: `libfoo.so.1.2`
_SONAME: Final = re.compile(r"(\.so)(?:\.\d+)+(?=!|$)")
#: `.cpython-312-x86_64-linux-gnu.so`, `.cp312-win_amd64.pyd`; `lib.linux-cpython-312/`
_PYTHON: Final = re.compile(
    r"[-.](?:cpython-\d+[a-z]*|cp\d+[a-z]*|abi3|pypy\d+-pp\d+)(?:-\w+)*(?=\.(?:so|pyd)|/|$)"
)

#: the ROCm of a package: `jax_rocm60_plugin/`, `jax_rocm7_plugin/`; of a library's own
#: name it tells whom that is for, and so is left
_ROCM: Final = re.compile(r"(?<=rocm)[-_]?\d+(?:[._]\d+)*(?=[^/]*/)")

Key = Callable[[BinaryRecord], tuple[str, ...]]


def _unversioned(name: str, wheel: str) -> str:
    name = _WHEEL.sub(wheel, name)
    for pattern, instead in ((_VERSION, ""), (_HASH, ""), (_SONAME, r"\1")):
        name = pattern.sub(instead, name)
    return name


def _untagged(name: str) -> str:
    return _PYTHON.sub("", _unversioned(name, r"\g<name>.whl"))


def _same_tags(name: str) -> str:
    return _unversioned(name, r"\g<name>\g<tags>.whl")


#: from the exact to the coarse: what a coarser key pairs, no finer one did
_KEYS: Final[tuple[Key, ...]] = (
    lambda one: (one.artifact, one.path),
    lambda one: (_same_tags(one.artifact), _same_tags(one.path)),
    lambda one: (_untagged(one.artifact), _untagged(one.path)),
    lambda one: (_untagged(one.path),),
    lambda one: (_ROCM.sub("", _untagged(one.path)),),
)

Pair = tuple[BinaryRecord | None, BinaryRecord | None]


def pairs(old: Snapshot, new: Snapshot) -> Iterator[Pair]:
    """Every binary of both, with the one of the other build where there is one.

    Where a key is that of several, all of them are paired in order, or none.
    """
    before, after = list(old.binaries), list(new.binaries)
    if len(before) == len(after) == 1 and all(o.path == o.artifact for o in before + after):
        yield before[0], after[0]  # files that were named: whatever they are called
        return
    for key in _KEYS:
        mine, theirs = _grouped(before, key), _grouped(after, key)
        for name in sorted(mine.keys() & theirs.keys()):
            if len(mine[name]) == len(theirs[name]):
                for one, other in zip(mine[name], theirs[name], strict=True):
                    yield one, other
                    before.remove(one)
                    after.remove(other)
    yield from ((one, None) for one in before)
    yield from ((None, one) for one in after)


def _grouped(
    binaries: list[BinaryRecord], key: Key
) -> dict[tuple[str, ...], list[BinaryRecord]]:
    groups: dict[tuple[str, ...], list[BinaryRecord]] = {}
    for one in binaries:
        groups.setdefault(key(one), []).append(one)
    return groups
