"""What is told of the node that the cursor is on."""

from collections.abc import Iterator, Mapping
from typing import Final

from kinspect.browse.nodes import Node
from kinspect.model import Artifact, Binary, Bundle, CodeObject, Entry, Finding, Unreadable
from kinspect.names import demangle, escape
from kinspect.render.words import count, size
from kinspect.resources.rows import KernelRow
from kinspect.uri import entry_uri

#: resources by the path of the binary, the bundle, the target and the kernel
Resources = Mapping[tuple[str, int, str, str], KernelRow]

#: fields of the metadata, by what their columns are called
COLUMNS: Final = {
    "VGPR": "vgpr_count",
    "AGPR": "agpr_count",
    "SGPR": "sgpr_count",
    "LDS": "group_segment_fixed_size",
    "scratch": "private_segment_fixed_size",
    "spills": "vgpr_spill_count",
    "S spills": "sgpr_spill_count",
}

#: findings that are told in full
SHOWN: Final = 20


def details(node: Node, resources: Resources | None) -> str:
    """Facts and findings; `resources` are None as long as they are being read."""
    lines = [*_facts(node, resources)]
    found = node.findings if node.kind in {"target", "kernel"} else node.own
    for finding in found[:SHOWN]:
        lines += ["", *_finding(finding)]
    if len(found) > SHOWN:
        lines += ["", f"and {len(found) - SHOWN:,} more findings"]
    below = len(node.findings) - len(found)
    if below:
        lines += ["", f"{count(below, 'finding')} below: f goes to the next one"]
    return "\n".join(lines)


def _finding(finding: Finding) -> Iterator[str]:
    yield f"{finding.severity.value}[{finding.rule}] {escape(finding.message)}"
    yield from (f"  {escape(line)}" for line in finding.details)
    if finding.hint:
        yield f"  hint: {escape(finding.hint)}"


def _facts(node: Node, resources: Resources | None) -> Iterator[str]:
    subject = node.subject
    if isinstance(subject, Artifact):
        yield escape(subject.path)
        yield f"{subject.kind} {escape(subject.distribution)}".rstrip()
        yield from _unreadable(subject.unreadable)
    elif isinstance(subject, Binary):
        yield from _binary(subject)
    elif isinstance(subject, Bundle):
        yield from _bundle(subject)
    elif isinstance(subject, Entry):
        yield from _entry(node, subject)
    else:
        yield from _kernel(node, str(subject), resources)


def _binary(binary: Binary) -> Iterator[str]:
    yield escape(binary.path)
    linkage = f", {binary.linkage.words}" if binary.linkage else ""
    yield f"{binary.format}{linkage}, {binary.kernel_count:,} kernels"
    for one in binary.bitcode:
        yield f"bitcode for {escape(one.name)}, {size(one.size)}"
    if binary.needed:
        yield f"needs: {', '.join(map(escape, binary.needed))}"
    yield from _unreadable(binary.unreadable)


def _unreadable(parts: tuple[Unreadable, ...]) -> Iterator[str]:
    for part in parts[:SHOWN]:
        yield f"unreadable: {escape(f'{part.where}: {part.message}')}"


def _bundle(bundle: Bundle) -> Iterator[str]:
    version = f" version {bundle.version}, {bundle.method}" if bundle.version else ""
    yield f"bundle {bundle.index}: {bundle.form.value}{version}"
    inflated = bundle.uncompressed_size
    more = "" if inflated is None else f", {size(inflated)} inflated"
    yield f"at {bundle.offset:#x} ({escape(bundle.where.layer)}), {size(bundle.size)}{more}"
    yield f"wrappers that point at it: {bundle.wrappers}"
    yield f"targets: {', '.join(escape(one.id.target_name) for one in bundle.hip_entries)}"


def _entry(node: Node, entry: Entry) -> Iterator[str]:
    yield escape(entry.id.text)
    binary, bundle = (one.subject for one in node.path[-3:-1])
    if isinstance(binary, Binary) and isinstance(bundle, Bundle):
        yield escape(entry_uri(binary.path, bundle, entry))
    part = entry.code_object
    if isinstance(part, CodeObject):
        metadata = f", metadata for {escape(part.metadata_target or 'no target')}"
        yield f"ABI version {part.abi_version}, e_flags {part.e_flags:#x}{metadata}"
        yield f"{len(part.kernels):,} kernels, {len(part.variables):,} variables"
    elif isinstance(part, Unreadable):
        yield f"unreadable: {escape(part.message)}"


def _kernel(node: Node, name: str, resources: Resources | None) -> Iterator[str]:
    """Its resources before its other name: of long ones, a small pane shows one."""
    yield escape(demangle(name))
    yield from _resources(node, name, resources)
    if demangle(name) != name:
        yield from ("", escape(name))


def _resources(node: Node, name: str, resources: Resources | None) -> Iterator[str]:
    binary, bundle = (one.subject for one in node.path[-4:-2])
    if not isinstance(binary, Binary) or not isinstance(bundle, Bundle):
        return
    yield ""
    if resources is None:
        yield "reading resources …"
        return
    here = node.parent and node.parent.subject
    # what one looks at comes first: of 27 targets, 80 columns and 24 lines show four
    entries = sorted(bundle.hip_entries, key=lambda one: one is not here)
    places = [(binary.path, bundle.index, one.id.target_name, name) for one in entries]
    rows = [
        _row(row, ">" if entry is here else " ")
        for place, entry in zip(places, entries, strict=True)
        if (row := resources.get(place)) is not None
    ]
    if not rows:
        yield "no resources"
        return
    own = resources.get(places[0])
    if own is not None:
        yield from _occupancy(own)
    yield from _columns([["  target", *COLUMNS, "waves"], *rows])


def _row(row: KernelRow, mark: str) -> list[str]:
    values = [getattr(row.kernel, field) for field in COLUMNS.values()]
    shown = ["-" if value is None else str(value) for value in values]
    found = row.occupancy
    waves = "-" if found is None else f"{found.waves}/{found.most}"
    return [f"{mark} {escape(row.target)}", *shown, waves]


def _occupancy(row: KernelRow) -> Iterator[str]:
    """What the last column says of the target that one looks at."""
    found = row.occupancy
    if found is None:
        return
    lanes = row.kernel.wavefront_size
    wide = "" if lanes is None else f" of {lanes} lanes"
    limits = ", ".join(limit.value for limit in found.limits)
    why = f", limited by {limits}" if limits else ""
    yield f"a SIMD holds {found.waves} of {found.most} waves{wide}{why}"


def _columns(rows: list[list[str]]) -> Iterator[str]:
    """Rows close to each other: 80 columns hold them."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for first, *rest in rows:
        cells = [cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True)]
        yield "  ".join([first.ljust(widths[0]), *cells])
