"""Plain offload bundles, written field by field and then spoiled."""

from struct import pack_into

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinspect.errors import FormatError, LimitExceeded
from kinspect.formats import bundle as reader
from kinspect.limits import DEFAULT, Limits
from tests.reading import ends_well, flips, view
from tests.writers import HOST, Slot, bundle

MAGIC = b"__CLANG_OFFLOAD_BUNDLE__"
GOOD = bundle(("gfx942", b"first code"), ("gfx950", b"second code object"))
IDS = [HOST, "hipv4-amdgcn-amd-amdhsa--gfx942", "hipv4-amdgcn-amd-amdhsa--gfx950"]
#: magic, count, three entry headers and their IDs
HEADER = 24 + 8 + 3 * 24 + sum(map(len, IDS))


def parse(data, limits=DEFAULT):
    return reader.parse(view(data), limits)


def contents(data):
    """Entry IDs with their bytes, by the offsets of the table."""
    return [
        (entry.id.text, data[entry.offset : entry.offset + entry.size])
        for entry in parse(data).entries
    ]


def test_a_bundle_is_read_entry_by_entry():
    table = parse(GOOD)
    assert [entry.id.text for entry in table.entries] == IDS
    assert [entry.size for entry in table.entries] == [0, 10, 18]
    assert table.header_size == HEADER
    assert table.size == len(GOOD)
    assert table.faults == ()
    assert contents(GOOD) == [
        (IDS[0], b""),
        (IDS[1], b"first code"),
        (IDS[2], b"second code object"),
    ]


def test_an_entry_has_an_id():
    (fault,) = parse(bundle(Slot("", b"code"))).faults
    assert fault.message == "entry 1 has no ID"


@st.composite
def bundles(draw):
    """A bundle in any layout that its format allows, and what was put into it."""
    letters = st.characters(exclude_characters="\0", codec="utf-8")
    ids = st.text(letters, min_size=1, max_size=40)
    entries = draw(st.lists(st.tuples(ids, st.binary(max_size=60)), max_size=6))
    order = draw(st.permutations(range(len(entries))))
    align = draw(st.sampled_from([1, 2, 4, 8, 16, 64, 256, 4096]))
    host = draw(st.booleans())
    data = bundle(
        *(Slot(text, one) for text, one in entries), align=align, host=host, order=order
    )
    return data, [(HOST, b"")] * host + entries


@given(bundles())
def test_what_was_written_is_read_at_every_alignment_and_order(case):
    data, expected = case
    assert contents(data) == expected
    table = parse(data)
    assert table.faults == ()
    last = max((e.offset + e.size for e in table.entries if e.size), default=0)
    assert table.size == max(last, table.header_size)


@given(bundles(), st.binary(max_size=40))
def test_what_follows_a_bundle_changes_nothing(case, rest):
    data, expected = case
    table = parse(data + rest)
    assert contents(data + rest) == expected
    assert table.size <= len(data)


@pytest.mark.parametrize("size", range(HEADER))
def test_a_table_that_is_cut_off_is_a_format_error(size):
    with pytest.raises(FormatError):
        parse(GOOD[:size])


@pytest.mark.parametrize("size", range(HEADER, len(GOOD)))
def test_an_entry_that_is_cut_off_is_a_fault(size):
    table = parse(GOOD[:size])
    assert table.faults
    assert table.size == size
    assert "needs 18 bytes" in table.faults[-1].message


def test_every_spoiled_byte_ends_in_a_table_or_a_format_error():
    for data in flips(GOOD):
        ends_well(parse, data)


@given(st.binary(max_size=300))
def test_arbitrary_bytes_after_the_magic_end_in_a_table_or_a_format_error(tail):
    ends_well(parse, MAGIC + tail)


@given(st.integers(0, 6), st.binary(max_size=300))
def test_a_small_count_and_arbitrary_headers_end_well(count, tail):
    ends_well(parse, MAGIC + count.to_bytes(8, "little") + tail)


@pytest.mark.parametrize("magic", [b"", MAGIC[:-1], MAGIC[:-1] + b"-", b"CCOB"])
def test_another_magic_is_a_format_error(magic):
    with pytest.raises(FormatError, match="__CLANG_OFFLOAD_BUNDLE__"):
        parse(magic + GOOD[24:])


@pytest.mark.parametrize(
    ("slots", "words"),
    [
        ([Slot("a", b"xx", offset=4)], "header"),
        ([Slot("a", b"x" * 8), Slot("b", b"y" * 8, offset=86)], "overlap"),
        ([Slot("a", b"x" * 8, size=9), Slot("b", b"y" * 8)], "overlap"),
        ([Slot("a", b"x", size=2**63)], "needs"),
        ([Slot("a", b"x", offset=2**64 - 1)], "needs"),
        ([Slot("a", b"x", offset=2**64 - 1, size=2**64 - 1)], "needs"),
    ],
    ids=["into the header", "same place", "into the next", "2^63 bytes", "beyond", "both"],
)
def test_entries_that_overlap_or_reach_out_are_faults(slots, words):
    table = parse(bundle(*slots, host=False, align=1))
    assert any(words in fault.message for fault in table.faults)
    assert len(table.entries) == len(slots)


def test_entries_may_touch_the_header_and_one_another():
    data = bundle(Slot("a", b"x" * 7), Slot("b", b"y"), host=False, align=1)
    table = parse(data)
    assert table.entries[0].offset == table.header_size
    assert table.entries[1].offset == table.header_size + 7
    assert (table.faults, table.size) == ((), len(data))


def test_an_empty_entry_overlaps_nothing_wherever_it_points():
    data = bundle(Slot("a", b"x" * 8), Slot("b", offset=0), Slot("c", offset=60))
    assert parse(data).faults == ()


def test_two_entries_for_the_same_bytes_are_a_fault():
    """No bundler writes that, and one of the two IDs is a lie."""
    data = bundle(Slot("a", b"x" * 8), Slot("b", b"y" * 8), host=False)
    first = parse(data).entries[0]
    again = bundle(
        Slot("a", b"x" * 8), Slot("b", b"y" * 8, offset=first.offset), host=False
    )
    assert [fault.where.offset for fault in parse(again).faults] == [first.offset]


@pytest.mark.parametrize("count", [5, 4097, 2**32, 2**63, 2**64 - 1])
def test_a_count_that_lies_is_a_format_error(count):
    with pytest.raises(FormatError):
        parse(bundle(("gfx942", b"x"), count=count))


@pytest.mark.parametrize("size", [33, 4097, 2**31, 2**64 - 1])
def test_an_id_without_an_end_is_a_format_error(size):
    with pytest.raises(FormatError):
        parse(bundle(Slot("i" * 32, id_size=size), host=False))


def test_limits_hold_for_entries_and_ids():
    data = bundle(("gfx942", b"x"), ("gfx950", b"y"))
    assert len(parse(data, Limits(entries=3, entry_id=31)).entries) == 3
    with pytest.raises(LimitExceeded, match="entries is 3"):
        parse(data, Limits(entries=2))
    with pytest.raises(LimitExceeded, match="entry_id is 31"):
        parse(data, Limits(entry_id=30))


def test_an_id_that_is_no_text_is_kept_byte_by_byte():
    data = bundle(Slot(b"hip-\xff\xfe\n--gfx942", b"x"), host=False)
    (entry,) = parse(data).entries
    assert entry.id.text.encode("utf-8", "surrogateescape") == b"hip-\xff\xfe\n--gfx942"


def test_a_bundle_without_entries_is_just_its_header():
    table = parse(bundle(host=False) + b"more")
    assert (table.entries, table.header_size, table.size) == ((), 32, 32)


def test_the_head_of_a_bundle_is_judged_by_the_size_of_the_whole():
    """Of a compressed bundle only the head is inflated for a listing."""
    head = view(GOOD[:HEADER])
    assert reader.parse(head, Limits(), len(GOOD)).faults == ()
    assert reader.parse(head, Limits(), len(GOOD) - 1).faults


def test_offsets_count_from_the_start_of_the_bundle_and_faults_from_that_of_the_file():
    data = bytearray(bundle(Slot("a", b"xx", offset=4), host=False, align=1))
    inside = view(bytes(100) + data).slice(100)
    (fault,) = reader.parse(inside).faults
    assert fault.where.offset == 104


def test_the_magic_inside_of_an_entry_is_no_bundle():
    inner = bundle(("gfx950", b"z"))
    data = bundle(("gfx942", inner + MAGIC), ("gfx950", MAGIC * 2))
    assert [one[1] for one in contents(data)] == [b"", inner + MAGIC, MAGIC * 2]


def test_numbers_are_little_endian():
    data = bytearray(GOOD)
    pack_into(">Q", data, 24, 3)
    with pytest.raises(FormatError):
        parse(bytes(data))
