"""AMDGPU code objects: headers, notes, symbols and kernel descriptors."""

from dataclasses import replace
from struct import pack, pack_into, unpack_from

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinspect.errors import FormatError, LimitExceeded
from kinspect.formats import amdgpu_elf, symbols
from kinspect.formats import code_object as reader
from kinspect.formats.named import Symbols
from kinspect.limits import DEFAULT, Limits
from kinspect.model import CodeObject
from kinspect.view import Memory, View
from tests.reading import ends_well, flips, view
from tests.writers import Kernel, code_object, packed, useless
from tests.writers.code_objects import BIAS, GLOBAL, LOCAL, V2, V3, V4, V5, V6, WEAK, note
from tests.writers.code_objects import CodeObject as Written

GOOD = code_object("gfx942", "alpha", "beta")
NO_SECTIONS = "its section headers are gone, by which the loader finds its symbols"
FIELDS = {
    "EI_CLASS": (4, "B"), "EI_DATA": (5, "B"), "EI_OSABI": (7, "B"),
    "e_machine": (18, "H"), "e_version": (20, "I"),
}  # fmt: skip
SYMBOLLESS = code_object("gfx942", "a", dynamic=False, sections=False)
PHOFF, SHOFF, PHENTSIZE, PHNUM, SHENTSIZE, SHNUM = 32, 40, 54, 56, 58, 60


def parse(data, limits=DEFAULT) -> CodeObject:
    return reader.parse(view(data), limits)


def spoiled(data, at, letter, value):
    out = bytearray(data)
    pack_into(f"<{letter}", out, at, value)
    return bytes(out)


def faults(data):
    return [fault.message for fault in parse(data).faults]


# --- what is sound ------------------------------------------------------------------


@pytest.mark.parametrize("abi", [V3, V4, V5, V6])
@pytest.mark.parametrize("target", ["gfx942", "gfx950", "gfx90a"])
def test_a_code_object_is_read(target, abi):
    found = parse(code_object(target, "beta", "alpha", abi=abi))
    assert found.kernels == ("alpha", "beta")
    assert found.abi_version == abi
    assert found.flags.target is not None
    assert found.flags.target.processor == target
    expected = f"amdgcn-amd-amdhsa--{target}" if abi > V3 else None
    assert found.metadata_target == expected
    assert (found.records, found.faults) == (1, ())
    assert (found.undescribed, found.unlisted, found.undefined) == ((), (), ())
    assert not found.useless


@pytest.mark.parametrize("sections", [True, False])
@pytest.mark.parametrize("note_segment", [True, False])
def test_kernels_are_found_by_segments_or_by_sections(sections, note_segment):
    """Stripped of section headers, PT_NOTE, PT_DYNAMIC and DT_HASH still lead there.

    HIP's loader does not take these ways, so that is a fault.
    """
    found = parse(code_object(sections=sections, note_segment=note_segment))
    told = [fault.message for fault in found.faults]
    assert told == ([] if sections else [NO_SECTIONS])
    notes = sections or note_segment
    assert found.records == notes
    assert found.kernels == (("kernel",) if notes else ())
    assert found.unlisted == (() if notes else ("kernel.kd",))


def test_section_headers_alone_are_enough():
    found = parse(code_object(dynamic=False, note_segment=False))
    assert (found.kernels, found.faults) == (("kernel",), ())


@pytest.mark.parametrize("count", [1, 2, 8])
def test_kernels_of_all_notes_are_one_set(count):
    kernels = [Kernel(f"k{number}", record=number) for number in range(count)]
    found = parse(code_object("gfx942", *kernels))
    assert found.records == count
    assert found.kernels == tuple(f"k{number}" for number in range(count))


def test_a_kernel_of_two_notes_is_told():
    both = [Kernel("k", record=0), Kernel("k", record=1)]
    assert any("listed twice: k" in one for one in faults(code_object("gfx942", *both)))


@pytest.mark.parametrize("binding", [GLOBAL, WEAK])
def test_a_descriptor_may_be_weak(binding):
    """Templates are."""
    assert parse(code_object("gfx942", Kernel("k", binding=binding))).kernels == ("k",)


def test_a_descriptor_goes_by_its_symbol_and_a_kernel_by_its_name():
    found = parse(code_object("gfx942", Kernel("name", symbol="other.kd")))
    assert found.kernels == ("name",)


def test_undefined_symbols_are_told_unless_they_are_weak():
    found = parse(code_object(undefined={"zeta": GLOBAL, "alpha": GLOBAL, "weak": WEAK}))
    assert found.undefined == ("alpha", "zeta")
    assert found.kernels == ("kernel",)


def test_an_rdc_link_without_an_architecture_makes_a_useless_code_object():
    found = parse(useless())
    assert found.useless
    assert (found.e_flags, found.abi_version, found.records) == (0, V2, 0)
    assert found.flags.target is None
    assert not parse(code_object(kernels=())).useless


def test_resources_are_read_where_they_are_asked_for():
    data = code_object("gfx942", Kernel("k", fields={"vgpr_count": 77}))
    (kernel,) = reader.kernels(view(data))
    assert (kernel.name, kernel.vgpr_count) == ("k", 77)


def test_other_notes_are_passed_over():
    """The linker adds a build ID; and only the name together with the type counts."""
    record = packed({"amdhsa.version": [1, 2], "amdhsa.kernels": []})
    others = note(b"GNU\0", 3, b"\1" * 20) + note(b"AMDGPU\0", 33, b"x")
    others += note(b"AMD\0", 32, b"y") + note(b"", 32, b"z" * 3)
    data = code_object(records=[record])
    own = note(b"AMDGPU\0", 32, record)
    assert own in data
    grown = code_object(records=[record], padding=len(others))
    at = grown.index(own)
    start = at + len(own) + -(at + len(own)) % 8
    padded = bytearray(grown)
    padded[start : start + len(others)] = others
    # the segment now takes both
    pack_into("<Q", padded, 64 + 56 * 2 + 32, start + len(others) - at)
    assert start == at + len(own), "no padding between the notes"
    assert parse(bytes(padded)).records == 1


# --- kernels that can't be launched -------------------------------------------------


@pytest.mark.parametrize(
    "kernel",
    [Kernel("k", descriptor=False), Kernel("k", binding=LOCAL)],
    ids=["gone", "local"],
)
def test_a_kernel_without_a_visible_descriptor_is_none(kernel):
    found = parse(code_object("gfx942", "other", kernel))
    assert found.kernels == ("other",)
    assert (found.undescribed, found.unlisted, found.faults) == (("k",), (), ())


def test_a_descriptor_without_metadata_is_no_kernel():
    found = parse(code_object("gfx942", "other", Kernel("k", listed=False)))
    assert found.kernels == ("other",)
    assert (found.undescribed, found.unlisted, found.faults) == ((), ("k.kd",), ())


@pytest.mark.parametrize("size", [0, 63, 65, 256, 2**63])
def test_a_descriptor_has_64_bytes(size):
    (message,) = faults(code_object("gfx942", Kernel("k", size=size)))
    assert message == f"k.kd has {size} bytes, a kernel descriptor 64"


@pytest.mark.parametrize("address", [0, BIAS - 1, BIAS + 10**6, 2**64 - 64, 2**64 - 1])
def test_a_descriptor_lies_in_the_file(address):
    (message,) = faults(code_object("gfx942", Kernel("k", address=address)))
    assert "k.kd lies in no segment" in message


def test_a_descriptor_that_lies_wrong_is_told_alone():
    data = code_object("gfx942", "a", Kernel("b", address=BIAS - 1), "c")
    assert [one.split()[0] for one in faults(data)] == ["b.kd"]
    data = code_object("gfx942", "a", Kernel("b", size=63), "c")
    assert [one.split()[0] for one in faults(data)] == ["b.kd"]


def dynamic_tag(data: bytes, tag: int) -> int:
    """Where a tag of a code object without section headers stands."""
    (start,) = (
        int.from_bytes(data[at + 8 : at + 16], "little")
        for at in (64, 120, 176)
        if data[at : at + 4] == pack("<I", 2)
    )
    return next(
        at
        for at in range(start, len(data), 16)
        if data[at : at + 8] == tag.to_bytes(8, "little")
    )


@pytest.mark.parametrize("tag", [4, 5, 6, 10], ids=["hash", "strtab", "symtab", "strsz"])
def test_without_one_of_its_tags_there_is_no_symbol_table(tag):
    data = code_object("gfx942", "k", sections=False)
    found = parse(spoiled(data, dynamic_tag(data, tag), "Q", 99))
    assert (found.kernels, found.undescribed) == ((), ("k",))
    assert [fault.message for fault in found.faults] == [NO_SECTIONS]


@pytest.mark.parametrize("tag", [4, 5, 6])
@pytest.mark.parametrize("address", [0, BIAS - 1, BIAS + 10**6, 2**64 - 1])
def test_an_address_outside_of_the_segments_is_a_fault(tag, address):
    data = code_object("gfx942", "k", sections=False)
    at = dynamic_tag(data, tag) + 8
    told = faults(spoiled(data, at, "Q", address))
    assert told == [NO_SECTIONS, f"address {address:#x} lies in no segment of the file"]


def test_an_address_is_looked_for_in_every_loaded_segment():
    """The first one is empty here, and the note's no loaded one."""
    data = code_object("gfx942", "k", sections=False)
    assert data[64:68] == pack("<I", 1)
    moved = data[:64] + pack("<II6Q", 1, 5, 0, 0, 0, 0, 0, 4096) + data[120:]
    # the last of the three headers, PT_NOTE, becomes the loaded one
    load = bytearray(data[64:120])
    found = parse(moved[:176] + bytes(load) + moved[232:])
    assert (found.kernels, found.unlisted) == ((), ("k.kd",))
    assert [fault.message for fault in found.faults] == [NO_SECTIONS]


# --- what is no code object ---------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("EI_CLASS", 1),
        ("EI_DATA", 2),
        ("EI_OSABI", 0),
        ("EI_OSABI", 65),  # PAL
        ("e_machine", 62),
        ("e_machine", 0),
        ("e_version", 0),
        ("e_version", 2),
    ],
)
def test_an_elf_file_of_something_else_is_refused(field, value):
    at, letter = FIELDS[field]
    data = spoiled(GOOD, at, letter, value)
    with pytest.raises(FormatError, match=f"{field} is {value}"):
        parse(data)


@pytest.mark.parametrize("data", [b"", b"\x7fEL", b"BC\xc0\xde" * 20, bytes(64)])
def test_what_is_no_elf_file_is_refused(data):
    with pytest.raises(FormatError, match="not an ELF file"):
        parse(data)
    assert not amdgpu_elf.is_code_object(view(data))


@pytest.mark.parametrize(
    ("field", "value", "taken"),
    [("e_machine", 224, True), ("e_machine", 62, False), ("EI_OSABI", 0, False)],
)
def test_hip_takes_bare_code_objects_by_machine_and_osabi(field, value, taken):
    at, letter = FIELDS[field]
    assert amdgpu_elf.is_code_object(view(spoiled(GOOD, at, letter, value))) is taken


def test_code_object_v2_is_told_as_what_it_is():
    """Its note is YAML, by the name AMD and the type 10."""
    data = code_object(records=[b"---\n" * 40])
    old = note(b"AMDGPU\0", 32, b"---\n" * 40)
    new = note(b"AMD\0", 10, b"---\n" * 40)
    assert any("v2" in one for one in faults(data.replace(old, new.ljust(len(old), b"\0"))))


# --- what is damaged ----------------------------------------------------------------


@pytest.mark.parametrize("sections", [True, False])
def test_every_truncation_is_a_format_error_or_a_fault(sections):
    data = code_object("gfx942", "alpha", sections=sections)
    for size in range(64):
        with pytest.raises(FormatError):
            parse(data[:size])
    for size in range(64, len(data)):
        assert faults(data[:size])


def test_a_segment_that_is_cut_off_is_a_fault_whatever_lies_there():
    """Code, say: nothing that kinspect would read, and HIP maps it."""
    data = code_object(sections=False, dynamic=False)
    assert faults(data) == [NO_SECTIONS]
    truncated = [one for one in faults(data[:-1]) if one != NO_SECTIONS]
    assert truncated
    assert all("truncated" in one for one in truncated)


def test_every_spoiled_byte_ends_in_a_result_or_a_format_error():
    for data in flips(GOOD):
        ends_well(parse, data)
        ends_well(reader.kernels, view(data))
        ends_well(amdgpu_elf.extent, view(data))


def test_every_spoiled_byte_without_section_headers_ends_well():
    for data in flips(code_object(sections=False)):
        ends_well(parse, data)


@given(st.binary(max_size=400))
def test_arbitrary_bytes_after_the_identification_end_well(tail):
    ends_well(parse, GOOD[:20] + tail)


@given(
    st.lists(
        st.tuples(
            st.integers(16, len(GOOD) - 8),
            st.sampled_from([0, 1, 24, 64, 0xFFFF, 2**31, 2**32 - 1, 2**63, 2**64 - 1]),
            st.sampled_from("HIQ"),
        ),
        max_size=4,
    )
)
def test_extreme_numbers_anywhere_end_well(changes):
    out = bytearray(GOOD)
    for at, value, letter in changes:
        pack_into(
            f"<{letter}", out, at, value & (1 << {"H": 16, "I": 32, "Q": 64}[letter]) - 1
        )
    ends_well(parse, bytes(out))


@pytest.mark.parametrize(
    ("at", "letter", "value"),
    [
        (PHOFF, "Q", 2**64 - 1),
        (SHOFF, "Q", 2**64 - 1),
        (PHENTSIZE, "H", 0),
        (PHENTSIZE, "H", 55),
        (SHENTSIZE, "H", 0),
        (SHENTSIZE, "H", 63),
        (PHNUM, "H", 0xFFFF),
        (SHNUM, "H", 0xFFFF),
    ],
)
def test_headers_that_lead_nowhere_are_a_fault(at, letter, value):
    assert any("headers" in one for one in faults(spoiled(GOOD, at, letter, value)))


@pytest.mark.parametrize(
    ("namesz", "descsz"),
    [(7, 2**32 - 1), (2**32 - 1, 4), (2**32 - 1, 2**32 - 1), (7, 10**6)],
)
def test_a_note_that_reaches_out_is_a_fault(namesz, descsz):
    at = GOOD.index(b"AMDGPU\0") - 12
    data = bytearray(GOOD)
    pack_into("<II", data, at, namesz, descsz)
    assert faults(bytes(data))


def test_metadata_that_is_broken_is_a_fault():
    assert any("metadata" in one for one in faults(code_object(records=[b"\xc1"])))


@pytest.mark.parametrize(
    "name",
    [
        "max_flat_workgroup_size",
        "reqd_workgroup_size",
        "vgpr_spill_count",
        "language",
        "args",
    ],
)
def test_a_field_of_another_kind_is_a_fault(name):
    """A map is neither a scalar nor a list, be the field needed for a launch or not."""
    wrong = {".size": 8}
    (told,) = faults(code_object("gfx942", Kernel("kernel", fields={name: wrong})))
    assert told.startswith("metadata record: ")
    assert ": Expected" in told


def test_the_first_arguments_that_are_broken_are_told():
    """Though each list is decoded once, for whichever kernel has it."""
    broken = [Kernel(f"k{n}", fields={"args": [{".size": n}]}) for n in range(30)]
    same = Kernel("same", fields={"args": [{".size": 0}]})
    (told,) = faults(code_object("gfx942", "sound", *broken, same))
    assert told.startswith("metadata record: arguments of k0: Object missing")


def test_symbol_names_that_have_no_end_are_a_fault():
    at = GOOD.index(b"\0alpha\0alpha.kd\0")
    strings = bytearray(GOOD)
    size = len(b"\0alpha\0alpha.kd\0beta\0beta.kd\0")
    strings[at : at + size] = b"x" * size
    assert any("no end" in one for one in faults(bytes(strings)))


@pytest.mark.parametrize("link", [unpack_from("<H", GOOD, SHNUM)[0], 99])
def test_a_symbol_table_whose_strings_are_no_section_is_a_fault(link):
    data = bytearray(GOOD)
    (start,) = [
        at for at in range(int.from_bytes(GOOD[40:48], "little"), len(GOOD), 64)
        if GOOD[at + 4 : at + 8] == pack("<I", 11)
    ]  # fmt: skip
    pack_into("<I", data, start + 40, link)
    assert any(f"sh_link {link}" in one for one in faults(bytes(data)))


def test_limits_hold_for_headers_notes_kernels_and_symbols():
    data = code_object("gfx942", "a", Kernel("b", record=1))
    assert parse(data, Limits(records=2, kernels=2, symbols=5, headers=12)).faults == ()
    with pytest.raises(LimitExceeded, match="headers is"):
        parse(data, Limits(headers=2))
    for limits in (Limits(records=1), Limits(kernels=1), Limits(symbols=4)):
        with pytest.raises(LimitExceeded):
            parse(data, limits)


# --- where a bare code object ends --------------------------------------------------


@pytest.mark.parametrize("sections", [True, False])
@given(rest=st.binary(max_size=40))
def test_the_headers_tell_where_a_code_object_ends(sections, rest):
    data = code_object(sections=sections)
    assert amdgpu_elf.extent(view(data + rest)) == len(data)


def test_a_code_object_is_at_least_its_header():
    data = bytearray(GOOD[:64])
    pack_into("<QQ", data, PHOFF, 0, 0)
    pack_into("<H", data, PHNUM, 0)
    pack_into("<H", data, SHNUM, 0)
    assert amdgpu_elf.extent(view(bytes(data) + b"more")) == 64


# --- one after the other --------------------------------------------------------------

KINDS = [
    code_object("gfx942", "alpha", "beta"),
    code_object("gfx950", "alpha", "beta"),
    code_object("gfx942", "alpha", "beto"),
    code_object("gfx942", "beta", "alpha"),
    code_object("gfx942", "alpha", Kernel("beta", listed=False)),
    code_object("gfx942", "alpha", Kernel("beta", descriptor=False)),
    code_object("gfx942", "alpha", Kernel("beta", binding=LOCAL)),
    code_object("gfx942", "alpha"),
    spoiled(GOOD, GOOD.index(b"beta.kd\0") + 7, "B", 0x78),
    useless(),
]


@given(st.lists(st.sampled_from(KINDS), max_size=24))
def test_what_was_read_before_changes_nothing(sequence):
    """What names come to is remembered, and taken for code objects with the same ones."""
    parser = reader.Parser()
    assert [parser.parse(view(one)) for one in sequence] == list(map(parse, sequence))


def test_what_is_remembered_does_not_rest_on_a_buffer_that_is_used_again():
    parser = reader.Parser()
    buffer = bytearray(code_object("gfx942", "alpha", "beta"))
    assert parser.parse(View(Memory(buffer), "")).kernels == ("alpha", "beta")
    buffer[:] = code_object("gfx942", "alphx", "betx")
    assert parser.parse(View(Memory(buffer), "")).kernels == ("alphx", "betx")


def test_siblings_share_their_names():
    parser = reader.Parser()
    one, other = (
        parser.parse(view(code_object(t, "alpha", "beta"))) for t in ("gfx942", "gfx950")
    )
    assert one.kernels is other.kernels


def test_variables_are_what_others_find_and_what_is_no_kernel():
    """`__hip_cuid_…` marks a translation unit, and is nobody's variable."""
    data = code_object("gfx942", Kernel("k"), Kernel("v", symbol="counter", listed=False),
                       Kernel("c", symbol="__hip_cuid_0123", listed=False))  # fmt: skip
    found = parse(data)
    assert found.variables == ("counter",)
    assert (found.kernels, found.unlisted) == (("k",), ())


def test_the_full_symbol_table_is_the_one_that_was_not_stripped():
    data = code_object("gfx942", "k", symtab=False)
    start = int.from_bytes(data[SHOFF : SHOFF + 8], "little")
    (at,) = (
        header + 4
        for header in range(start, len(data), 64)
        if data[header + 4 : header + 8] == pack("<I", 11)  # SHT_DYNSYM
    )
    elf = amdgpu_elf.open_elf(view(data))
    assert symbols.full(elf, DEFAULT) is None
    dynamic = symbols.dynamic(elf, DEFAULT)
    assert dynamic is not None
    # .text is the second section; its sh_addr and the size of its one function
    (address,) = unpack_from("<Q", data, start + 2 * 64 + 16)
    assert dynamic.functions() == {"k": (address, 4)}
    # the same table as SHT_SYMTAB; PT_DYNAMIC still leads to it
    elf = amdgpu_elf.open_elf(view(spoiled(data, at, "I", 2)))
    for table in (symbols.full(elf, DEFAULT), symbols.dynamic(elf, DEFAULT)):
        assert table is not None
        assert table.functions() == {"k": (address, 4)}


def symbols_of(data, parser=None):
    parser = parser or reader.Parser()
    return parser.symbols(amdgpu_elf.open_elf(view(data)))


def test_a_code_object_without_symbols_has_none_to_read():
    assert symbols_of(useless()[:64]) == Symbols({}, {})


def test_the_symbols_by_themselves_are_those_for_linkers():
    found = symbols_of(code_object("gfx942", "k", undefined={"put": GLOBAL}))
    assert (found.descriptors.keys(), found.code_sizes) == ({"k.kd"}, {"k": 4})
    nothing = symbols_of(code_object("gfx942", "k", sections=False, dynamic=False))
    assert (nothing.descriptors, nothing.code_sizes) == ({}, {})


KERNELS = st.dictionaries(
    st.text("abcdefgh_", min_size=1, max_size=9),
    st.tuples(st.booleans(), st.booleans(), st.integers(0, 3)),
    max_size=6,
)


@given(
    KERNELS,
    st.sampled_from(["gfx90a", "gfx942", "gfx950", "gfx1100", "gfx9-4-generic"]),
    st.sampled_from([V4, V5, V6]),
    st.booleans(),
    st.integers(0, 9),
    st.dictionaries(
        st.text("uvw", min_size=1, max_size=5), st.sampled_from([GLOBAL, WEAK, LOCAL])
    ),
)
def test_what_was_written_is_read(kernels, target, abi, sections, padding, undefined):
    """Kernels in up to four notes, some without descriptor, some without metadata."""
    written = [
        Kernel(name, listed=listed, descriptor=described, record=record)
        for name, (listed, described, record) in kernels.items()
    ]
    generic = target == "gfx9-4-generic"
    data = replace(
        Written(target, written), abi=V6 if generic else abi, sections=sections,
        padding=padding, undefined=undefined,
    ).build()  # fmt: skip
    found = parse(data)
    listed = {one.name for one in written if one.listed}
    described = {one.name for one in written if one.descriptor}
    assert found.kernels == tuple(sorted(listed & described))
    assert found.undescribed == tuple(sorted(listed - described))
    assert found.unlisted == tuple(sorted(f"{name}.kd" for name in described - listed))
    assert found.undefined == tuple(
        sorted(name for name, binding in undefined.items() if binding == GLOBAL)
    )
    assert found.records == 1 + max((one.record for one in written), default=0)
    assert found.flags.target is not None
    assert found.flags.target.processor == target
    gone = [] if sections else ["its section headers are gone"]
    assert [fault.message.split(",")[0] for fault in found.faults] == gone
    assert amdgpu_elf.extent(view(data + bytes(5))) == len(data)


def test_a_code_object_starts_with_its_magic():
    assert amdgpu_elf.is_code_object(view(GOOD))
    for magic in (b"\x7fELG", b"\0ELF", bytes(4)):
        assert not amdgpu_elf.is_code_object(view(magic + GOOD[4:]))


def test_a_section_without_bytes_takes_none_of_the_file():
    """SHT_NOBITS: what a variable that starts as zeros takes is memory."""
    start = int.from_bytes(GOOD[SHOFF : SHOFF + 8], "little")
    data = bytearray(GOOD)
    pack_into("<I", data, start + 64 + 4, 8)  # the first section, .rodata
    pack_into("<Q", data, start + 64 + 32, 1 << 20)  # sh_size
    assert amdgpu_elf.extent(view(bytes(data) + bytes(100))) == len(GOOD)
    pack_into("<I", data, start + 64 + 4, 1)
    assert amdgpu_elf.extent(view(bytes(data) + bytes(100))) == len(GOOD) + 100


def test_a_segment_that_is_not_loaded_may_reach_beyond_the_file():
    """Nothing maps it; PT_DYNAMIC is not asked where sections tell the symbols."""
    (at,) = (at for at in (64, 120, 176) if GOOD[at : at + 4] == pack("<I", 2))
    data = spoiled(GOOD, at + 32, "Q", 1 << 20)  # p_filesz
    elf = amdgpu_elf.open_elf(view(data))
    assert elf.faults == ()
    assert amdgpu_elf.open_elf(view(spoiled(GOOD, 64 + 32, "Q", 1 << 20))).faults


# --- with what kernels take -----------------------------------------------------------


def measured(data):
    return reader.Parser().measured(view(data))


def test_kernels_come_in_the_order_of_their_names_with_their_descriptors():
    parts = [
        Kernel("b", address=0x6000, fields={"sgpr_count": 16}),
        Kernel("c", descriptor=False),
        Kernel("a", address=0x5000, size=32),
    ]
    found = measured(code_object("gfx942", *parts))
    assert found.code_object.kernels == ("a", "b")
    assert found.code_object.undescribed == ("c",)
    assert [kernel.name for kernel in found.kernels] == ["a", "b"]
    assert [kernel.sgpr_count for kernel in found.kernels] == [12, 16]
    assert found.descriptors == [(0x5000, 32), (0x6000, 64)]


def test_of_two_records_with_one_name_the_last_one_counts():
    parts = [Kernel("a", address=0x5000), Kernel("a", symbol="none.kd", descriptor=False)]
    found = measured(code_object("gfx942", *parts))
    assert found.code_object.kernels == ("a",)
    assert found.kernels[0].symbol == "none.kd"
    assert found.descriptors == [None]


def test_who_measures_does_not_judge():
    """But what can't be decoded is told, and so is what the loader would refuse."""
    wrong = Kernel("a", described={"group_segment_fixed_size": 64})
    data = code_object("gfx942", wrong)
    assert [name for name, _ in parse(data).broken] == ["a"]
    assert measured(data).code_object == replace(parse(data), broken=())
    data = code_object("gfx942", Kernel("a", size=32))
    assert measured(data).code_object.faults == parse(data).faults != ()
    data = code_object("gfx942", Kernel("a", fields={"uses_dynamic_stack": 3}))
    with pytest.raises(FormatError, match="metadata record: Expected"):
        measured(data)


@pytest.mark.parametrize("data", [useless(), SYMBOLLESS])
def test_what_has_no_symbols_has_no_kernels_to_measure(data):
    found = measured(data)
    assert not found.code_object.kernels
    assert not found.kernels
    assert not found.descriptors


def test_no_names_are_held_but_those_of_the_last_few_tables():
    """The tables of a large object take 8 MB, and kernels that were matched hold theirs."""
    parser = reader.Parser()
    assert parser.parse(view(code_object("gfx942", "k"))).kernels == ("k",)
    for number in range(4):
        assert symbols_of(code_object("gfx942", f"k{number}"), parser).descriptors
    assert len(parser._names._found) == 4
    assert not parser._names._kernels
