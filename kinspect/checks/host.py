"""Rules on what the host registers, against what the device code has."""

from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from kinspect.checks.finding import finding
from kinspect.loader import Unit, coverage, units
from kinspect.model import Binary, CodeObject, Finding, Severity
from kinspect.names import brief, demangle, kernels_of_stubs, plain_kernel, plain_kernels
from kinspect.policy import Policy
from kinspect.target import TargetID


def registered_kernels(binary: Binary, policy: Policy) -> Iterator[Finding]:
    """Kernels that the host launches and no code object has.

    Device stubs, handles and the new driver's table are proof. In a stripped file
    registration leaves the mangled name in read-only data, beside others: information.
    """
    objects = _readable(binary)
    if objects is None or not any(found.kernels for found in objects):
        return  # told already
    names = _kernel_names(objects)
    proven = _proven(binary)
    for candidates in sorted(one for one in proven if names.isdisjoint(one)):
        yield _lost(binary, candidates[-1])
    yield from _misnamed(binary, names)
    yield from _unreachable(binary, proven)
    if not binary.registration.exact:
        known = names.union(*proven, *(found.variables for found in objects))
        rest = sorted(_functions(binary.registration.kernels, known))
        yield from _unproven(binary, rest)
    yield from _elsewhere(binary, policy, [p for p in proven if not names.isdisjoint(p)])


def _proven(binary: Binary) -> frozenset[tuple[str, ...]]:
    """The kernels that the host registers for sure, each with its possible names."""
    proven = kernels_of_stubs(binary.stubs)
    stubbed = {name for names in proven for name in names}
    registration = binary.registration
    sure = registration.kernels if registration.exact else registration.objects
    # demangling is slow, and most objects have a stub beside them
    others = [name for name in map(plain_kernel, sure) if name not in stubbed]
    if not registration.exact:
        others = [name for name in others if _is_function(name)]
    return proven | {(name,) for name in others}


def _is_function(name: str) -> bool:
    """Whether an object goes by the name of a function: it is the handle of a kernel."""
    return demangle(name).endswith(")")


def _lost(binary: Binary, name: str) -> Finding:
    return finding(
        "missing-kernel",
        binary.path,
        f"the host registers {brief(name)}, and no code object has it",
        kernel=name,
        hint="HIP aborts when it is launched: the unit that defines it was compiled for the"
        " host, and its device code was lost on the way",
    )


def _misnamed(binary: Binary, names: set[str]) -> Iterator[Finding]:
    """Kernels that the host can launch, and registers by no name that it could have."""
    for name in binary.registration.unnamed:
        if name in names:  # else it is lost altogether
            yield finding(
                "missing-kernel",
                binary.path,
                f"the host has a device stub for {brief(name)}, and no text in its data"
                " names the kernel: it is registered by another name, or not at all",
                kernel=name,
                hint="HIP looks for the name that the host registers: something changed"
                " the host's data after it was compiled",
            )


def _unreachable(binary: Binary, proven: AbstractSet[tuple[str, ...]]) -> Iterator[Finding]:
    """Kernels that the host registers, in bundles that no wrapper points at."""
    reached: set[str] = set()
    lost: dict[str, int] = {}
    for bundle in binary.bundles:
        entries = (entry.code_object for entry in bundle.hip_entries)
        kernels = _kernel_names([one for one in entries if isinstance(one, CodeObject)])
        if bundle.registered:
            reached |= kernels
        elif not bundle.embedded:
            lost |= dict.fromkeys(kernels, bundle.index)
    if not reached or not lost:
        return  # nothing is registered: told already; or all is
    named = {(plain_kernel(name),) for name in binary.registration.kernels}
    for candidates in sorted(proven | named):
        found = [name for name in candidates if name in lost]
        if found and reached.isdisjoint(candidates):
            yield finding(
                "missing-kernel",
                binary.path,
                f"the host registers {brief(found[0])}, which only bundle {lost[found[0]]}"
                " has, and no wrapper points at that",
                bundle=lost[found[0]],
                kernel=found[0],
                hint="HIP looks for it in the bundle that the wrapper of its unit points"
                " at, and aborts when it is launched",
            )


def _unproven(binary: Binary, functions: list[str]) -> Iterator[Finding]:
    """What a host without its symbols leaves open."""
    if functions and not binary.registration.symbols:
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
        names = plain_kernels(set().union(*[one.kernels for one in found]))
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
    """Variables that the host registers, and a selected code object lacks.

    HIP sets up managed variables when it loads the code object. Others it looks for when
    the host first uses them, and compilers drop some that it never does: one that no
    code object has is no news.
    """
    objects = _readable(binary)
    if objects is None:
        return
    anywhere = set().union(*map(_variables, objects))
    for name in sorted(set(binary.registration.managed) - anywhere) if objects else ():
        message = f"the host registers the managed variable {brief(name)}, and no code"
        hint = "HIP sets it up when it loads the code object, and fails"
        yield finding(
            "missing-kernel",
            binary.path,
            f"{message} object has it",
            kernel=name,
            hint=hint,
        )
    managed = frozenset(binary.registration.managed)
    registered = managed.union(map(plain_kernel, binary.registration.variables))
    for unit in units(binary):
        # one of another unit is no loss of this one
        everywhere = set().union(*map(_variables, _objects_of(unit)))
        for target in policy.required:
            for found in coverage(unit, target, policy.runtime).code_objects:
                lost = (everywhere - _variables(found)) & registered
                yield from _lost_variables(binary, unit, target, lost, managed)


def _lost_variables(
    binary: Binary,
    unit: Unit,
    target: TargetID,
    lost: AbstractSet[str],
    managed: AbstractSet[str],
) -> Iterator[Finding]:
    for name in sorted(lost):
        shared = name in managed
        kind = "managed variable" if shared else "variable"
        yield finding(
            "missing-kernel",
            binary.path,
            f"{unit.name}: the host registers the {kind} {brief(name)}, which the code"
            f" object for {target} lacks",
            bundle=unit.index,
            target=target,
            kernel=name,
            severity=None if shared else Severity.WARNING,
            hint="HIP sets it up when it loads the code object, and fails"
            if shared
            else "hipErrorInvalidSymbol where the host uses it (hipMemcpyToSymbol)",
        )


def unregistered_kernels(binary: Binary, _: Policy) -> Iterator[Finding]:
    """Kernels that no host code is seen to register, as information."""
    seen = evidence(binary)
    if seen is not None and seen.unseen and (seen.proven or seen.named):
        count = len(seen.proven) + len(seen.named) + len(seen.unseen)
        yield finding(
            "unregistered-kernel",
            binary.path,
            f"{len(seen.unseen)} of {count} kernels are not seen to be registered by the"
            f" host, {brief(seen.unseen[0])} among them",
            kernel=seen.unseen[0],
        )


class Evidence(NamedTuple):
    """How sure it is that the host registers the kernels of the device code."""

    #: by device stubs, handles, or the new driver's table
    proven: tuple[str, ...]
    #: named in the host's data, which hidden and static ones leave in a stripped file
    named: tuple[str, ...]
    #: by nothing in the file
    unseen: tuple[str, ...]


def evidence(binary: Binary) -> Evidence | None:
    """None where the host registers nothing, or not all code objects could be read."""
    objects = _readable(binary)
    if objects is None or not any(bundle.registered for bundle in binary.bundles):
        return None
    names = _kernel_names(objects)
    proven = names & {name for candidates in _proven(binary) for name in candidates}
    named = plain_kernels(binary.registration.kernels) & names - proven
    unseen = names - proven - named
    return Evidence(*(tuple(sorted(found)) for found in (proven, named, unseen)))


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


def _objects_of(unit: Unit) -> Iterator[CodeObject]:
    for entry in unit.entries:
        if isinstance(entry.code_object, CodeObject):
            yield entry.code_object


def _variables(found: CodeObject) -> set[str]:
    return {plain_kernel(name) for name in found.variables}


def _kernel_names(objects: Iterable[CodeObject]) -> set[str]:
    # code objects for other targets of a bundle mostly share one tuple of names
    distinct = {id(one.kernels): one.kernels for one in objects}
    return plain_kernels(set().union(*distinct.values()))


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
