"""What mutations start from: the samples, and bytes of each format by the writers."""

import io
import lzma
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Mapping
from functools import cache

import zstandard

from tests.conftest import SAMPLES
from tests.writers import Host, Image, Kernel, bundle, ccob, code_object, offload_binary
from tests.writers.images import (
    Link,
    gzipped,
    layer,
    oci,
    saved_by_docker_24,
    saved_by_docker_25,
    tar,
)
from tests.writers.msgpack import packed
from tests.writers.packages import conda, deb, rpm

#: larger samples slow the search down and hold nothing that small ones lack
SMALL = 40_000


@cache
def seeds() -> Mapping[str, tuple[bytes, ...]]:
    """For each target some good inputs."""
    samples = [p.read_bytes() for p in sorted(SAMPLES.iterdir()) if p.is_file()]
    small = [data for data in samples if len(data) < SMALL]
    elves = [d for d in small if d.startswith(b"\x7fELF")]
    kernels = (Kernel("_Z3fooPi"), Kernel("bar"))
    objects = (code_object("gfx942", *kernels), code_object("gfx950", *kernels))
    pair = bundle(("gfx942", objects[0]), ("gfx950", objects[1]))
    compressed = tuple(
        ccob(pair, version=v, method=m) for v in (1, 2, 3) for m in ("zlib", "zstd")
    )
    images = tuple(
        offload_binary(Image(objects[0]), Image(objects[1], "gfx950"), version=version)
        for version in (2, 3)
    )
    hosts = (Host(pair).build().data, Host(compressed[-1]).build().data)
    bitcode = tuple(_bitcode_of(samples))
    archives = tuple(_archives(hosts[0]))
    reference = packed({"kernel_name": "lib/a.so", "kpack_search_paths": ["a@GFXARCH@"]})
    kpacks = tuple(_kpacks(objects[0]))
    notes = packed(
        {
            "amdhsa.version": [1, 2],
            "amdhsa.target": "amdgcn-amd-amdhsa--gfx942",
            "amdhsa.kernels": [{".name": "f", ".symbol": "f.kd", ".vgpr_count": 4}],
        }
    )
    coff = tuple(d for d in samples if d.startswith(b"MZ")) or _coffs(pair)
    names = (
        b"hipv4-amdgcn-amd-amdhsa--gfx942:sramecc+:xnack-",
        b"_Z18__device_stub__fooPi",
    )
    return {
        "anatomy": (*objects, *_code_objects(samples)),
        "binary": (*hosts, *elves, pair, *compressed, *images, *bitcode, *coff),
        "bitcode": bitcode,
        "bundle": (pair, bundle()),
        "ccob": compressed,
        "code_object": (*objects, *_code_objects(samples)),
        "coff": coff,
        "elf": (hosts[0], *elves[:12]),
        "file": (*hosts, *archives, *kpacks, *compressed, *bitcode),
        "kpack": kpacks,
        "kpack_reference": (reference,),
        "metadata": (notes,),
        "names": names,
        "offload_binary": images,
        "sizes": (*hosts, *kpacks, *compressed, *images, *bitcode, pair),
    }


def _bitcode_of(samples: list[bytes]) -> list[bytes]:
    """Bitcode as compilers make it, cut out of the RDC samples."""
    found = []
    for data in samples:
        at = data.find(b"BC\xc0\xde")
        if at >= 0 and data.startswith(b"\x7fELF"):
            found.append(data[at : at + 6000])
    whole = [_section(data) for data in samples if b"__CLANG_OFFLOAD_BUNDLE__hip" in data]
    return [data for data in whole if data] + found[:1]


def _section(data: bytes) -> bytes:
    """The first section of an ELF object that holds bitcode."""
    if not data.startswith(b"\x7fELF"):
        return b""
    at, size, count = *struct.unpack_from("<Q", data, 40), 64, data[60]
    for index in range(count):
        offset, length = struct.unpack_from("<2Q", data, at + index * size + 24)
        if data[offset : offset + 4] == b"BC\xc0\xde":
            return data[offset : offset + length]
    return b""


def _code_objects(samples: list[bytes]) -> list[bytes]:
    return [d for d in samples if d.startswith(b"\x7fELF\x02\x01\x01\x40")]


def _kpacks(payload: bytes) -> list[bytes]:
    """Archives of both schemes."""
    found = []
    frame = zstandard.compress(payload)
    zstd = struct.pack("<II", 1, len(frame)) + frame
    for scheme, blob in (("none", payload), ("zstd-per-kernel", zstd)):
        entry = {"type": "hsaco", "ordinal": 0, "original_size": len(payload)}
        toc = {
            "format_version": 1, "group_name": "a", "gfx_arch_family": "gfx942",
            "gfx_arches": ["gfx942"], "compression_scheme": scheme,
            "toc": {"lib/a.so#0": {"gfx942": entry}},
        }  # fmt: skip
        if scheme == "none":
            toc["blobs"] = [{"offset": 64, "size": len(blob)}]
        else:
            toc |= {"zstd_offset": 64, "zstd_size": len(blob)}
        head = b"KPAK" + struct.pack("<IQ", 1, 64 + len(blob))
        found.append(head.ljust(64, b"\0") + blob + packed(toc))
    return found


def _archives(member: bytes) -> list[bytes]:
    zipped, tarred = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("pkg/lib.so", member)
        archive.writestr("pkg-1.dist-info/WHEEL", "Wheel-Version: 1.0\n")
    with tarfile.open(fileobj=tarred, mode="w") as archive:
        info = tarfile.TarInfo("lib.so")
        info.size = len(member)
        archive.addfile(info, io.BytesIO(member))
    plain = tarred.getvalue()
    header = f"{'lib.so/':16}{'0':12}{'0':6}{'0':6}{'644':8}{len(member):<10}`\n".encode()
    ar = b"!<arch>\n" + header + member
    stream = zlib.compressobj(wbits=31)
    return [
        zipped.getvalue(), plain, ar, zstandard.compress(plain),
        stream.compress(plain) + stream.flush(),
        *_packages({"lib.so": member, "b": b"text"}),
    ]  # fmt: skip


def _packages(files: Mapping[str, bytes]) -> list[bytes]:
    """Images and packages; of an image without digests, more can be changed unnoticed."""
    layers = [layer(files), layer({".wh.b": b"", "c": Link("d"), "d": b"1"})]
    loose = saved_by_docker_24(layers)
    (config,) = [name for name in loose if len(name) == 69 and name.endswith(".json")]
    loose["config.json"] = loose.pop(config)
    loose["manifest.json"] = loose["manifest.json"].replace(config.encode(), b"config.json")
    return [
        tar(loose), tar(saved_by_docker_25(layers)), tar(oci(layers, compress=gzipped)),
        rpm(files, compress=gzipped), rpm(files, compress=zstandard.compress, stripped=True),
        deb(files, suffix=".xz", compress=lzma.compress), conda(files),
    ]  # fmt: skip


def _coffs(fatbin: bytes) -> tuple[bytes, ...]:
    """A COFF object with two sections (Microsoft, "PE Format")."""
    sections = (
        (b".hip_fat", fatbin),
        (b".hipFatB", struct.pack("<IIQQ", 0x48495046, 1, 0, 0)),
    )
    at = 20 + 40 * len(sections)
    headers = bodies = b""
    for name, data in sections:
        headers += struct.pack(
            "<8s6I2HI", name, len(data), 0, len(data), at, 0, 0, 0, 0, 0x40000040
        )
        bodies += data
        at += len(data)
    head = struct.pack("<2H3I2H", 0x8664, len(sections), 0, at, 0, 0, 0)
    no_strings = struct.pack("<I", 4)  # the table of long names follows the symbols
    return (head + headers + bodies + no_strings,)
