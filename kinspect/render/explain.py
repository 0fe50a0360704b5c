"""What HIP would load on a device, told as a person would."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from kinspect.loader import (
    VISIBLE,
    Choice,
    Unit,
    chosen,
    illegible,
    refusal,
)
from kinspect.lookup import How, mismatch
from kinspect.model import CodeObject, Entry, Unreadable
from kinspect.names import brief, escape
from kinspect.render import explain_kpack
from kinspect.render.words import count
from kinspect.runtime import Runtime
from kinspect.target import TargetID

#: kernels that a line names
SHOWN = 3

NONE = "nothing suits this device"

#: by what of the code object is damaged
BROKEN = "hipErrorInvalidKernelFile or hipErrorNoBinaryForGpu"


@dataclass(frozen=True, slots=True)
class Explanation:
    """One unit on one device."""

    lines: tuple[str, ...]
    #: whether a kernel of the unit could be launched
    loads: bool


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What becomes of the unit: without a problem it loads."""

    choice: str
    problem: str = ""
    error: str = ""
    #: what can be launched then
    found: CodeObject | None = None


def explain(
    unit: Unit, device: TargetID, runtime: Runtime, kernels: Iterable[str] = ()
) -> Explanation:
    """The candidates, the choice, and the error that a user would meet.

    `kernels` are those of the unit to tell one by one.
    """
    lines = [f"candidate {line}" for line in _candidates(unit, device, runtime)]
    outcome = _outcome(unit, device, runtime)
    lines.append(f"choice    {outcome.choice}")
    if outcome.problem:
        lines.append(f"problem   {outcome.problem}")
        lines.append(f"error     {outcome.error}")
        lines += [f"also      {line}" for line in _consequences(unit, outcome, runtime)]
    lines += _kernels(unit, outcome, tuple(kernels))
    return Explanation(tuple(lines), loads=not outcome.problem)


def kernels_of(unit: Unit) -> tuple[str, ...]:
    """The kernels of a unit, whichever of its code objects have them, sorted."""
    names = {name for found in _code_objects(unit) for name in found.kernels}
    return tuple(sorted(names))


def _code_objects(unit: Unit) -> list[CodeObject]:
    parts = (entry.code_object for entry in unit.entries)
    return [part for part in parts if isinstance(part, CodeObject)]


# --- candidates -------------------------------------------------------------------------


def _candidates(unit: Unit, device: TargetID, runtime: Runtime) -> Iterator[str]:
    if unit.packed is not None:
        yield from explain_kpack.archives(unit, unit.packed, device)
        return
    for entry in unit.candidates:
        if entry.id.is_hip or entry.id.kind == "openmp":
            name = escape(entry.id.text)
            suits = _suits(entry, device, runtime, compressed=unit.compressed)
            yield f"{name}: {suits}"


def _suits(entry: Entry, device: TargetID, runtime: Runtime, *, compressed: bool) -> str:
    if not entry.size:
        return "empty, never counts"
    if entry.id.is_spirv:
        return "SPIR-V, if nothing else suits" if runtime.spirv else "SPIR-V, not known yet"
    reason = mismatch(entry.id, device, compressed=compressed)
    if not reason:
        ours = "suits (native)"
        return ours if entry.id.is_hip else "OpenMP's, which HIP may take for its own"
    generic = device.generic
    if generic is None or mismatch(entry.id, generic, compressed=compressed):
        return escape(reason)
    if runtime.generic_compressed if compressed else runtime.generic:
        return "suits (generic)"
    return f"generic, which {runtime.name} does not take here"


# --- the choice -------------------------------------------------------------------------


def _outcome(unit: Unit, device: TargetID, runtime: Runtime) -> _Outcome:
    if unit.oversized:
        size = unit.bundles[0].header_size
        problem = f"the entry table takes {size} bytes, HIP reads {VISIBLE}"
        return _Outcome("none", problem, f"hipErrorInvalidImage {_when(unit)}")
    reason = illegible(unit, runtime)
    if reason:
        error = "hipErrorInvalidImage" if runtime.ccob else "hipErrorNotSupported"
        return _Outcome("none", reason, f"{error} {_when(unit)}")
    choice = chosen(unit, unit.candidates, device, runtime)
    if choice.entry is None and unit.packed is not None:
        problem, error = explain_kpack.lack(unit, unit.packed, device, runtime)
        return _Outcome("none", problem, f"{error} {_when(unit)}")
    if choice.entry is None and unit.bare:
        return _bare(unit, device, runtime)
    if choice.entry is None:
        return _Outcome("none", NONE, _nothing(unit, runtime))
    return _judged(choice, _chosen(choice), unit, runtime)


def _bare(unit: Unit, device: TargetID, runtime: Runtime) -> _Outcome:
    choice = Choice(device, unit.entries[0], How.NATIVE)
    text = "the code object: without a bundle, HIP gives it to every device unseen"
    return _judged(choice, text, unit, runtime)


def _judged(choice: Choice, text: str, unit: Unit, runtime: Runtime) -> _Outcome:
    """What the loader makes of what was chosen."""
    reason = refusal(choice, runtime)
    if reason:
        problem = f"the loader refuses it: {reason}"
        error = runtime.refused if _registered(unit) else "hipErrorNoBinaryForGpu"
        return _Outcome(text, problem, f"{error}, {_when(unit)}")
    found = choice.entry.code_object if choice.entry is not None else None
    if isinstance(found, Unreadable):
        return _Outcome(text, f"it can't be compiled: {found.message}", BROKEN)
    if not isinstance(found, CodeObject):
        return _Outcome(text)  # SPIR-V: what is in it shows when it is compiled
    if not found.linked:
        return _Outcome(text, "the code object was not linked", f"{BROKEN}, {_when(unit)}")
    if found.faults:
        problem = f"the code object is broken: {found.faults[0].message}"
        return _Outcome(text, problem, f"{BROKEN}, {_when(unit)}")
    if not found.kernels and kernels_of(unit):
        problem = "the code object has no kernels, and others of the bundle have some"
        return _Outcome(text, problem, "abort at the first launch of one")
    if found.broken:
        name, why = found.broken[0]
        lost = (
            f"{count(len(found.broken), 'kernel')} can't run: {escape(brief(name))}: {why}"
        )
        return _Outcome(text, lost, "a fault or wrong results when it is launched", found)
    return _Outcome(text, found=found)


def _chosen(choice: Choice) -> str:
    if choice.entry is None or choice.how is None:
        return "none"
    reasons = {
        How.NATIVE: "native code comes first",
        How.GENERIC: "no native code, so generic code",
        How.SPIRV: "SPIR-V, compiled at the first use",
    }
    return f"{escape(choice.entry.id.text)}: {reasons[choice.how]}"


# --- what a user meets ------------------------------------------------------------------


def _registered(unit: Unit) -> bool:
    return any(bundle.registered for bundle in unit.bundles)


def _nothing(unit: Unit, runtime: Runtime) -> str:
    """Nothing was found: the error of the first launch, and of those that follow."""
    again = f" (then {runtime.again})" if _registered(unit) and runtime.again else ""
    return f"{runtime.error} {_when(unit)}{again}"


def _when(unit: Unit) -> str:
    """Which call reports it."""
    if _registered(unit):
        return "at the first launch of one of its kernels"
    if unit.bundles[0].embedded:
        return "by hipModuleLoadData"
    return "by hipModuleLoad"


def _consequences(unit: Unit, outcome: _Outcome, runtime: Runtime) -> Iterator[str]:
    """What else the same lack does, beside the launch."""
    if not _registered(unit):
        return
    if outcome.problem == NONE:
        yield (
            "hipErrorInvalidDeviceFunction where the library is loaded after HIP has"
            " started (dlopen, an import)"
        )
        yield runtime.others
    yield "abort while the library loads, with HIP_ENABLE_DEFERRED_LOADING=0"


def _kernels(unit: Unit, outcome: _Outcome, asked: tuple[str, ...]) -> Iterator[str]:
    """How many kernels could be launched, and those that were asked for, one by one."""
    everything = kernels_of(unit)
    if outcome.found is not None and everything:
        there = set(outcome.found.kernels)
        lost = [name for name in everything if name not in there]
        sound = there - dict(outcome.found.broken).keys()
        yield f"kernels   {count(len(sound), 'kernel')} can be launched"
        if lost:
            yield (
                f"abort     {count(len(lost), 'kernel')} of other code objects, at the"
                f" first launch of one: this one lacks {some(lost)}"
            )
    elif outcome.problem and everything:
        yield f"kernels   none of its {count(len(everything), 'kernel')}"
    for name in asked:
        yield f"kernel    {escape(brief(name))}: {_fate(name, outcome)}"


def _fate(name: str, outcome: _Outcome) -> str:
    if outcome.found is None:
        return outcome.error if outcome.problem else "compiled at the first use"
    if name in dict(outcome.found.broken):
        return f"can't run: {dict(outcome.found.broken)[name]}"
    if name in outcome.found.kernels:
        return "can be launched"
    return "abort at its first launch, since the code object lacks it"


def some(names: Sequence[str]) -> str:
    """The first few names, and how many more."""
    more = len(names) - SHOWN
    shown = ", ".join(escape(brief(name)) for name in names[:SHOWN])
    return f"{shown} and {more:,} more" if more > 0 else shown
