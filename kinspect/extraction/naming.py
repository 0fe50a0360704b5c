"""Names for files, from names in files.

`librocshmem.a!context.o` becomes the directory `librocshmem.a/context.o`, and what is in
it `bundle0.gfx942.hsaco`. Every part of a name is spelled so that it is harmless on any
file system, and no two pieces get the same name, not even where case does not count. Names
depend on the input alone, never on what was chosen from it or what is on the disk.
"""

import hashlib
import os
import re
from typing import Final

from kinspect.sources.member import SEPARATOR

#: the file beside everything else
MANIFEST: Final = "manifest.json"

_PLAIN: Final = re.compile(r"[^A-Za-z0-9._+=,@ -]")
#: what Windows would take for a device, with any extension
_DEVICES: Final = frozenset(
    {"con", "prn", "aux", "nul", *(f"{d}{n}" for d in ("com", "lpt") for n in range(10))}
)
#: bytes of one component, and of a whole path
_COMPONENT: Final = 180
_PATH: Final = 1024

Names = tuple[str, ...]


def component(text: str) -> str:
    """One part of a path: `:` as `_`, whatever else is not plain as `%XX`.

    Never empty, never `.` or `..`, no separator, no name of a device, no leading dash and
    no dot or space at its end. What is long is cut and marked with a hash of the whole.
    """
    spelled = _PLAIN.sub(_spelled, text.replace(":", "_"))
    if not spelled.strip(". "):
        spelled = "".join(f"%{ord(letter):02X}" for letter in spelled) or "%00"
    if spelled.startswith("-") or spelled.split(".")[0].lower().strip() in _DEVICES:
        spelled = f"%{ord(spelled[0]):02X}{spelled[1:]}"
    if spelled[-1] in ". ":
        spelled = f"{spelled[:-1]}%{ord(spelled[-1]):02X}"
    if len(spelled) > _COMPONENT:
        spelled = f"{spelled[: _COMPONENT - 20]}~{_hash(text)}"
    return spelled


def _spelled(match: re.Match[str]) -> str:
    data = match[0].encode("utf-8", "surrogatepass")
    code = ord(match[0])
    if 0xDC80 <= code <= 0xDCFF:  # a byte that was no UTF-8
        data = bytes([code - 0xDC00])
    return "".join(f"%{byte:02X}" for byte in data)


def _hash(text: str) -> str:
    data = text.encode("utf-8", "surrogatepass")
    return hashlib.sha256(data).hexdigest()[:16]


class Namer:
    """Gives every binary a directory of its own, and every piece a file in it."""

    def __init__(self) -> None:
        #: what is taken, by parent and name without case → whether it is a directory
        self._taken: dict[tuple[Names, str], bool] = {((), MANIFEST): False}
        #: the directories of intermediate levels, as they were first spelled
        self._shared: dict[tuple[Names, str], str] = {}

    def binary(self, path: str, artifact: str, distribution: str = "") -> Names:
        """The directory for the binary of that breadcrumb, below that of its artifact.

        What is installed is called after its distribution: `deep_ep-1.0`.
        """
        *above, last = _levels(path, artifact, distribution.replace(" ", "-"))
        place: Names = ()
        for level in above:
            place = (*place, self._level(place, level))
        return (*place, self._new(place, last, is_directory=True))

    def file(self, directory: Names, name: str) -> str:
        """The name of a piece, without the extension that its contents decide."""
        return self._new(directory, component(name), is_directory=False)

    def _level(self, place: Names, name: str) -> str:
        key = place, name.casefold()
        if key not in self._shared:
            known = self._taken.get(key)
            self._shared[key] = name if known else self._new(place, name, is_directory=True)
        return self._shared[key]

    def _new(self, place: Names, name: str, *, is_directory: bool) -> str:
        free, number = name, 1
        while (place, free.casefold()) in self._taken:
            number += 1
            free = f"{name}~{number}"
        self._taken[place, free.casefold()] = is_directory
        return free


def _levels(path: str, artifact: str, distribution: str) -> list[str]:
    """The parts of a breadcrumb, beginning with what the artifact is called."""
    name = distribution or os.path.basename(os.path.abspath(artifact)) or "root"
    inner = path.removeprefix(artifact).replace(SEPARATOR, "/")
    levels = [component(name)]
    levels += [component(level) for level in inner.split("/") if level]
    if sum(map(len, levels)) + len(levels) > _PATH:
        levels = [levels[0], f"~{_hash(path)}", levels[-1]]
    return levels
