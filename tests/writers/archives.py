"""Archives of `ar` in the forms of GNU and BSD, and thin ones; tars of every age.

Sources: GNU binutils, `ar`; BSD ar(5); System V ABI, "Archive File"; POSIX, ustar.
"""

import io
import tarfile
from collections.abc import Iterable, Sequence

#: what stands first in an archive, for the linker
SYMBOLS = {
    "gnu": ["/", "/SYM64/"],
    "thin": ["/", "/SYM64/"],
    "bsd": ["__.SYMDEF", "__.SYMDEF SORTED", "__.SYMDEF_64"],
}


def slot(name: str | bytes, body: bytes, *, size: int | None = None) -> bytes:
    """A member: its header, and its data padded to an even length."""
    name = name.encode() if isinstance(name, str) else name
    count = len(body) if size is None else size
    rest = f"{0:<12}{0:<6}{0:<6}{'100644':8}{count:<10}`\n".encode()
    return name.ljust(16) + rest + body + b"\n" * (len(body) % 2)


def ar(
    members: Iterable[tuple[str, bytes]],
    form: str = "gnu",
    symbols: str = "",
    table: bytes = b"\0\0\0\1\0\0\0\x50main\0",
) -> bytes:
    """An archive; with `symbols`, a symbol table of that name stands first.

    In a thin one, members have names and sizes alone.
    """
    members = list(members)
    out = b"!<thin>\n" if form == "thin" else b"!<arch>\n"
    if symbols:
        out += _bsd(symbols, table) if form == "bsd" else slot(symbols, table)
    if form == "bsd":
        return out + b"".join(_bsd(name, body) for name, body in members)
    names = b""
    for name, _ in members:
        if _is_long(name, form):
            names += name.encode() + b"/\n"
    if names:
        out += slot("//", names)
    at = 0
    for name, body in members:
        header = f"{name}/"
        if _is_long(name, form):
            header = f"/{at}"
            at += len(name.encode()) + 2
        stored = b"" if form == "thin" else body
        out += slot(header, stored, size=len(body))
    return out


def _is_long(name: str, form: str) -> bool:
    return form == "thin" or len(name.encode()) > 15 or "/" in name


def _bsd(name: str, body: bytes) -> bytes:
    raw = name.encode()
    if len(raw) <= 16 and " " not in name and not name.startswith("#1/"):
        return slot(raw, body)
    raw += bytes(-len(raw) % 4)  # as Darwin pads them
    return slot(f"#1/{len(raw)}", raw + body)


def tar(files: Sequence[tuple[str, bytes]], form: str = "pax") -> bytes:
    """A tar: `v7`, `ustar`, `gnu` or `pax`."""
    kind = {"gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}.get(
        form, tarfile.USTAR_FORMAT
    )
    out = io.BytesIO()
    starts = []
    with tarfile.open(fileobj=out, mode="w", format=kind) as archive:
        for name, content in files:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            starts.append(out.tell())
            archive.addfile(info, io.BytesIO(content))
    data = bytearray(out.getvalue())
    for start in starts if form == "v7" else ():
        data[start + 257 : start + 512] = bytes(255)  # all that ustar added
        data[start + 156] = 0  # a file, before types were letters
        data[start + 148 : start + 156] = b" " * 8
        total = sum(data[start : start + 512])
        data[start + 148 : start + 156] = f"{total:06o}\0 ".encode()
    return bytes(data)
