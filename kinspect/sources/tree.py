"""Directories: every regular file once."""

import os
import stat
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

from kinspect.errors import InputError, KinspectError, Where
from kinspect.sources.member import Context, Member, Part, unreadable
from kinspect.view import File, View

if TYPE_CHECKING:
    from kinspect.sources.image import DirectoryStore


#: the file that makes a directory an image layout, and that of unpacked `docker save`
MARKS: Final = ("oci-layout", "manifest.json")


def image(path: str, context: Context) -> "DirectoryStore | None":
    """The image that a directory is, if it is one."""
    if not any(os.path.isfile(os.path.join(path, mark)) for mark in MARKS):
        return None
    from kinspect.sources.image import DirectoryStore, recognized  # noqa: PLC0415

    store = DirectoryStore(path)
    return store if recognized(store, context) else None


def members(path: str, context: Context) -> Iterator[Part]:
    """The files below a directory, sorted; symbolic links followed once.

    Special files are never opened. What can't be read is told. An image layout gives the
    files of its images.
    """
    seen: set[tuple[int, int]] = set()
    yield from _walk(path, context, seen)


def _walk(path: str, context: Context, seen: set[tuple[int, int]]) -> Iterator[Part]:
    if store := image(path, context):
        from kinspect.sources.image import members as of_image  # noqa: PLC0415

        yield from of_image(store, context)
        return
    try:
        names = sorted(os.listdir(path))
    except OSError as error:
        yield unreadable(InputError(error.strerror or str(error), path), path)
        return
    for name in names:
        child = os.path.join(path, name)
        if any(fnmatchcase(name, g) or fnmatchcase(child, g) for g in context.exclude):
            continue
        try:
            status = os.stat(child)
        except OSError as error:
            if not os.path.islink(child):  # a dangling link has no bytes to judge
                yield unreadable(InputError(error.strerror or str(error), child), child)
            continue
        identity = (status.st_dev, status.st_ino)
        if identity not in seen:
            seen.add(identity)
            yield from _one(child, status.st_mode, context, seen)


def _one(
    path: str, mode: int, context: Context, seen: set[tuple[int, int]]
) -> Iterator[Part]:
    if stat.S_ISDIR(mode):
        yield from _walk(path, context, seen)
    elif stat.S_ISREG(mode):
        yield from _file(path, context)


def _file(path: str, context: Context) -> Iterator[Part]:
    try:
        context.count(Where(path))
        file = File(path)
    except KinspectError as error:
        yield unreadable(error, path)
        return
    try:
        yield Member(path, View(file, path))
    finally:
        file.close()
