"""Rules on device code that lies in kpack archives beside its host."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from kinspect.checks.finding import build_hint, finding
from kinspect.kpack import KpackLookup, listing
from kinspect.loader import Coverage, Unit, coverage, illegible, units
from kinspect.model import Binary, CodeObject, Finding, Linkage, Severity
from kinspect.names import brief
from kinspect.policy import Policy
from kinspect.runtime import Runtime
from kinspect.target import TargetID

#: how many archives or binaries a message names
NAMED: Final = 4

INSTALLED: Final = (
    "name what installs it in the same call (a device wheel, an artifact of the build, an"
    " install tree)"
)
SHIFTED: Final = (
    "a unit that was not compiled for a target moves up those behind it: compile every unit"
    " for the same targets. Or the archive is not of the same split as the host: take both"
    " from one build"
)


def unresolved(binary: Binary, policy: Policy) -> Iterator[Finding]:
    """Wrappers for which HIP's loader finds nothing in any archive."""
    if binary.kpack and not any(bundle.kpack for bundle in binary.bundles):
        message = "its wrappers refer to kpack archives, and nobody looked for these"
        yield finding("unreadable", binary.path, message)
    for unit in units(binary):
        if unit.packed is None or illegible(unit, policy.runtime):
            continue  # that the runtime reads no archives is told as a missing target
        from kinspect.archives import doubtful  # noqa: PLC0415  # few binaries have any

        for required in policy.required:
            found = coverage(unit, required, policy.runtime)
            unsure = any(doubtful(unit.packed, device) for device in found.missing)
            if found.missing and not unsure:
                yield _unresolved(binary, unit, unit.packed, found, policy.runtime)


def _unresolved(
    binary: Binary, unit: Unit, lookup: KpackLookup, found: Coverage, runtime: Runtime
) -> Finding:
    required, device = found.required, found.missing[0]
    every = len(found.missing) == len(found.choices)
    what = f"{unit.name} gets no code object for {required if every else device}"
    lack, hint = _lack(binary, unit, lookup, device, runtime)
    return finding(
        "kpack-unresolved" if every else "partial-target",
        binary.path,
        f"{what}: {lack}",
        bundle=unit.index,
        target=required,
        hint=hint,
        details=tuple(_archives(lookup)),
    )


def _lack(
    binary: Binary, unit: Unit, lookup: KpackLookup, device: TargetID, runtime: Runtime
) -> tuple[str, str]:
    """What HIP's loader does not find, and what to do about it."""
    from kinspect.archives import find, lists, looked_at  # noqa: PLC0415
    from kinspect.formats.kpack_search import Missing, Reason  # noqa: PLC0415

    found = find(lookup, unit.entries, device, runtime)
    reason = found.reason if isinstance(found, Missing) else Reason.KERNEL_NOT_FOUND
    if reason is Reason.ARCHIVE_NOT_FOUND:
        places = looked_at(lookup, _plain(device))
        return (
            f"there is no {' or '.join(_most(places))}",
            f"{INSTALLED}; if nothing does, build {device.processor} too, and split again",
        )
    opened = [one for one in lookup.sources if one.place in looked_at(lookup, device)]
    if reason is Reason.ARCH_NOT_FOUND:
        listed = ", ".join(listing(opened)) or "nothing"
        return f"the archives that HIP opens for it list {listed}", build_hint(
            binary, _plain(device)
        )
    names = [one.path for one in opened if lists(one.listed, device)]
    return (
        f"{lookup.key} is not in {', '.join(_most(names))}, which lists the target",
        SHIFTED,
    )


def _plain(device: TargetID) -> TargetID:
    """The device without its modes: what an archive is usually named for."""
    return TargetID(device.processor)


def _archives(lookup: KpackLookup) -> Iterator[str]:
    for source in lookup.sources[:NAMED]:
        yield f"archive: {source.path} lists {', '.join(source.listed) or 'nothing'}"


def _most(names: Sequence[str]) -> list[str]:
    more = len(names) - NAMED
    return [*names[:NAMED], *([f"{more} more"] if more > 0 else [])]


def hollow(binary: Binary, _: Policy) -> Iterator[Finding]:
    """Device code that was taken out, and nothing says where it went."""
    if binary.hollow is None or binary.bundles:
        return
    yield finding(
        "kpack-unresolved",
        binary.path,
        f"{binary.hollow.layer or 'the fat-binary section'} has no bytes, and no wrapper"
        " refers to a kpack archive: its device code is gone",
        hint="a split for kpack was left half done, or a tool emptied the section: take"
        " the binary from the build anew",
    )


def stub_archives(binary: Binary, _: Policy) -> Iterator[Finding]:
    """Archives that list targets and hold nothing."""
    claims = binary.claims
    if claims is None or binary.bundles or not claims.listed:
        return
    yield finding(
        "kpack-unresolved",
        binary.path,
        f"the archive lists {', '.join(claims.listed)}, and holds no code object",
        severity=None if claims.alone else Severity.WARNING,
        hint="up to ROCm 7.15, HIP stops at the first archive that lists a target, even"
        " if it is a stub: leave it out, or fill it",
    )


# --- whether indices fit ----------------------------------------------------------------


def shifted(binary: Binary, policy: Policy) -> Iterator[Finding]:
    """Wrappers that get the code object of another one.

    The packer counts the bundles of each target by themselves, and a wrapper asks by its
    own place among all. Where a unit lacks a target, those behind it move up.
    """
    if not binary.kpack or binary.linkage is Linkage.RDC:
        return
    yield from _asked_twice(binary)
    found = [unit for unit in units(binary) if unit.packed is not None]
    table = _Table({unit.index: _kernels(unit) for unit in found})
    for unit in found:
        for required in policy.required:
            for entry in coverage(unit, required, policy.runtime).entries:
                own = table.rows[unit.index].get(entry.id.target, frozenset())
                other = table.elsewhere(own, entry.id.target, unit.index)
                if own and other is not None:
                    yield _shift(binary, unit, required, entry.id.target, other, own)


def _asked_twice(binary: Binary) -> Iterator[Finding]:
    counts = Counter((use.reference.kernel_name, use.index) for use in binary.kpack)
    for (name, index), count in sorted(counts.items()):
        if count > 1:
            yield finding(
                "kpack-index",
                binary.path,
                f"{count} wrappers ask for the same code object, {name}#{index}: all but"
                " one get kernels that are not theirs",
                hint="the tool that split the binary numbers no wrappers: take a newer one",
            )


def _kernels(unit: Unit) -> dict[str, frozenset[str]]:
    """The kernels of each target, by its first code object."""
    found: dict[str, frozenset[str]] = {}
    for entry in unit.entries:
        if isinstance(entry.code_object, CodeObject):
            found.setdefault(entry.id.target, frozenset(entry.code_object.kernels))
    return found


class _Table:
    """The kernels that wrappers get for each target, by the index of the wrapper."""

    def __init__(self, rows: Mapping[int, Mapping[str, frozenset[str]]]) -> None:
        self.rows = rows
        self._counts = Counter(target for row in rows.values() for target in row)
        #: which wrappers get the same, in order
        self._homes: dict[tuple[str, frozenset[str]], list[int]] = {}
        for index, row in rows.items():
            for place in row.items():
                self._homes.setdefault(place, []).append(index)

    def elsewhere(
        self, own: frozenset[str], target: str, index: int
    ) -> tuple[str, int] | None:
        """For which wrapper another target has these kernels, if not for this one.

        A target that has as many code objects, or more, is the one that lacks none.
        """
        for other, there in self.rows[index].items():
            if (
                other == target
                or there == own
                or self._counts[other] < self._counts[target]
            ):
                continue
            homes = self._homes.get((other, own))
            if homes:  # this one is none of them: there it has others
                return other, homes[0]
        return None


def _shift(
    binary: Binary,
    unit: Unit,
    required: TargetID,
    target: str,
    other: tuple[str, int],
    own: frozenset[str],
) -> Finding:
    return finding(
        "kpack-index",
        binary.path,
        f"{unit.name} gets for {required} the kernels that bundle {other[1]} has for"
        f" {other[0]}, {brief(min(own))} among them",
        bundle=unit.index,
        target=required,
        kernel=min(own),
        hint=f"HIP aborts when a kernel of this unit is launched. A unit was not compiled"
        f" for {target}: compile every unit for the same targets, and split again",
    )
