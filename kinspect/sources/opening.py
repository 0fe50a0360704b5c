"""Which source a path or URL is, by its bytes; archives inside of archives."""

import os
import stat
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from kinspect.errors import InputError, KinspectError
from kinspect.limits import DEFAULT, Limits
from kinspect.model import Unreadable, Wheel
from kinspect.sources import ar, magic, tree
from kinspect.sources.member import Context, Member, Part, Wanted, Watch, never, unreadable
from kinspect.sources.named import Installed, Named
from kinspect.urls import is_url, shown
from kinspect.view import File, View

if TYPE_CHECKING:
    import zipfile

    from kinspect.sources.remote import Blocks, Download


class Source(NamedTuple):
    """An artifact that can be read, file by file."""

    path: str
    context: Context
    #: what reads it
    parts: Callable[[], Iterator[Part]]
    #: name and version of an installed distribution
    distribution: str = ""
    #: why no more of it can be read, whatever is asked for
    lost: Callable[[], KinspectError | None] = lambda: None

    @property
    def kind(self) -> str:
        """What the user would call it.

        `file`, `directory`, `installed`, `wheel`, `zip`, `conda`, `tar`, `archive`, `deb`,
        `rpm` or `image`; once its members were read, a tar may be an `image`, `conda` or
        `sdist`, or just `compressed`.
        """
        return self.context.kind

    @property
    def wheels(self) -> tuple[Wheel, ...]:
        """What the wheels among the members said of themselves, once these were read."""
        return tuple(self.context.wheels or ())

    def members(self) -> Iterator[Part]:
        """Every file, in a stable order; each valid until the next is asked for."""
        for part in self.parts():
            for one in _expanded(part, self.context):
                if (error := self.lost()) is not None:  # told once, not for every member
                    yield unreadable(error, self.path)
                    return
                yield one
                if isinstance(one, Unreadable):
                    self.context.broken += 1
                    # what comes later is beyond the same limit, and need not be told too
                    if one.limit in {"members", "total"}:
                        return
                if (many := self.context.flooded()) is not None:
                    yield unreadable(many, self.path)
                    return


def open_source(
    path: Named,
    *,
    limits: Limits = DEFAULT,
    exclude: tuple[str, ...] = (),
    wanted: Wanted | None = None,
    put_off: Wanted = never,
    record: bool | None = None,
    watch: Watch | None = None,
) -> Source:
    """Open what the user named; raise InputError where there is nothing to read.

    `wanted` is asked, with the name, size and first bytes of each member of an archive,
    whether it is worth inflating; `put_off`, whether the caller will load it later. With
    `record` given, what wheels say of themselves is read into `Source.wheels`; if it is
    true, their files are held to RECORD.
    """
    context = Context(limits, exclude)
    if wanted is not None:
        context.wanted = wanted
    context.put_off = put_off
    context.watch = watch
    if record is not None:
        context.wheels, context.record = [], record
    if isinstance(path, Installed):
        return _installed(path, context)
    name = context.root = os.fspath(path)
    if is_url(name):
        return _remote(name, context)
    try:
        mode = os.stat(name).st_mode
    except OSError as error:
        raise InputError(error.strerror or str(error), name) from error
    if stat.S_ISDIR(mode):
        context.kind = "image" if tree.image(name, context) else "directory"
        return Source(name, context, partial(tree.members, name, context))
    if not stat.S_ISREG(mode):
        message = "not a regular file: a pipe, a socket or a device"
        raise InputError(message, name)
    file = File(name)
    try:
        context.kind = _kind(View(file, name))
    finally:
        file.close()
    return Source(name, context, partial(_file, name, context))


def _installed(name: Installed, context: Context) -> Source:
    from kinspect.sources import installed  # noqa: PLC0415

    found = installed.find(name)
    context.root, context.kind = found.root, "installed"
    parts = partial(installed.members, found, context)
    return Source(found.root, context, parts, found.label)


def _remote(url: str, context: Context) -> Source:
    name = context.root = shown(url)
    try:
        from kinspect.sources import remote  # noqa: PLC0415  # an extra
    except ImportError as error:
        message = f"needs an extra: pip install 'kinspect[remote]' ({error})"
        raise InputError(message, name) from error
    file = remote.open_url(url, name, context.limits)
    try:
        context.kind = _kind(View(file, name))
        if context.record and context.kind == "wheel" and isinstance(file, remote.Blocks):
            file = remote.downloaded(file, name, context.limits)
    except KinspectError:
        file.close()
        raise
    if context.watch is not None:
        context.watch.opened(file)
    parts = partial(_fetched, file, name)
    return Source(name, context, parts, lost=lambda: file.failure)


def _fetched(file: "Blocks | Download", name: str) -> Iterator[Part]:
    """The file itself, which must be the same in the end."""
    try:
        yield Member(name, View(file, name))
        file.unchanged()
    except KinspectError as error:
        yield unreadable(error, name)
    finally:
        file.close()


def _file(path: str, context: Context) -> Iterator[Part]:
    """The file itself."""
    file = context.open(path)
    try:
        yield Member(path, View(file, path))
    finally:
        file.close()


def _kind(view: View) -> str:
    """What the user would call this file, as far as its first bytes tell."""
    head = _head(view)
    if head.startswith(magic.ZIP):
        return _zip_kind(view)
    if head.startswith(magic.COMPRESSED) or magic.is_tar(head):
        return "tar"
    if head.startswith(magic.RPM):
        return "rpm"
    if ar.is_ar(view):
        return "deb" if ar.is_deb(view) else "archive"
    return "archive" if head.startswith(magic.AKS2) else "file"


def _zip_kind(view: View) -> str:
    from kinspect.sources import zip  # noqa: PLC0415

    try:
        names = [info.filename for info in zip.directory(view)]
    except KinspectError:
        return "zip"  # its members will say what is wrong
    if zip.is_wheel(names):
        return "wheel"
    if any(name.endswith("/PKG-INFO") and name.count("/") == 1 for name in names):
        return "sdist"
    return "conda" if zip.is_conda(names) else "zip"


def _zip(view: View, context: Context) -> Iterator[Part]:
    from kinspect.sources import packages, zip  # noqa: PLC0415

    infos = zip.directory(view)
    if zip.is_conda(info.filename for info in infos):
        return packages.conda(view, infos, context)
    if context.wheels is not None and zip.is_wheel(info.filename for info in infos):
        return _wheel(view, infos, context, context.wheels)
    return zip.members(view, infos, context)


def _wheel(
    view: View, infos: list["zipfile.ZipInfo"], context: Context, wheels: list[Wheel]
) -> Iterator[Part]:
    """The members of a wheel; on the way, what it says of itself.

    Whether that can be read matters where the wheel itself is judged, and not where its
    kernels are: installers look at it, HIP does not.
    """
    from kinspect.sources import wheel, zip  # noqa: PLC0415

    try:
        found, lost = wheel.read(view, infos, context)
    except KinspectError as error:
        if context.record:
            yield unreadable(error, view.path)
    else:
        wheels.append(found)
        yield from lost
    yield from zip.members(view, infos, context)


def _head(view: View) -> bytes:
    return bytes(view.bytes(0, min(len(view), magic.HEAD)))


def _expanded(part: Part, context: Context) -> Iterator[Part]:
    """The part itself, or, if it is an archive, what is in it."""
    if not isinstance(part, Member):
        yield part
        return
    if context.excludes(part.path):
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


def _inner(view: View, context: Context) -> Iterator[Part] | None:
    """The members of an archive; None if the view is none.

    The readers are imported when they are needed: most inputs are no archives.
    """
    head = _head(view)
    if not magic.is_archive(head):
        return None
    context.limits.check("nesting", context.depth + 1, view.where())
    if head.startswith(magic.ZIP):
        return _zip(view, context)
    if head.startswith(magic.AKS2):
        from kinspect.sources import aks2  # noqa: PLC0415

        return aks2.members(view, context)
    if head.startswith(magic.RPM):
        from kinspect.sources import rpm  # noqa: PLC0415

        return rpm.members(view, context)
    if ar.is_ar(view) and not ar.is_deb(view):
        return ar.members(view, context)
    from kinspect.sources import decompress, packages, tarballs  # noqa: PLC0415

    if ar.is_deb(view):
        return packages.deb(view, context)
    # a tar may start with a name that looks like a compressor's magic
    open_ = None if magic.is_tar(head) else decompress.compressor(view)
    if open_ is None:
        return tarballs.plain(view, context)
    return tarballs.compressed(view, context, open_)
