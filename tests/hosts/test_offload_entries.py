"""The table of the new driver's linker wrapper, written field by field.

Layout: llvm/Frontend/Offloading/Utility.h, `EntryTy`, 56 bytes; that of LLVM 19 has 32.
The samples by clang 19 have the older one only.
"""

from struct import pack, pack_into

import pytest

from kinspect.errors import FormatError
from kinspect.hosts import elf
from kinspect.limits import Limits
from tests.reading import view
from tests.writers import Host, Wrapper, bundle, code_object

FATBIN = bundle(("gfx942", code_object("gfx942", "k")))
NAMES = b"\0".join([b"", b"_Z1kv", b"v", b"m", b"t", b"s", b"omp", b"cuda", b""])
ANY, MANAGED, SURFACE, TEXTURE = range(4)
EXTERN, CONSTANT, NORMALIZED = 8, 16, 32


def newer(address, size=0, flags=0, kind=4, version=1):
    return pack("<QHHIQQQQQ", 0, version, kind, flags, 0, address, size, 0, 0)


def older(address, size=0, flags=0):
    return pack("<QQQII", 0, address, size, flags, 0)


def registration(section, entry, *rows, **limits):
    """What an executable registers with these rows: name, and what the layout takes."""
    table = b"".join(entry(0, *more) for _, *more in rows)
    spec = Host(FATBIN, type="exec", data={".names": NAMES}, variables={section: table})
    names = spec.build().address[".names"]
    table = b"".join(
        entry(names + NAMES.index(b"\0" + name + b"\0") + 1, *more) for name, *more in rows
    )
    built = Host(FATBIN, type="exec", data={".names": NAMES}, variables={section: table})
    return elf.parse(view(built.build().data), Limits(**limits)).registration


ROWS = [
    (b"_Z1kv",),
    (b"v", 4, ANY | CONSTANT),
    (b"m", 8, MANAGED),
    (b"t", 128, TEXTURE | NORMALIZED),
    (b"s", 8, SURFACE | EXTERN),
]


@pytest.mark.parametrize(
    ("section", "entry"),
    [("llvm_offload_entries", newer), ("hip_offloading_entries", older)],
)
def test_kernels_and_variables_of_every_kind(section, entry):
    found = registration(section, entry, *ROWS)
    assert found.exact
    assert found.kernels == ("_Z1kv",)
    assert found.variables == ("m", "s", "t", "v")
    assert found.managed == ("m",)


@pytest.mark.parametrize(
    ("kind", "ours"), [(1, False), (2, False), (3, True), (4, True), (8, False)]
)
def test_other_languages_share_the_section(kind, ours):
    """OpenMP is 1, CUDA 2; HIP 3 until LLVM 20, and 4 since the kinds are bits."""
    found = registration("llvm_offload_entries", newer, (b"_Z1kv", 0, 0, kind))
    assert found.kernels == (("_Z1kv",) if ours else ())


def test_rows_of_another_language_stand_among_ours():
    rows = [(b"omp", 0, 0, 1), (b"_Z1kv",), (b"cuda", 4, MANAGED, 2), (b"m", 8, MANAGED)]
    found = registration("llvm_offload_entries", newer, *rows)
    assert (found.kernels, found.variables, found.managed) == (("_Z1kv",), ("m",), ("m",))


def test_a_kernel_is_no_managed_variable_whatever_its_flags():
    found = registration("llvm_offload_entries", newer, (b"_Z1kv", 0, MANAGED))
    assert (found.kernels, found.managed) == (("_Z1kv",), ())


def test_a_table_with_more_rows_than_the_limit():
    rows = [(b"_Z1kv",)] * 9
    with pytest.raises(FormatError, match="symbols is 9"):
        registration("llvm_offload_entries", newer, *rows, symbols=8)


def test_a_part_of_a_row_at_the_end_is_no_row():
    spec = {"llvm_offload_entries": newer(0)[:-1]}
    host = elf.parse(view(Host(FATBIN, type="exec", variables=spec).build().data))
    assert host.registration.kernels == ()


def host_of(section, row):
    spec = Host(FATBIN, type="exec", variables={section: row})
    return elf.parse(view(spec.build().data))


@pytest.mark.parametrize(
    ("section", "entry", "name_at"),
    [("llvm_offload_entries", newer, 24), ("hip_offloading_entries", older, 8)],
)
def test_an_entry_whose_name_leads_nowhere_is_told(section, entry, name_at):
    """What it registers is not known: no kernel less, but one that can't be judged."""
    host = host_of(section, entry(0x7FFF_0000))
    assert host.registration.kernels == ()
    (told,) = host.unreadable
    assert "0x7fff0000 has no bytes in the file" in told.message
    assert section in told.message
    row = bytearray(entry(0))
    row[-16:] = b"\1" * 16  # some other field is set, and nothing sets the name
    (told,) = host_of(section, bytes(row)).unreadable
    assert "nothing sets its pointer" in told.message


@pytest.mark.parametrize("section", ["llvm_offload_entries", "hip_offloading_entries"])
def test_zeros_between_entries_are_padding(section):
    host = host_of(section, bytes(112))
    assert (host.registration.kernels, host.unreadable) == ((), ())


def test_an_entry_of_another_language_may_have_no_name():
    assert host_of("llvm_offload_entries", newer(0x7FFF_0000, kind=1)).unreadable == ()


def test_an_entry_of_zeros_is_one_where_something_relocates_it():
    """In a shared object all of a kernel's older entry is left to relocations."""
    section = "hip_offloading_entries"
    spec = Host(FATBIN, [Wrapper(), Wrapper()], variables={section: bytes(32)})
    built = spec.build()
    data = bytearray(built.data)
    # the second wrapper's relocation becomes that of the entry's name
    second = built.place[".rela.dyn"] + 24
    pack_into("<QQq", data, second, built.address[section] + 8, 8, 0x7FFF_0000)
    (told,) = elf.parse(view(bytes(data))).unreadable
    assert "0x7fff0000" in told.message
    names = built.address[".dynstr"] + 1
    pack_into("<QQq", data, second, built.address[section] + 8, 8, names)
    assert elf.parse(view(bytes(data))).unreadable == ()
