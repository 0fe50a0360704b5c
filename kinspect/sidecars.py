"""Device code in files of its own, beside a library: for one target each, in groups.

Which files belong together is told by their names. How they are laid out: Tensile's
libraries (rocBLAS `library/…_gfx942.co`, hipBLASLt `library/gfx942/…_gfx942.co`);
AOTriton (`aotriton.images/amd-gfx942/…`); AITER (`hsa/gfx942/…`).
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from kinspect.loader import Coverage, coverage, units
from kinspect.lookup import How
from kinspect.model import Artifact, Binary
from kinspect.naming import Claim, claim, family
from kinspect.runtime import Runtime
from kinspect.sources.member import SEPARATOR
from kinspect.target import TargetID

#: how files of device code are called in `Binary.format`
BARE: Final = "elf64-amdgpu"
CONTAINER: Final = "raw"

#: directories in which each target has kernels of its own choice
TUNED: Final = re.compile(r"(?:^|[/!])(?:aotriton\.images|hsa)/")
#: what a directory of Tensile's holds
TENSILE: Final = re.compile(r"Tensile[^/]*\.dat(?:\.zlib)?")
#: files that are there for every target in such a directory (hipBLASLt,
#: validate_library_layout.py; rocBLAS tensile_host.cpp)
EVERY: Final = re.compile(r"(?:Kernels\.so-|extop_|hipblasltTransform_)[^/]*")


class Sidecar(NamedTuple):
    """A file of device code."""

    binary: Binary
    #: its path below what the user named
    inner: str
    #: what its name claims, or that of a directory below what the user named
    claim: Claim | None

    @property
    def name(self) -> str:
        return re.split(r"[/!]", self.inner)[-1]

    @property
    def targets(self) -> tuple[TargetID, ...]:
        """What it is for, by its bytes."""
        found = {
            entry.id.target_id
            for bundle in self.binary.bundles
            for entry in bundle.hip_entries
            if entry.size
        }
        return tuple(sorted((one for one in found if one is not None), key=str))


class Group(NamedTuple):
    """Files that serve the targets together."""

    #: the path that they share, with `gfx*` in place of the target
    path: str
    members: tuple[Sidecar, ...]
    #: the same below what the user named
    name: str
    #: a directory of files, and not one file for each target
    directory: bool = False
    #: each target has kernels of its own choice: what one lacks is no mistake
    tuned: bool = False

    @property
    def lazy(self) -> bool:
        """Whether Tensile's libraries say which files there must be."""
        return self.tuned and TUNED.search(self.path) is None


class Served(NamedTuple):
    """How a group serves a target."""

    #: the modes for which no file has code, settled
    bare: tuple[TargetID, ...]
    #: how the others have it, the best of all files
    hows: frozenset[How]
    #: the files that serve a mode or more
    files: tuple[Coverage, ...]

    @property
    def missing(self) -> bool:
        return not self.hows


def served(group: Group, required: TargetID, runtime: Runtime) -> Served:
    """What the program finds in all of the files: it picks among them itself."""
    best: dict[TargetID, How] = {}
    files = []
    order = tuple(How)
    for one in group.members:
        for unit in units(one.binary):
            found = coverage(unit, required, runtime)
            if found.hows:
                files.append(found)
            for choice in found.choices:
                if choice.how is not None:
                    known = best.get(choice.device, choice.how)
                    best[choice.device] = min(known, choice.how, key=order.index)
    bare = tuple(device for device in required.devices() if device not in best)
    return Served(bare, frozenset(best.values()), tuple(files))


def inner_path(artifact: Artifact, path: str) -> str:
    """A path below what the user named; of what was named itself, the file's name."""
    inner = path.removeprefix(artifact.path).lstrip("/" + SEPARATOR)
    return inner or path.rsplit("/", 1)[-1]


def is_sidecar(artifact: Artifact, binary: Binary) -> bool:
    """Whether a binary is a file of device code that others may stand beside.

    A bare code object is; a bundle is where its name, or that of a directory, claims a
    target: else it must have all of them.
    """
    if binary.format == CONTAINER:
        named = claim(inner_path(artifact, binary.path)) is not None
        return named and any(bundle.hip_entries for bundle in binary.bundles)
    return binary.format == BARE


def sidecars(artifact: Artifact) -> Iterator[Sidecar]:
    for binary in artifact.binaries:
        if is_sidecar(artifact, binary):
            inner = inner_path(artifact, binary.path)
            yield Sidecar(binary, inner, claim(inner))


def groups(artifacts: Iterable[Artifact]) -> list[Group]:
    """The groups of all artifacts of a run together, by their paths."""
    found: dict[tuple[str, bool, bool], list[Sidecar]] = {}
    for artifact in artifacts:
        tensile = tensile_directories(artifact)
        for one in sidecars(artifact):
            found.setdefault(_key(one, tensile), []).append(one)
    return [
        Group(path, tuple(members), _below(path, members[0]), directory, tuned)
        for (path, directory, tuned), members in sorted(found.items())
    ]


def _below(path: str, member: Sidecar) -> str:
    outer = member.binary.path[: len(member.binary.path) - len(member.inner)]
    return path.removeprefix(family(outer)) or path


def tensile_directories(artifact: Artifact) -> frozenset[str]:
    """The directories that hold Tensile's library files."""
    return frozenset(
        directory_of(file.path)
        for file in artifact.side_files
        if TENSILE.fullmatch(file.path.rsplit("/", 1)[-1].rsplit(SEPARATOR, 1)[-1])
    )


def directory_of(path: str) -> str:
    """The directory of a file, or the archive that it lies at the top of."""
    return path[: max(path.rfind("/"), path.rfind(SEPARATOR), 0)]


def _key(one: Sidecar, tensile: frozenset[str]) -> tuple[str, bool, bool]:
    """The path of a sidecar's group, whether it is a directory, whether tuned."""
    path = one.binary.path
    of_tensile = directory_of(path) in tensile
    if EVERY.fullmatch(one.name) or one.claim is None:
        return family(path), False, False
    tuned = of_tensile or TUNED.search(path) is not None
    top = _claiming_directory(one)
    if top:
        return family(top), True, tuned
    if of_tensile:
        return family(directory_of(path)), True, True
    return family(path), False, False


def _claiming_directory(one: Sidecar) -> str:
    """The path as far as the last directory whose name claims a target, if any."""
    outer = one.binary.path[: len(one.binary.path) - len(one.inner)]
    parts = re.split(r"([/!])", one.inner)
    for end in range(len(parts) - 2, 0, -2):
        if claim(parts[end - 1]) is not None:
            return outer + "".join(parts[:end])
    return ""
