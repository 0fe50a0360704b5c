"""How the device code of a binary is packed, and which ROCm releases can read it."""

from collections import Counter
from collections.abc import Iterator

from kinspect.diff.model import Packing, TargetDiff
from kinspect.needs import Release, read_since
from kinspect.snapshot import BinaryRecord, UnitRecord


def packing(binary: BinaryRecord) -> Packing:
    forms = Counter(map(form, binary.units))
    return Packing(
        tuple(sorted(forms.items())),
        sum(unit.size for unit in binary.units),
        _floor(binary),
    )


def form(unit: UnitRecord) -> str:
    """`plain`, `ccob 3 zstd`, …"""
    version = "" if unit.version is None else str(unit.version)
    return " ".join(filter(None, (unit.form, version, unit.method)))


def _floor(binary: BinaryRecord) -> Release | None:
    """The first release that reads every bundle of a binary."""
    found = [read_since(unit.form, unit.version) for unit in binary.units]
    known = [since for since in found if since is not None]
    return max(known) if known and len(known) == len(found) else None


def targets(old: BinaryRecord, new: BinaryRecord) -> Iterator[TargetDiff]:
    """Every target of either, sorted."""
    for target in sorted({*old.targets, *new.targets}):
        found = [
            [unit.targets[target] for unit in one.units if target in unit.targets]
            for one in (old, new)
        ]
        before, after = found
        yield TargetDiff(
            target,
            (len(before), len(after)),
            (sum(len(o.kernels) for o in before), sum(len(o.kernels) for o in after)),
            (sum(o.size for o in before), sum(o.size for o in after)),
        )
