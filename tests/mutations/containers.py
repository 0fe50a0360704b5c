"""Bundles, broken: tables, entries, compressed payloads."""

import struct
from collections.abc import Callable

import zstandard

from tests.conftest import SAMPLES
from tests.mutations.bundles import MAGIC, Bundle, bundles, on_bundle, on_file
from tests.mutations.device import BOTH, TU, damaged, mismatch
from tests.mutations.elf import replaced
from tests.mutations.model import Mutation, Told
from tests.writers.bundles import md5

#: with the host's symbols, and without: then nothing else tells of a lost kernel
UNITS = ("per_tu_both.so", "mixed.so")
CCOB = ("ccob_v2_zlib.so", "ccob_v2_zstd.so", "ccob_v3_zlib.so", "ccob_v3_zstd.so")
ZLIB, ZSTD = CCOB[0::2], CCOB[1::2]
#: where the header of version 3 keeps the sizes and the hash; it takes 32 bytes
TOTAL, UNCOMPRESSED, HASH, HEAD = 8, 16, 24, 32


def missing(target: str = "gfx950") -> Told:
    return Told("missing-target", "", target)


# --- tables ------------------------------------------------------------------------------


def swapped_ids(data: bytearray, one: Bundle) -> None:
    first, second = one.of("gfx942"), one.of("gfx950")
    for here, there in ((first, second), (second, first)):
        at = here.row + 24
        data[at : at + len(here.id)] = there.id.encode()


def copied_row(data: bytearray, one: Bundle) -> None:
    """The entry of gfx950 leads to gfx942's bytes."""
    here, there = one.of("gfx950").row, one.of("gfx942").row
    data[here : here + 16] = data[there : there + 16]


def row(code: str, field: int, value: Callable[[int], int]) -> Callable[..., None]:
    """A field of the entry of gfx950: offset, size."""

    def change(data: bytearray, one: Bundle) -> None:
        at = one.of("gfx950").row + field
        (old,) = struct.unpack_from(code, data, at)
        struct.pack_into(code, data, at, value(old))

    return change


def count(change: int) -> Callable[..., None]:
    def changed(data: bytearray, one: Bundle) -> None:
        (old,) = struct.unpack_from("<Q", data, one.count)
        struct.pack_into("<Q", data, one.count, old + change)

    return changed


def emptied(data: bytearray, one: Bundle) -> None:
    """A bundle as it would be written for no target at all."""
    device = one.entries[1].row
    struct.pack_into("<Q", data, one.count, 1)
    data[device : one.end] = bytes(one.end - device)


def one_more(data: bytearray, one: Bundle) -> None:
    """A bundle without entries, where the linker left room behind the first one."""
    first = bundles(bytes(data))[0]
    at = first.end + -first.end % 16
    assert not any(data[at : at + 32])
    data[at : at + 32] = MAGIC + bytes(8)


def named(old: bytes, new: bytes) -> Callable[..., None]:
    """Another ID for an entry, of the same length."""

    def change(data: bytearray, one: Bundle) -> None:
        head = bytes(data[one.start : one.start + 512])
        data[one.start : one.start + 512] = replaced(head, old, new)

    return change


def no_magic(data: bytearray, one: Bundle) -> None:
    data[one.start] ^= 0xFF


def zeroed_entry(data: bytearray, one: Bundle) -> None:
    found = one.of("gfx950")
    data[found.offset : found.offset + found.size] = bytes(found.size)


def other_unit(target: str) -> Callable[..., None]:
    """The code object of the first unit in the last one, as far as it is as long."""

    def change(data: bytearray, one: Bundle) -> None:
        source, here = bundles(bytes(data))[0].of(target), one.of(target)
        assert source.size == here.size
        data[here.offset : here.offset + here.size] = data[
            source.offset : source.offset + source.size
        ]

    return change


def both_of_other_unit(data: bytearray, one: Bundle) -> None:
    for target in ("gfx942", "gfx950"):
        other_unit(target)(data, one)


def exchanged(data: bytearray, one: Bundle) -> None:
    """The last bundle with the first one, byte for byte."""
    first = bundles(bytes(data))[0]
    size = first.end - first.start
    assert size == one.end - one.start
    texts = data[first.start : first.end], data[one.start : one.end]
    data[first.start : first.end], data[one.start : one.end] = texts[1], texts[0]


# --- compressed bundles -----------------------------------------------------------------


def _place(data: bytes) -> tuple[int, int]:
    """Where the compressed bundle starts, and its bytes: header and payload."""
    at = data.index(b"CCOB")
    code = {2: "<I", 3: "<Q"}[data[at + 4]]
    return at, struct.unpack_from(code, data, at + 8)[0]


def flip_in_payload(data: bytearray) -> None:
    at, size = _place(bytes(data))
    data[at + size // 2] ^= 0xFF


def cut_payload(data: bytearray) -> None:
    """The size in the header, and so what HIP reads, is a tenth less."""
    at, size = _place(bytes(data))
    code = {2: "<I", 3: "<Q"}[data[at + 4]]
    struct.pack_into(code, data, at + 8, size * 9 // 10)


def ccob_field(offset: int, code: str, value: int) -> Callable[[bytearray], None]:
    def change(data: bytearray) -> None:
        at, _ = _place(bytes(data))
        struct.pack_into(code, data, at + offset, value)

    return change


def _inside(data: bytearray) -> tuple[int, int, bytearray]:
    at, size = _place(bytes(data))
    payload = bytes(data[at + HEAD : at + size])
    return (
        at,
        size,
        bytearray(zstandard.ZstdDecompressor().decompressobj().decompress(payload)),
    )


def _repacked(data: bytearray, at: int, room: int, inner: bytes) -> None:
    """A bundle compressed into the room of another one, with a header that is right."""
    payload = zstandard.ZstdCompressor(level=19).compress(inner)
    assert HEAD + len(payload) <= room
    fields = (HEAD + len(payload), len(inner), md5(inner))
    whole = bytes(data[at : at + 8]) + struct.pack("<3Q", *fields) + payload
    data[at : at + room] = whole.ljust(room, b"\0")


def inside(change: Callable[[bytearray, Bundle], None]) -> Callable[[bytearray], None]:
    """A mutation of the inflated bundle, packed again without a trace."""

    def changed(data: bytearray) -> None:
        at, size, inner = _inside(data)
        change(inner, bundles(bytes(inner))[0])
        _repacked(data, at, size, bytes(inner))

    return changed


def payload_of_other(name: str, *, header: bool) -> Callable[[bytearray], None]:
    """Of another library; without its header, the sizes are made to fit."""

    def change(data: bytearray) -> None:
        other = bytearray((SAMPLES / name).read_bytes())
        at, size = _place(bytes(data))
        start, length = _place(bytes(other))
        assert length <= size
        if header:
            data[at : at + size] = bytes(other[start : start + length]).ljust(size, b"\0")
            return
        data[at + HEAD : at + size] = bytes(other[start + HEAD : start + length]).ljust(
            size - HEAD, b"\0"
        )
        struct.pack_into("<Q", data, at + TOTAL, length)

    return change


CONTAINERS = (
    Mutation("entry IDs swapped", "gfx942 and gfx950 by each other's names", BOTH,
             on_bundle(swapped_ids), mismatch("is not the target of the entry")),
    Mutation("entry at another's bytes", "gfx950's offset and size are gfx942's", BOTH,
             on_bundle(copied_row), mismatch("is not the target of the entry")),
    Mutation("empty entry", "size 0", BOTH, on_bundle(row("<Q", 8, lambda v: 0)), missing()),
    Mutation("short entry", "size 64 less", BOTH,
             on_bundle(row("<Q", 8, lambda v: v - 64)), damaged("")),
    Mutation("long entry", "it reaches beyond the section", TU,
             on_bundle(row("<Q", 8, lambda v: v + (1 << 20))),
             Told("corrupt-bundle", "", None)),
    Mutation("shifted entry", "offset + 16", BOTH,
             on_bundle(row("<Q", 0, lambda v: v + 16)), Told("corrupt-bundle", "", None)),
    Mutation("one entry less", "the count of the table", BOTH, on_bundle(count(-1)),
             missing()),
    Mutation("one entry more", "the count of the table", TU, on_bundle(count(1)),
             Told("corrupt-bundle", "", None)),
    Mutation("only the host's entry", "the bundle of one unit has no code", UNITS,
             on_bundle(emptied), missing()),
    Mutation("an empty bundle more", "that nothing points at", TU, on_bundle(one_more),
             limit="ignored"),
    Mutation("another processor's name", "gfx950 called gfx90a", BOTH,
             on_bundle(named(b"gfx950", b"gfx90a")), missing()),
    Mutation("in capitals", "gfx950 called GFX950", TU,
             on_bundle(named(b"gfx950", b"GFX950")), missing()),
    Mutation("the host's kind", "hipv4 called host4", TU,
             on_bundle(named(b"hipv4-amdgcn-amd-amdhsa--gfx950",
                             b"host4-amdgcn-amd-amdhsa--gfx950")), missing()),
    Mutation("another system", "amdhsa called amdpal", TU,
             on_bundle(named(b"amdhsa--gfx950", b"amdpal--gfx950")), missing()),
    Mutation("named twice", "both entries are for gfx942", TU,
             on_bundle(named(b"gfx950", b"gfx942")), missing()),
    Mutation("no bundle", "a byte of the magic", BOTH, on_bundle(no_magic),
             Told("dangling-wrapper", "no bundle", None)),
    Mutation("entry zeroed", "the bytes of gfx950's code object", BOTH,
             on_bundle(zeroed_entry), damaged("not an ELF file")),
    Mutation("code object of another unit", "for one target", TU,
             on_bundle(other_unit("gfx950")), Told("kernel-parity", "not for", None)),
    Mutation("code objects of another unit", "for both targets", TU,
             on_bundle(both_of_other_unit),
             Told("missing-kernel", "the host registers", None)),
    Mutation("two bundles exchanged", "the first unit's and the last one's", TU,
             on_bundle(exchanged), limit="host-code"),
    # compressed
    Mutation("a byte of a payload with a checksum", "flipped", ZLIB,
             on_file(flip_in_payload), Told("unreadable", "", None)),
    Mutation("a byte of the payload", "flipped", ZSTD, on_file(flip_in_payload),
             Told("corrupt-bundle", "MD5", None)),
    Mutation("payload cut", "the size in the header a tenth less", CCOB,
             on_file(cut_payload), Told("unreadable", "", None)),
    Mutation("another checksum", "a hash of zeros", CCOB[2:],
             on_file(ccob_field(HASH, "<Q", 0)), Told("corrupt-bundle", "MD5", None)),
    Mutation("another inflated size", "one byte more", CCOB[3:],
             on_file(lambda d: ccob_field(UNCOMPRESSED, "<Q", len(_inside(d)[2]) + 1)(d)),
             Told("corrupt-bundle", "its header says", None)),
    Mutation("an older version", "version 1, which HIP misreads", CCOB[2:],
             on_file(ccob_field(4, "<H", 1)), Told("unreadable", "", None)),
    Mutation("a newer version", "version 4", CCOB, on_file(ccob_field(4, "<H", 4)),
             Told("unreadable", "version 4", None)),
    Mutation("another method", "zlib called zstd, or the reverse", CCOB,
             on_file(lambda d: ccob_field(6, "<H", 1 - d[d.index(b"CCOB") + 6])(d)),
             Told("unreadable", "", None)),
    Mutation("payload of another library", "below the header of this one", CCOB[3:],
             on_file(payload_of_other("bundle_ccob.hipfb", header=False)),
             Told("corrupt-bundle", "MD5", None)),
    Mutation("bundle of another library", "with its header", CCOB[3:],
             on_file(payload_of_other("bundle_ccob.hipfb", header=True)),
             Told("missing-kernel", "the host registers", None)),
    Mutation("IDs swapped before compression", "the checksum is right", CCOB[3:],
             on_file(inside(swapped_ids)), mismatch("is not the target of the entry")),
    Mutation("code zeroed before compression", "the checksum is right", CCOB[3:],
             on_file(inside(zeroed_entry)), damaged("not an ELF file")),
)  # fmt: skip
