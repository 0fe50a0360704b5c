"""Which kernels are meant: the options that `kernels` and `disasm` share."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import update_wrapper
from typing import Any

import click

from kinspect import choosing
from kinspect.cli import options
from kinspect.cli.options import F
from kinspect.formats.metadata import Detail
from kinspect.resources.reading import Query


@dataclass(frozen=True, slots=True)
class Chosen:
    """What was asked for."""

    targets: tuple[str, ...]
    bundles: tuple[int, ...]
    binaries: tuple[str, ...]
    globs: tuple[str, ...]
    patterns: tuple[str, ...]

    @property
    def restricts(self) -> bool:
        """Whether anything was asked for."""
        return any((self.targets, self.bundles, self.binaries, self.globs, self.patterns))

    def query(
        self, *, targets: Iterable[str] = (), detail: Detail = Detail.RESOURCES
    ) -> Query:
        """With other targets where none were named; raises UsageError."""
        return Query(
            choosing.targets(self.targets) or frozenset(targets),
            frozenset(self.bundles),
            self.binaries,
            choosing.KernelChoice.of(self.globs, self.patterns),
            detail,
        )


_OPTIONS = (
    options.targets,
    options.bundles,
    options.binaries,
    click.option(
        "-k", "--kernel", "globs", metavar="GLOB", multiple=True,
        help="Only kernels of this name, mangled or demangled. Repeatable.",
    ),
    click.option(
        "-e", "--regex", "patterns", metavar="REGEX", multiple=True,
        help="Only kernels in whose name, mangled or demangled, this is found. Repeatable.",
    ),
)  # fmt: skip


def choice(command: F) -> F:
    """Add the options to a command, which gets what they say as `choice`."""

    def with_choice(
        *,
        targets: tuple[str, ...],
        bundles: tuple[int, ...],
        binaries: tuple[str, ...],
        globs: tuple[str, ...],
        patterns: tuple[str, ...],
        **others: Any,
    ) -> Any:
        chosen = Chosen(targets, bundles, binaries, globs, patterns)
        return command(choice=chosen, **others)

    wrapped: Callable[..., Any] = update_wrapper(with_choice, command)
    for option in reversed(_OPTIONS):
        wrapped = option(wrapped)
    return wrapped  # type: ignore[return-value]
