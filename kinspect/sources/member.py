"""What sources hand on: named byte ranges, and what could not be read in their place."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from kinspect.errors import KinspectError, Where
from kinspect.limits import Limits
from kinspect.model import Unreadable
from kinspect.view import View

#: between the levels of a breadcrumb: `x.whl!pkg/lib.so`
SEPARATOR = "!"

#: whether a member is worth inflating: its name, its size and its first bytes
Wanted = Callable[[str, int, bytes], bool]


@dataclass(frozen=True, slots=True)
class Member:
    """One file of an artifact. Its view is valid until the next member is asked for."""

    #: breadcrumb, from the artifact inwards
    path: str
    view: View

    @property
    def name(self) -> str:
        """Its path inside of the innermost container."""
        return self.path.rsplit(SEPARATOR, 1)[-1]


Part = Member | Unreadable


@dataclass(slots=True)
class Context:
    """What every source needs to know, and what it counts."""

    limits: Limits
    #: globs of names that are left out
    exclude: tuple[str, ...] = ()
    wanted: Wanted = field(default=lambda _name, _size, _head: True)
    #: levels of containers above this one
    depth: int = 0
    #: members seen so far, over all levels
    seen: int = 0

    def count(self, where: Where) -> None:
        """Count one more member; raise LimitExceeded beyond the limit."""
        self.seen += 1
        self.limits.check("members", self.seen, where)


def unreadable(error: KinspectError, path: str) -> Unreadable:
    """An error in place of the member that it kept from being read.

    Whatever bytes it met, in the archive or in the member, the breadcrumb is the
    member's.
    """
    found = Unreadable.of(error, Where(path))
    return replace(found, where=replace(found.where, path=path))
