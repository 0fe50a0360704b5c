"""Device bitcode: the LLVM IR that an RDC object keeps for its link.

Source: LLVM Bitcode File Format, "Module Block", "Attribute Group Block", "String
Table Block"; BitcodeReader.cpp (module version 2, since LLVM 5). Names come from the
module's own records, which every version has; the symbol table block that linkers use
is derived from them.
"""

from typing import Final, NoReturn

from kinspect.errors import FormatError
from kinspect.formats import bitstream
from kinspect.formats.bitstream import Block, End, Record
from kinspect.limits import DEFAULT, Limits
from kinspect.model import Bitcode
from kinspect.view import View, decode

MODULE: Final = 8
ATTRIBUTE_GROUPS: Final = 10
IDENTIFICATION: Final = 13
STRTAB: Final = 23
WANTED: Final = frozenset({MODULE, ATTRIBUTE_GROUPS, IDENTIFICATION, STRTAB})

IDENTIFICATION_STRING: Final = 1
VERSION: Final = 1
TRIPLE: Final = 2
GLOBAL_VARIABLE: Final = 7
FUNCTION: Final = 8
GROUP: Final = 3
STRTAB_BLOB: Final = 1

#: linkages (BitcodeReader.cpp, getDecodedLinkage): what is no symbol for others, and
#: what is there for the optimizer only
LOCAL: Final = frozenset({3, 9, 13, 14})
AVAILABLE_EXTERNALLY: Final = 12
EXTERN_WEAK: Final = 7
#: calling convention `amdgpu_kernel`
AMDGPU_KERNEL: Final = 91

_TARGET_CPU: Final = (4, *b"target-cpu", 0)


def parse(view: View, limits: Limits = DEFAULT) -> Bitcode:
    """Read device bitcode, raw or wrapped; raise FormatError."""
    found = _Collector(view)
    inside: list[int] = []
    for part in bitstream.read(view, WANTED, limits):
        if isinstance(part, Block):
            inside.append(part.id)
            found.modules += inside == [MODULE]
        elif isinstance(part, End):
            inside.pop()
        else:
            found.take(part, tuple(inside))
    return found.result()


class _Collector:
    """What the records of a file say, put together."""

    def __init__(self, view: View) -> None:
        self.view = view
        self.modules = 0
        self.producer = ""
        self.triple = ""
        self.processors: set[str] = set()
        self.functions: set[str] = set()
        self.kernels: set[str] = set()
        self.variables: set[str] = set()
        self.undefined: set[str] = set()
        #: records of modules whose string table is still to come
        self.globals: list[Record] = []

    def take(self, record: Record, inside: tuple[int, ...]) -> None:
        if inside == (IDENTIFICATION,) and record.code == IDENTIFICATION_STRING:
            self.producer = _text(record.values)
        elif inside == (MODULE,):
            self.take_module(record)
        elif inside == (MODULE, ATTRIBUTE_GROUPS) and record.code == GROUP:
            self.processors |= _processors(record.values)
        elif inside == (STRTAB,) and record.code == STRTAB_BLOB:
            for one in self.globals:
                self.add(one, record.blob)
            self.globals = []

    def take_module(self, record: Record) -> None:
        if record.code == VERSION and record.values[:1] != (2,):
            self.fail(f"module version {record.values[:1]}, expected 2 (LLVM 5)")
        elif record.code == TRIPLE:
            triple = _text(record.values)
            if self.triple not in {"", triple}:
                self.fail(f"modules for {self.triple} and {triple} in one file")
            self.triple = triple
        elif record.code in {FUNCTION, GLOBAL_VARIABLE}:
            self.globals.append(record)

    def add(self, record: Record, strings: bytes) -> None:
        """A global with its name.

        FUNCTION: [name, size, type, cc, isproto, linkage, …]; GLOBALVAR: [name, size,
        type, isconst, initid, linkage, …].
        """
        if len(record.values) < 6:
            self.fail(f"a global of {len(record.values)} fields, expected 6 or more")
        start, size, _, third, fourth, linkage = record.values[:6]
        if start + size > len(strings):
            self.fail(f"a name at {start:#x} of {len(strings):#x} bytes of strings")
        name = decode(strings[start : start + size])
        if linkage in LOCAL or name.startswith("llvm."):
            return
        function = record.code == FUNCTION
        # a function is told to be a prototype; a variable has an initializer, or 0
        declared = bool(fourth) if function else not fourth
        if declared or linkage == AVAILABLE_EXTERNALLY:
            if linkage != EXTERN_WEAK:
                self.undefined.add(name)
        elif function:
            self.functions.add(name)
            if third == AMDGPU_KERNEL:
                self.kernels.add(name)
        else:
            self.variables.add(name)

    def result(self) -> Bitcode:
        if not self.modules:
            self.fail("no module in it")
        if self.globals:
            self.fail("no string table for its symbols")
        return Bitcode(
            producer=self.producer,
            triple=self.triple,
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
