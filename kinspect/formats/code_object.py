"""AMDGPU code objects: what can be launched from one.

Source: LLVM, User Guide for AMDGPU Backend, "Code Object" (Symbols, Kernel Descriptor).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from kinspect.errors import FormatError, LimitExceeded
from kinspect.formats import loading, metadata
from kinspect.formats.amdgpu_elf import Elf, metadata_records, open_elf
from kinspect.formats.launching import Launcher
from kinspect.formats.metadata import Detail
from kinspect.formats.named import Kernels, Names, Symbols, Tables
from kinspect.limits import DEFAULT, Limits
from kinspect.machine import machine_of
from kinspect.model import CodeObject, Fault
from kinspect.target import from_e_flags
from kinspect.view import View


@dataclass(frozen=True, slots=True)
class Parsed:
    """A code object with what its kernels take; kernels are in the order of their names."""

    code_object: CodeObject
    elf: Elf
    kernels: Sequence[metadata.Kernel]
    #: address and size of each descriptor, as `.dynsym` has them; None where it has none
    descriptors: Sequence[tuple[int, int] | None]


class Parser:
    """Reads code objects, one after the other.

    What kernels of several objects have in common is found once: see `Names`, `Launcher`.
    """

    def __init__(self, limits: Limits = DEFAULT) -> None:
        self._limits = limits
        self._names = Names(limits)
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
        tables = Tables()
        broken: tuple[tuple[str, str], ...] = ()
        try:
            if linked:
                faults += loading.faults(elf, self._limits)
            records = metadata_records(elf, self._limits)
            meta = metadata.parse(records, self._limits, detail)
            tables = self._names.tables(elf)
        except LimitExceeded:
            raise  # not damaged: not judged
        except FormatError as error:
            faults.append(Fault(error.message, error.where))
        named = self._names.matched(tables, meta.kernels)
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
        return self._names.symbols(elf)


@dataclass(frozen=True, slots=True)
class _Read:
    """A code object, and what it was made of."""

    code_object: CodeObject
    elf: Elf
    metadata: metadata.Metadata
    tables: Tables
    named: Kernels


def parse(view: View, limits: Limits = DEFAULT) -> CodeObject:
    """Read one code object: see `Parser`."""
    return Parser(limits).parse(view)


def kernels(
    view: View, limits: Limits = DEFAULT, detail: Detail = Detail.RESOURCES
) -> Sequence[metadata.Kernel]:
    """The kernels with their resources, whether they can be launched or not."""
    records = metadata_records(open_elf(view, limits), limits)
    return metadata.parse(records, limits, detail).resources


def _symbol_faults(elf: Elf, tables: Tables) -> Sequence[Fault]:
    if tables.loaded is None or tables.home is None:
        return ()
    faults = tuple(loading.descriptors(elf, tables.home, tables.loaded.descriptors))
    if tables.stripped and tables.loaded.descriptors:
        faults += tuple(loading.symbol_table(elf))
    if not (faults or tables.stripped):
        faults = tuple(loading.misplaced(elf, tables.home, tables.loaded.objects))
    return faults
