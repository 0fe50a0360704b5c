"""Compressed offload bundles: `CCOB`, versions 1 to 3.

Layout: OffloadBundler.cpp, RawCompressedBundleHeader; packed, little-endian. The
payload inflates to a plain bundle. Version 1 does not say where the payload ends.
"""

import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from enum import IntEnum
from types import MappingProxyType
from typing import Final, NamedTuple, Protocol

import zstandard

from kinspect import frames
from kinspect.errors import FormatError
from kinspect.limits import DEFAULT, Limits
from kinspect.room import Room
from kinspect.view import U16, U32, U64, Memory, View, wire

MAGIC: Final = b"CCOB"


class Method(IntEnum):
    ZLIB = 0
    ZSTD = 1


class Prefix(NamedTuple):
    magic: U32
    version: U16
    method: U16


class HeaderV1(NamedTuple):
    uncompressed: U32
    hash: U64


class HeaderV2(NamedTuple):
    total: U32
    uncompressed: U32
    hash: U64


class HeaderV3(NamedTuple):
    total: U64
    uncompressed: U64
    hash: U64


HEADERS: Final[Mapping[int, type[HeaderV1 | HeaderV2 | HeaderV3]]] = MappingProxyType(
    {1: HeaderV1, 2: HeaderV2, 3: HeaderV3}
)


class Header(NamedTuple):
    """The header of a compressed bundle, whichever version wrote it."""

    version: int
    method: Method
    #: bytes of header and payload
    total: int
    #: bytes of the inflated bundle
    uncompressed: int
    #: the first eight bytes of the MD5 of the inflated bundle, as a little-endian u64
    hash: int
    payload: View


def parse(view: View, limits: Limits = DEFAULT) -> Header:
    """Parse the header at the start of `view`; raise FormatError."""
    if not view.startswith(MAGIC):
        message = "no compressed offload bundle: expected CCOB"
        raise FormatError(message, view.where())
    prefix = view.read(Prefix, 0)
    layout = HEADERS.get(prefix.version)
    if layout is None:
        message = f"CCOB version {prefix.version}, expected one of {sorted(HEADERS)}"
        raise FormatError(message, view.where(4))
    if prefix.method not in set(Method):
        message = f"CCOB compression method {prefix.method}, expected 0 (zlib) or 1 (zstd)"
        raise FormatError(message, view.where(6))
    method = Method(prefix.method)
    header = view.read(layout, wire(Prefix).size)
    header_size = wire(Prefix).size + wire(layout).size
    limits.check("inflated", header.uncompressed, view.where(8))
    if isinstance(header, HeaderV1):
        rest = view.slice(header_size)
        total = header_size + _stream_size(rest, method, header.uncompressed)
    else:
        total = header.total
    if not header_size <= total <= len(view):
        message = f"CCOB of {total} bytes, {len(view)} left"
        raise FormatError(message, view.where(8))
    payload = view.slice(header_size, total - header_size)
    return Header(prefix.version, method, total, header.uncompressed, header.hash, payload)


def _stream_size(rest: View, method: Method, uncompressed: int) -> int:
    """Where the compressed stream at the start of `rest` ends."""
    inflated = 0
    step = 1 << 10  # small, since one step may inflate by thousands
    with _translated(method, rest):
        stream = _STREAMS[method]()
        for at in range(0, len(rest), step):
            chunk = bytes(rest.bytes(at, min(step, len(rest) - at)))
            inflated += len(stream.decompress(chunk))
            if stream.eof:
                return at + len(chunk) - len(stream.unused_data)
            if inflated > uncompressed:
                break
    message = f"the compressed stream does not end after its {uncompressed} bytes"
    raise FormatError(message, rest.where())


#: how much of a payload is read at first for the head of a bundle: more than a block of
#: zstd (RFC 8878, 3.1.1.2)
PART: Final = 1 << 18


class Inflater:
    """Inflates one bundle after the other into a buffer that it keeps.

    A view that it gave out is valid until the next call.
    """

    def __init__(self, limits: Limits = DEFAULT) -> None:
        self._limits = limits
        self._room = Room()

    def inflate(self, header: Header, layer: str, size: int | None = None) -> View:
        """The inflated bundle, or its first `size` bytes; raise FormatError.

        The result is shorter than the header promises if the payload is.
        """
        whole = header.uncompressed
        wanted = whole if size is None else min(size, whole)
        self._limits.check(
            "ratio", whole // max(len(header.payload), 1), header.payload.where()
        )
        # All of the room at once: then zstd writes to it directly, without a window
        # of its own to copy from. Ten times as fast on large bundles.
        buffer = self._room.of(wanted, header.payload.where())
        with _translated(header.method, header.payload):
            if size is not None:
                part = header.payload.slice(0, min(PART, len(header.payload)))
                fill, _ = _READERS[header.method](part)
                if _filled(buffer[:wanted], fill) == wanted:
                    return View(Memory(buffer[:wanted]), header.payload.path, layer)
            fill, check_end = _READERS[header.method](header.payload)
            filled = _filled(buffer[:wanted], fill)
            if size is None and filled == wanted:
                if fill(memoryview(bytearray(1))):
                    message = f"inflates to more than the {whole} bytes of its header"
                    raise FormatError(message, header.payload.where())
                check_end()
        return View(Memory(buffer[:filled]), header.payload.path, layer)


def _filled(buffer: memoryview, fill: Callable[[memoryview], int]) -> int:
    """How many bytes of it could be filled."""
    filled = 0
    while filled < len(buffer) and (count := fill(buffer[filled:])):
        filled += count
    return filled


def digest(inflated: View) -> int:
    """What the header's hash must be for this bundle."""
    import hashlib  # noqa: PLC0415  # listing needs no digest, nor do plain bundles

    md5 = hashlib.md5(inflated.bytes(), usedforsecurity=False).digest()
    return int.from_bytes(md5[:8], "little")


@contextmanager
def _translated(method: Method, payload: View) -> Iterator[None]:
    try:
        yield
    except (zlib.error, zstandard.ZstdError) as error:
        message = f"{method.name.lower()} payload: {error}"
        raise FormatError(message, payload.where()) from error


#: zstd's own largest window: LLVM inflates in one shot, whatever the window
_WINDOW: Final = 1 << 31


def _zstd() -> zstandard.ZstdDecompressor:
    return zstandard.ZstdDecompressor(max_window_size=_WINDOW)


class _Stream(Protocol):
    """What zlib and zstandard have in common."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, /) -> bytes: ...


_STREAMS: Final[Mapping[Method, Callable[[], _Stream]]] = MappingProxyType(
    {Method.ZLIB: zlib.decompressobj, Method.ZSTD: lambda: _zstd().decompressobj()}
)


#: fills a buffer, and raises FormatError unless the stream had its end: the runtime
#: inflates nothing of a stream that is cut in its checksum
_Reading = tuple[Callable[[memoryview], int], Callable[[], None]]


def _read_zlib(payload: View) -> _Reading:
    stream = zlib.decompressobj()
    pending: bytes | memoryview = bytes(payload.bytes())

    def fill(window: memoryview) -> int:
        nonlocal pending
        data = stream.decompress(pending, len(window))
        pending = stream.unconsumed_tail
        window[: len(data)] = data
        return len(data)

    def check_end() -> None:
        if not stream.eof:
            message = "the compressed stream is cut after its data"
            raise FormatError(message, payload.where())

    return fill, check_end


def _read_zstd(payload: View) -> _Reading:
    stream = _zstd().stream_reader(payload.bytes(), read_across_frames=True)
    return stream.readinto, lambda: frames.check(payload)


_READERS: Final[Mapping[Method, Callable[[View], _Reading]]] = MappingProxyType(
    {Method.ZLIB: _read_zlib, Method.ZSTD: _read_zstd}
)
