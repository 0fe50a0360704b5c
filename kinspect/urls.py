"""URLs that a user names in place of paths, and how they are shown.

What lets somebody read a file (a password, a signature, a token) stands in the user
information and the query of a URL. Neither is ever shown, nor written to a report.
"""

import re
from string import ascii_letters, digits
from typing import Final
from urllib.parse import urlsplit

#: RFC 3986, section 3.1; a single letter is a drive of Windows
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")

#: a URL in a message of others
_IN_TEXT: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://[^\s'\"<>)\]}]*")

#: where what stands before the host is no secret and part of the place:
#: `github://organization:repository@ref/path`, `abfs://container@account/path`
_PLACES: Final = frozenset({"github", "abfs", "abfss", "wasb", "wasbs"})

_ESCAPE: Final = re.compile(r"%([0-9A-Fa-f]{2})")
#: RFC 3986, section 2.3; and `+`, which paths need not escape and versions of wheels have
_PLAIN: Final = frozenset(f"{ascii_letters}{digits}-._~+")


def is_url(name: object) -> bool:
    return isinstance(name, str) and _SCHEME.match(name) is not None


def shown(url: str) -> str:
    """A URL as it may be shown: without secrets, and with plain characters as such."""
    try:
        parts = urlsplit(url)
    except ValueError:  # no host that could be told from the rest
        return f"{url.partition('://')[0]}://…"
    host = parts.netloc
    if parts.scheme not in _PLACES:
        host = host.rpartition("@")[2]
    path = _ESCAPE.sub(_plain, parts.path)
    return f"{parts.scheme}://{host}{path}"


def _plain(escape: re.Match[str]) -> str:
    character = chr(int(escape[1], 16))
    return character if character in _PLAIN else escape[0]


def cleaned(text: str) -> str:
    """A message of others, in one line, with the URLs in it as they may be shown."""
    return " ".join(_IN_TEXT.sub(lambda found: shown(found[0]), text).split())
