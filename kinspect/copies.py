"""Work on all cores: shares of it go to copies of this process (`fork`).

A copy has all that its parent has read and inflated, so that nothing is sent but results.
Where there is no `fork`, or one core, everything is done here, in order. What a copy
can't finish, since the system ended it, is done here too.
"""

import os
import signal
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import suppress
from typing import Final, Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")

#: a share that is not worth a copy of the process, in bytes to read
SMALL: Final = 8 << 20

_CHUNK: Final = 1 << 18
#: the ends of pipes that this process reads results from
_READ: Final[set[int]] = set()

#: how much a pipe should hold where the system allows it: a copy then ends by itself
_PIPE: Final = 1 << 20


def cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def share(
    work: Callable[[T], R], items: Sequence[T], weights: Sequence[int], jobs: int
) -> Generator[R, None, None]:
    """What `work` returns for each item, in order; `weights` are the bytes of each.

    Results are pickled. An exception in a copy is that of the same work done again here.
    """
    copies = min(jobs, len(items), sum(weights) // SMALL)
    if copies < 2 or not hasattr(os, "fork"):
        yield from map(work, items)
        return
    shares = _shares(weights, copies)

    def part(share: list[int]) -> Callable[[], Iterator[tuple[int, R]]]:
        return lambda: ((index, work(items[index])) for index in share)

    results: dict[int, R] = {}
    with _Copies([part(share) for share in shares]) as running:
        due = 0
        for index, result in running.results():
            results[index] = result
            while due in results:
                yield results.pop(due)
                due += 1
    for index in range(due, len(items)):
        yield results.pop(index) if index in results else work(items[index])


def _shares(weights: Sequence[int], count: int) -> list[list[int]]:
    """The items of each copy, in order: the heaviest first to who has least."""
    shares: list[list[int]] = [[] for _ in range(count)]
    loads = [0] * count
    for index in sorted(range(len(weights)), key=lambda i: -weights[i]):
        least = loads.index(min(loads))
        shares[least].append(index)
        loads[least] += weights[index]
    return [sorted(share) for share in shares]


class Lost(Exception):
    """A copy of this process did not finish; says how it ended."""


class Later(Generic[R]):
    """One piece of work, in a copy of this process; its result when it is asked for.

    The copy has the memory of this process as it is now, whatever becomes of it here.
    """

    def __init__(self, work: Callable[[], R]) -> None:
        self._done: list[R] = []
        self._running: _Copies[R] | None = None
        if hasattr(os, "fork"):
            self._running = _Copies([lambda: iter([work()])])
        if self._running is None or not self._running.processes:
            self._done.append(work())

    def result(self) -> R:
        """What it returned; raises Lost."""
        if not self._done and self._running is not None:
            with self._running as running:
                self._done += running.results()
        if not self._done:
            message = "ended early (no memory is left, or a signal)"
            raise Lost(message)
        return self._done[0]


class _Copies(Generic[R]):
    """Copies of this process, each of which does one piece of work and ends."""

    def __init__(self, works: Sequence[Callable[[], Iterator[R]]]) -> None:
        self._buffers: dict[int, bytearray] = {}
        #: their process IDs
        self.processes: list[int] = []
        with suppress(OSError):  # no more processes: what is missing is done here
            for work in works:
                self._start(work)

    def _start(self, work: Callable[[], Iterator[R]]) -> None:
        read, write = os.pipe()
        _enlarge(write)
        try:
            process = os.fork()
        except OSError:
            os.close(read)
            os.close(write)
            raise
        if not process:
            # A pipe that nobody reads any more ends who writes to it: whoever has this
            # process killed leaves no copies behind.
            for pipe in (*_READ, read):
                os.close(pipe)
            _run(work, write)
        os.close(write)
        _READ.add(read)
        self._buffers[read] = bytearray()
        self.processes.append(process)

    def __enter__(self) -> "_Copies[R]":
        return self

    def __exit__(self, *_: object) -> None:
        """End what still runs, and forget it."""
        while self._buffers:
            pipe = self._buffers.popitem()[0]
            _READ.discard(pipe)
            os.close(pipe)
        while self.processes:
            process = self.processes.pop()
            os.kill(process, signal.SIGKILL)  # one that ended is there until waited for
            os.waitpid(process, 0)

    def results(self) -> Iterator[R]:
        """What the copies return, as it comes; less where one was ended."""
        import selectors  # noqa: PLC0415  # for large inputs only, as pickle

        with selectors.DefaultSelector() as waiting:
            for pipe in self._buffers:
                waiting.register(pipe, selectors.EVENT_READ)
            while waiting.get_map():
                for key, _ in waiting.select():
                    data = os.read(key.fd, _CHUNK)
                    if not data:
                        waiting.unregister(key.fd)
                    self._buffers[key.fd] += data
                    yield from _taken(self._buffers[key.fd])


def _taken(buffer: bytearray) -> Iterator[R]:
    """The results that are whole: a length of eight bytes, then the pickle."""
    import pickle  # noqa: PLC0415

    while len(buffer) >= 8:
        end = 8 + int.from_bytes(buffer[:8], "little")
        if len(buffer) < end:
            return
        yield pickle.loads(buffer[8:end])  # noqa: S301  # a copy of this process wrote it
        del buffer[:end]


def _run(work: Callable[[], Iterator[R]], pipe: int) -> None:
    """Do the work of a copy and end it, without what the parent has planned for its end."""
    import pickle  # noqa: PLC0415

    code = 1
    try:
        for result in work():
            data = pickle.dumps(result, pickle.HIGHEST_PROTOCOL)
            _write(pipe, len(data).to_bytes(8, "little") + data)
        code = 0
    finally:
        os._exit(code)


def _write(pipe: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(pipe, view) :]


def _enlarge(pipe: int) -> None:
    try:
        from fcntl import F_SETPIPE_SZ, fcntl  # noqa: PLC0415  # Linux alone has it
    except ImportError:
        return
    with suppress(OSError):
        fcntl(pipe, F_SETPIPE_SZ, _PIPE)
