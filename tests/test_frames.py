"""zstd data is whole or it is told, whatever its frames are made of."""

from struct import pack

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from kinspect import frames
from kinspect.errors import FormatError
from tests.reading import ends_well, view

MAGIC = b"\x28\xb5\x2f\xfd"
LAST, RAW, RLE = 1, 0, 1


def block(data: bytes, kind: int = RAW, last: int = LAST, size: int | None = None) -> bytes:
    """RFC 8878, 3.1.1.2: last, type and size in three bytes, then the content."""
    size = len(data) if size is None else size
    return (size << 3 | kind << 1 | last).to_bytes(3, "little") + data


def frame(
    *blocks: bytes, size: int = 0, single: int = 0, dictionary: int = 0, check: int = 0
):
    """RFC 8878, 3.1.1.1: the descriptor says which fields follow, and how wide."""
    fields = b"" if single else b"\x58"  # the window, unless all is one segment
    fields += bytes((0, 1, 2, 4)[dictionary])
    fields += bytes((1 if single else 0, 2, 4, 8)[size])
    descriptor = size << 6 | single << 5 | check << 2 | dictionary
    return MAGIC + bytes([descriptor]) + fields + b"".join(blocks) + bytes(4 * check)


def skippable(data: bytes, low: int = 0) -> bytes:
    return pack("<II", 0x184D2A50 | low, len(data)) + data


def check(data: bytes) -> None:
    frames.check(view(data))


def cuts(data: bytes) -> list[int]:
    """Where the data may be cut without notice: between two frames."""
    return [size for size in range(len(data)) if ends_well(check, data[:size])]


@pytest.mark.parametrize("size", range(4))
@pytest.mark.parametrize("single", [0, 1])
@pytest.mark.parametrize("dictionary", range(4))
@pytest.mark.parametrize("checksum", [0, 1])
def test_every_header_of_a_frame(size, single, dictionary, checksum):
    parts = {"size": size, "single": single, "dictionary": dictionary, "check": checksum}
    data = frame(block(b"abc"), **parts)
    check(data)
    assert cuts(data) == [0]


@pytest.mark.parametrize(
    "blocks",
    [
        [block(b"")],
        [block(b"x" * 300, last=0), block(b"y")],
        [block(b"r", RLE, size=1 << 16)],  # one byte, that many times
        [block(b"r", RLE, last=0, size=9), block(b"compressed", kind=2)],
    ],
)
def test_every_kind_of_block(blocks):
    data = frame(*blocks)
    check(data)
    assert cuts(data) == [0]


@pytest.mark.parametrize("size", [8191, 8192, 100_000, (1 << 21) - 1])
def test_the_size_of_a_block_has_21_bits(size):
    data = frame(block(bytes(size)), check=1)
    check(data)
    for cut in (1, 5, size):
        assert not ends_well(check, data[:-cut])
    with pytest.raises(FormatError, match="no zstd frame starts here"):
        check(data + b"more bytes")


def test_frames_follow_one_another_and_some_are_skipped():
    first, second = frame(block(b"a")), frame(block(b"b"), check=1)
    for low in range(16):
        data = first + skippable(b"not data", low) + second
        check(data)
        assert cuts(data) == [0, len(first), len(first) + 16]


@pytest.mark.parametrize(
    "tail", [bytes(8), skippable(b"")[1:] + bytes(8), b"\x50\x2a\x4d\x19" * 2]
)
def test_what_is_no_frame_is_told(tail):
    with pytest.raises(FormatError, match="no zstd frame starts here"):
        check(frame(block(b"a")) + tail)


@given(
    st.lists(st.binary(max_size=3000) | st.just(bytes(200_000)), max_size=3),
    st.booleans(),
    st.booleans(),
    st.integers(-5, 19),
    st.data(),
)
def test_what_the_library_writes_is_whole_and_no_cut_of_it_is(
    parts, checksum, content_size, level, data
):
    written = [
        zstandard.ZstdCompressor(
            level=level, write_checksum=checksum, write_content_size=content_size
        ).compress(part)
        for part in parts
    ]
    whole = b"".join(written)
    check(whole)
    if whole:
        size = data.draw(st.integers(0, len(whole) - 1))
        ends = {sum(map(len, written[:count])) for count in range(len(written))}
        assert ends_well(check, whole[:size]) is (size in ends)


@given(st.binary(max_size=60))
def test_arbitrary_bytes_end_well(tail):
    ends_well(check, MAGIC + tail)
