"""Device stubs, handles and shadows: what a host registers, by its own symbols.

For each kernel, clang emits a host function whose name carries `__device_stub__`; it is
what `hipLaunchKernel` is called from. Both symbol tables may hold it: `.dynsym` where
the kernel is visible, `.symtab` where the file was not stripped. An object goes by the
name of the kernel itself, its handle, and by that of a device variable, its shadow.
Source: clang/lib/CodeGen/CGCUDANV.cpp, `getKernelHandle` and `handleVarRegistration`.
"""

import re
from array import array
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from functools import cached_property
from typing import Final, NamedTuple

from kinspect.hosts.elf_image import DT_STRSZ, DT_STRTAB, DT_SYMTAB, Image
from kinspect.limits import Limits
from kinspect.names import plain_kernel
from kinspect.view import U32, View, bytes_of, column, decode, wire

STUB: Final = b"__device_stub__"
MANAGED: Final = b".managed"
SYMBOL_SIZE: Final = 24
STT_OBJECT: Final = 1
#: of virtual tables, type information and guards, which most objects are: no function's
#: name begins so (Itanium C++ ABI, "Special names")
SPECIAL: Final = (b"_ZT", b"_ZG")
#: each st_info of an object
OBJECTS: Final = re.compile(
    b"[%s]" % b"".join(b"\\x%02x" % info for info in range(STT_OBJECT, 256, 16))
)
DT_HASH: Final = 4
DT_GNU_HASH: Final = 0x6FFFFEF5


class HashTable(NamedTuple):
    """System V ABI, "Hash Table": as many chains as there are symbols."""

    buckets: U32
    chains: U32


class GnuHash(NamedTuple):
    """The head of a DT_GNU_HASH table (binutils, `elflink.c`)."""

    buckets: U32
    #: the number of the first symbol that is in it
    first: U32
    bloom_size: U32
    bloom_shift: U32


class Chain(NamedTuple):
    """A hash; its lowest bit ends a chain."""

    hash: U32


class Symbols:
    """What the symbol tables of a file define; each is read once, when it is asked for."""

    def __init__(self, image: Image, limits: Limits) -> None:
        self._image = image
        self._limits = limits

    @cached_property
    def _tables(self) -> "list[_Table]":
        return list(_tables(self._image, self._limits))

    def device_stubs(self) -> frozenset[str]:
        """The names of the stubs that the file defines, as they are mangled."""
        return frozenset(name for table in self._tables for name in _defined(table, STUB))

    def objects(self, names: AbstractSet[str]) -> frozenset[str]:
        """Those of the names that an object of the file goes by, as they were given.

        A static kernel is registered by its name with a hash, and goes without on the
        host.
        """
        plain = {
            plain_kernel(name).encode("utf-8", "surrogateescape"): name for name in names
        }
        found = (name for table in self._tables for name in _objects(table))
        return frozenset(plain[name] for name in found if name in plain)

    def managed(self) -> frozenset[str]:
        """The managed variables: an object `x.managed` holds the first value of `x`."""
        found = (
            name.removesuffix(MANAGED.decode())
            for table in self._tables
            for name in _defined(table, MANAGED + b"\0")
            if name.endswith(MANAGED.decode())
        )
        return frozenset(found)


class _Table(NamedTuple):
    """A symbol table as columns, and its names."""

    strings: View
    #: st_name
    names: "array[int]"
    #: st_info
    infos: bytes
    #: st_shndx
    sections: "array[int]"


def _tables(image: Image, limits: Limits) -> Iterator[_Table]:
    """Both symbol tables; without section headers, the one that the loader uses."""
    if not image.sections:
        yield from _dynamic(image, limits)
    for table in image.sections:
        if table.type in {"SHT_SYMTAB", "SHT_DYNSYM"} and table.link in range(
            1, len(image.sections)
        ):
            home = image.sections[table.link]
            strings = image.view.slice(home.offset, home.size, home.name)
            symbols = image.view.slice(table.offset, table.size, table.name)
            yield _read(symbols, strings, limits)


def _dynamic(image: Image, limits: Limits) -> Iterator[_Table]:
    """The dynamic symbol table, by its tags: its hash table tells how long it is."""
    tags = image.dynamic
    if not {DT_SYMTAB, DT_STRTAB, DT_STRSZ} <= tags.keys():
        return
    count = 0
    if DT_HASH in tags:
        count = image.at(tags[DT_HASH], wire(HashTable).size).read(HashTable, 0).chains
    elif DT_GNU_HASH in tags:
        count = _gnu_count(image, tags[DT_GNU_HASH], limits)
    limits.check("symbols", count, image.view.where())
    symbols = image.at(tags[DT_SYMTAB], count * SYMBOL_SIZE)
    yield _read(symbols, image.at(tags[DT_STRTAB], tags[DT_STRSZ]), limits)


def _gnu_count(image: Image, address: int, limits: Limits) -> int:
    """One more than the highest symbol of a GNU hash table: the end of its last chain."""
    header = image.at(address, wire(GnuHash).size).read(GnuHash, 0)
    limits.check("symbols", header.buckets, image.view.where())
    buckets = address + wire(GnuHash).size + 8 * header.bloom_size
    last = max(column(image.at(buckets, 4 * header.buckets).bytes(), "I"), default=0)
    if last < header.first:
        return header.first
    chains = buckets + 4 * header.buckets
    while not image.at(chains + 4 * (last - header.first), 4).read(Chain, 0).hash & 1:
        last += 1
        limits.check("symbols", last, image.view.where())
    return last + 1


def _read(symbols: View, strings: View, limits: Limits) -> _Table:
    count = len(symbols) // SYMBOL_SIZE
    limits.check("symbols", count, symbols.where())
    data = bytes(symbols.bytes(0, count * SYMBOL_SIZE))
    return _Table(
        strings, column(data, "I")[0::6], data[4::SYMBOL_SIZE], column(data, "H")[3::12]
    )


def _defined(table: _Table, part: bytes) -> Iterator[str]:
    """Names with a part in them, of symbols that the file defines."""
    # A large host has a hundred megabytes of names and a few thousand of these: find
    # them in the names first, and then the symbols that use them.
    names = dict(_names(table.strings, part))
    if names:
        for index, start in enumerate(table.names):
            if start in names and table.sections[index]:
                yield names[start]


def _objects(table: _Table) -> Iterator[bytes]:
    """The mangled names of defined objects that a kernel may have."""
    text = bytes_of(table.strings.bytes())
    find, mangled = text.find, text.startswith
    names, sections = table.names, table.sections
    for match in OBJECTS.finditer(table.infos):
        index = match.start()
        start = names[index]
        if sections[index] and mangled(b"_Z", start) and not mangled(SPECIAL, start):
            end = find(b"\0", start)
            yield bytes(text[start : end if end >= 0 else None])


#: bytes of a string table that are searched at once, and how long a name may be before
#: and behind what is searched for: both in the same piece of it
_STEP: Final = 1 << 20
_BEFORE: Final = 1 << 14
_BEHIND: Final = 1 << 16


def _names(strings: View, part: bytes) -> Iterator[tuple[int, str]]:
    """Every name with a part in it, by its offset."""
    for start in range(0, len(strings), _STEP):
        low = max(start - _BEFORE, 0)
        text = bytes_of(
            strings.bytes(low, min(start + _STEP + _BEHIND, len(strings)) - low)
        )
        # what begins behind the step belongs to the next one
        stop = start - low + _STEP + len(part) - 1
        hit = text.find(part, start - low, stop)
        while hit >= 0:
            before = max(hit - _BEFORE, 0)
            begin = max(text.rfind(b"\0", before, hit) + 1, before)
            yield low + begin, decode(text[begin : begin + _BEHIND].split(b"\0", 1)[0])
            hit = text.find(part, hit + 1, stop)
