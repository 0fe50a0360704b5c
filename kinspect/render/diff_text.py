"""What changed between two builds as text for a person."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Final

from kinspect.diff import BinaryDiff, Diff, Side, Violation
from kinspect.names import escape
from kinspect.render import changes
from kinspect.render.style import Style, table
from kinspect.render.words import count
from kinspect.snapshot import BinaryRecord, Lists

#: lines of one kind, unless all of them are asked for
SHOWN: Final = 8


def report(
    diff: Diff,
    violations: Sequence[Violation] = (),
    *,
    color: bool = False,
    verbose: int = 0,
    asked: bool = False,
) -> str:
    """Binary by binary, then what was asked not to happen.

    Negative `verbose` gives the last line alone, positive every kernel by its name.
    `asked` says whether anything was asked for.
    """
    style = Style(color=color)
    last = _last(diff, violations, style, asked=asked)
    if verbose < 0:
        return last + "\n"
    head = [_side("old", diff.old, style), _side("new", diff.new, style)]
    blocks = ["\n".join(head), *_files(diff, style)]
    for binary in diff.binaries:
        if not binary.same:
            lines = [_head(binary, style), *_binary(binary, style, verbose)]
            blocks.append("\n  ".join(lines))
    same = sum(binary.same for binary in diff.binaries)
    if same and len(diff.binaries) > 1:
        blocks.append(f"{count(same, 'binary')} without any change")
    if violations:
        blocks.append("\n".join(_violations(violations, style)))
    return "\n\n".join([*blocks, last]) + "\n"


def _side(word: str, side: Side, style: Style) -> str:
    binaries = count(len(side.snapshot.own), "binary")
    unread = f", {len(side.unreadable)} parts not readable" if side.unreadable else ""
    return f"{word}: {style('strong', escape(side.path))}   {binaries}{unread}"


def _files(diff: Diff, style: Style) -> Iterator[str]:
    lines = [_file("-", one, style("error", "lost")) for one in diff.lost]
    lines += [_file("+", one, style("ok", "new")) for one in diff.gained]
    if lines:
        yield "\n".join(lines)


def _file(sign: str, one: BinaryRecord, word: str) -> str:
    return f"{sign} {escape(one.path)}   {word}: {changes.content(one)}"


def _head(binary: BinaryDiff, style: Style) -> str:
    old, new = escape(binary.old.path), escape(binary.new.path)
    name = style("strong", new)
    return name if old == new else f"{style('strong', old)} → {name}"


def _binary(binary: BinaryDiff, style: Style, verbose: int) -> Iterator[str]:
    yield from _targets(binary, style)
    yield from _packing(binary)
    yield from table(*_target_table(binary))
    shown = len if verbose else _few
    change = binary.change
    common = changes.common_targets(binary)
    for sign, word, lists in (
        ("-", "lost", binary.lost_kernels),
        ("+", "new", binary.new_kernels),
    ):
        yield from _kernels(sign, word, "kernel", lists, common, verbose)
    for sign, word, lists in (
        ("-", "lost", change.lost_functions),
        ("+", "new", change.new_functions),
    ):
        yield from _kernels(sign, word, "device function", lists, (), verbose)
    if binary.renamed:
        yield f"= {count(len(binary.renamed), 'kernel')} renamed"
        if verbose:
            pairs = [
                f"  {changes.arrow(changes.short(one.old), changes.short(one.new))}"
                for one in binary.renamed
            ]
        else:
            pairs = [f"  {escape(line)}" for line in changes.renames(binary.renamed)]
        yield from _cut(pairs, shown(pairs))
    if binary.moved:
        yield f"= {count(len(binary.moved), 'kernel')} moved to another bundle"
        moves = [
            f"  {changes.short(m.kernel)}: {escape(m.old)} → {escape(m.new)}"
            for m in binary.moved
        ]
        yield from _cut(moves, shown(moves))
    yield from _resources(binary, style, verbose)


def _few(_: Sequence[str]) -> int:
    return SHOWN


def _cut(lines: Sequence[str], shown: int) -> Iterator[str]:
    """The lines, or the first of them and how many more there are."""
    if len(lines) <= shown + 1:
        yield from lines
        return
    yield from lines[:shown]
    yield f"  and {len(lines) - shown:,} more (-v names them)"


def _targets(binary: BinaryDiff, style: Style) -> Iterator[str]:
    change = binary.change
    if change.lost_targets:
        names = ", ".join(map(escape, change.lost_targets))
        yield f"- {style('error', 'targets lost')}: {names}"
    for target, (serving, of) in sorted(change.thinned_targets.items()):
        head = f"- {style('error', 'target lost in part')}: {escape(target)}"
        yield f"{head}, now in {serving} of {of} bundles"
    if change.new_targets:
        names = ", ".join(map(escape, change.new_targets))
        yield f"+ {style('ok', 'targets new')}: {names}"


def _packing(binary: BinaryDiff) -> Iterator[str]:
    before, after = binary.packing
    if before.forms or after.forms:
        forms = changes.arrow(changes.packed(before), changes.packed(after))
        yield f"bundles: {forms}; in the file {changes.sizes(before.size, after.size)}"
    if before.floor != after.floor:
        floors = f"{changes.release(before)} → {changes.release(after)}"
        yield f"ROCm needed to read them: {floors}"
    if binary.old.linkage != binary.new.linkage:
        linkages = (one.linkage or "unknown" for one in (binary.old, binary.new))
        yield f"linkage: {' → '.join(linkages)}"


def _target_table(binary: BinaryDiff) -> tuple[list[list[str]], list[str]]:
    rows = []
    for one in binary.targets:
        if one.bundles == (0, 0):  # bitcode
            continue
        sign = "-" if not one.bundles[1] else "" if one.bundles[0] else "+"
        before, after = (f"{number:,}" for number in one.kernels)
        rows.append(
            [
                sign,
                escape(one.target),
                changes.arrow(*map(str, one.bundles)),
                changes.arrow(before, after),
                changes.sizes(*one.size),
            ]
        )
    return rows, ["", "target", "bundles", "kernels", "code size"]


def _kernels(
    sign: str, word: str, what: str, lists: Lists, common: Sequence[str], verbose: int
) -> Iterator[str]:
    for fold in changes.folds(lists, common):
        yield f"{sign} {count(len(fold.kernels), what)} {word} on {fold.targets}"
        if verbose:
            yield from (f"  {changes.short(name)}" for name in fold.kernels)
            continue
        lines = [
            f"  {escape(name)}" + (f"  ×{number}" if number > 1 else "")
            for name, number in fold.families
        ]
        yield from _cut(lines, SHOWN)


def _resources(binary: BinaryDiff, style: Style, verbose: int) -> Iterator[str]:
    for name, steps in changes.resources(binary):
        worse = any(one.worse for one in steps) and name in changes.ALARMING
        head = style("error" if worse else "strong", name)
        yield f"~ {head}: {changes.direction(steps)}"
        rows = [
            f"  {one.values}  {changes.short(one.kernel)}  ({one.targets})" for one in steps
        ]
        yield from _cut(rows, len(rows) if verbose else SHOWN // 2)


# --- what was asked not to happen ---------------------------------------------------


def _violations(violations: Sequence[Violation], style: Style) -> Iterator[str]:
    """A line for each kind and binary."""
    for (kind, binary), group in groupby(violations, key=lambda v: (v.kind, v.binary)):
        found = list(group)
        line = f"{style('error', f'error[{kind}]')} {escape(binary)}"
        targets = [one.target for one in found if one.target]
        if targets:
            line += f": {', '.join(map(escape, targets))}"
        kernels = sorted({kernel for one in found for kernel in one.kernels})
        yield line
        yield from _cut([f"  {changes.short(kernel)}" for kernel in kernels], SHOWN // 2)


def _last(diff: Diff, violations: Sequence[Violation], style: Style, *, asked: bool) -> str:
    errors = len({(one.kind, one.binary) for one in violations})
    if errors:
        return f"{style('error', 'FAILED')}: {count(errors, 'error')}"
    if any(diff.unreadable):
        return f"{style('error', 'UNKNOWN')}: not everything could be read"
    if diff.same:
        return f"{style('ok', 'SAME')}: targets, kernels, resources, sizes and packing"
    changed = sum(not one.same for one in diff.binaries)
    parts = [
        f"{number:,} {word}"
        for word, number in (
            ("lost", len(diff.lost)), ("new", len(diff.gained)), ("changed", changed)
        )
        if number
    ]  # fmt: skip
    word = style("ok", "OK") if asked else style("strong", "CHANGED")
    return f"{word}: binaries: {', '.join(parts)}"
