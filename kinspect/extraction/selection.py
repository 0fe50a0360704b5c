"""Which pieces of an artifact are meant."""

import os
from dataclasses import dataclass, replace
from typing import Final

from kinspect.choosing import admits_binary, admits_target
from kinspect.extraction.pieces import Kind, Piece
from kinspect.sources.member import SEPARATOR
from kinspect.uri import Place
from kinspect.urls import is_url

#: what is meant where nothing is said: whatever a device could run or a link compile
USUAL: Final = frozenset({Kind.CODE_OBJECT, Kind.BITCODE, Kind.SPIRV})

#: what an entry may be
ENTRIES: Final = USUAL | {Kind.OTHER}


@dataclass(frozen=True, slots=True)
class Selection:
    """What a piece must be; empty means that anything will do."""

    #: target IDs; a processor alone stands for all of its modes
    targets: frozenset[str] = frozenset()
    bundles: frozenset[int] = frozenset()
    #: globs of binaries: their breadcrumb, path or name
    binaries: tuple[str, ...] = ()
    places: frozenset[Place] = frozenset()
    #: the usual ones, and for a place, whatever is there
    kinds: frozenset[Kind] = frozenset()

    def admits(self, piece: Piece) -> bool:
        """Whether the piece is meant, as far as can be told without its bytes."""
        return (
            self._kind(piece.kind)
            and (not self.targets or any(map(self._target, piece.targets)))
            and (not self.bundles or _index(piece) in self.bundles)
            and admits_binary(piece.path, self.binaries)
            and (not self.places or normal(piece.place) in self.places)
        )

    def admits_kind(self, kind: Kind) -> bool:
        if self.kinds:
            return kind in self.kinds
        return bool(self.places) or kind in USUAL

    def _kind(self, kind: Kind | None) -> bool:
        if kind is None:
            return not self.kinds or not self.kinds.isdisjoint(ENTRIES)
        return self.admits_kind(kind)

    def _target(self, name: str) -> bool:
        return admits_target(name, self.targets)


def _index(piece: Piece) -> int | None:
    return None if piece.bundle is None else piece.bundle.index


def normal(place: Place) -> Place:
    """The place, its path spelled in the one way in which two of them can be compared."""
    file, inner = split(place.path)
    if not is_url(file):
        file = os.path.abspath(file)
    return replace(place, path=file + inner)


def split(path: str) -> tuple[str, str]:
    """A breadcrumb as the file on the disk, or its URL, and what follows in it.

    A name may hold the separator itself: the longest that is a file counts.
    """
    if is_url(path):
        url, mark, inner = path.partition(SEPARATOR)
        return url, mark + inner
    end = len(path)
    while end > 0:
        if os.path.isfile(path[:end]):
            return path[:end], path[end:]
        end = path.rfind(SEPARATOR, 0, end)
    return path, ""
