"""Rules on the kernels that the host launches, against those that the device code has."""

import re
from collections.abc import Iterator
from typing import Final

from kinspect.checks.finding import finding
from kinspect.loader import coverage, units
from kinspect.model import Binary, CodeObject, Finding, Severity
from kinspect.names import brief, kernels_of_stub
from kinspect.policy import Policy

#: what an RDC compile appends to the device's name of a static kernel
_INTERN: Final = re.compile(r"\.(?:intern|static)\.\w+$")


def registered_kernels(binary: Binary, policy: Policy) -> Iterator[Finding]:
    """Device stubs whose kernel is in no code object, or in none of a required target."""
    if not binary.stubs or not all(_readable(binary)):
        return
    everywhere = {
        _plain(name) for _, bundle_kernels in _kernels(binary) for name in bundle_kernels
    }
    if not everywhere:
        return  # no kernels at all: told already
    lost = [stub for stub in binary.stubs if everywhere.isdisjoint(kernels_of_stub(stub))]
    for stub in lost:
        name = kernels_of_stub(stub)[-1]
        yield finding(
            "missing-kernel",
            binary.path,
            f"the host registers {brief(name)}, and no code object has it",
            kernel=name,
            hint="HIP aborts when it is launched: the unit that defines it was compiled for"
            " the host, and its device code was lost on the way",
        )
    present = [stub for stub in binary.stubs if stub not in set(lost)]
    for target in policy.required:
        found = [coverage(unit, target, policy.runtime) for unit in units(binary)]
        if any(one.missing for one in found):
            continue  # a finding of its own
        names = {_plain(name) for one in found for name in one.kernels}
        others = [s for s in present if names.isdisjoint(kernels_of_stub(s))]
        if others and names:
            name = kernels_of_stub(others[0])[-1]
            yield finding(
                "missing-kernel",
                binary.path,
                f"{len(others)} kernels that the host registers exist for other processors"
                f" than {target} only, {brief(name)} among them",
                target=target,
                kernel=name,
                severity=Severity.NOTE,
                hint="in order where the host picks kernels by processor, as rocPRIM does",
            )


def _plain(name: str) -> str:
    return _INTERN.sub("", name)


def _readable(binary: Binary) -> Iterator[bool]:
    for bundle in binary.bundles:
        for entry in bundle.hip_entries:
            found = entry.code_object
            yield isinstance(found, CodeObject) and not found.faults


def _kernels(binary: Binary) -> Iterator[tuple[int, tuple[str, ...]]]:
    for bundle in binary.bundles:
        for entry in bundle.hip_entries:
            if isinstance(entry.code_object, CodeObject):
                yield bundle.index, entry.code_object.kernels
