"""Wheels of PyPI whose contents were read with other tools."""

import re
import struct
import zipfile
from pathlib import Path

import pytest
import zstandard

from kinspect import Binary, Policy, Severity, Verdict, inspect, verify
from kinspect.target import parse_required

pytestmark = pytest.mark.corpus

BNB = "bitsandbytes/libbitsandbytes_"
ONNX = "onnxruntime/capi/libonnxruntime_providers_rocm.so"
XLA = "jax_plugins/xla_rocm7/xla_rocm_plugin.so"
CUPY = ".cpython-311-x86_64-linux-gnu.so"


def binary(path: Path, *, code_objects: bool = True) -> Binary:
    (found,) = inspect(path, code_objects=code_objects).binaries
    assert not found.unreadable
    assert not found.dangling
    return found


def targets(found: Binary) -> set[frozenset[str]]:
    """The targets of each bundle, told apart only where bundles differ."""
    return {
        frozenset(entry.id.target for entry in bundle.hip_entries)
        for bundle in found.bundles
    }


@pytest.mark.parametrize(
    ("name", "version", "count", "gfx950"),
    [
        ("rocm64", 2, 14, False),
        ("rocm70", 2, 15, True),
        ("rocm71", 3, 15, True),
        ("rocm72", 3, 15, True),
        ("rocm714", 3, 25, True),
        ("rocm715", 3, 25, True),
    ],
)
def test_bitsandbytes_has_two_compressed_bundles(member, name, version, count, gfx950):
    found = binary(member("bitsandbytes", f"{BNB}{name}.so"))
    assert [(b.form.value, b.version, b.method) for b in found.bundles] == [
        ("ccob", version, "zstd")
    ] * 2
    (packed,) = targets(found)
    assert len(packed) == count
    assert "gfx942" in packed
    assert ("gfx950" in packed) is gfx950
    assert all(not bundle.faults for bundle in found.bundles)  # MD5 among them


@pytest.mark.parametrize("name", ["xpu2025", "xpu2026"])
def test_sycl_device_code_is_no_hip_code_and_no_error(member, name):
    report = verify(member("bitsandbytes", f"{BNB}{name}.so"))
    assert [finding.rule for finding in report.findings] == ["no-device-code"]
    assert report.verdict is Verdict.FAIL


@pytest.mark.parametrize(
    ("inner", "bundles"), [("_linalg", 1), ("_prng", 1), ("_solver", 2)]
)
def test_jax_plugin_has_27_targets(member, inner, bundles):
    found = binary(member("jax-plugin", f"jax_rocm7_plugin/{inner}.so"))
    assert [(b.form.value, b.version) for b in found.bundles] == [("ccob", 3)] * bundles
    (packed,) = targets(found)
    assert len(packed) == 27
    assert {"gfx942", "gfx950"} <= packed


def test_jax_solver_has_351_kernels_in_54_code_objects(member):
    found = binary(member("jax-plugin", "jax_rocm7_plugin/_solver.so"))
    assert sum(len(bundle.hip_entries) for bundle in found.bundles) == 54
    assert found.kernel_count == 351


@pytest.mark.parametrize("inner", ["cuda/cub", "cuda/thrust", "random/_generator_api"])
def test_cupy_has_one_plain_bundle_of_9_targets(member, inner):
    found = binary(member("cupy", f"cupy/{inner}{CUPY}"), code_objects=False)
    assert [bundle.form.value for bundle in found.bundles] == ["plain"]
    (packed,) = targets(found)
    assert len(packed) == 9
    assert {"gfx942", "gfx950"} <= packed


def test_cupy_cub_has_12492_kernels(member):
    assert binary(member("cupy", f"cupy/cuda/cub{CUPY}")).kernel_count == 12_492


def test_onnxruntime_has_95_plain_bundles_without_gfx950(member):
    found = binary(member("onnxruntime", ONNX))
    assert [bundle.form.value for bundle in found.bundles] == ["plain"] * 95
    assert sum(len(bundle.entries) for bundle in found.bundles) == 855
    assert sum(len(bundle.hip_entries) for bundle in found.bundles) == 760
    (packed,) = targets(found)
    assert len(packed) == 8
    assert "gfx942" in packed
    assert found.kernel_count == 81_688


def test_verify_fails_on_every_bundle_of_onnxruntime_for_gfx950(member):
    report = verify(member("onnxruntime", ONNX))
    assert report.verdict is Verdict.FAIL
    errors = [f for f in report.findings if f.severity is Severity.ERROR]
    assert [(f.rule, f.target, f.bundle) for f in errors] == [
        ("missing-target", "gfx950", index) for index in range(95)
    ]


def test_xla_inflates_to_1215_code_objects_and_409773_kernels(member):
    found = binary(member("jax-pjrt", XLA))
    assert [(b.form.value, b.version) for b in found.bundles] == [("ccob", 3)] * 45
    assert sum(b.uncompressed_size or 0 for b in found.bundles) == 2_436_893_448
    (packed,) = targets(found)
    assert len(packed) == 27
    assert sum(len(bundle.hip_entries) for bundle in found.bundles) == 1_215
    assert found.kernel_count == 409_773


@pytest.mark.parametrize(
    ("name", "inner"),
    [
        ("bitsandbytes", f"{BNB}rocm72.so"),
        ("cupy", f"cupy/cuda/cub{CUPY}"),
        ("cupy", f"cupy/cuda/thrust{CUPY}"),
        ("cupy", f"cupy/random/_generator_api{CUPY}"),
        ("jax-plugin", "jax_rocm7_plugin/_linalg.so"),
        ("jax-plugin", "jax_rocm7_plugin/_prng.so"),
        ("jax-plugin", "jax_rocm7_plugin/_solver.so"),
        ("jax-pjrt", XLA),
    ],
)
def test_verify_passes_what_has_both_targets(member, name, inner):
    report = verify(member(name, inner))
    assert {finding.severity for finding in report.findings} <= {Severity.NOTE}
    assert report.verdict is Verdict.PASS


def test_verify_fails_on_bitsandbytes_for_rocm_6(member):
    report = verify(member("bitsandbytes", f"{BNB}rocm64.so"))
    assert report.verdict is Verdict.FAIL
    assert {(f.rule, f.target) for f in report.findings} == {("missing-target", "gfx950")}


@pytest.mark.parametrize(
    ("name", "kind", "verdict"),
    [
        ("bitsandbytes", "wheel", Verdict.FAIL),  # _rocm64 lacks gfx950
        ("jax-plugin", "wheel", Verdict.PASS),
        ("cupy", "wheel", Verdict.PASS),
        ("onnxruntime", "wheel", Verdict.FAIL),
    ],
)
def test_a_whole_wheel_is_judged_without_unpacking(wheel, name, kind, verdict):
    report = verify(wheel(name))
    (artifact,) = report.artifacts
    assert artifact.kind == kind
    assert not artifact.unreadable
    assert report.verdict is verdict


def test_cuda_and_sycl_libraries_beside_do_not_disturb(wheel):
    report = verify(wheel("bitsandbytes"))
    errors = [f for f in report.findings if f.severity is Severity.ERROR]
    assert {(f.rule, f.target) for f in errors} == {("missing-target", "gfx950")}
    assert {f.path.rsplit("/", 1)[-1] for f in errors} == {"libbitsandbytes_rocm64.so"}


# --- Windows ----------------------------------------------------------------------------

#: the DLLs with HIP code, and how many targets each bundle has
DLLS = {"rocm72": 7, "rocm714": 22, "rocm715": 22}


def inflated_ids(data: bytes) -> list[set[str]]:
    """The entry IDs of every CCOB of version 3 in a file, by zstd and a pattern."""
    found = []
    for at in (match.start() for match in re.finditer(b"CCOB\\x03\\0\\x01\\0", data)):
        total, size = struct.unpack_from("<QQ", data, at + 8)
        payload = data[at + 32 : at + total]
        bundle = zstandard.ZstdDecompressor().decompress(payload, max_output_size=size)
        names = re.findall(rb"hipv4-amdgcn-amd-amdhsa--(gfx[0-9a-z-]+)", bundle[:8192])
        found.append({name.decode() for name in names})
    return found


@pytest.mark.parametrize(("name", "count"), DLLS.items())
def test_a_dll_has_two_compressed_bundles_that_wrappers_point_at(member, name, count):
    path = member("bitsandbytes-win", f"{BNB}{name}.dll")
    found = binary(path)
    assert found.format == "pei-x86-64"
    assert "amdhip64_7.dll" in found.needed
    assert [(b.form.value, b.version, b.registered) for b in found.bundles] == [
        ("ccob", 3, True)
    ] * 2
    packed = [{entry.id.target for entry in b.hip_entries} for b in found.bundles]
    assert packed == inflated_ids(path.read_bytes())
    assert [len(one) for one in packed] == [count] * 2
    assert found.kernel_count
    assert all(not bundle.faults for bundle in found.bundles)  # MD5 among them


def test_a_wheel_for_windows_is_judged_whole(wheel):
    """Neither gfx942 nor gfx950: the DLLs are for workstations; CUDA and SYCL beside."""
    report = verify(wheel("bitsandbytes-win"))
    (artifact,) = report.artifacts
    assert artifact.kind == "wheel"
    assert not artifact.unreadable
    assert len(artifact.binaries) == 13
    carrying = [b.path.rsplit("_", 1)[-1] for b in artifact.binaries if b.device_code]
    assert sorted(carrying) == ["rocm714.dll", "rocm715.dll", "rocm72.dll"]
    assert report.verdict is Verdict.FAIL
    errors = [f for f in report.findings if f.severity is Severity.ERROR]
    assert {(f.rule, f.target) for f in errors} == {
        ("missing-target", "gfx942"),
        ("missing-target", "gfx950"),
    }
    assert len(errors) == 3 * 2 * 2


def test_a_wheel_for_windows_passes_for_what_it_was_built_for(wheel):
    policy = Policy(required=parse_required(("gfx1100;gfx1201",)))
    report = verify(wheel("bitsandbytes-win"), policy)
    assert report.verdict is Verdict.PASS


# --- kernels in files of their own ------------------------------------------------------

#: EF_AMDGPU_MACH of the targets that AITER's wheel is for
MACH = {"gfx942": 0x4C, "gfx950": 0x4F}


def test_kernels_of_aiter_are_for_the_targets_of_their_directories(wheel):
    """2,501 assembled kernels; those that Triton compiled ahead of time are gfx950's."""
    path = wheel("aiter")
    machs: dict[str, set[int]] = {}
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if name.endswith(".co"):
                (flags,) = struct.unpack_from("<I", archive.read(name), 48)
                machs.setdefault(name.split("/")[2], set()).add(flags & 0xFF)
    assert machs == {target: {mach} for target, mach in MACH.items()}
    report = verify(path, exclude=("*/aot/*",))
    assert report.verdict is Verdict.PASS
    assert {(f.rule, f.severity) for f in report.findings} == {
        ("kernel-parity", Severity.NOTE)
    }
    assert sum(binary.kernel_count for binary in report.artifacts[0].binaries) == 2501
    whole = verify(path)
    errors = [f for f in whole.findings if f.severity is Severity.ERROR]
    assert {(f.rule, f.target) for f in errors} == {("missing-target", "gfx942")}
    assert all("/configs/gemm/aot/" in f.path for f in errors)
    assert len(errors) == 112


def test_a_kernel_of_aiter_in_the_wrong_directory_is_told(wheel, tmp_path):
    inner = "aiter_meta/hsa/gfx942/all_reduce.co"
    with zipfile.ZipFile(wheel("aiter")) as archive:
        data = archive.read(inner)
    for target in MACH:
        file = tmp_path / inner.replace("gfx942", target)
        file.parent.mkdir(parents=True)
        file.write_bytes(data)
    rules = {(f.rule, f.target) for f in verify(tmp_path).findings}
    assert rules == {("target-mismatch", "gfx950"), ("missing-target", "gfx950")}


@pytest.mark.parametrize(
    ("name", "release", "faults", "claims"),
    [
        ("bitsandbytes", ("bitsandbytes", "0.50.2"), 0, []),
        ("bitsandbytes-win", ("bitsandbytes", "0.50.2"), 0, []),
        ("jax-plugin", ("jax-rocm7-plugin", "0.10.2"), 0, []),
        # renamed for its platform, as auditwheel does, and WHEEL left as it was
        ("cupy", ("cupy-rocm-7-0", "14.2.0"), 0, ["gives the tags"]),
        ("onnxruntime", ("onnxruntime-rocm", "1.22.2.post3"), 311, []),
    ],
)
def test_wheels_are_what_they_say(wheel, name, release, faults, claims):
    report = verify(wheel(name), record=True)
    (found,) = report.artifacts[0].wheels
    assert (found.name, found.version) == release
    # onnxruntime's RECORD has no hashes, as `unzip -p` shows: nothing else is wrong
    assert len(found.faults) == faults
    assert all(fault.unknown for fault in found.faults)
    messages = [f.message for f in report.findings if f.rule == "claim-mismatch"]
    assert [any(c in m for m in messages) for c in claims] == [True] * len(messages)
