"""ELF hosts: shared objects, executables and relocatable objects.

Source: System V ABI, "Object Files" and "Dynamic Linking"; for the sections,
clang/lib/CodeGen/CGCUDANV.cpp and llvm/lib/Frontend/Offloading. pyelftools knows the
records of both classes and byte orders.
"""

import io
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final

from elftools.common.utils import struct_parse
from elftools.elf.structs import ELFStructs

from kinspect.errors import FormatError, Where
from kinspect.hosts import elf_entries, elf_symbols, elf_wrappers, registered
from kinspect.hosts.elf_image import Image, Region, Section, Segment
from kinspect.hosts.host import Host, Registered, device_entry
from kinspect.limits import DEFAULT, Limits
from kinspect.model import Linkage, Registration, Unreadable
from kinspect.target import EntryID
from kinspect.view import View

MAGIC: Final = b"\x7fELF"

#: binutils' names of targets, by e_machine, class and byte order
FORMATS: Final = {
    ("EM_X86_64", 64, True): "elf64-x86-64",
    ("EM_AARCH64", 64, True): "elf64-littleaarch64",
    ("EM_PPC64", 64, True): "elf64-powerpcle",
    ("EM_RISCV", 64, True): "elf64-littleriscv",
    ("EM_LOONGARCH", 64, True): "elf64-loongarch",
    ("EM_386", 32, True): "elf32-i386",
    ("EM_ARM", 32, True): "elf32-littlearm",
}

FATBIN: Final = ".hip_fatbin"
WRAPPERS: Final = ".hipFatBinSegment"
#: only an RDC link makes these: one handle for all units (CGCUDANV.cpp), or the table
#: of the new driver's linker wrapper, by the names of LLVM 19 and later
LINKED: Final = frozenset(
    {".hip_gpubin_handle", "hip_offloading_entries", "llvm_offload_entries"}
)
#: in place of the device code that was moved to kpack archives
KPACK_REFERENCE: Final = ".rocm_kpack_ref"
OFFLOADING: Final = ".llvm.offloading"

#: unwinding tables hold no data of the program, and can be large
NO_DATA: Final = frozenset({".eh_frame", ".eh_frame_hdr", ".gcc_except_table"})


def parse(view: View, limits: Limits = DEFAULT, *, registration: bool = True) -> Host:
    """Read an ELF host; raise FormatError where its headers can't be read.

    Without `registration`, what the host registers is left to `Host.registered`.
    """
    image = read_image(view, limits)
    wrappers = elf_wrappers.read(image, limits)
    data = tuple(view.slice(r.offset, r.size, r.name) for r in _data(image) if r.size)
    host = Host(
        format=_format_of(image),
        wrappers=tuple(wrappers),
        fatbins=tuple(_named(image, FATBIN)),
        hollow=next(_hollow(image), None),
        reference=next(_named(image, KPACK_REFERENCE), None),
        offloading=tuple(_named(image, OFFLOADING)),
        bitcode=tuple(_bitcode(image)),
        data=data,
        linkage=_linkage(image),
        needed=tuple(image.needed),
        relocatable=image.relocatable,
        unreadable=tuple(image.unreadable),
        register=(lambda: _registered(image, data, limits)) if wrappers else None,
    )
    return host.registered() if registration else host


def _named(image: Image, name: str) -> Iterator[View]:
    for section in image.sections:
        if section.name == name and section.in_file:
            yield image.view.slice(section.offset, section.size, name)


def _hollow(image: Image) -> Iterator[Where]:
    for section in image.sections:
        if section.name == FATBIN and section.size and not section.in_file:
            yield Where(image.view.path, FATBIN, section.offset)


def _bitcode(image: Image) -> Iterator[tuple[EntryID, View]]:
    """Device code of an RDC object, which its link will compile."""
    for section in image.sections:
        entry = device_entry(section.name)
        if entry is not None:
            size = section.size if section.in_file else 0
            yield entry, image.view.slice(section.offset if size else 0, size, section.name)


def _registered(image: Image, data: tuple[View, ...], limits: Limits) -> Registered:
    before = len(image.unreadable)
    symbols = elf_symbols.Symbols(image, limits)
    stubs = symbols.device_stubs()
    found = _registration(image, data, symbols, limits)
    return Registered(found, stubs, tuple(image.unreadable[before:]))


def _registration(
    image: Image, data: tuple[View, ...], symbols: elf_symbols.Symbols, limits: Limits
) -> Registration:
    exact = elf_entries.offloading_entries(image, limits)
    if exact is not None:
        return exact
    if not image.sections:  # names of symbols can't be told from data
        return Registration(managed=tuple(sorted(symbols.managed())))
    names = registered.registered_names(data)
    return Registration(
        tuple(sorted(names)),
        managed=tuple(sorted(symbols.managed())),
        objects=tuple(sorted(symbols.objects(names))),
        symbols=any(section.type == "SHT_SYMTAB" for section in image.sections),
    )


def _format_of(image: Image) -> str:
    key = (image.machine, image.bits, image.little)
    machine = image.machine.removeprefix("EM_").lower().replace("_", "-")
    return FORMATS.get(key, f"elf{image.bits}-{machine}")


def _linkage(image: Image) -> Linkage | None:
    if not image.sections:
        return None
    rdc = any(section.name in LINKED for section in image.sections)
    return Linkage.RDC if rdc else Linkage.PER_TU


def _data(image: Image) -> Iterator[Region]:
    """Where a program may keep files that it embeds: initialised, not executable.

    Without section headers, code and data can't be told apart: all segments.
    """
    if not image.sections:
        yield from (s.region for s in image.segments if s.load)
        return
    for section in image.sections:
        known = section.name in NO_DATA | {FATBIN, WRAPPERS, OFFLOADING}
        if section.progbits and section.alloc and not section.executable and not known:
            yield section.region


# --- headers ------------------------------------------------------------------------


def _record(view: View, layout: Any, at: int) -> Any:
    """A record of pyelftools."""
    return struct_parse(layout, io.BytesIO(bytes(view.bytes(at, layout.sizeof()))))


@lru_cache(maxsize=8)
def _structs(bits: int, *kind: str, little: bool) -> ELFStructs:
    """The layouts of pyelftools; those after the file header depend on what that says.

    Kept, since a set of them takes longer to make than to read most files with, and
    lies in cycles that hold 80 kB.
    """
    structs = ELFStructs(little_endian=little, elfclass=bits)
    structs.create_basic_structs()
    if kind:
        structs.create_advanced_structs(*kind)
    return structs


def read_image(view: View, limits: Limits = DEFAULT) -> Image:
    """Read the header, the segments and the sections.

    Sections that can't be read are left out and told in `unreadable`: the loader
    does without them. Segments that can't be read raise FormatError.
    """
    ident = bytes(view.bytes(0, 16))
    if ident[:4] != MAGIC or ident[4] not in (1, 2) or ident[5] not in (1, 2):
        message = "not an ELF file: bad magic, class or byte order"
        raise FormatError(message, view.where())
    bits, little = 32 * ident[4], ident[5] == 1
    header = _record(view, _structs(bits, little=little).Elf_Ehdr, 0)
    kind = (header.e_type, header.e_machine, header.e_ident.EI_OSABI)
    structs = _structs(bits, *kind, little=little)
    image = Image(
        view=view,
        bits=bits,
        little=little,
        machine=str(header.e_machine),
        type=str(header.e_type),
    )
    image.segments = list(_segments(view, header, structs, limits))
    try:
        image.sections = list(_sections(view, header, structs, limits))
        for section in image.sections:
            if section.in_file:
                view.require(section.offset, section.size)
    except FormatError as error:
        message = f"section headers: {error.message}"
        limit = getattr(error, "limit", None)
        image.unreadable.append(Unreadable(message, error.where, limit))
        image.sections = []
    for segment in image.segments:
        if segment.load and segment.offset + segment.filesz > len(view):
            message = f"truncated: a segment ends at {segment.end:#x}"
            image.unreadable.append(Unreadable(message, view.where(len(view))))
    image.segments = [
        s._replace(filesz=max(min(s.filesz, len(view) - s.offset), 0))
        for s in image.segments
    ]
    image.read_dynamic(limits)
    return image


def _segments(
    view: View, header: Any, structs: ELFStructs, limits: Limits
) -> Iterator[Segment]:
    at, stride, count = header.e_phoff, header.e_phentsize, header.e_phnum
    _check_table(view, stride, count, structs.Elf_Phdr, "program headers", limits)
    for index in range(count):
        record = _record(view, structs.Elf_Phdr, at + index * stride)
        yield Segment(
            str(record.p_type),
            record.p_flags,
            record.p_offset,
            record.p_vaddr,
            record.p_filesz,
            f"segment {index}",
        )


def _sections(
    view: View, header: Any, structs: ELFStructs, limits: Limits
) -> Iterator[Section]:
    at, stride, count = header.e_shoff, header.e_shentsize, header.e_shnum
    if not at:
        return
    strings = header.e_shstrndx
    if not count or strings == 0xFFFF:  # SHN_XINDEX: section 0 holds the real ones
        first = _record(view, structs.Elf_Shdr, at)
        count = count or first.sh_size
        strings = first.sh_link if strings == 0xFFFF else strings
    _check_table(view, stride, count, structs.Elf_Shdr, "section headers", limits)
    records = [_record(view, structs.Elf_Shdr, at + n * stride) for n in range(count)]
    if strings >= len(records):
        message = f"e_shstrndx {strings} names no section"
        raise FormatError(message, view.where(at))
    names = view.slice(records[strings].sh_offset, records[strings].sh_size)
    for index, record in enumerate(records):
        name = names.string(record.sh_name, 4096) if record.sh_name else ""
        yield Section(
            index,
            name,
            str(record.sh_type),
            record.sh_flags,
            record.sh_addr,
            record.sh_offset,
            record.sh_size,
            record.sh_link,
            record.sh_info,
        )


def _check_table(
    view: View, stride: int, count: int, layout: Any, what: str, limits: Limits
) -> None:
    limits.check("headers", count, view.where())
    if count and stride < layout.sizeof():
        message = f"{what} of {stride} bytes, expected {layout.sizeof()}"
        raise FormatError(message, view.where())
