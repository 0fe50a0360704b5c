"""What the dynamic loader, or the link, makes a pointer in an ELF file point at.

By R_*_RELATIVE, by a symbolic relocation, by RELR, or, in a file that is not moved, by
what the linker left in place. Source: System V ABI, "Dynamic Linking" and the proposal
for RELR; the processor supplements for the types.
"""

from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from kinspect.hosts.elf_image import DT_STRSZ, DT_STRTAB, DT_SYMTAB, Image, Section
from kinspect.limits import Limits
from kinspect.view import I64, U8, U16, U32, U64, column, wire

DT_RELA: Final = 7
DT_RELASZ: Final = 8
DT_RELAENT: Final = 9
DT_RELRSZ: Final = 35
DT_RELR: Final = 36

#: relocation types that write a pointer: relative to the load address, and symbolic
POINTERS: Final[Mapping[str, tuple[int, int]]] = {
    "EM_X86_64": (8, 1),  # R_X86_64_RELATIVE, R_X86_64_64
    "EM_AARCH64": (1027, 257),  # R_AARCH64_RELATIVE, R_AARCH64_ABS64
    "EM_PPC64": (22, 38),  # R_PPC64_RELATIVE, R_PPC64_ADDR64
    "EM_RISCV": (3, 2),  # R_RISCV_RELATIVE, R_RISCV_64
    "EM_LOONGARCH": (3, 2),  # R_LARCH_RELATIVE, R_LARCH_64
}


class Rela(NamedTuple):
    r_offset: U64
    r_info: U64
    r_addend: I64


class Symbol(NamedTuple):
    st_name: U32
    st_info: U8
    st_other: U8
    st_shndx: U16
    st_value: U64
    st_size: U64


class Pointer(NamedTuple):
    """What a relocated word holds: a place in the file, or why there is none."""

    offset: int | None
    problem: str = ""
    #: the symbol that the relocation names
    symbol: str = ""


#: relocations that are looked at together
_BLOCK: Final = 2048


class Word(NamedTuple):
    value: U64


def resolve(image: Image, places: Sequence[int], limits: Limits) -> dict[int, Pointer]:
    """What the pointers at these file offsets hold once the file is loaded or linked.

    A pointer that nothing sets is left out.
    """
    if not places:
        return {}
    if image.relocatable:
        return _static_pointers(image, places, limits)
    addresses = {}
    for offset in places:
        address = image.address_of(offset)
        if address is not None:
            addresses[address] = offset
    found = {
        addresses[rela.r_offset]: _relocated(image, rela)
        for rela in _dynamic_relocations(image, addresses.keys(), limits)
    }
    in_place = (
        _relr(image, addresses, limits) if image.type == "ET_DYN" else addresses.keys()
    )
    for address, offset in addresses.items():
        if offset not in found and address in in_place:
            value = image.view.read(Word, offset).value
            if value:
                found[offset] = _at_address(image, value)
    return found


def _at_address(image: Image, address: int, symbol: str = "") -> Pointer:
    offset = image.offset_of(address)
    if offset is None:
        problem = f"address {address:#x} has no bytes in the file"
        return Pointer(None, problem, symbol)
    return Pointer(offset, symbol=symbol)


def _dynamic_relocations(
    image: Image, addresses: Iterable[int], limits: Limits
) -> Iterator[Rela]:
    wanted = frozenset(addresses)
    size = image.dynamic.get(DT_RELASZ, 0)
    stride = wire(Rela).size
    if DT_RELA not in image.dynamic or image.dynamic.get(DT_RELAENT, stride) != stride:
        return
    table = image.at(image.dynamic[DT_RELA], size)
    limits.check("relocations", size // stride, table.where())
    # r_offset is the first of three words
    offsets = column(table.bytes(0, size // stride * stride), "Q")[:: stride // 8]
    for start in range(0, len(offsets), _BLOCK):
        block = offsets[start : start + _BLOCK]
        if wanted.isdisjoint(block):  # most have none, and that is told at once
            continue
        for index, offset in enumerate(block, start):
            if offset in wanted:
                yield table.read(Rela, index * stride)


def _relocated(image: Image, rela: Rela) -> Pointer:
    kind, index = rela.r_info & 0xFFFFFFFF, rela.r_info >> 32
    relative, symbolic = POINTERS.get(image.machine, (None, None))
    if kind == relative:
        return _at_address(image, rela.r_addend)
    if kind != symbolic:
        return Pointer(None, f"relocation type {kind} of {image.machine} sets it")
    symbol, name = _dynamic_symbol(image, index)
    if symbol.st_shndx == 0:
        problem = f"it points at {name}, which another library would have to define"
        return Pointer(None, problem, name)
    return _at_address(image, symbol.st_value + rela.r_addend, name)


def _dynamic_symbol(image: Image, index: int) -> tuple[Symbol, str]:
    size = wire(Symbol).size
    start = image.dynamic.get(DT_SYMTAB, 0)
    symbol = image.at(start + index * size, size).read(Symbol, 0)
    strings = image.at(image.dynamic.get(DT_STRTAB, 0), image.dynamic.get(DT_STRSZ, 0))
    return symbol, strings.string(symbol.st_name, 4096)


def _relr(image: Image, addresses: Collection[int], limits: Limits) -> frozenset[int]:
    """Which of the addresses RELR relocates.

    An entry is an address, or a bitmap of the 63 words after what came last.
    """
    if DT_RELR not in image.dynamic:
        return frozenset()
    size = image.dynamic.get(DT_RELRSZ, 0) // 8 * 8
    table = image.at(image.dynamic[DT_RELR], size)
    limits.check("relocations", size // 8, table.where())
    wanted = sorted(addresses)
    found = set()
    base = 0
    for entry in column(table.bytes(), "Q"):
        if entry & 1:
            reach = base + 63 * 8
            for address in wanted[bisect_left(wanted, base) : bisect_left(wanted, reach)]:
                bit, odd = divmod(address - base, 8)
                if not odd and entry >> (bit + 1) & 1:
                    found.add(address)
            base = reach
        else:
            base = entry + 8
            if entry in addresses:
                found.add(entry)
    return frozenset(found)


def _static_pointers(
    image: Image, places: Sequence[int], limits: Limits
) -> dict[int, Pointer]:
    """The pointers of a relocatable object, which its link will settle."""
    found: dict[int, Pointer] = {}
    stride = wire(Rela).size
    total = 0
    for table in image.sections:
        if table.type != "SHT_RELA" or not 0 < table.info < len(image.sections):
            continue
        home = image.sections[table.info]
        inside = {p - home.offset: p for p in places if home.in_file and p in home.range}
        if not inside:
            continue
        count = table.size // stride
        total += count
        limits.check("relocations", total, image.view.where(table.offset))
        for rela in image.view.records(Rela, table.offset, count, stride):
            if rela.r_offset in inside and table.link < len(image.sections):
                pointer = _static(image, image.sections[table.link], rela)
                found[inside[rela.r_offset]] = pointer
    return found


def _static(image: Image, symbols: Section, rela: Rela) -> Pointer:
    size = wire(Symbol).size
    view = image.view.slice(symbols.offset, symbols.size, symbols.name)
    symbol = view.read(Symbol, (rela.r_info >> 32) * size)
    name = ""
    if symbol.st_name and symbols.link < len(image.sections):
        strings = image.sections[symbols.link]
        text = image.view.slice(strings.offset, strings.size)
        name = text.string(symbol.st_name, 4096)
    if not 0 < symbol.st_shndx < len(image.sections):
        return Pointer(None, f"{name or 'it'} is for the link to define", name)
    home = image.sections[symbol.st_shndx]
    if not home.in_file:
        return Pointer(None, f"section {home.name} has no bytes in the file", name)
    return Pointer(home.offset + symbol.st_value + rela.r_addend, symbol=name)
