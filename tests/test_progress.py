"""The progress bar: on a terminal, for long work, and gone in the end."""

import io
import math
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest

from kinspect.cli.progress import CLEAR, Bar, progress
from kinspect.view import File
from tests.conftest import SAMPLES

NAMED = "dist/deep_ep-1.0-cp312-cp312-linux_x86_64.whl!deep_ep_cpp.so"


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def bar(tmp_path):
    """A bar that waits for ever, over two files of 1,000 and 3,000 bytes."""
    made = Bar(Terminal(), 4_000, patience=60)
    files = []
    for name, size in (("a", 1_000), ("b", 3_000)):
        (tmp_path / name).write_bytes(bytes(size))
        files.append(File(tmp_path / name))
    yield made, files
    made.close()
    for file in files:
        file.close()


def test_the_bar_follows_the_bytes_that_are_read(bar):
    made, (first, second) = bar
    assert made.line(80).startswith("[                    ]   0%")
    made.opened(first)
    first.read(0, 1_000)  # small reads take a block, which is the whole file
    made.reading("a.so")
    assert made.line(80) == "[#####               ]  25%  a.so"
    made.opened(second)
    second.consumed = 1_000
    assert "]  50%" in made.line(80)
    second.consumed = 9_000  # what is read twice counts once
    assert "] 100%" in made.line(80)


@pytest.mark.parametrize("columns", [1, 20, 34, 40, 60, 80, 200])
def test_a_line_fits_into_the_terminal(bar, columns):
    made, _ = bar
    made.reading(NAMED)
    line = made.line(columns)
    assert len(line) < max(columns, 30)
    if columns >= 60:
        assert line.endswith("deep_ep_cpp.so")


def test_names_can_not_move_the_cursor(bar):
    made, _ = bar
    made.reading("\x1b[2J\r\n\u202eevil.so")
    assert made.line(80).endswith("\\x1b[2J\\x0d\\x0a\\u202eevil.so")


def test_short_work_shows_nothing(monkeypatch):
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    with progress(["nowhere"]) as watch:
        assert watch is not None
    assert stream.getvalue() == ""


@pytest.mark.parametrize("why", ["no terminal", "quiet", "dumb"])
def test_no_bar_where_nobody_looks(monkeypatch, why):
    monkeypatch.setattr(
        sys, "stderr", io.StringIO() if why == "no terminal" else Terminal()
    )
    monkeypatch.setenv("TERM", "dumb" if why == "dumb" else "xterm")
    with progress(["x"], quiet=why == "quiet") as watch:
        assert watch is None


def test_what_was_drawn_is_cleared_even_on_an_error(monkeypatch):
    stream = Terminal()
    made = Bar(stream, 0, patience=0)
    made.reading("lib.so")
    deadline = time.monotonic() + 10
    while "lib.so" not in stream.getvalue() and time.monotonic() < deadline:
        time.sleep(0.01)
    made.close()
    assert "lib.so" in stream.getvalue()
    assert stream.getvalue().endswith(CLEAR)


class Watching:
    def __init__(self):
        self.seen = []

    def opened(self, file):
        pass

    def reading(self, path):
        self.seen.append(path)


@pytest.mark.parametrize(
    ("options", "terminal", "shown"),
    [
        ([], True, False),  # kernels are there as they are read
        (["--group"], True, True),
        (["--sort", "vgpr"], True, True),
        (["--compare", "gfx942,gfx950"], True, True),
        ([], False, True),
    ],
)
def test_kernels_show_a_bar_while_there_is_nothing_else(
    monkeypatch, kinspect, options, terminal, shown
):
    watch, asked = Watching(), []

    @contextmanager
    def fake(paths, *, quiet=False):
        asked.append((paths, quiet))
        yield watch

    monkeypatch.setattr("kinspect.cli.kernels.progress", fake)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal)
    path = str(SAMPLES / "per_tu_both.so")
    done = kinspect("kernels", *options, path)
    assert (done.code, "scale" in done.out) == (0, True)
    assert asked == [((path,), not shown)]
    assert set(watch.seen) == {path}


# --- for real ---------------------------------------------------------------------------


@pytest.fixture
def much(tmp_path):
    """Work for some seconds."""
    data = (SAMPLES / "deep_ep_both.so").read_bytes()
    for number in range(800):
        (tmp_path / f"lib{number:03}.so").write_bytes(data + bytes([number % 256]))
    return tmp_path


def on_a_terminal(command, interrupt=False):
    """Everything that a terminal shows of a command, and its exit code."""
    master, slave = pty.openpty()
    child = subprocess.Popen(
        command,
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env=os.environ | {"TERM": "xterm", "NO_COLOR": "1"},
    )
    os.close(slave)
    shown = b""
    sent = -math.inf
    while True:
        ready, _, _ = select.select([master], [], [], 60)
        try:
            more = os.read(master, 1 << 16) if ready else b""
        except OSError:  # the other end is closed
            more = b""
        if not more:
            break
        shown += more
        # once, as soon as the bar is seen; again if Python was where it can't be told
        if interrupt and b"lib" in shown and time.monotonic() - sent > 2:
            child.send_signal(signal.SIGINT)
            sent = time.monotonic()
    os.close(master)
    return shown.decode(), child.wait(60)


COMMAND = [sys.executable, "-m", "kinspect", "verify"]


@pytest.mark.slow
def test_a_terminal_shows_the_bar_and_then_the_report_alone(much):
    shown, code = on_a_terminal([*COMMAND, much])
    assert code == 0
    drawn, _, after = shown.rpartition(CLEAR)
    assert re.search(r" s  .*lib\d+\.so", drawn)
    assert CLEAR not in after
    assert after.rstrip().endswith("OK: gfx942 and gfx950 in 800 bundles in 800 binaries")


@pytest.mark.slow
def test_a_log_shows_no_bar(much):
    done = subprocess.run([*COMMAND, much], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert done.stderr == ""
    assert "\r" not in done.stdout


@pytest.mark.slow
def test_an_interrupt_leaves_nothing_behind(much, tmp_path_factory, monkeypatch):
    scratch = tmp_path_factory.mktemp("scratch")
    monkeypatch.setenv("TMPDIR", str(scratch))
    shown, code = on_a_terminal([*COMMAND, much], interrupt=True)
    assert code == 130
    assert "Traceback" not in shown
    assert shown.rpartition(CLEAR)[2].strip() == "interrupted"
    assert not list(scratch.iterdir())
