"""Zip archives: wheels, `.conda` packages, plain ones.

Source: PKWARE, APPNOTE.TXT. The standard library reads the directory; members are
inflated here, into one buffer, once, and only if their first bytes are of interest.
"""

import zipfile
from collections import Counter
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from functools import partial
from itertools import islice
from typing import Final, NamedTuple

from kinspect.errors import FormatError, KinspectError, Where
from kinspect.room import Room
from kinspect.sources import inflate
from kinspect.sources.member import SEPARATOR, Context, Member, Part, unreadable
from kinspect.sources.stream import Stream
from kinspect.view import U16, U32, Memory, View, decode, wire

ENCRYPTED: Final = 0x1
#: CRC and sizes follow the data, since they were not known before
STREAMED: Final = 0x8
#: the size is in an extra field
ZIP64: Final = 0xFFFFFFFF
STORED: Final = 0
DEFLATED: Final = 8
HEAD: Final = 4096
CHUNK: Final = 1 << 18
#: from this size on, a member is inflated by a thread of its own, in bytes
LARGE: Final = 16 << 20

#: what the standard library raises for archives that are damaged, or beyond it
FOREIGN: Final = (
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    NotImplementedError,
    EOFError,
    ValueError,
    OSError,
    OverflowError,
)


class LocalHeader(NamedTuple):
    signature: U32
    version: U16
    flags: U16
    method: U16
    time: U16
    date: U16
    crc: U32
    compressed: U32
    size: U32
    name_size: U16
    extra_size: U16


def directory(view: View) -> list[zipfile.ZipInfo]:
    """The central directory; raise FormatError."""
    try:
        with zipfile.ZipFile(Stream(view)) as archive:
            return archive.infolist()
    except FOREIGN as error:
        message = f"zip archive: {error}"
        raise FormatError(message, view.where()) from error


def is_directory(info: zipfile.ZipInfo) -> bool:
    """As `ZipInfo.is_dir`, which breaks on an empty name."""
    return info.filename.endswith("/")


def is_wheel(names: Iterable[str]) -> bool:
    """Whether these are the files of a wheel (PyPA, "Binary distribution format")."""
    return any(n.endswith(".dist-info/WHEEL") and n.count("/") == 1 for n in names)


def is_conda(names: Iterable[str]) -> bool:
    """Whether these are the files of a `.conda` package (its format, version 2)."""
    found = set(names)
    return "metadata.json" in found and any(map(is_conda_part, found))


def is_conda_part(name: str) -> bool:
    return name.startswith(("pkg-", "info-")) and name.endswith(".tar.zst")


def members(
    view: View, infos: Iterable[zipfile.ZipInfo], context: Context
) -> Iterator[Part]:
    """Every file of the archive's directory, in the order of its bytes."""
    room = Room()
    infos = sorted(infos, key=lambda one: one.header_offset)
    twice = {name for name, n in Counter(i.filename for i in infos).items() if n > 1}
    end = 0
    for info in infos:
        path = f"{view.path}{SEPARATOR}{info.filename}"
        try:
            context.count(Where(path))
            if is_directory(info) or context.excludes(path):
                continue
            if info.filename in twice:
                message = "the archive holds this name more than once"
                raise FormatError(message, Where(path, "zip", info.header_offset))
            if info.header_offset < end:
                message = "the member overlaps another one"
                raise FormatError(message, Where(path, "zip", info.header_offset))
            data = _data(view, info, path)
            end = info.header_offset + len(data)
            found = _member(data, info, path, context, room)
        except KinspectError as error:
            yield unreadable(error, path)
            continue
        if found is not None:
            yield found


def content(view: View, info: zipfile.ZipInfo, path: str) -> Iterator[bytes]:
    """A member's bytes, piece by piece; raise FormatError where it is damaged."""
    data = _data(view, info, path)
    if info.compress_type not in {STORED, DEFLATED}:
        message = f"compression method {info.compress_type}; stored and deflate are read"
        raise FormatError(message, data.where())
    data.expect()
    pieces = (
        (
            bytes(data.bytes(at, min(CHUNK, len(data) - at)))
            for at in range(0, len(data), CHUNK)
        )
        if info.compress_type == STORED
        else inflate.pieces(data, CHUNK)
    )
    size = crc = 0
    for piece in pieces:
        size += len(piece)
        crc = inflate.crc32(piece, crc)
        if size > info.file_size:
            break
        yield piece
    if size != info.file_size or crc != info.CRC:
        message = f"has {size} bytes or more with CRC {crc:08x}, the directory says"
        message = f"{message} {info.file_size} and {info.CRC:08x}"
        raise FormatError(message, data.where())


def _data(view: View, info: zipfile.ZipInfo, path: str) -> View:
    """The stored bytes of a member; its local header must say what the directory says."""
    local = view.read(LocalHeader, info.header_offset)
    name_at = info.header_offset + wire(LocalHeader).size
    raw = bytes(view.bytes(name_at, local.name_size))
    name = raw.decode("utf-8" if local.flags & 0x800 else "cp437", "replace")
    where = Where(path, "zip", info.header_offset)
    if local.signature != 0x04034B50 or name != info.orig_filename:
        message = f"the local header names {decode(raw)!r}, the directory {info.filename!r}"
        raise FormatError(message, where)
    if info.flag_bits & ENCRYPTED:
        message = "encrypted"
        raise FormatError(message, where)
    if local.method != info.compress_type or _disagrees(local, info):
        message = "the local header disagrees with the directory"
        raise FormatError(message, where)
    start = name_at + local.name_size + local.extra_size
    return view.slice(start, info.compress_size, "zip")


def _disagrees(local: LocalHeader, info: zipfile.ZipInfo) -> bool:
    """Whether who reads the local headers alone would read another member."""
    if local.flags & STREAMED:
        return False
    pairs = ((local.compressed, info.compress_size), (local.size, info.file_size))
    return local.crc != info.CRC or any(said not in {meant, ZIP64} for said, meant in pairs)


def _member(
    data: View, info: zipfile.ZipInfo, path: str, context: Context, room: Room
) -> Member | None:
    context.limits.check("member", info.file_size, Where(path))
    if info.compress_type == STORED:
        if info.file_size != info.compress_size:
            message = f"stored in {info.compress_size} bytes, should be {info.file_size}"
            raise FormatError(message, data.where())
        whole = data.renamed(path)
        if not context.wanted(
            path, len(whole), bytes(whole.bytes(0, min(HEAD, len(whole))))
        ):
            return None
        data.expect()
        crc = 0
        for at in range(0, len(whole), CHUNK):
            crc = inflate.crc32(whole.bytes(at, min(CHUNK, len(whole) - at)), crc)
        if crc != info.CRC:
            message = f"CRC {crc:08x}, the directory says {info.CRC:08x}"
            raise FormatError(message, data.where())
        return Member(path, whole)
    if info.compress_type != DEFLATED:
        message = f"compression method {info.compress_type}; stored and deflate are read"
        raise FormatError(message, data.where())
    ratio = info.file_size // max(info.compress_size, 1)
    context.limits.check("ratio", ratio, data.where())
    return _inflated(data, info, path, context, room)


class _Head(Memory):
    """The first bytes of what is not inflated yet."""

    def __init__(self, head: bytes, size: int) -> None:
        super().__init__(head)
        self.size = size


def _inflated(
    data: View, info: zipfile.ZipInfo, path: str, context: Context, room: Room
) -> Member | None:
    """The member's bytes, or None if its first bytes are of no interest."""
    target = room.of(info.file_size, Where(path))
    filled = ready = 0
    crc = 0
    head = min(HEAD, info.file_size)
    asked = False
    with closing(_pieces(data, info.file_size)) as pieces:
        for out in pieces:
            if filled + len(out) > info.file_size:
                message = f"inflates to more than its {info.file_size} bytes"
                raise FormatError(message, data.where())
            while asked and ready < filled + len(out):
                ready = room.ready(ready)
            target[filled : filled + len(out)] = out
            filled += len(out)
            context.inflated(len(out), data.where())
            crc = inflate.crc32(out, crc)
            if not asked and filled >= head:
                asked = True
                first = bytes(target[:head])
                if not context.wanted(path, info.file_size, first):
                    return None
                if _put_off(info.file_size - filled, path, first, context, data):
                    view = View(_Head(first, info.file_size), path)
                    alone = Context(context.limits)
                    return Member(
                        path, view, partial(_inflated, data, info, path, alone, Room())
                    )
                data.expect()
    if filled != info.file_size or crc != info.CRC:
        message = f"inflates to {filled} bytes with CRC {crc:08x}, the directory says"
        message = f"{message} {info.file_size} and {info.CRC:08x}"
        raise FormatError(message, data.where())
    return Member(path, View(Memory(target), path))


def _put_off(rest: int, path: str, head: bytes, context: Context, data: View) -> bool:
    """Whether the rest of a member is left to who loads it; if so, it counts now."""
    if not context.holds(rest) or not context.put_off(path, len(head) + rest, head):
        return False
    context.inflated(rest, data.where())
    data.read_elsewhere(len(data))
    return True


def _pieces(data: View, size: int) -> Generator[bytes, None, None]:
    """The first bytes of a member, then the rest: of a large one, ahead of its use."""
    pieces = inflate.pieces(data, HEAD)
    yield from islice(pieces, 1)
    yield from pieces if size < LARGE else inflate.ahead(pieces)
