"""Every format over every sample prints what it printed when somebody last looked."""

import difflib

import pytest

from tests import golden


@pytest.mark.parametrize("name", golden.names())
def test_what_is_printed_is_as_it_was(name):
    expected, made = golden.path(name).read_text("utf-8"), golden.made(name)
    if expected != made:
        lines = difflib.unified_diff(expected.splitlines(), made.splitlines(), lineterm="")
        pytest.fail(
            "\n".join(list(lines)[:80])
            + "\n\nIf this is meant: python -m tests.golden --update, and look at the diff",
            pytrace=False,
        )


def test_no_file_is_left_of_a_sample_that_is_gone():
    files = {file.name.removesuffix(".txt") for file in golden.GOLDEN.glob("*.txt")}
    assert files == set(golden.names())
