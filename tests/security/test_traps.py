"""Files that are made to do harm. Each one is told, and none passes.

Whatever the trap: no exception but kinspect's own, exit 1 or 2, a finding that names the
file and the place, and bounded time and memory. `index.py` lists all traps, with those
that other tests show.
"""

import gzip
import io
import json
import os
import signal
import struct
import tarfile
import zipfile
import zlib

import pytest

from tests.conftest import SAMPLES
from tests.security import watched
from tests.security.watched import MB, MEMORY, is_told
from tests.writers import (
    Host,
    Image,
    Kernel,
    Slot,
    Wrapper,
    bundle,
    ccob,
    code_object,
    offload_binary,
    packed,
    wheels,
)
from tests.writers.bitstream import MODULE, Abbreviation, Block, Info, Record, stream
from tests.writers.bundles import device
from tests.writers.code_objects import BIAS
from tests.writers.images import Link, gzipped, layer, oci, tar
from tests.writers.kpack import split_host
from tests.writers.quine import quine

GOOD = (SAMPLES / "per_tu_both.so").read_bytes()
BAD = (SAMPLES / "per_tu_one_lacks.so").read_bytes()
A, B = code_object("gfx942"), code_object("gfx950")
ELF = b"\x7fELF\x02\x01\x01" + bytes(57)


class TooSlow(BaseException):
    """Not an Exception: nothing may catch it."""


@pytest.fixture(autouse=True)
def soon():
    """Each trap within half a minute, however busy the machine is."""

    def late(*_):
        raise TooSlow

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(30)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def sprung(kinspect, tmp_path):
    """Verify bytes in this process; what is wrong is told in these words."""

    def call(data, *words, name="x", options=()):
        path = tmp_path / name
        path.write_bytes(data)
        done = kinspect("verify", "--format", "json", *options, path)
        assert done.code in {1, 2}
        assert done.err == ""
        report = json.loads(done.out)
        is_told(report, str(path), *words)
        return report

    return call


@pytest.fixture
def bounded(tmp_path):
    """Verify bytes in a process of their own, whose memory is measured."""

    def call(data, *words, name="x", options=(), memory=MEMORY):
        path = tmp_path / name
        path.write_bytes(data)
        done = watched.kinspect(
            "verify", "--format", "json", *options, path, told=tmp_path / "told"
        )
        assert done.code in {1, 2}
        assert done.err == ""
        assert done.peak < memory
        is_told(done.report, str(path), *words)

    return call


# --- archives -----------------------------------------------------------------------------


def zipped(files, method=zipfile.ZIP_STORED):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return data.getvalue()


def zeros(size, head=ELF):
    """A raw deflate stream of `head` and zeros: a block of 16 MiB, again and again."""
    start = zlib.compressobj(9, zlib.DEFLATED, -15)
    data = start.compress(head) + start.flush(zlib.Z_FULL_FLUSH)
    block = zlib.compressobj(9, zlib.DEFLATED, -15)
    one = block.compress(bytes(16 * MB)) + block.flush(zlib.Z_FULL_FLUSH)
    return data + one * (size // (16 * MB)) + b"\x03\x00"  # the last block, of nothing


def zip_of(deflated, size, name=b"lib.so"):
    """A zip of one deflated member that claims to have `size` bytes."""
    facts = (20, 0, 8, 0, 0x21, 0, len(deflated), size, len(name), 0)
    local = struct.pack("<I5H3I2H", 0x04034B50, *facts) + name + deflated
    entry = struct.pack("<I6H3I5H2I", 0x02014B50, 20, *facts, 0, 0, 0, 0, 0) + name
    end = (0, 0, 1, 1, len(entry), len(local), 0)
    return local + entry + struct.pack("<I4H2IH", 0x06054B50, *end)


def test_a_zip_bomb_that_says_so_is_not_inflated(bounded):
    """3 GiB of 3 MiB, against a limit for a runner of less."""
    data = zip_of(zeros(3 << 30), (3 << 30) + len(ELF))
    assert len(data) < 4 * MB
    bounded(data, "member is", "--limit member=", options=["--limit", "member=1000000000"])


def test_a_zip_bomb_that_lies_is_inflated_as_far_as_it_says(bounded):
    bounded(zip_of(zeros(3 << 30), 1000), "more than its 1000 bytes")


def test_a_zip_bomb_without_any_number_meets_the_ratio(sprung):
    data = zip_of(zeros(16 * MB), 0xFFFF_FFFE)
    sprung(data, "ratio is", "--limit ratio=")


def rle(size, head=ELF):
    """A frame of zstd (RFC 8878, 3.1.1.2): 128 KiB of zeros from each four bytes."""
    data = b"\x28\xb5\x2f\xfd\x00\x58"  # a window of 2 MiB, no size, no checksum
    data += (len(head) << 3).to_bytes(3, "little") + head  # as it is
    block = ((1 << 17) << 3 | 1 << 1).to_bytes(3, "little") + b"\0"
    return data + block * (size >> 17) + b"\x01\0\0"


def test_a_zstd_bomb_meets_the_ratio(bounded):
    """2 GiB of 64 KiB, of which the ratio of 4096 allows an eighth."""
    data = rle(2 << 30)
    assert len(data) < 70_000
    bounded(data, "ratio is", "--limit ratio=", memory=MEMORY + 4096 * len(data))


def test_a_zstd_bomb_in_a_tar_meets_the_ratio(bounded):
    head = bytearray(layer({"lib.so": ELF}))[:512]
    head[124:136] = b"%011o\0" % (1 << 30)
    head[148:156] = b" " * 8
    head[148:156] = b"%06o\0 " % sum(head)
    data = rle(1 << 30, bytes(head) + ELF)
    bounded(data, "ratio is", memory=MEMORY + 4096 * len(data))


def test_nested_bombs_meet_one_total(bounded):
    """Ten times ten bombs of 64 MiB, each of which is allowed: 6.4 GB of 64 KB."""
    bomb = zip_of(zeros(64 * MB), 64 * MB + len(ELF))
    inner = zipped({f"{n}.zip": bomb for n in range(10)})
    data = zipped({f"{n}.zip": inner for n in range(10)})
    bounded(data, "total is", "--limit total=", options=["--limit", "total=500000000"])


def test_what_is_held_to_record_counts_for_the_total_too(kinspect, tmp_path):
    """`audit` hashes files that are no binaries, and so need not be inflated else."""
    files = {"lib.so": GOOD, "bomb.txt": bytes(1_000_000)}
    path = wheels.build(tmp_path, files)
    assert kinspect("audit", path).code == 0
    done = kinspect("audit", "--limit", "total=900000", path)
    assert done.code == 2
    assert "total is" in done.out
    assert "--limit total=" in done.out


def test_an_archive_that_holds_itself_ends(sprung):
    """A quine: `gzip -dc x.gz` is x.gz."""
    report = sprung(quine(), "nesting is 9", "--limit nesting=9", name="x.gz")
    assert report["verdict"] == "unknown"


def test_an_archive_that_holds_itself_beside_a_library_hides_nothing(sprung):
    report = sprung(zipped({"x.gz": quine(), "lib.so": BAD}), "nesting is 9")
    assert report["verdict"] == "fail"


def odd_tar(content):
    """Names that lead out, links and devices; the library lies behind them all."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        for name, kind, link in (
            ("/etc/passwd", tarfile.REGTYPE, ""),
            ("../../../../tmp/out.so", tarfile.REGTYPE, ""),
            ("dev/zero", tarfile.CHRTYPE, ""),
            ("dev/sda", tarfile.BLKTYPE, ""),
            ("pipe", tarfile.FIFOTYPE, ""),
            ("link.so", tarfile.SYMTYPE, "/etc/passwd"),
            ("up", tarfile.SYMTYPE, "../../.."),
            ("hard.so", tarfile.LNKTYPE, "../../etc/shadow"),
            ("up/lib.so", tarfile.REGTYPE, ""),
        ):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, link
            body = content if kind == tarfile.REGTYPE and name.endswith(".so") else b""
            info.size = len(body)
            archive.addfile(info, io.BytesIO(body))
    return data.getvalue()


def test_a_tar_with_names_that_lead_out_links_and_devices_is_just_read(sprung, tmp_path):
    report = sprung(odd_tar(BAD), "no code object that HIP would load", name="x.tar")
    paths = [one["path"] for one in report["artifacts"][0]["binaries"]]
    assert sorted(path.removeprefix(f"{tmp_path}/x.tar!") for path in paths) == [
        "../../../../tmp/out.so", "up/lib.so",
    ]  # fmt: skip
    assert [path.name for path in tmp_path.iterdir()] == ["x.tar"]


def test_what_is_extracted_of_such_a_tar_stays_where_it_should(kinspect, tmp_path):
    (tmp_path / "x.tar").write_bytes(odd_tar(GOOD))
    out = tmp_path / "deep/out"
    done = kinspect("extract", tmp_path / "x.tar", "-o", out)
    assert done.code == 0
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(written) > 4
    assert all(out in path.parents for path in written if path.name != "x.tar")
    assert not any(path.is_symlink() for path in tmp_path.rglob("*"))


def test_a_flood_of_members_that_can_not_be_read_is_told_in_few_words(bounded):
    """5,000 members, each of which would be a finding, in an archive of 50 KB."""
    data = gzip.compress(tar(dict.fromkeys(map(str, range(5000)), b"\x7fELF")))
    assert len(data) < 50_000
    bounded(data, "broken is 101", "--limit broken=", options=["--limit", "broken=100"])


def test_members_beyond_their_limit_are_told_once(sprung):
    data = zipped(dict.fromkeys(map(str, range(1000)), b""))
    report = sprung(data, "members is 11", options=["--limit", "members=10"])
    assert len(report["findings"]) == 1


@pytest.mark.parametrize(
    "name", ["x" * 5000, "/dev/zero", "../" * 2000, "..", "a\0b", "pipe"]
)
def test_a_thin_archive_that_names_what_is_no_file_beside_it(sprung, tmp_path, name):
    """Its members are files that it names: none is opened that is no file."""
    os.mkfifo(tmp_path / "pipe")
    table = f"{name}/\n".encode()
    data = b"!<thin>\n"
    for head, size in (("//", len(table)), ("/0", 100)):
        data += f"{head:16}{0:<12}{0:<6}{0:<6}{'644':8}{size:<10}`\n".encode()
        data += table + b"\n" * (len(table) % 2) if head == "//" else b""
    sprung(data, "the thin archive refers to", name="x.a")


@pytest.mark.parametrize(
    "name",
    ["a\0b/@GFXARCH@.kpack", "x" * 5000, "../" * 3000 + "@GFXARCH@", "@GFXARCH@/" * 999, "/",
     "/dev/zero", "", "@GFXARCH@\0"],
)  # fmt: skip
def test_a_split_host_that_names_archives_which_can_not_be(sprung, name):
    report = sprung(split_host("lib/a.so", name), "", name="a.so")
    assert {finding["rule"] for finding in report["findings"]} >= {"kpack-unresolved"}


@pytest.mark.parametrize(
    ("offset", "what"), [(8, "method"), (14, "CRC"), (18, "stored size"), (22, "size")]
)
def test_a_local_header_that_disagrees_with_the_directory_is_told(sprung, offset, what):
    """Who unpacks while it is downloaded goes by the local headers alone."""
    data = bytearray(zipped({"lib.so": GOOD}, zipfile.ZIP_DEFLATED))
    data[offset] ^= 1
    sprung(data, "the local header disagrees with the directory")


def test_whiteouts_that_no_layer_may_hold_hide_nothing(sprung):
    """The library below is seen, whatever these names would hide elsewhere."""
    tricks = {
        ".wh.": b"", "a/.wh..": b"", ".wh.../lib.so": b"", "a/.wh.lib.so/x": b"",
        "b/.wh..wh.lib.so": b"", "../.wh.lib.so": b"", ".wh.a\0b": b"",
    }  # fmt: skip
    image = oci([layer({"lib.so": BAD}), layer(tricks)], compress=gzipped, suffix="+gzip")
    report = sprung(tar(image), "no code object that HIP would load")
    assert report["verdict"] == "fail"


def test_a_whiteout_that_is_a_link_or_a_device_is_one_all_the_same(kinspect, tmp_path):
    """As container runtimes take it, by its name alone."""
    for upper in ({".wh.lib.so": Link("x", symbolic=True)}, {".wh.lib.so": None}):
        image = oci([layer({"lib.so": BAD, "good.so": GOOD}), layer(upper)])
        (tmp_path / "image.tar").write_bytes(tar(image))
        assert kinspect("verify", tmp_path / "image.tar").code == 0


# --- containers of device code ------------------------------------------------------------


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("size", [1, 1000, (4 << 30) - 1])
def test_a_compressed_bundle_that_lies_about_its_size(bounded, version, size):
    """A size of 4 GiB is an address range and no memory."""
    good = bundle(("gfx942", A), ("gfx950", B))
    data = bytearray(ccob(good, version=version))
    letter, at = ("<I", 12) if version == 2 else ("<Q", 16)
    assert struct.unpack_from(letter, data, at) == (len(good),)
    struct.pack_into(letter, data, at, size)
    bounded(Host(bytes(data)).build().data)


def test_a_compressed_bundle_that_promises_2_to_the_63_bytes(sprung):
    data = bytearray(ccob(bundle(("gfx942", A)), version=3))
    struct.pack_into("<Q", data, 16, 1 << 63)
    sprung(bytes(data), "inflated is", "--limit inflated=")


@pytest.mark.parametrize("version", [2, 3])
def test_a_compressed_bundle_that_ends_elsewhere_than_it_says(sprung, version):
    data = bytearray(ccob(bundle(("gfx942", A), ("gfx950", B)), version=version))
    struct.pack_into("<I" if version == 2 else "<Q", data, 8, 1 << 31)
    sprung(bytes(data), "CCOB of 2147483648 bytes")


@pytest.mark.parametrize(
    ("offset", "size", "words"),
    [
        (0, None, "overlaps the bundle's header"),
        (24, None, "overlaps the bundle's header"),
        (1 << 40, None, "needs"),
        ((1 << 64) - 1, None, "needs"),
        (None, 1 << 63, "needs 9223372036854775808 bytes"),
        ((1 << 64) - 8, 16, "needs"),
    ],
)
def test_entries_that_point_backwards_or_beyond(sprung, offset, size, words):
    data = bundle(("gfx942", A), Slot(device("gfx950"), B, offset, size))
    sprung(Host(data).build().data, words)


def test_entries_that_overlap(sprung):
    """Both entries are the same bytes, so that one of them has the wrong code object."""
    start = struct.unpack_from("<Q", bundle(("gfx942", A), host=False), 32)[0]
    offset = bundle(("gfx942", A), ("gfx950", B)).index(A)
    assert start < offset
    data = bundle(("gfx942", A), Slot(device("gfx950"), B, offset, len(A)))
    sprung(Host(data).build().data, "overlap")


def test_four_thousand_entries_for_the_same_bytes(bounded):
    """Each would be read: 4 GB of 1 MB."""
    large = code_object("gfx950", *[f"k{number}" for number in range(3000)])
    empty = [Slot(device("gfx950"), b"", 0, 0)] * 4000
    at = bundle(("gfx942", large), *empty).index(large)
    same = [Slot(device("gfx950"), b"", at, len(large))] * 4000
    data = bundle(("gfx942", large), *same)
    bounded(Host(data).build().data, "overlap is", "--limit overlap=")


def test_a_thousand_bundles_within_each_other(bounded):
    """Wrappers that point at headers, one behind the other, all for the same bytes."""
    large = code_object("gfx950", *[f"k{number}" for number in range(3000)])
    heads, step = 1000, len(bundle(Slot(device("gfx950"), b"", 0, 0), host=False))
    data = b"".join(
        bundle(Slot(device("gfx950"), b"", step * (heads - n), len(large)), host=False)
        for n in range(heads)
    )
    wrappers = [Wrapper(at=step * number) for number in range(heads)]
    bounded(Host(data + large, wrappers).build().data, "overlap is")


COUNTS = {
    "bundle": (bundle(("gfx942", A), ("gfx950", B)), 24, "<Q", "entries is"),
    "offload binary": (
        offload_binary(Image(A), Image(B, "gfx950"), version=2),
        24,
        "<Q",
        "",
    ),
    "ccob": (ccob(bundle(("gfx942", A)), version=3), 8, "<Q", "CCOB of"),
}


@pytest.mark.parametrize("count", [(1 << 63) - 1, 1 << 63, (1 << 64) - 1])
@pytest.mark.parametrize("name", COUNTS)
def test_counts_of_2_to_the_63(sprung, name, count):
    data, at, letter, words = COUNTS[name]
    spoiled = bytearray(data)
    struct.pack_into(letter, spoiled, at, count)
    sprung(bytes(spoiled), words)


def test_as_many_sections_as_2_to_the_63(sprung):
    """Section 0 tells how many there are, where the header has no room for it."""
    data = bytearray(Host(bundle(("gfx942", A), ("gfx950", B))).build().data)
    (headers,) = struct.unpack_from("<Q", data, 40)
    struct.pack_into("<H", data, 60, 0)
    struct.pack_into("<Q", data, headers + 32, 1 << 63)
    sprung(bytes(data), "headers is")


@pytest.mark.parametrize("size", [1 << 30, (1 << 63) - 1, 1 << 63, (1 << 64) - 1])
def test_an_id_of_gigabytes(bounded, size):
    data = bundle(("gfx942", A), Slot(device("gfx950"), B, id_size=size))
    bounded(Host(data).build().data, "entry_id is", "--limit entry_id=")


# --- ELF ----------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 55, 63, 0xFFFF])
@pytest.mark.parametrize("at", [54, 58], ids=["segments", "sections"])
@pytest.mark.parametrize("kind", ["host", "code object"])
def test_entry_sizes_of_headers(sprung, kind, at, size):
    if kind == "host":
        data = bytearray(Host(bundle(("gfx942", A), ("gfx950", B))).build().data)
        struct.pack_into("<H", data, at, size)
        sprung(bytes(data))
    else:
        spoiled = bytearray(B)
        struct.pack_into("<H", spoiled, at, size)
        sprung(bundle(("gfx942", A), ("gfx950", bytes(spoiled))))


@pytest.mark.parametrize("size", [0, 1, 23, 25, 1 << 31, (1 << 64) - 1])
def test_entry_sizes_of_tables(kinspect, tmp_path, size):
    """Of symbols and relocations, by sections and by dynamic tags: it ends, in a verdict."""
    built = Host(bundle(("gfx942", A), ("gfx950", B)), functions=["__device_stub__k"])
    data = built.build()
    for place in entry_sizes(data):
        spoiled = bytearray(data.data)
        struct.pack_into("<Q", spoiled, place, size)
        (tmp_path / "x").write_bytes(spoiled)
        done = kinspect("verify", tmp_path / "x")
        assert done.code in {0, 1, 2}  # sections alone are no matter for the loader
        assert done.err == ""


def entry_sizes(built):
    """Where `sh_entsize` of each table lies, and DT_SYMENT, DT_RELAENT."""
    data = built.data
    (headers,), (count,) = struct.unpack_from("<Q", data, 40), (data[60],)
    for number in range(count):
        if struct.unpack_from("<Q", data, headers + 64 * number + 56)[0]:
            yield headers + 64 * number + 56
    at = built.place[".dynamic"]
    while (tag := struct.unpack_from("<q", data, at)[0]) != 0:
        if tag in {9, 11}:
            yield at + 8
        at += 16


def noted(contents):
    """A bundle whose second code object has these bytes for its notes."""
    spoiled = bytearray(code_object("gfx950", records=[bytes(len(contents))]))
    (headers,), (count,) = struct.unpack_from("<Q", spoiled, 32), (spoiled[56],)
    for number in range(count):
        at = headers + 56 * number
        if struct.unpack_from("<I", spoiled, at) == (4,):
            (offset,) = struct.unpack_from("<Q", spoiled, at + 8)
            spoiled[offset : offset + len(contents)] = contents
    return bundle(("gfx942", A), ("gfx950", bytes(spoiled)))


@pytest.mark.parametrize("name", [0, 1, 7, (1 << 32) - 16, (1 << 32) - 12, (1 << 32) - 1])
@pytest.mark.parametrize("size", [0, (1 << 32) - 16, (1 << 32) - 12, (1 << 32) - 1])
def test_notes_that_lead_back_to_themselves(sprung, name, size):
    """Lengths that make the next note this one, if they are added in 32 bits."""
    sprung(noted(struct.pack("<3I8s", name, size, 32, b"AMDGPU\0\0")))


def test_notes_that_overlap(sprung):
    """Two segments for the same record: its kernels are listed twice."""
    data = bytearray(code_object("gfx950"))
    (headers,), (count,) = struct.unpack_from("<Q", data, 32), (data[56],)
    rows = [bytes(data[headers + 56 * n :][:56]) for n in range(count)]
    (notes,) = [row for row in rows if row[:4] == b"\4\0\0\0"]
    (dynamic,) = [n for n, row in enumerate(rows) if row[:4] == b"\2\0\0\0"]
    data[headers + 56 * dynamic :][:56] = notes
    at = headers + 56 * dynamic
    data[at : at + 56] = notes
    sprung(bundle(("gfx942", A), ("gfx950", bytes(data))))


def nested(depth, kind):
    """Metadata with an array or a map in the other, `depth` of them."""
    return (b"\x91" if kind == "arrays" else b"\x81\xa1k") * depth + b"\xc0"


@pytest.mark.parametrize("kind", ["arrays", "maps"])
@pytest.mark.parametrize("key", ["amdhsa.kernels", "amdhsa.printf", "amdhsa.version"])
def test_metadata_nested_100000_deep(bounded, key, kind):
    record = b"\x82" + packed("amdhsa.target") + packed("amdgcn-amd-amdhsa--gfx950")
    record += packed(key) + nested(100_000, kind)
    data = bundle(("gfx942", A), ("gfx950", code_object("gfx950", records=[record])))
    bounded(data, "metadata")


def test_documents_of_an_image_nested_100000_deep(sprung):
    image = oci([layer({"lib.so": GOOD})])
    image["index.json"] = b'{"manifests": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    sprung(tar(image), "JSON")


@pytest.mark.parametrize("size", [1 << 16, (1 << 32) - 1])
def test_metadata_that_promises_2_to_the_32_kernels(bounded, size):
    record = b"\x82" + packed("amdhsa.version") + packed([1, 2])
    record += packed("amdhsa.kernels") + struct.pack(">BI", 0xDD, size)
    data = bundle(("gfx942", A), ("gfx950", code_object("gfx950", records=[record])))
    bounded(data, "metadata")


@pytest.mark.parametrize("record", [0, 1], ids=["one record", "two records"])
def test_kernels_of_the_same_name(sprung, record):
    twice = code_object("gfx950", Kernel("k"), Kernel("k", record=record, descriptor=False))
    sprung(bundle(("gfx942", code_object("gfx942", "k")), ("gfx950", twice)), "twice")


@pytest.mark.parametrize(
    "address", [0, 1, BIAS - 64, 1 << 40, (1 << 64) - 64, (1 << 64) - 1]
)
def test_descriptors_outside_of_any_section(sprung, address):
    lost = code_object("gfx950", Kernel("k", address=address))
    sprung(bundle(("gfx942", code_object("gfx942", "k")), ("gfx950", lost)), "k.kd lies in")


def tags(built):
    at = built.place[".dynamic"]
    while (tag := struct.unpack_from("<q", built.data, at)[0]) != 0:
        yield tag, at
        at += 16


@pytest.mark.parametrize("size", [1 << 31, 1 << 62, (1 << 64) - 24])
@pytest.mark.parametrize(
    ("by", "tag"), [("relative", 8), ("relr", 35)], ids=["RELA", "RELR"]
)
def test_dynamic_relocations_without_end(sprung, by, tag, size):
    data = bundle(("gfx942", A), ("gfx950", B))
    built = Host(data, [Wrapper(by=by)]).build()
    spoiled = bytearray(built.data)
    (at,) = [place for one, place in tags(built) if one == tag]
    struct.pack_into("<Q", spoiled, at + 8, size)
    sprung(bytes(spoiled))


def test_relocations_of_bitmaps_of_the_whole_address_space(kinspect, tmp_path):
    """Each bit of 2 MB says that a word is relocated, the pointer's own among them."""
    data = bundle(("gfx942", A), ("gfx950", B))
    built = Host(data, [Wrapper(by="relr")], data={".more": b"\xff" * (2 * MB)}).build()
    spoiled = bytearray(built.data)
    for tag, at in tags(built):
        if tag in {35, 36}:
            value = 2 * MB if tag == 35 else built.address[".more"]
            struct.pack_into("<Q", spoiled, at + 8, value)
    (tmp_path / "x").write_bytes(spoiled)
    done = watched.kinspect("verify", tmp_path / "x", told=tmp_path / "told")
    assert (done.code, done.err) == (0, "")
    assert done.peak < MEMORY
    assert kinspect("verify", "--limit", "relocations=1000", tmp_path / "x").code == 2


# --- bitcode ------------------------------------------------------------------------------


@pytest.mark.parametrize("element", [("literal", 7), ("fixed", 0), ("vbr", 0)])
def test_arrays_of_elements_that_take_no_bits(bounded, element):
    """Each record would be as long as the file has bits."""
    abbreviation = Abbreviation([("literal", 1), ("array", 0), element])
    good = stream(Block(MODULE, [abbreviation, Record(1, [], by=0)]))
    bounded(good, "an array of nothing")


def test_records_of_literals_alone(bounded):
    """Two bits of the file for a record of 2,000 values, four million times."""
    abbreviation = Abbreviation([("literal", 99)] * 2000)
    records = [Record(99, [99] * 1999, by=0)] * 2_000
    data = stream(Block(MODULE, [abbreviation, *records], width=3))
    bounded(data, "bitcode_records is", options=["--limit", "bitcode_records=10000"])


def test_abbreviations_that_every_block_gets(bounded):
    """A thousand for each of a thousand blocks."""
    many = Info({MODULE: [[("literal", 1)]] * 1_000})
    data = stream(many, *[Block(MODULE, [])] * 1_000)
    bounded(data, "bitcode_records is", options=["--limit", "bitcode_records=10000"])


def test_blocks_nested_without_end(sprung):
    inner = Block(MODULE, [])
    for _ in range(100):
        inner = Block(MODULE, [inner])
    sprung(stream(inner), "nested")


def test_nothing_of_a_trap_is_executed_or_left(tmp_path, kinspect):
    """Names of members that a shell would take for a command, a path or an option."""
    names = ["$(touch x).so", "`touch y`.so", "-rf.so", "; touch z.so", "%s%n.so"]
    (tmp_path / "x.zip").write_bytes(zipped(dict.fromkeys(names, BAD)))
    assert kinspect("verify", "--format", "json", tmp_path / "x.zip").code == 1
    assert [path.name for path in tmp_path.iterdir()] == ["x.zip"]
