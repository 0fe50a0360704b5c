"""Views as files, for the libraries that want one."""

import io
from typing import TYPE_CHECKING

from kinspect.view import View

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


class Stream(io.RawIOBase):
    """A view as a read-only, seekable file object, with more bytes after it if need be."""

    def __init__(self, view: View, after: bytes = b"") -> None:
        super().__init__()
        self._view = view
        self._after = after
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: len(self._view)}
        self._at = max(base[whence] + offset, 0)
        return self._at

    def tell(self) -> int:
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        left = max(len(self._view) - self._at, 0)
        wanted = left + len(self._after) if size is None or size < 0 else size
        count = min(wanted, left)
        data = bytes(self._view.bytes(self._at, count)) if count else b""
        if self._after and wanted > count:
            start = max(self._at - len(self._view), 0)
            data += self._after[start : start + wanted - count]
        self._at += len(data)
        return data

    def read1(self, size: int = -1) -> bytes:
        return self.read(size)

    def readinto(self, buffer: "WriteableBuffer") -> int:
        window = memoryview(buffer).cast("B")
        data = self.read(len(window))
        window[: len(data)] = data
        return len(data)
