"""Each form of container, as it would be with less in it, or compressed in another way."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Final

from kinspect.costs import repack
from kinspect.costs.reading import Container
from kinspect.costs.repack import Slot
from kinspect.errors import FormatError
from kinspect.extraction.pieces import entry_name
from kinspect.formats.ccob import Method
from kinspect.model import Bundle, DeviceBitcode, Entry, Form
from kinspect.view import Bytes, View
from kinspect.walk import Packed

#: the version of compressed bundles that clang writes today
NEWEST: Final = 3

#: bytes before each frame of an archive: its size
_FRAME: Final = 4

#: numbers of pieces that are kept
Kept = frozenset[int]


class Packing:
    """A container and its pieces, of which some may be left out."""

    def __init__(
        self,
        targets: Sequence[str],
        read: Callable[[int], View],
        measure: Callable[[Kept, int | None], int],
        again: Callable[[], int] | None = None,
    ) -> None:
        #: of each piece; empty for what is never left out
        self.targets = targets
        #: the bytes of a piece
        self.read = read
        #: bytes with these pieces, compressed at that level of zstd (None: as it is now)
        self.size = cache(measure)
        #: of a compressed bundle: bytes if it is packed anew with all that is in it
        self.again = again

    @property
    def whole(self) -> Kept:
        return frozenset(range(len(self.targets)))


def packing(container: Container) -> Packing:
    """How a container is packed; raises FormatError where it can't be read."""
    content, stored = container.content, container.stored
    if content is None:  # the table of an archive stays as it is
        return Packing([], _nothing, lambda *_: stored)
    if isinstance(content, DeviceBitcode):
        data = container.view.slice(content.offset, content.size)
        return _single(content.name, data)
    if content.bundle.form is Form.KPACK:
        return _archive(content, container.held.entries)
    if content.bundle.form is Form.ELF:
        return _single(content.bundle.entries[0].id.target_name, content.contents.stored)
    if content.bundle.form is Form.OFFLOAD_BINARY:
        return _offload_binary(content)
    return _bundle(content)


def _nothing(number: int) -> View:
    raise IndexError(number)


def _single(target: str, data: View) -> Packing:
    """What is there by itself, and can't be compressed without a bundle around it."""
    return Packing([target], lambda _: data, lambda kept, _: len(data) if kept else 0)


def _targets(entries: Sequence[Entry]) -> list[str]:
    return [entry_name(one.id) if one.id.is_hip and one.size else "" for one in entries]


def _bundle(packed: Packed) -> Packing:
    bundle, contents = packed.bundle, packed.contents
    for fault in (*bundle.faults, *contents.faults):
        raise FormatError(fault.message, fault.where)  # what is damaged stays as it is
    space, entries, targets = contents.space, bundle.entries, _targets(bundle.entries)
    slots = [
        Slot(one.id.text.encode("utf-8", "surrogateescape"), one.size) for one in entries
    ]
    aligned = repack.alignment(slots, [one.offset - space.start for one in entries])

    def read(number: int) -> View:
        return contents.entry(entries[number])

    def measure(kept: Kept, level: int | None) -> int:
        rest = sorted(kept)
        if len(rest) == len(entries):
            stored = len(contents.stored)
            return stored if level is None else _compressed(bundle, space.bytes(), level)
        if not any(targets[number] for number in rest):
            return 0
        own = [slots[number] for number in rest]
        if level is None and bundle.form is Form.PLAIN:
            return repack.offsets(own, aligned)[1]
        data = repack.plain(own, [read(number).bytes() for number in rest], aligned)
        return _compressed(bundle, data, level)

    def again() -> int:
        return _compressed(bundle, space.bytes(), None)

    return Packing(targets, read, measure, again if bundle.form is Form.CCOB else None)


def _compressed(bundle: Bundle, data: Bytes, level: int | None) -> int:
    """At a level of zstd; without one, as clang would have made the bundle."""
    if level is not None:
        return repack.compressed(data, NEWEST, Method.ZSTD, level)
    method = Method[(bundle.method or "").upper()]
    usual = repack.ZLIB_LEVEL if method is Method.ZLIB else repack.ZSTD_LEVEL
    return repack.compressed(data, bundle.version or NEWEST, method, usual)


def _offload_binary(packed: Packed) -> Packing:
    """Whole or not at all: one of several images is not taken out of it."""
    contents, entries = packed.contents, packed.bundle.entries
    targets = _targets(entries)

    def measure(kept: Kept, _: int | None) -> int:
        if len(kept) == len(entries):
            return len(contents.stored)
        if any(targets[number] for number in kept):
            message = "an OffloadBinary with some of its images left out is not packed anew"
            raise FormatError(message, packed.bundle.where)
        return 0

    return Packing(targets, lambda number: contents.entry(entries[number]), measure)


def _archive(packed: Packed, entries: Sequence[Entry]) -> Packing:
    """Code objects that are compressed one by one, where they are."""

    def read(number: int) -> View:
        return packed.contents.entry(entries[number])

    @cache
    def one(number: int, level: int | None) -> int:
        stored = entries[number].stored
        if level is None:
            return entries[number].size if stored is None else stored
        before = _FRAME if stored is None else 0  # else it is there, beside the frame
        return before + repack.frame(read(number).bytes(), level)

    def measure(kept: Kept, level: int | None) -> int:
        return sum(one(number, level) for number in kept)

    return Packing(_targets(entries), read, measure)
