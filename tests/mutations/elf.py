"""ELF files of 64 bits, as bytes that can be changed: code objects and hosts.

Source: System V ABI, "Object Files". Nothing of kinspect's own readers is used.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

SYMTAB, STRTAB, RELA, NOTE, DYNSYM = 2, 3, 4, 7, 11
LOAD, DYNAMIC, PT_NOTE = 1, 2, 4
OBJECT, FUNC = 1, 2

#: offsets of fields
E_TYPE, E_SHOFF, E_FLAGS, E_SHNUM = 16, 40, 48, 60
P_TYPE, P_FLAGS, P_OFFSET, P_VADDR, P_FILESZ, P_MEMSZ, P_ALIGN = 0, 4, 8, 16, 32, 40, 48
SH_TYPE, SH_ADDR, SH_OFFSET, SH_SIZE = 4, 16, 24, 32
ST_INFO, ST_OTHER, ST_SHNDX, ST_VALUE, ST_SIZE = 4, 5, 6, 8, 16
R_OFFSET, R_INFO, R_ADDEND = 0, 8, 16


@dataclass(frozen=True, slots=True)
class Segment:
    #: where its header is
    header: int
    type: int
    flags: int
    offset: int
    vaddr: int
    filesz: int
    memsz: int
    align: int


@dataclass(frozen=True, slots=True)
class Section:
    header: int
    name: str
    type: int
    flags: int
    addr: int
    offset: int
    size: int
    link: int


@dataclass(frozen=True, slots=True)
class Symbol:
    #: where its row of the table is
    row: int
    name: str
    #: where its name is
    text: int
    info: int
    section: int
    value: int
    size: int


@dataclass(frozen=True, slots=True)
class Relocation:
    row: int
    offset: int
    type: int
    symbol: int
    addend: int


class Elf:
    """A file in the middle of others: offsets count from `base`, where it starts."""

    def __init__(self, data: bytearray, base: int = 0) -> None:
        assert data[base : base + 5] == b"\x7fELF\x02"
        self.data = data
        self.base = base

    def unpack(self, code: str, at: int) -> tuple[int, ...]:
        return struct.unpack_from(f"<{code}", self.data, self.base + at)

    def pack(self, code: str, at: int, *values: int) -> None:
        struct.pack_into(f"<{code}", self.data, self.base + at, *values)

    def take(self, at: int, size: int) -> bytes:
        return bytes(self.data[self.base + at : self.base + at + size])

    def put(self, at: int, data: bytes) -> None:
        self.data[self.base + at : self.base + at + len(data)] = data

    @property
    def segments(self) -> list[Segment]:
        (start,), (count,) = self.unpack("Q", 32), self.unpack("H", 56)
        found = []
        for at in range(start, start + 56 * count, 56):
            kind, flags, offset, vaddr, _, filesz, memsz, align = self.unpack("2I6Q", at)
            found.append(Segment(at, kind, flags, offset, vaddr, filesz, memsz, align))
        return found

    @property
    def loads(self) -> list[Segment]:
        return [one for one in self.segments if one.type == LOAD]

    @property
    def code(self) -> Segment:
        """The segment with the instructions."""
        (found,) = [one for one in self.loads if one.flags & 1]
        return found

    @property
    def sections(self) -> list[Section]:
        (start,), (count, strings) = self.unpack("Q", E_SHOFF), self.unpack("2H", E_SHNUM)
        rows = [
            (start + 64 * n, *self.unpack("2I4Q2I", start + 64 * n)) for n in range(count)
        ]
        home = rows[strings][5] if rows else 0
        return [
            Section(at, self.text(home + name), kind, flags, addr, offset, size, link)
            for at, name, kind, flags, addr, offset, size, link, _ in rows
        ]

    def section(self, name: str | int) -> Section:
        """By its name, or by its type."""
        (found,) = [one for one in self.sections if name in (one.name, one.type)]
        return found

    def text(self, at: int) -> str:
        start = self.base + at
        return self.data[start : self.data.index(0, start)].decode()

    def symbols(self, kind: int) -> list[Symbol]:
        table = self.section(kind)
        strings = self.sections[table.link].offset
        found = []
        for at in range(table.offset, table.offset + table.size, 24):
            name, info, _, section, value, size = self.unpack("I2BH2Q", at)
            text = strings + name
            found.append(Symbol(at, self.text(text), text, info, section, value, size))
        return found

    def symbol(self, kind: int, name: str) -> Symbol:
        return next(one for one in self.symbols(kind) if one.name == name)

    @property
    def relocations(self) -> list[Relocation]:
        found = []
        for table in self.sections:
            if table.type == RELA:
                for at in range(table.offset, table.offset + table.size, 24):
                    offset, info, addend = self.unpack("2Qq", at)
                    one = Relocation(at, offset, info & 0xFFFFFFFF, info >> 32, addend)
                    found.append(one)
        return found

    def offset(self, address: int) -> int:
        """Where the byte of an address is."""
        for one in self.loads:
            if one.vaddr <= address < one.vaddr + one.filesz:
                return one.offset + address - one.vaddr
        raise LookupError(hex(address))

    # --- code objects -------------------------------------------------------------

    @property
    def kernels(self) -> list[str]:
        """The names of kernels that have code, in the order of their descriptors."""
        sizes = {one.name: one.size for one in self.symbols(SYMTAB)}
        found = [one for one in self.symbols(DYNSYM) if one.name.endswith(".kd")]
        names = [
            one.name.removesuffix(".kd") for one in sorted(found, key=lambda o: o.value)
        ]
        return [name for name in names if sizes.get(name)]

    def descriptor(self, kernel: str) -> int:
        """Where the descriptor of a kernel is."""
        return self.offset(self.symbol(DYNSYM, f"{kernel}.kd").value)

    def code_of(self, kernel: str) -> tuple[int, int]:
        """Where the instructions of a kernel are, and how many bytes."""
        found = self.symbol(SYMTAB, kernel)
        return self.offset(found.value), found.size

    @property
    def note(self) -> tuple[int, int]:
        """Where the first metadata record is, without its header, and its size."""
        place = self.section(NOTE)
        name, size, _ = self.unpack("3I", place.offset)
        return place.offset + 12 + -(-name // 4) * 4, size


def replaced(data: bytes, old: bytes, new: bytes, count: int = -1) -> bytes:
    """With a text replaced that is there, by one of the same length."""
    assert old in data
    assert len(old) == len(new)
    return data.replace(old, new, count)


def each_code_object(data: bytes) -> Iterator[int]:
    """Where AMDGPU code objects start in a file that holds them as they are."""
    at = data.find(b"\x7fELF\x02\x01\x01\x40")
    while at >= 0:
        yield at
        at = data.find(b"\x7fELF\x02\x01\x01\x40", at + 4)
