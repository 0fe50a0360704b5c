"""AMDGPU code objects: what can be launched from one.

Source: LLVM, User Guide for AMDGPU Backend, "Code Object" (Symbols, Kernel
Descriptor). The symbol table is hot: a large binary holds a million of its rows.
"""

import sys
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Final

from kinspect.errors import FormatError, LimitExceeded
from kinspect.formats import loading, metadata, symbols
from kinspect.formats.amdgpu_elf import Elf, metadata_records, open_elf
from kinspect.formats.launching import Launched, Launcher
from kinspect.formats.metadata import Detail
from kinspect.formats.symbols import SymbolTable
from kinspect.limits import DEFAULT, Limits
from kinspect.machine import machine_of
from kinspect.model import CodeObject, Fault
from kinspect.target import from_e_flags
from kinspect.view import View

#: st_info of the symbols that others can find and that are no functions
_OBJECTS: Final = frozenset(
    info
    for info in range(256)
    if info >> 4 != symbols.STB_LOCAL
    and info & 15 in (symbols.STT_OBJECT, symbols.STT_AMDGPU_HSA_KERNEL)
)
#: of functions that others can find
_FUNCTIONS: Final = frozenset(
    info
    for info in range(256)
    if info >> 4 != symbols.STB_LOCAL and info & 15 == symbols.STT_FUNC
)
_names_of: Final = attrgetter("name", "symbol")


@dataclass(frozen=True, slots=True)
class Symbols:
    """The symbols of a code object that say something about its kernels."""

    #: non-local `.kd` symbols, by name: value and size
    descriptors: dict[str, tuple[int, int]]
    #: bytes of the functions that others can find, by name
    code_sizes: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class _Found:
    """The rows of a symbol table that are of interest, with their names."""

    table: SymbolTable
    #: objects that others can find, descriptors and variables, by their section
    objects: Mapping[int, Sequence[int]]
    #: descriptors with their rows
    descriptors: Mapping[str, int]
    #: functions that others can find, with their rows
    functions: Mapping[str, int]
    undefined: tuple[str, ...]
    variables: tuple[str, ...]

    def in_table(self, table: SymbolTable) -> Symbols:
        """What a table says of kernels that has the same names."""
        values, sizes = table.values, table.sizes
        return Symbols(
            {name: (values[row], sizes[row]) for name, row in self.descriptors.items()},
            {name: sizes[row] for name, row in self.functions.items()},
        )


@dataclass(frozen=True, slots=True)
class _Kernels:
    """Metadata records held against descriptors, by name; sorted."""

    #: of the symbol table for linkers, and of that for the loader
    found: tuple["_Found | None", "_Found | None"]
    #: name and symbol of each record
    records: Sequence[tuple[str, str]]
    kernels: tuple[str, ...]
    undescribed: tuple[str, ...]
    unlisted: tuple[str, ...]
    twice: tuple[str, ...]
    #: the kernels that the loader finds, by their rows of the loader's table
    launched: Launched
    #: for each of the kernels, its record; of several with its name, the last
    record_of: Sequence[int]
    #: and the row of that record's descriptor in the table for linkers
    described: Sequence[int | None]


@dataclass(frozen=True, slots=True)
class Parsed:
    """A code object with what its kernels take; kernels are in the order of their names."""

    code_object: CodeObject
    elf: Elf
    kernels: Sequence[metadata.Kernel]
    #: address and size of each descriptor, as `.dynsym` has them; None where it has none
    descriptors: Sequence[tuple[int, int] | None]


#: how many different tables are remembered: a bundle may hold two code objects for each
#: target, and each has two tables
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
        self._launcher = Launcher()

    def parse(self, view: View) -> CodeObject:
        """Read a code object; raise FormatError where it is none.

        What is wrong inside of one is told in its `faults`.
        """
        return self._read(view, Detail.LAUNCH).code_object

    def measured(self, view: View) -> Parsed:
        """The same with the resources of the kernels, and not judged: none is `broken`.

        Raises FormatError where the metadata can't be decoded, too.
        """
        found = self._read(view, Detail.RESOURCES)
        if found.metadata.version is None:  # none, or what is wrong is a fault by now
            records = metadata_records(found.elf, self._limits)
            metadata.parse(records, self._limits, Detail.RESOURCES)
        resources, rows = found.metadata.resources, found.named.described
        places: Sequence[tuple[int, int] | None] = ()
        if found.tables.linked is not None:
            values, sizes = found.tables.linked.values, found.tables.linked.sizes
            places = [None if r is None else (values[r], sizes[r]) for r in rows]
        kernels = [resources[record] for record in found.named.record_of]
        return Parsed(found.code_object, found.elf, kernels, places)

    def _read(self, view: View, detail: Detail) -> "_Read":
        elf = open_elf(view, self._limits)
        linked = loading.linked(elf)
        flags = from_e_flags(elf.header.e_flags, elf.abi_version)
        faults = list(elf.faults)
        records: list[View] = []
        meta = metadata.Metadata(None, None, ())
        tables = _Tables()
        broken: tuple[tuple[str, str], ...] = ()
        try:
            if linked:
                faults += loading.faults(elf, self._limits)
            records = metadata_records(elf, self._limits)
            meta = metadata.parse(records, self._limits, detail)
            tables = self._tables(elf)
        except LimitExceeded:
            raise  # not damaged: not judged
        except FormatError as error:
            faults.append(Fault(error.message, error.where))
        named = self._matched(tables, meta.kernels)
        if tables.home is not None and detail is Detail.LAUNCH:
            processor = None if flags.target is None else machine_of(str(flags.target))
            found = self._launcher.broken(elf, processor, tables.home, meta, named.launched)
            broken = tuple(found)
        faults += _symbol_faults(elf, tables)
        if named.twice:
            message = f"kernels listed twice: {', '.join(named.twice)}"
            faults.append(Fault(message, view.where()))
        linker = tables.found
        one = CodeObject(
            flags=flags,
            e_flags=elf.header.e_flags,
            abi_version=elf.abi_version,
            metadata_target=meta.target,
            records=len(records),
            kernels=named.kernels,
            undescribed=named.undescribed,
            broken=broken,
            unlisted=named.unlisted,
            undefined=linker.undefined if linker else (),
            variables=linker.variables if linker else (),
            linked=linked,
            faults=tuple(faults),
        )
        return _Read(one, elf, meta, tables, named)

    def symbols(self, elf: Elf) -> Symbols:
        """What `.dynsym` says of kernels; raises FormatError."""
        table = symbols.dynamic(elf, self._limits)
        return Symbols({}, {}) if table is None else self._names(table).in_table(table)

    def _tables(self, elf: Elf) -> "_Tables":
        dynamic = symbols.dynamic(elf, self._limits)
        if dynamic is None:
            return _Tables()
        found = self._names(dynamic)
        full = symbols.full(elf, self._limits)
        if full is None:
            return _Tables(found, found, dynamic, dynamic, stripped=True)
        return _Tables(found, self._names(full), dynamic, full)

    def _names(self, table: SymbolTable) -> _Found:
        for known in self._found:
            if known.table.has_names_of(table):
                return known
        found = _find(table)
        self._found.append(found)
        return found

    def _matched(
        self, tables: "_Tables", kernels: Sequence[metadata.KernelName]
    ) -> _Kernels:
        records = [*map(_names_of, kernels)]
        found, loaded = tables.found, tables.loaded
        for known in self._kernels:
            same = known.found[0] is found and known.found[1] is loaded
            if same and known.records == records:
                return known
        matched = _match(found, loaded, records)
        self._kernels.append(matched)
        return matched


@dataclass(frozen=True, slots=True)
class _Tables:
    """The symbols of a code object."""

    #: `.dynsym`, by which linkers and comgr go
    found: _Found | None = None
    #: `.symtab`, by which the loader goes
    loaded: _Found | None = None
    #: `.dynsym` itself
    linked: SymbolTable | None = None
    #: the loader's, or the other where there is none
    home: SymbolTable | None = None
    stripped: bool = False


@dataclass(frozen=True, slots=True)
class _Read:
    """A code object, and what it was made of."""

    code_object: CodeObject
    elf: Elf
    metadata: metadata.Metadata
    tables: _Tables
    named: _Kernels


def parse(view: View, limits: Limits = DEFAULT) -> CodeObject:
    """Read one code object: see `Parser`."""
    return Parser(limits).parse(view)


def _match(
    found: _Found | None, loaded: _Found | None, records: Sequence[tuple[str, str]]
) -> _Kernels:
    """A kernel needs a descriptor in both tables, and is launched by the loader's."""
    rows = loaded.descriptors if loaded else {}
    functions = loaded.functions if loaded else {}
    descriptors = frozenset(found.descriptors if found else ()) & rows.keys()
    either = frozenset(found.descriptors if found else ()) | rows.keys()
    # Each name once in memory: code objects for other targets have the same kernels.
    names = [sys.intern(name) for name, _ in records]
    launched = [row for row, (_, symbol) in enumerate(records) if symbol in descriptors]
    kernels = {names[row] for row in launched}
    twice = {name for name, count in Counter(names).items() if count > 1}
    order = tuple(sorted(kernels))
    last = dict(zip(names, range(len(names)), strict=True))
    record_of = [last[name] for name in order]
    linked = found.descriptors if found else {}
    return _Kernels(
        (found, loaded),
        records,
        kernels=order,
        undescribed=tuple(sorted(set(names) - kernels)),
        unlisted=tuple(sorted(either - {symbol for _, symbol in records})),
        twice=tuple(sorted(twice)),
        launched=Launched(
            launched,
            [rows[records[row][1]] for row in launched],
            [functions.get(records[row][0]) for row in launched],
        ),
        record_of=record_of,
        described=[linked.get(records[record][1]) for record in record_of],
    )


def kernels(
    view: View, limits: Limits = DEFAULT, detail: Detail = Detail.RESOURCES
) -> Sequence[metadata.Kernel]:
    """The kernels with their resources, whether they can be launched or not."""
    records = metadata_records(open_elf(view, limits), limits)
    return metadata.parse(records, limits, detail).resources


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
    functions = [
        index for index, info in enumerate(infos) if info in _FUNCTIONS and sections[index]
    ]
    missing = [
        index
        for index, section in enumerate(sections)
        if not section and infos[index] >> 4 == symbols.STB_GLOBAL
    ]
    homes: dict[int, list[int]] = {}
    for index in objects:
        homes.setdefault(sections[index], []).append(index)
    return _Found(
        table,
        homes,
        descriptors,
        dict(zip(table.names(functions), functions, strict=True)),
        tuple(sorted(table.names(missing))),
        tuple(sorted(variables)),
    )


def _symbol_faults(elf: Elf, tables: _Tables) -> Sequence[Fault]:
    if tables.loaded is None or tables.home is None:
        return ()
    faults = tuple(loading.descriptors(elf, tables.home, tables.loaded.descriptors))
    if tables.stripped and tables.loaded.descriptors:
        faults += tuple(loading.symbol_table(elf))
    if not (faults or tables.stripped):
        faults = tuple(loading.misplaced(elf, tables.home, tables.loaded.objects))
    return faults
