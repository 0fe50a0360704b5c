"""What changed between two builds as Markdown (GitHub's), for a job's summary."""

from collections.abc import Iterator, Sequence
from typing import Final

from kinspect.diff import BinaryDiff, Diff, Violation
from kinspect.names import escape
from kinspect.render import changes
from kinspect.render.markdown import BYTES, code, fitted, prose, row
from kinspect.render.words import count
from kinspect.snapshot import BinaryRecord, Lists

#: rows of one kind
SHOWN: Final = 20


def report(diff: Diff, violations: Sequence[Violation] = ()) -> str:
    """What is wrong, then binary by binary; no more than GitHub takes."""
    blocks = [
        f"### kinspect diff: {code(diff.old.path)} → {code(diff.new.path)}\n",
        *(f"- ❌ {_violation(one)}" for one in violations),
        *(
            f"- ❔ could not be read: {prose(f'{one.where}: {one.message}')}"
            for one in diff.unreadable
        ),
        *_files("lost", diff.lost),
        *_files("new", diff.gained),
    ]
    if diff.same:
        blocks.append("Targets, kernels, resources, sizes and packing are the same.\n")
    for binary in diff.binaries:
        if not binary.same:
            blocks += _binary(binary)
    return fitted(blocks, BYTES)


def _violation(one: Violation) -> str:
    parts = [f"**{one.kind}**", f"in {code(one.binary)}"]
    if one.target:
        parts.append(f"for {code(one.target)}")
    if one.kernels:
        parts.append(f"({count(len(one.kernels), 'kernel')})")
    return " ".join(parts)


def _files(word: str, binaries: Sequence[BinaryRecord]) -> Iterator[str]:
    for one in binaries:
        yield f"- {word}: {code(one.path)}, {changes.content(one)}"


def _binary(binary: BinaryDiff) -> Iterator[str]:
    yield f"\n#### {code(binary.new.path)}\n"
    yield from _facts(binary)
    yield from _targets(binary)
    common = changes.common_targets(binary)
    for word, what, lists in (
        ("lost", "kernel", binary.lost_kernels),
        ("new", "kernel", binary.new_kernels),
        ("lost", "device function", binary.change.lost_functions),
        ("new", "device function", binary.change.new_functions),
    ):
        yield from _kernels(word, what, lists, common)
    lines = [code(text) for text in changes.renames(binary.renamed)]
    yield from _folded(f"{count(len(binary.renamed), 'kernel')} renamed", lines)
    moves = [
        f"{code(one.kernel)}: {code(one.old)} → {code(one.new)}" for one in binary.moved
    ]
    yield from _folded(f"{count(len(binary.moved), 'kernel')} moved", moves)
    for name, steps in changes.resources(binary):
        rows = [
            f"{one.values} {code(changes.short(one.kernel))} ({prose(one.targets)})"
            for one in steps
        ]
        yield from _folded(f"{name}: {changes.direction(steps)}", rows)


def _facts(binary: BinaryDiff) -> Iterator[str]:
    change = binary.change
    for word, names in (
        ("❌ targets lost", change.lost_targets),
        ("targets new", change.new_targets),
    ):
        if names:
            yield f"- {word}: {', '.join(map(code, names))}"
    for target, (serving, of) in sorted(change.thinned_targets.items()):
        yield f"- ❌ {code(target)} is in {serving} of {of} bundles only"
    before, after = binary.packing
    if before != after:
        forms = changes.arrow(changes.packed(before), changes.packed(after))
        size = changes.sizes(before.size, after.size)
        floor = changes.arrow(changes.release(before), changes.release(after))
        yield f"- bundles: {forms}; in the file {size}; read by ROCm {floor}"


def _targets(binary: BinaryDiff) -> Iterator[str]:
    heads = ["target", "bundles", "kernels", "code size"]
    found = [one for one in binary.targets if one.bundles != (0, 0)]
    if not found:
        return
    yield f"\n{row(heads)}"
    yield row(["---"] * len(heads))
    for one in found:
        pairs = [changes.arrow(*map(str, pair)) for pair in (one.bundles, one.kernels)]
        yield row([code(one.target), *pairs, changes.sizes(*one.size)])
    yield ""


def _kernels(word: str, what: str, lists: Lists, common: Sequence[str]) -> Iterator[str]:
    for fold in changes.folds(lists, common):
        lines = [
            code(name) + (f" ×{number}" if number > 1 else "")
            for name, number in fold.families
        ]
        head = f"{count(len(fold.kernels), what)} {word} on {fold.targets}"
        yield from _folded(head, lines)


def _folded(head: str, lines: Sequence[str]) -> Iterator[str]:
    if not lines:
        return
    shown = [f"- {line}" for line in lines[:SHOWN]]
    if len(lines) > SHOWN:
        shown.append(f"- and {len(lines) - SHOWN:,} more")
    body = "\n".join(shown)
    yield f"<details><summary>{prose(escape(head))}</summary>\n\n{body}\n</details>\n"
