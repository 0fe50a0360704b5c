"""One device container, whichever form it has: what stands where a bundle may."""

from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from threading import Thread
from typing import Final

from kinspect.errors import FormatError, Where
from kinspect.formats import amdgpu_elf, bitcode, bitstream, bundle, ccob, offload_binary
from kinspect.limits import DEFAULT, Limits
from kinspect.model import Bundle, CodeObject, Entry, Fault, Form, Unreadable
from kinspect.target import EntryID, from_e_flags
from kinspect.view import View

#: what to do with each code object: parse it, or something else with its bytes
Opener = Callable[[View], CodeObject | None]

#: what is wrong with something; may take a while
Faults = Callable[[], tuple[Fault, ...]]

#: what entries lie in, and what is wrong with it
Loaded = tuple[View, Faults]


def _no_faults() -> tuple[Fault, ...]:
    return ()


#: how much of a compressed bundle is inflated at first for its entry table
HEAD: Final = 64 * 1024

#: from how many bytes on a bundle is hashed in a thread of its own
BESIDE: Final = 1 << 20


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


def _digesting(inflated: View) -> Callable[[], int]:
    """Start on the MD5 of a bundle; the result waits for it.

    MD5 is half of the work on a compressed bundle. A large one is hashed in a thread,
    beside the reading of its code objects: hashlib lets go of the interpreter's lock.
    """
    if len(inflated) < BESIDE:
        return lambda: ccob.digest(inflated)
    results: list[int] = []
    thread = Thread(target=lambda: results.append(ccob.digest(inflated)), daemon=True)
    thread.start()

    def wait() -> int:
        thread.join()
        return results[0]

    return wait


def _faults(
    header: ccob.Header, inflated: View, digest: int, where: Where
) -> tuple[Fault, ...]:
    """Where an inflated bundle is not what its header says."""
    found = []
    if len(inflated) < header.uncompressed:
        message = (
            f"inflates to {len(inflated)} bytes, its header says {header.uncompressed}"
        )
        found.append(Fault(message, where))
    if digest != header.hash:
        message = (
            f"MD5 mismatch: the header says {header.hash:016x}, the inflated"
            f" bundle has {digest:016x}"
        )
        found.append(Fault(message, where))
    return tuple(found)


class Contents:
    """The bytes of a container, valid until its reader reads the next one.

    A compressed container is inflated when its inside is first asked for.
    """

    def __init__(self, stored: View, load: Callable[[], Loaded] | None = None) -> None:
        #: the container as the binary has it, header and all
        self.stored = stored
        self._load = load or (lambda: (stored, _no_faults))

    @cached_property
    def _loaded(self) -> Loaded:
        return self._load()

    @property
    def space(self) -> View:
        """What the entries lie in; raises FormatError where it can't be inflated."""
        return self._loaded[0]

    @cached_property
    def faults(self) -> tuple[Fault, ...]:
        """What is wrong with the inside: it is short, or its checksum another.

        Best asked for last: the checksum is computed beside what the caller does.
        """
        return self._loaded[1]()

    def entry(self, entry: Entry) -> View:
        """The bytes of an entry; raises FormatError where they are not all there."""
        return self.space.slice(entry.offset - self.space.start, entry.size)


class Reader:
    """Reads containers, one after the other, sharing what can be shared.

    With an `opener`, it is called for each HIP code object, and what it returns
    becomes part of the result; without, only entries are listed.
    """

    def __init__(self, limits: Limits = DEFAULT, opener: Opener | None = None) -> None:
        self.limits = limits
        self._opener = opener
        self._inflater = ccob.Inflater(limits)
        #: the bytes of the container that was read last
        self.contents: Contents | None = None

    @property
    def opens(self) -> bool:
        """Whether code objects are opened, and not just listed."""
        return self._opener is not None

    def read(self, view: View) -> Bundle:
        """The container at the start of `view`, which may reach beyond its end.

        Raises FormatError where not even its entries can be read.
        """
        form = form_of(view)
        if form is Form.PLAIN:
            return self._plain(view)
        if form is Form.CCOB:
            return self._compressed(view)
        if form is Form.OFFLOAD_BINARY:
            return self._offload_binary(view)
        if form is Form.ELF:
            return self._bare(view)
        head = bytes(view.bytes(0, min(8, len(view)))).hex(" ")
        message = f"no offload bundle and no AMDGPU code object: {head or 'no bytes'}"
        raise FormatError(message, view.where())

    def _plain(self, view: View) -> Bundle:
        table = bundle.parse(view, self.limits)
        self.contents = Contents(view.slice(0, table.size))
        # In a file, entries count from the start of the binary.
        entries = [
            replace(self._opened(entry, view), offset=view.start + entry.offset)
            for entry in table.entries
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

    def _compressed(self, view: View) -> Bundle:
        header = ccob.parse(view, self.limits)
        layer = f"CCOB at {view.start:#x} inflated"
        inflated, table = self._table(header, layer)
        faults: tuple[Fault, ...] = ()
        entries = table.entries
        if self._opener is not None:
            digest_of = _digesting(inflated)
            entries = tuple(self._opened(entry, inflated) for entry in entries)
            faults = _faults(header, inflated, digest_of(), view.where())
        self.contents = Contents(
            view.slice(0, header.total),
            lambda: (
                (inflated, lambda: faults) if self.opens else self._inflated(view, layer)
            ),
        )
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
            faults=table.faults + faults,
        )

    def _inflated(self, view: View, layer: str) -> Loaded:
        header = ccob.parse(view, self.limits)
        inflated = self._inflater.inflate(header, layer)
        digest_of = _digesting(inflated)
        return inflated, lambda: _faults(header, inflated, digest_of(), view.where())

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

    def _bare(self, view: View) -> Bundle:
        size = amdgpu_elf.extent(view)
        whole = view.slice(0, size)
        self.contents = Contents(whole)
        elf = amdgpu_elf.open_elf(whole, self.limits)
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

    def _offload_binary(self, view: View) -> Bundle:
        binary = offload_binary.parse(view, self.limits)
        self.contents = Contents(
            view.slice(0, binary.size), lambda: (binary.body, _no_faults)
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

    def open(self, data: View) -> CodeObject | None:
        """What the opener makes of a code object; raises FormatError."""
        return None if self._opener is None else self._opener(data)

    def _opened(self, entry: Entry, space: View) -> Entry:
        """The entry with its code object, if it has one and that was asked for."""
        if self._opener is None or not entry.id.is_hip or entry.id.is_spirv:
            return entry
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
