"""What sources hand on: named byte ranges, and what could not be read in their place."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import NamedTuple, Protocol

from kinspect.errors import KinspectError, LimitExceeded, Where
from kinspect.limits import Limits
from kinspect.model import Unreadable, Wheel
from kinspect.view import File, View

#: between the levels of a breadcrumb: `x.whl!pkg/lib.so`
SEPARATOR = "!"

#: whether a member is worth inflating: its name, its size and its first bytes; or whether
#: that is put off until someone loads it
Wanted = Callable[[str, int, bytes], bool]


def never(_name: str, _size: int, _head: bytes) -> bool:
    return False


class Member(NamedTuple):
    """One file of an artifact. Its view is valid until the next member is asked for."""

    #: breadcrumb, from the artifact inwards
    path: str
    view: View
    #: inflates it, where that was put off: until then, the view has its first bytes alone
    load: "Callable[[], Member | None] | None" = None

    @property
    def name(self) -> str:
        """Its path inside of the innermost container."""
        return self.path.rsplit(SEPARATOR, 1)[-1]


Part = Member | Unreadable


class Counted(Protocol):
    """Bytes somewhere, and how many of them were read so far."""

    @property
    def size(self) -> int: ...
    @property
    def consumed(self) -> int: ...


class Watch(Protocol):
    """Who wants to see how reading goes on."""

    def opened(self, file: Counted) -> None:
        """A file that bytes will be read from."""

    def reading(self, path: str) -> None:
        """A binary, or what may be one, by its breadcrumb."""


@dataclass(slots=True, eq=False)
class Context:
    """What every source needs to know, and what it counts."""

    limits: Limits
    #: globs of names that are left out
    exclude: tuple[str, ...] = ()
    wanted: Wanted = field(default=lambda _name, _size, _head: True)
    put_off: Wanted = never
    #: levels of containers above this one
    depth: int = 0
    #: members seen so far, over all levels
    seen: int = 0
    #: bytes inflated so far, over all levels
    spent: int = 0
    #: members so far that could not be read
    broken: int = 0
    #: what the user named, and what it turned out to be
    root: str = ""
    kind: str = ""
    #: what wheels say of themselves; None where nobody asks
    wheels: list[Wheel] | None = None
    #: whether the files of wheels are to be held to RECORD
    record: bool = False
    watch: Watch | None = None

    def open(self, path: str) -> File:
        """A file of the artifact; raise InputError where it can't be opened."""
        file = File(path)
        if self.watch is not None:
            self.watch.opened(file)
        return file

    def count(self, where: Where) -> None:
        """Count one more member; raise LimitExceeded beyond the limit."""
        self.seen += 1
        self.limits.check("members", self.seen, where)

    def inflated(self, size: int, where: Where) -> None:
        """Count what was inflated; raise LimitExceeded beyond the limit."""
        self.spent += size
        self.limits.check("total", self.spent, where)

    def holds(self, size: int) -> bool:
        """Whether so many bytes more could be inflated."""
        return self.spent + size <= self.limits.total

    def flooded(self) -> LimitExceeded | None:
        """Why no more is read, if too much of it could not be."""
        try:
            self.limits.check("broken", self.broken, Where(self.root))
        except LimitExceeded as error:
            return error
        return None

    def refine(self, view: View, kind: str) -> None:
        """Say what an archive is; kept if it is the artifact itself."""
        if view.path == self.root:
            self.kind = kind

    def excludes(self, path: str) -> bool:
        """Whether a glob leaves a file out.

        By its breadcrumb, its path in the innermost container, its name, or that of a
        directory above it in there.
        """
        if not self.exclude:
            return False
        outer, _, inner = path.rpartition(SEPARATOR)
        parts = inner.split("/")
        names = {path, inner, parts[-1]}
        if outer:
            names.update(parts)
            names.update("/".join(parts[:n]) for n in range(1, len(parts)))
        return any(fnmatchcase(name, glob) for name in names for glob in self.exclude)


def unreadable(error: KinspectError, path: str) -> Unreadable:
    """An error in place of the member that it kept from being read.

    Whatever bytes it met, in the archive or in the member, the breadcrumb is the
    member's.
    """
    found = Unreadable.of(error, Where(path))
    return replace(found, where=replace(found.where, path=path))
