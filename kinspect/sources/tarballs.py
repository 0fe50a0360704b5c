"""What a tar or a compressed file holds: an image, a package, files, or one file."""

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Final

from kinspect.errors import FormatError, KinspectError, Where
from kinspect.sources import image, magic
from kinspect.sources.decompress import Inflate, Inflated
from kinspect.sources.documents import DOCKER, LAYOUT
from kinspect.sources.member import SEPARATOR, Context, Member, Part
from kinspect.sources.spool import spooled
from kinspect.sources.tar import FOREIGN, HEAD, Entry, Kind, Tar, broken, files
from kinspect.view import Memory, View

#: the metadata of a conda package, and the name of that of a source distribution
CONDA: Final = "info/index.json"
SDIST: Final = "PKG-INFO"


def plain(view: View, context: Context) -> Iterator[Part]:
    """The members of an uncompressed tar."""
    entries: list[Entry] = []
    problems: list[Part] = []
    try:
        tar = Tar(view)
    except (KinspectError, *FOREIGN) as error:
        yield broken(error, view)
        return
    try:
        for entry in tar:
            entries.append(entry)
            context.limits.check("members", len(entries), view.where())
    except (KinspectError, *FOREIGN) as error:
        problems.append(broken(error, view))
    store = image.TarStore(view, entries)
    if image.recognized(store, context):
        context.refine(view, "image")
        yield from image.members(store, context)
    else:
        yield from files(tar, _noted(entries, view, context), context)
    yield from problems


def compressed(view: View, context: Context, open_: Inflate) -> Iterator[Part]:
    """The members of a compressed tar, or the one file that was compressed."""
    view.expect()
    try:
        with Inflated(view, context, open_) as stream:
            if not magic.is_tar(stream.peek(HEAD)):
                context.refine(view, "compressed")
                yield from _single(stream, view, context)
                return
            tar = Tar(view, stream)
            first = _first(iter(tar))
            if not first or not image.may_start(first[-1]):
                entries = chain(first, tar)
                yield from files(tar, _noted(entries, view, context, tar), context)
                return
        # the parts of an image come in any order, and are read more than once
        with (
            Inflated(view, context, open_) as stream,
            spooled(stream, view, context) as inflated,
        ):
            yield from plain(inflated, context)
    except (KinspectError, *FOREIGN) as error:
        yield broken(error, view)


def _first(entries: Iterator[Entry]) -> list[Entry]:
    """The entries up to the first that is not the directory of them all."""
    first = []
    for entry in entries:
        first.append(entry)
        if entry.name not in {"", "."}:
            break
    return first


def _noted(
    entries: Iterable[Entry], view: View, context: Context, stream: Tar | None = None
) -> Iterator[Entry]:
    """The entries; on the way, what kind of package they make is noted."""
    for entry in entries:
        directory, _, name = entry.name.rpartition("/")
        if entry.name == CONDA:
            context.refine(view, "conda")
        elif name == SDIST and directory and "/" not in directory:
            context.refine(view, "sdist")
        elif stream is not None and _shows_an_image(entry, stream):
            message = "a container image whose files come in an unusual order: inflate it"
            raise FormatError(message, view.where())
        yield entry


def _shows_an_image(entry: Entry, tar: Tar) -> bool:
    """Whether a stream turns out to be an image, too late to read it as one."""
    if entry.name == DOCKER and entry.kind is Kind.FILE:
        return b'"Layers"' in tar.head(entry)
    return entry.name == LAYOUT


def _single(stream: Inflated, view: View, context: Context) -> Iterator[Part]:
    stem = view.path.rsplit("/", 1)[-1].rsplit(".", 1)[0]
    path = f"{view.path}{SEPARATOR}{stem}"
    head = stream.peek(HEAD)
    if context.excludes(path) or not context.wanted(path, len(head), head):
        return
    ceiling = context.limits.member
    data = bytearray()
    try:
        while len(data) <= ceiling and (more := stream.read(1 << 20)):
            data += more
        context.limits.check("member", len(data), Where(path))
    except (KinspectError, *FOREIGN) as error:
        yield broken(error, view, path)
        return
    yield Member(path, View(Memory(data), path))
