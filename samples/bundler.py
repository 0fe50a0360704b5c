#!/usr/bin/env python3
"""Stands in for clang-offload-bundler where LLVM 19's can't write what newer ones do.

LLVM 19 does not know gfx950 and misspells its entry (`…-gfx950-`), so the final bundles
(`hipv4-`) are written here, field by field, from LLVM's documentation of the format, and
the sections of RDC objects get their names here. All else is left to
clang-offload-bundler-19. CCOB_VERSION and CCOB_METHOD choose what --offload-compress
makes: versions 1 to 3, zlib or zstd. MISSPELLED leaves the names as LLVM 19 writes them.
"""

import hashlib
import os
import struct
import subprocess
import sys
import tempfile
import zlib

REAL = "clang-offload-bundler-19"


def main(arguments: list[str]) -> int:
    def option(name: str) -> list[str]:
        found = [a.lstrip("-") for a in arguments]
        return [a.split("=", 1)[1] for a in found if a.startswith(name + "=")]

    names = {a.lstrip("-") for a in arguments}
    targets = ",".join(option("targets")).split(",")
    if names & {"unbundle", "list"}:
        return misspelling(arguments)
    if not any(t.startswith("hipv4-") for t in targets):
        done = subprocess.run([REAL, *arguments], check=False).returncode
        if not done and "MISSPELLED" not in os.environ:
            rename(option("output")[0], stray=False)
        return done
    blobs = []
    for name in option("input"):
        with open(name, "rb") as file:
            blobs.append(file.read())
    align = int((option("bundle-align") or ["1"])[0])
    data = bundle([t + "-" if host(t) else t for t in targets], blobs, align)
    if "compress" in names:
        version = int(os.environ.get("CCOB_VERSION", "3"))
        data = compress(data, version, os.environ.get("CCOB_METHOD", "zstd"))
    with open(option("output")[0], "wb") as file:
        file.write(data)
    return 0


def rename(path: str, *, stray: bool, output: str = "") -> None:
    """Name the sections for gfx950 with or without the stray dash of LLVM 19.

    In place, in the table of names: llvm-objcopy-19 renames no sections of COFF.
    """
    with open(path, "rb") as file:
        data = file.read()
    for env in (b"", b"unknown"):
        name = b"__CLANG_OFFLOAD_BUNDLE__hip-amdgcn-amd-amdhsa-%s-gfx950" % env
        names = (name + b"-\0", name + b"\0\0")
        data = data.replace(*reversed(names)) if stray else data.replace(*names)
    with open(output or path, "wb") as file:
        file.write(data)


def misspelling(arguments: list[str]) -> int:
    """Unbundle with LLVM 19, from copies whose sections are named as it would name them."""
    with tempfile.TemporaryDirectory() as work:
        given = list(arguments)
        for index, one in enumerate(given):
            name, _, path = one.partition("=")
            if name.lstrip("-") == "input":
                copy = os.path.join(work, os.path.basename(path))
                rename(path, stray=True, output=copy)
                given[index] = f"{name}={copy}"
        return subprocess.run([REAL, *given], check=False).returncode


def host(target: str) -> bool:
    """ROCm 7 spells the host with a trailing dash."""
    return target.startswith("host-") and not target.endswith("-")


def bundle(ids: list[str], blobs: list[bytes], align: int = 4096) -> bytes:
    """magic[24]; u64 N; N x {u64 offset; u64 size; u64 id_size; char id[]}; objects."""
    size = 24 + 8 + sum(24 + len(i) for i in ids)
    table = b"__CLANG_OFFLOAD_BUNDLE__" + struct.pack("<Q", len(ids))
    body = b""
    start = -(-size // align) * align
    for name, blob in zip(ids, blobs, strict=True):
        body += bytes(-len(body) % align)
        table += (
            struct.pack("<QQQ", start + len(body), len(blob), len(name)) + name.encode()
        )
        body += blob
    return table.ljust(start, b"\0") + body


def compress(data: bytes, version: int, method: str) -> bytes:
    """magic, u16 version, u16 method, [total], uncompressed size, first 8 of the MD5."""
    if method == "zlib":
        payload = zlib.compress(data, 9)
    else:
        command = ["zstd", "-q", "-c", "-19", "--no-check"]
        payload = subprocess.run(
            command, input=data, capture_output=True, check=True
        ).stdout
    head = struct.pack("<4sHH", b"CCOB", version, int(method == "zstd"))
    digest = hashlib.md5(data, usedforsecurity=False).digest()[:8]
    if version == 1:
        head += struct.pack("<I", len(data))
    elif version == 2:
        head += struct.pack("<II", 24 + len(payload), len(data))
    else:
        head += struct.pack("<QQ", 32 + len(payload), len(data))
    return head + digest + payload


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
