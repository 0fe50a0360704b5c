"""LLVM bitstreams, bit by bit, and the module records of bitcode.

Source: LLVM Bitcode File Format, "Bitstream Format", "Module Block", "Type Block",
"Attribute Group Block" and "String Table Block"; LLVMBitCodes.h for the numbers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from struct import pack

CHAR6 = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._"
#: how an operand of an abbreviation is encoded; `literal`, `fixed` and `vbr` have a number
ENCODINGS = {"fixed": 1, "vbr": 2, "array": 3, "char6": 4, "blob": 5}
END, ENTER, DEFINE, UNABBREVIATED, FIRST = range(5)

IDENTIFICATION, MODULE, GROUPS, TYPES, STRTAB = 13, 8, 10, 17, 23
GLOBAL_VARIABLE, FUNCTION, ALIAS, IFUNC = 7, 8, 14, 18

Operand = tuple[str, int]


class Bits:
    """Bits in their order, the lowest of a number first."""

    def __init__(self) -> None:
        self.value = 0
        self.size = 0

    def fixed(self, value: int, width: int) -> None:
        assert value < 1 << width
        self.value |= value << self.size
        self.size += width

    def vbr(self, value: int, width: int) -> None:
        """In pieces of `width` bits, of which the highest says that one more follows."""
        more = 1 << (width - 1)
        while value >= more:
            self.fixed(value % more | more, width)
            value //= more
        self.fixed(value, width)

    def align(self) -> None:
        self.size += -self.size % 32

    def done(self) -> bytes:
        return self.value.to_bytes(-(-self.size // 8), "little")


@dataclass(frozen=True)
class Abbreviation:
    """How later records are written."""

    operands: Sequence[Operand]


@dataclass(frozen=True)
class Record:
    code: int
    values: Sequence[int] = ()
    blob: bytes | None = None
    #: the abbreviation that it is written by, counted from 0; none, unless given
    by: int | None = None


@dataclass(frozen=True)
class Raw:
    """Numbers with their widths in bits: what no writer would write."""

    numbers: Sequence[tuple[int, int]]


@dataclass(frozen=True)
class Block:
    id: int
    parts: Sequence["Abbreviation | Record | Raw | Block"] = ()
    #: bits of an abbreviation ID in it
    width: int = 4
    #: whether it has an END_BLOCK
    end: bool = True
    #: 32-bit words that it claims to have, where that is a lie
    words: int | None = None


@dataclass(frozen=True)
class Info:
    """BLOCKINFO: abbreviations that every block of an ID has."""

    abbreviations: Mapping[int, Sequence[Sequence[Operand]]]
    id: int = 0


def stream(*blocks: Block | Info | Raw, magic: bytes = b"BC\xc0\xde") -> bytes:
    writer = _Writer()
    writer.bits.fixed(int.from_bytes(magic, "little"), 32)
    for one in blocks:
        if isinstance(one, Raw):
            writer.raw(one)
        else:
            writer.block(one, 2)
    return writer.bits.done()


class _Writer:
    def __init__(self) -> None:
        self.bits = Bits()
        self.shared: dict[int, list[Sequence[Operand]]] = {}

    def raw(self, part: Raw) -> None:
        for value, width in part.numbers:
            self.bits.fixed(value, width)

    def block(self, block: Block | Info, outer: int) -> None:
        """`outer` is the width of abbreviation IDs around it."""
        width, end, words = 4, True, None
        if isinstance(block, Block):
            width, end, words = block.width, block.end, block.words
        self.bits.fixed(ENTER, outer)
        self.bits.vbr(block.id, 8)
        self.bits.vbr(width, 4)
        self.bits.align()
        at = self.bits.size
        self.bits.fixed(0, 32)
        if isinstance(block, Info):
            self.info(block)
        else:
            self.parts(block)
        if end:
            self.bits.fixed(END, width)
        self.bits.align()
        size = (self.bits.size - at) // 32 - 1
        self.bits.value |= (size if words is None else words) << at

    def info(self, info: Info) -> None:
        for number, abbreviations in info.abbreviations.items():
            self.bits.fixed(UNABBREVIATED, 4)
            for value in (1, 1, number):  # SETBID, with one value
                self.bits.vbr(value, 6)
            for operands in abbreviations:
                self.define(operands, 4)
                self.shared.setdefault(number, []).append(operands)

    def parts(self, block: Block) -> None:
        known = list(self.shared.get(block.id, ()))
        for part in block.parts:
            if isinstance(part, Raw):
                self.raw(part)
            elif isinstance(part, Block):
                self.block(part, block.width)
            elif isinstance(part, Abbreviation):
                self.define(part.operands, block.width)
                known.append(part.operands)
            elif part.by is None:
                self.bits.fixed(UNABBREVIATED, block.width)
                for value in (part.code, len(part.values), *part.values):
                    self.bits.vbr(value, 6)
            else:
                self.bits.fixed(FIRST + part.by, block.width)
                self.record(part, known[part.by])

    def define(self, operands: Sequence[Operand], width: int) -> None:
        self.bits.fixed(DEFINE, width)
        self.bits.vbr(len(operands), 5)
        for kind, number in operands:
            self.bits.fixed(kind == "literal", 1)
            if kind == "literal":
                self.bits.vbr(number, 8)
                continue
            self.bits.fixed(ENCODINGS[kind], 3)
            if kind in {"fixed", "vbr"}:
                self.bits.vbr(number, 5)

    def record(self, record: Record, operands: Sequence[Operand]) -> None:
        values = [record.code, *record.values]
        for index, operand in enumerate(operands):
            if operand[0] == "array":
                self.bits.vbr(len(values), 6)
                for value in values:
                    self.scalar(value, operands[index + 1])
                return
            if operand[0] == "blob":
                blob = record.blob or b""
                self.bits.vbr(len(blob), 6)
                self.bits.align()
                self.bits.fixed(int.from_bytes(blob, "little"), 8 * len(blob))
                self.bits.align()
                return
            self.scalar(values.pop(0), operand)

    def scalar(self, value: int, operand: Operand) -> None:
        kind, number = operand
        if kind == "literal":
            assert value == number
        elif kind == "fixed":
            self.bits.fixed(value, number)
        elif kind == "vbr":
            self.bits.vbr(value, number)
        else:
            self.bits.fixed(CHAR6.index(chr(value)), 6)


def text(code: int, value: str, *before: int) -> Record:
    """A record of characters."""
    return Record(code, [*before, *value.encode()])


@dataclass(frozen=True)
class Global:
    """A global of a module; its name is put into the string table."""

    name: str
    #: GLOBAL_VARIABLE, FUNCTION, ALIAS or IFUNC
    kind: int = FUNCTION
    #: by LLVMBitCodes.h: 0 external, 3 internal, 7 extern_weak, …
    linkage: int = 0
    declared: bool = False
    #: 0 is C's, 91 `amdgpu_kernel`
    convention: int = 0
    #: of the table of types: 1 is a number, 2 a function
    type: int = 2
    #: counted from 1
    section: int = 0

    def record(self, start: int) -> Record:
        begin = [start, len(self.name.encode())]
        more = {
            # attributes, alignment, section, visibility, collector, unnamed_addr
            FUNCTION: [self.type, self.convention, self.declared, self.linkage, *[0] * 6],
            # an explicit type, and no constant; the number of its initializer from 1
            GLOBAL_VARIABLE: [1, 2, not self.declared, self.linkage, 0, self.section],
            ALIAS: [self.type, 0, 0, self.linkage],
            IFUNC: [self.type, 0, 0, self.linkage],
        }[self.kind]
        return Record(self.kind, [*begin, *map(int, more)])


@dataclass(frozen=True)
class Module:
    """What is said of a module; the defaults are sound."""

    globals: Sequence[Global] = (Global("kernel", convention=91),)
    triple: str = "amdgcn-amd-amdhsa"
    #: `target-cpu` of its attribute groups
    processors: Sequence[str] = ("gfx942",)
    source: str = "a.hip"
    sections: Sequence[str] = ()
    version: int = 2
    producer: str = "LLVM19.1.7"
    #: records beside these, at the end of the module
    more: Sequence[Record | Block] = ()
    #: whether it has a string table
    strings: bool = True
    info: Mapping[int, Sequence[Sequence[Operand]]] = field(default_factory=dict)

    def build(self) -> bytes:
        blocks: list[Block | Info] = [Info(self.info)] if self.info else []
        blocks.append(Block(IDENTIFICATION, [text(1, self.producer), Record(2, [0])]))
        names = b""
        records: list[Record | Block] = [
            Record(1, [self.version]),
            # an attribute by text: 4, key, NUL, value, NUL; before it, one by number
            Block(
                GROUPS,
                [
                    Record(
                        3, [i, 0xFFFFFFFF, 0, 18, 4, *b"target-cpu", 0, *one.encode(), 0]
                    )
                    for i, one in enumerate(self.processors, 1)
                ],
            ),
            # NUMENTRY; VOID, INTEGER, FUNCTION without arguments
            Block(
                TYPES,
                [Record(1, [3]), Record(2), Record(7, [32]), Record(21, [0, 0])],
            ),
            text(2, self.triple),
            *(text(5, one) for one in self.sections),
            text(16, self.source),
        ]
        for one in self.globals:
            records.append(one.record(len(names)))
            names += one.name.encode()
        blocks.append(Block(MODULE, [*records, *self.more]))
        if self.strings:
            by_blob = Abbreviation([("literal", 1), ("blob", 0)])
            blocks.append(Block(STRTAB, [by_blob, Record(1, (), names, by=0)]))
        return stream(*blocks)


def wrapped(data: bytes, cpu: int = 0xE0) -> bytes:
    """Bitcode in the wrapper of Darwin's tools: magic, version, offset, size, CPU type."""
    return pack("<5I", 0x0B17C0DE, 0, 20, len(data), cpu) + data
