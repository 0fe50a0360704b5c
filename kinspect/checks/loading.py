"""Rules on what HIP makes of the entries that it finds, or fails to find."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator

from kinspect.checks.finding import finding
from kinspect.loader import VISIBLE, Choice, Unit, chosen, coverage, refusal, units
from kinspect.lookup import How
from kinspect.model import Binary, CodeObject, Entry, Finding
from kinspect.names import brief
from kinspect.policy import Policy
from kinspect.runtime import Runtime
from kinspect.target import EntryID, TargetID


def refused(binary: Binary, policy: Policy) -> Iterator[Finding]:
    """What HIP would select and then refuse, by the code object's own header.

    A disagreement of entry ID and e_flags as such is `mismatched_targets`; what an RDC
    link leaves for a target that no input has names no processor to disagree with.
    """
    for unit in units(binary):
        for required in policy.required:
            found = coverage(unit, required, policy.runtime)
            reasons = {
                (
                    choice.entry.id.text,
                    refusal(choice, policy.runtime),
                    choice.entry.code_object.useless,
                )
                for choice in found.choices
                if choice.entry is not None
                and isinstance(choice.entry.code_object, CodeObject)
            }
            for text, reason, useless in sorted(reasons):
                if reason and (useless or "e_flags" not in reason):
                    yield finding(
                        "refused",
                        binary.path,
                        f"{unit.name}: HIP would select {text} for {required} and refuse"
                        f" it: {reason}",
                        bundle=unit.index,
                        target=required,
                        hint=_useless_hint(required) if useless else "",
                    )


def _useless_hint(required: TargetID) -> str:
    return (
        "no metadata, no kernels, e_flags 0: the link asked for a target that no object"
        f" was compiled for. Add --offload-arch={required} to the *compile* flags too"
    )


def oversized_headers(binary: Binary, _: Policy) -> Iterator[Finding]:
    for unit in units(binary):
        if unit.oversized:
            size = unit.bundles[0].header_size
            yield finding(
                "oversized-header",
                binary.path,
                f"{unit.name}: its entry table takes {size} bytes, of which HIP reads"
                f" {VISIBLE}: nothing in it is found",
                bundle=unit.index,
                hint="pack fewer targets, or compress the bundle (--offload-compress)",
            )


def duplicate_targets(binary: Binary, _: Policy) -> Iterator[Finding]:
    """Entries of one processor that could both be chosen for the same device."""
    for unit in units(binary):
        # bare code objects that a program picks from by itself, and archives, which are
        # searched in order, the most specific target first
        if len(unit.bundles) > 1 or unit.packed is not None:
            continue
        filled = [entry.id for entry in unit.entries if entry.size]
        counts = Counter(_key(entry) for entry in filled)
        for name, count in sorted(counts.items()):
            if count > 1:
                yield _duplicate(binary, unit, name, f"{count} entries are for {name}")
        targets = (target for entry in filled if (target := entry.target_id))
        for own, other in _both(dict.fromkeys(targets)):
            message = f"entries for {other} and {own} both suit {own}"
            yield _duplicate(binary, unit, str(own), message)


def _both(targets: Iterable[TargetID]) -> Iterator[tuple[TargetID, TargetID]]:
    """Each target with every other one that serves it too."""
    siblings: defaultdict[str, list[TargetID]] = defaultdict(list)
    for target in targets:
        siblings[target.processor].append(target)
    for own in targets:
        for other in siblings[own.processor]:
            if other != own and other.serves(own):
                yield own, other


def _key(entry: EntryID) -> str:
    return str(entry.target_id or entry.target_name)


def _duplicate(binary: Binary, unit: Unit, target: str, message: str) -> Finding:
    order = "in the order of a hash table" if unit.compressed else "the first in the file"
    return finding(
        "duplicate-target",
        binary.path,
        f"{unit.name}: {message}; HIP takes one of them, {order}",
        bundle=unit.index,
        target=target,
        hint="name each processor once, either without modes or with all of them",
    )


def shadowed(binary: Binary, policy: Policy) -> Iterator[Finding]:
    """Kernels that generic code has, hidden by native code that lacks them."""
    for unit in units(binary):
        for required in policy.required:
            for choice in coverage(unit, required, policy.runtime).choices:
                hidden = _hidden(unit, choice, policy.runtime)
                if hidden:
                    yield _shadowed(binary, unit, required, hidden)
                    break  # the other modes say the same


def _hidden(unit: Unit, choice: Choice, runtime: Runtime) -> list[str]:
    """The kernels that HIP would find in generic code, were there no native code."""
    if choice.how is not How.NATIVE or choice.entry is None:
        return []
    native = choice.entry.id.target_id
    rest = [entry for entry in unit.entries if entry.id.target_id != native]
    other = chosen(unit, rest, choice.device, runtime)
    if other.how is not How.GENERIC or other.entry is None:
        return []
    return sorted(_kernels(other.entry) - _kernels(choice.entry))


def _kernels(entry: Entry) -> frozenset[str]:
    found = entry.code_object
    return frozenset(found.kernels if isinstance(found, CodeObject) else ())


def _shadowed(binary: Binary, unit: Unit, required: TargetID, hidden: list[str]) -> Finding:
    return finding(
        "shadowed",
        binary.path,
        f"{unit.name}: the native code object for {required} lacks {len(hidden)} kernels"
        f" that generic code has, {brief(hidden[0])} among them",
        bundle=unit.index,
        target=required,
        kernel=hidden[0],
        hint="HIP does not fall back kernel by kernel: build all kernels for the native"
        " target, or leave it out",
    )
