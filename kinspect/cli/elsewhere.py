"""Device code that is not where it was looked for."""

from collections.abc import Iterable, Iterator

from kinspect import api
from kinspect.limits import Limits
from kinspect.model import Unreadable
from kinspect.sources import Named


def in_archives(
    paths: Iterable[Named], limits: Limits, exclude: tuple[str, ...] = ()
) -> Iterator[Unreadable]:
    """Why hosts have no kernels of their own: these lie in kpack archives."""
    for path in paths:
        found = api.inspect(path, limits=limits, code_objects=False, exclude=exclude)
        for binary in found.binaries:
            for use in binary.kpack[:1]:
                names = ", ".join(use.reference.search_paths)
                message = f"its kernels lie in kpack archives, name these: {names}"
                yield Unreadable(message, use.where)
