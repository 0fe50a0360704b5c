"""Rules on files of device code beside a library, and on what names them."""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from kinspect.checks.finding import finding
from kinspect.lookup import How
from kinspect.model import Artifact, Binary, CodeObject, Finding, Severity
from kinspect.names import brief
from kinspect.naming import claim, family, renamed
from kinspect.policy import Policy
from kinspect.sidecars import (
    Group,
    Served,
    Sidecar,
    directory_of,
    groups,
    is_sidecar,
    served,
)
from kinspect.target import TargetID

BESIDE: Final = "build for it too (--offload-arch={}), and install the files beside these"


def sidecar_files(artifacts: Sequence[Artifact], policy: Policy) -> Iterator[Finding]:
    """The rules on files of device code, group by group."""
    for group in groups(artifacts):
        own = policy.for_binary(group.members[0].binary.path)
        for one in group.members:
            yield from _mismatch(one)
        for required in own.required:
            yield from _coverage(group, required, own, artifacts)
        if group.directory and not group.lazy:
            yield from _lacking_files(group, own)
        if not group.tuned:
            yield from _lacking_kernels(group, own)


# --- what the name claims ---------------------------------------------------------------


def _mismatch(one: Sidecar) -> Iterator[Finding]:
    if one.claim is None or not one.claim.targets or not one.targets:
        return
    if not any(_agree(own, named) for own in one.targets for named in one.claim.targets):
        actual = ", ".join(str(target) for target in one.targets)
        yield finding(
            "target-mismatch",
            one.binary.path,
            f"its name claims {one.claim.text}, it holds code for {actual}",
            target=one.claim.text,
            hint="the library loads it by its name, and HIP refuses it: look for a build"
            " directory or a file name that two targets share",
        )


def _agree(own: TargetID, named: TargetID) -> bool:
    """Whether code for `own` may go by the name of another target."""
    if own.isa.generic:
        return own.processor in {named.processor, named.generic and named.generic.processor}
    modes = ((own.mode(f), named.mode(f)) for f in own.isa.features)
    return own.processor == named.processor and all(
        not a or not b or a is b for a, b in modes
    )


# --- the targets that are required ------------------------------------------------------


def _coverage(
    group: Group, required: TargetID, policy: Policy, artifacts: Sequence[Artifact]
) -> Iterator[Finding]:
    found = served(group, required, policy.runtime)
    first = group.members[0]
    place = first.binary.path
    bundle = 0 if len(group.members) == 1 else None
    if found.bare:
        yield finding(
            "missing-target" if found.missing else "partial-target",
            place,
            _lack(group, required, found),
            bundle=bundle,
            target=required,
            details=tuple(_beside(group, required, artifacts)),
            hint=BESIDE.format(required),
        )
    rules = {How.GENERIC: "generic-only", How.SPIRV: "jit-only"}
    for how in sorted(found.hows - {How.NATIVE}):
        if how.value not in policy.accept:
            yield finding(
                rules[how],
                place,
                f"{_what(group)} serve {required} by {how.value} code only",
                bundle=bundle,
                target=required,
                hint=f"{BESIDE.format(required)}. Or pass --accept {how}.",
            )


def _what(group: Group) -> str:
    count = len(group.members)
    if group.directory:
        return f"the {count} files of device code in {group.name}"
    return "this code object" if count == 1 else f"the {count} files {group.name}"


def _lack(group: Group, required: TargetID, found: Served) -> str:
    named = ", ".join(sorted({str(t) for one in group.members for t in one.targets}))
    verb = "is" if len(group.members) == 1 and not group.directory else "are"
    message = f"{_what(group)} {verb} for {named or 'no target'}"
    if not found.missing:
        modes = ", ".join(str(device) for device in found.bare)
        return f"{message}: nothing for {modes}"
    first = group.members[0]
    sibling = renamed(first.name, required.processor)
    if group.directory or sibling == first.name or first.claim is None:
        return f"{message}, and there is none for {required}"
    return f"{message}, and there is none for {required}: {sibling} is not there"


# --- files of one target that another lacks ---------------------------------------------


def _lacking_files(group: Group, policy: Policy) -> Iterator[Finding]:
    """Files that a directory has for one required target, and not for another."""
    names: dict[TargetID, set[str]] = {}
    for required in policy.required:
        own = {family(one.inner) for one in group.members if _is_for(one, required)}
        if own:  # what is missing as a whole has a finding of its own
            names[required] = own
    everything = set().union(*names.values())
    for required, own in names.items():
        lost = sorted(everything - own)
        if lost:
            yield finding(
                "kernel-parity",
                group.members[0].binary.path,
                f"{group.name}: {len(lost)} of {len(everything)} files exist for another"
                f" target and not for {required}, {lost[0]} among them",
                target=required,
                severity=Severity.NOTE if group.tuned else None,
                hint=""
                if group.tuned
                else "HIP has no other file to load there. If that is meant, ignore the"
                " rule for it: --ignore kernel-parity:GLOB",
            )


def _is_for(one: Sidecar, required: TargetID) -> bool:
    return any(target.processor == required.processor for target in one.targets)


def _lacking_kernels(group: Group, policy: Policy) -> Iterator[Finding]:
    """Kernels that a file has for one required target, and its sibling lacks."""
    families: dict[str, list[Sidecar]] = {}
    for one in group.members:
        families.setdefault(family(one.binary.path), []).append(one)
    for members in families.values():
        if len(members) > 1:
            yield from _parity(members, policy)


def _parity(members: Iterable[Sidecar], policy: Policy) -> Iterator[Finding]:
    kernels: dict[TargetID, set[str]] = {}
    paths: dict[TargetID, str] = {}
    for required in policy.required:
        for one in members:
            own = _kernels(one.binary, required) if _is_for(one, required) else set()
            if own:  # a file without kernels has a finding of its own
                kernels.setdefault(required, set()).update(own)
                paths.setdefault(required, one.binary.path)
    everything = set().union(*kernels.values())
    for required, own in kernels.items():
        for name in sorted(everything - own):
            if policy.excuses(paths[required], name, required):
                continue
            yield finding(
                "kernel-parity",
                paths[required],
                f"{brief(name)} exists in a sibling, not for {required}",
                target=required,
                kernel=name,
                hint="HIP aborts when it is launched there. If that is meant, ignore the"
                " rule for this file: --ignore kernel-parity:GLOB",
            )


def _kernels(binary: Binary, required: TargetID) -> set[str]:
    return {
        name
        for bundle in binary.bundles
        for entry in bundle.hip_entries
        if isinstance(entry.code_object, CodeObject)
        and entry.id.target_id is not None
        and entry.id.target_id.processor == required.processor
        for name in entry.code_object.kernels
    }


# --- the library beside -----------------------------------------------------------------


def _beside(
    group: Group, required: TargetID, artifacts: Sequence[Artifact]
) -> Iterator[str]:
    """The libraries that load these files, where they have code for the target."""
    for artifact in artifacts:
        for library in _libraries(group, artifact):
            if required.processor in _processors(library):
                yield f"{library.path.rsplit('/', 1)[-1]} beside has code for it"


def other_targets(artifacts: Sequence[Artifact], policy: Policy) -> Iterator[Finding]:
    """Targets that nobody required, in a library and not in its sidecars, or reverse."""
    wanted = {required.processor for required in policy.required}
    for group in groups(artifacts):
        if not group.directory:
            continue
        own = {target.processor for one in group.members for target in one.targets}
        for artifact in artifacts:
            for library in _libraries(group, artifact):
                name = library.path.rsplit("/", 1)[-1]
                packed = _processors(library)
                for processor in sorted((packed ^ own) - wanted):
                    has, lacks = (name, group.name)
                    if processor in own:
                        has, lacks = lacks, has
                    yield finding(
                        "missing-target",
                        library.path,
                        f"{has} has code for {processor}, {lacks} has none",
                        target=processor,
                        severity=Severity.NOTE,
                    )


def _processors(library: Binary) -> set[str]:
    return {
        entry.id.target_id.processor
        for bundle in library.bundles
        for entry in bundle.hip_entries
        if entry.id.target_id is not None
    }


def _libraries(group: Group, artifact: Artifact) -> Iterator[Binary]:
    """Libraries with device code that lie where a group's own library would.

    That is in the same directory, or above it where the next directory has the
    library's name: `lib/librocblas.so` for `lib/rocblas/library`.
    """
    place = group.path if group.directory else directory_of(group.path)
    for binary in artifact.binaries:
        if is_sidecar(artifact, binary) or not any(b.hip_entries for b in binary.bundles):
            continue
        above = directory_of(binary.path)
        if place == above:
            yield binary
        elif place.startswith(above) and above != place:
            below = re.split(r"[/!.]", place[len(above) :].lstrip("/!"))[0]
            stem = re.split(r"[/!]", binary.path)[-1].removeprefix("lib")
            if below and stem.lower().startswith(below.lower()):
                yield binary


# --- files that name kernels ------------------------------------------------------------


def claims_without_code(artifact: Artifact, _: Policy) -> Iterator[Finding]:
    """Files that are called device code and hold none."""
    for file in artifact.side_files:
        if file.path.endswith((".co", ".hsaco")):
            claimed = claim(file.path.removeprefix(artifact.path))
            if claimed is None and file.path.endswith(".co"):
                continue  # a name that others use, too
            what = "empty" if not file.size else "no AMDGPU code object and no bundle"
            yield finding(
                "broken-code-object",
                file.path,
                f"by its name it holds device code, and it is {what}",
                target=claimed.text if claimed else None,
                hint="look for a file that was cut, or a pointer in place of it (Git LFS)",
            )
