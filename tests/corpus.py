"""Wheels of PyPI with device code, pinned, and downloaded once into the user's cache.

For tests marked `corpus` and for the benchmarks.
"""

import hashlib
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Wheel:
    """A wheel of PyPI, pinned."""

    requirement: str
    platform: str
    sha256: str

    @property
    def directory(self) -> Path:
        """Where it lies, once it was downloaded."""
        home = os.environ.get("KINSPECT_CORPUS", Path.home() / ".cache/kinspect/corpus")
        return Path(home, self.sha256[:16])


WHEELS = {
    "bitsandbytes": Wheel(
        "bitsandbytes==0.50.2",
        "manylinux_2_24_x86_64",
        "55348a9a4a21bfd99cf8c7b32fe67b4030ae5c2a05738e03c1747f65fa6ec283",
    ),
    "bitsandbytes-0.49": Wheel("bitsandbytes==0.49.2", "manylinux_2_24_x86_64", "54b771f06e1a3c73af5c7f16ccf0fc23a846052813d4b008d10cb6e017dd1c8c"),
    "bitsandbytes-win": Wheel("bitsandbytes==0.50.2", "win_amd64", "c697963c8fda3dcd0d7ebd9b5211ae4067feef7cd06e0350d4e816a434fe683d"),
    "aiter": Wheel("amd-aiter==0.1.7.post2.dev18", "any", "fe139d74438217c35e87e3b961166bac8db2d381eadccb371da2e63615f05a31"),
    "jax-plugin": Wheel("jax-rocm7-plugin==0.10.2", "manylinux_2_27_x86_64", "fc6c3f6641d99916ea1896353a0c27187f1fcddb811768d4607d7e78834571a3"),
    "cupy": Wheel("cupy-rocm-7-0==14.2.0", "manylinux2014_x86_64", "8e824c1c2fc386e72fe8ae69ab7c273326b17650160400f8f4ea2c932189ed1a"),
    "onnxruntime": Wheel("onnxruntime-rocm==1.22.2.post3", "manylinux_2_34_x86_64", "705596b48933446ae6766921c5c8a46ef42f0c735bf158b6eb44a60bf7f95230"),
    "jax-pjrt": Wheel("jax-rocm7-pjrt==0.12.0", "manylinux_2_27_x86_64", "4551d0714523355f2946ca1958c3f584e95661e467a641d36b726f718a1c7934"),
}  # fmt: skip


def fetch(name: str) -> Path:
    """The wheel of that name, downloaded if it is not there yet, with the right bytes."""
    pinned = WHEELS[name]
    found = sorted(pinned.directory.glob("*.whl"))
    if not found:
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps"]
        command += ["--only-binary=:all:", "--python-version", "3.11"]
        command += ["--platform", pinned.platform, "-d", str(pinned.directory)]
        subprocess.run([*command, pinned.requirement], check=True)
        found = sorted(pinned.directory.glob("*.whl"))
    (path,) = found
    with open(path, "rb") as file:
        assert hashlib.file_digest(file, "sha256").hexdigest() == pinned.sha256
    return path
