"""Findings as a GitLab code quality report.

Source: GitLab, "Code Quality", report format: description, check_name, fingerprint,
severity, location.path and location.lines.begin; a fingerprint occurs once.
"""

import json
from typing import Final

from kinspect.model import Report, Severity
from kinspect.names import escape
from kinspect.render.place import outer
from kinspect.render.problems import Group, fingerprints, problems
from kinspect.render.words import shortened

_SEVERITIES: Final = {
    Severity.ERROR: "critical",
    Severity.WARNING: "minor",
    Severity.NOTE: "info",
}
#: what could not be told is no violation, and no trifle either
_UNKNOWN: Final = "major"

#: how many problems a report may have, worst first, and how long a description may be
MOST: Final = 5000
_LENGTH: Final = 2000


def report(report: Report) -> str:
    """A JSON array, an issue for each problem."""
    found = problems(report)[:MOST]
    issues = [
        {
            "description": _description(group),
            "check_name": group.first.rule,
            "fingerprint": fingerprint,
            "severity": _severity(group),
            "location": {"path": _path(group, report), "lines": {"begin": 1}},
        }
        for group, fingerprint in zip(found, fingerprints(found, report), strict=True)
    ]
    return json.dumps(issues, indent=1) + "\n"


def _description(group: Group) -> str:
    where = f"{group.first.path}: " if group.first.path else ""
    return shortened(escape(where + " | ".join(group.told())), _LENGTH)


def _severity(group: Group) -> str:
    if group.error and group.rule.unknown:
        return _UNKNOWN
    return _SEVERITIES[group.first.severity]


def _path(group: Group, report: Report) -> str:
    """The file on disk, as GitLab wants it: relative, without `./`."""
    file, _ = outer(group.first.path, report.artifacts)
    return escape(file.removeprefix("./")) or "."
