"""Inputs that tests share: samples, tools of others, wheels of PyPI."""

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
from tests import corpus

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


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector):
    """A module whose library is missing is skipped here and fails in CI."""
    report = yield
    _no_library_is_missing(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):
    report = yield
    _no_library_is_missing(report)
    return report


def _no_library_is_missing(report: pytest.CollectReport | pytest.TestReport) -> None:
    # the words of pytest.importorskip
    if (
        os.environ.get("CI")
        and report.skipped
        and "could not import" in str(report.longrepr)
    ):
        report.outcome = "failed"


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


@pytest.fixture(scope="session")
def wheel() -> Callable[[str], Path]:
    """A wheel of the corpus, downloaded once into the user's cache."""
    return corpus.fetch


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
