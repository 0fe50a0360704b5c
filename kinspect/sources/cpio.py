"""cpio archives as RPM packages hold them: one stream, read in turn.

Source: cpio(5), "New ASCII Format"; rpm's lib/cpio.c for `07070X`, which names a file by
its number in the package's header, since eight hexadecimal digits hold no size of 4 GiB.
"""

import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from kinspect.errors import FormatError, KinspectError, Where
from kinspect.room import Room
from kinspect.sources.decompress import FOREIGN, Inflated
from kinspect.sources.member import SEPARATOR, Context, Member, Part, unreadable
from kinspect.view import Memory, View, decode

NEWC: Final = (b"070701", b"070702")
STRIPPED: Final = b"07070X"
TRAILER: Final = "TRAILER!!!"
#: digits of a number, and how many numbers stand in a header
DIGITS: Final = 8
HEXADECIMAL: Final = b"0123456789abcdefABCDEF"
FIELDS: Final = 13
#: which of them
MODE, SIZE, NAME_SIZE = 1, 6, 11
LONGEST_NAME: Final = 4096
HEAD: Final = 4096
CHUNK: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class File:
    """A file of the payload."""

    name: str
    mode: int
    #: bytes of it that stand in the archive
    size: int


class Cpio:
    """A payload that is being read."""

    def __init__(self, stream: Inflated, view: View, files: Sequence[File]) -> None:
        self._stream = stream
        self._view = view
        #: what the package's header says
        self._files = files
        self._room = Room()
        self._at = 0
        #: bytes of the current file that were not read yet
        self._left = 0

    def members(self, context: Context) -> Iterator[Part]:
        """The regular files, and what can't be read."""
        path = self._view.path
        try:
            while (file := self._next()) is not None:
                path = f"{self._view.path}{SEPARATOR}{file.name}"
                if stat.S_ISREG(file.mode) and not context.excludes(path):
                    context.count(Where(path))
                    yield from self._member(file, path, context)
            self._stream.drain()
        except (KinspectError, *FOREIGN) as error:
            if not isinstance(error, KinspectError):
                error = FormatError(f"payload: {error}", self._view.where())
            yield unreadable(error, path)

    def _member(self, file: File, path: str, context: Context) -> Iterator[Part]:
        head = self._read(min(HEAD, file.size))
        if not context.wanted(path, file.size, head):
            return
        try:
            context.limits.check("member", file.size, Where(path))
            target = self._room.of(file.size, Where(path))
        except KinspectError as error:
            yield unreadable(error, path)
            return
        target[: len(head)] = head
        for at in range(len(head), file.size, CHUNK):
            size = min(CHUNK, file.size - at)
            target[at : at + size] = self._read(size)
        yield Member(path, View(Memory(target), path))

    def _next(self) -> File | None:
        """The next file; None at the end."""
        self._skip()
        magic = self._header(len(STRIPPED))
        if magic == STRIPPED:
            index = self._number(self._header(DIGITS))
            self._pad()
            if index >= len(self._files):
                message = f"file {index}, the header names {len(self._files)}"
                raise FormatError(message, self._view.where())
            file = self._files[index]
        elif magic in NEWC:
            fields = self._header(DIGITS * FIELDS)
            numbers = [
                self._number(fields[at : at + DIGITS])
                for at in range(0, DIGITS * FIELDS, DIGITS)
            ]
            if not 0 < numbers[NAME_SIZE] <= LONGEST_NAME:
                message = f"a name of {numbers[NAME_SIZE]} bytes"
                raise FormatError(message, self._view.where())
            name = decode(self._header(numbers[NAME_SIZE]).rstrip(b"\0"))
            self._pad()
            file = File(relative(name), numbers[MODE], numbers[SIZE])
        else:
            message = f"payload: {magic!r} at {self._at:#x}, where a file should start"
            raise FormatError(message, self._view.where())
        self._left = file.size
        return None if file.name == TRAILER else file

    def _read(self, size: int) -> bytes:
        """Bytes of the current file."""
        self._left -= size
        return self._header(size)

    def _skip(self) -> None:
        """Go to the next header."""
        while self._left:
            self._read(min(CHUNK, self._left))
        self._pad()

    def _pad(self) -> None:
        self._header(-self._at % 4)

    def _header(self, size: int) -> bytes:
        """Exactly so many bytes."""
        data = b""
        while len(data) < size and (more := self._stream.read(size - len(data))):
            data += more
        self._at += len(data)
        if len(data) < size:
            message = f"payload: ends at {self._at:#x}, in the middle"
            raise FormatError(message, self._view.where())
        return data

    def _number(self, digits: bytes) -> int:
        if digits.strip(HEXADECIMAL):  # int() would take signs and spaces too
            message = f"payload: {digits!r} is no number"
            raise FormatError(message, self._view.where())
        return int(digits, 16)


def relative(name: str) -> str:
    """A name without what stands for the root."""
    return name.removeprefix(".").lstrip("/") if name.startswith(("./", "/")) else name
