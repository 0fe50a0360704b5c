"""What HIP's loader takes for a bundle whose code objects lie in kpack archives."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kinspect.formats import kpack_search
from kinspect.formats.kpack_search import Chosen, Generation, Missing
from kinspect.kpack import KpackLookup, KpackSource
from kinspect.model import Entry
from kinspect.runtime import Runtime
from kinspect.target import TargetID

__all__ = ["Missing", "doubtful", "find", "lists", "looked_at"]


@dataclass(frozen=True, slots=True)
class _Opened:
    """An archive as the loader has it open: what it lists, and what it holds."""

    source: KpackSource
    entries: Sequence[Entry]

    @property
    def gfx_arches(self) -> tuple[str, ...]:
        return self.source.listed

    def find(self, kernel_name: str, index: int, arch: str) -> Entry | None:  # noqa: ARG002
        """The entries are those of one wrapper: only the target is left to compare."""
        for entry in self.entries:
            if entry.archive == self.source.path and entry.id.target == arch:
                return entry
        return None


def find(
    lookup: KpackLookup, entries: Iterable[Entry], device: TargetID, runtime: Runtime
) -> Chosen[Entry] | Missing:
    """The entry for a device, or why there is none."""
    entries = tuple(entries)
    places = {one.place: one for one in lookup.sources}
    opened = {
        place: _Opened(places[place], entries)
        for place in looked_at(lookup, device)
        if place in places
    }
    generation = Generation.KS if runtime.kpack_falls_through else Generation.KP
    return kpack_search.resolve(
        lookup.reference, lookup.index or 0, device, opened, generation
    )


def looked_at(lookup: KpackLookup, device: TargetID) -> tuple[str, ...]:
    """The archives that the loader opens for a device, whether or not they are there."""
    return kpack_search.search_paths(
        lookup.reference, lookup.directory, device, windows=lookup.windows
    )


def doubtful(lookup: KpackLookup, device: TargetID) -> bool:
    """Whether an archive that could not be read may hold what is asked for."""
    wanted = frozenset(looked_at(lookup, device))
    return any(one.unreadable and one.place in wanted for one in lookup.sources)


def lists(listed: Iterable[str], required: TargetID) -> bool:
    """Whether an archive claims to serve a device that `required` stands for."""
    names = frozenset(listed)
    return any(
        not names.isdisjoint(kpack_search.compatible(wanted))
        for device in required.devices()
        for wanted in kpack_search.requested(device)
    )
