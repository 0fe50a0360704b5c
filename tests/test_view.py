"""Windows over bytes: nothing outside of them is ever read; errors, limits."""

import os
import pickle
import re
import sys
from typing import NamedTuple

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kinspect.errors import (
    FormatError,
    InputError,
    KinspectError,
    LimitExceeded,
    TargetError,
    UsageError,
    Where,
)
from kinspect.limits import Limits
from kinspect.view import I64, U8, U16, U32, U64, File, Memory, View, column, wire
from tests.reading import view

CHUNK = 1 << 18


class Watched:
    """A storage that remembers which bytes were read."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.size = len(data)
        self.low, self.high = self.size, 0

    def read(self, at: int, size: int) -> bytes:
        assert 0 <= at <= at + size <= self.size
        if size:
            self.low, self.high = min(self.low, at), max(self.high, at + size)
        return self._data[at : at + size]


class Five(NamedTuple):
    one: U8
    two: U16
    four: U32
    eight: U64
    signed: I64


ANY = st.integers(-(2**64), 2**64) | st.integers(-4, 80)


def attempts(window: View, at: int, size: int, stride: int) -> None:
    """Every way to read a window, each with any numbers at all."""
    for call in (
        lambda: window.bytes(at, size),
        lambda: window.bytes(at),
        lambda: window.slice(at, size).bytes(),
        lambda: window.slice(at).slice(size).bytes(),
        lambda: window.read(Five, at),
        lambda: list(window.records(Five, at, size, stride)),
        lambda: window.string(at, size),
        lambda: window.startswith(b"abc", at),
    ):
        try:
            call()
        except FormatError as error:
            assert error.where.path == "t.so"


@given(st.binary(max_size=64), st.integers(0, 64), st.integers(0, 64), ANY, ANY, ANY)
def test_a_view_never_reads_outside_of_its_window(data, start, size, at, length, stride):
    start = min(start, len(data))
    size = min(size, len(data) - start)
    storage = Watched(data)
    window = View(storage, "t.so", start=start, size=size)
    attempts(window, at, length, stride)
    list(window.find(b"\0", b"ab", at=max(min(at, 64), 0)))
    window.skip_zeros(max(min(at, 64), 0))
    assert storage.low >= start or storage.high == 0
    assert storage.high <= start + size


def test_a_record_is_read_as_its_declaration_says():
    data = bytes([1, 2, 0, 3, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0]) + b"\xfe" + b"\xff" * 7
    assert wire(Five).size == 23 == len(data)
    assert view(data).read(Five, 0) == Five(1, 2, 3, 4, -2)


def test_records_may_lie_further_apart_than_they_are_long():
    data = (bytes(22) + b"\x01" + b"skip") * 3
    found = list(view(data).records(Five, 0, 3, 27))
    assert [one.signed for one in found] == [1 << 56] * 3


@pytest.mark.parametrize(("count", "stride"), [(1, 22), (2**63, 23), (4, 23), (1, 0)])
def test_a_table_that_does_not_fit_is_a_format_error(count, stride):
    with pytest.raises(FormatError):
        list(view(bytes(23 * 3)).records(Five, 0, count, stride))


@pytest.mark.parametrize(
    ("at", "size"), [(0, 9), (8, 1), (9, 0), (-1, 1), (0, -1), (2**64, 1), (1, 2**64)]
)
def test_an_access_outside_of_the_window_says_where_it_was(at, size):
    window = view(bytes(100), layer=".x").slice(32, 8)
    with pytest.raises(FormatError) as caught:
        window.bytes(at, size)
    assert caught.value.where == Where("t.so", ".x", 32 + at)


def test_a_slice_counts_from_the_start_of_the_file_and_may_take_a_layer_of_its_own():
    inner = view(b"0123456789").slice(2, 6).slice(1, 3, "inner")
    assert bytes(inner.bytes()) == b"345"
    assert str(inner.where(1)) == "t.so[inner]+0x4"
    assert str(view(b"").where()) == "t.so+0x0"


def test_text_ends_at_its_nul():
    window = view(b"ab\0cd\xffe\0fgh")
    assert window.string(0, 10) == "ab"
    assert window.string(3, 10) == "cd\udcffe"  # no UTF-8: kept, and reversible
    for at, longest in ((8, 10), (3, 4), (99, 1)):
        with pytest.raises(FormatError):
            window.string(at, longest)


@given(st.text("ab\0", max_size=40), st.integers(0, 45))
@example("ab" * 15, 3)
def test_find_finds_every_occurrence_in_order(text, at):
    data = text.encode()
    needles = (b"aab", b"a", b"ba", b"ab" * 8)  # the last one is long
    expected = [
        (hit.start(), needle)
        for needle in needles
        for hit in re.finditer(b"(?=" + needle + b")", data)
        if hit.start() >= at
    ]
    assert list(view(data).find(*needles, at=at)) == sorted(expected)


@pytest.mark.parametrize("needle", [b"CCOB", b"A LONGER MAGIC"])
def test_find_sees_what_lies_across_two_chunks_once(needle):
    for start in range(CHUNK - len(needle), CHUNK + 2):
        data = bytes(start) + needle + bytes(CHUNK)
        assert list(view(data).find(b"CCOB", b"A LONGER MAGIC")) == [(start, needle)]


@given(st.integers(0, 40), st.binary(max_size=5), st.integers(0, 50))
def test_skip_zeros_leads_to_the_first_other_byte(zeros, rest, at):
    data = bytes(zeros) + rest
    expected = next((i for i, b in enumerate(data) if b and i >= at), len(data))
    assert view(data).skip_zeros(at) == expected


@pytest.mark.parametrize("zeros", [4095, 4096, 4097, 5_000_000])
def test_skip_zeros_goes_beyond_one_chunk(zeros):
    assert view(bytes(zeros) + b"\1").skip_zeros(3) == zeros


@given(
    st.binary(min_size=1, max_size=40_000),
    st.lists(st.tuples(st.integers(0, 40_000), st.integers(0, 9000)), max_size=8),
)
def test_a_file_gives_what_memory_gives(tmp_path_factory, data, reads):
    path = tmp_path_factory.getbasetemp() / "same"
    path.write_bytes(data)
    file = File(path)
    try:
        assert file.size == len(data)
        for at, size in reads:
            expected = bytes(Memory(data).read(at, size))
            assert bytes(file.read(at, size)) == expected
    finally:
        file.close()


def test_a_file_that_shrinks_is_told(tmp_path):
    path = tmp_path / "shrinks"
    path.write_bytes(bytes(100_000))
    file = File(path)
    window = View(file, "shrinks")
    os.truncate(path, 50_000)
    assert bytes(window.bytes(0, 50_000)) == bytes(50_000)
    for at, size in ((0, 100_000), (49_990, 20)):
        with pytest.raises(FormatError, match="ends"):
            window.bytes(at, size)
    file.close()


def test_what_is_no_readable_file_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match=r"missing: No such file"):
        File(tmp_path / "missing")
    directory = File(tmp_path)
    with pytest.raises(InputError, match="directory"):
        View(directory, "d", size=10).bytes(0, 10)
    directory.close()


def test_a_pipe_without_a_writer_does_not_hang(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    pipe = File(tmp_path / "pipe")
    assert pipe.size == 0
    pipe.close()


HERE = Where("x.whl!lib.so", ".hip_fatbin", 0x1094)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (FormatError("bad", HERE), "x.whl!lib.so[.hip_fatbin]+0x1094: bad"),
        (InputError("gone", "a.so"), "a.so: gone"),
        (LimitExceeded("entries", 9, 8, HERE), None),
        (TargetError("no"), "no"),
        (UsageError("no"), "no"),
    ],
)
def test_an_error_says_where_and_survives_pickling(error, text):
    again = pickle.loads(pickle.dumps(error))
    assert isinstance(again, KinspectError)
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert vars(again) == vars(error)
    assert text in {None, str(error)}


def test_an_exceeded_limit_names_itself_and_how_to_raise_it():
    with pytest.raises(LimitExceeded, match="--limit bundles=5") as caught:
        Limits(bundles=4).check("bundles", 5, HERE)
    assert (caught.value.limit, caught.value.actual, caught.value.ceiling) == (
        "bundles", 5, 4,
    )  # fmt: skip
    Limits(bundles=4).check("bundles", 4, HERE)


def test_limits_are_raised_by_their_names():
    assert Limits().raised(bundles=7, ratio=1) == Limits(bundles=7, ratio=1)
    for wrong in ({"bundle": 1}, {"ratio": -1}):
        with pytest.raises(UsageError):
            Limits().raised(**wrong)


@pytest.mark.parametrize(("code", "size"), [("H", 2), ("I", 4), ("Q", 8)])
def test_a_column_is_little_endian_on_every_machine(monkeypatch, code, size):
    data = memoryview(bytes(range(1, 1 + 3 * size)))
    expected = [
        int.from_bytes(data[at : at + size], "little") for at in (0, size, 2 * size)
    ]
    assert column(data, code).tolist() == expected
    # a machine of the other order reads each number the other way round
    monkeypatch.setattr(sys, "byteorder", "big")
    turned = [int.from_bytes(data[at : at + size], "big") for at in (0, size, 2 * size)]
    assert column(data, code).tolist() == turned
