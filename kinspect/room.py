"""Memory to inflate into, kept from one use to the next."""

import mmap
import sys
from contextlib import suppress
from typing import Any, Final

from kinspect.errors import FormatError, Where

#: pages of this process alone: shared ones, Python's default, cost half as much again to
#: touch for the first time. Windows knows no flags.
_PRIVATE: Final[dict[str, Any]] = (
    {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS}
    if hasattr(mmap, "MAP_ANONYMOUS")
    else {}
)

#: MADV_POPULATE_WRITE (Linux 5.14, mman-common.h): to make many pages at once takes half
#: as long as to make each when it is first touched
_POPULATE: Final = 23 if sys.platform == "linux" else None
#: bytes that are made ready at once
STEP: Final = 4 << 20


class Room:
    """Room for one thing at a time.

    Anonymous pages cost nothing until they are written to: a header that promises too
    much wastes addresses and no memory.
    """

    def __init__(self) -> None:
        self._buffer: mmap.mmap | None = None

    def of(self, size: int, where: Where) -> memoryview:
        """Room for `size` bytes; what was handed out before is no longer valid.

        Raises FormatError where the system gives no more, as under `ulimit -v`.
        """
        if self._buffer is None or len(self._buffer) < size:
            try:
                self._buffer = mmap.mmap(-1, max(size, 1 << 20), **_PRIVATE)
            except (OSError, OverflowError, ValueError, MemoryError) as error:
                message = f"no memory for {size} bytes"
                raise FormatError(message, where) from error
        return memoryview(self._buffer)[:size]

    def ready(self, at: int) -> int:
        """Make the next `STEP` bytes ready to be written, and say where they end.

        `at` is a multiple of `STEP`. It only saves time: nothing depends on it.
        """
        if self._buffer is not None and _POPULATE is not None:
            size = min(STEP, len(self._buffer) - at)
            with suppress(OSError, ValueError):  # an older system, or no memory: later
                self._buffer.madvise(_POPULATE, at, size)
        return at + STEP
