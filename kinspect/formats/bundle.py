"""Plain offload bundles: `__CLANG_OFFLOAD_BUNDLE__`.

Layout (little-endian): magic[24]; u64 N; N × {u64 offset; u64 size; u64 id_size;
char id[id_size]}; offsets count from the start of the bundle. Source: Clang Offload
Bundler, "Bundled Binary File Layout"; OffloadBundler.cpp, BinaryFileHandler.
"""

from itertools import pairwise
from typing import Final, NamedTuple

from kinspect.errors import FormatError
from kinspect.limits import DEFAULT, Limits
from kinspect.model import Entry, Fault
from kinspect.target import EntryID
from kinspect.view import U64, View, decode, wire

MAGIC: Final = b"__CLANG_OFFLOAD_BUNDLE__"


class EntryCount(NamedTuple):
    entries: U64


class EntryHeader(NamedTuple):
    offset: U64
    size: U64
    id_size: U64


class Table(NamedTuple):
    """The entry table of a bundle. Offsets count from the start of the bundle."""

    entries: tuple[Entry, ...]
    #: bytes of magic, count and table
    header_size: int
    #: bytes up to the end of the last entry
    size: int
    faults: tuple[Fault, ...]


def parse(view: View, limits: Limits = DEFAULT, total: int | None = None) -> Table:
    """Parse the table of the bundle at the start of `view`.

    `total` is how many bytes the bundle may reach, where `view` holds only its head.
    An entry that does not fit, or that overlaps, is a fault of the table; a table
    that does not fit raises FormatError.
    """
    if not view.startswith(MAGIC):
        message = f"no offload bundle: expected {MAGIC.decode()}"
        raise FormatError(message, view.where())
    total = len(view) if total is None else total
    at = len(MAGIC)
    count = view.read(EntryCount, at).entries
    limits.check("entries", count, view.where(at))
    at += wire(EntryCount).size
    entries = []
    faults = []
    for index in range(count):
        header = view.read(EntryHeader, at)
        if header.offset + header.size > total:
            message = (
                f"entry {index} needs {header.size} bytes at {header.offset:#x} of the"
                f" bundle, which has {total}"
            )
            faults.append(Fault(message, view.where(at)))
        at += wire(EntryHeader).size
        limits.check("entry_id", header.id_size, view.where(at))
        entry_id = decode(view.bytes(at, header.id_size))
        at += header.id_size
        if not entry_id:
            faults.append(Fault(f"entry {index} has no ID", view.where(at)))
        entries.append(Entry(EntryID.parse(entry_id), header.offset, header.size))
    end = max((e.offset + e.size for e in entries if e.size), default=at)
    faults += _overlaps(entries, at, view)
    size = min(max(at, end), total)
    # each is read, though all of them may be the same bytes
    claimed = sum(e.size for e in entries if e.offset + e.size <= total)
    limits.check("overlap", claimed // size, view.where())
    return Table(tuple(entries), at, size, tuple(faults))


def _overlaps(entries: list[Entry], header_size: int, view: View) -> list[Fault]:
    faults = []
    filled = sorted((e for e in entries if e.size), key=lambda e: (e.offset, e.size))
    if filled and filled[0].offset < header_size:
        first = filled[0]
        message = f"entry {first.id.text!r} overlaps the bundle's header"
        faults.append(Fault(message, view.where(first.offset)))
    for before, after in pairwise(filled):
        if after.offset < before.offset + before.size:
            message = f"entries {before.id.text!r} and {after.id.text!r} overlap"
            faults.append(Fault(message, view.where(after.offset)))
    return faults
