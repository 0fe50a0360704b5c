"""A system that does not do what is asked of it: told, no pass, and nothing left behind.

`index.py` lists all faults, with those that other tests show.
"""

import contextlib
import errno
import json
import os
import pwd
import resource
import signal
import struct
import subprocess
import sys
import threading
import time
import zipfile
from pathlib import Path

import pytest

from kinspect import Verdict, verify
from kinspect.view import Descriptor
from tests.conftest import SAMPLES
from tests.security import watched
from tests.security.watched import CLEAN
from tests.writers import Host, bundle, ccob, code_object

GOOD = (SAMPLES / "per_tu_both.so").read_bytes()
BAD = (SAMPLES / "per_tu_one_lacks.so").read_bytes()
A, B = code_object("gfx942"), code_object("gfx950")
COMMANDS = ["verify", "list", "kernels", "audit"]


def run(*arguments, **more):
    return subprocess.run(
        [sys.executable, "-m", "kinspect", *map(str, arguments)],
        capture_output="stdout" not in more, text=True, check=False, env=CLEAN,
        timeout=60, **more,
    )  # fmt: skip


# --- files that change while they are read ------------------------------------------------


@pytest.fixture
def meddling(monkeypatch):
    """Do something to a file once some of it was read."""

    def install(action, after):
        read = Descriptor._pread
        state = {"reads": 0}

        def racing(self, at, size):
            data = read(self, at, size)
            state["reads"] += 1
            if state["reads"] == after:
                action()
            return data

        monkeypatch.setattr(Descriptor, "_pread", racing)

    return install


@pytest.mark.parametrize("after", [1, 2, 3, 5])
@pytest.mark.parametrize("left", [0, 100, 5000])
def test_a_file_that_shrinks_while_it_is_read(tmp_path, meddling, after, left):
    """No signal ends the process, as it would if the file were mapped."""
    path = tmp_path / "x.so"
    path.write_bytes(GOOD)
    meddling(lambda: os.truncate(path, left), after)
    report = verify(path)
    assert report.verdict is Verdict.UNKNOWN
    # after the first read, the file is opened again: by then it is just a short one
    errors = [f for f in report.findings if f.severity == "error"]
    assert all(str(path) in f.message for f in errors)
    assert errors or after == 1


def test_a_file_that_grows_while_it_is_read_is_judged_as_it_was(tmp_path, meddling):
    path = tmp_path / "x.so"
    path.write_bytes(BAD)

    def grow():
        with open(path, "ab") as file:
            file.write(bytes(1 << 20))

    meddling(grow, 1)
    assert verify(path).verdict is Verdict.FAIL
    path.write_bytes(GOOD)
    assert verify(path).verdict is Verdict.PASS


def test_a_file_that_is_replaced_while_it_is_read_is_judged_as_it_was(tmp_path, meddling):
    """The open file is the one that was named; what takes its name is another."""
    path, other = tmp_path / "x.so", tmp_path / "y.so"
    path.write_bytes(BAD)
    other.write_bytes(GOOD)
    meddling(lambda: other.replace(path), 1)
    verdict = verify(path).verdict
    assert verdict is not Verdict.UNKNOWN
    # whether it was opened before or after: never half of each
    assert verdict is (Verdict.FAIL if other.exists() else verdict)


def test_a_file_that_vanishes_while_it_is_read_is_judged_as_it_was(tmp_path, meddling):
    path = tmp_path / "x.so"
    path.write_bytes(BAD)
    meddling(path.unlink, 3)
    assert verify(path).verdict is Verdict.FAIL


def test_a_directory_that_vanishes_while_it_is_read_is_told(tmp_path, monkeypatch):
    (tmp_path / "a").mkdir()
    (tmp_path / "a/x.so").write_bytes(GOOD)
    (tmp_path / "b.so").write_bytes(GOOD)
    listing = os.listdir

    def gone(path):
        if str(path).endswith("/a"):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        return listing(path)

    monkeypatch.setattr(os, "listdir", gone)
    report = verify(tmp_path)
    assert report.verdict is Verdict.UNKNOWN
    assert [f.path for f in report.findings] == [f"{tmp_path}/a"]


@pytest.mark.parametrize("code", [errno.EIO, errno.ESTALE])
def test_a_disk_that_can_not_be_read_is_told(tmp_path, monkeypatch, code):
    (tmp_path / "x.so").write_bytes(GOOD)
    read = os.pread

    def broken(fd, size, at):
        if at or size > 20_000:
            raise OSError(code, os.strerror(code))
        return read(fd, size, at)

    monkeypatch.setattr(os, "pread", broken)
    monkeypatch.setattr(Descriptor, "BLOCK", 64)
    report = verify(tmp_path / "x.so")
    assert report.verdict is Verdict.UNKNOWN
    assert any(os.strerror(code) in finding.message for finding in report.findings)


# --- permissions --------------------------------------------------------------------------


@contextlib.contextmanager
def as_nobody():
    """Permissions do not bind root: who is it becomes somebody else for a while."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(pwd.getpwnam("nobody").pw_uid)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def shared(tmp_path):
    """A directory that everybody may look into."""
    for path in [tmp_path, *tmp_path.parents[:3]]:
        if path.stat().st_uid == os.geteuid() and str(path) != "/tmp":
            path.chmod(0o755)
    return tmp_path


@pytest.mark.parametrize("command", COMMANDS)
def test_a_file_that_may_not_be_read(kinspect, shared, command):
    (shared / "x.so").write_bytes(GOOD)
    assert kinspect(command, shared / "x.so").code == 0
    (shared / "x.so").chmod(0)
    with as_nobody():
        done = kinspect(command, shared / "x.so")
    assert done.code == 2
    assert f"{shared}/x.so" in done.out + done.err
    assert "Permission denied" in done.out + done.err


@pytest.mark.parametrize("mode", [0, 0o444], ids=["none", "without x"])
def test_a_directory_that_may_not_be_read(kinspect, shared, mode):
    inner = shared / "d/inner"
    inner.mkdir(parents=True)
    (shared / "d/a.so").write_bytes(GOOD)
    (inner / "b.so").write_bytes(BAD)
    assert kinspect("verify", "--format", "json", shared / "d").code == 1
    inner.chmod(mode)
    try:
        with as_nobody():
            done = kinspect("verify", "--format", "json", shared / "d")
    finally:
        inner.chmod(0o755)
    assert done.code == 2
    (finding,) = json.loads(done.out)["findings"]
    assert finding["path"].startswith(str(inner))
    assert "Permission denied" in finding["message"]


# --- what is no file ----------------------------------------------------------------------


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("kind", ["pipe", "null", "zero", "socket", "terminal"])
def test_what_is_named_is_no_file(kinspect, tmp_path, command, kind):
    path = {"null": "/dev/null", "zero": "/dev/zero", "terminal": "/dev/tty"}.get(kind)
    if path is None:
        path = tmp_path / kind
        os.mkfifo(path) if kind == "pipe" else os.mknod(path, 0o140644)
    done = kinspect(command, path)
    assert done.code == 2
    assert "not a regular file" in done.out + done.err or kind == "terminal"


def test_a_directory_in_place_of_a_file(tmp_path):
    """Nothing to check is no pass."""
    (tmp_path / "lib.so").mkdir()
    assert run("verify", tmp_path / "lib.so").returncode == 2


def test_an_empty_file(tmp_path):
    (tmp_path / "lib.so").touch()
    assert run("verify", tmp_path / "lib.so").returncode == 2


# --- output and signals -------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [["verify"], ["list"], ["kernels"], ["--help"]])
def test_a_standard_output_that_is_closed_is_no_pass(tmp_path, arguments):
    """`>&-`: whoever reads the exit code alone must not take it for a verdict."""
    names = [] if arguments == ["--help"] else [tmp_path / "x.so"]
    (tmp_path / "x.so").write_bytes(GOOD)
    done = subprocess.run(
        [sys.executable, "-m", "kinspect", *arguments, *names],
        stderr=subprocess.PIPE, text=True, check=False, env=CLEAN, timeout=60,
        preexec_fn=lambda: os.close(1),
    )  # fmt: skip
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("code", [2, 1])
def test_a_standard_error_that_is_closed_changes_no_verdict(tmp_path, code):
    (tmp_path / "x.so").write_bytes(BAD if code == 1 else GOOD[:5000])
    command = [sys.executable, "-m", "kinspect", "verify", str(tmp_path / "x.so")]
    done = subprocess.run(
        command, stdout=subprocess.PIPE, check=False, env=CLEAN,
        preexec_fn=lambda: os.close(2),
    )  # fmt: skip
    assert done.returncode == code


@pytest.fixture
def endless(tmp_path):
    """Work for a minute and more."""
    (tmp_path / "in").mkdir()
    data = (SAMPLES / "deep_ep_both.so").read_bytes()
    for number in range(2000):
        (tmp_path / f"in/lib{number:04}.so").write_bytes(data + struct.pack("<I", number))
    return tmp_path


def reads(process, directory):
    """Whether a process has a file below a directory open."""
    opened = []
    with contextlib.suppress(OSError):
        for link in Path(f"/proc/{process}/fd").iterdir():
            with contextlib.suppress(OSError):
                opened.append(str(link.readlink()))
    return any(name.startswith(f"{directory}/") for name in opened)


@pytest.mark.parametrize(
    ("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, -signal.SIGTERM)]
)
@pytest.mark.parametrize("command", ["verify", "extract"])
def test_a_signal_ends_it_without_a_verdict_and_half_a_file(endless, command, sent, code):
    scratch, out = endless / "scratch", endless / "out"
    scratch.mkdir()
    report = endless / "report.json"
    report.write_text("as before")
    more = ["--format", f"json={report}"] if command == "verify" else ["-o", out]
    child = subprocess.Popen(
        [sys.executable, "-m", "kinspect", command, *map(str, more), str(endless / "in")],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=CLEAN | {"TMPDIR": str(scratch)},
    )  # fmt: skip
    deadline = time.monotonic() + 30
    while not reads(child.pid, endless / "in"):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    while command == "extract" and not any(p.is_file() for p in out.rglob("*")):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    child.send_signal(sent)
    try:
        told, errors = child.communicate(timeout=30)
    finally:
        child.kill()
    assert child.returncode == code
    assert "Traceback" not in errors
    assert "OK" not in told
    assert report.read_text() == "as before"
    assert list(scratch.iterdir()) == []
    if command == "extract":
        written = [path for path in out.rglob("*") if path.is_file()]
        assert written
        assert all(path.read_bytes()[:4] == b"\x7fELF" for path in written)
        sizes = {path.stat().st_size for path in written}
        assert len(sizes) <= 2  # one for each target: none was cut


# --- room and memory ----------------------------------------------------------------------


def test_no_memory_for_a_bundle_is_told(tmp_path):
    """A size of 3 GiB is allowed by the limits, and not by the system."""
    data = bytearray(ccob(bundle(("gfx942", A), ("gfx950", B)), version=2))
    struct.pack_into("<I", data, 12, 3 << 30)
    (tmp_path / "x.so").write_bytes(Host(bytes(data)).build().data)
    done = run("verify", "--limit", "ratio=100000000", tmp_path / "x.so", preexec_fn=little)
    assert done.returncode == 2
    assert "no memory for 3221225472 bytes" in done.stdout
    assert done.stderr == ""


def test_no_memory_for_a_member_is_told_and_the_rest_is_judged(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("big.so", b"\x7fELF" * 1000)
        archive.writestr("z.so", BAD)
    data = bytearray((tmp_path / "x.zip").read_bytes())
    for signature, field in ((b"PK\3\4", 22), (b"PK\1\2", 24)):
        struct.pack_into("<I", data, data.index(signature) + field, 2 << 30)
    (tmp_path / "x.zip").write_bytes(data)
    more = ["--limit", "ratio=1000000000"]
    done = run("verify", *more, tmp_path / "x.zip", preexec_fn=little)
    assert done.returncode == 1
    assert "big.so+0x0: no memory for" in done.stdout
    assert "z.so" in done.stdout


def little():
    """As under `ulimit -v`, or in a small container."""
    resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))


def test_no_memory_at_all_is_no_verdict(kinspect, tmp_path, monkeypatch):
    (tmp_path / "x.so").write_bytes(GOOD)

    def full(*_, **__):
        raise MemoryError

    monkeypatch.setattr("kinspect.api.verify", full)
    done = kinspect("verify", tmp_path / "x.so")
    assert (done.code, done.err) == (2, "kinspect: error: not enough memory\n")


def test_no_file_descriptors_left_is_told(tmp_path):
    for number in range(5):
        (tmp_path / f"{number}.so").write_bytes(GOOD)

    def few():
        resource.setrlimit(resource.RLIMIT_NOFILE, (5, 5))

    done = run("verify", tmp_path, preexec_fn=few)
    assert done.returncode in {0, 2}  # one file at a time is open


# --- names and paths ----------------------------------------------------------------------


def test_a_path_that_is_longer_than_the_system_takes(tmp_path):
    for name in ("x" * 300, "/".join(["d" * 200] * 30)):
        done = run("verify", tmp_path / name)
        assert done.returncode == 2
        assert "File name too long" in done.stdout


def test_a_tree_that_is_deeper_than_any_path_is_read_or_told(tmp_path):
    """Files that no single path can name: 30 levels of 200 letters."""
    here = os.open(tmp_path, os.O_RDONLY)
    for _ in range(30):
        os.mkdir("d" * 200, dir_fd=here)
        below = os.open("d" * 200, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    fd = os.open("x.so", os.O_WRONLY | os.O_CREAT, dir_fd=here)
    os.write(fd, BAD)
    os.close(fd)
    os.close(here)
    (tmp_path / "good.so").write_bytes(GOOD)
    try:
        done = run("verify", tmp_path)
        assert done.returncode == 2
        assert "File name too long" in done.stdout
    finally:
        subprocess.run(["rm", "-rf", str(tmp_path)], check=True)


@pytest.mark.parametrize("length", [4096, 65_000])
def test_names_of_members_longer_than_any_path(kinspect, tmp_path, length):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("n" * length + ".so", BAD)
    done = kinspect("verify", "--format", "json", tmp_path / "x.zip")
    assert done.code == 1
    done = kinspect("extract", tmp_path / "x.zip", "-o", tmp_path / "out")
    assert done.code == 0
    assert all(len(path.name) < 256 for path in (tmp_path / "out").rglob("*"))


@pytest.mark.parametrize("command", COMMANDS)
def test_names_that_are_no_utf_8(tmp_path, command):
    directory = os.fsencode(tmp_path) + b"/d\xff"
    os.mkdir(directory)  # noqa: PTH102
    with open(directory + b"/caf\xe9\xff.so", "wb") as file:
        file.write(GOOD)
    done = run(command, os.fsdecode(directory))
    assert (done.returncode, done.stderr) == (0, "")
    assert "caf\\xe9\\xff.so" in done.stdout or command == "kernels"


# --- other hosts --------------------------------------------------------------------------


def narrow(order):
    """An ELF32 shared object with a fat binary: header and two sections (System V ABI)."""
    data = bundle(("gfx942", A), ("gfx950", B))
    names = b"\0.hip_fatbin\0.shstrtab\0"
    at = 52 + 3 * 40
    rows = bytes(40)
    for name, kind, start, size in (
        (1, 1, at, len(data)),
        (13, 3, at + len(data), len(names)),
    ):
        rows += struct.pack(f"{order}10I", name, kind, 2, start, start, size, 0, 0, 1, 0)
    ident = b"\x7fELF" + bytes([1, 1 if order == "<" else 2, 1]) + bytes(9)
    machine = 3 if order == "<" else 20  # EM_386, EM_PPC
    fields = (3, machine, 1, 0, 0, 52, 0, 52, 32, 0, 40, 3, 2)
    return ident + struct.pack(f"{order}2H5I6H", *fields) + rows + data + names


def wide_big_endian():
    """The header of an ELF64 object for s390x."""
    ident = b"\x7fELF" + bytes([2, 2, 1]) + bytes(9)
    return ident + struct.pack(">2HI3QI6H", 3, 22, 1, 0, 0, 0, 0, 64, 56, 0, 64, 0, 0)


@pytest.mark.parametrize("data", [narrow("<"), narrow(">"), wide_big_endian()])
def test_hosts_that_hip_knows_nothing_of_never_pass(kinspect, tmp_path, data):
    """32 bits and the other byte order: HIP runs on 64-bit little-endian hosts alone."""
    (tmp_path / "x.so").write_bytes(data)
    done = kinspect("verify", tmp_path / "x.so")
    assert done.code in {1, 2}
    assert done.err == ""


def test_many_runs_at_once_do_not_meet(tmp_path):
    """No file of a fixed name is used on the way."""
    (tmp_path / "x.so").write_bytes(GOOD)
    found = []
    threads = [
        threading.Thread(
            target=lambda n=number: found.append(
                watched.kinspect("verify", tmp_path / "x.so", told=tmp_path / f"{n}").code
            )
        )
        for number in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [0, 0, 0]
