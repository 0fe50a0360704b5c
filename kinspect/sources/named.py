"""What a user may name: a path, a URL, or a distribution that is installed."""

import os
from dataclasses import dataclass

from kinspect.urls import is_url, shown


@dataclass(frozen=True, slots=True)
class Installed:
    """A distribution that is installed, in place of a path.

    `python` is the environment: an interpreter, a prefix such as that of a virtual
    environment, or a site-packages directory. By default, it is the one that runs this.
    """

    name: str
    python: str | os.PathLike[str] | None = None

    def __str__(self) -> str:
        return self.name


Named = str | os.PathLike[str] | Installed


def label(path: Named) -> str:
    """What reports and messages call it: a URL without what is secret in it."""
    if isinstance(path, Installed):
        return str(path)
    name = os.fspath(path)
    return shown(name) if is_url(name) else name
