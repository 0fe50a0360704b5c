"""Fat-binary wrappers of a PE image or COFF object, and where their pointers lead.

In an image a pointer is in place, as an address at the preferred base, and a base
relocation moves it with the image. In an object a relocation against a symbol stands
for it. Source: hip_platform.cpp (`__hipRegisterFatBinary`); CGCUDANV.cpp; Microsoft,
"PE Format", "The .reloc Section" and "COFF Relocations".
"""

from collections.abc import Iterator
from typing import Final

from kinspect.errors import FormatError
from kinspect.hosts.coff_image import Coff, Section
from kinspect.hosts.coff_records import (
    ADDRESS_OF,
    BASE_RELOCATION_TABLE,
    IMAGE_REL_BASED,
    IMAGE_SCN_LNK_NRELOC_OVFL,
    WRAPPER,
    BaseRelocation,
    BaseRelocationBlock,
    Relocation,
    size_of,
)
from kinspect.hosts.host import HIPF, HIPK, Wrapper
from kinspect.limits import Limits
from kinspect.view import View

FATBIN: Final = frozenset({".hip_fatbin", ".hip_fat"})
WRAPPERS: Final = frozenset({".hipFatBinSegment", ".hipFatB"})
#: offset of `binary` in a wrapper
POINTER: Final = 8
#: what is wrong with a pointer to a symbol of another object
UNDEFINED: Final = "is for the link to define"


def read(coff: Coff, limits: Limits) -> Iterator[Wrapper]:
    """Read every wrapper of the file, in order, and follow its pointer."""
    places = [(section, at) for section in coff.sections for at in _slots(coff, section)]
    limits.check("wrappers", len(places), coff.view.where())
    if coff.relocatable:
        pointers = _relocations(coff, places, limits)
        for section, at in places:
            yield _unlinked(coff, section, at, pointers.get((section.index, at)))
        return
    wanted = {section.address + at + POINTER for section, at in places}
    moved = _base_relocations(coff, wanted, limits)
    for section, at in places:
        relocated = section.address + at + POINTER in moved
        # found by its magic alone, only a pointer that the loader moves makes it one
        if relocated or section.name in WRAPPERS:
            yield _linked(coff, section, at, relocated=relocated)


def _slots(coff: Coff, section: Section) -> Iterator[int]:
    """Find wrappers in a section: all of it, or what has the magic of one.

    A linker can merge sections (`/MERGE:.hipFatB=.rdata`), and no name tells.
    """
    if section.data is None:
        return
    size = size_of(WRAPPER[coff.pointer])
    if section.base_name in WRAPPERS:
        yield from _dense(coff, section, size)
    elif not coff.relocatable and section.is_data and section.name not in FATBIN:
        for at, _ in section.data.find(_magic(HIPF), _magic(HIPK)):
            if at % coff.pointer == 0 and at + size <= len(section.data):
                yield at


def _dense(coff: Coff, section: Section, size: int) -> Iterator[int]:
    """Step over wrappers, and over zeros where a linker aligned them further."""
    data = section.content.slice(0, section.size)
    at = 0
    while at < len(data):
        if not any(data.bytes(at, min(coff.pointer, len(data) - at))):
            at += coff.pointer
            continue
        try:
            data.require(at, size)
        except FormatError as error:
            coff.lacks("wrapper", error)
            return
        yield at
        at += size


def _magic(magic: int) -> bytes:
    return magic.to_bytes(4, "little") + b"\x01\0\0\0"


def _wrapper(
    coff: Coff, data: View, at: int, target: View | str, symbol: str = ""
) -> Wrapper:
    """Read the wrapper at `at`; `target` may be the reason why it has none."""
    record = data.read(WRAPPER[coff.pointer], at)
    return Wrapper(
        offset=data.start + at,
        magic=record.magic,
        version=record.version,
        reserved=record.reserved,
        target=None if isinstance(target, str) else target,
        problem=target if isinstance(target, str) else "",
        symbol=symbol,
    )


def _linked(coff: Coff, section: Section, at: int, *, relocated: bool) -> Wrapper:
    """Follow the pointer of an image: in place, and relocated if the image can move."""
    data = section.content
    address = data.read(WRAPPER[coff.pointer], at).binary
    if not address:
        return _wrapper(coff, data, at, "its pointer is null")
    if coff.movable and not relocated:
        problem = "no base relocation moves its pointer, and the image can move"
        return _wrapper(coff, data, at, problem)
    try:
        target: View | str = coff.at(address - coff.image_base)
    except FormatError as error:
        target = f"it points at {address:#x}: {error.message}"
    return _wrapper(coff, data, at, target)


def _base_relocations(coff: Coff, wanted: set[int], limits: Limits) -> set[int]:
    """Find which of these RVAs the loader relocates (The .reloc Section)."""
    found: set[int] = set()
    pages = {rva & ~0xFFF for rva in wanted}
    try:
        directory = coff.directory(BASE_RELOCATION_TABLE)
        if directory and wanted:
            table = coff.at(directory.virtual_address).slice(0, directory.size)
            for page, entries in _blocks(table, limits):
                if page in pages:
                    found |= {page + at for at in _moved(entries, coff.pointer)}
    except FormatError as error:
        coff.lacks("base relocations", error)
    return found & wanted


def _blocks(table: View, limits: Limits) -> Iterator[tuple[int, View]]:
    size = size_of(BaseRelocationBlock)
    limits.check("relocations", len(table) // size_of(BaseRelocation), table.where())
    at = 0
    while at < len(table):
        block = table.read(BaseRelocationBlock, at)
        if not any(block):  # zeros up to the end of the directory
            return
        if block.block_size < size:
            message = f"block of {block.block_size} bytes, expected at least {size}"
            raise FormatError(message, table.where(at))
        yield block.page_rva, table.slice(at + size, block.block_size - size)
        at += block.block_size


def _moved(entries: View, pointer: int) -> Iterator[int]:
    size = size_of(BaseRelocation)
    for entry in entries.records(BaseRelocation, 0, len(entries) // size, size):
        if entry.type_and_offset >> 12 == IMAGE_REL_BASED[pointer]:
            yield entry.type_and_offset & 0xFFF


# --- objects ------------------------------------------------------------------------


def _relocations(
    coff: Coff, places: list[tuple[Section, int]], limits: Limits
) -> dict[tuple[int, int], Relocation]:
    """Find the relocation of each wrapper's pointer, by section and place."""
    found: dict[tuple[int, int], Relocation] = {}
    wanted = {(section.index, at) for section, at in places}
    total = 0
    for section in {section.index: section for section, _ in places}.values():
        try:
            for relocation in _relocations_of(coff, section):
                total += 1
                limits.check("relocations", total, section.where)
                at = relocation.virtual_address - section.address - POINTER
                if (section.index, at) in wanted:
                    found[section.index, at] = relocation
        except FormatError as error:
            coff.lacks(f"relocations of {section.name}", error)
    return found


def _relocations_of(coff: Coff, section: Section) -> Iterator[Relocation]:
    header = section.header
    at, count = header.pointer_to_relocations, header.number_of_relocations
    size = size_of(Relocation)
    if header.characteristics & IMAGE_SCN_LNK_NRELOC_OVFL and count == 0xFFFF:
        # the first one counts them all, itself included
        count = max(coff.view.read(Relocation, at).virtual_address, 1) - 1
        at += size
    return coff.view.records(Relocation, at, count, size)


def _unlinked(
    coff: Coff, section: Section, at: int, relocation: Relocation | None
) -> Wrapper:
    """Follow the pointer of an object: its relocation says what the link writes."""
    if relocation is None:
        return _wrapper(coff, section.content, at, "no relocation sets its pointer")
    name = ""
    try:
        symbol, name = coff.symbol_at(relocation.symbol_table_index)
        if not 0 < symbol.section_number <= len(coff.sections):
            target: View | str = f"{name} {UNDEFINED}"
        elif relocation.type != ADDRESS_OF[coff.machine]:
            target = f"relocation type {relocation.type:#x} sets its pointer"
        else:
            home = coff.sections[symbol.section_number - 1]
            addend = section.content.read(WRAPPER[coff.pointer], at).binary
            inside = symbol.value + addend - home.address
            home.content.require(inside, 1)
            target = home.content.slice(inside)
    except FormatError as error:
        target = f"it points at {name or 'a symbol'}: {error.message}"
    return _wrapper(coff, section.content, at, target, name)
