"""What an artifact's device code costs, as it is read: memory is bounded by one bundle."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import accumulate, pairwise

from kinspect.choosing import admits_binary
from kinspect.costs.anatomy import Part, anatomy
from kinspect.errors import FormatError
from kinspect.extraction.pieces import Kind, entry_name, kind_of
from kinspect.limits import DEFAULT, Limits
from kinspect.model import Bundle, DeviceBitcode, Entry, Fault, Form, Unreadable
from kinspect.sources import Member, Source
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
class Container:
    """Something that holds device code; its bytes are valid until the next is told."""

    #: the binary
    view: View
    #: None for what an archive has beside its payloads
    content: Packed | DeviceBitcode | None
    costs: Sequence[Cost]
    #: of an archive, those whose bytes are counted here
    entries: tuple[Entry, ...] = ()

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
    """What is read, and what came of it beside the costs."""

    source: Source
    limits: Limits = DEFAULT
    #: globs of binaries
    binaries: tuple[str, ...] = ()
    #: what can't be read
    problems: list[Unreadable] = field(default_factory=list)
    #: the sizes of the files that carry device code, by their paths
    carriers: dict[str, int] = field(default_factory=dict)
    #: code objects and the like that were seen
    pieces: int = 0

    def tell(self, faults: Iterable[Fault]) -> None:
        self.problems += [Unreadable(fault.message, fault.where) for fault in faults]


def containers(request: Request) -> Iterator[Container]:
    """Everything in an artifact that holds device code, in order."""
    for member in request.source.members():
        if isinstance(member, Unreadable):
            request.problems.append(member)
        elif admits_binary(member.path, request.binaries):
            yield from _of_member(member, request)


def _of_member(member: Member, request: Request) -> Iterator[Container]:
    #: of an archive: where the payloads lie that were counted
    counted: set[int] = set()
    payloads = 0
    for found in each_content(member.view, request.limits):
        if isinstance(found, Unreadable):
            request.problems.append(found)
            continue
        request.carriers[member.path] = len(member.view)
        if isinstance(found, DeviceBitcode):
            request.pieces += 1
            cost = Cost(
                Part.BITCODE, found.size, found.size, found.name, piece=request.pieces
            )
            one = Container(member.view, found, [cost])
        elif found.bundle.form is Form.KPACK:
            one = _archived(member.view, found, counted, request)
            payloads += one.stored
        else:
            one = Container(member.view, found, _bundle(found, request))
        yield one
    if counted:
        rest = max(len(member.view) - payloads, 0)
        yield Container(member.view, None, [Cost(Part.BUNDLE, rest, rest)])


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


def _archived(view: View, packed: Packed, counted: set[int], request: Request) -> Container:
    """Code objects in an archive; the bytes of one that several share count once."""
    entries, costs = [], []
    for entry in packed.bundle.entries:
        if entry.offset not in counted:
            counted.add(entry.offset)
            stored = entry.size if entry.stored is None else entry.stored
            entries.append(entry)
            costs += _shared(stored, _entry(packed, entry, request))
    return Container(view, packed, costs, tuple(entries))


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
