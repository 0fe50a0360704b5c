"""Tars of every age, told by their first header and read to their end."""

import bz2
import gzip
import io
import lzma
import tarfile
from collections.abc import Callable

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from kinspect import Limits, Unreadable, inspect
from kinspect.sources import Member, is_archive, open_source
from kinspect.sources.magic import is_tar
from tests.writers.archives import tar

FORMS = ["v7", "ustar", "gnu", "pax"]
COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": zstandard.compress,
}
FILES = [("a.so", b"first" * 300), ("d/b", b"2nd"), ("empty", b"")]


def written(directory, data):
    path = directory / "x"
    path.write_bytes(data)
    return path


def read(path, **options):
    found, broken = [], []
    for part in open_source(path, **options).members():
        if isinstance(part, Member):
            name = part.path.removeprefix(f"{path}!")
            found.append((name, bytes(part.view.bytes())))
        else:
            broken.append(part.message)
    return found, broken


# --- what it is -----------------------------------------------------------------------


@pytest.mark.parametrize("compress", COMPRESS)
@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_tar(tmp_path, form, compress):
    path = written(tmp_path, COMPRESS[compress](tar(FILES, form)))
    assert read(path) == (FILES, [])
    assert inspect(path).kind == "tar"


@pytest.mark.parametrize("form", FORMS)
def test_the_first_header_tells_a_tar(form):
    head = tar(FILES, form)[:512]
    assert is_tar(head)
    assert is_archive(head)
    # ustar's magic is enough; before it, the sum of the header is all there is
    spoiled = bytes([head[0] ^ 1]) + head[1:]
    assert is_tar(spoiled) is (form != "v7")
    assert is_tar(head[:511]) is (form != "v7")


@pytest.mark.parametrize(
    "field",
    [
        b"        ",
        bytes(8),
        b"0000001\0",
        b"99999999",
        b"  6145 \0",
        b"-14001\0 ",
        b"0x1801\0 ",
    ],
)
def test_a_sum_that_is_none_tells_no_tar(field):
    head = bytearray(tar(FILES, "v7")[:512])
    head[148:156] = field
    assert not is_tar(bytes(head))


@pytest.mark.parametrize(
    "field", ["{:06o}\0 ", "{:07o}\0", " {:o}\0 ", "{:06o} \0", "{:08o}", "\0\0{:o}\0 "]
)
def test_the_digits_of_a_sum_as_tools_write_them(field):
    head = bytearray(tar(FILES, "v7")[:512])
    head[148:156] = b" " * 8
    head[148:156] = field.format(sum(head)).encode().ljust(8, b"\0")[:8]
    assert is_tar(bytes(head))


def test_zeros_are_no_tar():
    """The sum of an empty header would be that of the spaces in its own field."""
    assert not is_tar(bytes(512))
    head = bytearray(512)
    head[148:156] = b"0000400\0"
    assert is_tar(bytes(head))


def test_a_name_that_looks_like_another_magic(tmp_path):
    """The first bytes of a tar are a name; what could be a zip is never passed over."""
    files = [("BZhello", b"1")]
    assert read(written(tmp_path, tar(files, "ustar"))) == (files, [])
    found, (told,) = read(written(tmp_path, tar([("PK\x03\x04", b"1")], "ustar")))
    assert found == []
    assert "zip archive" in told


# --- entries ----------------------------------------------------------------------------


def made(*entries):
    """A tar of entries: a name, a type, and what it names or holds."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, kind, content in entries:
            info = tarfile.TarInfo(name)
            info.type = kind
            if kind in {tarfile.SYMTYPE, tarfile.LNKTYPE}:
                info.linkname = content
                archive.addfile(info)
            else:
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


@pytest.mark.parametrize("compress", COMPRESS)
def test_a_type_that_is_not_known_is_a_file(tmp_path, compress):
    """POSIX, ustar: "typeflag … shall be treated as a regular file"."""
    data = made(("a", b"Z", b"content"), ("b", b"7", b"contiguous"))
    path = written(tmp_path, COMPRESS[compress](data))
    assert read(path) == ([("a", b"content"), ("b", b"contiguous")], [])


@pytest.mark.parametrize("compress", COMPRESS)
@pytest.mark.parametrize("names", [[], ["./"], [".", "./"]])
def test_a_tar_of_nothing(tmp_path, compress, names):
    data = made(*((name, tarfile.DIRTYPE, b"") for name in names))
    if not names:
        data = tar([("a", b"")])[:512] + bytes(1024)
    path = written(tmp_path, COMPRESS[compress](data))
    assert read(path) == ([("a", b"")] if not names else [], [])


@pytest.mark.parametrize("compress", COMPRESS)
def test_a_header_for_files_that_do_not_come_is_told(tmp_path, compress):
    """As `git archive` of nothing writes it, or a tar that is cut behind its first header."""
    out = io.BytesIO()
    headers = {"comment": "0" * 40}
    with tarfile.open(
        fileobj=out, mode="w", format=tarfile.PAX_FORMAT, pax_headers=headers
    ):
        pass
    path = written(tmp_path, COMPRESS[compress](out.getvalue()))
    found, (told,) = read(path)
    assert found == []
    assert "no end of the archive" in told


@pytest.mark.parametrize("compress", COMPRESS)
def test_a_first_header_that_is_damaged_is_told(tmp_path, compress):
    data = tar(FILES, "ustar")
    path = written(tmp_path, COMPRESS[compress](b"?" + data[1:]))
    found, (told,) = read(path)
    assert found == []
    assert told.startswith("archive: ")


@pytest.mark.parametrize("compress", COMPRESS)
def test_members_are_counted(tmp_path, compress):
    path = written(tmp_path, COMPRESS[compress](tar(FILES)))
    assert read(path, limits=Limits(members=3)) == (FILES, [])
    found, broken = read(path, limits=Limits(members=2))
    assert found == FILES[:2]
    assert any("members is 3" in one for one in broken)


@pytest.mark.parametrize("compress", COMPRESS)
def test_the_directory_of_them_all_comes_first(tmp_path, compress):
    rows = (("./", tarfile.DIRTYPE, b""), ("./a", tarfile.REGTYPE, b"1"))
    path = written(tmp_path, COMPRESS[compress](made(*rows)))
    assert read(path) == ([("a", b"1")], [])


@pytest.mark.parametrize("compress", COMPRESS)
def test_what_is_excluded_or_not_wanted_is_passed_over(tmp_path, compress):
    path = written(tmp_path, COMPRESS[compress](tar(FILES)))
    assert read(path, exclude=("a.so",)) == (FILES[1:], [])
    assert read(path, exclude=("d",)) == ([FILES[0], FILES[2]], [])
    wanted = read(path, wanted=lambda name, _size, _head: name.endswith("d/b"))
    assert wanted == ([FILES[1]], [])


@pytest.mark.parametrize("compress", sorted(COMPRESS.keys() - {""}))
def test_a_single_file_that_was_compressed(tmp_path, compress):
    path = tmp_path / "lib.so.1.gz"
    path.write_bytes(COMPRESS[compress](b"content"))
    assert read(path) == ([("lib.so.1", b"content")], [])
    assert read(path, exclude=("lib.so.1",)) == ([], [])
    assert read(path, wanted=lambda *_: False) == ([], [])
    assert inspect(path).kind == "compressed"


def test_holes_of_a_file_are_zeros(tmp_path):
    """GNU's sparse format 0.1, in pax headers: where the data is, and how large it is."""
    info = tarfile.TarInfo("holes")
    info.pax_headers = {
        "GNU.sparse.major": "0", "GNU.sparse.minor": "1",
        "GNU.sparse.name": "holes", "GNU.sparse.size": "10000",
        "GNU.sparse.numblocks": "2", "GNU.sparse.map": "5000,4,9990,3",
    }  # fmt: skip
    info.size = 7
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(info, io.BytesIO(b"datamore"[:7]))
    expected = bytes(5000) + b"data" + bytes(4986) + b"mor" + bytes(7)
    for compress in COMPRESS.values():
        path = written(tmp_path, compress(out.getvalue()))
        found, broken = read(path)
        assert (found == [("holes", expected)], broken) == (True, [])


# --- what was written is read -------------------------------------------------------------

NAMES = st.lists(
    st.text("abcé .-_", min_size=1, max_size=30).filter(
        lambda one: one.strip(" .") == one and one
    ),
    min_size=1,
    max_size=3,
).map("/".join)
CONTENT = st.binary(max_size=1100).map(lambda data: b"o" + data) | st.just(b"")


@given(
    st.lists(st.tuples(NAMES, CONTENT), min_size=1, max_size=5),
    st.sampled_from(FORMS),
    st.sampled_from(sorted(COMPRESS)),
)
def test_what_was_written_is_read(tmp_path_factory, files, form, compress):
    path = written(tmp_path_factory.mktemp("tar"), COMPRESS[compress](tar(files, form)))
    assert read(path) == (files, [])


@given(
    st.text("a/", min_size=120, max_size=400).filter(
        lambda one: "//" not in one and one.strip("/") == one
    )
)
def test_long_names_are_whole(tmp_path_factory, name):
    for form in ("gnu", "pax"):
        path = written(tmp_path_factory.mktemp("tar"), tar([(name, b"1")], form))
        assert read(path) == ([(name, b"1")], [])


def test_a_member_stays_what_could_not_be_read(tmp_path):
    """A stream that breaks within a file: told once, and no file is made up."""
    data = gzip.compress(tar(FILES), mtime=0)
    path = written(tmp_path, data[:40])
    parts = list(open_source(path).members())
    assert [type(part) for part in parts] == [Unreadable]
