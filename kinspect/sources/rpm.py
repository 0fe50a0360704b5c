"""RPM packages: a lead, two headers, and a compressed cpio payload.

Source: RPM Reference Manual, "Package format" and "Tags". All numbers are big-endian.
"""

import stat
from collections.abc import Iterator, Mapping
from struct import Struct
from types import MappingProxyType
from typing import Final, NamedTuple

from kinspect.errors import FormatError, KinspectError
from kinspect.sources import decompress
from kinspect.sources.cpio import Cpio, File, relative
from kinspect.sources.decompress import Inflate, Inflated
from kinspect.sources.documents import check_digest, chunks
from kinspect.sources.member import Context, Part, unreadable
from kinspect.view import View, decode

LEAD: Final = 96
HEADER: Final = Struct(">4s4xII")
MAGIC: Final = b"\x8e\xad\xe8\x01"
ENTRY: Final = Struct(">IIII")

#: types of entries: how each number is packed; the others are texts
NUMBERS: Final[Mapping[int, str]] = MappingProxyType({2: "B", 3: "H", 4: "I", 5: "Q"})
TEXTS: Final = frozenset({6, 8, 9})

#: tags
SIZES, LONG_SIZES, MODES, FLAGS = 1028, 5008, 1030, 1037
DEVICES, INODES = 1095, 1096
DIRECTORY_INDEXES, BASE_NAMES, DIRECTORY_NAMES = 1116, 1117, 1118
FORMAT, COMPRESSOR = 1124, 1125
DIGEST, DIGEST_ALGORITHM = 5092, 5093

#: in FLAGS: a file that belongs to the package, and is not in its payload
GHOST: Final = 0x40

#: OpenPGP's numbers (RFC 4880, 9.4)
ALGORITHMS: Final[Mapping[int, str]] = MappingProxyType({8: "sha256", 10: "sha512"})


class _Entry(NamedTuple):
    type: int
    offset: int
    values: int


class Header:
    """A header of tags; raises FormatError for what breaks its format."""

    def __init__(self, view: View, at: int, context: Context) -> None:
        magic, count, size = HEADER.unpack(view.bytes(at, HEADER.size))
        if magic != MAGIC:
            message = "no header of an RPM package starts here"
            raise FormatError(message, view.where(at))
        context.limits.check("rpm_header", count * ENTRY.size + size, view.where(at))
        table = view.bytes(at + HEADER.size, count * ENTRY.size)
        self._entries = {tag: _Entry(*entry) for tag, *entry in ENTRY.iter_unpack(table)}
        start = at + HEADER.size + count * ENTRY.size
        self._store = view.slice(start, size)
        #: where the header ends
        self.end = start + size

    def numbers(self, tag: int) -> tuple[int, ...]:
        """The values of a tag; none if it is not there."""
        entry = self._entries.get(tag)
        if entry is None:
            return ()
        code = NUMBERS.get(entry.type)
        if code is None:
            message = f"tag {tag} of type {entry.type}, expected numbers"
            raise FormatError(message, self._store.where())
        size = Struct(f">{code}").size * entry.values
        data = self._store.bytes(entry.offset, size)
        return Struct(f">{entry.values}{code}").unpack(data)

    def texts(self, tag: int) -> list[str]:
        entry = self._entries.get(tag)
        if entry is None:
            return []
        if entry.type not in TEXTS:
            message = f"tag {tag} of type {entry.type}, expected text"
            raise FormatError(message, self._store.where())
        data = bytes(self._store.bytes(entry.offset))
        parts = data.split(b"\0", entry.values)
        if len(parts) <= entry.values:
            message = f"tag {tag}: text without an end"
            raise FormatError(message, self._store.where(entry.offset))
        return [decode(part) for part in parts[: entry.values]]


def members(view: View, context: Context) -> Iterator[Part]:
    """The files of a package."""
    try:
        signature = Header(view, LEAD, context)
        header = Header(view, signature.end + -signature.end % 8, context)
        payload = view.slice(header.end, layer="payload")
        open_ = _inflate(header, payload)
        files = _files(header, view)
        yield from _damaged(header, payload)
        with Inflated(payload, context, open_) as stream:
            yield from Cpio(stream, payload, files).members(context)
    except KinspectError as error:
        yield unreadable(error, view.path)


def _inflate(header: Header, payload: View) -> Inflate:
    """What reads the payload."""
    kind = (header.texts(FORMAT) or ["cpio"])[0]
    if kind != "cpio":
        message = f"a payload of format {kind!r}, expected cpio"
        raise FormatError(message, payload.where())
    open_ = decompress.compressor(payload)
    name = (header.texts(COMPRESSOR) or ["gzip"])[0]
    if open_ is not None:
        return open_
    if payload.startswith(b"0707"):
        return decompress.stored
    if name == "lzma":
        return decompress.lzma_alone
    message = f"a payload compressed by {name!r}, which can't be read"
    raise FormatError(message, payload.where())


def _damaged(header: Header, payload: View) -> Iterator[Part]:
    """A finding if the payload is not the one that was packed."""
    digest = (header.texts(DIGEST) or [""])[0]
    algorithm = ALGORITHMS.get((header.numbers(DIGEST_ALGORITHM) or (0,))[0])
    if not digest or not algorithm:
        return
    try:
        check_digest(chunks(payload), f"{algorithm}:{digest}", payload.where())
    except KinspectError as error:
        yield unreadable(error, payload.path)


def _files(header: Header, view: View) -> list[File]:
    """The files that the header names, with the bytes of each that the payload holds."""
    names = header.texts(BASE_NAMES)
    directories = header.texts(DIRECTORY_NAMES)
    indexes = header.numbers(DIRECTORY_INDEXES)
    modes = header.numbers(MODES)
    sizes = header.numbers(LONG_SIZES) or header.numbers(SIZES)
    if not len(names) == len(indexes) == len(modes) == len(sizes):
        message = "lists of files that differ in length"
        raise FormatError(message, view.where())
    if any(index >= len(directories) for index in indexes):
        message = "a file in a directory that the header does not name"
        raise FormatError(message, view.where())
    last = _last_of_links(header, modes)
    return [
        File(
            relative(directories[index] + name),
            mode,
            size if _has_bytes(mode) and last.get(number, number) == number else 0,
        )
        for number, (name, index, mode, size) in enumerate(
            zip(names, indexes, modes, sizes, strict=True)
        )
    ]


def _has_bytes(mode: int) -> bool:
    return stat.S_ISREG(mode) or stat.S_ISLNK(mode)


def _last_of_links(header: Header, modes: tuple[int, ...]) -> dict[int, int]:
    """For files that are one under several names, the last: the one with the bytes."""
    devices = header.numbers(DEVICES)
    inodes = header.numbers(INODES)
    flags = header.numbers(FLAGS)
    if not len(devices) == len(inodes) == len(flags) == len(modes):
        return {}
    sets: dict[tuple[int, int], list[int]] = {}
    for number, identity in enumerate(zip(devices, inodes, strict=True)):
        if stat.S_ISREG(modes[number]) and not flags[number] & GHOST and identity[1]:
            sets.setdefault(identity, []).append(number)
    return {number: links[-1] for links in sets.values() for number in links}
