"""Results as text for a person: a terminal, or a build log."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Final

from tabulate import tabulate

from kinspect.loader import Coverage, Unit, coverage, units
from kinspect.model import (
    Artifact,
    Binary,
    Bitcode,
    Finding,
    Form,
    Report,
    Severity,
    Verdict,
)
from kinspect.names import escape
from kinspect.render.uri import entry_uri
from kinspect.runtime import Runtime
from kinspect.target import TargetID

#: from how many findings of a kind on, one stands for all
FOLD: Final = 4

_STYLES: Final = {
    "error": "\x1b[1;31m",
    "warning": "\x1b[1;33m",
    "note": "\x1b[1;36m",
    "ok": "\x1b[32m",
    "strong": "\x1b[1m",
}
_END: Final = "\x1b[0m"


class Style:
    """Colours, or none."""

    def __init__(self, *, color: bool) -> None:
        self._color = color

    def __call__(self, style: str, text: str) -> str:
        return f"{_STYLES[style]}{text}{_END}" if self._color else text


def report(report: Report, *, color: bool = False, verbose: int = 0) -> str:
    """A report of `verify`: what is there, what is wrong, and the verdict.

    Negative `verbose` gives the last line alone; positive lists host-only binaries too.
    """
    style = Style(color=color)
    if verbose < 0:
        return summary(report, style) + "\n"
    required = [TargetID.parse(text) for text in report.required]
    blocks = [
        _overview(binary, required, report.runtime, style)
        for artifact in report.artifacts
        for binary in artifact.binaries
        if binary.device_code or binary.bundles
    ]
    if verbose > 0:
        blocks += _host_only(report.artifacts)
    blocks += _findings(report.findings, style)
    return "\n\n".join([*blocks, summary(report, style)]) + "\n"


def size(count: int) -> str:
    """A size that people read: 4.8 MB."""
    if count < 1000:
        return f"{count} B"
    value, units_left = count / 1000, ["kB", "MB", "GB", "TB"]
    while value >= 999.95 and len(units_left) > 1:
        value /= 1000
        units_left.pop(0)
    return f"{value:.1f} {units_left[0]}"


def count(number: int, word: str) -> str:
    """A number with its word: `1 bundle`, `2 bundles`."""
    if number == 1:
        return f"1 {word}"
    plural = f"{word[:-1]}ies" if word.endswith("y") else f"{word}s"
    return f"{number:,} {plural}"


# --- verify -----------------------------------------------------------------------------


def _overview(
    binary: Binary, required: Sequence[TargetID], runtime: Runtime, style: Style
) -> str:
    targets = {e.id.target_name for b in binary.bundles for e in b.hip_entries}
    facts = [binary.linkage.words] if binary.linkage else []
    targets |= {one.name for one in binary.bitcode}
    if binary.bundles or not binary.bitcode:
        facts.append(count(len(binary.bundles), "bundle"))
    facts.append(count(len(targets), "target"))
    lines = [f"{style('strong', escape(binary.path))}   {', '.join(facts)}"]
    if binary.bitcode:
        lines += _table(_bitcode_rows(binary), ["target", "functions", "size"]).splitlines()
    found = list(units(binary))
    if not found and binary.bitcode:
        return "\n  ".join(lines)
    rows = [_row(found, target, runtime, style) for target in required]
    headers = ["target", "bundles", "kernels", "size", ""]
    lines += _table(rows, headers).splitlines()
    return "\n  ".join(lines)


def _bitcode_rows(binary: Binary) -> list[list[str]]:
    return [
        [
            escape(one.name),
            f"{len(one.content.functions):,}" if isinstance(one.content, Bitcode) else "?",
            size(one.size),
        ]
        for one in binary.bitcode
    ]


def _row(found: list[Unit], target: TargetID, runtime: Runtime, style: Style) -> list[str]:
    all_of_it = [coverage(unit, target, runtime) for unit in found]
    served = [one for one in all_of_it if not one.missing]
    kernels = sum(len(one.kernels) for one in served)
    packed = sum(entry.size for one in served for entry in one.entries)
    return [
        str(target),
        f"{len(served)}/{len(found)}",
        f"{kernels:,}" if served else "-",
        size(packed) if served else "-",
        _status(all_of_it, style),
    ]


def _status(all_of_it: list[Coverage], style: Style) -> str:
    missing = [one for one in all_of_it if one.missing]
    if not missing and all_of_it:
        hows = {how for one in all_of_it for how in one.hows}
        others = sorted(how.value for how in hows if how.value != "native")
        return style("warning", f"by {', '.join(others)}") if others else style("ok", "ok")
    if all(not one.entries for one in missing):
        partly = " in part" if len(missing) < len(all_of_it) else ""
        return style("error", f"MISSING{partly}")
    return style("error", "SOME MODES ONLY")


def _host_only(artifacts: Iterable[Artifact]) -> list[str]:
    names = [
        f"{escape(binary.path)}   host code only"
        for artifact in artifacts
        for binary in artifact.binaries
        if not binary.bundles and not binary.bitcode
    ]
    return ["\n".join(names)] if names else []


def _findings(findings: Iterable[Finding], style: Style) -> list[str]:
    order = list(Severity)
    worst_first = sorted(findings, key=lambda f: order.index(f.severity))
    blocks = []
    for _, run in groupby(worst_first, key=lambda f: (f.severity, f.path)):
        same: dict[tuple[str, str | None], list[Finding]] = {}
        for one in run:
            same.setdefault((one.rule, one.target), []).append(one)
        for group in same.values():
            if len(group) < FOLD:
                blocks += [_finding(one, style) for one in group]
            else:
                blocks.append(_finding(group[0], style, group[1:]))
    return blocks


def _finding(one: Finding, style: Style, more: Sequence[Finding] = ()) -> str:
    head = style(one.severity.value, f"{one.severity.value}[{one.rule}]")
    lines = [f"{head} {escape(one.message)}"]
    if one.path:
        lines.append(f"in: {escape(one.path)}")
    lines += [escape(line) for line in one.details]
    if more:
        lines.append(_also(one, more))
    if one.hint:
        lines.append(f"hint: {escape(one.hint)}")
    return "\n  ".join(lines)


def _also(one: Finding, more: Sequence[Finding]) -> str:
    """What else the same is said of: bundles as ranges, kernels by their number."""
    bundles = sorted({f.bundle for f in more if f.bundle is not None} - {one.bundle})
    kernels = [f.kernel for f in more if f.kernel is not None]
    if kernels:
        where = f" in bundles {_ranges(bundles)}" if bundles else ""
        return f"and {count(len(more), 'more kernel')}{where} (--format json names all)"
    if bundles:
        return f"and the same of {count(len(bundles), 'more bundle')}: {_ranges(bundles)}"
    return f"and {len(more)} more of the same kind (--format json names all)"


def _ranges(numbers: Sequence[int]) -> str:
    """`0–3, 7, 9–12`."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1][1:] = [number]
        else:
            runs.append([number])
    return ", ".join("–".join(map(str, run)) for run in runs)


def summary(report: Report, style: Style) -> str:
    """The last line, which says it all."""
    errors = [f for f in report.findings if f.severity is Severity.ERROR]
    warnings = [f for f in report.findings if f.severity is Severity.WARNING]
    binaries = [b for a in report.artifacts for b in a.binaries]
    carrying = [binary for binary in binaries if binary.device_code]
    beside = f", {count(len(warnings), 'warning')}" if warnings else ""
    if report.verdict is Verdict.PASS:
        targets = " and ".join(report.required)
        bundles = sum(len(list(units(binary))) for binary in carrying)
        objects = sum(1 for binary in carrying if binary.bitcode)
        what = f"{count(bundles, 'bundle')} in {_binaries(len(carrying))}"
        if objects:
            with_code = f"{count(objects, 'RDC object')}, device bitcode to be linked"
            what = f"{what}, {with_code}" if bundles else with_code
        return f"{style('ok', 'OK')}: {targets} in {what}{beside}"
    if report.verdict is Verdict.FAIL:
        places = {finding.path for finding in errors}
        return (
            f"{style('error', 'FAILED')}: {count(len(errors), 'error')} in"
            f" {_binaries(len(places))}{beside}"
        )
    reason = f"{count(len(errors), 'part')} could not be read" if errors else ""
    if not reason:
        empty = next((a.path for a in report.artifacts if not a.binaries), "")
        reason = "there is no binary to check" + (f" in {escape(empty)}" if empty else "")
    return f"{style('error', 'COULD NOT TELL')}: {reason}{beside}"


def _binaries(number: int) -> str:
    return "1 binary" if number == 1 else f"{number} binaries"


# --- list -------------------------------------------------------------------------------


def listing(artifacts: Iterable[Artifact], *, color: bool = False, verbose: int = 0) -> str:
    """Bundles and entries with their URIs, a table a binary."""
    style = Style(color=color)
    blocks = []
    for artifact in artifacts:
        blocks += [
            _bundles_of(binary, style)
            for binary in artifact.binaries
            if binary.bundles or binary.bitcode or binary.unreadable or verbose > 0
        ]
        blocks += [
            f"{style('error', 'unreadable')} {escape(f'{part.where}: {part.message}')}"
            for part in artifact.unreadable
        ]
        silent = not any(b.bundles or b.bitcode or b.unreadable for b in artifact.binaries)
        if silent and not artifact.unreadable:
            blocks.append(f"{escape(artifact.path)}   no HIP device code")
    return "\n\n".join(blocks) + "\n"


def _bundles_of(binary: Binary, style: Style) -> str:
    facts = [binary.format]
    facts += [binary.linkage.words] if binary.linkage else []
    facts.append(count(len(binary.bundles), "bundle"))
    lines = [f"{style('strong', escape(binary.path))}   {', '.join(facts)}"]
    if binary.bitcode:
        kept = [[escape(one.id.text), size(one.size)] for one in binary.bitcode]
        lines += _table(kept, ["device bitcode", "size"]).splitlines()
    rows = list(_entry_rows(binary))
    if rows:
        headers = ["bundle", "form", "entry", "size", "URI"]
        lines += _table(rows, headers).splitlines()
    lines += [
        f"{style('error', 'unreadable')} {escape(f'{part.where}: {part.message}')}"
        for part in binary.unreadable
    ]
    return "\n  ".join(lines)


def _entry_rows(binary: Binary) -> Iterator[list[str]]:
    for bundle in binary.bundles:
        form = bundle.form.value
        if bundle.form is Form.CCOB:
            form = f"ccob v{bundle.version} {bundle.method}"
        if bundle.embedded:
            form += ", embedded"
        elif not bundle.registered and binary.format not in {"raw", "elf64-amdgpu"}:
            form += ", unowned"
        for position, entry in enumerate(bundle.entries):
            yield [
                str(bundle.index) if not position else "",
                form if not position else "",
                escape(entry.id.text),
                size(entry.size),
                entry_uri(binary.path, bundle, entry),
            ]


def _table(rows: Sequence[Sequence[str]], headers: Sequence[str]) -> str:
    align = ["right" if name == "size" else "left" for name in headers]
    return (
        tabulate(rows, headers, tablefmt="plain", disable_numparse=True, colalign=align)
        if rows
        else ""
    )
