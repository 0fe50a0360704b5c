"""Findings as workflow commands: GitHub shows them as annotations.

Source: GitHub, "Workflow commands", and the runner's ActionCommand, which splits a
command's properties at commas and takes back `%25`, `%0D`, `%0A`, `%3A` and `%2C`.
"""

from collections.abc import Iterator
from itertools import groupby
from typing import Final

from kinspect.model import Report, Severity
from kinspect.names import escape
from kinspect.render.place import outer, short_name
from kinspect.render.problems import Group, problems
from kinspect.render.style import Style
from kinspect.render.text import summary
from kinspect.render.words import count, shortened

#: how many annotations of a kind GitHub shows of one step
SHOWN: Final = 10

_COMMANDS: Final = {
    Severity.ERROR: "error",
    Severity.WARNING: "warning",
    Severity.NOTE: "notice",
}
#: of a title, and of a message
_TITLE: Final = 200
_MESSAGE: Final = 4000


def report(report: Report) -> str:
    """A command for each problem, as far as GitHub shows them, and the last line."""
    lines: list[str] = []
    for severity, same in groupby(problems(report), key=lambda g: g.first.severity):
        lines += _commands(_COMMANDS[severity], list(same), report)
    return "\n".join([*lines, summary(report, Style(color=False))]) + "\n"


def _commands(command: str, found: list[Group], report: Report) -> Iterator[str]:
    whole = len(found) <= SHOWN
    for group in found if whole else found[: SHOWN - 1]:
        yield _annotation(command, group, report)
    if not whole:
        more = found[SHOWN - 1 :]
        number = count(len(more), "more problem")
        lines = [f"{short_name(g.first.path, report.artifacts)}: {_what(g)}" for g in more]
        message = shortened(escape("; ".join(lines)), _MESSAGE)
        yield f"::{command} title={_property(f'kinspect: {number}')}::{_data(message)}"


def _annotation(command: str, group: Group, report: Report) -> str:
    file, _ = outer(group.first.path, report.artifacts)
    name = short_name(group.first.path, report.artifacts)
    title = shortened(escape(f"{_what(group)} ({name})" if name else _what(group)), _TITLE)
    properties = [f"title={_property(title)}"]
    if file:
        properties.insert(0, f"file={_property(escape(file.removeprefix('./')))}")
    message = shortened("\n".join(map(escape, group.told())), _MESSAGE)
    return f"::{command} {','.join(properties)}::{_data(message)}"


def _what(group: Group) -> str:
    target = f" {group.first.target}" if group.first.target else ""
    return f"{group.first.rule}{target}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
