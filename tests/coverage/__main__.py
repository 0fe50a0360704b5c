"""Run the tests of the readers under coverage, and say what they do not reach."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.coverage import BY_CHANCE, MARKS, PARTIAL, TESTS, problems

ROOT = Path(__file__).parent.parent.parent


def main() -> int:
    with tempfile.TemporaryDirectory() as directory:
        target = Path(directory) / "coverage.json"
        environment = os.environ | {"COVERAGE_FILE": f"{directory}/data"}

        def coverage(*arguments: str) -> None:
            command = [sys.executable, "-m", "coverage", *arguments]
            subprocess.run(command, cwd=ROOT, env=environment, check=True)

        pytest = ["pytest", "-q", "-p", "no:cacheprovider", "-m", MARKS, "-k", BY_CHANCE]
        coverage("run", "-m", *pytest, *TESTS)
        coverage("json", "-q", "-o", str(target))
        report = json.loads(target.read_text("utf-8"))
    found = list(problems(report, PARTIAL, ROOT))
    totals = report["totals"]
    print(*found, sep="\n", end="\n" if found else "")
    print(
        f"{totals['covered_lines']} of {totals['num_statements']} statements and"
        f" {totals['covered_branches']} of {totals['num_branches']} branches are run"
    )
    return bool(found)


sys.exit(main())
