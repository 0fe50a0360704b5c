"""`verify --rocm`: the verdict of an older runtime."""

import json
import subprocess
import sys

import pytest

from tests.conftest import SAMPLES


def verdict(name, *arguments):
    command = [sys.executable, "-m", "kinspect", "verify", "--format", "json", *arguments]
    done = subprocess.run(
        [*command, SAMPLES / name], capture_output=True, text=True, check=False
    )
    report = json.loads(done.stdout)
    return done.returncode, {
        f["rule"] for f in report["findings"] if f["severity"] == "error"
    }


@pytest.mark.parametrize(
    ("name", "release", "rules"),
    [
        # generic targets came with ROCm 6.4, CCOB version 3 with 7.0, CCOB with 6.2
        ("generic.so", "6.4", set()),
        ("generic.so", "6.3", {"missing-target"}),
        ("ccob_v3_zstd.so", "7.0.1", set()),
        ("ccob_v3_zstd.so", "6.4", {"missing-target"}),
        ("ccob_v2_zstd.so", "6.2", set()),
        ("ccob_v2_zstd.so", "6.1", {"missing-target"}),
        ("ccob_v1_zstd.so", "6.4", {"missing-target"}),  # misread by all of them
        ("deep_ep_both.so", "6.0", {"refused"}),  # code object v6
        ("deep_ep_both.so", "6.2", set()),
        ("kinds_tu.so", "6.2", set()),
        ("deep_ep_both.so", "10.2", set()),
    ],
)
def test_the_release_decides_what_is_found(name, release, rules):
    assert verdict(name, "--rocm", release, "--accept", "generic") == (bool(rules), rules)


@pytest.mark.parametrize("release", ["5.7", "seven", ""])
def test_an_unknown_release_is_a_usage_error(release):
    command = [sys.executable, "-m", "kinspect", "verify", "--rocm", release or "x", "y"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "--rocm" in done.stderr
