"""Many artifacts by any executor: what comes back, in which order, and what gets lost."""

import itertools
import multiprocessing
import os
import pickle
import signal
import threading
from concurrent.futures import (
    BrokenExecutor,
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
)
from typing import Any

import pytest

import kinspect
from kinspect import (
    Artifact,
    InputError,
    KinspectError,
    Limits,
    Where,
    WorkerError,
    inspect,
    inspect_many,
    inspecting,
    verify,
)
from kinspect.render import json as as_json
from tests.conftest import SAMPLES
from tests.writers import wheels

#: hosts with their archives, files with their siblings
NAMES = (
    "deep_ep_both.so", "kpack_per_tu.so", "kpack_per_tu_gfx942.kpack",
    "kpack_per_tu_gfx950.kpack", "librocshmem_device_gfx942.bc", "librocshmem_device_gfx950.bc",
)  # fmt: skip
PATHS = [str(SAMPLES / name) for name in NAMES]
MISSING = str(SAMPLES / "missing.so")


class Batches(Executor):
    """Waits until it has so many calls, and does these in the order that is given."""

    def __init__(self, *order: int) -> None:
        self.order = order
        self.calls = 0
        self.waiting: list[Any] = []

    def submit(self, call: Any, /, *arguments: Any, **options: Any) -> Any:
        future: Future[Any] = Future()
        self.calls += 1
        self.waiting.append((future, call, arguments))
        if len(self.waiting) == len(self.order):
            batch, self.waiting = self.waiting, []
            for done, its_call, its_arguments in (batch[at] for at in self.order):
                done.set_result(its_call(*its_arguments))
        return future


class Now(Executor):
    """Works at once, but for what `fail` says: there it does as a worker that is gone."""

    def __init__(self, fail=lambda _path: None):
        self.fail = fail

    def submit(self, call: Any, /, *arguments: Any, **options: Any) -> Any:
        future: Future[Any] = Future()
        failure = self.fail(arguments[-1])
        if failure == "cancel":
            future.cancel()
        elif failure is not None:
            future.set_exception(failure)
        else:
            future.set_result(pickle.loads(pickle.dumps(call))(*arguments))
        return future


@pytest.fixture(scope="module")
def processes():
    context = multiprocessing.get_context("spawn")  # pytest has threads: no fork
    with ProcessPoolExecutor(2, mp_context=context) as executor:
        yield executor


@pytest.fixture(params=["threads", "processes", "now"])
def executor(request):
    if request.param == "processes":
        yield request.getfixturevalue("processes")
    elif request.param == "threads":
        with ThreadPoolExecutor(3) as threads:
            yield threads
    else:
        yield Now()


def test_every_artifact_is_what_inspect_gives(executor):
    found = {one.path: one.found for one in inspect_many(PATHS, executor=executor)}
    assert found == {path: inspect(path) for path in PATHS}


@pytest.mark.parametrize("record", [False, True])
def test_the_report_is_that_of_one_process(executor, record, tmp_path):
    """Hosts find their archives and files their siblings, whoever read them."""
    files = {"a.so": (SAMPLES / NAMES[0]).read_bytes()}
    wheel = wheels.build(tmp_path, files)
    paths = [*PATHS, MISSING, str(wheel), str(tmp_path)]
    here = verify(paths, record=record)
    there = verify(paths, record=record, executor=executor, in_flight=3)
    assert there == here
    assert as_json.report(there) == as_json.report(here)
    assert {one.form for a in here.artifacts for _, one in a.bundles()} >= {"kpack"}


def test_options_reach_the_workers(processes):
    options: dict[str, Any] = {
        "limits": Limits(symbols=1), "exclude": ("*.a",), "code_objects": False
    }  # fmt: skip
    paths = PATHS[0], SAMPLES / "librocshmem.a"
    many = inspect_many(paths, executor=processes, ordered=True, **options)
    assert [one.found for one in many] == [inspect(path, **options) for path in paths]


def test_artifacts_come_as_they_are_done_or_in_turn():
    def order(*, ordered):
        many = inspect_many(
            PATHS[:6], executor=Batches(1, 0, 2), in_flight=3, ordered=ordered
        )
        return [(one.index, one.path) for one in many]

    # all three that may be in flight must be taken before the next three are asked for
    done = [1, 0, 2, 4, 3, 5]
    assert order(ordered=False) == [(at, PATHS[at]) for at in done]
    assert order(ordered=True) == [(at, PATHS[at]) for at in range(6)]


@pytest.mark.parametrize("ordered", [False, True])
def test_no_more_is_given_to_the_executor_than_may_be_in_flight(ordered):
    executor = Batches(0)
    endless = itertools.repeat(PATHS[0])
    many = inspect_many(endless, executor=executor, in_flight=5, ordered=ordered)
    assert executor.calls == 0
    for taken in range(1, 20):
        next(many)
        assert executor.calls <= taken + 5
    assert executor.calls >= 20


def test_a_slow_first_one_does_not_make_the_others_pile_up():
    class Slow(Now):
        def submit(self, call: Any, /, *arguments: Any, **options: Any) -> Any:
            if arguments[0] != PATHS[0]:
                asked.append(slow.is_alive())
                return super().submit(call, *arguments)
            slow.start()
            return first

    asked: list[bool] = []
    first: Future[Any] = Future()
    slow = threading.Timer(0.2, first.set_result, [inspect(PATHS[0])])
    paths = [PATHS[0], *PATHS[1:2] * 20]
    many = list(inspect_many(paths, executor=Slow(), in_flight=5, ordered=True))
    assert [one.index for one in many] == list(range(21))
    assert (len(asked), sum(asked)) == (20, 4)


def test_what_is_not_done_when_nobody_wants_more_is_cancelled():
    futures: list[Future[Any]] = [Future() for _ in range(3)]
    first, *others = futures
    first.set_result(inspect(PATHS[0]))

    class Slow(Executor):
        def submit(self, call: Any, /, *arguments: Any, **options: Any) -> Any:
            return futures.pop(0)

    many = inspect_many(PATHS[:3], executor=Slow())
    assert next(many).path == PATHS[0]
    many.close()
    assert [one.cancelled() for one in others] == [True, True]


GONE = [
    BrokenExecutor("a process was terminated abruptly"),
    RuntimeError("killed on 4 different workers"),
    SystemExit(3),
    "cancel",
]


@pytest.mark.parametrize("failure", GONE, ids=repr)
def test_a_worker_that_is_gone_is_an_error_in_place_of_the_artifact(failure):
    executor = Now(lambda path: failure if path == PATHS[1] else None)
    found = [one.found for one in inspect_many(PATHS[:4], executor=executor, ordered=True)]
    assert [isinstance(one, Artifact) for one in found] == [True, False, True, True]
    error = found[1]
    assert isinstance(error, WorkerError)
    assert error.path == PATHS[1]
    if failure != "cancel":
        assert f"{type(failure).__name__}: {failure}" in str(error)
        assert error.__cause__ is failure


def test_an_executor_that_takes_nothing_any_more_loses_nothing():
    class Broken(Executor):
        def submit(self, call: Any, /, *arguments: Any, **options: Any) -> Any:
            message = "the pool is not usable anymore"
            raise BrokenExecutor(message)

    found = list(inspect_many(PATHS, executor=Broken(), ordered=True, in_flight=2))
    assert [one.path for one in found] == PATHS
    assert {type(one.found) for one in found} == {WorkerError}


def test_a_worker_that_is_gone_makes_the_verdict_unknown():
    """And what the others found stays."""
    executor = Now(lambda path: BrokenExecutor("gone") if path == PATHS[1] else None)
    good = str(SAMPLES / "deep_ep_both.so")
    report = verify([PATHS[1], good], executor=executor)
    assert report.verdict is kinspect.Verdict.UNKNOWN
    (finding,) = report.findings
    assert (finding.rule, finding.path) == ("unreadable", PATHS[1])
    assert "BrokenExecutor: gone" in finding.message
    assert report.artifacts[1] == inspect(good)
    lacks = str(SAMPLES / "deep_ep_no_gfx950.so")
    report = verify([PATHS[1], lacks], executor=executor)
    assert report.verdict is kinspect.Verdict.FAIL


def test_a_process_that_is_killed_loses_nothing():
    executor: ProcessPoolExecutor

    def paths():
        yield PATHS[0]
        # one in flight: who asks for the second has the first
        for process in list(executor._processes):
            os.kill(process, signal.SIGKILL)
        yield from PATHS[1:4]

    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as executor:
        done = list(inspect_many(paths(), executor=executor, in_flight=1))
    assert [one.path for one in done] == PATHS[:4]
    assert done[0].found == inspect(PATHS[0])
    assert {type(one.found) for one in done[1:]} == {WorkerError}


def test_what_can_not_be_read_is_an_error_in_its_place(processes):
    found = list(inspect_many([MISSING, PATHS[0]], executor=processes, ordered=True))
    assert isinstance(found[0].found, InputError)
    assert not isinstance(found[0].found, WorkerError)
    assert str(found[0].found) == f"{MISSING}: No such file or directory"
    assert isinstance(found[1].found, Artifact)


def test_a_bug_in_a_worker_is_an_error_that_says_where(monkeypatch):
    """It is returned: the client of Dask never hears of some exceptions that are raised."""

    def recursing(*_, **__):
        raise RecursionError

    monkeypatch.setattr(inspecting, "read", recursing)
    (one,) = inspect_many(PATHS[:1], executor=Now())
    assert isinstance(one.found, WorkerError)
    assert "RecursionError" in one.found.message
    (note,) = pickle.loads(pickle.dumps(one.found)).__notes__
    assert "in recursing" in note


class Elsewhere(Executor):
    """Does a call while something else holds than where it was made."""

    def __init__(self, around):
        self.around = around

    def submit(self, call: Any, /, *arguments: Any, **options: Any) -> Any:
        future: Future[Any] = Future()
        with pytest.MonkeyPatch.context() as patch:
            self.around(patch)
            future.set_result(call(*arguments))
        return future


def test_a_worker_with_another_kinspect_is_no_witness():
    executor = Elsewhere(lambda patch: patch.setattr(inspecting, "__version__", "9.9"))
    (one,) = inspect_many(PATHS[:1], executor=executor)
    assert isinstance(one.found, WorkerError)
    assert str(one.found) == (
        f"{PATHS[0]}: a worker has kinspect 9.9, the caller has {kinspect.__version__}"
    )


def test_a_relative_path_means_nothing_in_another_directory(tmp_path, monkeypatch):
    """There may be a file of that name, and it would be another one."""
    name = "deep_ep_both.so"
    (tmp_path / name).write_bytes((SAMPLES / "host_only.so").read_bytes())
    monkeypatch.chdir(SAMPLES)
    executor = Elsewhere(lambda patch: patch.chdir(tmp_path))
    relative, absolute = inspect_many([name, SAMPLES / name], executor=executor)
    assert isinstance(relative.found, WorkerError)
    assert "a relative path" in relative.found.message
    assert absolute.found == inspect(SAMPLES / name)
    (here,) = inspect_many([name], executor=Now())
    assert here.found == inspect(name)


def test_what_goes_to_a_worker_is_small_and_never_the_same_twice():
    """Dask gives a result that it still has for a call that looks the same."""
    sent = []

    class Sent(Now):
        def submit(self, call: Any, /, *arguments: Any, **options: Any) -> Any:
            sent.append(pickle.dumps((call, arguments)))
            return super().submit(call, *arguments)

    for _ in range(2):
        list(inspect_many(PATHS[:1], executor=Sent()))
    assert max(map(len, sent)) < 2_000
    assert sent[0] != sent[1]


def every(kind):
    return {kind} | {one for sub in kind.__subclasses__() for one in every(sub)}


@pytest.mark.parametrize("kind", sorted(every(KinspectError), key=str))
def test_errors_survive_the_way_from_a_worker(kind):
    samples = {"str": "cut", "int": 3, "Where": Where("a.so", "bundle 3", 16)}
    own = getattr(kind.__init__, "__annotations__", {})
    wanted = [one.__name__ for one in own.values() if one is not None]
    error = kind(*map(samples.get, wanted)) if wanted else kind("cut")
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is kind
    assert (str(copy), vars(copy)) == (str(error), vars(error))
