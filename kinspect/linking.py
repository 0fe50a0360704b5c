"""What a later link takes: the device code that objects and device libraries keep.

Source: clang OffloadBundler.cpp, `UnbundleFiles` and `isCodeObjectCompatible` (sections
of the old driver, bundles of bitcode); ClangLinkerWrapper.cpp, `getDeviceInput` (images
of the new one). Such code is launched by nobody: HIP is not asked.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from kinspect.model import Binary, Bitcode, Bundle, CodeObject, DeviceBitcode, Entry, Form

#: what `-save-temps` puts between the name of a source and that of its stage
STAGE: Final = re.compile(r"-(hip|host)-(amdgcn|spirv64)-.*$")
#: a variable that every target of a translation unit has, and no other unit
CUID: Final = "__hip_cuid_"


class LinkUnit(NamedTuple):
    """The device code of one translation unit or library, a part for each target."""

    parts: tuple[DeviceBitcode, ...]
    #: which it is, where a binary has several; else empty
    name: str = ""


def link_units(binary: Binary) -> Iterator[LinkUnit]:
    """The units of a binary that a link takes device code from, in order."""
    if binary.bitcode:
        yield LinkUnit(binary.bitcode)
    found = [group for group in groups(binary.bundles) if is_for_link(group)]
    several = len(found) + bool(binary.bitcode) > 1
    for group in found:
        parts = tuple(_part(entry) for bundle in group for entry in bundle.hip_entries)
        yield LinkUnit(parts, _name(group, parts) if several else "")


def groups(bundles: Iterable[Bundle]) -> Iterator[tuple[Bundle, ...]]:
    """Bundles that belong together: each by itself, but for OffloadBinary images.

    Such an image is for one target, and a translation unit has one for each.
    """
    images: list[Bundle] = []
    for bundle in bundles:
        if bundle.form is Form.OFFLOAD_BINARY and bundle.hip_entries:
            images.append(bundle)
        else:
            yield (bundle,)
    yield from _image_groups(images)


def is_for_link(group: tuple[Bundle, ...]) -> bool:
    """Whether bitcode is what these hold, with nobody to load it as it is."""
    contents = [entry.code_object for bundle in group for entry in bundle.hip_entries]
    if not any(isinstance(one, Bitcode) for one in contents):
        return False
    if group[0].form is Form.OFFLOAD_BINARY:
        return True
    loaded = group[0].registered or any(isinstance(one, CodeObject) for one in contents)
    return not loaded


def _image_groups(images: list[Bundle]) -> Iterator[tuple[Bundle, ...]]:
    """A unit ends where a target repeats, or where the source is another (`ld -r`)."""
    group: list[Bundle] = []
    targets: set[str] = set()
    source = ""
    for bundle in images:
        own = {entry.id.text for entry in bundle.hip_entries}
        compiled = _source(bundle)
        another = bool(source and compiled) and source != compiled
        if group and (another or not own.isdisjoint(targets)):
            yield tuple(group)
            group, targets, source = [], set(), ""
        group.append(bundle)
        targets |= own
        source = source or compiled
    if group:
        yield tuple(group)


def _source(bundle: Bundle) -> str:
    """What tells the unit of an image from others; empty where it does not say."""
    for entry in bundle.hip_entries:
        if isinstance(entry.code_object, Bitcode):
            cuids = (n for n in entry.code_object.variables if n.startswith(CUID))
            return next(cuids, "") or STAGE.sub("", entry.code_object.source)
    return ""


def _part(entry: Entry) -> DeviceBitcode:
    return DeviceBitcode(entry.id, entry.offset, entry.size, entry.code_object)


def _name(group: tuple[Bundle, ...], parts: tuple[DeviceBitcode, ...]) -> str:
    contents = (one.content for one in parts)
    sources = [STAGE.sub("", c.source) for c in contents if isinstance(c, Bitcode)]
    first, last = group[0].index, group[-1].index
    name = f"bundle {first}" if first == last else f"bundles {first}–{last}"
    return f"{name} ({sources[0]})" if sources and sources[0] else name
