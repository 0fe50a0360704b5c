"""The check of coverage tells what is not reached, and what is named and is."""

import pytest

from tests.coverage import PARTIAL, problems

CODE = "def f(x):\n    for one in x:\n        if one:\n            return 1\n"
NAME = "readers/a.py"
BRANCH = NAME, "for one in x:", "exit"


def told(tmp_path, lines=(), branches=(), named=None):
    (tmp_path / "readers").mkdir(exist_ok=True)
    (tmp_path / NAME).write_text(CODE)
    file = {"missing_lines": list(lines), "missing_branches": list(branches)}
    return list(problems({"files": {NAME: file}}, named or {}, tmp_path))


def test_all_is_well_where_everything_is_reached(tmp_path):
    assert told(tmp_path) == []


def test_a_line_that_is_not_run_is_told(tmp_path):
    (message,) = told(tmp_path, [4], [[3, 4], [4, -1]])[:1]
    assert message == f"{NAME}:4: no test runs this line: return 1"


@pytest.mark.parametrize(
    ("branch", "where"), [([2, -1], "'exit'"), ([3, 2], "'for one in x:'")]
)
def test_a_branch_that_is_not_taken_is_told_unless_it_is_named(tmp_path, branch, where):
    (message,) = told(tmp_path, branches=[branch])
    assert f"never goes to {where}" in message
    start = CODE.splitlines()[branch[0] - 1].strip()
    named = {(NAME, start, where.strip("'")): "why"}
    assert told(tmp_path, branches=[branch], named=named) == []


def test_a_name_for_what_is_taken_is_told(tmp_path):
    (message,) = told(tmp_path, named={BRANCH: "why"})
    assert "named as never taken" in message


def test_every_branch_that_is_named_has_a_reason():
    assert all(reason.strip() for reason in PARTIAL.values())
