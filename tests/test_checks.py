"""Every rule, broken by bytes that were made for it, and its sound counterpart."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import pytest

from kinspect.checks import CHECKS, RULES
from kinspect.limits import Limits
from kinspect.model import Artifact, Linkage, Severity, Verdict
from kinspect.policy import BinaryPolicy, Ignore
from kinspect.snapshot import of_artifacts
from kinspect.target import TargetID, parse_required
from tests.conftest import SAMPLES
from tests.reading import artifact, judge, read, rules
from tests.writers import (
    Host,
    Kernel,
    Slot,
    Wrapper,
    bitcode,
    bundle,
    ccob,
    code_object,
    md5,
    packed,
    useless,
)
from tests.writers.bundles import device
from tests.writers.code_objects import GLOBAL, LOCAL, V3, V4, V5, V6, WEAK, CodeObject

SPIRV = "hip-spirv64-amd-amdhsa--amdgcnspirv"
#: e_flags of a target with modes: bits 8 and 9 are xnack, 10 and 11 sramecc; 2 off, 3 on
XNACK_ON, XNACK_OFF = 0x700, 0x600
#: the host's side of the kernel that all code objects here have (extern "C")
STUB = "__device_stub__kernel"
MACH = {"gfx942": 0x4C, "gfx950": 0x4F, "gfx90a": 0x3F}


def host(*entries, wrap=bytes, **fields):
    """A per-TU shared object with one bundle."""
    return Host(wrap(bundle(*entries)), **fields).build().data


def both(first=(), second=(), *, wrap=bytes, **fields):
    """gfx942 and gfx950, with these kernels beside one that is the same for both."""
    return host(
        ("gfx942", code_object("gfx942", "kernel", *first)),
        ("gfx950", code_object("gfx950", "kernel", *second)),
        wrap=wrap,
        **fields,
    )


def units(*bundles, wrappers=None):
    """A shared object of several translation units."""
    data, places = b"", []
    for one in bundles:
        data += bytes(-len(data) % 16)
        places.append(len(data))
        data += one
    if wrappers is None:
        wrappers = [Wrapper(place) for place in places]
    return Host(data, wrappers).build().data


#: where the second bundle of `lone_bundle` is
SECOND = 0x4000


def lone_bundle(wrappers):
    """Two units with a kernel each, and the host's stub of the second one."""
    first, second = (
        bundle(
            ("gfx942", code_object("gfx942", name)), ("gfx950", code_object("gfx950", name))
        )
        for name in ("kernel", "other")
    )
    data = first.ljust(SECOND, b"\0") + second
    return Host(data, wrappers, functions=[STUB, "__device_stub__other"]).build().data


def moded(target, modes, flags):
    """A code object for a target with modes, as all of its parts say."""
    spec = CodeObject(f"{target}:{modes}", e_flags=MACH[target] | flags)
    return f"{target}:{modes}", spec.build()


A, B = code_object("gfx942"), code_object("gfx950")
PAIR = bundle(("gfx942", A), ("gfx950", B))
GOOD = both()
GENERIC = code_object("gfx9-4-generic", abi=V6)
NO_KERNELS = CodeObject("gfx950", ()).build()


def spoiled(data, at, value):
    return data[:at] + bytes([value]) + data[at + 1 :]


@dataclass(frozen=True)
class Case:
    """What breaks a rule, what must be said of it, and what is sound."""

    rule: str
    name: str
    bad: bytes | tuple[bytes, ...]
    good: bytes = GOOD
    bundle: int | None = None
    target: str | None = None
    kernel: str | None = None
    severity: Severity = Severity.ERROR
    verdict: Verdict = Verdict.FAIL
    policy: Mapping[str, Any] = field(default_factory=dict)
    good_policy: Mapping[str, Any] | None = None
    #: other rules that the same bytes break
    also: frozenset[str] = frozenset()


def on(target: str, bundle: int = 0) -> dict[str, Any]:
    return {"bundle": bundle, "target": target}


def since(earlier: bytes) -> dict[str, Any]:
    """With an earlier build as the baseline, and little that is required besides."""
    baseline = of_artifacts([artifact(earlier)])
    return {"required": parse_required(("gfx942",)), "baseline": baseline}


def asks(glob: str, **wanted: Any) -> dict[str, Any]:
    return {"binaries": (BinaryPolicy(glob=glob, **wanted),)}


def ignoring(today: str) -> dict[str, Any]:
    """With an ignore that holds until 2027-01-01, on that day."""
    ignore = Ignore("shadowed", "x.so", "because", date(2027, 1, 1), "kinspect.toml:3")
    return {"ignore": (ignore,), "today": date.fromisoformat(today)}


BROKEN = frozenset({"broken-code-object"})
WARNING: dict[str, Any] = {"severity": Severity.WARNING, "verdict": Verdict.PASS}
CASES = (
    # what could not be read is never a pass, and no violation either
    Case(
        "unreadable", "a compressed bundle of a version that nobody wrote",
        units(PAIR, ccob(PAIR, 9)), units(PAIR, ccob(PAIR)), verdict=Verdict.UNKNOWN,
    ),
    Case(
        "unreadable", "a compressed bundle that is cut off",
        units(PAIR, ccob(PAIR)[:-10]), verdict=Verdict.UNKNOWN,
    ),
    Case(
        "unreadable", "a bundle whose table is cut off",
        units(PAIR, PAIR[:60]), verdict=Verdict.UNKNOWN,
    ),
    Case(
        "unreadable", "what follows the last bundle is none",
        units(PAIR, b"\1" + bytes(40), wrappers=[Wrapper()]), units(PAIR, bytes(40),
        wrappers=[Wrapper()]), verdict=Verdict.UNKNOWN,
    ),
    Case(
        "unreadable", "a host that is cut off", GOOD[:-700], verdict=Verdict.UNKNOWN,
    ),
    Case("no-device-code", "a host without any", Host().build().data),
    Case(
        "no-device-code", "a bundle of OpenMP only",
        host(("openmp-amdgcn-amd-amdhsa--gfx942", A)),
    ),
    Case("missing-target", "gfx950 is not packed", host(("gfx942", A)), **on("gfx950")),
    Case("missing-target", "nor is it in the compressed bundle",
         host(("gfx942", A), wrap=ccob), **on("gfx950")),
    Case(
        "missing-target", "one of three translation units lacks it",
        units(PAIR, bundle(("gfx942", A)), PAIR), units(PAIR, PAIR, PAIR),
        **on("gfx950", 1),
    ),
    Case(
        "missing-target", "two units have one target each",
        units(bundle(("gfx942", A)), PAIR), units(PAIR, PAIR), **on("gfx950", 0),
    ),
    Case(
        "missing-target", "its ID has a stray dash",
        host(("gfx942", A), (device("gfx950") + "-", B)), **on("gfx950"),
    ),
    Case(
        "missing-target", "its entry is OpenMP's",
        host(("gfx942", A), (device("gfx950", "openmp"), B)), **on("gfx950"),
    ),
    Case(
        "missing-target", "its entry is empty",
        host(("gfx942", A), ("gfx950", b"")), also=BROKEN, **on("gfx950"),
    ),
    Case(
        "missing-target", "an RDC link without --offload-arch packed a useless gfx906",
        host(("gfx942", A), ("hip-amdgcn-amd-amdhsa--gfx906", useless())), **on("gfx950"),
    ),
    Case(
        "missing-target", "a bare code object is for another processor",
        Host(A).build().data, A, good_policy={"required": parse_required(("gfx942",))},
        **on("gfx950"),
    ),
    Case(
        "partial-target", "gfx950 is there for xnack+ only",
        host(("gfx942", A), moded("gfx950", "xnack+", XNACK_ON)),
        host(("gfx942", A), moded("gfx950", "xnack+", XNACK_ON),
             moded("gfx950", "xnack-", XNACK_OFF)),
        **on("gfx950"),
    ),
    Case(
        "generic-only", "generic code for gfx950",
        host(("gfx942", A), ("gfx9-4-generic", GENERIC)),
        host(("gfx942", A), ("gfx9-4-generic", GENERIC)),
        good_policy={"accept": frozenset({"generic"})}, **on("gfx950"),
    ),
    Case(
        "jit-only", "SPIR-V for gfx950", host(("gfx942", A), (SPIRV, b"\3\2\x23\7" * 9)),
        host(("gfx942", A), (SPIRV, b"\3\2\x23\7" * 9)),
        good_policy={"accept": frozenset({"spirv"})}, **on("gfx950"),
    ),
    Case("broken-code-object", "what is no SPIR-V",
         host(("gfx942", A), ("gfx950", B), (SPIRV, b"some other bytes")),
         target="amdgcnspirv", bundle=0),
    Case("broken-code-object", "bitcode in place of one",
         host(("gfx942", A), ("gfx950", bitcode())), **on("gfx950")),
    Case("broken-code-object", "one that is cut off",
         host(("gfx942", A), ("gfx950", B[:-100])), **on("gfx950")),
    Case("broken-code-object", "an x86-64 ELF file",
         host(("gfx942", A), ("gfx950", Host().build().data)), **on("gfx950")),
    Case("broken-code-object", "another OSABI",
         host(("gfx942", A), ("gfx950", spoiled(B, 7, 0))), **on("gfx950")),
    Case(
        "broken-code-object", "a descriptor that is none",
        both([Kernel("k")], [Kernel("k", size=48)]), both(["k"], ["k"]), **on("gfx950"),
    ),
    Case(
        "broken-code-object", "no symbol table that the loader could go by",
        host(("gfx942", A), ("gfx950", code_object("gfx950", symtab=False))),
        **on("gfx950"),
    ),
    Case(
        "broken-code-object", "an object that was not linked",
        host(("gfx942", A), ("gfx950", spoiled(B, 16, 1))), **on("gfx950"),
    ),
    Case(
        "broken-code-object", "the same in a compressed bundle",
        host(("gfx942", A), ("gfx950", bitcode()), wrap=ccob), both(wrap=ccob),
        **on("gfx950"),
    ),
    Case("target-mismatch", "the code object of another processor",
         host(("gfx942", A), ("gfx950", A)), **on("gfx950")),
    Case(
        "target-mismatch", "metadata of another processor",
        host(("gfx942", A), ("gfx950", code_object("gfx950",
             metadata_target="amdgcn-amd-amdhsa--gfx942"))), **on("gfx950"),
    ),
    Case(
        "target-mismatch", "e_flags of another processor",
        host(("gfx942", A), ("gfx950", code_object("gfx950", e_flags=0x54C))),
        **on("gfx950"),
    ),
    Case(
        "target-mismatch", "e_flags of other modes than the ID",
        host(("gfx942", A), ("gfx950", code_object("gfx950", e_flags=0x4F | XNACK_ON))),
        **on("gfx950"),
    ),
    Case(
        "target-mismatch", "nor does metadata contradict them",
        host(("gfx942", A), ("gfx950", code_object("gfx950", metadata_target=None,
             e_flags=0x4F | XNACK_ON))),
        **on("gfx950"),
    ),
    Case(
        "target-mismatch", "e_flags that name no processor",
        host(("gfx942", A), ("gfx950", code_object("gfx950", e_flags=0x500))),
        **on("gfx950"),
    ),
    Case(
        "target-mismatch", "features that the processor has, as unsupported",
        host(("gfx942", A), ("gfx950", code_object("gfx950", e_flags=0x04F))),
        **on("gfx950"),
    ),
    Case(
        "corrupt-bundle", "entries that overlap",
        host(Slot(device("gfx942"), A, size=len(A) + 8), ("gfx950", B)), bundle=0,
    ),
    Case(
        "corrupt-bundle", "an entry that reaches beyond the section",
        host(("gfx942", A), Slot(device("gfx950"), B, size=len(B) + 1)), bundle=0,
        also=BROKEN,
    ),
    Case(
        "corrupt-bundle", "an entry in the header",
        host(("gfx942", A), ("gfx950", B), Slot("hip-x", offset=0, size=8)), bundle=0,
    ),
    *(
        Case(
            "corrupt-bundle", f"another MD5 (version {version}, {method})",
            Host(ccob(PAIR, version, method, digest=md5(PAIR) + 1)).build().data,
            Host(ccob(PAIR, version, method)).build().data, bundle=0,
        )
        for version in (2, 3) for method in ("zlib", "zstd")
    ),
    Case(
        "corrupt-bundle", "less in it than its header says",
        Host(ccob(PAIR, uncompressed=len(PAIR) + 1)).build().data, bundle=0,
    ),
    Case("no-kernels", "gfx950 has none, gfx942 some",
         host(("gfx942", A), ("gfx950", NO_KERNELS)), **on("gfx950")),
    Case(
        "no-kernels", "nor has the generic code that stands in",
        host(("gfx942", A), ("gfx9-4-generic", CodeObject("gfx9-4-generic", (), abi=V6).build())),
        host(("gfx942", A), ("gfx9-4-generic", GENERIC)),
        policy={"accept": frozenset({"generic"})},
        good_policy={"accept": frozenset({"generic"})}, **on("gfx9-4-generic"),
    ),
    Case(
        "no-kernels", "no code object has any: a library of device functions",
        host(("gfx942", CodeObject("gfx942", ()).build()), ("gfx950", NO_KERNELS)),
        **WARNING,
    ),
    Case("kernel-parity", "a kernel of gfx942 is missing for gfx950",
         both(["extra"], []), both(["extra"], ["extra"]), kernel="extra", **on("gfx950")),
    Case("kernel-parity", "and the reverse",
         both([], ["extra"]), both(["extra"], ["extra"]), kernel="extra", **on("gfx942")),
    Case(
        "missing-kernel", "a pattern that matches nothing for gfx950",
        both(["_Z8dispatchPi"], ["_Z7combinePi"]),
        both(["_Z8dispatchPi"], ["_Z8dispatchPi"]),
        policy={"kernels": ("dispatch(*",), "ignore": (Ignore("kernel-parity"),)},
        kernel="dispatch(*", target="gfx950",
    ),
    Case(
        "missing-kernel", "one that the host registers and no code object has",
        both(functions=[STUB, "_Z19__device_stub__gonePi"]),
        both(["_Z4gonePi"], ["_Z4gonePi"], functions=[STUB, "_Z19__device_stub__gonePi"]),
        kernel="_Z4gonePi",
    ),
    Case(
        "missing-kernel", "one that the host registers by another name",
        both(functions=[STUB], registers=["kernal"]), both(functions=[STUB]),
        kernel="kernel",
    ),
    Case(
        "missing-kernel", "one whose bundle no wrapper points at",
        lone_bundle(wrappers=[Wrapper(), Wrapper()]),
        lone_bundle(wrappers=[Wrapper(), Wrapper(SECOND)]),
        bundle=1, kernel="other", also=frozenset({"unowned-bundle"}),
    ),
    Case(
        "missing-target", "a unit whose bundle has the host's entry only",
        units(PAIR, bundle()), units(PAIR, PAIR), **on("gfx950", 1),
    ),
    Case(
        "corrupt-bundle", "an entry without an ID",
        host(("gfx942", A), ("gfx950", B), Slot("")), bundle=0,
    ),
    Case(
        "broken-kernel", "a kernel without its descriptor",
        both([Kernel("k", descriptor=False)], []), both([], []), kernel="k",
        **on("gfx942"),
    ),
    Case(
        "broken-kernel", "with a descriptor that the loader passes over",
        both([Kernel("k", binding=LOCAL)], []), both(["k"], ["k"]), kernel="k",
        **on("gfx942"),
    ),
    Case(
        "broken-kernel", "a descriptor without its kernel",
        both([], [Kernel("k", listed=False)]), both(["k"], ["k"]), kernel="k",
        **on("gfx950"),
    ),
    Case(
        "broken-kernel", "a descriptor that does not lead to the kernel's code",
        both([Kernel("k", described={"entry": 256})], ["k"]), both(["k"], ["k"]),
        kernel="k", **on("gfx942"),
    ),
    Case(
        "broken-kernel", "less LDS than the metadata say",
        both(["k"], [Kernel("k", fields={"group_segment_fixed_size": 64},
                            described={"group_segment_fixed_size": 0})]),
        both(["k"], [Kernel("k", fields={"group_segment_fixed_size": 64})]),
        kernel="k", **on("gfx950"),
    ),
    Case(
        "unowned-bundle", "no wrapper points at the second bundle",
        units(PAIR, PAIR, wrappers=[Wrapper()]), units(PAIR, PAIR), bundle=1, **WARNING,
    ),
    Case(
        "unowned-bundle", "there is no wrapper at all",
        Host(PAIR, []).build().data, bundle=0,
    ),
    Case("dangling-wrapper", "its pointer leads into the middle of a bundle",
         units(PAIR, wrappers=[Wrapper(), Wrapper(16)])),
    Case("dangling-wrapper", "nothing relocates it",
         units(PAIR, wrappers=[Wrapper(), Wrapper(by="nothing")])),
    Case("dangling-wrapper", "it points at what has no bytes",
         units(PAIR, wrappers=[Wrapper(), Wrapper(address=2**40)])),
    Case("dangling-wrapper", "its symbol is for another library to define",
         units(PAIR, wrappers=[Wrapper(), Wrapper(by="symbolic", defined=False)])),
    Case("dangling-wrapper", "its version is not the one that HIP takes",
         units(PAIR, wrappers=[Wrapper(), Wrapper(version=2)])),
    Case(
        "extra-target", "gfx90a is there too",
        host(("gfx90a", code_object("gfx90a")), ("gfx942", A), ("gfx950", B)), GOOD,
        policy={"only": True}, good_policy={"only": True}, **on("gfx90a"),
    ),
    Case(
        "missing-bitcode", "an RDC object that was compiled for gfx942 only",
        (SAMPLES / "rdc_gfx942_only.o").read_bytes(),
        (SAMPLES / "rdc_old_driver.o").read_bytes(), target="gfx950",
    ),
    # beyond the list of the design: what the loader makes of it
    Case(
        "refused", "an RDC link asked for a target that no object has",
        host(("gfx942", A), ("gfx950", useless())), **on("gfx950"),
    ),
    Case(
        "refused", "code object v3",
        host(("gfx942", A), ("gfx950", code_object("gfx950", abi=V3, e_flags=0x24F))),
        host(("gfx942", A), ("gfx950", code_object("gfx950", abi=V4))), **on("gfx950"),
    ),
    Case(
        "refused", "generic code that is no v6",
        host(("gfx942", A), ("gfx9-4-generic", code_object("gfx9-4-generic", abi=V5))),
        host(("gfx942", A), ("gfx9-4-generic", GENERIC)),
        policy={"accept": frozenset({"generic"})},
        good_policy={"accept": frozenset({"generic"})}, **on("gfx950"),
    ),
    Case(
        "refused", "generic code of version 0",
        host(("gfx942", A), ("gfx9-4-generic",
             code_object("gfx9-4-generic", abi=V6, e_flags=0x55F))),
        host(("gfx942", A), ("gfx9-4-generic", GENERIC)),
        policy={"accept": frozenset({"generic"})},
        good_policy={"accept": frozenset({"generic"})}, **on("gfx950"),
    ),
    Case(
        "unresolved-symbol", "a device library that the link left out",
        host(("gfx942", A), ("gfx950", code_object("gfx950", undefined={"put": GLOBAL}))),
        host(("gfx942", A), ("gfx950", code_object("gfx950", undefined={"put": WEAK}))),
        kernel="put", **on("gfx950"),
    ),
    Case(
        "runtime-floor", "a compressed bundle and the runtime of ROCm 5",
        Host(ccob(PAIR), needed=["libamdhip64.so.5"]).build().data,
        Host(ccob(PAIR), needed=["libamdhip64.so.7"]).build().data, **WARNING,
    ),
    Case(
        "unregistered-kernel", "one of two kernels has no stub",
        both(["_Z3oddv"], ["_Z3oddv"], functions=[STUB]),
        both(functions=[STUB]), kernel="_Z3oddv", severity=Severity.NOTE,
        verdict=Verdict.PASS,
    ),
    Case(
        "oversized-header", "a table of more than 4096 bytes",
        host(("gfx942", A), ("gfx950", B), Slot("host-" + "x" * 4000)),
        host(("gfx942", A), ("gfx950", B), Slot("host-" + "x" * 4000), wrap=ccob), bundle=0,
    ),
    Case(
        "duplicate-target", "two entries for gfx942",
        host(("gfx942", A), (device("gfx942", "hip"), A), ("gfx950", B)), **on("gfx942"),
    ),
    Case(
        "shadowed", "native code lacks what generic code has",
        host(("gfx942", A), ("gfx950", B),
             ("gfx9-4-generic", code_object("gfx9-4-generic", "kernel", "more", abi=V6))),
        host(("gfx942", A), ("gfx950", B), ("gfx9-4-generic", GENERIC)),
        **on("gfx942"), kernel="more",
    ),
    Case(
        "lost-target", "a target that only the baseline knows of",
        host(("gfx942", A)), policy=since(GOOD), target="gfx950",
    ),
    Case(
        "lost-kernel", "one that is gone for every target alike",
        GOOD, both(["more"], ["more"]), policy=since(both(["more"], ["more"])),
        target="gfx942", kernel="more",
    ),
    Case(
        "beyond-baseline", "a kernel that is new",
        both(["more"], ["more"]), policy=since(GOOD), kernel="more",
        severity=Severity.NOTE, verdict=Verdict.PASS,
    ),
    Case(
        "wrong-linkage", "linked for each translation unit, RDC is meant",
        GOOD, policy=asks("t.so", linkage=Linkage.RDC),
        good_policy=asks("t.so", linkage=Linkage.PER_TU),
    ),
    Case(
        "size-budget", "a byte too much",
        GOOD, policy={"budget": {TargetID("gfx950"): len(B) - 1}}, target="gfx950",
        good_policy={"budget": {TargetID("gfx950"): len(B)}},
    ),
    Case(
        "size-budget", "a binary with a budget of its own, compressed",
        both(wrap=ccob), policy=asks("*.so", budget={TargetID("gfx950"): len(B) - 1}),
        good=both(wrap=ccob), target="gfx950",
        good_policy=asks("*.so", budget={TargetID("gfx950"): len(B)}),
    ),
    Case(
        "expired-ignore", "its last day was yesterday",
        GOOD, policy=ignoring("2027-01-02"), good_policy=ignoring("2027-01-01"), **WARNING,
    ),
    Case(
        "unmatched-policy", "asks for kernels of a binary that is not there",
        GOOD, policy=asks("other.so", kernels=("*",)), good_policy=asks("*", kernels=("*",)),
        severity=Severity.NOTE, verdict=Verdict.PASS,
    ),
)  # fmt: skip


def identity(case):
    return f"{case.rule}: {case.name}"


def files(data):
    return data if isinstance(data, tuple) else (data,)


@pytest.mark.parametrize("case", CASES, ids=identity)
def test_what_breaks_a_rule_is_told_with_where_and_how_bad(case):
    verdict, findings = judge(*files(case.bad), **case.policy)
    assert verdict is case.verdict
    told = [
        (one.bundle, one.target, one.kernel, one.severity)
        for one in findings
        if one.rule == case.rule
    ]
    assert (case.bundle, case.target, case.kernel, case.severity) in told


@pytest.mark.parametrize("case", CASES, ids=identity)
def test_what_breaks_one_rule_is_blamed_for_no_other(case):
    _, findings = judge(*files(case.bad), **case.policy)
    assert set(rules(findings)) <= {case.rule, *case.also, *RELATED[case.rule]}
    for one in findings:
        assert one.path == ("" if case.rule in OF_THE_POLICY else "t.so")
        assert one.message


#: what these tell is in no binary
OF_THE_POLICY = {"expired-ignore", "unmatched-policy"}


#: what may be said beside: a kernel that can't be launched is missing there, and a target
#: whose code is broken or refused has no kernels either
RELATED = {rule: set[str]() for rule in RULES} | {
    "broken-kernel": {"kernel-parity"},
    "broken-code-object": {"no-kernels", "kernel-parity"},
    "target-mismatch": {"refused"},
    "shadowed": {"kernel-parity"},
    "dangling-wrapper": {"unowned-bundle"},
}


@pytest.mark.parametrize("case", CASES, ids=identity)
def test_what_is_sound_passes_without_a_word(case):
    policy = case.policy if case.good_policy is None else case.good_policy
    verdict, findings = judge(*files(case.good), **policy)
    assert [f"{one.rule}: {one.message}" for one in findings] == []
    assert verdict is Verdict.PASS


def test_every_rule_has_a_case_that_breaks_it():
    # those on wheels and on kpack need more than one file: test_audit.py, test_kpack.py
    elsewhere = {"record-mismatch", "claim-mismatch"}
    elsewhere |= {rule for rule in RULES if rule.startswith("kpack-")}
    assert {case.rule for case in CASES} == RULES.keys() - elsewhere


def test_every_rule_says_what_it_means_and_how_to_mend_it():
    for name, rule in RULES.items():
        assert rule.name == name
        assert rule.summary
        assert rule.meaning
        assert rule.mend


def test_the_rules_of_the_design_keep_their_names_and_severities():
    errors = [
        "unreadable", "no-device-code", "missing-target", "partial-target", "generic-only",
        "jit-only", "broken-code-object", "target-mismatch", "corrupt-bundle", "no-kernels",
        "kernel-parity", "missing-kernel", "broken-kernel", "dangling-wrapper",
        "extra-target",
    ]  # fmt: skip
    for name in errors:
        assert RULES[name].severity is Severity.ERROR
    assert RULES["unowned-bundle"].severity is Severity.WARNING
    unknown = {name for name, rule in RULES.items() if rule.unknown}
    assert unknown == {"unreadable", "kpack-alone"}


# --- hints, policies and verdicts ---------------------------------------------------


def only(findings, rule):
    (found,) = [one for one in findings if one.rule == rule]
    return found


LACKS = bundle(("gfx942", A))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"wrappers": [Wrapper(), Wrapper()]}, "link line"),
        ({"empty": [".hip_gpubin_handle"]}, "link line"),
        ({"sections": True}, "compile line"),
    ],
)
def test_the_hint_names_the_command_line_that_decides(fields, words):
    """An RDC binary is mended on its link line, another where the unit is compiled."""
    found = only(judge(Host(LACKS, **fields).build().data)[1], "missing-target")
    assert words in found.hint.replace("*", "")
    assert "--offload-arch=gfx950" in found.hint


def test_what_is_packed_instead_is_told():
    found = only(judge(Host(LACKS).build().data)[1], "missing-target")
    assert "packed: gfx942" in found.details
    assert any("kernel" in line for line in found.details)


def test_an_entry_that_is_there_and_useless_is_named_with_its_cause():
    data = host(("hip-amdgcn-amd-amdhsa--gfx906", useless()))
    _, findings = judge(data)
    assert rules(findings) == ["missing-target"]
    assert all("without --offload-arch" in one.details[0] for one in findings)
    refused = only(judge(host(("gfx942", A), ("gfx950", useless())))[1], "refused")
    assert "--offload-arch=gfx950" in refused.hint


def test_a_target_is_missing_in_each_bundle_that_lacks_it():
    """Per bundle, and never the union over bundles."""
    data = units(LACKS, PAIR, LACKS, bundle(("gfx950", B)))
    _, findings = judge(data)
    assert [(f.rule, f.bundle, f.target) for f in findings] == [
        ("missing-target", 0, "gfx950"),
        ("missing-target", 2, "gfx950"),
        ("missing-target", 3, "gfx942"),
    ]


def test_an_empty_entry_is_told_as_empty():
    _, findings = judge(host(("gfx942", A), ("gfx950", b"")))
    assert "the entry is empty" in only(findings, "broken-code-object").message


def test_both_entries_of_a_swap_are_told():
    _, findings = judge(host(("gfx942", B), ("gfx950", A)))
    told = [one.target for one in findings if one.rule == "target-mismatch"]
    assert told == ["gfx942", "gfx950"]


@pytest.mark.parametrize("swapped", [False, True])
def test_code_object_v3_has_no_modes_to_disagree_with(swapped):
    """Its bits say on or off, never any: the processor alone is compared."""
    other = code_object("gfx950" if swapped else "gfx942", abi=V3, e_flags=0x24C)
    found = judge(host(("gfx950" if swapped else "gfx942", other), ("gfx90a", b"")))[1]
    assert ("target-mismatch" in rules(found)) is swapped


@pytest.mark.parametrize("required", ["gfx942", "gfx942:xnack-", "gfx942:sramecc+:xnack-"])
def test_a_target_with_modes_can_be_required(required):
    data = host(moded("gfx942", "xnack-", XNACK_OFF))
    verdict, findings = judge(data, required=parse_required((required,)))
    assert rules(findings) == (["partial-target"] if required == "gfx942" else [])
    assert (verdict is Verdict.PASS) is (required != "gfx942")


def test_a_limit_that_was_exceeded_is_not_a_violation():
    """It could not be told: exit 2, and how to raise it."""
    verdict, findings = judge(GOOD, limits=Limits(symbols=1))
    assert verdict is Verdict.UNKNOWN
    assert rules(findings) == ["unreadable"]
    assert all("--limit symbols=" in one.message for one in findings)
    assert {one.target for one in findings} == {"gfx942", "gfx950"}


NOTHING = Artifact("empty", "directory")
MISSING = b"no binary at all"


@pytest.mark.parametrize(
    ("contents", "verdict"),
    [
        ([GOOD], Verdict.PASS),
        ([GOOD, GOOD], Verdict.PASS),
        ([Host(LACKS).build().data], Verdict.FAIL),
        ([GOOD, Host(LACKS).build().data], Verdict.FAIL),
        ([GOOD[:-700]], Verdict.UNKNOWN),
        ([GOOD, GOOD[:-700]], Verdict.UNKNOWN),
        # a violation outranks what could not be told
        ([GOOD[:-700], Host(LACKS).build().data], Verdict.FAIL),
        # nothing to check is never a pass
        ([], Verdict.UNKNOWN),
        ([MISSING], Verdict.UNKNOWN),
        ([NOTHING], Verdict.UNKNOWN),
        ([GOOD, MISSING], Verdict.UNKNOWN),
        ([NOTHING, GOOD], Verdict.UNKNOWN),
        ([MISSING, Host(LACKS).build().data], Verdict.FAIL),
        # a binary that is named on its own must carry device code
        ([GOOD, Host().build().data], Verdict.FAIL),
    ],
)
def test_the_verdict_over_several_artifacts_is_the_worst(contents, verdict):
    assert judge(*contents)[0] is verdict


def directory(*contents):
    """A directory with binaries of these contents."""
    binaries = [read(one) for one in contents]
    return Artifact("dir", "directory", tuple(binaries))


def test_host_code_beside_device_code_is_ordinary_in_a_directory():
    assert judge(directory(GOOD, Host().build().data))[0] is Verdict.PASS
    verdict, findings = judge(directory(Host().build().data, Host().build().data))
    assert (verdict, rules(findings)) == (Verdict.FAIL, ["no-device-code"])
    assert "none of the 2 binaries" in findings[0].message


@pytest.mark.parametrize(
    ("glob", "passes"),
    [("t.so", True), ("*.so", True), ("deep_ep*.so", False), ("T.SO", False)],
)
def test_what_is_expected_must_be_there(glob, passes):
    verdict, findings = judge(GOOD, expect=(glob,))
    assert (verdict is Verdict.PASS) is passes
    assert rules(findings) == ([] if passes else ["no-device-code"])


def test_what_is_expected_must_carry_device_code():
    both_kinds = directory(GOOD, Host().build().data)
    verdict, findings = judge(both_kinds, expect=("t.so",))
    assert (verdict, rules(findings)) == (Verdict.FAIL, ["no-device-code"])


@pytest.mark.parametrize(
    ("ignore", "verdict"),
    [
        (Ignore("missing-target"), Verdict.PASS),
        (Ignore("missing-target", "*.so"), Verdict.PASS),
        (Ignore("missing-target", "other.so"), Verdict.FAIL),
        (Ignore("kernel-parity"), Verdict.FAIL),
    ],
)
def test_a_rule_can_be_ignored_for_some_binaries(ignore, verdict):
    assert judge(Host(LACKS).build().data, ignore=(ignore,))[0] is verdict


def test_a_rule_can_have_another_severity():
    lax = {"missing-target": Severity.WARNING}
    verdict, findings = judge(Host(LACKS).build().data, severities=lax)
    assert (verdict, findings[0].severity) == (Verdict.PASS, Severity.WARNING)
    strict = {"unowned-bundle": Severity.ERROR}
    assert judge(Host(PAIR, []).build().data, severities=strict)[0] is Verdict.FAIL


@pytest.mark.parametrize("accept", [(), ("generic",), ("spirv",), ("generic", "spirv")])
def test_a_fallback_counts_only_where_it_is_accepted(accept):
    generic = host(("gfx9-4-generic", GENERIC))
    spirv = host((SPIRV, b"\3\2\x23\7 and more"))
    for data, rule, name in (
        (generic, "generic-only", "generic"),
        (spirv, "jit-only", "spirv"),
    ):
        verdict, findings = judge(data, accept=frozenset(accept))
        assert (verdict is Verdict.PASS) is (name in accept)
        assert [f.target for f in findings if f.rule == rule] == (
            [] if name in accept else ["gfx942", "gfx950"]
        )


@pytest.mark.parametrize(
    ("only_these", "passes"), [(["gfx942", "gfx950"], True), (["gfx942"], False)]
)
def test_other_targets_are_forbidden_on_request(only_these, passes):
    required = parse_required(tuple(only_these))
    verdict, findings = judge(GOOD, required=required, only=True)
    assert (verdict is Verdict.PASS) is passes
    assert [f.target for f in findings] == ([] if passes else ["gfx950"])


def test_modes_of_a_required_processor_are_no_other_targets():
    held = [moded("gfx942", "xnack+", XNACK_ON), moded("gfx942", "xnack-", XNACK_OFF)]
    required = parse_required(("gfx942",))
    assert judge(host(*held), required=required, only=True)[1] == ()


@pytest.mark.parametrize(
    ("glob", "passes"),
    [
        ("*dispatch*", True),
        ("_Z8dispatchPi", True),  # mangled
        ("dispatch(int*)", True),  # or not
        ("dispatch", True),  # or without what is in brackets
        ("disp", False),  # the whole name, or a glob
        ("*combine*", False),
    ],
)
def test_a_kernel_is_asked_for_by_either_of_its_names(glob, passes):
    data = both(["_Z8dispatchPi"], ["_Z8dispatchPi"])
    verdict, findings = judge(data, kernels=(glob,))
    assert (verdict is Verdict.PASS) is passes
    assert {f.target for f in findings} == (set() if passes else {"gfx942", "gfx950"})


def test_a_kernel_that_is_asked_for_may_be_in_any_bundle_of_an_artifact():
    first = bundle(
        ("gfx942", code_object("gfx942", "a")), ("gfx950", code_object("gfx950", "a"))
    )
    assert judge(units(first, PAIR), kernels=("a", "kernel"))[0] is Verdict.PASS


def test_a_kernel_with_the_same_name_in_several_bundles_is_no_fault():
    """Static kernels repeat in every unit."""
    assert judge(units(PAIR, PAIR))[1] == ()


def test_parity_is_held_within_a_bundle_and_between_required_targets():
    more = bundle(("gfx942", code_object("gfx942", "only_here")), ("gfx90a", b""))
    required = parse_required(("gfx942",))
    _, findings = judge(units(PAIR, more), required=required)
    assert "kernel-parity" not in rules(findings)


@pytest.mark.parametrize("targets", [("gfx942",), ("gfx942", "gfx90a")])
@pytest.mark.parametrize("off", [["kernel"], ["kernel", "other"], ["other"]])
def test_parity_is_held_between_the_modes_of_a_target(targets, off):
    """Two code objects serve gfx942, and a machine takes one of them."""
    data = host(
        ("gfx90a", code_object("gfx90a", "kernel")),
        ("gfx942:xnack+", code_object("gfx942:xnack+", "kernel", e_flags=0x4C | XNACK_ON)),
        ("gfx942:xnack-", code_object("gfx942:xnack-", *off, e_flags=0x4C | XNACK_OFF)),
    )
    _, findings = judge(data, required=parse_required(targets))
    told = {one.kernel for one in findings if one.rule == "kernel-parity"}
    assert told == {"kernel", "other"} - ({"kernel"} & set(off)) - (
        {"other"} if off == ["kernel"] else set()
    )


def test_findings_come_in_the_order_of_the_bundles():
    data = units(
        bundle(("gfx942", B), ("gfx950", A)), LACKS, bundle(("gfx942", A), ("gfx950", A))
    )
    _, findings = judge(data)
    numbers = [one.bundle for one in findings if one.bundle is not None]
    assert numbers == sorted(numbers)


@pytest.mark.parametrize("sections", [True, False])
def test_an_offload_bundle_that_nobody_registers_must_serve_the_targets_too(sections):
    """What a program embeds to load by itself: judged as well."""
    data = Host(data={".rodata": LACKS}, sections=sections).build().data
    verdict, findings = judge(data)
    assert (verdict, rules(findings)) == (Verdict.FAIL, ["missing-target"])


@pytest.mark.parametrize(
    ("stubs", "names"),
    [
        (["__device_stub__gone"], ["gone"]),
        (["_ZN12_GLOBAL__N_119__device_stub__goneEPi"], ["_ZN12_GLOBAL__N_14goneEPi"]),
        (["_Z5__device_stub__"], []),  # no room for a name: no stub
        (["_Z0__device_stub__x"], []),
        ([f"_Z{'9' * 5000}__device_stub__x"], None),  # a number as long as a line
        (["__device_stub__\udcff"], None),
    ],
)
def test_device_stubs_are_held_against_the_kernels(stubs, names):
    stubs = [one.encode("utf-8", "surrogateescape") for one in stubs]
    _, findings = judge(both(functions=[STUB, *stubs]))
    lost = [one.kernel for one in findings if one.rule == "missing-kernel"]
    assert names is None or lost == names


def test_every_check_is_a_generator_of_findings_about_a_binary():
    binary = artifact(GOOD).binaries[0]
    from kinspect.policy import Policy  # noqa: PLC0415

    assert [list(check(binary, Policy())) for check in CHECKS] == [[] for _ in CHECKS]


def test_names_that_are_no_text_can_be_told():
    """Symbols of a code object may hold any byte."""
    kernel = Kernel("_Zbad", listed=False)
    data = bytearray(code_object("gfx950", "kernel", kernel))
    at = data.index(b"_Zbad.kd")
    data[at + 2] = 0xFF
    _, findings = judge(host(("gfx942", A), ("gfx950", bytes(data))))
    assert "_Z\udcffad" in [f.kernel for f in findings if f.rule == "broken-kernel"]


def test_metadata_that_is_broken_hides_no_other_target():
    broken = code_object("gfx950", records=[packed({})])
    _, findings = judge(host(("gfx942", A), ("gfx950", broken)))
    assert {one.target for one in findings} == {"gfx950"}
    assert "broken-code-object" in rules(findings)


@pytest.mark.parametrize(
    ("accept", "stand_in"),
    [("generic", "gfx9-4-generic"), ("spirv", "amdgcnspirv")],
)
def test_a_fallback_that_is_accepted_is_not_extra(accept, stand_in):
    id_ = stand_in if accept == "generic" else "hip-spirv64-amd-amdhsa--amdgcnspirv"
    data = host(("gfx942", A), ("gfx950", B), (id_, b"stand-in"))
    assert "extra-target" in rules(judge(data, only=True)[1])
    accepted = judge(data, only=True, accept=frozenset({accept}))[1]
    assert "extra-target" not in rules(accepted)
