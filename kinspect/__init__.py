"""Will the GPU kernels in this HIP binary load?

    >>> from kinspect import Policy, verify
    >>> report = verify("deep_ep_cpp.so", Policy(required=parse_required("gfx942;gfx950")))
    >>> report.verdict
    <Verdict.PASS: 'pass'>

`inspect()` reads an artifact, `verify()` holds it to a `Policy`; both return frozen
values. Every error is a `KinspectError`.
"""

from kinspect.api import inspect, verify
from kinspect.errors import (
    FormatError,
    InputError,
    KinspectError,
    LimitExceeded,
    TargetError,
    UsageError,
    Where,
)
from kinspect.limits import Limits
from kinspect.model import (
    Artifact,
    Binary,
    Bundle,
    CodeObject,
    Entry,
    Fault,
    Finding,
    Form,
    Linkage,
    Report,
    Severity,
    Unreadable,
    Verdict,
)
from kinspect.policy import Ignore, Policy
from kinspect.target import EntryID, MachineFlags, Mode, TargetID, parse_required
from kinspect.version import __version__

__all__ = [
    "Artifact",
    "Binary",
    "Bundle",
    "CodeObject",
    "Entry",
    "EntryID",
    "Fault",
    "Finding",
    "Form",
    "FormatError",
    "Ignore",
    "InputError",
    "KinspectError",
    "LimitExceeded",
    "Limits",
    "Linkage",
    "MachineFlags",
    "Mode",
    "Policy",
    "Report",
    "Severity",
    "TargetError",
    "TargetID",
    "Unreadable",
    "UsageError",
    "Verdict",
    "Where",
    "__version__",
    "inspect",
    "parse_required",
    "verify",
]
