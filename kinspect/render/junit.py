"""A report as JUnit XML: a suite for each binary, a case for each required target.

Source: the XSD of Jenkins' xUnit plugin, and the element order of Ant's formatter, which
is stricter: properties, then cases; one failure or error in a case. GitLab shows the text
of a failure and tells cases apart by class name and name.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final
from xml.sax.saxutils import escape as _markup
from xml.sax.saxutils import quoteattr

from kinspect.loader import units
from kinspect.model import Binary, Report
from kinspect.names import escape
from kinspect.render import matrix, sidecar_table
from kinspect.render.problems import Group, problems
from kinspect.render.words import count, shortened, size

#: the case of problems that name no required target
REST: Final = "device code"

#: how long the text of a case may be
_LENGTH: Final = 20_000
#: GitLab takes files of up to 30 MB; what comes on top is one case
BYTES: Final = 20_000_000


@dataclass(slots=True)
class _Case:
    groups: list[Group] = field(default_factory=list)
    passed: str = ""

    @property
    def outcome(self) -> str:
        """`failure`, `error` (could not be told) or nothing."""
        errors = [group for group in self.groups if group.error]
        if any(not group.rule.unknown for group in errors):
            return "failure"
        return "error" if errors else ""


_Suite = dict[str, _Case]


def report(report: Report) -> str:
    """A file that Jenkins, GitHub's and GitLab's readers take."""
    suites = _suites(report)
    properties = {binary.path: _properties(binary) for binary in matrix.carrying(report)}

    def written(path: str) -> str:
        return "\n".join(_suite(path, suites[path], properties.get(path, {})))

    parts = {path: written(path) for path in suites}
    if left_out := _left_out(suites, parts):
        suites = {path: suite for path, suite in suites.items() if path not in left_out}
        suites |= _told_of(left_out)
        parts |= {path: written(path) for path in suites if path not in parts}
    everything = [case for suite in suites.values() for case in suite.values()]
    head = f'<testsuites name="kinspect" {_counts(everything)} time="0">'
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', head]
    return "\n".join([*lines, *(parts[path] for path in suites), "</testsuites>", ""])


def _left_out(suites: Mapping[str, _Suite], parts: Mapping[str, str]) -> dict[str, _Suite]:
    """The suites that there is no room for; those with failures come first."""

    def rank(path: str) -> int:
        outcomes = {case.outcome for case in suites[path].values()}
        return 0 if "failure" in outcomes else 1 if "error" in outcomes else 2

    room = BYTES
    found = {}
    for path in sorted(suites, key=rank):
        room -= len(parts[path].encode())
        if room < 0:
            found[path] = suites[path]
    return found


def _told_of(suites: Mapping[str, _Suite]) -> dict[str, _Suite]:
    """One case in place of many, which fails if one of them does."""
    groups = [
        group
        for suite in suites.values()
        for case in suite.values()
        for group in case.groups
    ]
    told = f"{count(len(suites), 'suite')} left out; --format json has all"
    return {"kinspect: left out": {REST: _Case(groups, told)}}


def _suites(report: Report) -> dict[str, _Suite]:
    suites: dict[str, _Suite] = {}
    tables = sidecar_table.tables(report)
    grouped = frozenset(path for one in tables for path in one.paths)
    for one in tables:
        # what is wrong with such files has a suite of its own, by its path
        good = [cell for cell in one.cells if cell.style != "error"]
        suites[one.name] = {str(cell.target): _Case(passed=_files(cell)) for cell in good}
    for binary in matrix.carrying(report):
        if binary.path in grouped:
            continue
        suite = suites.setdefault(binary.path, {})
        for cell in matrix.cells(list(units(binary)), report, binary.path):
            suite.setdefault(str(cell.target), _Case()).passed = _passed(cell)
        suite.setdefault(REST, _Case())
    for problem in problems(report):
        suite = suites.setdefault(problem.first.path or "kinspect", {})
        name = problem.first.target
        case = suite.setdefault(name if name in report.targets and name else REST, _Case())
        case.groups.append(problem)
    return suites


def _passed(cell: matrix.Cell) -> str:
    if not cell.total:
        return ""
    served = f"{len(cell.served)} of {count(cell.total, 'bundle')}"
    return f"{served}, {count(cell.kernels, 'kernel')}, {size(cell.size)}"


def _files(cell: sidecar_table.Cell | matrix.Cell) -> str:
    return f"{count(cell.kernels, 'kernel')}, {size(cell.size)}"


def _properties(binary: Binary) -> dict[str, str]:
    return {"format": binary.format, "device code": ", ".join(matrix.facts(binary))}


def _suite(path: str, suite: _Suite, properties: dict[str, str]) -> Iterator[str]:
    yield f' <testsuite name={_quoted(path)} {_counts(suite.values())} time="0">'
    if properties:
        yield "  <properties>"
        for name, value in properties.items():
            yield f"   <property name={_quoted(name)} value={_quoted(value)}/>"
        yield "  </properties>"
    for name, case in suite.items():
        head = f'  <testcase classname={_quoted(path)} name={_quoted(name)} time="0"'
        inner = list(_case(case))
        yield from [f"{head}>", *inner, "  </testcase>"] if inner else [f"{head}/>"]
    yield " </testsuite>"


def _case(case: _Case) -> Iterator[str]:
    errors = [group for group in case.groups if group.error]
    if errors:
        first = errors[0].first
        text = _text(errors)
        yield (
            f"   <{case.outcome} type={_quoted(first.rule)}"
            f" message={_quoted(first.message)}>{text}</{case.outcome}>"
        )
    told = _text(group for group in case.groups if not group.error)
    out = "\n".join(filter(None, (_markup(case.passed), told)))
    if out:
        yield f"   <system-out>{out}</system-out>"


def _text(found: Iterable[Group]) -> str:
    blocks = [
        "\n".join(
            f"{group.first.severity.value}[{group.first.rule}] {escape(line)}"
            if not number
            else f"  {escape(line)}"
            for number, line in enumerate(group.told())
        )
        for group in found
    ]
    return _markup(shortened("\n".join(blocks), _LENGTH))


def _counts(cases: Iterable[_Case]) -> str:
    outcomes = [case.outcome for case in cases]
    return (
        f'tests="{len(outcomes)}" failures="{outcomes.count("failure")}"'
        f' errors="{outcomes.count("error")}" skipped="0"'
    )


def _quoted(text: str) -> str:
    return quoteattr(shortened(escape(text), _LENGTH))
