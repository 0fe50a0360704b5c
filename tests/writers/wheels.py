"""Wheels, as PEP 427 says."""

import base64
import hashlib
import zipfile


def digest(data, algorithm="sha256"):
    raw = hashlib.new(algorithm, data).digest()
    return f"{algorithm}={base64.urlsafe_b64encode(raw).rstrip(b'=').decode()}"


def build(
    directory,
    files,
    *,
    name="deep_ep",
    version="1.0",
    tag="cp312-cp312-linux_x86_64",
    file_name=None,
    metadata_version=None,
    rows=None,
    purelib="false",
    requires=(),
):
    """A wheel, written as PEP 427 says; `rows` replaces lines of RECORD by path."""
    inside = f"{name}-{version}.dist-info"
    metadata = (
        f"Metadata-Version: 2.1\nName: {name}\nVersion: {metadata_version or version}\n"
    )
    metadata += "".join(f"Requires-Dist: {one}\n" for one in requires)
    contents = dict(files)
    contents[f"{inside}/METADATA"] = metadata.encode()
    contents[f"{inside}/WHEEL"] = (
        f"Wheel-Version: 1.0\nRoot-Is-Purelib: {purelib}\nTag: {tag}\n".encode()
    )
    lines = {path: f"{path},{digest(data)},{len(data)}" for path, data in contents.items()}
    lines[f"{inside}/RECORD"] = f"{inside}/RECORD,,"
    lines |= rows or {}
    path = directory / (file_name or f"{name}-{version}-{tag}.whl")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for one, data in contents.items():
            archive.writestr(one, data)
        archive.writestr(f"{inside}/RECORD", "\n".join(filter(None, lines.values())) + "\n")
    return path
