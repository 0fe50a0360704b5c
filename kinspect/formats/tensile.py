"""Tensile's library files: which other files a lazy library loads when it needs them.

Source: Tensile, PlaceholderLibrary.hpp (a node of type `Placeholder` has the name of a
file in `value`; its code object has the same name); hipBLASLt, scripts/
check_dat_integrity.py (`…_Mapping.dat`, a map of numbers to such names; `.zlib`, one
stream of zlib).
"""

import re
import zlib
from typing import Final

from kinspect.errors import FormatError
from kinspect.limits import DEFAULT, Limits
from kinspect.view import View

#: the files that say what is loaded lazily
LAZY: Final = re.compile(
    r"Tensile(?:Library_lazy_[^/]*|LiteLibrary_lazy_[^/]*_Mapping)\.dat(?:\.zlib)?"
)
#: a file of this kind that is compressed
ZLIB: Final = ".zlib"


def is_lazy(name: str) -> bool:
    """Whether a file of that name refers to others."""
    return LAZY.fullmatch(name.rsplit("/", 1)[-1]) is not None


def references(view: View, limits: Limits = DEFAULT) -> tuple[str, ...]:
    """The names of the files that a lazy library loads, without suffix, sorted.

    Raises FormatError.
    """
    import msgspec  # noqa: PLC0415  # few artifacts have such a library

    limits.check("metadata", len(view), view.where())
    data = bytes(view.bytes())
    if view.path.endswith(ZLIB):
        data = _inflated(data, view, limits)
    try:
        library = msgspec.msgpack.decode(data, strict=False)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        message = f"Tensile library: {error}"
        raise FormatError(message, view.where()) from error
    if not isinstance(library, dict):
        message = f"Tensile library: a {type(library).__name__}, expected a map"
        raise FormatError(message, view.where())
    return tuple(sorted(_names(library)))


def _inflated(data: bytes, view: View, limits: Limits) -> bytes:
    stream = zlib.decompressobj()
    try:
        inflated = stream.decompress(data, limits.metadata + 1)
    except zlib.error as error:
        message = f"Tensile library: {error}"
        raise FormatError(message, view.where()) from error
    limits.check("metadata", len(inflated), view.where())
    if not stream.eof or stream.unused_data:
        message = "Tensile library: the zlib stream does not end with the file"
        raise FormatError(message, view.where())
    return inflated


def _names(library: dict[object, object]) -> set[str]:
    """Placeholders at any depth; the values of a mapping, whose keys are numbers."""
    names = set()
    if library and all(isinstance(key, int) for key in library):
        return {value for value in library.values() if isinstance(value, str)}
    todo: list[object] = [library]
    while todo:
        node = todo.pop()
        if isinstance(node, dict):
            value = node.get("value")
            if node.get("type") == "Placeholder" and isinstance(value, str):
                names.add(value)
            todo += node.values()
        elif isinstance(node, list):
            todo += node
    return names
