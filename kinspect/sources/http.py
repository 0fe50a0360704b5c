"""Ranges of files on web servers.

Source: RFC 9110, sections 8.8 (validators), 14 (range requests) and 15 (status codes).
fsspec takes whatever a server answers for the range that it asked for. What is judged
here must be the bytes that were meant, so every answer is held to what was asked, and to
the first one.
"""

import re
import tempfile
import time
from dataclasses import dataclass
from http import HTTPStatus
from typing import IO, TYPE_CHECKING, Final

import aiohttp
import fsspec
from fsspec.asyn import sync

from kinspect.errors import InputError, LimitExceeded, Where
from kinspect.limits import Limits
from kinspect.sources.ranges import NoRanges
from kinspect.urls import cleaned

if TYPE_CHECKING:
    from fsspec.implementations.http import HTTPFileSystem

#: seconds for a connection, between two pieces of an answer, and for one range
CONNECT, SILENCE, RANGE = 30.0, 60.0, 300.0

#: how often something is asked for that a server or network failed at, and the pause
#: before the second time, in seconds; it doubles
ATTEMPTS: Final = 3
PAUSE = 0.5

#: what a server may get over: RFC 9110, section 15; RFC 6585, section 4
_PASSING: Final = frozenset({429, 500, 502, 503, 504})

_CONTENT_RANGE: Final = re.compile(r"bytes (\d+)-(\d+)/(\d+)")
_PIECE: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class _Version:
    """What tells one state of a file from another."""

    size: int
    etag: str | None
    modified: str | None

    def difference(self, other: "_Version") -> str:
        if self.size != other.size:
            return f"{self.size} bytes, then {other.size}"
        if self.etag != other.etag:
            return f"ETag {self.etag}, then {other.etag}"
        return f"Last-Modified {self.modified}, then {other.modified}"


class _Passing(Exception):
    """What may go well if it is tried again."""


#: what goes wrong between here and a server; of these, what may pass
_FOREIGN: Final = (aiohttp.ClientError, OSError, ValueError, _Passing)
_PASSES: Final = (
    aiohttp.ClientConnectionError,
    aiohttp.ClientPayloadError,
    TimeoutError,
    _Passing,
)


def system(scheme: str, url: str) -> "HTTPFileSystem":
    """Fsspec's client, as its configuration has it; with proxies of the environment."""
    configured = fsspec.config.conf.get("http", {}) | fsspec.config.conf.get("https", {})
    client = {"trust_env": True} | configured.get("client_kwargs", {})
    # escapes that are written otherwise than they were named would break a signature
    as_it_is = url.isascii() and url.isprintable() and " " not in url
    return fsspec.filesystem(scheme, encoded=as_it_is, client_kwargs=client)


class HTTPRanges:
    """A file of a web server."""

    def __init__(
        self, system: "HTTPFileSystem", url: str, name: str, limits: Limits
    ) -> None:
        self._system = system
        self._url = url
        self._name = name
        self._limits = limits
        self._version: _Version | None = None
        self.size = 0

    def fetch(self, at: int, size: int) -> bytes:
        reason = ""
        for attempt in range(ATTEMPTS):
            if attempt:
                time.sleep(PAUSE * 2 ** (attempt - 1))
            try:
                return bytes(sync(self._system.loop, self._range, at, size))
            except _FOREIGN as error:
                reason = _reason(error)
                if not isinstance(error, _PASSES):
                    raise self._error(reason) from None
        message = f"{reason} (tried {ATTEMPTS} times)"
        raise self._error(message)

    def unchanged(self) -> None:
        """Every answer was held to the first."""

    def close(self) -> None:
        """The session is fsspec's."""

    def _error(self, message: str) -> InputError:
        return InputError(message, self._name)

    async def _range(self, at: int, size: int) -> bytes:
        session = await self._system.set_session()
        options = dict(self._system.kwargs)
        options["headers"] = {
            **options.get("headers", {}),
            "Range": f"bytes={at}-{at + size - 1}",
            "Accept-Encoding": "identity",
        }
        options.setdefault(
            "timeout",
            aiohttp.ClientTimeout(
                total=RANGE if self._version else None,
                sock_connect=CONNECT,
                sock_read=SILENCE,
            ),
        )
        url = self._system.encode_url(self._url)
        async with session.get(url, **options) as answer:
            return await self._taken(answer, at, size)

    async def _taken(self, answer: aiohttp.ClientResponse, at: int, size: int) -> bytes:
        """The bytes of an answer, if they are what was asked for."""
        status = answer.status
        if status in _PASSING:
            raise _Passing(_words(status))
        if answer.headers.get("Content-Encoding", "identity") != "identity":
            message = "the server compresses its answers, though it was asked not to"
            raise self._error(message)
        if status == HTTPStatus.PARTIAL_CONTENT:
            return await self._part(answer, at, size)
        if status == HTTPStatus.OK and self._version is None:
            raise NoRanges(await self._whole(answer))
        if status == HTTPStatus.OK:
            message = "the server answers with the whole file where a range was asked for"
            raise self._error(message)
        if status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and self._is_empty(answer):
            return b""
        raise self._error(_words(status))

    def _is_empty(self, answer: aiohttp.ClientResponse) -> bool:
        return self._version is None and answer.headers.get("Content-Range") == "bytes */0"

    async def _part(self, answer: aiohttp.ClientResponse, at: int, size: int) -> bytes:
        told = str(answer.headers.get("Content-Range", ""))
        found = _CONTENT_RANGE.fullmatch(told)
        if found is None:
            message = f"an answer to a range that does not say which: {told!r}"
            raise self._error(message)
        start, last, whole = map(int, found.groups())
        if start != at or not at <= last < min(at + size, whole):
            message = f"bytes {at} to {at + size - 1} were asked for, {told!r} came"
            raise self._error(message)
        self._hold(answer, whole)
        data = bytearray()
        # one more than there should be: what lies about its length is told
        while len(data) <= last - start + 1 and (more := await answer.content.read(_PIECE)):
            data += more
        if len(data) < last - start + 1:
            message = f"the answer was cut after {len(data)} bytes"
            raise _Passing(message)
        if len(data) > last - start + 1:
            message = f"more bytes than {told!r} says"
            raise self._error(message)
        return bytes(data)

    def _hold(self, answer: aiohttp.ClientResponse, size: int) -> None:
        """Hold an answer to the first: it must be of the same state of the file."""
        headers = answer.headers
        found = _Version(size, headers.get("ETag"), headers.get("Last-Modified"))
        if self._version is None:
            self._version, self.size = found, size
        elif found != self._version:
            message = f"it changed while it was read: {self._version.difference(found)}"
            raise self._error(message)

    async def _whole(self, answer: aiohttp.ClientResponse) -> IO[bytes]:
        """All of the answer of a server that knows no ranges, in a temporary file."""
        length = answer.content_length
        chunked = answer.headers.get("Transfer-Encoding", "").lower() == "chunked"
        if length is None and not chunked:
            message = "the server gives no part of the file, and does not say where it ends"
            raise self._error(message)
        self._check(length or 0)
        file = tempfile.TemporaryFile(prefix="kinspect-")  # noqa: SIM115  # handed out
        size = 0
        try:
            while data := await answer.content.read(_PIECE):
                size += len(data)
                self._check(size)
                file.write(data)
            file.flush()
        except BaseException:
            file.close()
            raise
        return file

    def _check(self, size: int) -> None:
        try:
            self._limits.check("temporary", size, Where(self._name))
        except LimitExceeded as error:
            raise self._error(error.message) from None


def _reason(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, aiohttp.ClientPayloadError):
        return "the answer was cut"
    return cleaned(str(error)) or type(error).__name__


def _words(status: int) -> str:
    try:
        return f"HTTP {status} {HTTPStatus(status).phrase}"
    except ValueError:
        return f"HTTP {status}"
