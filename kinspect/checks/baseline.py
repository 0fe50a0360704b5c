"""Rules on what a baseline had, and what is there now."""

from collections.abc import Iterable, Iterator

from kinspect.checks.finding import finding
from kinspect.model import Artifact, Finding
from kinspect.names import brief
from kinspect.policy import Policy
from kinspect.snapshot import BinaryRecord, Change, compare, of_artifacts

#: names that a finding spells out
SHOWN = 10

_HINT = "if that is meant, record this build as the new baseline: kinspect snapshot"


def against_baseline(artifacts: Iterable[Artifact], policy: Policy) -> Iterator[Finding]:
    """Targets and kernels of the baseline that are gone; as notes, what is new.

    What could not be read has a finding of its own, and nothing that may be in it is
    said to be lost.
    """
    if policy.baseline is None:
        return
    artifacts = tuple(artifacts)
    found = compare(policy.baseline, of_artifacts(artifacts))
    for change in found.changes:
        if change.new.whole:
            yield from _lost_targets(change)
            yield from _lost_kernels(change)
        yield from _new(change)
    if not any(_unread(artifact) for artifact in artifacts):
        for binary in found.lost:
            yield _gone(binary)
    for binary in found.new:
        targets = ", ".join(binary.targets)
        yield _news(binary, f"a binary that the baseline does not know, for {targets}")


def _unread(artifact: Artifact) -> bool:
    return bool(artifact.unreadable) or any(one.unreadable for one in artifact.binaries)


def _gone(binary: BinaryRecord) -> Finding:
    return finding(
        "lost-target",
        binary.name,
        "the baseline has this binary, and no binary with device code is called alike now;"
        f" it served {', '.join(binary.targets)}",
        hint=f"look for a file that was left out, or built without HIP; {_HINT}",
    )


def _lost_targets(change: Change) -> Iterator[Finding]:
    path = change.new.breadcrumb
    for target in change.lost_targets:
        message = f"the baseline has code for {target}, and this build has none"
        hint = f"look for --offload-arch={target} on the compile and link lines; {_HINT}"
        yield finding("lost-target", path, message, target=target, hint=hint)
    for target, (serving, count) in sorted(change.thinned_targets.items()):
        yield finding(
            "lost-target",
            path,
            f"only {serving} of {count} bundles have code for {target} now: more lack it"
            " than in the baseline",
            target=target,
            hint=f"look for --offload-arch={target} on each compile line; {_HINT}",
        )


def _lost_kernels(change: Change) -> Iterator[Finding]:
    for lists, what in (
        (change.lost_kernels, "kernel"),
        (change.lost_functions, "device function"),
    ):
        for target, names in lists.items():
            yield finding(
                "lost-kernel",
                change.new.breadcrumb,
                f"{_count(names, what)} of the baseline {_verb(names)} gone for {target}",
                target=target,
                kernel=names[0],
                details=_named(names),
                hint=_HINT,
            )


def _new(change: Change) -> Iterator[Finding]:
    """Kernels of the same name for several targets are one piece of news."""
    if change.new_targets:
        targets = ", ".join(change.new_targets)
        yield _news(change.new, f"targets that the baseline does not know: {targets}")
    for lists, what in (
        (change.new_kernels, "kernel"),
        (change.new_functions, "device function"),
    ):
        names = tuple(sorted({name for found in lists.values() for name in found}))
        if names:
            targets = ", ".join(lists)
            message = f"{_count(names, what)} that the baseline does not know ({targets})"
            yield _news(change.new, message, names)


def _news(binary: BinaryRecord, message: str, names: tuple[str, ...] = ()) -> Finding:
    path = binary.breadcrumb or binary.name
    kernel = names[0] if names else None
    return finding("beyond-baseline", path, message, kernel=kernel, details=_named(names))


def _count(names: tuple[str, ...], what: str) -> str:
    return f"{len(names)} {what}{'' if len(names) == 1 else 's'}"


def _verb(names: tuple[str, ...]) -> str:
    return "is" if len(names) == 1 else "are"


def _named(names: tuple[str, ...]) -> tuple[str, ...]:
    lines = [brief(name) for name in names[:SHOWN]]
    more = len(names) - SHOWN
    return (*lines, f"and {more} more") if more > 0 else tuple(lines)
