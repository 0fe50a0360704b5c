"""What explain tells of a device agrees with what verify says of it."""

import pytest

from kinspect import Policy, Severity, TargetID, checks, inspect
from kinspect.loader import units
from kinspect.render.explain import explain
from kinspect.runtime import NEWEST, RUNTIMES
from tests.conftest import SAMPLES, manifest

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
    "target-mismatch",
    "no-kernels",
    "oversized-header",
    "refused",
}


def agree(artifact, device, runtime):
    policy = Policy(
        required=(TargetID.parse(device),),
        accept=frozenset({"generic", "spirv"}),
        runtime=runtime,
    )
    findings = checks.run((artifact,), policy)
    for binary in artifact.binaries:
        failed = {
            finding.bundle
            for finding in findings
            if finding.rule in LOADING and finding.severity is Severity.ERROR
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


CORPUS = [
    *(
        ("bitsandbytes", f"bitsandbytes/libbitsandbytes_{name}.so")
        for name in ("rocm64", "rocm70", "rocm71", "rocm72", "rocm714", "rocm715")
    ),
    ("cupy", "cupy/cuda/cub.cpython-311-x86_64-linux-gnu.so"),
    ("cupy", "cupy/cuda/thrust.cpython-311-x86_64-linux-gnu.so"),
    ("jax-plugin", "jax_rocm7_plugin/_solver.so"),
    ("onnxruntime", "onnxruntime/capi/libonnxruntime_providers_rocm.so"),
    ("jax-pjrt", "jax_plugins/xla_rocm7/xla_rocm_plugin.so"),
]


@pytest.mark.corpus
@pytest.mark.parametrize(("wheel_name", "inner"), CORPUS)
def test_explain_and_verify_agree_on_the_corpus(member, wheel_name, inner):
    artifact = inspect(member(wheel_name, inner))
    for device in DEVICES:
        agree(artifact, device, NEWEST)
