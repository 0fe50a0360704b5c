"""cpio payloads, header by header, and the stream that gives them a byte at a time."""

import random
from struct import pack
from typing import Any

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from kinspect.limits import Limits
from kinspect.sources import Member, open_source
from kinspect.sources.cpio import Cpio, File, relative
from kinspect.sources.member import Context
from tests.reading import view
from tests.writers import packages
from tests.writers.images import gzipped
from tests.writers.packages import (
    DIRECTORY,
    INT32,
    REGULAR,
    STRING,
    SYMLINK,
    cpio_header,
    padded,
)

TRAILER = cpio_header("TRAILER!!!", 0)


class Trickle:
    """A stream that gives less than is asked for, but never nothing before its end."""

    def __init__(self, data: bytes, most: int) -> None:
        self._data = data
        self._most = most
        self.drained = False

    def read(self, size: int) -> bytes:
        size = min(size, self._most)
        data, self._data = self._data[:size], self._data[size:]
        return data

    def drain(self) -> None:
        self.drained = True


def read(payload, files=(), most=1 << 30, **options):
    stream = Trickle(payload, most)
    context = Context(Limits(**options.pop("limits", {})), **options)
    found, broken = {}, []
    cpio = Cpio(stream, view(payload, "x"), files)  # type: ignore[arg-type]
    for part in cpio.members(context):
        if isinstance(part, Member):
            found[part.path.removeprefix("x!")] = bytes(part.view.bytes())
        else:
            broken.append(part.message)
    assert stream.drained or broken
    return found, broken


LARGE = random.Random(1).randbytes(3_000_000)


@pytest.mark.parametrize("most", [1, 3, 4096, 1 << 16])
def test_reads_may_be_short(most):
    content = LARGE[: 20_000 if most < 4096 else None]
    payload = packages.cpio({"a": content, "b": b"2"})
    assert read(payload, most=most) == ({"a": content, "b": b"2"}, [])


@pytest.mark.parametrize("compress", [gzipped, zstandard.compress, bytes])
def test_a_file_that_inflates_in_many_pieces(tmp_path, compress):
    data = packages.rpm({"a.so": LARGE, "b": b"2"}, compress=compress)
    path = tmp_path / "x"
    path.write_bytes(data)
    parts = [p for p in open_source(path).members() if isinstance(p, Member)]
    assert [p.name for p in parts[:1]] == ["a.so"]
    (first, second) = (
        bytes(p.view.bytes()) for p in open_source(path).members() if isinstance(p, Member)
    )
    assert (first == LARGE, second) == (True, b"2")


@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 4095, 4096, 4097])
@pytest.mark.parametrize("name", ["a", "ab", "abc", "abcd"])
def test_headers_and_contents_are_padded_to_four_bytes(name, size):
    files = {name: b"x" * size, "next": b"next"}
    assert read(packages.cpio(files)) == (files, [])


def test_what_is_no_regular_file_is_passed_over_with_its_bytes():
    payload = cpio_header("./link", 6, SYMLINK) + padded(b"target")
    payload += cpio_header("./d", 0, DIRECTORY) + cpio_header("./a", 1) + padded(b"1")
    payload += cpio_header("./skipped", 5000) + padded(bytes(5000))
    assert read(payload + TRAILER, exclude=("skipped",)) == ({"a": b"1"}, [])


def test_what_nobody_wants_is_not_read_further():
    payload = packages.cpio({"a": LARGE[:9000], "b": b"2"})
    asked = []

    def wanted(path, size, head):
        asked.append((path, size, head))
        return path.endswith("b")

    assert read(payload, wanted=wanted) == ({"b": b"2"}, [])
    assert asked == [("x!a", 9000, LARGE[:4096]), ("x!b", 1, b"2")]


def test_a_file_above_the_limit_is_told_and_the_rest_is_read():
    payload = packages.cpio({"a": LARGE[:9000], "b": b"2"})
    found, (told,) = read(payload, limits={"member": 8999})
    assert found == {"b": b"2"}
    assert "member is 9000" in told


def spoiled(field: int, digits: bytes) -> bytes:
    """A header with one of its numbers replaced: 1 is the mode, 6 the size, 11 the name."""
    header = bytearray(cpio_header("./a", 1))
    header[6 + 8 * field : 14 + 8 * field] = digits
    return bytes(header) + padded(b"1") + TRAILER


@pytest.mark.parametrize("field", [1, 6, 11])
@pytest.mark.parametrize(
    "digits", [b"-0000001", b"+0000001", b" 0000001", b"0000_001", b"0x000001", b"0000000g"]
)
def test_a_number_is_hexadecimal_digits(field, digits):
    """What Python would take for one, cpio does not."""
    found, (told,) = read(spoiled(field, digits))
    assert found == {}
    assert "is no number" in told


@pytest.mark.parametrize("digits", [b"0000000a", b"0000000A", b"00000000"])
def test_digits_may_be_of_either_case(digits):
    content = b"x" * int(digits, 16)
    payload = bytearray(cpio_header("./a", 1))
    payload[54:62] = digits
    assert read(bytes(payload) + padded(content) + TRAILER) == ({"a": content}, [])


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        (spoiled(11, b"00000000"), "a name of 0 bytes"),
        (spoiled(11, b"00001001"), "a name of 4097 bytes"),
        (b"070703" + spoiled(1, b"00000000")[6:], "b'070703' at 0x6, where a file"),
        (padded(b"07070X-0000001"), "is no number"),
        (padded(b"07070X00000001"), "file 1, the header names 1"),
        (padded(b"07070X00000000") + b"ab", "ends at 0x12, in the middle"),
        (b"", "ends at 0x0, in the middle"),
        (TRAILER[:-1], "in the middle"),
    ],
)
def test_a_payload_that_can_not_be_read_is_told(payload, message):
    found, (told,) = read(payload, [File("a", REGULAR, 3)])
    assert found == {}
    assert message in told


def test_the_longest_name_that_is_read():
    name = "n" * 4093
    assert read(packages.cpio({name: b"1"})) == ({name: b"1"}, [])


@pytest.mark.parametrize(
    ("name", "path"),
    [("./a", "a"), ("/a", "a"), ("a", "a"), (".a", ".a"), (".//a", "a"), ("..a", "..a"),
     ("./", ""), (".", "."), ("./.a", ".a")],
)  # fmt: skip
def test_names_count_from_the_root(name, path):
    assert relative(name) == path


# --- RPM ------------------------------------------------------------------------------


def source(tmp_path, data):
    path = tmp_path / "x"
    path.write_bytes(data)
    found, broken = {}, []
    for part in open_source(path).members():
        if isinstance(part, Member):
            found[part.path.removeprefix(f"{path}!")] = bytes(part.view.bytes())
        else:
            broken.append(part)
    return found, broken


@pytest.mark.parametrize("length", range(9))
def test_the_signature_is_padded_to_eight_bytes(tmp_path, length):
    data = packages.rpm({"a": b"1"}, signature="s" * length)
    assert source(tmp_path, data) == ({"a": b"1"}, [])


@pytest.mark.parametrize("at", [96, 96 + 16 + 32 + 8])
def test_a_header_starts_with_its_magic(tmp_path, at):
    data = bytearray(packages.rpm({"a": b"1"}))
    assert data[at : at + 4] == b"\x8e\xad\xe8\x01"
    data[at + 3] = 2
    found, (told,) = source(tmp_path, bytes(data))
    assert found == {}
    assert "no header of an RPM package" in told.message
    assert told.where.offset == at


@pytest.mark.parametrize("tag", [1095, 1096, 1037])
def test_without_all_facts_of_links_every_file_has_its_bytes(tmp_path, tag):
    """Devices, inodes, flags: lists that are not those of the files say nothing."""
    files = {"a": b"1", "b": b"2"}
    tags: dict[str, Any] = {f"tag{tag}": (INT32, [7])}
    data = packages.rpm(files, stripped=True, **tags)
    assert source(tmp_path, data) == (files, [])


def test_a_file_without_an_inode_is_no_link(tmp_path):
    files = {"a": b"1", "b": b"2"}
    data = packages.rpm(files, stripped=True, tag1096=(INT32, [0, 0]))
    assert source(tmp_path, data) == (files, [])


def test_the_format_of_a_payload_is_cpio_unless_it_says_so(tmp_path):
    data = packages.rpm_package(packages.cpio({"a": b"1"}), {1000: (STRING, "x")})
    assert source(tmp_path, data) == ({"a": b"1"}, [])


@pytest.mark.parametrize(
    ("algorithm", "digest", "told"),
    [(8, "00" * 32, True), (10, "00" * 64, True), (1, "00" * 16, False), (8, "", False)],
)
def test_a_digest_of_a_known_algorithm_is_compared(tmp_path, algorithm, digest, told):
    """8 is SHA-256, 10 SHA-512; MD5 (1) is none that rpm writes here."""
    tags: dict[str, Any] = {"tag5092": (8, [digest]), "tag5093": (INT32, [algorithm])}
    found, broken = source(tmp_path, packages.rpm({"a": b"1"}, **tags))
    assert found == {"a": b"1"}
    assert ["the bytes have the sha" in one.message for one in broken] == [True] * told


def test_text_of_a_header_must_end(tmp_path):
    data = packages.rpm({"a": b"1"})
    start = data.index(b"\x8e\xad\xe8\x01", 100)
    entry = start + 16
    while data[entry : entry + 4] != pack(">I", 1118):
        entry += 16
    spoiled_ = bytearray(data)
    spoiled_[entry + 12 : entry + 16] = pack(">I", 1 << 20)  # so many texts
    found, (told,) = source(tmp_path, bytes(spoiled_))
    assert found == {}
    assert "tag 1118: text without an end" in told.message


NAMES = st.text("abc.-", min_size=1, max_size=9).filter(lambda name: name.strip("."))
FILES = st.dictionaries(
    st.lists(NAMES, min_size=1, max_size=3).map("/".join),
    st.binary(max_size=50).map(lambda data: b"x" + data) | st.just(b""),
    max_size=5,
)


@given(FILES, st.sampled_from(["070701", "070702"]), st.sampled_from([1, 5, 1 << 20]))
def test_what_was_written_is_read(files, magic, most):
    assert read(packages.cpio(files, magic=magic), most=most) == (files, [])


@given(
    FILES,
    st.sampled_from([gzipped, zstandard.compress, bytes]),
    st.booleans(),
    st.booleans(),
    st.text("s", max_size=9),
)
def test_a_package_that_was_written_is_read(
    tmp_path_factory, files, compress, stripped, digest, signature
):
    data = packages.rpm(
        files, compress=compress, stripped=stripped, digest=digest, signature=signature
    )
    assert source(tmp_path_factory.mktemp("rpm"), data) == (files, [])
