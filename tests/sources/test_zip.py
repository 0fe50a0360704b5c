"""Zip archives, record by record: what the directory says is what must be there."""

import struct
import zipfile
import zlib
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinspect import Limits, inspect
from kinspect.errors import FormatError
from kinspect.sources import Member, open_source

STORED, DEFLATED, BZIP2 = 0, 8, 12


@dataclass(frozen=True)
class Entry:
    """A member; what is given beside its content is a lie about it."""

    name: str
    content: bytes = b"content"
    method: int = DEFLATED
    #: bytes as they are stored
    packed: bytes | None = None
    size: int | None = None
    crc: int | None = None
    #: of the local header: its signature, its method, its extra field
    signature: int = 0x04034B50
    local_method: int | None = None
    extra: bytes = b""
    flags: int = 0


def archive(*entries: Entry) -> bytes:
    """APPNOTE.TXT, 4.3.7 and 4.3.12: local headers with data, then the directory."""
    body, directory = b"", b""
    for one in entries:
        packed = one.packed
        if packed is None:
            raw = zlib.compressobj(9, zlib.DEFLATED, -15)
            deflated = raw.compress(one.content) + raw.flush()
            packed = deflated if one.method == DEFLATED else one.content
        name = one.name.encode("utf-8" if one.flags & 0x800 else "cp437")
        size = len(one.content) if one.size is None else one.size
        crc = zlib.crc32(one.content) if one.crc is None else one.crc
        facts = [0, 0x21, crc, len(packed), size, len(name)]
        at = len(body)
        local = one.method if one.local_method is None else one.local_method
        body += struct.pack(
            "<I3H2H3I2H", one.signature, 20, one.flags, local, *facts, len(one.extra)
        )
        body += name + one.extra + packed
        directory += struct.pack(
            "<I4H2H3I", 0x02014B50, 20, 20, one.flags, one.method, *facts[:5]
        )
        directory += struct.pack("<5H2I", len(name), 0, 0, 0, 0, 0, at) + name
    counts = (0, 0, len(entries), len(entries), len(directory), len(body), 0)
    return body + directory + struct.pack("<I4H2IH", 0x06054B50, *counts)


def written(directory, data):
    path = directory / "x.zip"
    path.write_bytes(data)
    return path


def read(path, **options):
    found, broken = {}, []
    for part in open_source(path, **options).members():
        if isinstance(part, Member):
            found[part.path.removeprefix(f"{path}!")] = bytes(part.view.bytes())
        else:
            broken.append(part)
    return found, broken


GOOD = Entry("good", b"good" * 100)


@pytest.mark.parametrize("method", [STORED, DEFLATED])
def test_members_as_they_are_written(tmp_path, method):
    entries = [
        Entry("a", b"1" * 9000, method),
        Entry("d/"),
        Entry("é", b"", method, flags=0x800),
        Entry("ü", b"in code page 437", method),
    ]
    path = written(tmp_path, archive(*entries, Entry("b", extra=b"extra field")))
    assert read(path) == (
        {"a": b"1" * 9000, "é": b"", "ü": b"in code page 437", "b": b"content"},
        [],
    )


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (Entry("bad", method=BZIP2), "compression method 12; stored and deflate are read"),
        (Entry("bad", size=8), "inflates to 7 bytes"),
        (Entry("bad", size=6), "inflates to more than its 6 bytes"),
        (Entry("bad", crc=1), "with CRC"),
        (Entry("bad", packed=b""), "inflates to 0 bytes"),
        (Entry("bad", packed=b"\xff\xff"), "deflate"),
        (Entry("bad", method=STORED, size=8), "stored in 7 bytes, should be 8"),
        (Entry("bad", method=STORED, size=6), "stored in 7 bytes, should be 6"),
        (Entry("bad", method=STORED, crc=1), "the directory says 00000001"),
        (Entry("bad", signature=0x04034B51), "the local header names"),
        (Entry("bad", local_method=STORED), "local header disagrees"),
        (Entry("bad", flags=1), "encrypted"),
        (
            Entry("bad", b"0" * 50_000, packed=zlib.compress(b"0" * 50_000)[2:20]),
            "inflates to",
        ),
    ],
)
def test_a_member_that_is_not_what_the_directory_says(tmp_path, entry, message):
    path = written(tmp_path, archive(GOOD, entry, Entry("last")))
    found, (told,) = read(path)
    assert found == {"good": GOOD.content, "last": b"content"}
    assert message in told.message
    assert told.where.path == f"{path}!bad"


def test_a_member_within_another_is_told(tmp_path):
    """Sound by itself, header and all: some readers would see it, others would not."""
    inner = archive(Entry("b", b"hidden", STORED))
    local = b"no archive" + inner[: inner.index(b"PK\x01\x02")]
    data = archive(Entry("a", local, STORED), Entry("b", b"hidden", STORED))
    at = data.rindex(b"PK\x01\x02") + 42  # where the directory says that b begins
    data = data[:at] + struct.pack("<I", 30 + len("a") + 10) + data[at + 4 :]
    found, (told,) = read(written(tmp_path, data))
    assert found == {"a": local}
    assert "the member overlaps another one" in told.message
    assert told.where.path.endswith("!b")


def test_a_member_may_end_at_any_piece(tmp_path):
    """Deflate streams of one piece and of many, with nothing behind their end."""
    sizes = [1, 4095, 4096, 4097, (1 << 20) + 4096, (1 << 20) + 4097, 3_000_000]
    data = bytes(range(251)) * 20_000
    entries = [Entry(str(size), data[:size]) for size in sizes]
    found, broken = read(written(tmp_path, archive(*entries)), limits=Limits(ratio=1 << 20))
    assert broken == []
    assert [found[str(size)] == data[:size] for size in sizes] == [True] * len(sizes)


def test_what_is_excluded_or_not_wanted_is_not_read(tmp_path):
    bad = Entry("bad", crc=1)
    for method in (STORED, DEFLATED):
        path = written(tmp_path, archive(GOOD, Entry("bad", method=method, crc=1)))
        assert read(path, exclude=("bad",)) == ({"good": GOOD.content}, [])
        wanted = read(path, wanted=lambda name, _size, _head: name.endswith("good"))
        assert wanted == ({"good": GOOD.content}, [])
    assert len(read(written(tmp_path, archive(bad)))[1]) == 1


def test_what_is_put_off_is_inflated_when_it_is_loaded(tmp_path):
    """Until then its first bytes are there; it counts as inflated at once."""
    content = bytes(range(256)) * 64
    damaged = Entry("crc", content, crc=1)
    path = written(tmp_path, archive(Entry("a", content), damaged, Entry("now", content)))
    asked = []

    def put_off(name, size, head):
        asked.append((name.rpartition("!")[2], size, head))
        return not name.endswith("now")

    parts: list[Any] = list(open_source(path, put_off=put_off).members())
    assert asked == [(name, len(content), content[:4096]) for name in ("a", "crc", "now")]
    first, second, last = parts
    for part in (first, second):
        assert len(part.view) == len(content)
        assert bytes(part.view.bytes(0, 4096)) == content[:4096]
        with pytest.raises(FormatError):
            part.view.bytes(0, 4097)
    assert bytes(first.load().view.bytes()) == content
    with pytest.raises(FormatError, match=r"with CRC .* the directory says .* 00000001"):
        second.load()
    assert last.load is None
    assert bytes(last.view.bytes()) == content


@pytest.mark.parametrize(("over", "later"), [(0, True), (1, False)])
def test_what_would_be_too_much_is_not_put_off(tmp_path, over, later):
    """So that what is told of it is the same."""
    content = bytes(9000)
    path = written(tmp_path, archive(Entry("a", content), Entry("b", content)))
    limits = Limits(total=2 * len(content) - over)
    parts = open_source(path, limits=limits, put_off=lambda *_: True).members()
    assert isinstance(next(parts), Member)
    other: Any = next(parts)
    assert isinstance(other, Member) is later
    if not later:
        assert other.limit == "total"
        told = list(open_source(path, limits=limits).members())
        assert told[1] == other


def test_who_is_asked_sees_the_first_bytes(tmp_path):
    asked = []

    def wanted(path, size, head):
        asked.append((path[-1], size, len(head), bytes(head[:3])))
        return False

    data = b"abc" + bytes(9000)
    path = written(
        tmp_path,
        archive(Entry("s", data, STORED), Entry("d", data), Entry("t", b"abc", STORED)),
    )
    assert read(path, wanted=wanted) == ({}, [])
    assert asked == [
        ("s", 9003, 4096, b"abc"),
        ("d", 9003, 4096, b"abc"),
        ("t", 3, 3, b"abc"),
    ]


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        (["a.py"], "zip"),
        (["x-1.dist-info/WHEEL"], "wheel"),
        (["deep/x-1.dist-info/WHEEL"], "zip"),
        (["x-1/PKG-INFO"], "sdist"),
        (["PKG-INFO"], "zip"),
        (["a/b/PKG-INFO"], "zip"),
        (["metadata.json", "pkg-x-1-0.tar.zst"], "conda"),
        (["metadata.json", "info-x-1-0.tar.zst"], "conda"),
        (["metadata.json", "other-x.tar.zst"], "zip"),
        (["metadata.json", "pkg-x-1-0.tar.bz2"], "zip"),
        (["pkg-x-1-0.tar.zst"], "zip"),
    ],
)
def test_what_a_zip_is_its_names_tell(tmp_path, names, kind):
    path = written(tmp_path, archive(*(Entry(name) for name in names)))
    assert inspect(path).kind == kind
    assert open_source(path).kind == kind


def test_a_directory_that_can_not_be_read_is_told(tmp_path):
    path = written(tmp_path, b"PK\x03\x04" + bytes(60))
    assert open_source(path).kind == "zip"
    found, (told,) = read(path)
    assert found == {}
    assert "zip archive" in told.message


@given(
    st.dictionaries(
        st.text("abcé/", min_size=1, max_size=9).filter(lambda name: name[-1] != "/"),
        st.tuples(
            st.binary(max_size=60).map(lambda data: b"o" + data) | st.just(b""),
            st.sampled_from([STORED, DEFLATED]),
            st.binary(max_size=9),
        ),
        max_size=5,
    )
)
def test_what_was_written_is_read(tmp_path_factory, files):
    entries = [
        Entry(name, content, method, extra=extra, flags=0x800)
        for name, (content, method, extra) in files.items()
    ]
    path = written(tmp_path_factory.mktemp("zip"), archive(*entries))
    with zipfile.ZipFile(path) as theirs:
        assert {name: theirs.read(name) for name in theirs.namelist()} == {
            name: content for name, (content, _, _) in files.items()
        }
    assert read(path) == ({name: content for name, (content, _, _) in files.items()}, [])
