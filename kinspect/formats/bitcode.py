"""Device bitcode: the LLVM IR that an RDC object keeps for its link.

Source: LLVM Bitcode File Format, "Module Block", "Type Block", "Attribute Group Block",
"String Table Block"; BitcodeReader.cpp (module version 2, since LLVM 5). Names come from
the module's own records, which every version has; the symbol table block that linkers
use is derived from them. Symbols of assembly at the level of a module are not seen.
"""

from dataclasses import replace
from typing import Final, NamedTuple, NoReturn

from kinspect.errors import FormatError
from kinspect.formats import bitstream
from kinspect.formats.bitstream import Block, End, Record
from kinspect.limits import DEFAULT, Limits
from kinspect.model import Bitcode, Unreadable
from kinspect.view import View, decode

MODULE: Final = 8
ATTRIBUTE_GROUPS: Final = 10
IDENTIFICATION: Final = 13
TYPES: Final = 17
STRTAB: Final = 23
WANTED: Final = frozenset({MODULE, ATTRIBUTE_GROUPS, IDENTIFICATION, TYPES, STRTAB})

IDENTIFICATION_STRING: Final = 1
VERSION: Final = 1
TRIPLE: Final = 2
SECTION_NAME: Final = 5
GLOBAL_VARIABLE: Final = 7
FUNCTION: Final = 8
ALIAS: Final = 14
IFUNC: Final = 18
SOURCE_FILENAME: Final = 16
GLOBALS: Final = frozenset({GLOBAL_VARIABLE, FUNCTION, ALIAS, IFUNC})
GROUP: Final = 3
STRTAB_BLOB: Final = 1
#: records of the type block that make no type: NUMENTRY, STRUCT_NAME
NO_TYPE: Final = frozenset({1, 19})
FUNCTION_TYPE: Final = 21

#: linkages (BitcodeReader.cpp, getDecodedLinkage): what is no symbol for others, and
#: what is there for the optimizer only
LOCAL: Final = frozenset({3, 9, 13, 14})
AVAILABLE_EXTERNALLY: Final = 12
EXTERN_WEAK: Final = 7
#: calling conventions `spir_kernel` and `amdgpu_kernel`
KERNELS: Final = frozenset({76, 91})
#: of variables that are notes to the compiler, and no symbols
METADATA_SECTION: Final = "llvm.metadata"

_TARGET_CPU: Final = (4, *b"target-cpu", 0)


def parse(view: View, limits: Limits = DEFAULT) -> Bitcode:
    """Read device bitcode, raw or wrapped; raise FormatError."""
    found = _Collector(view)
    inside: list[int] = []
    for part in bitstream.read(view, WANTED, limits):
        if isinstance(part, Block):
            inside.append(part.id)
            if inside == [MODULE]:
                found.begin_module()
        elif isinstance(part, End):
            inside.pop()
        else:
            found.take(part, tuple(inside))
    return found.result()


def read(view: View, limits: Limits = DEFAULT) -> Bitcode | Unreadable:
    """The same, with what can't be read in its place."""
    try:
        return parse(view, limits)
    except FormatError as error:
        return replace(Unreadable.of(error, view.where()), bitcode=True)


class _Global(NamedTuple):
    """A function, variable, alias or ifunc whose name is still to come."""

    #: where its name lies in the string table
    start: int
    size: int
    linkage: int
    declared: bool = False
    #: a function, and no variable
    function: bool = False
    kernel: bool = False


class _Collector:
    """What the records of a file say, put together."""

    def __init__(self, view: View) -> None:
        self.view = view
        self.modules = 0
        self.producer = ""
        self.triple = ""
        self.source = ""
        self.processors: set[str] = set()
        self.functions: set[str] = set()
        self.kernels: set[str] = set()
        self.variables: set[str] = set()
        self.undefined: set[str] = set()
        #: of modules whose string table is still to come
        self.globals: list[_Global] = []
        #: of the module that is read: codes of its types, names of its sections
        self.types: list[int] = []
        self.sections: list[str] = []
        #: of modules that keep names in a way that is not read
        self.unknown: tuple[int, ...] | None = None

    def begin_module(self) -> None:
        self.modules += 1
        self.types = []
        self.sections = []

    def take(self, record: Record, inside: tuple[int, ...]) -> None:
        if inside == (IDENTIFICATION,) and record.code == IDENTIFICATION_STRING:
            self.producer = _text(record.values)
        elif inside == (MODULE,):
            self.take_module(record)
        elif inside == (MODULE, TYPES) and record.code not in NO_TYPE:
            self.types.append(record.code)
        elif inside == (MODULE, ATTRIBUTE_GROUPS) and record.code == GROUP:
            self.processors |= _processors(record.values)
        elif inside == (STRTAB,) and record.code == STRTAB_BLOB:
            for one in self.globals:
                self.add(one, record.blob)
            self.globals = []

    def take_module(self, record: Record) -> None:
        if record.code in GLOBALS:
            one = None if self.unknown is not None else self.read_global(record)
            if one is not None:
                self.globals.append(one)
        elif record.code == VERSION and record.values[:1] != (2,):
            self.unknown = record.values[:1]
        elif record.code == TRIPLE:
            triple = _text(record.values)
            if self.triple not in {"", triple}:
                self.fail(f"modules for {self.triple} and {triple} in one file")
            self.triple = triple
        elif record.code == SECTION_NAME:
            self.sections.append(_text(record.values))
        elif record.code == SOURCE_FILENAME:
            self.source = self.source or _text(record.values)

    def read_global(self, record: Record) -> _Global | None:
        """A global that others may see, else None.

        Its fields are [name, size, type, …, linkage, …]. FUNCTION: cc and isproto stand
        before the linkage; GLOBALVAR: isconst and initid before, alignment and section
        behind; ALIAS and IFUNC: an address space, then what they stand for.
        """
        if len(record.values) < 6:
            self.fail(f"a global of {len(record.values)} fields, expected 6 or more")
        start, size, kind, third, fourth, linkage = record.values[:6]
        if linkage in LOCAL:
            return None
        if record.code == FUNCTION:
            kernel = third in KERNELS
            declared = bool(fourth)
            return _Global(start, size, linkage, declared, function=True, kernel=kernel)
        if record.code == GLOBAL_VARIABLE:
            section = record.values[7] if len(record.values) > 7 else 0
            if self.section(section) == METADATA_SECTION:
                return None
            # the initializer's number, from 1
            return _Global(start, size, linkage, declared=not fourth)
        if kind >= len(self.types):
            self.fail(f"an alias of type {kind}, of {len(self.types)}")
        function = record.code == IFUNC or self.types[kind] == FUNCTION_TYPE
        return _Global(start, size, linkage, function=function)

    def section(self, number: int) -> str:
        """The name of a section, counted from 1; empty for none."""
        if number > len(self.sections):
            self.fail(f"section {number}, of {len(self.sections)}")
        return self.sections[number - 1] if number else ""

    def add(self, one: _Global, strings: bytes) -> None:
        """File a global under its name."""
        if one.start + one.size > len(strings):
            self.fail(f"a name at {one.start:#x} of {len(strings):#x} bytes of strings")
        name = decode(strings[one.start : one.start + one.size])
        if name.startswith("llvm."):
            return
        if one.declared or one.linkage == AVAILABLE_EXTERNALLY:
            if one.linkage != EXTERN_WEAK:
                self.undefined.add(name)
        elif one.function:
            self.functions.add(name)
            if one.kernel:
                self.kernels.add(name)
        else:
            self.variables.add(name)

    def result(self) -> Bitcode:
        if not self.modules:
            self.fail("no module in it")
        if self.globals:
            self.fail("no string table for its symbols")
        found = self.found()
        # Of other machines' it is enough to know that: CUDA's libdevice.10.bc, which is
        # in every wheel of Triton, was written by an LLVM 3.8.
        if self.unknown is not None and (found.device or not found.triple):
            self.fail(f"module version {self.unknown}, expected 2 (LLVM 5)")
        return found

    def found(self) -> Bitcode:
        return Bitcode(
            producer=self.producer,
            triple=self.triple,
            source=self.source,
            processors=tuple(sorted(self.processors)),
            functions=tuple(sorted(self.functions)),
            kernels=tuple(sorted(self.kernels)),
            variables=tuple(sorted(self.variables)),
            undefined=tuple(sorted(self.undefined - self.functions - self.variables)),
        )

    def fail(self, message: str) -> NoReturn:
        raise FormatError("bitcode: " + message, self.view.where())


def _processors(values: tuple[int, ...]) -> set[str]:
    """The `target-cpu` of an attribute group: [4, key…, 0, value…, 0] among others."""
    found = set()
    length = len(_TARGET_CPU)
    for at, value in enumerate(values):
        if value == _TARGET_CPU[0] and values[at : at + length] == _TARGET_CPU:
            rest = values[at + length :]
            if 0 in rest:
                found.add(_text(rest[: rest.index(0)]))
    return found


def _text(values: tuple[int, ...]) -> str:
    return decode(bytes(value & 0xFF for value in values))
