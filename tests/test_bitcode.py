"""RDC objects, archives of them and device libraries: what a link would find."""

from json import loads

import jsonschema
import pytest
from click.testing import CliRunner

from kinspect import Policy, TargetID, Verdict, inspect, schemas, verify
from kinspect.cli import cli
from kinspect.linking import link_units
from kinspect.model import Bitcode, Severity
from kinspect.render import json, text
from kinspect.render.listing import listing
from tests.conftest import SAMPLES
from tests.reading import judge, read, rules, survives
from tests.writers import (
    Host,
    Image,
    Slot,
    Wrapper,
    bundle,
    ccob,
    code_object,
    offload_binary,
)
from tests.writers.offload import BITCODE, OBJECT
from tests.writers.wheels import build

RDC = (SAMPLES / "rdc_old_driver.o").read_bytes()
#: librocshmem_device_*.bc: three functions each, by clang 22
LIBRARY = {
    t: (SAMPLES / f"librocshmem_device_{t}.bc").read_bytes() for t in ("gfx942", "gfx950")
}
KERNEL = b"_ZN7deep_ep6layout19get_dispatch_layoutILi256EEEvPii"
BOTH = ("gfx942", "gfx950")


def replaced(data: bytes, old: bytes, new: bytes, which: int = 0) -> bytes:
    """`data` with one occurrence of `old` replaced, the size kept."""
    at = -1
    for _ in range(which + 1):
        at = data.index(old, at + 1)
    assert len(old) == len(new)
    return data[:at] + new + data[at + len(old) :]


def require(*targets: str):
    return {"policy": Policy(required=tuple(map(TargetID.parse, targets)))}


def said(report) -> list[tuple[str, str | None]]:
    return sorted((f.rule, f.target) for f in report.findings)


# --- objects of the old driver ----------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "rdc_old_driver.o",
        "rdc_old_driver.obj",
        "rdc_new_driver.o",
        "rdc_merged.o",
        "librocshmem.a",
        "librocshmem_bsd.a",
    ],
)
def test_bitcode_for_every_target_passes(name):
    report = verify(SAMPLES / name)
    assert report.verdict is Verdict.PASS
    assert report.findings == ()
    assert {b.linkage for a in report.artifacts for b in a.binaries} == {"rdc"}


@pytest.mark.parametrize("name", ["rdc_gfx942_only.o", "rdc_new_driver_gfx942_only.obj"])
def test_an_object_that_lacks_a_target_fails(name):
    report = verify(SAMPLES / name)
    assert report.verdict is Verdict.FAIL
    assert said(report) == [("missing-bitcode", "gfx950")]


def test_one_member_of_an_archive_that_lacks_a_target_fails():
    report = verify(SAMPLES / "librocshmem_one_member_gfx942_only.a")
    assert report.verdict is Verdict.FAIL
    (finding,) = report.findings
    assert finding.rule == "missing-bitcode"
    assert finding.path.endswith("!rocshmem_team_collectives.942.o")
    assert finding.target == "gfx950"
    assert "--offload-arch=gfx950" in finding.hint


def test_a_name_that_a_bundler_misspelled_is_found_by_no_link():
    """LLVM 19 ends the name of a processor that it does not know with a dash.

    One that knows it takes `gfx950-` for no processor (OffloadTargetInfo), and with
    -allow-missing-bundles, as clang calls it, unbundles nothing.
    """
    report = verify(SAMPLES / "rdc_misspelled.o")
    assert report.verdict is Verdict.FAIL
    (finding,) = report.findings
    assert (finding.rule, finding.target) == ("missing-bitcode", "gfx950")
    assert "gfx950-'" in finding.details[0]
    assert "did not know gfx950" in finding.hint


def test_modes_that_end_with_a_dash_are_no_misspelling():
    data = replaced(RDC, b"hsa-unknown-gfx942\0", b"hsa--gfx942:xnack-\0")
    verdict, findings = judge(data)
    assert verdict is Verdict.FAIL
    assert [(f.rule, f.message.split(" for ")[1]) for f in findings] == [
        ("missing-bitcode", "gfx942 in mode gfx942:sramecc+:xnack+")
    ]


def test_bitcode_for_another_processor_than_its_section_names():
    data = replaced(RDC, b"unknown-gfx942\0", b"unknown-gfx90a\0")
    verdict, findings = judge(data)
    assert verdict is Verdict.FAIL
    assert rules(findings) == ["missing-bitcode", "target-mismatch"]


def test_targets_that_define_different_functions():
    """A name is changed in the string table of the second module alone."""
    other = KERNEL.replace(b"layoutILi", b"layourILi")
    places = RDC.count(KERNEL)
    found = []
    for which in range(places):
        verdict, findings = judge(replaced(RDC, KERNEL, other, which))
        found += [(verdict, rules(findings))]
    assert (Verdict.FAIL, ["kernel-parity"]) in found


def test_damaged_bitcode_could_not_be_told():
    magic = b"BC\xc0\xde"
    verdict, findings = judge(replaced(RDC, magic, b"BC\xc0\xdf"))
    assert verdict is Verdict.UNKNOWN
    assert rules(findings) == ["unreadable"]


@pytest.mark.parametrize(
    "name", ["rdc_old_driver.o", "rdc_new_driver.o", "rdc_old_driver.obj"]
)
def test_no_cut_of_an_rdc_object_passes(name):
    data = (SAMPLES / name).read_bytes()
    for size in range(0, len(data), 197):
        assert judge(data[:size])[0] is not Verdict.PASS


def test_the_report_names_producer_and_functions():
    report = verify(SAMPLES / "rdc_old_driver.o")
    assert '"function_count": 1' in json.report(report)
    assert '"producer": "LLVM22' in json.report(report)


# --- objects of the new driver ----------------------------------------------------------


def new_driver(*containers: bytes) -> bytes:
    """An object whose `.llvm.offloading` has these containers."""
    section = b"".join(one + bytes(-len(one) % 8) for one in containers)
    return Host(type="rel", offloading=section).build().data


def image(target: str, data: bytes | None = None, kind: int = BITCODE) -> Image:
    return Image(LIBRARY[target] if data is None else data, target, kind=kind)


def test_an_object_of_several_units_is_judged_unit_by_unit():
    """By `ld -r`; two units of one target each are not one unit of two."""
    report = verify(SAMPLES / "rdc_merged_one_each.o")
    assert report.verdict is Verdict.FAIL
    assert [(f.rule, f.target) for f in report.findings] == [
        ("missing-bitcode", "gfx950"),
        ("missing-bitcode", "gfx942"),
    ]
    assert "bundle 0 (rocshmem_context.hip)" in report.findings[0].message
    assert "bundle 1 (rocshmem_team_collectives.hip)" in report.findings[1].message
    assert "1/2" in text.report(report)
    (binary,) = inspect(SAMPLES / "rdc_merged.o").binaries
    assert [[p.name for p in unit.parts] for unit in link_units(binary)] == [
        [*BOTH],
        [*BOTH],
    ]


@pytest.mark.parametrize("version", [1, 2, 3])
@pytest.mark.parametrize("method", [None, "zlib", "zstd"])
def test_every_version_of_the_container_is_judged(version, method):
    if method and version < 3:
        pytest.skip("version 3 is the first that compresses")
    both = [offload_binary(image(t), version=version, method=method) for t in BOTH]
    assert judge(new_driver(*both))[0] is Verdict.PASS
    verdict, findings = judge(new_driver(both[0]))
    assert verdict is Verdict.FAIL
    assert [(f.rule, f.target) for f in findings] == [("missing-bitcode", "gfx950")]


@pytest.mark.parametrize("version", [2, 3])
def test_a_container_of_several_images_is_one_unit(version):
    one = offload_binary(image("gfx942"), image("gfx950"), version=version)
    assert judge(new_driver(one))[0] is Verdict.PASS
    lacks = offload_binary(image("gfx942"), version=version)
    verdict, findings = judge(new_driver(one, lacks))
    assert verdict is Verdict.FAIL
    assert [(f.rule, f.target) for f in findings] == [("missing-bitcode", "gfx950")]
    assert findings[0].message.startswith("bundle 1 ")


def test_bitcode_beside_a_code_object_serves_the_link_too():
    """A compiler may assemble one target and keep bitcode for another."""
    both = offload_binary(
        image("gfx942"), image("gfx950", code_object("gfx950"), OBJECT), version=2
    )
    assert judge(new_driver(both))[0] is Verdict.PASS


def test_an_image_that_claims_another_processor_than_its_bitcode():
    wrong = offload_binary(image("gfx942"), image("gfx950", LIBRARY["gfx942"]), version=2)
    verdict, findings = judge(new_driver(wrong))
    assert verdict is Verdict.FAIL
    assert [(f.rule, f.target) for f in findings] == [("target-mismatch", "gfx950")]


def test_damaged_bitcode_of_an_image_could_not_be_told():
    spoiled = LIBRARY["gfx950"][:200]
    both = offload_binary(image("gfx942"), image("gfx950", spoiled), version=2)
    verdict, findings = judge(new_driver(both))
    assert verdict is Verdict.UNKNOWN
    assert rules(findings) == ["unreadable"]


def test_an_image_that_is_no_bitcode_is_no_pass():
    both = offload_binary(image("gfx942"), image("gfx950", b"nothing at all"), version=2)
    assert judge(new_driver(both))[0] is Verdict.FAIL


# --- bundles of bitcode -----------------------------------------------------------------


@pytest.mark.parametrize("packed", [lambda data: data, ccob])
def test_a_bundle_of_bitcode_is_for_a_link(packed):
    """By clang -emit-llvm --gpu-bundle-output: what hiprtcLinkAddFile takes."""
    kept = [(f"hip-amdgcn-amd-amdhsa--{t}", LIBRARY[t]) for t in BOTH]
    assert judge(packed(bundle(*kept)))[0] is Verdict.PASS
    verdict, findings = judge(packed(bundle(kept[0])))
    assert verdict is Verdict.FAIL
    assert [(f.rule, f.target) for f in findings] == [("missing-bitcode", "gfx950")]


def test_a_bundle_of_bitcode_that_a_program_embeds_is_for_a_link():
    data = bundle(("gfx942", LIBRARY["gfx942"]))
    verdict, findings = judge(Host(data={".rodata": data}).build().data)
    assert verdict is Verdict.FAIL
    assert [(f.rule, f.target) for f in findings] == [("missing-bitcode", "gfx950")]


def test_hip_does_not_load_bitcode():
    """In a library that registers it: the device link is missing."""
    data = bundle(*[(t, LIBRARY[t]) for t in BOTH])
    verdict, findings = judge(Host(data).build().data)
    assert verdict is Verdict.FAIL
    assert rules(findings) == ["broken-code-object"]
    assert "LLVM bitcode" in next(f.message for f in findings)


def test_a_bundle_with_bitcode_for_one_target_and_code_for_another_is_no_pass():
    data = bundle(("gfx942", LIBRARY["gfx942"]), ("gfx950", code_object("gfx950")))
    assert judge(data)[0] is Verdict.FAIL
    assert judge(Host(data, [Wrapper()]).build().data)[0] is Verdict.FAIL


def test_an_empty_entry_beside_bitcode_is_no_pass():
    data = bundle(("gfx942", LIBRARY["gfx942"]), Slot("hip-amdgcn-amd-amdhsa--gfx950"))
    verdict, findings = judge(data)
    assert verdict is Verdict.FAIL
    assert "missing-bitcode" in rules(findings)


# --- files of bitcode -------------------------------------------------------------------


@pytest.fixture
def libraries(tmp_path):
    """The device libraries that rocSHMEM installs."""
    for target, data in LIBRARY.items():
        (tmp_path / f"librocshmem_device_{target}.bc").write_bytes(data)
    return tmp_path


def test_a_device_library_for_each_target_passes(libraries):
    report = verify(libraries)
    assert report.verdict is Verdict.PASS
    assert report.findings == ()
    named = verify(sorted(libraries.iterdir()))  # each by itself: the other is beside
    assert named.verdict is Verdict.PASS


@pytest.mark.parametrize("lost", BOTH)
def test_a_missing_sibling_is_named(libraries, lost):
    (libraries / f"librocshmem_device_{lost}.bc").unlink()
    report = verify(libraries)
    assert report.verdict is Verdict.FAIL
    (finding,) = report.findings
    assert (finding.rule, finding.target) == ("missing-bitcode", lost)
    assert f"librocshmem_device_{lost}.bc is not there" in finding.message


def test_siblings_in_directories_of_their_own_and_in_a_wheel(tmp_path):
    files = {"x/gfx942/device.bc": LIBRARY["gfx942"]}
    assert said(verify(build(tmp_path, files))) == [("missing-bitcode", "gfx950")]
    files["x/gfx950/device.bc"] = LIBRARY["gfx950"]
    assert verify(build(tmp_path, files)).verdict is Verdict.PASS


def test_a_library_of_another_name_is_no_sibling(libraries):
    one = libraries / "librocshmem_device_gfx950.bc"
    one.rename(libraries / "libother_device_gfx950.bc")
    report = verify(libraries)
    assert report.verdict is Verdict.FAIL
    assert said(report) == [("missing-bitcode", "gfx942"), ("missing-bitcode", "gfx950")]


def test_a_name_that_claims_another_target_than_the_functions(libraries):
    data = (SAMPLES / "mislabelled_gfx950.bc").read_bytes()
    (libraries / "librocshmem_device_gfx950.bc").write_bytes(data)
    report = verify(libraries)
    assert report.verdict is Verdict.FAIL
    assert said(report) == [("missing-bitcode", "gfx950"), ("target-mismatch", "gfx950")]


def test_siblings_that_define_different_functions(libraries):
    path = libraries / "librocshmem_device_gfx950.bc"
    path.write_bytes(replaced(LIBRARY["gfx950"], b"rocshmem_my_pe", b"rocshmem_my_pf"))
    report = verify(libraries)
    assert report.verdict is Verdict.FAIL
    assert {f.rule for f in report.findings} == {"kernel-parity"}
    assert {f.target for f in report.findings} == {*BOTH}


def test_a_wrapped_file_and_one_in_an_archive(tmp_path):
    report = verify(SAMPLES / "wrapped_gfx942.bc", **require("gfx942"))
    assert report.verdict is Verdict.PASS
    archive = b"!<arch>\n"
    for target, data in LIBRARY.items():
        name = f"ctx_{target}.bc/".encode()
        archive += name.ljust(16) + b"0           0     0     644     "
        archive += str(len(data)).encode().ljust(10) + b"`\n" + data + bytes(len(data) % 2)
    path = tmp_path / "libdevice.a"
    path.write_bytes(archive)
    assert verify(path).verdict is Verdict.PASS


def without_processor(data: bytes) -> bytes:
    """The attribute `target-cpu` by another name, wherever the bits of it lie."""
    text = "".join(f"{byte:08b}"[::-1] for byte in data)
    count = 0
    for width in (8, 7):
        old = "".join(f"{letter:0{width}b}"[::-1] for letter in b"target-cpu")
        new = "".join(f"{letter:0{width}b}"[::-1] for letter in b"target-cpx")
        count += text.count(old)
        text = text.replace(old, new)
    vbr = [
        "".join(_vbr6(letter) for letter in word) for word in (b"target-cpu", b"target-cpx")
    ]
    count += text.count(vbr[0])
    text = text.replace(vbr[0], vbr[1])
    assert count
    return bytes(int(text[at : at + 8][::-1], 2) for at in range(0, len(text), 8))


def _vbr6(letter: int) -> str:
    """Two pieces of six bits, the first with its sixth set (letters are 32 or more)."""
    return f"{letter & 31 | 32:06b}"[::-1] + f"{letter >> 5:06b}"[::-1]


def test_a_library_for_any_processor_serves_all(tmp_path):
    """As ROCm's own: `ocml.bc` names no processor."""
    (tmp_path / "ocml.bc").write_bytes(without_processor(LIBRARY["gfx942"]))
    report = verify(tmp_path)
    assert report.verdict is Verdict.PASS
    assert report.findings == ()


def test_a_name_that_claims_what_the_functions_do_not_say(libraries):
    data = without_processor(LIBRARY["gfx950"])
    (libraries / "librocshmem_device_gfx950.bc").write_bytes(data)
    report = verify(libraries)
    assert report.verdict is Verdict.PASS
    (finding,) = report.findings
    assert (finding.rule, finding.severity) == ("target-mismatch", Severity.WARNING)


def test_bitcode_of_the_host_is_no_device_code(tmp_path):
    """A triple of the same length, in the bytes of the record."""
    text = "".join(f"{byte:08b}"[::-1] for byte in LIBRARY["gfx942"])
    old, new = b"amdgcn-amd-amdhsa", b"x86_64-pc-linux-g"
    for width in (8, 7):
        text = text.replace(
            "".join(f"{letter:0{width}b}"[::-1] for letter in old),
            "".join(f"{letter:0{width}b}"[::-1] for letter in new),
        )
    text = text.replace("".join(map(_vbr6, old)), "".join(map(_vbr6, new)))
    data = bytes(int(text[at : at + 8][::-1], 2) for at in range(0, len(text), 8))
    found = read(data)
    assert found.format == "bitcode"
    assert not found.device_code
    path = tmp_path / "host.bc"
    path.write_bytes(data)
    assert said(verify(path)) == [("no-device-code", None)]


def test_a_damaged_library_could_not_be_told(libraries):
    (libraries / "librocshmem_device_gfx950.bc").write_bytes(LIBRARY["gfx950"][:2000])
    report = verify(libraries)
    assert "unreadable" in {f.rule for f in report.findings}
    assert report.verdict is not Verdict.PASS


@pytest.mark.parametrize("target", BOTH)
def test_whatever_byte_is_spoiled_a_library_is_judged(target):
    data = LIBRARY[target]
    for place in range(0, len(data), 331):
        spoiled = bytearray(data)
        spoiled[place] ^= 0x55
        survives(bytes(spoiled))


@pytest.mark.parametrize("name", ["rdc_new_driver.o", "librocshmem_device_gfx942.bc"])
def test_json_is_valid_against_the_schema(name):
    report = loads(json.report(verify(SAMPLES / name)))
    jsonschema.validate(report, loads(schemas.report()))
    (binary,) = report["artifacts"][0]["binaries"]
    entries = [
        entry["code_object"] for one in binary["bundles"] for entry in one["entries"]
    ]
    kept = [entry["bitcode"] for entry in entries] or binary["bitcode"]
    assert all(one["producer"].startswith("LLVM22") for one in kept)


def test_a_listing_names_what_is_kept(libraries):
    found = inspect(libraries, code_objects=False)
    assert "hip-amdgcn-amd-amdhsa--gfx942" in listing([found])
    assert "unowned" not in listing([inspect(SAMPLES / "rdc_new_driver.o")])


def test_explain_says_that_hip_loads_no_bitcode():
    path = str(SAMPLES / "rdc_new_driver.o")
    done = CliRunner().invoke(cli, ["explain", "-d", "gfx942", path])
    assert done.exit_code == 2
    assert "a link compiles it" in done.stderr


# --- tools of others --------------------------------------------------------------------

SOURCE = "__attribute__((device)) int twice(int n) { return 2 * n; }"


@pytest.mark.oracle
@pytest.mark.parametrize("triple", ["x86_64-linux-gnu", "x86_64-pc-windows-msvc"])
@pytest.mark.parametrize("driver", [[], ["--offload-new-driver"]])
def test_objects_by_clang_for_linux_and_windows(run, tmp_path, triple, driver):
    source, out = tmp_path / "a.hip", tmp_path / "a.o"
    source.write_text(SOURCE)
    options = [
        f"--target={triple}",
        *["-x", "hip", "-nogpulib", "-nogpuinc", "-fgpu-rdc", "-O1"],
    ]
    arches = [f"--offload-arch={target}" for target in ("gfx942", "gfx90a")]
    run("clang-19", *options, *driver, *arches, "-c", source, "-o", out)
    assert verify(out, **require("gfx942", "gfx90a")).verdict is Verdict.PASS
    report = verify(out, **require("gfx942", "gfx1100"))
    assert said(report) == [("missing-bitcode", "gfx1100")]
    (binary,) = report.artifacts[0].binaries
    (unit,) = link_units(binary)
    contents = [part.content for part in unit.parts]
    assert [c.functions for c in contents if isinstance(c, Bitcode)] == [("_Z5twicei",)] * 2


@pytest.mark.oracle
@pytest.mark.parametrize("compress", [[], ["-compress"]])
def test_a_bundle_of_bitcode_by_clangs_bundler(run, tmp_path, compress):
    source = tmp_path / "a.hip"
    source.write_text(SOURCE)
    options = "-x hip -nogpulib -nogpuinc -fgpu-rdc --offload-device-only -emit-llvm -c"
    for target in ("gfx942", "gfx90a"):
        out = tmp_path / f"{target}.bc"
        run("clang-19", *options.split(), f"--offload-arch={target}", source, "-o", out)
    run(
        "clang-offload-bundler-19", "-type=bc", *compress,
        "-targets=host-x86_64-unknown-linux-gnu,hip-amdgcn-amd-amdhsa--gfx942,"
        "hip-amdgcn-amd-amdhsa--gfx90a", "-input=/dev/null",
        f"-input={tmp_path}/gfx942.bc", f"-input={tmp_path}/gfx90a.bc",
        f"-output={tmp_path}/both.bc",
    )  # fmt: skip
    path = tmp_path / "both.bc"
    assert verify(path, **require("gfx942", "gfx90a")).verdict is Verdict.PASS
    assert said(verify(path, **require("gfx950"))) == [("missing-bitcode", "gfx950")]
