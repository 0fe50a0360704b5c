"""kinspect on a hostile file: it ends soon, in little memory, and never with a pass."""

import json
import os
import re
import resource
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MB = 1 << 20
#: what one trap may cost beside what Python and kinspect take, and may make bytes of
SECONDS, MEMORY = 60, 200 * MB

CLEAN = {k: v for k, v in os.environ.items() if not k.startswith(("GITHUB_", "KINSPECT_"))}

#: starts the command and tells its exit code and its peak of memory in KiB: memory of the
#: tests themselves would count for a process that they start
_WATCH = (
    "import resource, subprocess, sys\n"
    "code = subprocess.run(sys.argv[2:]).returncode\n"
    "peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss\n"
    "open(sys.argv[1], 'w').write(f'{code} {peak}')"
)


@dataclass(frozen=True)
class Done:
    """What a run of kinspect left behind."""

    code: int
    out: str
    err: str
    #: bytes
    peak: int

    @property
    def report(self) -> dict[str, Any]:
        found = json.loads(self.out)
        assert isinstance(found, dict)
        return found


def kinspect(*arguments: object, told: Path, **more: Any) -> Done:
    """Run the command line under a limit of time; `told` is a file of the test's own."""
    command = [sys.executable, "-m", "kinspect", *map(str, arguments)]
    done = subprocess.run(
        [sys.executable, "-c", _WATCH, str(told), *command],
        capture_output=True, check=False, timeout=2 * SECONDS, env=CLEAN,
        preexec_fn=_limited, **more,
    )  # fmt: skip
    code, peak = map(int, told.read_text().split())
    told.unlink()
    return Done(code, done.stdout.decode(), done.stderr.decode(), peak << 10)


def _limited() -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def is_told(report: dict[str, Any], path: str, *words: str) -> None:
    """A finding names the file, layer or offset, and what is wrong."""
    assert report["verdict"] != "pass"
    messages = [
        finding["message"]
        for finding in report["findings"]
        if finding["severity"] == "error" and finding["path"].startswith(path)
    ]
    found = [text for text in messages if all(word in text for word in words)]
    assert found, messages
    assert any(re.search(r"\+0x[0-9a-f]+|bundle \d|kernel", text) for text in found), found
