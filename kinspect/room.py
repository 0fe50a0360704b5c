"""Memory to inflate into, kept from one use to the next."""

import mmap
from typing import Any, Final

from kinspect.errors import FormatError, Where

#: pages of this process alone: shared ones, Python's default, cost half as much again to
#: touch for the first time. Windows knows no flags.
_PRIVATE: Final[dict[str, Any]] = (
    {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS}
    if hasattr(mmap, "MAP_ANONYMOUS")
    else {}
)


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
