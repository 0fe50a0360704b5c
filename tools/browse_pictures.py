"""Pictures of `kinspect browse`, as a terminal of 80 and of 160 columns shows it.

python tools/browse_pictures.py OUT [PATH...]: drives it in tmux, as a person would, and
writes a PNG of each step into the directory OUT, to be looked at. Needs tmux and Chromium.
"""

import io
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import sync_playwright
from rich.console import Console
from rich.text import Text

SAMPLES = Path(__file__).parent.parent / "samples"
#: what is shown: samples or the PATHs given, and the keys that lead there
STEPS = {
    "start": ("deep_ep_no_gfx950.so", []),
    "finding": ("deep_ep_no_gfx950.so", ["f"]),
    "kernel": ("deep_ep_both.so", ["Down", "Enter"] * 3 + ["Down"]),
    "search": ("deep_ep_both.so", ["/", *"combine"]),
    "found": ("deep_ep_both.so", ["/", *"combine", "Enter"]),
    "nothing": ("deep_ep_both.so", ["/", *"xyz", "Enter"]),
    "tree": (".", ["Down"] * 4),
    "jump": ("per_tu_both.so", ["g"]),
}


class Terminal:
    """A tmux server of our own."""

    def __init__(self, socket: str, columns: int, rows: int, command: list[str]) -> None:
        self._tmux = ["tmux", "-S", socket, "-f", "/dev/null"]
        self._columns = columns
        size = ["-x", str(columns), "-y", str(rows)]
        self._run("new-session", "-d", *size, *command)

    def _run(self, *arguments: str) -> str:
        done = subprocess.run(
            [*self._tmux, *arguments], check=True, capture_output=True, text=True
        )
        return done.stdout

    def keys(self, *keys: str) -> None:
        for key in keys:
            self._run("send-keys", key)
            time.sleep(0.15)

    def settled(self) -> str:
        """The screen with its colours, once it stays as it is."""
        seen = ""
        for _ in range(100):
            time.sleep(0.4)
            now = self._run("capture-pane", "-e", "-p", "-N")
            if now == seen and "Quit" in now:
                break
            seen = now
        return seen

    def close(self) -> None:
        self._run("kill-server")


def svg(screen: str, columns: int) -> str:
    console = Console(
        width=columns,
        record=True,
        file=io.StringIO(),
        force_terminal=True,
        color_system="truecolor",
    )
    for line in screen.splitlines():
        console.print(Text.from_ansi(line), no_wrap=True, overflow="crop")
    return console.export_svg(title=f"{columns} columns")


def main(out: Path, paths: list[str]) -> None:
    out.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as place:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox"]
        )
        for columns, rows in ((80, 24), (160, 45)):
            for name, (sample, keys) in STEPS.items():
                command = [sys.executable, "-m", "kinspect", "browse"]
                command += paths or [str(SAMPLES / sample)]
                terminal = Terminal(f"{place}/{columns}{name}", columns, rows, command)
                terminal.settled()
                terminal.keys(*keys)
                drawing = svg(terminal.settled(), columns)
                terminal.close()
                page = browser.new_page(viewport={"width": 2400, "height": 1600})
                page.set_content(f"<body style='margin:0'>{drawing}</body>")
                page.locator("svg").evaluate(
                    "s => s.setAttribute('width', s.viewBox.baseVal.width)"
                )
                page.locator("svg").screenshot(path=str(out / f"{columns}-{name}.png"))
                page.close()
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
