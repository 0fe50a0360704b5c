"""AOTriton's kernel storage, written field by field (AOTriton, v3src/packed_kernel.cc)."""

import lzma
from struct import pack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinspect import Limits
from kinspect.sources import Member, open_source

FILES = [("a.hsaco", b"first"), ("b.hsaco", b""), ("c.hsaco", b"third" * 200)]


def aks2(files=FILES, *, size=0, count=0, directory=0, tail=b"", cut=0):
    """The numbers are added to what is right; `tail` and `cut` are of the stream."""
    rows, content = b"", b""
    for name, data in files:
        text = name.encode() + b"\0"
        rows += pack("<5I", 7, 256, len(content), len(data), len(text)) + text
        content += data
    whole = rows + content
    head = pack("<3I", len(whole) + size, len(files) + count, len(rows) + directory)
    stream = lzma.compress(whole, lzma.FORMAT_XZ)
    return b"AKS2" + head + stream[: len(stream) - cut] + tail


def read(directory, data, **limits):
    path = directory / "k.aks2"
    path.write_bytes(data)
    found, broken = [], []
    for part in open_source(path, limits=Limits(**limits)).members():
        if isinstance(part, Member):
            name = part.path.removeprefix(f"{path}!")
            found.append((name, bytes(part.view.bytes())))
        else:
            broken.append(part)
    return found, broken


def test_every_image_by_its_name(tmp_path):
    assert read(tmp_path, aks2()) == (FILES, [])


@pytest.mark.parametrize(
    ("lie", "message"),
    [
        ({"size": 1}, "1089 bytes and no end, its header says 1090"),
        ({"size": -1}, "1089 bytes and no end, its header says 1088"),
        ({"count": 1}, "needs"),
        ({"count": -1}, "a directory of 56 bytes, its header says 84"),
        ({"directory": 1}, "a directory of 84 bytes, its header says 85"),
        ({"directory": -1}, "a directory of 84 bytes, its header says 83"),
        ({"directory": 10_000}, "needs"),
        ({"cut": 1}, "no end"),
        ({"cut": 40}, "AKS2"),
    ],
)
def test_numbers_that_contradict_are_told(tmp_path, lie, message):
    found, (told,) = read(tmp_path, aks2(**lie))
    assert found == []
    assert message in told.message


@pytest.mark.parametrize("data", [b"AKS2", b"AKS2" + bytes(11), b"AKS2" + bytes(12)])
def test_a_file_that_is_cut_is_told(tmp_path, data):
    found, broken = read(tmp_path, data)
    assert (found, len(broken)) == ([], 1)


def test_damage_of_the_stream_is_told(tmp_path):
    data = bytearray(aks2())
    data[40] ^= 0xFF
    found, (told,) = read(tmp_path, bytes(data))
    assert found == []
    assert told.message.startswith("AKS2: ")
    assert told.where.offset == 16


def test_an_image_beyond_the_end_is_told(tmp_path):
    rows = pack("<5I", 0, 0, 1, 5, 2) + b"a\0"
    whole = rows + b"12345"
    data = b"AKS2" + pack("<3I", len(whole), 1, len(rows)) + lzma.compress(whole)
    found, (told,) = read(tmp_path, data)
    assert found == []
    assert "needs 5 bytes, 4 left" in told.message


@pytest.mark.parametrize(
    ("limits", "count"), [({"members": 2}, 2), ({"member": 1088}, 0), ({"ratio": 1}, 0)]
)
def test_limits_hold(tmp_path, limits, count):
    found, (told,) = read(tmp_path, aks2(), **limits)
    assert (found, told.limit) == (FILES[:count], next(iter(limits)))
    assert read(tmp_path, aks2(), members=3, member=1089, ratio=20) == (FILES, [])


@given(
    st.lists(
        st.tuples(st.text("abc._-é", min_size=1, max_size=30), st.binary(max_size=50)),
        max_size=6,
    )
)
def test_what_was_written_is_read(tmp_path_factory, files):
    files = [(name, b"o" + data) for name, data in files]
    assert read(tmp_path_factory.mktemp("aks2"), aks2(files)) == (files, [])
