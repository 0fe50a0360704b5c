"""What the loader asks of a code object's headers, sections and relocations.

Source: ROCR-Runtime executable.cpp (`LoadSegmentsV2`, `LoadDefinitionSymbol`,
`ApplyDynamicRelocation`), amd_hsa_code.cpp (`PullElfV2`) and amd_elf_image.cpp. It puts
the segments into one piece of executable memory, whatever their flags, and finds symbols
and relocations by section headers alone. What else System V asks of segments is held
too: no linker writes others.
"""

from array import array
from collections.abc import Iterator, Mapping, Sequence
from operator import add
from typing import Final

from kinspect.formats.amdgpu_elf import (
    PT_LOAD,
    SHT_NOBITS,
    SHT_SYMTAB,
    Elf,
    ProgramHeader,
    SectionHeader,
)
from kinspect.formats.symbols import SymbolTable
from kinspect.limits import Limits
from kinspect.model import Fault
from kinspect.view import column

ET_EXEC: Final = 2
ET_DYN: Final = 3
SHT_RELA: Final = 4
SHT_REL: Final = 9
SHT_RELR: Final = 19
SHF_ALLOC: Final = 2
RELA_SIZE: Final = 24
#: bytes of a kernel descriptor
DESCRIPTOR_SIZE: Final = 64
#: ABS32_LO, ABS32_HI, ABS64, ABS32, RELATIVE64: the others make the loader give up
RELOCATIONS: Final = frozenset({1, 2, 3, 6, 13})


def linked(elf: Elf) -> bool:
    """Whether it is the output of a link, and not an object for one to come."""
    return elf.header.e_type in (ET_EXEC, ET_DYN)


def faults(elf: Elf, limits: Limits) -> Iterator[Fault]:
    """Why the loader would refuse a linked code object, or load other bytes."""
    where = elf.view.where()
    loads = [one for one in elf.segments if one.p_type == PT_LOAD]
    if not loads:
        yield Fault("it has no segment to load (PT_LOAD)", where)
        return
    for message in (*_segments(loads), *_sections(elf, loads)):
        yield Fault(message, where)
    yield from _relocations(elf, loads, limits)


def _segments(loads: list[ProgramHeader]) -> Iterator[str]:
    addresses = [one.p_vaddr for one in loads]
    if addresses != sorted(addresses):
        yield "its segments are not in the order of their addresses"
    for one in loads:
        align = max(one.p_align, 1)
        if one.p_filesz > one.p_memsz:
            yield (
                f"segment at {one.p_vaddr:#x}: p_filesz {one.p_filesz:#x} is more than"
                f" p_memsz {one.p_memsz:#x}"
            )
        if align & (align - 1) or (one.p_vaddr - one.p_offset) % align:
            yield (
                f"segment at {one.p_vaddr:#x}: its offset {one.p_offset:#x} and its"
                f" alignment {align:#x} don't go together"
            )


def _sections(elf: Elf, loads: list[ProgramHeader]) -> Iterator[str]:
    """Sections that are not what their segment puts at their address."""
    if not elf.sections:
        yield "its section headers are gone, by which the loader finds its symbols"
    elif not 0 < elf.header.e_shstrndx < len(elf.sections):
        yield f"e_shstrndx {elf.header.e_shstrndx} names no section, the loader needs names"
    for one in elf.sections:
        in_memory = one.sh_flags & SHF_ALLOC and one.sh_size
        if in_memory and not any(_holds(load, one) for load in loads):
            name = elf.name_of(one)
            yield f"section {name} is not what a segment puts at {one.sh_addr:#x}"


def _holds(load: ProgramHeader, section: SectionHeader) -> bool:
    inside = section.sh_addr - load.p_vaddr
    if section.sh_type == SHT_NOBITS:
        return 0 <= inside <= load.p_memsz - section.sh_size
    return (
        0 <= inside <= load.p_filesz - section.sh_size
        and section.sh_offset - load.p_offset == inside
    )


def _relocations(elf: Elf, loads: list[ProgramHeader], limits: Limits) -> Iterator[Fault]:
    """Those that the loader can't apply, or does not see.

    Where a section has a target, `--emit-relocs` left what is applied already.
    """
    low, high = loads[0].p_vaddr, loads[-1].p_vaddr + loads[-1].p_memsz
    for section in elf.sections:
        where = elf.view.where(min(section.sh_offset, len(elf.view)))
        if not section.sh_flags & SHF_ALLOC or not section.sh_size:
            continue
        if section.sh_type in (SHT_REL, SHT_RELR):
            message = "relocations of another kind than RELA, which the loader passes over"
            yield Fault(message, where)
        if section.sh_type != SHT_RELA or section.sh_info:
            continue
        count = section.sh_size // RELA_SIZE
        limits.check("relocations", count, where)
        data = elf.view.bytes(section.sh_offset, count * RELA_SIZE)
        fields = column(data, "Q")
        for message in _unfit(fields, low, high, _symbols(elf, section)):
            yield Fault(message, where)


def _symbols(elf: Elf, section: SectionHeader) -> int:
    """How many symbols relocations can name."""
    if section.sh_link >= len(elf.sections):
        return 0
    return elf.sections[section.sh_link].sh_size // 24


def _unfit(fields: "array[int]", low: int, high: int, symbols: int) -> Iterator[str]:
    offsets, infos = fields[0::3], fields[1::3]
    if not infos:
        return
    outside = next((at for at in offsets if not low <= at < high), None)
    if outside is not None:
        yield f"a relocation of {outside:#x}, which lies in no segment"
    kinds = {info & 0xFFFF_FFFF for info in infos} - RELOCATIONS
    if kinds:
        yield f"a relocation of type {min(kinds)}, which the loader does not know"
    if max(infos) >> 32 >= symbols:
        yield f"a relocation against symbol {max(infos) >> 32} of {symbols}"


def symbol_table(elf: Elf) -> Iterator[Fault]:
    """That the table is there which the loader looks for kernels in.

    With LOADER_USE_DYNSYM=1 in the environment it takes `.dynsym` instead.
    """
    if elf.sections and not any(one.sh_type == SHT_SYMTAB for one in elf.sections):
        message = "its symbol table (.symtab) is gone, in which the loader finds kernels"
        yield Fault(message, elf.view.where())


def misplaced(
    elf: Elf, table: SymbolTable, rows: Mapping[int, Sequence[int]]
) -> Iterator[Fault]:
    """Objects, by the section that their symbol names, that are not in it.

    The loader reads a descriptor by its section, and refuses a symbol of none.
    """
    values, sizes = table.values, table.sizes
    for number, own in sorted(rows.items()):
        starts = [values[row] for row in own]
        low = min(starts)
        high = max(map(add, starts, [sizes[row] for row in own]))
        if number >= len(elf.sections):
            message = f"a symbol at {low:#x} names no section ({number:#x})"
            yield Fault(message, elf.view.where())
            continue
        home = elf.sections[number]
        if low < home.sh_addr or high > home.sh_addr + home.sh_size:
            at = low if low < home.sh_addr else high
            message = f"a symbol at {at:#x} lies outside of section {elf.name_of(home)}"
            yield Fault(message, elf.view.where())


def descriptors(
    elf: Elf, table: SymbolTable, descriptors: Mapping[str, int]
) -> Iterator[Fault]:
    """Descriptors, by name with their row, that are not whole in the file."""
    places = [
        (s.p_vaddr, s.p_vaddr + s.p_filesz) for s in elf.segments if s.p_type == PT_LOAD
    ]
    values = [table.values[row] for row in descriptors.values()]
    sizes = [table.sizes[row] for row in descriptors.values()]
    if not values or _all_within(places, values, sizes):
        return
    for name, value, size in zip(descriptors, values, sizes, strict=True):
        if size != DESCRIPTOR_SIZE:
            message = f"{name} has {size} bytes, a kernel descriptor {DESCRIPTOR_SIZE}"
            yield Fault(message, elf.view.where())
        elif not any(low <= value <= high - size for low, high in places):
            message = f"{name} lies in no segment of the file (address {value:#x})"
            yield Fault(message, elf.view.where())


def _all_within(
    places: list[tuple[int, int]], values: Sequence[int], sizes: Sequence[int]
) -> bool:
    """Whether all are whole and in one segment, as they are unless something is wrong."""
    if set(sizes) != {DESCRIPTOR_SIZE}:
        return False
    first, last = min(values), max(values) + DESCRIPTOR_SIZE
    return any(low <= first and last <= high for low, high in places)
