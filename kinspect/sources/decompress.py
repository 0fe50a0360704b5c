"""What is compressed by gzip, bzip2, xz, lzma or zstd, as one bounded stream.

Source: RFC 1952 (gzip); the others are known to libraries.
"""

import bz2
import gzip
import lzma
import zlib
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import BinaryIO, Final, Protocol, Self, cast

import zstandard

from kinspect import frames
from kinspect.sources import magic
from kinspect.sources.member import Context
from kinspect.sources.stream import Stream
from kinspect.view import View

#: what decompressors raise for data that is damaged, or beyond them
FOREIGN: Final = (
    zlib.error,
    lzma.LZMAError,
    zstandard.ZstdError,
    EOFError,
    OSError,
    ValueError,
    OverflowError,
)


class Reader(Protocol):
    """A file that inflates: `read1` gives what comes before an error, `read` loses it."""

    def read1(self, size: int, /) -> bytes: ...
    def close(self) -> None: ...


Inflate = Callable[[BinaryIO], Reader]


def _gzip(stream: BinaryIO) -> Reader:
    return gzip.GzipFile(fileobj=stream)


def _zstd(stream: BinaryIO) -> Reader:
    reader = zstandard.ZstdDecompressor(max_window_size=1 << 31)
    return reader.stream_reader(stream, read_across_frames=True)


def lzma_alone(stream: BinaryIO) -> Reader:
    """The format before xz: it has no magic, so that somebody must say that it is it."""
    return lzma.LZMAFile(stream, format=lzma.FORMAT_ALONE)


def stored(stream: BinaryIO) -> Reader:
    """No compression."""
    return cast("Reader", stream)


#: magic → what reads it
COMPRESSORS: Final[Mapping[bytes, Inflate]] = MappingProxyType(
    {
        magic.GZIP: _gzip,
        magic.BZIP2: bz2.BZ2File,
        magic.XZ: lzma.LZMAFile,
        magic.ZSTD: _zstd,
    }
)


def compressor(view: View) -> Inflate | None:
    """What inflates the view, if it is a compressed file."""
    return next((open_ for m, open_ in COMPRESSORS.items() if view.startswith(m)), None)


class Inflated:
    """An inflating stream that is held to the limits, and can be looked ahead in.

    A read may give less than was asked for, though never nothing before the end.
    Raises FormatError and LimitExceeded, and whatever of FOREIGN the decompressor does.
    """

    def __init__(self, view: View, context: Context, open_: Inflate) -> None:
        self._inner = open_(cast("BinaryIO", Stream(view)))
        self._view = view
        self._context = context
        self._limits = context.limits
        self._head = b""
        self._count = 0
        #: whether an error has ended the stream
        self.failed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._inner.close()

    def peek(self, size: int) -> bytes:
        """The next `size` bytes, fewer at the end; they are read again afterwards."""
        while len(self._head) < size:
            more = self._next(size - len(self._head))
            if not more:
                break
            self._head += more
        return self._head

    def read(self, size: int) -> bytes:
        if self._head:
            data, self._head = self._head[:size], self._head[size:]
            return data
        return self._next(size)

    def drain(self) -> None:
        """Read on to the end: only there, checksums are compared."""
        self._head = b""
        while self._next(1 << 20):
            pass

    def _next(self, size: int) -> bytes:
        self.failed = True  # until all went well
        data = self._inner.read1(size)
        if not data and size and self._view.startswith(magic.ZSTD):
            frames.check(self._view)
        self._count += len(data)
        ratio = self._count // max(len(self._view), 1)
        self._limits.check("ratio", ratio, self._view.where())
        self._context.inflated(len(data), self._view.where())
        self.failed = False
        return data
