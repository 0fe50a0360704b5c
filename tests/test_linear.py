"""What grows no faster than its input: calls are counted, and nothing is timed.

Times are in the benchmarks; here is what was found to grow faster, once.
"""

import difflib
import gc
import sys
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import generated
from kinspect import checks, loader, walk
from kinspect.checks import host, kpack
from kinspect.errors import TargetError
from kinspect.formats.amdgpu_elf import open_elf
from kinspect.hosts import registered
from kinspect.hosts.elf_image import Image
from kinspect.policy import Policy
from kinspect.resources.extents import Extents
from kinspect.target import PROCESSORS, EntryID, TargetID
from tests.reading import artifact, judge, read, view
from tests.writers import Host, Kernel, Wrapper, bundle, ccob, code_object


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


def test_what_was_read_leaves_no_cycles():
    """Python looks for them seldom (`kinspect.cli.YOUNG`), and they would hold memory."""
    whole = Host(ccob(bundle(("gfx942", code_object("gfx942"))))).build().data
    cut = whole[: len(whole) * 2 // 3]
    plain = Host(bundle(("gfx942", code_object("gfx942")), ("gfx950", b"no code"))).build()
    files = [whole, cut, plain.data]
    for data in files:
        judge(data)  # what is kept for the next file is made now
    gc.collect()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        for data in files:
            judge(data)
        gc.collect()
        held = [one for one in gc.garbage if _ours(one)]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
    assert held == []


def _ours(one):
    """Whether it is of the library, or of what that reads with; not of other tests."""
    home = getattr(one, "__module__", None) or type(one).__module__
    return isinstance(one, memoryview) or home.startswith(("kinspect", "elftools"))


def test_what_all_bundles_cover_is_remembered_from_rule_to_rule():
    """Of fewer, nothing: each rule would push out what the next one asks for first."""
    assert 2 * generated.FAMILIES["bundles"].most <= loader.MOST  # for two targets


# --- lines that are run -------------------------------------------------------------------


def lines_run(module, call, *arguments):
    """How many lines of a module are run; a round of a loop or of a generator is one."""
    seen = 0

    def trace(frame, event, _):
        nonlocal seen
        if frame.f_code.co_filename != module.__file__:
            return None
        seen += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        call(*arguments)
    finally:
        sys.settrace(before)
    return seen


def units(bundles, **more):
    """A library with a bundle, and a wrapper, for each translation unit."""
    size = max(map(len, bundles))
    size += -size % 64
    wrappers = [Wrapper(at=size * number) for number in range(len(bundles))]
    data = b"".join(one.ljust(size, b"\0") for one in bundles)
    return Host(data, wrappers=wrappers, align=64, **more).build().data


def both(first=(), second=()):
    return bundle(
        ("gfx942", code_object("gfx942", "kernel", *first)),
        ("gfx950", code_object("gfx950", "kernel", *second)),
    )


def test_where_data_and_device_code_can_not_be_told_apart_each_find_is_placed_at_once():
    """Without section headers, every bundle is met again in the search for data."""
    sparse, dense = (
        lines_run(walk, read, units([both()] * count, sections=False)) for count in (40, 80)
    )
    assert dense < 2.2 * sparse


def test_the_sections_of_a_host_are_gathered_once_for_all_of_its_wrappers(calls):
    gathered = calls(Image, "regions")
    read(units([both()] * 20))
    assert len(gathered) == 1


def lossy(count):
    """Each unit has a variable that its code object for gfx950 lacks."""
    names = [f"variable{number}" for number in range(count)]
    kept = [Kernel(f"f{name}", symbol=name, listed=False) for name in names]
    text = "\0".join(["", *names, ""]).encode()
    return units([both([one]) for one in kept], data={".rodata": text})


def test_each_lost_variable_is_found_in_its_unit_alone():
    _, found = judge(lossy(10))
    assert [one.kernel for one in found if one.rule == "missing-kernel"] == [
        f"variable{number}" for number in range(10)
    ]
    few, many = (
        lines_run(host, checks.run, [artifact(lossy(count))], Policy())
        for count in (40, 80)
    )
    assert many < 2.2 * few


def shifted(count):
    """Each wrapper gets for one target what its neighbour gets for the other."""
    table = kpack._Table(
        {
            index: {
                "gfx942": frozenset({f"k{index}"}),
                "gfx950": frozenset({f"k{index + 1}"}),
            }
            for index in range(count)
        }
    )
    for index in range(count - 1):
        own = table.rows[index]["gfx950"]
        assert table.elsewhere(own, "gfx950", index) == ("gfx942", index + 1)


def test_wrappers_that_are_all_shifted_are_not_compared_each_with_each():
    few, many = (lines_run(kpack, shifted, count) for count in (40, 80))
    assert many < 2.2 * few


def test_where_a_function_ends_is_looked_up_among_all_others():
    """Of which none are copied for it."""
    places = [(at, 0) for at in range(0, 1 << 20, 16)]
    extents = Extents(open_elf(view(code_object("gfx942"))), places)
    tracemalloc.start()
    try:
        assert extents.size(32) == 16
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8 << 10


@given(st.data())
def test_many_names_are_found_as_few_are(data):
    """In one pass over the data, in place of one for each name."""
    text = data.draw(st.lists(st.sampled_from([b"\0", b"a", b"b", b"ab\0", b"\0a\0"])))
    names = [f"{x}{y}" for x in ("a", "b", "") for y in ("", "a", "b", "ab")]
    needles = {b"\0" + name.encode() + b"\0" for name in names if name}
    views = [view(b"".join(text))]
    assert set(registered._texts(views, needles)) == set(
        registered._searched(views, needles)
    )


def test_a_name_at_the_seam_of_two_pieces_is_found():
    names = [f"name{number}" for number in range(20)]
    for before in range((1 << 20) - 9, (1 << 20) + 2):
        data = view(b"x" * before + b"\0name7\0" + b"x" * 40)
        assert registered._named([data], names) == {"name7"}
