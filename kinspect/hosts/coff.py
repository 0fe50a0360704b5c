"""COFF hosts: DLLs and executables of Windows (PE), and their objects.

Source: Microsoft, "PE Format"; for the sections, clang/lib/CodeGen/CGCUDANV.cpp and
rocm-kpack coff/kpack_transform.py. An image truncates section names to eight bytes:
`.hip_fatbin` is `.hip_fat` there, `.hipFatBinSegment` `.hipFatB`.
"""

from collections.abc import Iterator
from typing import Final

from kinspect.errors import FormatError
from kinspect.hosts import coff_wrappers
from kinspect.hosts.coff_image import LONGEST_NAME, Coff, is_coff, read
from kinspect.hosts.coff_records import (
    DELAY_IMPORT_DESCRIPTOR,
    IMPORT_TABLE,
    DelayImport,
    ImportDirectory,
    size_of,
)
from kinspect.hosts.coff_wrappers import FATBIN, UNDEFINED, WRAPPERS
from kinspect.hosts.host import BUNDLE, Host, Registered, Wrapper, device_entry
from kinspect.hosts.registered import registered_names
from kinspect.limits import DEFAULT, Limits
from kinspect.model import Linkage, Registration
from kinspect.target import EntryID
from kinspect.view import R, View

__all__ = ["is_coff", "parse"]

KPACK_REFERENCE: Final = frozenset({".rocm_kpack_ref", ".kpackrf"})
#: RDC alone makes it (CGCUDANV.cpp: all units share one handle in a section of its own)
RDC_HANDLE: Final = frozenset({".hip_gpubin_handle", ".hip_gpu"})
OFFLOADING: Final = ".llvm.offloading"
#: unwinding tables hold no data of the program
NO_DATA: Final = frozenset({".pdata", ".xdata"})


def parse(view: View, limits: Limits = DEFAULT, *, registration: bool = True) -> Host:
    """Read a PE image or a COFF object.

    Raise FormatError where its headers can't be read; tables that can't be read are
    told in `unreadable`. Without `registration`, what the host registers is left to
    `Host.registered`.
    """
    coff = read(view, limits)
    wrappers = tuple(coff_wrappers.read(coff, limits))
    data = tuple(_data(coff))
    host = Host(
        format=coff.format,
        wrappers=wrappers,
        fatbins=tuple(
            section.data
            for section in coff.sections
            if section.data and section.base_name in FATBIN
        ),
        hollow=next(
            (
                section.where
                for section in coff.sections
                if section.base_name in FATBIN and section.data is None
            ),
            None,
        ),
        reference=next(
            (
                section.data
                for section in coff.sections
                if section.base_name in KPACK_REFERENCE
            ),
            None,
        ),
        offloading=tuple(
            section.data
            for section in coff.sections
            if section.data and section.name.startswith(OFFLOADING)
        ),
        bitcode=tuple(_bitcode(coff)),
        data=data,
        linkage=_linkage(coff, wrappers),
        needed=tuple(_needed(coff, limits)),
        relocatable=coff.relocatable,
        unreadable=tuple(coff.unreadable),
        register=(lambda: _registered(data)) if wrappers else None,
    )
    return host.registered() if registration else host


def _registered(data: tuple[View, ...]) -> Registered:
    return Registered(Registration(tuple(sorted(registered_names(data)))))


def _bitcode(coff: Coff) -> Iterator[tuple[EntryID, View]]:
    """Find the device code of an RDC object, which its link will compile."""
    for section in coff.sections:
        entry = device_entry(section.name)
        if entry is not None:
            yield entry, section.data or coff.view.slice(0, 0, section.name)


def _data(coff: Coff) -> Iterator[View]:
    """Find where a program may keep files that it embeds: initialised, no code."""
    others = FATBIN | WRAPPERS | KPACK_REFERENCE | RDC_HANDLE | NO_DATA
    for section in coff.sections:
        known = section.base_name in others or section.name.startswith((OFFLOADING, BUNDLE))
        if section.data and section.is_data and not known:
            yield section.data


def _linkage(coff: Coff, wrappers: tuple[Wrapper, ...]) -> Linkage | None:
    handle = any(section.base_name in RDC_HANDLE for section in coff.sections)
    # an object of RDC points at a bundle that its link will make
    undefined = any(
        "__hip_fatbin" in wrapper.symbol and UNDEFINED in wrapper.problem
        for wrapper in wrappers
    )
    return Linkage.RDC if handle or undefined else None


# --- imports ------------------------------------------------------------------------


def _needed(coff: Coff, limits: Limits) -> list[str]:
    """List the libraries that it imports, then those that it loads when called."""
    names: list[str] = []
    try:
        names += (_library(coff, rva) for rva in _imports(coff, limits))
        names += (_library(coff, rva) for rva in _delayed(coff, limits))
    except FormatError as error:
        coff.lacks("imports", error)
    return list(dict.fromkeys(names))


def _imports(coff: Coff, limits: Limits) -> Iterator[int]:
    for entry in _entries(coff, IMPORT_TABLE, ImportDirectory, limits):
        if not entry.name:
            return
        yield entry.name


def _delayed(coff: Coff, limits: Limits) -> Iterator[int]:
    for entry in _entries(coff, DELAY_IMPORT_DESCRIPTOR, DelayImport, limits):
        if not entry.name:
            return
        # attribute 1: RVAs; without it (Visual C++ 6), addresses
        yield entry.name if entry.attributes & 1 else entry.name - coff.image_base


def _entries(coff: Coff, index: int, record: type[R], limits: Limits) -> Iterator[R]:
    """Read entries as the loader does: up to a null one, whatever the size says."""
    directory = coff.directory(index)
    if directory is None:
        return
    table = coff.at(directory.virtual_address)
    for count, at in enumerate(range(0, len(table), size_of(record))):
        limits.check("headers", count, table.where(at))
        yield table.read(record, at)


def _library(coff: Coff, rva: int) -> str:
    return coff.at(rva).string(0, LONGEST_NAME)
