"""Unix archives: static libraries, and the outer layer of Debian packages.

Source: System V ABI, "Archive File"; GNU binutils `ar` (long names, thin archives);
BSD ar(5). Symbol tables are members that the linker reads and kinspect skips.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Final, NamedTuple

from kinspect.errors import FormatError, KinspectError, Where
from kinspect.sources.magic import AR, THIN_AR
from kinspect.sources.member import SEPARATOR, Context, Member, Part, unreadable
from kinspect.urls import is_url
from kinspect.view import File, View, decode, wire

TABLES: Final = frozenset({"/", "/SYM64/", "__.SYMDEF", "__.SYMDEF SORTED", "__.SYMDEF_64"})


class Header(NamedTuple):
    name: Annotated[bytes, "16s"]
    date: Annotated[bytes, "12s"]
    uid: Annotated[bytes, "6s"]
    gid: Annotated[bytes, "6s"]
    mode: Annotated[bytes, "8s"]
    size: Annotated[bytes, "10s"]
    end: Annotated[bytes, "2s"]


def is_ar(view: View) -> bool:
    return any(view.startswith(magic) for magic in (AR, THIN_AR))


def is_deb(view: View) -> bool:
    """Whether it is a Debian package: the name of its first member says so (deb(5))."""
    return view.startswith(AR + b"debian-binary")


def members(view: View, context: Context) -> Iterator[Part]:
    """Every member but the symbol tables, each with its own name."""
    names: View | None = None
    path = view.path
    tables = True
    try:
        for name, body, size, stored in _slots(view):
            path = view.path
            if name == "//":
                names = view.slice(body, size)
                continue
            full = _full_name(name, names, view, body)
            # they come first; what goes by such a name later on is what it is
            tables = tables and (name in TABLES or full in TABLES)
            if tables:
                continue
            path = f"{view.path}{SEPARATOR}{full}"
            context.count(Where(path))
            if not stored:
                yield from _beside(view.path, full, path, context)
                continue
            data = view.slice(body, size)
            if name.startswith("#1/"):
                data = data.slice(_digits(name[3:], view, body))
            yield Member(path, data.renamed(path))
    except KinspectError as error:
        yield unreadable(error, path)


class _Slot(NamedTuple):
    """A member as its header describes it."""

    name: str
    #: where its data starts, and how many bytes it has
    body: int
    size: int
    #: whether they are in the archive: of a thin one, its tables are
    stored: bool


def _slots(view: View) -> Iterator[_Slot]:
    thin = view.startswith(THIN_AR)
    at = len(AR)
    while at < len(view):
        header = view.read(Header, at)
        name = decode(header.name).rstrip()
        size = _number(header, view, at)
        stored = not thin or name == "//" or name in TABLES
        body = at + wire(Header).size
        yield _Slot(name, body, size, stored)
        if not stored:
            size = 0
        view.require(body, size)
        at = body + size + size % 2


def _full_name(name: str, names: View | None, view: View, body: int) -> str:
    """The name of a member: in its header, in the table of names, or before its data."""
    if name.startswith("#1/"):  # BSD
        length = _digits(name[3:], view, body)
        return decode(bytes(view.bytes(body, length)).rstrip(b"\0"))
    if name.startswith("/") and name not in TABLES:
        name = _long_name(names, _digits(name[1:], view, body), view)
    return name.rstrip("/") or name


def _number(header: Header, view: View, at: int) -> int:
    if header.end != b"`\n":
        message = "no archive member starts here"
        raise FormatError(message, view.where(at))
    return _digits(decode(header.size).strip(), view, at)


def _digits(text: str, view: View, at: int) -> int:
    if not (text.isascii() and text.isdigit()):
        message = f"archive header: {text!r} is no number"
        raise FormatError(message, view.where(at))
    return int(text)


def _long_name(names: View | None, offset: int, view: View) -> str:
    if names is None:
        message = "a long name, and no table of long names"
        raise FormatError(message, view.where())
    text = bytes(names.bytes(offset, min(4096, len(names) - offset)))
    return decode(text.split(b"\n", 1)[0]).rstrip("/")


def _is_file(path: Path) -> bool:
    """As `Path.is_file`, which raises for names that no system takes."""
    try:
        return path.is_file()
    except OSError:
        return False


def _beside(archive: str, name: str, path: str, context: Context) -> Iterator[Part]:
    """A member of a thin archive: a file, by its path from the archive's directory."""
    if context.excludes(path):
        return
    if SEPARATOR in archive or is_url(archive):
        where = "is in an archive" if SEPARATOR in archive else "was named by a URL"
        message = f"a thin archive's members lie beside it, and this one {where}"
        yield unreadable(FormatError(message, Where(path)), path)
        return
    target = Path(archive).parent / name
    try:
        if not _is_file(target):
            message = f"the thin archive refers to {target}, which is not there"
            raise FormatError(message, Where(path))
        file = File(os.fspath(target))
        try:
            yield Member(path, View(file, path))
        finally:
            file.close()
    except KinspectError as error:
        yield unreadable(error, path)
