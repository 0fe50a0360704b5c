"""AMDGPU code objects: what can be launched from one.

Source: LLVM, User Guide for AMDGPU Backend, "Code Object" (Symbols, Kernel
Descriptor). The symbol table is hot: a large binary holds a million of its rows.
"""

import sys
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from kinspect.errors import FormatError, LimitExceeded
from kinspect.formats import metadata
from kinspect.formats.amdgpu_elf import (
    DT_HASH,
    DT_STRSZ,
    DT_STRTAB,
    DT_SYMTAB,
    PT_DYNAMIC,
    PT_LOAD,
    SHT_DYNSYM,
    Dynamic,
    Elf,
    HashTable,
    ProgramHeader,
    metadata_records,
    offset_of,
    open_elf,
)
from kinspect.limits import DEFAULT, Limits
from kinspect.model import CodeObject, Fault
from kinspect.target import from_e_flags
from kinspect.view import View, bytes_of, decode, wire

STB_LOCAL: Final = 0
STB_GLOBAL: Final = 1
STT_OBJECT: Final = 1
STT_AMDGPU_HSA_KERNEL: Final = 10
SYMBOL_SIZE: Final = 24
DESCRIPTOR_SIZE: Final = 64
#: st_info of the symbols that others can find and that are no functions
_OBJECTS: Final = frozenset(
    info
    for info in range(256)
    if info >> 4 != STB_LOCAL and info & 15 in (STT_OBJECT, STT_AMDGPU_HSA_KERNEL)
)


@dataclass(frozen=True, slots=True)
class Symbols:
    """The symbols of a code object that say something about its kernels."""

    #: non-local `.kd` symbols, by name: value and size
    descriptors: dict[str, tuple[int, int]]
    #: undefined symbols that are not weak, sorted
    undefined: tuple[str, ...] = ()
    #: the other non-local objects, sorted
    variables: tuple[str, ...] = ()


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
    # Each name once in memory: code objects for other targets have the same kernels.
    names = [sys.intern(kernel.name) for kernel in meta.kernels]
    kernels = {
        name
        for name, kernel in zip(names, meta.kernels, strict=True)
        if kernel.symbol in symbols.descriptors
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
    objects = [
        index for index, info in enumerate(infos) if info in _OBJECTS and sections[index]
    ]
    descriptors = {}
    variables = []
    for index, name in zip(objects, _names(text, names, objects, strings), strict=True):
        if name.endswith(".kd"):
            descriptors[name] = values[index], sizes[index]
        elif not name.startswith("__hip_cuid_"):
            variables.append(name)
    missing = [
        index
        for index, section in enumerate(sections)
        if not section and infos[index] >> 4 == STB_GLOBAL
    ]
    undefined = sorted(_names(text, names, missing, strings))
    return Symbols(descriptors, tuple(undefined), tuple(sorted(variables)))


def _column(data: bytes | bytearray | memoryview, code: str) -> "array[int]":
    column = array(code, bytes(data))
    if sys.byteorder == "big":
        column.byteswap()
    return column


def _names(
    text: bytes | bytearray, starts: "array[int]", rows: list[int], strings: View
) -> list[str]:
    """The names of these rows of the symbol table: found one by one, decoded at once."""
    if not rows:
        return []
    end = text.find
    found = [text[(start := starts[row]) : end(0, start)] for row in rows]
    last = text.rfind(0)  # what begins behind it has no end
    beyond = next((starts[row] for row in rows if starts[row] > last), None)
    if beyond is not None:
        message = f"symbol name at {beyond:#x} of {len(text):#x} bytes has no end"
        raise FormatError(message, strings.where(min(beyond, len(strings))))
    return decode(b"\0".join(found)).split("\0")


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
    count = elf.view.read(HashTable, offset_of(elf, tags[DT_HASH])).nchain
    return (
        elf.view.slice(offset_of(elf, tags[DT_SYMTAB]), count * SYMBOL_SIZE),
        elf.view.slice(offset_of(elf, tags[DT_STRTAB]), tags[DT_STRSZ]),
    )


def _descriptor_faults(
    elf: Elf, descriptors: dict[str, tuple[int, int]]
) -> Iterator[Fault]:
    places = [
        (s.p_vaddr, s.p_vaddr + s.p_filesz) for s in elf.segments if s.p_type == PT_LOAD
    ]
    if descriptors and _all_within(places, descriptors):
        return
    for name, (value, size) in descriptors.items():
        if size != DESCRIPTOR_SIZE:
            message = f"{name} has {size} bytes, a kernel descriptor {DESCRIPTOR_SIZE}"
            yield Fault(message, elf.view.where())
        elif not any(low <= value <= high - size for low, high in places):
            message = f"{name} lies in no segment of the file (address {value:#x})"
            yield Fault(message, elf.view.where())


def _all_within(
    places: list[tuple[int, int]], descriptors: dict[str, tuple[int, int]]
) -> bool:
    """Whether all are whole and in one segment, as they are unless something is wrong."""
    values = [value for value, size in descriptors.values() if size == DESCRIPTOR_SIZE]
    if len(values) != len(descriptors):
        return False
    first, last = min(values), max(values) + DESCRIPTOR_SIZE
    return any(low <= first and last <= high for low, high in places)
