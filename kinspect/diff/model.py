"""What a diff says: frozen values, the same for every output format."""

from collections.abc import Iterator
from dataclasses import dataclass

from kinspect.model import Unreadable
from kinspect.needs import Release
from kinspect.snapshot import BinaryRecord, Change, Lists, Resources, Snapshot


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two builds."""

    path: str
    snapshot: Snapshot
    #: what could not be read: what may be in it is nobody's to say
    unreadable: tuple[Unreadable, ...] = ()


@dataclass(frozen=True, slots=True)
class TargetDiff:
    """The code for one target over all bundles of a binary; sizes are bytes, inflated."""

    target: str
    #: bundles that have an entry of that name, before and after
    bundles: tuple[int, int]
    kernels: tuple[int, int]
    size: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Packing:
    """How a binary stores its bundles."""

    #: `ccob 3 zstd`, …: how many bundles have that form; sorted
    forms: tuple[tuple[str, int], ...]
    #: bytes in the file
    size: int
    #: the first ROCm release whose runtime reads all of them; None where that is no
    #: question: a bundle for a link to come, or of a version that no release reads
    floor: Release | None


@dataclass(frozen=True, slots=True)
class Rename:
    """A kernel that has another name now, and the targets where that is so."""

    old: str
    new: str
    targets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Move:
    """A kernel that is in another bundle than those that it was with."""

    kernel: str
    #: bundles by what the reader of a report can find them by
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Changed:
    """A kernel that takes more or less than it did."""

    target: str
    #: its name now, and before where that was another
    kernel: str
    old_kernel: str
    old: Resources
    new: Resources

    def delta(self, resource: str) -> tuple[int | None, int | None] | None:
        """What it took and takes of a resource; None where that is the same.

        So it is where one side, such as an older snapshot, knows no occupancy.
        """
        before: int | None = getattr(self.old, resource)
        after: int | None = getattr(self.new, resource)
        if resource == "occupancy" and None in (before, after):
            return None
        return None if before == after else (before, after)


@dataclass(frozen=True, slots=True)
class BinaryDiff:
    """One binary, before and after."""

    #: targets, and functions of device bitcode; kernels before renames were found
    change: Change
    lost_kernels: Lists
    new_kernels: Lists
    renamed: tuple[Rename, ...]
    moved: tuple[Move, ...]
    resources: tuple[Changed, ...]
    targets: tuple[TargetDiff, ...]
    packing: tuple[Packing, Packing]

    @property
    def old(self) -> BinaryRecord:
        return self.change.old

    @property
    def new(self) -> BinaryRecord:
        return self.change.new

    @property
    def same(self) -> bool:
        """Whether nothing that a diff tells of is different; bytes may be."""
        change = self.change
        lists = (self.lost_kernels, self.new_kernels, self.renamed, self.moved)
        functions = change.lost_functions, change.new_functions
        targets = change.lost_targets, change.new_targets, change.thinned_targets
        counted = all(
            one.bundles[0] == one.bundles[1] and one.size[0] == one.size[1]
            for one in self.targets
        )
        rest = any((*lists, *functions, *targets, self.resources))
        return counted and not rest and self.packing[0] == self.packing[1]


@dataclass(frozen=True, slots=True)
class Diff:
    """Two builds, binary by binary, sorted by name."""

    old: Side
    new: Side
    binaries: tuple[BinaryDiff, ...]
    lost: tuple[BinaryRecord, ...]
    gained: tuple[BinaryRecord, ...]

    @property
    def unreadable(self) -> Iterator[Unreadable]:
        yield from self.old.unreadable
        yield from self.new.unreadable

    @property
    def same(self) -> bool:
        return not self.lost and not self.gained and all(one.same for one in self.binaries)
