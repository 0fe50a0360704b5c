"""The rules, in one visible table; each check is a generator of findings."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Final

from kinspect.checks import bitcode, bundles, coverage, floor, host, kernels, loading
from kinspect.checks.finding import finding
from kinspect.checks.rules import RULES, Rule
from kinspect.model import Artifact, Binary, Finding, Severity, Verdict
from kinspect.policy import Policy, path_matches

__all__ = ["CHECKS", "RULES", "Rule", "run", "verdict"]

Check = Callable[[Binary, Policy], Iterable[Finding]]

CHECKS: Final[tuple[Check, ...]] = (
    bundles.unreadable,
    bundles.corrupt,
    bundles.broken_code_objects,
    bundles.mismatched_targets,
    bundles.dangling_wrappers,
    bundles.unowned_bundles,
    coverage.missing_targets,
    coverage.fallbacks,
    coverage.extra_targets,
    loading.refused,
    loading.oversized_headers,
    loading.duplicate_targets,
    loading.shadowed,
    bitcode.missing_bitcode,
    bitcode.mismatched_bitcode,
    bitcode.bitcode_parity,
    kernels.without_kernels,
    kernels.parity,
    kernels.broken_kernels,
    host.registered_kernels,
    host.registered_variables,
    host.unregistered_kernels,
    host.unresolved_symbols,
    floor.runtime_floor,
)


def run(artifacts: Iterable[Artifact], policy: Policy) -> tuple[Finding, ...]:
    """Every finding, in the order of the files; within one, by bundle."""
    found: list[Finding] = []
    for artifact in artifacts:
        found += _of_artifact(artifact)
        found += kernels.required_kernels(artifact, policy)
        for binary in artifact.binaries:
            own = [f for check in CHECKS for f in check(binary, policy)]
            found += sorted(own, key=lambda f: -1 if f.bundle is None else f.bundle)
    found += _expected(artifacts, policy)
    return tuple(
        replace(one, severity=policy.severities.get(one.rule, one.severity))
        for one in found
        if not any(ignore.covers(one.rule, one.path) for ignore in policy.ignore)
    )


def _of_artifact(artifact: Artifact) -> Iterator[Finding]:
    for part in artifact.unreadable:
        message = f"{part.where}: {part.message}"
        yield finding("unreadable", part.where.path, message)
    if artifact.device_code or artifact.unreadable or not artifact.binaries:
        return  # found, or nothing to judge: that is for the verdict
    if any(binary.unreadable for binary in artifact.binaries):
        return
    if artifact.kind == "file":
        message = "no HIP device code in this binary"
    else:
        count = len(artifact.binaries)
        message = f"none of the {count} binaries carries HIP device code"
    hint = "check that the HIP sources were compiled by hipcc or clang -x hip, and linked"
    yield finding("no-device-code", artifact.path, message, hint=hint)


def _expected(artifacts: Iterable[Artifact], policy: Policy) -> Iterator[Finding]:
    for glob in policy.expect:
        named = [
            binary
            for artifact in artifacts
            for binary in artifact.binaries
            if path_matches(binary.path, glob)
        ]
        for binary in named:
            if not binary.device_code:
                message = f"expected to carry device code (--expect {glob}), and has none"
                yield finding("no-device-code", binary.path, message)
        if not named:
            message = f"no binary matches --expect {glob}"
            hint = "check the glob against the names that `kinspect list` prints"
            yield finding("no-device-code", "", message, hint=hint)


def verdict(artifacts: Iterable[Artifact], findings: Iterable[Finding]) -> Verdict:
    """Fail outranks unknown, and what could not be told is never a pass.

    That holds for every artifact: one that has nothing to check is not vouched for by
    the others.
    """
    artifacts = tuple(artifacts)
    errors = [one for one in findings if one.severity is Severity.ERROR]
    if any(not RULES[one.rule].unknown for one in errors):
        return Verdict.FAIL
    nothing = not all(artifact.binaries for artifact in artifacts) or not artifacts
    return Verdict.UNKNOWN if errors or nothing else Verdict.PASS
