"""What changed between two builds: targets, kernels and what they take, sizes, packing."""

from kinspect.diff.build import diff
from kinspect.diff.model import (
    BinaryDiff,
    Changed,
    Diff,
    Move,
    Packing,
    Rename,
    Side,
    TargetDiff,
)
from kinspect.diff.template import template
from kinspect.diff.violations import KINDS, Violation, untold, violations

__all__ = [
    "KINDS",
    "BinaryDiff",
    "Changed",
    "Diff",
    "Move",
    "Packing",
    "Rename",
    "Side",
    "TargetDiff",
    "Violation",
    "diff",
    "template",
    "untold",
    "violations",
]
