"""`python -m benchmarks`: see the package."""

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

import benchmarks
from benchmarks import report
from benchmarks.measuring import CommandFailed, measure, there
from benchmarks.report import Outcome
from benchmarks.rows import ROWS, Row, scaling
from tests.conftest import ROOT

PAGE = ROOT / "docs" / "performance.md"
RUNS, QUICK_RUNS = 5, 3
#: of files that grow
GROWN_RUNS = 3
MOST, QUICK_MOST = 100_000, 1000


def parsed(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "python -m benchmarks",
        description=benchmarks.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="fewer runs, smaller files")
    parser.add_argument(
        "--only", metavar="NAME", action="append", default=[],
        help="a benchmark, or a glob of some (repeatable); --names tells them",
    )  # fmt: skip
    parser.add_argument("--names", action="store_true", help="name all benchmarks")
    parser.add_argument("--runs", metavar="N", type=int, help="how often each is run")
    parser.add_argument("--json", metavar="FILE", type=Path, help="all runs, as JSON")
    parser.add_argument(
        "--docs", action="store_true", help=f"put the tables into {PAGE.name}"
    )
    return parser.parse_args(arguments)


def selected(only: Sequence[str], most: int) -> list[Row]:
    rows = [*ROWS, *scaling(most)]
    unknown = [one for one in only if not any(fnmatchcase(row.name, one) for row in rows)]
    if unknown:
        message = f"no benchmark is called {', '.join(unknown)} (--names)"
        raise SystemExit(message)
    return [row for row in rows if not only or any(fnmatchcase(row.name, o) for o in only)]


def outcome(row: Row, runs: int) -> Outcome:
    """Run a row; peers that are not installed are left out."""
    try:
        return Outcome(row, measure(filter(there, row.commands()), runs))
    except (CommandFailed, subprocess.CalledProcessError, OSError) as error:
        return Outcome(row, {}, f"failed: {error}")


def main(arguments: Sequence[str] = tuple(sys.argv[1:])) -> None:
    options = parsed(arguments)
    rows = selected(options.only, QUICK_MOST if options.quick else MOST)
    if options.names:
        print(*(f"{row.name:20}  {row.title}" for row in rows), sep="\n")
        return
    runs = options.runs or (QUICK_RUNS if options.quick else RUNS)
    found = []
    for row in rows:
        print(row.name, file=sys.stderr, flush=True)
        found.append(outcome(row, min(runs, GROWN_RUNS) if row.scaled else runs))
    print(report.text(found))
    if options.json:
        options.json.write_text(json.dumps(report.document(found, runs), indent=1) + "\n")
    if options.docs:
        report.refresh(PAGE, report.markdown(found, runs))


if __name__ == "__main__":
    main()
