"""Which code object HIP would load, computed.

Source: clr hip_fatbin.cpp (the choice: native, then generic, then SPIR-V); clr
device.cpp and ROCR executable.cpp (what the code object's own header must say). Which
entry suits which name is in `lookup`.

One device at a time: HIP asks for the names of all devices of a machine at once, and an
entry of a plain bundle answers one name only. Where GPUs of one kind run in different
modes, code without modes serves the first of them.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple

from kinspect.kpack import HERE, KpackLookup
from kinspect.linking import groups, is_for_link
from kinspect.lookup import How, look_up, unbundle
from kinspect.model import Binary, Bundle, CodeObject, Entry, Form
from kinspect.runtime import NEWEST, Runtime
from kinspect.target import ABI_V4, ABI_V6, EntryID, TargetID

#: how much of a plain bundle the runtime hands to comgr for its table, in bytes
VISIBLE: Final = 4096

#: the largest compressed bundle: the runtime reads its size as 32 bits
COMPRESSED: Final = 0xFFFF_FFFF


class Choice(NamedTuple):
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
        return tuple([e for bundle in self.bundles for e in bundle.hip_entries])

    @property
    def candidates(self) -> tuple[Entry, ...]:
        """What the runtime's lookup sees: in a compressed bundle, OpenMP's entries too."""
        return self.bundles[0].entries if self.compressed else self.entries

    @property
    def bare(self) -> bool:
        """One code object and no bundle: every device gets it, whatever it is for."""
        return self.bundles[0].form is Form.ELF and not self.bundles[0].embedded

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
    def packed(self) -> KpackLookup | None:
        """How the loader finds its code objects, where these lie in kpack archives."""
        return self.bundles[0].kpack

    def for_others(self, required: TargetID) -> bool:
        """Whether an archive by itself makes no claim to serve a target."""
        if self.packed is None:
            return False
        own = [one for one in self.packed.sources if one.place == HERE]
        if not own:
            return False
        from kinspect import archives  # noqa: PLC0415  # few binaries have any

        return not any(archives.lists(one.listed, required) for one in own)

    @property
    def oversized(self) -> bool:
        """Whether the table of a plain bundle reaches beyond what the runtime reads."""
        bundle = self.bundles[0]
        return bundle.form is Form.PLAIN and bundle.header_size > VISIBLE


class Coverage(NamedTuple):
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

    What only a later link takes is none of them (`kinspect.linking`). A bundle that is
    registered and empty is one: the kernels of its unit are nowhere.
    """
    bare: list[Bundle] = []
    images: list[Unit] = []
    for group in groups(binary.bundles):
        first = group[0]
        empty = not (first.hip_entries or first.kpack)
        lost = first.registered and binary.device_code
        if (empty and not lost) or is_for_link(group):
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


def asked(binary: Binary, required: Iterable[TargetID]) -> tuple[TargetID, ...]:
    """The required targets that a binary is to serve: all of them, but for archives.

    A kpack archive is judged through the hosts that open it, or else by itself, for the
    targets that it claims to serve.
    """
    if binary.referred:
        return ()
    if binary.claims is None:
        return tuple(required)
    listed = binary.claims.listed
    from kinspect import archives  # noqa: PLC0415

    return tuple(one for one in required if archives.lists(listed, one))


#: what was found, by what was asked, each by its identity, which lasts with it
_Known = dict[tuple[object, ...], tuple[Unit, TargetID, Runtime, Coverage]]

_KNOWN: Final[ContextVar[_Known | None]] = ContextVar("_KNOWN", default=None)
#: so much is remembered, in 25 MB: each rule goes over all bundles, so that of more than
#: this nothing would be there when the next one asks
MOST: Final = 1 << 16


@contextmanager
def remembering() -> Iterator[None]:
    """Remember what units cover: most rules ask the same."""
    token = _KNOWN.set({})
    try:
        yield
    finally:
        _KNOWN.reset(token)


def coverage(unit: Unit, required: TargetID, runtime: Runtime = NEWEST) -> Coverage:
    """What HIP chooses from the unit for each device that `required` stands for."""
    known = _KNOWN.get()
    if known is None:
        return _coverage(unit, required, runtime)
    key = (*map(id, unit.bundles), id(required), id(runtime))
    if key not in known:
        if len(known) >= MOST:
            known.clear()
        known[key] = (unit, required, runtime, _coverage(unit, required, runtime))
    return known[key][3]


def _coverage(unit: Unit, required: TargetID, runtime: Runtime) -> Coverage:
    entries = () if unit.oversized or illegible(unit, runtime) else unit.candidates
    return Coverage(
        required,
        tuple(chosen(unit, entries, device, runtime) for device in required.devices()),
    )


def chosen(
    unit: Unit, entries: Iterable[Entry], device: TargetID, runtime: Runtime
) -> Choice:
    """Which of some entries of the unit HIP takes for a device."""
    if unit.packed is None:
        return choose(entries, device, runtime, compressed=unit.compressed)
    from kinspect import archives  # noqa: PLC0415

    found = archives.find(unit.packed, entries, device, runtime)
    if isinstance(found, archives.Missing):
        return Choice(device)
    native = found.arch.split(":")[0] == device.processor
    return Choice(device, found.entry, How.NATIVE if native else How.GENERIC)


def illegible(unit: Unit, runtime: Runtime) -> str:
    """Why the runtime can't read a compressed bundle at all; empty if it can."""
    bundle = unit.bundles[0]
    if unit.packed is not None and not runtime.kpack:
        return f"{runtime.name} does not read kpack archives"
    if bundle.form is not Form.CCOB:
        return ""
    if bundle.version not in runtime.ccob:
        what = f"CCOB version {bundle.version}"
        if bundle.version in NEWEST.ccob:
            return f"{runtime.name} does not read {what}"
        return f"HIP does not read {what}: it takes the inflated size for its own"
    if bundle.size > COMPRESSED:
        return f"HIP reads 32 bits of its size of {bundle.size:,} bytes"
    # clang's reader stops at such an entry, and none of the others is found
    for entry in bundle.entries:
        if not entry.offset or entry.offset + entry.size > (bundle.uncompressed_size or 0):
            return f"entry {entry.id.text} lies outside of it, where HIP gives up"
    return ""


def choose(
    entries: Iterable[Entry],
    device: TargetID,
    runtime: Runtime = NEWEST,
    *,
    compressed: bool = False,
) -> Choice:
    """The entry for one device: native over generic over SPIR-V, else none."""
    entries = tuple(entries)
    ids = tuple([entry.id.text for entry in entries])
    filled = tuple([entry.size > 0 for entry in entries])
    found = _chosen_at(ids, filled, device, runtime, compressed=compressed)
    return Choice(device) if found is None else Choice(device, entries[found[0]], found[1])


@lru_cache(maxsize=1024)
def _chosen_at(
    ids: tuple[str, ...],
    filled: tuple[bool, ...],
    device: TargetID,
    runtime: Runtime,
    *,
    compressed: bool,
) -> tuple[int, How] | None:
    """Which entry it is, by its index.

    The lookups see nothing of an entry but its ID and whether it is empty, and the
    bundles of a library have the same IDs.
    """
    slots = [
        Entry(EntryID.parse(text), index, int(full))
        for index, (text, full) in enumerate(zip(ids, filled, strict=True))
    ]
    generic = runtime.generic_compressed if compressed else runtime.generic
    queries: dict[How, TargetID | None] = {How.NATIVE: device}
    if generic and device.generic is not None:
        queries[How.GENERIC] = device.generic
    if runtime.spirv:
        queries[How.SPIRV] = None
    search = unbundle if compressed else look_up
    found = search(slots, queries)
    for how in How if not runtime.spirv_only else (How.SPIRV,):
        if how in found:
            return found[how].offset, how
    return None


def refusal(choice: Choice, runtime: Runtime = NEWEST) -> str:
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
    if not ABI_V4 <= found.abi_version <= runtime.abi:
        version, newest = found.abi_version + 2, runtime.abi + 2
        return f"code object v{version}: {runtime.name} loads v4 to v{newest}"
    versioned = found.abi_version >= ABI_V6 and found.flags.generic_version >= 1
    if own.isa.generic and not versioned:
        return "generic code needs code object v6 and a generic version of 1 or more"
    return ""
