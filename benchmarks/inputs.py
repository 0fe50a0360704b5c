"""What is measured: wheels of PyPI, what is in them, and files that are written here."""

import hashlib
import os
import struct
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from benchmarks import generated
from tests import corpus
from tests.conftest import ROOT

ONNX = ("onnxruntime", "onnxruntime/capi/libonnxruntime_providers_rocm.so")
XLA = ("jax-pjrt", "jax_plugins/xla_rocm7/xla_rocm_plugin.so")


def cached() -> Path:
    """Where what was unpacked and written is kept."""
    home = os.environ.get("KINSPECT_BENCHMARKS")
    return Path(home) if home else Path.home() / ".cache/kinspect/benchmarks"


def wheels() -> list[Path]:
    return [corpus.fetch(name) for name in sorted(corpus.WHEELS)]


def member(wheel: str, inner: str) -> Path:
    """A member of a wheel, unpacked once."""
    directory = cached() / corpus.WHEELS[wheel].sha256[:16]
    path = directory / inner
    if not path.exists():
        with zipfile.ZipFile(corpus.fetch(wheel)) as archive:
            archive.extract(inner, directory / "partial")
        path.parent.mkdir(parents=True, exist_ok=True)
        (directory / "partial" / inner).rename(path)
    return path


def _partial(path: Path) -> Path:
    """What it is called until it is whole."""
    return path.with_name(f"{path.name}.partial")


def section(library: Path) -> Path:
    """Its `.hip_fatbin` as a file, which clang's bundler wants."""
    path = library.with_suffix(".hip_fatbin")
    if not path.exists():
        partial = _partial(path)
        dump = f"--dump-section=.hip_fatbin={partial}"
        command = ["llvm-objcopy-19", dump, str(library), os.devnull]
        subprocess.run(command, check=True)
        partial.rename(path)
    return path


def payloads(library: Path) -> list[Path]:
    """The zstd frames of its compressed bundles, a file each."""
    directory = library.with_suffix(".payloads")
    if not directory.exists():
        partial = _partial(directory)
        partial.mkdir(parents=True, exist_ok=True)
        for number, data in enumerate(_frames(section(library).read_bytes())):
            (partial / f"{number:03}.zst").write_bytes(data)
        partial.rename(directory)
    return sorted(directory.glob("*.zst"))


def snapshot(library: Path) -> Path:
    """What this kinspect records of it."""
    path = library.with_suffix(".json")
    command = [sys.executable, "-m", "kinspect", "snapshot", str(library), "-o", str(path)]
    subprocess.run(command, check=True, cwd=ROOT, stderr=subprocess.DEVNULL)
    return path


def _frames(data: bytes) -> Iterator[bytes]:
    """The payloads of CCOB version 3, one after the other, zeros between them.

    Layout: magic, u16 version, u16 method, u64 total size, u64 size, u64 hash.
    """
    at = 0
    while (at := data.find(b"CCOB", at)) >= 0:
        version, method, total = struct.unpack_from("<HHQ", data, at + 4)
        if (version, method) != (3, 1):
            message = f"CCOB version {version}, method {method} at {at:#x}"
            raise ValueError(message)
        yield data[at + 32 : at + total]
        at += total


def scaled(name: str, count: int) -> Path:
    """A file of a family, written anew when its writers have changed."""
    path = generated.path(name, count, cached() / f"generated-{_writers()}")
    if not path.exists():
        # in another process: what was large once makes what it starts seem large
        code = "from benchmarks import generated; generated.main()"
        command = [sys.executable, "-c", code, name, str(count), str(path)]
        subprocess.run(command, check=True, cwd=ROOT)
    return path


@cache
def _writers() -> str:
    """Tells one state of the writers from another."""
    sources = [Path(generated.__file__), *sorted((ROOT / "tests/writers").glob("*.py"))]
    found = b"".join(source.read_bytes() for source in sources)
    return hashlib.sha256(found).hexdigest()[:16]
