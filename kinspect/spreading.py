"""Many calls over any `concurrent.futures.Executor`: what became of each, none lost.

Threads and processes of this machine, Dask, MPI and others offer such executors.
"""

from collections.abc import Callable, Generator, Iterable
from concurrent.futures import CancelledError, Executor, Future
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Done(Generic[T, R]):
    """A call that came to an end."""

    #: of its item among all, from 0
    index: int
    item: T
    #: what it returned; or what it raised, or what befell the worker that ran it
    result: R | BaseException


def spread(
    executor: Executor,
    call: Callable[[T], R],
    items: Iterable[T],
    *,
    in_flight: int,
    ordered: bool = False,
) -> Generator[Done[T, R], None, None]:
    """Call `call` for every item, and give each as it ends; if `ordered`, in turn.

    Not more than `in_flight` calls run, wait in the executor or wait to be taken, however
    many items there are: these are asked for one by one. A call that fails, and a worker
    that dies, is a result like any other. What is not done when the iterator is closed is
    cancelled.
    """
    ended: SimpleQueue[Future[R]] = SimpleQueue()
    running: dict[Future[R], tuple[int, T]] = {}
    ready: dict[int, Done[T, R]] = {}
    todo = enumerate(items)
    turn = 0
    try:
        while True:
            while len(running) + len(ready) < in_flight and (one := next(todo, None)):
                future = _submitted(executor, call, one[1])
                running[future] = one
                future.add_done_callback(ended.put)
            at = turn if ordered else next(iter(ready), turn)
            if at in ready:
                turn += 1
                yield ready.pop(at)
            elif running:
                future = ended.get()
                index, item = running.pop(future)
                result = _outcome(future)
                ready[index] = Done(index, item, result)
            else:
                return
    finally:
        for future in running:
            future.cancel()


def _submitted(executor: Executor, call: Callable[[T], R], item: T) -> Future[R]:
    try:
        return executor.submit(call, item)
    except Exception as error:  # noqa: BLE001  # broken or closed, as each executor says it
        failed: Future[R] = Future()
        failed.set_exception(error)
        return failed


def _outcome(future: Future[R]) -> R | BaseException:
    if future.cancelled():
        return CancelledError("the executor cancelled it")
    error = future.exception()
    return future.result() if error is None else error
