"""The bundles of a host, put together from the archives that its loader opens."""

import posixpath
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from kinspect.errors import Where
from kinspect.formats.kpack_search import resolved
from kinspect.kpack import PLACEHOLDER, KpackLookup, KpackSource, KpackUse
from kinspect.model import (
    Artifact,
    Binary,
    Bundle,
    Entry,
    Fault,
    Form,
    Linkage,
    Unreadable,
)
from kinspect.overlay.places import Place, Wanted, Wheel, place_of, wheel_of
from kinspect.overlay.surroundings import Surroundings

#: of the index of a wrapper, HIP passes on 32 bits
INDEX: Final = 0xFFFF_FFFF

NOTHING: Final[Mapping[str, Surroundings]] = {}


def lay_over(
    artifacts: Iterable[Artifact], around: Mapping[str, Surroundings] = NOTHING
) -> tuple[Artifact, ...]:
    """The artifacts, with a bundle for each wrapper that refers to archives.

    It holds what HIP's loader could find for it, in the archives of the run and `around`
    the host. An archive knows afterwards which hosts open it.
    """
    artifacts = tuple(artifacts)
    if not any(binary.kpack for artifact in artifacts for binary in artifact.binaries):
        return artifacts
    archives = [
        _Archive(place_of(artifact, binary), binary)
        for artifact in artifacts
        for binary in artifact.binaries
        if binary.format == "kpack"
    ]
    hosts: dict[str, list[str]] = {}
    laid = tuple(
        replace(
            artifact,
            binaries=tuple(
                _host(artifact, one, archives, around, hosts) if one.kpack else one
                for one in artifact.binaries
            ),
        )
        for artifact in artifacts
    )
    return tuple(
        replace(one, binaries=tuple(_known(binary, hosts) for binary in one.binaries))
        for one in laid
    )


def _known(binary: Binary, hosts: Mapping[str, list[str]]) -> Binary:
    """An archive, with the hosts that open it."""
    if binary.claims is None or binary.path not in hosts:
        return binary
    names = tuple(sorted(set(hosts[binary.path])))
    return replace(binary, claims=replace(binary.claims, hosts=names))


@dataclass(frozen=True, slots=True)
class _Archive:
    place: Place
    binary: Binary

    @property
    def wheel(self) -> Wheel | None:
        return wheel_of(self.place.root)


def _host(
    artifact: Artifact,
    binary: Binary,
    archives: Sequence[_Archive],
    around: Mapping[str, Surroundings],
    hosts: dict[str, list[str]],
) -> Binary:
    search = _Search(place_of(artifact, binary), binary, archives, around.get(binary.path))
    bundles = list(binary.bundles)
    unreadable: dict[str, Unreadable] = {}
    faults: dict[str, tuple[Fault, ...]] = {}
    # An RDC link has one code object for all wrappers, and the first one registers it.
    shared = binary.linkage is Linkage.RDC
    for use in binary.kpack[:1] if shared else binary.kpack:
        opened = dict(search.archives(use))
        for archive in opened.values():
            hosts.setdefault(archive.path, []).append(binary.path)
            for part in archive.unreadable:
                unreadable[archive.path] = _told(binary, part)
            if not any(archive is one.binary for one in archives):
                faults[archive.path] = archive.faults  # of no artifact: told here
        count = len(binary.kpack) if shared else 1
        bundles.append(_bundle(len(bundles), use, count, search, opened))
    for place, paths in search.doubtful.items():
        message = f"several archives of this run lie at {place}, name one of them only"
        unreadable[place] = Unreadable(
            f"{message}: {', '.join(paths)}", Where(binary.path, "kpack")
        )
    return replace(
        binary,
        bundles=tuple(bundles),
        unreadable=(*binary.unreadable, *unreadable.values()),
        faults=(*binary.faults, *(one for own in faults.values() for one in own)),
    )


def _told(binary: Binary, part: Unreadable) -> Unreadable:
    message = f"its device code may lie in {part.where}, and that can't be read"
    return Unreadable(
        f"{message}: {part.message}", replace(part.where, path=binary.path), part.limit
    )


def _bundle(
    index: int, use: KpackUse, wrappers: int, search: "_Search", opened: dict[str, Binary]
) -> Bundle:
    kernel_name, number = use.reference.kernel_name, use.index & INDEX
    entries: list[Entry] = []
    sources = []
    for place, archive in opened.items():
        listed = archive.claims.listed if archive.claims is not None else ()
        broken = bool(archive.unreadable)
        sources.append(KpackSource(place, archive.path, listed, broken))
        entries += search.entries(archive, kernel_name, number)
    return Bundle(
        index=index,
        offset=use.where.offset,
        form=Form.KPACK,
        size=0,
        entries=tuple(entries),
        where=use.where,
        wrappers=wrappers,
        kpack=KpackLookup(
            use.reference, number, search.directory, tuple(sources), search.windows
        ),
    )


class _Search:
    """Where the loader of one host looks, and what it finds there."""

    def __init__(
        self,
        place: Place,
        binary: Binary,
        archives: Sequence[_Archive],
        around: Surroundings | None,
    ) -> None:
        self.windows = binary.format.startswith("pe")
        self.directory = place.directory if around is None else around.directory
        #: where nothing tells which of several archives would be there in the end
        self.doubtful: dict[str, list[str]] = {}
        self._place = place
        self._own = [one for one in archives if one.place.shares_root(place)]
        self._others = [one for one in archives if one not in self._own]
        self._around = around.archives if around is not None else {}
        self._entries: dict[str, dict[tuple[str, int | None], tuple[Entry, ...]]] = {}

    def entries(self, archive: Binary, kernel_name: str, index: int) -> tuple[Entry, ...]:
        """What an archive holds for a wrapper."""
        if archive.path not in self._entries:
            self._entries[archive.path] = {
                (one.kpack.reference.kernel_name, one.kpack.index): one.entries
                for one in archive.bundles
                if one.kpack is not None
            }
        return self._entries[archive.path].get((kernel_name, index), ())

    def archives(self, use: KpackUse) -> Iterator[tuple[str, Binary]]:
        """The archives that a wrapper's code may come from, by their place.

        What lies below the host's own root, or around it, comes before what others would
        install there.
        """
        for path in use.reference.search_paths:
            spelled = resolved(self.directory, path, windows=self.windows)
            found = dict(self._near(path, spelled))
            there: dict[str, list[Binary]] = {}
            for target, archive in self._far(path, spelled):
                if target not in found:
                    there.setdefault(target, []).append(archive)
            for target, several in there.items():
                found[target] = several[0]
                if len(several) > 1:
                    place = spelled.replace(PLACEHOLDER, target, 1)
                    self.doubtful[place] = sorted(one.path for one in several)
            for target in sorted(found):
                yield spelled.replace(PLACEHOLDER, target, 1), found[target]

    def _wanted(self, path: str) -> Wanted:
        return Wanted(path, exact=not self.windows)

    def _inside(self, path: str) -> Wanted:
        """A search path as seen from the host's root: what is absolute starts there."""
        if posixpath.isabs(path):
            return self._wanted(posixpath.normpath(path).lstrip("/"))
        below = resolved(self._place.directory, path, windows=self.windows)
        return self._wanted(below)

    def _near(self, path: str, spelled: str) -> Iterator[tuple[str, Binary]]:
        for place, archive in self._around.items():
            target = self._wanted(spelled).target_of(place)
            if target is not None:
                yield target, archive
        for one in self._own:
            target = self._inside(path).target_of(one.place.path)
            if target is not None:
                yield target, one.binary

    def _far(self, path: str, spelled: str) -> Iterator[tuple[str, Binary]]:
        """What other artifacts would install there.

        What was named by itself may have any root: it fits where the path that is known
        agrees.
        """
        wheel = wheel_of(self._place.root)
        for one in self._others:
            if wheel is not None and one.wheel is not None and not wheel.joins(one.wheel):
                continue
            if self._place.lone:
                target = self._wanted(spelled).target_of_end(one.place.path)
            elif one.place.lone:
                target = self._inside(path).target_of_end(one.place.path)
            else:
                target = self._inside(path).target_of(one.place.path)
            if target is not None:
                yield target, one.binary
