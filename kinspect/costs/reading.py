"""What an artifact's device code costs, as it is read: memory is bounded by one bundle."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import accumulate, pairwise

from kinspect.costs.anatomy import Part, anatomy
from kinspect.errors import FormatError
from kinspect.extraction.pieces import Kind, entry_name, kind_of
from kinspect.limits import DEFAULT, Limits
from kinspect.model import Bundle, DeviceBitcode, Entry, Fault, Form, Unreadable
from kinspect.view import View
from kinspect.walk import Packed, each_content

_PARTS = {Kind.BITCODE: Part.BITCODE, Kind.SPIRV: Part.SPIRV, Kind.OTHER: Part.OTHER}


@dataclass(frozen=True, slots=True)
class Cost:
    """Bytes of device code that are for the same thing."""

    part: Part
    inflated: int
    #: bytes in the file; of something compressed, its share in proportion to `inflated`
    stored: int
    #: empty for what belongs to no target
    target: str = ""
    #: of `Part.KERNELS`
    kernel: str = ""
    #: a number for the code object, bitcode or SPIR-V that it is part of
    piece: int | None = None


@dataclass(frozen=True, slots=True)
class Held:
    """Something in a binary that holds device code, of which nothing is inflated yet."""

    #: the binary
    view: View
    #: None for what an archive has beside its payloads
    content: Packed | DeviceBitcode | None
    #: of an archive, those whose bytes are counted here
    entries: tuple[Entry, ...] = ()
    #: bytes of an archive beside its payloads
    rest: int = 0

    @property
    def size(self) -> int:
        """Bytes in the file."""
        if isinstance(self.content, Packed):
            return self.content.bundle.size
        return 0 if self.content is None else self.content.size

    @property
    def weight(self) -> int:
        """How many bytes there are to read in it, once inflated."""
        if isinstance(self.content, Packed):
            return self.content.bundle.uncompressed_size or self.size
        return self.size

    def forget(self) -> None:
        """Let go of what was inflated."""
        if isinstance(self.content, Packed):
            self.content.contents.forget()


@dataclass(frozen=True, slots=True)
class Container:
    """Something that holds device code, and what its bytes are."""

    held: Held
    costs: Sequence[Cost]

    @property
    def view(self) -> View:
        return self.held.view

    @property
    def content(self) -> Packed | DeviceBitcode | None:
        return self.held.content

    @property
    def path(self) -> str:
        return self.view.path

    @property
    def bundle(self) -> Bundle | None:
        return self.content.bundle if isinstance(self.content, Packed) else None

    @property
    def stored(self) -> int:
        return sum(cost.stored for cost in self.costs)


@dataclass(slots=True)
class Request:
    """How something is read, and what came of it beside the costs."""

    limits: Limits = DEFAULT
    #: what can't be read
    problems: list[Unreadable] = field(default_factory=list)
    #: code objects and the like that were seen
    pieces: int = 0

    def tell(self, faults: Iterable[Fault]) -> None:
        self.problems += [Unreadable(fault.message, fault.where) for fault in faults]


def each_held(view: View, limits: Limits) -> Iterator[Held | Unreadable]:
    """Everything in a binary that holds device code, in order.

    What is asked for of one is valid until it is asked for of the next.
    """
    #: of an archive: where the payloads lie that were counted
    counted: set[int] = set()
    payloads = 0
    for found in each_content(view, limits):
        if isinstance(found, Packed) and found.bundle.form is Form.KPACK:
            entries = tuple(_uncounted(found.bundle.entries, counted))
            payloads += sum(_stored(entry) for entry in entries if entry.size)
            yield Held(view, found, entries)
        else:
            yield found if isinstance(found, Unreadable) else Held(view, found)
    if counted:
        yield Held(view, None, rest=max(len(view) - payloads, 0))


def _uncounted(entries: Iterable[Entry], counted: set[int]) -> Iterator[Entry]:
    """Code objects in an archive; the bytes of one that several share count once."""
    for entry in entries:
        if entry.offset not in counted:
            counted.add(entry.offset)
            yield entry


def _stored(entry: Entry) -> int:
    return entry.size if entry.stored is None else entry.stored


def container(held: Held, request: Request) -> Container:
    """What the bytes of something are; what can't be read is added to the request."""
    found = held.content
    if found is None:
        return Container(held, [Cost(Part.BUNDLE, held.rest, held.rest)])
    if isinstance(found, DeviceBitcode):
        request.pieces += 1
        size = found.size
        cost = Cost(Part.BITCODE, size, size, found.name, piece=request.pieces)
        return Container(held, [cost])
    if found.bundle.form is Form.KPACK:
        costs = [
            cost
            for entry in held.entries
            for cost in _shared(_stored(entry), _entry(found, entry, request))
        ]
        return Container(held, costs)
    return Container(held, _bundle(found, request))


def _bundle(packed: Packed, request: Request) -> list[Cost]:
    """The costs of a bundle, its own header and padding first."""
    bundle, contents = packed.bundle, packed.contents
    stored = len(contents.stored)
    try:
        whole = len(contents.space)
    except FormatError as error:
        request.problems.append(Unreadable.of(error, bundle.where))
        return [Cost(Part.OTHER, stored, stored)]
    found = [one for entry in bundle.entries for one in _entry(packed, entry, request)]
    if bundle.form is not Form.ELF:
        rest = max(whole - sum(cost.inflated for cost in found), 0)
        found.insert(0, Cost(Part.BUNDLE, rest, 0))
    request.tell(bundle.faults)
    with suppress(FormatError):
        request.tell(contents.faults)
    return _shared(stored, found)


def _shared(stored: int, costs: Sequence[Cost]) -> list[Cost]:
    """The same with their shares of what is stored, which add up to it."""
    whole = max(sum(cost.inflated for cost in costs), 1)
    ends = accumulate((cost.inflated for cost in costs), initial=0)
    shares = (high - low for low, high in pairwise(stored * end // whole for end in ends))
    return [
        Cost(one.part, one.inflated, share, one.target, one.kernel, one.piece)
        for one, share in zip(costs, shares, strict=True)
    ]


def _entry(packed: Packed, entry: Entry, request: Request) -> list[Cost]:
    """The costs of an entry, what is stored left out."""
    if not entry.size:
        return []
    target = entry_name(entry.id)
    piece = None
    if entry.id.is_hip:
        request.pieces += 1
        piece = request.pieces
    try:
        data = packed.contents.entry(entry)
        kind = kind_of(data)
        sizes = (
            _code_object(data, request)
            if kind is Kind.CODE_OBJECT
            else [(_PARTS[kind], "", len(data))]
        )
    except FormatError as error:
        request.problems.append(Unreadable.of(error, packed.bundle.where))
        sizes = [(Part.OTHER, "", entry.size)]
    return [Cost(part, size, 0, target, kernel, piece) for part, kernel, size in sizes]


def _code_object(data: View, request: Request) -> list[tuple[Part, str, int]]:
    found = anatomy(data, request.limits)
    request.tell(found.faults)
    kernels = [(Part.KERNELS, name, size) for name, size in found.kernels.items()]
    others = [
        (part, "", size) for part, size in found.parts.items() if part is not Part.KERNELS
    ]
    return kernels + others
