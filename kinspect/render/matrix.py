"""What a binary has for each required target, in numbers."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from kinspect.linking import link_units
from kinspect.loader import Coverage, Unit, coverage, units
from kinspect.model import Binary, Report, Severity, Verdict
from kinspect.render.words import count
from kinspect.runtime import Runtime
from kinspect.target import TargetID

#: what a policy does not ask of a binary
NOT_REQUIRED = "not required"


class Cell(NamedTuple):
    """One binary, or one of its bundles, on one required target."""

    target: TargetID
    coverages: tuple[Coverage, ...]
    #: nothing here is to serve it
    elsewhere: bool = False
    #: whether the policy requires the target of this binary
    wanted: bool = True

    @property
    def total(self) -> int:
        """How many bundles HIP chooses from."""
        return len(self.coverages)

    @property
    def served(self) -> tuple[Coverage, ...]:
        return tuple(one for one in self.coverages if not one.missing)

    @property
    def kernels(self) -> int:
        return sum(len(one.kernels) for one in self.served)

    @property
    def size(self) -> int:
        """Bytes of the code objects that HIP would load."""
        return sum(entry.size for one in self.served for entry in one.entries)

    @property
    def fallbacks(self) -> tuple[str, ...]:
        """`generic`, `spirv`: what serves it in place of code of its own."""
        hows = {how.value for one in self.coverages for how in one.hows}
        return tuple(sorted(hows - {"native"}))

    @property
    def status(self) -> str:
        """`ok`, `by generic`, `MISSING`, `MISSING in part` or `SOME MODES ONLY`.

        `not here` where archives are looked at by themselves, and it is for others;
        `not required` where the policy says so and it is not all there.
        """
        if self.elsewhere:
            return "not here"
        missing = [one for one in self.coverages if one.missing]
        if not self.wanted and (missing or self.fallbacks):
            return NOT_REQUIRED
        if not missing and self.coverages:
            return f"by {', '.join(self.fallbacks)}" if self.fallbacks else "ok"
        if all(not one.entries for one in missing):
            partly = " in part" if len(missing) < self.total else ""
            return f"MISSING{partly}"
        return "SOME MODES ONLY"

    @property
    def style(self) -> str:
        """How bad that is: `ok`, `note`, `warning` or `error`."""
        if self.status in {"ok", NOT_REQUIRED}:
            return "ok"
        if self.elsewhere:
            return "note"
        return "warning" if self.status.startswith("by ") else "error"


def cells(found: Sequence[Unit], report: Report, path: str = "") -> list[Cell]:
    """The units of a binary on each target that is required, of it or of others."""
    wanted = report.required_of(path)
    return [
        _cell(found, TargetID.parse(text), report.runtime, wanted=text in wanted)
        for text in report.targets
    ]


def _cell(
    found: Sequence[Unit], target: TargetID, runtime: Runtime, *, wanted: bool
) -> Cell:
    own = [unit for unit in found if not unit.for_others(target)]
    covered = tuple(coverage(unit, target, runtime) for unit in own)
    return Cell(target, covered, elsewhere=bool(found) and not own, wanted=wanted)


def carrying(report: Report) -> Iterator[Binary]:
    """The binaries with device code, or with what might be some.

    Archives that hosts open are told of with these.
    """
    for artifact in report.artifacts:
        for binary in artifact.binaries:
            if (binary.device_code or binary.bundles) and not binary.referred:
                yield binary


def facts(binary: Binary) -> list[str]:
    """`RDC`, `1 bundle`, `2 targets`."""
    targets = {e.id.target_name for b in binary.bundles for e in b.hip_entries}
    targets |= {one.name for one in binary.bitcode}
    told = [binary.linkage.words] if binary.linkage else []
    told += ["kpack archive"] if binary.claims else []
    if any(units(binary)) or not any(link_units(binary)):
        told.append(count(len(binary.bundles), "bundle"))
    told.append(count(len(targets), "target"))
    return told


VERDICTS = {Verdict.PASS: "OK", Verdict.FAIL: "FAILED", Verdict.UNKNOWN: "COULD NOT TELL"}


def verdict(report: Report) -> tuple[str, str]:
    """The verdict in a word, and its reason; names as they are in the file."""
    errors = [f for f in report.findings if f.severity is Severity.ERROR]
    warnings = sum(1 for f in report.findings if f.severity is Severity.WARNING)
    beside = f", {count(warnings, 'warning')}" if warnings else ""
    if report.verdict is Verdict.PASS:
        reason = _passed(report)
    elif report.verdict is Verdict.FAIL:
        places = {finding.path for finding in errors}
        reason = f"{count(len(errors), 'error')} in {_binaries(len(places))}"
    else:
        reason = _unknown(report, len(errors))
    by = f" (policy: {', '.join(report.sources)})" if report.sources else ""
    return VERDICTS[report.verdict], f"{reason}{beside}{by}"


def _passed(report: Report) -> str:
    everything = [b for a in report.artifacts for b in a.binaries if b.device_code]
    binaries = [binary for binary in everything if not binary.referred]
    bundles = sum(len(list(units(binary))) for binary in binaries)
    objects = sum(1 for binary in binaries if any(link_units(binary)))
    what = f"{count(bundles, 'bundle')} in {_binaries(len(binaries))}"
    if objects:
        with_code = f"{count(objects, 'file')} of device bitcode, to be linked"
        what = f"{what}, {with_code}" if bundles else with_code
    packed = {e.archive for b in binaries for u in b.bundles if b.kpack for e in u.entries}
    if packed:
        what = f"{what}, from {count(len(packed), 'kpack archive')}"
    own = sum(1 for one in binaries if one.path in report.exceptions)
    but = f", {_binaries(own)} with targets of its own" if own else ""
    return f"{' and '.join(report.required)} in {what}{but}"


def _unknown(report: Report, errors: int) -> str:
    if any(f.rule == "kpack-alone" for f in report.findings):
        return "kpack archives without their host, for other targets than the required ones"
    if errors:
        return f"{count(errors, 'part')} could not be read"
    empty = next((a.path for a in report.artifacts if not a.binaries), "")
    return "there is no binary to check" + (f" in {empty}" if empty else "")


def _binaries(number: int) -> str:
    return "1 binary" if number == 1 else f"{number} binaries"
