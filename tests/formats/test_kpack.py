"""kpack references and archives, written field by field, and the search for them."""

import contextlib
import pickle
from struct import pack_into
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinspect.errors import FormatError, LimitExceeded
from kinspect.formats import kpack, kpack_bundles, kpack_search
from kinspect.formats.container import Reader
from kinspect.formats.kpack_search import Chosen, Generation, Missing, Reason
from kinspect.kpack import KpackReference
from kinspect.limits import Limits
from kinspect.model import Bundle
from kinspect.target import TargetID
from kinspect.view import Memory, View
from tests.writers.kpack import archive, frame, header, toc_of
from tests.writers.kpack import reference as packed_reference

encode = msgspec.msgpack.encode

ONE = b"\x7fELF one of gfx942".ljust(300, b"\1")
TWO = b"\x7fELF one of gfx950".ljust(200, b"\2")
THREE = b"\x7fELF two of gfx942".ljust(100, b"\3")

KERNELS = {
    ("lib/libfoo.so#0", "gfx942"): ONE,
    ("lib/libfoo.so#0", "gfx950"): TWO,
    ("lib/libfoo.so#1", "gfx942"): THREE,
}


def view(data: bytes, path: str = "t.kpack") -> View:
    return View(Memory(data), path)


def write(
    kernels: dict[tuple[str, str], bytes] | None = None, scheme: str = "none", **fields
) -> bytes:
    return archive(KERNELS if kernels is None else kernels, scheme, **fields)


def parse(data: bytes, limits: Limits | None = None):
    return kpack.parse_archive(view(data), limits or Limits())


def everything(data: bytes) -> None:
    """Read all that an archive promises."""
    for entry in parse(data).entries:
        assert len(kpack.payload(entry)) == entry.original_size


BOTH = pytest.mark.parametrize("scheme", ["none", "zstd-per-kernel"])


# --- references ---------------------------------------------------------------------

REFERENCE = {
    "kernel_name": "lib/libtorch_hip.so",
    "kpack_search_paths": ["../.kpack/torch_@GFXARCH@.kpack"],
}


@pytest.mark.parametrize("tail", [b"", bytes(512), b"\xc1 anything \xff" * 9])
def test_a_reference_ends_where_its_msgpack_does(tail):
    reference = kpack.parse_reference(view(encode(REFERENCE) + tail))
    assert reference.kernel_name == "lib/libtorch_hip.so"
    assert reference.search_paths == ("../.kpack/torch_@GFXARCH@.kpack",)


OTHERS = {
    "nil": None,
    "booleans": [True, False],
    "integers": [0, -1, 127, 128, 1 << 8, 1 << 16, 1 << 32, (1 << 64) - 1],
    "negative": [-33, -(1 << 8), -(1 << 16), -(1 << 32), -(1 << 63)],
    "float": 1.5,
    "texts": ["", "s" * 31, "s" * 32, "s" * 256, "s" * 40000],
    "binary": [b"", b"b" * 256, b"b" * 10000],
    "arrays": [list(range(15)), list(range(16)), list(range(400))],
    "maps": [{str(n): n for n in range(15)}, {str(n): n for n in range(16)}],
    "extension": [msgspec.msgpack.Ext(5, b"e" * n) for n in (1, 2, 3, 4, 8, 16, 17, 300)],
}


def test_other_keys_of_a_reference_are_passed_over():
    data = encode(OTHERS | REFERENCE) + bytes(9)
    assert kpack.parse_reference(view(data)).kernel_name == "lib/libtorch_hip.so"


def test_wide_formats_are_measured():
    # what msgspec writes only for large objects
    wide = (
        b"\xdf\0\0\0\2"
        b"\xdb\0\0\0\x0bkernel_name\xda\0\1k"
        b"\xb2kpack_search_paths\xdd\0\0\0\1\xd9\1p"
    )
    reference = kpack.parse_reference(view(wide + b"\0"))
    assert reference == KpackReference("k", ("p",))
    wide = b"\xdc\0\4\xc6\0\0\0\1b\xc9\0\0\0\1\5e\xca\0\0\0\0\xcb" + bytes(8)
    with pytest.raises(FormatError, match="Expected `object`, got `array`"):
        kpack.parse_reference(view(wide))


def test_what_is_no_text_among_the_paths_is_passed_over():
    paths = [1, "a.kpack", None, b"b.kpack"]
    data = encode(REFERENCE | {"kpack_search_paths": paths})
    assert kpack.parse_reference(view(data)).search_paths == ("a.kpack",)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "needs 1 bytes, 0 left"),
        (b"\xc1", "msgpack of no format: 0xc1"),
        (b"\x93\1\2", "needs 3 bytes, 2 left"),
        (b"\xdd\xff\xff\xff\xff", "needs 4294967295 bytes"),
        (b"\xdf\xff\xff\xff\xff", "needs 8589934590 bytes"),
        (b"\xdb\xff\xff\xff\xff", "needs 4294967300 bytes"),
        (b"\xda\xff", "needs 2 bytes, 1 left"),
        (b"\x91" * 70_000, "needs 1 bytes, 0 left"),
        (b"\x81\xa1x" + b"\x91" * 60_000 + b"\x90", "msgpack: maximum recursion"),
        (encode([1]), "Expected `object`, got `array`"),
        (encode({}), "missing required field `kernel_name`"),
        (encode({"kernel_name": "k"}), "required field `kpack_search_paths`"),
        (encode(REFERENCE | {"kernel_name": 1}), "Expected `str`, got `int`"),
        (encode(REFERENCE | {"kpack_search_paths": "a"}), "Expected `array`"),
        (encode(REFERENCE | {"kpack_search_paths": []}), "without search paths"),
        (encode(REFERENCE | {"kpack_search_paths": [1]}), "without search paths"),
        (encode(REFERENCE | {"rest": "s" * (1 << 16)}), "needs"),
        (b"\x81\xa1\xff\1", "msgpack: Invalid UTF-8|missing"),
    ],
)
def test_what_is_no_reference(data, message):
    with pytest.raises(FormatError, match=message):
        kpack.parse_reference(view(data))


def test_every_truncation_of_a_reference():
    data = encode(REFERENCE)
    for size in range(len(data)):
        with pytest.raises(FormatError):
            kpack.parse_reference(view(data[:size]))


@given(st.binary(max_size=64))
def test_any_bytes_are_a_reference_or_a_format_error(data):
    for start in (b"", encode(REFERENCE)[:20], encode(REFERENCE)[:50]):
        with contextlib.suppress(FormatError):
            kpack.parse_reference(view(start + data))


# --- archives -----------------------------------------------------------------------


@BOTH
def test_an_archive(scheme):
    archive = parse(write(scheme=scheme))
    assert archive.path == "t.kpack"
    assert archive.group_name == "foo_lib"
    assert archive.gfx_arch_family == "gfx94X"
    assert archive.gfx_arches == ("gfx942", "gfx950")
    assert archive.scheme == scheme
    assert archive.faults == ()
    listed = [(e.kernel_name, e.index, e.arch, e.type) for e in archive.entries]
    assert listed == [
        ("lib/libfoo.so", 0, "gfx942", "hsaco"),
        ("lib/libfoo.so", 0, "gfx950", "hsaco"),
        ("lib/libfoo.so", 1, "gfx942", "hsaco"),
    ]
    for entry in archive.entries:
        data = kpack.payload(entry)
        assert bytes(data.bytes()) == KERNELS[entry.key, entry.arch]
        assert data.path == "t.kpack"
        assert entry.key in data.layer
        assert entry.arch in data.layer


def test_plain_payloads_lie_in_the_file():
    archive = parse(write())
    assert [kpack.payload(e).start for e in archive.entries] == [64, 364, 564]
    assert kpack.payload(archive.entries[0]).layer == "lib/libfoo.so#0 gfx942"


def test_inflated_payloads_say_so():
    (entry, *_) = parse(write(scheme="zstd-per-kernel")).entries
    assert kpack.payload(entry).layer == "lib/libfoo.so#0 gfx942 inflated"
    assert entry.stored.start == 64 + 8


def test_the_padding_may_differ():
    # Composable Kernel's writer pads nothing
    everything(write(scheme="zstd-per-kernel", start=16))


def test_frames_need_not_tell_their_size():
    frames = [frame(data, write_content_size=False) for data in KERNELS.values()]
    everything(write(scheme="zstd-per-kernel", frames=frames))


def test_frames_may_have_a_checksum():
    frames = [frame(data, write_checksum=True) for data in KERNELS.values()]
    everything(write(scheme="zstd-per-kernel", frames=frames))


def test_find_looks_up_text_as_the_loader_does():
    archive = parse(write())
    assert archive.find("lib/libfoo.so", 1, "gfx942") is archive.entries[2]
    assert archive.find("lib/libfoo.so", 1, "gfx950") is None
    assert archive.find("lib/libfoo.so", 2, "gfx942") is None
    assert archive.find("libfoo.so", 0, "gfx942") is None
    assert archive.find("lib/libfoo.so", 0, "gfx942:xnack-") is None


@pytest.mark.parametrize(
    ("key", "kernel_name", "index"),
    [
        ("lib/a.so#0", "lib/a.so", 0),
        ("lib/a.so#10", "lib/a.so", 10),
        ("lib/a#1.so#2", "lib/a#1.so", 2),
        ("kernel.co", "kernel.co", None),
        ("lib/a.so#", "lib/a.so#", None),
        ("lib/a.so#01", "lib/a.so#01", None),
        ("lib/a.so#-1", "lib/a.so#-1", None),
        ("lib/a.so#x", "lib/a.so#x", None),
        ("lib/a.so#1 ", "lib/a.so#1 ", None),
    ],
)
def test_keys_are_a_binary_and_an_index(key, kernel_name, index):
    (entry,) = parse(write({(key, "gfx942"): ONE})).entries
    assert (entry.kernel_name, entry.index) == (kernel_name, index)


def test_keys_without_an_index_are_listed_first():
    kernels = {(key, "gfx942"): ONE for key in ("a#10", "a#9", "a#0", "a", "b")}
    keys = [entry.key for entry in parse(write(kernels)).entries]
    assert keys == ["a", "a#0", "a#9", "a#10", "b"]


def test_other_fields_of_an_archive_are_passed_over():
    toc = toc_of(KERNELS)
    toc["lib/libfoo.so#0"]["gfx942"]["metadata"] = {"target": "hipv4-…", "deep": [1]}
    assert len(parse(write(toc=toc, variant_specs=[{"a": 1}])).entries) == 3


def test_fields_that_the_loader_does_without():
    drop = ("format_version", "group_name", "gfx_arch_family", "compression_scheme")
    archive = parse(write(drop=drop))
    assert archive.scheme == "none"
    assert archive.group_name == ""
    assert len(archive.entries) == 3


def test_code_that_is_not_listed_is_never_loaded():
    archive = parse(write(gfx_arches=["gfx942"]))
    (fault,) = archive.faults
    assert "code for gfx950, and does not list it" in fault.message


def test_a_plain_payload_of_another_size_than_told():
    toc = toc_of(KERNELS)
    toc["lib/libfoo.so#1"]["gfx942"]["original_size"] = 99
    archive = parse(write(toc=toc))
    (fault,) = archive.faults
    assert "lib/libfoo.so#1 for gfx942 has 100 bytes, not 99" in fault.message
    assert fault.where.offset == 564


def test_plain_payloads_need_no_size():
    toc = toc_of(KERNELS)
    del toc["lib/libfoo.so#1"]["gfx942"]["original_size"]
    archive = parse(write(toc=toc))
    assert archive.faults == ()
    assert len(kpack.payload(archive.entries[2])) == 100


def test_two_entries_may_share_a_payload():
    toc = toc_of(KERNELS)
    toc["lib/libfoo.so#1"]["gfx942"] = toc["lib/libfoo.so#0"]["gfx942"]
    first, _, third = parse(write(toc=toc)).entries
    assert first.stored is third.stored


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "no kpack archive: expected KPAK"),
        (b"XPAK" + write()[4:], "no kpack archive: expected KPAK"),
        (b"KPAK\1\0\0\0", "needs 16 bytes, 8 left"),
        (header(16, 0) + b"\x80", "kpack version 0, expected 1"),
        (header(16, 2) + b"\x80", "kpack version 2, expected 1"),
        (header(0), "table of contents at 0x0"),
        (header(15) + b"\x80", "table of contents at 0xf"),
        (header(16), "table of contents at 0x10, beyond the end"),
        (header((1 << 64) - 1) + b"\x80", "at 0xffffffffffffffff, beyond the end"),
        (header(16) + b"\x80", "missing required field `toc`"),
        (header(16) + b"\xc1", "msgpack: "),
        (header(16) + b"\xdd\xff\xff\xff\xff", "Expected `object`, got `array`"),
        (header(16) + b"\xdf\xff\xff\xff\xff", "msgpack: Input data was truncated"),
        (header(16) + b"\xdb\xff\xff\xff\xff", "msgpack: "),
        (header(16) + b"\xc6\xff\xff\xff\xff", "msgpack: "),
        (header(16) + b"\xc9\xff\xff\xff\xff", "msgpack: "),
        (header(16) + b"\x81\xa1x" + b"\x91" * 99_999 + b"\x90", "recursion|depth"),
        (write() + b"\0", "trailing characters"),
        (write(toc=[]), "Expected `object`, got `array`"),
        (write(toc={"a": []}), "Expected `object`"),
        (write(toc={"a": {"gfx942": 1}}), "Expected `object`"),
        (write(toc={"a": {"gfx942": {}}}), "missing required field `ordinal`"),
        (write(toc={"a": {"gfx942": {"ordinal": "0"}}}), "Expected `int`, got `str`"),
        (write(toc={"a": {"gfx942": {"ordinal": -1}}}), "Expected `int` >= 0"),
        (
            write(toc={"a": {"gfx942": {"ordinal": 0, "original_size": "0"}}}),
            "got `str`",
        ),
        (write(toc={"a": {"gfx942": {"ordinal": 3}}}), "a for gfx942 is payload 3 of 3"),
        (write(gfx_arches="gfx942"), "Expected `array`"),
        (write(gfx_arches=[942]), "Expected `str`"),
        (write(compression_scheme="lz4"), "Invalid enum value 'lz4'"),
        (write(compression_scheme=1), "Expected `str`"),
        (write(blobs={}), "Expected `array`"),
        (write(blobs=[{"offset": 64}]), "missing required field `size`"),
        (write(blobs=[{"offset": "64", "size": 1}]), "Expected `int`"),
        (write(blobs=[{"offset": 64, "size": -1}]), "Expected `int` >= 0"),
        (write(blobs=[{"offset": 64, "size": 1 << 40}]), "needs 1099511627776 bytes"),
        (write(blobs=[{"offset": 1 << 40, "size": 0}]), "needs 0 bytes, 0 left"),
        (write(drop=("blobs",)), "is payload 0 of 0"),
        (write(scheme="zstd-per-kernel", zstd_offset="64"), "Expected `int`"),
        (write(scheme="zstd-per-kernel", zstd_size=1 << 40), "needs 1099511627776"),
        (write(scheme="zstd-per-kernel", zstd_offset=1 << 40), "0 left"),
        (write(scheme="zstd-per-kernel", zstd_size=3), "needs 4 bytes, 3 left"),
        (write(scheme="zstd-per-kernel", zstd_size=6), "needs 4 bytes, 2 left"),
        (write(scheme="zstd-per-kernel", zstd_size=20), "left"),
        (write(scheme="zstd-per-kernel", zstd_offset=68), "left|payload"),
        (write(scheme="zstd-per-kernel", frames=[]), "payload 0 of 0"),
    ],
)
def test_what_is_no_archive(data, message):
    with pytest.raises(FormatError, match=message) as caught:
        parse(data)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


class Huge:
    """An archive of several GiB, without them."""

    def __init__(self, head: bytes, size: int, tail: bytes) -> None:
        self._head, self._tail = head, tail
        self.size = size + len(tail)

    def read(self, at: int, size: int) -> bytes:
        if at >= self.size - len(self._tail):
            start = at - self.size + len(self._tail)
            return self._tail[start : start + size]
        return self._head[at : at + size].ljust(size, b"\0")


def test_the_loader_opens_no_archive_above_4_gib():
    end = (4 << 30) + 65
    toc: dict[str, Any] = {"toc": {}, "compression_scheme": "zstd-per-kernel"}
    toc |= {"zstd_offset": 64, "zstd_size": end - 64}
    huge = Huge(header(end), end, encode(toc))
    with pytest.raises(FormatError, match="HIP's loader takes 4294967296 at most"):
        kpack.parse_archive(View(huge, "huge.kpack"))


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        ([frame(ONE)[:-1]], "zstd payload: .*full frame"),
        ([frame(ONE) + b"\0"], "zstd payload: .*unused data"),
        ([frame(ONE) + frame(ONE)], "zstd payload: .*unused data"),
        ([b""], "zstd payload"),
        ([b"no frame at all"], "zstd payload"),
        ([frame(ONE[:-1])], "inflates to 299 bytes, expected 300"),
        ([frame(ONE + b"x")], "a frame of 301 bytes, expected 300"),
        ([frame(b"")], "inflates to 0 bytes, expected 300"),
        ([frame(ONE + b"x", write_content_size=False)], "zstd payload"),
        ([frame(ONE[:-1], write_content_size=False)], "inflates to 299 bytes"),
        ([frame(ONE, write_checksum=True)[:-1] + b"\xff"], "zstd payload"),
    ],
)
def test_a_damaged_frame(frames, message):
    kernels = {("a#0", "gfx942"): ONE}
    data = write(kernels, "zstd-per-kernel", frames=frames)
    (entry,) = parse(data).entries
    with pytest.raises(FormatError, match=message):
        kpack.payload(entry)


def test_a_compressed_payload_must_tell_its_size():
    toc = toc_of(KERNELS)
    del toc["lib/libfoo.so#0"]["gfx942"]["original_size"]
    (entry, *_) = parse(write(scheme="zstd-per-kernel", toc=toc)).entries
    with pytest.raises(FormatError, match="does not say how large it is"):
        kpack.payload(entry)


@pytest.mark.parametrize(
    ("scheme", "limits", "name"),
    [
        ("none", Limits(toc=100), "toc"),
        ("none", Limits(payloads=2), "payloads"),
        ("zstd-per-kernel", Limits(payloads=2), "payloads"),
    ],
)
def test_limits_of_archives(scheme, limits, name):
    with pytest.raises(LimitExceeded) as caught:
        parse(write(scheme=scheme), limits)
    assert caught.value.limit == name


@pytest.mark.parametrize(
    ("limits", "name"), [(Limits(inflated=299), "inflated"), (Limits(ratio=2), "ratio")]
)
def test_limits_of_payloads(limits, name):
    (entry, *_) = parse(write(scheme="zstd-per-kernel")).entries
    with pytest.raises(LimitExceeded) as caught:
        kpack.payload(entry, limits)
    assert caught.value.limit == name


def test_a_payload_that_promises_too_much_is_not_believed():
    toc = toc_of({("a#0", "gfx942"): ONE})
    toc["a#0"]["gfx942"]["original_size"] = 1 << 62
    data = write({("a#0", "gfx942"): ONE}, "zstd-per-kernel", toc=toc)
    (entry,) = parse(data).entries
    with pytest.raises(LimitExceeded):
        kpack.payload(entry)


@BOTH
def test_every_truncation_of_an_archive(scheme):
    data = write(scheme=scheme)
    for size in range(len(data)):
        with pytest.raises(FormatError):
            parse(data[:size])


@BOTH
@given(data=st.data())
def test_flipped_bytes_never_escape_as_another_error(scheme, data):
    spoilt = bytearray(write(scheme=scheme))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(spoilt) - 1))
        spoilt[at] = data.draw(st.integers(0, 255))
    with contextlib.suppress(FormatError):
        for entry in parse(bytes(spoilt)).entries:
            with contextlib.suppress(FormatError):
                assert len(kpack.payload(entry)) <= 1 << 30


@given(st.binary(max_size=200))
def test_any_table_of_contents_never_escapes_as_another_error(tail):
    for start in (b"", b"\x81\xa3toc", b"\x81\xa3toc\x81\xa1a\x81\xa6gfx942"):
        with contextlib.suppress(FormatError):
            parse(header(16) + start + tail)


def test_an_offset_in_the_table_of_contents_itself_is_read_as_it_stands():
    data = bytearray(write(blobs=[{"offset": 0, "size": 4}] * 3))
    pack_into("<I", data, 4, 1)
    assert bytes(kpack.payload(parse(bytes(data)).entries[0]).bytes()) == b"KPAK"


# --- the search: reference, section 4.3 ---------------------------------------------

MI300 = TargetID.parse("gfx942:sramecc+:xnack-")
MI350 = TargetID.parse("gfx950:sramecc+:xnack+")
RDNA4 = TargetID.parse("gfx1201")
RDNA5 = TargetID.parse("gfx90a:xnack-")


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        # the table of isa_target_match_test.cpp
        ("gfx1201", ["gfx1201"]),
        ("gfx9-4-generic", ["gfx9-4-generic"]),
        ("gfx942:xnack+", ["gfx942:xnack+", "gfx942"]),
        ("gfx942:sramecc+", ["gfx942:sramecc+", "gfx942"]),
        (
            "gfx942:sramecc+:xnack-",
            ["gfx942:sramecc+:xnack-", "gfx942:sramecc+", "gfx942:xnack-", "gfx942"],
        ),
        (
            "gfx950:sramecc-:xnack+",
            ["gfx950:sramecc-:xnack+", "gfx950:sramecc-", "gfx950:xnack+", "gfx950"],
        ),
    ],
)
def test_compatible_targets_most_specific_first(target, expected):
    assert list(kpack_search.compatible(TargetID.parse(target))) == expected


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("gfx942:sramecc+:xnack-", ["gfx9-4-generic:sramecc+:xnack-"]),
        ("gfx1201", ["gfx12-generic"]),
        ("gfx90a:xnack-", []),
        ("gfx906:sramecc+:xnack-", ["gfx9-generic:sramecc+:xnack-"]),
    ],
)
def test_the_generic_target_is_asked_for_next(target, expected):
    device = TargetID.parse(target)
    assert [str(t) for t in kpack_search.requested(device)] == [target, *expected]


MI300_FILES = [
    "gfx942:sramecc+:xnack-",
    "gfx942:sramecc+",
    "gfx942:xnack-",
    "gfx942",
    "gfx9-4-generic:sramecc+:xnack-",
    "gfx9-4-generic:sramecc+",
    "gfx9-4-generic:xnack-",
    "gfx9-4-generic",
]


def reference(*paths: str, name: str = "lib/libfoo.so") -> KpackReference:
    return KpackReference(name, paths)


@pytest.mark.parametrize(
    ("paths", "directory", "target", "expected"),
    [
        (
            ["../.kpack/foo_@GFXARCH@.kpack"],
            "/opt/rocm/lib",
            MI300,
            [f"/opt/rocm/.kpack/foo_{arch}.kpack" for arch in MI300_FILES],
        ),
        (
            ["../.kpack/foo_@GFXARCH@.kpack"],
            "torch/lib",
            RDNA4,
            ["torch/.kpack/foo_gfx1201.kpack", "torch/.kpack/foo_gfx12-generic.kpack"],
        ),
        # one after the other, the first occurrence only
        (
            ["a_@GFXARCH@/@GFXARCH@.kpack", "b.kpack"],
            "/d",
            RDNA5,
            [
                "/d/a_gfx90a:xnack-/@GFXARCH@.kpack",
                "/d/a_gfx90a/@GFXARCH@.kpack",
                "/d/b.kpack",
            ],
        ),
        # absolute paths stay as they are
        (["/x/../y.kpack"], "/d", RDNA4, ["/x/../y.kpack"]),
        (["./a//b/../c.kpack"], "/d/e", RDNA4, ["/d/e/a/c.kpack"]),
        (["../../a.kpack"], "lib", RDNA4, ["../a.kpack"]),
        (["a.kpack"], "", RDNA4, ["a.kpack"]),
    ],
)
def test_search_paths(paths, directory, target, expected):
    found = kpack_search.search_paths(reference(*paths), directory, target)
    assert list(found) == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("../.kpack/a.kpack", ["C:/rocm/.kpack/a.kpack"]),
        ("..\\.kpack\\a.kpack", ["C:/rocm/.kpack/a.kpack"]),
        ("D:\\a.kpack", ["D:\\a.kpack"]),
    ],
)
def test_search_paths_on_windows(path, expected):
    found = kpack_search.search_paths(reference(path), "C:\\rocm\\bin", RDNA4, windows=True)
    assert list(found) == expected


def archives(**contents: dict[tuple[str, str], bytes] | bytes):
    """Archives by name; what is bytes already is taken as it is."""
    return {
        name: parse(data if isinstance(data, bytes) else write(data))
        for name, data in contents.items()
    }


def foo(*entries: str) -> dict[tuple[str, str], bytes]:
    """Code of lib/libfoo.so, each `index target`."""
    return {
        (f"lib/libfoo.so#{entry.split()[0]}", entry.split()[1]): entry.encode()
        for entry in entries
    }


@pytest.mark.parametrize(
    ("contents", "index", "target", "kp", "ks"),
    [
        ({"a": foo("0 gfx942")}, 0, MI300, "a gfx942", "a gfx942"),
        ({"a": foo("0 gfx942")}, 1, MI300, "kernel", "kernel"),
        ({"a": foo("0 gfx942")}, 0, MI350, "arch", "arch"),
        ({}, 0, MI300, "archive", "archive"),
        # HIP passes on 32 bits of the index
        ({"a": foo("1 gfx942")}, (1 << 32) + 1, MI300, "a gfx942", "a gfx942"),
        # the most specific target first, whatever the order of the archives
        (
            {"a": foo("0 gfx942"), "b": foo("0 gfx942:xnack-")},
            0,
            MI300,
            "b gfx942:xnack-",
            "b gfx942:xnack-",
        ),
        # the same target: the first archive
        ({"a": foo("0 gfx942"), "b": foo("0 gfx942")}, 0, MI300, "a gfx942", "a gfx942"),
        # native before generic
        (
            {"a": foo("0 gfx9-4-generic"), "b": foo("0 gfx942")},
            0,
            MI300,
            "b gfx942",
            "b gfx942",
        ),
        ({"a": foo("0 gfx9-4-generic")}, 0, MI350, *["a gfx9-4-generic"] * 2),
        # ROCm/TheRock#7081: an archive of xnack variants that lacks the code
        (
            {"a": foo("1 gfx942:xnack-"), "b": foo("0 gfx942")},
            0,
            MI300,
            "kernel",
            "b gfx942",
        ),
        # two archives of one target, each with a part
        (
            {"a": foo("1 gfx942"), "b": foo("0 gfx942")},
            0,
            MI300,
            "kernel",
            "b gfx942",
        ),
        (
            {"a": foo("1 gfx942"), "b": foo("0 gfx9-4-generic")},
            0,
            MI300,
            "kernel",
            "b gfx9-4-generic",
        ),
        # the other mode serves nobody
        ({"a": foo("0 gfx942:xnack+")}, 0, MI300, "arch", "arch"),
        # the loader compares text
        ({"a": foo("0 gfx942:xnack-:sramecc+")}, 0, MI300, "arch", "arch"),
        # not listed, not looked for
        ({"a": write(foo("0 gfx942"), gfx_arches=[])}, 0, MI300, "arch", "arch"),
        # listed, and nothing there
        (
            {"a": write(foo("0 gfx950"), gfx_arches=["gfx942"])},
            0,
            MI300,
            "kernel",
            "kernel",
        ),
    ],
)
def test_resolve(contents, index, target, kp, ks):
    reasons = {
        "archive": Reason.ARCHIVE_NOT_FOUND,
        "arch": Reason.ARCH_NOT_FOUND,
        "kernel": Reason.KERNEL_NOT_FOUND,
    }
    there = archives(**contents)
    for generation, expected in ((Generation.KP, kp), (Generation.KS, ks)):
        found = kpack_search.resolve(
            reference("x"), index, target, there, generation=generation
        )
        if isinstance(found, Missing):
            assert found.reason is reasons.get(expected)
        else:
            assert f"{found.path} {found.arch}" == expected
            wanted = f"lib/libfoo.so#{index & 0xFFFFFFFF}"
            assert found.entry is there[found.path].find(
                "lib/libfoo.so", index & 0xFFFFFFFF, found.arch
            )
            assert found.entry.key == wanted


def test_what_is_missing_is_named():
    there = archives(**{"a.kpack": foo("0 gfx942"), "b.kpack": foo("0 gfx90a")})
    found = kpack_search.resolve(reference("x"), 0, MI350, there)
    assert isinstance(found, Missing)
    assert found.message == (
        "no archive lists gfx950:sramecc+:xnack+: they list gfx90a, gfx942"
    )
    found = kpack_search.resolve(reference("x"), 3, MI300, there)
    assert isinstance(found, Missing)
    assert found.message == "lib/libfoo.so#3 is not in a.kpack (gfx942)"
    there = archives(a=write({}))
    found = kpack_search.resolve(reference("x"), 0, MI300, there)
    assert isinstance(found, Missing)
    assert found.message.endswith("they list nothing")
    found = kpack_search.resolve(reference("x"), 0, MI300, {})
    assert isinstance(found, Missing)
    assert found.message == "none of the archives of lib/libfoo.so is there"


def test_the_whole_search_of_a_host_wheel_and_its_device_wheel():
    paths = kpack_search.search_paths(
        reference("../.kpack/torch_@GFXARCH@.kpack"), "torch/lib", MI300
    )
    device_wheel = {
        "torch/.kpack/torch_gfx942.kpack": foo("0 gfx942", "1 gfx942"),
        "torch/.kpack/torch_gfx942:xnack-.kpack": foo("1 gfx942:xnack-"),
        "torch/.kpack/torch_gfx942:xnack+.kpack": foo("0 gfx942:xnack+"),
    }
    there = archives(**{p: device_wheel[p] for p in paths if p in device_wheel})
    assert list(there) == [
        "torch/.kpack/torch_gfx942:xnack-.kpack",
        "torch/.kpack/torch_gfx942.kpack",
    ]
    chosen = kpack_search.resolve(reference("x"), 0, MI300, there)
    assert isinstance(chosen, Chosen)
    assert chosen.path == "torch/.kpack/torch_gfx942.kpack"
    assert bytes(kpack.payload(chosen.entry).bytes()) == b"0 gfx942"


# --- as bundles ---------------------------------------------------------------------


@BOTH
def test_a_bundle_for_every_wrapper(scheme):
    data = write(KERNELS, scheme)
    reader = Reader()
    found = list(kpack_bundles.bundles(view(data), parse(data), reader))
    assert [(one.index, one.where.layer) for one in found] == [
        (0, "lib/libfoo.so#0"),
        (1, "lib/libfoo.so#1"),
    ]
    assert [[e.size for e in one.entries] for one in found] == [
        [len(ONE), len(TWO)],
        [len(THREE)],
    ]
    sizes = [len(ONE), len(TWO)] if scheme == "none" else [len(frame(ONE)), len(frame(TWO))]
    assert found[0].size == sum(sizes)
    stored = [None, None] if scheme == "none" else sizes
    assert [e.stored for e in found[0].entries] == stored
    assert [one.method for one in found] == [None if scheme == "none" else "zstd"] * 2


def test_no_more_bundles_than_the_limit():
    data = write(KERNELS)

    def read(limit: int) -> list[Bundle]:
        reader = Reader(Limits(bundles=limit))
        return list(kpack_bundles.bundles(view(data), parse(data), reader))

    assert len(read(2)) == 2
    with pytest.raises(LimitExceeded, match="bundles is 2"):
        read(1)


def test_a_plain_payload_has_the_size_that_it_is_stored_in():
    """Whatever else is told of it: that is what the loader hands on."""
    toc = toc_of({("k#0", "gfx942"): ONE})
    toc["k#0"]["gfx942"]["original_size"] = 7
    data = write({("k#0", "gfx942"): ONE}, toc=toc)
    (found,) = kpack_bundles.bundles(view(data), parse(data), Reader())
    assert found.entries[0].size == len(ONE)


def test_a_frame_that_does_not_tell_its_size_has_that_of_its_entry():
    """Where neither does, the stored size stands for it in a listing."""
    toc = toc_of({("k#0", "gfx942"): ONE})
    del toc["k#0"]["gfx942"]["original_size"]
    data = write({("k#0", "gfx942"): ONE}, "zstd-per-kernel", toc=toc)
    (found,) = kpack_bundles.bundles(view(data), parse(data), Reader())
    assert found.entries[0].size == len(frame(ONE))


CODE = st.dictionaries(
    st.tuples(
        st.tuples(st.sampled_from(["lib/a.so", "b", "x#y"]), st.integers(0, 12)).map(
            lambda pair: f"{pair[0]}#{pair[1]}"
        )
        | st.sampled_from(["notes.co", "k#-1", "k#01"]),
        st.sampled_from(["gfx942", "gfx950", "gfx942:xnack-", "gfx12-generic"]),
    ),
    st.binary(max_size=60),
    max_size=9,
)


@given(CODE, st.sampled_from(["none", "zstd-per-kernel"]), st.integers(16, 200))
def test_what_was_written_is_read_at_every_offset(code, scheme, start):
    found = parse(write(code, scheme, start=start))
    read = {(e.key, e.arch): bytes(kpack.payload(e).bytes()) for e in found.entries}
    assert read == code
    assert found.faults == ()
    for (key, arch), content in code.items():
        name, _, index = key.rpartition("#")
        if (index.isdigit() and not index.startswith("0")) or index == "0":
            entry = found.find(name, int(index), arch)
            assert entry is not None
            assert bytes(kpack.payload(entry).bytes()) == content
    assert {e.key for e in found.entries if e.index is None} == {
        key for key, _ in code if key in {"notes.co", "k#-1", "k#01"}
    }


@given(
    st.text(max_size=300),
    st.lists(st.text(min_size=1, max_size=300), min_size=1, max_size=20),
    st.binary(max_size=30),
)
def test_a_reference_that_was_written_is_read_whatever_follows(name, paths, tail):
    found = kpack.parse_reference(view(packed_reference(name, *paths) + tail))
    assert (found.kernel_name, found.search_paths) == (name, tuple(paths))
