"""PE images and COFF objects: headers, sections, symbols and addresses.

Source: Microsoft, "PE Format" (the PE/COFF specification), "MS-DOS Stub", "COFF File
Header", "Optional Header", "Section Table", "COFF Symbol Table"; for big objects,
winnt.h, ANON_OBJECT_HEADER_BIGOBJ; for `//` names, llvm/lib/Object/COFFObjectFile.cpp.
"""

import base64
import binascii
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from kinspect.errors import FormatError, Where
from kinspect.hosts.coff_records import (
    I386,
    IMAGE_DLLCHARACTERISTICS_DYNAMIC_BASE,
    IMAGE_FILE_EXECUTABLE_IMAGE,
    IMAGE_FILE_RELOCS_STRIPPED,
    IMAGE_SCN_CNT_INITIALIZED_DATA,
    IMAGE_SCN_CNT_UNINITIALIZED_DATA,
    IMAGE_SCN_MEM_DISCARDABLE,
    IMAGE_SCN_MEM_EXECUTE,
    MACHINES,
    OPTIONAL_HEADERS,
    BigobjHeader,
    BigobjSymbol,
    DataDirectory,
    FileHeader,
    Magic,
    Offset,
    SectionHeader,
    StringTableSize,
    Symbol,
    size_of,
)
from kinspect.limits import Limits
from kinspect.model import Unreadable
from kinspect.view import View, decode

DOS_MAGIC: Final = b"MZ"
PE_SIGNATURE: Final = b"PE\0\0"
E_LFANEW: Final = 0x3C

#: ClassID of ANON_OBJECT_HEADER_BIGOBJ
BIGOBJ: Final = bytes.fromhex("c7a1bad1eebaa94baf20faf66aa4dcb8")

#: the loader maps whole pages, whatever SectionAlignment says
PAGE: Final = 4096
#: no name of a section, symbol or library comes near
LONGEST_NAME: Final = 4096


@dataclass(frozen=True, slots=True)
class Section:
    """A section with its name spelt out."""

    #: from 1, as symbols count
    index: int
    name: str
    header: SectionHeader
    #: the bytes that the file has of it and the loader maps; None if there are none
    data: View | None
    #: the place of its header
    where: Where

    @property
    def address(self) -> int:
        """RVA of its first byte."""
        return self.header.virtual_address

    @property
    def base_name(self) -> str:
        """The name without the "$" that orders the parts of a section of objects."""
        return self.name.partition("$")[0]

    @property
    def content(self) -> View:
        """`data`, or FormatError where there is none."""
        if self.data is None:
            message = f"section {self.name} has no bytes in the file"
            raise FormatError(message, self.where)
        return self.data

    @property
    def is_data(self) -> bool:
        """Initialised data that a program can read, and no code."""
        flags = self.header.characteristics
        discarded = IMAGE_SCN_MEM_EXECUTE | IMAGE_SCN_MEM_DISCARDABLE
        return bool(flags & IMAGE_SCN_CNT_INITIALIZED_DATA) and not flags & discarded

    @property
    def size(self) -> int:
        """Bytes that the file has of its content, without padding."""
        stored = len(self.content)
        return min(stored, self.header.virtual_size or stored)


@dataclass(slots=True)
class Coff:
    """The headers of a PE image or COFF object."""

    view: View
    machine: int
    format: str
    #: bytes of a pointer
    pointer: int = 8
    relocatable: bool = False
    sections: tuple[Section, ...] = ()
    symbols: View | None = None
    symbol: type[Symbol | BigobjSymbol] = Symbol
    strings: View | None = None
    #: why there are no strings. An image does without, and a pointer may be stale
    broken_symbols: FormatError | None = None
    image_base: int = 0
    #: the loader may choose another base: pointers need base relocations
    movable: bool = False
    directories: tuple[DataDirectory, ...] = ()
    unreadable: list[Unreadable] = field(default_factory=list)

    def lacks(self, what: str, error: FormatError) -> None:
        """Take note of a part that can't be read."""
        message = f"{what}: {error.message}"
        limit = getattr(error, "limit", None)
        self.unreadable.append(Unreadable(message, error.where, limit))

    def directory(self, index: int) -> DataDirectory | None:
        """Find a data directory; None if the image has none of that kind."""
        if index >= len(self.directories):
            return None
        entry = self.directories[index]
        return entry if entry.virtual_address else None

    def home(self, rva: int) -> Section | None:
        """Find the section whose address range holds an RVA."""
        index = bisect_right(self.sections, rva, key=lambda section: section.address)
        if not index:  # images have their sections in the order of their addresses
            return None
        section = self.sections[index - 1]
        stored = len(section.data) if section.data else 0
        size = max(section.header.virtual_size, stored)
        return section if rva < section.address + size else None

    def at(self, rva: int) -> View:
        """Find the bytes at an RVA, to the end of its section."""
        section = self.home(rva)
        if section is None:
            message = f"RVA {rva:#x} lies in no section"
            raise FormatError(message, self.view.where())
        inside = rva - section.address
        if section.data is None or inside >= len(section.data):
            message = f"RVA {rva:#x} lies beyond the bytes that {section.name} has"
            raise FormatError(message, section.where)
        return section.data.slice(inside)

    def symbol_at(self, index: int) -> tuple[Symbol | BigobjSymbol, str]:
        """Read a symbol and its name."""
        if self.symbols is None or self.strings is None:
            message = "no symbol table"
            raise FormatError(message, self.view.where())
        record = self.symbols.read(self.symbol, index * size_of(self.symbol))
        if record.name.startswith(b"\0\0\0\0"):
            offset = int.from_bytes(record.name[4:], "little")
            return record, self.strings.string(offset, LONGEST_NAME)
        return record, decode(record.name.rstrip(b"\0"))

    def section_name(self, raw: bytes) -> str:
        """`raw`, or the entry of the string table that it names.

        `/123` is a decimal offset, `//AAAAAB` one in base 64. Images may name sections
        so too, where their linker kept the string table (MinGW's do).
        """
        short = raw.rstrip(b"\0")
        digits = short.removeprefix(b"/")
        if digits == short:
            return decode(short)
        if self.strings is None:
            if self.broken_symbols is not None:
                self.lacks(f"section name {decode(short)!r}", self.broken_symbols)
            return decode(short)
        if digits.isdigit():
            return self.strings.string(int(digits), LONGEST_NAME)
        try:
            offset = base64.b64decode(b"AA" + digits.removeprefix(b"/"), validate=True)
        except binascii.Error:
            offset = b""
        if not digits.startswith(b"/") or len(offset) != 6:
            message = f"section name {decode(short)!r} is no offset of a string"
            raise FormatError(message, self.view.where())
        return self.strings.string(int.from_bytes(offset, "big"), LONGEST_NAME)


# --- what it is ---------------------------------------------------------------------


def is_coff(view: View) -> bool:
    """Whether this is a PE image or a COFF object, be it truncated."""
    return _pe_offset(view) is not None or _object_header(view) is not None


def _pe_offset(view: View) -> int | None:
    """Where the signature of an image lies, even if the file ends before it."""
    if not view.startswith(DOS_MAGIC) or len(view) < E_LFANEW + 4:
        return None
    offset = view.read(Offset, E_LFANEW).offset
    if view.startswith(PE_SIGNATURE, offset):
        return offset
    # A DOS program, or any text that begins with "MZ"; unless the file ends before a
    # signature that could well be there: then it is a truncated image.
    truncated = offset + len(PE_SIGNATURE) > len(view)
    return offset if truncated and offset < 0x10000 and offset % 4 == 0 else None


def _object_header(view: View) -> FileHeader | BigobjHeader | None:
    """Read the header of an object: only its machine tells it, so check the rest."""
    if view.startswith(b"\0\0\xff\xff") and len(view) >= size_of(BigobjHeader):
        big = view.read(BigobjHeader, 0)
        # version 0 is an import library's member, version 1 an object of /GL
        known = big.version >= 2 and big.class_id == BIGOBJ
        return big if known and big.machine in MACHINES else None
    if len(view) < size_of(FileHeader):
        return None
    header = view.read(FileHeader, 0)
    plausible = (
        header.machine in MACHINES
        and not header.size_of_optional_header
        and not header.characteristics & IMAGE_FILE_EXECUTABLE_IMAGE
    )
    return header if plausible else None


# --- headers ------------------------------------------------------------------------


def read(view: View, limits: Limits) -> Coff:
    """Read the headers; raise FormatError.

    Sections that the file cuts short are told in `unreadable`, and have what is left.
    """
    offset = _pe_offset(view)
    if offset is not None:
        return _read_image(view, offset, limits)
    header = _object_header(view)
    if header is None:
        message = "neither a PE image nor a COFF object"
        raise FormatError(message, view.where())
    return _read_object(view, header, limits)


def _read_image(view: View, offset: int, limits: Limits) -> Coff:
    if not view.slice(offset).startswith(PE_SIGNATURE):
        message = "truncated before the PE signature"
        raise FormatError(message, view.where(offset))
    at = offset + len(PE_SIGNATURE)
    header = view.read(FileHeader, at)
    at += size_of(FileHeader)
    optional = view.slice(at, header.size_of_optional_header, "optional header")
    magic = optional.read(Magic, 0).magic
    if magic not in OPTIONAL_HEADERS:
        message = f"optional header of magic {magic:#x}, expected 0x10b or 0x20b"
        raise FormatError(message, optional.where())
    start, layout, pointer = OPTIONAL_HEADERS[magic]
    fields = optional.read(layout, start)
    coff = _coff(view, header, f"pei-{MACHINES.get(header.machine, 'unknown')}")
    coff.pointer = pointer
    coff.image_base = fields.image_base
    coff.movable = bool(
        fields.dll_characteristics & IMAGE_DLLCHARACTERISTICS_DYNAMIC_BASE
        and not header.characteristics & IMAGE_FILE_RELOCS_STRIPPED
    )
    size = size_of(DataDirectory)
    coff.directories = tuple(
        optional.records(
            DataDirectory,
            start + size_of(layout),
            # more than 16 are reserved, and the loader reads no more
            min(fields.number_of_rva_and_sizes, 16),
            size,
        )
    )
    table = at + header.size_of_optional_header
    coff.sections = tuple(_sections(coff, header.number_of_sections, table, limits))
    return coff


def _read_object(view: View, header: FileHeader | BigobjHeader, limits: Limits) -> Coff:
    kind = "pe" if isinstance(header, FileHeader) else "pe-bigobj"
    coff = _coff(view, header, f"{kind}-{MACHINES[header.machine]}")
    if coff.broken_symbols is not None:
        raise coff.broken_symbols
    coff.relocatable = True
    coff.pointer = 4 if header.machine == I386 else 8
    table = size_of(type(header))
    coff.sections = tuple(_sections(coff, header.number_of_sections, table, limits))
    return coff


def _coff(view: View, header: FileHeader | BigobjHeader, format_: str) -> Coff:
    """Start from the symbol table and the string table that follows it."""
    bigobj = isinstance(header, BigobjHeader)
    layout: type[Symbol | BigobjSymbol] = BigobjSymbol if bigobj else Symbol
    coff = Coff(view, header.machine, format_, symbol=layout)
    at = header.pointer_to_symbol_table
    if at:
        try:
            size = header.number_of_symbols * size_of(layout)
            coff.symbols = view.slice(at, size, "symbol table")
            length = view.read(StringTableSize, at + size).size
            coff.strings = view.slice(at + size, length, "string table")
        except FormatError as error:
            coff.broken_symbols = error
    return coff


def _sections(coff: Coff, count: int, at: int, limits: Limits) -> Iterator[Section]:
    limits.check("headers", count, coff.view.where(at))
    size = size_of(SectionHeader)
    stored = 0
    headers = coff.view.records(SectionHeader, at, count, size)
    for index, header in enumerate(headers):
        name, where = coff.section_name(header.name), coff.view.where(at + index * size)
        section = Section(index + 1, name, header, _data(coff, name, header), where)
        stored += len(section.data) if section.data else 0
        if stored > len(coff.view):  # else reading all of them is no longer linear
            message = "sections overlap: together they are larger than the file"
            raise FormatError(message, where)
        yield section


def _data(coff: Coff, name: str, header: SectionHeader) -> View | None:
    size, at = header.size_of_raw_data, header.pointer_to_raw_data
    empty = header.characteristics & IMAGE_SCN_CNT_UNINITIALIZED_DATA or not at
    if not coff.relocatable and header.virtual_size:
        size = min(size, -(-header.virtual_size // PAGE) * PAGE)
    if empty or not size:
        return None
    left = max(len(coff.view) - at, 0)
    if size > left:
        message = f"truncated: section {name} ends at {at + size:#x}"
        coff.unreadable.append(Unreadable(message, coff.view.where(len(coff.view))))
    return coff.view.slice(at, min(size, left), name) if left else None
