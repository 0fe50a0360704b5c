"""Code objects, broken: headers, segments, symbols, descriptors, metadata, code.

What the loader of ROCR makes of each is in docs/loader.md, "The second gate".
"""

from collections.abc import Callable

from tests.mutations import elf
from tests.mutations.bundles import both_targets, on_file, on_object, on_objects
from tests.mutations.elf import DYNSYM, NOTE, SYMTAB, Elf, replaced
from tests.mutations.model import Mutation, Told

#: a bundle for each unit; the last one is changed
TU = ("per_tu_both.so",)
VARIABLES = ("variables_tu.so",)
RDC = ("deep_ep_both.so",)
BOTH = (*TU, *RDC)
#: for gfx90a and gfx942, whose instructions differ
NEW = ("new_driver_variables.so",)

#: 64-bit and 32-bit fields of a kernel descriptor
GROUP, PRIVATE, KERNARG, ENTRY, RSRC3, RSRC1, RSRC2, PROPERTIES = (
    0,
    4,
    8,
    16,
    44,
    48,
    52,
    56,
)
#: s_endpgm, the instruction that ends a kernel
END = bytes.fromhex("000081bf")


def broken(says: str, target: str | None = "gfx950") -> Told:
    return Told("broken-kernel", says, target)


def damaged(says: str, target: str | None = "gfx950") -> Told:
    return Told("broken-code-object", says, target)


def mismatch(says: str, target: str | None = "gfx950") -> Told:
    return Told("target-mismatch", says, target)


# --- the header ---------------------------------------------------------------------


def copied_flags(one: Elf, other: Elf) -> None:
    one.put(elf.E_FLAGS, other.take(elf.E_FLAGS, 4))


def copied_header(one: Elf, other: Elf) -> None:
    one.put(0, other.take(0, 64))


def put(code: str, at: int, value: int) -> Callable[[Elf], None]:
    return lambda one: one.pack(code, at, value)


def without_sections(one: Elf) -> None:
    one.pack("Q", elf.E_SHOFF, 0)
    one.pack("3H", elf.E_SHNUM - 2, 0, 0, 0)


# --- segments and sections ------------------------------------------------------------


def segment(
    choose: Callable[[Elf], elf.Segment],
    code: str,
    field: int,
    value: Callable[[elf.Segment], int],
) -> Callable[[Elf], None]:
    def change(one: Elf) -> None:
        found = choose(one)
        one.pack(code, found.header + field, value(found))

    return change


def swapped_segments(one: Elf) -> None:
    first, second = one.loads[:2]
    rows = one.take(first.header, 56), one.take(second.header, 56)
    one.put(first.header, rows[1])
    one.put(second.header, rows[0])


def no_loads(one: Elf) -> None:
    for found in one.loads:
        one.pack("I", found.header, 0)


def section(
    name: str | int, code: str, field: int, value: Callable[[elf.Section], int]
) -> Callable[[Elf], None]:
    def change(one: Elf) -> None:
        found = one.section(name)
        one.pack(code, found.header + field, value(found))

    return change


# --- symbols ----------------------------------------------------------------------------


def symbol(
    table: int, suffix: str, code: str, field: int, value: Callable[[elf.Symbol], int]
) -> Callable[[Elf], None]:
    """A field of the symbol of the first kernel, or of its descriptor (`.kd`)."""

    def change(one: Elf) -> None:
        found = one.symbol(table, one.kernels[0] + suffix)
        one.pack(code, found.row + field, value(found))

    return change


def local(found: elf.Symbol) -> int:
    return found.info & 15


def together(*changes: Callable[[Elf], None]) -> Callable[[Elf], None]:
    def change(one: Elf) -> None:
        for each in changes:
            each(one)

    return change


def renamed_symbol(table: int) -> Callable[[Elf], None]:
    """The name of a descriptor's symbol, in one of the tables."""

    def change(one: Elf) -> None:
        found = one.symbol(table, one.kernels[0] + ".kd")
        one.put(found.text, b"_Y")

    return change


def undefined(table: int) -> Callable[[Elf], None]:
    """A function that others define: as a link without its library leaves it."""

    def change(one: Elf) -> None:
        found = one.symbol(table, one.kernels[0])
        one.pack("H", found.row + elf.ST_SHNDX, 0)
        one.pack("B", found.row + elf.ST_INFO, 1 << 4)

    return change


def variables(one: Elf) -> list[elf.Symbol]:
    """Objects that others can find and that are no descriptors."""
    found = [s for s in one.symbols(SYMTAB) if s.info >> 4 and s.info & 15 == elf.OBJECT]
    return [s for s in found if s.section and not s.name.endswith(".kd")]


def no_section(one: Elf) -> None:
    one.pack("H", variables(one)[0].row + elf.ST_SHNDX, 0xFF00)


def renamed_variable(old: str, new: str) -> Callable[[Elf], None]:
    def change(one: Elf) -> None:
        end = one.unpack("Q", elf.E_SHOFF)[0]
        one.put(0, replaced(one.take(0, end), old.encode(), new.encode()))

    return change


# --- descriptors ----------------------------------------------------------------------


def descriptor(code: str, field: int, value: Callable[[int], int]) -> Callable[[Elf], None]:
    """A field of the first kernel's descriptor."""

    def change(one: Elf) -> None:
        at = one.descriptor(one.kernels[0]) + field
        (old,) = one.unpack(code, at)
        one.pack(code, at, value(old))

    return change


def swapped_descriptors(*, mended: bool) -> Callable[[Elf], None]:
    """The descriptors of two kernels; mended, each still leads to the code it led to."""

    def change(one: Elf) -> None:
        first, second = (one.descriptor(name) for name in one.kernels[:2])
        rows = one.take(first, 64), one.take(second, 64)
        one.put(first, rows[1])
        one.put(second, rows[0])
        if mended:
            for at, moved in ((first, second - first), (second, first - second)):
                (entry,) = one.unpack("q", at + ENTRY)
                one.pack("q", at + ENTRY, entry + moved)

    return change


# --- metadata -----------------------------------------------------------------------------


def in_notes(old: bytes, new: bytes) -> Callable[[Elf], None]:
    """In every record: an RDC link leaves several."""

    def change(one: Elf) -> None:
        place = one.section(NOTE)
        one.put(place.offset, replaced(one.take(place.offset, place.size), old, new))

    return change


def small_int(key: str, value: int) -> Callable[[Elf], None]:
    """A number below 128 of the first kernel in the metadata: one byte of msgpack."""

    def change(one: Elf) -> None:
        at, size = one.note
        text = bytes([0xA0 + len(key)]) + key.encode()
        place = at + one.take(at, size).index(text) + len(text)
        assert one.take(place, 1)[0] < 128
        one.put(place, bytes([value]))

    return change


def workgroup(lanes: int) -> Callable[[Elf], None]:
    """How many lanes a workgroup may have: a number of three bytes in msgpack."""

    def change(one: Elf) -> None:
        at, size = one.note
        text = b"\xb8.max_flat_workgroup_size\xcd"
        one.pack("2B", at + one.take(at, size).index(text) + len(text), 0, lanes)

    return change


def moved_notes(one: Elf) -> None:
    """The segment of the notes leads elsewhere: to bytes that are none."""
    (found,) = [s for s in one.segments if s.type == elf.PT_NOTE]
    one.pack("Q", found.header + elf.P_OFFSET, one.section(".text").offset)


def renamed_note(one: Elf) -> None:
    one.put(one.section(NOTE).offset + 12, b"ANYGPU")


# --- code ---------------------------------------------------------------------------------


def code_of_other(one: Elf, other: Elf) -> None:
    """All instructions, but for what is longer."""
    mine, theirs = one.section(".text"), other.section(".text")
    size = min(mine.size, theirs.size)
    one.put(mine.offset, other.take(theirs.offset, size))


def code(fill: Callable[[int], bytes], every: bool = False) -> Callable[[Elf], None]:
    """The instructions of the first kernel, or of all."""

    def change(one: Elf) -> None:
        for kernel in one.kernels if every else one.kernels[:1]:
            at, size = one.code_of(kernel)
            one.put(at, fill(size))

    return change


def at_once(size: int) -> bytes:
    """A kernel that ends at once: sound instructions, and the wrong ones."""
    return (END * size)[:size]


def swapped_code(one: Elf) -> None:
    """The instructions of two kernels, as far as both go."""
    (first, size), (second, more) = (one.code_of(name) for name in one.kernels[:2])
    size = min(size, more)
    texts = one.take(first, size), one.take(second, size)
    assert texts[0] != texts[1]
    one.put(first, texts[1])
    one.put(second, texts[0])


# --- relocations ------------------------------------------------------------------------------


def relocation(code: str, field: int, value: int) -> Callable[[Elf], None]:
    return lambda one: one.pack(code, one.relocations[0].row + field, value)


def retargeted(one: Elf) -> None:
    """A pointer to device data leads to other device data."""
    found = one.relocations[0]
    one.pack("q", found.row + elf.R_ADDEND, found.addend + 16)


# --- names -----------------------------------------------------------------------------------


def renamed(one: Elf) -> None:
    """The first kernel, everywhere: metadata, symbols."""
    name = one.kernels[0].encode()
    end = one.unpack("Q", elf.E_SHOFF)[0]
    one.put(0, replaced(one.take(0, end), name, name[:-1] + b"h"))


DEVICE = (
    # the header
    Mutation("flags of the other target", "e_flags of gfx942 in the code object of gfx950",
             BOTH, on_objects(copied_flags), mismatch("is not the target of the entry")),
    Mutation("header of the other target", "all 64 bytes of gfx942's ELF header",
             BOTH, on_objects(copied_header), mismatch("is not the target of the entry")),
    Mutation("xnack fixed", "e_flags say xnack+, the entry ID leaves it open",
             TU, on_object(put("I", elf.E_FLAGS, 0x74F)),
             mismatch("is not the target of the entry")),
    Mutation("no processor", "e_flags 0", TU, on_object(put("I", elf.E_FLAGS, 0)),
             mismatch("names no processor")),
    Mutation("code object v3", "EI_ABIVERSION 1", TU, on_object(put("B", 8, 1)),
             Told("refused", "loads v4 to v6", "gfx950")),
    Mutation("code object v9", "EI_ABIVERSION 7", TU, on_object(put("B", 8, 7)),
             Told("refused", "loads v4 to v6", "gfx950")),
    Mutation("other OSABI", "EI_OSABI 0", TU, on_object(put("B", 7, 0)),
             damaged("EI_OSABI")),
    Mutation("other version", "e_version 0", TU, on_object(put("I", 20, 0)),
             damaged("e_version")),
    Mutation("other machine", "e_machine of x86-64", TU, on_object(put("H", 18, 62)),
             damaged("e_machine")),
    Mutation("not linked", "e_type ET_REL", TU, on_object(put("H", elf.E_TYPE, 1)),
             damaged("e_type")),
    Mutation("section headers gone", "e_shoff and e_shnum 0", BOTH,
             on_object(without_sections), damaged("section headers")),
    Mutation("names of sections gone", "e_shstrndx names no section", TU,
             on_object(put("H", elf.E_SHNUM + 2, 99)), damaged("e_shstrndx")),
    # segments and sections
    Mutation("code's segment cut", "p_filesz of the code 0", BOTH,
             on_object(segment(lambda o: o.code, "Q", elf.P_FILESZ, lambda s: 0)),
             damaged("section .text")),
    Mutation("code's segment not executable", "PF_X taken from the code", BOTH,
             on_object(segment(lambda o: o.code, "I", elf.P_FLAGS, lambda s: 4)),
             broken("not executable")),
    Mutation("code's segment elsewhere in memory", "p_vaddr + 4096", BOTH,
             on_object(segment(lambda o: o.code, "Q", elf.P_VADDR,
                               lambda s: s.vaddr + 4096)),
             damaged("section .text")),
    Mutation("code's segment elsewhere in the file", "p_offset + 256", BOTH,
             on_object(segment(lambda o: o.code, "Q", elf.P_OFFSET,
                               lambda s: s.offset + 256)),
             damaged("alignment")),
    Mutation("code's segment beyond the end", "p_offset beyond the code object", TU,
             on_object(segment(lambda o: o.code, "Q", elf.P_OFFSET, lambda s: 1 << 30)),
             damaged("truncated: a segment ends")),
    Mutation("alignment of a segment", "p_align 2 MiB, which its address is not", TU,
             on_object(segment(lambda o: o.code, "Q", elf.P_ALIGN, lambda s: 1 << 21)),
             damaged("alignment")),
    Mutation("more in the file than in memory", "p_memsz smaller than p_filesz", TU,
             on_object(segment(lambda o: o.code, "Q", elf.P_MEMSZ, lambda s: s.filesz - 8)),
             damaged("p_memsz")),
    Mutation("segments in another order", "the first two swapped", BOTH,
             on_object(swapped_segments), damaged("order of their addresses")),
    Mutation("alignment that nobody needs", "p_align 16 in place of 4096", TU,
             on_object(segment(lambda o: o.code, "Q", elf.P_ALIGN, lambda s: 16)),
             limit="ignored"),
    Mutation("nothing to load", "every PT_LOAD made PT_NULL", TU, on_object(no_loads),
             damaged("PT_LOAD")),
    Mutation("section of the descriptors elsewhere", "sh_addr of .rodata + 4096", TU,
             on_object(section(".rodata", "Q", elf.SH_ADDR, lambda s: s.addr + 4096)),
             damaged("section .rodata")),
    Mutation("section of the code elsewhere", "sh_offset of .text + 256", TU,
             on_object(section(".text", "Q", elf.SH_OFFSET, lambda s: s.offset + 256)),
             damaged("section .text")),
    # symbols
    Mutation("symbol table gone", ".symtab made SHT_NULL, as strip does", BOTH,
             on_object(section(SYMTAB, "I", elf.SH_TYPE, lambda s: 0)),
             damaged(".symtab")),
    Mutation("a symbol table more", ".strtab made one, and ROCR takes the last", TU,
             on_object(section(".strtab", "I", elf.SH_TYPE, lambda s: SYMTAB)),
             damaged("has no end")),
    Mutation("dynamic symbol table gone", ".dynsym made SHT_NULL, and PT_DYNAMIC too", TU,
             on_object(together(
                 segment(lambda o: next(s for s in o.segments if s.type == elf.DYNAMIC),
                         "I", elf.P_TYPE, lambda s: 0),
                 section(DYNSYM, "I", elf.SH_TYPE, lambda s: 0))),
             broken("no .kd descriptor")),
    Mutation("descriptor local", "a .kd STB_LOCAL in both symbol tables", BOTH,
             on_object(together(symbol(SYMTAB, ".kd", "B", elf.ST_INFO, local),
                                symbol(DYNSYM, ".kd", "B", elf.ST_INFO, local))),
             broken("no .kd descriptor")),
    Mutation("descriptor local for the loader", "a .kd STB_LOCAL in .symtab only", BOTH,
             on_object(symbol(SYMTAB, ".kd", "B", elf.ST_INFO, local)),
             broken("no .kd descriptor")),
    Mutation("descriptor local for linkers", "a .kd STB_LOCAL in .dynsym only", BOTH,
             on_object(symbol(DYNSYM, ".kd", "B", elf.ST_INFO, local)),
             broken("no .kd descriptor")),
    Mutation("descriptor renamed for the loader", "a .kd by another name in .symtab", BOTH,
             on_object(renamed_symbol(SYMTAB)), broken("no .kd descriptor")),
    Mutation("descriptor renamed for linkers", "a .kd by another name in .dynsym", BOTH,
             on_object(renamed_symbol(DYNSYM)), broken("no .kd descriptor")),
    Mutation("descriptor a function", "a .kd STT_FUNC in .symtab", TU,
             on_object(symbol(SYMTAB, ".kd", "B", elf.ST_INFO, lambda s: 0x12)),
             broken("no .kd descriptor")),
    Mutation("descriptor of 48 bytes", "st_size of a .kd, in both tables", TU,
             on_object(together(symbol(SYMTAB, ".kd", "Q", elf.ST_SIZE, lambda s: 48),
                                symbol(DYNSYM, ".kd", "Q", elf.ST_SIZE, lambda s: 48))),
             damaged("has 48 bytes")),
    Mutation("descriptor elsewhere", "st_value of a .kd + 8, in .symtab", TU,
             on_object(symbol(SYMTAB, ".kd", "Q", elf.ST_VALUE, lambda s: s.value + 8)),
             broken("")),
    Mutation("descriptor at the next one", "st_value of a .kd + 64, in both tables", TU,
             on_object(together(
                 symbol(SYMTAB, ".kd", "Q", elf.ST_VALUE, lambda s: s.value + 64),
                 symbol(DYNSYM, ".kd", "Q", elf.ST_VALUE, lambda s: s.value + 64))),
             broken("")),
    Mutation("descriptor in no section", "st_shndx of a .kd names none", TU,
             on_object(together(
                 symbol(SYMTAB, ".kd", "H", elf.ST_SHNDX, lambda s: 0xFFF1),
                 symbol(DYNSYM, ".kd", "H", elf.ST_SHNDX, lambda s: 0xFFF1))),
             damaged("names no section")),
    Mutation("descriptor in another section", "st_shndx of a .kd is that of the code", TU,
             on_object(symbol(SYMTAB, ".kd", "H", elf.ST_SHNDX, lambda s: s.section + 1)),
             damaged("outside of section")),
    Mutation("descriptor hidden", "a .kd STV_HIDDEN in both symbol tables", TU,
             on_object(together(symbol(SYMTAB, ".kd", "B", elf.ST_OTHER, lambda s: 2),
                                symbol(DYNSYM, ".kd", "B", elf.ST_OTHER, lambda s: 2))),
             limit="ignored"),
    Mutation("variable undefined for the loader", "an object of .symtab without section",
             VARIABLES, on_object(no_section), damaged("names no section")),
    Mutation("variable renamed", "for one target", VARIABLES,
             on_object(renamed_variable("plain_variable", "plain_variablf")),
             limit="variables"),
    Mutation("managed variable renamed", "for one target", VARIABLES,
             on_object(renamed_variable("managed_variable", "managed_variablf")),
             Told("missing-kernel", "managed variable", "gfx950")),
    Mutation("undefined in the dynamic table", "a function of .dynsym undefined", BOTH,
             on_object(undefined(DYNSYM)), Told("unresolved-symbol", "undefined", "gfx950")),
    # descriptors
    Mutation("entry beyond the code", "the entry of a kernel 1 MiB further", BOTH,
             on_object(descriptor("q", ENTRY, lambda v: v + (1 << 20))),
             broken("starts at")),
    Mutation("entry in the middle", "the entry of a kernel 4 bytes further", BOTH,
             on_object(descriptor("q", ENTRY, lambda v: v + 4)), broken("256")),
    Mutation("entry at another kernel", "the entry of a kernel 256 bytes further", BOTH,
             on_object(descriptor("q", ENTRY, lambda v: v + 256)), broken("starts at")),
    Mutation("descriptors swapped", "the 64 bytes of two kernels", BOTH,
             on_object(swapped_descriptors(mended=False)), broken("")),
    Mutation("descriptors swapped with their code", "the same, entries mended", BOTH,
             on_object(swapped_descriptors(mended=True)), broken("starts at")),
    Mutation("descriptor zeroed", "64 bytes of zeros", BOTH,
             on_object(lambda o: o.put(o.descriptor(o.kernels[0]), bytes(64))), broken("")),
    Mutation("arguments cut in the descriptor", "kernarg_size 4", BOTH,
             on_object(descriptor("I", KERNARG, lambda v: 4)),
             broken("kernarg_segment_size")),
    Mutation("arguments cut in the metadata", ".kernarg_segment_size 4", TU,
             on_object(small_int(".kernarg_segment_size", 4)),
             broken("kernarg_segment_size")),
    Mutation("LDS in the descriptor", "group_segment_fixed_size + 1024", TU,
             on_object(descriptor("I", GROUP, lambda v: v + 1024)),
             broken("group_segment_fixed_size")),
    Mutation("LDS beyond the processor's", "200 KiB in the descriptor", TU,
             on_object(descriptor("I", GROUP, lambda v: 200 << 10)),
             broken("group_segment_fixed_size")),
    Mutation("scratch in the descriptor", "private_segment_fixed_size + 64", TU,
             on_object(descriptor("I", PRIVATE, lambda v: v + 64)),
             broken("private_segment_fixed_size")),
    Mutation("scratch in the metadata", ".private_segment_fixed_size 64", TU,
             on_object(small_int(".private_segment_fixed_size", 64)),
             broken("private_segment_fixed_size")),
    Mutation("waves of 32 lanes", "wave32 in a descriptor, on gfx950", TU,
             on_object(descriptor("H", PROPERTIES, lambda v: v | 1 << 10)),
             broken("wave")),
    Mutation("waves of 32 lanes in the metadata", ".wavefront_size 32", TU,
             on_object(small_int(".wavefront_size", 32)), broken("wavefront_size")),
    Mutation("dynamic stack", "uses_dynamic_stack in a descriptor", TU,
             on_object(descriptor("H", PROPERTIES, lambda v: v | 1 << 11)),
             broken("uses_dynamic_stack")),
    Mutation("fewer registers", "the metadata count more than the descriptor gives", TU,
             on_object(small_int(".vgpr_count", 100)), broken("vgpr_count")),
    Mutation("arguments beyond their room", "kernarg size 4, in both places", TU,
             on_object(together(descriptor("I", KERNARG, lambda v: 4),
                                small_int(".kernarg_segment_size", 4))),
             broken("its arguments take")),
    Mutation("smaller workgroups", ".max_flat_workgroup_size 1", TU,
             on_object(workgroup(1)), limit="launch"),
    Mutation("registers not set up", "compute_pgm_rsrc2 0: what a kernel finds at its start",
             TU, on_object(descriptor("I", RSRC2, lambda v: 0)), limit="code"),
    # metadata
    Mutation("metadata of the other target", "amdhsa.target gfx942", BOTH,
             on_object(in_notes(b"amdhsa--gfx950", b"amdhsa--gfx942")),
             mismatch("its metadata is for")),
    Mutation("notes elsewhere", "PT_NOTE leads to the code", TU, on_object(moved_notes),
             damaged("")),
    Mutation("notes of another owner", "the name of the note is not AMDGPU", TU,
             on_object(renamed_note), broken("no metadata record")),
    Mutation("metadata cut", "the record is no msgpack", TU,
             on_object(lambda o: o.put(o.note[0], b"\xc1")), damaged("metadata record")),
    Mutation("a kernel's record renamed", ".name and .symbol of one kernel", BOTH,
             on_object(lambda o: in_notes(
                 f"{o.kernels[0]}.kd".encode(),
                 f"{o.kernels[0][:-1]}h.kd".encode())(o)),
             broken("no .kd descriptor")),
    Mutation("kernel renamed for one target", "a name, everywhere in gfx950's", BOTH,
             on_object(renamed), Told("kernel-parity", "not for", None)),
    Mutation("kernel renamed for all targets", "a name, everywhere in the device code",
             BOTH, both_targets(renamed),
             Told("missing-kernel", "the host registers", None)),
    # code
    Mutation("code zeroed", "the instructions of a kernel", BOTH,
             on_object(code(bytes)), broken("no instruction")),
    Mutation("all code zeroed", "the instructions of every kernel", BOTH,
             on_object(code(bytes, every=True)), broken("no instruction")),
    Mutation("code erased", "the instructions of a kernel set to 0xff", TU,
             on_object(code(lambda size: b"\xff" * size)), broken("no instruction")),
    Mutation("code of the other target", "gfx942's instructions in gfx950's code object",
             NEW, on_objects(code_of_other, "gfx942", "gfx90a"), limit="code"),
    Mutation("code that does nothing", "a kernel that ends at once", BOTH,
             on_object(code(at_once)), limit="code"),
    Mutation("code of two kernels swapped", "as far as both go", TU,
             on_object(swapped_code), limit="code"),
    # relocations
    Mutation("relocation of nothing", "r_offset in no segment", ("variables_tu.so",),
             on_object(relocation("Q", elf.R_OFFSET, 1 << 40)), damaged("relocation")),
    Mutation("relocation of no kind", "a type that ROCR does not know",
             ("variables_tu.so",), on_object(relocation("I", elf.R_INFO, 200)),
             damaged("relocation")),
    Mutation("pointer to other data", "the addend of a relocation + 16",
             ("variables_tu.so",), on_object(retargeted), limit="data"),
    # names that only others know
    Mutation("hidden kernel renamed, host stripped", "everywhere in the device code",
             ("kinds_tu_stripped.so",),
             both_targets(renamed_variable("hidden_kernel", "hidden_kernem")),
             limit="stripped"),
    Mutation("kernel of a module renamed", "everywhere: the program asks for it by name",
             ("embedded.so",),
             on_file(lambda d: replaced(bytes(d), b"shift", b"shaft")), limit="modules"),
    # what a bundle does not hold as it is
    Mutation("a bare code object for another", "e_flags of gfx950 in gfx942's",
             ("code_object_gfx942.co",),
             on_file(lambda d: Elf(d).pack("I", elf.E_FLAGS, 0x54F)),
             mismatch("its metadata is for", None)),
)  # fmt: skip
