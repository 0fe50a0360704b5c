"""The kernels of a binary for one target, over all of its bundles."""

from kinspect.snapshot import BinaryRecord, Resources


def rows(binary: BinaryRecord, target: str) -> dict[str, Resources]:
    """By symbol; of a kernel that several bundles have, the last one's."""
    return {
        name: row
        for unit in binary.units
        if target in unit.targets
        for name, row in unit.targets[target].kernels.items()
    }
