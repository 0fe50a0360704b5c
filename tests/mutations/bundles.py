"""Bundles in a file, as tables of bytes that can be changed.

Source: LLVM, Clang Offload Bundler, "Bundled Binary File Layout".
"""

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tests.mutations.elf import Elf
from tests.mutations.model import Files

MAGIC = b"__CLANG_OFFLOAD_BUNDLE__"


@dataclass(frozen=True, slots=True)
class Entry:
    #: where its row of the table is: offset, size, size of the ID, ID
    row: int
    id: str
    #: from the start of the file
    offset: int
    size: int

    @property
    def target(self) -> str:
        return self.id.rpartition("--")[2]


@dataclass(frozen=True, slots=True)
class Bundle:
    start: int
    entries: tuple[Entry, ...]

    @property
    def count(self) -> int:
        """Where the number of entries is."""
        return self.start + len(MAGIC)

    @property
    def end(self) -> int:
        return max(one.offset + one.size for one in self.entries)

    def of(self, target: str) -> Entry:
        (found,) = [one for one in self.entries if one.target == target]
        return found


def bundles(data: bytes) -> list[Bundle]:
    """Every plain bundle of a file."""
    found = []
    at = data.find(MAGIC)
    while at >= 0:
        found.append(_bundle(data, at))
        at = data.find(MAGIC, found[-1].end)
    return found


def _bundle(data: bytes, start: int) -> Bundle:
    (count,) = struct.unpack_from("<Q", data, start + 24)
    at = start + 32
    entries = []
    for _ in range(count):
        offset, size, length = struct.unpack_from("<3Q", data, at)
        text = data[at + 24 : at + 24 + length].decode()
        entries.append(Entry(at, text, start + offset, size))
        at += 24 + length
    return Bundle(start, tuple(entries))


# --- how mutations are put together -------------------------------------------------

#: changes a file in place, or gives another one
Change = Callable[[bytearray], bytes | None]


def on_file(change: Change) -> Callable[[Files], Files]:
    """Of a sample with one file."""

    def changed(files: Files) -> Files:
        ((name, data),) = files.items()
        copy = bytearray(data)
        other = change(copy)
        return {name: bytes(copy) if other is None else other}

    return changed


def on_bundle(
    change: Callable[[bytearray, Bundle], None], unit: int = -1
) -> Callable[[Files], Files]:
    """Of the last bundle of a file, unless another one is named."""
    return on_file(lambda data: change(data, bundles(bytes(data))[unit]))


def on_object(
    change: Callable[[Elf], None], target: str = "gfx950", unit: int = -1
) -> Callable[[Files], Files]:
    """Of the code object for a target in the last bundle."""

    def changed(data: bytearray, one: Bundle) -> None:
        change(Elf(data, one.of(target).offset))

    return on_bundle(changed, unit)


def on_objects(
    change: Callable[[Elf, Elf], None], target: str = "gfx950", other: str = "gfx942"
) -> Callable[[Files], Files]:
    """Of a code object in the last bundle, with that for the other target beside it."""

    def changed(data: bytearray, one: Bundle) -> None:
        change(Elf(data, one.of(target).offset), Elf(data, one.of(other).offset))

    return on_bundle(changed)


def both_targets(change: Callable[[Elf], None], unit: int = -1) -> Callable[[Files], Files]:
    """Of the code objects for both targets, in the same way."""

    def changed(data: bytearray, one: Bundle) -> None:
        for target in ("gfx942", "gfx950"):
            change(Elf(data, one.of(target).offset))

    return on_bundle(changed, unit)


def only(files: Mapping[str, bytes]) -> bytes:
    (data,) = files.values()
    return data
