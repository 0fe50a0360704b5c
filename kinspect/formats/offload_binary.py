"""OffloadBinary containers: magic 0x10FF10AD, versions 1 to 3.

What the new offload driver keeps in `.llvm.offloading` of object files, one after the
other, 8-aligned. Source: llvm/Object/OffloadBinary.h and OffloadBinary.cpp; clang
documentation, "clang-offload-packager", "Binary Format".
"""

import zlib
from enum import IntEnum
from types import MappingProxyType
from typing import Final, NamedTuple

import zstandard

from kinspect import frames
from kinspect.errors import FormatError
from kinspect.limits import DEFAULT, Limits
from kinspect.view import U16, U32, U64, Memory, View, wire

MAGIC: Final = b"\x10\xff\x10\xad"


class Prefix(NamedTuple):
    magic: U32
    version: U32
    size: U64


class HeaderV1(NamedTuple):
    entry_offset: U64
    entry_size: U64


class HeaderV2(NamedTuple):
    entries_offset: U64
    entries_count: U64


class HeaderV3(NamedTuple):
    entries_offset: U64
    entries_count: U64
    inflated_size: U64


class EntryHeader(NamedTuple):
    image_kind: U16
    offload_kind: U16
    flags: U32
    string_offset: U64
    string_count: U64
    image_offset: U64
    image_size: U64


class StringV1(NamedTuple):
    key_offset: U64
    value_offset: U64


class StringV3(NamedTuple):
    key_offset: U64
    value_offset: U64
    value_size: U64


class ImageKind(IntEnum):
    NONE = 0
    OBJECT = 1
    BITCODE = 2
    CUBIN = 3
    FATBINARY = 4
    PTX = 5
    SPIRV = 6


#: `OFK_HIP`: an enumeration up to LLVM 20, a bit since
HIP: Final = frozenset({3, 4})

HEADERS: Final = MappingProxyType({1: HeaderV1, 2: HeaderV2, 3: HeaderV3})


class Image(NamedTuple):
    """One device image of a container."""

    #: an `ImageKind`, or a number that kinspect does not know
    kind: int
    offload_kind: int
    #: `triple`, `arch` and others
    strings: dict[str, str]
    data: View

    @property
    def is_hip(self) -> bool:
        return self.offload_kind in HIP and "amdgcn" in self.strings.get("triple", "")


class OffloadBinary(NamedTuple):
    version: int
    #: bytes of the container as stored
    size: int
    #: bytes once inflated, where version 3 compressed it
    uncompressed: int | None
    images: tuple[Image, ...]
    #: what the images lie in: the container, inflated where it was compressed
    body: View


def parse(view: View, limits: Limits = DEFAULT) -> OffloadBinary:
    """Parse the container at the start of `view`; raise FormatError."""
    if not view.startswith(MAGIC):
        message = "no OffloadBinary: expected 10 FF 10 AD"
        raise FormatError(message, view.where())
    prefix = view.read(Prefix, 0)
    layout: type[HeaderV1 | HeaderV2 | HeaderV3] | None = HEADERS.get(prefix.version)
    if layout is None:
        message = f"OffloadBinary version {prefix.version}, expected 1, 2 or 3"
        raise FormatError(message, view.where(4))
    header = view.read(layout, wire(Prefix).size)
    header_size = wire(Prefix).size + wire(layout).size
    if prefix.size < header_size:
        message = f"OffloadBinary of {prefix.size} bytes, expected {header_size} or more"
        raise FormatError(message, view.where(8))
    body = view.slice(0, prefix.size)
    count, stride = 1, wire(EntryHeader).size
    uncompressed = None
    if isinstance(header, HeaderV1):
        entries = header.entry_offset
    else:
        entries, count = header.entries_offset, header.entries_count
        if isinstance(header, HeaderV3) and header.inflated_size:
            uncompressed = header.inflated_size
            body = _inflate(body, header_size, uncompressed, limits)
    limits.check("entries", count, view.where())
    string = StringV3 if prefix.version >= 3 else StringV1
    images = tuple(
        _image(body, entry, string, limits)
        for entry in body.records(EntryHeader, entries, count, stride)
    )
    claimed = sum(len(image.data) for image in images)
    limits.check("overlap", claimed // len(body), view.where())
    return OffloadBinary(prefix.version, prefix.size, uncompressed, images, body)


def _image(
    body: View, entry: EntryHeader, string: type[StringV1 | StringV3], limits: Limits
) -> Image:
    limits.check("entries", entry.string_count, body.where(entry.string_offset))
    strings = {}
    records = body.records(
        string, entry.string_offset, entry.string_count, wire(string).size
    )
    for record in records:
        key = body.string(record.key_offset, limits.entry_id)
        strings[key] = body.string(record.value_offset, limits.entry_id)
    data = body.slice(entry.image_offset, entry.image_size)
    return Image(entry.image_kind, entry.offload_kind, strings, data)


def _inflate(body: View, header_size: int, size: int, limits: Limits) -> View:
    """The container with everything behind its header inflated, offsets as if so stored."""
    limits.check("inflated", size, body.where())
    stored = body.slice(header_size)
    limits.check("ratio", size // max(len(stored), 1), body.where())
    head = bytes(body.bytes(0, header_size))
    inflated = _inflated(stored, size + 1)
    if len(inflated) not in (size, size - header_size):
        message = f"inflates to {len(inflated)} bytes, its header says {size}"
        raise FormatError(message, stored.where())
    return View(Memory(head + inflated), body.path, f"{body.layer} inflated")


def _inflated(stored: View, most: int) -> bytes:
    """Up to `most` bytes of a stream; raise FormatError unless it is whole."""
    data = bytes(stored.bytes())
    try:
        if data.startswith(frames.MAGIC):
            decompressor = zstandard.ZstdDecompressor(max_window_size=1 << 31)
            with decompressor.stream_reader(data, read_across_frames=True) as reader:
                inflated = reader.read(most)
            frames.check(stored)
            return inflated
        stream = zlib.decompressobj()
        inflated = stream.decompress(data, most)
    except (zlib.error, zstandard.ZstdError) as error:
        message = f"compressed OffloadBinary: {error}"
        raise FormatError(message, stored.where()) from error
    if not stream.eof and len(inflated) < most:
        message = "compressed OffloadBinary: the stream is cut after its data"
        raise FormatError(message, stored.where())
    return inflated
