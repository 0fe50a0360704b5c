"""Rules on an artifact as a whole."""

from collections.abc import Iterable, Iterator

from kinspect.checks.finding import finding
from kinspect.model import Artifact, Finding
from kinspect.policy import Policy, path_matches


def unreadable(artifact: Artifact, _: Policy) -> Iterator[Finding]:
    for part in artifact.unreadable:
        message = f"{part.where}: {part.message}"
        yield finding("unreadable", part.where.path, message)


def no_device_code(artifact: Artifact, _: Policy) -> Iterator[Finding]:
    if artifact.device_code or artifact.unreadable or not artifact.binaries:
        return  # found, or nothing to judge: that is for the verdict
    if any(binary.unreadable for binary in artifact.binaries):
        return
    if artifact.kind == "file":
        message = "no HIP device code in this binary"
    else:
        count = len(artifact.binaries)
        whole = f" of {artifact.distribution}" if artifact.distribution else ""
        message = f"none of the {count} binaries{whole} carries HIP device code"
    hint = "check that the HIP sources were compiled by hipcc or clang -x hip, and linked"
    yield finding("no-device-code", artifact.path, message, hint=hint)


def expected(artifacts: Iterable[Artifact], policy: Policy) -> Iterator[Finding]:
    """What `--expect` names, over all artifacts of a run."""
    binaries = [binary for artifact in artifacts for binary in artifact.binaries]
    for glob in policy.expect:
        named = [binary for binary in binaries if path_matches(binary.path, glob)]
        for binary in named:
            if not binary.device_code:
                message = f"expected to carry device code (--expect {glob}), and has none"
                yield finding("no-device-code", binary.path, message)
        if not named:
            message = f"no binary matches --expect {glob}"
            hint = "check the glob against the names that `kinspect list` prints"
            yield finding("no-device-code", "", message, hint=hint)
