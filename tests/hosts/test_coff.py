"""PE images and COFF objects, written field by field."""

import contextlib
import re
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from struct import pack, pack_into

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinspect.errors import FormatError, LimitExceeded
from kinspect.hosts import coff
from kinspect.hosts.host import HIPF, HIPK, Host, Wrapper
from kinspect.limits import Limits
from kinspect.model import Linkage
from kinspect.view import File, Memory, View

BASE = 0x1_8000_0000
BUNDLE = b"__CLANG_OFFLOAD_BUNDLE__" + bytes(8)

DATA = 0x40000040  # MEM_READ | CNT_INITIALIZED_DATA
CODE = 0x60000020
BSS = 0xC0000080
WRITABLE = 0xC0000040
DISCARDABLE = 0x42000040


@dataclass
class Part:
    """A section of an image or object to be written."""

    name: bytes
    data: bytes = b""
    flags: int = DATA
    virtual_size: int | None = None
    address: int = 0
    relocations: bytes = b""
    count: int | None = None
    raw_size: int | None = None
    offset: int | None = None

    def header(self, relocations_at: int) -> bytes:
        count = len(self.relocations) // 10 if self.count is None else self.count
        return pack(
            "<8s6I2HI",
            self.name,
            self.virtual_size or 0,
            self.address,
            len(self.data) if self.raw_size is None else self.raw_size,
            self.offset or 0,
            relocations_at,
            0,
            count,
            0,
            self.flags,
        )


def wrapper(address: int, magic: int = HIPF, reserved: int = 0) -> bytes:
    return pack("<2I2Q", magic, 1, address, reserved)


def relocs(*rvas: int, kind: int = 10) -> bytes:
    blocks = b""
    for page in sorted({rva & ~0xFFF for rva in rvas}):
        entries = [kind << 12 | rva - page for rva in rvas if rva & ~0xFFF == page]
        entries += [0] * (len(entries) % 2)  # IMAGE_REL_BASED_ABSOLUTE
        blocks += pack("<2I", page, 8 + 2 * len(entries))
        blocks += pack(f"<{len(entries)}H", *entries)
    return blocks


def image(
    *parts: Part,
    directories: dict[int, tuple[int, int]] | None = None,
    pe32: bool = False,
    machine: int = 0x8664,
    flags: int = 0x2022,
    dll_flags: int = 0x160,
    base: int = BASE,
    stub: int = 0x80,
    symbols_at: int = 0,
    tail: bytes = b"",
) -> bytes:
    """Write an image: 4 KiB between the sections in memory, 512 bytes in the file."""
    table = dict.fromkeys(range(16), (0, 0)) | (directories or {})
    versions = bytes(12)
    optional = pack("<HBB5I", 0x10B if pe32 else 0x20B, 14, 0, 0, 0, 0, 0, 0x1000)
    optional += pack("<2I" if pe32 else "<Q", *((0, base) if pe32 else (base,)))
    optional += pack("<2I12s", 0x1000, 0x200, versions)
    optional += pack("<4I2H", 0, 0x10000, 0x400, 0, 3, dll_flags)
    optional += bytes(16 if pe32 else 32) + pack("<2I", 0, 16)
    optional += b"".join(pack("<2I", *table[index]) for index in range(16))
    headers = bytearray(stub)
    headers[:2] = b"MZ"
    pack_into("<I", headers, 0x3C, stub)
    headers += b"PE\0\0"
    headers += pack("<2H3I2H", machine, len(parts), 0, symbols_at, 0, len(optional), flags)
    headers += optional
    at = -(-(len(headers) + 40 * len(parts)) // 0x200) * 0x200
    content = b""
    for index, part in enumerate(parts):
        padded = part.data.ljust(-(-len(part.data) // 0x200) * 0x200, b"\0")
        part.address = part.address or 0x1000 * (index + 1)
        part.virtual_size = (
            len(part.data) if part.virtual_size is None else part.virtual_size
        )
        part.raw_size = len(padded) if part.raw_size is None else part.raw_size
        if part.offset is None:
            part.offset = at + len(content) if padded else 0
        content += padded
        headers += part.header(0)
    return bytes(headers).ljust(at, b"\0") + content + tail


def obj(
    *parts: Part,
    symbols: tuple[tuple[bytes, int, int], ...] = (),
    strings: bytes = b"",
    machine: int = 0x8664,
    bigobj: bool = False,
) -> bytes:
    """Write an object; a symbol is its name, value and section number."""
    start = 56 if bigobj else 20
    at = start + 40 * len(parts)
    body, headers = b"", b""
    for part in parts:
        if part.offset is None:
            part.offset = at + len(body) if part.data else 0
        body += part.data
        headers += part.header(at + len(body) if part.relocations else 0)
        body += part.relocations
    layout = "<8sIi" if bigobj else "<8sIh"
    table = b"".join(pack(layout, *symbol) + bytes(4) for symbol in symbols)
    symbols_at = at + len(body)
    if bigobj:
        class_id = bytes.fromhex("c7a1bad1eebaa94baf20faf66aa4dcb8")
        head = pack("<4HI16s4I", 0, 0xFFFF, 2, machine, 0, class_id, 0, 0, 0, 0)
        head += pack("<3I", len(parts), symbols_at, len(symbols))
    else:
        head = pack("<2H3I2H", machine, len(parts), 0, symbols_at, len(symbols), 0, 0)
    return head + headers + body + table + pack("<I", 4 + len(strings)) + strings


def view(data: bytes) -> View:
    return View(Memory(data), "t.dll")


def parse(data: bytes, limits: Limits | None = None):
    return coff.parse(view(data), limits or Limits())


def hip_image(**options) -> bytes:
    """Write a DLL as lld-link does: two wrappers, two bundles, imports, relocations."""
    relocated = options.pop("relocated", (0x2008, 0x2020))
    imports = pack("<5I", 0x3100, 0, 0, 0x3080, 0x3100) + bytes(20)
    imports = imports.ljust(0x80, b"\0") + b"amdhip64_7.dll\0"
    return image(
        Part(b".text", b"\xc3", CODE),
        Part(b".hipFatB", wrapper(BASE + 0x4000) + wrapper(BASE + 0x4100)),
        Part(b".rdata", imports),
        Part(b".hip_fat", BUNDLE.ljust(0x100, b"\0") + BUNDLE),
        Part(b".reloc", relocs(*relocated), DISCARDABLE),
        directories={1: (0x3000, 40), 5: (0x5000, len(relocs(*relocated)))},
        **options,
    )


def test_a_dll_with_two_wrappers():
    host = parse(hip_image())
    assert host.format == "pei-x86-64"
    assert host.needed == ("amdhip64_7.dll",)
    assert host.linkage is None
    assert not host.relocatable
    assert host.unreadable == ()
    assert [w.problem for w in host.wrappers] == ["", ""]
    first, second = (w.target for w in host.wrappers)
    (fatbin,) = host.fatbins
    assert fatbin.layer == ".hip_fat"
    assert first.start == fatbin.start
    assert second.start == fatbin.start + 0x100
    # to the end of the section's raw data, which is padded
    assert second.start + len(second) == fatbin.start + 0x200
    assert first.startswith(BUNDLE)
    assert second.startswith(BUNDLE)


def test_wrappers_keep_their_fields():
    data = image(
        Part(b".hipFatB", wrapper(BASE + 0x2000, HIPK, 0) + wrapper(0, HIPK, 7)),
        Part(b".kpackrf", b"\x80"),
        dll_flags=0,
    )
    first, second = parse(data).wrappers
    assert (first.magic, first.version, first.reserved) == (HIPK, 1, 0)
    assert second.reserved == 7
    assert second.offset == first.offset + 24
    assert first.target.layer == ".kpackrf"
    assert second.problem == "its pointer is null"


def test_a_pointer_that_is_not_relocated_leads_astray_once_the_image_moves():
    first, second = parse(hip_image(relocated=(0x2008,))).wrappers
    assert first.target is not None
    assert second.target is None
    assert "no base relocation" in second.problem


@pytest.mark.parametrize("options", [{"dll_flags": 0}, {"flags": 0x2023}])
def test_an_image_that_cannot_move_needs_no_relocation(options):
    wrappers = parse(hip_image(relocated=(), **options)).wrappers
    assert [w.problem for w in wrappers] == ["", ""]


def test_a_relocation_of_another_type_is_none():
    data = image(
        Part(b".hipFatB", wrapper(BASE + 0x3000)),
        Part(b".reloc", relocs(0x1008, kind=3), DISCARDABLE),
        Part(b".hip_fat", BUNDLE),
        directories={5: (0x2000, 12)},
    )
    (found,) = parse(data).wrappers
    assert "no base relocation" in found.problem


@pytest.mark.parametrize(
    ("address", "problem"),
    [
        (BASE + 0x9000, "RVA 0x9000 lies in no section"),
        (0x1000, "lies in no section"),
        (BASE + 0x2200, "beyond the bytes that .hip_fat has"),
        (BASE + 0x2FFF, "beyond the bytes that .hip_fat has"),
        (BASE + 0x3000, "beyond the bytes that .bss has"),
        (BASE + 0x3100, "RVA 0x3100 lies in no section"),
        (BASE + 0x500, "RVA 0x500 lies in no section"),
    ],
)
def test_a_pointer_to_nowhere_says_why(address, problem):
    data = image(
        Part(b".hipFatB", wrapper(address)),
        # larger in memory than in the file: the rest is zeros
        Part(b".hip_fat", BUNDLE, virtual_size=0x1000),
        Part(b".bss", b"", BSS, virtual_size=0x100),
        dll_flags=0,
    )
    (found,) = parse(data).wrappers
    assert found.target is None
    assert problem in found.problem


def test_padding_of_the_file_is_no_wrapper_and_padding_of_the_linker_neither():
    spaced = wrapper(BASE + 0x2000) + bytes(8) + wrapper(BASE + 0x2000)
    data = image(Part(b".hipFatB", spaced), Part(b".hip_fat", BUNDLE), dll_flags=0)
    assert [w.problem for w in parse(data).wrappers] == ["", ""]
    assert parse(data).wrappers[1].offset == parse(data).wrappers[0].offset + 32


def test_bytes_beyond_the_virtual_size_are_no_wrapper():
    data = image(Part(b".hipFatB", wrapper(1) + wrapper(2), virtual_size=24), dll_flags=0)
    assert len(parse(data).wrappers) == 1


def test_half_a_wrapper_is_unreadable():
    data = image(Part(b".hipFatB", wrapper(0) + wrapper(1)[:20]), dll_flags=0)
    host = parse(data)
    assert len(host.wrappers) == 1
    (unreadable,) = host.unreadable
    assert "wrapper: needs 24 bytes, 20 left" in unreadable.message


def test_what_the_loader_maps_are_whole_pages():
    # the bundle ends after VirtualSize, but within its page
    data = image(
        Part(b".hipFatB", wrapper(BASE + 0x2000)),
        Part(b".hip_fat", bytes(0x3000), virtual_size=0x1001),
        dll_flags=0,
    )
    (found,) = parse(data).wrappers
    assert len(found.target) == 0x2000


def test_wrappers_are_found_in_a_merged_section():
    # /MERGE:.hipFatB=.rdata
    text = b"FPIH of no wrapper, since nothing relocates it".ljust(0x40)
    text = pack("<2I", HIPF, 1) + text[8:]
    data = image(
        Part(b".rdata", text + wrapper(BASE + 0x2000)),
        Part(b".hip_fat", BUNDLE),
        Part(b".reloc", relocs(0x1048), DISCARDABLE),
        directories={5: (0x3000, 12)},
    )
    (found,) = parse(data).wrappers
    assert found.target.startswith(BUNDLE)
    assert found.offset == 0x200 + 0x40


def test_the_magic_of_a_wrapper_counts_where_a_wrapper_fits():
    """Aligned to a pointer, and whole: else it is other data, whatever is relocated."""
    record = wrapper(BASE + 0x2000)
    content = bytes(4) + record + bytes(4) + record + bytes(0x1C0)
    assert len(content) == 0x1F8
    data = image(
        Part(b".rdata", content + record[:8]),
        Part(b".hip_fat", BUNDLE),
        Part(b".reloc", relocs(0x100C, 0x1028, 0x1200), DISCARDABLE),
        directories={5: (0x3000, 16)},
    )
    assert [one.offset for one in parse(data).wrappers] == [0x200 + 32]


def test_wrappers_that_no_name_tells_are_looked_for_in_data_alone():
    record = wrapper(BASE + 0x4000)
    data = image(
        Part(b".text", record, CODE),
        Part(b".hip_fat", record),
        Part(b".rsrc", record, DISCARDABLE),
        Part(b".rdata", record),
        Part(b".reloc", relocs(0x1008, 0x2008, 0x3008, 0x4008), DISCARDABLE),
        directories={5: (0x5000, len(relocs(0x1008, 0x2008, 0x3008, 0x4008)))},
    )
    assert [one.offset for one in parse(data).wrappers] == [data.rindex(record)]


def test_base_relocations_of_other_pages_and_places_are_passed_over():
    table = relocs(0x5000, 0x6008, 0x2010, 0x2018)
    data = image(
        Part(b".text", b"\xc3", CODE),
        Part(b".hipFatB", wrapper(BASE + 0x3000)),
        Part(b".hip_fat", BUNDLE),
        Part(b".reloc", table + relocs(0x2008), DISCARDABLE),
        directories={5: (0x4000, len(table) + 12)},
    )
    assert [one.problem for one in parse(data).wrappers] == [""]


@pytest.mark.parametrize("size", [0, 7])
def test_a_block_of_base_relocations_is_at_least_its_header(size):
    data = image(
        Part(b".hipFatB", wrapper(BASE + 0x2000)),
        Part(b".hip_fat", BUNDLE),
        Part(b".reloc", pack("<2I", 0x1000, size) + relocs(0x1008), DISCARDABLE),
        directories={5: (0x3000, 20)},
    )
    host = parse(data)
    assert f"block of {size} bytes, expected at least 8" in host.unreadable[0].message
    assert [one.target for one in host.wrappers] == [None]


def test_a_32_bit_image():
    data = image(
        Part(b".hipFatB", pack("<4I", HIPF, 1, 0x402000, 3)),
        Part(b".hip_fat", BUNDLE),
        Part(b".reloc", relocs(0x1008, kind=3), DISCARDABLE),
        pe32=True,
        machine=0x14C,
        base=0x400000,
        directories={5: (0x3000, 12)},
    )
    host = parse(data)
    assert host.format == "pei-i386"
    (found,) = host.wrappers
    assert found.reserved == 3
    assert found.target.startswith(BUNDLE)


@pytest.mark.parametrize(
    ("machine", "name"),
    [(0xAA64, "pei-aarch64-little"), (0x200, "pei-unknown")],
)
def test_other_machines(machine, name):
    host = parse(hip_image(machine=machine))
    assert host.format == name
    assert all(w.target for w in host.wrappers)


def test_data_is_what_is_initialised_and_no_code():
    host = parse(
        image(
            Part(b".text", b"\xc3", CODE),
            Part(b".rdata", b"r"),
            Part(b".data", b"w", WRITABLE),
            Part(b".pdata", b"unwinding"),
            Part(b".bss", b"", BSS, virtual_size=16),
            Part(b".rsrc", b"resources"),
            Part(b".hip_fat", BUNDLE),
            Part(b".kpackrf", b"\x80"),
            Part(b".debug", b"discarded", DISCARDABLE),
            Part(b".info", b"of no content that a program has", 0x40000000),
        )
    )
    assert [v.layer for v in host.data] == [".rdata", ".data", ".rsrc"]


def test_a_section_without_bytes_of_its_own_has_none():
    """No pointer, or content that is not initialised: what stands there is another's."""
    for part in (
        Part(b".hip_fat", raw_size=64, offset=0),
        Part(b".hip_fat", raw_size=0, offset=0x200),
        Part(b".hip_fat", BUNDLE, BSS),
    ):
        host = parse(image(Part(b".rdata", b"r"), part))
        assert host.fatbins == ()
        assert host.hollow is not None
        assert [one.layer for one in host.data] == [".rdata"]


def test_the_virtual_size_of_an_object_says_nothing():
    """It is 0 there, and an image without one has all of its bytes."""
    data = obj(Part(b"/4", bytes(5000), virtual_size=1), strings=b".hip_fatbin\0")
    assert len(parse(data).fatbins[0]) == 5000
    data = image(Part(b".hip_fat", bytes(5120), virtual_size=0))
    assert len(parse(data).fatbins[0]) == 5120
    data = image(Part(b".hip_fat", bytes(5120), virtual_size=1))
    assert len(parse(data).fatbins[0]) == 4096


def test_the_last_bytes_of_a_section_may_be_a_wrapper():
    data = image(
        Part(b".rdata", wrapper(BASE + 0x2000).rjust(0x200, b"\0")),
        Part(b".hip_fat", BUNDLE),
        Part(b".reloc", relocs(0x11F0), DISCARDABLE),
        directories={5: (0x3000, 12)},
    )
    assert [one.problem for one in parse(data).wrappers] == [""]


def test_the_magic_of_a_wrapper_in_an_object_is_none():
    """Its sections have their names."""
    data = obj(Part(b".rdata", wrapper(0)), Part(b"/4", BUNDLE), strings=b".hip_fatbin\0")
    assert parse(data).wrappers == ()


def test_rdc_is_told_by_the_section_of_its_handle():
    assert parse(image(Part(b".hip_gpu", b"\0" * 8))).linkage is Linkage.RDC


def test_libraries_loaded_when_called_are_needed_too():
    names = b"amdhip64_7.dll\0rocblas.dll\0"
    imports = pack("<5I", 1, 0, 0, 0x1100, 1) + pack("<5I", 1, 0, 0, 0x1100, 1)
    delayed = pack("<8I", 1, 0x110F, *bytes(6))
    old = pack("<8I", 0, 0x40111B, *bytes(6))  # addresses, not RVAs
    names += b"old.dll\0"
    tables = (imports + bytes(20)).ljust(0x40, b"\0") + delayed + old + bytes(32)
    # what lies behind the null entry is none
    tables += pack("<8I", 1, 0x9999, *bytes(6))
    data = image(
        Part(b".idata", tables.ljust(0x100, b"\0") + names),
        base=0x400000,
        directories={1: (0x1000, 0), 13: (0x1040, 0)},
    )
    # twice the same, and a size of 0, as some linkers leave it
    host = parse(data)
    assert host.needed == ("amdhip64_7.dll", "rocblas.dll", "old.dll")
    assert host.unreadable == ()


@pytest.mark.parametrize("count", [0, 1, 2, 5, 6, 13, 14, 16])
def test_an_image_may_have_any_number_of_directories(count):
    """What is beyond their number is not there, whatever stands in its place."""
    data = bytearray(hip_image())
    pack_into("<I", data, 0x80 + 24 + 108, count)
    host = parse(bytes(data))
    assert host.needed == (("amdhip64_7.dll",) if count > 1 else ())
    relocated = [one.target is not None for one in host.wrappers]
    assert relocated == [count > 5] * 2
    assert host.unreadable == ()


def test_more_directories_than_there_are_kinds_are_not_read():
    data = bytearray(hip_image())
    pack_into("<I", data, 0x80 + 24 + 108, 0xFFFFFFFF)
    assert parse(bytes(data)).needed == ("amdhip64_7.dll",)


def test_a_pointer_may_lead_behind_the_virtual_size_within_the_bytes():
    data = image(
        Part(b".hipFatB", wrapper(BASE + 0x2100)),
        Part(b".hip_fat", bytes(0x100) + BUNDLE, virtual_size=0x10),
        dll_flags=0,
    )
    (found,) = parse(data).wrappers
    assert found.target.startswith(BUNDLE)


def test_a_section_of_bundles_without_bytes_is_told_by_its_header():
    """As a split for kpack leaves it."""
    data = image(Part(b".rdata", b"r"), Part(b".hip_fat", b"", BSS, virtual_size=64),
                 Part(b".bss", b"", BSS, virtual_size=64))  # fmt: skip
    host = parse(data)
    assert host.hollow is not None
    assert host.hollow.offset == 0x80 + 24 + 240 + 40
    assert parse(image(Part(b".bss", b"", BSS), Part(b".hip_fat", BUNDLE))).hollow is None


def test_the_reference_to_kpack_archives_is_a_section_of_its_own():
    for name in (b".kpackrf", b".rdata"):
        reference = parse(image(Part(b".rdata", b"r"), Part(name, b"\x80"))).reference
        assert (reference is not None) is (name == b".kpackrf")
        assert reference is None or bytes(reference.bytes(0, 1)) == b"\x80"


def test_names_are_registered_where_a_wrapper_is():
    text = b"_Z6kernelv\0"
    wrapped = (Part(b".hipFatB", wrapper(BASE + 0x2000)), Part(b".hip_fat", BUNDLE))
    plain = (Part(b".data", b"x"), Part(b".data", b"x"))
    for parts, registered in ((wrapped, ("_Z6kernelv",)), (plain, ())):
        data = image(*parts, Part(b".rdata", text), dll_flags=0)
        assert coff.parse(view(data)).registration.kernels == registered
        assert coff.parse(view(data), registration=False).registration.kernels == ()


def test_imports_may_end_with_their_section():
    """The loader maps zeros behind the bytes of the file: a null entry."""
    imports = pack("<5I", 1, 0, 0, 0x2000, 1) * 128  # 5 × 512 bytes
    data = image(
        Part(b".idata", imports),
        Part(b".rdata", b"amdhip64_7.dll\0"),
        directories={1: (0x1000, 0)},
    )
    host = parse(data)
    assert (host.needed, host.unreadable) == (("amdhip64_7.dll",), ())


def test_more_imports_than_the_limit_of_headers():
    imports = pack("<5I", 1, 0, 0, 0x2000, 1) * 5 + bytes(20)
    data = image(
        Part(b".idata", imports),
        Part(b".rdata", b"a.dll\0"),
        directories={1: (0x1000, 0)},
    )
    assert parse(data, Limits(headers=5)).needed == ("a.dll",)
    (told,) = parse(data, Limits(headers=4)).unreadable
    assert told.limit == "headers"


@pytest.mark.parametrize(
    ("directories", "what"),
    [
        ({1: (0x9000, 40)}, "imports: RVA 0x9000 lies in no section"),
        ({1: (0x1000, 40)}, "imports: RVA"),
        ({5: (0x1000, 0x4000)}, "base relocations: needs 16384 bytes"),
        ({5: (0x1000, 20)}, "base relocations: block of 7 bytes"),
        ({13: (0x9000, 40)}, "imports: RVA 0x9000"),
    ],
)
def test_a_damaged_table_is_told_and_the_rest_is_read(directories, what):
    data = image(
        Part(b".rdata", pack("<5I", 1, 7, 0, 0xFFFF, 0)),
        Part(b".hip_fat", BUNDLE),
        Part(b".hipFatB", wrapper(BASE + 0x2000)),
        directories=directories,
        dll_flags=0,
    )
    host = parse(data)
    (unreadable,) = host.unreadable
    assert unreadable.message.startswith(what)
    assert [w.problem for w in host.wrappers] == [""]


def test_zeros_end_the_base_relocations():
    table = relocs(0x1008) + bytes(8)
    data = image(
        Part(b".hipFatB", wrapper(BASE + 0x2000)),
        Part(b".hip_fat", BUNDLE),
        Part(b".reloc", table, DISCARDABLE),
        directories={5: (0x3000, len(table))},
    )
    host = parse(data)
    assert host.unreadable == ()
    assert host.wrappers[0].target is not None


def test_a_truncated_section_is_told_and_has_what_is_left():
    data = hip_image()
    host = parse(data[:-0x400])  # .reloc and half of .hip_fat
    messages = [u.message for u in host.unreadable]
    assert any(m.startswith("truncated: section .hip_fat") for m in messages)
    assert any(m.startswith("truncated: section .reloc") for m in messages)


# --- section names ------------------------------------------------------------------


def test_an_image_may_have_long_section_names():
    # binutils' ld keeps them, with the string table behind the sections
    strings = b".hip_fatbin\0.hipFatBinSegment\0"
    parts = (Part(b"/16", wrapper(BASE + 0x2000)), Part(b"/4", BUNDLE))
    size = len(image(*parts))
    tail = pack("<I", 4 + len(strings)) + strings
    host = parse(image(*parts, dll_flags=0, symbols_at=size, tail=tail))
    assert [v.layer for v in host.fatbins] == [".hip_fatbin"]
    assert host.wrappers[0].target.startswith(BUNDLE)


def test_a_stale_symbol_table_of_an_image_matters_to_long_names_alone():
    assert parse(hip_image(symbols_at=0xFFFF0000)).unreadable == ()
    host = parse(image(Part(b"/4", BUNDLE), symbols_at=0xFFFF0000))
    assert "section name '/4'" in host.unreadable[0].message


def test_without_a_string_table_a_slash_is_just_that():
    host = parse(image(Part(b"/4", b"data")))
    assert [v.layer for v in host.data] == ["/4"]
    assert host.unreadable == ()


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        (b".rdata", ".rdata"),
        (b".8bytes.", ".8bytes."),
        (b"/4", ".hip_fatbin"),
        (b"//AAAAAE", ".hip_fatbin"),
        (b"//AAAAAI", "_fatbin"),
    ],
)
def test_names_of_sections_in_objects(raw, name):
    data = obj(Part(raw, b"content"), strings=b".hip_fatbin\0")
    host = parse(data)
    assert [v.layer for v in (*host.fatbins, *host.data)] == [name]


@pytest.mark.parametrize(
    "raw", [b"/99", b"/", b"/x", b"//AAAA", b"//AAA=AA", b"/16", b"/AAAAAE"]
)
def test_a_name_that_is_nowhere_is_an_error(raw):
    with pytest.raises(FormatError):
        parse(obj(Part(raw, b"content"), strings=b".hip_fatbin\0"))


# --- objects ------------------------------------------------------------------------

STRINGS = b".hip_fatbin\0.hipFatBinSegment\0__hip_fatbin_0123456789abcdef\0"
LONG = {name: pack("<2I", 0, 4 + STRINGS.index(name)) for name in STRINGS.split(b"\0")}


def hip_object(
    kind: int = 1,
    addend: int = 0,
    symbol: tuple[bytes, int, int] = (b".hip", 0, 2),
    machine: int = 0x8664,
    bigobj: bool = False,
    **options,
) -> bytes:
    layout = "<4I" if machine == 0x14C else "<2I2Q"
    return obj(
        Part(
            b"/16",
            pack(layout, HIPF, 1, addend, 5),
            relocations=pack("<2IH", 8, 1, kind),
            **options,
        ),
        Part(b"/4", bytes(16) + BUNDLE),
        Part(b".bss", b"", BSS, raw_size=64),
        symbols=((b"other", 0, 1), symbol),
        strings=STRINGS,
        machine=machine,
        bigobj=bigobj,
    )


@pytest.mark.parametrize("bigobj", [False, True])
@pytest.mark.parametrize(
    ("machine", "kind", "name"),
    [
        (0x8664, 1, "x86-64"),
        (0xAA64, 14, "aarch64-little"),
        (0x14C, 6, "i386"),
    ],
)
def test_the_relocation_of_an_object_says_where_the_wrapper_points(
    machine, kind, name, bigobj
):
    host = parse(hip_object(kind, 16, machine=machine, bigobj=bigobj))
    assert host.format == ("pe-bigobj-" if bigobj else "pe-") + name
    assert host.relocatable
    assert host.linkage is None
    (found,) = host.wrappers
    assert found.problem == ""
    assert (found.symbol, found.reserved) == (".hip", 5)
    assert host.unreadable == ()
    assert found.target.startswith(BUNDLE)
    assert found.target.layer == ".hip_fatbin"


def test_a_symbol_may_lie_within_its_section():
    (found,) = parse(hip_object(symbol=(b"bundle", 16, 2))).wrappers
    assert found.target.startswith(BUNDLE)


def test_an_rdc_object_points_at_what_its_link_will_make():
    symbol = (LONG[b"__hip_fatbin_0123456789abcdef"], 0, 0)
    host = parse(hip_object(symbol=symbol))
    assert host.linkage is Linkage.RDC
    (found,) = host.wrappers
    assert found.target is None
    assert found.symbol == "__hip_fatbin_0123456789abcdef"
    assert found.problem == f"{found.symbol} is for the link to define"


def test_only_a_bundle_that_is_missing_makes_an_object_one_of_rdc():
    fatbin = LONG[b"__hip_fatbin_0123456789abcdef"]
    for symbol in ((b"other", 0, 0), (fatbin, 0, 2)):
        assert parse(hip_object(symbol=symbol)).linkage is None
    assert parse(hip_object(symbol=(fatbin, 0, 0))).linkage is Linkage.RDC


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"kind": 4}, "relocation type 0x4 sets its pointer"),
        ({"addend": 0x100}, "it points at .hip: needs 1 bytes, 0 left"),
        ({"symbol": (b"bss", 0, 9)}, "bss is for the link to define"),
        ({"symbol": (b"absolute", 0, -1)}, "absolute is for the link to define"),
        ({"symbol": (pack("<2I", 0, 9999), 0, 2)}, "it points at a symbol: needs"),
        ({"count": 0}, "no relocation sets its pointer"),
        ({"symbol": (b".bss", 0, 3)}, "it points at .bss: section .bss has no bytes"),
    ],
)
def test_a_wrapper_of_an_object_that_points_nowhere_says_why(options, problem):
    (found,) = parse(hip_object(**options)).wrappers
    assert found.target is None
    assert found.problem.startswith(problem)


def test_a_relocation_may_name_no_symbol():
    data = obj(
        Part(b"/4", wrapper(0), relocations=pack("<2IH", 8, 5, 1)),
        strings=b".hipFatBinSegment\0",
    )
    (found,) = parse(data).wrappers
    assert found.problem.startswith("it points at a symbol: needs 18 bytes")


def test_relocations_of_other_places_are_passed_over():
    others = pack("<2IH", 0, 1, 1) + pack("<2IH", 32, 1, 1)
    data = obj(
        Part(b"/4", wrapper(0), relocations=others + pack("<2IH", 8, 0, 1)),
        Part(b".rdata", BUNDLE, relocations=pack("<2IH", 8, 1, 1)),
        symbols=((b".rdata", 0, 2), (b"wrong", 0, 1)),
        strings=b".hipFatBinSegment\0",
    )
    (found,) = parse(data).wrappers
    assert (found.symbol, found.target.layer) == (".rdata", ".rdata")


def test_relocations_beyond_the_count_of_16_bits():
    # IMAGE_SCN_LNK_NRELOC_OVFL: the first holds the count, itself included
    extra = pack("<2IH", 2, 0, 0) + pack("<2IH", 8, 0, 1)
    data = obj(
        Part(b"/4", wrapper(0), DATA | 0x01000000, relocations=extra, count=0xFFFF),
        Part(b".rdata", BUNDLE),
        symbols=((b".rdata", 0, 2),),
        strings=b".hipFatBinSegment\0",
    )
    assert parse(data).wrappers[0].target.startswith(BUNDLE)


def test_damaged_relocations_are_told():
    data = obj(
        Part(b"/4", wrapper(0), relocations=pack("<2IH", 8, 0, 1), count=9999),
        strings=b".hipFatBinSegment\0",
    )
    host = parse(data)
    assert host.wrappers[0].problem == "no relocation sets its pointer"
    assert "relocations of .hipFatBinSegment" in host.unreadable[0].message


def test_sections_of_an_object():
    strings = b".llvm.offloading\0.hip_fatbin$a\0"
    host = parse(
        obj(
            Part(b"/4", b"offload binary", 0x800),
            Part(b"/21", BUNDLE),
            Part(b".bss", b"", BSS, raw_size=64),
            Part(b"/4", b"", 0x800),
            strings=strings,
        )
    )
    assert [v.layer for v in host.offloading] == [".llvm.offloading"]
    assert [v.layer for v in host.fatbins] == [".hip_fatbin$a"]
    assert host.data == ()


def test_device_code_for_a_link_lies_in_sections_named_after_its_entry():
    """As clang's old driver bundles an object."""
    prefix = b"__CLANG_OFFLOAD_BUNDLE__"
    names = [prefix + b"hip-amdgcn-amd-amdhsa--gfx942", prefix + b"hip-amdgcn-amd-amdhsa--gfx950",
             prefix + b"host-x86_64-pc-windows-msvc--"]  # fmt: skip
    strings = b"\0".join([*names, b""])
    parts = [Part(b"/%d" % (4 + strings.index(name)), b"content") for name in names]
    parts[1].data = b""
    host = parse(obj(*parts, strings=strings))
    assert [(entry.target_name, bytes(one.bytes())) for entry, one in host.bitcode] == [
        ("gfx942", b"content"),
        ("gfx950", b""),
    ]
    assert host.data == ()


def test_a_broken_symbol_table_breaks_an_object():
    data = bytearray(obj(Part(b".rdata", b"x")))
    pack_into("<I", data, 12, 1000)
    with pytest.raises(FormatError, match="needs 18000 bytes"):
        parse(bytes(data))


def test_an_object_without_symbols():
    data = bytearray(obj(Part(b".hipFatB", wrapper(0), relocations=bytes(10))))
    pack_into("<2I", data, 8, 0, 0)
    pack_into("<I", data, len(data) - 4 - 10, 8)
    (found,) = parse(bytes(data)).wrappers
    assert found.problem == "it points at a symbol: no symbol table"


# --- what was written is read -----------------------------------------------------------


@given(
    st.lists(
        st.tuples(
            st.integers(0, 0x1FF), st.sampled_from([HIPF, HIPK]), st.integers(0, 2**32 - 1)
        ),
        min_size=1,
        max_size=40,
    ),
    st.booleans(),
    st.booleans(),
    st.sampled_from([b".hipFatB", b".rdata"]),
    st.sampled_from([0x80, 0x88, 0x100]),
    st.integers(0, 5),
)
def test_wrappers_that_were_written_are_read(rows, pe32, moves, home, stub, gaps):
    base, layout, kind = (0x400000, "<4I", 3) if pe32 else (BASE, "<2I2Q", 10)
    records = b""
    places = []
    for at, magic, reserved in rows:
        places.append(len(records))
        records += pack(layout, magic, 1, base + 0x2000 + at, reserved)
        records += bytes((4 if pe32 else 8) * gaps)
    table = relocs(*(0x1008 + place for place in places), kind=kind)
    data = image(
        Part(home, records),
        Part(b".hip_fat", bytes(0x200)),
        Part(b".reloc", table, DISCARDABLE),
        pe32=pe32,
        base=base,
        machine=0x14C if pe32 else 0x8664,
        stub=stub,
        dll_flags=0x40 * moves,
        directories={5: (0x3000, len(table))},
    )
    host = parse(data)
    start = host.fatbins[0].start
    assert [
        (one.target and one.target.start - start, one.magic, one.reserved)
        for one in host.wrappers
    ] == rows
    assert [one.offset - host.wrappers[0].offset for one in host.wrappers] == places
    assert host.unreadable == ()


@given(
    st.lists(
        st.tuples(
            st.sampled_from([b".rdata", b"/4", b"//AAAAAE", b".data$x", b".text"]),
            st.binary(min_size=1, max_size=40),
        ),
        max_size=6,
    ),
    st.booleans(),
    st.sampled_from([0x8664, 0xAA64, 0x14C]),
)
def test_sections_of_an_object_that_were_written_are_read(parts, bigobj, machine):
    written = [Part(name, data, CODE if name == b".text" else DATA) for name, data in parts]
    data = obj(*written, strings=b".hip_fatbin\0", machine=machine, bigobj=bigobj)
    host = parse(data)
    assert [bytes(one.bytes()) for one in host.fatbins] == [
        content for name, content in parts if name.startswith(b"/")
    ]
    assert [(one.layer.encode(), bytes(one.bytes())) for one in host.data] == [
        one for one in parts if one[0] in {b".rdata", b".data$x"}
    ]
    assert (host.relocatable, host.unreadable) == (True, ())


# --- what it is ---------------------------------------------------------------------


def dos(offset: int) -> bytes:
    """The head of a program of DOS, which says where that of Windows starts."""
    return b"MZ".ljust(0x3C, b"\0") + pack("<I", offset)


def big_header(
    version: int = 2,
    machine: int = 0x8664,
    class_id: bytes = bytes.fromhex("c7a1bad1eebaa94baf20faf66aa4dcb8"),
) -> bytes:
    return pack("<4HI16s7I", 0, 0xFFFF, version, machine, 0, class_id, *[0] * 7)


@pytest.mark.parametrize(
    ("data", "answer"),
    [
        (hip_image(), True),
        (hip_image()[:0x80], True),
        (hip_image()[:0x90], True),
        (obj(Part(b".rdata", b"x")), True),
        (obj(Part(b".rdata", b"x"), bigobj=True), True),
        (hip_image()[:0x40], True),
        (hip_image()[:0x3F], False),
        (dos(0x40) + b"PE\0\0", True),
        (dos(0x40) + b"NE\0\0", False),  # a program of Windows 3
        (dos(0x40) + b"PE\0", True),  # cut
        (dos(0x44), True),
        (dos(0x45), False),  # no linker puts it there
        (dos(0xFFFC), True),
        (dos(0x10000), False),
        (obj(Part(b".rdata", b"x"))[:20], True),
        (obj(Part(b".rdata", b"x"))[:19], False),
        (big_header(), True),
        (big_header()[:55], False),
        (big_header(version=3), True),
        (big_header(version=1), False),
        (big_header(machine=0x200), False),
        (big_header(class_id=bytes(16)), False),
        (b"", False),
        (b"MZ", False),
        (b"MZ,Mozambique,".ljust(100, b"x"), False),
        (b"MZ" + bytes(200), False),  # a DOS program
        (b"\x7fELF" + bytes(100), False),
        (b"\x64\x86", False),
        (b"\x64\x86" + bytes(14) + b"\1\0" + bytes(4), False),
        (b"\x64\x86" + bytes(16) + b"\2\0" + bytes(4), False),
        (b"\0\0\xff\xff\0\0\x64\x86" + bytes(60), False),  # of an import library
        (b"\0\0\xff\xff\1\0\x64\x86" + bytes(60), False),  # cl /GL
        (b"\0\0\xff\xff\2\0\x64\x86" + bytes(60), False),
        (pack("<4HI", 0, 0xFFFF, 2, 0x8664, 0), False),
    ],
)
def test_is_coff(data, answer):
    assert coff.is_coff(view(data)) is answer


# --- damage -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "neither a PE image nor a COFF object"),
        (b"MZ" + bytes(100), "neither"),
        (hip_image()[:0x80], "truncated before the PE signature"),
        (hip_image()[:0x83], "truncated before the PE signature"),
        (hip_image()[:0x100], "needs"),
    ],
)
def test_headers_that_cannot_be_read(data, message):
    with pytest.raises(FormatError, match=message):
        parse(data)


def test_an_optional_header_of_another_kind():
    data = bytearray(hip_image())
    pack_into("<H", data, 0x80 + 24, 0x107)  # ROM image
    with pytest.raises(FormatError, match="magic 0x107, expected 0x10b or 0x20b"):
        parse(bytes(data))


def test_directories_must_fit_the_optional_header():
    data = bytearray(hip_image())
    pack_into("<H", data, 0x80 + 20, 112 + 8 * 10)
    with pytest.raises(FormatError, match="needs 128 bytes, 80 left"):
        parse(bytes(data))


def test_sections_that_overlap_would_make_work_for_nothing():
    data = image(
        Part(b".a", bytes(0x1000)),
        *(
            Part(b".b", offset=0x400, raw_size=0x1000, virtual_size=0x1000)
            for _ in range(4)
        ),
    )
    with pytest.raises(FormatError, match="sections overlap"):
        parse(data)


@pytest.mark.parametrize(
    ("limits", "name"),
    [
        (Limits(headers=2), "headers"),
        (Limits(wrappers=1), "wrappers"),
    ],
)
def test_limits_of_images(limits, name):
    with pytest.raises(LimitExceeded) as caught:
        parse(hip_image(), limits)
    assert caught.value.limit == name


def test_limits_of_tables_are_told():
    host = parse(hip_image(), Limits(relocations=3))
    assert host.unreadable[0].limit == "relocations"
    assert "no base relocation" in host.wrappers[0].problem
    host = parse(hip_object(), Limits(relocations=0))
    assert host.unreadable[0].limit == "relocations"


IMAGE = hip_image()
OBJECT = hip_object()
BIGOBJ = hip_object(bigobj=True)


def every_part(host) -> None:
    """Touch all that a host promises to be there."""
    for part in (*host.fatbins, *host.offloading, *host.data):
        part.bytes()
    for found in host.wrappers:
        assert (found.target is None) == bool(found.problem)
        if found.target is not None:
            assert found.target.bytes()


@pytest.mark.parametrize("data", [IMAGE, OBJECT, BIGOBJ], ids=["pe", "obj", "bigobj"])
def test_every_truncation_is_told(data):
    for size in range(len(data)):
        try:
            host = parse(data[:size])
        except FormatError:
            continue
        every_part(host)
        assert host.unreadable


@given(st.sampled_from([IMAGE, OBJECT, BIGOBJ]), st.data())
def test_flipped_bytes_never_escape_as_another_error(whole, data):
    spoilt = bytearray(whole)
    places = st.integers(0, len(whole) - 1)
    headers = st.integers(0, min(len(whole), 0x300) - 1)
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(places | headers)
        spoilt[at] = data.draw(st.integers(0, 255))
    with contextlib.suppress(FormatError):
        every_part(parse(bytes(spoilt)))


@given(st.binary(max_size=600))
def test_any_tail_of_headers_never_escapes_as_another_error(tail):
    for start in (IMAGE[:0x84], OBJECT[:2], BIGOBJ[:28]):
        with contextlib.suppress(FormatError):
            every_part(parse(start + tail))


# --- real files ---------------------------------------------------------------------


def read(path: Path) -> Host:
    return coff.parse(View(File(path), path.name))


def target_of(wrapper: Wrapper) -> View:
    assert wrapper.target is not None
    return wrapper.target


@pytest.fixture(scope="module")
def libraries(wheel, member) -> list[Path]:
    """Unpack the DLLs of bitsandbytes' wheel for Windows."""
    with zipfile.ZipFile(wheel("bitsandbytes-win")) as archive:
        names = [name for name in archive.namelist() if name.endswith(".dll")]
    return [member("bitsandbytes-win", name) for name in names]


@pytest.mark.corpus
@pytest.mark.parametrize("version", ["72", "714", "715"])
def test_libraries_of_bitsandbytes_have_two_bundles(member, version):
    inner = f"bitsandbytes/libbitsandbytes_rocm{version}.dll"
    host = read(member("bitsandbytes-win", inner))
    assert host.format == "pei-x86-64"
    assert "amdhip64_7.dll" in host.needed
    assert host.unreadable == ()
    (fatbin,) = host.fatbins
    assert len(host.wrappers) == 2
    for found in host.wrappers:
        assert found.problem == ""
        assert found.magic == HIPF
        assert target_of(found).startswith(b"CCOB")
    assert target_of(host.wrappers[0]).start == fatbin.start


@pytest.mark.corpus
def test_libraries_for_cuda_and_sycl_have_none(libraries):
    others = [path for path in libraries if "rocm" not in path.name]
    assert len(others) > 8
    for path in others:
        host = read(path)
        assert (host.wrappers, host.fatbins, host.unreadable) == ((), (), ())


READOBJ = "llvm-readobj-19"


@pytest.mark.corpus
@pytest.mark.oracle
def test_imports_equal_llvm_readobj(libraries, run):
    for path in libraries:
        lines = run(READOBJ, "--coff-imports", path).splitlines()
        names = [line[8:] for line in lines if line.startswith("  Name: ")]
        assert list(read(path).needed) == list(dict.fromkeys(names))


@pytest.mark.corpus
@pytest.mark.oracle
def test_sections_equal_llvm_readobj(libraries, run):
    for path in libraries:
        blocks = run(READOBJ, "--sections", path).split("Section {")[1:]
        fields = [
            dict(re.findall(r"^ +(\w+): (\S+)", block, re.MULTILINE)) for block in blocks
        ]
        sections = {
            (field["Name"], int(field["PointerToRawData"], 0)): int(field["RawDataSize"], 0)
            for field in fields
        }
        host = read(path)
        for part in (*host.fatbins, *host.data):
            assert len(part) == sections[part.layer, part.start]
        assert bool(host.fatbins) == any(name == ".hip_fat" for name, _ in sections)


@pytest.mark.corpus
@pytest.mark.oracle
def test_the_pointers_of_wrappers_are_among_the_base_relocations(libraries, run):
    for path in libraries:
        host = read(path)
        if not host.wrappers:
            continue
        text = run(READOBJ, "--coff-basereloc", path)
        moved = {int(rva, 0) for rva in re.findall(r"Address: (0x\w+)", text)}
        header = re.search(
            r"Name: \.hipFatB .*?VirtualAddress: (\w+).*?PointerToRawData: (\w+)",
            run(READOBJ, "--sections", path),
            re.DOTALL,
        )
        assert header is not None
        address, start = (int(number, 0) for number in header.groups())
        pointers = {address + w.offset - start + 8 for w in host.wrappers}
        assert pointers <= moved
        # and nothing else in the section is moved
        assert {rva for rva in moved if 0 <= rva - address < 0x1000} == pointers


KERNEL = """
typedef struct { unsigned x, y, z; } dim3;
typedef struct ihipStream_t *hipStream_t;
extern "C" int __hipPushCallConfiguration(dim3, dim3, unsigned long long, hipStream_t);
extern "C" int __hipPopCallConfiguration(dim3 *, dim3 *, unsigned long long *, void *);
extern "C" int hipLaunchKernel(const void *, dim3, dim3, void **, unsigned long long,
                               hipStream_t);
__attribute__((global)) void NAME(int *p) { *p = 1; }
"""
HIP = """LIBRARY amdhip64_7.dll
EXPORTS
__hipRegisterFatBinary
__hipUnregisterFatBinary
__hipRegisterFunction
__hipPushCallConfiguration
__hipPopCallConfiguration
hipLaunchKernel
"""


@pytest.fixture(scope="module")
def compiled(run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Compile two kernels for gfx942 and Windows, and what a link of them needs."""
    root = tmp_path_factory.mktemp("coff")
    target = "--target=x86_64-pc-windows-msvc"
    for name in ("one", "two"):
        source = root / f"{name}.hip"
        source.write_text(KERNEL.replace("NAME", name))
        for suffix, option in (("obj", "-fno-gpu-rdc"), ("rdc.obj", "-fgpu-rdc")):
            run(
                *("clang-19", "-x", "hip", target, "-nogpuinc", "-nogpulib", option),
                *("--offload-arch=gfx942", "-c", source, "-o"),
                root / f"{name}.{suffix}",
            )
    (root / "crt.c").write_text("int _fltused; int atexit(void *f) { return 0; }")
    run("clang-19", target, "-c", root / "crt.c", "-o", root / "crt.obj")
    (root / "hip.def").write_text(HIP)
    definitions, library = f"/def:{root / 'hip.def'}", f"/out:{root / 'hip.lib'}"
    run("lld-link-19", "/lib", "/machine:x64", definitions, library)
    return root


@pytest.fixture(scope="module")
def linked(run, compiled: Path) -> Callable[..., Path]:
    def link(*options: str) -> Path:
        out = compiled / "out.dll"
        names = ("one.obj", "two.obj", "crt.obj", "hip.lib")
        run(
            *("lld-link-19", "/dll", "/noentry", "/opt:noref", "/nodefaultlib"),
            *(f"/out:{out}", *options, *(compiled / name for name in names)),
        )
        return out

    return link


@pytest.mark.oracle
@pytest.mark.parametrize(
    "options",
    [
        (),
        ("/dynamicbase:no", "/fixed"),
        ("/merge:.hipFatB=.rdata",),
        ("/merge:.hipFatB=.rdata", "/merge:.hip_fat=.rdata"),
        ("/align:8192",),
        ("/filealign:4096",),
        ("/delayload:amdhip64_7.dll", "/force:unresolved"),
        ("/largeaddressaware:no", "/base:0x400000"),
    ],
)
def test_libraries_that_lld_links(linked, options):
    host = read(linked(*options))
    assert host.format == "pei-x86-64"
    assert host.needed == ("amdhip64_7.dll",)
    assert host.unreadable == ()
    assert [w.problem for w in host.wrappers] == ["", ""]
    assert len({target_of(w).start for w in host.wrappers}) == 2
    for found in host.wrappers:
        assert found.magic == HIPF
        assert target_of(found).startswith(b"__CLANG_OFFLOAD_BUNDLE__")


@pytest.mark.oracle
def test_objects_that_clang_writes(compiled):
    host = read(compiled / "one.obj")
    (found,) = host.wrappers
    assert host.format == "pe-x86-64"
    assert found.problem == ""
    assert target_of(found).startswith(b"__CLANG_OFFLOAD_BUNDLE__")
    assert [v.start for v in host.fatbins] == [target_of(found).start]
    host = read(compiled / "one.rdc.obj")
    assert host.linkage is Linkage.RDC
    (found,) = host.wrappers
    assert found.symbol.startswith("__hip_fatbin_")


@pytest.mark.oracle
def test_an_rdc_library_has_one_bundle_for_all_units(compiled, run):
    names = ("one.rdc.obj", "two.rdc.obj", "crt.obj", "hip.lib")
    run(
        *("clang-19", "--target=x86_64-pc-windows-msvc", "-fgpu-rdc", "--hip-link"),
        *("--offload-arch=gfx942", "-fuse-ld=lld", "-nostdlib", "-shared"),
        *("-Wl,/noentry", "-Wl,/opt:noref", "-o", compiled / "rdc.dll"),
        *(compiled / name for name in names),
    )
    host = read(compiled / "rdc.dll")
    assert host.linkage is Linkage.RDC
    assert [w.problem for w in host.wrappers] == ["", ""]
    (fatbin,) = host.fatbins
    assert {target_of(w).start for w in host.wrappers} == {fatbin.start}


@pytest.mark.oracle
def test_formats_are_named_as_binutils_does(linked, compiled, run):
    for path in (linked(), compiled / "one.obj"):
        (name,) = re.findall(r"file format (\S+)", run("objdump", "-f", path))
        assert read(path).format == name


def test_names_that_an_image_registers_stay_in_its_data():
    """An image has no symbols, so that they are all that is left; the device's mangling."""
    names = b"\0?launch@@YAXXZ\0_Z3fooPi\0not_mangled\0_ZN1n3barEv\0"
    data = image(
        Part(b".hipFatB", wrapper(BASE + 0x3000)),
        Part(b".rdata", names),
        Part(b".hip_fat", BUNDLE),
        dll_flags=0,
    )
    found = parse(data).registration
    assert (found.kernels, found.exact, found.symbols) == (
        ("_Z3fooPi", "_ZN1n3barEv"), False, False,
    )  # fmt: skip
    assert coff.parse(view(data), registration=False).registration.kernels == ()
