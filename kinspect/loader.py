"""Which code object HIP would load, computed.

Source: clr hip_fatbin.cpp (the choice: native, then generic, then SPIR-V); comgr
comgr-metadata.cpp, `lookUpCodeObject` and `isCompatibleIsaName` (the match in a plain
bundle); clang OffloadBundler.cpp, `isCodeObjectCompatible` (in a compressed one); clr
device.cpp and ROCR executable.cpp (what the code object's own header must say).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Final

from kinspect.errors import TargetError
from kinspect.linking import groups, is_for_link
from kinspect.model import Binary, Bundle, CodeObject, Entry, Form
from kinspect.runtime import NEWEST, Runtime
from kinspect.target import ABI_V4, ABI_V6, SRAMECC, XNACK, EntryID, TargetID

#: how much of a plain bundle the runtime hands to comgr for its table, in bytes
VISIBLE: Final = 4096


class How(StrEnum):
    """By which name an entry was found."""

    NATIVE = "native"
    GENERIC = "generic"
    SPIRV = "spirv"


@dataclass(frozen=True, slots=True)
class Choice:
    """What HIP picks for one device, whose modes are all settled."""

    device: TargetID
    entry: Entry | None = None
    how: How | None = None


@dataclass(frozen=True, slots=True)
class Unit:
    """What HIP chooses from: one bundle.

    Bare code objects that a program embeds are an exception: it picks among them itself,
    so all of them together are one unit. So are the images of an OffloadBinary that
    belong to one translation unit, which a link takes together.
    """

    bundles: tuple[Bundle, ...]

    @property
    def entries(self) -> tuple[Entry, ...]:
        return tuple(e for bundle in self.bundles for e in bundle.hip_entries)

    @property
    def index(self) -> int:
        return self.bundles[0].index

    @property
    def name(self) -> str:
        if len(self.bundles) == 1:
            return f"bundle {self.index}"
        return f"bundles {self.index}–{self.bundles[-1].index}"

    @property
    def compressed(self) -> bool:
        return self.bundles[0].form is Form.CCOB

    @property
    def oversized(self) -> bool:
        """Whether the table of a plain bundle reaches beyond what the runtime reads."""
        bundle = self.bundles[0]
        return bundle.form is Form.PLAIN and bundle.header_size > VISIBLE


@dataclass(frozen=True, slots=True)
class Coverage:
    """How a unit serves a required target, over every mode that it stands for."""

    required: TargetID
    choices: tuple[Choice, ...]

    @property
    def missing(self) -> tuple[TargetID, ...]:
        return tuple(choice.device for choice in self.choices if choice.entry is None)

    @property
    def hows(self) -> frozenset[How]:
        return frozenset(choice.how for choice in self.choices if choice.how)

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The entries that were chosen, once each."""
        found = {id(c.entry): c.entry for c in self.choices if c.entry is not None}
        return tuple(found.values())

    @property
    def code_objects(self) -> tuple[CodeObject, ...]:
        return tuple(
            entry.code_object
            for entry in self.entries
            if isinstance(entry.code_object, CodeObject)
        )

    @property
    def kernels(self) -> frozenset[str]:
        """The kernels that every mode can launch."""
        found = [frozenset(one.kernels) for one in self.code_objects]
        return frozenset.intersection(*found) if found else frozenset()


def units(binary: Binary) -> Iterator[Unit]:
    """The units of a binary that carry HIP device code, in order.

    What only a later link takes is none of them (`kinspect.linking`).
    """
    bare: list[Bundle] = []
    images: list[Unit] = []
    for group in groups(binary.bundles):
        first = group[0]
        if not first.hip_entries or is_for_link(group):
            continue
        if first.form is Form.OFFLOAD_BINARY:
            images.append(Unit(group))
        elif first.embedded and first.form is Form.ELF:
            bare.append(first)
        else:
            yield Unit(group)
    if bare:
        yield Unit(tuple(bare))
    yield from images


def coverage(unit: Unit, required: TargetID, runtime: Runtime = NEWEST) -> Coverage:
    """What HIP chooses from the unit for each device that `required` stands for."""
    entries = () if unit.oversized or illegible(unit, runtime) else unit.entries
    return Coverage(
        required,
        tuple(
            choose(entries, device, runtime, compressed=unit.compressed)
            for device in required.devices()
        ),
    )


def illegible(unit: Unit, runtime: Runtime) -> str:
    """Why the runtime can't read bundles of this form at all; empty if it can."""
    bundle = unit.bundles[0]
    if bundle.form is not Form.CCOB or bundle.version in runtime.ccob:
        return ""
    what = f"CCOB version {bundle.version}"
    if bundle.version in NEWEST.ccob:
        return f"{runtime.name} does not read {what}"
    return f"HIP does not read {what}: it takes the inflated size for that of the bundle"


def choose(
    entries: Iterable[Entry],
    device: TargetID,
    runtime: Runtime = NEWEST,
    *,
    compressed: bool = False,
) -> Choice:
    """The entry for one device: native over generic over SPIR-V, else none."""
    generic = runtime.generic_compressed if compressed else runtime.generic
    queries: dict[How, TargetID | None] = {How.NATIVE: device}
    if generic and device.generic is not None:
        queries[How.GENERIC] = device.generic
    if runtime.spirv:
        queries[How.SPIRV] = None
    look_up = _unbundle if compressed else _look_up
    found = look_up(tuple(entries), queries)
    for how in How:
        if how in found:
            return Choice(device, found[how], how)
    return Choice(device)


def _look_up(
    entries: Sequence[Entry], queries: Mapping[How, TargetID | None]
) -> dict[How, Entry]:
    """`lookUpCodeObject` of comgr, for a plain bundle: the first that suits wins.

    An empty entry fills no query, and yet counts as one that was answered: the search
    ends when as many entries suited as there are queries.
    """
    found: dict[How, Entry] = {}
    seen = 0
    for entry in entries:
        for how, target in queries.items():
            if how not in found and _answers(entry, target, compressed=False):
                if entry.size:
                    found[how] = entry
                seen += 1
                break
        if seen == _names(queries):
            break
    return found


def _names(queries: Mapping[How, TargetID | None]) -> int:
    """How many names the runtime asks for: SPIR-V goes by two (environment field)."""
    return len(queries) + (How.SPIRV in queries)


def _unbundle(
    entries: Sequence[Entry], queries: Mapping[How, TargetID | None]
) -> dict[How, Entry]:
    """`UnbundleFiles` of clang, for a compressed bundle.

    It takes the entries in the order of a hash table, and the first that suits ends the
    search even if it is empty: where one that suits is empty, nothing is certain.
    """
    found = {}
    for how, target in queries.items():
        suited = [e for e in entries if _answers(e, target, compressed=True)]
        if suited and all(entry.size for entry in suited):
            found[how] = suited[0]
    return found


def _answers(entry: Entry, target: TargetID | None, *, compressed: bool) -> bool:
    if target is None:
        return entry.id.is_spirv
    if not entry.id.target.startswith(target.processor):
        return False  # most of them, told cheaply
    return matches(entry.id, target, compressed=compressed)


def matches(entry: EntryID, target: TargetID, *, compressed: bool = False) -> bool:
    """Whether HIP takes an entry of this ID for a target with settled modes."""
    return not mismatch(entry, target, compressed=compressed)


@lru_cache(maxsize=4096)
def mismatch(entry: EntryID, target: TargetID, *, compressed: bool = False) -> str:
    """Why HIP does not take an entry of this ID for a settled target; empty if it does.

    In a plain bundle the name must be an ISA that comgr knows, environment field empty;
    in a compressed one `unknown` is the same as empty (llvm::Triple).
    """
    kinds = {"hip", "hipv4"} if compressed else EntryID.HIP_KINDS
    if entry.kind not in kinds:
        return f"kind {entry.kind!r} is not HIP's"
    triple = (entry.arch, entry.vendor, entry.os)
    environments = {"", "unknown"} if compressed else {""}
    if triple != ("amdgcn", "amd", "amdhsa") or entry.env not in environments:
        return "its triple is not amdgcn-amd-amdhsa-"
    try:
        own = TargetID.parse(entry.target)
    except TargetError:
        return f"{entry.target!r} is no target ID that HIP knows"
    if own.processor != target.processor:
        return f"it is for {own.processor}"
    for feature in own.isa.features:
        if own.mode(feature) and own.mode(feature) is not target.mode(feature):
            return f"it wants {feature} {own.mode(feature).word}"
    # The generic name is asked for with the device's own modes: gfx906 asks for
    # gfx9-generic:sramecc+, which is no target ID, so that nothing matches it.
    if any(target.mode(f) for f in (SRAMECC, XNACK) if f not in own.isa.features):
        return f"HIP asks for {target}, which is no target ID"
    return ""


def refusal(choice: Choice) -> str:
    """Why the loader refuses what was chosen, by its own header; empty if it does not.

    The entry ID decides what is selected, `e_flags` what is loaded.
    """
    if choice.entry is None or choice.how is How.SPIRV:
        return ""
    found = choice.entry.code_object
    if not isinstance(found, CodeObject):
        return "it is no AMDGPU code object that could be read"
    target = choice.device if choice.how is How.NATIVE else choice.device.generic
    own = found.flags.target
    if own is None or target is None or not own.serves(target):
        return f"its e_flags {found.e_flags:#x} are for {found.flags}"
    if found.abi_version < ABI_V4:
        return f"code object v{found.abi_version + 2}: only v4 to v6 are loaded"
    versioned = found.abi_version >= ABI_V6 and found.flags.generic_version >= 1
    if own.isa.generic and not versioned:
        return "generic code needs code object v6 and a generic version of 1 or more"
    return ""
