"""Profiles: what must hold for a library, in files of kinspect's own or of a user's."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from kinspect.errors import UsageError
from kinspect.policy import BinaryPolicy, path_matches
from kinspect.settings import file
from kinspect.settings.setting import Setting

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

_END: Final = ".toml"

#: keys that choose profiles, which a profile can't
_CHOOSING: Final = ("profile", "profiles")


def names(directories: Iterable[Path] = ()) -> list[str]:
    """The profiles in kinspect, and in directories of a user's."""
    found = {one.name for one in _own().iterdir()}
    for directory in directories:
        if directory.is_dir():
            found |= {one.name for one in directory.iterdir()}
    return sorted(name.removesuffix(_END) for name in found if name.endswith(_END))


def load(chosen: Setting, base: Path, directories: Iterable[Path]) -> tuple[Setting, ...]:
    """The settings of a profile, chosen by its name or by the path of a file.

    Paths are taken from `base`. Of a user's `directories` the first that has the name
    wins, then kinspect's own. Raises UsageError for one that is not there.
    """
    name = str(chosen.value)
    directories = tuple(directories)
    if name.endswith(_END) or os.sep in name or "/" in name:
        return _read(base / name, Path(name).stem)
    for directory in directories:
        if (directory / f"{name}{_END}").is_file():
            return _read(directory / f"{name}{_END}", name)
    known = names(directories)
    if name not in known:
        import difflib  # noqa: PLC0415

        close = difflib.get_close_matches(name, known, n=1)
        also = f"did you mean {close[0]}?" if close else f"expected {', '.join(known)}"
        message = f"{chosen.origin}: no profile named {name!r}; {also}"
        raise UsageError(message)
    from importlib.resources import as_file  # noqa: PLC0415

    with as_file(_own() / f"{name}{_END}") as path:
        return _read(path, name, f"profile {name}")


def _own() -> "Traversable":
    """Where kinspect keeps its own."""
    from importlib.resources import files  # noqa: PLC0415  # few runs need a profile

    return files("kinspect.profiles")


def _read(path: Path, name: str, origin: str = "") -> tuple[Setting, ...]:
    found = file.read(path, origin)
    for one in found:
        if one.key in _CHOOSING:
            message = f"{one.origin}: {one.key}: a profile can't choose profiles"
            raise UsageError(message)
    return tuple(_named(one, name) for one in found)


def _named(setting: Setting, name: str) -> Setting:
    if isinstance(setting.value, BinaryPolicy):
        return setting._replace(value=replace(setting.value, profile=name))
    return setting


def proposed(paths: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Profiles of kinspect's own that are for such binaries, with one of the paths."""
    paths = tuple(paths)
    for name in names():
        word = name.replace("-", "_")
        likely = [path for path in paths if word in path]
        if likely:  # else the file need not be read
            globs = [
                one.value.glob
                for one in load(Setting("profile", name, ""), Path(), ())
                if isinstance(one.value, BinaryPolicy)
            ]
            found = [p for p in likely if any(path_matches(p, glob) for glob in globs)]
            if found:
                yield name, found[0]
