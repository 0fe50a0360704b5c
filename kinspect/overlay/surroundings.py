"""What lies on disk around a host that refers to kpack archives."""

import os
import posixpath
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from kinspect.errors import InputError, Where
from kinspect.formats.container import Opener
from kinspect.kpack import PLACEHOLDER
from kinspect.limits import DEFAULT, Limits
from kinspect.model import Artifact, Binary, Unreadable
from kinspect.view import File, View
from kinspect.walk import read_binary


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a host on disk has around it."""

    #: of the host, links followed as in what the loader learns from the kernel
    directory: str
    #: place → archive
    archives: Mapping[str, Binary]


def look_around(
    artifacts: Iterable[Artifact],
    limits: Limits = DEFAULT,
    *,
    code_objects: bool = True,
    opener: Opener | None = None,
) -> dict[str, Surroundings]:
    """By the path of each host on disk, the archives where its loader looks.

    Those that belong to an artifact are not read again. Only relative search paths are
    followed: an absolute one is for the machine that the host is installed on. `opener`
    reads their code objects in place of the usual reader.
    """
    found: dict[str, Surroundings] = {}
    known: dict[str, Binary] = {}
    artifacts = tuple(artifacts)
    for binary in _on_disk(artifacts):
        if binary.format == "kpack":
            known.setdefault(os.path.realpath(binary.path), binary)
    for binary in _on_disk(artifacts):
        if binary.kpack:
            directory = _directory(binary.path)
            around: dict[str, Binary] = {}
            for found_at in _places(binary, directory):
                place, path = posixpath.normpath(found_at), os.path.realpath(found_at)
                if path not in known:
                    known[path] = _read(place, limits, opener, code_objects=code_objects)
                around[place] = known[path]
            found[binary.path] = Surroundings(directory, around)
    return found


def _directory(path: str) -> str:
    """The directory of a host: as it was named, unless a link leads there."""
    named = os.path.dirname(path)
    real = os.path.dirname(os.path.realpath(path))
    return named if os.path.abspath(named) == real else real


def _on_disk(artifacts: Iterable[Artifact]) -> Iterator[Binary]:
    for artifact in artifacts:
        for binary in artifact.binaries:
            if (binary.kpack or binary.format == "kpack") and os.path.isfile(binary.path):
                yield binary


def _places(binary: Binary, directory: str) -> Iterator[str]:
    """The files that there are where the loader looks, whatever the target."""
    seen = set()
    for use in binary.kpack:
        for path in use.reference.search_paths:
            if path not in seen and not os.path.isabs(path):
                seen.add(path)
                yield from _files(os.path.join(directory, path.replace("\\", "/")))


def _files(pattern: str) -> Iterator[str]:
    """The files that a path with a placeholder for the target stands for, sorted."""
    start, mark, end = pattern.partition(PLACEHOLDER)
    if not mark:
        if os.path.isfile(pattern):
            yield pattern
        return
    directory, begin = os.path.split(start)
    rest, slash, below = end.partition("/")
    try:
        names = sorted(os.listdir(directory or "."))
    except (OSError, ValueError):  # ValueError: a name with a NUL
        return  # the loader finds nothing there either
    for name in names:
        path = os.path.join(directory, name) + slash + below
        target = len(name) > len(begin) + len(rest)
        fits = target and name.startswith(begin) and name.endswith(rest)
        if fits and os.path.isfile(path):
            yield path


def _read(
    path: str, limits: Limits, opener: Opener | None, *, code_objects: bool
) -> Binary:
    """An archive; what is none, or can't be read, is told in its place."""
    try:
        file = File(path)
        try:
            found = read_binary(
                View(file, path), limits, code_objects=code_objects, opener=opener
            )
        finally:
            file.close()
    except InputError as error:
        unreadable = Unreadable(error.message, Where(path))
        return Binary(path, "kpack", unreadable=(unreadable,))
    return found or Binary(path, "unknown")
