"""AMDGPU code objects: what can be launched from one.

Source: LLVM, User Guide for AMDGPU Backend, "Code Object" (Symbols, Kernel
Descriptor). The symbol table is hot: a large binary holds a million of its rows.
"""

import sys
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from kinspect.errors import FormatError, LimitExceeded
from kinspect.formats import metadata, symbols
from kinspect.formats.amdgpu_elf import PT_LOAD, Elf, metadata_records, open_elf
from kinspect.formats.metadata import Detail
from kinspect.formats.symbols import SymbolTable
from kinspect.limits import DEFAULT, Limits
from kinspect.model import CodeObject, Fault
from kinspect.target import from_e_flags
from kinspect.view import View

DESCRIPTOR_SIZE: Final = 64
#: st_info of the symbols that others can find and that are no functions
_OBJECTS: Final = frozenset(
    info
    for info in range(256)
    if info >> 4 != symbols.STB_LOCAL
    and info & 15 in (symbols.STT_OBJECT, symbols.STT_AMDGPU_HSA_KERNEL)
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


@dataclass(frozen=True, slots=True)
class _Found:
    """The rows of a symbol table that are of interest, with their names."""

    table: SymbolTable
    descriptors: tuple[str, ...]
    rows: Sequence[int]
    undefined: tuple[str, ...]
    variables: tuple[str, ...]

    def places(self, table: SymbolTable) -> dict[str, tuple[int, int]]:
        """Value and size of each descriptor, in a table that has the same names."""
        values, sizes = table.values, table.sizes
        places = [(values[row], sizes[row]) for row in self.rows]
        return dict(zip(self.descriptors, places, strict=True))


@dataclass(frozen=True, slots=True)
class _Kernels:
    """Metadata records held against descriptors, by name; sorted."""

    found: _Found | None
    records: Sequence[metadata.KernelName]
    kernels: tuple[str, ...]
    undescribed: tuple[str, ...]
    unlisted: tuple[str, ...]
    twice: tuple[str, ...]


#: how many different code objects are remembered: a bundle may hold two for each target
KEPT: Final = 4


class Parser:
    """Reads code objects, one after the other.

    A bundle holds the same kernels for many targets, so what names come to is found once
    for all code objects that have the same ones; comparing them is far cheaper. The names
    themselves are then once in memory, too.
    """

    def __init__(self, limits: Limits = DEFAULT) -> None:
        self._limits = limits
        self._found: deque[_Found] = deque(maxlen=KEPT)
        self._kernels: deque[_Kernels] = deque(maxlen=KEPT)

    def parse(self, view: View) -> CodeObject:
        """Read a code object; raise FormatError where it is none.

        What is wrong inside of one is told in its `faults`.
        """
        elf = open_elf(view, self._limits)
        faults = list(elf.faults)
        records: list[View] = []
        meta = metadata.Metadata(None, None, ())
        found: _Found | None = None
        descriptors: dict[str, tuple[int, int]] = {}
        try:
            records = metadata_records(elf, self._limits)
            meta = metadata.parse(records, self._limits)
            table = symbols.dynamic(elf, self._limits)
            if table is not None:
                found = self._names(table)
                descriptors = found.places(table)
        except LimitExceeded:
            raise  # not damaged: not judged
        except FormatError as error:
            faults.append(Fault(error.message, error.where))
        named = self._matched(found, meta.kernels)
        faults += _descriptor_faults(elf, descriptors)
        if named.twice:
            message = f"kernels listed twice: {', '.join(named.twice)}"
            faults.append(Fault(message, view.where()))
        return CodeObject(
            flags=from_e_flags(elf.header.e_flags, elf.abi_version),
            e_flags=elf.header.e_flags,
            abi_version=elf.abi_version,
            metadata_target=meta.target,
            records=len(records),
            kernels=named.kernels,
            undescribed=named.undescribed,
            unlisted=named.unlisted,
            undefined=found.undefined if found else (),
            variables=found.variables if found else (),
            faults=tuple(faults),
        )

    def _names(self, table: SymbolTable) -> _Found:
        for known in self._found:
            if known.table.has_names_of(table):
                return known
        found = _find(table)
        self._found.append(found)
        return found

    def _matched(
        self, found: _Found | None, records: Sequence[metadata.KernelName]
    ) -> _Kernels:
        for known in self._kernels:
            if known.found is found and known.records == records:
                return known
        matched = _match(found, records)
        self._kernels.append(matched)
        return matched


def parse(view: View, limits: Limits = DEFAULT) -> CodeObject:
    """Read one code object: see `Parser`."""
    return Parser(limits).parse(view)


def _match(found: _Found | None, records: Sequence[metadata.KernelName]) -> _Kernels:
    descriptors = frozenset(found.descriptors if found else ())
    # Each name once in memory: code objects for other targets have the same kernels.
    names = [sys.intern(kernel.name) for kernel in records]
    kernels = {
        name
        for name, kernel in zip(names, records, strict=True)
        if kernel.symbol in descriptors
    }
    twice = {name for name, count in Counter(names).items() if count > 1}
    return _Kernels(
        found,
        records,
        kernels=tuple(sorted(kernels)),
        undescribed=tuple(sorted(set(names) - kernels)),
        unlisted=tuple(sorted(descriptors - {kernel.symbol for kernel in records})),
        twice=tuple(sorted(twice)),
    )


def kernels(
    view: View, limits: Limits = DEFAULT, detail: Detail = Detail.RESOURCES
) -> Sequence[metadata.Kernel]:
    """The kernels with their resources, whether they can be launched or not."""
    records = metadata_records(open_elf(view, limits), limits)
    return [
        kernel
        for kernel in metadata.parse(records, limits, detail).kernels
        if isinstance(kernel, metadata.Kernel)
    ]


def read_symbols(elf: Elf, limits: Limits) -> Symbols:
    """The kernel descriptors and undefined symbols of `.dynsym`."""
    table = symbols.dynamic(elf, limits)
    if table is None:
        return Symbols({})
    found = _find(table)
    return Symbols(found.places(table), found.undefined, found.variables)


def _find(table: SymbolTable) -> _Found:
    infos, sections = table.infos, table.sections
    objects = [
        index for index, info in enumerate(infos) if info in _OBJECTS and sections[index]
    ]
    descriptors: dict[str, int] = {}
    variables = []
    for index, name in zip(objects, table.names(objects), strict=True):
        if name.endswith(".kd"):
            descriptors[name] = index
        elif not name.startswith("__hip_cuid_"):
            variables.append(name)
    missing = [
        index
        for index, section in enumerate(sections)
        if not section and infos[index] >> 4 == symbols.STB_GLOBAL
    ]
    return _Found(
        table,
        tuple(descriptors),
        tuple(descriptors.values()),
        tuple(sorted(table.names(missing))),
        tuple(sorted(variables)),
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
