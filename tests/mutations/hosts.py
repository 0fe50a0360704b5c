"""Hosts, broken: wrappers, what makes them point, registration, sections.

The dynamic loader relocates the wrapper's pointer, a constructor hands the wrapper to HIP
and registers each kernel by its name (clang, CGCUDANV.cpp).
"""

import struct
from collections.abc import Callable

from tests.mutations import elf
from tests.mutations.bundles import bundles, on_file
from tests.mutations.device import BOTH, NEW, RDC, TU
from tests.mutations.elf import Elf, replaced
from tests.mutations.model import Mutation, Told

WRAPPERS, FATBIN = ".hipFatBinSegment", ".hip_fatbin"
POINTER = 8
#: relocations of x86-64
SYMBOLIC, RELATIVE = 1, 8
#: without symbols, and with those that the loader keeps
STRIPPED = ("per_tu_both.so, stripped",)


def dangling(says: str = "") -> Told:
    return Told("dangling-wrapper", says, None)


def lost(says: str = "the host registers") -> Told:
    return Told("missing-kernel", says, None)


def on_host(change: Callable[[Elf], None]) -> Callable[..., dict[str, bytes]]:
    def changed(data: bytearray) -> None:
        change(Elf(data))

    return on_file(changed)  # type: ignore[return-value]


# --- wrappers ---------------------------------------------------------------------------


def wrapper(code: str, field: int, value: int) -> Callable[[Elf], None]:
    """A field of the last wrapper."""

    def change(host: Elf) -> None:
        place = host.section(WRAPPERS)
        host.pack(code, place.offset + place.size - 24 + field, value)

    return change


def pointers(host: Elf) -> list[elf.Relocation]:
    """What makes the wrappers point, in their order."""
    place = host.section(WRAPPERS)
    found = [
        one
        for one in host.relocations
        if place.addr <= one.offset < place.addr + place.size
    ]
    return sorted(found, key=lambda one: one.offset)


def points(to: Callable[[Elf], int], *, more: int = 0) -> Callable[[Elf], None]:
    """The last wrapper, relocated to another address."""

    def change(host: Elf) -> None:
        host.pack("Qq", pointers(host)[-1].row + elf.R_INFO, RELATIVE, to(host) + more)

    return change


def at_bundle(number: int) -> Callable[[Elf], int]:
    """The address of a bundle."""

    def address(host: Elf) -> int:
        place = host.section(FATBIN)
        return bundles(bytes(host.data))[number].start - place.offset + place.addr

    return address


def at_code(host: Elf) -> int:
    return host.section(".text").addr


def rotated(host: Elf) -> None:
    """Each wrapper leads to the next unit's bundle."""
    found = pointers(host)
    addends = [one.addend for one in found]
    for one, addend in zip(found, [*addends[1:], addends[0]], strict=True):
        host.pack("q", one.row + elf.R_ADDEND, addend)


def unrelocated(host: Elf) -> None:
    """The relocation of the last wrapper sets another word."""
    found = pointers(host)[-1]
    host.pack("Q", found.row + elf.R_OFFSET, host.section(".data").addr)


def symbol_elsewhere(host: Elf) -> None:
    """The symbol that the last wrapper is relocated against, in its table."""
    found = pointers(host)[-1]
    row = host.section(elf.DYNSYM).offset + 24 * found.symbol
    host.pack("Q", row + elf.ST_VALUE, host.section(".text").addr)


def symbol_undefined(host: Elf) -> None:
    found = pointers(host)[-1]
    row = host.section(elf.DYNSYM).offset + 24 * found.symbol
    host.pack("H", row + elf.ST_SHNDX, 0)


def dynamic(tag: int, value: int) -> Callable[[Elf], None]:
    """A tag of the dynamic section."""

    def change(host: Elf) -> None:
        place = host.section(".dynamic")
        for at in range(place.offset, place.offset + place.size, 16):
            if host.unpack("q", at) == (tag,):
                host.pack("Q", at + 8, value)

    return change


def in_place(host: Elf) -> None:
    at = host.section(WRAPPERS).offset + POINTER
    host.pack("Q", at, host.unpack("Q", at)[0] + 16)


# --- sections ----------------------------------------------------------------------------


def zeroed(name: str) -> Callable[[Elf], None]:
    def change(host: Elf) -> None:
        place = host.section(name)
        host.put(place.offset, bytes(place.size))

    return change


def section_type(name: str, kind: int) -> Callable[[Elf], None]:
    return lambda host: host.pack("I", host.section(name).header + elf.SH_TYPE, kind)


def without_file_bytes(host: Elf) -> None:
    """The segment ends before the bundles: there is nothing to map."""
    place = host.section(FATBIN)
    (load,) = [
        one for one in host.loads if one.offset <= place.offset < one.offset + one.filesz
    ]
    host.pack("Q", load.header + elf.P_FILESZ, place.offset - load.offset)


# --- registration ------------------------------------------------------------------------


def renamed_in_data(host: Elf) -> None:
    """A kernel's name as its constructor hands it to HIP: text in read-only data."""
    place = host.section(".rodata")
    text = host.take(place.offset, place.size)
    at = text.index(b"shift")
    host.put(place.offset + at, b"shaft")


def calls(name: str) -> Callable[[Elf], None]:
    """Every call of a function of HIP, made five bytes of nothing (x86-64)."""

    def change(host: Elf) -> None:
        place, text = host.section(".plt"), host.section(".text")
        slots = {
            one.offset: number
            for number, one in enumerate(
                r
                for r in host.relocations
                if r.type == 7  # R_X86_64_JUMP_SLOT
            )
            if _dynamic_name(host, one.symbol) == name
        }
        (number,) = slots.values()
        target = place.addr + 16 * (number + 1)
        body = host.take(text.offset, text.size)
        found = [
            at
            for at in range(len(body) - 5)
            if body[at] in (0xE8, 0xE9)
            and text.addr + at + 5 + struct.unpack_from("<i", body, at + 1)[0] == target
        ]
        assert found
        for at in found:
            host.put(text.offset + at, b"\x0f\x1f\x44\0\0" if body[at] == 0xE8 else b"\xc3")

    return change


def _dynamic_name(host: Elf, number: int) -> str:
    return host.symbols(elf.DYNSYM)[number].name


def renamed_entry(host: Elf) -> None:
    place = host.section(".rodata")
    text = host.take(place.offset, place.size)
    host.put(place.offset, replaced(text, b"use_variables", b"use_variablfs"))


def renamed_import(host: Elf) -> None:
    place = host.section(".dynstr")
    text = host.take(place.offset, place.size)
    host.put(
        place.offset, replaced(text, b"__hipRegisterFatBinary", b"__hipRegisterFatBinarz")
    )


def no_constructor(host: Elf) -> None:
    """The last constructor is another one, once more."""
    place = host.section(".init_array")
    found = sorted(
        (
            one
            for one in host.relocations
            if place.addr <= one.offset < place.addr + place.size
        ),
        key=lambda one: one.offset,
    )
    host.pack("q", found[-1].row + elf.R_ADDEND, found[0].addend)


def swapped_names(host: Elf) -> None:
    """Two kernels registered by each other's names."""
    place = host.section(".rodata")
    text = host.take(place.offset, place.size)
    swapped = replaced(text, b"scaleILi2E", b"scaleILi9E").replace(
        b"scaleILi3E", b"scaleILi2E"
    )
    host.put(place.offset, swapped.replace(b"scaleILi9E", b"scaleILi3E"))


HOSTS = (
    Mutation("wrapper without its magic", "zeros", BOTH,
             on_host(wrapper("I", 0, 0)), dangling("magic")),
    Mutation("wrapper of another version", "2", BOTH, on_host(wrapper("I", 4, 2)),
             dangling("version 2")),
    Mutation("wrapper of a split host", "HIPK in place of HIPF", BOTH,
             on_host(wrapper("I", 0, 0x4B504948)), dangling("kpack")),
    Mutation("wrapper at nothing", "its pointer relocated to an address without bytes",
             BOTH, on_host(points(lambda h: 1 << 40)), dangling()),
    Mutation("wrapper at code", "its pointer relocated to the host's code", BOTH,
             on_host(points(at_code)), dangling("no bundle")),
    Mutation("wrapper in a bundle", "its pointer relocated 16 bytes further", BOTH,
             on_host(points(at_bundle(-1), more=16)), dangling("no bundle")),
    Mutation("wrapper at another's bundle", "that of the first unit", TU,
             on_host(points(at_bundle(0))), lost("which only bundle 2 has")),
    Mutation("wrapper at another's bundle, stripped", "that of the first unit", STRIPPED,
             on_host(points(at_bundle(0))), lost("which only bundle 2 has")),
    Mutation("wrappers rotated", "each at the next unit's bundle", TU, on_host(rotated),
             limit="host-code"),
    Mutation("wrapper not relocated", "its relocation sets another word", BOTH,
             on_host(unrelocated), dangling("no relocation")),
    Mutation("nothing relocated", "DT_RELASZ 0", (*BOTH, "per_tu_aarch64.so"),
             on_host(dynamic(8, 0)), dangling("no relocation")),
    Mutation("nothing relocated, RELR", "DT_RELRSZ 0", ("relr.so",),
             on_host(dynamic(35, 0)), dangling("no relocation")),
    Mutation("pointer in place", "of an executable, 16 bytes further", ("executable",),
             on_host(in_place), dangling("no bundle")),
    Mutation("wrapper's symbol elsewhere", "__hip_fatbin_… at the host's code", RDC,
             on_host(symbol_elsewhere), dangling("no bundle")),
    Mutation("wrapper's symbol undefined", "__hip_fatbin_… for others to define", RDC,
             on_host(symbol_undefined), dangling()),
    Mutation("host without its fat binary", ".hip_fatbin zeroed", BOTH,
             on_host(zeroed(FATBIN)), dangling("no bundle")),
    Mutation("wrappers zeroed", ".hipFatBinSegment zeroed", BOTH,
             on_host(zeroed(WRAPPERS)), Told("unowned-bundle", "no wrapper", None)),
    Mutation("fat binary without bytes", ".hip_fatbin is SHT_NOBITS", TU,
             on_host(section_type(FATBIN, 8)), limit="ignored"),
    Mutation("fat binary not mapped", "its segment ends before it", BOTH,
             on_host(without_file_bytes), dangling()),
    Mutation("host that can't be loaded", "it imports what no library has", TU,
             on_host(renamed_import), limit="host"),
    # registration
    Mutation("kernel's name in the host", "the text that its constructor registers", TU,
             on_host(renamed_in_data), lost("by another name")),
    Mutation("kernel's name in the table", "of the new driver's entries", NEW,
             on_host(renamed_entry), lost("the host registers")),
    Mutation("names of kernels swapped in the host", "scale<2> and scale<3>", TU,
             on_host(swapped_names), limit="host-code"),
    Mutation("fat binary not registered", "calls of __hipRegisterFatBinary removed", TU,
             on_host(calls("__hipRegisterFatBinary")), limit="host-code"),
    Mutation("kernels not registered", "calls of __hipRegisterFunction removed", TU,
             on_host(calls("__hipRegisterFunction")), limit="host-code"),
    Mutation("constructor not run", "its place in .init_array has another one", TU,
             on_host(no_constructor), limit="host-code"),
)  # fmt: skip
