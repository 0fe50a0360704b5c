"""What HIP would load on a device, told as a person would."""

from collections.abc import Iterator
from dataclasses import dataclass

from kinspect.loader import (
    VISIBLE,
    Choice,
    How,
    Unit,
    choose,
    illegible,
    mismatch,
    refusal,
)
from kinspect.model import CodeObject, Entry
from kinspect.names import escape
from kinspect.runtime import Runtime
from kinspect.target import TargetID


@dataclass(frozen=True, slots=True)
class Explanation:
    """One unit on one device."""

    lines: tuple[str, ...]
    #: whether a kernel of the unit could be launched
    loads: bool


def explain(unit: Unit, device: TargetID, runtime: Runtime) -> Explanation:
    """The candidates, the choice, and the error that a user would meet."""
    lines = [f"candidate {line}" for line in _candidates(unit, device, runtime)]
    if unit.oversized:
        size = unit.bundles[0].header_size
        lines.append(
            f"choice    none: the entry table takes {size} bytes, HIP reads {VISIBLE}"
        )
        lines.append("error     hipErrorInvalidImage at the first launch")
        return Explanation(tuple(lines), loads=False)
    reason = illegible(unit, runtime)
    if reason:
        lines.append(f"choice    none: {reason}")
        lines.append("error     hipErrorNotSupported or hipErrorInvalidImage")
        return Explanation(tuple(lines), loads=False)
    choice = choose(unit.entries, device, runtime, compressed=unit.compressed)
    problem, error = _outcome(choice, unit, runtime)
    lines.append(f"choice    {_chosen(choice)}")
    if problem:
        lines.append(f"problem   {problem}")
        lines.append(f"error     {error}")
    return Explanation(tuple(lines), loads=not problem)


def _candidates(unit: Unit, device: TargetID, runtime: Runtime) -> Iterator[str]:
    for entry in unit.entries:
        name = escape(entry.id.text)
        yield f"{name}: {_suits(entry, device, runtime, compressed=unit.compressed)}"


def _suits(entry: Entry, device: TargetID, runtime: Runtime, *, compressed: bool) -> str:
    if not entry.size:
        return "empty, never counts"
    if entry.id.is_spirv:
        return "SPIR-V, if nothing else suits" if runtime.spirv else "SPIR-V, not known yet"
    reason = mismatch(entry.id, device, compressed=compressed)
    if not reason:
        return "suits (native)"
    generic = device.generic
    if generic is None or mismatch(entry.id, generic, compressed=compressed):
        return escape(reason)
    if runtime.generic_compressed if compressed else runtime.generic:
        return "suits (generic)"
    return f"generic, which {runtime.name} does not take here"


def _chosen(choice: Choice) -> str:
    if choice.entry is None or choice.how is None:
        return "none"
    reasons = {
        How.NATIVE: "native code comes first",
        How.GENERIC: "no native code, so generic code",
        How.SPIRV: "no code object, so SPIR-V, compiled at the first use",
    }
    return f"{escape(choice.entry.id.text)}: {reasons[choice.how]}"


def _outcome(choice: Choice, unit: Unit, runtime: Runtime) -> tuple[str, str]:
    """What is wrong with the choice, and what the user would see of it."""
    if choice.entry is None:
        return "nothing suits this device", f"{runtime.error}, at the first launch"
    reason = refusal(choice)
    if reason:
        return (
            f"the loader refuses it: {reason}",
            "hipErrorNoBinaryForGpu at the first launch",
        )
    found = choice.entry.code_object
    if isinstance(found, CodeObject) and found.faults:
        return f"the code object is broken: {found.faults[0].message}", runtime.error
    if isinstance(found, CodeObject) and not found.kernels and _any_kernels(unit):
        return "the code object has no kernels", "abort at the first launch of one"
    return "", ""


def _any_kernels(unit: Unit) -> bool:
    return any(
        isinstance(entry.code_object, CodeObject) and entry.code_object.kernels
        for entry in unit.entries
    )
