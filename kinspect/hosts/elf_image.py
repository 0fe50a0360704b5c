"""An ELF file as its loader sees it: segments, dynamic tags, relocated addresses."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from kinspect.errors import FormatError
from kinspect.limits import Limits
from kinspect.model import Unreadable
from kinspect.view import I64, U64, View, wire

DT_NEEDED: Final = 1
DT_STRTAB: Final = 5
DT_SYMTAB: Final = 6
DT_STRSZ: Final = 10

PF_X: Final = 1
PF_W: Final = 2
SHF_WRITE: Final = 1
SHF_ALLOC: Final = 2
SHF_EXECINSTR: Final = 4


class Region(NamedTuple):
    """A range of the file with its name."""

    offset: int
    size: int
    name: str

    @property
    def end(self) -> int:
        return self.offset + self.size


class Segment(NamedTuple):
    type: str
    flags: int
    offset: int
    vaddr: int
    filesz: int
    name: str

    @property
    def load(self) -> bool:
        return self.type == "PT_LOAD"

    @property
    def writable(self) -> bool:
        return bool(self.flags & PF_W)

    @property
    def end(self) -> int:
        return self.offset + self.filesz

    @property
    def region(self) -> Region:
        return Region(self.offset, self.filesz, self.name)


class Section(NamedTuple):
    number: int
    name: str
    type: str
    flags: int
    addr: int
    offset: int
    size: int
    link: int
    info: int

    @property
    def in_file(self) -> bool:
        return self.type not in {"SHT_NOBITS", "SHT_NULL"}

    @property
    def range(self) -> range:
        """The file offsets of its bytes."""
        return range(self.offset, self.offset + self.size)

    @property
    def progbits(self) -> bool:
        return self.type == "SHT_PROGBITS"

    @property
    def alloc(self) -> bool:
        return bool(self.flags & SHF_ALLOC)

    @property
    def executable(self) -> bool:
        return bool(self.flags & SHF_EXECINSTR)

    @property
    def region(self) -> Region:
        return Region(self.offset, self.size, self.name)


class Dynamic(NamedTuple):
    d_tag: I64
    d_val: U64


@dataclass(slots=True, eq=False)
class Image:
    """The headers of an ELF file."""

    view: View
    bits: int
    little: bool
    #: as pyelftools names them: `EM_X86_64`, `ET_DYN`
    machine: str
    type: str
    segments: list[Segment] = field(default_factory=list)
    sections: list[Section] = field(default_factory=list)
    #: dynamic tags but DT_NEEDED, of a 64-bit little-endian file
    dynamic: dict[int, int] = field(default_factory=dict)
    needed: list[str] = field(default_factory=list)
    unreadable: list[Unreadable] = field(default_factory=list)

    @property
    def relocatable(self) -> bool:
        return self.type == "ET_REL"

    @property
    def hip_host(self) -> bool:
        """Whether HIP's runtime exists for such a host at all."""
        return self.bits == 64 and self.little

    def offset_of(self, address: int) -> int | None:
        """The file offset of a virtual address; None where the file has no byte."""
        for segment in self.segments:
            inside = address - segment.vaddr
            if segment.load and 0 <= inside < segment.filesz:
                return segment.offset + inside
        return None

    def address_of(self, offset: int) -> int | None:
        """The virtual address of a file offset."""
        for segment in self.segments:
            inside = offset - segment.offset
            if segment.load and 0 <= inside < segment.filesz:
                return segment.vaddr + inside
        return None

    def regions(self) -> list[Region]:
        """What may hold a file offset: sections, and behind them segments."""
        regions = [s.region for s in self.sections if s.in_file and s.alloc]
        return regions + [s.region for s in self.segments if s.load]

    def at(self, address: int, size: int) -> View:
        """The bytes of a range of addresses; FormatError where they are not there."""
        offset = self.offset_of(address)
        if offset is None:
            message = f"address {address:#x} lies in no segment of the file"
            raise FormatError(message, self.view.where())
        return self.view.slice(offset, size)

    def read_dynamic(self, limits: Limits) -> None:
        """Fill in the dynamic tags and the libraries that are needed."""
        if not self.hip_host:
            return
        size = wire(Dynamic).size
        needed = []
        try:
            for segment in self.segments:
                if segment.type != "PT_DYNAMIC":
                    continue
                count = segment.filesz // size
                limits.check("relocations", count, self.view.where(segment.offset))
                for entry in self.view.records(Dynamic, segment.offset, count, size):
                    if entry.d_tag == 0:
                        break
                    if entry.d_tag == DT_NEEDED:
                        needed.append(entry.d_val)
                    else:
                        self.dynamic[entry.d_tag] = entry.d_val
            self._read_needed(needed)
        except FormatError as error:
            message = f"dynamic segment: {error.message}"
            limit = getattr(error, "limit", None)
            self.unreadable.append(Unreadable(message, error.where, limit))

    def _read_needed(self, needed: Iterable[int]) -> None:
        if DT_STRTAB in self.dynamic:
            strings = self.at(self.dynamic[DT_STRTAB], self.dynamic.get(DT_STRSZ, 0))
            self.needed = [strings.string(offset, 4096) for offset in needed]
