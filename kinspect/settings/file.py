"""Policy files: which one, and what it says.

`[tool.kinspect]` of a pyproject.toml, or a kinspect.toml with the same keys at its top.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from kinspect.errors import InputError, PolicyError
from kinspect.settings.keys import settings
from kinspect.settings.lines import lines
from kinspect.settings.setting import Place, Setting

PYPROJECT: Final = "pyproject.toml"
OWN: Final = "kinspect.toml"

#: bytes that are read of a policy
CEILING: Final = 1 << 22

_AT_LINE: Final = re.compile(r" \(at line (\d+), column \d+\)$")


def find(directory: Path) -> Path | None:
    """The policy for a directory: the nearest upwards, as far as the repository's top.

    In one directory a pyproject.toml with `[tool.kinspect]` comes before kinspect.toml.
    """
    for one in (directory, *directory.parents):
        project = one / PYPROJECT
        if project.is_file() and _own_table(_parsed(project)) is not None:
            return project
        if (one / OWN).is_file():
            return one / OWN
        if (one / ".git").exists():
            break
    return None


def read(path: Path, name: str = "") -> tuple[Setting, ...]:
    """The settings of a policy file.

    `name` is what their origins say in place of the file. Raises InputError where the
    file can't be read, PolicyError with file, line and key where it can't be meant.
    """
    text = _text(path)
    file = shown(path)
    value = _loaded(text, file)
    at = Place(file, (), lines(text), name)
    table = _own_table(value)
    if table is not None:
        at = at / "tool" / "kinspect"
    elif path.name == PYPROJECT:
        message = "it has no [tool.kinspect]"
        raise PolicyError(message, file)
    else:
        table = value
    if not isinstance(table, dict):
        at.refuse("expected a table")
    return tuple(settings(table, at))


def shown(path: Path) -> str:
    """A path as a person would write it: relative, where that is shorter."""
    try:
        relative = os.path.relpath(path)
    except ValueError:  # another drive
        return str(path)
    return min(relative, str(path), key=len)


def _own_table(value: Mapping[str, object]) -> object:
    tool = value.get("tool")
    return tool.get("kinspect") if isinstance(tool, dict) else None


def _parsed(path: Path) -> dict[str, object]:
    return _loaded(_text(path), shown(path))


def _text(path: Path) -> str:
    try:
        with open(path, "rb") as file:
            data = file.read(CEILING + 1)
    except OSError as error:
        raise InputError(error.strerror or str(error), shown(path)) from error
    if len(data) > CEILING:
        message = f"larger than the {CEILING} bytes that a policy may have"
        raise InputError(message, shown(path))
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        message = "this is no UTF-8"
        raise PolicyError(message, shown(path), line) from error


def _loaded(text: str, file: str) -> dict[str, object]:
    import tomllib  # noqa: PLC0415  # many runs have no policy file

    try:
        return tomllib.loads(text)
    except ValueError as error:  # TOMLDecodeError, or a number of too many digits
        message = str(error)
        match = _AT_LINE.search(message)
        line = int(match[1]) if match else text.count("\n") + 1
        told = f"this is no TOML: {_AT_LINE.sub('', message)}"
        raise PolicyError(told, file, line) from error
    except RecursionError as error:
        message = "tables or arrays in it are nested too deep"
        raise PolicyError(message, file) from error
