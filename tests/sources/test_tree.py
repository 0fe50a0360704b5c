"""Directories: each file is opened once, and what is excluded never."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from kinspect import Verdict, verify
from tests.conftest import ROOT, SAMPLES

GOOD = (SAMPLES / "per_tu_both.so").read_bytes()
BAD = (SAMPLES / "per_tu_one_lacks.so").read_bytes()

COUNT_OPENS = """\
import json, os, sys
opened = []
sys.addaudithook(lambda event, args: event == "open" and opened.append(str(args[0])))
sys.argv = ["kinspect", *sys.argv[2:]]
from kinspect.cli import main
try:
    main()
except SystemExit as stop:
    code = stop.code
with os.fdopen(os.dup(2), "w") as out:
    json.dump([code, opened], out)
"""


def opens_below(directory, *arguments):
    """The exit code of verify, and how often it opens each file of a directory."""
    done = subprocess.run(
        [sys.executable, "-c", COUNT_OPENS, "", "verify", *arguments],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    code, opened = json.loads(done.stderr)
    return code, Counter(path for path in opened if path.startswith(str(directory)))


def test_a_directory_of_1000_files_opens_each_once(tmp_path):
    """Counted by Python itself, whatever opens them."""
    names = []
    for number in range(1000):
        directory = tmp_path / f"d{number % 7}" / f"e{number % 3}"
        directory.mkdir(parents=True, exist_ok=True)
        # of every kind: binaries, archives, text, nothing at all
        content = [b"text", b"", b"\x7fELF", b"PK\x05\x06" + bytes(18), b"!<arch>\n"][
            number % 5
        ]
        path = directory / f"f{number}"
        path.write_bytes(content)
        names.append(str(path))
    (tmp_path / "good.so").write_bytes(GOOD)
    (tmp_path / "d0/again.so").symlink_to("../good.so")
    (tmp_path / "circle").symlink_to(".")
    expected = Counter([*names, f"{tmp_path}/good.so"])
    code, opened = opens_below(tmp_path, str(tmp_path))
    assert opened == expected
    assert code == 2  # four bytes of an ELF file are damage


def test_what_is_excluded_is_never_opened(tmp_path):
    for name in ("a.so", "tests/b.so", "cuda/lib/c.so", "z.so"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(GOOD if name == "a.so" else BAD)
    exclude = ["--exclude=tests", f"--exclude={tmp_path}/cuda", "--exclude=z.*"]
    code, opened = opens_below(tmp_path, *exclude, str(tmp_path))
    assert (code, opened) == (0, Counter([f"{tmp_path}/a.so"]))


def test_names_of_any_bytes(tmp_path):
    name = os.fsdecode(os.fsencode(tmp_path) + b"/\xff\n\x1b[31m.so")
    with open(name, "wb") as file:
        file.write(BAD)
    report = verify(tmp_path)
    assert report.verdict is Verdict.FAIL
    assert {f.path for f in report.findings if f.severity == "error"} == {name}


def test_what_vanishes_while_it_is_read_is_told(tmp_path, monkeypatch):
    (tmp_path / "a.so").write_bytes(GOOD)
    (tmp_path / "d").mkdir()
    (tmp_path / "d/b.so").write_bytes(GOOD)
    listing = os.listdir

    def racing(path):
        names = listing(path)
        return [*names, "gone.so"] if str(path) == str(tmp_path / "d") else names

    monkeypatch.setattr(os, "listdir", racing)
    report = verify(tmp_path)
    assert report.verdict is Verdict.UNKNOWN
    assert [f.path for f in report.findings] == [f"{tmp_path}/d/gone.so"]


@pytest.mark.parametrize("kind", [os.mkfifo, lambda path: os.mknod(path, 0o60644, 0)])
def test_special_files_are_never_opened(tmp_path, kind):
    (tmp_path / "a.so").write_bytes(GOOD)
    kind(tmp_path / "b.so")
    code, opened = opens_below(tmp_path, str(tmp_path))
    assert (code, opened) == (0, Counter([f"{tmp_path}/a.so"]))


def test_a_link_out_of_the_directory_is_followed_once(tmp_path):
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    inside.mkdir()
    outside.mkdir()
    (outside / "a.so").write_bytes(BAD)
    (outside / "back").symlink_to(inside)
    for name in ("one", "two"):
        (inside / name).symlink_to(outside)
    report = verify(inside)
    assert [binary.path for binary in report.artifacts[0].binaries] == [
        f"{inside}/one/a.so"
    ]


def test_more_levels_than_python_can_call(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for _ in range(1500):
        Path("d").mkdir()
        monkeypatch.chdir("d")
    Path("a.so").write_bytes(BAD)
    try:
        assert verify(tmp_path).verdict is Verdict.FAIL
    finally:
        # more levels than pytest can remove
        monkeypatch.chdir(tmp_path)
        subprocess.run(["rm", "-rf", tmp_path / "d"], check=True)
