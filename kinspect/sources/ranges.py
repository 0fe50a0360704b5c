"""Ranges of remote files, through whatever fsspec knows."""

from collections.abc import Callable
from typing import IO, TYPE_CHECKING, Protocol, TypeVar

import fsspec

from kinspect.errors import InputError
from kinspect.limits import Limits
from kinspect.urls import cleaned, shown

if TYPE_CHECKING:
    from fsspec.spec import AbstractFileSystem

R = TypeVar("R")


class Ranges(Protocol):
    """A remote file. Everything raises InputError, with the URL as it may be shown."""

    size: int

    def fetch(self, at: int, size: int) -> bytes:
        """Some of the bytes there: one at least, `size` at most, which there must be."""

    def unchanged(self) -> None:
        """Raise if the file is not that which was opened."""

    def close(self) -> None: ...


class NoRanges(Exception):
    """A server gives the whole file only: here it is."""

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__(file)
        self.file = file


def opened(url: str, first: int, limits: Limits) -> tuple[Ranges, bytes]:
    """A remote file and its first bytes, up to `first`.

    Raises InputError, and NoRanges with all of a file of which a server gives no part.
    """
    name = shown(url)
    scheme = url.partition("://")[0].lower()
    if scheme in {"http", "https"}:
        from kinspect.sources import http  # noqa: PLC0415  # imports aiohttp

        web = http.HTTPRanges(http.system(scheme, url), url, name, limits)
        return web, web.fetch(0, first)
    if "::" in url:
        message = "a chain of URLs; name one"
        raise InputError(message, name)
    try:
        system, path = fsspec.core.url_to_fs(url)
    except (ImportError, ValueError, OSError) as error:
        raise InputError(cleaned(str(error)), name) from None
    files = FileRanges(system, path, name)
    return files, files.fetch(0, min(first, files.size)) if files.size else b""


class FileRanges:
    """A file of a system that reads ranges by itself."""

    def __init__(self, system: "AbstractFileSystem", path: str, name: str) -> None:
        self._system = system
        self._path = path
        self._name = name
        info = self._asked(lambda: system.info(path))
        if info.get("type") != "file" or not isinstance(info.get("size"), int):
            kind = "a directory" if info.get("type") == "directory" else "no plain file"
            message = f"{kind}; name a file"
            raise InputError(message, name)
        self.size: int = info["size"]
        self._key = self._asked(lambda: system.ukey(path))
        self._file = self._asked(lambda: system.open(path, "rb", cache_type="none"))

    def fetch(self, at: int, size: int) -> bytes:
        def read() -> bytes:
            self._file.seek(at)
            return bytes(self._file.read(size))

        data: bytes = self._asked(read)
        if not data or len(data) > size:
            message = f"{len(data)} bytes at {at:#x}, where up to {size} should be"
            raise InputError(message, self._name)
        return data

    def close(self) -> None:
        self._file.close()

    def unchanged(self) -> None:
        self._system.invalidate_cache()
        if self._asked(lambda: self._system.ukey(self._path)) != self._key:
            message = "it changed while it was read"
            raise InputError(message, self._name)

    def _asked(self, ask: Callable[[], R]) -> R:
        try:
            return ask()
        except FileNotFoundError:
            message = "not found"
            raise InputError(message, self._name) from None
        except Exception as error:  # noqa: BLE001  # each system has errors of its own
            reason = f"{type(error).__name__}: {cleaned(str(error))}".removesuffix(": ")
            raise InputError(reason, self._name) from None
