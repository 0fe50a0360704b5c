"""The kernels of a code object: metadata, descriptor and size of the code together."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from kinspect.errors import FormatError
from kinspect.formats import code_object
from kinspect.formats.amdgpu_elf import PT_LOAD, Elf, open_elf
from kinspect.formats.code_object import Parser
from kinspect.formats.descriptor import Descriptor
from kinspect.formats.metadata import Detail, Kernel
from kinspect.limits import DEFAULT, Limits
from kinspect.model import Unreadable
from kinspect.view import View, wire


@dataclass(frozen=True, slots=True)
class Measured:
    """A kernel, as its metadata and its descriptor tell it."""

    kernel: Kernel
    #: None where there is none, or not where it should be
    descriptor: Descriptor | None
    #: bytes of its instructions, without the functions that it calls
    code_size: int | None


def measure(
    view: View,
    limits: Limits = DEFAULT,
    detail: Detail = Detail.RESOURCES,
    parser: Parser | None = None,
) -> Iterator[Measured | Unreadable]:
    """Every kernel of a code object; raises FormatError where not even these are told.

    Where the symbols can't be read, that is told, and kernels come without descriptors.
    A `parser` that is used for all code objects of a bundle spares work.
    """
    elf = open_elf(view, limits)
    kernels = code_object.kernels(view, limits, detail)
    descriptors: dict[str, Descriptor] = {}
    code_sizes: Mapping[str, int] = {}
    try:
        found = (parser or Parser(limits)).symbols(elf)
        code_sizes = found.code_sizes
        descriptors = dict(_descriptors(elf, found.descriptors))
    except FormatError as error:
        yield Unreadable.of(error, view.where())
    for kernel in kernels:
        descriptor = descriptors.get(kernel.symbol)
        yield Measured(kernel, descriptor, code_sizes.get(kernel.name))


def _descriptors(
    elf: Elf, places: dict[str, tuple[int, int]]
) -> Iterator[tuple[str, Descriptor]]:
    """Those that lie in a segment, as the loader puts them into memory."""
    size = wire(Descriptor).size
    segments = [s for s in elf.segments if s.p_type == PT_LOAD]
    for name, (address, length) in places.items():
        for segment in segments:
            inside = address - segment.p_vaddr
            if length == size and 0 <= inside <= segment.p_filesz - size:
                yield name, elf.view.read(Descriptor, segment.p_offset + inside)
                break
