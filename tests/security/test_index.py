"""The index of traps and faults is true: its tests are there, and the page names them."""

import subprocess
import sys
from itertools import chain

import pytest

from tests.conftest import ROOT
from tests.security.index import FAULTS, TRAPS

POINTS = {**TRAPS, **FAULTS}
PAGE = (ROOT / "docs/security.md").read_text("utf-8")


def test_every_test_of_the_index_is_collected():
    tests = sorted(set(chain.from_iterable(POINTS.values())))
    files = sorted({f"tests/{name.partition('::')[0]}" for name in tests})
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", "-m", "", *files],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    collected = {
        line.partition("[")[0].removeprefix("tests/") for line in done.stdout.splitlines()
    }
    assert [name for name in tests if name not in collected] == []


@pytest.mark.parametrize("point", POINTS)
def test_the_page_names_every_trap_and_fault_with_its_tests(point):
    (row,) = [line for line in PAGE.splitlines() if line.startswith(f"| {point} |")]
    assert [
        name for name in POINTS[point] if f"`{name.partition('::')[2]}`" not in row
    ] == []


def test_the_page_names_no_test_that_is_not_in_the_index():
    shown = sum(line.count("`test_") for line in PAGE.splitlines())
    assert shown == sum(map(len, POINTS.values()))
