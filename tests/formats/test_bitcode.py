"""Device bitcode: what it is for, what it defines; damaged in every byte, it is told."""

import re
from io import BytesIO
from struct import pack, unpack_from

import pytest
from elftools.elf.elffile import ELFFile
from hypothesis import given
from hypothesis import strategies as st

from kinspect.errors import FormatError, LimitExceeded
from kinspect.formats import bitcode, bitstream
from kinspect.limits import Limits
from kinspect.model import Bitcode, Unreadable
from kinspect.sources import Member, open_source
from tests.conftest import SAMPLES
from tests.reading import ends_well, flips, view
from tests.writers.bitstream import (
    ALIAS,
    FUNCTION,
    GLOBAL_VARIABLE,
    GROUPS,
    IFUNC,
    MODULE,
    STRTAB,
    Abbreviation,
    Block,
    Global,
    Module,
    Record,
    text,
    wrapped,
)

PREFIX = "__CLANG_OFFLOAD_BUNDLE__hip-amdgcn-amd-amdhsa-unknown-"


def sections(stream) -> dict[str, bytes]:
    """The device bitcode of an RDC object, by target, as pyelftools finds it."""
    return {
        section.name.removeprefix(PREFIX).rstrip("-"): section.data()
        for section in ELFFile(stream).iter_sections()
        if section.name.startswith(PREFIX)
    }


@pytest.fixture(scope="module")
def layout() -> dict[str, bytes]:
    with (SAMPLES / "rdc_old_driver.o").open("rb") as stream:
        return sections(stream)


def parse(data: bytes) -> Bitcode:
    return bitcode.parse(view(data))


@pytest.mark.parametrize("target", ["gfx942", "gfx950"])
def test_bitcode_says_what_it_is_for_and_what_it_defines(layout, target):
    """By samples/src/layout.hip, built by a clang of LLVM 22."""
    found = parse(layout[target])
    kernel = "_ZN7deep_ep6layout19get_dispatch_layoutILi256EEEvPii"
    assert found.producer.startswith("LLVM22.")
    assert found.triple == "amdgcn-amd-amdhsa"
    assert found.processors == (target,)
    assert found.functions == found.kernels == (kernel,)
    assert found.undefined == ()


def test_a_wrapper_is_seen_through(layout):
    data = layout["gfx942"]
    wrapped = pack("<5I", 0x0B17C0DE, 0, 20, len(data), 0xE0) + data
    assert parse(wrapped) == parse(data)
    for size in (len(data) + 1, 2**32 - 1):
        lying = pack("<5I", 0x0B17C0DE, 0, 20, size, 0xE0) + data
        with pytest.raises(FormatError):
            parse(lying)


def test_no_cut_of_a_file_defines_less(layout):
    """It is damaged, or what is lost says nothing of functions (the symbol table)."""
    data = layout["gfx942"]
    whole = parse(data)
    for size in range(0, len(data), 4):
        if ends_well(parse, data[:size]):
            assert parse(data[:size]) == whole


def test_padding_behind_the_last_block_is_no_part_of_it(layout):
    data = layout["gfx942"]
    assert parse(data + bytes(8)) == parse(data)
    with pytest.raises(FormatError):
        parse(data + bytes(12))


def test_files_behind_one_another_are_refused_as_llvm_refuses_them(layout):
    """What `ld -r` makes of the old driver's sections."""
    with pytest.raises(FormatError, match="ld -r"):
        parse(layout["gfx942"] + layout["gfx942"])


def test_every_spoiled_byte_ends_in_a_result_or_a_format_error(layout):
    data = layout["gfx942"]
    good = sum(
        ends_well(parse, spoiled) for spoiled in flips(data, range(0, len(data), 19))
    )
    assert good < len(data)


def test_no_more_records_than_the_limit(layout):
    with pytest.raises(LimitExceeded, match="bitcode_records"):
        bitcode.parse(view(layout["gfx942"]), Limits(bitcode_records=3))


@pytest.mark.parametrize("data", [b"", b"BC\xc0\xde", b"BC\xc0\xdf" + bytes(64)])
def test_what_holds_no_module_is_no_bitcode(data):
    with pytest.raises(FormatError):
        parse(data)


# --- records, written one by one --------------------------------------------------------

#: what becomes of a function by its linkage (LLVMBitCodes.h and BitcodeReader.cpp,
#: getDecodedLinkage; the old numbers 1, 4, 5, 6 stand for the newer 16, 18, 5, 6)
SEEN = {0, 1, 2, 4, 5, 6, 7, 8, 10, 11, 15, 16, 17, 18, 19}
UNSEEN = {3, 9, 13, 14}
AVAILABLE, PERHAPS = 12, 7


def built(*symbols: Global, **fields) -> Bitcode:
    return parse(Module(symbols, **fields).build())


@pytest.mark.parametrize("linkage", range(20))
@pytest.mark.parametrize("kind", [FUNCTION, GLOBAL_VARIABLE, ALIAS, IFUNC])
def test_a_linkage_says_who_sees_a_symbol(kind, linkage):
    found = built(Global("s", kind, linkage), Global("other"))
    functions, variables = {*found.functions}, {*found.variables}
    seen = linkage not in UNSEEN | {AVAILABLE}
    assert ("s" in functions) is (seen and kind != GLOBAL_VARIABLE)
    assert ("s" in variables) is (seen and kind == GLOBAL_VARIABLE)
    assert ("s" in found.undefined) is (linkage == AVAILABLE)
    assert SEEN | UNSEEN | {AVAILABLE} == {*range(20)}


@pytest.mark.parametrize("kind", [FUNCTION, GLOBAL_VARIABLE])
def test_a_declaration_is_for_others_to_define_unless_it_is_weak(kind):
    for linkage in SEEN - {PERHAPS}:
        assert built(Global("s", kind, linkage, declared=True)).undefined == ("s",)
    for linkage in UNSEEN | {PERHAPS}:
        found = built(Global("s", kind, linkage, declared=True))
        assert found.undefined == found.functions == found.variables == ()


@pytest.mark.parametrize(("convention", "kernel"), [(76, True), (91, True), (0, False)])
def test_a_kernel_is_told_by_its_calling_convention(convention, kernel):
    found = built(Global("k", convention=convention))
    assert (found.functions, found.kernels) == (("k",), ("k",) * kernel)


def test_an_alias_is_what_it_stands_for():
    """By its type: 2 is a function, 1 a number."""
    found = built(Global("f", ALIAS, type=2), Global("v", ALIAS, type=1))
    assert (found.functions, found.variables) == (("f",), ("v",))
    # what an ifunc resolves to is called, whatever its type is spelled as
    assert built(Global("i", IFUNC, type=1)).functions == ("i",)


def test_notes_to_the_compiler_and_its_own_names_are_no_symbols():
    sections = ("placed", "llvm.metadata")
    found = built(
        Global("note", GLOBAL_VARIABLE, section=2),
        Global("placed", GLOBAL_VARIABLE, section=1),
        Global("plain", GLOBAL_VARIABLE),
        Global("llvm.used", GLOBAL_VARIABLE),
        Global("llvm.amdgcn.workitem.id.x", declared=True),
        sections=sections,
    )
    assert found.variables == ("placed", "plain")
    assert found.undefined == ()


def test_a_variable_of_an_older_compiler_has_no_section():
    """GLOBALVAR of six fields: [name, size, type, isconst, initid, linkage]."""
    module = Module((), more=[Record(GLOBAL_VARIABLE, [0, 1, 1, 2, 1, 0])])
    data = module.build()
    with pytest.raises(FormatError, match="a name at 0x0 of 0x0 bytes"):
        parse(data)
    for size in (6, 7):  # the seventh is the alignment
        record = Record(GLOBAL_VARIABLE, [0, 1, 1, 2, 1, 0, 0][:size])
        module = Module([Global("v")], more=[record])
        assert parse(module.build()).variables == ("v",)


def test_every_processor_of_a_module_is_told():
    """Only where the attribute is whole: key, NUL, value, NUL."""
    keys = [*b"target-cpu", 0]
    group = [
        Record(3, [9, 0xFFFFFFFF, 4, *keys, *b"gfx90a"]),  # no end
        Record(3, [9, 0xFFFFFFFF, 4, *b"target-cpux", 0, *b"gfx1100", 0]),
        Record(3, [9, 0xFFFFFFFF, 3, *keys, *b"gfx906", 0]),  # a key of another kind
        Record(3, [9, 0xFFFFFFFF, 4, 4, *keys, *b"gfx942", 0]),
        Record(2, [9, 0xFFFFFFFF, 4, *keys, *b"gfx908", 0]),  # no group
    ]
    found = built(processors=["gfx950"], more=[Block(GROUPS, group)])
    assert found.processors == ("gfx942", "gfx950")


def test_the_first_name_of_a_source_is_that_of_the_file():
    assert built(more=[text(16, "b.hip")]).source == "a.hip"


def test_records_of_other_blocks_are_none_of_a_module():
    """The same numbers mean something else there."""
    inner = Block(17, [text(2, "x86_64-linux-gnu")])
    assert built(more=[inner, inner]).triple == "amdgcn-amd-amdhsa"
    assert built(more=[Block(MODULE, [text(2, "other")])]).triple == "amdgcn-amd-amdhsa"
    group = Record(3, [1, 0, 4, *b"target-cpu", 0, *b"gfx906", 0])
    nested = Block(GROUPS, [Block(GROUPS, [group])])
    assert built(more=[nested]).processors == ("gfx942",)
    blob = Abbreviation([("literal", 1), ("blob", 0)])
    strings = Block(STRTAB, [blob, Record(1, (), b"kernel", by=0)])
    with pytest.raises(FormatError, match="no string table"):
        parse(Module(strings=False, more=[strings]).build())


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"version": 1}, "module version (1,), expected 2"),
        ({"version": 1, "triple": ""}, "module version (1,), expected 2"),
        ({"more": [Record(1)]}, "module version (), expected 2"),
        # what follows is read as nothing that it may not be
        ({"version": 0, "more": [Record(FUNCTION, [0] * 5)]}, "module version (0,)"),
        ({"more": [text(2, "nvptx64")]}, "modules for amdgcn-amd-amdhsa and nvptx64"),
        ({"more": [Record(FUNCTION, [0] * 5)]}, "a global of 5 fields"),
        ({"more": [Record(ALIAS, [0, 0, 3, 0, 0, 0])]}, "an alias of type 3, of 3"),
        ({"more": [Record(GLOBAL_VARIABLE, [0, 0, 1, 2, 1, 0, 0, 2])],
          "sections": ["one"]}, "section 2, of 1"),
        ({"more": [Record(FUNCTION, [4, 3, 2, 0, 0, 0])]}, "a name at 0x4 of 0x6 bytes"),
        ({"strings": False}, "no string table"),
    ],
)  # fmt: skip
def test_records_that_contradict_are_told(fields, message):
    with pytest.raises(FormatError, match=re.escape(message)):
        parse(Module(**fields).build())


@pytest.mark.parametrize("version", [0, 1])
def test_of_old_bitcode_for_other_machines_that_is_enough(version):
    """CUDA's libdevice.10.bc, by LLVM 3.8, is in every wheel of Triton."""
    functions = [Record(FUNCTION, [7, 91, 0, 0])]  # its fields begin with the type
    found = built(triple="nvptx64-nvidia-gpulibs", version=version, more=functions)
    assert not found.device
    assert found.functions == ()


def test_a_name_may_reach_the_end_of_the_string_table():
    assert (
        "nel"
        in built(Global("kernel"), more=[Record(FUNCTION, [3, 3, 2, 0, 0, 0])]).functions
    )


def test_what_can_not_be_read_is_told_as_bitcode():
    found = bitcode.read(view(Module(version=1).build()))
    assert isinstance(found, Unreadable)
    assert found.bitcode
    assert bitcode.read(view(Module().build())) == parse(Module().build())


NAMES = st.text("abcdefgh_.", min_size=1, max_size=12)


@given(
    st.lists(
        st.tuples(
            NAMES,
            st.sampled_from([FUNCTION, GLOBAL_VARIABLE, ALIAS, IFUNC]),
            st.sampled_from(sorted(SEEN | UNSEEN | {AVAILABLE})),
            st.booleans(),
            st.sampled_from([0, 76, 91]),
        ),
        unique_by=lambda one: one[0],
        max_size=12,
    ),
    st.sets(st.sampled_from(["gfx90a", "gfx942", "gfx950", "gfx1100"])),
    st.sampled_from(["amdgcn-amd-amdhsa", "spirv64-amd-amdhsa", ""]),
    st.booleans(),
)
def test_what_was_written_of_a_module_is_read(symbols, processors, triple, wrapper):
    rows = [
        Global(name, kind, linkage, declared and kind in {FUNCTION, GLOBAL_VARIABLE}, cc)
        for name, kind, linkage, declared, cc in symbols
    ]
    data = Module(rows, triple=triple, processors=sorted(processors)).build()
    found = parse(wrapped(data) if wrapper else data)
    rows = [one for one in rows if one.linkage not in UNSEEN]
    there = [o for o in rows if not o.declared and o.linkage != AVAILABLE]
    assert set(found.functions) == {o.name for o in there if o.kind != GLOBAL_VARIABLE}
    assert set(found.variables) == {o.name for o in there if o.kind == GLOBAL_VARIABLE}
    assert set(found.kernels) == {
        o.name for o in there if o.kind == FUNCTION and o.convention
    }
    assert set(found.undefined) == {
        o.name for o in rows if o not in there and o.linkage != PERHAPS
    }
    assert (found.triple, found.source) == (triple, "a.hip")
    assert found.processors == tuple(sorted(processors))


# --- against the symbol table that the compiler wrote ----------------------------------

SYMTAB, STRINGS = 25, 23
UNDEFINED, WEAK, GLOBAL, FORMAT_SPECIFIC = 1 << 3, 1 << 4, 1 << 10, 1 << 11


def symbol_table(data: bytes) -> tuple[set[str], set[str]]:
    """What the module's SYMTAB block says (llvm/Object/IRSymtab.h, storage::Header).

    Version, producer, then the ranges of modules, comdats and symbols; a symbol is its
    name and IR name (offset and size in the string table each), comdat and flags.
    """
    blobs: dict[int, bytes] = {}
    inside = 0
    for part in bitstream.read(view(data), {SYMTAB, STRINGS}):
        if isinstance(part, bitstream.Block):
            inside = part.id
        elif isinstance(part, bitstream.Record):
            blobs.setdefault(inside, part.blob)
    table, strings = blobs[SYMTAB], blobs[STRINGS]
    start, count = unpack_from("<2I", table, 4 + 8 + 8 + 8)
    undefined, defined = set(), set()
    for index in range(count):
        offset, size, _, _, _, flags = unpack_from("<6I", table, start + 24 * index)
        name = strings[offset : offset + size].decode()
        if not flags & GLOBAL or flags & FORMAT_SPECIFIC:
            continue
        if not flags & UNDEFINED:
            defined.add(name)
        elif not flags & WEAK:
            undefined.add(name)
    return undefined, defined


def by_clang_22() -> dict[str, bytes]:
    """Every bitcode of the samples, by a name."""
    found = {path.name: path.read_bytes() for path in SAMPLES.glob("librocshmem_device_*")}
    for member in open_source(SAMPLES / "librocshmem.a").members():
        assert isinstance(member, Member)
        for target, data in sections(BytesIO(bytes(member.view.bytes()))).items():
            found[f"{member.name} {target}"] = data
    return found


@pytest.mark.parametrize("name", sorted(by_clang_22()))
def test_symbols_are_those_of_the_table_by_a_newer_compiler(name):
    """Clang 22 wrote both; LLVM 19 can't read them any more."""
    data = by_clang_22()[name]
    found = parse(data)
    assert found.producer.startswith("LLVM22.")
    undefined, defined = symbol_table(data)
    assert symbols(found) == (undefined - defined, defined)
    assert found.functions


# --- against LLVM's own reader ----------------------------------------------------------


def nm(run, path) -> dict[str, tuple[set[str], set[str]]]:
    """The undefined and the defined global symbols of every member, by LLVM's reader."""
    found: dict[str, tuple[set[str], set[str]]] = {}
    member = ""
    found[member] = set(), set()
    for line in run("llvm-nm-19", "-P", path).splitlines():
        if match := re.fullmatch(r"(\S+):", line):
            member = match[1]
            found[member] = set(), set()
        elif line:
            name, letter, *_ = line.rsplit(" ", 3)
            undefined, defined = found[member]
            if letter == "U":
                undefined.add(name)
            elif letter.isupper():
                defined.add(name)
    # where a file holds several modules, one may define what another lacks
    return {name: (lacks - has, has) for name, (lacks, has) in found.items()}


def symbols(found: Bitcode) -> tuple[set[str], set[str]]:
    return set(found.undefined), {*found.functions, *found.variables}


#: every kind of symbol that LLVM IR has
SHAPES = """
source_filename = "shapes.hip"
target triple = "amdgcn-amd-amdhsa"
$folded = comdat any
@plain = addrspace(1) global i32 1
@constant = addrspace(4) constant i32 2
@weak_variable = weak addrspace(1) global i32 3
@common_variable = common addrspace(1) global i32 0
@internal_variable = internal addrspace(1) global i32 4
@private_variable = private addrspace(1) global i32 5
@elsewhere_variable = external addrspace(1) global i32
@perhaps_variable = extern_weak addrspace(1) global i32
@hidden_variable = hidden addrspace(1) global i32 6
@available_variable = available_externally addrspace(1) global i32 8
@note = addrspace(1) global i32 9, section "llvm.metadata"
@placed = addrspace(1) global i32 10, section "placed"
@folded = linkonce_odr addrspace(1) global i32 11, comdat
@shared = external addrspace(3) global [0 x i32]
@llvm.used = appending addrspace(1) global [1 x ptr] [ptr @defined], section "llvm.metadata"
@alias_of_function = alias i32 (i32), ptr @defined
@weak_alias = weak alias i32 (i32), ptr @defined
@alias_of_alias = alias i32 (i32), ptr @alias_of_function
@internal_alias = internal alias i32 (i32), ptr @defined
@alias_of_variable = alias i32, ptr addrspace(1) @plain
@alias_of_expression = alias i8, ptr addrspace(1) getelementptr (i8, ptr addrspace(1) @placed, i64 1)
@resolved = ifunc i32 (i32), ptr @resolver
define ptr @resolver() { ret ptr @defined }
define i32 @defined(i32 %n) #0 { %r = call i32 @declared(i32 %n) ret i32 %r }
define weak i32 @weak_function(i32 %n) #0 { ret i32 %n }
define linkonce i32 @linkonce_function(i32 %n) #0 { ret i32 %n }
define linkonce_odr hidden i32 @linkonce_hidden(i32 %n) #0 { ret i32 %n }
define protected i32 @protected_function(i32 %n) #0 { ret i32 %n }
define internal i32 @internal_function(i32 %n) #0 { ret i32 %n }
define private i32 @private_function(i32 %n) #0 { ret i32 %n }
define available_externally i32 @available_function(i32 %n) #0 { ret i32 %n }
define protected amdgpu_kernel void @kernel(ptr addrspace(1) %p) #0 { ret void }
define weak_odr amdgpu_kernel void @weak_kernel(ptr addrspace(1) %p) #0 { ret void }
define internal amdgpu_kernel void @internal_kernel(ptr addrspace(1) %p) #0 { ret void }
define i32 @"quoted name"(i32 %n) #0 { ret i32 %n }
declare i32 @declared(i32)
declare extern_weak i32 @perhaps(i32)
declare i32 @llvm.amdgcn.workitem.id.x()
attributes #0 = { "target-cpu"="gfx942" }
"""

#: a module that ThinLTO splits in two: the second has what carries type metadata
SPLIT = """
target triple = "amdgcn-amd-amdhsa"
@typed = global i32 0, !type !0
define i32 @beside() { ret i32 0 }
!0 = !{i64 0, !"t"}
"""

SOURCE = """
__attribute__((device)) int elsewhere(int);
__attribute__((device, weak)) int perhaps(int);
__attribute__((device)) int counter;
static __attribute__((device, noinline)) int own(int n) { return n * elsewhere(n); }
__attribute__((device)) int doubled(int n) { return own(n) + perhaps(n); }
template <int N> __attribute__((global)) void kernel(int *p) { *p = doubled(N) + counter; }
template __attribute__((global)) void kernel<1>(int *);
template __attribute__((global)) void kernel<2>(int *);
"""
DEVICE_ONLY = ["-x", "hip", "-nogpulib", "-nogpuinc", "-fgpu-rdc"]
DEVICE_ONLY += ["--offload-device-only", "-emit-llvm", "-O1", "-c"]


@pytest.fixture
def compiled(run, tmp_path):
    """Bitcode by clang-19, as a file of its own."""

    def build(name: str, *options: str, target: str = "gfx942", source: str = SOURCE):
        path = tmp_path / f"{name}.hip"
        path.write_text(source)
        out = tmp_path / f"{name}.{target}.bc"
        run("clang-19", *DEVICE_ONLY, *options, f"--offload-arch={target}", path, "-o", out)
        return out

    return build


@pytest.mark.oracle
@pytest.mark.parametrize("target", ["gfx942", "gfx90a"])
def test_symbols_are_those_of_llvm_nm(run, compiled, target):
    out = compiled("a", target=target)
    found = parse(out.read_bytes())
    assert symbols(found) == nm(run, out)[""]
    assert found.undefined == ("_Z9elsewherei",)
    assert set(found.kernels) == {"_Z6kernelILi1EEvPi", "_Z6kernelILi2EEvPi"}
    assert found.processors == (target,)
    assert found.source.endswith("a.hip")


@pytest.mark.oracle
def test_every_kind_of_symbol_is_that_of_llvm_nm(run, tmp_path):
    source, out = tmp_path / "shapes.ll", tmp_path / "shapes.bc"
    source.write_text(SHAPES)
    run("llvm-as-19", source, "-o", out)
    found = parse(out.read_bytes())
    assert symbols(found) == nm(run, out)[""]
    assert {"alias_of_function", "alias_of_alias", "resolved"} <= {*found.functions}
    assert {"alias_of_variable", "alias_of_expression"} <= {*found.variables}
    assert found.kernels == ("kernel", "weak_kernel")
    assert found.source == "shapes.hip"


@pytest.mark.oracle
def test_symbols_of_every_member_of_an_archive_are_those_of_llvm_nm(
    run, compiled, tmp_path
):
    """Full and thin LTO, split modules, a wrapper, aliases, several modules in a file."""
    for target in ("gfx942", "gfx90a"):
        compiled("plain", target=target)
        compiled("thin", "-foffload-lto=thin", "-flto=thin", target=target)
        compiled("unoptimized", "-O0", "-g", target=target)
    wrapped = (tmp_path / "plain.gfx942.bc").read_bytes()
    header = pack("<5I", 0x0B17C0DE, 0, 20, len(wrapped), 0xE0)
    (tmp_path / "wrapped.bc").write_bytes(header + wrapped)
    (tmp_path / "shapes.ll").write_text(SHAPES)
    run("llvm-as-19", tmp_path / "shapes.ll", "-o", tmp_path / "shapes.bc")
    (tmp_path / "split.ll").write_text(SPLIT)
    split = ["-thinlto-bc", "-thinlto-split-lto-unit"]
    run("opt-19", *split, tmp_path / "split.ll", "-o", tmp_path / "split.bc")
    members = sorted(tmp_path.glob("*.bc"))
    archive = tmp_path / "lib.a"
    run("llvm-ar-19", "rcD", archive, *members)
    expected = nm(run, archive)
    compared = 0
    for member in open_source(archive).members():
        assert isinstance(member, Member)
        found = bitcode.parse(member.view)
        assert symbols(found) == expected[member.path.rsplit("!", 1)[1]], member.path
        compared += 1
    assert compared == len(members) == 9


@pytest.mark.oracle
def test_several_modules_in_one_file_are_read_together(run, compiled, tmp_path):
    """LLVM 19's nm reads such a file with the symbols of all modules, too."""
    first, second = (
        compiled("a"),
        compiled("b", source="__attribute__((device)) int b = 2;"),
    )
    out = tmp_path / "both.bc"
    run("llvm-cat-19", "-b", "-o", out, first, second)
    found = parse(out.read_bytes())
    assert symbols(found) == nm(run, out)[""]
    assert {"b", "counter"} <= set(found.variables)


@pytest.mark.oracle
def test_what_the_writer_writes_is_what_llvm_reads(run, tmp_path):
    rows = [
        Global("kernel", convention=91, declared=True),
        Global("function", declared=True),
        Global("perhaps", linkage=PERHAPS, declared=True),
        Global("variable", GLOBAL_VARIABLE, declared=True),
    ]
    path = tmp_path / "x.bc"
    path.write_bytes(Module(rows).build())
    listing = run("llvm-dis-19", path, "-o", "-")
    for line in (
        'source_filename = "a.hip"',
        'target triple = "amdgcn-amd-amdhsa"',
        "declare amdgpu_kernel void @kernel()",
        "declare extern_weak void @perhaps()",
        "@variable = external global i32",
    ):
        assert line in listing
    assert symbols(parse(path.read_bytes())) == nm(run, path)[""]
