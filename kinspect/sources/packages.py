"""Packages that wrap their files in archives of a fixed name: Debian's and conda's.

Sources: deb(5); conda-build, "Conda package specification", version 2. The breadcrumb
leaves the inner archive out: `x.deb!usr/lib/x.so`.
"""

import zipfile
from collections.abc import Iterable, Iterator

from kinspect.errors import FormatError, KinspectError
from kinspect.sources import ar, decompress, zip
from kinspect.sources.decompress import Inflated
from kinspect.sources.member import Context, Member, Part, unreadable
from kinspect.sources.tar import FOREIGN, Tar, broken, files
from kinspect.view import View


def deb(view: View, context: Context) -> Iterator[Part]:
    """The files that a Debian package installs; its control files are none of them."""
    found = False
    for part in ar.members(view, context):
        if not isinstance(part, Member):
            found = True  # or not: that part of it can't be read is told
            yield part
        elif part.name.startswith("data.tar"):
            found = True
            yield from _files(part, view, context)
    if not found:
        message = "a Debian package without data.tar"
        yield unreadable(FormatError(message, view.where()), view.path)


def conda(view: View, infos: Iterable[zipfile.ZipInfo], context: Context) -> Iterator[Part]:
    """The files of a `.conda` package."""
    for part in zip.members(view, infos, context):
        if isinstance(part, Member) and zip.is_conda_part(part.name):
            yield from _files(part, view, context)
        else:
            yield part


def _files(part: Member, outer: View, context: Context) -> Iterator[Part]:
    """The files of a tar, compressed or not, as those of the package."""
    view = part.view.renamed(outer.path).slice(0, layer=part.name)
    open_ = decompress.compressor(view)
    if part.name.endswith(".lzma"):
        open_ = decompress.lzma_alone
    try:
        if open_ is None:
            tar = Tar(view)
            yield from files(tar, tar, context)
            return
        with Inflated(view, context, open_) as stream:
            tar = Tar(view, stream)
            yield from files(tar, tar, context)
    except (KinspectError, *FOREIGN) as error:
        yield broken(error, view)
