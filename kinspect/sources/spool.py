"""A temporary file without a name: nothing is left behind, however the process ends."""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Final

from kinspect.errors import FormatError
from kinspect.sources.decompress import Inflated
from kinspect.sources.member import Context
from kinspect.view import Descriptor, View

CHUNK: Final = 1 << 20


@contextmanager
def spooled(stream: Inflated, view: View, context: Context) -> Iterator[View]:
    """All of a stream in a temporary file, as a view in place of the compressed one.

    Raises LimitExceeded beyond the limit `temporary`, and FormatError where there is no
    room for it.
    """
    with ExitStack() as stack:
        with _told(view):
            file = stack.enter_context(tempfile.TemporaryFile(prefix="kinspect-"))
        size = 0
        while data := stream.read(CHUNK):
            size += len(data)
            context.limits.check("temporary", size, view.where())
            with _told(view):
                file.write(data)
        with _told(view):
            file.flush()
        yield View(Descriptor(file.fileno(), view.path), view.path)


@contextmanager
def _told(view: View) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        message = f"needs a temporary file ({error.strerror}): set TMPDIR, or inflate it"
        raise FormatError(message, view.where()) from error
