"""Artifacts as a snapshot; kpack archives by the hosts that have their code.

A kernel that an archive lost is lost in the host: it is told once, where it is launched.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from kinspect.model import Artifact, Binary
from kinspect.snapshot.model import BinaryRecord, Snapshot, record, sorted_


def of_artifacts(artifacts: Iterable[Artifact]) -> Snapshot:
    """What artifacts hold that were read without the resources of their kernels."""
    return sorted_(records(tuple(artifacts)))


def records(artifacts: Iterable[Artifact]) -> Iterator[BinaryRecord]:
    """Every binary with device code, of artifacts that were laid over each other.

    What hosts have from an archive is left out of the archive; where nothing else is in
    it, it is recorded as it is, and marked.
    """
    artifacts = tuple(artifacts)
    asked = {
        (source.path, bundle.kpack.key)
        for artifact in artifacts
        for binary, bundle in artifact.bundles()
        if binary.kpack and bundle.kpack is not None
        for source in bundle.kpack.sources
    }
    for artifact in artifacts:
        for binary in artifact.binaries:
            if binary.device_code:
                own = _own(binary, asked) if binary.format == "kpack" else binary
                one = record(artifact.path, own or binary, artifact.distribution)
                yield one if own else replace(one, referred=True)


def _own(archive: Binary, asked: set[tuple[str, str]]) -> Binary | None:
    """An archive with what no host asks for; None where that is nothing."""
    rest = tuple(
        bundle
        for bundle in archive.bundles
        if bundle.kpack is None or (archive.path, bundle.kpack.key) not in asked
    )
    return replace(archive, bundles=rest) if rest or not archive.bundles else None
