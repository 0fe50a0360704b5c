"""How a check says what it found."""

from kinspect.checks.rules import RULES
from kinspect.model import Binary, Finding, Linkage, Severity
from kinspect.target import TargetID


def finding(
    rule: str,
    path: str,
    message: str,
    *,
    bundle: int | None = None,
    target: TargetID | str | None = None,
    kernel: str | None = None,
    hint: str = "",
    details: tuple[str, ...] = (),
    severity: Severity | None = None,
) -> Finding:
    """A finding of a rule, with the rule's own severity unless one is given."""
    return Finding(
        rule=rule,
        severity=severity or RULES[rule].severity,
        path=path,
        message=message,
        hint=hint,
        bundle=bundle,
        target=None if target is None else str(target),
        kernel=kernel,
        details=details,
    )


def build_hint(binary: Binary, target: TargetID) -> str:
    """Which command line to mend, so that `target` gets packed."""
    flag = f"--offload-arch={target}"
    if binary.linkage is Linkage.RDC:
        return (
            "this is an RDC link: the architectures of the *link* line decide."
            f" Add {flag} to the link flags."
        )
    if binary.linkage is Linkage.PER_TU:
        return (
            "each translation unit has a bundle of its own: its *compile* line decides."
            f" Add {flag} where that unit is compiled."
        )
    return f"add {flag} to the compile flags, and for an RDC build to the link flags."
