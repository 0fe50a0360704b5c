"""Where code leads to, as far as its instructions tell: the functions that it calls.

A call is a jump to an address in registers. LLVM makes that address of the program
counter and a distance, which are in the instructions; an address that comes out of memory
(a pointer to a function) is not. Source: LLVM, SIInstrInfo.cpp (SI_PC_ADD_REL_OFFSET),
SIInstructions.td (SI_CALL).
"""

import re
from collections.abc import Iterable
from itertools import groupby
from typing import Final

from kinspect.disassembly.listing import Function, Instruction

#: `s[4:5]`, a pair of scalar registers
_PAIR: Final = re.compile(r"s\[(\d+):(\d+)\]")
_COUNTERS: Final = frozenset({"s_getpc_b64", "s_get_pc_i64"})
#: what adds to the lower half, to the upper half, and to both of them
_LOW: Final = frozenset({"s_add_u32", "s_add_co_u32"})
_HIGH: Final = frozenset({"s_addc_u32", "s_add_co_ci_u32"})
_WHOLE: Final = frozenset({"s_add_nc_u64"})
#: the branches whose distance, in words, stands in them
_NEAR: Final = ("s_branch", "s_cbranch_", "s_call_")
_WORD: Final = 4
_HALF: Final = (1 << 32) - 1
_MASK: Final = (1 << 64) - 1


class Leads:
    """The addresses that the instructions of a function lead to, one after the other."""

    def __init__(self) -> None:
        #: what the program counter was, and the registers that it is in
        self._counter = 0
        self._pair = ""
        self._low: int | None = None

    def take(self, one: Instruction) -> int | None:
        """The address that this instruction leads to, or completes."""
        if not one.text.startswith("s_"):  # most are of the vector unit
            return None
        name = one.mnemonic
        if name.startswith(_NEAR):
            words = _number(_operands(one)[-1])
            return None if words is None else one.end + _signed(words) * _WORD
        if name in _COUNTERS:
            self._counter, self._pair, self._low = one.end, _operands(one)[0], None
            return None
        return self._added(name, _operands(one)) if self._pair else None

    def _added(self, name: str, operands: list[str]) -> int | None:
        if len(operands) != 3 or (number := _number(operands[2])) is None:
            return None
        low, high = _halves(self._pair)
        if name in _LOW and operands[0] == low:
            self._low = number & _HALF
        elif name in _HIGH and operands[0] == high and self._low is not None:
            return self._made((number & _HALF) << 32 | self._low)
        elif name in _WHOLE and operands[0] == self._pair:
            return self._made(number)
        return None

    def _made(self, distance: int) -> int:
        self._pair, self._low = "", None
        return (self._counter + distance) & _MASK


def reached(told: Iterable[tuple[Function, Instruction]]) -> set[int]:
    """The addresses that functions lead to, each of which comes with its instructions."""
    found = set()
    for _, pairs in groupby(told, key=lambda pair: pair[0]):
        leads = Leads()
        found |= {leads.take(one) for _, one in pairs}
    return {address for address in found if address is not None}


def _operands(one: Instruction) -> list[str]:
    return [text.strip() for text in one.text.partition(" ")[2].split(",")]


def _halves(pair: str) -> tuple[str, str]:
    match = _PAIR.fullmatch(pair)
    return (f"s{match[1]}", f"s{match[2]}") if match else (f"{pair}_lo", f"{pair}_hi")


def _signed(words: int) -> int:
    """Of 16 bits."""
    return (words & 0xFFFF ^ 0x8000) - 0x8000


def _number(text: str) -> int | None:
    literal = text.removeprefix("lit(").removesuffix(")")
    try:
        return int(literal, 0)
    except ValueError:
        return None
