"""Packages, field by field: RPM (with cpio), Debian, conda."""

import hashlib
import io
import struct
import zipfile
from collections.abc import Callable, Mapping
from typing import Any

import zstandard

from tests.writers.images import jsoned, tar

#: types of RPM header entries
INT16, INT32, INT64, STRING, STRING_ARRAY = 3, 4, 5, 6, 8

REGULAR, DIRECTORY, SYMLINK = 0o100644, 0o040755, 0o120777


def cpio_header(
    name: str, size: int, mode: int = REGULAR, *, magic: str = "070701"
) -> bytes:
    """cpio(5), New ASCII Format."""
    fields = [1, mode, 0, 0, 1, 0, size, 0, 0, 0, 0, len(name) + 1, 0]
    header = magic + "".join(f"{field:08X}" for field in fields)
    return padded(header.encode() + name.encode() + b"\0")


def padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def cpio(files: Mapping[str, bytes], *, magic: str = "070701") -> bytes:
    """A payload with the names in it."""
    out = cpio_header("./usr", 0, DIRECTORY, magic=magic)
    for name, content in files.items():
        out += cpio_header(f"./{name}", len(content), magic=magic) + padded(content)
    return out + cpio_header("TRAILER!!!", 0, magic=magic)


def cpio_stripped(contents: Mapping[int, bytes]) -> bytes:
    """A payload that names files by their numbers, as rpm writes it for large ones."""
    out = b""
    for number, content in contents.items():
        out += padded(f"07070X{number:08x}".encode()) + padded(content)
    return out + cpio_header("TRAILER!!!", 0)


def rpm_header(tags: Mapping[int, tuple[int, Any]]) -> bytes:
    """A header structure: index entries, then the data that they point into."""
    index, store = b"", b""
    for tag, (kind, value) in sorted(tags.items()):
        values = value if isinstance(value, list) else [value]
        if kind in (STRING, STRING_ARRAY):
            data = b"".join(one.encode() + b"\0" for one in values)
        else:
            code, width = {INT16: ("H", 2), INT32: ("I", 4), INT64: ("Q", 8)}[kind]
            store += bytes(-len(store) % width)
            data = struct.pack(f">{len(values)}{code}", *values)
        index += struct.pack(">IIII", tag, kind, len(store), len(values))
        store += data
    head = b"\x8e\xad\xe8\x01" + bytes(4) + struct.pack(">II", len(tags), len(store))
    return head + index + store


def rpm_package(
    payload: bytes, tags: Mapping[int, tuple[int, Any]], signature: str = "odd"
) -> bytes:
    """Lead, signature, header, payload; `signature` is some text of any length."""
    lead = (
        b"\xed\xab\xee\xdb\x03\x00" + struct.pack(">HH", 0, 1) + b"x-1-1".ljust(66, b"\0")
    )
    lead = (lead + struct.pack(">HH", 1, 5)).ljust(96, b"\0")
    signed = rpm_header({1000: (INT32, 0), 1004: (STRING, signature)})
    signed += bytes(-len(signed) % 8)
    return lead + signed + rpm_header(tags) + payload


def rpm(
    files: Mapping[str, bytes],
    *,
    compress: Callable[[bytes], bytes] = bytes,
    compressor: str = "",
    digest: bool = True,
    stripped: bool = False,
    signature: str = "odd",
    **more: tuple[int, Any],
) -> bytes:
    """A package of these files."""
    payload = compress(
        cpio_stripped(dict(enumerate(files.values()))) if stripped else cpio(files)
    )
    directories = sorted(
        {f"/{name.rpartition('/')[0]}/".replace("//", "/") for name in files}
    )
    tags: dict[int, tuple[int, Any]] = {
        1000: (STRING, "x"),
        1030: (INT16, [REGULAR for _ in files]),
        1037: (INT32, [0 for _ in files]),
        1095: (INT32, [1 for _ in files]),
        1096: (INT32, [n + 1 for n, _ in enumerate(files)]),
        1116: (
            INT32,
            [
                directories.index(f"/{n.rpartition('/')[0]}/".replace("//", "/"))
                for n in files
            ],
        ),
        1117: (STRING_ARRAY, [name.rpartition("/")[2] for name in files]),
        1118: (STRING_ARRAY, directories),
        1124: (STRING, "cpio"),
        (5008 if stripped else 1028): (
            INT64 if stripped else INT32,
            [len(content) for content in files.values()],
        ),
    }
    if compressor:
        tags[1125] = (STRING, compressor)
    if digest:
        tags[5092] = (STRING_ARRAY, [hashlib.sha256(payload).hexdigest()])
        tags[5093] = (INT32, [8])
    tags |= {int(tag.removeprefix("tag")): value for tag, value in more.items()}
    return rpm_package(payload, tags, signature)


def ar(files: Mapping[str, bytes]) -> bytes:
    """ar(5), with names of up to 16 characters."""
    out = b"!<arch>\n"
    for name, content in files.items():
        header = f"{name:16}{0:<12}{0:<6}{0:<6}{'100644':8}{len(content):<10}`\n"
        out += header.encode() + content + b"\n" * (len(content) % 2)
    return out


def deb(
    files: Mapping[str, Any],
    *,
    suffix: str = "",
    compress: Callable[[bytes], bytes] = bytes,
) -> bytes:
    """deb(5): its version, the control files, the files."""
    control = tar({"./control": b"Package: x\n", "./postinst": b"#!/bin/sh\n"})
    data = tar({f"./{name}": content for name, content in files.items()})
    return ar(
        {
            "debian-binary": b"2.0\n",
            f"control.tar{suffix}": compress(control),
            f"data.tar{suffix}": compress(data),
        }
    )


def conda(files: Mapping[str, Any]) -> bytes:
    """A `.conda` package: a zip of two tars, stored."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("metadata.json", jsoned({"conda_pkg_format_version": 2}))
        archive.writestr("pkg-x-1-0.tar.zst", zstandard.compress(tar(files)))
        archive.writestr(
            "info-x-1-0.tar.zst", zstandard.compress(tar({"info/index.json": b"{}"}))
        )
    return out.getvalue()
