"""Options that several commands share, and where their output goes."""

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import update_wrapper
from typing import Any, Final, TypeVar

import click

from kinspect.cli import files
from kinspect.copies import cores
from kinspect.errors import OutputError, UsageError
from kinspect.limits import DEFAULT, Limits
from kinspect.sources.named import Installed

F = TypeVar("F", bound=Callable[..., Any])

_artifacts = (
    click.argument("paths", metavar="[PATH...]", nargs=-1, type=click.Path()),
    click.option(
        "--installed", metavar="NAME", multiple=True,
        help="A distribution that is installed: the files in its RECORD. Repeatable.",
    ),
    click.option(
        "--python", metavar="PATH", type=click.Path(),
        help="Where --installed looks: an interpreter, its prefix, or a site-packages"
        " directory [default: the environment of kinspect].",
    ),
)  # fmt: skip


def artifacts(command: F) -> F:
    """Add PATH..., --installed and --python to a command, which gets them as `paths`."""
    return _with_artifacts(command, required=True)


def optional_artifacts(command: F) -> F:
    """The same, for a command that can do without any."""
    return _with_artifacts(command, required=False)


def _with_artifacts(command: F, *, required: bool) -> F:
    def with_artifacts(
        *,
        paths: tuple[str, ...],
        installed: tuple[str, ...],
        python: str | None,
        **others: Any,
    ) -> Any:
        if required and not paths and not installed:
            message = "Missing argument 'PATH...', or --installed NAME."
            raise click.UsageError(message)
        if "" in paths:  # `"$WHEEL"` of a shell where the variable is not set
            message = "PATH is empty: a variable that is not set, or a glob of nothing?"
            raise UsageError(message)
        if python is not None and not installed:
            message = "--python says where --installed NAME looks, and there is none"
            raise UsageError(message)
        named = (Installed(name, python) for name in installed)
        return command(paths=(*paths, *named), **others)

    wrapped: Callable[..., Any] = update_wrapper(with_artifacts, command)
    for option in reversed(_artifacts):
        wrapped = option(wrapped)
    return wrapped  # type: ignore[return-value]


targets = click.option(
    "-t", "--target", "targets", metavar="TARGET", multiple=True,
    help="Only what is for this target. Repeatable.",
)  # fmt: skip
bundles = click.option(
    "-b", "--bundle", "bundles", metavar="N", multiple=True, type=click.IntRange(min=0),
    help="Only the bundle of that number in its binary. Repeatable.",
)  # fmt: skip
binaries = click.option(
    "--binary", "binaries", metavar="GLOB", multiple=True,
    help="Only binaries of that name or path. Repeatable.",
)  # fmt: skip

limit = click.option(
    "--limit",
    "limits",
    metavar="NAME=N",
    multiple=True,
    help="Raise a limit on what a file may make kinspect do (see the error that names it).",
)

exclude = click.option(
    "--exclude",
    metavar="GLOB",
    multiple=True,
    help="Files or directories to leave out, in archives too, or platforms of an image."
    " Repeatable.",
)

#: more processes have to be asked for: a build machine has many cores, and other work
MOST_JOBS: Final = 8

jobs = click.option(
    "-j", "--jobs",
    metavar="N",
    type=click.IntRange(min=1),
    default=None,
    envvar="KINSPECT_JOBS",
    help="Processes that share the work; each needs memory for one compressed bundle"
    f" [default: one for each core, {MOST_JOBS} at most].",
)  # fmt: skip

no_color = click.option(
    "--color/--no-color",
    default=None,
    help="Colour the text, or not [default: on a terminal, unless NO_COLOR is set].",
)


def read_limits(texts: tuple[str, ...]) -> Limits:
    """Limits from `NAME=N` options."""
    raised: dict[str, int] = {}
    for text in texts:
        name, _, number = text.partition("=")
        try:
            raised[name] = int(number, 0)
        except ValueError:
            message = f"--limit {text!r}: expected NAME=N, such as inflated=8589934592"
            raise UsageError(message) from None
    return DEFAULT.raised(**raised)


def read_jobs(asked: int | None) -> int:
    return min(cores(), MOST_JOBS) if asked is None else asked


def use_color(asked: bool | None, *, to_file: bool = False) -> bool:
    """Colours only where a person looks, and wants them (https://no-color.org)."""
    if asked is not None:
        return asked
    if to_file:
        return False
    dumb = os.environ.get("TERM") == "dumb"
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and not dumb


class Output:
    """`--format NAME` or `NAME=FILE`, several times; one of them to stdout."""

    def __init__(self, texts: tuple[str, ...], known: tuple[str, ...]) -> None:
        self.targets: list[tuple[str, str | None]] = []
        for text in texts or (known[0],):
            name, _, file = text.partition("=")
            if name not in known:
                message = f"--format {name!r}: expected one of {', '.join(known)}"
                raise UsageError(message)
            self.targets.append((name, file or None))
        self._check([file for _, file in self.targets])

    def _check(self, files_: list[str | None]) -> None:
        if files_.count(None) > 1:
            message = "--format: only one can go to stdout, the others want a file"
            raise UsageError(message)
        for file in files_:
            if file is not None and files_.count(file) > 1:
                message = f"--format: two formats for one file, {file}"
                raise UsageError(message)
            if file is not None:
                files.check(file)

    def write(self, render: Callable[[str, bool], str]) -> None:
        """Write every format that was asked for; `render` is told if it goes to a file.

        All of them are tried before an OutputError is raised for those that failed.
        """
        failed = []
        for name, file in self.targets:
            text = render(name, file is not None)
            if file is None:
                write(text)
                continue
            try:
                files.write(file, text)
            except OutputError as error:
                failed.append(str(error))
        if failed:
            raise OutputError("; ".join(failed))


#: characters that are written at once where there are many
_BLOCK: Final = 1 << 16


def in_blocks(pieces: Iterable[str]) -> Iterator[str]:
    """The same text in fewer pieces: a line at a time is slow."""
    block: list[str] = []
    size = 0
    for piece in pieces:
        block.append(piece)
        size += len(piece)
        if size >= _BLOCK:
            yield "".join(block)
            block, size = [], 0
    yield "".join(block)


def write(text: str) -> None:
    """To stdout, whatever its encoding can't say spelled out; a part at a time."""
    encoding = sys.stdout.encoding or "utf-8"
    for at in range(0, len(text), _BLOCK):
        part = text[at : at + _BLOCK]
        sys.stdout.write(part.encode(encoding, "backslashreplace").decode(encoding))
    sys.stdout.flush()


FORMAT_HELP: Final = "Output format; NAME=FILE writes it to a file. Repeatable."
