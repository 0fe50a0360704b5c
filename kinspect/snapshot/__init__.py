"""What an artifact held once, to hold another build of it against.

A snapshot records targets, kernels and their resources, binary by binary, in a file that
is the same on every machine. `compare()` says what two of them have not in common.
"""

from kinspect.snapshot.compare import (
    Change,
    Comparison,
    Lists,
    ResourceChange,
    compare,
    differ,
)
from kinspect.snapshot.file import SNAPSHOT_VERSION, is_snapshot, load
from kinspect.snapshot.model import (
    UNKNOWN,
    BinaryRecord,
    Resources,
    Snapshot,
    TargetRecord,
    UnitRecord,
    record,
)
from kinspect.snapshot.recording import of_artifacts
from kinspect.snapshot.taking import take
from kinspect.snapshot.writing import save, text

__all__ = [
    "SNAPSHOT_VERSION",
    "UNKNOWN",
    "BinaryRecord",
    "Change",
    "Comparison",
    "Lists",
    "ResourceChange",
    "Resources",
    "Snapshot",
    "TargetRecord",
    "UnitRecord",
    "compare",
    "differ",
    "is_snapshot",
    "load",
    "of_artifacts",
    "record",
    "save",
    "take",
    "text",
]
