"""What was measured, as a table for people and as JSON."""

import os
import platform
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmarks.measuring import OURS, Goal, Measured
from benchmarks.rows import Row
from kinspect.version import __version__

#: command that tells the version of a peer
PEERS = {
    "clang-offload-bundler": ["clang-offload-bundler-19", "--version"],
    "unzip": ["unzip", "-v"],
    "zstd": ["zstd", "--version"],
}
LIBRARIES = ("click", "isal", "msgspec", "zstandard")

BEGIN, END = "<!-- figures: python -m benchmarks --docs -->", "<!-- end of figures -->"

Cells = Sequence[str]


@dataclass(frozen=True)
class Outcome:
    """A row that was run, or why it was not."""

    row: Row
    found: Mapping[str, Measured]
    problem: str = ""

    def values(self) -> Iterator[tuple[Goal, float | None]]:
        for goal in self.row.goals:
            yield goal, goal.value(self.found) if self.found else None


def verdict(goal: Goal, value: float | None) -> str:
    """Met or missed; nothing where there is no target."""
    if not goal.target():
        return ""
    if value is None:
        return "not measured"
    return "met" if goal.met(value) else "MISSED"


# --- for people -------------------------------------------------------------------------

RATIOS = ("", "kinspect", "memory", "held against", "measured", "target", "")


def ratios(outcomes: Sequence[Outcome]) -> list[Cells]:
    """A line for each target of each benchmark."""
    lines: list[Cells] = []
    for one in outcomes:
        if one.row.scaled:
            continue
        first = [one.row.title, "", ""]
        if one.found:
            ours = one.found[OURS]
            first[1:] = [_seconds(ours.seconds), _memory(ours.memory)]
        for goal, value in one.values():
            peer = goal.peer
            if peer in one.found:
                peer = f"{peer}, {_seconds(one.found[peer].seconds)}"
            told = goal.text(value) if value is not None else one.problem or "not installed"
            lines.append((*first, peer, told, goal.target(), verdict(goal, value)))
            first = ["", "", ""]
    return lines


def growth(outcomes: Sequence[Outcome]) -> tuple[Cells, list[Cells]]:
    """Headers and a line for each family: seconds by how many there are."""
    shown = [one for one in outcomes if one.row.scaled]
    counts = sorted({m.command.count for one in shown for m in one.found.values()})
    lines: list[Cells] = []
    for one in shown:
        by_count = {m.command.count: _seconds(m.seconds) for m in one.found.values()}
        cells = [one.row.title, *(by_count.get(count, "") for count in counts)]
        for goal, value in one.values():
            told = goal.text(value) if value is not None else one.problem
            cells += [f"{told} ({goal.target()})", verdict(goal, value)]
        lines.append(cells)
    heads = [f"{count:,}" for count in counts]
    return ("", *heads, "ten times as many cost", "", "memory", ""), lines


def _seconds(value: float) -> str:
    return f"{value:.2f} s"


def _memory(value: int) -> str:
    return f"{value / 1e6:,.0f} MB"


def markdown(outcomes: Sequence[Outcome], runs: int) -> str:
    """Tables as Markdown has them."""
    about = machine()
    told = (
        f"Medians of up to {runs} runs, taken in turns, on {about['cpus']} cores,"
        f" {about['architecture']}, Python {about['python']}, kinspect {__version__}."
    )
    tables = []
    if lines := ratios(outcomes):
        tables.append(_table(RATIOS, lines))
    heads, grown = growth(outcomes)
    if grown:
        tables.append(_table(heads, grown))
    return "\n\n".join([told, *tables]) + "\n"


def _table(heads: Cells, lines: Sequence[Cells]) -> str:
    rows = [heads, ["---"] * len(heads), *lines]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in rows)


def plain(heads: Cells, lines: Sequence[Cells]) -> str:
    """A table for a terminal."""
    rows = [heads, *lines]
    widths = [max(len(row[at]) for row in rows) for at in range(len(heads))]
    padded = (
        "  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True))
        for row in rows
    )
    return "\n".join(line.rstrip() for line in padded)


def text(outcomes: Sequence[Outcome]) -> str:
    found = []
    if lines := ratios(outcomes):
        found.append(plain(RATIOS, lines))
    heads, grown = growth(outcomes)
    if grown:
        found.append(plain(heads, grown))
    return "\n\n".join(found)


def refresh(page: Path, tables: str) -> None:
    """Put the tables between the markers of a page."""
    whole = page.read_text("utf-8")
    before, begin, rest = whole.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        message = f"{page} has no {BEGIN} … {END}"
        raise ValueError(message)
    page.write_text(f"{before}{BEGIN}\n{tables}{END}{after}", "utf-8")


# --- for machines -----------------------------------------------------------------------


def machine() -> dict[str, object]:
    return {
        "architecture": platform.machine(),
        "cpus": len(os.sched_getaffinity(0)),
        "system": platform.system(),
        "python": platform.python_version(),
        #: runs that wait for a processor at the start say that others use the machine
        "load": os.getloadavg()[0],
    }


def versions() -> dict[str, str]:
    found = {"kinspect": __version__}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    for name, command in PEERS.items():
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        except FileNotFoundError:
            continue
        lines = [line for line in done.stdout.splitlines() if line.strip()]
        found[name] = lines[0].strip() if lines else ""
    return found


def document(outcomes: Sequence[Outcome], runs: int) -> dict[str, object]:
    return {
        "schema_version": 1,
        "machine": machine(),
        "versions": versions(),
        "runs": runs,
        "benchmarks": [_benchmark(one) for one in outcomes],
    }


def _benchmark(one: Outcome) -> dict[str, object]:
    return {
        "name": one.row.name,
        "title": one.row.title,
        "problem": one.problem or None,
        "commands": [
            {
                "name": measured.command.name,
                "command": " ".join(Path(word).name for word in measured.command.words),
                "count": measured.command.count or None,
                "median": measured.seconds,
                "memory": measured.memory,
                "together": measured.together,
                "runs": [asdict(run) for run in measured.runs],
            }
            for measured in one.found.values()
        ],
        "targets": [
            {
                "peer": goal.peer or None,
                "target": goal.target() or None,
                "measured": value,
                "verdict": verdict(goal, value) or None,
            }
            for goal, value in one.values()
        ],
    }
