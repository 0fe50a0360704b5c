"""ELF files of either class and byte order (System V ABI, "Object Files")."""

from collections.abc import Sequence
from dataclasses import dataclass
from struct import pack

ALLOC, EXECUTE = 2, 4
PROGBITS, NOBITS = 1, 8
#: addresses lie that far above file offsets
BIAS = 0x10000


@dataclass(frozen=True)
class Section:
    name: str
    data: bytes = b""
    type: int = PROGBITS
    flags: int = ALLOC
    align: int = 1
    #: in the file; else that of the data
    size: int | None = None


def elf(
    sections: Sequence[Section],
    *,
    bits: int = 64,
    little: bool = True,
    machine: int = 62,
    kind: int = 3,
    headers: bool = True,
) -> bytes:
    """A file with these sections, one loaded segment over all of them; `headers` theirs."""
    order = "<" if little else ">"
    word = "Q" if bits == 64 else "I"
    header_size, segment_size, section_size = (64, 56, 64) if bits == 64 else (52, 32, 40)
    out = bytearray(header_size + segment_size)
    names = b"\0"
    rows = [bytes(section_size)]

    def add(one: Section, address: int) -> None:
        nonlocal names
        out.extend(bytes(-len(out) % one.align))
        size = len(one.data) if one.size is None else one.size
        # sh_name, type, flags, addr, offset, size, link, info, addralign, entsize
        rows.append(
            pack(
                f"{order}II{word * 4}II{word * 2}",
                len(names), one.type, one.flags, address, len(out), size, 0, 0, one.align, 0,
            )
        )  # fmt: skip
        names += one.name.encode() + b"\0"
        out.extend(one.data)

    for one in sections:
        place = len(out) + -len(out) % one.align
        add(one, BIAS + place if one.flags & ALLOC else 0)
    loaded = len(out)
    names_size = len(names) + len(".shstrtab") + 1
    add(Section(".shstrtab", bytes(names_size), type=3, flags=0), 0)
    out[-names_size:] = names
    out.extend(bytes(-len(out) % 8))
    table = len(out) if headers else 0
    if headers:
        out += b"".join(rows)
    count = len(rows) if headers else 0
    out[:header_size] = (
        b"\x7fELF" + bytes([bits // 32, 1 if little else 2, 1]) + bytes(9)
    ) + pack(
        f"{order}HHI{word * 3}IHHHHHH",
        kind, machine, 1, 0, header_size, table, 0,
        header_size, segment_size, 1, section_size, count, max(count - 1, 0),
    )  # fmt: skip
    # p_flags stands second in 64 bits, and next to last in 32
    span = (0, BIAS, BIAS, loaded, loaded)
    segment = (
        pack(f"{order}II6Q", 1, 6, *span, 4096)
        if bits == 64
        else pack(f"{order}8I", 1, *span, 6, 4096)
    )
    out[header_size : header_size + segment_size] = segment
    return bytes(out)
