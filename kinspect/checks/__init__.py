"""The rules, in one visible table; each check is a generator of findings."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Final

from kinspect.checks import (
    artifacts,
    bitcode,
    budget,
    bundles,
    coverage,
    demands,
    expiry,
    floor,
    host,
    kernels,
    kpack,
    kpack_run,
    loading,
    siblings,
    sidecars,
    tensile,
    wheel,
)
from kinspect.checks.rules import RULES, Rule
from kinspect.loader import asked, remembering
from kinspect.model import Artifact, Binary, Finding, Severity, Verdict
from kinspect.policy import Policy
from kinspect.sidecars import is_sidecar

__all__ = [
    "ARTIFACT_CHECKS",
    "CHECKS",
    "RULES",
    "RUN_CHECKS",
    "TARGET_CHECKS",
    "Rule",
    "run",
    "verdict",
]

Check = Callable[[Binary, Policy], Iterable[Finding]]
ArtifactCheck = Callable[[Artifact, Policy], Iterable[Finding]]
RunCheck = Callable[[tuple[Artifact, ...], Policy], Iterable[Finding]]

#: of all artifacts of a run together
RUN_CHECKS: Final[tuple[RunCheck, ...]] = (
    siblings.device_libraries,
    sidecars.sidecar_files,
    sidecars.other_targets,
    tensile.lazy_libraries,
    artifacts.expected,
    kpack_run.alone,
    kpack_run.left_behind,
    kpack_run.unreferenced,
    demands.demanded,
    expiry.expired_ignores,
)

#: of an artifact as a whole
ARTIFACT_CHECKS: Final[tuple[ArtifactCheck, ...]] = (
    artifacts.unreadable,
    artifacts.no_device_code,
    kernels.required_kernels,
    sidecars.claims_without_code,
    tensile.kernel_databases,
    wheel.record,
    wheel.file_names,
    wheel.machines,
    wheel.promised_targets,
    wheel.promised_release,
    budget.artifact_budget,
)

#: of each of its binaries, but for those that have siblings for other targets
TARGET_CHECKS: Final[tuple[Check, ...]] = (
    coverage.missing_targets,
    coverage.fallbacks,
)

#: of each of its binaries
CHECKS: Final[tuple[Check, ...]] = (
    bundles.unreadable,
    bundles.corrupt,
    bundles.broken_code_objects,
    bundles.mismatched_targets,
    bundles.dangling_wrappers,
    bundles.unowned_bundles,
    coverage.extra_targets,
    kpack.hollow,
    kpack.stub_archives,
    kpack.unresolved,
    kpack.shifted,
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
    budget.binary_budget,
)


def run(found_in: Iterable[Artifact], policy: Policy) -> tuple[Finding, ...]:
    """Every finding, in the order of the files; within one, by bundle."""
    with remembering():
        return _run(tuple(found_in), policy)


def _run(found_in: tuple[Artifact, ...], policy: Policy) -> tuple[Finding, ...]:
    policy = demands.adopted(policy, found_in)
    found: list[Finding] = []
    for artifact in found_in:
        found += [f for whole in ARTIFACT_CHECKS for f in whole(artifact, policy)]
        for binary in artifact.binaries:
            alone = not is_sidecar(artifact, binary)
            checks = (*CHECKS, *TARGET_CHECKS) if alone else CHECKS
            of_it = policy.for_binary(binary.path)
            of_it = replace(of_it, required=asked(binary, of_it.required))
            own = [f for each in checks for f in each(binary, of_it)]
            found += sorted(own, key=lambda f: -1 if f.bundle is None else f.bundle)
    for check in RUN_CHECKS:
        found += check(found_in, policy)
    if policy.baseline is not None:
        from kinspect.checks import baseline  # noqa: PLC0415  # few runs need it

        found += baseline.against_baseline(found_in, policy)
    ignores = expiry.holding(policy)
    return tuple(
        _by_policy(one, policy)
        for one in found
        if not any(ignore.covers(one.rule, one.path) for ignore in ignores)
    )


def _by_policy(found: Finding, policy: Policy) -> Finding:
    """A finding with the severity that the policy gives its rule, and with its hints.

    A severity replaces the rule's own, and leaves alone what a rule calls milder or
    worse by itself.
    """
    if found.severity is RULES[found.rule].severity:
        found = replace(found, severity=policy.severities.get(found.rule, found.severity))
    if found.severity is Severity.NOTE:
        return found
    more = [one.hints.get(found.rule, "") for one in policy.of_binary(found.path)]
    told = [found.hint, *(one.replace("{target}", found.target or "…") for one in more)]
    return replace(found, hint=_sentences(told))


def _sentences(parts: Iterable[str]) -> str:
    told = [part for part in dict.fromkeys(parts) if part]
    ended = [part if part.endswith((".", "?", "!")) else f"{part}." for part in told[:-1]]
    return " ".join([*ended, *told[-1:]])


def verdict(found_in: Iterable[Artifact], findings: Iterable[Finding]) -> Verdict:
    """Fail outranks unknown, and what could not be told is never a pass.

    That holds for every artifact: one that has nothing to check is not vouched for by
    the others.
    """
    found_in = tuple(found_in)
    errors = [one for one in findings if one.severity is Severity.ERROR]
    if any(not RULES[one.rule].unknown for one in errors):
        return Verdict.FAIL
    nothing = not all(artifact.binaries for artifact in found_in) or not found_in
    return Verdict.UNKNOWN if errors or nothing else Verdict.PASS
