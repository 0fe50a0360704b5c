"""Which pieces of an artifact are meant."""

import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Final

from kinspect.errors import TargetError, UsageError
from kinspect.extraction.pieces import Kind, Piece
from kinspect.sources.member import SEPARATOR
from kinspect.target import SPIRV, TargetID
from kinspect.uri import Place

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
            and self._binary(piece.path)
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
        return name in self.targets or name.split(":", maxsplit=1)[0] in self.targets

    def _binary(self, path: str) -> bool:
        return not self.binaries or any(
            fnmatchcase(name, glob) for name in names_of(path) for glob in self.binaries
        )


def _index(piece: Piece) -> int | None:
    return None if piece.bundle is None else piece.bundle.index


def names_of(path: str) -> tuple[str, str, str]:
    """What a binary may be called: its breadcrumb, its path in there, its name."""
    inner = path.rsplit(SEPARATOR, 1)[-1]
    return path, inner, inner.rsplit("/", 1)[-1]


def targets(texts: Iterable[str]) -> frozenset[str]:
    """Targets to choose, in canonical form; raises UsageError."""
    found = set()
    for text in " ".join(texts).replace(";", " ").replace(",", " ").split():
        try:
            found.add(SPIRV if text == SPIRV else str(TargetID.parse(text)))
        except TargetError as error:
            message = f"--target: {error}"
            raise UsageError(message) from error
    return frozenset(found)


def normal(place: Place) -> Place:
    """The place, its path spelled in the one way in which two of them can be compared."""
    file, inner = split(place.path)
    return replace(place, path=os.path.abspath(file) + inner)


def split(path: str) -> tuple[str, str]:
    """A breadcrumb as the file on the disk, and what follows in it.

    A name may hold the separator itself: the longest that is a file counts.
    """
    end = len(path)
    while end > 0:
        if os.path.isfile(path[:end]):
            return path[:end], path[end:]
        end = path.rfind(SEPARATOR, 0, end)
    return path, ""
