"""What of an artifact is meant: targets, binaries, kernels."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from kinspect.errors import TargetError, UsageError
from kinspect.names import demangle
from kinspect.target import SPIRV, TargetID

#: between the levels of a breadcrumb
SEPARATOR = "!"


def targets(texts: Iterable[str], option: str = "--target") -> frozenset[str]:
    """Targets to choose, in canonical form; raises UsageError."""
    return frozenset(ordered_targets(texts, option))


def ordered_targets(texts: Iterable[str], option: str = "--target") -> tuple[str, ...]:
    """The same, in the order in which they were named."""
    found: dict[str, None] = {}
    for text in " ".join(texts).replace(";", " ").replace(",", " ").split():
        try:
            found[SPIRV if text == SPIRV else str(TargetID.parse(text))] = None
        except TargetError as error:
            message = f"{option}: {error}"
            raise UsageError(message) from error
    return tuple(found)


def admits_target(name: str, chosen: Iterable[str]) -> bool:
    """Whether a target is meant; a processor alone stands for all of its modes."""
    return name in chosen or name.split(":", maxsplit=1)[0] in chosen


def admits_binary(path: str, globs: tuple[str, ...]) -> bool:
    """Whether a binary is meant: by its breadcrumb, its path in there, or its name."""
    inner = path.rsplit(SEPARATOR, 1)[-1]
    names = (path, inner, inner.rsplit("/", 1)[-1])
    return not globs or any(fnmatchcase(name, glob) for name in names for glob in globs)


@dataclass(frozen=True, slots=True)
class KernelChoice:
    """Kernels by their names, mangled or demangled; without any, all of them."""

    globs: tuple[str, ...] = ()
    patterns: tuple[re.Pattern[str], ...] = ()

    @classmethod
    def of(cls, globs: Iterable[str], patterns: Iterable[str]) -> "KernelChoice":
        """Raises UsageError for what is no regular expression."""
        compiled = []
        for text in patterns:
            try:
                compiled.append(re.compile(text))
            except re.error as error:
                message = f"--regex {text!r}: {error}"
                raise UsageError(message) from error
        return cls(tuple(globs), tuple(compiled))

    def admits(self, name: str) -> bool:
        if not self.globs and not self.patterns:
            return True
        names = (name, demangle(name))
        return any(fnmatchcase(one, glob) for glob in self.globs for one in names) or any(
            pattern.search(one) for pattern in self.patterns for one in names
        )
