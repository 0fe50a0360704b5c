"""What must hold: frozen values, wherever they come from."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

from kinspect.model import Linkage, Severity
from kinspect.names import demangle, qualified
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
    reason: str = ""
    #: the last day on which it holds; None: for good
    expires: date | None = None
    #: where it was written: `pyproject.toml:12`
    origin: str = ""

    def covers(self, rule: str, path: str) -> bool:
        return rule == self.rule and path_matches(path, self.glob)

    def expired(self, today: date) -> bool:
        return self.expires is not None and today > self.expires


@dataclass(frozen=True, slots=True)
class Exemption:
    """Kernels, or device functions, that are meant to exist for some targets only."""

    kernel: str
    #: those that must have it all the same
    targets: tuple[TargetID, ...]
    reason: str
    glob: str = "*"
    origin: str = ""

    def excuses(self, path: str, name: str, target: TargetID) -> bool:
        """Whether a binary may lack the kernel of that name for the target."""
        meant = any(one.serves(target) or target.serves(one) for one in self.targets)
        return (
            not meant and path_matches(path, self.glob) and name_matches(name, self.kernel)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class BinaryPolicy:
    """What holds for the binaries that a glob names, in place of what holds for all."""

    glob: str
    #: in place of the targets that all binaries must serve; empty: the same
    required: tuple[TargetID, ...] = ()
    accept: frozenset[str] | None = None
    only: bool | None = None
    #: globs of kernels that it must have for each of its targets
    kernels: tuple[str, ...] = ()
    #: globs of kernels that it may have or not
    optional: tuple[str, ...] = ()
    #: globs of functions that its device bitcode must define for each of its targets
    functions: tuple[str, ...] = ()
    linkage: Linkage | None = None
    #: bytes of device code for each target, once inflated
    budget: Mapping[TargetID, int] = field(default_factory=dict)
    #: what else to say where a rule is broken
    hints: Mapping[str, str] = field(default_factory=dict)
    #: the profile that it is part of
    profile: str = ""
    origin: str = ""

    @property
    def demands(self) -> bool:
        """Whether it asks for more than the rules that hold for all binaries."""
        wanted = self.kernels or self.functions or self.linkage or self.profile
        return bool(wanted or self.optional)


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
    #: globs of files that are not looked at
    exclude: tuple[str, ...] = ()
    ignore: tuple[Ignore, ...] = ()
    exemptions: tuple[Exemption, ...] = ()
    #: what holds for single binaries; where several fit, the last that says something
    binaries: tuple[BinaryPolicy, ...] = ()
    #: bytes of device code for each target in an artifact, once inflated
    budget: Mapping[TargetID, int] = field(default_factory=dict)
    #: the generation of HIP's runtime that the verdict is for
    runtime: Runtime = NEWEST
    #: what an earlier build had, and this one must have too
    baseline: "Snapshot | None" = None
    #: in place of the rules' own severities
    severities: Mapping[str, Severity] = field(default_factory=dict)
    #: the day on which it is asked whether an ignore has expired; None: today
    today: date | None = None
    #: where it comes from, for a report to name: `pyproject.toml`, `profile deep-ep`
    sources: tuple[str, ...] = ()

    def of_binary(self, path: str) -> Iterator[BinaryPolicy]:
        """What is said of one binary, in order."""
        return (one for one in self.binaries if path_matches(path, one.glob))

    def for_binary(self, path: str) -> "Policy":
        """The policy with what is said of one binary put in its place."""
        found = self
        for one in self.of_binary(path):
            found = replace(
                found,
                required=one.required or found.required,
                accept=found.accept if one.accept is None else one.accept,
                only=found.only if one.only is None else one.only,
            )
        return found

    def excuses(self, path: str, name: str, target: TargetID) -> bool:
        """Whether a binary may lack a kernel, or function, for a target."""
        return any(one.excuses(path, name, target) for one in self.exemptions)


def path_matches(path: str, glob: str) -> bool:
    """Whether a glob names a binary.

    With `/` or `!` in it, it is for the breadcrumb, or for the path inside of the
    innermost archive; without, for the name of the file.
    """
    inner = path.rsplit("!", 1)[-1]
    if "/" in glob or "!" in glob:
        return fnmatchcase(path, glob) or fnmatchcase(inner, glob)
    return fnmatchcase(inner.rsplit("/", 1)[-1], glob)


def name_matches(name: str, glob: str) -> bool:
    """Whether a glob names a kernel, or function.

    By its symbol, by its C++ name, or by that name without template arguments,
    parameters and return type: `deep_ep::intranode::dispatch`.
    """
    if fnmatchcase(name, glob):
        return True
    full = demangle(name)
    return full != name and (fnmatchcase(full, glob) or fnmatchcase(qualified(full), glob))
