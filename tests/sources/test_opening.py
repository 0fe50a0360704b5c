"""What a path is, who watches it being read, and what wheels say of themselves."""

import importlib.util
import struct
import sys
import zlib
from pathlib import Path

import pytest

from kinspect import InputError, Limits, Unreadable
from kinspect.errors import FormatError
from kinspect.model import RecordFault
from kinspect.sources import Installed, Member, inflate, open_source
from kinspect.sources.documents import digest_of_name
from tests.reading import view
from tests.sources.test_installed import install
from tests.sources.test_zip import BZIP2, Entry, archive
from tests.writers import packages
from tests.writers.images import tar
from tests.writers.wheels import digest


def written(tmp_path, data, name="x"):
    path = tmp_path / name
    path.write_bytes(data)
    return path


def read(path, **options):
    source = open_source(path, **options)
    parts = list(source.members())
    return (
        [part.path.removeprefix(f"{path}!") for part in parts if isinstance(part, Member)],
        [part for part in parts if isinstance(part, Unreadable)],
        source.wheels,
    )


# --- paths ------------------------------------------------------------------------------


def test_a_path_that_is_not_there_is_told(tmp_path):
    with pytest.raises(InputError, match="No such file or directory") as caught:
        open_source(tmp_path / "gone")
    assert caught.value.path == str(tmp_path / "gone")


def test_a_file_that_goes_away_before_it_is_read_is_told(tmp_path):
    path = written(tmp_path, b"content")
    source = open_source(path)
    path.unlink()
    with pytest.raises(InputError, match="No such file"):
        list(source.members())


class Watching:
    def __init__(self) -> None:
        self.seen: list[int] = []

    def opened(self, file):
        self.seen.append(file.size)

    def reading(self, path):
        raise AssertionError(path)  # sources know of no binaries


def test_who_watches_sees_each_file_that_is_opened(tmp_path):
    (tmp_path / "d").mkdir()
    sizes = []
    for number in range(3):
        written(tmp_path / "d", b"x" * number, f"f{number}")
        sizes.append(number)
    watching = Watching()
    read(tmp_path / "d", watch=watching)
    assert watching.seen == sizes
    read(tmp_path / "d/f2", watch=watching)
    assert watching.seen == [*sizes, 2]


def test_what_is_excluded_is_not_looked_into(tmp_path):
    """Be it the artifact itself."""
    path = written(tmp_path, archive(Entry("a", crc=1)), "x.zip")
    assert len(read(path)[1]) == 1
    assert read(path, exclude=("x.zip",)) == ([], [], ())


# --- packages ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("suffix", "data"),
    [
        ("", b"no tar" * 100),
        (".gz", b"\x1f\x8b\x08 no gzip"),
        (".lzma", b"no lzma"),
        (".xz", b"\xfd7zXZ\x00 no xz"),
    ],
)
def test_the_files_of_a_package_that_can_not_be_read_are_told(tmp_path, suffix, data):
    members = {"debian-binary": b"2.0\n", f"data.tar{suffix}": data}
    found, (told,), _ = read(written(tmp_path, packages.ar(members)))
    assert found == []
    assert told.message.startswith("archive: ")


def test_a_part_of_a_conda_package_that_is_no_tar_is_told(tmp_path):
    data = archive(Entry("metadata.json", b"{}"), Entry("pkg-x-1-0.tar.zst", b"no tar", 0))
    found, (told,), _ = read(written(tmp_path, data))
    assert found == ["metadata.json"]
    assert told.message.startswith("archive: ")


def test_a_part_of_a_debian_package_that_is_stored_is_read_where_it_lies(tmp_path):
    members = {"debian-binary": b"2.0\n", "data.tar": tar({"./a": b"1"})}
    assert read(written(tmp_path, packages.ar(members)))[:2] == (["a"], [])


@pytest.mark.parametrize("digits", ["0" * 64, "f" * 64])
def test_names_that_are_digests(digits):
    assert digest_of_name(f"blobs/sha256/{digits}") == f"sha256:{digits}"
    assert digest_of_name(f"blobs/sha512/{digits}") == f"sha512:{digits}"
    assert digest_of_name(f"{digits}.json") == f"sha256:{digits}"
    assert digest_of_name(f"sha256:{digits}") == f"sha256:{digits}"
    for name in (
        "blobs", "blobs/sha256", f"blobs/sha256/{digits}/x", f"blobs/md5/{digits}", f"a/blobs/sha256/{digits}", f"other/sha256/{digits}",
        f"{digits}.tar", f"{digits[1:]}.json", f"g{digits[1:]}.json", "config.json",
    ):  # fmt: skip
        assert digest_of_name(name) == ""


# --- installed --------------------------------------------------------------------------


@pytest.mark.parametrize("editable", [b"false", b"0", b"null"])
def test_an_install_of_a_directory_that_is_not_editable(tmp_path, editable):
    direct = b'{"url": "file:///src", "dir_info": {"editable": %s}}' % editable
    install(tmp_path, {"a.so": b"x"}, direct_url__json=direct)
    parts = open_source(Installed("deep_ep", tmp_path)).members()
    assert "a.so" in {Path(p.path).name for p in parts if isinstance(p, Member)}


# --- wheels -----------------------------------------------------------------------------

INFO = "x-1.dist-info"
METADATA = Entry(f"{INFO}/METADATA", b"Metadata-Version: 2.1\nName: x\nVersion: 1\n")
WHEEL = Entry(
    f"{INFO}/WHEEL", b"Wheel-Version: 1.0\nTag: b\nTag: a\nRoot-Is-Purelib: TRUE\n"
)


def record(*rows: str, name: str = f"{INFO}/RECORD", **more) -> Entry:
    return Entry(name, "\n".join(rows).encode(), **more)


def row(entry: Entry) -> str:
    return f"{entry.name},{digest(entry.content)},{len(entry.content)}"


def test_what_a_wheel_says_of_itself(tmp_path):
    data = archive(METADATA, WHEEL, record(row(METADATA), row(WHEEL), f"{INFO}/RECORD,,"))
    path = written(tmp_path, data)
    for asked in (False, True):
        _, broken, (wheel,) = read(path, record=asked)
        assert broken == []
        assert (wheel.name, wheel.version, wheel.tags) == ("x", "1", ("a", "b"))
        assert (wheel.purelib, wheel.requires, wheel.faults) == (True, (), ())
        assert wheel.checked == (2 if asked else None)
    assert read(path)[2] == ()


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([METADATA, WHEEL], "no x-1.dist-info/RECORD, which a wheel must have"),
        ([WHEEL, record()], "no x-1.dist-info/METADATA, which a wheel must have"),
        (
            [METADATA, WHEEL, record(), Entry("y-1.dist-info/WHEEL", b"Tag: a\n")],
            "a wheel has one .dist-info directory, this has 2",
        ),
        (
            [Entry(METADATA.name, METADATA.content, BZIP2), WHEEL, record()],
            "compression method 12",
        ),
        ([Entry(METADATA.name, b"x", 0, crc=1), WHEEL, record()], "with CRC"),
        ([Entry(METADATA.name, b"xy", size=1), WHEEL, record()], "has 2 bytes or more"),
        ([Entry(METADATA.name, b"xy", size=3), WHEEL, record()], "has 2 bytes or more"),
        (
            [Entry(METADATA.name, b"x", size=(64 << 20) + 1), WHEEL, record()],
            "of 67108865 bytes, expected 67108864 or less",
        ),
        ([METADATA, WHEEL, record('"' + "x" * 200_000)], "no CSV: field larger"),
    ],
)
def test_metadata_that_can_not_be_read_matters_to_who_asks_for_it(
    tmp_path, entries, message
):
    """Kernels load all the same."""
    path = written(tmp_path, archive(*entries))
    assert read(path)[2] == ()
    _, broken, wheels = read(path, record=True)
    assert wheels == ()
    assert message in broken[0].message
    if "RECORD" not in message and "CSV" not in message:
        quiet = read(path, record=False)
        assert quiet[2] == ()
        assert len(quiet[1]) == len(broken) - 1  # what is told of the member itself stays


def test_metadata_of_a_wheel_below_another_directory_is_not_its_own(tmp_path):
    inner = Entry("vendored/y-1.dist-info/WHEEL", b"Tag: c\n")
    data = archive(METADATA, WHEEL, inner, record())
    (wheel,) = read(written(tmp_path, data), record=False)[2]
    assert wheel.tags == ("a", "b")


def test_blank_lines_of_record_and_short_ones_say_nothing(tmp_path):
    lines = [row(METADATA), "", row(WHEEL), "", "gone"]
    (wheel,) = read(
        written(tmp_path, archive(METADATA, WHEEL, record(*lines))), record=True
    )[2]
    assert wheel.faults == (RecordFault("gone", "RECORD lists it, and it is not there"),)


def test_every_file_is_held_to_record_whatever_comes_before(tmp_path):
    """Names are gone through in order: RECORD itself, faults and damage stop nothing."""
    damaged, other, late = Entry("a", crc=1), Entry("b"), Entry("z.so")
    # as long as the name of the directory of metadata, and none
    odd = Entry("y" * len(INFO) + "/RECORD")
    lines = [row(damaged), row(METADATA), row(WHEEL), f"{INFO}/RECORD.jws,,"]
    data = archive(damaged, other, METADATA, WHEEL, odd, late, record(*lines))
    _, broken, (wheel,) = read(written(tmp_path, data), record=True)
    told = "RECORD does not list it"
    assert wheel.faults == tuple(RecordFault(one.name, told) for one in (other, odd, late))
    assert [part.where.path.rpartition("!")[2] for part in broken] == ["a", "a"]


def test_a_row_may_leave_the_size_out(tmp_path):
    lines = [row(one).rpartition(",")[0] for one in (METADATA, WHEEL)]
    data = archive(METADATA, WHEEL, record(f"{lines[0]},", lines[1]))
    (wheel,) = read(written(tmp_path, data), record=True)[2]
    assert wheel.faults == ()


def test_a_file_above_the_limit_is_not_held_to_record(tmp_path):
    large = Entry("large.bin", b"x" * 500)
    rows = [row(one) for one in (METADATA, WHEEL, large)]
    path = written(tmp_path, archive(METADATA, WHEEL, large, record(*rows)))
    _, broken, (wheel,) = read(path, record=True, limits=Limits(member=499))
    assert [part.limit for part in broken] == ["member", "member"]  # by RECORD, and to read
    assert wheel.faults == ()


# --- inflating --------------------------------------------------------------------------


def test_without_isal_the_standard_library_inflates(monkeypatch):
    """`kinspect[fast]` is no dependency: it has no wheels for some platforms."""
    monkeypatch.setitem(sys.modules, "isal", None)
    assert inflate.__spec__ is not None
    spec = importlib.util.spec_from_file_location("without_isal", inflate.__file__)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.fastest is zlib
    assert module.crc32 is zlib.crc32
    assert (zlib.error,) == module.ERRORS
    raw = zlib.compressobj(9, zlib.DEFLATED, -15)
    data = raw.compress(b"content") + raw.flush()
    assert list(module.pieces(view(data), 4096)) == [b"content"]
    with pytest.raises(FormatError, match="deflate"):
        list(module.pieces(view(b"\xff" * 9), 4096))


def test_a_stream_without_its_end_gives_what_it_has():
    """That it is too short, its length tells."""
    raw = zlib.compressobj(9, zlib.DEFLATED, -15)
    data = raw.compress(struct.pack("<1000I", *range(1000))) + raw.flush()
    whole = struct.pack("<1000I", *range(1000))
    cut = b"".join(inflate.pieces(view(data[:-50]), 64))
    assert whole.startswith(cut)
    assert 0 < len(cut) < len(whole)
