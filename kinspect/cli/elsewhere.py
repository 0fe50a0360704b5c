"""Device code that is not where it was looked for."""

from collections.abc import Iterable, Iterator

from kinspect import api
from kinspect.errors import Where
from kinspect.limits import Limits
from kinspect.model import Binary, Unreadable
from kinspect.sources import Named


def in_archives(
    paths: Iterable[Named], limits: Limits, exclude: tuple[str, ...] = ()
) -> Iterator[Unreadable]:
    """Why hosts have no kernels of their own: these lie in kpack archives.

    Of a host whose archives were all named, nothing is told.
    """
    found = api.inspect_all(paths, limits=limits, code_objects=False, exclude=exclude)
    binaries = [binary for artifact in found for binary in artifact.binaries]
    named = {binary.path for binary in binaries}
    for binary in binaries:
        archives = _archives(binary)
        if not named.issuperset(archives):
            names = ", ".join(archives)
            message = f"its kernels lie in kpack archives, name these: {names}"
            yield Unreadable(message, binary.kpack[0].where)


def no_kernels(
    paths: Iterable[Named], limits: Limits, exclude: tuple[str, ...] = ()
) -> Iterator[Unreadable]:
    """Why artifacts have none: these lie in kpack archives, or a link has yet to come."""
    yield from in_archives(paths, limits, exclude)
    for one in api.inspect_all(paths, limits=limits, code_objects=False, exclude=exclude):
        if any(b.bitcode for b in one.binaries) and not any(
            b.bundles for b in one.binaries
        ):
            message = "its device code is bitcode, of which a link makes kernels"
            yield Unreadable(message, Where(one.path))


def _archives(binary: Binary) -> list[str]:
    """The archives of a host, as they lie around it; else as it asks for them."""
    lookups = [bundle.kpack for bundle in binary.bundles if bundle.kpack is not None]
    paths = [source.path for lookup in lookups for source in lookup.sources]
    if not binary.kpack:
        return []
    return list(dict.fromkeys(paths or binary.kpack[0].reference.search_paths))
