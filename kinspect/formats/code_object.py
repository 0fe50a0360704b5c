"""AMDGPU code objects: ELF64, little-endian, EM_AMDGPU.

Source: LLVM, User Guide for AMDGPU Backend, "Code Object" (Header, Note Records,
Symbols, Kernel Descriptor); System V ABI, "Object Files". Read here and not with an
ELF library since a large binary holds thousands, and one table in each is hot.
"""

import sys
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from kinspect.errors import FormatError, LimitExceeded
from kinspect.formats import metadata
from kinspect.limits import DEFAULT, Limits
from kinspect.model import CodeObject, Fault
from kinspect.target import from_e_flags
from kinspect.view import I64, U8, U16, U32, U64, View, bytes_of, decode, wire

#: ELF, 64-bit, little-endian, version 1, OSABI AMDGPU_HSA
MAGIC: Final = b"\x7fELF\x02\x01\x01\x40"
EM_AMDGPU: Final = 224
ELFOSABI_AMDGPU_HSA: Final = 64

PT_LOAD: Final = 1
PT_DYNAMIC: Final = 2
PT_NOTE: Final = 4
SHT_NOTE: Final = 7
SHT_NOBITS: Final = 8
SHT_DYNSYM: Final = 11
DT_HASH: Final = 4
DT_STRTAB: Final = 5
DT_SYMTAB: Final = 6
DT_STRSZ: Final = 10
STB_LOCAL: Final = 0
STB_GLOBAL: Final = 1
STT_OBJECT: Final = 1
STT_AMDGPU_HSA_KERNEL: Final = 10
NT_AMDGPU_METADATA: Final = 32
NT_AMD_HSA_METADATA: Final = 10
DESCRIPTOR_SIZE: Final = 64


class ElfHeader(NamedTuple):
    magic: U32
    ei_class: U8
    ei_data: U8
    ei_version: U8
    ei_osabi: U8
    ei_abiversion: U64  # one byte and seven of padding
    e_type: U16
    e_machine: U16
    e_version: U32
    e_entry: U64
    e_phoff: U64
    e_shoff: U64
    e_flags: U32
    e_ehsize: U16
    e_phentsize: U16
    e_phnum: U16
    e_shentsize: U16
    e_shnum: U16
    e_shstrndx: U16


class ProgramHeader(NamedTuple):
    p_type: U32
    p_flags: U32
    p_offset: U64
    p_vaddr: U64
    p_paddr: U64
    p_filesz: U64
    p_memsz: U64
    p_align: U64


class SectionHeader(NamedTuple):
    sh_name: U32
    sh_type: U32
    sh_flags: U64
    sh_addr: U64
    sh_offset: U64
    sh_size: U64
    sh_link: U32
    sh_info: U32
    sh_addralign: U64
    sh_entsize: U64


class NoteHeader(NamedTuple):
    n_namesz: U32
    n_descsz: U32
    n_type: U32


class Dynamic(NamedTuple):
    d_tag: I64
    d_val: U64


class HashTable(NamedTuple):
    nbucket: U32
    nchain: U32


SYMBOL_SIZE: Final = 24


@dataclass(frozen=True, slots=True)
class Symbols:
    """The symbols of a code object that say something about its kernels."""

    #: non-local `.kd` symbols, by name: value and size
    descriptors: dict[str, tuple[int, int]]
    #: undefined symbols that are not weak, sorted
    undefined: tuple[str, ...] = ()
    #: the other non-local objects, sorted
    variables: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Elf:
    """The headers of a code object."""

    view: View
    header: ElfHeader
    segments: tuple[ProgramHeader, ...]
    sections: tuple[SectionHeader, ...]
    faults: tuple[Fault, ...]

    @property
    def abi_version(self) -> int:
        return self.header.ei_abiversion & 0xFF


def is_code_object(view: View) -> bool:
    """Whether HIP would take these bytes for a bare code object."""
    if not view.startswith(MAGIC[:4]) or len(view) < wire(ElfHeader).size:
        return False
    header = view.read(ElfHeader, 0)
    return header.e_machine == EM_AMDGPU and header.ei_osabi == ELFOSABI_AMDGPU_HSA


def extent(view: View) -> int:
    """How many bytes the code object at the start of `view` takes, by its headers."""
    elf = open_elf(view)
    header = elf.header
    ends = [
        wire(ElfHeader).size,
        header.e_phoff + header.e_phnum * header.e_phentsize,
        header.e_shoff + header.e_shnum * header.e_shentsize,
        *(segment.p_offset + segment.p_filesz for segment in elf.segments),
        *(
            section.sh_offset + section.sh_size
            for section in elf.sections
            if section.sh_type != SHT_NOBITS
        ),
    ]
    return min(max(ends), len(view))


def open_elf(view: View, limits: Limits = DEFAULT) -> Elf:
    """Read the headers; raise FormatError where this is no AMDGPU ELF.

    Headers and segments that reach beyond the bytes that are there are faults.
    """
    if not view.startswith(MAGIC[:4]):
        head = bytes(view.bytes(0, min(8, len(view)))).hex(" ")
        message = f"not an ELF file: it starts with {head or 'nothing'}"
        raise FormatError(message, view.where())
    header = view.read(ElfHeader, 0)
    expected = {
        "EI_CLASS": (header.ei_class, 2),
        "EI_DATA": (header.ei_data, 1),
        "e_machine": (header.e_machine, EM_AMDGPU),
        "EI_OSABI": (header.ei_osabi, ELFOSABI_AMDGPU_HSA),
    }
    for name, (actual, wanted) in expected.items():
        if actual != wanted:
            message = f"not an AMDGPU code object: {name} is {actual}, expected {wanted}"
            raise FormatError(message, view.where())
    limits.check("headers", max(header.e_phnum, header.e_shnum), view.where())
    faults: list[Fault] = []
    segments: tuple[ProgramHeader, ...] = ()
    sections: tuple[SectionHeader, ...] = ()
    try:
        segments = tuple(
            view.records(ProgramHeader, header.e_phoff, header.e_phnum, header.e_phentsize)
            if header.e_phnum
            else ()
        )
        sections = tuple(
            view.records(SectionHeader, header.e_shoff, header.e_shnum, header.e_shentsize)
            if header.e_shnum
            else ()
        )
    except FormatError as error:
        faults.append(Fault(f"truncated headers: {error.message}", error.where))
    for segment in segments:
        end = segment.p_offset + segment.p_filesz
        if segment.p_type == PT_LOAD and end > len(view):
            message = f"truncated: a segment ends at {end:#x} of {len(view):#x} bytes"
            faults.append(Fault(message, view.where(min(segment.p_offset, len(view)))))
    return Elf(view, header, segments, sections, tuple(faults))


def parse(view: View, limits: Limits = DEFAULT) -> CodeObject:
    """Read a code object; raise FormatError where it is none.

    What is wrong inside of one is told in its `faults`.
    """
    elf = open_elf(view, limits)
    faults = list(elf.faults)
    records: list[View] = []
    meta = metadata.Metadata(None, None, ())
    symbols = Symbols({})
    try:
        records = metadata_records(elf, limits)
        meta = metadata.parse(records, limits)
        symbols = read_symbols(elf, limits)
    except LimitExceeded:
        raise  # not damaged: not judged
    except FormatError as error:
        faults.append(Fault(error.message, error.where))
    names = [kernel.name for kernel in meta.kernels]
    kernels = {
        kernel.name for kernel in meta.kernels if kernel.symbol in symbols.descriptors
    }
    faults += _descriptor_faults(elf, symbols.descriptors)
    if len(set(names)) != len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        faults.append(Fault(f"kernels listed twice: {', '.join(twice)}", view.where()))
    return CodeObject(
        flags=from_e_flags(elf.header.e_flags, elf.abi_version),
        e_flags=elf.header.e_flags,
        abi_version=elf.abi_version,
        metadata_target=meta.target,
        records=len(records),
        kernels=tuple(sorted(kernels)),
        undescribed=tuple(sorted(set(names) - kernels)),
        unlisted=tuple(
            sorted(symbols.descriptors.keys() - {k.symbol for k in meta.kernels})
        ),
        undefined=symbols.undefined,
        variables=symbols.variables,
        faults=tuple(faults),
    )


def kernels(view: View, limits: Limits = DEFAULT) -> Sequence[metadata.Kernel]:
    """The kernels with their resources, whether they can be launched or not."""
    records = metadata_records(open_elf(view, limits), limits)
    return [
        kernel
        for kernel in metadata.parse(records, limits, resources=True).kernels
        if isinstance(kernel, metadata.Kernel)
    ]


def metadata_records(elf: Elf, limits: Limits) -> list[View]:
    """Every NT_AMDGPU_METADATA record: of the segments, else of the sections.

    That is comgr's order (comgr-metadata.cpp, `getElfMetadataRoot`).
    """
    segments = [(s.p_offset, s.p_filesz) for s in elf.segments if s.p_type == PT_NOTE]
    sections = [(s.sh_offset, s.sh_size) for s in elf.sections if s.sh_type == SHT_NOTE]
    for places in (segments, sections):
        found = list(_notes(elf, places, limits))
        if found:
            return found
    return []


def _notes(elf: Elf, places: Iterable[tuple[int, int]], limits: Limits) -> Iterator[View]:
    count = 0
    for offset, size in places:
        notes = elf.view.slice(offset, size)
        at = 0
        while at + wire(NoteHeader).size <= len(notes):
            note = notes.read(NoteHeader, at)
            name_at = at + wire(NoteHeader).size
            data_at = name_at + _align4(note.n_namesz)
            name = bytes(notes.bytes(name_at, note.n_namesz)).rstrip(b"\0")
            data = notes.slice(data_at, note.n_descsz)
            count += 1
            limits.check("records", count, data.where())
            if name == b"AMDGPU" and note.n_type == NT_AMDGPU_METADATA:
                yield data
            elif name == b"AMD" and note.n_type == NT_AMD_HSA_METADATA:
                message = "code object v2 keeps its metadata in YAML; ROCm dropped it"
                raise FormatError(message, data.where())
            at = data_at + _align4(note.n_descsz)


def _align4(size: int) -> int:
    return -(-size // 4) * 4


def read_symbols(elf: Elf, limits: Limits) -> Symbols:
    """The kernel descriptors and undefined symbols of `.dynsym`."""
    found = _symbol_table(elf)
    if found is None:
        return Symbols({})
    table, strings = found
    count = len(table) // SYMBOL_SIZE
    limits.check("symbols", count, table.where())
    data = table.bytes(0, count * SYMBOL_SIZE)
    text = bytes_of(strings.bytes())
    # Columns, not rows: st_name u32 at 0, st_info u8 at 4, st_shndx u16 at 6,
    # st_value u64 at 8, st_size u64 at 16.
    names = _column(data, "I")[0::6]
    infos = bytes(data[4::SYMBOL_SIZE])
    sections = _column(data, "H")[3::12]
    quads = _column(data, "Q")
    values, sizes = quads[1::3], quads[2::3]
    descriptors = {}
    variables = []
    for index, info in enumerate(infos):
        if info >> 4 == STB_LOCAL or not sections[index]:
            continue
        if info & 15 in (STT_OBJECT, STT_AMDGPU_HSA_KERNEL):
            name = _name(text, names[index], strings)
            if name.endswith(".kd"):
                descriptors[name] = values[index], sizes[index]
            elif not name.startswith("__hip_cuid_"):
                variables.append(name)
    undefined = sorted(
        _name(text, names[index], strings)
        for index, section in enumerate(sections)
        if not section and infos[index] >> 4 == STB_GLOBAL
    )
    return Symbols(descriptors, tuple(undefined), tuple(sorted(variables)))


def _column(data: bytes | bytearray | memoryview, code: str) -> "array[int]":
    column = array(code, bytes(data))
    if sys.byteorder == "big":
        column.byteswap()
    return column


def _name(text: bytes | bytearray, start: int, strings: View) -> str:
    end = text.find(b"\0", start)
    if end < 0:
        message = f"symbol name at {start:#x} of {len(text):#x} bytes has no end"
        raise FormatError(message, strings.where(min(start, len(strings))))
    return decode(text[start:end])


def _symbol_table(elf: Elf) -> tuple[View, View] | None:
    """`.dynsym` and its strings: by the section headers, else by PT_DYNAMIC."""
    view = elf.view
    for section in elf.sections:
        if section.sh_type == SHT_DYNSYM:
            if section.sh_link >= len(elf.sections):
                message = f"sh_link {section.sh_link} of .dynsym names no section"
                raise FormatError(message, view.where(section.sh_offset))
            strings = elf.sections[section.sh_link]
            return (
                view.slice(section.sh_offset, section.sh_size),
                view.slice(strings.sh_offset, strings.sh_size),
            )
    for segment in elf.segments:
        if segment.p_type == PT_DYNAMIC:
            return _dynamic_symbol_table(elf, segment)
    return None


def _dynamic_symbol_table(elf: Elf, segment: ProgramHeader) -> tuple[View, View] | None:
    size = wire(Dynamic).size
    dynamic = elf.view.slice(segment.p_offset, segment.p_filesz)
    tags = {
        entry.d_tag: entry.d_val
        for entry in dynamic.records(Dynamic, 0, len(dynamic) // size, size)
    }
    if not {DT_HASH, DT_SYMTAB, DT_STRTAB, DT_STRSZ} <= tags.keys():
        return None
    count = elf.view.read(HashTable, _offset_of(elf, tags[DT_HASH])).nchain
    return (
        elf.view.slice(_offset_of(elf, tags[DT_SYMTAB]), count * SYMBOL_SIZE),
        elf.view.slice(_offset_of(elf, tags[DT_STRTAB]), tags[DT_STRSZ]),
    )


def _offset_of(elf: Elf, address: int) -> int:
    for segment in elf.segments:
        inside = address - segment.p_vaddr
        if segment.p_type == PT_LOAD and 0 <= inside < segment.p_filesz:
            return segment.p_offset + inside
    message = f"address {address:#x} lies in no segment of the file"
    raise FormatError(message, elf.view.where())


def _descriptor_faults(
    elf: Elf, descriptors: dict[str, tuple[int, int]]
) -> Iterator[Fault]:
    places = [
        (s.p_vaddr, s.p_vaddr + s.p_filesz) for s in elf.segments if s.p_type == PT_LOAD
    ]
    for name, (value, size) in descriptors.items():
        if size != DESCRIPTOR_SIZE:
            message = f"{name} has {size} bytes, a kernel descriptor {DESCRIPTOR_SIZE}"
            yield Fault(message, elf.view.where())
        elif not any(low <= value <= high - size for low, high in places):
            message = f"{name} lies in no segment of the file (address {value:#x})"
            yield Fault(message, elf.view.where())
