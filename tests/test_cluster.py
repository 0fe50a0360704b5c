"""`--dask`: the same report, byte for byte, whoever dies on the way."""

import json
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest

from kinspect import __version__
from kinspect.cli import cluster
from tests.conftest import SAMPLES
from tests.writers import wheels

#: what workers run first: artifacts that kill who reads them, as one does that needs more
#: memory than there is. `once` does so the first time
DEADLY = """\
import os, signal
from kinspect import inspecting

def deadly(path, *arguments, **options):
    name = os.path.basename(path)
    if name.startswith("always") or name.startswith("once") and not os.path.exists(path + ".died"):
        open(path + ".died", "w").close()
        os.kill(os.getpid(), signal.SIGKILL)
    return healthy(path, *arguments, **options)

if inspecting.read.__name__ != "deadly":
    healthy, inspecting.read = inspecting.read, deadly
"""


@contextmanager
def started(*command, log):
    """A program of Dask, and what it writes."""
    with open(log, "wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "dask", *command], stdout=file, stderr=file
        )
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def until(true, what):
    for _ in range(300):
        if true():
            return
        time.sleep(0.1)
    pytest.fail(f"no {what} within 30 seconds")


@contextmanager
def scheduling(directory):
    """The address of a scheduler."""
    pytest.importorskip("distributed")
    file = directory / "scheduler.json"
    options = ["--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--no-show"]
    options += ["--scheduler-file", file]
    with started("scheduler", *options, log=directory / "scheduler.log"):
        until(file.exists, "scheduler")
        yield json.loads(file.read_text())["address"]


@pytest.fixture(scope="module")
def workers(tmp_path_factory):
    """The address of a scheduler that has two workers, each a process."""
    directory = tmp_path_factory.mktemp("cluster")
    (directory / "deadly.py").write_text(DEADLY)
    log = directory / "workers.log"
    options = ["--nworkers", "2", "--nthreads", "1", "--no-dashboard"]
    options += ["--local-directory", directory, "--preload", directory / "deadly.py"]
    with (
        scheduling(directory) as scheduler,
        started("worker", scheduler, *options, log=log),
    ):
        until(lambda: log.read_text().count("Registered to:") == 2, "two workers")
        yield scheduler


@pytest.fixture
def index(tmp_path):
    """Wheels, some without what they should have."""
    found = []
    for at, name in enumerate(("deep_ep_both.so", "per_tu_one_lacks.so", "generic.so") * 4):
        files = {f"deep_ep/{name}": (SAMPLES / name).read_bytes()}
        found.append(wheels.build(tmp_path, files, version=f"1.{at}"))
    split = {
        "d/host.so": "kpack_per_tu.so",
        "d/.kpack/a.kpack": "kpack_per_tu_gfx942.kpack",
    }
    files = {name: (SAMPLES / sample).read_bytes() for name, sample in split.items()}
    return [*found, wheels.build(tmp_path, files, name="split"), tmp_path / "missing.whl"]


def run(*arguments):
    done = subprocess.run(
        [sys.executable, "-m", "kinspect", *map(str, arguments)], capture_output=True, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("command", ["audit", "verify"])
@pytest.mark.parametrize("format_", ["json", "text", "sarif"])
def test_a_cluster_gives_the_report_of_one_process(workers, index, command, format_):
    here = run(command, "--format", format_, *index)
    there = run(command, "--format", format_, "--dask", workers, *index)
    assert here[0] == 1
    assert there == here


@pytest.mark.slow
@pytest.mark.corpus
def test_a_cluster_gives_the_report_of_one_process_on_a_wheel_of_pypi(workers, wheel):
    path = wheel("jax-plugin")
    here = run("audit", "--format", "json", path)
    assert run("audit", "--format", "json", "--dask", workers, path) == here


@pytest.mark.slow
def test_a_worker_that_is_killed_in_the_middle_loses_nothing(workers, index, tmp_path):
    path = tmp_path / "once.so"
    path.write_bytes((SAMPLES / "per_tu_both.so").read_bytes())
    paths = [*index[:6], path, *index[6:]]
    there = run("audit", "--format", "json", "--dask", workers, *paths)
    assert (tmp_path / "once.so.died").exists()
    assert there == run("audit", "--format", "json", *paths)


@pytest.mark.slow
def test_what_kills_every_worker_is_a_finding(workers, index, tmp_path):
    path = tmp_path / "always.so"
    path.write_bytes((SAMPLES / "per_tu_both.so").read_bytes())
    good = tmp_path / "good.so"
    good.write_bytes(path.read_bytes())
    code, out, err = run("verify", "--format", "json", "--dask", workers, good, path)
    assert (code, err) == (2, b"")
    report = json.loads(out)
    assert report["verdict"] == "unknown"
    (finding,) = report["findings"]
    assert (finding["rule"], finding["path"]) == ("unreadable", str(path))
    assert "KilledWorker" in finding["message"]
    here = json.loads(run("verify", "--format", "json", good)[1])
    assert report["artifacts"][0] == here["artifacts"][0]
    code, out, _ = run("verify", "--format", "json", "--dask", workers, index[1], path)
    assert (code, json.loads(out)["verdict"]) == (1, "fail")


@pytest.mark.slow
def test_a_cluster_without_workers_is_refused(tmp_path):
    with scheduling(tmp_path) as scheduler:
        code, out, err = run("audit", "--dask", scheduler, SAMPLES / "deep_ep_both.so")
    assert (code, out) == (2, b"")
    told = f"kinspect: error: {scheduler}: the Dask cluster has no workers\n"
    assert err.decode() == told


@pytest.mark.slow
@pytest.mark.parametrize(
    "address", ["tcp://127.0.0.1:1", "127.0.0.1:port", "gopher://127.0.0.1:70"]
)
def test_where_no_scheduler_answers(kinspect, monkeypatch, address):
    pytest.importorskip("distributed")
    monkeypatch.setattr(cluster, "PATIENCE", 1)
    done = kinspect("verify", "--dask", address, SAMPLES / "deep_ep_both.so")
    assert (done.code, done.out) == (2, "")
    assert f"{address}: no Dask scheduler answers there: " in done.err
    assert done.err.count("\n") == 1


def test_without_the_extra_it_is_named(kinspect, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    done = kinspect("verify", "--dask", "tcp://127.0.0.1:1", SAMPLES / "deep_ep_both.so")
    assert (done.code, done.out) == (2, "")
    assert "pip install 'kinspect[dask]'" in done.err


def test_what_is_installed_is_not_for_a_cluster(kinspect):
    done = kinspect("audit", "--dask", "tcp://127.0.0.1:1", "--installed", "pip")
    assert (done.code, done.out) == (2, "")
    assert "--installed names an environment of this machine" in done.err


def node(**packages):
    same = {"python": "3.12.4.final.0", "distributed": "2026.1.0", "kinspect": __version__}
    return {"packages": same | packages}


class Cluster:
    """What a client says of versions, as `Client.get_versions` is documented."""

    closed = False

    def __init__(self, scheduler, *workers):
        named = {f"tcp://10.0.0.{at}:80": one for at, one in enumerate(workers)}
        self.found = {"client": node(), "scheduler": scheduler, "workers": named}

    def get_versions(self, packages):
        assert packages == ["kinspect"]
        return self.found

    def close(self):
        self.closed = True


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (Cluster(node(), node(), node(kinspect="9.9")), "worker tcp://10.0.0.1:80 has kinspect 9.9; this is"),
        (Cluster(node(), node(kinspect=None)), "worker tcp://10.0.0.0:80 has kinspect (none);"),
        (Cluster(node(kinspect=None), node()), "the scheduler has kinspect (none);"),
        (Cluster(node(distributed="2026.2.0"), node()), "the scheduler has distributed 2026.2.0;"),
        (Cluster(node(), node(python="3.11.4.final.0")), "tcp://10.0.0.0:80 has Python 3.11;"),
        (Cluster(node()), "has no workers"),
    ],
)  # fmt: skip
def test_other_versions_are_refused(kinspect, monkeypatch, found, message):
    monkeypatch.setattr(cluster, "_connected", lambda _: found)
    done = kinspect("audit", "--dask", "tcp://10.0.0.9:80", SAMPLES / "deep_ep_both.so")
    assert (done.code, done.out) == (2, "")
    assert message in done.err
    assert found.closed


def test_other_patch_releases_of_python_are_taken(monkeypatch):
    other = Cluster(node(python="3.12.9.final.0"), node(python="3.12.1.final.0"))
    cluster._check_versions(other, "tcp://10.0.0.9:80")
