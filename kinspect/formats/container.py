"""One device container, whichever form it has: what stands where a bundle may."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import Final, NamedTuple, cast

from kinspect.copies import share
from kinspect.errors import FormatError
from kinspect.formats import amdgpu_elf, bitcode, bitstream, bundle, ccob, offload_binary
from kinspect.formats.contents import (
    Contents,
    Loaded,
    digesting,
    faults,
    known,
    loaded,
    no_faults,
)
from kinspect.limits import DEFAULT, Limits
from kinspect.model import Bundle, CodeObject, Entry, Fault, Form, Unreadable
from kinspect.target import EntryID, from_e_flags
from kinspect.view import View

#: the first word of a module (SPIR-V specification, 2.3, "Physical Layout")
SPIRV: Final = b"\x03\x02\x23\x07"

#: what to do with each code object: parse it, or something else with its bytes
Opener = Callable[[View], CodeObject | None]

#: how much of a compressed bundle is inflated at first for its entry table
HEAD: Final = 64 * 1024


def form_of(view: View) -> Form | None:
    """Which container starts here, if any."""
    if view.startswith(bundle.MAGIC):
        return Form.PLAIN
    if view.startswith(ccob.MAGIC):
        return Form.CCOB
    if view.startswith(offload_binary.MAGIC):
        return Form.OFFLOAD_BINARY
    if amdgpu_elf.is_code_object(view):
        return Form.ELF
    return None


def _opens(image: offload_binary.Image) -> bool:
    """Whether an image is device code, by what it claims or by its bytes."""
    if image.kind in {offload_binary.ImageKind.OBJECT, offload_binary.ImageKind.BITCODE}:
        return True
    return amdgpu_elf.is_code_object(image.data) or bitstream.is_bitcode(image.data)


class Place(NamedTuple):
    """Where a container starts, what its header says, and how long it is in bytes."""

    view: View
    form: Form
    size: int
    header: bundle.Table | ccob.Header | offload_binary.OffloadBinary | amdgpu_elf.Elf

    @property
    def weight(self) -> int:
        """How many bytes there are to read in it, once inflated."""
        return (
            self.header.uncompressed if isinstance(self.header, ccob.Header) else self.size
        )


class _Piece(NamedTuple):
    """What is opened at a time: a container, or an entry of a plain bundle."""

    place: Place | Unreadable
    entry: Entry | None = None

    @property
    def weight(self) -> int:
        """How many bytes there are to read in it, about."""
        if self.entry is not None:
            return self.entry.size
        return self.place.weight if isinstance(self.place, Place) else 0


def _pieces(place: Place | Unreadable, most: int) -> list[_Piece]:
    """A container, or the entries of a plain bundle that has more than `most` bytes.

    What names come to is found once for all entries of a bundle that one process reads.
    """
    if not isinstance(place, Place) or not isinstance(place.header, bundle.Table):
        return [_Piece(place)]
    if place.weight <= most:
        return [_Piece(place)]
    return [_Piece(place, entry) for entry in place.header.entries]


class Reader:
    """Reads containers, one after the other, sharing what can be shared.

    With an `opener`, it is called for each HIP code object, and what it returns
    becomes part of the result; without, only entries are listed. With `jobs`, code
    objects are opened by that many processes, where there is enough to do. Unless it
    `judges`, the checksum of a compressed bundle is not computed.
    """

    def __init__(
        self,
        limits: Limits = DEFAULT,
        opener: Opener | None = None,
        jobs: int = 1,
        *,
        judges: bool = True,
    ) -> None:
        self.limits = limits
        self._opener = opener
        self._judges = judges
        self._jobs = jobs
        self._inflater = ccob.Inflater(limits)
        #: the bytes of the container that was read last; not kept where others read
        self.contents: Contents | None = None

    @property
    def opens(self) -> bool:
        """Whether code objects are opened, and not just listed."""
        return self._opener is not None

    @property
    def judges(self) -> bool:
        """Whether what is opened is held against what is said of it."""
        return self.opens and self._judges

    def read(self, view: View) -> Bundle:
        """The container at the start of `view`, which may reach beyond its end.

        Raises FormatError where not even its entries can be read.
        """
        return self._read(self.find(view))

    def find(self, view: View) -> Place:
        """Which container starts here, by its header alone; raises FormatError."""
        form = form_of(view)
        if form is Form.PLAIN:
            table = bundle.parse(view, self.limits)
            return Place(view, form, table.size, table)
        if form is Form.CCOB:
            header = ccob.parse(view, self.limits)
            return Place(view, form, header.total, header)
        if form is Form.OFFLOAD_BINARY:
            binary = offload_binary.parse(view, self.limits)
            return Place(view, form, binary.size, binary)
        if form is Form.ELF:
            size = amdgpu_elf.extent(view)
            elf = amdgpu_elf.open_elf(view.slice(0, size), self.limits)
            return Place(view, form, size, elf)
        head = bytes(view.bytes(0, min(8, len(view)))).hex(" ")
        message = f"no offload bundle and no AMDGPU code object: {head or 'no bytes'}"
        raise FormatError(message, view.where())

    def open_each(
        self,
        places: Iterable[Place | Unreadable],
        meanwhile: Callable[[], None] = lambda: None,
    ) -> Iterator[Bundle | Unreadable]:
        """The containers of some places, in their order; in place of one, why not.

        `meanwhile` is done before the first one comes, while other processes read.
        """
        if self._jobs < 2 or not self.opens:
            meanwhile()
            yield from map(self._tried, places)
            return
        try:
            places = list(places)
        except FormatError:
            meanwhile()  # what it raises comes first, as above
            raise
        most = sum(_Piece(place).weight for place in places) // (2 * self._jobs)
        pieces = [_pieces(place, most) for place in places]
        flat = [piece for parts in pieces for piece in parts]
        weights = [piece.weight for piece in flat]
        results = share(self._piece, flat, weights, self._jobs, meanwhile)
        for place, parts in zip(places, pieces, strict=True):
            found = list(islice(results, len(parts)))
            yield self._joined(place, found)
            if isinstance(place, Place):
                place.view.read_elsewhere(place.size)
        next(results, None)  # where there is no place, nothing has begun yet

    def _joined(
        self, place: Place | Unreadable, found: list[Bundle | Entry | Unreadable]
    ) -> Bundle | Unreadable:
        """A container, from what became of its pieces."""
        if isinstance(place, Place) and isinstance(place.header, bundle.Table):
            entries = [one for one in found if isinstance(one, Entry)]
            if len(entries) == len(found):
                return self._plain(place, place.header, entries)
        return cast("Bundle | Unreadable", found[0])

    def _piece(self, piece: _Piece) -> Bundle | Entry | Unreadable:
        if piece.entry is not None and isinstance(piece.place, Place):
            return self._opened(piece.entry, piece.place.view)
        return self._tried(piece.place)

    def _tried(self, place: Place | Unreadable) -> Bundle | Unreadable:
        if isinstance(place, Unreadable):
            return place
        try:
            return self._read(place)
        except FormatError as error:
            return Unreadable.of(error, place.view.where())

    def _read(self, place: Place) -> Bundle:
        header = place.header
        if isinstance(header, bundle.Table):
            entries = [self._opened(entry, place.view) for entry in header.entries]
            return self._plain(place, header, entries)
        if isinstance(header, ccob.Header):
            return self._compressed(place.view, header)
        if isinstance(header, offload_binary.OffloadBinary):
            return self._offload_binary(place.view, header)
        return self._bare(place, header)

    def _plain(self, place: Place, table: bundle.Table, opened: Iterable[Entry]) -> Bundle:
        view = place.view
        self.contents = Contents(view.slice(0, table.size))
        # In a file, entries count from the start of the binary.
        entries = [
            Entry(one.id, view.start + one.offset, one.size, one.code_object)
            for one in opened
        ]
        return Bundle(
            index=0,
            offset=view.start,
            form=Form.PLAIN,
            size=table.size,
            entries=tuple(entries),
            where=view.where(),
            header_size=table.header_size,
            faults=table.faults,
        )

    def _compressed(self, view: View, header: ccob.Header) -> Bundle:
        layer = f"CCOB at {view.start:#x} inflated"
        inflated, table = self._table(header, layer)
        found: tuple[Fault, ...] = ()
        entries = table.entries
        # neither knows this reader, which holds the contents: no cycle keeps the bytes
        load: Callable[[], Loaded] = partial(loaded, self._inflater, header, layer, view)
        if self._opener is not None:
            digest_of = digesting(inflated) if self.judges else lambda: header.hash
            entries = tuple(self._opened(entry, inflated) for entry in entries)
            found = faults(header, inflated, digest_of(), view.where())
            load = partial(known, inflated, found)
        self.contents = Contents(view.slice(0, header.total), load)
        return Bundle(
            index=0,
            offset=view.start,
            form=Form.CCOB,
            size=header.total,
            entries=entries,
            where=view.where(),
            version=header.version,
            method=header.method.name.lower(),
            uncompressed_size=header.uncompressed,
            header_size=table.header_size,
            faults=table.faults + found,
        )

    def _table(self, header: ccob.Header, layer: str) -> tuple[View, bundle.Table]:
        """The inflated bundle, or just enough of it, and its entry table."""
        whole = header.uncompressed
        if self._opener is None:
            head = self._inflater.inflate(header, layer, HEAD)
            try:
                return head, bundle.parse(head, self.limits, whole)
            except FormatError:
                if len(head) < min(HEAD, whole) or len(head) == whole:
                    raise
        inflated = self._inflater.inflate(header, layer)
        return inflated, bundle.parse(inflated, self.limits)

    def _bare(self, place: Place, elf: amdgpu_elf.Elf) -> Bundle:
        view, size = place.view, place.size
        whole = view.slice(0, size)
        self.contents = Contents(whole)
        target = from_e_flags(elf.header.e_flags, elf.abi_version)
        entry_id = EntryID.parse(f"hipv4-amdgcn-amd-amdhsa--{target.target or 'unknown'}")
        entry = self._opened(Entry(entry_id, 0, size), whole)
        return Bundle(
            index=0,
            offset=view.start,
            form=Form.ELF,
            size=size,
            entries=(replace(entry, offset=view.start),),
            where=view.where(),
        )

    def _offload_binary(self, view: View, binary: offload_binary.OffloadBinary) -> Bundle:
        self.contents = Contents(
            view.slice(0, binary.size), lambda: (binary.body, no_faults)
        )
        entries = []
        for image in binary.images:
            kind = "hip" if image.is_hip else "openmp"
            triple = image.strings.get("triple", "")
            parts = [*triple.split("-"), "", "", ""][:4]
            arch = image.strings.get("arch", "")
            entry_id = EntryID.parse("-".join([kind, *parts, arch]))
            entry = Entry(entry_id, image.data.start, len(image.data))
            if _opens(image):
                entry = replace(
                    self._opened(replace(entry, offset=0), image.data),
                    offset=image.data.start,
                )
            entries.append(entry)
        return Bundle(
            index=0,
            offset=view.start,
            form=Form.OFFLOAD_BINARY,
            size=binary.size,
            entries=tuple(entries),
            where=view.where(),
            version=binary.version,
            uncompressed_size=binary.uncompressed,
        )

    def _spirv(self, entry: Entry, space: View) -> Entry:
        """SPIR-V is not looked into; it must be some (or bitcode, for a link)."""
        try:
            data = space.slice(entry.offset, entry.size)
        except FormatError as error:
            return replace(entry, code_object=Unreadable.of(error, space.where()))
        if not entry.size or data.startswith(SPIRV) or bitstream.is_bitcode(data):
            return entry
        head = bytes(data.bytes(0, min(4, entry.size))).hex(" ")
        message = f"not SPIR-V: it starts with {head}"
        return replace(entry, code_object=Unreadable(message, data.where()))

    def open(self, data: View) -> CodeObject | None:
        """What the opener makes of a code object; raises FormatError."""
        return None if self._opener is None else self._opener(data)

    def _opened(self, entry: Entry, space: View) -> Entry:
        """The entry with its code object, if it has one and that was asked for."""
        if self._opener is None or not entry.id.is_hip:
            return entry
        if entry.id.is_spirv:
            return self._spirv(entry, space)
        if not entry.size:
            where = space.where(min(entry.offset, len(space)))
            return replace(entry, code_object=Unreadable("the entry is empty", where))
        try:
            layer = f"{space.layer} {entry.id.target_name}".strip()
            data = space.slice(entry.offset, entry.size, layer)
            if bitstream.is_bitcode(data):
                return replace(entry, code_object=bitcode.read(data, self.limits))
            return replace(entry, code_object=self._opener(data))
        except FormatError as error:
            return replace(entry, code_object=Unreadable.of(error, space.where()))
