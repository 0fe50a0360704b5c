"""`kinspect policy`: what must hold, and where that comes from."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import is_dataclass
from datetime import date
from pathlib import Path

import click

from kinspect import api
from kinspect.cli import files, options
from kinspect.cli.exit import Exit
from kinspect.cli.requirements import settings
from kinspect.cli.telling import tell
from kinspect.errors import UsageError
from kinspect.names import escape, inert
from kinspect.runtime import Runtime
from kinspect.settings import Effective, Setting
from kinspect.settings.keys import SINGLE
from kinspect.settings.proposal import propose
from kinspect.sources import Named, label
from kinspect.target import TargetID

EPILOG = """\
\b
Examples:
  kinspect policy show
  kinspect policy show --profile deep-ep --require gfx942
  kinspect policy show --policy ci/kinspect.toml --format json
"""


@click.group("policy")
def command() -> None:
    """Write a policy, and show what must hold, from options, policy file and profiles."""


INIT_EPILOG = """\
\b
Examples:
  kinspect policy init dist/*.whl -o kinspect.toml
  kinspect policy init --pyproject build/lib/deep_ep_cpp.so >> pyproject.toml
"""


@command.command("init", epilog=INIT_EPILOG)
@options.artifacts
@click.option(
    "-o", "--output", metavar="FILE", type=click.Path(),
    help="Where to write it [default: the standard output].",
)  # fmt: skip
@click.option("--force", is_flag=True, help="Write over a file that is there.")
@click.option(
    "--pyproject", is_flag=True, help="Write the table [tool.kinspect], for pyproject.toml."
)
@options.exclude
@options.limit
@options.jobs
def init(
    paths: tuple[Named, ...],
    output: str | None,
    force: bool,
    pyproject: bool,
    exclude: tuple[str, ...],
    limits: tuple[str, ...],
    jobs: int | None,
) -> None:
    """Write a policy that holds for artifacts as they are now.

    It requires the targets that all binaries serve and names the binaries; what is
    wrong already is ignored for 90 days. Nothing is written, and the exit code is 2,
    where a part can't be read or there is no device code: no policy excuses that.
    """
    if output is not None:
        files.check(output)
        if Path(output).exists() and not force:
            message = f"{output} is there already; --force writes over it"
            raise UsageError(message)
    ceilings = options.read_limits(limits)
    artifacts = api.inspect_all(
        paths, limits=ceilings, exclude=exclude, jobs=options.read_jobs(jobs)
    )
    proposed = propose(artifacts, date.today(), table="tool.kinspect" if pyproject else "")
    if not proposed.holds:
        problems = [f"{one.path}: {one.message}" for one in proposed.left]
        for problem in problems or [
            f"{', '.join(map(label, paths))}: no device code to hold to"
        ]:
            tell(problem)
        raise click.exceptions.Exit(Exit.COULD_NOT_TELL)
    if output is None:
        options.write(proposed.text)
    else:
        files.write(output, proposed.text)


@command.command("show", epilog=EPILOG)
@settings
@click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text",
    show_default=True, help="Output format.",
)  # fmt: skip
def show(effective: Effective, form: str, baseline: str | None) -> None:
    """Print the policy that holds here, value by value, with where each comes from.

    Takes the options of verify: what they say is part of it.
    """
    found = _holding(effective)
    if baseline:
        found.append(Setting("baseline", baseline, "--baseline"))
    if form == "json":
        told = [
            {"key": one.key, "value": _plain(one.value), "from": one.origin}
            for one in found
        ]
        options.write(inert(json.dumps({"settings": told}, indent=1)) + "\n")
        return
    options.write("".join(f"{line}\n" for one in found for line in _lines(one)))


def _holding(effective: Effective) -> list[Setting]:
    """The settings that count: of a key with one value, the last."""
    return [
        one
        for one in effective.settings
        if one.key not in SINGLE or one is effective.last(one.key)
    ]


def _lines(setting: Setting) -> Iterator[str]:
    plain = _plain(setting.value)
    head = f"{setting.key}:"
    origin = f"  ({setting.origin})"
    if not isinstance(plain, dict):
        yield escape(f"{head} {_text(plain)}{origin}")
        return
    yield escape(f"{head}{origin}")
    for name, part in plain.items():
        if name not in {"origin", "profile"}:
            yield escape(f"  {name}: {_text(part)}")


def _plain(value: object) -> object:
    """A value as JSON has it."""
    if isinstance(value, TargetID):
        return str(value)
    if isinstance(value, Runtime):
        return value.name.removeprefix("ROCm ")
    if is_dataclass(value) and not isinstance(value, type):
        parts = {name: getattr(value, name) for name in value.__dataclass_fields__}
        return {name: _plain(part) for name, part in parts.items() if part}
    if isinstance(value, Mapping):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, bool | int | str):
        return value
    if isinstance(value, Iterable):
        found = [_plain(part) for part in value]
        return sorted(found, key=str) if isinstance(value, frozenset) else found
    return str(value)


def _text(plain: object) -> str:
    if isinstance(plain, list):
        return ", ".join(map(str, plain)) or "-"
    if isinstance(plain, dict):
        return "; ".join(f"{key}: {part}" for key, part in plain.items())
    return str(plain).lower() if isinstance(plain, bool) else str(plain)
