"""kpack: archives of device code, and the reference to them in a host binary.

Source: ROCm/rocm-systems shared/kpack, python/rocm_kpack/kpack.py (the archive's
layout) and runtime/src (loader.cpp, toc_parser.cpp, compression.cpp: what the loader
accepts); before, ROCm/rocm-kpack. How an archive is found: `kpack_search`.

`KPAK; u32 version; u64 toc_offset`, payloads, and from `toc_offset` to the end the
table of contents, a msgpack map.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, Final, NamedTuple

import msgspec
import zstandard

from kinspect.errors import FormatError
from kinspect.formats.kpack_reference import decode, parse_reference
from kinspect.kpack import MAGIC, KpackReference
from kinspect.limits import DEFAULT, GiB, Limits
from kinspect.model import Fault
from kinspect.view import U32, U64, Memory, View, wire

__all__ = [
    "KpackArchive",
    "KpackEntry",
    "KpackReference",
    "Scheme",
    "parse_archive",
    "parse_reference",
    "payload",
]

VERSION: Final = 1

#: the loader opens no archive with more in it (compression.cpp, MAX_BLOB_SIZE)
BLOB: Final = 4 * GiB

#: a key of the table of contents: the binary, and which of its wrappers
KEY: Final = re.compile(r"(?P<kernel_name>.*)#(?P<index>0|[1-9][0-9]*)", re.DOTALL)

Unsigned = Annotated[int, msgspec.Meta(ge=0)]


class Scheme(StrEnum):
    """How the payloads are stored."""

    NONE = "none"
    ZSTD = "zstd-per-kernel"


class Header(NamedTuple):
    magic: U32
    version: U32
    toc_offset: U64


class KernelCount(NamedTuple):
    kernels: U32


class FrameSize(NamedTuple):
    size: U32


# --- the archive --------------------------------------------------------------------


class _Kernel(msgspec.Struct, frozen=True, gc=False):
    ordinal: Unsigned
    original_size: Unsigned | None = None
    type: str = "hsaco"


class _Blob(msgspec.Struct, frozen=True, gc=False):
    offset: Unsigned
    size: Unsigned


class _Toc(msgspec.Struct, frozen=True):
    toc: dict[str, dict[str, _Kernel]]
    compression_scheme: Scheme = Scheme.NONE
    gfx_arches: list[str] = []
    group_name: str = ""
    gfx_arch_family: str = ""
    blobs: list[_Blob] = []
    zstd_offset: Unsigned = 0
    zstd_size: Unsigned = 0


@dataclass(frozen=True, slots=True)
class KpackEntry:
    """A code object in an archive."""

    #: as the table of contents spells it: `lib/libfoo.so#0`
    key: str
    #: target ID that it was packed for, in the packer's spelling
    arch: str
    #: how it is stored, and where
    scheme: Scheme
    stored: View
    #: bytes once inflated
    original_size: int | None
    type: str = "hsaco"

    @property
    def kernel_name(self) -> str:
        """The binary that it belongs to: the key, if that has no index."""
        found = KEY.fullmatch(self.key)
        return found["kernel_name"] if found else self.key

    @property
    def index(self) -> int | None:
        """Which wrapper of the binary asks for it; None for code of another use."""
        found = KEY.fullmatch(self.key)
        return int(found["index"]) if found else None


@dataclass(frozen=True, slots=True)
class KpackArchive:
    """The table of contents of an archive."""

    path: str
    group_name: str
    gfx_arch_family: str
    #: the targets that it claims to serve: the loader looks no further without
    gfx_arches: tuple[str, ...]
    scheme: Scheme
    entries: tuple[KpackEntry, ...]
    faults: tuple[Fault, ...] = ()
    _found: Mapping[tuple[str, str], KpackEntry] = field(
        default_factory=dict, repr=False, compare=False
    )

    def find(self, kernel_name: str, index: int, arch: str) -> KpackEntry | None:
        """Look up the code object of a wrapper for a target, as the loader does."""
        return self._found.get((f"{kernel_name}#{index}", arch))


def parse_archive(view: View, limits: Limits = DEFAULT) -> KpackArchive:
    """Parse an archive up to where its payloads lie; raise FormatError."""
    if not view.startswith(MAGIC):
        message = "no kpack archive: expected KPAK"
        raise FormatError(message, view.where())
    header = view.read(Header, 0)
    if header.version != VERSION:
        message = f"kpack version {header.version}, expected {VERSION}"
        raise FormatError(message, view.where(4))
    if not wire(Header).size <= header.toc_offset < len(view):
        message = f"table of contents at {header.toc_offset:#x}, beyond the end"
        raise FormatError(message, view.where(8))
    table = view.slice(header.toc_offset, layer="table of contents")
    limits.check("toc", len(table), table.where())
    toc = decode(_Toc, table)
    stored = _STORED[toc.compression_scheme](view, toc, limits)
    entries = {
        (key, arch): _entry(table, toc, stored, key, arch)
        for key, arches in toc.toc.items()
        for arch in arches
    }
    return KpackArchive(
        path=view.path,
        group_name=toc.group_name,
        gfx_arch_family=toc.gfx_arch_family,
        gfx_arches=tuple(toc.gfx_arches),
        scheme=toc.compression_scheme,
        entries=tuple(sorted(entries.values(), key=_order)),
        faults=tuple(_faults(table, toc, entries)),
        _found=MappingProxyType(entries),
    )


def _order(entry: KpackEntry) -> tuple[str, int, str]:
    index = entry.index
    return entry.kernel_name, -1 if index is None else index, entry.arch


def _entry(table: View, toc: _Toc, stored: list[View], key: str, arch: str) -> KpackEntry:
    kernel = toc.toc[key][arch]
    if kernel.ordinal >= len(stored):
        message = f"{key} for {arch} is payload {kernel.ordinal} of {len(stored)}"
        raise FormatError(message, table.where())
    return KpackEntry(
        key=key,
        arch=arch,
        scheme=toc.compression_scheme,
        stored=stored[kernel.ordinal],
        original_size=kernel.original_size,
        type=kernel.type,
    )


def _faults(
    table: View, toc: _Toc, entries: Mapping[tuple[str, str], KpackEntry]
) -> Iterator[Fault]:
    listed = set(toc.gfx_arches)
    for arch in sorted({arch for _, arch in entries} - listed):
        message = f"holds code for {arch}, and does not list it: it is never loaded"
        yield Fault(message, table.where())
    if toc.compression_scheme is Scheme.NONE:
        for (key, arch), entry in entries.items():
            size = entry.original_size
            if size is not None and size != len(entry.stored):
                message = f"{key} for {arch} has {len(entry.stored)} bytes, not {size}"
                yield Fault(message, entry.stored.where())


def _stored_plain(view: View, toc: _Toc, limits: Limits) -> list[View]:
    """Locate the payloads of scheme `none`: `blobs`, at offsets of the file."""
    limits.check("payloads", len(toc.blobs), view.where())
    return [view.slice(blob.offset, blob.size) for blob in toc.blobs]


def _stored_frames(view: View, toc: _Toc, limits: Limits) -> list[View]:
    """Locate the payloads of scheme `zstd-per-kernel`.

    `u32 count; count × {u32 size; frame}` from `zstd_offset`, in `zstd_size` bytes.
    """
    blob = view.slice(toc.zstd_offset, toc.zstd_size)
    if len(blob) > BLOB:
        message = f"payloads of {len(blob)} bytes: HIP's loader takes {BLOB} at most"
        raise FormatError(message, blob.where())
    count = blob.read(KernelCount, 0).kernels
    limits.check("payloads", count, blob.where())
    frames = []
    at = wire(KernelCount).size
    for _ in range(count):
        size = blob.read(FrameSize, at).size
        at += wire(FrameSize).size
        frames.append(blob.slice(at, size))
        at += size
    return frames


_STORED: Final[Mapping[Scheme, Callable[[View, _Toc, Limits], list[View]]]] = (
    MappingProxyType({Scheme.NONE: _stored_plain, Scheme.ZSTD: _stored_frames})
)


# --- payloads -----------------------------------------------------------------------


def payload(entry: KpackEntry, limits: Limits = DEFAULT) -> View:
    """Give the code object itself, inflated; raise FormatError."""
    layer = f"{entry.key} {entry.arch}"
    if entry.scheme is Scheme.NONE:
        return entry.stored.slice(0, layer=layer)
    size = entry.original_size
    if size is None:
        message = f"{layer} does not say how large it is"
        raise FormatError(message, entry.stored.where())
    where = entry.stored.where()
    limits.check("inflated", size, where)
    limits.check("ratio", size // max(len(entry.stored), 1), where)
    data = _inflate(entry.stored, size)
    if len(data) != size:
        message = f"{layer} inflates to {len(data)} bytes, expected {size}"
        raise FormatError(message, where)
    return View(Memory(data), entry.stored.path, f"{layer} inflated")


#: zstd's own largest window: the loader inflates in one shot, whatever the window
_ZSTD: Final = zstandard.ZstdDecompressor(max_window_size=1 << 31)


def _inflate(stored: View, size: int) -> bytes:
    """Inflate a frame to `size` bytes at most; it must be whole, and nothing follow."""
    frame = stored.bytes()
    try:
        # the frame may tell its size, and that much room would be made for it
        told = zstandard.frame_content_size(frame)
        if told > size:
            message = f"a frame of {told} bytes, expected {size}"
            raise FormatError(message, stored.where())
        return _ZSTD.decompress(frame, max_output_size=size, allow_extra_data=False)
    except zstandard.ZstdError as error:
        message = f"zstd payload: {error}"
        raise FormatError(message, stored.where()) from error
