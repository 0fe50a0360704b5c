"""From a binary to its bundles and code objects.

HIP follows the wrappers, so they come first; then the fat-binary section as it is, so
that nothing in it stays unseen; then what a program embeds as plain data, to load it
by itself (`hipModuleLoadData`).
"""

import heapq
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Final, NamedTuple

from kinspect.errors import FormatError, Where
from kinspect.formats import (
    amdgpu_elf,
    bitcode,
    bitstream,
    bundle,
    ccob,
    offload_binary,
)
from kinspect.formats.container import Opener, Place, Reader, form_of
from kinspect.formats.contents import Contents
from kinspect.hosts import elf, registered
from kinspect.hosts.host import HIPF, HIPK, Host, Wrapper
from kinspect.kpack import MAGIC as KPACK
from kinspect.kpack import KpackClaims, KpackReference, KpackUse
from kinspect.limits import DEFAULT, Limits
from kinspect.model import (
    BITCODE,
    Binary,
    Bundle,
    DeviceBitcode,
    Fault,
    Form,
    Linkage,
    Registration,
    Unreadable,
)
from kinspect.sources import is_archive
from kinspect.target import EntryID
from kinspect.view import Bytes, Memory, View

#: the start of a compressed stream: zlib (RFC 1950, 2.2) and zstd (RFC 8878, 3.1)
STREAMS: Final = {
    ccob.Method.ZLIB: (b"\x78",),
    ccob.Method.ZSTD: (
        b"\x28\xb5\x2f\xfd",
        *(bytes([n]) + b"\x2a\x4d\x18" for n in range(0x50, 0x60)),
    ),
}


#: what files may start with that are of interest, but for COFF objects
MAGICS: Final = (
    elf.MAGIC,
    b"MZ",
    bundle.MAGIC,
    ccob.MAGIC,
    offload_binary.MAGIC,
    KPACK,
    bitstream.MAGIC,
    bitstream.WRAPPER,
)


def is_binary(head: bytes) -> bool:
    """Whether a file that starts so may be a binary that kinspect reads."""
    if head.startswith(MAGICS):
        return True
    from kinspect.hosts.coff_image import is_coff  # noqa: PLC0415  # most begin otherwise

    return is_coff(View(Memory(head), ""))


def worth_reading(_name: str, _size: int, head: bytes) -> bool:
    """Whether a member of an archive may be a binary, or an archive itself."""
    return is_binary(head) or is_archive(head)


def read_binary(
    view: View,
    limits: Limits = DEFAULT,
    *,
    code_objects: bool = True,
    opener: Opener | None = None,
    jobs: int = 1,
    judged: bool = True,
) -> Binary | None:
    """Read a binary; None where the bytes are no binary that kinspect knows.

    Without `code_objects`, only entries are listed, and of a compressed bundle only
    the head is inflated. `opener` reads the code objects in place of the usual reader.
    `jobs` is the number of processes that may read a large one. For who only compares and
    has nothing `judged`, checksums are not computed, nor is looked for what the host
    registers.
    """
    if code_objects and opener is None:
        from kinspect.formats import code_object  # noqa: PLC0415  # not for a listing

        opener = code_object.Parser(limits).parse
    reader = Reader(limits, opener if code_objects else None, jobs, judges=judged)
    try:
        return _read(view, reader)
    except FormatError as error:
        unreadable = Unreadable.of(error, view.where())
        return Binary(view.path, _format_of(view), unreadable=(unreadable,))


def each_bundle(
    view: View, opener: Opener, limits: Limits = DEFAULT
) -> Iterator[Bundle | Unreadable]:
    """The bundles of a binary as they are read; `opener` sees every code object."""
    try:
        walk = _walk(view, Reader(limits, opener))
        if walk is not None:
            yield from walk.bundles()
            yield from (*walk.host.unreadable, *walk.unreadable)
    except FormatError as error:
        yield Unreadable.of(error, view.where())


class Packed(NamedTuple):
    """A bundle with its bytes, which are valid until the next one is asked for."""

    bundle: Bundle
    contents: Contents


def each_content(
    view: View, limits: Limits = DEFAULT
) -> Iterator[Packed | DeviceBitcode | Unreadable]:
    """What a binary carries, with its bytes: bundles as they are listed, then bitcode.

    Opens no code object, and inflates a bundle when its contents are asked for.
    """
    reader = Reader(limits)
    try:
        if bitstream.is_bitcode(view):
            yield from _bitcode_file(view, limits).bitcode
            return
        walk = _walk(view, reader)
        if walk is not None:
            for one in walk.bundles():
                if reader.contents is not None:
                    yield Packed(one, reader.contents)
            yield from walk.bitcode()
            yield from (*walk.host.unreadable, *walk.unreadable)
    except FormatError as error:
        yield Unreadable.of(error, view.where())


def _format_of(view: View) -> str:
    """What a binary that can't be read was; its file may be gone by now."""
    try:
        return "kpack" if view.startswith(KPACK) else "unknown"
    except FormatError:
        return "unknown"


def _read(view: View, reader: Reader) -> Binary | None:
    if bitstream.is_bitcode(view):
        return _bitcode_file(view, reader.limits)
    walk = _walk(view, reader)
    if walk is None:
        return None
    bundles = tuple(walk.bundles())
    kept = tuple(walk.bitcode())
    idle = walk.idle()
    return Binary(
        view.path,
        walk.host.format,
        linkage=walk.linkage(bundles),
        bundles=bundles,
        bitcode=kept,
        dangling=tuple(walk.dangling),
        unreadable=(*walk.host.unreadable, *walk.unreadable),
        needed=walk.host.needed,
        stubs=tuple(sorted(walk.host.stubs)),
        registration=walk.registration(bundles),
        kpack=tuple(walk.kpack),
        hollow=walk.hollow,
        idle=idle,
        claims=walk.claims,
        faults=tuple(walk.faults),
    )


def _bitcode_file(view: View, limits: Limits) -> Binary:
    """A file of bitcode: a device library, or the host's, which is no device code.

    It is named by what its functions were compiled for; by no target where they were
    compiled for any.
    """
    content = bitcode.parse(view, limits)
    kept: tuple[DeviceBitcode, ...] = ()
    if content.device:
        parts = [*content.triple.split("-"), "", ""][:4]
        target = content.processors[0] if len(content.processors) == 1 else ""
        entry_id = EntryID.parse("-".join(["hip", *parts, target]))
        kept = (DeviceBitcode(entry_id, 0, len(view), content),)
    return Binary(view.path, BITCODE, bitcode=kept)


def _walk(view: View, reader: Reader) -> "_Walk | None":
    form = form_of(view)
    if form is not None:
        name = "elf64-amdgpu" if form is Form.ELF else "raw"
        return _Walk(view, Host(name, fatbins=(view,)), reader)
    if view.startswith(KPACK):
        return _Archive(view, Host("kpack"), reader)
    if view.startswith(elf.MAGIC):
        return _Walk(view, elf.parse(view, reader.limits, registration=False), reader)
    from kinspect.hosts import coff  # noqa: PLC0415

    if coff.is_coff(view):
        return _Walk(view, coff.parse(view, reader.limits, registration=False), reader)
    return None


class _Walk:
    """The containers of one host."""

    def __init__(self, view: View, host: Host, reader: Reader) -> None:
        self.view = view
        self.host = host
        self.reader = reader
        self.dangling: list[Fault] = []
        self.unreadable: list[Unreadable] = []
        #: wrappers whose device code is elsewhere
        self.kpack: list[KpackUse] = []
        self.claims: KpackClaims | None = None
        self.faults: list[Fault] = []
        self.hollow = host.hollow
        #: where the containers that were read start, in order, and for each where it
        #: ends, or one before it does that ends later
        self._starts: list[int] = []
        self._ends: list[int] = []

    def bundles(self) -> Iterator[Bundle]:
        """Every bundle, numbered: those of the section in its order, then embedded ones.

        Fills `dangling` and `unreadable` on its way.
        """
        targets = self._targets()
        wrappers = Counter(view.start for view in targets)
        index = 0
        for one in self._packed(targets):
            yield replace(one, index=index, wrappers=wrappers[one.offset])
            index += 1
        for one in self._embedded():
            yield replace(one, index=index, embedded=True)
            index += 1
            self.reader.limits.check("bundles", index, one.where)

    def bitcode(self) -> Iterator[DeviceBitcode]:
        """The device bitcode of an RDC object; what can't be read is `unreadable` too."""
        for entry_id, view in self.host.bitcode:
            one = DeviceBitcode(entry_id, view.start, len(view))
            if self.reader.opens and len(view):
                content = bitcode.read(view, self.reader.limits)
                if isinstance(content, Unreadable):
                    self.unreadable.append(content)
                one = replace(one, content=content)
            yield one

    def linkage(self, bundles: tuple[Bundle, ...]) -> Linkage | None:
        """How the device code was linked, as far as the file tells.

        An RDC link makes one bundle for the wrappers of all units; it leaves a symbol
        `__hip_fatbin_<cuid>` for each unit where it was relocated by name. Objects that
        keep their device code for a link are made for one.
        """
        registered = [one for one in bundles if one.registered]
        if self.host.bitcode or (self.host.relocatable and self.host.offloading):
            return Linkage.RDC
        if self.kpack:
            return self.host.linkage
        if not registered:
            return None
        symbols = any(w.symbol.startswith("__hip_fatbin") for w in self.host.wrappers)
        if symbols or any(one.wrappers > 1 for one in registered):
            return Linkage.RDC
        if self.host.linkage is None and len(registered) > 1:
            return Linkage.PER_TU
        return self.host.linkage

    def registration(self, bundles: tuple[Bundle, ...]) -> Registration:
        if not self.reader.judges:
            return self.host.registration
        return registered.completed(self.host, bundles)

    # --- what the wrappers point at ---------------------------------------------------

    def _targets(self) -> list[View]:
        targets = []
        for wrapper in self.host.wrappers:
            where = Where(self.view.path, "wrapper", wrapper.offset)
            problem = self._problem(wrapper)
            if problem:
                self.dangling.append(Fault(problem, where))
            elif wrapper.target is not None and wrapper.magic == HIPK:
                self._refer(wrapper, wrapper.target, where)
            elif wrapper.target is not None:
                targets.append(wrapper.target)
        return targets

    def _refer(self, wrapper: Wrapper, target: View, where: Where) -> None:
        """A wrapper whose device code was moved to archives."""
        from kinspect.formats import kpack_reference  # noqa: PLC0415  # few hosts have one

        try:
            reference = kpack_reference.parse_reference(target)
        except FormatError as error:
            problem = f"it points at {target.start:#x}, where no kpack reference starts"
            self.dangling.append(Fault(f"{problem}: {error.message}", where))
        else:
            self.kpack.append(KpackUse(where, wrapper.reserved, reference))

    def idle(self) -> KpackReference | None:
        """A kpack reference that no wrapper points at, as far as it can be read."""
        if self.host.reference is None or self.kpack:
            return None
        from kinspect.formats import kpack_reference  # noqa: PLC0415

        try:
            return kpack_reference.parse_reference(self.host.reference)
        except FormatError as error:
            self.unreadable.append(Unreadable.of(error, self.host.reference.where()))
            return None

    def _problem(self, wrapper: Wrapper) -> str:
        """Why HIP would not take this wrapper; empty if it would."""
        if wrapper.magic not in {HIPF, HIPK} or wrapper.version != 1:
            return (
                f"magic {wrapper.magic:#x} version {wrapper.version}, expected"
                f" {HIPF:#x} (HIPF) or {HIPK:#x} (HIPK) version 1"
            )
        if wrapper.target is None:
            return "" if self.host.relocatable else wrapper.problem
        if wrapper.magic == HIPK:
            return ""
        if form_of(wrapper.target) in {None, Form.OFFLOAD_BINARY}:
            start = wrapper.target.start
            return f"it points at {start:#x}, where no bundle and no code object starts"
        return ""

    # --- what lies in the section -----------------------------------------------------

    def _packed(self, targets: list[View]) -> Iterator[Bundle]:
        """The containers that wrappers point at and those of the section, in order."""
        for one in self.reader.open_each(self._places(targets), self._register):
            if isinstance(one, Unreadable):
                self.unreadable.append(one)
            else:
                yield one

    def _register(self) -> None:
        """Find out what the host registers, where anything is held against it."""
        if self.reader.judges:
            host = self.host.registered()
            found = replace(host.registration, unnamed=registered.unnamed(host))
            self.host = host._replace(registration=found)

    def _places(self, targets: list[View]) -> Iterator[Place | Unreadable]:
        """Where containers start; in place of one that can't be read, why not.

        Where one ends is told by its own header, never by a search for the next magic,
        which payloads may hold as well.
        """
        regions = list(self._regions(targets))
        todo = {view.start: view for view in targets}
        ends = {view.start + len(view): view for view in regions}
        for region in regions:
            start = region.skip_zeros(0)
            if start < len(region):
                todo.setdefault(region.start + start, region.slice(start))
        starts = sorted(todo)
        heapq.heapify(starts)
        claimed = 0
        while starts:
            view = todo[heapq.heappop(starts)]
            try:
                place = self.reader.find(view)
                claimed += place.size
                self.reader.limits.check("overlap", claimed // len(self.view), view.where())
            except FormatError as error:
                yield Unreadable.of(error, view.where())
                continue
            yield place
            size = max(place.size, 1)
            self._starts.append(view.start)
            self._ends.append(max([view.start + size, *self._ends[-1:]]))
            self.reader.limits.check("bundles", len(self._starts), view.where())
            if view.start + len(view) in ends:
                after = view.skip_zeros(min(size, len(view)))
                start = view.start + after
                if after < len(view) and start not in todo:
                    todo[start] = view.slice(after)
                    heapq.heappush(starts, start)

    def _regions(self, targets: list[View]) -> Iterator[View]:
        """The sections to read: not what a split for kpack left in one, part of a page."""
        if self.kpack and not targets:
            self.hollow = None
        else:
            for region in self.host.fatbins:
                if region and region.skip_zeros(0) == len(region):
                    self.hollow = region.where()
                yield region
        yield from self.host.offloading

    # --- what the program embeds as data ----------------------------------------------

    def _was_read(self, offset: int) -> bool:
        """Whether a file offset lies in a container that was read."""
        before = bisect_right(self._starts, offset)
        return before > 0 and offset < self._ends[before - 1]

    def _embedded(self) -> Iterator[Bundle]:
        needles = (bundle.MAGIC, ccob.MAGIC, amdgpu_elf.MAGIC)
        for region in self.host.data:
            at = 0
            for hit, needle in region.find(*needles):
                start = region.start + hit
                if hit < at or self._was_read(start):
                    continue
                candidate = region.slice(hit)
                if not _plausible(candidate, needle):
                    continue
                try:
                    one = self.reader.read(candidate)
                except FormatError as error:
                    self.unreadable.append(Unreadable.of(error, candidate.where()))
                    continue
                if one.hip_entries:
                    at = hit + one.size
                    yield one


class _Archive(_Walk):
    """The code objects of a kpack archive."""

    def bundles(self) -> Iterator[Bundle]:
        """A bundle for each wrapper that its code objects are for."""
        from kinspect.formats import kpack, kpack_bundles  # noqa: PLC0415

        archive = kpack.parse_archive(self.view, self.reader.limits)
        self.claims = kpack_bundles.claims(archive)
        self.faults += archive.faults
        yield from kpack_bundles.bundles(self.view, archive, self.reader)


def _plausible(view: View, needle: Bytes) -> bool:
    """Whether a magic among data is the start of HIP device code.

    Tools that handle bundles hold the magic as text, and SYCL uses the same container:
    neither is damage. What has a header that makes sense is read, and if that fails
    it is told.
    """
    try:
        if needle == bundle.MAGIC:
            head = view.slice(0, min(len(view), 4096))
            return any(kind in _first_ids(head) for kind in EntryID.HIP_KINDS)
        if needle == ccob.MAGIC:
            if not 1 <= view.bytes(4, 1)[0] <= 3 or any(view.bytes(5, 1)):
                return False
            header = ccob.parse(view)
            return any(header.payload.startswith(m) for m in STREAMS[header.method])
        return amdgpu_elf.is_code_object(view)
    except FormatError:
        return False


def _first_ids(head: View) -> set[str]:
    """The kinds of the entries whose table lies in the first bytes of a bundle."""
    kinds = set()
    count = head.read(bundle.EntryCount, len(bundle.MAGIC)).entries
    at = len(bundle.MAGIC) + 8
    for _ in range(count):
        try:
            header = head.read(bundle.EntryHeader, at)
            text = bytes(head.bytes(at + 24, header.id_size)).decode("ascii")
        except (FormatError, UnicodeDecodeError):
            break
        kinds.add(EntryID.parse(text).kind)
        at += 24 + header.id_size
    return kinds
