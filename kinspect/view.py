"""Bounds-checked windows over bytes that remember where they lie; wire records.

A `View` is a window over a `Storage`: a file, of which only what is asked for is
read, or memory. A file is read with `pread` and never mapped, since a mapped file
that shrinks while it is read kills the process.
"""

import os
import re
import sys
from array import array
from collections.abc import Callable, Hashable, Iterator
from functools import cache
from struct import Struct
from typing import (
    Annotated,
    Final,
    Protocol,
    TypeVar,
    get_args,
    get_type_hints,
    runtime_checkable,
)

from kinspect.errors import FormatError, InputError, Where

U8 = Annotated[int, "B"]
U16 = Annotated[int, "H"]
U32 = Annotated[int, "I"]
U64 = Annotated[int, "Q"]
I64 = Annotated[int, "q"]

Bytes = bytes | bytearray | memoryview

#: A record is a NamedTuple whose fields are annotated with their struct codes: the
#: declaration is the layout. All formats that kinspect reads itself are little-endian.
R = TypeVar("R", bound=tuple[object, ...])


@cache
def _layout(record: Hashable) -> Struct:
    hints = get_type_hints(record, include_extras=True)
    codes = [get_args(hint)[1] for hint in hints.values()]
    return Struct("<" + "".join(codes))


def wire(record: type) -> Struct:
    """The packed little-endian layout of a record type."""
    return _layout(record)


class Storage(Protocol):
    """Where the bytes of views come from."""

    @property
    def size(self) -> int:
        """How many bytes there are."""

    def read(self, at: int, size: int) -> Bytes:
        """Up to `size` bytes at `at`; fewer only if there are no more."""


@runtime_checkable
class Ahead(Protocol):
    """A storage that is far away: it is cheaper to fetch much at once."""

    def expect(self, at: int, size: int) -> None:
        """All of these bytes are going to be read, in order."""


class Memory:
    """Bytes in memory, never copied."""

    def __init__(self, data: Bytes) -> None:
        self._data = memoryview(data).toreadonly()
        self.size = len(self._data)

    def read(self, at: int, size: int) -> Bytes:
        return self._data[at : at + size]


class Descriptor:
    """An open file, read as it is asked for; small reads share a block."""

    BLOCK: Final = 16 * 1024

    def __init__(self, fd: int, path: str) -> None:
        self._path = path
        self._fd = fd
        self.size = os.fstat(fd).st_size
        #: bytes that were read so far, some of them perhaps twice
        self.consumed = 0
        self._block: tuple[int, bytes] = (0, b"")

    def read(self, at: int, size: int) -> Bytes:
        if size > self.BLOCK // 4:
            return self._pread(at, size)
        start, block = self._block
        if not start <= at <= at + size <= start + len(block):
            start, block = at, self._pread(at, self.BLOCK)
            self._block = start, block  # one assignment: safe between threads
        return block[at - start : at - start + size]

    def _pread(self, at: int, size: int) -> bytes:
        try:
            data = os.pread(self._fd, size, at)
            while 0 < len(data) < size:  # Linux reads at most 2 GiB at once
                more = os.pread(self._fd, size - len(data), at + len(data))
                if not more:
                    break
                data += more
        except OSError as error:
            raise InputError(error.strerror or str(error), self._path) from error
        self.consumed += len(data)
        return data

    def close(self) -> None:
        os.close(self._fd)


class File(Descriptor):
    """A file by its path."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        path = os.fspath(path)
        try:
            fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise InputError(error.strerror or str(error), path) from error
        super().__init__(fd, path)


class _Window:
    """A part of a storage, with an address space of its own."""

    def __init__(self, storage: Storage, start: int, size: int) -> None:
        self._storage = storage
        self._start = start
        self.size = size

    def read(self, at: int, size: int) -> Bytes:
        return self._storage.read(self._start + at, max(min(size, self.size - at), 0))


class View:
    """A window of a storage, with the name of the binary and layer it belongs to.

    Every access is checked against the window: what does not fit is a FormatError
    that says where. Slices of a view share its address space, so that offsets in
    errors and results count from the start of the file, or of the inflated bundle.
    """

    __slots__ = ("_storage", "layer", "path", "size", "start")

    def __init__(
        self,
        storage: Storage,
        path: str,
        layer: str = "",
        start: int = 0,
        size: int | None = None,
    ) -> None:
        self._storage = storage
        self.path = path
        self.layer = layer
        #: offset of the window in its address space, in bytes
        self.start = start
        self.size = storage.size - start if size is None else size

    def __len__(self) -> int:
        return self.size

    def __repr__(self) -> str:
        return f"View({self.where()}, {self.size:#x} bytes)"

    def where(self, at: int = 0) -> Where:
        """The place `at` bytes into the window."""
        return Where(self.path, self.layer, self.start + at)

    def require(self, at: int, size: int) -> None:
        """Raise FormatError unless the window holds `size` bytes at `at`."""
        if at < 0 or size < 0 or at + size > self.size:
            left = max(self.size - at, 0) if at >= 0 else 0
            message = f"needs {size} bytes, {left} left"
            raise FormatError(message, self.where(at))

    def slice(self, at: int, size: int | None = None, layer: str | None = None) -> "View":
        """The window of `size` bytes at `at` (to the end, if not given)."""
        if size is None:
            size = self.size - at
        self.require(at, size)
        layer = self.layer if layer is None else layer
        return View(self._storage, self.path, layer, self.start + at, size)

    def renamed(self, path: str) -> "View":
        """The same bytes as a file of their own: offsets start at 0 again."""
        if self.start == 0:
            return View(self._storage, path, "", 0, self.size)
        return View(_Window(self._storage, self.start, self.size), path)

    def bytes(self, at: int = 0, size: int | None = None) -> Bytes:
        """The bytes themselves: no copy from memory, one read from a file."""
        if size is None:
            size = self.size - at
        self.require(at, size)
        data = self._storage.read(self.start + at, size)
        if len(data) != size:
            message = f"needs {size} bytes, the file now ends after {len(data)}"
            raise FormatError(message, self.where(at))
        return data

    def read(self, record: type[R], at: int) -> R:
        """The record at `at`."""
        layout = wire(record)
        return tuple.__new__(record, layout.unpack(self.bytes(at, layout.size)))

    def records(self, record: type[R], at: int, count: int, stride: int) -> Iterator[R]:
        """`count` records, `stride` bytes apart: a table whose entries may be longer."""
        layout = wire(record)
        if stride < layout.size:
            message = f"entries of {stride} bytes, expected at least {layout.size}"
            raise FormatError(message, self.where(at))
        data = self.bytes(at, count * stride)
        for start in range(0, count * stride, stride):
            yield tuple.__new__(record, layout.unpack_from(data, start))

    def read_elsewhere(self, size: int) -> None:
        """Tell who watches the file that another process read so many bytes of it."""
        if isinstance(self._storage, Descriptor):
            self._storage.consumed += size

    def expect(self) -> None:
        """Say that all of it is going to be read, in order."""
        if isinstance(self._storage, Ahead):
            self._storage.expect(self.start, self.size)

    def startswith(self, magic: Bytes, at: int = 0) -> bool:
        """Whether `magic` stands at `at`; False where the window is too short."""
        if at < 0 or at + len(magic) > self.size:
            return False
        return self.bytes(at, len(magic)) == magic

    def string(self, at: int, longest: int) -> str:
        """The NUL-terminated text at `at`, of at most `longest` bytes."""
        data = bytes(self.bytes(at, min(longest, self.size - at)))
        end = data.find(b"\0")
        if end < 0:
            message = f"text without an end within {len(data)} bytes"
            raise FormatError(message, self.where(at))
        return decode(data[:end])

    def find(self, *needles: Bytes, at: int = 0) -> Iterator[tuple[int, Bytes]]:
        """Where the needles occur from `at` on, in order; reads a chunk at a time."""
        overlap = max(map(len, needles)) - 1
        step = 1 << 18  # stays in the processor's cache from one needle to the next
        finders = [(needle, _finder(needle)) for needle in needles]
        for start in range(at, self.size, step):
            chunk = bytes_of(self.bytes(start, min(step + overlap, self.size - start)))
            hits = []
            for needle, find in finders:
                # a hit that begins in the overlap belongs to the next chunk
                hit = find(chunk, 0, step + len(needle) - 1)
                while hit >= 0:
                    hits.append((start + hit, needle))
                    hit = find(chunk, hit + 1, step + len(needle) - 1)
            yield from sorted(hits)

    def skip_zeros(self, at: int) -> int:
        """Where the first byte that is not zero lies from `at` on, or the end."""
        step = 1 << 12
        while at < self.size:
            chunk = bytes_of(self.bytes(at, min(step, self.size - at)))
            rest = chunk.lstrip(b"\0")
            if rest:
                return at + len(chunk) - len(rest)
            at += len(chunk)
            step = min(step * 2, 1 << 20)
        return self.size


#: bytes from which on a needle is found faster by `find`, which skips as many
_LONG: Final = 12


def _finder(needle: Bytes) -> Callable[[bytes | bytearray, int, int], int]:
    """What looks for a needle, as `find` does. For a short one, `re` is twice as fast."""
    if len(needle) >= _LONG:
        return lambda data, start, end: data.find(needle, start, end)
    pattern = re.compile(re.escape(bytes(needle)))

    def find(data: bytes | bytearray, start: int, end: int) -> int:
        hit = pattern.search(data, start, end)
        return -1 if hit is None else hit.start()

    return find


def bytes_of(data: Bytes) -> bytes | bytearray:
    """`data` as an object that can search, copied only from a memoryview."""
    return bytes(data) if isinstance(data, memoryview) else data


def column(data: Bytes, code: str) -> "array[int]":
    """Little-endian numbers back to back, by their struct code."""
    numbers = array(code, bytes(data))
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers


def decode(data: Bytes) -> str:
    """Text from a file: UTF-8, with what is not kept as surrogate escapes."""
    return bytes(data).decode("utf-8", "surrogateescape")
