"""On which line of a TOML file each key stands, which tomllib does not tell.

Only for text that tomllib has read: what is no TOML may give fewer lines. Grammar:
https://toml.io/en/v1.0.0.
"""

import re
from bisect import bisect_right
from collections.abc import Callable
from contextlib import suppress
from typing import Final

#: keys, and places in arrays, from the top of the file
Path = tuple[str | int, ...]

_SPACE: Final = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_BARE_KEY: Final = re.compile(r"[A-Za-z0-9_-]+")
_STRING: Final = re.compile(
    r'"""(?:[^"\\]|\\.|"{1,2}(?!"))*"{3,5}'
    r"|'''(?:[^']|'{1,2}(?!'))*'{3,5}"
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|'[^'\n]*'",
    re.DOTALL,
)
_PLAIN: Final = re.compile(r"[^,\[\]{}#\n]+")
_ESCAPE: Final = re.compile(r"\\(u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|.)")
_ESCAPES: Final = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r"}


def lines(text: str) -> dict[Path, int]:
    """The line of each key, table and element, counted from 1: the first, if several."""
    scanner = _Scanner(text)
    # what is no TOML, or nested too deep, gives what was found so far
    with suppress(_Unexpected, RecursionError):
        scanner.document()
    return scanner.found


class _Unexpected(Exception):
    """A sign that the grammar has no place for."""


class _Scanner:
    def __init__(self, text: str) -> None:
        self.found: dict[Path, int] = {}
        self._text = text
        self._at = 0
        self._ends = [match.start() for match in re.finditer("\n", text)]
        #: of each array of tables, which one is open
        self._tables: dict[Path, int] = {}

    def document(self) -> None:
        table: Path = ()
        while self._peek():
            if self._peek() == "[":
                table = self._header()
            else:
                self._pair(table)

    def _header(self) -> Path:
        several = self._text.startswith("[[", self._at)
        start = self._at
        self._at += 2 if several else 1
        path = self._opened(self._keys(), start)
        self._at += 2 if several else 1
        if several:
            number = self._tables.get(path, -1) + 1
            self._tables[path] = number
            self._record(path, start)
            path += (number,)
        self._record(path, start)
        return path

    def _opened(self, keys: list[str], start: int) -> Path:
        """A table's path, through the tables of arrays that are open."""
        path: Path = ()
        for key in keys:
            if path in self._tables:
                path += (self._tables[path],)
            path += (key,)
            self._record(path, start)
        return path

    def _pair(self, table: Path) -> None:
        self._peek()
        start = self._at
        path = table
        for key in self._keys():
            path += (key,)
            self._record(path, start)
        self._take("=")
        self._value(path)

    def _keys(self) -> list[str]:
        """A key, or several with dots between."""
        keys = [self._key()]
        while self._peek() == ".":
            self._at += 1
            keys.append(self._key())
        return keys

    def _key(self) -> str:
        if self._peek() in {'"', "'"}:
            return _unquoted(self._match(_STRING))
        return self._match(_BARE_KEY)

    def _value(self, path: Path) -> None:
        sign = self._peek()
        if sign == "[":
            self._array(path)
        elif sign == "{":
            self._listed("}", lambda: self._pair(path))
        else:
            self._match(_STRING if sign in {'"', "'"} else _PLAIN)

    def _array(self, path: Path) -> None:
        number = 0

        def element() -> None:
            nonlocal number
            self._record((*path, number), self._at)
            self._value((*path, number))
            number += 1

        self._listed("]", element)

    def _listed(self, end: str, one: Callable[[], None]) -> None:
        """Parts with commas between, in brackets."""
        self._at += 1
        while self._peek() != end:
            one()
            if self._peek() == ",":
                self._at += 1
        self._at += 1

    # --- signs --------------------------------------------------------------------------

    def _peek(self) -> str:
        """The next sign that is no space and no comment; empty at the end."""
        space = _SPACE.match(self._text, self._at)
        if space is not None:
            self._at = space.end()
        return self._text[self._at : self._at + 1]

    def _take(self, sign: str) -> None:
        if self._peek() != sign:
            raise _Unexpected
        self._at += 1

    def _match(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self._text, self._at)
        if match is None:
            raise _Unexpected
        self._at = match.end()
        return match[0]

    def _record(self, path: Path, at: int) -> None:
        self.found.setdefault(path, bisect_right(self._ends, at - 1) + 1)


def _unquoted(text: str) -> str:
    if text.startswith("'"):
        return text[1:-1]

    def plain(match: re.Match[str]) -> str:
        sign = match[1]
        return chr(int(sign[1:], 16)) if len(sign) > 1 else _ESCAPES.get(sign, sign)

    return _ESCAPE.sub(plain, text[1:-1])
