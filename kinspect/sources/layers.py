"""The files of a container image, as a container sees them.

Source: OCI image-spec, layer.md. Layers are read from the top downwards, so that one
pass is enough: what a layer holds is final unless one above it hides it. A path means
what it says, as for overlay file systems: a link to a directory in a lower layer is
hidden by a directory of that name above, and not followed.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from kinspect.errors import FormatError, KinspectError, Where
from kinspect.model import Unreadable
from kinspect.sources import decompress
from kinspect.sources.decompress import Inflated
from kinspect.sources.documents import CHUNK, check_blob, check_digest, chunks
from kinspect.sources.manifests import Image, Layer, Store
from kinspect.sources.member import SEPARATOR, Context, Part, unreadable
from kinspect.sources.tar import FOREIGN, Entry, Kind, Lost, Tar, broken, file
from kinspect.view import View

#: media types of layers, without what they are compressed by: that, the bytes tell
MEDIA_TYPES: Final = (
    "application/vnd.oci.image.layer.v1.tar",
    "application/vnd.oci.image.layer.nondistributable.v1.tar",
    "application/vnd.docker.image.rootfs.diff.tar",
    "application/vnd.docker.image.rootfs.foreign.diff.tar",
)
SUFFIXES: Final = frozenset({"", "+gzip", "+zstd", ".gzip", ".zstd", "+zstd:chunked"})

WHITEOUT: Final = ".wh."
OPAQUE: Final = ".wh..wh..opq"
#: of AUFS itself: files there are only what links name
AUFS: Final = ".wh..wh."


@dataclass(slots=True)
class Above:
    """What some layers hide from those below them."""

    #: with everything below it: deleted, or no directory any more
    gone: set[str] = field(default_factory=set)
    #: directories: nothing else of that name is left
    directories: set[str] = field(default_factory=set)
    #: directories of which nothing below is left
    opaque: set[str] = field(default_factory=set)

    def hides(self, path: str) -> bool:
        if path in self.gone or path in self.directories or "" in self.opaque:
            return True
        end = path.find("/")
        while end >= 0:
            parent = path[:end]
            if parent in self.gone or parent in self.opaque:
                return True
            end = path.find("/", end + 1)
        return False

    def add(self, path: str, *, directory: bool) -> None:
        (self.directories if directory else self.gone).add(path)
        self.add_parents(path)

    def add_parents(self, path: str) -> None:
        while path := path.rpartition("/")[0]:
            if path in self.directories:
                return
            self.directories.add(path)

    def update(self, other: "Above") -> None:
        self.gone |= other.gone
        self.directories |= other.directories
        self.opaque |= other.opaque


def members(image: Image, path: str, store: Store, context: Context) -> Iterator[Part]:
    """The files of an image, those of the uppermost layer first.

    `path` is the image's breadcrumb.
    """
    above = Above()
    for layer in reversed(image.layers):
        try:
            _check_type(layer, store)
            with store.open(layer.name) as view:
                yield from _checked(layer, view, context)
                reading = _Layer(view, path, above, context)
                yield from reading.members()
                above.update(reading.own)
        except KinspectError as error:
            yield unreadable(error, store.where(layer.name))


def _check_type(layer: Layer, store: Store) -> None:
    kind = layer.media_type
    base = next((one for one in MEDIA_TYPES if kind.startswith(one)), None)
    if kind and (base is None or kind.removeprefix(base) not in SUFFIXES):
        message = f"a layer of media type {kind!r}, which can't be read"
        raise FormatError(message, Where(store.where(layer.name)))


def _checked(layer: Layer, view: View, context: Context) -> Iterator[Unreadable]:
    """A finding if the bytes of a layer are not those that the image names.

    No reason not to look into it.
    """
    try:
        if layer.digest:
            check_blob(view, layer.digest, layer.size)
        else:
            _check_diff_id(view, layer.diff_id, context)
    except KinspectError as error:
        yield unreadable(error, view.path)


def _check_diff_id(view: View, diff_id: str, context: Context) -> None:
    """Older archives name no digest of the layer's file: that of its tar is left."""
    open_ = decompress.compressor(view)
    if open_ is None:
        check_digest(chunks(view), diff_id, view.where())
        return
    with Inflated(view, context, open_) as stream:
        check_digest(iter(partial(stream.read, CHUNK), b""), diff_id, view.where())


class _Layer:
    """One layer that is being read."""

    def __init__(self, view: View, path: str, above: Above, context: Context) -> None:
        self._view = view
        self._path = path
        self._above = above
        self._context = context
        #: what it hides itself
        self.own = Above()
        self._kinds: dict[str, Kind] = {}
        #: other names of files → what they name
        self._links: dict[str, str] = {}
        #: files that were judged
        self._shown: set[str] = set()

    def members(self) -> Iterator[Part]:
        try:
            for tar, entry in self._entries():
                yield from self._entry(tar, entry)
            yield from self._linked()
        except Lost:
            return  # told already
        except (KinspectError, *FOREIGN) as error:
            yield broken(error, self._view)

    def _entries(self) -> Iterator[tuple[Tar, Entry]]:
        """What it holds; umoci's lack their ends, and digests prove that they are whole."""
        open_ = decompress.compressor(self._view)
        if open_ is None:
            tar = Tar(self._view, ended=True)
            yield from ((tar, entry) for entry in tar)
            return
        with Inflated(self._view, self._context, open_) as stream:
            tar = Tar(self._view, stream, ended=True)
            yield from ((tar, entry) for entry in tar)

    def _entry(self, tar: Tar, entry: Entry) -> Iterator[Part]:
        path = self._member(entry.name)
        try:
            name = _cleaned(entry.name, path)
            self._context.count(Where(path))
            if not name or self._mark(name, path):
                return
            self._remember(entry, name, path)
        except KinspectError as error:
            yield unreadable(error, path)
            return
        if entry.kind is Kind.FILE and self._visible(name):
            self._shown.add(name)
            yield from file(tar, entry, self._member(name), self._context)

    def _mark(self, name: str, path: str) -> bool:
        """Whether an entry is no file, but says what is gone."""
        directory, _, base = name.rpartition("/")
        if base == OPAQUE:
            self.own.opaque.add(directory)
            self.own.add_parents(name)
        elif base.startswith(WHITEOUT) and not name.startswith(AUFS):
            self.own.add(_deleted(directory, base, path), directory=False)
        else:
            return False
        return True

    def _remember(self, entry: Entry, name: str, path: str) -> None:
        before = self._kinds.get(name)
        self._kinds[name] = entry.kind
        if not name.startswith(AUFS):
            self.own.add(name, directory=entry.kind is Kind.DIRECTORY)
        if entry.kind is Kind.LINK:
            self._links[name] = _cleaned(entry.link, path)
        if before is not None and {before, entry.kind} != {Kind.DIRECTORY}:
            message = "the layer holds this name more than once"
            raise FormatError(message, self._view.where(entry.offset))

    def _linked(self) -> Iterator[Part]:
        """Files that are left under another name only: a second pass finds them."""
        late: dict[str, str] = {}
        for link in self._links:
            if not self._visible(link):
                continue
            target = self._target(link)
            if target not in self._kinds:
                message = f"a link to {target}, which is not in this layer"
                path = self._member(link)
                yield unreadable(FormatError(message, Where(path)), path)
            elif self._kinds[target] is Kind.FILE and target not in self._shown:
                late.setdefault(target, link)
        if not late:
            return
        for tar, entry in self._entries():
            link = late.pop(_cleaned(entry.name, self._view.path), "")
            if link and entry.kind is Kind.FILE:
                yield from file(tar, entry, self._member(link), self._context)

    def _target(self, link: str) -> str:
        """The name that a link leads to, over other links."""
        seen = set()
        while link in self._links and link not in seen:
            seen.add(link)
            link = self._links[link]
        return link

    def _visible(self, name: str) -> bool:
        hidden = name.startswith(AUFS) or self._above.hides(name)
        return not hidden and not self._context.excludes(self._member(name))

    def _member(self, name: str) -> str:
        return f"{self._path}{SEPARATOR}{name}"


def _cleaned(name: str, path: str) -> str:
    """A path from the root of the image, as container runtimes take it."""
    parts = [part for part in name.split("/") if part not in {"", "."}]
    if ".." in parts:
        message = f"the name {name!r} leads outside of the image"
        raise FormatError(message, Where(path))
    return "/".join(parts)


def _deleted(directory: str, base: str, path: str) -> str:
    """What a whiteout deletes."""
    name = base.removeprefix(WHITEOUT)
    if name in {"", ".", ".."}:
        message = f"a whiteout of {name!r}"
        raise FormatError(message, Where(path))
    return f"{directory}/{name}" if directory else name
