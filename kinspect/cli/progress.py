"""How far reading is, on a terminal; nothing in a log."""

import os
import stat
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TextIO

from kinspect.names import escape
from kinspect.sources import Counted, Installed, Named, Watch

#: work that is done sooner shows nothing, in seconds
PATIENCE: Final = 0.5
INTERVAL: Final = 0.1
BAR: Final = 20
CLEAR: Final = "\r\x1b[K"


@contextmanager
def progress(paths: Iterable[Named], *, quiet: bool = False) -> Iterator[Watch | None]:
    """A bar on stderr, while it is a terminal, for what the block reads.

    Gone when the block ends, however it ends.
    """
    stream = sys.stderr
    if quiet or not stream.isatty() or os.environ.get("TERM") == "dumb":
        yield None
        return
    bar = Bar(stream, sum(map(_size, paths)))
    try:
        yield bar
    finally:
        bar.close()


def _size(path: Named) -> int:
    """The size of a file; 0 for what is not known beforehand."""
    if isinstance(path, Installed):
        return 0
    try:
        found = Path(path).stat()
    except OSError:
        return 0
    return found.st_size if stat.S_ISREG(found.st_mode) else 0


class Bar:
    """What is read and how much of it, drawn by a thread of its own."""

    def __init__(self, stream: TextIO, total: int, patience: float = PATIENCE) -> None:
        self._stream = stream
        self._total = total
        self._files: list[Counted] = []
        self._done = 0
        self._name = ""
        self._drawn = False
        self._began = time.monotonic()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(patience,), daemon=True)
        self._thread.start()

    def opened(self, file: Counted) -> None:
        self._done += sum(one.size for one in self._files)
        self._files = [file]

    def reading(self, path: str) -> None:
        self._name = path

    def close(self) -> None:
        self._ended.set()
        self._thread.join()
        if self._drawn:
            self._stream.write(CLEAR)
            self._stream.flush()

    def _run(self, patience: float) -> None:
        if self._ended.wait(patience):
            return
        while True:
            self._stream.write(CLEAR + self.line(self._columns()))
            self._stream.flush()
            self._drawn = True
            if self._ended.wait(INTERVAL):
                return

    def _columns(self) -> int:
        try:
            return os.get_terminal_size(self._stream.fileno()).columns or 80
        except (OSError, ValueError):
            return 80

    def line(self, columns: int) -> str:
        """`[#####     ]  25 %  lib.so`, or seconds where the whole is not known."""
        read = sum(min(one.consumed, one.size) for one in self._files)
        if self._total:
            part = min((self._done + read) / self._total, 1)
            filled = "#" * round(part * BAR)
            head = f"[{filled:{BAR}}] {part:4.0%}  "
        else:
            head = f"{time.monotonic() - self._began:4.0f} s  "
        return head + _fitted(escape(self._name), columns - len(head) - 1)


def _fitted(name: str, width: int) -> str:
    """The end of a name that is too long: the file's own name is there."""
    if width < 4:
        return ""
    return name if len(name) <= width else f"…{name[1 - width :]}"
