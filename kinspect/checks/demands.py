"""Rules on what a policy, or a profile, asks of single binaries."""

import re
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import NamedTuple

from kinspect.checks.bitcode import suits
from kinspect.checks.finding import finding
from kinspect.checks.kernels import absent
from kinspect.linking import link_units
from kinspect.loader import coverage, units
from kinspect.model import (
    BITCODE,
    Artifact,
    Binary,
    Bitcode,
    DeviceBitcode,
    Finding,
    Linkage,
    Severity,
)
from kinspect.naming import claim, family
from kinspect.policy import BinaryPolicy, Policy, path_matches
from kinspect.target import TargetID

Names = dict[TargetID, AbstractSet[str]]


class Subject(NamedTuple):
    """What names are asked of: a binary, or all members of a static library.

    Files of bitcode that differ in their target only are one subject too.
    """

    path: str
    binaries: tuple[Binary, ...]

    @property
    def device_code(self) -> bool:
        return any(binary.device_code for binary in self.binaries)

    @property
    def whole(self) -> bool:
        """Whether all of it could be read; else nothing is said to be missing."""
        return not any(binary.unreadable for binary in self.binaries)


def adopted(policy: Policy, artifacts: Sequence[Artifact]) -> Policy:
    """The policy with profiles that are meant for files of other names.

    Who names files and a profile means them, whatever they are called, if the profile is
    for one kind of binary and no name fits.
    """
    if not all(artifact.kind == "file" for artifact in artifacts):
        return policy
    paths = [binary.path for artifact in artifacts for binary in artifact.binaries]
    kept: list[BinaryPolicy] = []
    for one in policy.binaries:
        kept.append(one)
        own = [other for other in policy.binaries if other.profile == one.profile]
        if one.profile and len(own) == 1 and not _named(one, paths):
            kept += [replace(one, glob=_literal(path)) for path in paths]
    return replace(policy, binaries=tuple(kept))


def _named(one: BinaryPolicy, paths: Iterable[str]) -> bool:
    return any(path_matches(path, one.glob) for path in paths)


def _literal(path: str) -> str:
    return re.sub(r"([*?[])", r"[\1]", path)


def demanded(artifacts: Sequence[Artifact], policy: Policy) -> Iterator[Finding]:
    """The rules on each table of the policy that asks for something."""
    paths = [binary.path for artifact in artifacts for binary in artifact.binaries]
    for profile in dict.fromkeys(one.profile for one in policy.binaries if one.profile):
        own = [one for one in policy.binaries if one.profile == profile]
        if not any(_named(one, paths) for one in own):
            yield _nothing_for(profile, own)
    for one in policy.binaries:
        if one.demands and not one.profile and not _named(one, paths):
            message = f"{one.origin}: no binary matches {one.glob!r}"
            yield finding("unmatched-policy", "", message)
        for subject in _subjects(artifacts, one.glob) if one.demands else ():
            yield from _judged(subject, one, policy)


def _nothing_for(profile: str, own: Iterable[BinaryPolicy]) -> Finding:
    globs = ", ".join(one.glob for one in own)
    return finding(
        "no-device-code",
        "",
        f"nothing here is what profile {profile} is for: no binary matches {globs}",
        hint="check the names against `kinspect list`, or leave the profile out",
    )


def _subjects(artifacts: Iterable[Artifact], glob: str) -> list[Subject]:
    found: dict[str, list[Binary]] = {}
    for artifact in artifacts:
        for binary in artifact.binaries:
            if path_matches(binary.path, glob):
                found.setdefault(_place(binary), []).append(binary)
    return [
        Subject(place if len(own) > 1 else own[0].path, tuple(own))
        for place, own in found.items()
    ]


def _place(binary: Binary) -> str:
    container, _, _ = binary.path.rpartition("!")
    if container.endswith((".a", ".lib")):
        return container
    return family(binary.path) if binary.format == BITCODE else binary.path


def _judged(subject: Subject, wanted: BinaryPolicy, policy: Policy) -> Iterator[Finding]:
    if not subject.whole:
        return  # told already
    if not subject.device_code:
        message = f"expected to carry device code ({wanted.origin}), and has none"
        yield finding("no-device-code", subject.path, message)
        return
    policy = policy.for_binary(subject.binaries[0].path)
    if wanted.linkage is not None:
        yield from _linkage(subject, wanted, wanted.linkage)
    kernels = _served(subject, policy)
    yield from _missing(subject, wanted.kernels, kernels, policy, wanted, "kernel")
    yield from _optional(subject, wanted, kernels)
    if wanted.functions:
        yield from _functions(subject, wanted, policy)


def _linkage(subject: Subject, wanted: BinaryPolicy, linkage: Linkage) -> Iterator[Finding]:
    for binary in subject.binaries:
        if binary.device_code and binary.linkage is not linkage:
            unknown = "in a way that can't be told"
            known = binary.linkage.words if binary.linkage else unknown
            yield finding(
                "wrong-linkage",
                binary.path,
                f"expected to be linked {linkage.words} ({wanted.origin}), its device code"
                f" was linked {known}",
                hint="compile and link with -fgpu-rdc"
                if linkage is Linkage.RDC
                else "compile and link without -fgpu-rdc",
            )


# --- names --------------------------------------------------------------------------


def _served(subject: Subject, policy: Policy) -> Names:
    """The kernels of each required target that has code at all.

    Of a target without any, another rule tells.
    """
    found: Names = {}
    for required in policy.required:
        for binary in subject.binaries:
            for unit in units(binary):
                served = coverage(unit, required, policy.runtime)
                if not served.missing:
                    found[required] = found.get(required, set()) | served.kernels
        for content in _bitcode(subject, required, policy):
            found[required] = found.get(required, set()) | set(content.kernels)
    return found


def _functions(subject: Subject, wanted: BinaryPolicy, policy: Policy) -> Iterator[Finding]:
    found: Names = {}
    for required in policy.required:
        contents = list(_bitcode(subject, required, policy))
        if contents:
            found[required] = {name for one in contents for name in one.functions}
    if not found:
        yield finding(
            "missing-kernel",
            subject.path,
            f"{wanted.origin} asks for device functions, and there is no device bitcode to"
            " look for them in",
            kernel=wanted.functions[0],
            hint="functions can be told of RDC objects and bitcode only; of a linked"
            " library, ask for kernels",
        )
    yield from _missing(subject, wanted.functions, found, policy, wanted, "device function")


def _bitcode(subject: Subject, required: TargetID, policy: Policy) -> Iterator[Bitcode]:
    for binary in subject.binaries:
        for unit in link_units(binary):
            for part in unit.parts:
                if isinstance(part.content, Bitcode):
                    targets = _targets(binary, part, part.content)
                    if any(_serves(one, required, policy) for one in targets):
                        yield part.content


def _serves(target: TargetID, required: TargetID, policy: Policy) -> bool:
    return any(suits(target, device, policy) for device in required.devices())


def _targets(binary: Binary, part: DeviceBitcode, content: Bitcode) -> tuple[TargetID, ...]:
    """What bitcode is for; the name of the file tells where its functions don't."""
    if binary.format != BITCODE or content.processors:
        return () if part.target is None else (part.target,)
    named = claim(binary.path)
    return () if named is None else named.targets


def _missing(
    subject: Subject,
    globs: Sequence[str],
    names: Names,
    policy: Policy,
    wanted: BinaryPolicy,
    what: str,
) -> Iterator[Finding]:
    paths = [binary.path for binary in subject.binaries]
    lost: dict[TargetID, list[str]] = {}
    for target, glob in absent(globs, names, policy, paths):
        lost.setdefault(target, []).append(glob)
    for target, missing in lost.items():
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        yield finding(
            "missing-kernel",
            subject.path,
            f"no {what} for {target} matches {missing[0]!r}{more} ({wanted.origin})",
            target=target,
            kernel=missing[0],
            details=tuple(missing[1:]),
            hint="check that the unit which defines it is compiled for the target and"
            " linked",
        )


def _optional(subject: Subject, wanted: BinaryPolicy, names: Names) -> Iterator[Finding]:
    """What may be left out, as information. What one target has, kernel-parity asks of all.

    Nothing is said where no target has code: then all of it is gone.
    """
    if not any(names.values()):
        return
    everything: Names = {target: set().union(*names.values()) for target in list(names)[:1]}
    gone = [glob for _, glob in absent(wanted.optional, everything, Policy(), ())]
    if gone:
        yield finding(
            "missing-kernel",
            subject.path,
            f"{len(gone)} of {len(wanted.optional)} kernels that may be left out are"
            f" ({wanted.origin})",
            kernel=gone[0],
            details=(", ".join(gone),),
            severity=Severity.NOTE,
        )
