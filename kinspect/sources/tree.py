"""Directories: every regular file once."""

import os
import stat
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

from kinspect.errors import InputError, KinspectError, Where
from kinspect.sources.member import Context, Member, Part, unreadable
from kinspect.view import View

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
    """The files below a directory, sorted; each once, under its real name if it has one.

    What only a symbolic link leads to comes last. Special files are never opened. What
    can't be read is told. An image layout gives the files of its images.
    """
    tree = _Tree(context)
    links = [path]
    for link in links:  # grows on the way
        yield from tree.below(link, links)


class _Tree:
    """A walk that visits each file and directory once."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._seen: set[tuple[int, int]] = set()

    def below(self, path: str, links: list[str]) -> Iterator[Part]:
        """The files there and below; symbolic links are put aside.

        Without recursion: a path may have more levels than Python's stack.
        """
        stack = [iter([path])]
        while stack:
            child = next(stack[-1], None)
            if child is None:
                stack.pop()
                continue
            if child != path and os.path.islink(child):
                links.append(child)
                continue
            try:
                mode = self._mode(child)
                if stat.S_ISREG(mode):
                    yield from file(child, self._context)
                elif stat.S_ISDIR(mode):
                    yield from self._directory(child, stack)
            except OSError as error:
                if not os.path.islink(child):  # a dangling link has no bytes to judge
                    reason = InputError(error.strerror or str(error), child)
                    yield unreadable(reason, child)

    def _directory(self, path: str, stack: list[Iterator[str]]) -> Iterator[Part]:
        """The files of an image; what is in another directory is put on the stack."""
        store = image(path, self._context)
        if store is None:
            stack.append(self._children(path))
            return
        from kinspect.sources import image as images  # noqa: PLC0415

        yield from images.members(store, self._context)

    def _mode(self, path: str) -> int:
        """What kind of file it is; 0 if it was seen already."""
        status = os.stat(path)
        identity = (status.st_dev, status.st_ino)
        if identity in self._seen:
            return 0
        self._seen.add(identity)
        return status.st_mode

    def _children(self, path: str) -> Iterator[str]:
        """The paths in a directory that are not excluded, sorted."""
        globs = self._context.exclude
        names = sorted(os.listdir(path))
        paths = ((name, os.path.join(path, name)) for name in names)
        return iter(
            [
                child
                for name, child in paths
                if not any(fnmatchcase(name, g) or fnmatchcase(child, g) for g in globs)
            ]
        )


def file(path: str, context: Context) -> Iterator[Part]:
    """A file of a directory, open until the next one is asked for."""
    try:
        context.count(Where(path))
        opened = context.open(path)
    except KinspectError as error:
        yield unreadable(error, path)
        return
    try:
        yield Member(path, View(opened, path))
    finally:
        opened.close()
