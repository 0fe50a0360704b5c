"""Which source a path is, by its bytes; archives inside of archives."""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

from kinspect.errors import InputError, KinspectError
from kinspect.limits import DEFAULT, Limits
from kinspect.sources import ar, tar, tree, zip
from kinspect.sources.member import Context, Member, Part, Wanted, unreadable
from kinspect.view import File, View


@dataclass(frozen=True, slots=True)
class Source:
    """An artifact that can be read, file by file."""

    path: str
    #: `file`, `directory`, `wheel`, `zip`, `conda`, `tar`, `archive`, `deb`
    kind: str
    context: Context

    def members(self) -> Iterator[Part]:
        """Every file, in a stable order; each valid until the next is asked for."""
        if self.kind == "directory":
            for part in tree.members(self.path, self.context):
                yield from _expanded(part, self.context)
            return
        file = File(self.path)
        try:
            yield from _expanded(Member(self.path, View(file, self.path)), self.context)
        finally:
            file.close()


def open_source(
    path: str | os.PathLike[str],
    *,
    limits: Limits = DEFAULT,
    exclude: tuple[str, ...] = (),
    wanted: Wanted | None = None,
) -> Source:
    """Open what the user named; raise InputError where there is nothing to read.

    `wanted` is asked, with the name, size and first bytes of each member of an archive,
    whether it is worth inflating.
    """
    name = os.fspath(path)
    try:
        mode = os.stat(name).st_mode
    except OSError as error:
        raise InputError(error.strerror or str(error), name) from error
    context = Context(limits, exclude)
    if wanted is not None:
        context.wanted = wanted
    if stat.S_ISDIR(mode):
        return Source(name, "directory", context)
    if not stat.S_ISREG(mode):
        message = "not a regular file: a pipe, a socket or a device"
        raise InputError(message, name)
    file = File(name)
    try:
        kind = _kind(View(file, name))
    finally:
        file.close()
    return Source(name, kind, context)


def _kind(view: View) -> str:
    """What the user would call this file."""
    if any(view.startswith(magic) for magic in zip.MAGICS):
        return _zip_kind(view)
    if tar.compressor(view) is not None or _is_tar(view):
        return "tar"
    if ar.is_ar(view):
        head = bytes(view.bytes(0, min(len(view), 64)))
        return "deb" if head[8:].startswith(b"debian-binary") else "archive"
    return "file"


def _zip_kind(view: View) -> str:
    try:
        names = [info.filename for info in zip.directory(view)]
    except KinspectError:
        return "zip"  # its members will say what is wrong
    if any(name.endswith(".dist-info/WHEEL") for name in names):
        return "wheel"
    return "conda" if "metadata.json" in names and view.path.endswith(".conda") else "zip"


def _is_tar(view: View) -> bool:
    return tar.is_tar(bytes(view.bytes(0, min(len(view), tar.BLOCK))))


def _expanded(part: Part, context: Context) -> Iterator[Part]:
    """The part itself, or, if it is an archive, what is in it."""
    if not isinstance(part, Member):
        yield part
        return
    name = part.name
    if any(fnmatchcase(name, g) or fnmatchcase(part.path, g) for g in context.exclude):
        return
    try:
        inner = _inner(part.view, context)
    except KinspectError as error:
        yield unreadable(error, part.path)
        return
    if inner is None:
        yield part
        return
    context.depth += 1
    try:
        for child in inner:
            yield from _expanded(child, context)
    finally:
        context.depth -= 1


def is_archive(head: bytes) -> bool:
    """Whether a file that starts so may hold other files."""
    magics = (*zip.MAGICS, ar.MAGIC, ar.THIN, *tar.COMPRESSORS)
    return head.startswith(magics) or tar.is_tar(head)


def _inner(view: View, context: Context) -> Iterator[Part] | None:
    """The members of an archive; None if the view is none."""
    opened: Iterator[Part] | None = None
    if any(view.startswith(magic) for magic in zip.MAGICS):
        opened = zip.members(view, context)
    elif ar.is_ar(view):
        opened = ar.members(view, context)
    elif tar.compressor(view) is not None:
        opened = tar.compressed(view, context)
    elif _is_tar(view):
        opened = tar.members(view, context)
    if opened is not None:
        context.limits.check("nesting", context.depth + 1, view.where())
    return opened
