"""Where files lie once they are installed, and which of them lie together."""

import posixpath
import re
from dataclasses import dataclass
from typing import Final

from kinspect.kpack import PLACEHOLDER
from kinspect.model import Artifact, Binary
from kinspect.sources.member import SEPARATOR

#: parts of a wheel that are unpacked into site-packages, next to its top level
DATA: Final = re.compile(r"[^/]+\.data/(?:purelib|platlib)/")

#: where a tag of a Python version starts: `cp312`, `py3`
PYTHON: Final = re.compile(r"(?:cp|py|pp)\d")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a binary lies: below which root, and what it was named with."""

    #: an archive as far as `!`, or a directory with its slash
    root: str
    #: below the root
    path: str
    #: the file was named by itself: nothing tells what its root is
    lone: bool = False

    def shares_root(self, other: "Place") -> bool:
        return self.root == other.root and not (self.lone or other.lone)

    @property
    def directory(self) -> str:
        return posixpath.dirname(self.path)


def place_of(artifact: Artifact, binary: Binary) -> Place:
    """The place of a binary, by its breadcrumb."""
    outer, mark, inner = binary.path.rpartition(SEPARATOR)
    if mark and binary.path != artifact.path:
        if outer.endswith(".whl"):
            inner = DATA.sub("", inner, count=1)
        return Place(outer + mark, posixpath.normpath(inner))
    if artifact.on_disk:
        root = artifact.path.rstrip("/") + "/"
        return Place(root, posixpath.normpath(binary.path.removeprefix(root)))
    directory, slash, name = binary.path.rpartition("/")
    return Place(directory + slash, name, lone=True)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Where a host looks for archives: one, or one for each target."""

    #: as `kpack_search.resolved` gives it; may hold `@GFXARCH@`
    path: str
    #: file names differ in more than their case
    exact: bool = True

    def target_of(self, path: str) -> str | None:
        """What stands for the target in a path; None where it is not looked at."""
        start, mark, end = self.path.partition(PLACEHOLDER)
        target = path[len(start) : len(path) - len(end)] if mark else ""
        if (mark and not target) or "/" in target:
            return None
        one, other = path, f"{start}{target}{end}"
        if not self.exact:
            one, other = one.casefold(), other.casefold()
        return target if one == other else None

    def target_of_end(self, path: str) -> str | None:
        """The same where only the end of the path is known."""
        known = len(path.split("/"))
        end = "/".join(self.path.split("/")[-known:])
        return Wanted(end, self.exact).target_of(path)


@dataclass(frozen=True, slots=True)
class Wheel:
    """What the name of a wheel says of where it can be installed."""

    version: str
    python: str
    platform: str

    def joins(self, other: "Wheel") -> bool:
        """Whether both can be installed together, as parts of one release."""
        pythons = {self.python, other.python}
        return (
            self.version == other.version
            and len({self.platform, other.platform} - {"any"}) <= 1
            and len({one for one in pythons if not one.startswith("py")}) <= 1
        )


def wheel_of(root: str) -> Wheel | None:
    """The wheel that a root is, by its name (binary distribution format, "File name").

    A label may follow the tags (PEP 817).
    """
    name = root.removesuffix(SEPARATOR).rsplit("/", 1)[-1].rsplit(SEPARATOR, 1)[-1]
    if not name.endswith(".whl"):
        return None
    _, *parts = name.removesuffix(".whl").split("-")
    tags = next((at for at in (1, 2) if PYTHON.match("".join(parts[at : at + 1]))), 0)
    if not tags or len(parts) < tags + 3:
        return None
    return Wheel(parts[0], parts[tags], parts[tags + 2])
