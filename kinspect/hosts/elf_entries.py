"""What a host registers, by its data: offloading entries, and names in read-only data.

The new driver's linker wrapper leaves a table of entries: the exact set, stripped or
not. The old driver registers by code, which hands over names; these stay as text in the
read-only data. Source: llvm/Frontend/Offloading/Utility.h (`EntryTy`) and, for the
layout of LLVM 19, its version of the same file; clang/lib/CodeGen/CGCUDANV.cpp.
"""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from kinspect.hosts.elf_image import Image, Section
from kinspect.hosts.elf_relocations import resolve
from kinspect.limits import Limits
from kinspect.model import Registration
from kinspect.view import U16, U32, U64, View, bytes_of, decode, wire


class EntryV19(NamedTuple):
    address: U64
    name: U64
    size: U64
    flags: U32
    data: U32


class Entry(NamedTuple):
    reserved: U64
    version: U16
    kind: U16
    flags: U32
    address: U64
    name: U64
    size: U64
    data: U64
    aux: U64


#: section → layout, and where in it the pointer to the name lies
TABLES: Final = {
    "hip_offloading_entries": (EntryV19, 8),
    "llvm_offload_entries": (Entry, 24),
}

#: an Itanium-mangled name among NUL-terminated text
MANGLED: Final = re.compile(rb"\0(_Z[0-9A-Za-z_.$]{2,})(?=\0)")
_FIRST: Final = re.compile(rb"_Z[0-9A-Za-z_.$]{2,}(?=\0)")


def offloading_entries(image: Image, limits: Limits) -> Registration | None:
    """The registered kernels and variables, if the new driver left its table."""
    tables = [s for s in image.sections if s.name in TABLES and s.in_file]
    if not tables:
        return None
    kernels: set[str] = set()
    variables: set[str] = set()
    for table in tables:
        for name, size in _entries(image, table, limits):
            (variables if size else kernels).add(name)
    return Registration(
        tuple(sorted(set(kernels))), tuple(sorted(set(variables))), exact=True
    )


def _entries(image: Image, table: Section, limits: Limits) -> Iterator[tuple[str, int]]:
    layout: type[EntryV19 | Entry]
    layout, name_at = TABLES[table.name]
    stride = wire(layout).size
    count = table.size // stride
    limits.check("symbols", count, image.view.where(table.offset))
    starts = [table.offset + index * stride for index in range(count)]
    names = resolve(image, [start + name_at for start in starts], limits)
    for start in starts:
        pointer = names.get(start + name_at)
        if pointer is not None and pointer.offset is not None:
            size = image.view.read(layout, start).size
            yield image.view.string(pointer.offset, limits.entry_id * 16), size


def registered_names(data: tuple[View, ...]) -> frozenset[str]:
    """Mangled names that stand as text in read-only data."""
    return frozenset(name for view in data for name in _names(view))


def _names(view: View) -> Iterator[str]:
    step = 1 << 20
    overlap = 1 << 14  # longer than any name that a compiler makes
    for start in range(0, len(view), step):
        chunk = bytes_of(view.bytes(start, min(step + overlap, len(view) - start)))
        if not start and (first := _FIRST.match(chunk)):
            yield decode(first[0])  # no NUL before the first text of a section
        for match in MANGLED.finditer(chunk):
            yield decode(match[1])
