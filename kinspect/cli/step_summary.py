"""The summary of a GitHub job's step: Markdown, added to the file that GitHub names."""

import os
from typing import Final

import click

from kinspect.model import Report

#: what GitHub takes of one step; it drops a summary that is longer
LIMIT: Final = 1 << 20

VARIABLE: Final = "GITHUB_STEP_SUMMARY"


def append(report: Report) -> None:
    """Add the report, as far as there is room, if GitHub asks for one.

    Nobody named this file on the command line, so that a failure is no more than told.
    """
    path = os.environ.get(VARIABLE)
    if not path:
        return
    from kinspect.render import markdown  # noqa: PLC0415

    try:
        with open(path, "ab") as file:
            room = LIMIT - file.tell()
            file.write(markdown.report(report, room).encode("utf-8", "backslashreplace"))
    except OSError as error:
        click.echo(f"kinspect: warning: {VARIABLE}: {error.strerror}", err=True)
