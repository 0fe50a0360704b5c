"""Rules on device bitcode, which the link of an RDC library compiles."""

from collections.abc import Iterator

from kinspect.checks.finding import finding
from kinspect.model import Binary, Bitcode, DeviceBitcode, Finding
from kinspect.names import brief
from kinspect.policy import Policy
from kinspect.target import TargetID


def missing_bitcode(binary: Binary, policy: Policy) -> Iterator[Finding]:
    """An RDC object without bitcode for a target: a link for it takes nothing from it."""
    if not binary.bitcode:
        return
    packed = ", ".join(one.name for one in binary.bitcode)
    for required in policy.required:
        bare = [d for d in required.devices() if not _for_device(binary, d, policy)]
        if bare:
            modes = "" if len(bare) == len(required.devices()) else " in some modes"
            yield finding(
                "missing-bitcode",
                binary.path,
                f"this RDC object has no device bitcode for {required}{modes}",
                target=required,
                details=(f"bitcode: {packed}",),
                hint=f"add --offload-arch={required} to the *compile* flags (-fgpu-rdc);"
                " a link for it would take nothing from this object",
            )


def _for_device(binary: Binary, device: TargetID, policy: Policy) -> list[DeviceBitcode]:
    suiting = [device]
    if "generic" in policy.accept and device.generic is not None:
        suiting.append(device.generic)
    return [
        one
        for one in binary.bitcode
        if one.target is not None and any(one.target.serves(other) for other in suiting)
    ]


def mismatched_bitcode(binary: Binary, _: Policy) -> Iterator[Finding]:
    """Bitcode that was compiled for another processor than the one that it is kept for."""
    for one in binary.bitcode:
        if isinstance(one.content, Bitcode) and one.content.processors:
            named = one.target.processor if one.target is not None else one.name
            actual = ", ".join(one.content.processors)
            if actual != named or not one.content.triple.startswith("amdgcn"):
                yield finding(
                    "target-mismatch",
                    binary.path,
                    f"the bitcode that is kept for {one.name} is for {actual}"
                    f" ({one.content.triple})",
                    target=one.target,
                    hint="rebuild the object; bitcode was swapped or renamed",
                )


def bitcode_parity(binary: Binary, policy: Policy) -> Iterator[Finding]:
    """Functions that the bitcode for one required target defines, and another lacks."""
    defined: dict[TargetID, set[str]] = {}
    for required in policy.required:
        for device in required.devices():
            contents = [one.content for one in _for_device(binary, device, policy)]
            known = [one for one in contents if isinstance(one, Bitcode)]
            if known:
                names = {name for one in known for name in one.functions}
                defined[required] = defined.get(required, names) & names
    everything = set().union(*defined.values())
    for required, names in defined.items():
        lost = sorted(everything - names)
        if lost:
            yield finding(
                "kernel-parity",
                binary.path,
                f"the bitcode for {required} lacks {len(lost)} of {len(everything)}"
                f" functions that another target's defines, {brief(lost[0])} among them",
                target=required,
                kernel=lost[0],
                hint="compile the same sources for every target",
            )
