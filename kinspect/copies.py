"""Work on all cores: shares of it go to copies of this process (`fork`).

A copy has all that its parent has read and inflated, so that nothing is sent but results.
Where there is no `fork`, or one core, everything is done here, in order. What a copy
can't finish, since the system ended it, is done here too.
"""

import os
import weakref
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import suppress
from typing import Final, Generic, Self, TypeVar

T = TypeVar("T")
R = TypeVar("R")

#: work that is not worth a copy of the process, in bytes to read
SMALL: Final = 8 << 20
#: into how many parts work is shared out, at most: more than there are cores, so that all
#: end at about the same time, and few enough for what a pipe holds
PARTS: Final = 256

_CHUNK: Final = 1 << 20
#: the ends of pipes that this process reads results from
_READ: Final[set[int]] = set()

#: how much a pipe should hold where the system allows it: who writes to it need not wait
_PIPE: Final = 1 << 20


def cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def share(
    work: Callable[[T], R],
    items: Sequence[T],
    weights: Sequence[int],
    jobs: int,
    meanwhile: Callable[[], None] = lambda: None,
) -> Generator[R, None, None]:
    """What `work` returns for each item, in order; `weights` are the bytes of each.

    This process and its copies take what is left, the heaviest first. Before this one
    takes part, it does something else `meanwhile`, whose exceptions come first. Results
    of copies are pickled. An exception of `work` is that of the same work done again here.
    """
    copies = min(jobs, len(items), sum(weights) // SMALL) - 1
    if copies < 1 or not hasattr(os, "fork"):
        meanwhile()
        yield from map(work, items)
        return
    parts = _parts(weights)

    def done(number: int) -> list[tuple[int, R]]:
        return [(index, work(items[index])) for index in parts[number]]

    results: dict[int, R] = {}
    due = 0
    queue = _Queue(len(parts))
    with queue, _Copies([lambda: map(done, queue)] * copies) as others:
        meanwhile()
        for found in _all(map(done, queue), others):
            results.update(found)
            while due in results:
                yield results.pop(due)
                due += 1
    for index in range(due, len(items)):
        yield results.pop(index) if index in results else work(items[index])


def _all(own: Iterator[R], others: "_Copies[R]") -> Iterator[R]:
    """What this process does and what its copies do, as it comes.

    No more of its own after an exception, which will come again.
    """
    with suppress(Exception):
        for one in own:
            yield one
            yield from others.ready()
    yield from others.results()


def _parts(weights: Sequence[int]) -> list[list[int]]:
    """Items in a row that are worth a part of their own, the heaviest first."""
    least = sum(weights) // PARTS
    parts: list[list[int]] = [[]]
    loads = [0]
    for index, weight in enumerate(weights):
        if loads[-1] > least:
            parts.append([])
            loads.append(0)
        parts[-1].append(index)
        loads[-1] += weight
    return [parts[n] for n in sorted(range(len(parts)), key=lambda n: -loads[n])]


class _Queue:
    """Numbers in a pipe: this process and its copies each take the next one."""

    _SIZE: Final = 2

    def __init__(self, count: int) -> None:
        self._read, write = os.pipe()
        os.write(write, b"".join(n.to_bytes(self._SIZE, "little") for n in range(count)))
        os.close(write)

    def __iter__(self) -> Iterator[int]:
        while number := os.read(self._read, self._SIZE):
            yield int.from_bytes(number, "little")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._read)


class Lost(Exception):
    """A copy of this process did not finish; says how it ended."""


class Later(Generic[R]):
    """One piece of work, in a copy of this process; its result when it is asked for.

    The copy has the memory of this process as it is now, whatever becomes of it here. It
    ends when nobody can ask any more, and with this process at the latest.
    """

    def __init__(self, work: Callable[[], R]) -> None:
        self._done: list[R] = []
        self._running: _Copies[R] | None = None
        if hasattr(os, "fork"):
            self._running = _Copies([lambda: iter([work()])])
            weakref.finalize(self, self._running.end)
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
        import selectors  # noqa: PLC0415  # for large inputs only, as pickle
        import signal  # noqa: PLC0415

        self._waiting = selectors.PollSelector()
        self._readable = selectors.EVENT_READ
        self._kill = signal.SIGKILL
        self._buffers: dict[int, bytearray] = {}
        self._parent = os.getpid()
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
            _READ.clear()
            _run(work, write)
        os.close(write)
        _READ.add(read)
        self._waiting.register(read, self._readable)
        self._buffers[read] = bytearray()
        self.processes.append(process)

    def __enter__(self) -> "_Copies[R]":
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        """End what still runs, and forget it; in a copy, others are not its own."""
        if os.getpid() != self._parent:
            return
        while self._buffers:
            pipe = self._buffers.popitem()[0]
            _READ.discard(pipe)
            os.close(pipe)
        while self.processes:
            process = self.processes.pop()
            os.kill(process, self._kill)  # one that ended is there until waited for
            os.waitpid(process, 0)

    def results(self) -> Iterator[R]:
        """What the copies return, as it comes; less where one was ended."""
        while self._waiting.get_map():
            yield from self.ready(None)

    def ready(self, timeout: float | None = 0) -> Iterator[R]:
        """What they have returned by now; `timeout` is how long to wait for some."""
        for key, _ in self._waiting.select(timeout):
            data = os.read(key.fd, _CHUNK)
            if not data:
                self._waiting.unregister(key.fd)
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
        os.set_blocking(pipe, False)
        waiting = bytearray()
        for result in work():
            data = pickle.dumps(result, pickle.HIGHEST_PROTOCOL)
            waiting += len(data).to_bytes(8, "little") + data
            _write(pipe, waiting)
        os.set_blocking(pipe, True)
        _write(pipe, waiting)
        code = 0
    finally:
        os._exit(code)


def _write(pipe: int, waiting: bytearray) -> None:
    """Write what the pipe takes: who reads may have other work to do first."""
    with suppress(BlockingIOError):
        while waiting:
            with memoryview(waiting)[:_CHUNK] as piece:
                count = os.write(pipe, piece)
            del waiting[:count]


def _enlarge(pipe: int) -> None:
    try:
        from fcntl import F_SETPIPE_SZ, fcntl  # noqa: PLC0415  # Linux alone has it
    except ImportError:
        return
    with suppress(OSError):
        fcntl(pipe, F_SETPIPE_SZ, _PIPE)
