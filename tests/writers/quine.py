"""A gzip file that holds itself: an archive in an archive, without end.

The idea is Russ Cox's ("Zip Files All The Way Down", 2010): deflate (RFC 1951) can say
"print what follows" and "print again what was printed last", which is enough for a program
that prints itself. Each command takes five bytes, so that commands can count each other.
"""

import struct
import zlib

#: bytes of a command, and of gzip's header and trailer (RFC 1952)
UNIT, HEADER, TRAILER = 5, 10, 8


def quine() -> bytes:
    """The file; `gzip -dc` of it is the file."""
    for time in range(1, 1000):  # some have no checksum that fits
        header = struct.pack("<4BI2B", 0x1F, 0x8B, 8, 0, time, 0, 3)
        size = len(_file(header, bytes(4), 0))

        def remainder(crc: int, header: bytes = header, size: int = size) -> int:
            """0 for the checksum of the file that has this checksum in its trailers."""
            return crc ^ zlib.crc32(_file(header, struct.pack("<I", crc), size))

        crc = _root(remainder)
        if crc is not None:
            return _file(header, struct.pack("<I", crc), size)
    message = "no such file"
    raise AssertionError(message)


def _file(header: bytes, crc: bytes, size: int) -> bytes:
    trailer = crc + struct.pack("<I", size)
    first, four = _again(HEADER + UNIT), _again(4 * UNIT)
    last = _again(TRAILER + UNIT, final=True)
    start = header + _literal(HEADER + UNIT)
    one, many, end = _literal(UNIT), _literal(4 * UNIT), _literal(TRAILER + UNIT)
    none = _literal(0)
    return b"".join(
        (
            start, start, first, one, first, one, one, many, first, one, one, many,
            four, many, four, many, four, many, four, many, four, none, none, end,
            four, none, none, end, last, trailer, last, trailer,
        )
    )  # fmt: skip


def _literal(size: int) -> bytes:
    """A stored block; its content follows."""
    return struct.pack("<B2H", 0, size, size ^ 0xFFFF)


def _again(size: int, *, final: bool = False) -> bytes:
    """A block of two matches, which together repeat the last `size` bytes."""
    bits = [int(final), 1, 0]  # fixed codes
    for length in (10, size - 10):
        bits += _reversed(length - 3 + 1, 7)  # codes 257 to 264, without extra bits
        base, code, extra = (9, 6, 2) if size < 13 else (13, 7, 2)
        if size > 16:
            base, code, extra = 17, 8, 3
        bits += _reversed(code, 5)
        bits += [size - base >> n & 1 for n in range(extra)]
    bits += [0] * 7  # the end of the block
    assert 38 <= len(bits) <= 40  # so that the three bits of the next block begin a byte
    value = sum(bit << n for n, bit in enumerate(bits))
    return value.to_bytes(UNIT, "little")


def _reversed(code: int, width: int) -> list[int]:
    """Huffman codes are packed from their highest bit on."""
    return [code >> n & 1 for n in reversed(range(width))]


def _root(function) -> int | None:
    """Where an affine function of 32 bits is 0, by elimination; None if nowhere."""
    constant = function(0)
    rows: list[tuple[int, int]] = []  # (value, which bits make it)
    for bit in range(32):
        value, made = function(1 << bit) ^ constant, 1 << bit
        for pivot, of in rows:
            if value ^ pivot < value:
                value, made = value ^ pivot, made ^ of
        if value:
            rows.append((value, made))
            rows.sort(reverse=True)
    answer = 0
    for pivot, of in rows:
        if constant ^ pivot < constant:
            constant, answer = constant ^ pivot, answer ^ of
    return None if constant else answer
