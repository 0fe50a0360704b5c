"""Will the GPU kernels in this HIP binary load?

    >>> from kinspect import Policy, parse_required, verify
    >>> policy = Policy(required=parse_required(("gfx942;gfx950",)))
    >>> verify("deep_ep_cpp.so", policy).verdict
    <Verdict.PASS: 'pass'>

`inspect()` reads an artifact, `inspect_all()` several that are installed together,
`inspect_many()` any number in the workers of an executor, and `verify()` holds them to a
`Policy`; all return frozen values. Every error is a
`KinspectError`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Final

from kinspect.version import __version__

if TYPE_CHECKING:
    from kinspect.api import Inspected, inspect, inspect_all, inspect_many, verify
    from kinspect.errors import (
        FormatError,
        InputError,
        KinspectError,
        LimitExceeded,
        TargetError,
        UsageError,
        Where,
        WorkerError,
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
    from kinspect.sources.named import Installed
    from kinspect.target import EntryID, MachineFlags, Mode, TargetID, parse_required

#: where each public name lives; imported at its first use, so that the command line pays
#: for what it needs only
_HOMES: Final = {
    "kinspect.api": (
        "Inspected",
        "inspect",
        "inspect_all",
        "inspect_many",
        "verify",
    ),
    "kinspect.errors": (
        "FormatError",
        "InputError",
        "KinspectError",
        "LimitExceeded",
        "TargetError",
        "UsageError",
        "Where",
        "WorkerError",
    ),
    "kinspect.limits": ("Limits",),
    "kinspect.model": (
        "Artifact",
        "Binary",
        "Bundle",
        "CodeObject",
        "Entry",
        "Fault",
        "Finding",
        "Form",
        "Linkage",
        "Report",
        "Severity",
        "Unreadable",
        "Verdict",
    ),
    "kinspect.policy": (
        "Ignore",
        "Policy",
    ),
    "kinspect.sources.named": ("Installed",),
    "kinspect.target": (
        "EntryID",
        "MachineFlags",
        "Mode",
        "TargetID",
        "parse_required",
    ),
}
_HOME: Final = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(import_module(_HOME[name]), name)


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
    "Inspected",
    "Installed",
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
    "WorkerError",
    "__version__",
    "inspect",
    "inspect_all",
    "inspect_many",
    "parse_required",
    "verify",
]
