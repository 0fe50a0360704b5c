"""Tar archives, and what is compressed by gzip, bzip2, xz or zstd.

Source: POSIX, pax interchange format; GNU tar manual. The standard library reads the
headers. Members of a plain tar are views of it; those of a compressed one are read in
turn, as the stream comes.
"""

import bz2
import gzip
import io
import lzma
import tarfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import BinaryIO, Final, cast

import zstandard

from kinspect.errors import FormatError, KinspectError, LimitExceeded, Where
from kinspect.sources import magic
from kinspect.sources.member import SEPARATOR, Context, Member, Part, unreadable
from kinspect.sources.stream import Stream
from kinspect.view import Memory, View

BLOCK: Final = 512
HEAD: Final = 4096

FOREIGN: Final = (
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    zstandard.ZstdError,
    EOFError,
    OSError,
    ValueError,
    OverflowError,
)


Inflate = Callable[[BinaryIO], BinaryIO]


def _zstd(stream: BinaryIO) -> BinaryIO:
    reader = zstandard.ZstdDecompressor(max_window_size=1 << 31)
    return cast("BinaryIO", reader.stream_reader(stream, read_across_frames=True))


#: magic → what reads it
COMPRESSORS: Final[Mapping[bytes, Inflate]] = MappingProxyType(
    {
        magic.GZIP: cast(
            "Callable[[BinaryIO], BinaryIO]", lambda s: gzip.GzipFile(fileobj=s)
        ),
        magic.BZIP2: cast("Callable[[BinaryIO], BinaryIO]", bz2.BZ2File),
        magic.XZ: cast("Callable[[BinaryIO], BinaryIO]", lzma.LZMAFile),
        magic.ZSTD: _zstd,
    }
)


def compressor(view: View) -> Callable[[BinaryIO], BinaryIO] | None:
    """What inflates the view, if it is a compressed file."""
    return next((open_ for m, open_ in COMPRESSORS.items() if view.startswith(m)), None)


def members(view: View, context: Context) -> Iterator[Part]:
    """The files of an uncompressed tar, as views of it."""
    end = 0
    try:
        with tarfile.open(fileobj=Stream(view), mode="r:") as archive:
            for info in archive:
                path = f"{view.path}{SEPARATOR}{info.name}"
                end = info.offset_data + -(-info.size // BLOCK) * BLOCK
                if not info.isreg():
                    continue
                try:
                    context.count(Where(path))
                    if info.issparse():
                        message = "a sparse member"
                        raise FormatError(message, Where(path, "tar", info.offset))
                    data = view.slice(info.offset_data, info.size, "").renamed(path)
                except KinspectError as error:
                    yield unreadable(error, path)
                    continue
                head = bytes(data.bytes(0, min(HEAD, len(data))))
                if context.wanted(path, len(data), head):
                    yield Member(path, data)
        if not any(view.bytes(end, 1)):
            return  # the blocks of zeros that end an archive
        message = "no end of the archive"
        yield unreadable(FormatError(message, view.where(end)), view.path)
    except (KinspectError, *FOREIGN) as error:
        yield _broken(error, view)


def compressed(view: View, context: Context) -> Iterator[Part]:
    """A compressed file: the members of a tar, or one member."""
    open_ = compressor(view)
    if open_ is None:
        return
    try:
        with open_(cast("BinaryIO", Stream(view))) as inflated:
            reader = _Counted(inflated, view, context)
            head = reader.peek(HEAD)
            if magic.is_tar(head):
                yield from _streamed(reader, view, context)
            else:
                yield from _single(reader, view, context)
    except (KinspectError, *FOREIGN) as error:
        yield _broken(error, view)


def _broken(error: Exception, view: View) -> Part:
    if isinstance(error, KinspectError):
        return unreadable(error, view.path)
    return unreadable(FormatError(f"archive: {error}", view.where()), view.path)


class _Counted(io.RawIOBase):
    """An inflating stream that is held to the limits, and can be looked ahead in."""

    def __init__(self, inner: BinaryIO, view: View, context: Context) -> None:
        super().__init__()
        self._inner = inner
        self._head = b""
        self._view = view
        self._context = context
        self._count = 0

    def peek(self, size: int) -> bytes:
        while len(self._head) < size and (more := self._inner.read(size - len(self._head))):
            self._head += more
        return self._head

    def read(self, size: int | None = -1) -> bytes:
        if size is None or size < 0:
            size = self._context.limits.member + 1
        if self._head:
            data, self._head = self._head[:size], self._head[size:]
        else:
            data = self._inner.read(size)
        self._count += len(data)
        ratio = self._count // max(len(self._view), 1)
        self._context.limits.check("ratio", ratio, self._view.where())
        return data


def _streamed(reader: _Counted, view: View, context: Context) -> Iterator[Part]:
    with tarfile.open(fileobj=cast("BinaryIO", reader), mode="r|") as archive:
        for info in archive:
            path = f"{view.path}{SEPARATOR}{info.name}"
            if not info.isreg():
                continue
            try:
                context.count(Where(path))
                context.limits.check("member", info.size, Where(path))
            except LimitExceeded as error:
                yield unreadable(error, path)
                continue
            file = archive.extractfile(info)
            if file is None:
                continue
            head = file.read(HEAD)
            if context.wanted(path, info.size, head):
                data = head + file.read()
                if len(data) != info.size:
                    message = f"has {len(data)} of {info.size} bytes"
                    yield unreadable(FormatError(message, Where(path, "tar")), path)
                else:
                    yield Member(path, View(Memory(data), path))


def _single(reader: _Counted, view: View, context: Context) -> Iterator[Part]:
    stem = view.path.rsplit("/", 1)[-1].rsplit(".", 1)[0]
    path = f"{view.path}{SEPARATOR}{stem}"
    head = reader.peek(HEAD)
    if not context.wanted(path, len(head), head):
        return
    ceiling = context.limits.member
    data = bytearray()
    while len(data) <= ceiling and (more := reader.read(1 << 20)):
        data += more
    context.limits.check("member", len(data), Where(path))
    yield Member(path, View(Memory(data), path))
