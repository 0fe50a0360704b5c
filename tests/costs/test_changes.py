"""What other ways to pack come to: lengths of bundles that another writer makes so."""

import json

import pytest

from tests.writers import (
    Host,
    Image,
    Slot,
    bitcode,
    bundle,
    ccob,
    code_object,
    kpack,
    offload_binary,
)

ONE = code_object("gfx942", *(f"kernel_{n}" for n in range(40)))
TWO = code_object("gfx950", "kernel", "other")
SIX = code_object("gfx90a", "kernel")


def host(*bundles):
    """One after the other, each on a page of its own."""
    pages = b"".join(one + bytes(-len(one) % 4096) for one in bundles)
    return Host(pages).build().data


@pytest.fixture
def changes(kinspect, tmp_path, monkeypatch):
    """What --without and others come to, by their words."""
    monkeypatch.chdir(tmp_path)

    def call(data, *options, code=0):
        (tmp_path / "x").write_bytes(data)
        done = kinspect("size", "--format", "json", *options, "x")
        assert (done.code, bool(done.err)) == (code, bool(code))
        (artifact,) = json.loads(done.out)["artifacts"]
        now = artifact["total"]["stored"]
        found = {}
        for one in artifact["changes"]:
            assert one["saved"] == now - one["stored"]
            key = ["+".join(one["without"])] if one["without"] else []
            key += ["once"] if one["share"] else []
            key += [one["compress"]] if one["compress"] else []
            found[tuple(key)] = one["stored"]
        return found, artifact

    return call


@pytest.mark.parametrize("align", [8, 4096])
def test_a_plain_bundle_without_a_target(changes, align):
    entries = {"gfx942": ONE, "gfx950": TWO, "gfx90a": SIX}
    data = bundle(*entries.items(), align=align)
    found, _ = changes(data, "--without", "each", "--without", "gfx942,gfx90a")
    for target in entries:
        rest = [one for one in entries.items() if one[0] != target]
        assert found[target,] == len(bundle(*rest, align=align))
    assert found["gfx942+gfx90a",] == len(bundle(("gfx950", TWO), align=align))


def test_a_processor_stands_for_its_modes(changes):
    plus, minus = "gfx942:xnack+", "gfx942:xnack-"
    data = bundle((plus, ONE), (minus, TWO), ("gfx950", TWO))
    found, _ = changes(data, "--without", "gfx942", "--without", plus)
    assert found["gfx942",] == len(bundle(("gfx950", TWO)))
    assert found[plus,] == len(bundle((minus, TWO), ("gfx950", TWO)))


@pytest.mark.parametrize("version", [1, 2, 3])
def test_a_compressed_bundle_keeps_its_version_and_method(changes, version):
    data = bundle(("gfx942", ONE), ("gfx950", TWO), align=4096)
    rest = bundle(("gfx950", TWO), align=4096)
    found, artifact = changes(ccob(data, version, "zlib"), "--without", "gfx942")
    assert found["gfx942",] == len(ccob(rest, version, "zlib"))
    size = len(ccob(data, version, "zlib"))
    assert artifact["packed_anew"] == {"stored": size, "again": size}


def test_a_bundle_with_nothing_left_is_gone(changes):
    found, _ = changes(bundle(("gfx942", ONE)), "--without", "gfx942")
    assert found["gfx942",] == 0


def test_a_bundle_without_the_target_stays_as_it_is(changes):
    """However it was compressed: it would not be packed anew."""
    data = ccob(bundle(("gfx950", TWO)), 3, "zstd")
    found, artifact = changes(data, "--without", "gfx942")
    assert found["gfx942",] == len(data)
    assert artifact["packed_anew"] == {"stored": 0, "again": 0}


def test_all_bundles_of_a_binary(changes):
    first, second = bundle(("gfx942", ONE), ("gfx950", TWO)), bundle(("gfx950", TWO))
    found, artifact = changes(host(first, second), "--without", "each")
    assert artifact["total"]["stored"] == len(first) + len(second)
    assert found["gfx950",] == len(bundle(("gfx942", ONE)))
    assert found["gfx942",] == 2 * len(second)


def test_equal_code_objects_are_there_once(changes):
    first = bundle(("gfx942", ONE), ("gfx950", TWO), align=4096)
    second = bundle(("gfx942", TWO), ("gfx90a", SIX), align=4096)
    third = bundle(("gfx950", TWO))
    found, artifact = changes(host(first, second, third), "--share")
    assert found["once",] == len(first) + len(bundle(("gfx90a", SIX), align=4096))
    assert artifact["equal"] == {"code_objects": 2, "inflated": 2 * len(TWO)}


def test_an_archive_loses_payloads_alone(changes):
    code = {("lib.so#0", "gfx942"): ONE, ("lib.so#0", "gfx950"): TWO}
    data = kpack.archive(code, "zstd-per-kernel")
    found, _ = changes(data, "--without", "each", "--compress", "3")
    assert found["gfx942",] == len(data) - len(kpack.frame(ONE))
    assert found["gfx950", 3] == len(data) - len(kpack.frame(TWO))
    assert found[3,] == len(data)  # that is how the writer compresses


def test_an_archive_of_plain_payloads_gets_frames(changes):
    code = {("lib.so#0", "gfx942"): ONE, ("lib.so#1", "gfx942"): TWO}
    data = kpack.archive(code)
    saved = sum(len(one) - len(kpack.frame(one)) - 4 for one in (ONE, TWO))
    assert changes(data, "--compress", "3")[0][3,] == len(data) - saved


def test_a_payload_that_two_share_counts_once(changes):
    code = {("lib.so#0", "gfx942"): ONE, ("lib.so#1", "gfx942"): ONE}
    toc = kpack.toc_of(code)
    toc["lib.so#1"]["gfx942"]["ordinal"] = 0
    data = kpack.archive(code, toc=toc)
    found, artifact = changes(data, "--share")
    assert found["once",] == artifact["total"]["stored"] == len(data)
    assert artifact["parts"]["bundle"]["stored"] == len(data) - len(ONE)


def test_what_lies_in_no_bundle_is_there_or_not(changes):
    found, _ = changes(ONE, "--without", "gfx942", "--compress", "9")
    assert found == {("gfx942",): 0, ("gfx942", 9): 0, (9,): len(ONE)}


def test_images_of_an_offload_binary(changes):
    images = (Image(bitcode(), "gfx942"), Image(bitcode(), "gfx950"))
    data = offload_binary(*images, version=2)
    found, artifact = changes(data, "--without", "gfx942", code=2)
    assert found["gfx942",] == len(data)
    (problem,) = artifact["unreadable"]
    assert "is not packed anew" in problem["message"]


def test_compression_at_a_level(changes):
    data = bundle(("gfx942", ONE), ("gfx950", TWO), align=4096)
    found, _ = changes(data, "--compress", "1", "--compress", "19", "--without", "gfx942")
    assert 32 < found[19,] < found[1,] < len(data) // 4
    assert found["gfx942", 19] < found[19,]


def test_other_entries_stay(changes):
    openmp = Slot("openmp-amdgcn-amd-amdhsa--gfx942", TWO)
    data = bundle(("gfx942", ONE), openmp, ("gfx950", SIX), align=4096)
    found, _ = changes(data, "--without", "gfx942")
    assert found["gfx942",] == len(bundle(openmp, ("gfx950", SIX), align=4096))


def test_what_is_for_no_hip_target_stays_as_it_is(changes):
    first = bundle(Slot("openmp-amdgcn-amd-amdhsa--gfx942", TWO))
    second = bundle(("gfx942", ONE), ("gfx950", TWO))
    found, _ = changes(host(first, second), "--without", "gfx942", "--share")
    assert found["gfx942",] == len(first) + len(bundle(("gfx950", TWO)))
    assert found["once",] == len(first) + len(second)
