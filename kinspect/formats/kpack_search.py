"""How HIP's loader finds device code that was packed into kpack archives.

Source: ROCm/rocm-systems shared/kpack, runtime/src/loader.cpp
(`kpack_load_code_object`) and isa_target_match.h; for the targets it is asked for,
clr/hipamd/src/hip_fatbin.cpp (`ExtractKpackBinary`). Nothing here reads a file.
"""

import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations
from pathlib import PurePosixPath, PureWindowsPath
from typing import Generic, Protocol, TypeVar

from kinspect.kpack import PLACEHOLDER, KpackReference
from kinspect.target import TargetID


class Generation(StrEnum):
    """Which loader looks, told apart by what it does where an archive lacks the code."""

    #: up to ROCm 7.14: the first archive that lists a target decides
    KP = "kp"
    #: since rocm-systems pull request 9953: all that list a compatible target
    KS = "ks"


class Reason(StrEnum):
    """Why there is no code object: the loader's error codes."""

    ARCHIVE_NOT_FOUND = "archive not found"
    ARCH_NOT_FOUND = "architecture not found"
    KERNEL_NOT_FOUND = "kernel not found"


E = TypeVar("E")
Code_co = TypeVar("Code_co", covariant=True)


class Archive(Protocol[Code_co]):
    """What a search needs to know of an archive."""

    @property
    def gfx_arches(self) -> tuple[str, ...]:
        """The targets that it claims to serve."""

    def find(self, kernel_name: str, index: int, arch: str) -> Code_co | None:
        """Look up the code object of a wrapper for a target."""


@dataclass(frozen=True, slots=True)
class Chosen(Generic[E]):
    """The code object that the loader takes."""

    path: str
    #: the target that it was packed for
    arch: str
    entry: E


@dataclass(frozen=True, slots=True)
class Missing:
    """No code object, and why."""

    reason: Reason
    message: str


# --- where it looks -----------------------------------------------------------------


def compatible(target: TargetID) -> tuple[str, ...]:
    """List the target IDs that serve a device, most specific first.

    `gfx942:sramecc+:xnack-`, `gfx942:sramecc+`, `gfx942:xnack-`, `gfx942`: the power
    set of its features. The loader compares text: another order is another target.
    """
    processor, *features = str(target).split(":")
    return tuple(
        ":".join((processor, *chosen))
        for size in range(len(features), -1, -1)
        for chosen in combinations(features, size)
    )


def requested(target: TargetID) -> tuple[TargetID, ...]:
    """List what HIP asks for on behalf of a device: its target, then the generic one."""
    return (target,) if target.generic is None else (target, target.generic)


def search_paths(
    reference: KpackReference,
    host_directory: str,
    target: TargetID,
    *,
    windows: bool = False,
) -> tuple[str, ...]:
    """List the archives that the loader opens for a device, in its order.

    `target` is a device's: every feature on or off. Links are not resolved, as they are
    there where a path exists. The environment is not asked (ROCM_KPACK_PATH and others).
    """
    return tuple(
        path
        for relative in reference.search_paths
        for path in _expand(resolved(host_directory, relative, windows=windows), target)
    )


def resolved(directory: str, relative: str, *, windows: bool = False) -> str:
    """Spell a search path as seen from the directory of the host."""
    path = PureWindowsPath(relative) if windows else PurePosixPath(relative)
    if path.is_absolute():
        return relative
    if windows:
        relative = PureWindowsPath(relative).as_posix()
        directory = PureWindowsPath(directory).as_posix()
    return posixpath.normpath(posixpath.join(directory, relative))


def _expand(path: str, target: TargetID) -> Iterator[str]:
    if PLACEHOLDER not in path:
        yield path
        return
    for wanted in requested(target):
        for arch in compatible(wanted):
            yield path.replace(PLACEHOLDER, arch, 1)


# --- what it takes ------------------------------------------------------------------


def resolve(
    reference: KpackReference,
    index: int,
    target: TargetID,
    archives: Mapping[str, Archive[E]],
    generation: Generation = Generation.KS,
) -> Chosen[E] | Missing:
    """Choose the code object of a wrapper for a device, as the loader does.

    `archives` are those that there are, by path, in the order of `search_paths`;
    `index` is the wrapper's `reserved`, of which HIP passes on 32 bits.
    """
    if not archives:
        message = f"none of the archives of {reference.kernel_name} is there"
        return Missing(Reason.ARCHIVE_NOT_FOUND, message)
    index &= 0xFFFFFFFF
    listing = []
    for path, archive, arch in _candidates(target, archives):
        entry = archive.find(reference.kernel_name, index, arch)
        if entry is not None:
            return Chosen(path, arch, entry)
        listing.append(f"{path} ({arch})")
        if generation is Generation.KP:
            break
    key = f"{reference.kernel_name}#{index}"
    if listing:
        message = f"{key} is not in {', '.join(listing)}"
        return Missing(Reason.KERNEL_NOT_FOUND, message)
    served = sorted({arch for archive in archives.values() for arch in archive.gfx_arches})
    message = f"no archive lists {target}: they list {', '.join(served) or 'nothing'}"
    return Missing(Reason.ARCH_NOT_FOUND, message)


def _candidates(
    target: TargetID, archives: Mapping[str, Archive[E]]
) -> Iterator[tuple[str, Archive[E], str]]:
    """List archives that claim to serve a device: by target first, then by path."""
    for wanted in requested(target):
        for arch in compatible(wanted):
            for path, archive in archives.items():
                if arch in archive.gfx_arches:
                    yield path, archive, arch
