"""Reports written to files: whole, or not at all."""

import errno
import stat
from pathlib import Path
from typing import Final

from kinspect.errors import OutputError, UsageError

#: why a file that can be written may not be replaced: its directory is not ours, or it is
#: a container's mount of just this file
_IN_PLACE: Final = {errno.EACCES, errno.EPERM, errno.EROFS, errno.EBUSY}


def check(name: str) -> None:
    """Raise UsageError for a path that no report can go to, before the work is done."""
    path = Path(name)
    if not path.parent.is_dir():
        message = f"{name}: there is no directory {path.parent}"
        raise UsageError(message)
    if path.is_dir():
        message = f"{name}: that is a directory; name a file in it"
        raise UsageError(message)


def write(name: str, text: str) -> None:
    """Put `text` in place of the file: a reader sees the old one or the new one, whole.

    A pipe, a device, or a file that can't be replaced is written to as it is. Raises
    OutputError.
    """
    path = Path(name)
    data = text.encode("utf-8", "backslashreplace")
    try:
        # through a link: what it leads to is meant
        path = path.resolve()
        mode = path.stat().st_mode if path.exists() else None
        if mode is None or stat.S_ISREG(mode):
            _replace(path, data, mode)
        else:
            path.write_bytes(data)
    except OSError as error:
        message = f"{name}: the report could not be written: {error.strerror or error}"
        raise OutputError(message) from error


def _replace(path: Path, data: bytes, mode: int | None) -> None:
    import secrets  # noqa: PLC0415  # most reports go to stdout

    beside = path.with_name(f".kinspect-{secrets.token_hex(8)}")
    try:
        beside.write_bytes(data)
        if mode is not None:
            beside.chmod(stat.S_IMODE(mode))
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        if mode is None or error.errno not in _IN_PLACE:
            raise
        path.write_bytes(data)
