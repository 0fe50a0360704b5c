"""Coverage-guided fuzzing: `python -m tests.fuzz.guided TARGET [libFuzzer options]`.

Needs `pip install atheris` (CPython on Linux).
"""

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["kinspect"]):
    from tests.fuzz.targets import TARGETS, run

from tests.fuzz.seeds import seeds


def main() -> None:
    if len(sys.argv) < 2 or sys.argv[1] not in TARGETS:
        sys.exit(f"{__doc__}\nTargets: {', '.join(TARGETS)}")
    name = sys.argv.pop(1)
    with tempfile.TemporaryDirectory() as corpus:
        for number, data in enumerate(seeds()[name]):
            Path(corpus, f"seed-{number:03}").write_bytes(data)
        arguments = [sys.argv[0], corpus, "-timeout=2", "-rss_limit_mb=768", *sys.argv[1:]]
        atheris.Setup(arguments, lambda data: run(name, data) and None)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
