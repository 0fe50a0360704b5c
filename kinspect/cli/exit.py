"""Exit codes."""

from enum import IntEnum


class Exit(IntEnum):
    VERIFIED = 0
    VIOLATION = 1
    COULD_NOT_TELL = 2  # click's usage errors too
