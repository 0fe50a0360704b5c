"""Extracted bytes equal those that LLVM's and ROCm's own tools take out.

Where neither can read the input, the MD5 in the header of a compressed bundle is the
witness. And llvm-readelf-19 accepts every code object.
"""

import hashlib
import re
from pathlib import Path
from struct import unpack_from

import pytest

from kinspect.extraction import Directory, Kind, Request, Selection, extract
from tests.conftest import SAMPLES, manifest

pytestmark = pytest.mark.oracle

#: LLVM 19 does not know these
NEWER = {"gfx950", "gfx1153"}
ALL = sorted(sample["file"] for sample in manifest())
HEADERS = {1: ("<4xHHIQ", 3, 2), 2: ("<4xHHIIQ", 4, 3), 3: ("<4xHHQQQ", 4, 3)}


@pytest.fixture
def take(tmp_path):
    """Everything of an artifact, with the manifest's facts."""

    def call(path: Path, *kinds: Kind, **more):
        place = tmp_path / f"out-{path.name}-{'-'.join(kinds)}"
        request = Request((str(path),), Selection(kinds=frozenset(kinds), **more))
        with Directory(str(place)) as to:
            found = list(extract(request, to))
        return [(one, place / one.file) for one in found], request.problems

    return call


def code_objects(take, path, **more):
    return take(path, Kind.CODE_OBJECT, **more)[0]


def accepted(run, files):
    """llvm-readelf prints the headers and notes of each, and warns of nothing."""
    for at in range(0, len(files), 100):
        chunk = files[at : at + 100]
        printed = run("llvm-readelf-19", "-h", "--notes", *chunk)
        assert printed.count("EM_AMDGPU") == len(chunk)
        assert "warning" not in printed


@pytest.mark.parametrize("name", ALL)
def test_llvm_readelf_accepts_every_code_object(run, take, name):
    accepted(run, [path for _, path in code_objects(take, SAMPLES / name)])


def by_roc_obj(run, path, to):
    """What roc-obj-ls lists, as roc-obj-extract writes it: by entry ID, in order."""
    to.mkdir()
    printed = run("roc-obj-ls", path)
    found = []
    for id_, uri in re.findall(
        r"^\d+\s+(\S+)\s+(\S+#offset=\d+&size=\d+)$", printed, re.MULTILINE
    ):
        if not uri.endswith("size=0"):
            run("roc-obj-extract", "-o", to, uri)
            at, size = re.findall(r"offset=(\d+)&size=(\d+)", uri)[0]
            (file,) = to.glob(f"*-offset{at}-size{size}.co")
            found.append((id_, file.read_bytes()))
    return found


#: roc-obj-ls looks for .hip_fatbin by name, and knows no kpack
UNSEEN = ("ccob", "embedded", "no_sections", "host_only", "unowned", "kpack")


@pytest.mark.parametrize(
    "name", [n for n in ALL if n.endswith(".so") and not any(u in n for u in UNSEEN)]
)
def test_samples_equal_those_of_roc_obj_extract(run, take, tmp_path, name):
    theirs = by_roc_obj(run, SAMPLES / name, tmp_path / "theirs")
    assert theirs
    ours = [
        (one.id.text, path.read_bytes())
        for one, path in code_objects(take, SAMPLES / name)
        if one.form == "plain"
    ]
    assert sorted(ours) == sorted(theirs)


@pytest.mark.parametrize("name", ["bundle.hipfb", "bundle_ccob.hipfb"])
def test_raw_bundles_are_what_the_samples_were_packed_from(take, name):
    """The samples' own build unpacked them by hand (samples/build.sh)."""
    found = {
        one.id.target: path.read_bytes() for one, path in code_objects(take, SAMPLES / name)
    }
    assert found == {
        target: (SAMPLES / f"code_object_{target}.co").read_bytes()
        for target in ("gfx942", "gfx950")
    }


def checked_by_md5(files):
    """Inflated bundles against the hash in the header of what they were inflated from."""
    inflated = {one.bundle: path for one, path in files if one.kind is Kind.INFLATED}
    count = 0
    for one, path in files:
        data = path.read_bytes()
        if one.kind is not Kind.BUNDLE or not data.startswith(b"CCOB"):
            continue
        (version,) = unpack_from("<H", data, 4)
        layout, hash_at, size_at = HEADERS[version]
        fields = unpack_from(layout, data)
        whole = inflated[one.bundle].read_bytes()
        assert len(whole) == fields[size_at]
        digest = hashlib.md5(whole).digest()
        assert int.from_bytes(digest[:8], "little") == fields[hash_at]
        count += 1
    return count


def entries_lie_in_their_bundle(files):
    """Each code object is, byte by byte, at its place in the inflated bundle."""
    inflated = {
        one.bundle: path.read_bytes() for one, path in files if one.kind is Kind.INFLATED
    }
    for one, path in files:
        if one.kind is Kind.CODE_OBJECT:
            at, size = one.place.inflated_offset, one.place.inflated_size
            assert inflated[one.bundle][at : at + size] == path.read_bytes()


EVERYTHING = (Kind.BUNDLE, Kind.INFLATED, Kind.CODE_OBJECT)


@pytest.mark.parametrize("name", [n for n in ALL if "ccob" in n])
def test_samples_of_compressed_bundles_have_the_md5_of_their_header(take, name):
    files, problems = take(SAMPLES / name, *EVERYTHING)
    assert not problems
    assert checked_by_md5(files) == 1
    entries_lie_in_their_bundle(files)


@pytest.mark.parametrize("name", ["ccob_v2_zlib.so", "ccob_v2_zstd.so", "deep_ep_both.so"])
def test_entries_equal_those_of_clang_offload_bundler(run, take, tmp_path, name):
    """It reads the first bundle, up to version 2, and knows no gfx950."""
    files, _ = take(SAMPLES / name, Kind.BUNDLE, Kind.CODE_OBJECT)
    (bundle,) = (path for one, path in files if one.kind is Kind.BUNDLE)
    (mine,) = (
        (one, path)
        for one, path in files
        if one.kind is Kind.CODE_OBJECT and one.id.target == "gfx942"
    )
    theirs = tmp_path / "theirs"
    run(
        "clang-offload-bundler-19", "--unbundle", "--type=o", f"--input={bundle}",
        f"--targets={mine[0].id.text}", f"--output={theirs}",
    )  # fmt: skip
    assert mine[1].read_bytes() == theirs.read_bytes()


# --- wheels of PyPI -----------------------------------------------------------------------

BNB = "bitsandbytes/libbitsandbytes_"
CUPY = "cupy/random/_generator_api.cpython-311-x86_64-linux-gnu.so"


@pytest.mark.corpus
@pytest.mark.parametrize(
    ("wheel_name", "inner", "bundles", "objects"),
    [
        ("bitsandbytes", f"{BNB}rocm64.so", 2, 28),
        ("bitsandbytes", f"{BNB}rocm72.so", 2, 30),
        ("bitsandbytes-win", f"{BNB}rocm72.dll", 2, 14),
        ("jax-plugin", "jax_rocm7_plugin/_solver.so", 2, 54),
    ],
)
def test_compressed_bundles_of_wheels(
    run, wheel, take, wheel_name, inner, bundles, objects
):
    """Straight from the wheel."""
    files, problems = take(wheel(wheel_name), *EVERYTHING, binaries=(inner,))
    assert not problems
    assert checked_by_md5(files) == bundles
    entries_lie_in_their_bundle(files)
    mine = [path for one, path in files if one.kind is Kind.CODE_OBJECT]
    tables = [path.read_bytes() for one, path in files if one.kind is Kind.INFLATED]
    # each has an entry for the host, which is empty
    assert sum(unpack_from("<Q", data, 24)[0] - 1 for data in tables) == objects
    assert len(mine) == objects
    accepted(run, mine)


@pytest.mark.corpus
def test_bitsandbytes_for_rocm_6_equals_what_clang_offload_bundler_takes_out(
    run, wheel, take, tmp_path
):
    """CCOB version 2, each of its bundles for itself, every target that LLVM 19 knows."""
    files, _ = take(wheel("bitsandbytes"), *EVERYTHING, binaries=(f"{BNB}rocm64.so",))
    bundles = {one.bundle: path for one, path in files if one.kind is Kind.BUNDLE}
    compared = 0
    for one, path in files:
        if one.kind is Kind.CODE_OBJECT and one.id.target not in NEWER:
            theirs = tmp_path / "theirs"
            run(
                "clang-offload-bundler-19", "--unbundle", "--type=o",
                f"--input={bundles[one.bundle]}", f"--targets={one.id.text}",
                f"--output={theirs}",
            )  # fmt: skip
            assert path.read_bytes() == theirs.read_bytes()
            compared += 1
    assert compared == 26


@pytest.mark.corpus
def test_cupy_equals_what_roc_obj_extract_takes_out(run, wheel, member, take, tmp_path):
    theirs = by_roc_obj(run, member("cupy", CUPY), tmp_path / "theirs")
    files = code_objects(take, wheel("cupy"), binaries=("*/_generator_api*",))
    assert len(files) == 9
    assert sorted((one.id.text, path.read_bytes()) for one, path in files) == sorted(theirs)
    accepted(run, [path for _, path in files])


@pytest.mark.corpus
def test_a_bundle_of_onnxruntime_equals_what_roc_obj_extract_takes_out(
    run, member, take, tmp_path
):
    """One of 95, far into a file of half a gigabyte."""
    path = member("onnxruntime", "onnxruntime/capi/libonnxruntime_providers_rocm.so")
    files = code_objects(take, path, bundles=frozenset({70}))
    assert len(files) == 8
    for one, mine in files:
        run("roc-obj-extract", "-o", tmp_path, f"{one.place}")
        (theirs,) = tmp_path.glob(f"*-offset{one.place.offset}-size{one.place.size}.co")
        assert mine.read_bytes() == theirs.read_bytes()
    accepted(run, [mine for _, mine in files])
