"""Container images: `docker save` archives and OCI layouts, as a tar or a directory.

An image is told by its bytes (`oci-layout`, or a manifest.json that lists layers), and
judged as a container would see it: see `layers`. Several images or platforms in one
archive are judged one by one, and the breadcrumb says which.
"""

import os
import posixpath
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Final

from kinspect.errors import FormatError, KinspectError, Where
from kinspect.model import Unreadable
from kinspect.sources import layers, manifests
from kinspect.sources.documents import DOCKER, INDEX, LAYOUT, DockerImage, decode
from kinspect.sources.manifests import Image, Store
from kinspect.sources.member import SEPARATOR, Context, Part
from kinspect.sources.tar import Entry, Kind
from kinspect.view import File, View

#: links from one name to another, before they are taken for a circle
LINKS: Final = 8

#: what the first entry of an image's tar is named, by whatever wrote it
_FIRST: Final = re.compile(
    r"(blobs|oci-layout|(index|manifest|config)\.json|repositories"
    r"|(sha256:)?[0-9a-f]{64}(\.json|\.tar(\.gz)?)?)(/|$)"
)


def may_start(entry: Entry) -> bool:
    """Whether a tar that starts so may be an image's."""
    return entry.name in {"", "."} or _FIRST.match(entry.name) is not None


class TarStore:
    """An archive of images: files of an uncompressed tar."""

    def __init__(self, view: View, entries: Iterable[Entry]) -> None:
        self.path = view.path
        self._view = view
        self._entries = {entry.name.rstrip("/"): entry for entry in entries}

    @property
    def names(self) -> frozenset[str]:
        return frozenset(name for name in (LAYOUT, INDEX, DOCKER) if name in self._entries)

    def where(self, name: str) -> str:
        return f"{self.path}{SEPARATOR}{name}"

    @contextmanager
    def open(self, name: str) -> Iterator[View]:
        path = self.where(name)
        entry = self._resolve(_inside(name, path), path)
        yield self._view.slice(entry.offset, entry.size, "").renamed(path)

    def _resolve(self, name: str, path: str) -> Entry:
        """The file of that name; older releases of Docker link layers that repeat."""
        for _ in range(LINKS):
            entry = self._entries.get(name)
            if entry is None or entry.sparse:
                break
            if entry.kind is Kind.FILE:
                return entry
            if entry.kind is Kind.LINK:
                name = posixpath.normpath(entry.link)
            elif entry.kind is Kind.SYMLINK:
                name = posixpath.normpath(
                    posixpath.join(posixpath.dirname(name), entry.link)
                )
            else:
                break
        message = "not in the archive"
        raise FormatError(message, Where(path))


class DirectoryStore:
    """A layout, or an unpacked archive of images: files of a directory."""

    def __init__(self, path: str) -> None:
        self.path = path

    @property
    def names(self) -> frozenset[str]:
        return frozenset(
            name
            for name in (LAYOUT, INDEX, DOCKER)
            if os.path.isfile(os.path.join(self.path, name))
        )

    def where(self, name: str) -> str:
        return os.path.join(self.path, name)

    @contextmanager
    def open(self, name: str) -> Iterator[View]:
        path = self.where(_inside(name, self.where(name)))
        if not os.path.isfile(path):
            message = "not in the directory"
            raise FormatError(message, Where(path))
        file = File(path)
        try:
            yield View(file, path)
        finally:
            file.close()


def _inside(name: str, path: str) -> str:
    """The name, if it stays inside; raise FormatError."""
    if name.startswith("/") or ".." in name.split("/") or not name:
        message = f"the name {name!r} leads outside"
        raise FormatError(message, Where(path))
    return posixpath.normpath(name)


def recognized(store: TarStore | DirectoryStore, context: Context) -> bool:
    """Whether these are the files of an image."""
    names = store.names
    if LAYOUT in names:
        return True
    if DOCKER not in names:
        return False
    try:
        with store.open(DOCKER) as view:
            return bool(decode(view, list[DockerImage], context))
    except KinspectError:
        return False  # other things have a manifest.json too


def members(store: TarStore | DirectoryStore, context: Context) -> Iterator[Part]:
    """The files of every image as its containers see them, and what can't be read."""
    found = list(manifests.images(store, context, store.names))
    for part, label in zip(found, _labels(found), strict=True):
        if isinstance(part, Unreadable):
            if not context.excludes(part.where.path):
                yield part
            continue
        path = f"{store.path}{SEPARATOR}{label}" if label else store.path
        if not context.excludes(path):
            yield from _of_image(part, path, store, context)


def _of_image(image: Image, path: str, store: Store, context: Context) -> Iterator[Part]:
    if not image.layers:
        message = "an image without layers"
        yield Unreadable(message, Where(path))
    yield from layers.members(image, path, store, context)


def _labels(found: list[Image | Unreadable]) -> list[str]:
    """What tells the images apart: their names, their platforms, or what it takes."""
    images = [one for one in found if isinstance(one, Image)]
    if len(images) <= 1:
        return ["" for _ in found]
    names = len({image.name for image in images}) > 1
    platforms = len({image.platform for image in images}) > 1

    def label(image: Image) -> str:
        parts = [image.name] * names + [image.platform] * platforms
        return SEPARATOR.join(part for part in parts if part)

    uses = Counter(map(label, images))
    return [
        ""
        if isinstance(one, Unreadable)
        else label(one)
        if uses[label(one)] == 1 and label(one)
        else SEPARATOR.join(filter(None, (label(one), one.digest[:19])))
        for one in found
    ]
