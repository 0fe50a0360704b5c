"""Whether zstd data is whole: zstandard's stream ends without an error where it is cut.

Source: RFC 8878, "Frame Concatenation", "Skippable Frames" and "Blocks".
"""

from typing import Annotated, Final, NamedTuple

from kinspect.errors import FormatError
from kinspect.view import U32, View

MAGIC: Final = b"\x28\xb5\x2f\xfd"


class _Block(NamedTuple):
    low: Annotated[int, "H"]
    high: Annotated[int, "B"]


class _Skippable(NamedTuple):
    magic: U32
    size: U32


#: low four bits are free (RFC 8878, 3.1.2)
_SKIPPABLE: Final = 0x184D2A50
_RLE: Final = 1
_DICTIONARY: Final = (0, 1, 2, 4)
_CONTENT: Final = (0, 2, 4, 8)


def check(view: View) -> None:
    """Raise FormatError unless the last frame of zstd data is whole.

    Headers alone tell: each block says how long it is.
    """
    at = 0
    while at < len(view):
        if view.startswith(MAGIC, at):
            at = _frame(view, at)
            continue
        skippable = view.read(_Skippable, at)
        if skippable.magic & ~0xF != _SKIPPABLE:
            message = "no zstd frame starts here"
            raise FormatError(message, view.where(at))
        at += 8 + skippable.size
    if at > len(view):
        message = f"zstd data is cut: a frame ends at {at:#x} of {len(view):#x} bytes"
        raise FormatError(message, view.where(len(view)))


def _frame(view: View, at: int) -> int:
    """Where the frame at `at` ends."""
    descriptor = view.bytes(at + 4, 1)[0]
    single = descriptor >> 5 & 1
    content = _CONTENT[descriptor >> 6] or single
    at += 5 + (1 - single) + _DICTIONARY[descriptor & 3] + content
    last = False
    while not last:
        block = view.read(_Block, at)
        header = block.low | block.high << 16
        last = bool(header & 1)
        at += 3 + (1 if header >> 1 & 3 == _RLE else header >> 3)
    return at + 4 * (descriptor >> 2 & 1)
