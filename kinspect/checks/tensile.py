"""Rules on Tensile's library files, by which rocBLAS and hipBLASLt find their kernels.

`TensileLibrary_lazy_gfx942.dat` is read for a gfx942 at the first call; it names further
files, each with a code object beside it (PlaceholderLibrary.hpp).
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from kinspect.checks.finding import finding
from kinspect.model import Artifact, Finding, Severity, SideFile, Unreadable
from kinspect.naming import Claim, claim, family, renamed
from kinspect.policy import Policy
from kinspect.sidecars import directory_of, inner_path

DATA: Final = (".dat", ".dat.zlib")
CODE: Final = re.compile(r"(?:[:-](?:sramecc|xnack)[+-])*\.(?:co|hsaco)$")


def lazy_libraries(artifacts: Sequence[Artifact], policy: Policy) -> Iterator[Finding]:
    """Targets for which no library is there, and libraries whose files are not."""
    families: dict[str, list[tuple[SideFile, Claim]]] = {}
    for artifact in artifacts:
        stems = _stems(artifact)
        for file in artifact.side_files:
            if isinstance(file.refers, Unreadable):
                message = f"{file.refers.where}: {file.refers.message}"
                yield finding("unreadable", file.path, message)
            named = claim(inner_path(artifact, file.path))
            if file.refers is None or named is None:
                continue
            families.setdefault(family(file.path), []).append((file, named))
            if not isinstance(file.refers, Unreadable):
                yield from _foreign(file, named, file.refers)
                yield from _absent(file, named, file.refers, stems, policy)
    for members in families.values():
        yield from _missing(members, policy)


def _foreign(file: SideFile, named: Claim, refers: tuple[str, ...]) -> Iterator[Finding]:
    """A library that was renamed: what it loads is for another target."""
    for name in refers:
        own = claim(name)
        if own is not None and not any(named.covers(t.processor) for t in own.targets):
            yield finding(
                "target-mismatch",
                file.path,
                f"its name claims {named.text}, it loads files for {own.text}: {name}",
                target=named.text,
                hint="HIP refuses code for another processor, whatever its file is called",
            )
            return


def _missing(members: list[tuple[SideFile, Claim]], policy: Policy) -> Iterator[Finding]:
    first = members[0][0].path
    there = ", ".join(sorted({named.text for _, named in members}))
    for required in policy.required:
        if not any(named.covers(required.processor) for _, named in members):
            sibling = renamed(first, required.processor).rsplit("/", 1)[-1]
            yield finding(
                "missing-target",
                first,
                f"there are Tensile libraries for {there}, and none for {required}:"
                f" {sibling} is not there",
                target=required,
                hint="the library aborts at its first call on such a GPU. Build it for this"
                " target too (rocBLAS and hipBLASLt: GPU_TARGETS)",
            )


def _stems(artifact: Artifact) -> frozenset[str]:
    """The paths of library files and code objects, without suffix and modes.

    The data by their whole name, `…/x.dat`; the code by `…/x`.
    """
    paths = [file.path for file in artifact.side_files]
    paths += [binary.path for binary in artifact.binaries]
    return frozenset(
        path.removesuffix(".zlib") if path.endswith(DATA) else CODE.sub("", path)
        for path in paths
    )


def _absent(
    file: SideFile,
    named: Claim,
    refers: tuple[str, ...],
    stems: frozenset[str],
    policy: Policy,
) -> Iterator[Finding]:
    place = file.path[: len(directory_of(file.path)) + 1]
    processors = [target.processor for target in named.targets]
    absent = []
    for name in refers:
        if f"{place}{name}.dat" not in stems:
            absent.append(f"{name}.dat")
        elif f"{place}{name}" not in stems and not any(
            f"{place}{name}_{processor}" in stems for processor in processors
        ):
            absent.append(f"{name}.co")
    if absent:
        wanted = any(named.covers(required.processor) for required in policy.required)
        yield finding(
            "missing-kernel",
            file.path,
            f"of {len(refers)} files that it loads, {len(absent)}"
            f" {'is' if len(absent) == 1 else 'are'} not there: {absent[0]}",
            target=named.text,
            severity=None if wanted else Severity.WARNING,
            details=tuple(f"not there: {name}" for name in absent[1:4]),
            hint="the library fails at the first call that wants them: install the whole"
            " directory, as the build left it",
        )


def kernel_databases(artifact: Artifact, policy: Policy) -> Iterator[Finding]:
    """MIOpen compiles what its database of kernels (`gfx942130.kdb`) does not have."""
    found = [file.path for file in artifact.side_files if file.path.endswith(".kdb")]
    for required in policy.required:
        names = [re.split(r"[/!]", path)[-1] for path in found]
        if found and not any(name.startswith(required.processor) for name in names):
            yield finding(
                "missing-target",
                found[0],
                f"no kernel database of MIOpen is for {required}: it compiles each kernel"
                " at its first use",
                target=required,
                severity=Severity.NOTE,
            )
