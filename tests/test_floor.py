"""Which ROCm release an artifact needs, against the runtime that it links."""

import pytest

from kinspect import Severity
from kinspect.needs import read_since
from kinspect.runtime import NEWEST, runtime
from kinspect.target import parse_required
from tests.reading import judge
from tests.test_loader_reference import told
from tests.writers import Host, bundle, ccob, code_object
from tests.writers.code_objects import V5, V6

SPIRV = "hip-spirv64-amd-amdhsa--amdgcnspirv"
NATIVE = bundle(("gfx942", code_object("gfx942", abi=V5)))
NATIVE_V6 = bundle(("gfx942", code_object("gfx942", abi=V6)))
GENERIC = bundle(("gfx9-4-generic", code_object("gfx9-4-generic", abi=V6)))
JIT = bundle((SPIRV, b"\x03\x02\x23\x07" + bytes(60)))


def floors(data, library):
    """What is said where a library with this device code links a runtime."""
    host = Host(data, needed=["libstdc++.so.6", library]).build().data
    accept = frozenset({"generic", "spirv"})
    _, found = judge(host, required=parse_required(("gfx942",)), accept=accept)
    assert {f.severity for f in found if f.rule == "runtime-floor"} <= {Severity.WARNING}
    return [
        f.message.split(" or newer")[0].replace(" needs ROCm ", ": ")
        for f in found
        if f.rule == "runtime-floor"
    ]


@pytest.mark.parametrize(
    ("data", "library", "expected"),
    [
        (NATIVE, "libamdhip64.so.5", []),
        (NATIVE, "libamdhip64.so.6", []),
        # by date: LLVM #76954, January 2024
        (NATIVE_V6, "libamdhip64.so.5", ["code object v6: 6.2"]),
        (NATIVE_V6, "libamdhip64.so.6", []),
        # LLVM #88827 and comgr 2.8; LLVM #122307
        (ccob(NATIVE, 2), "libamdhip64.so.5", ["CCOB version 2: 6.2"]),
        (ccob(NATIVE, 2), "libamdhip64.so.6", []),
        (ccob(NATIVE, 3), "libamdhip64.so.6", ["CCOB version 3: 7.0"]),
        (ccob(NATIVE, 3), "libamdhip64.so.7", []),
        (ccob(NATIVE, 3), "amdhip64_6.dll", ["CCOB version 3: 7.0"]),
        # ROCm/Tensile #2124; ROCm/legacy-rocm-build #4602
        (
            GENERIC,
            "libamdhip64.so.5",
            ["a generic code object: 6.4", "code object v6: 6.2"],
        ),
        (GENERIC, "libamdhip64.so.6", []),
        (ccob(GENERIC, 2), "libamdhip64.so.6", ["a compressed generic code object: 7.0"]),
        (ccob(GENERIC, 2), "libamdhip64.so.7", []),
        (JIT, "libamdhip64.so.5", ["SPIR-V: 6.4"]),
        (JIT, "libamdhip64.so.7", []),
        # no runtime of a known release is linked
        (ccob(NATIVE, 3), "libamdhip64.so", []),
    ],
)
def test_a_release_that_is_linked_and_too_old(data, library, expected):
    assert floors(data, library) == expected


def test_a_native_code_object_beside_a_generic_one_needs_less():
    both = bundle(
        ("gfx942", code_object("gfx942")),
        ("gfx9-4-generic", code_object("gfx9-4-generic", abi=V6)),
    )
    assert floors(both, "libamdhip64.so.5") == []


@pytest.mark.parametrize(
    ("abi", "release", "loads"),
    [
        (V5, "6.0", True),
        (V6, "6.0", False),
        (V6, "6.2", True),
        (V6, "10", True),
        (V6 + 1, "10", False),  # what nobody has written yet, no runtime promises to load
    ],
)
def test_the_newest_code_object_that_a_runtime_loads(abi, release, loads):
    data = Host(bundle(("gfx942", code_object("gfx942", abi=abi)))).build().data
    found = told(data, "gfx942:sramecc+:xnack-", runtime(release))
    assert found.loads is loads
    _verdict, findings = judge(
        data, required=parse_required(("gfx942",)), runtime=runtime(release)
    )
    assert ("refused" in {f.rule for f in findings}) is not loads


def test_the_newest_runtime_is_the_default():
    assert runtime("99") is NEWEST


@pytest.mark.parametrize(
    ("form", "version", "release"),
    [
        ("plain", None, (6, 0)),
        ("elf", None, (6, 0)),
        ("ccob", 1, None),  # read as if it were version 2
        ("ccob", 2, (6, 2)),
        ("ccob", 3, (7, 0)),
        ("ccob", 4, None),
        ("kpack", None, (7, 12)),
        ("offload-binary", 2, None),
    ],
)
def test_the_first_release_that_reads_a_container(form, version, release):
    assert read_since(form, version) == release
