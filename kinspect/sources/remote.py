"""Files behind URLs: fetched in blocks as they are asked for, or whole where need be."""

import tempfile
from collections import OrderedDict
from contextlib import ExitStack, closing
from typing import IO, Final

from kinspect.errors import InputError, LimitExceeded, Where
from kinspect.limits import Limits
from kinspect.sources.ranges import NoRanges, Ranges, opened
from kinspect.view import Descriptor

#: what a first look costs: the start of a file, its end (of a zip, the directory), and
#: the head of a member
START: Final = 1 << 16
END: Final = 1 << 17
LEAST: Final = 1 << 16
#: what is read on and on comes in blocks that double up to this; in the larger ones
#: where it is known how far the reading goes
MOST: Final = 1 << 21
EXPECTED: Final = 1 << 23
#: bytes that are kept
KEPT: Final = 1 << 24


class Blocks:
    """A remote file as a storage: few requests, and little that nobody needs."""

    def __init__(self, ranges: Ranges, first: bytes) -> None:
        self._ranges = ranges
        self.size = ranges.size
        #: bytes that were fetched
        self.consumed = 0
        #: why there is no more to be had
        self.failure: InputError | None = None
        self._kept: OrderedDict[int, bytes] = OrderedDict()
        self._expected = range(0)
        #: where the last block ended, and how large the next one is if it starts there
        self._end, self._next = 0, LEAST
        self._keep(0, first)

    def expect(self, at: int, size: int) -> None:
        """Say that all of this is going to be read."""
        self._expected = range(at, at + size)

    def read(self, at: int, size: int) -> bytes:
        if at >= self.size:
            return b""
        size = min(size, self.size - at)
        found = self._have(at, size)
        if len(found) == size:
            return found
        data = bytearray(found)
        while len(data) < size:
            data += self._have(at + len(data), size - len(data)) or self._fetch(
                at + len(data), size - len(data)
            )
        return bytes(data)

    def unchanged(self) -> None:
        """Raise InputError if the file is no longer what it was."""
        self._ranges.unchanged()

    def close(self) -> None:
        self._ranges.close()

    def _have(self, at: int, size: int) -> bytes:
        """As many of the bytes there as are kept."""
        for start, block in self._kept.items():
            if start <= at < start + len(block):
                self._kept.move_to_end(start)
                return block[at - start : at - start + size]
        return b""

    def _fetch(self, at: int, size: int) -> bytes:
        """At least one of the bytes there, and what probably is asked for next."""
        start, length = self._block(at, size)
        if self.failure is not None:
            raise self.failure
        try:
            block = self._ranges.fetch(start, length)
            while start + len(block) <= at:  # a server may give less than it was asked for
                block += self._ranges.fetch(start + len(block), length - len(block))
        except InputError as error:
            self.failure = error
            raise
        self._keep(start, block)
        return block[at - start : at - start + size]

    def _block(self, at: int, size: int) -> tuple[int, int]:
        """Which bytes to fetch where `size` at `at` are wanted."""
        left = self.size - at
        if left <= END:
            return max(self.size - END, 0), min(self.size, END)
        if at in self._expected:
            size = max(size, self._expected.stop - at, LEAST)
        else:
            self._next = min(self._next * 2, MOST) if at == self._end else LEAST
            size = max(size, self._next)
        kept = min((start for start in self._kept if start > at), default=self.size)
        return at, min(size, EXPECTED, kept - at)

    def _keep(self, start: int, block: bytes) -> None:
        self.consumed += len(block)
        self._end = start + len(block)
        self._kept[start] = block
        while sum(map(len, self._kept.values())) > KEPT and len(self._kept) > 1:
            self._kept.popitem(last=False)


class Download(Descriptor):
    """All of a file whose server knows no ranges, in a temporary file without a name."""

    failure: InputError | None = None

    def __init__(self, file: IO[bytes], name: str) -> None:
        super().__init__(file.fileno(), name)
        self._file = file

    def unchanged(self) -> None:
        """It is ours."""

    def close(self) -> None:
        self._file.close()


def downloaded(file: Blocks, name: str, limits: Limits) -> Download:
    """All of a file, for who reads every byte of it more than once. Raises InputError."""
    file.expect(0, file.size)
    try:
        limits.check("temporary", file.size, Where(name))
        with closing(file), ExitStack() as stack:
            whole = stack.enter_context(tempfile.TemporaryFile(prefix="kinspect-"))
            for at in range(0, file.size, EXPECTED):
                whole.write(file.read(at, min(EXPECTED, file.size - at)))
            whole.flush()
            file.unchanged()
            stack.pop_all()
    except LimitExceeded as error:
        raise InputError(error.message, name) from None
    except OSError as error:
        message = f"needs a temporary file ({error.strerror}): set TMPDIR"
        raise InputError(message, name) from None
    return Download(whole, name)


def open_url(url: str, name: str, limits: Limits) -> Blocks | Download:
    """What a URL leads to. Raises InputError and LimitExceeded."""
    try:
        return Blocks(*opened(url, START, limits))
    except NoRanges as whole:
        return Download(whole.file, name)
