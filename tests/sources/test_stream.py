"""Views as files, and streams that inflate: they behave as the files of the library."""

import bz2
import gzip
import io
import lzma
from collections.abc import Callable

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from kinspect.errors import FormatError, LimitExceeded
from kinspect.limits import Limits
from kinspect.sources import decompress
from kinspect.sources.decompress import Inflated
from kinspect.sources.member import Context
from kinspect.sources.stream import Stream
from tests.reading import view

DATA = bytes(range(256)) * 40
COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": zstandard.compress,
}


@given(
    st.binary(max_size=40),
    st.binary(max_size=9),
    st.lists(
        st.tuples(
            st.sampled_from(["read", "read1", "readinto", "seek", "all"]),
            st.integers(0, 60),
            st.sampled_from([io.SEEK_SET, io.SEEK_CUR]),
        ),
        max_size=9,
    ),
)
def test_a_view_is_a_file_of_its_bytes_and_those_after_it(data, after, steps):
    ours, theirs = Stream(view(data), after), io.BytesIO(data + after)
    assert ours.readable()
    assert ours.seekable()
    for step, number, whence in steps:
        if step == "readinto":
            first, second = bytearray(number), bytearray(number)
            assert ours.readinto(first) == theirs.readinto(second)
            assert first == second
        elif step == "seek":
            assert ours.seek(number, whence) == theirs.seek(number, whence)
        elif step == "all":
            assert ours.read() == theirs.read()
        else:
            assert getattr(ours, step)(number) == getattr(theirs, step)(number)
        assert ours.tell() == theirs.tell()


def test_the_end_of_a_view_is_that_of_its_bytes():
    stream = Stream(view(b"12345"), b"more")
    assert stream.seek(-2, io.SEEK_END) == 3
    assert stream.read(None) == b"45more"
    assert stream.seek(-9, io.SEEK_END) == 0  # no file goes further back


def inflated(data, limits=None):
    open_ = decompress.compressor(view(data))
    assert open_ is not None
    return Inflated(view(data), Context(limits or Limits()), open_)


@pytest.mark.parametrize("kind", COMPRESS)
@pytest.mark.parametrize("sizes", [(1,), (7, 300), (4096,), (1 << 20,)])
def test_what_was_looked_at_is_read_again(kind, sizes):
    data = COMPRESS[kind](DATA)
    with inflated(data) as stream:
        assert stream.peek(5) == DATA[:5]
        assert stream.peek(300)[:300] == DATA[:300]
        found = b""
        for size in (*sizes, *[1 << 20] * 99):
            more = stream.read(size)
            assert len(more) <= size
            found += more
        assert found == DATA
        assert stream.peek(9) == stream.read(9) == b""
        assert not stream.failed


@pytest.mark.parametrize("kind", COMPRESS)
def test_looking_ahead_ends_with_the_stream(kind):
    with inflated(COMPRESS[kind](b"short")) as stream:
        assert stream.peek(100) == b"short"
        assert stream.read(100) == b"short"


@pytest.mark.parametrize("kind", COMPRESS)
def test_a_stream_that_is_cut_is_never_just_short(kind):
    data = COMPRESS[kind](DATA[:700])
    for size in range(6, len(data)):
        with inflated(data[:size]) as stream:
            with pytest.raises((*decompress.FOREIGN, FormatError)):
                stream.drain()
            assert stream.failed


@pytest.mark.parametrize("kind", COMPRESS)
def test_the_ratio_is_held_as_it_inflates(kind):
    data = COMPRESS[kind](bytes(1 << 20))
    with inflated(data, Limits(ratio=2)) as stream, pytest.raises(LimitExceeded):
        stream.drain()
    with inflated(data, Limits(ratio=1 << 20)) as stream:
        stream.drain()


def test_draining_forgets_what_was_looked_at():
    with inflated(gzip.compress(DATA)) as stream:
        stream.peek(10)
        stream.drain()
        assert stream.read(10) == b""


@pytest.mark.parametrize("kind", COMPRESS)
def test_streams_behind_one_another_are_one(kind):
    data = COMPRESS[kind](b"first") + COMPRESS[kind](b"second")
    with inflated(data) as stream:
        assert stream.read(100) + stream.read(100) == b"firstsecond"
        assert stream.read(100) == b""


@pytest.mark.parametrize("log", [27, 28, 31])
def test_the_window_of_zstd_may_be_as_large_as_zstd_has_it(log):
    """`zstd --ultra --long=31`: above 27, decoders ask before they take the memory."""
    parameters = zstandard.ZstdCompressionParameters(
        window_log=log, enable_ldm=True, write_content_size=False
    )
    writer = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    with inflated(writer.compress(DATA) + writer.flush()) as stream:
        assert stream.read(100) == DATA[:100]
        stream.drain()


def test_frames_of_zstd_may_be_skipped():
    skipped = b"\x50\x2a\x4d\x18\x03\0\0\0abc"
    with inflated(zstandard.compress(b"1") + skipped + zstandard.compress(b"2")) as stream:
        stream.drain()


@pytest.mark.parametrize("data", [b"", b"text", b"\x1f\x8b\x07", b"\x28\xb5\x2f\xfe"])
def test_what_no_compressor_wrote(data):
    assert decompress.compressor(view(data)) is None


def test_a_view_is_a_file_for_who_asks():
    """What Python's own wrappers want to know: a buffered reader over it."""
    stream = Stream(view(DATA), b"more")
    assert (stream.readable(), stream.seekable()) == (True, True)
    reader = io.BufferedReader(stream, 100)
    assert reader.read(300) == DATA[:300]
    reader.seek(len(DATA) - 2)
    assert reader.read() == DATA[-2:] + b"more"
