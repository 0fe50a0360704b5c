"""Options that say what must hold; `verify` and `audit` share them."""

import os
from collections.abc import Callable
from functools import update_wrapper
from typing import TYPE_CHECKING, Any

import click

from kinspect.checks import RULES
from kinspect.cli.options import F
from kinspect.errors import UsageError
from kinspect.policy import ACCEPTABLE, DEFAULT_REQUIRED, Ignore, Policy
from kinspect.runtime import NEWEST, runtime
from kinspect.target import parse_required

if TYPE_CHECKING:
    from kinspect.snapshot import Snapshot

_OPTIONS = (
    click.option(
        "-r", "--require", "require", metavar="TARGET", multiple=True,
        help="A target that every bundle must serve, such as gfx950 or gfx942:xnack-;"
        " several joined by ';' or ',' too. Repeatable. [env: KINSPECT_REQUIRE;"
        " default: gfx942,gfx950]",
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
        "--only", is_flag=True, help="Allow no other targets than the required ones."
    ),
    click.option(
        "--kernel", "kernels", metavar="GLOB", multiple=True,
        help="A kernel (mangled or demangled) that must exist for every target."
        " Repeatable.",
    ),
    click.option(
        "--expect", metavar="GLOB", multiple=True,
        help="Binaries that must be there and carry device code. Repeatable.",
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

    def with_policy(
        *,
        require: tuple[str, ...],
        accept: tuple[str, ...],
        rocm: str | None,
        only: bool,
        kernels: tuple[str, ...],
        expect: tuple[str, ...],
        baseline: str | None,
        ignore: tuple[str, ...],
        **others: Any,
    ) -> Any:
        policy = Policy(
            required=parse_required(_required(require)) or DEFAULT_REQUIRED,
            accept=frozenset(accept),
            only=only,
            runtime=runtime(rocm) if rocm else NEWEST,
            kernels=kernels,
            expect=expect,
            ignore=tuple(map(_ignore, ignore)),
            baseline=_snapshot(baseline) if baseline else None,
        )
        return command(policy=policy, **others)

    wrapped: Callable[..., Any] = update_wrapper(with_policy, command)
    for option in reversed(_OPTIONS):
        wrapped = option(wrapped)
    return wrapped  # type: ignore[return-value]


def _required(texts: tuple[str, ...]) -> tuple[str, ...]:
    """The option, else the environment; a value that names no target is a mistake.

    An empty build argument must not silently mean the default, or nothing.
    """
    if not texts and "KINSPECT_REQUIRE" in os.environ:
        texts = (os.environ["KINSPECT_REQUIRE"],)
        source = "KINSPECT_REQUIRE"
    else:
        source = "--require"
    if not all(parse_required((text,)) for text in texts):
        message = f"{source} is empty: name a target, such as gfx942, or leave it out"
        raise UsageError(message)
    return texts


def _snapshot(path: str) -> "Snapshot":
    from kinspect.snapshot import load  # noqa: PLC0415

    return load(path)


def _ignore(text: str) -> Ignore:
    rule, _, glob = text.partition(":")
    if rule not in RULES:
        message = f"--ignore {text!r}: no rule named {rule!r}; see kinspect rules"
        raise UsageError(message)
    return Ignore(rule, glob or "*")
