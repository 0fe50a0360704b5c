"""Rules on the targets that are required."""

from collections.abc import Iterator
from typing import Final

from kinspect.checks.finding import build_hint, finding
from kinspect.loader import Coverage, Unit, coverage, illegible, units
from kinspect.lookup import How
from kinspect.model import Binary, CodeObject, Entry, Finding
from kinspect.names import brief
from kinspect.policy import Policy
from kinspect.runtime import Runtime
from kinspect.target import SPIRV

COMPRESS: Final = (
    "compress with the compiler of the oldest ROCm release that is to run it, or not at all"
    " (without --offload-compress)"
)
UNSPLIT: Final = "ship the binary as it was before it was split, or require a newer ROCm"


def missing_targets(binary: Binary, policy: Policy) -> Iterator[Finding]:
    for unit in units(binary):
        for required in policy.required:
            found = coverage(unit, required, policy.runtime)
            if unit.oversized:
                continue  # nothing in it is found: a finding of its own
            if unit.packed is not None and not illegible(unit, policy.runtime):
                continue  # it lies in archives: kpack-unresolved
            if len(found.missing) == len(found.choices):
                yield _missing(binary, unit, found, policy.runtime)
            elif found.missing:
                yield _partial(binary, unit, found)


def _missing(binary: Binary, unit: Unit, found: Coverage, runtime: Runtime) -> Finding:
    required = found.required
    reason = illegible(unit, runtime)
    if reason:
        return finding(
            "missing-target",
            binary.path,
            f"{unit.name} serves {required} nothing: {reason}",
            bundle=unit.index,
            target=required,
            hint=COMPRESS if unit.packed is None else UNSPLIT,
        )
    return finding(
        "missing-target",
        binary.path,
        f"{unit.name} has no code object that HIP would load on {required}",
        bundle=unit.index,
        target=required,
        hint=build_hint(binary, required),
        details=_packed(unit),
    )


def _partial(binary: Binary, unit: Unit, found: Coverage) -> Finding:
    required = found.required
    without = ", ".join(str(device) for device in found.missing)
    return finding(
        "partial-target",
        binary.path,
        f"{unit.name} serves only some modes of {required}: nothing for {without}",
        bundle=unit.index,
        target=required,
        hint=f"build for {required.processor} without modes, or for both;"
        " or require just the mode that your machines run",
        details=_packed(unit),
    )


def _packed(unit: Unit) -> tuple[str, ...]:
    lines = [f"packed: {', '.join(_described(entry) for entry in _shown(unit))}"]
    names = sorted(
        {
            name
            for entry in unit.entries
            if isinstance(entry.code_object, CodeObject)
            for name in entry.code_object.kernels
        }
    )
    if names:
        shown = ", ".join(brief(name) for name in names[:2])
        more = f" and {len(names) - 2} more" if len(names) > 2 else ""
        lines.append(f"kernels: {shown}{more}")
    return tuple(lines)


def _shown(unit: Unit) -> list[Entry]:
    """The HIP entries, and OpenMP's where HIP may take one of them for its own."""
    return [e for e in unit.candidates if e.id.is_hip or e.id.kind == "openmp"]


def _described(entry: Entry) -> str:
    name = entry.id.target_name
    if not entry.id.is_hip:
        return f"{name} (OpenMP's, which HIP may load in place of its own)"
    if not entry.size:
        return f"{name} (empty entry: HIP skips it)"
    if isinstance(entry.code_object, CodeObject) and entry.code_object.useless:
        return (
            f"{name} (useless: no metadata, no kernels, e_flags 0; an RDC link without"
            " --offload-arch makes this)"
        )
    if not entry.id.is_spirv and entry.id.target_id is None:
        return f"{name} (spelled {entry.id.text!r}, which HIP matches with no device)"
    return name


def fallbacks(binary: Binary, policy: Policy) -> Iterator[Finding]:
    """Targets that only generic code or SPIR-V serves, unless that is accepted."""
    rules = {How.GENERIC: "generic-only", How.SPIRV: "jit-only"}
    words = {
        How.GENERIC: "generic code, which lacks instructions of the processor and needs a"
        " recent runtime",
        How.SPIRV: "SPIR-V, which HIP compiles at the first use",
    }
    for unit in units(binary):
        for required in policy.required:
            found = coverage(unit, required, policy.runtime)
            for how in sorted(found.hows - {How.NATIVE}):
                if how.value not in policy.accept:
                    yield finding(
                        rules[how],
                        binary.path,
                        f"{unit.name} serves {required} by {words[how]}",
                        bundle=unit.index,
                        target=required,
                        hint=f"{build_hint(binary, required)} Or pass --accept {how}.",
                        details=_packed(unit)[:1],
                    )


def extra_targets(binary: Binary, policy: Policy) -> Iterator[Finding]:
    if not (policy.only and policy.required):
        return
    processors = {required.processor for required in policy.required}
    if "generic" in policy.accept:
        generics = [required.generic for required in policy.required]
        processors |= {one.processor for one in generics if one is not None}
    if "spirv" in policy.accept:
        processors.add(SPIRV)
    for unit in units(binary):
        extra = {e.id.target_name for e in unit.entries} - processors
        for name in sorted(extra):
            if name.split(":")[0] not in processors:
                yield finding(
                    "extra-target",
                    binary.path,
                    f"{unit.name} also holds {name}, which --only forbids",
                    bundle=unit.index,
                    target=name,
                )
