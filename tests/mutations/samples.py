"""The samples that mutations are tried on: sound files, most of them compiled."""

import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.conftest import SAMPLES as DIRECTORY
from tests.mutations.elf import SH_TYPE, Elf
from tests.mutations.model import Files, Sample
from tests.writers import wheels
from tests.writers.images import layer, saved_by_docker_25, tar

#: where a wheel has its library, and how kpack archives of the samples are called
LIBRARY = "deep_ep/lib.so"
KPACK = "kpack_per_tu_{}.kpack"


def _files(*names: str) -> Callable[[], Files]:
    return lambda: {name: (DIRECTORY / name).read_bytes() for name in names}


def _of(name: str, **more: str) -> Sample:
    return Sample(name, _files(name), **more)


def _stripped(name: str) -> Callable[[], Files]:
    """Without `.symtab`: as strip leaves a host, but that its bytes stay."""

    def read() -> Files:
        data = bytearray((DIRECTORY / name).read_bytes())
        host = Elf(data)
        for section in host.sections:
            if section.name in (".symtab", ".strtab"):
                host.pack("I", section.header + SH_TYPE, 0)
        return {name: bytes(data)}

    return read


def _wheel() -> Files:
    files = {
        LIBRARY: (DIRECTORY / "per_tu_both.so").read_bytes(),
        "deep_ep/host.so": (DIRECTORY / "host_only.so").read_bytes(),
        "deep_ep/__init__.py": b"import deep_ep.lib\n",
    }
    with tempfile.TemporaryDirectory() as directory:
        path = wheels.build(Path(directory), files)
        return {path.name: path.read_bytes()}


def image_of(*more: bytes) -> bytes:
    """An image with a library in its lowest layer, and one without device code."""
    files = {
        "opt/lib.so": (DIRECTORY / "per_tu_both.so").read_bytes(),
        "usr/host.so": (DIRECTORY / "host_only.so").read_bytes(),
    }
    return tar(saved_by_docker_25([layer(files), *more]))


SAMPLES = {
    one.name: one
    for one in (
        _of("per_tu_both.so"),
        _of("deep_ep_both.so"),
        Sample("per_tu_both.so, stripped", _stripped("per_tu_both.so")),
        _of("mixed.so"),
        _of("embedded.so"),
        _of("relr.so"),
        _of("executable"),
        _of("per_tu_aarch64.so"),
        _of("offload_binary.bin"),
        _of("variables_tu.so"),
        _of("kinds_tu_stripped.so"),
        *(_of(f"ccob_v{v}_{m}.so") for v in (2, 3) for m in ("zlib", "zstd")),
        _of("code_object_gfx942.co", require="gfx942"),
        _of("new_driver_variables.so", require="gfx942"),
        Sample("a wheel", _wheel),
        Sample("an image", lambda: {"image.tar": image_of()}),
        Sample(
            "a split host",
            _files("kpack_per_tu.so", KPACK.format("gfx942"), KPACK.format("gfx950")),
            named=("kpack_per_tu.so",),  # the archives are found around it
        ),
        _of("rdc_old_driver.o"),
        _of("rdc_new_driver.o"),
        _of("librocshmem.a"),
        Sample(
            "device libraries",
            _files("librocshmem_device_gfx942.bc", "librocshmem_device_gfx950.bc"),
        ),
    )
}
