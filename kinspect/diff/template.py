"""The C++ name of a kernel, taken apart: what it is called, and with what arguments."""

import re
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from typing import Final

from kinspect.names import demangle

#: `[abi:cxx11]`
_ABI_TAG: Final = re.compile(r"\[abi:\w+\]")
#: what stands before `::` and is called after a version: `ROCPRIM_400200_NS`, `v1_2`,
#: `_V2`, `__1`
_VERSIONED: Final = re.compile(
    r"(?<!\w)(?:([A-Za-z]\w*?)_\d+(?:_\d+)*_NS|_*[vV]_?\d+(?:_\d+)*|__\d+)\Z"
)
#: what matters for where an argument ends
_SIGNS: Final = re.compile(r"([()\[\]{}<>,])")
#: what looks so, and is no bracket; in this order, since they overlap
_OPERATORS: Final = ("->", "<<", "<=", ">=", "==")
_DEPTH: Final = {"(": 1, "[": 1, "{": 1, "<": 1, ")": -1, "]": -1, "}": -1, ">": -1}


@dataclass(frozen=True, slots=True)
class Template:
    """`void ns::f<float, 64>(float*)`: its head is `void ns::f`."""

    head: str
    args: tuple[str, ...]
    is_template: bool

    @property
    def family(self) -> str:
        """The name for people: without the type that it returns, arguments folded."""
        name = self.head.removeprefix("void ")
        return f"{name}<…>" if self.is_template else name

    @property
    def name(self) -> str:
        """The name for people, with its arguments; parameters are left out."""
        name = self.head.removeprefix("void ")
        return f"{name}<{', '.join(self.args)}>" if self.is_template else name


@lru_cache(maxsize=65_536)
def unversioned(name: str) -> str:
    """The C++ name of a symbol without ABI tags and versions of namespaces."""
    *before, last = _ABI_TAG.sub("", demangle(name)).split("::")
    return "::".join([*map(_plain, before), last])


@lru_cache(maxsize=65_536)
def _plain(text: str) -> str:
    """What stands before `::`, without the version at its end."""
    return _VERSIONED.sub(r"\1_*", text)


@lru_cache(maxsize=65_536)
def template(name: str) -> Template:
    """The C++ name of a symbol, taken apart; versions of namespaces do not count."""
    text = unversioned(name)
    signs, places = _marks(text)
    end = len(signs)
    if text.endswith(")"):
        end = _opening(signs, end - 1)
    at = places[end] if end < len(signs) else len(text)
    head = text[:at]
    if not head.endswith(">") or not end:
        return Template(head, (), is_template=False)
    start = _opening(signs, end - 1)
    if signs[start] != "<":
        return Template(head, (), is_template=False)
    args = _split(head, signs[start:end], places[start:end])
    return Template(head[: places[start]], args, is_template=True)


def _marks(text: str) -> tuple[list[str], list[int]]:
    """The brackets and commas, and where they are."""
    for operator in _OPERATORS:
        text = text.replace(operator, "..")
    parts = _SIGNS.split(text)  # every second one is a sign
    return parts[1::2], list(accumulate(map(len, parts)))[:-1:2]


def _opening(signs: list[str], closing: int) -> int:
    """Which bracket opens what one closes; the first sign where none does."""
    depth = 0
    for at in range(closing, -1, -1):
        depth -= _DEPTH.get(signs[at], 0)
        if not depth:
            return at
    return 0


def _split(text: str, signs: list[str], places: list[int]) -> tuple[str, ...]:
    """The arguments between the first bracket and the last."""
    depth, start = 0, places[0] + 1
    found = []
    for sign, at in zip(signs, places, strict=True):
        depth += _DEPTH.get(sign, 0)
        if (sign == "," and depth == 1) or not depth:
            found.append(text[start:at].strip())
            start = at + 1
    return tuple(found)
