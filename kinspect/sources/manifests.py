"""Which images an archive or layout holds, by its documents.

Sources: OCI image-spec, image-layout.md; Docker Image Specification v1.2. Docker 25 and
newer write both forms side by side.
"""

import hashlib
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Protocol

from kinspect.errors import FormatError, KinspectError, Where
from kinspect.model import Unreadable
from kinspect.sources.documents import (
    CONFIGS,
    DOCKER,
    INDEX,
    LAYOUT,
    Config,
    Descriptor,
    DockerImage,
    Document,
    blob_name,
    check_blob,
    decode,
    digest_of_name,
)
from kinspect.sources.member import Context
from kinspect.view import View


class Store(Protocol):
    """The files of an image archive or layout, by name."""

    #: the breadcrumb of the archive or layout
    path: str

    def where(self, name: str) -> str:
        """The breadcrumb of a file."""

    def open(self, name: str) -> AbstractContextManager[View]:
        """A file; raises FormatError where there is none."""


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer of an image, and what is known of its bytes."""

    #: in the store
    name: str
    #: of the bytes as they are stored
    digest: str = ""
    size: int | None = None
    media_type: str = ""
    #: of the tar, uncompressed
    diff_id: str = ""


@dataclass(frozen=True, slots=True)
class Image:
    """One image for one platform; its layers from the base upwards."""

    name: str
    platform: str
    #: of its configuration, which identifies it
    digest: str
    layers: tuple[Layer, ...]


def images(
    store: Store, context: Context, names: frozenset[str]
) -> Iterator[Image | Unreadable]:
    """Every image that the documents of a store name, each once.

    `names` are those of the documents that are there.
    """
    reader = _Reader(store, context)
    known = set()
    if LAYOUT in names or INDEX in names:
        for found in reader.layout():
            if isinstance(found, Image):
                known.add(found.digest)
            yield found
    if DOCKER in names:
        for found in reader.saved():
            if isinstance(found, Unreadable):
                yield found
            elif found.digest not in known:
                known.add(found.digest)
                yield found


class _Reader:
    def __init__(self, store: Store, context: Context) -> None:
        self._store = store
        self._context = context
        #: digests of the documents that were followed: each once
        self._followed: set[str] = set()

    # --- OCI ----------------------------------------------------------------------------

    def layout(self) -> Iterator[Image | Unreadable]:
        try:
            with self._store.open(INDEX) as view:
                index = decode(view, Document, self._context)
            yield from self._index(index, self._store.where(INDEX), "", 1)
        except KinspectError as error:
            yield Unreadable.of(error, Where(self._store.where(INDEX)))

    def _index(
        self, index: Document, path: str, name: str, depth: int
    ) -> Iterator[Image | Unreadable]:
        self._context.limits.check("nesting", depth, Where(path))
        if index.manifests is None:
            message = "no list of manifests"
            raise FormatError(message, Where(path))
        wanted = [one for one in index.manifests if not one.attestation]
        there = [one for one in wanted if self._has(one)]
        # Docker saves the index of a multi-platform image as it is, with the blobs of
        # those platforms that it holds: what is not there is no part of the archive.
        for one in there or wanted:
            if one.digest not in self._followed:
                self._followed.add(one.digest)
                self._context.limits.check("layers", len(self._followed), Where(path))
                yield from self._manifest(one, one.name or name, depth)

    def _has(self, one: Descriptor) -> bool:
        try:
            name = blob_name(one.digest, Where(""))
        except FormatError:
            return True  # whoever reads it is told
        try:
            with self._store.open(name):
                return True
        except KinspectError:
            # without a platform, nothing explains why it is not there
            return one.platform is None

    def _manifest(
        self, one: Descriptor, name: str, depth: int
    ) -> Iterator[Image | Unreadable]:
        label = f"{self._store.path}!{one.platform}" if one.platform else self._store.path
        try:
            blob = blob_name(one.digest, Where(label))
            label = self._store.where(blob)
            document = self._document(one, blob)
            if document.manifests is not None:
                yield from self._index(document, label, name, depth + 1)
                return
            yield self._image(document, one, name, label)
        except KinspectError as error:
            yield Unreadable.of(error, Where(label))

    def _document(self, one: Descriptor, blob: str) -> Document:
        with self._store.open(blob) as view:
            check_blob(view, one.digest, one.size)
            document = decode(view, Document, self._context)
            if (document.manifests is None) == (document.layers is None):
                message = "neither an index nor a manifest, or both"
                raise FormatError(message, view.where())
            return document

    def _image(self, document: Document, one: Descriptor, name: str, path: str) -> Image:
        if document.config is None or document.config.media_type not in CONFIGS:
            kind = document.config.media_type if document.config else "no configuration"
            message = f"no container image ({kind}), not judged"
            raise FormatError(message, Where(path))
        config = self._config(document.config)
        layers = tuple(
            Layer(
                blob_name(each.digest, Where(path)), each.digest, each.size, each.media_type
            )
            for each in document.layers or ()
        )
        self._check(layers, config, path)
        platform = one.platform or config.platform
        return Image(name, str(platform), document.config.digest, layers)

    def _config(self, one: Descriptor) -> Config:
        with self._store.open(blob_name(one.digest, Where(self._store.path))) as view:
            check_blob(view, one.digest, one.size)
            return decode(view, Config, self._context)

    def _check(self, layers: tuple[Layer, ...], config: Config, path: str) -> None:
        self._context.limits.check("layers", len(layers), Where(path))
        if len(layers) != len(config.rootfs.diff_ids):
            message = f"{len(layers)} layers, the configuration names"
            message = f"{message} {len(config.rootfs.diff_ids)}"
            raise FormatError(message, Where(path))

    # --- docker save --------------------------------------------------------------------

    def saved(self) -> Iterator[Image | Unreadable]:
        path = self._store.where(DOCKER)
        try:
            with self._store.open(DOCKER) as view:
                found = decode(view, list[DockerImage], self._context)
            self._context.limits.check("layers", len(found), Where(path))
        except KinspectError as error:
            yield Unreadable.of(error, Where(path))
            return
        for one in found:
            try:
                yield self._saved_image(one, path)
            except KinspectError as error:
                yield Unreadable.of(error, Where(path))

    def _saved_image(self, one: DockerImage, path: str) -> Image:
        with self._store.open(one.config) as view:
            digest = digest_of_name(one.config)
            if digest:
                check_blob(view, digest)
            else:
                data = view.bytes()
                digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
            config = decode(view, Config, self._context)
        layers = tuple(Layer(name, digest_of_name(name)) for name in one.layers or ())
        self._check(layers, config, path)
        layers = tuple(
            replace(layer, diff_id=diff_id)
            for layer, diff_id in zip(layers, config.rootfs.diff_ids, strict=True)
        )
        name = one.tags[0] if one.tags else ""
        return Image(name, str(config.platform), digest, layers)
