"""Archives of every kind yield their files; what can't be read is told in its place."""

import bz2
import errno
import gzip
import importlib
import io
import lzma
import os
import random
import stat
import struct
import tarfile
import zipfile
import zlib

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from kinspect import InputError, Limits, Unreadable, Verdict, verify
from kinspect.errors import FormatError
from kinspect.sources import Member, inflate, open_source
from kinspect.view import Memory, View
from tests.conftest import SAMPLES

GOOD = (SAMPLES / "per_tu_both.so").read_bytes()
BAD = (SAMPLES / "per_tu_one_lacks.so").read_bytes()
FILES = {"pkg/a.so": b"first" * 100, "pkg/b.txt": b"second", "pkg/empty": b""}


def zipped(files, compression=zipfile.ZIP_DEFLATED):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", compression) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return data.getvalue()


def tarred(files):
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return data.getvalue()


def ar(files, *, bsd=False):
    """ar(5), with GNU long names or BSD ones."""
    out = b"!<arch>\n"
    names = b"".join(f"{name}/\n".encode() for name in files)
    members = [] if bsd else [("//", names)]
    for name, content in files.items():
        if bsd:
            members.append((f"#1/{len(name)}", name.encode() + content))
        else:
            members.append((f"/{names.index(name.encode())}", content))
    for name, content in members:
        header = f"{name:16}{0:<12}{0:<6}{0:<6}{'644':8}{len(content):<10}".encode()
        out += header + b"`\n" + content + b"\n" * (len(content) % 2)
    return out


CONTAINERS = {
    "x.zip": zipped,
    "stored.zip": lambda files: zipped(files, zipfile.ZIP_STORED),
    "x.tar": tarred,
    "x.tar.gz": lambda files: gzip.compress(tarred(files)),
    "x.tar.bz2": lambda files: bz2.compress(tarred(files)),
    "x.tar.xz": lambda files: lzma.compress(tarred(files)),
    "x.tar.zst": lambda files: zstandard.compress(tarred(files)),
    "gnu.a": ar,
    "bsd.a": lambda files: ar(files, bsd=True),
}


def read(path, **options):
    """What a source yields: the contents by breadcrumb, and what could not be read."""
    found, broken = {}, []
    for part in open_source(path, **options).members():
        if isinstance(part, Member):
            found[part.path.removeprefix(f"{path}!")] = bytes(part.view.bytes())
        else:
            assert isinstance(part, Unreadable)
            broken.append(part)
    return found, broken


@pytest.mark.parametrize("name", CONTAINERS)
def test_every_file_comes_out_byte_for_byte(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(CONTAINERS[name](FILES))
    assert read(path) == (FILES, [])


@pytest.mark.parametrize("outer", CONTAINERS)
@pytest.mark.parametrize("inner", CONTAINERS)
def test_archives_in_archives_are_opened(tmp_path, outer, inner):
    path = tmp_path / "x"
    path.write_bytes(CONTAINERS[outer]({inner: CONTAINERS[inner](FILES)}))
    found, broken = read(path)
    assert broken == []
    assert found == {f"{inner}!{name}": content for name, content in FILES.items()}


@pytest.mark.parametrize("name", CONTAINERS)
def test_a_wheel_like_archive_is_judged_by_all_of_its_members(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(CONTAINERS[name]({"a/good.so": GOOD, "b/host.txt": b"text"}))
    assert verify(path).verdict is Verdict.PASS
    path.write_bytes(CONTAINERS[name]({"a/good.so": GOOD, "b/bad.so": BAD}))
    report = verify(path)
    assert report.verdict is Verdict.FAIL
    (finding,) = [f for f in report.findings if f.severity == "error"]
    assert (finding.path, finding.bundle) == (f"{path}!b/bad.so", 1)


@pytest.mark.parametrize("name", CONTAINERS)
def test_a_cut_archive_never_passes(tmp_path, name):
    data = CONTAINERS[name]({"a/good.so": GOOD})
    path = tmp_path / name
    # a plain tar is padded with zeros far beyond the block that ends it
    end = 512 + len(GOOD) if name == "x.tar" else len(data) - 2
    for size in range(0, end, max(end // 25, 1)):
        path.write_bytes(data[:size])
        assert verify(path).verdict is not Verdict.PASS, size


@given(st.sampled_from(sorted(CONTAINERS)), st.data())
def test_a_flipped_byte_ends_in_members_or_findings(tmp_path_factory, name, data):
    spoiled = bytearray(CONTAINERS[name](FILES))
    at = data.draw(st.integers(0, len(spoiled) - 1))
    spoiled[at] ^= data.draw(st.integers(1, 255))
    path = tmp_path_factory.mktemp("flip") / name
    path.write_bytes(spoiled)
    read(path)


# --- zip ------------------------------------------------------------------------------


def test_a_wrong_crc_is_told_and_the_rest_is_read(tmp_path):
    data = bytearray(zipped(FILES, zipfile.ZIP_STORED))
    data[data.index(b"second")] ^= 1
    path = tmp_path / "x.zip"
    path.write_bytes(data)
    found, broken = read(path)
    assert "pkg/a.so" in found
    assert [part.where.path for part in broken] == [f"{path}!pkg/b.txt"]
    assert "CRC" in broken[0].message


def test_a_name_that_stands_twice_is_told_twice(tmp_path):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("lib.so", GOOD)
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("lib.so", BAD)
    path = tmp_path / "x.zip"
    path.write_bytes(data.getvalue())
    _, broken = read(path)
    assert len(broken) == 2
    assert verify(path).verdict is Verdict.UNKNOWN


def test_an_encrypted_member_is_told(tmp_path):
    data = bytearray(zipped({"lib.so": GOOD}))
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + flags] |= 1
    path = tmp_path / "x.zip"
    path.write_bytes(data)
    (part,) = read(path)[1]
    assert "encrypted" in part.message


def test_a_local_header_that_names_another_member_is_told(tmp_path):
    data = zipped({"good.so": GOOD})
    at = data.index(b"good.so")
    path = tmp_path / "x.zip"
    path.write_bytes(data[:at] + b"evil.so" + data[at + 7 :])
    (part,) = read(path)[1]
    assert "evil.so" in part.message


def test_a_zip_that_was_streamed_tells_sizes_behind_the_data(tmp_path):
    """Its local headers have zeros for them, and a flag that says so."""

    class Pipe(io.RawIOBase):
        def __init__(self):
            super().__init__()
            self.data = bytearray()

        def writable(self):
            return True

        def write(self, data):
            self.data += data
            return len(data)

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/lib.so", GOOD)
    assert pipe.data[6] & 8
    assert pipe.data[14:26] == bytes(12)
    (tmp_path / "x.zip").write_bytes(pipe.data)
    assert read(tmp_path / "x.zip") == ({"a/lib.so": GOOD}, [])


def test_a_size_that_lies_is_told(tmp_path):
    data = bytearray(zipped({"lib.so": GOOD}))
    for signature, field in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        struct.pack_into("<I", data, data.index(signature) + field, len(GOOD) - 1)
    path = tmp_path / "x.zip"
    path.write_bytes(data)
    (part,) = read(path)[1]
    assert "more than" in part.message


def test_a_bomb_meets_the_limit_by_name(tmp_path):
    path = tmp_path / "x.zip"
    path.write_bytes(zipped({"lib.so": b"\x7fELF" + bytes(50_000_000)}))
    _, broken = read(path, limits=Limits(ratio=100))
    assert [part.limit for part in broken] == ["ratio"]
    _, broken = read(path, limits=Limits(member=1_000_000))
    assert [part.limit for part in broken] == ["member"]
    assert "--limit member=" in broken[0].message


def test_what_a_member_is_is_told_by_its_first_bytes_not_by_the_first_piece(tmp_path):
    """A deflate stream may begin with any number of blocks that are empty (RFC 1951)."""
    empty = b"\x00\x00\x00\xff\xff"

    def stored(data, *, last=0):
        return struct.pack("<BHH", last, len(data), len(data) ^ 0xFFFF) + data

    parts = [GOOD[at : at + 60_000] for at in range(2, len(GOOD), 60_000)]
    body = stored(GOOD[:2]) + empty * 60_000
    body += b"".join(map(stored, parts[:-1])) + stored(parts[-1], last=1)
    crc, name = zlib.crc32(GOOD), b"good.so"
    sizes = (crc, len(body), len(GOOD), len(name))
    data = struct.pack("<IHHHHHIIIHH", 0x04034B50, 20, 0, 8, 0, 0, *sizes, 0) + name + body
    entry = struct.pack(
        "<IHHHHHHIIIHHHHHII", 0x02014B50, 20, 20, 0, 8, 0, 0, *sizes, 0, 0, 0, 0, 0, 0
    )
    entry += name
    end = struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, 1, 1, len(entry), len(data), 0)
    path = tmp_path / "x.zip"
    path.write_bytes(data + entry + end)
    assert zipfile.ZipFile(path).read("good.so") == GOOD
    (binary,) = verify(path).artifacts[0].binaries
    assert binary.device_code


def test_overlapping_members_are_told(tmp_path):
    """Two directory entries for the same bytes, as in a bomb that overlaps."""
    raw = b"x" * 1000
    deflated = zlib.compressobj(9, zlib.DEFLATED, -15)
    body = deflated.compress(raw) + deflated.flush()
    crc = zlib.crc32(raw)
    local = struct.pack(
        "<IHHHHHIIIHH", 0x04034B50, 20, 0, 8, 0, 0, crc, len(body), 1000, 1, 0
    )
    data = local + b"a" + body
    entries = b""
    for name in (b"a", b"b"):
        entries += struct.pack(
            "<IHHHHHHIIIHHHHHII",
            *(0x02014B50, 20, 20, 0, 8, 0, 0, crc, len(body), 1000),
            *(1, 0, 0, 0, 0, 0, 0),
        )
        entries += name
    end = struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, 2, 2, len(entries), len(data), 0)
    path = tmp_path / "x.zip"
    path.write_bytes(data + entries + end)
    found, broken = read(path)
    assert list(found) == ["a"]
    assert len(broken) == 1


def test_archives_nest_to_a_limit(tmp_path):
    data = GOOD
    for _ in range(5):
        data = zipped({"inner": data}, zipfile.ZIP_STORED)
    path = tmp_path / "x.zip"
    path.write_bytes(data)
    assert verify(path).verdict is Verdict.PASS
    _, broken = read(path, limits=Limits(nesting=4))
    assert [part.limit for part in broken] == ["nesting"]


def test_members_are_counted_over_all_levels(tmp_path):
    path = tmp_path / "x.zip"
    path.write_bytes(zipped({"a.tar": tarred(FILES), "b": b""}))
    _, broken = read(path, limits=Limits(members=3))
    assert {part.limit for part in broken} == {"members"}


def test_an_archive_ends_where_too_much_of_it_can_not_be_read(tmp_path):
    data = zipped(dict.fromkeys("abcdef", b"good"), zipfile.ZIP_STORED)
    path = tmp_path / "x.zip"
    path.write_bytes(data.replace(b"good", b"evil"))  # of another CRC
    _, broken = read(path, limits=Limits(broken=3))
    assert [part.limit for part in broken] == [None] * 4 + ["broken"]
    assert broken[-1].where.path == str(path)
    assert len(read(path, limits=Limits(broken=6))[1]) == 6


def test_members_beyond_the_limit_are_told_once(tmp_path):
    path = tmp_path / "x.zip"
    path.write_bytes(zipped(dict.fromkeys("abcdef", b"1")))
    found, broken = read(path, limits=Limits(members=3))
    assert list(found) == ["a", "b", "c"]
    assert [part.limit for part in broken] == ["members"]


# --- tar ------------------------------------------------------------------------------


def test_odd_names_and_special_members_of_a_tar_are_no_danger(tmp_path):
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        for name, kind in {
            "/etc/passwd": tarfile.REGTYPE,
            "../../up": tarfile.REGTYPE,
            "fifo": tarfile.FIFOTYPE,
            "device": tarfile.CHRTYPE,
            "link": tarfile.SYMTYPE,
            "hard": tarfile.LNKTYPE,
        }.items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info, io.BytesIO())
    path = tmp_path / "x.tar"
    path.write_bytes(data.getvalue())
    assert read(path) == ({"/etc/passwd": b"", "../../up": b""}, [])
    assert list(tmp_path.iterdir()) == [path]


def test_a_tar_without_its_end_is_told(tmp_path):
    data = tarred({"lib.so": GOOD})
    path = tmp_path / "x.tar"
    path.write_bytes(data[: 512 + -(-len(GOOD) // 512) * 512])
    assert verify(path).verdict is Verdict.UNKNOWN


# --- directories and files ----------------------------------------------------------------


def test_a_directory_gives_each_file_once(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a/lib.so").write_bytes(GOOD)
    (tmp_path / "b").symlink_to("a")
    (tmp_path / "a/again.so").symlink_to("lib.so")
    os.link(tmp_path / "a/lib.so", tmp_path / "c.so")
    (tmp_path / "loop").symlink_to(".")
    (tmp_path / "dangling").symlink_to("nowhere")
    os.mkfifo(tmp_path / "fifo")
    found, broken = read(tmp_path)
    assert broken == []
    assert [content == GOOD for content in found.values()] == [True]


def test_what_is_excluded_is_not_read(tmp_path):
    for name in ("a.so", "b.so"):
        (tmp_path / name).write_bytes(name.encode())
    found, _ = read(tmp_path, exclude=("b.*",))
    assert list(found.values()) == [b"a.so"]


def test_a_file_that_may_not_be_read_is_told(tmp_path, monkeypatch):
    """Root may read everything, so the system's refusal is played."""
    for name in ("a.so", "b.so"):
        (tmp_path / name).write_bytes(GOOD)
    really = os.open

    def refuse(path, *arguments, **options):
        if str(path).endswith("a.so"):
            raise PermissionError(errno.EACCES, "Permission denied")
        return really(path, *arguments, **options)

    monkeypatch.setattr(os, "open", refuse)
    found, broken = read(tmp_path)
    assert list(found.values()) == [GOOD]
    assert [part.message for part in broken] == [f"{tmp_path}/a.so: Permission denied"]
    assert verify(tmp_path).verdict is Verdict.UNKNOWN


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: os.mknod(path, stat.S_IFSOCK)])
def test_what_is_no_file_is_refused(tmp_path, make):
    path = tmp_path / "x"
    make(path)
    with pytest.raises(InputError, match="not a regular file"):
        open_source(path)


def test_a_thin_archive_reads_its_members_beside_it(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/one.o").write_bytes(b"one")
    names = b"sub/one.o/\nsub/two.o/\n"
    out = b"!<thin>\n"
    for name, size, body in (("//", len(names), names), ("/0", 3, b""), ("/11", 3, b"")):
        header = f"{name:16}{0:<12}{0:<6}{0:<6}{'644':8}{size:<10}".encode()
        out += header + b"`\n" + body + b"\n" * (len(body) % 2)
    path = tmp_path / "lib.a"
    path.write_bytes(out)
    found, broken = read(path)
    assert found == {"sub/one.o": b"one"}
    assert ["two.o" in part.message for part in broken] == [True]


@pytest.mark.oracle
@pytest.mark.parametrize("format_", ["gnu", "bsd", "darwin"])
def test_archives_by_llvm_ar(run, tmp_path, format_):
    contents = {"a.o": b"one", "a_name_of_more_than_sixteen.o": b"three"}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    paths = [tmp_path / name for name in contents]
    run("llvm-ar-19", "rc", f"--format={format_}", tmp_path / "lib.a", *paths)
    found, broken = read(tmp_path / "lib.a")
    assert broken == []
    # darwin's members are padded to eight bytes
    assert {name: found[name].rstrip(b"\0\n") for name in found} == contents


# --- inflating by either library ----------------------------------------------------


@pytest.mark.parametrize("library", ["zlib", "isal.isal_zlib"])
@pytest.mark.parametrize("content", ["runs", "noise", "zeros", "text"])
@pytest.mark.parametrize("size", [1, 4096, 4097, 1 << 18, (1 << 20) + 1, 3_000_000])
def test_members_are_whole_with_either_library(
    monkeypatch, tmp_path, library, content, size
):
    """ISA-L holds output back when its input is used up: none of it may get lost."""
    monkeypatch.setattr(inflate, "fastest", importlib.import_module(library))
    pattern = {
        "runs": b"a" * 300 + b"b" * 7,
        "noise": random.Random(size).randbytes(size),
        "zeros": bytes(size),
        "text": b"the quick brown fox ",
    }[content]
    data = (pattern * (size // len(pattern) + 1))[:size]
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        archive.writestr("x", data)
    limits = Limits(ratio=1 << 20)
    (found,) = [
        bytes(part.view.bytes()) if isinstance(part, Member) else part
        for part in open_source(path, limits=limits).members()
    ]
    assert found == data


@pytest.mark.parametrize("library", ["zlib", "isal.isal_zlib"])
def test_a_damaged_stream_is_told_with_either_library(monkeypatch, library):
    monkeypatch.setattr(inflate, "fastest", importlib.import_module(library))
    with pytest.raises(FormatError, match="deflate"):
        list(inflate.pieces(View(Memory(b"\xff" * 64), "x"), 4096))
