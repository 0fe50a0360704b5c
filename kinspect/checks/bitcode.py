"""Rules on device bitcode, which the link of an RDC library compiles."""

from collections.abc import Iterable, Iterator, Mapping

from kinspect.checks.finding import finding
from kinspect.linking import LinkUnit, link_units
from kinspect.model import BITCODE, Binary, Bitcode, DeviceBitcode, Finding
from kinspect.names import brief
from kinspect.policy import Policy
from kinspect.target import TargetID


def missing_bitcode(binary: Binary, policy: Policy) -> Iterator[Finding]:
    """A unit without bitcode for a target: a link for it takes nothing from it."""
    for unit in _objects(binary):
        for required in policy.required:
            packed = [one.target for one in unit.parts if one.size]
            modes = missing_modes(required, packed, policy)
            if modes is not None:
                yield _missing(binary, unit, required, modes)


def _objects(binary: Binary) -> Iterator[LinkUnit]:
    """The units that must have every target: files of bitcode have siblings instead."""
    if binary.format != BITCODE:
        yield from link_units(binary)


def _missing(binary: Binary, unit: LinkUnit, required: TargetID, modes: str) -> Finding:
    what = f"{unit.name} of this RDC object" if unit.name else "this RDC object"
    lost = [one for one in unit.parts if one.target is None and one.name == str(required)]
    hint = (
        f"add --offload-arch={required} to the *compile* flags (-fgpu-rdc); a link for it"
        " would take nothing from this object"
    )
    if lost:
        hint = (
            f"the tool that bundled it did not know {required} (LLVM 19's does not), and"
            " one that does won't find this: compile with the tools of one ROCm release"
        )
    return finding(
        "missing-bitcode",
        binary.path,
        f"{what} has no device bitcode for {required}{modes}",
        target=required,
        details=(f"bitcode: {', '.join(_described(one) for one in unit.parts)}",),
        hint=hint,
    )


def _described(part: DeviceBitcode) -> str:
    if not part.size:
        return f"{part.name} (empty)"
    if part.target is None and not part.id.is_spirv:
        return f"{part.name} (spelled {part.id.text!r}, which no link asks for)"
    return part.name


def missing_modes(
    required: TargetID, packed: Iterable[TargetID | None], policy: Policy
) -> str | None:
    """None if all modes of a target are served; else which are not, for a message."""
    packed = tuple(packed)
    devices = required.devices()
    bare = [d for d in devices if not any(suits(one, d, policy) for one in packed)]
    if not bare:
        return None
    return "" if len(bare) == len(devices) else f" in mode {bare[0]}"


def suits(target: TargetID | None, device: TargetID, policy: Policy) -> bool:
    """Whether a link for a device takes bitcode of a target."""
    generic = device.generic if "generic" in policy.accept else None
    return target is not None and (
        target.serves(device) or (generic is not None and target.serves(generic))
    )


def mismatched_bitcode(binary: Binary, _: Policy) -> Iterator[Finding]:
    """Bitcode that was compiled for another processor than the one that it is kept for."""
    for unit in _objects(binary):
        for one in unit.parts:
            if not isinstance(one.content, Bitcode):
                continue
            actual = ", ".join(one.content.processors)
            named = one.target.processor if one.target is not None else one.name
            if not one.content.device or (actual and actual != named):
                yield finding(
                    "target-mismatch",
                    binary.path,
                    f"the bitcode that is kept for {one.name} is for"
                    f" {actual or 'no processor'} ({one.content.triple or 'no triple'})",
                    target=one.target,
                    hint="rebuild the object; bitcode was swapped or renamed",
                )


def bitcode_parity(binary: Binary, policy: Policy) -> Iterator[Finding]:
    """Functions that the bitcode for one required target defines, and another lacks."""
    for unit in _objects(binary):
        named = f"{unit.name}: " if unit.name else ""
        defined: dict[TargetID, set[str]] = {}
        for required in policy.required:
            for device in required.devices():
                known = [
                    set(one.content.functions)
                    for one in unit.parts
                    if isinstance(one.content, Bitcode)
                    and suits(one.target, device, policy)
                ]
                if known:
                    names = set().union(*known)
                    defined[required] = defined.get(required, names) & names
        for required, message, name in differences(defined, policy, binary.path):
            yield finding(
                "kernel-parity",
                binary.path,
                named + message,
                target=required,
                kernel=name,
                hint="compile the same sources for every target",
            )


def differences(
    defined: Mapping[TargetID, set[str]], policy: Policy, path: str
) -> Iterator[tuple[TargetID, str, str]]:
    """Targets whose bitcode lacks functions, what to say of it, and one of them."""
    everything = set().union(*defined.values())
    for required, names in defined.items():
        lost = [
            name
            for name in sorted(everything - names)
            if not policy.excuses(path, name, required)
        ]
        if lost:
            message = (
                f"the bitcode for {required} lacks {len(lost)} of {len(everything)}"
                f" functions that another target's defines, {brief(lost[0])} among them"
            )
            yield required, message, lost[0]
