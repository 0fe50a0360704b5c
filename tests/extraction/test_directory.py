"""Writing: nothing outside of the directory, nothing replaced, nothing half."""

import errno
import os
import resource
import signal
import subprocess
from pathlib import Path

import pytest

from kinspect.errors import OutputError
from kinspect.extraction import Directory


def tree(path):
    return sorted(str(one.relative_to(path)) for one in path.rglob("*"))


def write(path, names, *chunks, force=False):
    with Directory(str(path), force=force) as directory:
        directory.write(names, chunks)


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


def test_files_are_written_whole_and_nothing_else(out):
    with Directory(str(out)) as directory:
        directory.write(("a.so", "one"), [b"first", memoryview(b"second"), b""])
        directory.write(("a.so", "two"), [])
        directory.write(("b", "c", "three"), [bytearray(b"third")])
        directory.write(("four",), [b"x" * 100_000] * 3)
    assert tree(out) == ["a.so", "a.so/one", "a.so/two", "b", "b/c", "b/c/three", "four"]
    assert (out / "a.so/one").read_bytes() == b"firstsecond"
    assert (out / "a.so/two").read_bytes() == b""
    assert (out / "four").stat().st_size == 300_000


def test_files_have_the_mode_that_the_user_wants(out):
    before = os.umask(0o027)
    try:
        write(out, ("a", "x"), b"x")
    finally:
        os.umask(before)
    assert (out / "a/x").stat().st_mode & 0o777 == 0o640
    assert (out / "a/x").stat().st_nlink == 1


def test_nothing_is_made_before_something_is_written(out):
    with Directory(str(out)) as directory:
        directory.check()
    assert not out.exists()


def test_a_file_that_is_there_stays_as_it_is(out):
    write(out, ("x",), b"old")
    with pytest.raises(OutputError, match=r"out/x is there already: --force replaces it"):
        write(out, ("x",), b"new")
    assert (out / "x").read_bytes() == b"old"
    assert tree(out) == ["x"]


def test_a_file_that_is_there_is_replaced_by_force(out):
    write(out, ("x",), b"old")
    other = os.open(out / "x", os.O_RDONLY)
    write(out, ("x",), b"new", force=True)
    assert (out / "x").read_bytes() == b"new"
    assert os.read(other, 9) == b"old"  # a new file, not the old one written over
    os.close(other)
    assert tree(out) == ["x"]


def test_an_earlier_extraction_is_told_before_the_work(out):
    write(out, ("manifest.json",), b"{}")
    with pytest.raises(OutputError, match=r"manifest\.json is there already"):
        Directory(str(out)).check()
    Directory(str(out), force=True).check()


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("names", [("link", "x"), ("a", "link", "x")])
def test_a_symbolic_link_to_a_directory_is_not_followed(tmp_path, out, force, names):
    victim = tmp_path / "victim"
    victim.mkdir()
    place = out.joinpath(*names[:-2])
    place.mkdir(parents=True)
    (place / "link").symlink_to(victim)
    with pytest.raises(OutputError, match="symbolic link, which is not followed"):
        write(out, names, b"x", force=force)
    assert tree(victim) == []


def test_a_symbolic_link_in_place_of_a_file_is_not_followed(tmp_path, out):
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    out.mkdir()
    (out / "x").symlink_to(victim)
    (out / "dangling").symlink_to(tmp_path / "nothing")
    for name in ("x", "dangling"):
        with pytest.raises(OutputError, match="is there already"):
            write(out, (name,), b"new")
        write(out, (name,), b"new", force=True)
        assert not (out / name).is_symlink()
        assert (out / name).read_bytes() == b"new"
    assert victim.read_bytes() == b"precious"
    assert not (tmp_path / "nothing").exists()


def test_the_directory_itself_may_be_a_link(tmp_path, out):
    """The user named it, and no file did."""
    (tmp_path / "real").mkdir()
    out.symlink_to(tmp_path / "real")
    write(out, ("a", "x"), b"x")
    assert (tmp_path / "real/a/x").read_bytes() == b"x"


@pytest.mark.parametrize("force", [False, True])
def test_a_file_where_a_directory_should_be_is_told(out, force):
    write(out, ("a",), b"x")
    with pytest.raises(OutputError, match="a in it is no directory"):
        write(out, ("a", "x"), b"x", force=force)
    with pytest.raises(OutputError, match="is no directory"):
        write(out / "a", ("x",), b"x", force=force)
    assert (out / "a").read_bytes() == b"x"


@pytest.mark.parametrize("force", [False, True])
def test_a_directory_where_a_file_should_be_is_told(out, force):
    (out / "x").mkdir(parents=True)
    with pytest.raises(OutputError, match="out/x"):
        write(out, ("x",), b"x", force=force)
    assert tree(out) == ["x"]


def test_what_fails_half_way_leaves_nothing(out):
    def chunks():
        yield b"half"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), Directory(str(out)) as directory:
        directory.write(("a", "x"), chunks())
    assert tree(out) == ["a"]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_a_disk_that_takes_no_more_leaves_nothing(out, monkeypatch, code):
    """The link that gives a file its name fails as well as a write could."""

    def fails(*_arguments, **_more):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "link", fails)
    with pytest.raises(OutputError, match=f"a/x: not written: {os.strerror(code)}"):
        write(out, ("a", "x"), b"data")
    assert tree(out) == ["a"]


def test_a_file_that_grows_beyond_what_may_be_written_leaves_nothing(out):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, limits[1]))
    try:
        with pytest.raises(OutputError, match="not written: File too large"):
            write(out, ("a", "x"), bytes(1 << 15), bytes(1 << 15), b"x")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
    assert tree(out) == ["a"]


@pytest.fixture
def small(tmp_path):
    """A file system of 64 KiB, where the system lets us have one."""
    place = tmp_path / "small"
    place.mkdir()
    options = ["-t", "tmpfs", "-o", "size=64k", "none", str(place)]
    done = subprocess.run(["mount", *options], capture_output=True, check=False)
    if done.returncode:
        pytest.skip("no right to mount a file system")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk_leaves_whole_files_only(small):
    with Directory(str(small)) as directory:
        directory.write(("a", "fits"), [bytes(20_000)])
        with pytest.raises(OutputError, match="a/x: not written: No space left on device"):
            directory.write(("a", "x"), [bytes(8192)] * 10)
        directory.write(("a", "fits too"), [bytes(20_000)])
    assert tree(small) == ["a", "a/fits", "a/fits too"]


def test_a_read_only_disk_is_told(small):
    options = ["-o", "remount,ro", str(small)]
    subprocess.run(["mount", *options], check=True)
    with pytest.raises(OutputError, match="not written: Read-only file system"):
        write(small / "out", ("x",), b"x")


def test_a_place_where_nothing_can_be_made_is_told():
    with pytest.raises(OutputError, match="/proc/kinspect/x: not written: "):
        write(Path("/proc/kinspect"), ("x",), b"x")


@pytest.mark.parametrize("code", [errno.EPERM, errno.EOPNOTSUPP])
def test_a_file_system_without_links_is_written_to_as_well(out, monkeypatch, code):
    def fails(*_arguments, **_more):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "link", fails)
    write(out, ("x",), b"old")
    assert (out / "x").read_bytes() == b"old"
    with pytest.raises(OutputError, match="is there already"):
        write(out, ("x",), b"new")
    assert (out / "x").read_bytes() == b"old"
    assert tree(out) == ["x"]
