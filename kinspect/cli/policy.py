"""`kinspect policy`: what must hold, and where that comes from."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import is_dataclass

import click

from kinspect.cli import options
from kinspect.cli.requirements import settings
from kinspect.names import escape
from kinspect.runtime import Runtime
from kinspect.settings import Effective, Setting
from kinspect.settings.keys import SINGLE
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
    """Show what must hold, from options, policy file and profiles."""


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
        options.write(json.dumps({"settings": told}, indent=1) + "\n")
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
