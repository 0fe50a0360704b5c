"""An installed distribution: the files that its RECORD lists.

Source: PyPA specifications, "Recording installed projects" and "Recording the direct URL
origin of installed distributions".
"""

import csv
import glob
import json
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution
from typing import Final

from kinspect.errors import InputError, Where
from kinspect.model import Unreadable
from kinspect.sources import tree
from kinspect.sources.member import SEPARATOR, Context, Part
from kinspect.sources.named import Installed

#: where environments and systems keep distributions, below their prefix
SITES: Final = (
    "lib*/python3*/site-packages",
    "lib*/python3*/dist-packages",
    "local/lib/python3*/dist-packages",
    "Lib/site-packages",
)

#: names of files that may be binaries, or hold some; or that tell nothing at all
BINARY: Final = re.compile(
    r"\.(so[.\d]*|dll|pyd|exe|a|lib|o|obj|co|hsaco|hipfb|kpack|bc|dat|aks2)$|(^|/)[^/.]+$"
)
METADATA: Final = re.compile(r"\.(dist|egg)-info/")


@dataclass(frozen=True, slots=True)
class Found:
    """An installed distribution, opened."""

    #: name and version
    label: str
    #: the directory that its RECORD counts from
    root: str
    #: the names in its RECORD, sorted
    names: tuple[str, ...]


def find(installed: Installed) -> Found:
    """Raise InputError where there is none, or none that tells its files."""
    places = None if installed.python is None else _places(os.fspath(installed.python))
    distribution = _distribution(installed.name, places)
    label = f"{distribution.metadata['Name']} {distribution.version}"
    _refuse_editable(distribution, label)
    try:
        record = distribution.read_text("RECORD")
        rows = list(csv.reader((record or "").splitlines()))
    except (csv.Error, ValueError) as error:
        message = f"RECORD: {error}"
        raise InputError(message, label) from error
    if record is None:
        message = (
            "has no RECORD of its files, since another tool than pip or uv installed it;"
            " name its directory"
        )
        raise InputError(message, label)
    names = {row[0] for row in rows if row and row[0]}
    return Found(label, os.fspath(str(distribution.locate_file(""))), tuple(sorted(names)))


def _places(python: str) -> list[str]:
    """The directories of an environment that hold distributions."""
    if os.path.isfile(python):
        # not resolved: the interpreter of a virtual environment is a link out of it
        python = os.path.dirname(os.path.dirname(os.path.abspath(python)))
    if glob.glob(os.path.join(glob.escape(python), "*.dist-info")):
        return [python]
    patterns = [os.path.join(glob.escape(python), site) for site in SITES]
    found = sorted({path for pattern in patterns for path in glob.glob(pattern)})
    if not found:
        message = "no site-packages below; name an interpreter, its prefix or the directory"
        raise InputError(message, python)
    return found


def _distribution(name: str, places: list[str] | None) -> Distribution:
    if not name.strip():
        message = "an empty name; give that of a distribution, such as deep_ep"
        raise InputError(message, name)
    paths = sys.path if places is None else places
    found: list[Distribution] = list(Distribution.discover(name=name, path=paths))
    if not found:
        where = f"in {', '.join(places)}" if places else "in the environment of kinspect"
        message = f"not installed {where}; name another environment with --python"
        raise InputError(message, name)
    roots = {os.path.realpath(str(one.locate_file(""))) for one in found}
    if places and len(roots) > 1:
        message = (
            f"installed in several places, name one of them: {', '.join(sorted(roots))}"
        )
        raise InputError(message, name)
    return found[0]


def _refuse_editable(distribution: Distribution, label: str) -> None:
    """The RECORD of an editable install lists a pointer, and none of the files."""
    try:
        origin = json.loads(distribution.read_text("direct_url.json") or "{}")
        editable = origin["dir_info"]["editable"]
    except (ValueError, KeyError, TypeError):
        return
    if editable:
        message = f"an editable install of {origin.get('url')}; name that directory instead"
        raise InputError(message, label)


def members(found: Found, context: Context) -> Iterator[Part]:
    """The files of the distribution, each once; what is missing is told."""
    seen: set[tuple[int, int]] = set()
    for name in found.names:
        path = os.path.normpath(os.path.join(found.root, name))
        if context.excludes(f"{found.root}{SEPARATOR}{name}"):
            continue
        try:
            status = os.stat(path)
        except (OSError, ValueError) as error:  # ValueError: a name with a NUL
            if BINARY.search(name) and not METADATA.search(name):
                problem = getattr(error, "strerror", None) or error
                message = f"in the RECORD of {found.label}, but: {problem}"
                yield Unreadable(message, Where(path))
            continue
        identity = (status.st_dev, status.st_ino)
        if identity not in seen and os.path.isfile(path):
            seen.add(identity)
            yield from tree.file(path, context)
