"""Numbers of bytes as people write and read them."""

import re
from typing import Final

_UNITS: Final = {
    "B": 1, "kB": 10**3, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12,
    "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40,
}  # fmt: skip
_SIZE: Final = re.compile(r"(\d+(?:\.\d+)?) ?([A-Za-z]*)")


def size(count: int) -> str:
    """A size that people read: 4.8 MB."""
    if count < 1000:
        return f"{count} B"
    value, units_left = count / 1000, ["kB", "MB", "GB", "TB"]
    while value >= 999.95 and len(units_left) > 1:
        value /= 1000
        units_left.pop(0)
    return f"{value:.1f} {units_left[0]}"


def parse_size(text: str) -> int:
    """The bytes of `40 MB`, `1.5 GiB` or `4096`; raise ValueError."""
    match = _SIZE.fullmatch(text.strip())
    factor = _UNITS.get(match[2] or "B") if match else None
    if match is None or factor is None:
        message = f"{text!r} is no size: write it as '40 MB' or '1.5 GiB'"
        raise ValueError(message)
    return int(float(match[1]) * factor)
