"""What llvm-objdump prints of a code object, held against the bytes of it.

Its output is text with names of the file in it, which may hold anything, line ends too.
So its labels are not read at all: which instructions belong to a function is told by
their addresses, and each must follow the one before and be the bytes that are there. A
line that a name forged, one that is missing, or a program that ended early is an error.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Final

from kinspect.errors import FormatError, ToolError
from kinspect.formats.amdgpu_elf import Elf, offset_of
from kinspect.view import Bytes

#: `⇥s_branch 3   // 000000001B00: BF820003 <foo+0x10>`: words as they are in memory,
#: each as one number; then where a branch leads, and what LLVM thinks of an operand
_LINE: Final = re.compile(
    rb"\t([^\t].*?) *// ([0-9A-F]{8,16}): ([0-9A-F]{8}(?: [0-9A-F]{8})*)"
    rb"(?: <(.*?)>)?(?: ; .*)?"
)
#: what LLVM prints for a word that is no instruction to it
UNDECODED: Final = ".long"
#: lines of source that are kept for one instruction, and letters of each
_LINES: Final = 100
_LETTERS: Final = 1000


@dataclass(frozen=True, slots=True)
class Function:
    """The code of a kernel, or of what kernels call: its names, and where it lies."""

    names: tuple[str, ...]
    #: in memory, as the code object is loaded at 0
    address: int
    size: int
    kernel: bool = True

    @property
    def end(self) -> int:
        return self.address + self.size


@dataclass(frozen=True, slots=True)
class Instruction:
    """One line of a listing."""

    address: int
    #: its bytes
    data: bytes
    #: as the assembler takes it
    text: str
    #: `name+0x10`, where it branches to; a name of the file
    label: str | None
    #: file and line, or source text, that come before it; text of the file
    source: tuple[str, ...] = ()

    @property
    def end(self) -> int:
        return self.address + len(self.data)

    @property
    def decoded(self) -> bool:
        return not self.text.startswith(UNDECODED)

    @property
    def mnemonic(self) -> str:
        return self.text.split(maxsplit=1)[0]


class Code:
    """The functions of a code object that are looked at, and their bytes."""

    def __init__(self, elf: Elf, functions: Iterable[Function]) -> None:
        """Raises FormatError where one is not in the file, or reaches into the next."""
        self.functions: Sequence[Function] = sorted(functions, key=lambda f: f.address)
        for one, after in pairwise(self.functions):
            if after.address < one.end:
                message = f"the code of {one.names[0]} and {after.names[0]} overlaps"
                raise FormatError(message, elf.view.where())
        self._bytes = {
            one: elf.view.bytes(offset_of(elf, one.address), one.size)
            for one in self.functions
        }

    @cached_property
    def range(self) -> tuple[str, str]:
        """What tells llvm-objdump to look at no more than that."""
        stop = max((one.end for one in self.functions), default=0)
        start = self.functions[0].address if self.functions else 0
        return f"--start-address={start}", f"--stop-address={stop}"

    def data(self, function: Function) -> Bytes:
        return self._bytes[function]


def listing(lines: Iterable[bytes], code: Code) -> Iterator[tuple[Function, Instruction]]:
    """Every instruction of the functions; raises ToolError where they are not all told."""
    told = instructions(lines)
    seen = 0  # up to where, in memory
    for function in code.functions:
        data, at = code.data(function), 0
        while at < function.size:
            one = next(told, None)
            if one is None or one.address > function.address + at:
                message = _wrong("leaves out", function, at)
                raise ToolError(message)
            if one.address < function.address and one.address >= seen:
                seen = min(one.end, function.address)
                continue  # between two functions
            # what is no code to a processor may seem to go on behind the end
            there = bytes(data[at : at + len(one.data)])
            if one.address != function.address + at or not one.data.startswith(there):
                message = _wrong("contradicts the bytes at", function, at)
                raise ToolError(message)
            yield function, one
            at += len(one.data)
            seen = min(one.end, function.end)
    for one in told:  # to its end, which tells whether all went well
        if one.address < seen:
            message = f"llvm-objdump tells {one.address:#x} twice"
            raise ToolError(message)


def instructions(lines: Iterable[bytes]) -> Iterator[Instruction]:
    """The lines that are instructions, or claim to be."""
    source: list[str] = []
    for line in lines:
        match = _LINE.fullmatch(line)
        if match is not None:
            text, address, words, label = match.groups()
            yield Instruction(
                int(address, 16),
                b"".join(bytes.fromhex(w.decode())[::-1] for w in words.split()),
                text.decode("ascii", "backslashreplace"),
                None if label is None else label.decode("utf-8", "surrogateescape"),
                tuple(source),
            )
            source.clear()
        elif line.startswith(b";") and len(source) < _LINES:
            text_ = line[1:_LETTERS].decode("utf-8", "surrogateescape")
            source.append(text_.removeprefix(" "))


def _wrong(what: str, function: Function, at: int) -> str:
    name = function.names[0]
    return f"llvm-objdump {what} {function.address + at:#x}, in {name} + {at:#x}"
