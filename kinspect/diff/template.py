"""The C++ name of a kernel, taken apart: what it is called, and with what arguments."""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from kinspect.names import demangle

#: `[abi:cxx11]`
_ABI_TAG: Final = re.compile(r"\[abi:\w+\]")
#: namespaces that are called after a version: `ROCPRIM_400200_NS`, `v1_2`, `_V2`, `__1`
_VERSIONED: Final = re.compile(
    r"(?<!\w)(?:([A-Za-z]\w*?)_\d+(?:_\d+)*_NS|_*[vV]_?\d+(?:_\d+)*|__\d+)(?=::)"
)
#: what matters for where an argument ends; `->` and comparisons are none
_SIGNS: Final = re.compile(r"->|[<>=]=|<<|[()\[\]{}<>,]")
_OPENING: Final = frozenset("([{<")
_CLOSING: Final = frozenset(")]}>")


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
    return _VERSIONED.sub(r"\1_*", _ABI_TAG.sub("", demangle(name)))


@lru_cache(maxsize=65_536)
def template(name: str) -> Template:
    """The C++ name of a symbol, taken apart; versions of namespaces do not count."""
    text = unversioned(name)
    marks = [(one[0], one.start()) for one in _SIGNS.finditer(text) if len(one[0]) == 1]
    end = len(marks)
    if text.endswith(")"):
        end = _opening(marks, end - 1)
    at = marks[end][1] if end < len(marks) else len(text)
    head = text[:at]
    if not head.endswith(">") or not end:
        return Template(head, (), is_template=False)
    start = _opening(marks, end - 1)
    if marks[start][0] != "<":
        return Template(head, (), is_template=False)
    args = _split(head, marks[start:end])
    return Template(head[: marks[start][1]], args, is_template=True)


def _opening(marks: list[tuple[str, int]], closing: int) -> int:
    """Which bracket opens what one closes; the first sign where none does."""
    depth = 0
    for at in range(closing, -1, -1):
        sign = marks[at][0]
        depth += (sign in _CLOSING) - (sign in _OPENING)
        if not depth:
            return at
    return 0


def _split(text: str, marks: list[tuple[str, int]]) -> tuple[str, ...]:
    """The arguments between the first bracket and the last."""
    depth, start = 0, marks[0][1] + 1
    found = []
    for sign, at in marks:
        depth += (sign in _OPENING) - (sign in _CLOSING)
        if (sign == "," and depth == 1) or not depth:
            found.append(text[start:at].strip())
            start = at + 1
    return tuple(found)
