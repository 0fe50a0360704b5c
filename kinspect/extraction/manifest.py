"""What was extracted from where: `kinspect/schemas/extraction.schema.json`."""

import json
from collections.abc import Iterable
from typing import Any, Final

from kinspect.extraction.extract import Extracted
from kinspect.model import Unreadable
from kinspect.names import inert

SCHEMA_VERSION: Final = 1


def manifest(
    files: Iterable[Extracted], unreadable: Iterable[Unreadable], version: str
) -> bytes:
    """The manifest of an extraction, in ASCII: no name is lost, whatever its encoding."""
    value = {
        "schema_version": SCHEMA_VERSION,
        "tool": {"name": "kinspect", "version": version},
        "files": [_file(one) for one in files],
        "unreadable": [
            {"where": str(part.where), "message": part.message, "limit": part.limit}
            for part in unreadable
        ],
    }
    return inert(json.dumps(value, indent=1)).encode("ascii") + b"\n"


def _file(one: Extracted) -> dict[str, Any]:
    return {
        "file": one.file,
        "kind": one.kind.value,
        "size": one.size,
        "sha256": one.sha256,
        "path": one.place.path,
        "bundle": one.bundle,
        "form": None if one.form is None else one.form.value,
        "id": None if one.id is None else one.id.text,
        "target": None if one.id is None else one.id.target_name,
        "uri": str(one.place),
    }
