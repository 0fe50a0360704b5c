"""What must hold."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

from kinspect.model import Severity
from kinspect.runtime import NEWEST, Runtime
from kinspect.target import TargetID

if TYPE_CHECKING:
    from kinspect.snapshot import Snapshot

#: what a GPU image is built for today: MI300 and MI350
DEFAULT_REQUIRED: Final = (TargetID("gfx942"), TargetID("gfx950"))

#: what may stand in for a native code object
ACCEPTABLE: Final = ("generic", "spirv")


@dataclass(frozen=True, slots=True)
class Ignore:
    """A rule that is not reported, for binaries whose path matches the glob."""

    rule: str
    glob: str = "*"

    def covers(self, rule: str, path: str) -> bool:
        return rule == self.rule and path_matches(path, self.glob)


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The requirements of a run."""

    #: targets that every bundle must serve
    required: tuple[TargetID, ...] = DEFAULT_REQUIRED
    #: fallbacks that count: `generic`, `spirv`
    accept: frozenset[str] = frozenset()
    #: no other targets than the required ones
    only: bool = False
    #: globs of kernel names, mangled or demangled, that must exist for every target
    kernels: tuple[str, ...] = ()
    #: globs of binaries that must be there and carry device code
    expect: tuple[str, ...] = ()
    ignore: tuple[Ignore, ...] = ()
    #: the generation of HIP's runtime that the verdict is for
    runtime: Runtime = NEWEST
    #: what an earlier build had, and this one must have too
    baseline: "Snapshot | None" = None
    severities: Mapping[str, Severity] = field(default_factory=dict)


def path_matches(path: str, glob: str) -> bool:
    """Whether a binary's breadcrumb, its inner path or its file name matches."""
    inner = path.rsplit("!", 1)[-1]
    return any(fnmatchcase(name, glob) for name in (path, inner, inner.rsplit("/", 1)[-1]))
