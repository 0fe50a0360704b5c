"""Rules on files that are for one target each, and come in families.

`librocshmem_device_gfx942.bc` says nothing of gfx950, and need not: its sibling does.
Files whose names differ in the target only are held to the requirements together, over
all artifacts of a run, and each to what its name claims.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from kinspect.checks.bitcode import differences, missing_modes
from kinspect.checks.finding import finding
from kinspect.model import (
    BITCODE,
    Artifact,
    Binary,
    Bitcode,
    DeviceBitcode,
    Finding,
    Severity,
)
from kinspect.naming import Claim, claim, family, renamed
from kinspect.policy import Policy
from kinspect.sidecars import inner_path
from kinspect.target import TargetID


class Library(NamedTuple):
    """A file of device bitcode."""

    binary: Binary
    part: DeviceBitcode
    content: Bitcode
    claim: Claim | None

    @property
    def targets(self) -> tuple[TargetID, ...]:
        """What it is for: by its content, or where that leaves it open by its name."""
        if self.content.processors:
            return () if self.part.target is None else (self.part.target,)
        return () if self.claim is None else self.claim.targets

    @property
    def universal(self) -> bool:
        """Whether it is for any processor, as `ocml.bc` is."""
        return not self.content.processors and self.claim is None


def device_libraries(artifacts: Iterable[Artifact], policy: Policy) -> Iterator[Finding]:
    """The rules on files of bitcode: a missing sibling, other functions, a false name."""
    families: dict[str, list[Library]] = {}
    for artifact in artifacts:
        for one in _libraries(artifact):
            families.setdefault(family(one.binary.path), []).append(one)
    for _, members in sorted(families.items()):
        for one in members:
            yield from _mismatch(one)
        if not all(one.universal for one in members):
            own = policy.for_binary(members[0].binary.path)
            yield from _missing(members, own)
            yield from _parity(members, own)


def _libraries(artifact: Artifact) -> Iterator[Library]:
    for binary in artifact.binaries:
        if binary.format == BITCODE:
            for part in binary.bitcode:
                if isinstance(part.content, Bitcode):
                    named = claim(inner_path(artifact, binary.path))
                    yield Library(binary, part, part.content, named)


def _mismatch(one: Library) -> Iterator[Finding]:
    actual = one.content.processors
    if len(actual) > 1:
        message = f"its functions are for several processors: {', '.join(actual)}"
        yield _mismatched(one, message)
    elif one.claim is None:
        return
    elif actual and not one.claim.covers(actual[0]):
        message = f"its name claims {one.claim.text}, its functions are for {actual[0]}"
        yield _mismatched(one, message)
    elif not actual and one.content.functions:
        message = (
            f"its name claims {one.claim.text}, its functions name no processor: it can't"
            " be told whether they are for it"
        )
        yield _mismatched(one, message, Severity.WARNING)


def _mismatched(one: Library, message: str, severity: Severity | None = None) -> Finding:
    return finding(
        "target-mismatch",
        one.binary.path,
        message,
        target=one.claim.text if one.claim else None,
        hint="look for a build directory or a file name that two targets share",
        severity=severity,
    )


def _missing(members: list[Library], policy: Policy) -> Iterator[Finding]:
    packed = [target for one in members for target in one.targets]
    named = ", ".join(sorted({str(target) for target in packed})) or "no target"
    first = members[0].binary.path
    for required in policy.required:
        modes = missing_modes(required, packed, policy)
        if modes is not None:
            sibling = renamed(first.rsplit("/", 1)[-1], required.processor)
            beside = f": {sibling} is not there" if sibling not in first else ""
            yield finding(
                "missing-bitcode",
                first,
                f"this device library is for {named}, and there is none for"
                f" {required}{modes}{beside}",
                target=required,
                hint=f"build it for {required} too (rocSHMEM: BITCODE_GPU_ARCHS), and"
                " install it beside the others",
            )


def _parity(members: list[Library], policy: Policy) -> Iterator[Finding]:
    defined: dict[TargetID, set[str]] = {}
    paths: dict[TargetID, str] = {}
    for required in policy.required:
        for one in members:
            if any(target.processor == required.processor for target in one.targets):
                names = set(one.content.functions)
                defined[required] = defined.get(required, names) & names
                paths.setdefault(required, one.binary.path)
    for required, message, name in differences(defined, policy, members[0].binary.path):
        yield finding(
            "kernel-parity",
            paths[required],
            message,
            target=required,
            kernel=name,
            hint="compile the same sources for every target",
        )
