"""RPM, Debian, conda and source packages give the files that they install."""

import bz2
import gzip
import lzma
import struct
from typing import Any

import pytest
import zstandard

from kinspect import Limits, Unreadable, Verdict, inspect, verify
from kinspect.sources import Member, open_source
from tests.conftest import SAMPLES
from tests.writers import packages
from tests.writers.images import Link, gzipped, tar
from tests.writers.packages import INT16, INT32, STRING, STRING_ARRAY

GOOD = (SAMPLES / "per_tu_both.so").read_bytes()
BAD = (SAMPLES / "per_tu_one_lacks.so").read_bytes()
FILES = {"usr/lib64/a.so": b"first" * 100, "usr/share/b": b"2nd", "etc/empty": b""}


def alone(data):
    return lzma.compress(data, lzma.FORMAT_ALONE)


RPMS: dict[str, dict[str, Any]] = {
    "gzip": {"compress": gzipped, "compressor": "gzip"},
    "no tag": {"compress": gzipped},
    "bzip2": {"compress": bz2.compress, "compressor": "bzip2"},
    "xz": {"compress": lzma.compress, "compressor": "xz"},
    "lzma": {"compress": alone, "compressor": "lzma"},
    "zstd": {"compress": zstandard.compress, "compressor": "zstd"},
    "plain": {"compressor": "identity"},
    "no digest": {"compress": gzipped, "digest": False},
    "large files": {"compress": zstandard.compress, "stripped": True},
}


def read(path, **options):
    found, broken = {}, []
    source = open_source(path, **options)
    for part in source.members():
        if isinstance(part, Member):
            found[part.path.removeprefix(f"{path}!")] = bytes(part.view.bytes())
        else:
            assert isinstance(part, Unreadable)
            broken.append(part)
    return found, broken


def written(tmp_path, data):
    path = tmp_path / "x"
    path.write_bytes(data)
    return path


# --- RPM ------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", RPMS)
def test_every_form_of_rpm(tmp_path, form):
    path = written(tmp_path, packages.rpm(FILES, **RPMS[form]))
    assert read(path) == (FILES, [])
    assert inspect(path).kind == "rpm"


@pytest.mark.parametrize("form", RPMS)
def test_an_rpm_is_judged(tmp_path, form):
    data = packages.rpm({"a.so": GOOD, "opt/b.so": BAD}, **RPMS[form])
    report = verify(written(tmp_path, data))
    assert report.verdict is Verdict.FAIL
    (finding,) = [f for f in report.findings if f.severity == "error"]
    assert finding.path == f"{tmp_path}/x!opt/b.so"


@pytest.mark.parametrize("form", RPMS)
def test_a_cut_rpm_never_passes(tmp_path, form):
    data = packages.rpm({"a.so": GOOD}, **RPMS[form])
    assert verify(written(tmp_path, data)).verdict is Verdict.PASS
    for size in range(0, len(data), max(len(data) // 40, 1)):
        report = verify(written(tmp_path, data[:size]))
        assert report.verdict is not Verdict.PASS, size


def test_crc_payloads_and_names_without_a_dot(tmp_path):
    payload = packages.cpio({"a": b"1"}, magic="070702").replace(b"./a\0", b"//a\0")
    path = written(tmp_path, packages.rpm_package(payload, {1124: (STRING, "cpio")}))
    assert read(path) == ({"a": b"1"}, [])


def test_hard_links_hold_their_bytes_at_the_last_name(tmp_path):
    """rpm's lib/rpmfi.c: of files that share an inode, only the last has content."""
    names = ("a", "b", "c", "ghost")
    # a and c are one; b is alone and empty; the ghost would be the last and has no bytes
    tags = {
        1028: (INT32, [4, 0, 4, 4]),
        1030: (INT16, [packages.REGULAR] * 4),
        1037: (INT32, [0, 0, 0, 0x40]),
        1095: (INT32, [1] * 4),
        1096: (INT32, [7, 8, 7, 7]),
        1116: (INT32, [0] * 4),
        1117: (STRING_ARRAY, list(names)),
        1118: (STRING_ARRAY, ["/"]),
    }
    payload = packages.cpio_stripped({0: b"", 1: b"", 2: b"same"})
    path = written(tmp_path, packages.rpm_package(payload, tags))
    assert read(path) == ({"a": b"", "b": b"", "c": b"same"}, [])


def test_a_payload_that_was_changed_is_told(tmp_path):
    data = packages.rpm({"a": b"1"})
    path = written(tmp_path, data.replace(b"./a\0\0\x001", b"./a\0\0\x002"))
    found, broken = read(path)
    assert found == {"a": b"2"}
    assert ["the bytes have the sha256" in part.message for part in broken] == [True]


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        ({"tag1124": (STRING, "drpm")}, "format 'drpm'"),
        ({"tag1125": (STRING, "brotli")}, "compressed by 'brotli'"),
        ({"tag1117": (STRING_ARRAY, ["a"])}, "differ in length"),
        ({"tag1116": (INT32, [0, 5, 0])}, "does not name"),
        ({"tag1116": (STRING, "x")}, "expected numbers"),
        ({"tag1117": (INT32, [1, 2, 3])}, "expected text"),
    ],
)
def test_headers_that_contradict_are_told(tmp_path, tags, message):
    unknown = "tag1125" in tags
    data = packages.rpm(FILES, compress=lambda data: b"?" * unknown + data, **tags)
    _, (part,) = read(written(tmp_path, data))
    assert message in part.message
    assert part.where.path == f"{tmp_path}/x"


def test_a_file_that_the_header_does_not_name_is_told(tmp_path):
    data = packages.rpm({"a": b"1", "b": b"2"}, stripped=True)
    data = data.replace(b"07070X00000001", b"07070X00000009")
    found, broken = read(written(tmp_path, data))
    assert found == {"a": b"1"}
    assert any("the header names 2" in part.message for part in broken)


def test_limits_hold_for_rpm(tmp_path):
    path = written(
        tmp_path, packages.rpm({"a": bytes(100_000), "b": b"2"}, compress=gzipped)
    )
    for limit, value in {
        "rpm_header": 100,
        "member": 1000,
        "ratio": 2,
        "members": 1,
    }.items():
        _, broken = read(path, limits=Limits().raised(**{limit: value}))
        assert [part.limit for part in broken] == [limit]
    # the rest is read
    assert read(path, limits=Limits(member=1000))[0] == {"b": b"2"}


def test_header_numbers_that_lie_take_no_memory(tmp_path):
    """Counts and offsets far beyond the header, in each of its entries."""
    data = packages.rpm({"a": b"1"})
    start = data.index(b"\x8e\xad\xe8\x01", 100)
    (count,) = struct.unpack_from(">I", data, start + 8)
    for entry in range(count):
        for field in (8, 12):
            spoiled = bytearray(data)
            struct.pack_into(">I", spoiled, start + 16 + 16 * entry + field, 0xFFFFFFF0)
            read(written(tmp_path, spoiled))
    for field in (8, 12):
        spoiled = bytearray(data)
        struct.pack_into(">I", spoiled, start + field, 0x0FFFFFFF)
        assert read(written(tmp_path, spoiled))[0] == {}


# --- Debian ---------------------------------------------------------------------------------

DEBS = {
    ".xz": lzma.compress,
    ".gz": gzipped,
    ".zst": zstandard.compress,
    ".bz2": bz2.compress,
    ".lzma": alone,
    "": bytes,
}


@pytest.mark.parametrize("suffix", DEBS)
def test_a_debian_package_gives_what_it_installs(tmp_path, suffix):
    data = packages.deb(FILES, suffix=suffix, compress=DEBS[suffix])
    path = written(tmp_path, data)
    assert read(path) == (FILES, [])
    assert inspect(path).kind == "deb"


@pytest.mark.parametrize("suffix", DEBS)
def test_a_cut_debian_package_never_passes(tmp_path, suffix):
    data = packages.deb({"a.so": GOOD}, suffix=suffix, compress=DEBS[suffix])
    assert verify(written(tmp_path, data)).verdict is Verdict.PASS
    end = data.rindex(b"data.tar") + 60 + 1024 + len(GOOD) if not suffix else len(data) - 1
    for size in range(0, end, max(len(data) // 40, 1)):
        report = verify(written(tmp_path, data[:size]))
        assert report.verdict is not Verdict.PASS, size


def test_a_debian_package_without_its_files_is_told(tmp_path):
    data = packages.ar({"debian-binary": b"2.0\n", "control.tar": tar({})})
    _, (part,) = read(written(tmp_path, data))
    assert "without data.tar" in part.message


def test_a_link_in_a_package_is_no_second_file(tmp_path):
    data = packages.deb({"lib.so.1": b"1", "lib.so": Link("lib.so.1", symbolic=True)})
    assert read(written(tmp_path, data)) == ({"lib.so.1": b"1"}, [])


# --- conda, sdist ---------------------------------------------------------------------------


def test_a_conda_package_gives_what_it_installs(tmp_path):
    path = written(tmp_path, packages.conda(FILES))
    found, broken = read(path)
    assert found.pop("metadata.json")
    assert (found, broken) == ({**FILES, "info/index.json": b"{}"}, [])
    assert inspect(path).kind == "conda"


@pytest.mark.parametrize("first", [True, False])
def test_a_conda_package_of_the_first_format(tmp_path, first):
    info = {"info/index.json": b"{}"}
    files = {**info, **FILES} if first else {**FILES, **info}
    path = written(tmp_path, bz2.compress(tar(files)))
    assert read(path)[0] == files
    assert inspect(path).kind == "conda"


@pytest.mark.parametrize("compress", [gzip.compress, bytes])
def test_a_source_distribution(tmp_path, compress):
    files = {"x-1.0/setup.py": b"", "x-1.0/PKG-INFO": b"Name: x", "x-1.0/lib/a.so": GOOD}
    path = written(tmp_path, compress(tar(files)))
    assert inspect(path).kind == "sdist"
    assert verify(path).verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (gzip.compress(tar({"a/b/PKG-INFO": b"", "PKG-INFO": b""})), "tar"),
        (tar({"a": b""}), "tar"),
        (gzip.compress(GOOD), "compressed"),
        (packages.ar({"a.o": b""}), "archive"),
    ],
)
def test_kinds_of_other_archives(tmp_path, data, kind):
    assert inspect(written(tmp_path, data)).kind == kind


def test_a_package_in_a_directory_does_not_name_the_directory(tmp_path):
    (tmp_path / "d").mkdir()
    (tmp_path / "d/x.tar.gz").write_bytes(gzip.compress(tar({"x-1/PKG-INFO": b""})))
    assert inspect(tmp_path / "d").kind == "directory"
