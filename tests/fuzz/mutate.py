"""Mutations that know how binary formats lie: sizes, offsets, counts, magics, checksums."""

import hashlib
import struct
from collections.abc import Callable, Sequence
from random import Random
from typing import Final

MAGICS: Final = (
    b"__CLANG_OFFLOAD_BUNDLE__", b"CCOB", b"\x10\xff\x10\xad", b"\x7fELF\x02\x01\x01\x40",
    b"\x7fELF\x02\x01\x01\x00", b"BC\xc0\xde", b"\xde\xc0\x17\x0b", b"KPAK", b"FPIH", b"HIPK",
    b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06", b"!<arch>\n", b"!<thin>\n", b"ustar\x0000",
    b"\x28\xb5\x2f\xfd", b"\x1f\x8b\x08\x00", b"BZh9", b"\xfd7zXZ\x00", b"MZ", b"PE\0\0",
    b"AMDGPU\0\0", b".hip_fatbin\0", b".hipFatBinSegment\0", b".llvm.offloading\0",
    b"hipv4-amdgcn-amd-amdhsa--gfx942", b"host-x86_64-unknown-linux--",
)  # fmt: skip

#: what a field may hold that its reader did not think of
EDGES: Final = (
    0, 1, 2, 3, 7, 8, 24, 63, 64, 255, 256, 4095, 4096, 4097, 0x7FFF, 0xFFFF, 0x10000,
    0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 1 << 32, (1 << 62) + 1, (1 << 63) - 1, 1 << 63,
    (1 << 64) - 1, (1 << 64) - 8,
)  # fmt: skip
WIDTHS: Final = ((1, "<B"), (2, "<H"), (4, "<I"), (8, "<Q"))

Mutation = Callable[[bytearray, Random, Sequence[bytes]], None]


def _place(data: bytearray, random: Random) -> int:
    """Headers are where formats are decided: half of all places are near the start."""
    if random.random() < 0.5:
        return random.randrange(min(len(data), 512))
    return random.randrange(len(data))


def flip(data: bytearray, random: Random, _: Sequence[bytes]) -> None:
    data[_place(data, random)] ^= 1 << random.randrange(8)


def byte(data: bytearray, random: Random, _: Sequence[bytes]) -> None:
    data[_place(data, random)] = random.randrange(256)


def field(data: bytearray, random: Random, _: Sequence[bytes]) -> None:
    """A number at an aligned place: an edge, or near what the file's size is."""
    width, code = random.choice(WIDTHS)
    at = _place(data, random) // width * width
    if at + width > len(data):
        return
    value = random.choice((*EDGES, len(data), len(data) - 1, len(data) - at, at))
    value += random.choice((0, 0, 0, 1, -1))
    struct.pack_into(code, data, at, value % (1 << 8 * width))


def step(data: bytearray, random: Random, _: Sequence[bytes]) -> None:
    """A number that is there, a little larger, smaller or doubled."""
    width, code = random.choice(WIDTHS)
    at = _place(data, random) // width * width
    if at + width > len(data):
        return
    (value,) = struct.unpack_from(code, data, at)
    value = random.choice((value + 1, value - 1, value * 2, value + 8, value // 2, -value))
    struct.pack_into(code, data, at, value % (1 << 8 * width))


def cut(data: bytearray, random: Random, _: Sequence[bytes]) -> None:
    del data[random.randrange(len(data)) :]


def drop(data: bytearray, random: Random, _: Sequence[bytes]) -> None:
    at = _place(data, random)
    del data[at : at + random.choice((1, 4, 8, 24, 64))]


def repeat(data: bytearray, random: Random, _: Sequence[bytes]) -> None:
    at = _place(data, random)
    data[at:at] = data[at : at + random.choice((1, 8, 64, 512))]


def move(data: bytearray, random: Random, _: Sequence[bytes]) -> None:
    """A record copied over another one."""
    size = random.choice((4, 8, 24, 40, 56, 64))
    start, end = _place(data, random), _place(data, random)
    data[end : end + size] = data[start : start + size]


def magic(data: bytearray, random: Random, _: Sequence[bytes]) -> None:
    at, text = _place(data, random), random.choice(MAGICS)
    data[at : at + len(text)] = text


def splice(data: bytearray, random: Random, others: Sequence[bytes]) -> None:
    """The end of another input."""
    other = random.choice(others)
    at = random.randrange(len(data))
    data[at:] = other[random.randrange(len(other) + 1) :]


def nest(data: bytearray, random: Random, others: Sequence[bytes]) -> None:
    """Another input in the middle of this one."""
    at = random.randrange(len(data))
    other = random.choice(others)
    data[at : at + len(other)] = other


def zeros(data: bytearray, random: Random, _: Sequence[bytes]) -> None:
    at = _place(data, random)
    size = min(random.choice((8, 64, 4096)), len(data) - at)
    data[at : at + size] = bytes(size)


MUTATIONS: Final[tuple[Mutation, ...]] = (
    flip, byte, field, field, field, step, step, cut, drop, repeat, move, magic, splice, nest,
    zeros,
)  # fmt: skip


def mutated(random: Random, good: Sequence[bytes], others: Sequence[bytes]) -> bytes:
    """A good input, spoiled one to six times; sometimes with its checksum made right."""
    data = bytearray(random.choice(good))
    for _ in range(random.choice((1, 1, 1, 2, 3, 6))):
        if data:
            random.choice(MUTATIONS)(data, random, others)
    if data.startswith(b"CCOB") and random.random() < 0.5:
        _inflate_and_spoil(data, random, others)
    return bytes(data)


def _inflate_and_spoil(data: bytearray, random: Random, others: Sequence[bytes]) -> None:
    """A compressed bundle whose contents are spoiled, and whose header is right."""
    import zstandard

    inner = bytearray(
        random.choice([o for o in others if o.startswith(b"__CLANG")] or [b"x"])
    )
    random.choice(MUTATIONS)(inner, random, others)
    payload = zstandard.compress(bytes(inner), 1)
    digest = hashlib.md5(bytes(inner), usedforsecurity=False).digest()[:8]
    data[:] = struct.pack("<4s2H2Q8s", b"CCOB", 3, 1, 32 + len(payload), len(inner), digest)
    data += payload
