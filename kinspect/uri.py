"""URIs: of files, and of code objects as ROCm's tools write them.

The latter are `file://PATH#offset=N&size=N`; where a file was named by its URL, that
stands in place of `file://PATH`. Source: LLVM, User Guide for AMDGPU
Backend, "Loaded Code Object Path Uniform Resource Identifier".
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Self
from urllib.parse import quote, unquote

from kinspect.errors import UsageError
from kinspect.model import Bundle, Entry
from kinspect.urls import is_url

_RANGE: Final = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]+://)(?P<path>[^#?]*)[#?]offset=(?P<offset>\w+)&size=(?P<size>\w+)"
    r"(?:&inflated-offset=(?P<inside>\w+)&inflated-size=(?P<length>\w+))?"
)


@dataclass(frozen=True, slots=True)
class Place:
    """A range of a binary, and, if that is a compressed bundle, a range of its inside.

    The bytes of a compressed entry are not in the file. Its URI leads to the compressed
    bundle, so that no tool copies something else, and adds where in the inflated bundle
    the entry lies. Entries of kpack archives are compressed by themselves.
    """

    path: str
    offset: int
    size: int
    inflated_offset: int | None = None
    inflated_size: int | None = None

    @classmethod
    def of(cls, path: str, bundle: Bundle, entry: Entry | None = None) -> Self:
        """Where an entry lies, or the bundle itself."""
        if entry is None:
            return cls(path, bundle.offset, bundle.size)
        path = entry.archive or path
        if entry.stored is not None:
            return cls(path, entry.offset, entry.stored, 0, entry.size)
        if bundle.inflated:
            return cls(path, bundle.offset, bundle.size, entry.offset, entry.size)
        return cls(path, entry.offset, entry.size)

    @classmethod
    def parse(cls, uri: str) -> Self:
        """Read a URI of a code object; numbers are decimal, 0x… or 0…. Or UsageError."""
        found = _RANGE.fullmatch(uri)
        if found is None:
            message = (
                f"{uri!r} is no URI of a code object in a file; expected"
                " file://PATH#offset=N&size=N, as `kinspect list` prints it"
            )
            raise UsageError(message)
        path = found["path"]
        if found["scheme"] == "file://":
            path = unquote(path, errors="surrogateescape")
        else:
            url, mark, inner = path.partition("!")
            inner = unquote(inner, errors="surrogateescape")
            path = f"{found['scheme']}{url}{mark}{inner}"
        names = ("offset", "size", "inside", "length")
        return cls(path, *(_number(found[name], uri) for name in names if found[name]))

    def __str__(self) -> str:
        text = f"{_file(self.path)}#offset={self.offset}&size={self.size}"
        if self.inflated_offset is None:
            return text
        inside = f"inflated-offset={self.inflated_offset}"
        return f"{text}&{inside}&inflated-size={self.inflated_size}"


def _number(text: str, uri: str) -> int:
    octal = text.startswith("0") and text.isdigit()
    try:
        return int(text, 8 if octal else 0)
    except ValueError:
        message = f"{uri!r}: {text!r} is no number"
        raise UsageError(message) from None


def entry_uri(path: str, bundle: Bundle, entry: Entry) -> str:
    """Where an entry lies."""
    return str(Place.of(path, bundle, entry))


def file_uri(path: str) -> str:
    """A file as a URI reference: relative where its path is (RFC 3986, section 4.2)."""
    if remote := _remote(path):
        return remote
    quoted = _quoted(path, safe="/!+~@,=")  # a colon would end a scheme
    if path.startswith("/"):
        return f"file://{quoted}"
    return quoted.removeprefix("./") or "."


@lru_cache(maxsize=64)
def _file(path: str) -> str:
    """The file of a URI: the same for thousands of entries in a row."""
    return _remote(path) or f"file://{_quoted(path, safe='/!+~:@,=')}"


def _remote(path: str) -> str:
    """What was named by a URL: as it is, and the names in it quoted; empty for a path."""
    if not is_url(path):
        return ""
    url, mark, inner = path.partition("!")
    return url + mark + _quoted(inner, safe="/!+~:@,=")


def _quoted(path: str, safe: str) -> str:
    """The bytes of a name as the system has them, or its code units where it has those."""
    try:
        data = path.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        data = path.encode("utf-8", "surrogatepass")
    return quote(data, safe=safe)
