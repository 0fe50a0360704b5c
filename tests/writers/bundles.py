"""Offload bundles, plain (`__CLANG_OFFLOAD_BUNDLE__`) and compressed (`CCOB`)."""

import hashlib
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from struct import pack

import zstandard

HOST = "host-x86_64-unknown-linux--"


@dataclass(frozen=True)
class Slot:
    """An entry of a bundle; what is given beside the data is a lie about it."""

    id: str | bytes
    data: bytes = b""
    offset: int | None = None
    size: int | None = None
    id_size: int | None = None


def device(target: str, kind: str = "hipv4", env: str = "") -> str:
    """The entry ID of a target."""
    return f"{kind}-amdgcn-amd-amdhsa-{env}-{target}"


def bundle(
    *entries: Slot | tuple[str, bytes],
    align: int = 8,
    host: bool = True,
    order: Sequence[int] | None = None,
    count: int | None = None,
) -> bytes:
    """A plain bundle.

    Tuples are a target (or a whole entry ID) with its bytes. `host` puts the dummy entry
    that clang writes first; `order` is that of the data in the file, by number of the
    entry, where it differs from that of the table.
    """
    slots = [_slot(one) for one in entries]
    ids = [one.id if isinstance(one.id, bytes) else one.id.encode() for one in slots]
    first = [HOST.encode()] if host else []
    header = 24 + 8 + sum(24 + len(one) for one in first + ids)
    body = bytearray()
    places = {}
    for number in order if order is not None else range(len(slots)):
        body += bytes(-(header + len(body)) % align)
        places[number] = header + len(body)
        body += slots[number].data
    total = len(slots) + len(first) if count is None else count
    table = b"__CLANG_OFFLOAD_BUNDLE__" + pack("<Q", total)
    if host:  # empty, at the offset of the first device entry
        table += pack("<3Q", places.get(0, header), 0, len(first[0])) + first[0]
    for number, (one, text) in enumerate(zip(slots, ids, strict=True)):
        table += pack(
            "<3Q",
            places[number] if one.offset is None else one.offset,
            len(one.data) if one.size is None else one.size,
            len(text) if one.id_size is None else one.id_size,
        )
        table += text
    return table + bytes(body)


def _slot(entry: Slot | tuple[str, bytes]) -> Slot:
    if isinstance(entry, Slot):
        return entry
    target, data = entry
    return Slot(device(target) if target.startswith("gfx") else target, data)


def md5(data: bytes) -> int:
    """The low 64 bits of the MD5: its first eight bytes, little-endian."""
    return int.from_bytes(hashlib.md5(data).digest()[:8], "little")


def compressed(data: bytes, method: str) -> bytes:
    if method == "zlib":
        return zlib.compress(data)
    return zstandard.ZstdCompressor().compress(data)


def ccob(
    data: bytes,
    version: int = 2,
    method: str = "zstd",
    *,
    digest: int | None = None,
    total: int | None = None,
    uncompressed: int | None = None,
    payload: bytes | None = None,
    method_code: int | None = None,
) -> bytes:
    """`data` as a compressed bundle; what is given beside the method is a lie."""
    if payload is None:
        payload = compressed(data, method)
    if method_code is None:
        method_code = {"zlib": 0, "zstd": 1}[method]
    digest = md5(data) if digest is None else digest
    uncompressed = len(data) if uncompressed is None else uncompressed
    total = {1: 20, 3: 32}.get(version, 24) + len(payload) if total is None else total
    prefix = b"CCOB" + pack("<HH", version, method_code)
    if version == 1:
        return prefix + pack("<IQ", uncompressed, digest) + payload
    if version == 3:
        return prefix + pack("<QQQ", total, uncompressed, digest) + payload
    return prefix + pack("<IIQ", total, uncompressed, digest) + payload
