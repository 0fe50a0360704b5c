"""Fat-binary wrappers of an ELF file, and where the loader makes them point.

In an RDC binary their pointers are relocated against `__hip_fatbin_<cuid>`. Source:
hip_platform.cpp (`__hipRegisterFatBinary`); clang/lib/CodeGen/CGCUDANV.cpp.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from kinspect.hosts.elf_image import Image, Region
from kinspect.hosts.elf_relocations import Pointer, resolve
from kinspect.hosts.host import HIPF, HIPK, FatBinaryWrapper, Wrapper
from kinspect.limits import Limits
from kinspect.view import wire

SECTION: Final = ".hipFatBinSegment"
SIZE: Final = wire(FatBinaryWrapper).size
POINTER: Final = 8  #: offset of `binary` in a wrapper
FATBIN: Final = ".hip_fatbin"


def read(image: Image, limits: Limits) -> list[Wrapper]:
    """Every wrapper of the file, in order, with its pointer followed."""
    if not image.hip_host:
        return []
    certain = [s.region for s in image.sections if s.name == SECTION and s.in_file]
    sure = {offset for region in certain for offset in _slots(image, region)}
    places = sorted(sure.union(*(_hits(image, r) for r in _searched(image, certain))))
    limits.check("wrappers", len(places), image.view.where())
    pointers = resolve(image, [offset + POINTER for offset in places], limits)
    # A magic among other data is a wrapper only if something relocates its pointer.
    unset = Pointer(None, _unrelocated(image))
    regions = image.regions()
    return [
        _wrapper(image, regions, offset, pointers.get(offset + POINTER, unset))
        for offset in places
        if offset in sure or offset + POINTER in pointers
    ]


def _hits(image: Image, region: Region) -> Iterator[int]:
    view = image.view.slice(region.offset, region.size, region.name)
    for at, _ in view.find(_magic(HIPF), _magic(HIPK)):
        if (view.start + at) % 8 == 0 and at + SIZE <= len(view):
            yield view.start + at


def _unrelocated(image: Image) -> str:
    return f"no relocation of type R_*_RELATIVE, symbolic or RELR sets it ({image.type})"


def _magic(magic: int) -> bytes:
    return magic.to_bytes(4, "little") + b"\x01\0\0\0"


def _slots(image: Image, region: Region) -> Iterator[int]:
    view = image.view.slice(region.offset, region.size, region.name)
    for at in range(0, len(view) - SIZE + 1, SIZE):
        if any(view.bytes(at, SIZE)):  # padding is no wrapper
            yield view.start + at


def _searched(image: Image, certain: list[Region]) -> Iterator[Region]:
    """Where else a wrapper may lie: written to by the loader, so writable data.

    Section headers may be stripped, and sections renamed; `.hip_fatbin` itself, which
    some linkers put into the same segment, is left out.
    """
    if image.relocatable:
        return
    known = certain + [s.region for s in image.sections if s.name == FATBIN]
    for segment in image.segments:
        if segment.load and segment.writable:
            yield from _without(segment.region, known)


def _without(region: Region, holes: Iterable[Region]) -> Iterator[Region]:
    at = region.offset
    for hole in sorted(holes):
        if at <= hole.offset < region.end:
            yield Region(at, hole.offset - at, region.name)
            at = hole.end
    if at < region.end:
        yield Region(at, region.end - at, region.name)


def _wrapper(image: Image, regions: list[Region], offset: int, pointer: Pointer) -> Wrapper:
    record = image.view.read(FatBinaryWrapper, offset)
    target = None
    problem = pointer.problem
    if pointer.offset is not None:
        place = pointer.offset
        region = next((r for r in regions if r.offset <= place < r.end), None)
        if region is None:
            problem = f"file offset {pointer.offset:#x} lies in no section"
        else:
            target = image.view.slice(
                pointer.offset, region.end - pointer.offset, region.name
            )
    return Wrapper(
        offset,
        record.magic,
        record.version,
        record.reserved,
        target,
        problem,
        pointer.symbol,
    )
