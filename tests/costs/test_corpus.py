"""Bundles of real wheels, packed anew, are what AMD's compiler made of them."""

import json

import pytest
import zstandard

pytestmark = pytest.mark.corpus


@pytest.fixture
def sized(kinspect, wheel):
    def call(name, *options):
        done = kinspect("size", "--format", "json", *options, wheel(name))
        assert done.code == 0, done.err
        (artifact,) = json.loads(done.out)["artifacts"]
        return artifact

    return call


@pytest.mark.parametrize(
    ("name", "target", "stored"),
    [("bitsandbytes-win", "gfx90a", 1_992_610), ("jax-pjrt", "gfx1250", 29_400_285)],
)
def test_compressed_bundles_come_out_to_the_byte(sized, name, target, stored):
    """Bundles of version 3 by clangs of ROCm 7 for Linux and Windows, with zstd 1.5.7."""
    found = sized(name, "--without", target, "--compress", 3)
    again = found["packed_anew"]
    compressed = found["changes"][0]
    assert (compressed["compress"], compressed["without"]) == (3, [])
    assert found["total"]["stored"] == stored
    if zstandard.ZSTD_VERSION == (1, 5, 7):
        assert compressed["saved"] == 0
        assert again["again"] == again["stored"] > stored // 2
    assert abs(compressed["saved"]) < stored // 50


def test_kernels_in_assembly_have_a_size(sized):
    """Most symbols of AITER have none: their code reaches up to the end of its section."""
    parts = sized("aiter")["parts"]
    assert parts["kernels"]["inflated"] > 100 * parts["code"]["inflated"]


def test_equal_code_objects_of_aiter(sized):
    found = sized("aiter", "--share")
    assert found["equal"] == {"code_objects": 34, "inflated": 394_072}
    (change,) = found["changes"]
    assert change["saved"] == 394_072
