"""What HIP's loader refuses in a code object, and kernels that can't run.

Expected is what ROCR's executable.cpp, amd_hsa_code.cpp and amd_elf_image.cpp do, and
what LLVM's user guide says of descriptors. Bytes are written field by field.
"""

from struct import pack_into, unpack_from

import pytest

from kinspect.errors import FormatError
from kinspect.formats import code_object as reader
from kinspect.formats import launching
from tests.reading import view
from tests.writers import Kernel, code_object
from tests.writers.code_objects import ALIGN, BIAS, END

#: the code of a kernel, and what is between it and the next
CODE = END.ljust(ALIGN, b"\0")

GOOD = code_object("gfx942", "alpha", "beta")
#: of the one PT_LOAD
HEADER = 64
FLAGS, OFFSET, VADDR, FILESZ, MEMSZ, ALIGN = 4, 8, 16, 32, 40, 48
RELA, REL, RELR, ALLOC = 4, 9, 19, 2


def parse(data):
    return reader.parse(view(bytes(data)))


def faults(data):
    return [fault.message for fault in parse(data).faults]


def spoiled(data, at, letter, value):
    out = bytearray(data)
    pack_into(f"<{letter}", out, at, value)
    return bytes(out)


def section(data, name):
    """Where the header of a section is, found by its name."""
    (start,) = unpack_from("<Q", data, 40)
    count, strings = unpack_from("<2H", data, 60)
    (home,) = unpack_from("<Q", data, start + 64 * strings + 24)
    for at in range(start, start + 64 * count, 64):
        begin = home + unpack_from("<I", data, at)[0]
        if data[begin : data.index(0, begin)] == name.encode():
            return at
    raise LookupError(name)


def relocated(*rows, kind=RELA, link=1, info=0):
    """A code object with relocations, in place of the section of its hash table."""
    data = bytearray(code_object("gfx942", "alpha", "beta", padding=24 * len(rows)))
    at = data.index(b"\xaa" * 24 * len(rows))
    for number, (offset, symbol, type_) in enumerate(rows):
        pack_into("<3Q", data, at + 24 * number, offset, symbol << 32 | type_, 0)
    header = section(data, ".hash")
    size = 24 * len(rows)
    fields = (kind, ALLOC, at + BIAS, at, size, link, info)
    pack_into("<I4Q2I", data, header + 4, *fields)
    return bytes(data)


# --- the file ----------------------------------------------------------------------


def test_what_is_sound_has_no_faults():
    found = parse(GOOD)
    assert (found.faults, found.broken, found.linked) == ((), (), True)


@pytest.mark.parametrize(("kind", "linked"), [(1, False), (2, True), (3, True), (4, False)])
def test_what_was_not_linked_is_told_apart(kind, linked):
    """ET_REL, ET_EXEC, ET_DYN, ET_CORE."""
    assert parse(spoiled(GOOD, 16, "H", kind)).linked is linked


def test_the_loader_needs_section_headers_and_the_symbol_table():
    assert faults(code_object(symtab=False)) == [
        "its symbol table (.symtab) is gone, in which the loader finds kernels"
    ]
    assert "its section headers are gone" in faults(code_object(sections=False))[0]


def test_a_code_object_without_kernels_needs_no_symbol_table():
    assert faults(code_object(kernels=(), symtab=False)) == []


def test_something_must_be_loaded():
    assert faults(spoiled(GOOD, HEADER, "I", 0))[0] == "it has no segment to load (PT_LOAD)"


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        (MEMSZ, 0x100, "is more than p_memsz 0x100"),
        (ALIGN, 0x3000, "don't go together"),  # no power of two
        (ALIGN, 0x20000, "don't go together"),
        (OFFSET, 8, "don't go together"),
        (VADDR, BIAS + 0x1000, "is not what a segment puts at"),
        (FILESZ, 0x200, "is not what a segment puts at"),
    ],
)
def test_segments_must_agree_with_themselves_and_with_sections(field, value, told):
    assert any(told in one for one in faults(spoiled(GOOD, HEADER + field, "Q", value)))


@pytest.mark.parametrize("align", [0, 1, 0x100, 0x10000])
def test_an_alignment_that_the_segment_has_is_none_of_our_business(align):
    assert faults(spoiled(GOOD, HEADER + ALIGN, "Q", align)) == []


def test_segments_come_in_the_order_of_their_addresses():
    """The loader takes the room that it needs from the first and the last one."""
    data = bytearray(code_object(dynamic=True))
    second = HEADER + 56  # PT_DYNAMIC, made a PT_LOAD of what lies before
    pack_into("<II6Q", data, second, 1, 4, 0, BIAS - 0x1000, 0, 64, 64, 0x1000)
    message = "its segments are not in the order of their addresses"
    assert message in faults(data)


@pytest.mark.parametrize("field", [16, 24])
@pytest.mark.parametrize("name", [".text", ".rodata"])
def test_a_section_is_what_its_segment_puts_there(name, field):
    at = section(GOOD, name) + field
    (value,) = unpack_from("<Q", GOOD, at)
    told = faults(spoiled(GOOD, at, "Q", value + 0x40))
    assert any(f"section {name} is not what a segment puts at" in one for one in told)


# --- relocations --------------------------------------------------------------------


@pytest.mark.parametrize("kind", [1, 2, 3, 6, 13])
def test_relocations_that_the_loader_knows_are_in_order(kind):
    assert faults(relocated((BIAS + 64, 0, kind), (BIAS + 72, 1, kind))) == []


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ((BIAS - 1, 0, 13), "which lies in no segment"),
        ((BIAS + 10**6, 0, 13), "which lies in no segment"),
        ((BIAS + 64, 0, 0), "of type 0, which the loader does not know"),
        ((BIAS + 64, 0, 4), "of type 4, which the loader does not know"),
        ((BIAS + 64, 10**6, 3), "against symbol 1000000 of"),
    ],
)
def test_others_make_it_give_up(row, told):
    (message,) = faults(relocated((BIAS + 64, 0, 13), row))
    assert told in message


def test_what_emit_relocs_left_is_passed_over():
    """A section with a target: these relocations were applied by the linker."""
    assert faults(relocated((0, 0, 0), info=2)) == []


@pytest.mark.parametrize("kind", [REL, RELR])
def test_relocations_that_the_loader_does_not_see_are_told(kind):
    (message,) = faults(relocated((BIAS + 64, 0, 13), kind=kind))
    assert "another kind than RELA" in message


# --- symbols ------------------------------------------------------------------------


def symbol(data, name, table):
    """The row of a symbol."""
    (start, size) = unpack_from("<2Q", data, section(data, table) + 24)
    strings = {".symtab": ".strtab", ".dynsym": ".dynstr"}[table]
    (home,) = unpack_from("<Q", data, section(data, strings) + 24)
    for at in range(start, start + size, 24):
        begin = home + unpack_from("<I", data, at)[0]
        if data[begin : data.index(0, begin)] == name.encode():
            return at
    raise LookupError(name)


@pytest.mark.parametrize("table", [".symtab", ".dynsym"])
@pytest.mark.parametrize("info", [0x01, 0x12, 0x10])
def test_a_descriptor_must_be_an_object_in_both_tables(table, info):
    """Local, a function, of no type: the loader and comgr pass over these."""
    found = parse(spoiled(GOOD, symbol(GOOD, "beta.kd", table) + 4, "B", info))
    assert (found.kernels, found.undescribed) == (("alpha",), ("beta",))


def test_a_descriptor_lies_where_the_loader_s_table_says():
    """By the other one, comgr lists variables."""
    at = symbol(GOOD, "beta.kd", ".symtab") + 8
    (value,) = unpack_from("<Q", GOOD, at)
    found = parse(spoiled(GOOD, at, "Q", value - 64))
    assert [name for name, _ in found.broken] == ["beta"]


@pytest.mark.parametrize(
    ("number", "told"),
    [
        (0xFFF1, "names no section"),
        (50, "names no section"),
        (2, "outside of section .text"),
    ],
)
def test_a_symbol_lies_in_its_section(number, told):
    data = spoiled(GOOD, symbol(GOOD, "beta.kd", ".symtab") + 6, "H", number)
    assert any(told in one for one in faults(data))


# --- kernels ------------------------------------------------------------------------


def broken(*kernels, target="gfx942", **fields):
    return dict(parse(code_object(target, *kernels, **fields)).broken)


def descriptor_of(number=0):
    """Where a descriptor is in GOOD."""
    return unpack_from("<Q", GOOD, section(GOOD, ".rodata") + 24)[0] + 64 * number


def entry(change):
    at = descriptor_of() + 16
    (value,) = unpack_from("<q", GOOD, at)
    return spoiled(GOOD, at, "q", value + change)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (4, "is not aligned to 256 bytes"),
        (256, "its code starts at"),
        (-256, "its code starts at"),
        (1 << 20, "its code starts at"),
    ],
)
def test_a_descriptor_leads_to_the_code_of_its_kernel(change, told):
    ((name, reason),) = parse(entry(change)).broken
    assert name == "alpha"
    assert told in reason


def test_without_a_symbol_of_its_name_the_entry_must_lie_in_code():
    """Hand-written code may have none."""
    data = entry(1 << 20)
    for table in (".symtab", ".dynsym"):
        at = symbol(data, "alpha", table)
        data = spoiled(data, at, "I", unpack_from("<I", data, at)[0] + 1)  # "lpha"
    assert "lies in no segment" in dict(parse(data).broken)["alpha"]
    at = descriptor_of() + 16
    assert parse(data[:at] + GOOD[at : at + 8] + data[at + 8 :]).broken == ()


def test_code_must_be_executable():
    found = parse(spoiled(GOOD, HEADER + FLAGS, "I", 4))
    assert {name for name, _ in found.broken} == {"alpha", "beta"}
    assert all("not executable" in reason for _, reason in found.broken)


def wiped(data, number, fill=b"\0"):
    """With the code of a kernel gone."""
    at = data.index(CODE) + number * len(CODE)
    return data[:at] + fill * len(CODE) + data[at + len(CODE) :]


@pytest.mark.parametrize("fill", [b"\0", b"\xff"])
@pytest.mark.parametrize("number", [0, 1])
def test_code_that_was_wiped_out_is_told(number, fill):
    ((name, reason),) = parse(wiped(GOOD, number, fill)).broken
    assert name == ("alpha", "beta")[number]
    assert reason.startswith("there is no instruction at its entry")


def test_code_without_a_symbol_is_looked_at_too():
    data = wiped(GOOD, 0)
    for table in (".symtab", ".dynsym"):
        at = symbol(data, "alpha", table)
        data = spoiled(data, at, "I", unpack_from("<I", data, at)[0] + 1)  # "lpha"
    ((name, reason),) = parse(data).broken
    assert name == "alpha"
    assert reason.startswith("there is no instruction at its entry")


def test_code_is_aligned_wherever_its_symbol_lies():
    reasons = broken("alpha", "beta", align=64)  # 64 bytes apart: not both can be
    assert reasons
    assert all("is not aligned to 256 bytes" in reason for reason in reasons.values())


@pytest.mark.parametrize("others", [(), ("beta",)])
def test_a_kernel_of_no_bytes_is_one_that_never_runs(others):
    """Of libraries that build a kernel for every processor and run it on some."""
    data = code_object("gfx942", "alpha", *others)
    for table in (".symtab", ".dynsym"):
        data = spoiled(data, symbol(data, "alpha", table) + 16, "Q", 0)
    at = data.index(CODE)
    data = data[:at] + bytes(len(CODE)) + data[at + len(CODE) :]
    assert parse(data).broken == ()


@pytest.mark.parametrize(
    ("fields", "described", "told"),
    [
        ({}, {"kernarg_segment_size": 4}, "kernarg_segment_size"),
        ({}, {"group_segment_fixed_size": 4}, "group_segment_fixed_size"),
        ({}, {"private_segment_fixed_size": 4}, "private_segment_fixed_size"),
        ({}, {"dynamic_stack": 1}, None),  # nothing is said of it in the metadata
        ({"uses_dynamic_stack": False}, {"dynamic_stack": 1}, "uses_dynamic_stack"),
        ({"vgpr_count": 96}, {"vgpr_count": 8}, "vgpr_count"),
        ({"vgpr_count": 96, "agpr_count": 32}, {"accum_offset": 96}, "agpr_count"),
        ({"wavefront_size": 32}, {"wavefront_size": 64}, "wavefront_size"),
        ({"wavefront_size": 64}, {"wavefront_size": 32}, "waves of 32 lanes"),
        ({"kernarg_segment_size": 4}, {}, "its arguments take 8 bytes"),
        ({"group_segment_fixed_size": 70_000}, {}, "the processor has 65536"),
        # more than is used, what nobody is told, and what the hardware does not mind
        ({"vgpr_count": 8}, {"vgpr_count": 96}, None),
        ({}, {"kernarg_segment_size": 0}, None),
        ({"sgpr_count": 100}, {"sgpr_count": 8}, None),
        ({"group_segment_fixed_size": 65_536}, {}, None),
    ],
)
def test_a_descriptor_gives_what_the_metadata_says(fields, described, told):
    found = broken(Kernel("k", fields=fields, described=described))
    assert found.keys() == ({"k"} if told else set())
    assert told is None or told in found["k"]


def test_gfx950_has_more_lds():
    kernel = Kernel("k", fields={"group_segment_fixed_size": 160 << 10})
    assert broken(kernel, target="gfx950") == {}
    assert "the processor has 65536" in broken(kernel, target="gfx942")["k"]


def test_what_is_remembered_of_one_processor_is_not_said_of_another():
    kernel = Kernel("k", fields={"group_segment_fixed_size": 160 << 10})
    parser = reader.Parser()
    for target, count in [("gfx950", 0), ("gfx942", 1), ("gfx950", 0)]:
        found = parser.parse(view(code_object(target, kernel)))
        assert len(found.broken) == count, target


def test_no_more_is_remembered_than_what_is_alike_in_a_few_objects(monkeypatch):
    """Files may hold any number of descriptors that are like no other."""
    monkeypatch.setattr(launching.Launcher, "_KEPT", 3)
    launcher = launching.Launcher()
    parser = reader.Parser()
    monkeypatch.setattr(parser, "_launcher", launcher)
    for size in range(0, 400, 4):
        kernel = Kernel("k", fields={"group_segment_fixed_size": size})
        parser.parse(view(code_object("gfx942", kernel)))
    ((_, known),) = launcher._known.items()
    assert 0 < len(known) <= 4


KERNELS: list[Kernel | str] = [
    "alpha",
    Kernel("beta", fields={"vgpr_count": 96, "agpr_count": 32}),
    Kernel("gamma", fields={"group_segment_fixed_size": 4096}, code=END * 3),
    Kernel("delta", fields={"uses_dynamic_stack": True}, described={"dynamic_stack": 1}),
    Kernel("epsilon", code=b""),
]


@pytest.mark.parametrize("target", ["gfx942", "gfx1100"])
def test_columns_find_what_a_look_at_each_kernel_finds(monkeypatch, target):
    """Whatever byte is spoiled."""
    good = code_object(target, *KERNELS)
    spoiled = (
        good[:at] + bytes([good[at] ^ (0x01, 0x40, 0xFF)[at % 3]]) + good[at + 1 :]
        for at in range(64, len(good), 2)
    )
    files = [good, *spoiled, *(good[:at] for at in range(64, len(good), 32))]

    def found():
        parser = reader.Parser()  # one for all: what it remembers must not matter
        for data in files:
            try:
                yield parser.parse(view(data)).broken
            except FormatError as error:
                yield str(error)

    by_columns = list(found())
    monkeypatch.setattr(launching._Code, "descriptors", lambda _: None)
    one_by_one = list(found())
    assert by_columns == one_by_one
    assert len({str(one) for one in one_by_one}) > 50


def test_descriptors_that_lie_apart_are_judged_alike():
    """As one that lies by itself is: each is read by itself then."""
    data = bytearray(code_object("gfx942", "alpha", "beta", padding=1 << 16))
    (start,) = unpack_from("<Q", data, section(data, ".rodata") + 24)
    far = (data.index(b"\xaa" * 4096) // 64 + 1) * 64
    data[far : far + 64] = data[start : start + 64]
    (value,) = unpack_from("<q", data, far + 16)
    pack_into("<q", data, far + 16, value + start - far)
    for table in (".symtab", ".dynsym"):
        pack_into("<Q", data, symbol(data, "alpha.kd", table) + 8, far + BIAS)
    assert parse(data).broken == ()
    pack_into("<q", data, far + 16, value)
    assert [name for name, _ in parse(data).broken] == ["alpha"]


# --- what is cut, unaligned or unknown -------------------------------------------------


def test_a_section_without_bytes_lies_in_memory():
    """Zeros that nobody stores: it must be in what a segment takes in memory."""
    at = section(GOOD, ".hash")
    data = spoiled(GOOD, at + 4, "I", 8)
    assert faults(data) == []
    (message,) = faults(spoiled(data, at + 16, "Q", BIAS + 10**6))
    assert message == f"section .hash is not what a segment puts at {BIAS + 10**6:#x}"


def test_without_names_a_section_is_told_by_its_address():
    data = spoiled(GOOD, 62, "H", 99)  # e_shstrndx
    at = section(GOOD, ".text") + 24
    (value,) = unpack_from("<Q", GOOD, at)
    no_names, message = faults(spoiled(data, at, "Q", value + 64))
    assert no_names == "e_shstrndx 99 names no section, the loader needs names"
    assert message.startswith("section at 0x")


def test_of_several_symbol_tables_the_loader_takes_the_last():
    """Here one that is empty."""
    at = section(GOOD, ".shstrtab")
    assert at > section(GOOD, ".symtab")
    data = spoiled(spoiled(GOOD, at + 4, "I", 2), at + 32, "Q", 0)
    assert parse(data).kernels == ()


def test_relocations_name_symbols_of_a_table_that_is_there():
    (message,) = faults(relocated((BIAS + 64, 0, 13), link=99))
    assert message == "a relocation against symbol 0 of 0"


def test_less_than_a_relocation_is_none():
    data = relocated((BIAS + 64, 0, 99))
    assert faults(spoiled(data, section(data, ".hash") + 32, "Q", 8)) == []


def moved(change):
    """GOOD with the descriptor of `beta` elsewhere, by both tables."""
    data = GOOD
    for table in (".symtab", ".dynsym"):
        at = symbol(data, "beta.kd", table) + 8
        data = spoiled(data, at, "Q", change(unpack_from("<Q", data, at)[0]))
    return data


def test_a_descriptor_is_aligned():
    found = parse(moved(lambda value: value - 56))
    assert [name for name, _ in found.broken] == ["beta"]
    assert "is not aligned to 64 bytes" in dict(found.broken)["beta"]


@pytest.mark.parametrize("place", [len(GOOD) - 32, len(GOOD) + 64])
def test_a_descriptor_that_is_not_there_breaks_the_code_object_and_no_kernel(place):
    found = parse(moved(lambda _: place + BIAS))
    assert found.broken == ()
    assert "beta.kd lies in no segment" in found.faults[0].message


def test_an_entry_in_what_was_cut_off_is_told_by_the_cut_alone():
    """The segment is longer than the file, and its code lies there."""
    data = code_object("gfx942", "alpha")
    for field in (FILESZ, MEMSZ):
        data = spoiled(data, HEADER + field, "Q", 0x10000)
    end = (len(data) // 256 + 2) * 256 + BIAS
    at = unpack_from("<Q", data, section(data, ".rodata") + 24)[0]
    data = spoiled(data, at + 16, "q", end - at - BIAS)
    for table in (".symtab", ".dynsym"):
        data = spoiled(data, symbol(data, "alpha", table) + 8, "Q", end)
    found = parse(data)
    assert found.broken == ()
    assert any("truncated" in fault.message for fault in found.faults)


def test_of_a_processor_that_nobody_knows_the_rest_is_held():
    sound = Kernel("a", fields={"group_segment_fixed_size": 10**6})
    astray = Kernel("b", described={"entry": 4})
    assert broken(sound, astray, e_flags=0x500).keys() == {"b"}
