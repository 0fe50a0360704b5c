"""Tar archives, one by one as they come.

Source: POSIX, pax interchange format; GNU tar manual. The standard library reads the
headers. Files of a plain tar are views of it; those of a compressed one are read in turn.
"""

import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum, auto
from tarfile import HeaderError, ReadError, TarFile
from typing import IO, BinaryIO, Final, Self, cast

from kinspect.errors import FormatError, KinspectError, Where
from kinspect.room import Room
from kinspect.sources import decompress
from kinspect.sources.decompress import Inflated
from kinspect.sources.member import SEPARATOR, Context, Member, Part, unreadable
from kinspect.sources.stream import Stream
from kinspect.view import Memory, View

HEAD: Final = 4096
CHUNK: Final = 1 << 20

#: the zeros that end an archive; an error inside of the library only
EOF: Final[type[HeaderError]] = tarfile.EOFHeaderError  # type: ignore[attr-defined]

#: what the readers of others raise for archives that are damaged, or beyond them
FOREIGN: Final = (tarfile.TarError, *decompress.FOREIGN)


class Lost(KinspectError):
    """A stream has ended early, and it was told why."""


class Kind(Enum):
    FILE = auto()
    DIRECTORY = auto()
    LINK = auto()  #: another name of a file that came before
    SYMLINK = auto()
    OTHER = auto()  #: devices, pipes


@dataclass(frozen=True, slots=True)
class Entry:
    """One header of a tar."""

    name: str
    kind: Kind
    size: int
    #: of its bytes, from the start of the archive
    offset: int
    #: what a link names
    link: str
    #: a file with holes: where they are is known to the library
    sparse: tarfile.TarInfo | None

    @classmethod
    def of(cls, info: tarfile.TarInfo) -> Self:
        name = info.name
        while name.startswith("./"):
            name = name[2:].lstrip("/")
        sparse = info if info.issparse() else None
        return cls(name, _kind(info), info.size, info.offset_data, info.linkname, sparse)


def _kind(info: tarfile.TarInfo) -> Kind:
    if info.isdir():
        return Kind.DIRECTORY
    if info.issym():
        return Kind.SYMLINK
    if info.islnk():
        return Kind.LINK
    # POSIX: a type that is not known is to be read as a file
    if info.isreg() or info.type not in tarfile.SUPPORTED_TYPES:
        return Kind.FILE
    return Kind.OTHER


class _Header(tarfile.TarInfo):
    """Headers of an archive that must go on until the zeros that end it.

    The library takes anything else that is no header for the end as well.
    """

    @classmethod
    def fromtarfile(cls, tarfile: TarFile) -> Self:
        try:
            return super().fromtarfile(tarfile)
        except EOF:
            raise
        except HeaderError as error:
            message = f"no end of the archive: {error}"
            raise ReadError(message) from error


#: more than the padding of a file and the zeros that end an archive
END: Final = bytes(3 * 512)


class _Ended:
    """An inflating stream with an end of a tar behind it."""

    def __init__(self, inner: Inflated) -> None:
        self._inner = inner
        #: how much was read, and what is left of the end
        self.size = 0
        self._end = END

    def read(self, size: int) -> bytes:
        data = self._inner.read(size)
        self.size += len(data)
        if not data:
            data, self._end = self._end[:size], self._end[size:]
        return data


class Tar:
    """A tar that is being read: from a view, or from a stream that inflates it.

    Raises FormatError and LimitExceeded, and whatever of FOREIGN the library does.
    """

    def __init__(
        self, view: View, stream: Inflated | None = None, *, ended: bool = False
    ) -> None:
        """`ended` says that the archive is whole, though it may lack its end."""
        self.view = view
        self._stream = stream
        self._ended = _Ended(stream) if ended and stream else None
        source = self._ended or stream or Stream(view, after=END if ended else b"")
        self._archive = tarfile.open(  # noqa: SIM115  # nothing to close
            fileobj=cast("IO[bytes]", source),
            mode="r|" if stream else "r:",
            tarinfo=_Header,
            bufsize=CHUNK,
        )
        self._room = Room()
        #: of the current entry, when it comes from a stream: its file, and what was read
        self._file: BinaryIO | None = None
        self._head = b""
        self._info: tarfile.TarInfo

    @property
    def lost(self) -> bool:
        """Whether nothing more can come: the stream itself is broken."""
        return self._stream is not None and self._stream.failed

    def __iter__(self) -> Iterator[Entry]:
        """The entries; `head` and `content` are for the one that came last.

        Those of a plain tar can be asked for later, too.
        """
        while (info := self._archive.next()) is not None:
            self._archive.members.clear()  # type: ignore[attr-defined]
            self._info, self._file, self._head = info, None, b""
            yield Entry.of(info)
        if self._stream is not None:
            self._stream.drain()

    def head(self, entry: Entry) -> bytes:
        """The first bytes of a file."""
        if self._stream is None and not entry.sparse:
            data = self.view.slice(entry.offset, entry.size)
            return bytes(data.bytes(0, min(HEAD, entry.size)))
        if self._file is None:
            self._file = self._open(entry)
            self._head = self._file.read(HEAD)
        return self._head

    def content(self, entry: Entry, path: str, context: Context) -> View:
        """All of a file, as a view with the given breadcrumb."""
        if self._stream is None and not entry.sparse:
            return self.view.slice(entry.offset, entry.size, "").renamed(path)
        context.limits.check("member", entry.size, Where(path))
        head = self.head(entry)
        target = self._room.of(entry.size, Where(path))
        target[: len(head)] = head
        filled = len(head)
        file = self._file or self._open(entry)
        while filled < entry.size and (more := file.read(min(CHUNK, entry.size - filled))):
            target[filled : filled + len(more)] = more
            filled += len(more)
        self._file = None
        if self._ended is not None:
            filled -= max(entry.offset + entry.size - self._ended.size, 0)
        if filled != entry.size:
            message = f"has {filled} of {entry.size} bytes"
            raise FormatError(message, Where(path, "tar"))
        return View(Memory(target), path)

    def _open(self, entry: Entry) -> BinaryIO:
        return tarfile.ExFileObject(self._archive, entry.sparse or self._info)


def file(tar: Tar, entry: Entry, path: str, context: Context) -> Iterator[Part]:
    """A file of a tar if it is of interest, or why it can't be read."""
    try:
        if not context.wanted(path, entry.size, tar.head(entry)):
            return
        member = Member(path, tar.content(entry, path, context))
    except (KinspectError, *FOREIGN) as error:
        yield broken(error, tar.view, path)
        if tar.lost:
            raise Lost from error
        return
    yield member


def files(tar: Tar, entries: Iterable[Entry], context: Context) -> Iterator[Part]:
    """The files of a tar, and what can't be read."""
    view = tar.view
    try:
        for entry in entries:
            path = f"{view.path}{SEPARATOR}{entry.name}"
            if entry.kind is Kind.FILE and not context.excludes(path):
                context.count(Where(path))
                yield from file(tar, entry, path, context)
    except Lost:
        return
    except (KinspectError, *FOREIGN) as error:
        yield broken(error, view)


def broken(error: Exception, view: View, path: str = "") -> Part:
    """What is yielded in place of a file, or of the rest of an archive."""
    if not isinstance(error, KinspectError):
        error = FormatError(f"archive: {error}", view.where())
    return unreadable(error, path or view.path)
