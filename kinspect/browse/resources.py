"""The resources of kernels, by where the tree shows them."""

from collections.abc import Iterable, Iterator

from kinspect import api
from kinspect.browse.details import Resources
from kinspect.limits import Limits
from kinspect.model import Binary, CodeObject, Report
from kinspect.resources.rows import KernelRow
from kinspect.sources import Named

#: of a kernel: path of the binary, bundle, target, name
Place = tuple[str, int, str, str]


def read(
    report: Report, paths: Iterable[Named], limits: Limits, exclude: tuple[str, ...] = ()
) -> Resources:
    """Of every kernel; what can't be read has a finding already.

    Kernels of a host that was split for kpack are those of its archives, also of such as
    were found around it.
    """
    binaries = [one for artifact in report.artifacts for one in artifact.binaries]
    around = api.inspect_all(_around(binaries), limits=limits, code_objects=False)
    found = {
        (row.path, row.bundle, row.target, row.name): row
        for path in (*paths, *(one.path for one in around))
        for row in api.kernels(path, limits=limits, exclude=exclude)
    }
    archives = [*binaries, *(one for artifact in around for one in artifact.binaries)]
    return {**found, **dict(_of_hosts(binaries, archives, found))}


def _around(binaries: list[Binary]) -> list[str]:
    """The archives that hosts have code from, and that were not named."""
    named = {binary.path for binary in binaries}
    entries = (e for binary in binaries for b in binary.bundles for e in b.entries)
    return list(dict.fromkeys(e.archive for e in entries if e.archive not in {"", *named}))


def _of_hosts(
    binaries: list[Binary], archives: list[Binary], found: dict[Place, KernelRow]
) -> Iterator[tuple[Place, KernelRow]]:
    numbers = {
        (archive.path, bundle.kpack.key): bundle.index
        for archive in archives
        if archive.format == "kpack"
        for bundle in archive.bundles
        if bundle.kpack is not None
    }
    for binary in binaries:
        for bundle in binary.bundles if binary.kpack else ():
            for entry in bundle.entries:
                part, target = entry.code_object, entry.id.target_name
                key = "" if bundle.kpack is None else bundle.kpack.key
                number = numbers.get((entry.archive, key))
                if number is None or not isinstance(part, CodeObject):
                    continue
                for name in part.kernels:
                    kernel = found.get((entry.archive, number, target, name))
                    if kernel is not None:
                        yield (binary.path, bundle.index, target, name), kernel
