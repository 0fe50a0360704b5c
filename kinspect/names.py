"""Names from a file, made fit to read."""

import re
from functools import lru_cache
from typing import Final

#: controls, bidirectional and zero-width signs, separators, lone surrogates
_UNSAFE: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff"
    "\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)


def escape(text: str) -> str:
    """`text` with everything that could move a cursor or forge a line spelled out."""
    return _UNSAFE.sub(lambda match: _spelled(ord(match[0])), text)


def _spelled(code: int) -> str:
    if 0xDC80 <= code <= 0xDCFF:  # a byte that was no UTF-8
        return f"\\x{code - 0xDC00:02x}"
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


@lru_cache(maxsize=65_536)
def demangle(name: str) -> str:
    """The C++ name of a symbol, or the symbol itself where it is none."""
    if not name.startswith(("_Z", "__Z")):
        return name
    import pydemumble  # noqa: PLC0415  # costs start-up time that few commands need

    try:
        return pydemumble.demangle(name) or name
    except (UnicodeError, ValueError):
        return name
