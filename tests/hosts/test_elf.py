"""ELF hosts: wrappers, however their pointers are relocated, and what they lead to."""

from io import BytesIO
from itertools import product
from struct import pack_into, unpack_from
from typing import Any

import pytest
from elftools.elf.elffile import ELFFile
from hypothesis import given
from hypothesis import strategies as st

from kinspect.errors import FormatError, LimitExceeded
from kinspect.hosts import elf, elf_relocations, elf_symbols
from kinspect.limits import DEFAULT, Limits
from kinspect.model import Linkage
from tests.reading import ends_well, flips, view
from tests.writers import Host, Wrapper, bundle, offload_binary
from tests.writers.elves import ALLOC, EXECUTE, NOBITS, Section
from tests.writers.elves import elf as write_elf
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


@pytest.mark.parametrize("block", [1, 2, 3, 9, 10, 2048])
def test_relocations_are_found_in_every_block_of_them(block, monkeypatch):
    places = [SECOND if number % 3 else 0 for number in range(10)]
    built = Host(PAIR, [Wrapper(at) for at in places]).build()
    monkeypatch.setattr(elf_relocations, "_BLOCK", block)
    start = built.place[FATBIN]
    assert pointed(parse(built.data)) == [start + at for at in places]


@pytest.mark.parametrize("count", [1, 2, 63, 64, 65, 200])
def test_relr_is_followed_beyond_one_bitmap(count):
    wrappers = [Wrapper(by="relr")] * count
    host = parse(Host(PAIR, wrappers).build().data)
    assert len(host.wrappers) == count
    assert len(set(pointed(host))) == 1
    assert all(w.target for w in host.wrappers)


def test_relr_relocates_other_words_too():
    """An address of no wrapper's, and bits for those behind it."""
    built = Host(PAIR, [Wrapper(by="relr")] * 3).build()
    data = bytearray(built.data)
    first = built.address[SEGMENT] + 8
    bits = 1 | 1 << 1 | 1 << 3 | 1 << 6  # the second is another word
    pack_into("<2Q", data, built.place[".relr.dyn"], first - 8, bits << 1 | 1)
    assert pointed(parse(bytes(data))) == [built.place[FATBIN]] * 3
    pack_into("<Q", data, built.place[".relr.dyn"] + 8, (bits ^ 1 << 3) << 1 | 1)
    found = [w.target is not None for w in parse(bytes(data)).wrappers]
    assert found == [True, False, True]


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


def test_wrappers_beside_those_of_the_named_section_are_found():
    """Before it and behind it in the segment; the bundles themselves are left out."""
    record = b"FPIH\x01\0\0\0" + bytes(16)
    built = Host(
        PAIR, [Wrapper(), Wrapper(SECOND)], wrapper_section=".data.rel.ro",
        variables={SEGMENT: record, FATBIN: record * 2, ".data": record},
    ).build()  # fmt: skip
    data = bytearray(built.data)
    # the second relocation is that of the record in `.data`
    place = built.place[".rela.dyn"] + 24
    pack_into("<Q", data, place, built.address[".data"] + 8)
    found = parse(bytes(data)).wrappers
    assert [one.offset for one in found] == [
        built.place[".data.rel.ro"], built.place[SEGMENT], built.place[".data"],
    ]  # fmt: skip
    assert [one.target is not None for one in found] == [True, False, True]


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


@pytest.mark.parametrize("magic", [b"\x7fELG", b"\x7eELF", bytes(4)])
def test_another_magic_is_refused(magic):
    data = GOOD["dyn"].build().data
    with pytest.raises(FormatError, match="not an ELF file"):
        parse(magic + data[4:])


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


# --- every class and byte order -------------------------------------------------------

#: e_machine, class, order → the name of binutils (bfd, elf32-*.c and elf64-*.c)
NAMED = {
    (62, 64, True): "elf64-x86-64",
    (183, 64, True): "elf64-littleaarch64",
    (21, 64, True): "elf64-powerpcle",
    (243, 64, True): "elf64-littleriscv",
    (258, 64, True): "elf64-loongarch",
    (3, 32, True): "elf32-i386",
    (40, 32, True): "elf32-littlearm",
}
PREFIX = "__CLANG_OFFLOAD_BUNDLE__hip-amdgcn-amd-amdhsa--"
CONTENT = {
    ".hip_fatbin": "fatbins",
    ".llvm.offloading": "offloading",
    ".rocm_kpack_ref": "reference",
    f"{PREFIX}gfx942": "bitcode",
    f"{PREFIX}gfx950": "bitcode",
    ".rodata": "data",
    ".eh_frame": "",
    ".text": "",
}


@given(
    st.sampled_from([32, 64]),
    st.booleans(),
    st.sampled_from([(62, 3), (183, 2), (21, 3), (243, 3), (258, 3), (3, 3), (40, 1)]),
    st.dictionaries(st.sampled_from(sorted(CONTENT)), st.binary(min_size=1, max_size=40)),
    st.sampled_from([1, 4, 8, 16, 64]),
)
def test_what_was_written_is_read_in_every_class_and_byte_order(
    bits, little, machine, parts, align
):
    e_machine, kind = machine
    sections = [
        Section(name, data, flags=ALLOC | EXECUTE * (name == ".text"), align=align)
        for name, data in parts.items()
    ]
    data = write_elf(sections, bits=bits, little=little, machine=e_machine, kind=kind)
    theirs = {s.name: s.data() for s in ELFFile(BytesIO(data)).iter_sections()}
    assert {name: theirs[name] for name in parts} == parts
    host = parse(data)
    assert (host.unreadable, host.wrappers, host.needed) == ((), (), ())
    assert host.relocatable is (kind == 1)
    assert [bytes(one.bytes()) for one in host.fatbins] == [
        parts[name] for name in parts if name == ".hip_fatbin"
    ]
    assert [bytes(one.bytes()) for one in host.offloading] == [
        parts[name] for name in parts if name == ".llvm.offloading"
    ]
    assert {entry.target_name: bytes(one.bytes()) for entry, one in host.bitcode} == {
        name.removeprefix(PREFIX): parts[name] for name in parts if name.startswith(PREFIX)
    }
    reference = host.reference
    assert (reference and bytes(reference.bytes())) == parts.get(".rocm_kpack_ref")
    assert {".rodata"} & parts.keys() <= {one.layer for one in host.data}
    assert not {".eh_frame", ".text", ".hip_fatbin"} & {one.layer for one in host.data}
    if (e_machine, bits, little) in NAMED:
        assert host.format == NAMED[e_machine, bits, little]
    else:
        assert host.format.startswith(f"elf{bits}-")


@pytest.mark.parametrize(("bits", "little"), [(32, True), (32, False), (64, False)])
def test_other_hosts_have_no_wrappers_of_hip(bits, little):
    """The runtime exists for 64 bits, little-endian; what looks like a wrapper is none."""
    record = b"FPIH\x01\0\0\0" + bytes(16)
    sections = [Section(SEGMENT, record), Section(FATBIN, SMALL)]
    host = parse(write_elf(sections, bits=bits, little=little, machine=3))
    assert (host.wrappers, host.stubs) == ((), frozenset())
    assert [bytes(one.bytes()) for one in host.fatbins] == [SMALL]


@pytest.mark.parametrize("bits", [32, 64])
def test_without_section_headers_the_segment_is_all_there_is(bits):
    data = write_elf([Section(".x", b"content")], bits=bits, headers=False)
    (part,) = parse(data).data
    assert bytes(part.bytes()).endswith(b"content")
    assert part.layer == "segment 0"


def test_a_section_without_bytes_keeps_its_place_and_name():
    parts = [
        Section(".hip_fatbin", type=NOBITS, size=4096),
        Section(f"{PREFIX}gfx942", type=NOBITS, size=9),
    ]
    data = write_elf(parts)
    host = parse(data)
    assert host.hollow is not None
    assert (host.hollow.layer, host.hollow.offset) == (FATBIN, 64 + 56)
    assert [(e.target_name, len(one)) for e, one in host.bitcode] == [("gfx942", 0)]
    assert parse(write_elf([Section(".hip_fatbin", type=NOBITS)])).hollow is None
    others = [Section(".bss", type=NOBITS, size=9), Section(".hip_fatbin", b"x")]
    assert parse(write_elf(others)).hollow is None


def test_sections_by_their_flags_and_names():
    parts = [
        Section(f"{PREFIX}gfx942", b"bitcode"),
        Section(".text", b"code", flags=ALLOC | EXECUTE),
        Section(".comment", b"by clang", flags=0),
        Section(".note", b"a note", type=7),
        Section(".rodata", b"read-only"),
        Section(".gcc_except_table", b"unwinding"),
    ]
    host = parse(write_elf(parts))
    assert [bytes(one.bytes()) for one in host.data] == [b"bitcode", b"read-only"]
    ((entry, content),) = host.bitcode
    assert (entry.target_name, bytes(content.bytes())) == ("gfx942", b"bitcode")


def test_what_is_registered_is_asked_for_and_needs_a_wrapper():
    spec: dict[str, Any] = {
        "functions": ["_Z19__device_stub__kern"],
        "data": {".rodata": b"_Z4kernv\0"},
    }
    registers = Host(PAIR, **spec).build().data
    host = parse(registers)
    assert host.stubs == {"_Z19__device_stub__kern"}
    assert "_Z4kernv" in host.registration.kernels
    for other in (
        elf.parse(view(registers), registration=False),
        parse(Host(PAIR, wrappers=[], **spec).build().data),
    ):
        assert (other.stubs, other.registration.kernels) == (frozenset(), ())
    # without section headers, names of symbols can't be told from data
    stripped = parse(Host(PAIR, sections=False, hash="sysv", **spec).build().data)
    assert stripped.registration.kernels == ()
    assert stripped.stubs == {"_Z19__device_stub__kern"}


def test_objects_by_the_names_of_kernels_are_their_handles():
    """Defined, objects and no functions, and named in the data; no type information.

    `_ZTIFvvE` reads `typeinfo for void ()`, as if it was a function.
    """
    special = ["_ZTIFvvE", "_ZGVZ1fvE1x"]
    text = b"".join(b"_Z%dk%dv\0" % (n, n) for n in range(10, 14))
    text += b"".join(name.encode() + b"\0" for name in special)
    wrappers = [
        *(Wrapper(by="symbolic", symbol=name) for name in special),
        Wrapper(by="symbolic", symbol="_Z10k10v"),
        Wrapper(by="symbolic", symbol="_Z11k11v", defined=False),
        Wrapper(by="symbolic", symbol="_Z99k99v"),
    ]
    host = parse(
        Host(PAIR, wrappers, functions=["_Z12k12v"], data={".rodata": text}).build().data
    )
    assert len(host.registration.kernels) == 6
    assert host.registration.objects == ("_Z10k10v",)


def test_a_stub_of_another_library_is_no_stub_of_this_one():
    wrappers = [Wrapper(by="symbolic", symbol="_Z15__device_stub__k", defined=False)]
    host = parse(Host(PAIR, wrappers, functions=["_Z15__device_stub__f"]).build().data)
    assert host.stubs == {"_Z15__device_stub__f"}


def test_the_dynamic_tags_end_with_a_null():
    built = Host(PAIR, needed=["liba.so"]).build()
    data = bytearray(built.data)
    end = built.place[".dynamic"] + 16 * 12  # the last of the zeros behind the tags
    assert data[end : end + 16] == bytes(16)
    pack_into("<qQ", data, end, 1, 1)  # DT_NEEDED
    assert parse(bytes(data)).needed == ("liba.so",)


def test_dynamic_tags_that_can_not_be_read_are_told():
    data = Host(PAIR, needed=["liba.so"]).build().data
    (told,) = parse(data, Limits(relocations=12)).unreadable
    assert told.limit == "relocations"
    assert told.message.startswith("dynamic segment: relocations is 13")


def tag_at(built, number):
    """Where a dynamic tag stands."""
    start = built.place[".dynamic"]
    return next(
        at
        for at in range(start, start + 16 * 16, 16)
        if unpack_from("<q", built.data, at) == (number,)
    )


@pytest.mark.parametrize(("size", "followed"), [(24, True), (25, False), (16, False)])
def test_relocations_of_another_size_are_not_followed(size, followed):
    built = Host(PAIR).build()
    data = bytearray(built.data)
    pack_into("<Q", data, tag_at(built, 9) + 8, size)  # DT_RELAENT
    assert [w.target is not None for w in parse(bytes(data)).wrappers] == [followed]


@pytest.mark.parametrize(("by", "tag"), [("relative", 8), ("relr", 35)])
def test_no_more_relocations_than_the_limit(by, tag):
    built = Host(PAIR, [Wrapper(by=by)], data={".rodata": bytes(4096)}).build()
    data = bytearray(built.data)
    pack_into("<Q", data, tag_at(built, tag) + 8, 960)  # 40 of 24 bytes, 120 of 8
    count = 960 // (24 if by == "relative" else 8)
    with pytest.raises(LimitExceeded, match=f"relocations is {count}"):
        parse(bytes(data), Limits(relocations=count - 1))


@pytest.mark.parametrize("field", ["link", "info", "names", "home"])
def test_numbers_of_sections_that_are_just_too_large(field):
    """As many as there are: of the relocations, of the symbols, of one symbol."""
    built = GOOD["rel"].build()
    data = bytearray(built.data)
    count = len(headers(built.data))
    kinds = {unpack_from("<I", built.data, at + 4)[0]: at for at in headers(built.data)}
    if field == "home":
        for symbol in range(24, 72, 24):
            pack_into("<H", data, built.place[".symtab"] + symbol + 6, count)
    else:
        table = kinds[2 if field == "names" else 4]  # SHT_SYMTAB, SHT_RELA
        pack_into("<I", data, table + (44 if field == "info" else 40), count)
    found = parse(bytes(data)).wrappers
    expected = {"link": "no relocation", "info": "no relocation", "home": "for the link"}
    for one in found:
        assert (one.target is not None) is (field == "names")
        assert expected.get(field, "") in one.problem
        assert one.symbol == "" or field != "names"


@pytest.mark.parametrize("kind", [2, 9])
def test_only_relocations_of_the_known_kind_are_followed(kind):
    """SHT_RELA; 9 is SHT_REL, without addends."""
    built = GOOD["rel"].build()
    data = bytearray(built.data)
    (at,) = (
        at for at in headers(built.data) if unpack_from("<I", built.data, at + 4) == (4,)
    )
    pack_into("<I", data, at + 4, kind)
    assert ["no relocation" in one.problem for one in parse(bytes(data)).wrappers] == [
        True,
        True,
    ]


def test_the_whole_symbol_table_is_one_that_was_not_stripped():
    assert parse(Host(PAIR, type="rel").build().data).registration.symbols
    assert not parse(Host(PAIR).build().data).registration.symbols


def test_a_section_of_the_table_without_bytes_is_no_table():
    data = {".rodata": b"_Z4kernv\0"}
    host = parse(Host(PAIR, data=data, empty=["llvm_offload_entries"]).build().data)
    assert not host.registration.exact
    assert host.registration.kernels == ("_Z4kernv",)


@pytest.mark.parametrize("field", [24, 32], ids=["offset", "size"])
def test_a_section_beyond_the_file_leaves_the_loader_s_view(field):
    built = GOOD["dyn"].build()
    data = bytearray(built.data)
    pack_into("<Q", data, headers(built.data)[1] + field, len(data))
    host = parse(bytes(data))
    assert ["section headers: needs" in one.message for one in host.unreadable] == [True]
    assert [w.target is not None for w in host.wrappers] == [True] * 3
    assert host.fatbins == ()


def test_a_segment_that_is_not_loaded_may_be_cut():
    data = bytearray(write_elf([Section(".x", b"content")]))
    pack_into("<Q", data, 64 + 32, len(data) + 1)  # p_filesz
    (told,) = parse(bytes(data)).unreadable
    assert "truncated: a segment ends at" in told.message
    pack_into("<I", data, 64, 0x6474E551)  # PT_GNU_STACK
    assert parse(bytes(data)).unreadable == ()


@pytest.mark.parametrize("many", [True, False])
@pytest.mark.parametrize("far", [True, False])
def test_the_first_section_header_holds_numbers_that_are_too_large(many, far):
    """`e_shnum` 0 and `e_shstrndx` SHN_XINDEX, each by itself."""
    built = GOOD["dyn"].build()
    data = bytearray(built.data)
    first, count = headers(data)[0], len(headers(data))
    if many:
        pack_into("<H", data, 60, 0)
    if far:
        pack_into("<H", data, 62, 0xFFFF)
    # the other number is another one there, and does not count
    pack_into("<Q", data, first + 32, count if many else 1)
    pack_into("<I", data, first + 40, count - 1 if far else 0)
    host = parse(bytes(data))
    assert [v.layer for v in host.fatbins] == [FATBIN]
    assert host.unreadable == ()


@pytest.mark.parametrize(
    ("at", "letter", "value", "message"),
    [
        (58, "H", 63, "section headers of 63 bytes, expected 64"),
        (62, "H", 3, "e_shstrndx 3 names no section"),
        (62, "H", 0xFFFE, "e_shstrndx 65534 names no section"),
    ],
)
def test_section_headers_that_contradict_are_told(at, letter, value, message):
    data = bytearray(write_elf([Section(".x", b"content")]))
    pack_into(f"<{letter}", data, at, value)
    (told,) = parse(bytes(data)).unreadable
    assert message in told.message


def test_program_headers_that_are_too_short_are_refused():
    data = bytearray(write_elf([Section(".x", b"content")]))
    pack_into("<H", data, 54, 55)
    with pytest.raises(FormatError, match="program headers of 55 bytes, expected 56"):
        parse(bytes(data))
    pack_into("<HH", data, 54, 0, 0)  # no headers need no size
    assert parse(bytes(data)).unreadable == ()


# --- wrappers and symbols, written and read -------------------------------------------


@given(
    st.lists(
        st.tuples(
            st.integers(0, len(PAIR) - 1),
            st.sampled_from(["relative", "symbolic", "relr"]),
            st.sampled_from([HIPF, HIPK]),
            st.integers(0, 2**64 - 1),
            st.integers(0, 40),
        ),
        max_size=70,
    ),
    st.sampled_from(["x86-64", "aarch64"]),
    st.booleans(),
    st.sampled_from([8, 16, 64, 4096]),
    st.dictionaries(st.sampled_from([".data", ".data.rel.ro"]), st.binary(max_size=40)),
    st.booleans(),
)
def test_wrappers_that_were_written_are_read(
    rows, machine, sections, align, variables, exec_
):
    wrappers = [
        Wrapper(
            at, FATBIN, "in-place" if exec_ else by, magic, reserved=reserved,
            symbol=f"s{number}", addend=addend if by == "symbolic" and not exec_ else 0,
        )
        for number, (at, by, magic, reserved, addend) in enumerate(rows)
    ]  # fmt: skip
    built = Host(
        PAIR, wrappers, machine, "exec" if exec_ else "dyn", sections,
        variables=variables, align=align,
    ).build()  # fmt: skip
    host = parse(built.data)
    assert pointed(host) == [built.place[FATBIN] + one.at for one in wrappers]
    assert [(w.offset, w.magic, w.version, w.reserved) for w in host.wrappers] == [
        (built.place[SEGMENT] + 24 * number, one.magic, 1, one.reserved)
        for number, one in enumerate(wrappers)
    ]
    assert host.unreadable == ()


STUBS = st.lists(
    st.sampled_from(
        ["_Z4mainv", "_Z21__device_stub__kernelPi", "_ZN1a18__device_stub__bEv"]
    ),
    unique=True,
)


@given(STUBS, st.sampled_from(["sysv", "gnu"]), st.lists(st.text("abc"), max_size=2))
def test_stubs_of_a_stripped_host_are_counted_by_its_hash_table(names, kind, needed):
    functions = [f"{name}{number}" for number, name in enumerate(names * 3)]
    host = parse(
        Host(
            PAIR, [Wrapper()], functions=functions, hash=kind, sections=False, needed=needed
        ).build().data
    )  # fmt: skip
    assert host.stubs == {one for one in functions if "__device_stub__" in one}
    assert host.unreadable == ()


def test_a_stripped_host_without_a_hash_table_tells_no_symbols():
    stub = "_Z21__device_stub__kernelPi"
    assert parse(Host(PAIR, functions=[stub]).build().data).stubs == {stub}
    stripped = Host(PAIR, functions=[stub], sections=False)
    assert parse(stripped.build().data).stubs == frozenset()


@pytest.mark.parametrize("buckets", [1, 2, 3, 7])
@pytest.mark.parametrize("first", [1, 2, 4])
@pytest.mark.parametrize("count", [3, 4, 9])
def test_a_gnu_hash_table_ends_with_its_last_chain(buckets, first, count):
    """Symbols before the first hashed one count too; a bucket may be empty, or all are."""
    names = [f"_Z{n}__device_stub__" for n in range(count)]
    spec = Host(PAIR, functions=names, hash="gnu", gnu=(buckets, first), sections=False)
    assert parse(spec.build().data).stubs == set(names)


@pytest.mark.parametrize("kind", ["sysv", "gnu"])
def test_a_hash_table_that_lies_ends_in_an_error(kind):
    """More symbols than there are bytes, or than the limit."""
    names = [f"_Z{n}__device_stub__" for n in range(9)]
    built = Host(PAIR, functions=names, hash=kind, sections=False).build()
    at = built.place[".hash" if kind == "sysv" else ".gnu.hash"]
    for value in (10**6, 2**32 - 1):
        data = bytearray(built.data)
        # the number of chains; the first symbol of a bucket
        pack_into("<I", data, at + (4 if kind == "sysv" else 16 + 24), value)
        with pytest.raises(FormatError):
            parse(bytes(data))
    with pytest.raises(LimitExceeded, match="symbols is"):
        parse(built.data, Limits(symbols=8))
    assert len(parse(built.data, Limits(symbols=10)).stubs) == 9


def test_more_buckets_than_the_limit_of_symbols():
    spec = Host(PAIR, functions=["_Z1f"], hash="gnu", gnu=(50, 1), sections=False)
    with pytest.raises(LimitExceeded, match="symbols is 50"):
        parse(spec.build().data, Limits(symbols=49))
