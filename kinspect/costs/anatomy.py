"""What the bytes of a code object are: each counts once.

Kernels and other functions come from the symbol table, the rest from section headers.
Where several claim a byte, a kernel is before a function, and either before a section.
Source: LLVM, User Guide for AMDGPU Backend, "Symbols" and "Sections".
"""

import heapq
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise
from typing import Final, NamedTuple

from kinspect.formats import code_object, symbols
from kinspect.formats.amdgpu_elf import (
    PT_LOAD,
    PT_NOTE,
    SHT_DYNSYM,
    SHT_NOBITS,
    SHT_NOTE,
    Elf,
    ElfHeader,
    SectionHeader,
    open_elf,
)
from kinspect.limits import DEFAULT, Limits
from kinspect.model import Fault
from kinspect.view import View, wire


class Part(StrEnum):
    """What bytes of device code are for."""

    KERNELS = "kernels"  #: instructions and descriptors
    FUNCTIONS = "functions"  #: that are no kernels
    CODE = "code"  #: what no symbol names: fill, or functions of a stripped table
    DATA = "data"  #: constants and variables, and descriptors that no kernel has
    METADATA = "metadata"  #: the notes
    SYMBOLS = "symbols"  #: with their names, hashes and relocations
    UNLOADED = "unloaded"  #: debug information, comments
    PADDING = "padding"  #: with the ELF headers
    BITCODE = "bitcode"
    SPIRV = "spirv"
    OTHER = "other"  #: what is no device code, or can't be told apart
    BUNDLE = "bundle"  #: header and padding of a bundle, table of an archive


SHT_NULL: Final = 0
PF_X: Final = 1
SHF_ALLOC: Final = 2
SHF_EXECINSTR: Final = 4
ET_REL: Final = 1
#: sections that exist for a linker or a loader: SYMTAB, STRTAB, RELA, HASH, DYNAMIC, REL,
#: DYNSYM, SYMTAB_SHNDX, RELR, GNU_HASH
_SYMBOLS: Final = frozenset({2, 3, 4, 5, 6, 9, SHT_DYNSYM, 18, 19, 0x6FFFFFF6})


@dataclass(slots=True)
class Anatomy:
    """How many bytes of a code object are what; they add up to its size."""

    parts: dict[Part, int] = field(default_factory=dict)
    #: of `parts[Part.KERNELS]`, by name
    kernels: dict[str, int] = field(default_factory=dict)
    faults: tuple[Fault, ...] = ()


class Claim(NamedTuple):
    """A range of the file, and what it is taken for."""

    start: int
    end: int
    #: the lowest one holds where claims overlap
    rank: int
    part: Part
    kernel: str = ""


def anatomy(view: View, limits: Limits = DEFAULT) -> Anatomy:
    """Tell the bytes of a code object apart; raise FormatError where that can't be."""
    elf = open_elf(view, limits)
    claims = [*_functions(elf, limits), *_sections(elf)]
    found = Anatomy(faults=elf.faults)
    for size, part, name in _painted(claims, len(view)):
        found.parts[part] = found.parts.get(part, 0) + size
        if name:
            found.kernels[name] = found.kernels.get(name, 0) + size
    return found


def _functions(elf: Elf, limits: Limits) -> Iterator[Claim]:
    """Kernels, with their descriptors, and other functions, where they lie in the file."""
    table = symbols.full(elf, limits) or symbols.dynamic(elf, limits)
    if table is None:
        return
    described = code_object.Parser(limits).symbols(elf).descriptors
    places = _Places(elf)
    rows = table.functions_at()
    following = dict(pairwise(sorted({(section, at) for _, section, at, _ in rows})))
    for name, section, address, size in rows:
        start = places.offset(section, address)
        if start is None:
            continue
        after = following.get((section, address))
        end = start + (size or places.reach(section, address, after))
        if f"{name}.kd" in described:
            yield Claim(start, end, 0, Part.KERNELS, name)
        else:
            yield Claim(start, end, 1, Part.FUNCTIONS)
    for symbol, (address, size) in described.items():
        start = places.offset(0, address)
        if start is not None:
            name = symbol.removesuffix(".kd")
            yield Claim(start, start + size, 0, Part.KERNELS, name)


class _Places:
    """Where in the file addresses lead. Before a link, they count from a section."""

    def __init__(self, elf: Elf) -> None:
        self._sections = elf.sections
        self._linked = elf.header.e_type != ET_REL
        loads = (one for one in elf.segments if one.p_type == PT_LOAD and one.p_filesz)
        self._loads = sorted(loads, key=lambda one: one.p_vaddr)
        self._starts = [one.p_vaddr for one in self._loads]

    def offset(self, section: int, address: int) -> int | None:
        """None for what is not in the file."""
        if not self._linked:
            inside = section < len(self._sections)
            return self._sections[section].sh_offset + address if inside else None
        number = bisect_right(self._starts, address) - 1
        if number < 0:
            return None
        load = self._loads[number]
        inside = address - load.p_vaddr < load.p_filesz
        return load.p_offset + address - load.p_vaddr if inside else None

    def reach(self, section: int, address: int, after: tuple[int, int] | None) -> int:
        """Bytes of a function whose symbol has none, as of most that are assembly.

        It is taken to reach up to the next function, or to the end of its section.
        """
        if after is not None and after[0] == section:
            return after[1] - address
        if section >= len(self._sections):
            return 0
        own = self._sections[section]
        base = own.sh_addr if self._linked else 0
        return max(base + own.sh_size - address, 0)


def _sections(elf: Elf) -> Iterator[Claim]:
    """Sections and headers; where there are no section headers, segments."""
    for section in elf.sections:
        if section.sh_type not in (SHT_NULL, SHT_NOBITS):
            end = section.sh_offset + section.sh_size
            yield Claim(section.sh_offset, end, 2, _part(section))
    for segment in elf.segments:
        end = segment.p_offset + segment.p_filesz
        if segment.p_type == PT_NOTE:
            yield Claim(segment.p_offset, end, 3, Part.METADATA)
        elif segment.p_type == PT_LOAD and not elf.sections:
            part = Part.CODE if segment.p_flags & PF_X else Part.DATA
            yield Claim(segment.p_offset, end, 5, part)
    header = elf.header
    for start, size in (
        (0, wire(ElfHeader).size),
        (header.e_phoff, header.e_phnum * header.e_phentsize),
        (header.e_shoff, header.e_shnum * header.e_shentsize),
    ):
        yield Claim(start, start + size, 4, Part.PADDING)


def _part(section: SectionHeader) -> Part:
    if section.sh_type in _SYMBOLS:
        return Part.SYMBOLS
    if section.sh_type == SHT_NOTE:
        return Part.METADATA
    if not section.sh_flags & SHF_ALLOC:
        return Part.UNLOADED
    return Part.CODE if section.sh_flags & SHF_EXECINSTR else Part.DATA


def _painted(claims: Iterable[Claim], size: int) -> Iterator[tuple[int, Part, str]]:
    """How many bytes are whose: stretches in order, each for the claim that holds."""
    clipped = (
        one._replace(start=max(one.start, 0), end=min(one.end, size)) for one in claims
    )
    waiting = sorted(
        (one for one in clipped if one.start < one.end),
        key=lambda one: (one.start, one.rank, one.kernel),
    )
    edges = {edge for one in waiting for edge in one[:2]}
    #: rank and number of claims that may hold what comes next, the first one on top
    begun: list[tuple[int, int]] = []
    number = 0
    for low, high in pairwise(sorted({0, size, *edges})):
        while number < len(waiting) and waiting[number].start <= low:
            heapq.heappush(begun, (waiting[number].rank, number))
            number += 1
        while begun and waiting[begun[0][1]].end <= low:
            heapq.heappop(begun)
        if begun:
            one = waiting[begun[0][1]]
            yield high - low, one.part, one.kernel
        else:
            yield high - low, Part.PADDING, ""
