"""A kernel that is lost from the device code is found, whatever its kind."""

import pytest

from kinspect import Policy, Severity, TargetID, checks
from kinspect.checks import host
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


#: what the symbols of a stripped file still prove
VISIBLE = ["template_kernel", "c_kernel"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["kinds_rdc_stripped.so", "kinds_tu_stripped.so"])
def test_a_stripped_file_says_what_can_be_proven_and_what_can_not(name, kind):
    """Visible stubs survive strip; of hidden and static kernels a name is left, no more."""
    data = (SAMPLES / name).read_bytes()
    found = findings_of(without(data, name, kind, {"gfx942", "gfx950"}), name)
    lost = [f for f in found if f.rule == "missing-kernel" and kind in (f.kernel or "")]
    assert lost
    if kind in VISIBLE:
        # the name of the static one ends like that of the extern "C" one
        assert Severity.ERROR in {f.severity for f in lost}
        return
    assert {f.severity for f in lost} == {Severity.NOTE}
    assert "can't be proven" in lost[0].message
    assert not [f for f in found if f.severity is Severity.ERROR]


NEW_DRIVER = ["new_driver_no_gfx950.so", "new_driver_stripped.so"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", NEW_DRIVER)
def test_a_kernel_lost_from_one_code_object_of_the_new_driver(name, kind):
    data = (SAMPLES / name).read_bytes()
    required = tuple(map(TargetID, ("gfx90a", "gfx942")))
    found = findings_of(
        without(data, name, kind, {"gfx942"}), name, Policy(required=required)
    )
    lost = {(f.rule, f.target) for f in found if kind in (f.kernel or "")}
    assert ("kernel-parity", "gfx942") in lost


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", NEW_DRIVER)
def test_the_new_drivers_table_is_exact_stripped_or_not(name, kind):
    data = (SAMPLES / name).read_bytes()
    policy = Policy(required=(), accept=frozenset())
    assert not [f for f in findings_of(data, name, policy) if f.severity is Severity.ERROR]
    found = findings_of(without(data, name, kind, {"gfx942", "gfx90a"}), name, policy)
    errors = [f for f in found if f.severity is Severity.ERROR]
    assert {f.rule for f in errors} == {"missing-kernel"}
    assert all(kind in (f.kernel or "") for f in errors)


@pytest.mark.parametrize(
    ("name", "proven", "named"),
    [
        ("kinds_rdc.so", 6, 0),
        ("kinds_tu.so", 6, 0),
        ("kinds_rdc_stripped.so", 3, 3),  # two of the template, and extern "C"
        ("kinds_tu_stripped.so", 3, 3),
        ("new_driver_no_gfx950.so", 6, 0),
        ("new_driver_stripped.so", 6, 0),
    ],
)
def test_how_sure_it_is_that_the_host_registers_a_kernel(name, proven, named):
    binary = read_binary(View(Memory((SAMPLES / name).read_bytes()), name))
    assert binary is not None
    found = host.evidence(binary)
    assert found is not None
    assert (len(found.proven), len(found.named), found.unseen) == (proven, named, ())


# --- variables ----------------------------------------------------------------------

VARIABLES = [
    "plain_variable",
    "constant_variable",
    "spaced_variable",
    "texture_variable",
    "surface_variable",
]
OLD_DRIVER = [
    "variables_rdc.so",
    "variables_rdc_stripped.so",
    "variables_tu.so",
    "variables_tu_stripped.so",
]
#: file → its targets
WITH_VARIABLES = {
    **dict.fromkeys(OLD_DRIVER, ("gfx942", "gfx950")),
    "new_driver_variables.so": ("gfx90a", "gfx942"),
}


def lost_variables(name, variable, *targets):
    """What is said where a variable is missing in the code objects for these targets."""
    data = (SAMPLES / name).read_bytes()
    policy = Policy(required=tuple(map(TargetID, WITH_VARIABLES[name])))
    found = findings_of(without(data, name, variable, set(targets)), name, policy)
    return [
        (f.rule, f.severity.value, f.target) for f in found if variable in (f.kernel or "")
    ]


@pytest.mark.parametrize("name", WITH_VARIABLES)
def test_all_variables_are_there_and_there_is_no_finding(name):
    data = (SAMPLES / name).read_bytes()
    policy = Policy(required=tuple(map(TargetID, WITH_VARIABLES[name])))
    assert findings_of(data, name, policy) == ()
    for _, _, found in code_objects(data, name).values():
        names = " ".join(found.variables)
        assert all(variable in names for variable in [*VARIABLES, "managed_variable"])


@pytest.mark.parametrize("variable", VARIABLES)
@pytest.mark.parametrize("name", WITH_VARIABLES)
def test_a_variable_lost_from_one_code_object(name, variable):
    """Its name in the host's data, or the table, says that the host registers it."""
    assert lost_variables(name, variable, "gfx942") == [
        ("missing-kernel", "warning", "gfx942")
    ]


@pytest.mark.parametrize("variable", VARIABLES)
@pytest.mark.parametrize("name", WITH_VARIABLES)
def test_a_variable_that_no_code_object_has_is_no_news(name, variable):
    """Compilers drop what device code never uses, and register it all the same."""
    assert lost_variables(name, variable, *WITH_VARIABLES[name]) == []


@pytest.mark.parametrize("name", ["variables_tu.so", "variables_tu_stripped.so"])
def test_a_static_variable_lost_from_one_code_object(name):
    assert lost_variables(name, "static_variable", "gfx950") == [
        ("missing-kernel", "warning", "gfx950")
    ]


#: of an RDC link, the names of variables are global and survive strip
PROVES_MANAGED = [
    "variables_rdc.so",
    "variables_rdc_stripped.so",
    "variables_tu.so",
    "new_driver_variables.so",
]


@pytest.mark.parametrize("name", PROVES_MANAGED)
def test_a_managed_variable_must_be_there(name):
    """HIP sets it up when it loads the code object: `x.managed` tells one on the host."""
    assert lost_variables(name, "managed_variable", "gfx942") == [
        ("missing-kernel", "error", "gfx942")
    ]
    # once for the binary, and not for each target
    assert lost_variables(name, "managed_variable", *WITH_VARIABLES[name]) == [
        ("missing-kernel", "error", None)
    ]


def test_where_strip_took_its_symbol_a_managed_variable_is_one_like_others():
    found = lost_variables("variables_tu_stripped.so", "managed_variable", "gfx942")
    assert ("missing-kernel", "warning", "gfx942") in found
    assert not any(severity == "error" for _, severity, _ in found)


# --- names --------------------------------------------------------------------------


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
