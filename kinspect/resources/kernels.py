"""The kernels of a code object: metadata, descriptor and size of the code together."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from kinspect.errors import FormatError
from kinspect.formats import code_object, symbols
from kinspect.formats.amdgpu_elf import PT_LOAD, Elf, open_elf
from kinspect.formats.code_object import Parser
from kinspect.formats.descriptor import Descriptor
from kinspect.formats.metadata import Detail, Kernel
from kinspect.limits import DEFAULT, Limits
from kinspect.model import Unreadable
from kinspect.resources.extents import Extents
from kinspect.view import View, wire

#: address and size of a descriptor, as a symbol table has them
Place = tuple[int, int]

#: bytes for each descriptor up to which they lie together
_SPARSE: Final = 1024


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
        code_sizes = _code_sizes(elf, found.code_sizes, limits)
        descriptors = dict(_descriptors(elf, found.descriptors))
    except FormatError as error:
        yield Unreadable.of(error, view.where())
    for kernel in kernels:
        descriptor = descriptors.get(kernel.symbol)
        yield Measured(kernel, descriptor, code_sizes.get(kernel.name))


def _code_sizes(elf: Elf, told: Mapping[str, int], limits: Limits) -> Mapping[str, int]:
    """What the symbols tell; where they tell none, by what comes next."""
    if all(told.values()):
        return told
    table = symbols.full(elf, limits) or symbols.dynamic(elf, limits)
    places = {} if table is None else table.functions()
    extents = Extents(elf, places.values())
    return {
        name: size or (extents.size(places[name][0]) if name in places else 0)
        for name, size in told.items()
    }


def _descriptors(elf: Elf, places: Mapping[str, Place]) -> Iterator[tuple[str, Descriptor]]:
    """Those that lie in a segment, as the loader puts them into memory."""
    for name, place in places.items():
        offset = _offset(elf, place)
        if offset is not None:
            yield name, elf.view.read(Descriptor, offset)


def _offset(elf: Elf, place: Place) -> int | None:
    """Where the descriptor at an address lies in the file; None for what is none."""
    address, length = place
    size = wire(Descriptor).size
    for segment in elf.segments:
        inside = address - segment.p_vaddr
        if segment.p_type == PT_LOAD and 0 <= inside <= segment.p_filesz - size:
            return segment.p_offset + inside if length == size else None
    return None


def descriptor_bytes(elf: Elf, places: Sequence[Place | None]) -> list[bytes | None]:
    """The descriptors at some addresses, all at once where they lie together.

    None where the loader would find none. Raises FormatError.
    """
    size = wire(Descriptor).size
    known = [place for place in places if place is not None]
    addresses = [address for address, length in known if length == size]
    if addresses and len(addresses) == len(places):
        low, high = min(addresses), max(addresses)
        first, last = _offset(elf, (low, size)), _offset(elf, (high, size))
        together = high - low <= _SPARSE * len(places)
        if together and first is not None and last == first + high - low:
            data = bytes(elf.view.bytes(first, last + size - first))
            return [data[at - low : at - low + size] for at in addresses]
    offsets = [None if place is None else _offset(elf, place) for place in places]
    return [None if at is None else bytes(elf.view.bytes(at, size)) for at in offsets]
