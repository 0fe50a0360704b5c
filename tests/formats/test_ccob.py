"""Compressed offload bundles of every version and method."""

import random
import subprocess
import zlib
from itertools import product
from struct import pack_into

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from kinspect.errors import FormatError, LimitExceeded
from kinspect.formats import ccob as reader
from kinspect.formats.container import Reader
from kinspect.limits import DEFAULT, Limits
from kinspect.model import Form
from kinspect.view import File, View
from tests.reading import ends_well, flips, view
from tests.writers import bundle, ccob, md5

PLAIN = bundle(("gfx942", b"one code object"), ("gfx950", b"another" * 9))
KINDS = list(product([1, 2, 3], ["zlib", "zstd"]))
HEADER = {1: 20, 2: 24, 3: 32}
each_kind = pytest.mark.parametrize(("version", "method"), KINDS)


def parse(data, limits=DEFAULT):
    return reader.parse(view(data), limits)


def inflate(data, limits=DEFAULT, size=None):
    inflated = reader.Inflater(limits).inflate(parse(data, limits), "inflated", size)
    return bytes(inflated.bytes())


def read_all(data):
    """As a bundle, with every code object opened."""
    return Reader(opener=lambda _: None).read(view(data))


def faults(data):
    return [fault.message for fault in read_all(data).faults]


@each_kind
def test_a_header_is_read_field_by_field(version, method):
    header = parse(ccob(PLAIN, version, method))
    assert header.version == version
    assert header.method.name.lower() == method
    assert header.uncompressed == len(PLAIN)
    assert header.hash == md5(PLAIN)
    assert header.total == len(ccob(PLAIN, version, method))
    assert header.payload.start == HEADER[version]
    assert len(header.payload) == header.total - HEADER[version]


@each_kind
@given(data=st.binary(max_size=3000), rest=st.binary(max_size=30))
def test_what_was_compressed_is_inflated_and_ends_where_it_ends(
    version, method, data, rest
):
    """Nor does what follows matter: not even in version 1, which has no total."""
    stored = ccob(data, version, method)
    assert inflate(stored + rest) == data
    assert parse(stored + rest).total == len(stored)


@each_kind
def test_a_compressed_bundle_has_the_entries_of_the_plain_one(version, method):
    found = read_all(ccob(PLAIN, version, method))
    plain = Reader().read(view(PLAIN))
    assert [(e.id, e.offset, e.size) for e in found.entries] == [
        (e.id, e.offset, e.size) for e in plain.entries
    ]
    assert (found.form, found.version, found.method) == (Form.CCOB, version, method)
    assert found.uncompressed_size == len(PLAIN)
    assert found.inflated
    assert found.faults == ()


@each_kind
def test_every_truncation_is_a_format_error_or_a_fault(version, method):
    stored = ccob(PLAIN, version, method)
    for size in range(len(stored)):
        assert not ends_well(parse, stored[:size])


@each_kind
def test_every_spoiled_byte_ends_in_a_result_or_a_format_error(version, method):
    for data in flips(ccob(PLAIN, version, method)):
        ends_well(read_all, data)


@each_kind
def test_a_spoiled_payload_never_passes_unseen(version, method):
    """Each byte of the stream; the checksum is kinspect's own to compare."""
    stored = ccob(PLAIN, version, method)
    unseen = []
    for place in range(HEADER[version], len(stored)):
        for data in flips(stored, [place]):
            try:
                if not faults(data):
                    unseen.append((place, data))
            except FormatError:
                continue
    # what a decoder ignores: the flags of a zlib header, reserved bits of zstd
    assert all(inflate(data) == PLAIN for _, data in unseen)


@given(st.binary(max_size=200))
def test_arbitrary_bytes_after_the_magic_end_well(tail):
    ends_well(read_all, b"CCOB" + tail)


@given(st.sampled_from([1, 2, 3]), st.integers(0, 1), st.binary(max_size=200))
def test_arbitrary_bytes_after_a_version_and_a_method_end_well(version, method, tail):
    data = b"CCOB" + bytes([version, 0, method, 0]) + tail
    ends_well(read_all, data)


@pytest.mark.parametrize("version", [0, 4, 5, 255, 256, 0x0201, 65535])
def test_a_version_that_nobody_wrote_is_refused(version):
    with pytest.raises(FormatError, match=f"version {version}"):
        parse(ccob(PLAIN, version))


@pytest.mark.parametrize("code", [2, 3, 255, 256, 65535])
@pytest.mark.parametrize("version", [1, 2, 3])
def test_a_method_that_nobody_wrote_is_refused(version, code):
    with pytest.raises(FormatError, match=f"method {code}"):
        parse(ccob(PLAIN, version, method_code=code))


def test_another_magic_is_refused():
    with pytest.raises(FormatError, match="CCOB"):
        parse(b"CCOC" + ccob(PLAIN)[4:])


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("lie", [0, 23, "one more", 2**31])
def test_a_total_that_does_not_fit_is_refused(version, lie):
    stored = ccob(PLAIN, version)
    total = len(stored) + 1 if lie == "one more" else lie
    with pytest.raises(FormatError, match=f"CCOB of {total} bytes"):
        parse(ccob(PLAIN, version, total=total))


CHECKED = zstandard.ZstdCompressor(write_checksum=True).compress(PLAIN)


@pytest.mark.parametrize("version", [1, 2, 3])
@pytest.mark.parametrize(
    ("method", "payload"),
    [("zlib", zlib.compress(PLAIN)), ("zstd", CHECKED), ("zstd", None)],
    ids=["zlib", "zstd with a checksum", "zstd"],
)
def test_a_total_that_cuts_the_stream_is_told(version, method, payload):
    """Be it in the checksum at its end: LLVM inflates nothing of such a stream."""
    payload = payload or zstandard.ZstdCompressor().compress(PLAIN)
    assert faults(ccob(PLAIN, version, method, payload=payload)) == []
    for size in range(len(payload)):
        cut = ccob(PLAIN, version, method, payload=payload[:size])
        if ends_well(read_all, cut):
            assert faults(cut), size


def test_a_checksum_of_the_stream_that_is_wrong_is_told():
    for method, payload in (("zlib", zlib.compress(PLAIN)), ("zstd", CHECKED)):
        spoiled = payload[:-1] + bytes([payload[-1] ^ 1])
        assert not ends_well(read_all, ccob(PLAIN, 2, method, payload=spoiled))


@pytest.mark.oracle
@pytest.mark.parametrize("cut", [0, 1, 4, 5, 20])
@pytest.mark.parametrize("method", ["zlib", "zstd"])
def test_llvm_inflates_nothing_of_a_stream_that_is_cut(tmp_path, tool, method, cut):
    target = "hip-amdgcn-amd-amdhsa--gfx942"
    plain = bundle((target, b"device"))
    payload = zlib.compress(plain)
    if method == "zstd":
        payload = zstandard.ZstdCompressor(write_checksum=True).compress(plain)
    data = ccob(plain, 2, method, payload=payload[: len(payload) - cut])
    (tmp_path / "x.o").write_bytes(data)
    command = [tool("clang-offload-bundler-19"), "--unbundle", "--type=o"]
    command += [f"--targets={target}", f"--input={tmp_path}/x.o"]
    done = subprocess.run(
        [*command, f"--output={tmp_path}/out"], check=False, capture_output=True
    )
    assert (done.returncode == 0) is (cut == 0)
    assert (ends_well(read_all, data) and faults(data) == []) is (cut == 0)


@each_kind
def test_the_checksum_is_compared(version, method):
    (message,) = faults(ccob(PLAIN, version, method, digest=md5(PLAIN) ^ 1))
    assert message.startswith("MD5 mismatch")
    assert f"{md5(PLAIN):016x}" in message


@each_kind
def test_a_stream_that_is_longer_than_promised_is_refused(version, method):
    short = ccob(PLAIN, version, method, uncompressed=len(PLAIN) - 1)
    with pytest.raises(FormatError, match=r"inflates to more|does not end"):
        inflate(short)


@pytest.mark.parametrize("method", ["zlib", "zstd"])
def test_the_end_of_a_stream_is_not_looked_for_beyond_what_is_promised(method):
    """Version 1 has no total; a stream may go on for ever."""
    data = random.Random(1).randbytes(100_000)
    with pytest.raises(FormatError, match="does not end after its 500 bytes"):
        parse(ccob(data, 1, method, uncompressed=500))
    assert parse(ccob(data, 1, method)).uncompressed == len(data)


@pytest.mark.parametrize("size", range(1008, 1030))
def test_the_end_of_a_stream_may_come_after_all_of_its_data(size):
    """Stored in zlib: 7 bytes before the data, 4 of a checksum behind it."""
    data = bytes(size)
    payload = zlib.compress(data, 0)
    assert len(payload) == size + 11
    stored = ccob(data, 1, "zlib", payload=payload)
    assert parse(stored + b"more").total == len(stored)


@each_kind
def test_a_stream_that_is_shorter_than_promised_is_a_fault(version, method):
    long = ccob(PLAIN, version, method, uncompressed=len(PLAIN) + 7)
    assert inflate(long) == PLAIN
    assert any(f"inflates to {len(PLAIN)} bytes" in one for one in faults(long))


def test_the_first_version_has_no_total_at_offset_8():
    """What other versions keep there is the inflated size of the first."""
    stored = bytearray(ccob(PLAIN, 1))
    assert parse(stored).uncompressed == len(PLAIN)
    pack_into("<I", stored, 8, 2**31)  # as large as others' totals
    assert parse(stored).total == len(stored)


def test_the_third_version_counts_with_64_bits():
    header = parse(ccob(PLAIN, 3, uncompressed=2**32 + 1), Limits(inflated=2**33))
    assert header.uncompressed == 2**32 + 1
    with pytest.raises(FormatError):
        parse(ccob(PLAIN, 3, total=2**32 + len(ccob(PLAIN, 3))))


@pytest.mark.parametrize("payload", [b"CCOB" * 50, b"__CLANG_OFFLOAD_BUNDLE__" * 9])
@each_kind
def test_a_magic_in_the_payload_does_not_end_a_bundle(version, method, payload):
    stored = ccob(PLAIN, version, payload=zlib.compress(payload, 0), method="zlib",
                  uncompressed=len(payload), digest=md5(payload))  # fmt: skip
    assert payload[:20] in stored  # stored, and not compressed away
    assert parse(stored + ccob(PLAIN)).total == len(stored)
    assert inflate(stored + ccob(PLAIN)) == payload


def test_several_frames_of_zstd_are_one_stream():
    """`total` bounds the payload: a compressor may end a frame where it likes."""
    frames = b"".join(
        zstandard.ZstdCompressor().compress(part) for part in (PLAIN[:40], PLAIN[40:])
    )
    assert inflate(ccob(PLAIN, 2, payload=frames)) == PLAIN


def test_the_window_of_a_frame_may_be_large():
    """clang compresses with long-distance matching: windows above zstd's default."""
    parameters = zstandard.ZstdCompressionParameters(
        window_log=31, enable_ldm=True, write_content_size=False
    )
    stream = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    payload = stream.compress(PLAIN) + stream.flush()
    assert inflate(ccob(PLAIN, 2, payload=payload)) == PLAIN


@pytest.mark.parametrize("method", ["zlib", "zstd"])
def test_just_the_head_is_inflated_where_that_is_asked_for(method):
    data = bytes(range(256)) * 1000
    stored = ccob(data, 2, method)
    assert inflate(stored, size=1000) == data[:1000]
    assert inflate(stored, size=10**9) == data
    assert inflate(stored, size=0) == b""


@pytest.mark.parametrize("method", ["zlib", "zstd"])
def test_the_head_of_a_bundle_takes_the_head_of_its_payload(method, tmp_path):
    """The rest of it is on disk, or far away."""
    data = random.Random(0).randbytes(4_000_000)
    (tmp_path / "bundle").write_bytes(ccob(data, 2, method))
    file = File(tmp_path / "bundle")
    header = reader.parse(View(file, "bundle"))
    inflater = reader.Inflater(DEFAULT)
    assert bytes(inflater.inflate(header, "inflated", 1000).bytes()) == data[:1000]
    assert file.consumed < 500_000
    wide = inflater.inflate(header, "inflated", 1_000_000)  # more than the part has
    assert bytes(wide.bytes()) == data[:1_000_000]


def test_one_buffer_serves_all_bundles_of_a_binary():
    """Memory is bounded by the largest bundle: a view is good until the next call."""
    inflater = reader.Inflater(Limits(ratio=1 << 20))
    for data in (PLAIN, PLAIN + b"x" * 1_500_000, b"y" * 10, PLAIN):
        inflated = inflater.inflate(parse(ccob(data)), "inflated")
        assert bytes(inflated.bytes()) == data


def test_a_lying_size_wastes_no_memory():
    """4 GiB promised, 100 bytes there: the room is not written to."""
    data = ccob(PLAIN, 3, uncompressed=2**32 - 1)
    assert inflate(data, Limits(ratio=2**40)) == PLAIN


def test_limits_hold_for_what_is_inflated():
    data = ccob(bytes(1 << 20))
    assert len(inflate(data, Limits(ratio=1 << 20))) == 1 << 20
    with pytest.raises(LimitExceeded, match="inflated is 1048576"):
        inflate(data, Limits(inflated=(1 << 20) - 1))
    with pytest.raises(LimitExceeded, match="ratio is"):
        inflate(data, Limits(ratio=100))


@pytest.mark.parametrize("version", [1, 2, 3])
def test_a_bomb_is_stopped_by_the_default_limits(version):
    """What it promises to inflate to is checked before it is inflated."""
    bomb = ccob(b"", version, uncompressed=2**32 - 1, payload=zlib.compress(bytes(2**22)),
                method="zlib")  # fmt: skip
    with pytest.raises(FormatError):
        inflate(bomb)


def test_errors_of_the_decoders_say_where_the_payload_lies():
    for method in ("zlib", "zstd"):
        spoiled = ccob(PLAIN, 2, method, payload=b"\x28\xb5\x2f\xfd no stream at all")
        with pytest.raises(FormatError) as caught:
            reader.Inflater().inflate(parse(spoiled), "inflated")
        assert caught.value.where.offset == 24
