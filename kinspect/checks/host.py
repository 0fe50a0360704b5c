"""Rules on what the host registers, against what the device code has."""

from collections.abc import Iterator

from kinspect.checks.finding import finding
from kinspect.loader import coverage, units
from kinspect.model import Binary, CodeObject, Finding, Severity
from kinspect.names import brief, demangle, kernels_of_stub, plain_kernel
from kinspect.policy import Policy


def registered_kernels(binary: Binary, policy: Policy) -> Iterator[Finding]:
    """Kernels that the host launches and no code object has.

    Device stubs and the new driver's table are proof. In a stripped file registration
    leaves the mangled name in read-only data, beside others: information.
    """
    objects = _readable(binary)
    if objects is None or not any(found.kernels for found in objects):
        return  # told already
    names = _kernel_names(objects)
    proven = {kernels_of_stub(stub) for stub in binary.stubs} - {()}
    registration = binary.registration
    if registration.exact:
        proven |= {(plain_kernel(name),) for name in registration.kernels}
    for candidates in sorted(proven):
        if names.isdisjoint(candidates):
            yield _lost(binary, candidates[-1])
    if not registration.exact:
        known = names.union(*proven, *(found.variables for found in objects))
        yield from _unproven(binary, sorted(_functions(registration.kernels, known)))
    yield from _elsewhere(binary, policy, [p for p in proven if not names.isdisjoint(p)])


def _lost(binary: Binary, name: str) -> Finding:
    return finding(
        "missing-kernel",
        binary.path,
        f"the host registers {brief(name)}, and no code object has it",
        kernel=name,
        hint="HIP aborts when it is launched: the unit that defines it was compiled for the"
        " host, and its device code was lost on the way",
    )


def _unproven(binary: Binary, functions: list[str]) -> Iterator[Finding]:
    """What a host without its symbols leaves open."""
    if functions and not binary.stubs:
        yield finding(
            "missing-kernel",
            binary.path,
            f"the host's symbols are stripped or hidden; its data names {len(functions)}"
            f" functions that no code object has, {brief(functions[0])} among them: whether"
            " these are kernels can't be proven",
            kernel=functions[0],
            severity=Severity.NOTE,
        )


def _functions(found: tuple[str, ...], known: set[str]) -> Iterator[str]:
    """The names of functions that the device code does not know."""
    for name in found:
        if plain_kernel(name) not in known and demangle(name).endswith(")"):
            yield name


def _elsewhere(
    binary: Binary, policy: Policy, proven: list[tuple[str, ...]]
) -> Iterator[Finding]:
    """Kernels that are there for some processors, and for none of a required target."""
    for target in policy.required:
        found = [coverage(unit, target, policy.runtime) for unit in units(binary)]
        names = {plain_kernel(name) for one in found for name in one.kernels}
        others = sorted(one for one in proven if names.isdisjoint(one))
        if others and names and not any(one.missing for one in found):
            yield finding(
                "missing-kernel",
                binary.path,
                f"{len(others)} kernels that the host registers exist for other processors"
                f" than {target} only, {brief(others[0][-1])} among them",
                target=target,
                kernel=others[0][-1],
                severity=Severity.NOTE,
                hint="in order where the host picks kernels by processor, as rocPRIM does",
            )


def registered_variables(binary: Binary, policy: Policy) -> Iterator[Finding]:
    """Variables of the new driver's table that a selected code object lacks."""
    if not binary.registration.exact:
        return
    for unit in units(binary):
        for target in policy.required:
            for found in coverage(unit, target, policy.runtime).code_objects:
                lost = set(binary.registration.variables) - set(found.variables)
                for name in sorted(lost if not found.faults else ()):
                    yield finding(
                        "missing-kernel",
                        binary.path,
                        f"{unit.name}: the host registers the variable {brief(name)}, which"
                        f" the code object for {target} lacks",
                        bundle=unit.index,
                        target=target,
                        kernel=name,
                    )


def unregistered_kernels(binary: Binary, _: Policy) -> Iterator[Finding]:
    """Kernels that no host code is seen to register, as information."""
    objects = _readable(binary)
    if objects is None or not any(bundle.registered for bundle in binary.bundles):
        return
    seen = {name for stub in binary.stubs for name in kernels_of_stub(stub)}
    seen |= {plain_kernel(name) for name in binary.registration.kernels}
    names = _kernel_names(objects)
    rest = sorted(names - seen)
    if rest and len(rest) < len(names):  # else the host says nothing of registration
        yield finding(
            "unregistered-kernel",
            binary.path,
            f"{len(rest)} of {len(names)} kernels are not seen to be registered by the"
            f" host, {brief(rest[0])} among them",
            kernel=rest[0],
        )


def unresolved_symbols(binary: Binary, policy: Policy) -> Iterator[Finding]:
    """Undefined symbols of the code objects that would be loaded."""
    for unit in units(binary):
        for target in policy.required:
            for found in coverage(unit, target, policy.runtime).code_objects:
                for name in found.undefined:
                    yield finding(
                        "unresolved-symbol",
                        binary.path,
                        f"{unit.name}: the code object for {target} leaves {brief(name)}"
                        " undefined",
                        bundle=unit.index,
                        target=target,
                        kernel=name,
                        hint="link the device library that defines it (-fgpu-rdc, and the"
                        " library on the link line)",
                    )


def _kernel_names(objects: list[CodeObject]) -> set[str]:
    names = {name for one in objects for name in one.kernels}
    return {plain_kernel(name) for name in names}


def _readable(binary: Binary) -> list[CodeObject] | None:
    """Every code object, or None where one could not be read: then nothing is proven."""
    found = [
        entry.code_object
        for bundle in binary.bundles
        for entry in bundle.hip_entries
        if not entry.id.is_spirv and entry.size
    ]
    objects = [one for one in found if isinstance(one, CodeObject) and not one.faults]
    return objects if len(objects) == len(found) else None
