"""The bytes of a code object: whose they are, and each of them once."""

import io
from struct import pack_into, unpack_from
from typing import Any

import pytest
from elftools.elf.elffile import ELFFile
from hypothesis import given
from hypothesis import strategies as st

from kinspect.costs.anatomy import Part, anatomy
from kinspect.errors import FormatError
from kinspect.view import Memory, View
from tests.conftest import SAMPLES
from tests.writers import CodeObject, Kernel
from tests.writers import code_object as written

DESCRIPTOR = 64
#: st_value and st_size in a row of a symbol table
VALUE, SIZE = 8, 16


def code_object(*arguments, **fields):
    """Stripped, its kernels back to back: what is spoiled is all that there is."""
    return written(*arguments, **{"symtab": False, "align": 4} | fields)


def anatomy_of(data):
    return anatomy(View(Memory(data), "x.co"))


def rows(data, section=".dynsym"):
    """Where the row of each symbol lies, by name: another reader finds them."""
    elf: Any = ELFFile(io.BytesIO(data))
    table = elf.get_section_by_name(section)
    start = table["sh_offset"]
    return {s.name: start + 24 * i for i, s in enumerate(table.iter_symbols())}


def patched(data, at, number):
    out = bytearray(data)
    pack_into("<Q", out, at, number)
    return bytes(out)


def test_a_kernel_is_its_code_and_its_descriptor():
    found = anatomy_of(code_object("gfx942", "foo", "bar"))
    assert found.kernels == {"foo": 4 + DESCRIPTOR, "bar": 4 + DESCRIPTOR}
    assert found.parts[Part.KERNELS] == 2 * (4 + DESCRIPTOR)


def test_a_function_without_a_descriptor_is_no_kernel():
    data = code_object("gfx942", "foo", "bar")
    row = rows(data)["bar.kd"]
    out = bytearray(data)
    out[row + 4] = 1  # STB_LOCAL: HIP does not see it
    found = anatomy_of(bytes(out))
    assert found.kernels == {"foo": 4 + DESCRIPTOR}
    assert found.parts[Part.FUNCTIONS] == 4
    assert found.parts[Part.DATA] == DESCRIPTOR


def test_two_kernels_with_the_same_code_share_it():
    data = code_object("gfx942", "foo", "bar")
    at = rows(data)
    (address,) = unpack_from("<Q", data, at["foo"] + VALUE)
    found = anatomy_of(patched(data, at["bar"] + VALUE, address))
    assert found.kernels == {"bar": 4 + DESCRIPTOR, "foo": DESCRIPTOR}
    assert found.parts[Part.CODE] == 4  # where bar was
    assert sum(found.parts.values()) == len(data)


def test_code_without_a_size_reaches_up_to_the_next_function():
    data = code_object("gfx942", "foo", "bar", "baz")
    found = anatomy_of(patched(data, rows(data)["foo"] + SIZE, 0))
    assert found.kernels["foo"] == 4 + DESCRIPTOR


def test_code_without_a_size_is_that_of_a_kernel_whatever_else_it_is_called():
    data = code_object("gfx942", "foo", "bar", "baz")
    at = rows(data)
    (address,) = unpack_from("<Q", data, at["foo"] + VALUE)
    data = patched(patched(data, at["foo"] + SIZE, 0), at["bar"] + SIZE, 0)
    out = bytearray(patched(data, at["bar"] + VALUE, address))
    out[at["bar.kd"] + 4] = 1  # STB_LOCAL: bar is no kernel, and lies where foo does
    found = anatomy_of(bytes(out))
    assert found.kernels["foo"] == 8 + DESCRIPTOR  # up to baz


def test_code_without_a_size_reaches_up_to_the_end_of_its_section():
    # .note is 1, .rodata 2, .text 3 and so on: what symbols say of sections is not asked
    # where the writer names another one, so that its number is put right here
    data = code_object("gfx942", "foo")
    row = rows(data)["foo"]
    out = bytearray(patched(data, row + SIZE, 0))
    elf: Any = ELFFile(io.BytesIO(data))
    out[row + 6] = elf.get_section_index(".text")
    size = elf.get_section_by_name(".text")["sh_size"]
    assert anatomy_of(bytes(out)).kernels == {"foo": size + DESCRIPTOR}


def test_without_section_headers_kernels_are_the_same():
    whole = anatomy_of(code_object("gfx942", "foo", "bar"))
    data = code_object("gfx942", "foo", "bar", sections=False)
    found = anatomy_of(data)
    assert found.kernels == whole.kernels
    assert found.parts[Part.METADATA] == whole.parts[Part.METADATA]
    assert sum(found.parts.values()) == len(data)


@pytest.mark.parametrize("target", ["gfx942", "gfx950"])
def test_parts_are_what_another_reader_finds(target):
    path = SAMPLES / f"code_object_{target}.co"
    with path.open("rb") as file:
        elf: Any = ELFFile(file)
        sections = {s.name: s["sh_size"] for s in elf.iter_sections()}
        symbols = elf.get_section_by_name(".dynsym")
        described = {s.name.removesuffix(".kd") for s in symbols.iter_symbols()
                     if s.name.endswith(".kd")}  # fmt: skip
        kernels = {
            s.name: s["st_size"] + DESCRIPTOR
            for s in symbols.iter_symbols()
            if s["st_info"]["type"] == "STT_FUNC" and s.name in described
        }
    found = anatomy_of(path.read_bytes())
    assert len(kernels) == 3
    assert found.kernels == kernels
    code = sections[".text"] - sum(kernels.values()) + DESCRIPTOR * len(kernels)
    linking = (".dynsym", ".gnu.hash", ".hash", ".dynstr", ".dynamic", ".symtab",
               ".shstrtab", ".strtab")  # fmt: skip
    told = {
        Part.KERNELS: sum(kernels.values()),
        Part.CODE: code,
        Part.METADATA: sections[".note"],
        Part.SYMBOLS: sum(sections[name] for name in linking),
        Part.UNLOADED: sections[".comment"],
    }
    rest = path.stat().st_size - sum(told.values())
    assert found.parts == told | {Part.PADDING: rest}


def test_sizes_beyond_the_file_are_cut():
    data = code_object("gfx942", "foo")
    found = anatomy_of(patched(data, rows(data)["foo"] + SIZE, 1 << 63))
    assert sum(found.parts.values()) == len(data)


GOOD = CodeObject(kernels=(Kernel("foo"), Kernel("bar"))).build()


@given(at=st.integers(0, len(GOOD) - 8), number=st.integers(0, 2**64 - 1))
def test_each_byte_counts_once_whatever_the_file_says(at, number):
    try:
        found = anatomy_of(patched(GOOD, at, number))
    except FormatError:
        return
    assert sum(found.parts.values()) == len(GOOD)
    assert sum(found.kernels.values()) == found.parts.get(Part.KERNELS, 0)


def test_a_code_object_without_functions():
    data = code_object("gfx942", Kernel("foo", descriptor=False))
    assert len(rows(data)) == 1  # the writer names no function without a descriptor
    found = anatomy_of(data)
    assert found.kernels == {}
    assert sum(found.parts.values()) == len(data)


def test_what_is_no_code_object_is_told():
    with pytest.raises(FormatError, match="not an ELF file"):
        anatomy_of(b"BC\xc0\xde" + bytes(100))
