"""What a host registers, by the table of the new driver's linker wrapper.

It is the exact set, stripped or not. Source: llvm/Frontend/Offloading/Utility.h
(`EntryTy`, `OffloadEntryKindFlag`) and, for the layout of LLVM 19, its version of the
same file; clang/lib/CodeGen/CGCUDANV.cpp.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

from kinspect.hosts.elf_image import Image, Section
from kinspect.hosts.elf_relocations import resolve
from kinspect.limits import Limits
from kinspect.model import Registration, Unreadable
from kinspect.view import U16, U32, U64, wire


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


#: in `flags`: which kind of variable
KIND: Final = 7
MANAGED: Final = 1

#: values of `kind` that mean HIP: a number in LLVM 20, a bit in newer ones
HIP: Final = frozenset({3, 4})

#: section → layout, and where in it the pointer to the name lies
TABLES: Final = {
    "hip_offloading_entries": (EntryV19, 8),
    "llvm_offload_entries": (Entry, 24),
}


def offloading_entries(image: Image, limits: Limits) -> Registration | None:
    """The registered kernels and variables, if the new driver left its table."""
    tables = [s for s in image.sections if s.name in TABLES and s.in_file]
    if not tables:
        return None
    kernels: set[str] = set()
    variables: set[str] = set()
    managed: set[str] = set()
    for table in tables:
        for name, entry in _entries(image, table, limits):
            (variables if entry.size else kernels).add(name)
            if entry.size and entry.flags & KIND == MANAGED:
                managed.add(name)
    return Registration(
        tuple(sorted(kernels)), tuple(sorted(variables)), tuple(sorted(managed)), exact=True
    )


def _entries(
    image: Image, table: Section, limits: Limits
) -> Iterator[tuple[str, EntryV19 | Entry]]:
    layout: type[EntryV19 | Entry]
    layout, name_at = TABLES[table.name]
    stride = wire(layout).size
    count = table.size // stride
    limits.check("symbols", count, image.view.where(table.offset))
    starts = [table.offset + index * stride for index in range(count)]
    names = resolve(image, [start + name_at for start in starts], limits)
    for start in starts:
        entry = image.view.read(layout, start)
        if isinstance(entry, Entry) and entry.kind not in HIP:  # OpenMP shares the section
            continue
        pointer = names.get(start + name_at)
        if pointer is not None and pointer.offset is not None:
            yield image.view.string(pointer.offset, limits.entry_id * 16), entry
        elif pointer is not None or any(entry):  # else padding
            why = pointer.problem if pointer is not None else "nothing sets its pointer"
            message = f"an entry of {table.name} without a name: {why}"
            image.unreadable.append(Unreadable(message, image.view.where(start)))
