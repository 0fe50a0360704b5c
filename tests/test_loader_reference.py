"""The loader against its sources: each row names the line that it was taken from.

The lines are of clr (hip_fatbin.cpp, hip_platform.cpp, hip_global.cpp), comgr
(comgr-metadata.cpp, comgr-compiler.cpp), clang (OffloadBundler.cpp) and ROCR (isa.cpp,
executable.cpp), as rocm-systems and llvm-project have them in 2025 and 2026; CLR24 is
ROCm/clr of October 2024.
"""

from dataclasses import dataclass, replace

import pytest

from kinspect.loader import choose, coverage, illegible, units
from kinspect.lookup import How
from kinspect.model import Entry
from kinspect.render.explain import explain
from kinspect.runtime import NEWEST, RUNTIMES, runtime
from kinspect.target import EntryID, TargetID
from tests.reading import read
from tests.writers import Host, Kernel, Slot, Wrapper, bundle, ccob, code_object, useless
from tests.writers.bundles import device
from tests.writers.code_objects import V3, V4, V5, V6, CodeObject

MI300X = "gfx942:sramecc+:xnack-"
MI355X = "gfx950:sramecc+:xnack-"
SPIRV = "hip-spirv64-amd-amdhsa--amdgcnspirv"
SPIRV_UNKNOWN = "hipv4-spirv64-amd-amdhsa-unknown-amdgcnspirv"
OPENMP = device("gfx942", "openmp")
PLAIN, COMPRESSED = False, True
BOTH = (PLAIN, COMPRESSED)


@dataclass(frozen=True)
class Row:
    """Entries, and which of them serves a device."""

    source: str
    entries: tuple[str, ...]
    expected: int | None
    how: How | None = How.NATIVE
    device: str = MI300X
    forms: tuple[bool, ...] = BOTH
    #: numbers of the entries that are empty
    empty: tuple[int, ...] = ()


def nothing(source, *entries, **more):
    return Row(source, entries, None, None, **more)


ROWS = (
    # --- the match
    Row("comgr isCompatibleIsaName: string-equal", (MI300X,), 0),
    Row("comgr isCompatibleIsaName: a feature that is left out suits both", ("gfx942",), 0),
    Row("comgr: one feature left out", ("gfx942:xnack-",), 0),
    Row("comgr: the other one left out", ("gfx942:sramecc+",), 0),
    nothing("comgr: xnack differs", "gfx942:xnack+"),
    nothing("comgr: sramecc differs", "gfx942:sramecc-"),
    nothing("comgr: one of two differs", "gfx942:sramecc+:xnack+"),
    nothing("comgr: another processor", "gfx950"),
    nothing("ROCR isa.cpp: 9.4.2 and 9.5.0 are compared exactly", "gfx942", device=MI355X),
    Row("LLVM: gfx1100 has no features", ("gfx1100",), 0, device="gfx1100"),
    nothing(
        "comgr parseTargetIdentifier: a feature that the processor lacks is no ID",
        "gfx1100:xnack-", device="gfx1100",
    ),
    # --- kinds and spellings
    Row("comgr: kind hip", (device("gfx942", "hip"),), 0),
    Row("comgr lookUpCodeObject: kind hcc", (device("gfx942", "hcc"),), 0, forms=(PLAIN,)),
    nothing("clang isOffloadKindCompatible: not hcc", device("gfx942", "hcc"),
            forms=(COMPRESSED,)),
    nothing("comgr lookUpCodeObject: not openmp", OPENMP, forms=(PLAIN,)),
    nothing("clang isOffloadKindCompatible with HipOpenmpCompatible: openmp suits, and what"
            " is in it is none of HIP's", OPENMP, forms=(COMPRESSED,)),
    nothing("clang UnbundleFiles: either of the two, by the order of a hash table",
            OPENMP, "gfx942", forms=(COMPRESSED,)),
    Row("comgr lookUpCodeObject: beside HIP's own, OpenMP's is skipped",
        (OPENMP, "gfx942"), 1, forms=(PLAIN,)),
    Row("clang: OpenMP's for another processor", (device("gfx950", "openmp"), "gfx942"), 1),
    nothing("comgr: the name of an ISA has an empty environment",
            device("gfx942", env="unknown"), forms=(PLAIN,)),
    Row("llvm::Triple: unknown is no environment", (device("gfx942", env="unknown"),), 0,
        forms=(COMPRESSED,)),
    nothing("OffloadTargetInfo: five dashes, so that the target is empty",
            "hipv4-amdgcn-amd-amdhsa-gfx942"),
    nothing("comgr lookUpCodeObject keeps the NUL of an ID (libamd-comgr2 too)",
            device("gfx942") + "\0"),
    # --- preference
    Row("hip_fatbin.cpp: native, else generic, else SPIR-V",
        (SPIRV, "gfx9-4-generic", "gfx942"), 2),
    Row("hip_fatbin.cpp: generic, else SPIR-V", (SPIRV, "gfx9-4-generic"), 1, How.GENERIC),
    Row("hip_fatbin.cpp: SPIR-V", (SPIRV, "gfx950"), 0, How.SPIRV),
    Row("hip_fatbin.cpp: spirv_isa_name, the other spelling", (SPIRV_UNKNOWN,), 0, How.SPIRV),
    Row("TargetGenericMap: gfx950", ("gfx9-4-generic",), 0, How.GENERIC, MI355X),
    Row("TargetToGeneric: the modes are appended again",
        ("gfx9-4-generic:sramecc+:xnack-",), 0, How.GENERIC),
    nothing("TargetToGeneric: and must match", "gfx9-4-generic:xnack+"),
    nothing("TargetGenericMap: gfx90a maps to nothing", "gfx9-4-generic", "gfx9-generic",
            device="gfx90a:sramecc+:xnack-"),
    nothing("TargetGenericMap: gfx908 maps to nothing", "gfx9-generic",
            device="gfx908:sramecc+:xnack-"),
    nothing("TargetGenericMap: gfx940 maps to nothing", "gfx9-4-generic",
            device="gfx940:sramecc+:xnack-"),
    nothing("TargetToGeneric: gfx906 asks for sramecc, which gfx9-generic has not",
            "gfx9-generic", device="gfx906:sramecc+:xnack-"),
    Row("TargetGenericMap: gfx90c", ("gfx9-generic",), 0, How.GENERIC, "gfx90c:xnack-"),
    Row("TargetGenericMap: gfx1013", ("gfx10-1-generic",), 0, How.GENERIC, "gfx1013:xnack-"),
    Row("TargetGenericMap: gfx1036", ("gfx10-3-generic",), 0, How.GENERIC, "gfx1036"),
    Row("TargetGenericMap: gfx1153", ("gfx11-generic",), 0, How.GENERIC, "gfx1153"),
    Row("TargetGenericMap: gfx1201", ("gfx12-generic",), 0, How.GENERIC, "gfx1201"),
    nothing("TargetGenericMap has no gfx1154, which LLVM counts to gfx11-generic",
            "gfx11-generic", device="gfx1154"),
    nothing("TargetGenericMap has no gfx1170", "gfx11-7-generic", device="gfx1170"),
    nothing("TargetGenericMap has no gfx1310", "gfx13-generic", device="gfx1310"),
    nothing("TargetGenericMap has gfx1250 in a text without a release only",
            "gfx12-5-generic", device="gfx1250"),
    # --- order and empty entries
    Row("comgr lookUpCodeObject: the first in the file, not the most specific",
        ("gfx942", MI300X), 0, forms=(PLAIN,)),
    Row("comgr lookUpCodeObject: size 0 fills no query", ("gfx942", "gfx942:xnack-"), 1,
        forms=(PLAIN,), empty=(0,)),
    nothing("clang UnbundleFiles: an empty one that suits ends the search, or not",
            "gfx942", "gfx942:xnack-", forms=(COMPRESSED,), empty=(0,)),
    Row("hip_fatbin.cpp: an empty native entry is none", ("gfx942", "gfx9-4-generic"), 1,
        How.GENERIC, empty=(0,)),
    Row("clang ReadHeader: of one ID the last is kept", ("gfx942", "gfx942"), 1,
        forms=(COMPRESSED,), empty=(0,)),
)  # fmt: skip


@pytest.mark.parametrize(
    ("row", "compressed"),
    [
        pytest.param(row, form, id=f"{'compressed' if form else 'plain'}: {row.source}")
        for row in ROWS
        for form in row.forms
    ],
)
def test_a_row_of_the_sources(row, compressed):
    found = [
        Entry(
            EntryID.parse(device(text) if text.startswith("gfx") else text),
            4096 * (number + 1),
            0 if number in row.empty else 64,
        )
        for number, text in enumerate(row.entries)
    ]
    choice = choose(found, TargetID.parse(row.device), compressed=compressed)
    chosen = None if choice.entry is None else found.index(choice.entry)
    assert (chosen, choice.how) == (row.expected, row.how)


@pytest.mark.parametrize("compressed", BOTH)
@pytest.mark.parametrize(
    ("names", "expected"),
    [((SPIRV, "gfx942"), How.SPIRV), (("gfx942", "gfx9-4-generic"), None)],
)
def test_forced_spirv_ignores_native_and_generic_code(names, expected, compressed):
    """HIP_FORCE_SPIRV_CODEOBJECT=1 (hip_fatbin.cpp; flags.hpp: false by default)."""
    forced = replace(NEWEST, spirv_only=True)
    found = [
        Entry(EntryID.parse(device(n) if n.startswith("gfx") else n), 4096, 64)
        for n in names
    ]
    choice = choose(found, TargetID.parse(MI300X), forced, compressed=compressed)
    assert choice.how is expected


# --- generations ----------------------------------------------------------------------

A, B = code_object("gfx942"), code_object("gfx950")
GENERIC = code_object("gfx9-4-generic", abi=V6)
SPV = b"\x03\x02\x23\x07" + bytes(60)
#: release → what it can: generic plain, generic compressed, SPIR-V, versions of CCOB
GENERATIONS = {
    # CLR24: no generic targets, no SPIR-V; CCOB needs comgr 2.8
    "6.0": (False, False, False, ()),
    "6.1": (False, False, False, ()),
    # CCOB version 2: LLVM #88827, April 2024
    "6.2": (False, False, False, (2,)),
    "6.3.4": (False, False, False, (2,)),
    # generic targets: ROCm/Tensile #2124; not compressed: ROCm/legacy-rocm-build #4602
    "6.4": (True, False, True, (2,)),
    "6.4.3": (True, False, True, (2,)),
    # resolved in 7.0.0; CCOB version 3: LLVM #122307, January 2025
    "7.0": (True, True, True, (2, 3)),
    "7.2.1": (True, True, True, (2, 3)),
    "7.12": (True, True, True, (2, 3)),
    "10": (True, True, True, (2, 3)),
}


def hows(data, release):
    (unit,) = units(read(data))
    return coverage(unit, TargetID.parse(MI300X), runtime(release)).hows


@pytest.mark.parametrize("release", GENERATIONS)
def test_a_generation(release):
    generic, compressed, spirv, versions = GENERATIONS[release]
    native = bundle(("gfx942", A))
    other = bundle(("gfx9-4-generic", GENERIC))
    jit = bundle((SPIRV, SPV))
    assert hows(native, release) == {How.NATIVE}
    assert hows(other, release) == ({How.GENERIC} if generic else set())
    assert hows(jit, release) == ({How.SPIRV} if spirv else set())
    for version in (1, 2, 3):
        read_at_all = version in versions
        expected = {How.NATIVE} if read_at_all else set()
        assert hows(ccob(native, version), release) == expected
        expected = {How.GENERIC} if read_at_all and compressed else set()
        assert hows(ccob(other, version), release) == expected
        expected = {How.SPIRV} if read_at_all and spirv else set()
        assert hows(ccob(jit, version), release) == expected


# --- what a user meets ------------------------------------------------------------------

LATE = (
    "hipErrorInvalidDeviceFunction where the library is loaded after HIP has started"
    " (dlopen, an import)"
)
LACKS_C = (
    "abort     1 kernel of other code objects, at the first launch of one: this one lacks c"
)
LAUNCH = "at the first launch of one of its kernels"
IMAGE = "hipErrorInvalidImage"
NO_BINARY = "hipErrorNoBinaryForGpu"
#: RS ihipLaunchKernel hands on 98, 200 and 218, and goes on after 209
GOES_ON = f"{NO_BINARY}, in spite of which hipLaunchKernel goes on: a crash"


def shared(*entries, wrap=bytes, **fields):
    return Host(wrap(bundle(*entries)), **fields).build().data


def big(data):
    """A table of more than 4096 bytes."""
    return bundle(("gfx942", data), *[Slot("host-" + "x" * 2048)] * 2)


@dataclass(frozen=True)
class Error:
    """What explain says of a file, by generation."""

    source: str
    data: bytes
    new: str
    old: str | None = None
    device: str = MI300X


V3_OBJECT = CodeObject("gfx942", e_flags=0x24C, abi=V3).build()
ERRORS = (
    Error("1.5: no match: RS InvalidImage, then InvalidKernelFile; CLR24 NoBinaryForGpu",
          shared(("gfx950", B)), f"{IMAGE} {LAUNCH} (then hipErrorInvalidKernelFile)",
          f"{NO_BINARY} {LAUNCH}"),
    Error("1.5: hipModuleLoad*: at once",
          bundle(("gfx950", B)), f"{IMAGE} by hipModuleLoad", f"{NO_BINARY} by hipModuleLoad"),
    Error("1.5: hipModuleLoadData: at once",
          Host(data={".rodata": bundle(("gfx950", B))}).build().data,
          f"{IMAGE} by hipModuleLoadData", f"{NO_BINARY} by hipModuleLoadData"),
    Error("1.4, second gate: e_flags of another processor",
          shared(("gfx942", B)), f"{GOES_ON}, {LAUNCH}", f"{NO_BINARY}, {LAUNCH}"),
    Error("1.4, second gate: e_flags of another mode",
          shared(("gfx942", code_object("gfx942", e_flags=0x74C))),
          f"{GOES_ON}, {LAUNCH}", f"{NO_BINARY}, {LAUNCH}"),
    Error("1.4, second gate: comgr accepts v4 to v6 only",
          shared(("gfx942", V3_OBJECT)), f"{GOES_ON}, {LAUNCH}", f"{NO_BINARY}, {LAUNCH}"),
    Error("1.1: a bare code object goes to every device; BuildProgram refuses it",
          Host(B).build().data, f"{GOES_ON}, {LAUNCH}", f"{NO_BINARY}, {LAUNCH}"),
    Error("1.5: hipModuleLoad builds at once",
          B, f"{NO_BINARY}, by hipModuleLoad", f"{NO_BINARY}, by hipModuleLoad"),
    Error("1.2: a table of more than 4096 bytes is a read error",
          Host(big(A)).build().data, f"{IMAGE} {LAUNCH}"),
    Error("1.3: CCOB needs comgr 2.8",
          shared(("gfx942", A), wrap=ccob), "", f"hipErrorNotSupported {LAUNCH}"),
    Error("1.3: v1 has the inflated size where the size is read",
          Host(ccob(bundle(("gfx942", A)), 1)).build().data, f"{IMAGE} {LAUNCH}",
          f"hipErrorNotSupported {LAUNCH}"),
    Error("6.6: an object without the kernels that others have: abort",
          shared(("gfx942", CodeObject("gfx942", ()).build()), ("gfx950", B)),
          "abort at the first launch of one"),
    Error("what an RDC link leaves without an architecture: no processor in e_flags",
          shared(("gfx942", useless()), ("gfx950", B)),
          f"{GOES_ON}, {LAUNCH}", f"{NO_BINARY}, {LAUNCH}"),
)  # fmt: skip


def told(data, target, generation):
    (unit,) = units(read(data))
    return explain(unit, TargetID.parse(target), generation)


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.source)
def test_an_error_is_named(error):
    """The old runtime is that of ROCm 6.0, the new one the newest."""
    old = error.new if error.old is None else error.old
    for generation, expected in ((NEWEST, error.new), (RUNTIMES[0], old)):
        found = told(error.data, error.device, generation)
        errors = [line for line in found.lines if line.startswith("error ")]
        assert errors == ([f"error     {expected}"] if expected else [])
        assert found.loads is not bool(expected)


def test_what_else_a_missing_code_object_does():
    lines = told(shared(("gfx950", B)), MI300X, NEWEST).lines
    also = [line.split(None, 1)[1] for line in lines if line.startswith("also")]
    assert also == [
        LATE,
        "devices of the machine that come after it get no code either",
        "abort while the library loads, with HIP_ENABLE_DEFERRED_LOADING=0",
    ]
    lines = told(shared(("gfx950", B)), MI300X, RUNTIMES[0]).lines
    assert "also      no device of the machine gets its code" in lines


def test_kernels_are_told_one_by_one():
    data = shared(
        ("gfx942", code_object("gfx942", "a", "b")),
        ("gfx950", code_object("gfx950", "a", "c")),
    )
    (unit,) = units(read(data))
    found = explain(unit, TargetID.parse(MI300X), NEWEST, ["a", "c"])
    assert found.loads
    assert found.lines[-4:] == (
        "kernels   2 kernels can be launched",
        LACKS_C,
        "kernel    a: can be launched",
        "kernel    c: abort at its first launch, since the code object lacks it",
    )
    lost = explain(unit, TargetID.parse("gfx90a:sramecc+:xnack-"), NEWEST, ["a"])
    assert lost.lines[-2:] == (
        "kernels   none of its 3 kernels",
        f"kernel    a: {IMAGE} {LAUNCH} (then hipErrorInvalidKernelFile)",
    )


# --- the second gate --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "entry", "data", "device_name", "loads"),
    [
        ("comgr accepts v4", "gfx942", code_object("gfx942", abi=V4), MI300X, True),
        ("comgr accepts v5", "gfx942", code_object("gfx942", abi=V5), MI300X, True),
        ("comgr accepts v6", "gfx942", code_object("gfx942", abi=V6), MI300X, True),
        ("ROCR reads a generic version of v6 only", "gfx9-4-generic",
         code_object("gfx9-4-generic", abi=V5), MI300X, False),
        ("v6 and version 1", "gfx9-4-generic", GENERIC, MI300X, True),
        ("v6 and version 1, for gfx950", "gfx9-4-generic", GENERIC, MI355X, True),
        ("version 0 is below the minimum of 1", "gfx9-4-generic",
         code_object("gfx9-4-generic", abi=V6, e_flags=0x55F), MI300X, False),
        ("version 2 is above it", "gfx9-4-generic",
         code_object("gfx9-4-generic", abi=V6, e_flags=0x0200_055F), MI300X, True),
        ("the header's mode suits the device", "gfx942",
         code_object("gfx942", e_flags=0x64C), MI300X, True),
        ("the header's mode does not", "gfx942",
         code_object("gfx942", e_flags=0x74C), MI300X, False),
        ("a bare code object of its own processor", None, A, MI300X, True),
        ("a bare one, generic", None, GENERIC, MI300X, True),
        ("a bare one of another processor", None, A, MI355X, False),
    ],
)  # fmt: skip
def test_the_second_gate(source, entry, data, device_name, loads):
    """Source: comgr getElfIsaNameFromElfHeader; ROCR LoadCodeObject, Isa::IsCompatible."""
    whole = Host(data).build().data if entry is None else shared((entry, data))
    assert told(whole, device_name, NEWEST).loads is loads


# --- compressed bundles that can't be read ------------------------------------------------


def test_the_unbundler_gives_up_at_an_entry_outside_of_the_bundle():
    """clang BinaryFileHandler::ReadHeader: no entry is found then, good ones neither."""
    for slot in (
        Slot(device("gfx950"), offset=0),
        Slot(device("gfx950"), B, offset=1 << 40),
    ):
        data = bundle(("gfx942", A), slot)
        (unit,) = units(read(ccob(data)))
        assert "lies outside" in illegible(unit, NEWEST)
        assert coverage(unit, TargetID.parse(MI300X)).missing
    # a plain bundle's lookup reads the table only
    (unit,) = units(read(bundle(("gfx942", A), Slot(device("gfx950"), offset=0))))
    assert coverage(unit, TargetID.parse(MI300X)).missing == ()


def test_the_size_of_a_compressed_bundle_is_read_as_32_bits():
    """hip_fatbin.cpp, `header->totalSize`; v3 keeps 64 bits there."""
    (unit,) = units(read(ccob(bundle(("gfx942", A)), 3)))
    assert illegible(unit, NEWEST) == ""
    large = replace(unit, bundles=(replace(unit.bundles[0], size=1 << 32),))
    assert "32 bits" in illegible(large, NEWEST)


def test_an_rdc_library_registers_one_bundle_by_many_wrappers():
    """1.1, 2.4: N wrappers, one bundle: one choice."""
    wrappers = [Wrapper(by="symbolic", symbol=f"__hip_fatbin_{n}") for n in range(3)]
    kernels = [Kernel("a"), Kernel("b")]
    data = Host(bundle(("gfx942", code_object("gfx942", *kernels))), wrappers).build().data
    (unit,) = units(read(data))
    assert coverage(unit, TargetID.parse(MI300X)).kernels == {"a", "b"}
