"""What a snapshot records: frozen values, taken from binaries that were read."""

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from operator import lt
from pathlib import PurePath
from typing import NamedTuple

from kinspect.linking import link_units
from kinspect.loader import Unit, units
from kinspect.model import Binary, Bitcode, Bundle, CodeObject, Entry, Form, Unreadable
from kinspect.names import plain_kernel

#: between the levels of a breadcrumb
SEPARATOR = "!"


class Resources(NamedTuple):
    """What a kernel takes, by the names of its metadata; None where they say nothing.

    Sizes are bytes, counts are registers of a lane (VGPR, AGPR) or a wave (SGPR).
    Occupancy is what LLVM estimates, in waves of a SIMD: an older snapshot has none.
    """

    vgpr_count: int | None = None
    agpr_count: int | None = None
    sgpr_count: int | None = None
    group_segment_fixed_size: int | None = None
    private_segment_fixed_size: int | None = None
    kernarg_segment_size: int | None = None
    wavefront_size: int | None = None
    max_flat_workgroup_size: int | None = None
    vgpr_spill_count: int | None = None
    sgpr_spill_count: int | None = None
    occupancy: int | None = None


#: where nobody asked for the resources
UNKNOWN = Resources()


@dataclass(frozen=True, slots=True)
class TargetRecord:
    """The code for one target in one unit."""

    #: bytes of the code object, uncompressed
    size: int
    #: EI_ABIVERSION: 2 is code object v4, 3 v5, 4 v6; None for SPIR-V
    abi_version: int | None = None
    #: the kernels that can be launched, sorted by name
    kernels: Mapping[str, Resources] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class UnitRecord:
    """What HIP chooses from: one bundle, or the bare code objects of a program."""

    #: `plain`, `ccob`, `elf`, `offload-binary`, `kpack`
    form: str
    #: bytes that it takes in the file, or in kpack archives
    size: int
    #: by target ID, sorted
    targets: Mapping[str, TargetRecord] = field(default_factory=dict)
    #: of a compressed bundle
    version: int | None = None
    method: str | None = None
    #: of the bundle, as it was read just now; no part of a snapshot's file
    index: int | None = field(default=None, compare=False)

    @property
    def kernels(self) -> set[str]:
        """The names of its kernels, over all targets."""
        return set().union(*(one.kernels for one in self.targets.values()))


@dataclass(frozen=True, slots=True)
class BinaryRecord:
    """A binary with device code."""

    #: the file name of what the user named: a wheel, a directory, the binary itself
    artifact: str
    #: the path inside of it, with `/` on every system
    path: str
    #: `rdc`, `per-tu`, or None where the file does not tell
    linkage: str | None = None
    units: tuple[UnitRecord, ...] = ()
    #: of an RDC object: the functions that its bitcode defines, by target
    bitcode: Mapping[str, frozenset[str]] = field(default_factory=dict)
    #: as it was read just now, with the whole path; no part of a snapshot's file
    breadcrumb: str = field(default="", compare=False)
    #: nothing of it was left unread; no part of a snapshot's file
    whole: bool = field(default=True, compare=False)
    #: a kpack archive whose code hosts have, which is told there; never in a file
    referred: bool = field(default=False, compare=False)

    @property
    def name(self) -> str:
        """How a report names it."""
        if self.path == self.artifact:
            return self.path
        return f"{self.artifact}{SEPARATOR}{self.path}"

    @property
    def targets(self) -> tuple[str, ...]:
        found = {name for unit in self.units for name in unit.targets}
        return tuple(sorted(found.union(self.bitcode)))


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The binaries with device code of one or more artifacts, sorted by name."""

    binaries: tuple[BinaryRecord, ...]

    @property
    def own(self) -> tuple[BinaryRecord, ...]:
        """Those that are told by themselves: no archives whose code hosts have."""
        return tuple(one for one in self.binaries if not one.referred)


@dataclass(frozen=True, slots=True)
class Measured(CodeObject):
    """A code object with what its kernels take."""

    #: of each of `kernels`
    resources: tuple[Resources, ...] = ()


def sorted_(binaries: Iterable[BinaryRecord]) -> Snapshot:
    return Snapshot(tuple(sorted(binaries, key=lambda one: (one.artifact, one.path))))


def record(artifact: str, binary: Binary, distribution: str = "") -> BinaryRecord:
    """What a binary of an artifact (by its path, or an installed distribution) holds.

    Only of `Measured` code objects it says what their kernels take. Units come in the
    order of their kernels: the order of objects on a link line is nobody's business.
    """
    recorded = map(_unit, units(binary))
    return BinaryRecord(
        distribution.replace(" ", "-") or _artifact_name(artifact),
        _inner_path(artifact, binary.path),
        binary.linkage and binary.linkage.value,
        tuple(sorted(recorded, key=_contents)),
        _functions(binary),
        binary.path,
        _whole(binary),
    )


def _whole(binary: Binary) -> bool:
    parts = [e.code_object for bundle in binary.bundles for e in bundle.hip_entries]
    contents = [one.content for one in binary.bitcode]
    unread = [p for p in (*parts, *contents) if isinstance(p, Unreadable)]
    return not (unread or binary.unreadable)


def _contents(unit: UnitRecord) -> tuple[list[str], list[str], int]:
    return sorted(unit.kernels), list(unit.targets), unit.size


def _artifact_name(path: str) -> str:
    return PurePath(os.path.normpath(path)).name or path


def _inner_path(artifact: str, path: str) -> str:
    if path == artifact:
        return _artifact_name(artifact)
    rest = path.removeprefix(artifact)
    if os.sep == "\\":  # an archive's own names have `/` everywhere
        rest = rest.replace(os.sep, "/")
    return rest.lstrip("/" + SEPARATOR)


def _functions(binary: Binary) -> dict[str, frozenset[str]]:
    """What bitcode defines, over all units; what can't be read has a finding of its own."""
    found: dict[str, set[str]] = {}
    for unit in link_units(binary):
        for one in unit.parts:
            names = one.content.functions if isinstance(one.content, Bitcode) else ()
            found.setdefault(one.name, set()).update(names)
    return {name: frozenset(found[name]) for name in sorted(found)}


def _unit(unit: Unit) -> UnitRecord:
    entries: dict[str, list[Entry]] = {}
    for entry in unit.entries:
        if entry.size:
            name = str(entry.id.target_id or entry.id.target_name)
            entries.setdefault(name, []).append(entry)
    return UnitRecord(
        unit.bundles[0].form.value,
        sum(map(_stored, unit.bundles)),
        {name: _target(entries[name]) for name in sorted(entries)},
        unit.bundles[0].version,
        unit.bundles[0].method,
        unit.index,
    )


def _stored(bundle: Bundle) -> int:
    if bundle.form is not Form.KPACK:
        return bundle.size
    sizes = (one.size if one.stored is None else one.stored for one in bundle.entries)
    return sum(sizes)


def _target(entries: Sequence[Entry]) -> TargetRecord:
    """The code for a target: of one entry, or of several bare code objects."""
    parts = [e.code_object for e in entries if isinstance(e.code_object, CodeObject)]
    return TargetRecord(
        sum(entry.size for entry in entries),
        parts[-1].abi_version if parts else None,
        _kernels(parts),
    )


def _kernels(parts: Iterable[CodeObject]) -> dict[str, Resources]:
    """By names that another build gives too.

    An RDC compile appends a hash of the build directory to static kernels; those that
    are then called alike are numbered by what they take.
    """
    names: list[str] = []
    rows: list[Resources] = []
    for one in parts:
        names += _plain(one.kernels)
        unknown = (UNKNOWN,) * len(one.kernels)
        rows += one.resources if isinstance(one, Measured) else unknown
    kernels = dict(zip(names, rows, strict=True))
    if len(kernels) == len(names) and all(map(lt, names, islice(names, 1, None))):
        return kernels  # in order, and none called like another
    kernels = {}
    seen: Counter[str] = Counter()
    for name, row in sorted(zip(names, rows, strict=True), key=_rank):
        seen[name] += 1
        kernels[name if seen[name] == 1 else f"{name}#{seen[name]}"] = row
    return kernels


@lru_cache(maxsize=16)
def _plain(kernels: tuple[str, ...]) -> tuple[str, ...]:
    """Those of one target are nearly always those of the others in its bundle."""
    return tuple(map(plain_kernel, kernels))


def _rank(named: tuple[str, Resources]) -> tuple[str, list[int]]:
    name, row = named
    return name, [-1 if value is None else value for value in row]
