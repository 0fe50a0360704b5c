"""A report as SARIF 2.1.0, for code scanning.

Sources: OASIS, "Static Analysis Results Interchange Format (SARIF) Version 2.1.0"; GitHub,
"SARIF support for code scanning", for what a result must have and how many may come.
"""

import json
from collections.abc import Iterator
from typing import Any, Final

from kinspect.checks.rules import RULES, Rule
from kinspect.model import Finding, Report, Severity, Verdict
from kinspect.names import brief, escape
from kinspect.render.matrix import verdict
from kinspect.render.place import outer
from kinspect.render.problems import NOTHING, Group, fingerprints, problems
from kinspect.render.words import count, shortened
from kinspect.uri import file_uri

_SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"

_LEVELS: Final = {
    Severity.ERROR: "error",
    Severity.WARNING: "warning",
    Severity.NOTE: "note",
}
_PROBLEM: Final = {
    Severity.ERROR: "error",
    Severity.WARNING: "warning",
    Severity.NOTE: "recommendation",
}
_EXITS: Final = {
    Verdict.PASS: (0, "every requirement holds"),
    Verdict.FAIL: (1, "a requirement is violated"),
    Verdict.UNKNOWN: (2, "could not tell"),
}

#: GitHub keeps 5,000 results, and takes 10 MB (compressed; a margin stays)
MOST: Final = 5000
BYTES: Final = 8_000_000

#: of a message, and of the places that one result names
_MESSAGE: Final = 4000
_PLACES: Final = 20

Value = dict[str, Any]


def report(report: Report) -> str:
    """One run: a rule for each of ours, a result for each problem, worst first."""
    rules = (*RULES.values(), NOTHING)
    results, left_out = _kept(report, rules)
    run = {
        "tool": {"driver": _driver(report, rules)},
        "invocations": [_invocation(report, left_out)],
        "columnKind": "unicodeCodePoints",
        "artifacts": [
            {"location": {"uri": file_uri(one.path)}, "roles": ["analysisTarget"]}
            for one in report.artifacts
        ],
        "results": results,
        "properties": {"required": list(report.required), "rocm": report.runtime.name},
    }
    log = {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}
    return json.dumps(log, indent=1) + "\n"


def _driver(report: Report, rules: tuple[Rule, ...]) -> Value:
    return {
        "name": "kinspect",
        "version": report.version,
        "semanticVersion": report.version,
        "rules": [_rule(rule) for rule in rules],
    }


def _rule(rule: Rule) -> Value:
    return {
        "id": rule.name,
        "shortDescription": {"text": _sentence(rule.summary)},
        "fullDescription": {"text": rule.meaning},
        "help": {
            "text": f"{rule.meaning}\n\nWhat to do: {rule.mend}",
            "markdown": f"{rule.meaning}\n\n**What to do.** {rule.mend}",
        },
        "defaultConfiguration": {"level": _LEVELS[rule.severity]},
        "properties": {
            "tags": ["gpu", "hip", "rocm"],
            "precision": "very-high",
            "problem.severity": _PROBLEM[rule.severity],
        },
    }


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def _invocation(report: Report, left_out: int) -> Value:
    code, meaning = _EXITS[report.verdict]
    word, reason = verdict(report)
    value: Value = {
        "executionSuccessful": report.verdict is not Verdict.UNKNOWN,
        "exitCode": code,
        "exitCodeDescription": meaning,
        "properties": {
            "verdict": report.verdict.value,
            "summary": escape(f"{word}: {reason}"),
        },
    }
    if left_out:
        text = f"{count(left_out, 'more problem')} left out; --format json has all"
        value["toolExecutionNotifications"] = [
            {"level": "warning", "message": {"text": text}}
        ]
    return value


def _kept(report: Report, rules: tuple[Rule, ...]) -> tuple[list[Value], int]:
    """The results as far as there is room for them, and how many there is none for."""
    found = problems(report)
    indexes = {rule.name: index for index, rule in enumerate(rules)}
    results: list[Value] = []
    room = BYTES
    for group, fingerprint in zip(found, fingerprints(found, report), strict=True):
        result = _result(group, indexes[group.first.rule], fingerprint, report)
        room -= len(json.dumps(result, indent=1))
        if room < 0 or len(results) == MOST:
            break
        results.append(result)
    return results, len(found) - len(results)


def _result(group: Group, index: int, fingerprint: str, report: Report) -> Value:
    one = group.first
    text = shortened("\n".join(map(escape, group.told())), _MESSAGE)
    properties = {"target": one.target and escape(one.target), "hint": escape(group.hint)}
    return {
        "ruleId": one.rule,
        "ruleIndex": index,
        "level": _LEVELS[one.severity],
        "kind": "fail",
        "message": {"text": text},
        "locations": [_location(group, report)],
        "partialFingerprints": {"kinspectProblem/v1": fingerprint},
        "occurrenceCount": len(group.findings),
        "properties": properties,
    }


def _location(group: Group, report: Report) -> Value:
    """The file on disk, where code scanning can show it, and what is meant within it."""
    file, _ = outer(group.first.path, report.artifacts)
    return {
        "physicalLocation": {
            "artifactLocation": {"uri": file_uri(file)},
            "region": {"startLine": 1},
        },
        "logicalLocations": list(_logical(group, report)),
    }


def _logical(group: Group, report: Report) -> Iterator[Value]:
    path = escape(group.first.path) or "kinspect"
    _, inner = outer(group.first.path, report.artifacts)
    name = escape(inner) or path.rsplit("/", 1)[-1] or path
    yield {"name": name, "fullyQualifiedName": path, "kind": "module"}
    seen = set()
    for one in group.findings:
        place = _within(path, one)
        if place and place["fullyQualifiedName"] not in seen:
            seen.add(place["fullyQualifiedName"])
            yield place
        if len(seen) == _PLACES:
            return


def _within(path: str, one: Finding) -> Value | None:
    """The bundle or the kernel that a finding names."""
    parts = [f"bundle={one.bundle}"] if one.bundle is not None else []
    parts += [f"target={escape(one.target)}"] if one.target else []
    parts += [f"kernel={shortened(escape(one.kernel), 500)}"] if one.kernel else []
    if one.kernel:
        name, kind = escape(brief(one.kernel)), "function"
    elif one.bundle is not None:
        name, kind = f"bundle {one.bundle}", "resource"
    else:
        return None
    where = f"{path}#{'&'.join(parts)}"
    return {"name": name, "fullyQualifiedName": where, "kind": kind}
