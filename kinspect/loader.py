"""Which code object HIP would load, computed.

Source: clr hip_fatbin.cpp (the choice: native, then generic, then SPIR-V); comgr
`lookup_code_object` and `isCompatibleIsaName` (the match); clr device.cpp and ROCR
executable.cpp (what the code object's own header must say).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from kinspect.model import Binary, Bundle, CodeObject, Entry, Form
from kinspect.target import EntryID, TargetID


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

    Bare code objects that a program embeds are the exception: it picks among them
    itself, so all of them together are one unit.
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
        return f"bundles {self.index}–{self.bundles[-1].index} (bare code objects)"


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
    """The units of a binary that carry HIP device code, in order."""
    bare = tuple(
        bundle for bundle in binary.bundles if bundle.form is Form.ELF and bundle.embedded
    )
    for bundle in binary.bundles:
        if bundle.hip_entries and bundle not in bare:
            yield Unit((bundle,))
    if bare:
        yield Unit(bare)


def coverage(unit: Unit, required: TargetID) -> Coverage:
    """What HIP chooses from the unit for each device that `required` stands for."""
    return Coverage(
        required, tuple(choose(unit.entries, device) for device in required.devices())
    )


def choose(entries: Iterable[Entry], device: TargetID) -> Choice:
    """The entry for one device: native over generic over SPIR-V, else none.

    Empty entries never count. Of several that suit, the first in the file wins.
    """
    filled = [entry for entry in entries if entry.size]
    for how, target in ((How.NATIVE, device), (How.GENERIC, device.generic)):
        if target is None:
            continue
        for entry in filled:
            if matches(entry.id, target):
                return Choice(device, entry, how)
    for entry in filled:
        if entry.id.is_spirv:
            return Choice(device, entry, How.SPIRV)
    return Choice(device)


def matches(entry: EntryID, target: TargetID) -> bool:
    """Whether HIP takes an entry of this ID for a target with settled modes."""
    own = entry.target_id
    return own is not None and own.serves(target)
