"""Commands, what they took, and what they should take."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import inf
from pathlib import Path
from statistics import median
from tempfile import gettempdir
from typing import Any

LAUNCHER = Path(__file__).with_name("launcher.py")


@dataclass(frozen=True)
class Command:
    """Something to run; its output goes nowhere."""

    name: str
    argv: Sequence[str | Path]
    #: with which it may end; kinspect's 1 is a verdict, and 2 a failure to tell
    codes: frozenset[int] = frozenset({0})
    #: whether it starts processes, so that memory is that of all of them
    parallel: bool = False
    #: how much of what the benchmark scales is in its input
    count: int = 0

    @property
    def words(self) -> list[str]:
        return list(map(str, self.argv))


@dataclass(frozen=True)
class Run:
    """What one run took."""

    seconds: float
    #: seconds of processors, all processes together
    cpu: float
    #: bytes of its largest process
    peak: int


@dataclass
class Measured:
    """All runs of a command."""

    command: Command
    runs: list[Run] = field(default_factory=list)
    #: of all processes together, where there are several
    together: int | None = None

    @property
    def seconds(self) -> float:
        return median(run.seconds for run in self.runs)

    @property
    def memory(self) -> int:
        """The most that was needed, in bytes: of all processes, where that was sampled."""
        return max([self.together or 0, *(run.peak for run in self.runs)])


class CommandFailed(Exception):
    """A command ended otherwise than it should: its time says nothing."""


def measure(commands: Iterable[Command], runs: int) -> dict[str, Measured]:
    """Run all of them in turns; a first turn, which is not counted, fills the caches."""
    found = {one.name: Measured(one) for one in commands}
    for one in found.values():
        one.together = _run(one.command, together=one.command.parallel).get("together")
    for _ in range(runs):
        for one in found.values():
            took = _run(one.command)
            one.runs.append(Run(took["seconds"], took["cpu"], took["peak"]))
    return found


def _run(command: Command, *, together: bool = False) -> dict[str, Any]:
    mode = "--together" if together else "--alone"
    done = subprocess.run(
        [sys.executable, "-I", "-S", LAUNCHER, mode, *command.words],
        env=environment(), cwd=gettempdir(),  # where no policy is
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    took = json.loads(done.stdout)
    if took["code"] not in command.codes:
        message = f"exit {took['code']}: {' '.join(command.words)[:200]}"
        raise CommandFailed(message)
    return dict(took)


def environment() -> dict[str, str]:
    """Python as it is installed: with its bytecode, whatever this shell says."""
    own = ("PYTHON", "KINSPECT")
    return {name: value for name, value in os.environ.items() if not name.startswith(own)}


def there(command: Command) -> bool:
    """Whether its program is installed."""
    return shutil.which(command.words[0]) is not None


# --- what should be ---------------------------------------------------------------------

#: the command that is measured, among its peers
OURS = "kinspect"

Found = Mapping[str, Measured]


@dataclass(frozen=True)
class Goal:
    """What is measured of a benchmark, and a target for it; without one, it is told."""

    #: the command that kinspect is held against
    peer: str = ""
    limit: float = inf

    def value(self, found: Found) -> float | None:
        """What was measured; None where the peer is not installed."""
        raise NotImplementedError

    def text(self, value: float) -> str:
        raise NotImplementedError

    def met(self, value: float) -> bool:
        return value <= self.limit

    def target(self) -> str:
        return f"≤ {self.text(self.limit)}" if self.limit != inf else ""


class Ratio(Goal):
    """kinspect's time as a multiple of a peer's."""

    def value(self, found: Found) -> float | None:
        if self.peer not in found:
            return None
        return found[OURS].seconds / found[self.peer].seconds

    def text(self, value: float) -> str:
        return f"{value:.2f} ×"


class Faster(Goal):
    """How many times faster than a peer it is."""

    def value(self, found: Found) -> float | None:
        if self.peer not in found:
            return None
        return found[self.peer].seconds / found[OURS].seconds

    def text(self, value: float) -> str:
        return f"{value:.2f} × faster"

    def met(self, value: float) -> bool:
        return self.limit == inf or value >= self.limit

    def target(self) -> str:
        return super().target().replace("≤", "≥")


class Seconds(Goal):
    def value(self, found: Found) -> float | None:
        return found[OURS].seconds

    def text(self, value: float) -> str:
        return f"{value:.2f} s"


class Memory(Goal):
    """In bytes."""

    def value(self, found: Found) -> float | None:
        return max(one.memory for one in found.values() if _ours(one))

    def text(self, value: float) -> str:
        return f"{value / 1e6:,.0f} MB"


class Growth(Goal):
    """The most that ten times the input cost, of all steps between two sizes."""

    def value(self, found: Found) -> float | None:
        sizes = sorted((one for one in found.values() if _ours(one)), key=_count)
        steps = [
            10 * (more.seconds / less.seconds) / (_count(more) / _count(less))
            for less, more in pairwise(sizes)
        ]
        return max(steps, default=None)

    def text(self, value: float) -> str:
        return f"{value:.1f} ×"


def _count(one: Measured) -> int:
    return one.command.count


def _ours(one: Measured) -> bool:
    return one.command.name == OURS or one.command.count > 0
