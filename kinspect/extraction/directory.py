"""A directory to write into, which nothing written leaves.

Every level is opened by the descriptor of the one above and no symbolic link below the
directory is followed, so that neither a name nor what lies there already can lead out.
A file appears under its name when it is whole.
"""

import errno
import os
import secrets
from collections.abc import Iterable
from contextlib import suppress
from types import TracebackType
from typing import Final, Self

from kinspect.errors import OutputError
from kinspect.extraction.naming import MANIFEST, Names
from kinspect.view import Bytes

_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
#: what file systems without hard links say
_NO_LINKS: Final = {
    errno.EPERM,
    errno.ENOTSUP,
    errno.EOPNOTSUPP,
    errno.ENOSYS,
    errno.EMLINK,
}


class Directory:
    """Where files go; made when the first one comes."""

    def __init__(self, path: str, *, force: bool = False) -> None:
        """With `force`, files that are there are replaced."""
        self.path = path
        self._force = force
        self._root: int | None = None
        #: the level that was written to last, open
        self._level: tuple[Names, int] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._leave()
        if self._root is not None:
            os.close(self._root)
            self._root = None

    def check(self) -> None:
        """Raise OutputError where an earlier extraction is in the way."""
        if not self._force and os.path.lexists(os.path.join(self.path, MANIFEST)):
            raise self._exists(MANIFEST)

    def write(self, names: Names, chunks: Iterable[Bytes]) -> None:
        """Write a file; its last name is its own, those before are directories.

        Raises OutputError, and then leaves nothing of the file. What the chunks raise
        goes through, and nothing is left either.
        """
        *above, name = names
        told = "/".join(names)
        try:
            at = self._open(tuple(above))
            part = f".kinspect-{secrets.token_hex(8)}"
            try:
                _fill(part, at, chunks)
                self._publish(part, name, at, told)
            except BaseException:
                with suppress(OSError):
                    os.unlink(part, dir_fd=at)
                raise
        except OSError as error:
            message = f"{self.path}/{told}: not written: {error.strerror or error}"
            raise OutputError(message) from error

    def _publish(self, part: str, name: str, at: int, told: str) -> None:
        """Give a finished file its name, in place of another only if that was asked for."""
        if not self._force:
            try:
                os.link(part, name, src_dir_fd=at, dst_dir_fd=at)
            except FileExistsError as error:
                raise self._exists(told) from error
            except OSError as error:
                if error.errno not in _NO_LINKS:
                    raise
                if name in os.listdir(at):
                    raise self._exists(told) from error
            else:
                os.unlink(part, dir_fd=at)
                return
        os.replace(part, name, src_dir_fd=at, dst_dir_fd=at)

    def _exists(self, name: str) -> OutputError:
        return OutputError(f"{self.path}/{name} is there already: --force replaces it")

    def _open(self, names: Names) -> int:
        """The descriptor of a level, which is made if it is not there."""
        if self._root is None:
            if os.path.lexists(self.path) and not os.path.isdir(self.path):
                message = f"{self.path} is there already, and is no directory"
                raise OutputError(message)
            os.makedirs(self.path, exist_ok=True)
            self._root = os.open(self.path, _DIRECTORY)
        if self._level is not None and self._level[0] == names:
            return self._level[1]
        self._leave()
        at = os.dup(self._root)
        for name in names:
            try:
                at, above = self._enter(at, name), at
            except BaseException:
                os.close(at)
                raise
            os.close(above)
        self._level = names, at
        return at

    def _enter(self, at: int, name: str) -> int:
        with suppress(FileExistsError):
            os.mkdir(name, dir_fd=at)
        try:
            return os.open(name, _DIRECTORY | os.O_NOFOLLOW, dir_fd=at)
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENOTDIR):
                message = (
                    f"{self.path}: {name} in it is no directory of its own but a file or a"
                    " symbolic link, which is not followed"
                )
                raise OutputError(message) from error
            raise

    def _leave(self) -> None:
        if self._level is not None:
            os.close(self._level[1])
            self._level = None


def _fill(name: str, at: int, chunks: Iterable[Bytes]) -> None:
    with open(os.open(name, _NEW, 0o666, dir_fd=at), "wb", buffering=0) as file:
        for chunk in chunks:
            rest = memoryview(chunk)
            while rest:
                rest = rest[file.write(rest) :]
