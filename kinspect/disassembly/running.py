"""Running a program of others: no shell, no file beside the input, an end in any case."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Thread, Timer
from typing import IO, Final

from kinspect.errors import ToolError
from kinspect.view import Bytes

#: bytes of a line that are looked at together: names in a file can be of any length
LINE: Final = 1 << 16
#: bytes of what a program complains that are kept
COMPLAINT: Final = 1 << 16


class Run:
    """A program that is running: its lines, then whether it did well."""

    def __init__(self, process: "subprocess.Popen[bytes]", timeout: float) -> None:
        self._process = process
        self._timeout = timeout
        self._late = False
        self._complaint: list[bytes] = []
        self._timer = Timer(timeout, self._stop)
        self._timer.daemon = True
        self._timer.start()
        self._listener = Thread(target=self._listen, daemon=True)
        self._listener.start()

    def lines(self) -> Iterator[bytes]:
        """Each line without its end; raises ToolError where the program failed."""
        out = self._process.stdout
        assert out is not None  # noqa: S101  # a pipe was asked for
        while line := out.readline(LINE):
            yield line.rstrip(b"\r\n")
        code = self._process.wait()
        self._listener.join()
        if self._late:
            name = self._process.args[0]  # type: ignore[index]  # a list was given
            message = f"{name!s} took longer than {self._timeout:g} s; --timeout gives more"
            raise ToolError(message)
        if code:
            raise ToolError(self._failure(code))

    def complaint(self) -> str:
        """What it wrote to its standard error, as far as it is kept."""
        self._listener.join()
        return b"".join(self._complaint).decode("utf-8", "replace")

    def _failure(self, code: int) -> str:
        name = self._process.args[0]  # type: ignore[index]  # a list was given
        how = f"ended with {code}" if code > 0 else f"was ended by signal {-code}"
        said = [line for line in self.complaint().splitlines() if line.strip()]
        # what LLVM says before it ends stands between hints and a trace of its stack
        told = next((line for line in said if "error:" in line.lower()), "".join(said[:1]))
        return f"{name!s} {how}: {told}" if told else f"{name!s} {how}"

    def _listen(self) -> None:
        complaints = self._process.stderr
        assert complaints is not None  # noqa: S101  # a pipe was asked for
        self._complaint.append(complaints.read(COMPLAINT))
        while complaints.read(COMPLAINT):
            pass

    def _stop(self) -> None:
        self._late = True
        self._process.kill()

    def close(self) -> None:
        """End it, if it has not ended; nobody waits for the rest."""
        self._timer.cancel()
        self._process.kill()
        self._process.wait()
        self._listener.join()
        for pipe in (self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()


@contextmanager
def running(command: Sequence[str], data: IO[bytes], timeout: float) -> Iterator[Run]:
    """The program with `data` as its standard input; ended when the caller is done."""
    environment = {k: v for k, v in os.environ.items() if k != "DEBUGINFOD_URLS"}
    data.seek(0)
    try:
        process = subprocess.Popen(  # noqa: S603  # no shell, and no text from a file
            command,
            stdin=data,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment | {"LC_ALL": "C"},
        )
    except OSError as error:
        message = f"{command[0]} can't be run: {error.strerror}"
        raise ToolError(message) from error
    if sys.platform == "linux":  # a crash must leave no file behind
        import resource  # noqa: PLC0415

        resource.prlimit(process.pid, resource.RLIMIT_CORE, (0, 0))
    run = Run(process, timeout)
    try:
        yield run
    finally:
        run.close()


@contextmanager
def handed(data: Bytes) -> Iterator[IO[bytes]]:
    """Bytes in a file without a name, which a program can be given."""
    try:
        with tempfile.TemporaryFile(prefix="kinspect-") as file:
            file.write(data)
            file.flush()
            yield file
    except OSError as error:
        message = f"needs a temporary file ({error.strerror}): set TMPDIR"
        raise ToolError(message) from error
