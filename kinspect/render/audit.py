"""The full picture of an artifact for a person: what it runs on, first of all."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from kinspect.linking import link_units
from kinspect.loader import coverage, units
from kinspect.model import Artifact, Binary, Report, Wheel
from kinspect.names import escape
from kinspect.needs import needs
from kinspect.render import matrix, text
from kinspect.render.place import short_name
from kinspect.render.style import Style, table
from kinspect.render.words import count, size
from kinspect.target import TargetID

#: how many binaries are named one by one; the rest are told with --verbose
NAMED = 40


def report(report: Report, *, color: bool = False, verbose: int = 0) -> str:
    """Each artifact: what it runs on, its targets, its binaries; then the findings.

    Negative `verbose` gives the last line alone; 1 shows every bundle too.
    """
    style = Style(color=color)
    if verbose < 0:
        return text.summary(report, style) + "\n"
    blocks = [
        block
        for artifact in report.artifacts
        for block in _artifact(artifact, report, style, verbose)
    ]
    blocks += text.findings(report, style)
    return "\n\n".join([*blocks, text.summary(report, style)]) + "\n"


def _artifact(
    artifact: Artifact, report: Report, style: Style, verbose: int
) -> Iterator[str]:
    carrying = [one for one in artifact.binaries if one.device_code or one.bundles]
    # archives that hosts open are judged through these
    judged = [one for one in carrying if not one.referred]
    rows = _targets(judged or carrying, report)
    head = f"{style('strong', escape(artifact.path))}   {_kind(artifact)}"
    yield "\n  ".join([head, *_facts(artifact, carrying, rows, report)])
    if rows:
        yield "\n  ".join(["targets", *table(*_target_table(rows, style))])
    if carrying:
        shown = carrying if verbose > 0 else carrying[:NAMED]
        lines = ["binaries", *table(*_binary_table(shown, artifact, rows))]
        if len(shown) < len(carrying):
            rest = count(len(carrying) - len(shown), "more binary")
            lines.append(f"and {rest} (-v names all)")
        yield "\n  ".join(lines)
    if verbose > 0:
        yield from text.binaries(artifact, report, style, verbose)
        yield from _needed(carrying, artifact)


def _needed(carrying: Sequence[Binary], artifact: Artifact) -> Iterator[str]:
    """The libraries that each binary asks its loader for."""
    lines = []
    for one in carrying:
        if one.needed:
            name = short_name(one.path, (artifact,))
            lines.append(escape(f"  {name}: {', '.join(one.needed)}"))
    if lines:
        yield "\n".join(["links", *lines])


def _kind(artifact: Artifact) -> str:
    if artifact.kind != "wheel" or not artifact.wheels:
        return artifact.kind
    return f"wheel of {escape(_release(artifact.wheels[0]))}"


def _release(wheel: Wheel) -> str:
    return f"{wheel.name} {wheel.version}"


# --- in ten seconds ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TargetRow:
    """A target, over all units of an artifact: bundles, and objects yet to be linked."""

    target: str
    served: int
    total: int
    kernels: int
    size: int
    binaries: int
    #: whether it is required of any binary
    required: bool
    #: units without it, of the binaries that it is required of
    lacking: int

    @property
    def whole(self) -> bool:
        return 0 < self.served == self.total


def _facts(
    artifact: Artifact,
    carrying: Sequence[Binary],
    rows: Sequence[TargetRow],
    report: Report,
) -> Iterator[str]:
    whole = [row.target for row in rows if row.whole]
    partly = [row for row in rows if not row.whole and row.served]
    missing = [row.target for row in rows if not row.served]
    if not carrying:
        number = count(len(artifact.binaries), "binary")
        yield f"runs on    no GPU: no device code in {number}"
    else:
        yield f"runs on    {_list(whole) or 'no target with all of its code'}"
    for (served, total), alike in groupby(
        sorted(partly, key=lambda row: -row.served), key=lambda row: (row.served, row.total)
    ):
        names = ", ".join(escape(row.target) for row in alike)
        yield f"in part    {names}: {served:,} of {total:,} bundles"
    if missing:
        yield f"lacks      {_list(missing)}"
    # what hosts have in archives is stored there
    yield from _packing([one for one in carrying if not one.kpack])
    yield from _linking(carrying, report)
    for wheel in artifact.wheels:
        if artifact.kind != "wheel":
            yield f"wheel      {escape(_release(wheel))}"
        yield from _wheel(wheel)


def _list(targets: Sequence[str]) -> str:
    named = ", ".join(escape(target) for target in targets)
    return f"{named} ({count(len(targets), 'target')})" if len(targets) > 4 else named


def _packing(carrying: Sequence[Binary]) -> Iterator[str]:
    if not carrying:
        return
    stored = sum(one.size for binary in carrying for one in binary.bundles)
    stored += sum(one.size for binary in carrying for one in binary.bitcode)
    inflated = sum(
        one.uncompressed_size or one.size for b in carrying for one in b.bundles
    ) + sum(one.size for binary in carrying for one in binary.bitcode)
    bundles = sum(len(binary.bundles) for binary in carrying)
    packed = f", {size(inflated)} inflated" if inflated != stored else ""
    where = f"{count(bundles, 'bundle')} of {count(len(carrying), 'binary')}"
    yield f"holds      {size(stored)} of device code{packed}, in {where}"
    forms = _forms(carrying)
    if forms:
        several = len(forms) > 1
        told = [f"{name} ({n:,})" if several else name for name, n in forms]
        yield f"packed as  {', '.join(told)}"


def _linking(carrying: Sequence[Binary], report: Report) -> Iterator[str]:
    """Which runtime it links, and the release that it takes to read what is packed."""
    hip = sorted({n for binary in carrying for n in binary.needed if "amdhip64" in n})
    required = [TargetID.parse(one) for one in report.required]
    floors = [one for binary in carrying for one in needs(binary, required)]
    told = [f"links {', '.join(map(escape, hip))}"] if hip else []
    if floors:
        major, minor = newest = max(release for _, release in floors)
        reasons = sorted({reason for reason, release in floors if release == newest})
        told.append(f"needs ROCm {major}.{minor} or newer ({', '.join(reasons)})")
    if told:
        yield f"runtime    {'; '.join(told)}"


def _forms(carrying: Sequence[Binary]) -> list[tuple[str, int]]:
    """`ccob v3 zstd`: how bundles are stored and how many, the most frequent first."""
    parts = [
        (one.form.value, f"v{one.version}" if one.version else "", one.method or "")
        for binary in carrying
        for one in binary.bundles
    ]
    return Counter(" ".join(filter(None, part)) for part in parts).most_common()


def _wheel(wheel: Wheel) -> Iterator[str]:
    yield f"tags       {', '.join(map(escape, wheel.tags))}"
    rocm = [one for one in wheel.requires if any(w in one for w in ("rocm", "hip", "amd"))]
    if rocm:
        yield f"requires   {'; '.join(map(escape, rocm))}"
    if wheel.checked is not None:
        wrong = len(wheel.faults)
        silent = sum(fault.unknown for fault in wheel.faults)
        result = f"{count(wrong, 'problem')}, see below" if wrong else "all hashes hold"
        if silent and silent == wrong:
            result = f"no hash of {silent:,} of them"
        yield f"RECORD     {count(wheel.checked, 'file')}, {result}"


# --- targets ----------------------------------------------------------------------------


def _targets(carrying: Sequence[Binary], report: Report) -> list[TargetRow]:
    """A row for each processor that something is packed for, or that is required."""
    required = set(report.targets)
    names = {
        str(target.processor)
        for binary in carrying
        for unit in units(binary)
        for entry in unit.entries
        if (target := entry.id.target_id) is not None
    }
    names |= {
        str(one.target)
        for binary in carrying
        for unit in link_units(binary)
        for one in unit.parts
        if one.target is not None  # device libraries may be for any processor
    }
    processors = {text.split(":")[0] for text in required}
    names = {name for name in names if name not in processors} | required
    return [
        _target_row(name, carrying, report)
        for name in sorted(names, key=lambda one: (one not in required, _order(one)))
    ]


def _order(name: str) -> tuple[int, str]:
    """gfx90a before gfx1010: by length first, as the numbers grow."""
    return len(name.split(":", maxsplit=1)[0]), name


def _target_row(name: str, carrying: Sequence[Binary], report: Report) -> TargetRow:
    served = total = kernels = packed = binaries = lacking = 0
    for binary in carrying:
        before, missed = served, total - served
        for unit in units(binary):
            if unit.for_others(TargetID.parse(name)):
                continue  # an archive by itself, which makes no claim to it
            found = coverage(unit, TargetID.parse(name), report.runtime)
            total += 1
            if not found.missing:
                served += 1
                kernels += len(found.kernels)
                packed += sum(entry.size for entry in found.entries)
        for linked in link_units(binary):
            total += 1
            # a device library that names no processor is linked for any
            kept = [one for one in linked.parts if one.name == name or one.target is None]
            served += bool(kept)
            packed += sum(one.size for one in kept)
        binaries += served > before
        if name in report.required_of(binary.path):
            lacking += total - served - missed
    required = name in report.targets
    return TargetRow(name, served, total, kernels, packed, binaries, required, lacking)


def _mark(row: TargetRow, style: Style) -> str:
    if row.lacking:
        return style("error", "MISSING in part" if row.served else "MISSING")
    # an archive by itself says nothing of a target that it is not for
    return style("ok", "ok") if row.total else style("note", "not here")


def _target_table(
    rows: Sequence[TargetRow], style: Style
) -> tuple[list[list[str]], list[str]]:
    lines = []
    for row in rows:
        mark = _mark(row, style) if row.required else ""
        lines.append(
            [
                escape(row.target),
                f"{row.binaries:,}",
                f"{row.served:,}/{row.total:,}",
                f"{row.kernels:,}" if row.served else "-",
                size(row.size) if row.served else "-",
                mark,
            ]
        )
    return lines, ["target", "binaries", "bundles", "kernels", "size", ""]


# --- binaries ---------------------------------------------------------------------------


def _binary_table(
    carrying: Sequence[Binary], artifact: Artifact, rows: Sequence[TargetRow]
) -> tuple[list[list[str]], list[str]]:
    everything = {row.target.split(":")[0] for row in rows if row.served}
    lines = []
    for binary in carrying:
        own = {
            name.split(":")[0]
            for name in (
                *(e.id.target_name for b in binary.bundles for e in b.hip_entries),
                *(one.name for one in binary.bitcode),
            )
        }
        lacks = sorted(everything - own, key=_order)
        short = ", ".join(lacks[:3]) + (f" and {len(lacks) - 3} more" if lacks[3:] else "")
        stored = sum(one.size for one in binary.bundles)
        stored += sum(one.size for one in binary.bitcode)
        lines.append(
            [
                escape(short_name(binary.path, (artifact,))),
                ", ".join(matrix.facts(binary)),
                ", ".join(form for form, _ in _forms([binary])) or "bitcode",
                f"{binary.kernel_count:,}",
                size(stored),
                f"lacks {escape(short)}" if short else "",
            ]
        )
    return lines, ["", "", "form", "kernels", "size", ""]
