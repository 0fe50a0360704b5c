"""Container images, byte by byte: layers, OCI layouts, archives of `docker save`."""

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

OCI = "application/vnd.oci.image."
INDEX = f"{OCI}index.v1+json"
MANIFEST = f"{OCI}manifest.v1+json"
CONFIG = f"{OCI}config.v1+json"
LAYER = f"{OCI}layer.v1.tar"

#: what a layer may hold for a name, beside the bytes of a file
DIRECTORY = object()


@dataclass(frozen=True)
class Link:
    """A hard link, or a symbolic one."""

    target: str
    symbolic: bool = False


def layer(files: Mapping[str, Any] | Iterable[tuple[str, Any]]) -> bytes:
    """A tar of files (bytes), links and directories, in their order."""
    data = io.BytesIO()
    items = files.items() if isinstance(files, Mapping) else files
    with tarfile.open(fileobj=data, mode="w") as archive:
        for name, content in items:
            info = tarfile.TarInfo(name)
            if content is DIRECTORY:
                info.type = tarfile.DIRTYPE
            elif isinstance(content, Link):
                info.type = tarfile.SYMTYPE if content.symbolic else tarfile.LNKTYPE
                info.linkname = content.target
            elif content is None:
                info.type = tarfile.CHRTYPE
            else:
                info.size = len(content)
            body = content if isinstance(content, bytes) else b""
            archive.addfile(info, io.BytesIO(body))
    return data.getvalue()


def tar(files: Mapping[str, Any]) -> bytes:
    return layer(files)


def digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def blob(data: bytes) -> str:
    return f"blobs/sha256/{hashlib.sha256(data).hexdigest()}"


def jsoned(value: Any) -> bytes:
    return json.dumps(value).encode()


def gzipped(data: bytes) -> bytes:
    return gzip.compress(data, mtime=0)


@dataclass
class Layout:
    """An OCI layout that is being written: its files by their names."""

    files: dict[str, bytes] = field(default_factory=dict)
    manifests: list[dict[str, Any]] = field(default_factory=list)

    def add_blob(self, data: bytes) -> str:
        self.files[blob(data)] = data
        return digest(data)

    def described(self, data: bytes, media_type: str, **more: Any) -> dict[str, Any]:
        found = {"mediaType": media_type, "digest": self.add_blob(data), "size": len(data)}
        return found | more

    def image(
        self,
        layers: Iterable[bytes],
        *,
        compress: Any = lambda data: data,
        suffix: str = "",
        platform: str = "linux/amd64",
        media_type: str = LAYER,
        **config: Any,
    ) -> dict[str, Any]:
        """The descriptor of an image; not in the index yet."""
        plain = list(layers)
        os_, architecture, *variant = platform.split("/")
        where: dict[str, Any] = {"os": os_, "architecture": architecture}
        if variant:
            where["variant"] = variant[0]
        diff_ids = [digest(data) for data in plain]
        described = [self.described(compress(data), media_type + suffix) for data in plain]
        content = where | {"rootfs": {"type": "layers", "diff_ids": diff_ids}} | config
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": self.described(jsoned(content), CONFIG),
            "layers": described,
        }
        return self.described(jsoned(manifest), MANIFEST, platform=where)

    def index(self, manifests: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
        """The descriptor of an index of other manifests."""
        content = {"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests}
        return self.described(jsoned(content), INDEX, **more)

    def done(self, *manifests: dict[str, Any]) -> dict[str, bytes]:
        """All of its files, with the index of what was made."""
        index = {"schemaVersion": 2, "manifests": list(manifests)}
        return {
            **self.files,
            "index.json": jsoned(index),
            "oci-layout": b'{"imageLayoutVersion": "1.0.0"}',
        }


def oci(layers: Iterable[bytes], **options: Any) -> dict[str, bytes]:
    """The files of a layout with one image."""
    layout = Layout()
    return layout.done(layout.image(layers, **options))


def saved_by_docker_24(layers: Iterable[bytes], tag: str = "x:1") -> dict[str, Any]:
    """The files that `docker save` wrote until Docker 24."""
    files: dict[str, Any] = {}
    names: list[str] = []
    contents = list(layers)
    for data in contents:
        directory = hashlib.sha256(b"v1" + data + bytes([len(names)])).hexdigest()
        names.append(f"{directory}/layer.tar")
        files |= {f"{directory}/": DIRECTORY, f"{directory}/VERSION": b"1.0"}
        files |= {f"{directory}/json": b"{}"}
        twin = next((n for n in names[:-1] if files.get(n) == data), None)
        files[names[-1]] = Link(f"../{twin}", symbolic=True) if twin else data
    config = jsoned(
        {
            "os": "linux",
            "architecture": "amd64",
            "rootfs": {"type": "layers", "diff_ids": [digest(d) for d in contents]},
        }
    )
    name = f"{hashlib.sha256(config).hexdigest()}.json"
    entry = {"Config": name, "RepoTags": [tag], "Layers": names}
    return {**files, name: config, "manifest.json": jsoned([entry]), "repositories": b"{}"}


def saved_by_docker_25(layers: Iterable[bytes], tag: str = "x:1") -> dict[str, Any]:
    """The files that `docker save` writes since Docker 25: an OCI layout, and the old list."""
    layout = Layout()
    contents = list(layers)
    image = layout.image(contents)
    name, version = f"docker.io/library/{tag}".rsplit(":", 1)
    image["annotations"] = {
        "io.containerd.image.name": f"{name}:{version}",
        "org.opencontainers.image.ref.name": version,
    }
    files = layout.done(image)
    manifest = json.loads(layout.files[f"blobs/{image['digest'].replace(':', '/')}"])
    entry = {
        "Config": f"blobs/{manifest['config']['digest'].replace(':', '/')}",
        "RepoTags": [tag],
        "Layers": [blob(data) for data in contents],
    }
    return {"blobs/": DIRECTORY, **files, "manifest.json": jsoned([entry])}
