"""Bundles packed anew, in memory, as clang packs them.

Source: OffloadBundler.cpp (BinaryFileHandler::WriteHeader, CompressedOffloadBundle::
compress) and Compression.cpp (zstd::compress, with long distance matching). kpack:
python/rocm_kpack/kpack.py, a frame for each code object.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import zstandard

from kinspect.formats import bundle, ccob
from kinspect.view import Bytes, wire

#: what clang takes unless told otherwise (OffloadBundlerConfig); zlib::DefaultCompression
ZSTD_LEVEL: Final = 3
ZLIB_LEVEL: Final = 6

#: the library that compresses: its releases differ by a percent or so
ZSTD_VERSION: Final = ".".join(map(str, zstandard.ZSTD_VERSION))

#: between which code objects start: pages of a GPU, unless the caller of a bundler says
#: otherwise
_ALIGNMENTS: Final = tuple(1 << power for power in range(12, -1, -1))


@dataclass(frozen=True, slots=True)
class Slot:
    """An entry of a bundle: its ID as it is written, and how large it is."""

    id: bytes
    size: int


def offsets(slots: Sequence[Slot], alignment: int) -> tuple[list[int], int]:
    """Where each entry goes, and how large the bundle is then."""
    at = len(bundle.MAGIC) + wire(bundle.EntryCount).size
    at += sum(wire(bundle.EntryHeader).size + len(slot.id) for slot in slots)
    places = []
    for slot in slots:
        at += -at % alignment
        places.append(at)
        at += slot.size
    return places, at


def alignment(slots: Sequence[Slot], places: Sequence[int]) -> int:
    """What the entries of a bundle are aligned to: the most that gives their places."""
    for one in _ALIGNMENTS:
        if offsets(slots, one)[0] == list(places):
            return one
    filled = [at for slot, at in zip(slots, places, strict=True) if slot.size]
    return next(one for one in _ALIGNMENTS if not any(at % one for at in filled))


def plain(slots: Sequence[Slot], contents: Sequence[Bytes], alignment: int) -> bytearray:
    """The bundle itself."""
    places, size = offsets(slots, alignment)
    data = bytearray(size)
    data[: len(bundle.MAGIC)] = bundle.MAGIC
    at = len(bundle.MAGIC)
    head = wire(bundle.EntryHeader)
    wire(bundle.EntryCount).pack_into(data, at, len(slots))
    at += wire(bundle.EntryCount).size
    for slot, place, content in zip(slots, places, contents, strict=True):
        head.pack_into(data, at, place, slot.size, len(slot.id))
        at += head.size
        data[at : at + len(slot.id)] = slot.id
        at += len(slot.id)
        data[place : place + slot.size] = content
    return data


def compressed(data: Bytes, version: int, method: ccob.Method, level: int) -> int:
    """The bytes of a compressed bundle of that version."""
    head = wire(ccob.Prefix).size + wire(ccob.HEADERS[version]).size
    if method is ccob.Method.ZLIB:
        return head + len(zlib.compress(data, level))
    return head + len(_long_distance(data, level))


def frame(data: Bytes, level: int) -> int:
    """The bytes of a code object in an archive, compressed by itself."""
    return len(zstandard.ZstdCompressor(level=level).compress(data))


def _long_distance(data: Bytes, level: int) -> bytes:
    parameters = zstandard.ZstdCompressionParameters(
        compression_level=level, enable_ldm=True
    )
    return zstandard.ZstdCompressor(compression_params=parameters).compress(data)
