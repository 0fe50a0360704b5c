"""Work on several cores: the same results in the same order, whatever happens to a copy."""

import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import time
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from kinspect import api, copies, inspecting, inventory, walk
from kinspect.cli import cli, diff
from kinspect.costs.account import Account
from kinspect.costs.measured import Question, measure
from kinspect.costs.reading import each_held
from kinspect.errors import InputError, Where
from kinspect.limits import Limits
from kinspect.model import Artifact, Unreadable
from kinspect.render import json as rendering
from kinspect.sources import Counted, Member
from kinspect.sources import zip as zips
from kinspect.view import View
from tests.conftest import SAMPLES, manifest

BIG = 64 << 20
NAMES = sorted(sample["file"] for sample in manifest())


def doubled(item: int) -> tuple[int, int]:
    """Twice as much, and who found out."""
    return 2 * item, os.getpid()


def test_results_are_in_order_and_from_all() -> None:
    """Of this process and its copies: each takes what is left."""
    weights = [(item * 7919) % 50 * (1 << 20) for item in range(40)]
    parent = os.getpid()
    begun, begin = os.pipe()
    waiting, go = os.pipe()
    first = [True]

    def held(item: int) -> tuple[int, int]:
        """No process goes on before each of them has taken something."""
        if first:
            first.clear()
            if os.getpid() == parent:
                os.write(go, b"..")
            else:
                os.write(begin, b".")
                os.read(waiting, 1)
        return doubled(item)

    def meanwhile() -> None:
        for _ in range(2):
            os.read(begun, 1)

    found = list(copies.share(held, range(40), weights, 3, meanwhile))
    assert [value for value, _ in found] == [2 * item for item in range(40)]
    processes = {process for _, process in found}
    assert len(processes) == 3
    assert parent in processes
    for end in (begun, begin, waiting, go):
        os.close(end)


def test_something_else_is_done_while_copies_work() -> None:
    """They end before this process takes part; and what it raises comes first."""
    ended, end = os.pipe()

    def work(item: int) -> int:
        os.write(end, b".")
        return 1 // item

    def lost() -> None:
        raise LookupError

    def meanwhile() -> None:
        seen = b""
        while len(seen) < 4:
            seen += os.read(ended, 4)
        lost()

    with pytest.raises(LookupError):
        list(copies.share(work, range(4), [BIG] * 4, 3, meanwhile))
    with pytest.raises(LookupError):
        list(copies.share(work, range(4), [BIG] * 4, 1, lost))
    os.close(ended)
    os.close(end)


def test_the_heaviest_come_first_and_light_ones_together() -> None:
    """However many there are, a pipe holds what is left to do."""
    rows = [1] * 100_000
    rows[777] = rows[99_999] = 10_000
    parts = copies._parts(rows)
    assert sorted(item for part in parts for item in part) == list(range(100_000))
    assert len(parts) <= copies.PARTS + 1
    assert [777 in part or 99_999 in part for part in parts[:3]] == [True, True, False]
    assert copies._parts([5, 9, 7]) == [[1], [2], [0]]


@pytest.mark.parametrize(("weight", "jobs"), [(copies.SMALL // 4, 4), (BIG, 1)])
def test_small_work_and_one_job_stay_here(weight: int, jobs: int) -> None:
    found = list(copies.share(doubled, range(4), [weight] * 4, jobs))
    assert found == [(2 * item, os.getpid()) for item in range(4)]


def test_results_of_any_size() -> None:
    """More than a pipe holds, and lengths that are cut anywhere."""
    sizes = [0, 1, 7, 1 << 16, 3 << 20, 5]
    found = copies.share(lambda size: b"x" * size, sizes, [BIG] * len(sizes), 2)
    assert [len(one) for one in found] == sizes


def test_what_a_copy_leaves_is_done_here() -> None:
    parent = os.getpid()
    ended, end = os.pipe()

    def work(item: int) -> int:
        if os.getpid() != parent and item == 3:
            os.write(end, b".")
            os.kill(os.getpid(), signal.SIGKILL)
        return item

    def meanwhile() -> None:
        os.read(ended, 1)

    found = list(copies.share(work, range(8), [BIG] * 8, 2, meanwhile))
    assert found == list(range(8))
    os.close(ended)
    os.close(end)


def test_an_exception_is_raised_here() -> None:
    def work(item: int) -> int:
        return 1 // (item - 5)

    with pytest.raises(ZeroDivisionError):
        list(copies.share(work, range(8), [BIG] * 8, 2))


def test_no_process_can_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    def fork() -> int:
        raise BlockingIOError

    monkeypatch.setattr(os, "fork", fork)
    descriptors = Path("/proc/self/fd")
    before = len(list(descriptors.iterdir()))
    here = os.getpid()
    found = list(copies.share(doubled, range(4), [BIG] * 4, 2))
    assert found == [(2 * item, here) for item in range(4)]
    assert copies.Later(lambda: doubled(4)).result() == (8, here)
    assert len(list(descriptors.iterdir())) == before


def test_a_system_without_fork(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "fork")
    here = os.getpid()
    assert list(copies.share(doubled, [1, 2], [BIG] * 2, 2)) == [(2, here), (4, here)]
    assert copies.Later(lambda: doubled(4)).result() == (8, here)


def test_later_sees_memory_as_it_was() -> None:
    room = bytearray(b"first")
    later = copies.Later(lambda: bytes(room))
    room[:] = b"other"
    assert later.result() == b"first"
    assert later.result() == b"first"


def test_later_is_lost_and_not_done_again() -> None:
    """Its bytes may be gone: nothing is read in their place."""
    parent = os.getpid()

    def work() -> int:
        if os.getpid() != parent:
            os.kill(os.getpid(), signal.SIGKILL)
        return 1

    with pytest.raises(copies.Lost, match="ended early"):
        copies.Later(work).result()


def test_nobody_waits_for_what_is_not_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who stops to take results ends the copies."""
    began = time.monotonic()
    started = []
    fork = os.fork

    def noted() -> int:
        started.append(fork())
        return started[-1]

    monkeypatch.setattr(os, "fork", noted)

    begun, begin = os.pipe()

    def work(item: int) -> int:
        if item == 1:
            os.write(begin, b".")
            time.sleep(60)
        return item

    def meanwhile() -> None:
        os.read(begun, 1)  # another process has item 0 behind it, and will be long

    results = copies.share(work, range(4), [BIG] * 4, 2, meanwhile)
    assert next(results) == 0
    results.close()
    assert time.monotonic() - began < 30
    assert len(started) == 1
    os.close(begun)
    os.close(begin)
    for process in started:
        with pytest.raises(ProcessLookupError):
            os.kill(process, 0)


KILLED = """
import os, sys
from kinspect import copies

def work(item):
    print(os.getpid(), flush=True)
    return b"x" * (8 << 20)

for _ in copies.share(work, range(60), [1 << 30] * 60, 3):
    os.kill(os.getpid(), 9)
"""


def test_copies_end_with_the_process_that_was_killed() -> None:
    """Though nothing can be cleaned up then, and pipes are full."""
    done = subprocess.run(
        [sys.executable, "-c", KILLED],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )  # the output ends when the last copy does
    assert done.returncode == -signal.SIGKILL
    assert done.stdout


LEFT = """
import signal, sys
from kinspect import copies

def work():
    print("begun", flush=True)
    signal.pause()

later = copies.Later(work)
kept = sys.argv[1:] and [later]
assert sys.stdin.read(1)
del later
print("on", flush=True)
if not kept:
    assert sys.stdin.read(1)
"""


@pytest.mark.parametrize("kept", [True, False])
def test_what_nobody_asks_for_ends(kept: bool) -> None:
    """With its object, and with the process, if an error came between."""
    arguments = [sys.executable, "-c", LEFT, *(["kept"] if kept else [])]
    with subprocess.Popen(
        arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        (copy,) = children.read_text().split()
        process.stdin.write(".")
        process.stdin.flush()
        assert process.stdout.readline() == "on\n"
        if not kept:
            assert children.read_text() == ""
            process.stdin.write(".")
            process.stdin.flush()
        assert process.wait(60) == 0
        assert not Path(f"/proc/{copy}").exists()


def test_a_copy_ends_no_other_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Though it has all objects of its parent, and may forget them; nor does it try."""
    waiting, go = os.pipe()
    monkeypatch.setattr(sys, "unraisablehook", lambda _: os.write(go, b"!"))
    held = [copies.Later(lambda: os.read(waiting, 1))]
    assert copies.Later(held.clear).result() is None
    os.write(go, b".")
    assert held[0].result() == b"."
    os.close(waiting)
    os.close(go)


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every piece of work goes to another process, however small."""
    monkeypatch.setattr(copies, "SMALL", 1)
    monkeypatch.setattr(inventory, "BESIDE", 0)
    monkeypatch.setattr(diff, "BESIDE", 0)


def reported(path: Path, jobs: int) -> str:
    return rendering.report(api.verify(path, jobs=jobs))


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("name", NAMES)
def test_samples_read_alike(name: str) -> None:
    assert reported(SAMPLES / name, 3) == reported(SAMPLES / name, 1)


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("command", ["verify", "audit", "explain", "policy init"])
def test_commands_tell_the_same(command: str) -> None:
    told = [
        CliRunner().invoke(cli, [*command.split(), "-j", jobs, str(SAMPLES)]).output
        for jobs in ("1", "3")
    ]
    assert told[0] == told[1] != ""


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("name", ["deep_ep.baseline.json", "per_tu_both.so"])
def test_a_diff_is_the_same(name: str, tmp_path: Path) -> None:
    """Of two libraries, and of a library and a snapshot."""
    whole = (SAMPLES / "bundle_ccob.hipfb").read_bytes()
    (tmp_path / "three.hipfb").write_bytes(whole * 3)
    for new in (SAMPLES, tmp_path / "three.hipfb"):
        told = [
            CliRunner().invoke(
                cli, ["diff", "-v", "-j", jobs, str(SAMPLES / name), str(new)]
            )
            for jobs in ("1", "3")
        ]
        assert told[0].output == told[1].output != ""


#: what is asked of sizes: all that needs other work
SIZES = [
    ["--by", "binary,bundle,kernel", "--by", "part", "--format", "json", "--bytes"],
    ["--without", "each", "--without", "gfx950", "--compress", "3", "--bytes"],
    ["--share", "--compress", "3", "--bytes"],
]


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("options", SIZES)
def test_sizes_are_the_same(options: list[str], tmp_path: Path) -> None:
    """In a directory, and in a single file that is shared out by its bundles."""
    (tmp_path / "cut.so").write_bytes((SAMPLES / "ccob_v3_zstd.so").read_bytes()[:-9000])
    whole = (SAMPLES / "bundle_ccob.hipfb").read_bytes()
    (tmp_path / "three.hipfb").write_bytes(
        whole + b"CCOB" + whole[4:-40] + bytes(40) + whole
    )
    for path in (SAMPLES, tmp_path, tmp_path / "three.hipfb"):
        told = [
            CliRunner().invoke(cli, ["size", *options, "-j", jobs, str(path)])
            for jobs in ("1", "3")
        ]
        assert told[0].output == told[1].output != ""
        assert told[0].exit_code == told[1].exit_code


@pytest.mark.usefixtures("eager")
def test_the_size_of_a_member_that_is_lost_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "a.so").write_bytes((SAMPLES / "per_tu_both.so").read_bytes())
    (tmp_path / "b.so").write_bytes((SAMPLES / "deep_ep_both.so").read_bytes())
    parent = os.getpid()

    def dying(view: View, limits: Limits) -> object:
        if os.getpid() != parent and view.path.endswith("a.so"):
            os.kill(os.getpid(), signal.SIGKILL)
        return each_held(view, limits)

    monkeypatch.setattr("kinspect.costs.account.each_held", dying)
    found = measure(str(tmp_path), Question(), jobs=2)
    (problem,) = found.problems
    assert problem.where.path == str(tmp_path / "a.so")
    assert "ended early" in problem.message
    assert "--jobs 1" in problem.message
    assert list(found.carriers) == [str(tmp_path / "b.so")]


def test_not_too_many_costs_wait(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Of small members behind one that is still being read."""
    data = (SAMPLES / "per_tu_both.so").read_bytes()
    small = (SAMPLES / "code_object_gfx942.co").read_bytes()
    (tmp_path / "a.so").write_bytes(data)
    for number in range(20):
        (tmp_path / f"b{number:02}.co").write_bytes(small)
    monkeypatch.setattr(inventory, "BESIDE", len(data))
    monkeypatch.setattr("kinspect.costs.account.DUE", 8)
    most = 0
    settle = Account.settle

    def noted(self: Account, most_running: int = 0) -> None:
        nonlocal most
        most = max(most, len(self._due))
        settle(self, most_running)

    monkeypatch.setattr(Account, "settle", noted)
    found = measure(str(tmp_path), Question(), jobs=2)
    assert list(found.carriers) == [str(path) for path in sorted(tmp_path.iterdir())]
    assert most == 8


@pytest.mark.usefixtures("eager")
def test_a_diff_tells_the_same(tmp_path: Path) -> None:
    sides = [str(SAMPLES / "deep_ep_both.so"), str(SAMPLES / "deep_ep_no_gfx950.so")]
    told = [
        CliRunner().invoke(cli, ["diff", "-v", "-j", jobs, *sides]) for jobs in ("1", "2")
    ]
    assert told[0].output == told[1].output
    assert "gfx950" in told[0].output
    missing = CliRunner().invoke(cli, ["diff", "-j", "2", sides[0], str(tmp_path / "no")])
    assert isinstance(missing.exception, InputError)
    assert missing.exception.path == str(tmp_path / "no")
    broken = tmp_path / "snapshot.json"
    broken.write_text('{"kind": "kinspect-snapshot"}')
    found = CliRunner().invoke(cli, ["diff", "-j", "2", sides[0], str(broken)])
    alone = CliRunner().invoke(cli, ["diff", "-j", "1", sides[0], str(broken)])
    assert (found.output, str(found.exception)) == (alone.output, str(alone.exception))


@pytest.mark.usefixtures("eager")
def test_a_directory_reads_alike() -> None:
    assert reported(SAMPLES, 3) == reported(SAMPLES, 1)


@pytest.mark.usefixtures("eager")
def test_a_member_that_is_lost_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Not what lies in memory when it is asked for: that may be another member."""
    (tmp_path / "a.so").write_bytes((SAMPLES / NAMES[0]).read_bytes())
    parent = os.getpid()
    read = walk.read_binary

    def dying(*args: object, **options: object) -> object:
        if os.getpid() != parent:
            os.kill(os.getpid(), signal.SIGKILL)
        return read(*args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(inventory, "read_binary", dying)
    report = api.verify(tmp_path, jobs=2)
    assert report.verdict.value == "unknown"
    (finding,) = (one for one in report.findings if one.rule == "unreadable")
    assert "ended early" in finding.message
    assert finding.path.endswith("a.so")


@pytest.mark.usefixtures("eager")
def test_progress_counts_what_others_read(tmp_path: Path) -> None:
    path = tmp_path / "two.hipfb"
    path.write_bytes(2 * (SAMPLES / "bundle_ccob.hipfb").read_bytes())
    opened: list[Counted] = []

    class Watching:
        def opened(self, file: Counted) -> None:
            opened.append(file)

        def reading(self, path: str) -> None:
            pass

    api.inspect(path, jobs=2, watch=Watching())
    (file,) = opened
    assert file.consumed >= path.stat().st_size


def test_what_follows_a_damaged_bundle_is_read(tmp_path: Path) -> None:
    """Its header says where the next one is, whatever its payload is like."""
    whole = (SAMPLES / "bundle_ccob.hipfb").read_bytes()
    damaged = bytearray(whole)
    damaged[40:80] = bytes(40)
    path = tmp_path / "two.hipfb"
    path.write_bytes(bytes(damaged) + whole)
    for jobs in (1, 2):
        (binary,) = api.inspect(path, jobs=jobs).binaries
        assert [one.offset for one in binary.bundles] == [len(whole)]
        assert [one.where.offset for one in binary.unreadable] == [32]  # its payload


@pytest.mark.corpus
@pytest.mark.parametrize("name", ["bitsandbytes", "cupy", "jax-plugin", "onnxruntime"])
def test_wheels_read_alike(name: str, wheel: Callable[[str], Path]) -> None:
    assert reported(wheel(name), 2) == reported(wheel(name), 1)


# --- several artifacts at once ----------------------------------------------------------


@pytest.mark.usefixtures("eager")
def test_artifacts_read_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each by one process, and one that is most of the work by all of them."""
    parent = os.getpid()
    elsewhere: list[bool] = []
    real = inspecting.read

    def noted(*args: Any, **options: Any) -> Artifact:
        found = real(*args, **options)
        away = Unreadable(f"{os.getpid() != parent} {options['jobs']}", Where(found.path))
        return replace(found, unreadable=(away,))

    paths = [SAMPLES / name for name in NAMES]
    weight = sum(path.stat().st_size for path in paths)
    alone, shared = (rendering.report(api.verify(paths, jobs=jobs)) for jobs in (1, 3))
    assert shared == alone
    monkeypatch.setattr(api, "read", noted)
    for artifact in api.inspect_all(paths, jobs=4):
        away, jobs = artifact.unreadable[0].message.split()
        elsewhere.append(away == "True")
        large = Path(artifact.path).stat().st_size > weight // 8
        assert jobs == ("4" if large else "1")
    assert any(elsewhere)


@pytest.mark.usefixtures("eager")
def test_what_is_no_file_is_read_one_by_one(tmp_path: Path) -> None:
    paths = [SAMPLES / NAMES[0], tmp_path / "no", SAMPLES, SAMPLES / NAMES[1]]
    alone, shared = (rendering.report(api.verify(paths, jobs=jobs)) for jobs in (1, 3))
    assert shared == alone
    assert "No such file" in alone
    with pytest.raises(InputError, match="No such file"):
        api.inspect_all(paths, jobs=3)


@pytest.mark.usefixtures("eager")
def test_progress_counts_artifacts_that_others_read() -> None:
    opened: list[Counted] = []

    class Watching:
        def opened(self, file: Counted) -> None:
            opened.append(file)

        def reading(self, path: str) -> None:
            pass

    paths = [SAMPLES / name for name in NAMES]
    api.verify(paths, jobs=2, watch=Watching())
    assert sum(file.size for file in opened) == sum(p.stat().st_size for p in paths)
    assert all(file.consumed >= file.size for file in opened[-1:])


def test_a_copy_works_on_while_nobody_reads() -> None:
    """What does not fit into the pipe waits, and comes when it is asked for."""
    ended, end = os.pipe()

    def work(item: int) -> bytes:
        if item == 7:
            os.write(end, b".")
        return bytes([item]) * (3 << 20)

    def meanwhile() -> None:
        os.read(ended, 1)

    found = list(copies.share(work, range(8), [BIG] * 8, 2, meanwhile))
    assert found == [bytes([item]) * (3 << 20) for item in range(8)]
    os.close(ended)
    os.close(end)


def test_a_copy_has_copies() -> None:
    """Each closes what its parent reads from, and nothing else later."""
    parent = os.getpid()

    def inner(item: int) -> int:
        return item * 2

    def work(item: int) -> tuple[int, int, list[int]]:
        time.sleep(0.05)
        pipes = len(copies._READ)
        return os.getpid(), pipes, list(copies.share(inner, range(6), [BIG] * 6, 3))

    for process, pipes, found in copies.share(work, range(12), [BIG] * 12, 3):
        assert pipes == (2 if process == parent else 0)
        assert found == [2 * n for n in range(6)]


# --- members that a copy inflates -------------------------------------------------------


def tarred(**files: bytes) -> bytes:
    """A tar, which starts with the name of its first file."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as packed:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            packed.addfile(entry, io.BytesIO(content))
    return data.getvalue()


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """Binaries of all samples, archives among them, and two that are damaged."""
    path = tmp_path / "all.zip"
    inner = tmp_path / "inner.zip"
    large = (SAMPLES / "deep_ep_both.so").read_bytes()
    with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("inside.so", large)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("crc.so", large)
        for name in NAMES:
            packed.write(SAMPLES / name, name)
        packed.write(inner, "inner.zip")
        packed.writestr("inner.tar", tarred(MZ=bytes(64 << 10), lib=large))
        packed.writestr("cut.so", large)
        packed.write(SAMPLES / NAMES[0], "stored.so", zipfile.ZIP_STORED)
        crc, cut = packed.getinfo("crc.so"), packed.getinfo("cut.so")
    data = bytearray(path.read_bytes())
    wrong = crc.CRC ^ 1
    for at in (
        crc.header_offset + 14,
        data.rindex(b"PK\1\2", 0, data.index(b"PK\1\2") + 4) + 16,
    ):
        data[at : at + 4] = wrong.to_bytes(4, "little")
    middle = cut.header_offset + 30 + len("cut.so") + cut.compress_size // 2
    data[middle : middle + 64] = bytes(64)
    path.write_bytes(data)
    return path


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("total", [512 << 30, 400_000])
def test_an_archive_reads_alike(archive: Path, total: int) -> None:
    """Its members are inflated by who reads them; each is counted, damaged ones are told."""
    limits = Limits(total=total)
    alone, shared = (
        rendering.report(api.verify(archive, limits=limits, jobs=jobs)) for jobs in (1, 3)
    )
    assert shared == alone
    told = [one for one in json.loads(alone)["findings"] if one["rule"] == "unreadable"]
    lost = [Path(one["path"]).name.split("!", 1)[1] for one in told]
    assert lost[0] == "crc.so"
    if total > 1 << 30:
        assert lost[-1] == "cut.so"
        assert "inner.zip!inside.so" in alone
        assert "inner.tar!lib" in alone
    else:
        assert "limit total" in told[-1]["message"]


@pytest.mark.usefixtures("eager")
def test_members_are_inflated_by_who_reads_them(
    archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parent = os.getpid()
    real = zips._inflated

    def noted(data: View, info: zipfile.ZipInfo, *args: Any) -> Member | None:
        found = real(data, info, *args)
        if os.getpid() == parent and found is not None and found.load is None:
            here.append(info.filename)
        return found

    monkeypatch.setattr(zips, "_inflated", noted)
    here: list[str] = []
    api.inspect(archive, jobs=2)
    assert here[-2:] == ["inner.zip", "inner.tar"]
    assert all(name.endswith(".co") for name in here[:-2])  # beside, and not inside
    here.clear()
    api.inspect(archive, jobs=1)
    assert set(NAMES) < set(here)
