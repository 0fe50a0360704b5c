"""The other sections of the page: facts, findings, sizes."""

from collections import Counter
from collections.abc import Iterator
from typing import Final

from kinspect.model import Report
from kinspect.render.html import markup
from kinspect.render.html.markup import text
from kinspect.render.html.matrix_view import left_out
from kinspect.render.place import short_name
from kinspect.render.problems import Group, problems
from kinspect.render.words import shortened, size

#: how many problems are told, worst first, and how much of a line
MOST: Final = 1000
_LENGTH: Final = 4000


def facts(report: Report) -> str:
    """What was checked, for what."""
    told = {
        "required": ", ".join(report.required),
        "runtime": report.runtime.name,
        "checked": shortened(", ".join(one.path for one in report.artifacts), _LENGTH),
    }
    return "".join(
        f"<div><dt>{name}</dt><dd>{text(value)}</dd></div>" for name, value in told.items()
    )


def findings(report: Report) -> str:
    found = problems(report)
    cards = "".join(_card(group, report) for group in found[:MOST])
    none = "<p>None: every requirement holds.</p>"
    return markup.section(
        "findings", "Findings", (cards or none) + left_out(len(found) - MOST, "finding")
    )


def _card(group: Group, report: Report) -> str:
    one = group.first
    where = [markup.name(short_name(one.path, report.artifacts))] if one.path else []
    where += [f"for {text(one.target)}"] if one.target else []
    parts = [
        f'<h3><span class="severity">{one.severity.value}</span> {text(one.rule)}</h3>',
        f'<p class="where">{" ".join(where)}</p>',
        *_told(group),
        "<details><summary>What the rule means</summary>",
        f"<p>{text(group.rule.meaning)}</p><p>{text(group.rule.mend)}</p></details>",
    ]
    return f'<article class="finding {one.severity.value}">{"".join(parts)}</article>'


def _told(group: Group) -> Iterator[str]:
    for one in group.findings[:1] if group.folded else group.findings:
        yield f'<p class="message">{_line(one.message)}</p>'
        yield from (f"<p>{_line(line)}</p>" for line in one.details)
    if group.folded:
        yield f"<p>{_line(group.also())}</p>"
    hint = group.first.hint if group.folded else group.hint
    if hint:
        yield f'<p class="hint"><b>How to mend it:</b> {_line(hint)}</p>'


def _line(line: str) -> str:
    return text(shortened(line, _LENGTH))


def sizes(report: Report) -> str:
    """Bytes for each target, over all binaries, as bars."""
    total = Counter(dict.fromkeys(report.targets, 0))
    for target, number in _packed(report):
        total[target] += number
    largest = max(total.values(), default=0)
    if not largest:
        return ""
    rows = []
    for target, number in sorted(total.items(), key=lambda item: (-item[1], item[0])):
        required = ' class="required"' if target in report.targets else ""
        rows.append(
            f'<tr{required}><th scope="row"{required}>{text(target)}</th>'
            f'<td class="number">{size(number)}</td>'
            f'<td class="bar">{_bar(100 * number / largest)}</td></tr>'
        )
    table = (
        '<table class="sizes"><thead><tr><th scope="col">target</th>'
        '<th scope="col" class="number">size</th><td></td></tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table>"
    )
    note = '<p class="more">Inflated, over all binaries; required targets in green.</p>'
    head = "Size of the device code"
    return markup.section("sizes", head, markup.wide("Sizes by target", table) + note)


def _packed(report: Report) -> Iterator[tuple[str, int]]:
    for artifact in report.artifacts:
        for _, bundle in artifact.bundles():
            for entry in bundle.hip_entries:
                yield entry.id.target_name, entry.size
        for binary in artifact.binaries:
            for part in binary.bitcode:
                yield part.name, part.size


def _bar(percent: float) -> str:
    rect = f'<rect width="{percent:.2f}%" height="100%" rx="2"/>'
    return f'<svg aria-hidden="true">{rect}</svg>'
