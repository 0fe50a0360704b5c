"""AMDGPU code objects: what can be launched from one.

Source: LLVM, User Guide for AMDGPU Backend, "Code Object" (Symbols, Kernel
Descriptor). The symbol table is hot: a large binary holds a million of its rows.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from kinspect.errors import FormatError, LimitExceeded
from kinspect.formats import metadata, symbols
from kinspect.formats.amdgpu_elf import PT_LOAD, Elf, metadata_records, open_elf
from kinspect.formats.metadata import Detail
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


def parse(view: View, limits: Limits = DEFAULT) -> CodeObject:
    """Read a code object; raise FormatError where it is none.

    What is wrong inside of one is told in its `faults`.
    """
    elf = open_elf(view, limits)
    faults = list(elf.faults)
    records: list[View] = []
    meta = metadata.Metadata(None, None, ())
    found = Symbols({})
    try:
        records = metadata_records(elf, limits)
        meta = metadata.parse(records, limits)
        found = read_symbols(elf, limits)
    except LimitExceeded:
        raise  # not damaged: not judged
    except FormatError as error:
        faults.append(Fault(error.message, error.where))
    # Each name once in memory: code objects for other targets have the same kernels.
    names = [sys.intern(kernel.name) for kernel in meta.kernels]
    kernels = {
        name
        for name, kernel in zip(names, meta.kernels, strict=True)
        if kernel.symbol in found.descriptors
    }
    faults += _descriptor_faults(elf, found.descriptors)
    if len(set(names)) != len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        faults.append(Fault(f"kernels listed twice: {', '.join(twice)}", view.where()))
    return CodeObject(
        flags=from_e_flags(elf.header.e_flags, elf.abi_version),
        e_flags=elf.header.e_flags,
        abi_version=elf.abi_version,
        metadata_target=meta.target,
        records=len(records),
        kernels=tuple(sorted(kernels)),
        undescribed=tuple(sorted(set(names) - kernels)),
        unlisted=tuple(sorted(found.descriptors.keys() - {k.symbol for k in meta.kernels})),
        undefined=found.undefined,
        variables=found.variables,
        faults=tuple(faults),
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
    infos, sections, values, sizes = table.infos, table.sections, table.values, table.sizes
    objects = [
        index for index, info in enumerate(infos) if info in _OBJECTS and sections[index]
    ]
    descriptors = {}
    variables = []
    for index, name in zip(objects, table.names(objects), strict=True):
        if name.endswith(".kd"):
            descriptors[name] = values[index], sizes[index]
        elif not name.startswith("__hip_cuid_"):
            variables.append(name)
    missing = [
        index
        for index, section in enumerate(sections)
        if not section and infos[index] >> 4 == symbols.STB_GLOBAL
    ]
    undefined = sorted(table.names(missing))
    return Symbols(descriptors, tuple(undefined), tuple(sorted(variables)))


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
