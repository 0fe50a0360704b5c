"""A kernel that is lost from the device code is found, whatever its kind."""

import pytest

from kinspect import Policy, Severity, checks
from kinspect.model import Artifact, CodeObject
from kinspect.names import kernels_of_stub
from kinspect.view import Memory, View
from kinspect.walk import read_binary
from tests.conftest import SAMPLES

KINDS = [
    "static_kernel",
    "hidden_kernel",
    "template_kernel",
    "anonymous_kernel",
    "c_kernel",
]
FILES = ["kinds_rdc.so", "kinds_rdc_stripped.so", "kinds_tu.so", "kinds_tu_stripped.so"]


def findings_of(data, name, policy=None):
    binary = read_binary(View(Memory(data), name))
    assert binary is not None
    return checks.run((Artifact(name, "file", (binary,)),), policy or Policy())


def code_objects(data, name):
    """Where each code object lies, by target."""
    binary = read_binary(View(Memory(data), name))
    assert binary is not None
    return {
        entry.id.target: (entry.offset, entry.size, entry.code_object)
        for bundle in binary.bundles
        for entry in bundle.hip_entries
    }


def without(data, name, kind, targets):
    """The file with a kernel renamed in some of its code objects, so that it is lost."""
    spoiled = bytearray(data)
    for target, (offset, size, found) in code_objects(data, name).items():
        assert isinstance(found, CodeObject)
        if target in targets:
            image = bytes(spoiled[offset : offset + size])
            lost = image.replace(kind.encode(), kind[:-1].encode() + b"X")
            assert lost != image
            spoiled[offset : offset + size] = lost
    return bytes(spoiled)


@pytest.mark.parametrize("name", FILES)
def test_the_whole_file_has_all_kinds_and_no_finding(name):
    data = (SAMPLES / name).read_bytes()
    for _, _, found in code_objects(data, name).values():
        assert all(any(kind in kernel for kernel in found.kernels) for kind in KINDS)
    assert [f for f in findings_of(data, name) if f.severity is not Severity.NOTE] == []


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", FILES)
def test_a_kernel_lost_from_one_code_object_breaks_parity(name, kind):
    data = (SAMPLES / name).read_bytes()
    found = findings_of(without(data, name, kind, {"gfx950"}), name)
    lost = {
        (f.target, kind in (f.kernel or "")) for f in found if f.rule == "kernel-parity"
    }
    assert ("gfx950", True) in lost


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["kinds_rdc.so", "kinds_tu.so"])
def test_a_kernel_lost_from_all_code_objects_is_missed_by_its_stub(name, kind):
    data = (SAMPLES / name).read_bytes()
    found = findings_of(without(data, name, kind, {"gfx942", "gfx950"}), name)
    errors = [f for f in found if f.severity is Severity.ERROR]
    assert errors
    assert {f.rule for f in errors} == {"missing-kernel"}
    assert all(kind in (f.kernel or "") for f in errors)


@pytest.mark.parametrize("kind", ["template_kernel", "c_kernel"])
@pytest.mark.parametrize("name", ["kinds_rdc_stripped.so", "kinds_tu_stripped.so"])
def test_visible_stubs_survive_strip(name, kind):
    data = (SAMPLES / name).read_bytes()
    found = findings_of(without(data, name, kind, {"gfx942", "gfx950"}), name)
    assert {f.rule for f in found if f.severity is Severity.ERROR} == {"missing-kernel"}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["new_driver_no_gfx950.so", "new_driver_stripped.so"])
def test_the_new_drivers_table_is_exact_stripped_or_not(name, kind):
    data = (SAMPLES / name).read_bytes()
    policy = Policy(required=(), accept=frozenset())
    assert not [f for f in findings_of(data, name, policy) if f.severity is Severity.ERROR]
    found = findings_of(without(data, name, kind, {"gfx942", "gfx90a"}), name, policy)
    errors = [f for f in found if f.severity is Severity.ERROR]
    assert {f.rule for f in errors} == {"missing-kernel"}
    assert all(kind in (f.kernel or "") for f in errors)


@pytest.mark.parametrize(
    ("stub", "kernel"),
    [
        ("_Z18__device_stub__fooPi", "_Z3fooPi"),
        ("__device_stub__foo", "foo"),
        ("_ZN12_GLOBAL__N_119__device_stub__anonEPi", "_ZN12_GLOBAL__N_14anonEPi"),
        ("_ZL28__device_stub__static_kernelPi", "_ZL13static_kernelPi"),
        ("_Z30__device_stub__template_kernelIiEvPT_", "_Z15template_kernelIiEvPT_"),
    ],
)
def test_a_stub_stands_for_its_kernel(stub, kernel):
    """Names as clang writes them (CGCUDANV, getKernelHandle)."""
    assert kernel in kernels_of_stub(stub)
