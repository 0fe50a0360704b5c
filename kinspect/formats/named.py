"""What the names of a code object come to: its symbols, and which kernels can be found.

Source: LLVM, User Guide for AMDGPU Backend, "Code Object" (Symbols). The symbol table is
hot: a large binary holds a million of its rows.
"""

import sys
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import compress
from operator import attrgetter, not_
from typing import Final

from kinspect.formats import symbols
from kinspect.formats.amdgpu_elf import Elf
from kinspect.formats.launching import Launched
from kinspect.formats.metadata import KernelName
from kinspect.formats.symbols import SymbolTable
from kinspect.limits import Limits


def _chosen(*kinds: int) -> bytes:
    """For each st_info whether others can find such a symbol, and it is of a kind."""
    return bytes(
        info >> 4 != symbols.STB_LOCAL and info & 15 in kinds for info in range(256)
    )


_OBJECTS: Final = _chosen(symbols.STT_OBJECT, symbols.STT_AMDGPU_HSA_KERNEL)
_FUNCTIONS: Final = _chosen(symbols.STT_FUNC)
_names_of: Final = attrgetter("name", "symbol")


@dataclass(frozen=True, slots=True)
class Symbols:
    """The symbols of a code object that say something about its kernels."""

    #: non-local `.kd` symbols, by name: value and size
    descriptors: dict[str, tuple[int, int]]
    #: bytes of the functions that others can find, by name
    code_sizes: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Found:
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
class Kernels:
    """Metadata records held against descriptors, by name; sorted."""

    #: of the symbol table for linkers, and of that for the loader
    found: tuple["Found | None", "Found | None"]
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
class Tables:
    """The symbols of a code object."""

    #: `.dynsym`, by which linkers and comgr go
    found: Found | None = None
    #: `.symtab`, by which the loader goes
    loaded: Found | None = None
    #: `.dynsym` itself
    linked: SymbolTable | None = None
    #: the loader's, or the other where there is none
    home: SymbolTable | None = None
    stripped: bool = False


#: how many different tables are remembered: a bundle may hold two code objects for each
#: target, and each has two tables
KEPT: Final = 4


class Names:
    """Looks at the names of code objects, one object after the other.

    A bundle holds the same kernels for many targets, so what names come to is found once
    for all code objects that have the same ones; comparing them is far cheaper. The names
    themselves are then once in memory, too.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._found: deque[Found] = deque(maxlen=KEPT)
        self._kernels: deque[Kernels] = deque(maxlen=KEPT)

    def symbols(self, elf: Elf) -> Symbols:
        """What `.dynsym` says of kernels; raises FormatError."""
        table = symbols.dynamic(elf, self._limits)
        return Symbols({}, {}) if table is None else self._names(table).in_table(table)

    def tables(self, elf: Elf) -> Tables:
        """The symbol tables of a code object; raises FormatError."""
        dynamic = symbols.dynamic(elf, self._limits)
        if dynamic is None:
            return Tables()
        found = self._names(dynamic)
        full = symbols.full(elf, self._limits)
        if full is None:
            return Tables(found, found, dynamic, dynamic, stripped=True)
        return Tables(found, self._names(full), dynamic, full)

    def _names(self, table: SymbolTable) -> Found:
        for known in self._found:
            if known.table.has_names_of(table):
                return known
        found = _find(table)
        self._found.append(found)
        # What goes by a table that is forgotten is never met again, and holds its names.
        held = [one for one in self._kernels if self._remembers(one)]
        self._kernels = deque(held, KEPT)
        return found

    def _remembers(self, kernels: Kernels) -> bool:
        tables = {id(one) for one in self._found}
        return all(one is None or id(one) in tables for one in kernels.found)

    def matched(self, tables: Tables, kernels: Sequence[KernelName]) -> Kernels:
        """The metadata records, held against the descriptors."""
        records = [*map(_names_of, kernels)]
        found, loaded = tables.found, tables.loaded
        for known in self._kernels:
            same = known.found[0] is found and known.found[1] is loaded
            if same and known.records == records:
                return known
        matched = _match(found, loaded, records)
        self._kernels.append(matched)
        return matched


def _match(
    found: Found | None, loaded: Found | None, records: Sequence[tuple[str, str]]
) -> Kernels:
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
    return Kernels(
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


def _find(table: SymbolTable) -> Found:
    infos, sections = table.infos, table.sections
    rows = range(len(infos))
    objects = [row for row in compress(rows, infos.translate(_OBJECTS)) if sections[row]]
    descriptors: dict[str, int] = {}
    variables = []
    for index, name in zip(objects, table.names(objects), strict=True):
        if name.endswith(".kd"):
            descriptors[name] = index
        elif not name.startswith("__hip_cuid_"):
            variables.append(name)
    functions = [
        row for row in compress(rows, infos.translate(_FUNCTIONS)) if sections[row]
    ]
    missing = [
        row
        for row in compress(rows, map(not_, sections))
        if infos[row] >> 4 == symbols.STB_GLOBAL
    ]
    homes: dict[int, list[int]] = {}
    for row in objects:
        homes.setdefault(sections[row], []).append(row)
    return Found(
        table,
        homes,
        descriptors,
        dict(zip(table.names(functions), functions, strict=True)),
        tuple(sorted(table.names(missing))),
        tuple(sorted(variables)),
    )
