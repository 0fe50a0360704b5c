"""What grows no faster than its input: calls are counted, and nothing is timed.

Times are in the benchmarks; here is what was found to grow faster, once.
"""

import difflib

import pytest

from kinspect.errors import TargetError
from kinspect.target import PROCESSORS, EntryID, TargetID
from tests.reading import judge
from tests.writers import Host, bundle, ccob, code_object


@pytest.fixture
def calls(monkeypatch):
    """Count the calls of a function or method, by its owner and its name."""

    def count(owner, name):
        inner = getattr(owner, name)
        seen = []

        def counted(*arguments, **named):
            seen.append(1)
            return inner(*arguments, **named)

        monkeypatch.setattr(owner, name, counted)
        return seen

    return count


def packed(*targets):
    """A library with one compressed bundle, each of its entries for another target."""
    entries = [(target, code_object("gfx942")) for target in targets]
    return Host(ccob(bundle(*entries))).build().data


def test_nobody_looks_for_names_like_that_of_an_unknown_processor(calls):
    """But who reads the error: entries may be for processors that are newer."""
    sought = calls(difflib, "get_close_matches")
    assert EntryID.parse("hipv4-amdgcn-amd-amdhsa--gfx924").target_id is None
    with pytest.raises(TargetError) as error:
        TargetID.parse("gfx924")
    assert not sought
    assert "gfx942" in str(error.value)
    assert sought


def test_entries_are_not_compared_each_with_each(calls):
    compared = calls(TargetID, "serves")
    seen = []
    for count in (20, 40):
        del compared[:]
        judge(packed(*list(PROCESSORS)[:count]))
        seen.append(len(compared))
    assert seen[1] <= seen[0] + 40


def test_what_suits_the_same_device_is_told_once():
    """However often a target is packed."""
    _, found = judge(packed(*["gfx942", "gfx942:xnack+"] * 3, "gfx950"))
    told = [one.message for one in found if one.rule == "duplicate-target"]
    (both,) = (one for one in told if "both suit" in one)
    assert "entries for gfx942 and gfx942:xnack+ both suit gfx942:xnack+" in both
