"""The symbol tables of a code object, read as columns.

Source: System V ABI, "Symbol Table"; LLVM, User Guide for AMDGPU Backend, "Symbols". A
large binary holds a million symbols, of which few are of interest.
"""

from typing import Final

from kinspect.errors import FormatError
from kinspect.formats.amdgpu_elf import (
    DT_HASH,
    DT_STRSZ,
    DT_STRTAB,
    DT_SYMTAB,
    PT_DYNAMIC,
    SHT_DYNSYM,
    SHT_SYMTAB,
    Dynamic,
    Elf,
    HashTable,
    ProgramHeader,
    offset_of,
)
from kinspect.limits import Limits
from kinspect.view import View, bytes_of, column, decode, wire

STB_LOCAL: Final = 0
STB_GLOBAL: Final = 1
STT_OBJECT: Final = 1
STT_FUNC: Final = 2
STT_AMDGPU_HSA_KERNEL: Final = 10
SYMBOL_SIZE: Final = 24


class SymbolTable:
    """A symbol table: a column for each field, a row for each symbol."""

    def __init__(self, table: View, strings: View, limits: Limits) -> None:
        """Raises LimitExceeded for more symbols than the limits allow."""
        count = len(table) // SYMBOL_SIZE
        limits.check("symbols", count, table.where())
        # st_name u32 at 0, st_info u8 at 4, st_shndx u16 at 6, st_value u64 at 8,
        # st_size u64 at 16
        data = table.bytes(0, count * SYMBOL_SIZE)
        self.name_offsets = column(data, "I")[0::6]
        self.infos = bytes(data[4::SYMBOL_SIZE])
        #: 0 where the symbol is undefined
        self.sections = column(data, "H")[3::12]
        quads = column(data, "Q")
        self.values = quads[1::3]
        self.sizes = quads[2::3]
        self._strings = strings
        self.text = bytes_of(strings.bytes())

    def has_names_of(self, other: "SymbolTable") -> bool:
        """Whether the rows are named alike and are of the same kinds."""
        return (
            self.text == other.text
            and self.infos == other.infos
            and self.name_offsets == other.name_offsets
            and self.sections == other.sections
        )

    def names(self, rows: list[int]) -> list[str]:
        """The names of these rows: found one by one, decoded at once."""
        if not rows:
            return []
        text, starts = self.text, self.name_offsets
        end = text.find
        found = [text[(start := starts[row]) : end(0, start)] for row in rows]
        last = text.rfind(0)  # what begins behind it has no end
        beyond = next((starts[row] for row in rows if starts[row] > last), None)
        if beyond is not None:
            message = f"symbol name at {beyond:#x} of {len(text):#x} bytes has no end"
            where = self._strings.where(min(beyond, len(self._strings)))
            raise FormatError(message, where)
        return decode(b"\0".join(found)).split("\0")

    def functions(self) -> dict[str, tuple[int, int]]:
        """Address and size in bytes of every function that is defined, by name."""
        return {name: (at, size) for name, _, at, size in self.functions_at()}

    def functions_at(self) -> list[tuple[str, int, int, int]]:
        """Every function that is defined: name, section, address and size in bytes."""
        rows = [
            row
            for row, info in enumerate(self.infos)
            if info & 15 == STT_FUNC and self.sections[row]
        ]
        return [
            (name, self.sections[row], self.values[row], self.sizes[row])
            for name, row in zip(self.names(rows), rows, strict=True)
        ]


def dynamic(elf: Elf, limits: Limits) -> SymbolTable | None:
    """`.dynsym`: by the section headers, else by PT_DYNAMIC."""
    found = _of_sections(elf, SHT_DYNSYM)
    if found is None:
        segments = (one for one in elf.segments if one.p_type == PT_DYNAMIC)
        segment = next(segments, None)
        found = None if segment is None else _of_segment(elf, segment)
    return None if found is None else SymbolTable(*found, limits)


def full(elf: Elf, limits: Limits) -> SymbolTable | None:
    """`.symtab`, which the loader goes by, where it was not stripped."""
    found = _of_sections(elf, SHT_SYMTAB)
    return None if found is None else SymbolTable(*found, limits)


def _of_sections(elf: Elf, kind: int) -> tuple[View, View] | None:
    view = elf.view
    for section in reversed(elf.sections):  # of several, the loader takes the last
        if section.sh_type == kind:
            if section.sh_link >= len(elf.sections):
                name = ".dynsym" if kind == SHT_DYNSYM else ".symtab"
                message = f"sh_link {section.sh_link} of {name} names no section"
                raise FormatError(message, view.where(section.sh_offset))
            strings = elf.sections[section.sh_link]
            return (
                view.slice(section.sh_offset, section.sh_size),
                view.slice(strings.sh_offset, strings.sh_size),
            )
    return None


def _of_segment(elf: Elf, segment: ProgramHeader) -> tuple[View, View] | None:
    size = wire(Dynamic).size
    dynamic = elf.view.slice(segment.p_offset, segment.p_filesz)
    tags = {
        entry.d_tag: entry.d_val
        for entry in dynamic.records(Dynamic, 0, len(dynamic) // size, size)
    }
    if not {DT_HASH, DT_SYMTAB, DT_STRTAB, DT_STRSZ} <= tags.keys():
        return None
    count = elf.view.read(HashTable, offset_of(elf, tags[DT_HASH])).nchain
    return (
        elf.view.slice(offset_of(elf, tags[DT_SYMTAB]), count * SYMBOL_SIZE),
        elf.view.slice(offset_of(elf, tags[DT_STRTAB]), tags[DT_STRSZ]),
    )
