"""What one source says of one thing, and where."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple, NoReturn

from kinspect.errors import PolicyError
from kinspect.settings.lines import Path


class Setting(NamedTuple):
    """A value with its key, as a policy file names it, and where it comes from.

    Keys that take several values have a setting for each.
    """

    key: str
    value: Any
    #: `--require`, `KINSPECT_REQUIRE`, `pyproject.toml:12`, `profile deep-ep`, `default`
    origin: str


class Place(NamedTuple):
    """A value's place in a policy file."""

    #: as a message names it
    file: str
    path: Path = ()
    lines: Mapping[Path, int] = MappingProxyType({})
    #: what origins say in place of the file: `profile deep-ep`
    name: str = ""

    def __truediv__(self, part: str | int) -> "Place":
        return Place(self.file, (*self.path, part), self.lines, self.name)

    @property
    def line(self) -> int:
        """The line of the value, or of what it is part of."""
        known = (self.path[:end] for end in range(len(self.path), 0, -1))
        return next((self.lines[path] for path in known if path in self.lines), 1)

    @property
    def key(self) -> str:
        """`tool.kinspect.binary[0].path`."""
        text = ""
        for part in self.path:
            text += f"[{part}]" if isinstance(part, int) else f".{part}"
        return text.removeprefix(".")

    @property
    def origin(self) -> str:
        return self.name or f"{self.file}:{self.line}"

    def refuse(self, message: str) -> NoReturn:
        """Raise PolicyError for the value."""
        raise PolicyError(message, self.file, self.line, self.key)
