"""What explain tells of a device agrees with what verify says of it."""

import re
import zipfile

import pytest

from kinspect import Policy, Severity, TargetID, checks, inspect
from kinspect.loader import asked, units
from kinspect.render.explain import explain
from kinspect.runtime import NEWEST, RUNTIMES
from tests.conftest import SAMPLES, manifest
from tests.test_registration import without
from tests.writers import Kernel, bundle, code_object

#: what real devices report: MI300X and MI355X, with xnack off and on
DEVICES = [
    "gfx942:sramecc+:xnack-",
    "gfx942:sramecc+:xnack+",
    "gfx950:sramecc+:xnack-",
    "gfx950:sramecc+:xnack+",
]
#: rules that say that a bundle could not be loaded, or its kernels not be launched
LOADING = {
    "missing-target",
    "partial-target",
    "broken-code-object",
    "broken-kernel",
    "target-mismatch",
    "no-kernels",
    "oversized-header",
    "refused",
    "kpack-unresolved",
}


def agree(artifact, device, runtime):
    policy = Policy(
        required=(TargetID.parse(device),),
        accept=frozenset({"generic", "spirv"}),
        runtime=runtime,
    )
    findings = checks.run((artifact,), policy)
    for binary in artifact.binaries:
        if not asked(binary, policy.required):
            continue  # a kpack archive is held to the targets that it lists
        failed = {
            finding.bundle
            for finding in findings
            if finding.rule in LOADING
            and finding.severity is Severity.ERROR
            and finding.path == binary.path
        }
        for unit in units(binary):
            told = explain(unit, TargetID.parse(device), runtime)
            assert told.loads == (unit.index not in failed), told.lines


@pytest.mark.parametrize("name", sorted(sample["file"] for sample in manifest()))
def test_explain_and_verify_agree_on_every_sample(name):
    artifact = inspect(SAMPLES / name)
    for device in DEVICES:
        for runtime in RUNTIMES:
            agree(artifact, device, runtime)


#: bundles of each wheel, as other tools counted them
UNITS = {
    "bitsandbytes": 12,
    "bitsandbytes-0.49": 6,
    "bitsandbytes-win": 6,
    "jax-plugin": 4,
    "cupy": 3,
    "onnxruntime": 95,
    "jax-pjrt": 45,
}


@pytest.mark.corpus
@pytest.mark.parametrize("name", UNITS)
def test_explain_and_verify_agree_on_every_wheel_of_the_corpus(wheel, name):
    artifact = inspect(wheel(name))
    found = [unit for binary in artifact.binaries for unit in units(binary)]
    assert len(found) == UNITS[name]
    for device in DEVICES:
        agree(artifact, device, NEWEST)


@pytest.mark.corpus
def test_kernels_in_files_of_their_own_load_on_the_target_of_their_directory(wheel):
    """Verify judges such files together; explain tells of each."""
    artifact = inspect(wheel("aiter"))
    with zipfile.ZipFile(wheel("aiter")) as archive:
        inner = [one for one in archive.namelist() if re.search(r"/hsa/.*\.co$", one)]
    loose = [one for one in artifact.binaries if "/hsa/" in one.path]
    assert len(loose) == len(inner) > 2000
    for binary in loose:
        (unit,) = units(binary)
        for device in DEVICES:
            told = explain(unit, TargetID.parse(device), NEWEST)
            assert told.loads is (f"/{device.split(':')[0]}" in binary.path), binary.path


# --- the command --------------------------------------------------------------------


def test_a_wheel_is_told_library_by_library(kinspect, tmp_path):
    path = tmp_path / "w-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("deep_ep_both.so", "per_tu_one_lacks.so", "host_only.so"):
            archive.write(SAMPLES / name, f"w/{name}")
    done = kinspect("explain", path, "--device", "gfx950:sramecc+:xnack-")
    heads = [line for line in done.out.splitlines() if line and not line.startswith(" ")]
    ends = "gfx950:sramecc+:xnack-  (ROCm 10.0)"
    assert heads == [
        f"{path}!w/deep_ep_both.so  bundle 0  {ends}",
        f"{path}!w/deep_ep_both.so  the host",
        *(f"{path}!w/per_tu_one_lacks.so  bundle {n}  {ends}" for n in range(3)),
        f"{path}!w/per_tu_one_lacks.so  the host",
    ]
    assert (done.code, done.err) == (1, "")
    assert done.out.count("choice    none") == 1


@pytest.mark.parametrize(
    ("name", "code", "says"),
    [
        ("host_only.so", 2, "no HIP device code"),
        ("librocshmem.a", 2, "just device bitcode: HIP loads none of it"),
        ("deep_ep_both.so", 0, ""),
        ("deep_ep_no_gfx950.so", 1, ""),
    ],
)
def test_exit_codes(kinspect, name, code, says):
    done = kinspect("explain", SAMPLES / name, "-d", "gfx950")
    assert done.code == code
    assert says in done.err


def test_kernels_are_told_by_glob(kinspect):
    sample = SAMPLES / "kinds_tu.so"
    done = kinspect("explain", sample, "-d", "gfx950:sramecc+:xnack-", "-k", "c_kernel")
    assert "kernel    c_kernel: can be launched\n" in done.out
    assert done.code == 0
    done = kinspect("explain", sample, "-d", "gfx1100", "-k", "*static_kernel*")
    told = "kernel    static_kernel(int*): hipErrorInvalidImage at the first launch"
    assert told in done.out
    done = kinspect("explain", sample, "-d", "gfx950", "-k", "no_such_kernel")
    assert done.code == 2
    assert "no kernel matches 'no_such_kernel'" in done.err


def test_a_registered_kernel_that_no_code_object_has_aborts(kinspect, tmp_path):
    data = (SAMPLES / "kinds_tu.so").read_bytes()
    path = tmp_path / "kinds_tu.so"
    path.write_bytes(without(data, path.name, "c_kernel", {"gfx942", "gfx950"}))
    done = kinspect("explain", path, "-d", "gfx950:sramecc+:xnack-")
    assert done.code == 1
    assert f"{path}  the host\n" in done.out
    assert "problem   the host registers c_kernel, and no code object has it" in done.out
    assert "error     abort at its first launch" in done.out


def test_a_kernel_that_can_not_run_is_told(kinspect, tmp_path):
    astray = Kernel("k", described={"entry": 4})
    path = tmp_path / "x.co"
    path.write_bytes(code_object("gfx950", astray, "other"))
    done = kinspect("explain", path, "-d", "gfx950", "-k", "k", "-k", "other")
    assert done.code == 1
    assert "problem   1 kernel can't run: k: its entry" in done.out
    assert "error     a fault or wrong results when it is launched" in done.out
    assert "kernels   1 kernel can be launched\n" in done.out
    assert "kernel    k: can't run: its entry" in done.out
    assert "kernel    other: can be launched\n" in done.out


@pytest.mark.parametrize("data", [b"no SPIR-V", code_object("gfx950")[:16] + b"\1\0"])
def test_what_was_never_made_to_be_loaded_is_told(kinspect, tmp_path, data):
    """Bytes that are called SPIR-V, and an object that was not linked."""
    whole = data + code_object("gfx950")[len(data) :]
    id_ = "hip-spirv64-amd-amdhsa--amdgcnspirv" if data == b"no SPIR-V" else "gfx950"
    path = tmp_path / "x.hipfb"
    path.write_bytes(bundle((id_, whole)))
    done = kinspect("explain", path, "-d", "gfx950")
    assert done.code == 1
    wanted = "it can't be compiled: not SPIR-V" if "spirv" in id_ else "was not linked"
    assert wanted in done.out


def test_forced_spirv(kinspect, tmp_path):
    done = kinspect("explain", SAMPLES / "deep_ep_both.so", "-d", "gfx950", "--force-spirv")
    assert done.code == 1
    assert done.out.count("nothing suits this device") == 4
