"""ELF hosts: wrappers, however their pointers are relocated, and what they lead to."""

from itertools import product
from struct import pack_into, unpack_from

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinspect.errors import FormatError, LimitExceeded
from kinspect.hosts import elf, elf_symbols
from kinspect.limits import DEFAULT, Limits
from kinspect.model import Linkage
from tests.reading import ends_well, flips, view
from tests.writers import Host, Wrapper, bundle, offload_binary
from tests.writers.hosts import FATBIN, HIPF, HIPK, SEGMENT
from tests.writers.offload import Image

PAIR = bundle(("gfx942", b"one")) + bytes(64) + bundle(("gfx950", b"two"))
SECOND = PAIR.rindex(b"__CLANG")
WAYS = ["relative", "symbolic", "relr", "in-place"]


def parse(data, limits=DEFAULT):
    return elf.parse(view(data), limits)


def pointed(host):
    """What each wrapper points at: a file offset, or why there is none."""
    return [w.target.start if w.target else w.problem for w in host.wrappers]


def layouts():
    """Every way in which a compiler and a linker leave wrappers in a file."""
    for machine, kind, by, sections in product(
        ["x86-64", "aarch64"], ["dyn", "exec"], WAYS, [True, False]
    ):
        if (by == "in-place") != (kind == "exec"):
            continue
        yield pytest.param(
            {"machine": machine, "type": kind, "sections": sections},
            by,
            id=f"{machine}-{kind}-{by}-{'sections' if sections else 'stripped'}",
        )


@pytest.mark.parametrize(("layout", "by"), list(layouts()))
def test_wrappers_are_followed_however_they_are_relocated(layout, by):
    wrappers = [Wrapper(by=by, symbol="a"), Wrapper(SECOND, by=by, symbol="b")]
    built = Host(PAIR, wrappers, **layout).build()
    host = parse(built.data)
    start = built.place[FATBIN]
    assert pointed(host) == [start, start + SECOND]
    assert [w.offset for w in host.wrappers] == [
        built.place[SEGMENT], built.place[SEGMENT] + 24,
    ]  # fmt: skip
    assert {(w.magic, w.version) for w in host.wrappers} == {(HIPF, 1)}
    assert [w.symbol for w in host.wrappers] == (
        ["a", "b"] if by == "symbolic" else ["", ""]
    )
    for wrapper in host.wrappers:
        assert wrapper.target is not None
        assert wrapper.target.startswith(b"__CLANG_OFFLOAD_BUNDLE__")
    assert host.unreadable == ()


@pytest.mark.parametrize("by", ["relative", "symbolic"])
@pytest.mark.parametrize("machine", ["x86-64", "aarch64"])
def test_the_wrappers_of_a_relocatable_object_are_followed_by_its_own_relocations(
    machine, by
):
    wrappers = [Wrapper(by=by), Wrapper(SECOND, by=by)]
    built = Host(PAIR, wrappers, type="rel", machine=machine).build()
    host = parse(built.data)
    start = built.place[FATBIN]
    assert pointed(host) == [start, start + SECOND]
    assert host.relocatable


def test_a_symbolic_relocation_adds_its_addend():
    wrappers = [
        Wrapper(by="symbolic"),
        Wrapper(SECOND, by="symbolic", symbol="b", addend=24),
    ]
    built = Host(PAIR, wrappers).build()
    start = built.place[FATBIN]
    assert pointed(parse(built.data)) == [start, start + SECOND]


@pytest.mark.parametrize("count", [1, 2, 63, 64, 65, 200])
def test_relr_is_followed_beyond_one_bitmap(count):
    wrappers = [Wrapper(by="relr")] * count
    host = parse(Host(PAIR, wrappers).build().data)
    assert len(host.wrappers) == count
    assert len(set(pointed(host))) == 1
    assert all(w.target for w in host.wrappers)


def test_wrappers_of_one_file_may_be_relocated_differently():
    ways = ["relative", "symbolic", "relr", "relr", "symbolic"]
    built = Host(PAIR, [Wrapper(by=by) for by in ways]).build()
    assert pointed(parse(built.data)) == [built.place[FATBIN]] * 5


def test_a_target_reaches_to_the_end_of_its_section():
    built = Host(PAIR, [Wrapper(SECOND)], variables={".data": b"x" * 99}).build()
    (wrapper,) = parse(built.data).wrappers
    assert wrapper.target is not None
    assert len(wrapper.target) == len(PAIR) - SECOND
    assert wrapper.target.layer == FATBIN


def test_a_bundle_may_lie_in_any_section():
    """OffloadWrapper puts it into read-only data, without a name of its own."""
    data = {".rodata": b"text\0\0\0\0" + PAIR}
    built = Host(data=data, wrappers=[Wrapper(8, ".rodata")]).build()
    assert pointed(parse(built.data)) == [built.place[".rodata"] + 8]


# --- pointers that lead nowhere -----------------------------------------------------


@pytest.mark.parametrize(
    ("wrapper", "words"),
    [
        (Wrapper(by="nothing"), "no relocation"),
        (Wrapper(address=0x7FFF_0000), "0x7fff0000"),
        (Wrapper(by="relr", address=0x7FFF_0000), "0x7fff0000"),
        (Wrapper(by="symbolic", defined=False), "another library"),
        (Wrapper(by="symbolic", symbol="__hip_fatbin_abc", defined=False), "_abc"),
        (Wrapper(kind=5), "relocation type 5"),  # R_X86_64_COPY
        (Wrapper(kind=1027), "relocation type 1027"),  # another machine's RELATIVE
    ],
)
def test_a_pointer_that_leads_nowhere_says_why(wrapper, words):
    built = Host(PAIR, [wrapper]).build()
    (found,) = parse(built.data).wrappers
    assert found.target is None
    assert words in found.problem


def test_a_fat_binary_without_bytes_is_pointed_at_in_vain():
    """kpack leaves the section as SHT_NOBITS."""
    built = Host(PAIR, [Wrapper()], nobits=True).build()
    host = parse(built.data)
    assert host.fatbins == ()
    assert [w.target for w in host.wrappers] == [None]


def test_an_executable_that_does_not_move_keeps_a_null_pointer():
    built = Host(PAIR, [Wrapper(by="in-place", address=0)], type="exec").build()
    assert [w.target for w in parse(built.data).wrappers] == [None]


def test_the_pointer_of_a_shared_object_does_not_count_without_a_relocation():
    """The loader moves the file: what stands there is no address yet."""
    built = Host(PAIR, [Wrapper(by="in-place")]).build()
    assert [w.target for w in parse(built.data).wrappers] == [None]


@pytest.mark.parametrize(("magic", "version"), [(HIPK, 1), (0x46495048, 1), (HIPF, 2)])
def test_magic_and_version_of_a_wrapper_are_told_as_they_are(magic, version):
    wrapper = Wrapper(magic=magic, version=version, reserved=7)
    (found,) = parse(Host(PAIR, [wrapper]).build().data).wrappers
    assert (found.magic, found.version, found.reserved) == (magic, version, 7)


def test_a_relocatable_object_leaves_undefined_symbols_to_its_link():
    """An RDC object: the device link makes the bundle."""
    wrapper = Wrapper(by="symbolic", symbol="__hip_fatbin_1", defined=False)
    (found,) = parse(Host(PAIR, [wrapper], type="rel").build().data).wrappers
    assert (found.target, found.symbol) == (None, "__hip_fatbin_1")
    assert "link" in found.problem


# --- where wrappers are looked for --------------------------------------------------


def test_without_section_headers_wrappers_are_found_among_variables():
    """Amid other data, and only where something relocates them."""
    noise = b"FPIH\x01\0\0\0" + bytes(16)  # nothing relocates it
    built = Host(
        PAIR, [Wrapper(), Wrapper(SECOND)], variables={".data": noise * 3}, sections=False
    ).build()
    assert len(pointed(parse(built.data))) == 2


def test_a_renamed_section_hides_no_wrapper():
    built = Host(PAIR, [Wrapper()], wrapper_section=".data.rel.ro").build()
    assert pointed(parse(built.data)) == [built.place[FATBIN]]


def test_padding_between_wrappers_is_none():
    wrappers = [Wrapper(), Wrapper(magic=0, version=0, by="nothing"), Wrapper(SECOND)]
    assert len(parse(Host(PAIR, wrappers).build().data).wrappers) == 2


def test_the_magic_of_a_wrapper_in_text_is_none():
    data = {".rodata": b"FPIH\x01\0\0\0" * 9}
    assert parse(Host(data=data).build().data).wrappers == ()


# --- what else a host tells ---------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"machine": "x86-64"}, "elf64-x86-64"),
        ({"machine": "aarch64"}, "elf64-littleaarch64"),
        ({"e_machine": 243}, "elf64-littleriscv"),
        ({"e_machine": 258}, "elf64-loongarch"),
    ],
)
def test_a_format_is_named_as_binutils_name_it(fields, name):
    assert parse(Host(PAIR, [], **fields).build().data).format == name


@pytest.mark.parametrize("sections", [True, False])
def test_needed_libraries_are_told_in_their_order(sections):
    needed = ["libamdhip64.so.6", "libc.so.6"]
    assert parse(Host(PAIR, needed=needed, sections=sections).build().data).needed == tuple(
        needed
    )


@pytest.mark.parametrize(
    ("empty", "sections", "linkage"),
    [
        ((), True, Linkage.PER_TU),
        ((".hip_gpubin_handle",), True, Linkage.RDC),
        (("llvm_offload_entries",), True, Linkage.RDC),
        (("hip_offloading_entries",), True, Linkage.RDC),
        ((), False, None),
    ],
)
def test_sections_tell_how_device_code_was_linked(empty, sections, linkage):
    host = parse(Host(PAIR, empty=empty, sections=sections).build().data)
    assert host.linkage is linkage


def test_sections_are_told_apart_by_what_they_may_hold():
    images = offload_binary(Image(b"x"))
    data = {".rodata": b"r" * 9, ".eh_frame": b"e" * 9}
    built = Host(PAIR, data=data, variables={".data": b"d" * 9}, offloading=images).build()
    host = parse(built.data)
    assert [bytes(v.bytes()) for v in host.fatbins] == [PAIR]
    assert [bytes(v.bytes()) for v in host.offloading] == [images]
    assert [v.layer for v in host.data] == [".rodata", ".data"]


def test_without_section_headers_all_segments_are_data():
    host = parse(Host(PAIR, sections=False).build().data)
    assert host.fatbins == ()
    assert any(PAIR in bytes(v.bytes()) for v in host.data)


def test_several_fat_binary_sections_are_all_told():
    built = Host(PAIR, data={".hip_fatbin": PAIR[SECOND:]}, wrappers=[]).build()
    assert [len(v) for v in parse(built.data).fatbins] == [len(PAIR) - SECOND, len(PAIR)]


# --- damage -------------------------------------------------------------------------

SMALL = bundle(("gfx942", b"x"), host=False)
GOOD = {
    "dyn": Host(
        SMALL, [Wrapper(), Wrapper(by="symbolic"), Wrapper(by="relr")], needed=["l"]
    ),
    "exec": Host(SMALL, [Wrapper(by="in-place")], type="exec"),
    "rel": Host(SMALL, [Wrapper(by="symbolic"), Wrapper()], type="rel"),
    "stripped": Host(SMALL, [Wrapper(), Wrapper(by="symbolic")], sections=False),
}
each_good = pytest.mark.parametrize("name", GOOD)


@each_good
def test_every_truncation_is_told(name):
    """As a FormatError, or as a part of the host that could not be read."""
    data = GOOD[name].build().data
    for size in range(0, len(data), 5):
        try:
            host = parse(data[:size])
        except FormatError:
            continue
        assert host.unreadable


@each_good
def test_every_spoiled_byte_ends_in_a_host_or_a_format_error(name):
    built = GOOD[name].build()
    data = built.data
    bundle_ends = built.place[FATBIN] + len(SMALL)
    places = [
        place
        for place in range(len(data))
        if place < 64 or (data[place] and not built.place[FATBIN] <= place < bundle_ends)
    ]
    for spoiled in flips(data, places):
        ends_well(parse, spoiled)


@each_good
@given(
    st.lists(
        st.tuples(  # a place, as a share of the file
            st.floats(0, 1, exclude_max=True),
            st.sampled_from([0, 1, 7, 24, 0xFFFF, 2**31, 2**32 - 1, 2**63, 2**64 - 1]),
            st.sampled_from("HIQ"),
        ),
        max_size=4,
    )
)
def test_extreme_numbers_anywhere_end_well(name, changes):
    data = bytearray(GOOD[name].build().data)
    for share, value, letter in changes:
        at = int(share * (len(data) - 8)) // 2 * 2
        pack_into(
            f"<{letter}", data, at, value & (1 << {"H": 16, "I": 32, "Q": 64}[letter]) - 1
        )
    ends_well(parse, bytes(data))


@given(st.binary(max_size=300))
def test_arbitrary_bytes_after_the_magic_end_in_a_host_or_a_format_error(tail):
    ends_well(parse, b"\x7fELF" + tail)


@given(st.sampled_from([(1, 1), (1, 2), (2, 1), (2, 2)]), st.binary(max_size=300))
def test_every_class_and_byte_order_ends_well(ident, tail):
    """32-bit and big-endian hosts are no hosts of HIP; they may be named all the same."""
    ends_well(parse, b"\x7fELF" + bytes([*ident, 1]) + tail)


@pytest.mark.parametrize(("bits", "order"), [(0, 1), (3, 1), (2, 0), (2, 3)])
def test_a_class_or_byte_order_that_does_not_exist_is_refused(bits, order):
    data = bytearray(GOOD["dyn"].build().data)
    data[4:6] = bytes([bits, order])
    with pytest.raises(FormatError, match="not an ELF file"):
        parse(bytes(data))


def headers(data):
    """The file offsets of the section headers."""
    (start,), (count,) = unpack_from("<Q", data, 40), unpack_from("<H", data, 60)
    return [start + 64 * index for index in range(count)]


@each_good
@pytest.mark.parametrize(
    "field", [4, 24, 32, 40, 44], ids=["type", "offset", "size", "link", "info"]
)
def test_section_headers_that_lie_end_in_a_host_or_a_format_error(name, field):
    data = GOOD[name].build().data
    for start in headers(data):
        for value in (0, 1, 999, 2**31, 2**32 - 1):
            spoiled = bytearray(data)
            pack_into("<I", spoiled, start + field, value)
            ends_well(parse, bytes(spoiled))


def test_section_headers_that_can_t_be_read_leave_the_loader_s_view():
    """The runtime does without them: the wrappers are followed, and the rest is told."""
    built = GOOD["dyn"].build()
    data = bytearray(built.data)
    pack_into("<Q", data, 40, len(data) - 8)
    host = parse(bytes(data))
    assert [w.target is not None for w in host.wrappers] == [True] * 3
    assert any("section headers" in one.message for one in host.unreadable)


def test_more_than_65279_sections_are_counted_in_the_first_header():
    """`e_shnum` 0 and `e_shstrndx` SHN_XINDEX: section 0 holds the real numbers."""
    built = GOOD["dyn"].build()
    data = bytearray(built.data)
    first, count = headers(data)[0], len(headers(data))
    pack_into("<Q", data, first + 32, count)
    pack_into("<I", data, first + 40, count - 1)
    pack_into("<HH", data, 60, 0, 0xFFFF)
    host = parse(bytes(data))
    assert [v.layer for v in host.fatbins] == [FATBIN]
    assert host.unreadable == ()


def test_limits_hold_for_headers_relocations_and_wrappers():
    data = Host(PAIR, [Wrapper()] * 5).build().data
    limits = {"headers": 9, "relocations": 13, "wrappers": 5}
    assert parse(data, Limits(**limits)).unreadable == ()
    with pytest.raises(LimitExceeded, match="wrappers is 5"):
        parse(data, Limits(wrappers=4))
    with pytest.raises(LimitExceeded, match="headers is 4"):
        parse(data, Limits(headers=3))
    told = parse(data, Limits(headers=5)).unreadable
    assert [one.limit for one in told] == ["headers"]


@pytest.mark.parametrize("step", [1, 7, 16, 64, 4096])
def test_names_are_found_wherever_a_piece_of_the_table_ends(step, monkeypatch):
    names = [b"_Z%d__device_stub__k%dv" % (n % 40, n) for n in range(60)]
    names[3:3] = [b"other", b"__device_stub__" * 2, b"x" * 70 + b"__device_stub__"]
    table = b"\0" + b"\0".join(names) + b"\0"
    monkeypatch.setattr(elf_symbols, "_STEP", step)
    found = dict(elf_symbols._names(view(table), b"__device_stub__"))
    expected = {
        table.index(b"\0" + name + b"\0") + 1: name.decode()
        for name in names
        if b"__device_stub__" in name
    }
    assert found == expected
