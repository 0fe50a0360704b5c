"""Families of kernels: the instances of one template, the variants of one generator."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from kinspect.names import demangle
from kinspect.resources.rows import KernelRow

#: names of operators that hold brackets, and a letter that stands for them meanwhile
_OPERATOR: Final = re.compile(r"operator\s*(?:<=>|<<=|>>=|->\*|<<|>>|<=|>=|->|<|>|\(\))")
_ANONYMOUS: Final = "(anonymous namespace)"
#: Tensile (rocBLAS, hipBLASLt): what follows is the macro tile and how it is walked
_TENSILE: Final = re.compile(r"^(Cijk_.+?)_MT\d")


@lru_cache(maxsize=65_536)
def family(name: str) -> str:
    """What a kernel is called without arguments, template arguments and return type.

    >>> family("_Z3fooIiLi4EEvPT_")
    'foo<…>'
    """
    tensile = _TENSILE.match(name)
    if tensile:
        return f"{tensile[1]}_MT…"
    text = demangle(name)
    return _folded(text) or text


def _folded(text: str) -> str:
    operators: list[str] = []

    def keep(match: re.Match[str]) -> str:
        operators.append(match[0])
        return f"\x00{len(operators) - 1}\x00"

    text = _OPERATOR.sub(keep, text.replace(_ANONYMOUS, "\x01"))
    plain = _outside(text).replace(" <…>", "<…>").rstrip().rsplit(" ", 1)[-1]
    plain = re.sub("\x00(\\d+)\x00", lambda match: operators[int(match[1])], plain)
    return plain.replace("\x01", _ANONYMOUS)


def _outside(text: str) -> str:
    """What is left without template arguments, up to the parameters."""
    out, angles, parens = [], 0, 0
    for letter in text:
        if not angles and letter == "(":
            break
        if angles and letter in "()":
            parens += 1 if letter == "(" else -1
        elif letter == "<" and not parens:
            if not angles:
                out.append("<…>")
            angles += 1
        elif letter == ">" and angles and not parens:
            angles -= 1
        elif not angles:
            out.append(letter)
    return "".join(out)


@dataclass(slots=True)
class Span:
    """The smallest and the largest of some numbers; None without any."""

    low: int | None = None
    high: int | None = None

    def add(self, number: int | None) -> None:
        if number is not None:
            self.low = number if self.low is None else min(self.low, number)
            self.high = number if self.high is None else max(self.high, number)


#: what is told of a family as a span
SPANS: Final = (
    "vgpr_count",
    "agpr_count",
    "sgpr_count",
    "group_segment_fixed_size",
    "private_segment_fixed_size",
    "occupancy",
)


class Group:
    """The kernels of one family, for one target of one binary."""

    def __init__(self, path: str, target: str, name: str) -> None:
        self.path = path
        self.target = target
        self.family = name
        self.kernels = 0
        #: kernels with spilled registers
        self.spilling = 0
        #: bytes of instructions
        self.code_size = 0
        self.spans = {name: Span() for name in SPANS}

    def add(self, row: KernelRow) -> None:
        kernel = row.kernel
        self.kernels += 1
        self.spilling += bool(kernel.vgpr_spill_count or kernel.sgpr_spill_count)
        self.code_size += row.code_size or 0
        found = row.occupancy
        for name, span in self.spans.items():
            if name == "occupancy":
                span.add(None if found is None else found.waves)
            else:
                span.add(getattr(kernel, name))


def groups(rows: Iterable[KernelRow]) -> list[Group]:
    """Kernels counted by family; what is kept does not grow with their number."""
    found: dict[tuple[str, str, str], Group] = {}
    for row in rows:
        key = row.path, row.target, family(row.name)
        if key not in found:
            found[key] = Group(*key)
        found[key].add(row)
    return list(found.values())
