"""A kpack archive as bundles: one for each wrapper that its code objects are for.

An entry is the code object for a target, under the ID that it had in the offload bundle
of its unit. Source: as for `kpack`.
"""

from collections.abc import Iterator
from dataclasses import replace
from itertools import groupby

from kinspect.errors import FormatError, Where
from kinspect.formats.container import Reader
from kinspect.formats.contents import Contents
from kinspect.formats.kpack import KpackArchive, KpackEntry, Scheme, payload
from kinspect.kpack import HERE, KpackClaims, KpackLookup, KpackReference, KpackSource
from kinspect.limits import Limits
from kinspect.model import Bundle, CodeObject, Entry, Form, Unreadable
from kinspect.target import SPIRV, EntryID
from kinspect.view import View


def claims(archive: KpackArchive) -> KpackClaims:
    """What an archive says of itself."""
    return KpackClaims(archive.group_name, archive.gfx_arches, archive.scheme.value)


def bundles(view: View, archive: KpackArchive, reader: Reader) -> Iterator[Bundle]:
    """The bundles of an archive, in the order of its keys.

    A payload is inflated when its code object is opened, and only one is kept at a time;
    several entries may share one.
    """
    opened: dict[int, CodeObject | Unreadable | None] = {}
    groups = groupby(archive.entries, key=lambda one: one.key)
    for index, (key, group) in enumerate(groups):
        reader.limits.check("bundles", index + 1, view.where())
        own = list(group)
        entries = [_entry(one, reader, opened) for one in own]
        reader.contents = Payloads(view, own, reader.limits)
        start = min(one.stored.start for one in own)
        yield Bundle(
            index=index,
            offset=start,
            form=Form.KPACK,
            size=sum(len(one.stored) for one in own),
            entries=tuple(entries),
            where=Where(view.path, key, start),
            method=None if archive.scheme is Scheme.NONE else "zstd",
            kpack=_lookup(archive, own[0]),
        )


def _lookup(archive: KpackArchive, first: KpackEntry) -> KpackLookup:
    """The archive by itself: what HIP would find if it were asked to look here."""
    reference = KpackReference(first.kernel_name, (HERE,))
    source = KpackSource(HERE, archive.path, archive.gfx_arches)
    return KpackLookup(reference, first.index, "", (source,))


def _entry(
    one: KpackEntry, reader: Reader, opened: dict[int, CodeObject | Unreadable | None]
) -> Entry:
    entry = Entry(
        _entry_id(one.arch),
        one.stored.start,
        _size(one),
        stored=None if one.scheme is Scheme.NONE else len(one.stored),
        archive=one.stored.path,
    )
    if not reader.opens or entry.id.is_spirv:
        return entry
    at = one.stored.start
    if at not in opened:
        opened[at] = _opened(one, reader)
    return replace(entry, code_object=opened[at])


def _opened(one: KpackEntry, reader: Reader) -> CodeObject | Unreadable | None:
    try:
        return reader.open(payload(one, reader.limits))
    except FormatError as error:
        return Unreadable.of(error, one.stored.where())


def _entry_id(arch: str) -> EntryID:
    if arch == SPIRV:
        return EntryID.parse(f"hip-spirv64-amd-amdhsa--{arch}")
    return EntryID.parse(f"hipv4-amdgcn-amd-amdhsa--{arch}")


def _size(one: KpackEntry) -> int:
    """Bytes once inflated: what the loader is handed."""
    if one.scheme is Scheme.NONE or one.original_size is None:
        return len(one.stored)
    return one.original_size


class Payloads(Contents):
    """The code objects of a bundle, each inflated when it is asked for."""

    def __init__(self, view: View, entries: list[KpackEntry], limits: Limits) -> None:
        super().__init__(view)
        self._entries = {_entry_id(one.arch).text: one for one in entries}
        self._limits = limits

    def entry(self, entry: Entry) -> View:
        """The bytes of an entry; raises FormatError where they are not all there."""
        return payload(self._entries[entry.id.text], self._limits)
