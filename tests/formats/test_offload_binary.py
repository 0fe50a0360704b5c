"""OffloadBinary containers of every version."""

from struct import pack_into

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from kinspect.errors import FormatError, LimitExceeded
from kinspect.formats import code_object as objects
from kinspect.formats import offload_binary as reader
from kinspect.formats.container import Reader
from kinspect.limits import DEFAULT, Limits
from kinspect.model import CodeObject, Form
from kinspect.uri import entry_uri
from tests.reading import ends_well, flips, read, view
from tests.writers import Host, Image, bitcode, code_object, offload_binary
from tests.writers.bitstream import Module
from tests.writers.offload import BITCODE, OBJECT

MAGIC = b"\x10\xff\x10\xad"
ONE = Image(b"device code", "gfx942")
TWO = (ONE, Image(b"other device code", "gfx950:xnack-", strings={"a": "b"}))
LAYOUTS = [
    (1, None),
    (2, None),
    (3, None),
    (3, "zlib"),
    (3, "zstd"),
]
each_layout = pytest.mark.parametrize(("version", "method"), LAYOUTS)


def parse(data, limits=DEFAULT):
    return reader.parse(view(data), limits)


def read_all(data):
    """As a bundle, with every code object opened."""
    return Reader(opener=lambda _: None).read(view(data))


def images(version):
    return TWO[:1] if version == 1 else TWO  # version 1 holds one


def write(version, method=None, **more):
    return offload_binary(*images(version), version=version, method=method, **more)


@each_layout
@pytest.mark.parametrize("counts_header", [False, True])
def test_a_container_is_read_field_by_field(version, method, counts_header):
    found = parse(write(version, method, counts_header=counts_header))
    assert found.version == version
    assert found.size == len(write(version, method))
    assert (found.uncompressed is not None) is bool(method)
    for image, written in zip(found.images, images(version), strict=True):
        assert bytes(image.data.bytes()) == written.data
        assert image.strings == written.texts
        assert (image.kind, image.offload_kind) == (1, 4)
        assert image.is_hip


@each_layout
@given(rest=st.binary(max_size=20))
def test_a_container_ends_by_its_size(version, method, rest):
    assert parse(write(version, method) + rest).size == len(write(version, method))


@each_layout
def test_every_truncation_is_a_format_error(version, method):
    data = write(version, method)
    for size in range(len(data)):
        assert not ends_well(parse, data[:size])


@each_layout
def test_every_spoiled_byte_ends_in_a_result_or_a_format_error(version, method):
    for data in flips(write(version, method)):
        ends_well(read_all, data)


@given(st.binary(max_size=300))
def test_arbitrary_bytes_after_the_magic_end_well(tail):
    ends_well(parse, MAGIC + tail)


@given(st.sampled_from([1, 2, 3]), st.lists(st.integers(0, 400), max_size=40))
def test_small_numbers_after_a_version_end_well(version, numbers):
    """Offsets and counts that often lead somewhere."""
    tail = b"".join(number.to_bytes(8, "little") for number in numbers)
    ends_well(parse, MAGIC + version.to_bytes(4, "little") + tail)


@pytest.mark.parametrize("version", [0, 4, 2**31])
def test_a_version_that_nobody_wrote_is_refused(version):
    data = bytearray(write(2))
    pack_into("<I", data, 4, version)
    with pytest.raises(FormatError, match=f"version {version}"):
        parse(bytes(data))


def test_another_magic_is_refused():
    with pytest.raises(FormatError, match="10 FF 10 AD"):
        parse(b"\xad\x10\xff\x10" + write(1)[4:])


@pytest.mark.parametrize("size", [0, 31, 2**40])
def test_a_size_that_does_not_fit_is_refused(size):
    with pytest.raises(FormatError):
        parse(write(1, size=size))


@pytest.mark.parametrize(
    ("at", "value"), [(16, 2**63), (24, 2**63), (24, 5000), (16, 8)], ids=str
)
def test_an_entry_table_that_does_not_fit_is_refused(at, value):
    data = bytearray(write(2))
    pack_into("<Q", data, at, value)
    with pytest.raises(FormatError):
        parse(bytes(data))


@pytest.mark.parametrize("padding", [0, 8, 4096])
def test_containers_lie_back_to_back_in_a_section(padding):
    parts = [write(version, method) for version, method in LAYOUTS]
    parts = [part + bytes(-len(part) % 8 + padding) for part in parts]
    built = Host(b"", [], offloading=b"".join(parts)).build()
    start = built.place[".llvm.offloading"]
    starts = [start + sum(map(len, parts[:index])) for index in range(len(parts))]
    found = read(built.data)
    assert [one.offset for one in found.bundles] == starts
    assert [one.version for one in found.bundles] == [version for version, _ in LAYOUTS]
    assert found.unreadable == ()


def test_what_stands_between_containers_is_told():
    data = Host(b"", [], offloading=write(1) + b"garbage!" + write(2)).build().data
    assert ["no offload bundle" in one.message for one in read(data).unreadable] == [True]


@pytest.mark.parametrize(
    ("kind", "triple", "hip"),
    [
        (3, "amdgcn-amd-amdhsa", True),  # the number up to LLVM 20
        (4, "amdgcn-amd-amdhsa", True),  # the bit since
        (1, "amdgcn-amd-amdhsa", False),  # OpenMP
        (2, "nvptx64-nvidia-cuda", False),
        (4, "spirv64-unknown-unknown", False),  # SYCL of LLVM 20
    ],
)
def test_hip_images_are_told_from_others(kind, triple, hip):
    data = offload_binary(Image(b"x", triple=triple, offload_kind=kind))
    assert parse(data).images[0].is_hip is hip


@each_layout
def test_an_image_becomes_an_entry_of_a_bundle(version, method):
    target, other = code_object("gfx942", "k"), code_object("gfx950", "k", "l")
    written = [Image(target), Image(other, "gfx950"), Image(bitcode(), kind=BITCODE)]
    written = written[:1] if version == 1 else written
    data = offload_binary(*written, version=version, method=method)
    found = Reader(opener=objects.parse).read(view(data))
    assert (found.form, found.version) == (Form.OFFLOAD_BINARY, version)
    assert found.size == len(data)
    ids = ["hip-amdgcn-amd-amdhsa--gfx942", "hip-amdgcn-amd-amdhsa--gfx950"]
    assert [e.id.text for e in found.entries][:2] == ids[: len(written)]
    opened = [e.code_object for e in found.entries]
    kernels = [one.kernels if isinstance(one, CodeObject) else None for one in opened]
    assert kernels == [("k",), ("k", "l"), None][: len(written)]
    if not method:  # offsets are those of the file
        assert [data[e.offset :][: e.size] for e in found.entries] == [
            image.data for image in written
        ]


@pytest.mark.parametrize(
    ("data", "kind", "opened"),
    [
        (code_object("gfx942", "k"), 0, True),  # as some tools leave the kind out
        (Module().build(), 0, True),
        (b"not device code", 0, False),
        (b"not device code", 5, False),  # PTX
        (code_object("gfx942", "k"), 4, True),
        (b"not device code", OBJECT, True),  # what it claims is held against its bytes
        (b"not device code", BITCODE, True),
    ],
)
def test_an_image_is_opened_for_what_it_claims_or_for_its_bytes(data, kind, opened):
    written = offload_binary(Image(data, kind=kind))
    (entry,) = Reader(opener=objects.parse).read(view(written)).entries
    assert (entry.code_object is not None) is opened
    assert written[entry.offset :][: entry.size] == data


@pytest.mark.parametrize(
    ("triple", "arch", "kind", "id_"),
    [
        ("amdgcn-amd-amdhsa", "gfx942", 4, "hip-amdgcn-amd-amdhsa--gfx942"),
        ("amdgcn-amd-amdhsa-llvm", "gfx942", 3, "hip-amdgcn-amd-amdhsa-llvm-gfx942"),
        ("amdgcn", "gfx942", 4, "hip-amdgcn----gfx942"),
        ("amdgcn-amd-amdhsa", "gfx942", 1, "openmp-amdgcn-amd-amdhsa--gfx942"),
        ("nvptx64-nvidia-cuda", "sm_90", 2, "openmp-nvptx64-nvidia-cuda--sm_90"),
    ],
)
def test_the_entry_id_of_an_image(triple, arch, kind, id_):
    data = offload_binary(Image(b"x", arch, triple, offload_kind=kind))
    (entry,) = Reader().read(view(data)).entries
    assert entry.id.text == id_


@pytest.mark.parametrize("method", ["zlib", "zstd"])
def test_the_offsets_of_a_compressed_container_are_not_given_out_as_those_of_the_file(
    method,
):
    data = offload_binary(*TWO, version=3, method=method)
    found = Reader().read(view(data))
    assert found.inflated
    assert "&inflated-offset=" in entry_uri("t.o", found, found.entries[0])
    plain = Reader().read(view(offload_binary(*TWO, version=3)))
    assert not plain.inflated


def test_a_stream_that_is_not_as_long_as_promised_is_refused():
    for method in ("zlib", "zstd"):
        data = bytearray(write(3, method))
        pack_into("<Q", data, 32, int.from_bytes(data[32:40], "little") + 1)
        with pytest.raises(FormatError, match="inflates to"):
            parse(bytes(data))


@pytest.mark.parametrize("method", ["zlib", "zstd"])
def test_a_stream_that_is_cut_or_no_stream_is_told(method):
    """Be it in the checksum at its end: LLVM inflates nothing of such a stream."""
    whole = write(3, method)
    for size in range(40, len(whole)):
        data = bytearray(whole[:size])
        pack_into("<Q", data, 8, size)
        assert not ends_well(parse, bytes(data)), size
    checked = zstandard.ZstdCompressor(write_checksum=True).compress(write(3)[40:])
    for size in range(1, len(checked) + 1):
        data = bytearray(write(3)[:40] + checked[:size])
        pack_into("<Q", data, 8, len(data))
        pack_into("<Q", data, 32, len(write(3)) - 40)
        assert ends_well(parse, bytes(data)) is (size == len(checked)), size
    for garbage in (b"\x28\xb5\x2f\xfd garbage", b"\x78\x9c garbage", b"garbage"):
        data = bytearray(whole[:40] + garbage)
        pack_into("<Q", data, 8, len(data))
        with pytest.raises(FormatError, match="compressed OffloadBinary"):
            parse(bytes(data))


def test_the_window_of_a_frame_may_be_large():
    """LLVM inflates in one shot, whatever the window."""
    parameters = zstandard.ZstdCompressionParameters(
        window_log=30, enable_ldm=True, write_content_size=False
    )
    rest = write(3)[40:]
    stream = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    data = write(3)[:40] + stream.compress(rest) + stream.flush()
    data = bytearray(data)
    pack_into("<Q", data, 8, len(data))
    pack_into("<Q", data, 32, len(rest))
    assert [bytes(one.data.bytes()) for one in parse(bytes(data)).images] == [
        image.data for image in TWO
    ]


def test_limits_hold_for_images_and_for_what_is_inflated():
    images = [Image(bytes(100))] * 5
    assert len(parse(offload_binary(*images, version=2), Limits(entries=5)).images) == 5
    with pytest.raises(LimitExceeded, match="entries is 5"):
        parse(offload_binary(*images, version=2), Limits(entries=4))
    strings = {f"key{number}": "value" for number in range(5)}
    data = offload_binary(Image(b"x", strings=strings))  # with its triple and its arch
    assert len(parse(data, Limits(entries=7)).images[0].strings) == 7
    with pytest.raises(LimitExceeded, match="entries is 7"):
        parse(data, Limits(entries=6))
    large = offload_binary(Image(bytes(1 << 20)), version=3, method="zstd")
    with pytest.raises(LimitExceeded, match="inflated is"):
        parse(large, Limits(inflated=1 << 19))
    with pytest.raises(LimitExceeded, match="ratio is"):
        parse(large, Limits(ratio=10))


NAMES = st.text("abcdefgh0123:+-", max_size=12)
IMAGES = st.builds(
    Image,
    st.binary(max_size=40),
    NAMES,
    st.sampled_from(["amdgcn-amd-amdhsa", "nvptx64-nvidia-cuda", ""]),
    st.integers(0, 9),
    st.integers(0, 9),
    st.dictionaries(st.text("abcx", min_size=1, max_size=5), NAMES, max_size=3),
)


@given(
    st.sampled_from(LAYOUTS),
    st.lists(IMAGES, min_size=1, max_size=5),
    st.booleans(),
    st.integers(0, 9),
)
def test_what_was_written_is_read_at_every_offset(layout, written, counts_header, at):
    version, method = layout
    written = written[:1] if version == 1 else written
    data = offload_binary(
        *written, version=version, method=method, counts_header=counts_header
    )
    found = reader.parse(view(bytes(8 * at) + data).slice(8 * at))
    assert (found.version, found.size) == (version, len(data))
    assert [
        (bytes(one.data.bytes()), one.strings, one.kind, one.offload_kind)
        for one in found.images
    ] == [(one.data, one.texts, one.kind, one.offload_kind) for one in written]
    if not method:
        assert all(one.data.start >= 8 * at for one in found.images)
