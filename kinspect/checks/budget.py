"""Rules on how much device code there may be."""

from collections.abc import Iterable, Iterator, Mapping

from kinspect.checks.finding import finding
from kinspect.model import Artifact, Binary, Finding
from kinspect.policy import Policy
from kinspect.sizes import size
from kinspect.target import TargetID


def artifact_budget(artifact: Artifact, policy: Policy) -> Iterator[Finding]:
    """All code for a target in an artifact."""
    yield from _over(artifact.path, artifact.binaries, policy.budget)


def binary_budget(binary: Binary, policy: Policy) -> Iterator[Finding]:
    """The code for a target in a binary that has a budget of its own."""
    own: dict[TargetID, int] = {}
    for one in policy.of_binary(binary.path):
        own.update(one.budget)
    yield from _over(binary.path, (binary,), own)


def _over(
    path: str, binaries: Iterable[Binary], budget: Mapping[TargetID, int]
) -> Iterator[Finding]:
    binaries = tuple(binaries)
    for target, allowed in budget.items():
        actual = sum(packed(binary, target) for binary in binaries)
        if actual > allowed:
            yield finding(
                "size-budget",
                path,
                f"the code for {target} takes {size(actual)} ({actual} bytes inflated), its"
                f" budget is {size(allowed)} ({allowed})",
                target=target,
                hint="look for templates with too many instances (kinspect kernels), or"
                " raise the budget",
            )


def packed(binary: Binary, target: TargetID) -> int:
    """Bytes of code objects and bitcode for a target, inflated.

    Inflated, since the targets of a compressed bundle are compressed together.
    """
    entries = [entry for bundle in binary.bundles for entry in bundle.hip_entries]
    sizes = [(entry.id.target_id, entry.size) for entry in entries]
    sizes += [(part.target, part.size) for part in binary.bitcode]
    return sum(bytes_ for own, bytes_ in sizes if own is not None and target.serves(own))
