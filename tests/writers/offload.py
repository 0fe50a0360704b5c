"""OffloadBinary containers (llvm/Object/OffloadBinary.h), versions 1 to 3."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from struct import pack

from tests.writers.bundles import compressed

OBJECT, BITCODE = 1, 2


@dataclass(frozen=True)
class Image:
    data: bytes
    arch: str = "gfx942"
    triple: str = "amdgcn-amd-amdhsa"
    kind: int = OBJECT
    #: HIP: 3 in the enumeration up to LLVM 20, 4 as a bit since
    offload_kind: int = 4
    strings: Mapping[str, str] = field(default_factory=dict)

    @property
    def texts(self) -> dict[str, str]:
        return {"triple": self.triple, "arch": self.arch, **self.strings}


def offload_binary(
    *images: Image,
    version: int = 1,
    method: str | None = None,
    size: int | None = None,
    counts_header: bool = False,
) -> bytes:
    """A container; only version 3 compresses, by `method`.

    `counts_header` adds the header to the inflated size that it tells.
    """
    header = 40 if version >= 3 else 32
    each = 24 if version >= 3 else 16
    entries_at = header
    strings_at = entries_at + 40 * len(images)
    text = b""
    text_at = strings_at + sum(each * len(image.texts) for image in images)
    records = b""
    starts = []
    for image in images:
        starts.append(strings_at + len(records))
        for key, value in image.texts.items():
            fields = [text_at + len(text), text_at + len(text) + len(key) + 1]
            text += key.encode() + b"\0" + value.encode() + b"\0"
            records += pack(f"<{each // 8}Q", *fields, *[len(value)] * (version >= 3))
    body = b""
    body_at = -(-(text_at + len(text)) // 8) * 8
    entries = b""
    for image, start in zip(images, starts, strict=True):
        body += bytes(-len(body) % 8)
        where = body_at + len(body)
        numbers = (start, len(image.texts), where, len(image.data))
        entries += pack("<HHI4Q", image.kind, image.offload_kind, 0, *numbers)
        body += image.data
    rest = entries + records + text
    rest += bytes(body_at - header - len(rest)) + body
    rest += bytes(-len(rest) % 8)
    inflated = len(rest) + (header if counts_header else 0)
    stored = compressed(rest, method) if method else rest
    stored += bytes(-len(stored) % 8) if not method else b""
    total = header + len(stored) if size is None else size
    # version 1 tells the size of its one entry, later ones how many there are
    second = 40 if version == 1 else len(images)
    head = b"\x10\xff\x10\xad" + pack("<I3Q", version, total, entries_at, second)
    if version >= 3:
        head += pack("<Q", inflated if method else 0)
    return head + stored
