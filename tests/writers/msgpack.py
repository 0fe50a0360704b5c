"""MessagePack, the part that metadata uses (github.com/msgpack/msgpack, spec.md)."""

from struct import pack


def packed(value: object) -> bytes:
    """`value` in MessagePack; lengths and numbers in their shortest form."""
    if value is None or isinstance(value, bool):
        return {None: b"\xc0", False: b"\xc2", True: b"\xc3"}[value]
    if isinstance(value, int):
        return _integer(value)
    if isinstance(value, str | bytes):
        # text as bytes: for names that are no UTF-8
        data = value.encode() if isinstance(value, str) else value
        return _head(len(data), 0xA0, 32, (0xD9, 0xDA, 0xDB)) + data
    if isinstance(value, list | tuple):
        items = b"".join(map(packed, value))
        return _head(len(value), 0x90, 16, (None, 0xDC, 0xDD)) + items
    assert isinstance(value, dict)
    items = b"".join(packed(key) + packed(one) for key, one in value.items())
    return _head(len(value), 0x80, 16, (None, 0xDE, 0xDF)) + items


def _integer(value: int) -> bytes:
    if 0 <= value < 128:
        return pack("B", value)
    for code, letter in ((0xCC, "B"), (0xCD, "H"), (0xCE, "I"), (0xCF, "Q")):
        if 0 <= value < 256 ** pack(letter, 0).__len__():
            return pack(f">B{letter}", code, value)
    return pack(">Bq", 0xD3, value)


def _head(size: int, short: int, below: int, codes: tuple[int | None, int, int]) -> bytes:
    """The first bytes of something with a length: in one byte, or by an 8, 16 or 32."""
    if size < below:
        return pack("B", short | size)
    one, two, four = codes
    if one is not None and size < 1 << 8:
        return pack(">BB", one, size)
    return pack(">BH", two, size) if size < 1 << 16 else pack(">BI", four, size)
