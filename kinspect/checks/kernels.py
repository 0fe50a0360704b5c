"""Rules on the kernels of the code objects."""

from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet

from kinspect.checks.finding import finding
from kinspect.loader import Unit, asked, coverage, units
from kinspect.model import Artifact, Binary, CodeObject, Finding, Linkage, Severity
from kinspect.names import brief
from kinspect.policy import Policy, name_matches
from kinspect.target import TargetID


def without_kernels(binary: Binary, policy: Policy) -> Iterator[Finding]:
    if not binary.kernel_count:
        opened = [found for unit in units(binary) for _, found in _opened(unit)]
        if any(not found.useless for found in opened):
            yield finding(
                "no-kernels",
                binary.path,
                "no code object of this binary has any kernels",
                severity=Severity.WARNING,
                hint="that is in order for a library of device functions only",
            )
        return
    # An empty code object for a target that nobody asked for is no news: libraries
    # leave kernels out where a processor can't run them.
    for unit in units(binary):
        wanted = {
            entry.id.target_name
            for required in policy.required
            for entry in coverage(unit, required, policy.runtime).entries
        }
        counts = {name: len(found.kernels) for name, found in _opened(unit)}
        if not any(counts.values()):
            continue
        for name, found in _opened(unit):
            if found.kernels or found.useless or name not in wanted:
                continue
            yield finding(
                "no-kernels",
                binary.path,
                f"{unit.name}: the code object for {name} is there and has no kernels,"
                f" while others have up to {max(counts.values())}",
                bundle=unit.index,
                target=name,
                hint=_objects_hint(binary, name),
            )


def _objects_hint(binary: Binary, target: str) -> str:
    if binary.linkage is Linkage.RDC:
        return (
            f"the link asked for {target}, the objects were not compiled for it: add"
            f" --offload-arch={target} to the *compile* flags too"
        )
    return f"look for `#if` around the kernels that leaves out {target}"


def _opened(unit: Unit) -> list[tuple[str, CodeObject]]:
    return [
        (entry.id.target_name, entry.code_object)
        for entry in unit.entries
        if isinstance(entry.code_object, CodeObject)
    ]


def parity(binary: Binary, policy: Policy) -> Iterator[Finding]:
    for unit in units(binary):
        kernels = {}
        everything: set[str] = set()
        for required in policy.required:
            found = coverage(unit, required, policy.runtime)
            each = [one.kernels for one in found.code_objects]
            # what is missing or empty as a whole has a finding of its own
            if not found.missing and each and all(each):
                kernels[required] = found.kernels
                everything.update(*each)
        for required, own in kernels.items():
            for name in sorted(everything - own):
                if policy.excuses(binary.path, name, required):
                    continue
                others = [str(t) for t, names in kernels.items() if name in names]
                there = ", ".join(others) or "some modes only"
                yield finding(
                    "kernel-parity",
                    binary.path,
                    f"{unit.name}: {brief(name)} exists for {there}, not for {required}",
                    bundle=unit.index,
                    target=required,
                    kernel=name,
                    hint="HIP aborts when it is launched there. If that is meant, say so"
                    " in the policy ([[exception]]), or ignore the rule for this binary:"
                    " --ignore kernel-parity:GLOB",
                )


def broken_kernels(binary: Binary, _: Policy) -> Iterator[Finding]:
    for unit in units(binary):
        for target, found in _opened(unit):
            if found.faults:
                continue  # the code object could not be read whole: told already
            broken = [(name, "has no .kd descriptor") for name in found.undescribed]
            broken += [
                (name.removesuffix(".kd"), "has no metadata record")
                for name in found.unlisted
            ]
            broken = [(name, f"{lack}: it can't be launched") for name, lack in broken]
            broken += [(name, f"can't run: {why}") for name, why in found.broken]
            for name, what in broken:
                yield finding(
                    "broken-kernel",
                    binary.path,
                    f"{unit.name}, {target}: {brief(name)} {what}",
                    bundle=unit.index,
                    target=target,
                    kernel=name,
                )


def required_kernels(artifact: Artifact, policy: Policy) -> Iterator[Finding]:
    """`--kernel`: some binary must have a match, for every required target."""
    if not policy.kernels or not artifact.device_code:
        return
    names: dict[TargetID, set[str]] = {}
    for target in policy.required:
        binaries = [one for one in artifact.binaries if asked(one, (target,))]
        if not binaries:
            continue  # archives whose hosts are judged, or for other targets
        found = names.setdefault(target, set())
        for binary in binaries:
            for unit in units(binary):
                found |= coverage(unit, target, policy.runtime).kernels
    paths = [binary.path for binary in artifact.binaries]
    for target, glob in absent(policy.kernels, names, policy, paths):
        yield finding(
            "missing-kernel",
            artifact.path,
            f"no kernel matches {glob!r} on {target}",
            target=target,
            kernel=glob,
        )


def absent(
    globs: Iterable[str],
    names: Mapping[TargetID, AbstractSet[str]],
    policy: Policy,
    paths: Iterable[str],
) -> Iterator[tuple[TargetID, str]]:
    """Globs that no name of a target matches, unless all that another has are excused."""
    paths = tuple(paths)
    for glob in globs:
        matching = {
            target: {name for name in own if name_matches(name, glob)}
            for target, own in names.items()
        }
        somewhere = set().union(*matching.values())
        for target, found in matching.items():
            excused = all(
                any(policy.excuses(path, name, target) for path in paths)
                for name in somewhere
            )
            if not found and not (somewhere and excused):
                yield target, glob
