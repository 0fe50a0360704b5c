"""Options that say what must hold; `verify` and `audit` share them."""

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import update_wrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kinspect.checks import RULES
from kinspect.cli.options import F
from kinspect.errors import UsageError
from kinspect.policy import ACCEPTABLE, DEFAULT_REQUIRED, Ignore
from kinspect.runtime import runtime
from kinspect.settings import Effective, Setting, effective
from kinspect.target import parse_required

if TYPE_CHECKING:
    from kinspect.snapshot import Snapshot

_OPTIONS = (
    click.option(
        "-r", "--require", "require", metavar="TARGET", multiple=True,
        help="A target that every bundle must serve, such as gfx950 or gfx942:xnack-;"
        " several joined by ';' or ',' too. Repeatable. [env: KINSPECT_REQUIRE;"
        f" default: {','.join(map(str, DEFAULT_REQUIRED))}]",
    ),
    click.option(
        "--accept", type=click.Choice(ACCEPTABLE), multiple=True,
        help="Let generic code objects or SPIR-V stand in for native code. Repeatable.",
    ),
    click.option(
        "--rocm", metavar="VERSION",
        help="The ROCm release whose runtime is meant, such as 6.4 [default: the newest].",
    ),
    click.option(
        "--only/--no-only", default=None,
        help="Allow no other targets than the required ones.",
    ),
    click.option(
        "--kernel", "kernels", metavar="GLOB", multiple=True,
        help="A kernel that must exist for every target: mangled, demangled, or without"
        " template arguments and parameters. Repeatable.",
    ),
    click.option(
        "--expect", metavar="GLOB", multiple=True,
        help="Binaries that must be there and carry device code. Repeatable.",
    ),
    click.option(
        "--profile", "profile", metavar="NAME|FILE", multiple=True,
        help="What must hold for a library: deep-ep, rocshmem, or a file of your own."
        " Repeatable.",
    ),
    click.option(
        "--policy", "policy_file", metavar="FILE", type=click.Path(path_type=Path),
        help="A policy file [default: pyproject.toml with [tool.kinspect], or"
        " kinspect.toml, the nearest upwards].",
    ),
    click.option(
        "--no-policy", is_flag=True, help="Look for no policy file."
    ),
    click.option(
        "--baseline", metavar="FILE", type=click.Path(),
        help="A snapshot (see kinspect snapshot) whose targets and kernels must all be"
        " there.",
    ),
    click.option(
        "--ignore", metavar="RULE[:GLOB]", multiple=True,
        help="Don't report a rule, for binaries that match the glob. Repeatable.",
    ),
)  # fmt: skip


def requirements(command: F) -> F:
    """Add the options to a command, which gets what they say as `policy`."""

    def with_policy(*, baseline: str | None, effective: Effective, **others: Any) -> Any:
        snapshot = _snapshot(baseline) if baseline else None
        policy = replace(effective.policy, baseline=snapshot)
        return command(policy=policy, **others)

    return settings(update_wrapper(with_policy, command))  # type: ignore[return-value]


def settings(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options to a command, which gets what they say as `effective`."""

    def with_settings(*, policy_file: Path | None, no_policy: bool, **others: Any) -> Any:
        if policy_file is not None and no_policy:
            message = "--policy and --no-policy contradict each other"
            raise UsageError(message)
        names = ("require", "accept", "rocm", "only", "kernels", "expect", "profile")
        given = {name: others.pop(name) for name in (*names, "ignore")}
        found = effective(tuple(_given(**given)), policy_file, discover=not no_policy)
        return command(effective=found, **others)

    wrapped: Callable[..., Any] = update_wrapper(with_settings, command)
    for option in reversed(_OPTIONS):
        wrapped = option(wrapped)
    return wrapped


def _given(
    *,
    require: tuple[str, ...],
    accept: tuple[str, ...],
    rocm: str | None,
    only: bool | None,
    kernels: tuple[str, ...],
    expect: tuple[str, ...],
    profile: tuple[str, ...],
    ignore: tuple[str, ...],
) -> Iterator[Setting]:
    """What the command line and the environment say."""
    yield from _required(require)
    if accept:
        yield Setting("accept", frozenset(accept), "--accept")
    if rocm:
        yield Setting("rocm", runtime(rocm), "--rocm")
    if only is not None:
        yield Setting("only", only, "--only" if only else "--no-only")
    yield from (Setting("kernels", one, "--kernel") for one in kernels)
    yield from (Setting("expect", one, "--expect") for one in expect)
    yield from (Setting("profile", one, "--profile") for one in profile)
    yield from (Setting("ignore", _ignore(one), "--ignore") for one in ignore)


def _required(texts: tuple[str, ...]) -> Iterator[Setting]:
    """The option, else the environment; a value that names no target is a mistake.

    An empty build argument must not silently mean the default, or nothing.
    """
    source = "--require"
    if not texts and "KINSPECT_REQUIRE" in os.environ:
        source = "KINSPECT_REQUIRE"
        texts = (os.environ[source],)
    if not all(parse_required((text,)) for text in texts):
        message = f"{source} is empty: name a target, such as gfx942, or leave it out"
        raise UsageError(message)
    if texts:
        yield Setting("require", parse_required(texts), source)


def _snapshot(path: str) -> "Snapshot":
    from kinspect.snapshot import load  # noqa: PLC0415

    return load(path)


def _ignore(text: str) -> Ignore:
    rule, _, glob = text.partition(":")
    if rule not in RULES:
        message = f"--ignore {text!r}: no rule named {rule!r}; see kinspect rules"
        raise UsageError(message)
    return Ignore(rule, glob or "*", origin="--ignore")
