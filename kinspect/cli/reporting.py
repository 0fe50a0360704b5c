"""Where a report goes and how it looks; `verify` and `audit` share these options."""

import sys
from collections.abc import Callable
from functools import update_wrapper
from importlib import import_module
from typing import Any

import click

from kinspect.cli import options, step_summary
from kinspect.cli.exit import Exit
from kinspect.cli.options import F
from kinspect.cli.telling import tell
from kinspect.errors import OutputError
from kinspect.model import Report, Verdict
from kinspect.render import RENDERERS

EXITS = {
    Verdict.PASS: Exit.VERIFIED,
    Verdict.FAIL: Exit.VIOLATION,
    Verdict.UNKNOWN: Exit.COULD_NOT_TELL,
}

#: a report as text: with colours or not, and how much of it
Text = Callable[..., str]


class Reporting:
    """What `--format`, `-q`, `-v` and `--no-color` ask for."""

    def __init__(self, output: options.Output, *, color: bool | None, verbose: int) -> None:
        self._output = output
        self._color = color
        self._verbose = verbose

    @property
    def quiet(self) -> bool:
        """Whether the last line alone was asked for."""
        return self._verbose < 0

    def end(self, report: Report, text: Text) -> None:
        """Write the report in every format that was asked for, and exit by its verdict.

        `text` renders it for people: a command's own look.
        """

        def render(name: str, to_file: bool) -> str:
            if name == "text":
                styled = options.use_color(self._color, to_file=to_file)
                told = text(report, color=styled, verbose=self._verbose)
                return told if to_file else fitted(told)
            found = import_module(RENDERERS[name]).report(report)
            return str(found)

        if any(name == "github" for name, _ in self._output.targets):
            step_summary.append(report)
        try:
            self._output.write(render)
        except OutputError as error:
            if report.verdict is not Verdict.FAIL:
                raise  # a pass that left no report is none
            tell(str(error))
        raise click.exceptions.Exit(EXITS[report.verdict])


def fitted(text: str) -> str:
    """Lines as wide as the terminal. A log keeps them whole: they can be searched."""
    width = terminal_width()
    if width is None:
        return text
    from kinspect.render.style import wrapped  # noqa: PLC0415

    return wrapped(text, width)


def terminal_width() -> int | None:
    """The columns of the terminal; None in a log, whose lines have no end."""
    if not sys.stdout.isatty():
        return None
    import shutil  # noqa: PLC0415

    return shutil.get_terminal_size().columns


def table_width() -> int | None:
    """The same for a table that is indented by two."""
    width = terminal_width()
    return None if width is None else max(width - 2, 1)


_OPTIONS = (
    click.option(
        "--format", "formats", metavar="NAME[=FILE]", multiple=True,
        help=f"{', '.join(RENDERERS)}. {options.FORMAT_HELP}",
    ),
    click.option("-q", "--quiet", is_flag=True, help="Print the last line only."),
    click.option(
        "-v", "--verbose", count=True,
        help="Show every bundle, and the binaries without device code; -vv every kernel.",
    ),
    options.no_color,
)  # fmt: skip


def reporting(command: F) -> F:
    """Add the options to a command, which gets what they say as `reporting`."""

    def with_reporting(
        *,
        formats: tuple[str, ...],
        quiet: bool,
        verbose: int,
        color: bool | None,
        **others: Any,
    ) -> Any:
        asked = Reporting(
            options.Output(formats, tuple(RENDERERS)),
            color=color,
            verbose=-1 if quiet else verbose,
        )
        return command(reporting=asked, **others)

    wrapped: Callable[..., Any] = update_wrapper(with_reporting, command)
    for option in reversed(_OPTIONS):
        wrapped = option(wrapped)
    return wrapped  # type: ignore[return-value]
