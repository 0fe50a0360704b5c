"""The JSON documents of container images, and the digests that name their blobs.

Sources: OCI image-spec (image-layout.md, image-index.md, manifest.md, config.md); Docker
Image Specification v1.2 (manifest.json of `docker save`).
"""

import hashlib
from collections.abc import Iterable, Iterator
from typing import Final, TypeVar

import msgspec

from kinspect.errors import FormatError, Where
from kinspect.sources.member import Context
from kinspect.view import Bytes, View

INDEX: Final = "index.json"
LAYOUT: Final = "oci-layout"
DOCKER: Final = "manifest.json"

#: digest algorithms of the image-spec
ALGORITHMS: Final = frozenset({"sha256", "sha512"})

CHUNK: Final = 1 << 20

_NAMES: Final = ("io.containerd.image.name", "org.opencontainers.image.ref.name")
#: media types of the configuration of an image
CONFIGS: Final = frozenset(
    {
        "application/vnd.oci.image.config.v1+json",
        "application/vnd.docker.container.image.v1+json",
    }
)


class Platform(msgspec.Struct, frozen=True):
    os: str = ""
    architecture: str = ""
    variant: str | None = None
    os_version: str | None = msgspec.field(default=None, name="os.version")

    def __str__(self) -> str:
        parts = (self.os, self.architecture, self.variant, self.os_version)
        return "/".join(part for part in parts if part)


class Descriptor(msgspec.Struct, frozen=True):
    """What an index or a manifest says of a blob."""

    digest: str
    media_type: str = msgspec.field(default="", name="mediaType")
    size: int | None = None
    platform: Platform | None = None
    annotations: dict[str, str] | None = None

    @property
    def name(self) -> str:
        found = [(self.annotations or {}).get(key) for key in _NAMES]
        return next((name for name in found if name), "")

    @property
    def attestation(self) -> bool:
        """Whether it is a statement about an image, as BuildKit adds them."""
        kind = (self.annotations or {}).get("vnd.docker.reference.type")
        return kind == "attestation-manifest" or str(self.platform) == "unknown/unknown"


class Document(msgspec.Struct, frozen=True):
    """An index or a manifest: which of both, its lists tell."""

    manifests: list[Descriptor] | None = None
    layers: list[Descriptor] | None = None
    config: Descriptor | None = None


class RootFs(msgspec.Struct, frozen=True):
    diff_ids: list[str] = []


class Config(msgspec.Struct, frozen=True):
    """The configuration of an image."""

    os: str = ""
    architecture: str = ""
    variant: str | None = None
    rootfs: RootFs = RootFs()

    @property
    def platform(self) -> Platform:
        return Platform(self.os, self.architecture, self.variant)


class DockerImage(msgspec.Struct, frozen=True):
    """One image of `docker save`'s manifest.json."""

    config: str = msgspec.field(name="Config")
    layers: list[str] | None = msgspec.field(name="Layers")
    tags: list[str] | None = msgspec.field(default=None, name="RepoTags")


T = TypeVar("T")


def decode(view: View, type_: type[T], context: Context) -> T:
    """A JSON document; raise FormatError if it is none of that shape."""
    context.limits.check("manifest", len(view), view.where())
    try:
        return msgspec.json.decode(view.bytes(), type=type_)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        message = f"JSON: {error}"
        raise FormatError(message, view.where()) from error


def blob_name(digest: str, where: Where) -> str:
    """Where a layout keeps the blob of a digest; raise FormatError."""
    algorithm, _, encoded = digest.partition(":")
    hexadecimal = encoded and not encoded.strip("0123456789abcdef")
    if algorithm not in ALGORITHMS or not hexadecimal:
        message = f"digest {digest!r}, expected sha256 or sha512 and hexadecimal digits"
        raise FormatError(message, where)
    return f"blobs/{algorithm}/{encoded}"


def chunks(view: View) -> Iterator[Bytes]:
    """All of the bytes, in pieces."""
    for at in range(0, len(view), CHUNK):
        yield view.bytes(at, min(CHUNK, len(view) - at))


def check_blob(view: View, digest: str, size: int | None = None) -> None:
    """Raise FormatError unless a blob is what its descriptor says."""
    if size is not None and size != len(view):
        message = f"{len(view)} bytes, its descriptor says {size}"
        raise FormatError(message, view.where())
    check_digest(chunks(view), digest, view.where())


def check_digest(data: Iterable[Bytes], digest: str, where: Where) -> None:
    """Raise FormatError unless the bytes are those that the digest names."""
    algorithm, _, expected = digest.partition(":")
    if algorithm not in ALGORITHMS:
        message = f"digest {digest!r}, expected one of sha256 or sha512"
        raise FormatError(message, where)
    hasher = hashlib.new(algorithm, usedforsecurity=False)
    for chunk in data:
        hasher.update(chunk)
    if hasher.hexdigest() != expected:
        message = f"the bytes have the {algorithm} {hasher.hexdigest()}, not {expected}"
        raise FormatError(message, where)


def digest_of_name(name: str) -> str:
    """The digest that a file is named after, if it is (`blobs/sha256/…`, `….json`).

    Not that of `….tar` or `…/layer.tar`: some tools name those after other things.
    """
    parts = name.split("/")
    if len(parts) == 3 and parts[0] == "blobs" and parts[1] in ALGORITHMS:
        return f"{parts[1]}:{parts[2]}"
    encoded = name.removesuffix(".json").removeprefix("sha256:")
    if len(encoded) == 64 and not encoded.strip("0123456789abcdef"):
        return f"sha256:{encoded}"
    return ""
