"""kpack archives, and hosts whose device code was moved to some.

Source: ROCm/rocm-systems shared/kpack, python/rocm_kpack/kpack.py, elf/kpack_transform.py
and coff/kpack_transform.py.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from struct import pack
from typing import Any

import zstandard

from tests.writers.hosts import HIPK, KPACK_REFERENCE, Host, Wrapper
from tests.writers.msgpack import packed

#: code objects by key and target
Code = Mapping[tuple[str, str], bytes]


def header(toc_offset: int, version: int = 1) -> bytes:
    return pack("<4sIQ", b"KPAK", version, toc_offset)


def frame(data: bytes, **options: Any) -> bytes:
    return zstandard.ZstdCompressor(level=3, **options).compress(data)


def toc_of(code: Code) -> dict[str, Any]:
    toc: dict[str, Any] = {}
    for ordinal, ((key, arch), data) in enumerate(code.items()):
        entry = {"type": "hsaco", "ordinal": ordinal, "original_size": len(data)}
        toc.setdefault(key, {})[arch] = entry
    return toc


def archive(
    code: Code,
    scheme: str = "none",
    start: int = 64,
    frames: Sequence[bytes] | None = None,
    drop: Sequence[str] = (),
    **fields: Any,
) -> bytes:
    """An archive; `fields` replace those of its table of contents."""
    toc: dict[str, Any] = {
        "format_version": 1,
        "group_name": "foo_lib",
        "gfx_arch_family": "gfx94X",
        "gfx_arches": sorted({arch for _, arch in code}),
        "compression_scheme": scheme,
        "toc": toc_of(code),
    }
    if scheme == "none":
        blob, blobs = b"", []
        for data in code.values():
            blobs.append({"offset": start + len(blob), "size": len(data)})
            blob += data
        toc["blobs"] = blobs
    else:
        frames = [frame(data) for data in code.values()] if frames is None else frames
        blob = pack("<I", len(frames))
        blob += b"".join(pack("<I", len(data)) + data for data in frames)
        toc |= {"zstd_offset": start, "zstd_size": len(blob)}
    toc |= fields
    for name in drop:
        del toc[name]
    return header(start + len(blob)).ljust(start, b"\0") + blob + packed(toc)


def reference(kernel_name: str, *paths: str) -> bytes:
    return packed({"kpack_search_paths": list(paths), "kernel_name": kernel_name})


def split_host(
    kernel_name: str, *paths: str, wrappers: int = 1, rdc: bool = False, **fields: Any
) -> bytes:
    """A host as a split leaves it: HIPK wrappers, numbered, and no device code."""
    own = [
        Wrapper(to=KPACK_REFERENCE, magic=HIPK, reserved=index) for index in range(wrappers)
    ]
    host = Host(
        fatbin=bytes(0x3000),
        nobits=True,
        align=4096,
        wrappers=own,
        empty=[".hip_gpubin_handle"] if rdc else [],
        reference=reference(kernel_name, *paths),
    )
    return replace(host, **fields).build().data
