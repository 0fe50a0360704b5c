"""browse as a person drives it: by textual's pilot, and in a real terminal."""

import asyncio
import shutil
import subprocess
import sys
import time

import pytest

from kinspect import api
from kinspect.browse.app import Browser
from tests.conftest import ROOT, SAMPLES
from tests.sources.test_installed import install


def resources(path):
    return {(row.path, row.bundle, row.target, row.name): row for row in api.kernels(path)}


def drive(name, *keys, size=(80, 24)):
    """Press keys; the kind and label of where the cursor then is, and the details."""
    path = SAMPLES / name

    async def run():
        app = Browser(api.verify(path), "verdict", lambda: resources(path))
        async with app.run_test(size=size) as pilot:
            await pilot.pause()
            for key in keys:
                await pilot.press(key)
                await pilot.pause()
            await app.workers.wait_for_complete()
            await pilot.pause()
            told = str(app.query_one("#details").render())
            notes = [one.message for one in app._notifications]
            regions = [app.query_one(one).region for one in ("#tree", "#pane")]
            return app.current, told, notes, regions

    return asyncio.run(run())


def test_it_begins_at_the_artifact():
    node, told, _, _ = drive("deep_ep_both.so")
    assert node.kind == "artifact"
    assert told.startswith(str(SAMPLES))


def test_down_to_a_kernel():
    """Down and open: binary, bundle, target, kernel."""
    keys = ["down", "enter"] * 3 + ["down"]
    node, told, _, _ = drive("deep_ep_both.so", *keys)
    assert node.kind == "kernel"
    assert node.parent.words == "gfx942"
    assert "VGPR" in told


def seen(name, *keys, size=(80, 24)):
    """The lines of the screen, with what textual would draw, and where its parts are."""
    path = SAMPLES / name

    async def run():
        app = Browser(api.verify(path), "verdict", lambda: resources(path))
        async with app.run_test(size=size) as pilot:
            await pilot.pause()
            for key in keys:
                await pilot.press(key)
                await pilot.pause()
            await app.workers.wait_for_complete()
            await pilot.pause()
            lines = [
                "".join(segment.text for segment in line).rstrip()
                for line in app.screen._compositor.render_strips()
            ]
            parts = {
                one: app.query_one(one).region for one in ("#search", "#pane", "Footer")
            }
            return lines, parts, app.query_one("#verdict").classes

    return asyncio.run(run())


@pytest.mark.parametrize("key", ["slash", "g"])
@pytest.mark.parametrize("size", [(80, 24), (160, 45)])
def test_a_question_hides_nothing_and_nothing_hides_it(key, size):
    lines, parts, _ = seen("deep_ep_both.so", key, size=size)
    search, footer = parts["#search"], parts["Footer"]
    assert search.height == 3
    assert parts["#pane"].bottom <= search.y
    assert search.bottom <= footer.y
    assert footer.bottom == size[1]
    assert "Go" in lines[-1]
    assert "Back" in lines[-1]
    assert "Search" not in lines[-1]


def test_a_slash_can_be_searched_for():
    _, _, notes, _ = drive("deep_ep_both.so", "slash", "a", "slash", "b", "enter")
    assert notes == ["nothing is called 'a/b'"]


def test_the_path_of_what_was_named_is_told_below_the_tree():
    """In the tree it would hide what stands behind it."""
    lines, parts, _ = seen("deep_ep_both.so")
    tree = [line.strip("▼▶└─ ") for line in lines[1 : parts["#pane"].y] if line]
    assert tree == ["deep_ep_both.so  file, 1 binary", "deep_ep_both.so  1 bundle"]
    told = lines[parts["#pane"].y + 1 :]
    assert [line.strip() for line in told[:2]] == [str(SAMPLES / "deep_ep_both.so"), "file"]


def test_the_target_that_one_looks_at_comes_first():
    """The others may be out of sight."""
    keys = ["slash", *"query_mask", "enter", "n"]
    lines, parts, _ = seen("deep_ep_both.so", *keys)
    told = [line.split() for line in lines[parts["#pane"].y :]]
    at = next(n for n, line in enumerate(told) if line[:2] == ["target", "VGPR"])
    assert [line[:2] for line in told[at + 1 : at + 3]] == [
        [">", "gfx950"],
        ["gfx942", "2"],
    ]


@pytest.mark.parametrize("size", [(80, 24), (160, 45)])
def test_findings_are_as_wide_as_the_pane(size):
    """What is continued is deeper than where it began."""
    lines, parts, classes = seen("deep_ep_no_gfx950.so", "f", size=size)
    pane = parts["#pane"]
    told = [line[pane.x + 1 : pane.right].rstrip() for line in lines[pane.y : pane.bottom]]
    at = next(n for n, line in enumerate(told) if "error[missing-target]" in line)
    assert told[at + 1].strip() == "gfx950"
    first, second = (len(one) - len(one.lstrip()) for one in told[at : at + 2])
    assert second == first + 2
    assert "-fail" in classes


def test_search_opens_the_tree():
    keys = ["slash", *"query_mask", "enter"]
    node, told, _, _ = drive("deep_ep_both.so", *keys)
    assert (node.kind, node.parent.words) == ("kernel", "gfx942")
    assert "> gfx942" in told
    node, _, _, _ = drive("deep_ep_both.so", *keys, "n")
    assert node.parent.words == "gfx950"
    node, _, _, _ = drive("deep_ep_both.so", *keys, "n", "N")
    assert node.parent.words == "gfx942"
    node, _, _, _ = drive("deep_ep_both.so", *keys, "u", "u")
    assert node.kind == "bundle"


def test_search_for_what_is_not_there():
    node, _, notes, _ = drive("deep_ep_both.so", "slash", *"nowhere", "enter")
    assert node.kind == "artifact"
    assert notes == ["nothing is called 'nowhere'"]


def test_the_next_finding():
    node, told, _, _ = drive("per_tu_one_lacks.so", "f")
    assert node.kind == "bundle"
    assert "error[missing-target]" in told
    _, _, notes, _ = drive("deep_ep_both.so", "f")
    assert notes == ["no findings"]


def test_jump_to_a_bundle():
    node, _, _, _ = drive("per_tu_one_lacks.so", "g", "2", "enter")
    assert node.words == "bundle 2"
    _, _, notes, _ = drive("per_tu_one_lacks.so", "g", "9", "enter")
    assert notes == ["no bundle 9 here"]


@pytest.mark.parametrize(("width", "beside"), [(80, False), (160, True)])
def test_details_stand_below_the_tree_or_beside_it(width, beside):
    *_, (tree, pane) = drive("deep_ep_both.so", size=(width, 24))
    assert (pane.x >= tree.right) is beside
    assert (pane.y >= tree.bottom) is not beside


def test_without_textual(kinspect, monkeypatch):
    monkeypatch.setitem(sys.modules, "kinspect.browse.app", None)
    done = kinspect("browse", SAMPLES / "deep_ep_both.so")
    assert done.code == 2
    assert "pip install 'kinspect[browse]'" in done.err


def test_without_a_terminal(kinspect):
    done = kinspect("browse", SAMPLES / "deep_ep_both.so")
    assert done.code == 2
    assert "needs a terminal" in done.err


def test_what_is_installed(kinspect, monkeypatch, tmp_path):
    install(tmp_path, {"a.so": (SAMPLES / "per_tu_both.so").read_bytes()})
    seen = []
    monkeypatch.setattr(
        Browser, "run", lambda self: seen.append((self.roots, self._read()))
    )
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        monkeypatch.setattr(stream, "isatty", lambda: True)
    done = kinspect("browse", "--installed", "deep-ep", "--python", tmp_path)
    assert done.code == 0
    ((roots, resources_),) = seen
    assert roots[0].label.startswith("Deep.EP 1.0  installed")
    assert len(resources_) == 18  # three units, three kernels, two targets
    done = kinspect("browse", "--installed", "nope", "--python", tmp_path)
    assert (done.code, "not installed" in done.err) == (2, True)


class Terminal:
    """tmux, with a server of its own."""

    def __init__(self, socket, width):
        self.base = [shutil.which("tmux") or "tmux", "-L", socket, "-f", "/dev/null"]
        command = f"{sys.executable} -m kinspect browse samples/per_tu_one_lacks.so"
        self.call(
            "new-session", "-d", "-x", str(width), "-y", "24", "-c", str(ROOT),
            f"{command}; echo left with $?; exec sleep 60",
        )  # fmt: skip

    def call(self, *arguments):
        done = subprocess.run(
            [*self.base, *arguments], capture_output=True, text=True, check=True
        )
        return done.stdout

    def until(self, text):
        """The screen, once it shows the text."""
        screen = ""
        for _ in range(150):
            screen = self.call("capture-pane", "-p")
            if text in screen:
                return screen
            time.sleep(0.2)
        pytest.fail(f"no {text!r} in:\n{screen}")


@pytest.mark.oracle
@pytest.mark.parametrize("width", [80, 160])
def test_in_a_terminal(tool, tmp_path, width):
    tool("tmux")
    terminal = Terminal(f"kinspect-{tmp_path.name}-{width}", width)
    try:
        screen = terminal.until("1 finding below")
        assert "FAILED: 1 error in 1 binary" in screen.splitlines()[0]
        assert "Search" in screen.splitlines()[-1]
        terminal.call("send-keys", "f")
        screen = terminal.until("error[missing-target]")
        assert "✗ bundle" in screen
        terminal.call("send-keys", "q")
        terminal.until("left with 0")
    finally:
        terminal.call("kill-server")
