"""AOTriton's kernel storage: code objects of one kernel, compressed together.

Source: AOTriton, v3src/packed_kernel.cc, "AKS2 Format": a header, then one XZ stream of a
directory and the images, whose offsets count from the end of the directory.
"""

import lzma
from collections.abc import Iterator
from typing import NamedTuple

from kinspect.errors import FormatError, KinspectError, Where
from kinspect.sources.member import SEPARATOR, Context, Member, Part, unreadable
from kinspect.view import U32, Memory, View, decode, wire


class Header(NamedTuple):
    magic: U32
    uncompressed_size: U32
    number_of_kernels: U32
    directory_size: U32


class Metadata(NamedTuple):
    shared_memory: U32
    number_of_threads: U32
    offset: U32
    image_size: U32
    #: with its NUL
    filename_length: U32


def members(view: View, context: Context) -> Iterator[Part]:
    """Every code object of the file, by its name in the directory."""
    try:
        header = view.read(Header, 0)
        content = _inflated(view, header, context)
        images = content.slice(header.directory_size)
        for name, entry in list(_directory(content, header)):
            path = f"{view.path}{SEPARATOR}{name}"
            context.count(Where(path))
            data = images.slice(entry.offset, entry.image_size, "").renamed(path)
            yield Member(path, data)
    except KinspectError as error:
        yield unreadable(error, view.path)


def _directory(content: View, header: Header) -> Iterator[tuple[str, Metadata]]:
    at = 0
    for _ in range(header.number_of_kernels):
        entry = content.read(Metadata, at)
        at += wire(Metadata).size
        name = bytes(content.bytes(at, entry.filename_length))
        at += entry.filename_length
        yield decode(name.rstrip(b"\0")), entry
    if at != header.directory_size:
        message = f"a directory of {at} bytes, its header says {header.directory_size}"
        raise FormatError(message, content.where())


def _inflated(view: View, header: Header, context: Context) -> View:
    size = header.uncompressed_size
    context.limits.check("member", size, view.where())
    context.inflated(size, view.where())
    start = wire(Header).size
    data = bytes(view.bytes(start))
    context.limits.check("ratio", size // max(len(data), 1), view.where())
    stream = lzma.LZMADecompressor(lzma.FORMAT_XZ)
    try:
        content = stream.decompress(data, size + 1)
    except (lzma.LZMAError, EOFError) as error:
        message = f"AKS2: {error}"
        raise FormatError(message, view.where(start)) from error
    if len(content) != size or not stream.eof:
        message = f"AKS2: {len(content)} bytes and no end, its header says {size}"
        raise FormatError(message, view.where(start))
    return View(Memory(content), view.path, "AKS2")
