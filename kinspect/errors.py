"""The error family. Every error says where: binary, layer and offset."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Where:
    """A place in an artifact.

    `path` is the breadcrumb of a binary (`x.whl!lib.so`), `layer` names what the
    bytes belong to (`.hip_fatbin`, `bundle 3 inflated`), and `offset` counts bytes
    from the start of the binary, or of the inflated bundle where the layer says so.
    """

    path: str
    layer: str = ""
    offset: int = 0

    def __str__(self) -> str:
        layer = f"[{self.layer}]" if self.layer else ""
        return f"{self.path}{layer}+{self.offset:#x}"


class KinspectError(Exception):
    """What kinspect raises, and nothing else, for any input."""


class InputError(KinspectError):
    """A path that is missing, unreadable, or not what kinspect can read."""

    def __init__(self, message: str, path: str) -> None:
        super().__init__(message, path)
        self.message = message
        self.path = path

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


class WorkerError(InputError):
    """An artifact that nothing is known of: its worker died, or failed, on the way."""


class FormatError(KinspectError):
    """Bytes that break the format that they claim to be."""

    def __init__(self, message: str, where: Where) -> None:
        super().__init__(message, where)
        self.message = message
        self.where = where

    def __str__(self) -> str:
        return f"{self.where}: {self.message}"


class LimitExceeded(FormatError):
    """Well-formed perhaps, but larger than the user allowed (see `Limits`)."""

    def __init__(self, limit: str, actual: int, ceiling: int, where: Where) -> None:
        message = (
            f"{limit} is {actual}, above the limit of {ceiling}; "
            f"raise it with --limit {limit}={actual} if the file can be trusted"
        )
        super().__init__(message, where)
        self.args = (limit, actual, ceiling, where)  # stays picklable
        self.limit = limit
        self.actual = actual
        self.ceiling = ceiling


class TargetError(KinspectError):
    """A text that is not a target ID, or names no processor that kinspect knows."""


class UsageError(KinspectError):
    """A request that contradicts itself or names something that does not exist."""


class PolicyError(UsageError):
    """A policy file that says what can't be meant, with the line and the key."""

    def __init__(self, message: str, file: str, line: int = 0, key: str = "") -> None:
        super().__init__(message, file, line, key)
        self.message = message
        self.file = file
        #: from 1; 0 where it is about the whole file
        self.line = line
        self.key = key

    def __str__(self) -> str:
        line = f":{self.line}" if self.line else ""
        key = f"{self.key}: " if self.key else ""
        return f"{self.file}{line}: {key}{self.message}"


class OutputError(KinspectError):
    """A report that could not be written where it was asked for."""


class ToolError(KinspectError):
    """A program of others that is not there, can't do what is asked, or failed at it."""
