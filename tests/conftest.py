"""Inputs that tests share: samples, tools of others, wheels of PyPI."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from kinspect import cli

# In CI the same examples each time: a check that is red by chance gets ignored.
settings.register_profile("ci", derandomize=True, deadline=None)
settings.register_profile("here", deadline=None)
settings.load_profile("ci" if os.environ.get("CI") else "here")

ROOT = Path(__file__).parent.parent
SAMPLES = ROOT / "samples"


def manifest() -> list[dict[str, Any]]:
    """What the samples hold, as other tools read them, and what verify must say."""
    path = SAMPLES / "manifest.json"
    samples = json.loads(path.read_text("utf-8"))["samples"]
    assert isinstance(samples, list)
    return samples


@pytest.fixture(scope="session")
def tool() -> Callable[[str], str]:
    """The path of a program; without it, a test is skipped here and fails in CI."""

    def find(name: str) -> str:
        path = shutil.which(name)
        if path is None:
            message = f"{name} is not installed (see .ci/run)"
            if os.environ.get("CI"):
                pytest.fail(message)
            pytest.skip(message)
        return path

    return find


@pytest.fixture(scope="session")
def run(tool: Callable[[str], str]) -> Callable[..., str]:
    """Run a program of others and return what it prints."""

    def call(name: str, *arguments: str | Path) -> str:
        done = subprocess.run(
            [tool(name), *map(str, arguments)], capture_output=True, text=True, check=True
        )
        return done.stdout

    return call


@dataclass(frozen=True)
class Done:
    """What a run of kinspect left behind."""

    code: int
    out: str
    err: str


@pytest.fixture
def kinspect(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Done]:
    """Run the command line in this process."""

    def call(*arguments: object) -> Done:
        monkeypatch.setattr(sys, "argv", ["kinspect", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        out, err = capsys.readouterr()
        code = stop.value.code
        assert isinstance(code, int)
        return Done(int(code), out, err)

    monkeypatch.delenv("KINSPECT_REQUIRE", raising=False)
    return call


@dataclass(frozen=True)
class Wheel:
    """A wheel of PyPI, pinned."""

    requirement: str
    platform: str
    sha256: str


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


@pytest.fixture(scope="session")
def wheel() -> Callable[[str], Path]:
    """A wheel of the corpus, downloaded once into the user's cache."""
    cache = Path(os.environ.get("KINSPECT_CORPUS", Path.home() / ".cache/kinspect/corpus"))

    def fetch(name: str) -> Path:
        pinned = WHEELS[name]
        directory = cache / pinned.sha256[:16]
        found = sorted(directory.glob("*.whl"))
        if not found:
            command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps"]
            command += ["--only-binary=:all:", "--python-version", "3.11"]
            command += ["--platform", pinned.platform, "-d", str(directory)]
            subprocess.run([*command, pinned.requirement], check=True)
            found = sorted(directory.glob("*.whl"))
        (path,) = found
        with open(path, "rb") as file:
            assert hashlib.file_digest(file, "sha256").hexdigest() == pinned.sha256
        return path

    return fetch


@pytest.fixture(scope="session")
def member(
    wheel: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str, str], Path]:
    """A member of a wheel, unpacked once a session."""
    directory = tmp_path_factory.mktemp("members")

    def unpack(name: str, inner: str) -> Path:
        target = directory / name / inner
        if not target.exists():
            with zipfile.ZipFile(wheel(name)) as archive:
                archive.extract(inner, directory / name)
        return target

    return unpack
