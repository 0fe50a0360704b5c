"""The ELF file that every AMDGPU code object is: headers and notes.

Source: LLVM, User Guide for AMDGPU Backend, "Code Object" (Header, Note Records);
System V ABI, "Object Files". Read here and not with an ELF library, since a large
binary holds thousands.
"""

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from kinspect.errors import FormatError
from kinspect.limits import DEFAULT, Limits
from kinspect.model import Fault
from kinspect.view import I64, U8, U16, U32, U64, R, View, wire

#: ELF, 64-bit, little-endian, version 1, OSABI AMDGPU_HSA
MAGIC: Final = b"\x7fELF\x02\x01\x01\x40"
EM_AMDGPU: Final = 224
EV_CURRENT: Final = 1
ELFOSABI_AMDGPU_HSA: Final = 64

PT_LOAD: Final = 1
PT_DYNAMIC: Final = 2
PT_NOTE: Final = 4
PF_X: Final = 1
SHT_SYMTAB: Final = 2
SHT_NOTE: Final = 7
SHT_NOBITS: Final = 8
SHT_DYNSYM: Final = 11
SHF_EXECINSTR: Final = 4
DT_HASH: Final = 4
DT_STRTAB: Final = 5
DT_SYMTAB: Final = 6
DT_STRSZ: Final = 10
NT_AMDGPU_METADATA: Final = 32
NT_AMD_HSA_METADATA: Final = 10


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


class Elf(NamedTuple):
    """The headers of a code object."""

    view: View
    header: ElfHeader
    segments: tuple[ProgramHeader, ...]
    sections: tuple[SectionHeader, ...]
    faults: tuple[Fault, ...]

    @property
    def abi_version(self) -> int:
        return self.header.ei_abiversion & 0xFF

    def name_of(self, section: SectionHeader) -> str:
        """What a section is called, or where its header says that it is."""
        try:
            home = self.sections[self.header.e_shstrndx]
            return self.view.slice(home.sh_offset, home.sh_size).string(
                section.sh_name, 256
            )
        except (FormatError, IndexError):
            return f"at {section.sh_addr:#x}"


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
        "e_version": (header.e_version, EV_CURRENT),
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
        segments = _headers(
            view, ProgramHeader, header.e_phoff, header.e_phnum, header.e_phentsize
        )
        sections = _headers(
            view, SectionHeader, header.e_shoff, header.e_shnum, header.e_shentsize
        )
    except FormatError as error:
        faults.append(Fault(f"truncated headers: {error.message}", error.where))
    for segment in segments:
        end = segment.p_offset + segment.p_filesz
        if segment.p_type == PT_LOAD and end > len(view):
            message = f"truncated: a segment ends at {end:#x} of {len(view):#x} bytes"
            faults.append(Fault(message, view.where(min(segment.p_offset, len(view)))))
    return Elf(view, header, segments, sections, tuple(faults))


def _headers(view: View, record: type[R], at: int, count: int, size: int) -> tuple[R, ...]:
    """A table of headers; loaders go by the size of the record, whatever the file says."""
    if count and size != wire(record).size:
        message = f"entries of {size} bytes, expected {wire(record).size}"
        raise FormatError(message, view.where(at))
    return tuple(view.records(record, at, count, size)) if count else ()


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


def offset_of(elf: Elf, address: int) -> int:
    for segment in elf.segments:
        inside = address - segment.p_vaddr
        if segment.p_type == PT_LOAD and 0 <= inside < segment.p_filesz:
            return segment.p_offset + inside
    message = f"address {address:#x} lies in no segment of the file"
    raise FormatError(message, elf.view.where())
