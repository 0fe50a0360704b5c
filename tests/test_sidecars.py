"""Device code in files of its own: Tensile, AOTriton, AITER, and what stands alone.

The trees are written as those projects lay them out; the code objects are made from the
specification.
"""

import lzma
import zipfile
import zlib
from pathlib import Path
from struct import pack

import pytest

from kinspect import Artifact, Policy, TargetID, Verdict, inspect, verify
from kinspect.errors import FormatError
from kinspect.formats import tensile
from kinspect.limits import Limits
from kinspect.model import Severity
from kinspect.render import markdown, text
from kinspect.sidecars import groups
from tests.conftest import SAMPLES
from tests.reading import view
from tests.writers import Host, bundle, ccob, code_object, packed
from tests.writers.wheels import build

BOTH = ("gfx942", "gfx950")


def tree(root: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return root


def said(report) -> list[tuple[str, str | None]]:
    """What is wrong; notes are information."""
    return sorted(
        (f.rule, f.target) for f in report.findings if f.severity is not Severity.NOTE
    )


def errors(report) -> list[tuple[str, str | None]]:
    return sorted(
        (f.rule, f.target) for f in report.findings if f.severity is Severity.ERROR
    )


def kernel(name: str, target: str) -> bytes:
    return code_object(target, name)


# --- one file for each target -----------------------------------------------------------


def family(name: str = "kernels", *targets: str) -> dict[str, bytes]:
    return {f"lib/{name}_{t}.hsaco": kernel("k", t) for t in targets or BOTH}


def test_a_file_for_each_target_is_no_gap(tmp_path):
    report = verify(tree(tmp_path, family()))
    assert report.verdict is Verdict.PASS
    assert report.findings == ()


@pytest.mark.parametrize("lost", BOTH)
def test_a_missing_sibling_is_named(tmp_path, lost):
    files = family() | family("others", *BOTH)
    del files[f"lib/kernels_{lost}.hsaco"]
    report = verify(tree(tmp_path, files))
    assert report.verdict is Verdict.FAIL
    (finding,) = report.findings
    assert (finding.rule, finding.target) == ("missing-target", lost)
    assert f"kernels_{lost}.hsaco is not there" in finding.message


def test_siblings_that_are_named_one_by_one_are_judged_together(tmp_path):
    root = tree(tmp_path, family())
    paths = sorted((root / "lib").iterdir())
    assert verify(paths).verdict is Verdict.PASS
    assert said(verify(paths[0])) == [("missing-target", "gfx950")]


def test_siblings_in_a_wheel(tmp_path):
    files = family("kernels", "gfx942")
    assert said(verify(build(tmp_path, files))) == [("missing-target", "gfx950")]
    files["lib/kernels_gfx950.hsaco"] = kernel("k", "gfx950")
    assert verify(build(tmp_path, files)).verdict is Verdict.PASS


def test_code_objects_whose_names_say_nothing_stand_alone(tmp_path):
    """Nothing tells that they are siblings, so each must serve every target."""
    files = {"a.co": kernel("k", "gfx942"), "b.co": kernel("k", "gfx950")}
    report = verify(tree(tmp_path, files))
    assert said(report) == [("missing-target", "gfx942"), ("missing-target", "gfx950")]


def test_modes_may_be_files_of_their_own(tmp_path):
    files = {
        f"k_gfx942-xnack{sign}.hsaco": code_object(
            "gfx942",
            "k",
            e_flags=e_flags,
            metadata_target=f"amdgcn-amd-amdhsa--gfx942:xnack{sign}",
        )
        for sign, e_flags in (("+", 0x74C), ("-", 0x64C))
    }
    policy = Policy(required=(TargetID("gfx942"),))
    root = tree(tmp_path, files)
    assert verify(root, policy).verdict is Verdict.PASS
    (root / "k_gfx942-xnack-.hsaco").unlink()
    assert said(verify(root, policy)) == [("partial-target", "gfx942")]
    (root / "k_gfx942-xnack+.hsaco").rename(root / "k_gfx942-xnack-.hsaco")
    assert ("target-mismatch", "gfx942-xnack-") in said(verify(root, policy))


def test_generic_code_counts_as_it_does_in_a_bundle(tmp_path):
    generic = code_object("gfx9-4-generic", "k", abi=4, e_flags=0x0100055F)
    root = tree(tmp_path, {"k_gfx9-4-generic.co": generic})
    assert errors(verify(root)) == [("generic-only", t) for t in BOTH]
    accepted = Policy(accept=frozenset({"generic"}))
    assert errors(verify(root, accepted)) == []


def test_native_code_in_one_file_goes_before_generic_code_in_another(tmp_path):
    generic = code_object("gfx9-4-generic", "k", abi=4, e_flags=0x0100055F)
    files = {"k_gfx9-4-generic.co": generic, "k_gfx942.co": kernel("k", "gfx942")}
    assert errors(verify(tree(tmp_path, files))) == [("generic-only", "gfx950")]
    named = {f"n_{target}.co": generic for target in BOTH}  # as its users look for it
    accepted = Policy(accept=frozenset({"generic"}))
    assert errors(verify(tree(tmp_path / "named", named), accepted)) == []


# --- names against bytes ----------------------------------------------------------------


@pytest.mark.parametrize(
    "packing",
    [
        lambda target: kernel("k", target),
        lambda target: bundle((target, kernel("k", target))),
        lambda target: ccob(bundle((target, kernel("k", target))), version=3),
    ],
)
def test_bytes_for_another_target_than_the_name_claims(tmp_path, packing):
    """A .co may be a bundle, compressed or not (Tensile does so since ROCm 6.4)."""
    good = tree(tmp_path / "good", {f"k_{t}.co": packing(t) for t in BOTH})
    assert verify(good).verdict is Verdict.PASS
    bad = tree(tmp_path / "bad", {f"k_{t}.co": packing("gfx942") for t in BOTH})
    report = verify(bad)
    assert report.verdict is Verdict.FAIL
    assert ("target-mismatch", "gfx950") in errors(report)
    assert ("missing-target", "gfx950") in errors(report)


def test_the_directory_claims_where_the_name_does_not(tmp_path):
    files = {f"hsa/{t}/fmha/fwd.co": kernel("k", "gfx942") for t in BOTH}
    assert ("target-mismatch", "gfx950") in errors(verify(tree(tmp_path, files)))


def test_what_lies_above_the_artifact_claims_nothing(tmp_path):
    """A build directory that is called gfx90a says nothing of what is built there."""
    root = tree(tmp_path / "build-gfx90a", family())
    assert verify(root).verdict is Verdict.PASS
    (root / "lib/kernels.co").write_bytes(kernel("k", "gfx942"))
    policy = Policy(required=(TargetID("gfx942"),))
    assert verify(root / "lib/kernels.co", policy).verdict is Verdict.PASS
    assert verify(root, policy).verdict is Verdict.PASS


@pytest.mark.parametrize("data", [b"", b"version https://git-lfs.github.com/spec/v1\n"])
def test_a_file_that_is_called_device_code_and_is_none(tmp_path, data):
    root = tree(tmp_path, family() | {"lib/more_gfx950.co": data, "lib/country.co": data})
    report = verify(root)
    assert errors(report) == [("broken-code-object", "gfx950")]
    archive = tmp_path / "x.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for path in sorted((root / "lib").iterdir()):
            file.write(path, f"lib/{path.name}")
    assert errors(verify(archive)) == [("broken-code-object", "gfx950")]


def test_siblings_have_the_same_kernels(tmp_path):
    files = family() | {"lib/kernels_gfx950.hsaco": kernel("other", "gfx950")}
    report = verify(tree(tmp_path, files))
    assert report.verdict is Verdict.FAIL
    assert {(f.rule, f.kernel) for f in report.findings} == {
        ("kernel-parity", "k"),
        ("kernel-parity", "other"),
    }


# --- a directory for each target --------------------------------------------------------


def test_a_directory_for_each_target(tmp_path):
    files = {f"x/{t}/{n}.co": kernel(n, t) for t in BOTH for n in "abc"}
    root = tree(tmp_path, files)
    assert verify(root).verdict is Verdict.PASS
    (root / "x/gfx950/b.co").unlink()
    assert errors(verify(root)) == [("kernel-parity", "gfx950")]
    for name in "ac":
        (root / f"x/gfx950/{name}.co").unlink()
    report = verify(root)
    assert errors(report) == [("missing-target", "gfx950")]
    assert "the 3 files of device code" in report.findings[0].message


def test_kernels_of_aiter_are_tuned_for_each_target(tmp_path):
    files = {f"aiter/hsa/{t}/fmha/fwd.co": kernel("k", t) for t in BOTH}
    files["aiter/hsa/gfx950/fmha/fwd_fp4.co"] = kernel("fp4", "gfx950")
    report = verify(tree(tmp_path, files))
    assert report.verdict is Verdict.PASS
    (note,) = report.findings
    assert (note.rule, note.severity) == ("kernel-parity", Severity.NOTE)


# --- AOTriton ---------------------------------------------------------------------------


def aks2(*images: tuple[str, bytes], size: int | None = None) -> bytes:
    """A file of AOTriton's: header, then an XZ stream of the directory and the images."""
    directory, content = b"", b""
    for name, data in images:
        text = name.encode() + b"\0"
        directory += pack("<5I", 0, 256, len(content), len(data), len(text)) + text
        content += data
    whole = directory + content
    header = pack("<3I", len(whole) if size is None else size, len(images), len(directory))
    return b"AKS2" + header + lzma.compress(whole, lzma.FORMAT_XZ)


def aotriton(*targets: str) -> dict[str, bytes]:
    root = "torch/lib/aotriton.images"
    files = {
        f"{root}/amd-{t}/flash/attn_fwd.aks2": aks2(
            ("attn_fwd-a.hsaco", kernel("a", t)), ("attn_fwd-b.hsaco", kernel("b", t))
        )
        for t in targets
    }
    return files | {"torch/lib/libaotriton_v2.so": Host().build().data}


def test_the_images_of_aotriton_are_read(tmp_path):
    root = tree(tmp_path, aotriton(*BOTH))
    report = verify(root)
    assert report.verdict is Verdict.PASS
    (artifact,) = report.artifacts
    assert len([b for b in artifact.binaries if b.format == "elf64-amdgpu"]) == 4
    assert {b.kernel_count for b in artifact.binaries} == {0, 1}


def test_aotriton_without_images_for_a_target(tmp_path):
    report = verify(tree(tmp_path, aotriton("gfx942", "gfx90a")))
    assert errors(report) == [("missing-target", "gfx950")]


def test_images_in_the_directory_of_another_target(tmp_path):
    files = aotriton(*BOTH)
    path = "torch/lib/aotriton.images/amd-gfx950/flash/attn_fwd.aks2"
    files[path] = files[path.replace("gfx950", "gfx942")]
    report = verify(tree(tmp_path, files))
    assert ("target-mismatch", "gfx950") in errors(report)


def test_a_directory_for_a_family_of_targets(tmp_path):
    files = {
        "aotriton.images/amd-gfx11xx/flash/a.aks2": aks2(("a", kernel("a", "gfx1100")))
    }
    policy = Policy(required=(TargetID("gfx1100"),))
    assert verify(tree(tmp_path, files), policy).verdict is Verdict.PASS
    wrong = {"aotriton.images/amd-gfx11xx/flash/a.aks2": aks2(("a", kernel("a", "gfx942")))}
    report = verify(tree(tmp_path / "wrong", wrong), policy)
    assert ("target-mismatch", "gfx11xx") in errors(report)


GOOD = aks2(("a.hsaco", kernel("a", "gfx942")), ("b.hsaco", kernel("b", "gfx942")))


@pytest.mark.parametrize(
    "data",
    [
        GOOD[:-8],
        GOOD[:16],
        GOOD[:10],
        GOOD[:4] + pack("<I", 2**31) + GOOD[8:],
        GOOD[:8] + pack("<I", 3) + GOOD[12:],
        GOOD[:12] + pack("<I", 5) + GOOD[16:],
        GOOD[:40] + b"\xff" * 8 + GOOD[48:],
        aks2(("a.hsaco", kernel("a", "gfx942")), size=40),
    ],
)
def test_a_damaged_image_file_could_not_be_told(tmp_path, data):
    files = {"aotriton.images/amd-gfx942/flash/a.aks2": data}
    report = verify(tree(tmp_path, files), Policy(required=(TargetID("gfx942"),)))
    assert report.verdict is Verdict.UNKNOWN
    assert "unreadable" in {f.rule for f in report.findings}


# --- Tensile ----------------------------------------------------------------------------


PROBLEMS = ("HH_Contraction_l_Ailk_Bjlk_Cijk_Dijk", "SS_Contraction_l_Alik_Bljk_Cijk_Dijk")


def master(*values: str) -> bytes:
    """A lazy library: placeholders somewhere in a tree of predicates."""
    rows = [
        {
            "predicate": {"type": "TruePred"},
            "library": {"type": "Problem", "rows": [{"type": "Placeholder", "value": v}]},
        }
        for v in values
    ]
    library = {"type": "Hardware", "rows": rows}
    return packed({"library": library, "solutions": [], "version": "4.43.0"})


def rocblas(*targets: str, at: str = "lib/rocblas/library") -> dict[str, bytes]:
    """rocBLAS as it is installed: assembled kernels, and source kernels as a fallback."""
    files = {}
    for target in targets:
        tuned = [f"TensileLibrary_Type_{p}_{target}" for p in PROBLEMS]
        fallback = f"TensileLibrary_Type_{PROBLEMS[0]}_fallback"
        files[f"{at}/TensileLibrary_lazy_{target}.dat"] = master(*tuned, fallback)
        for name in tuned:
            files[f"{at}/{name}.dat"] = packed({"library": {}, "solutions": []})
            files[f"{at}/{name}.co"] = ccob(bundle((target, kernel(name, target))))
        files[f"{at}/{fallback}.dat"] = packed({"library": {}, "solutions": []})
        files[f"{at}/{fallback}_{target}.hsaco"] = kernel("fallback", target)
        files[f"{at}/Kernels.so-000-{target}.hsaco"] = kernel("helper", target)
    return files


def library(*targets: str) -> bytes:
    return Host(bundle(*[(t, kernel("own", t)) for t in targets])).build().data


def test_a_complete_installation_passes(tmp_path):
    files = rocblas(*BOTH) | {"lib/librocblas.so.4": library(*BOTH)}
    report = verify(tree(tmp_path, files))
    assert report.verdict is Verdict.PASS
    assert report.findings == ()


def test_sidecars_that_lack_a_target_of_the_library(tmp_path):
    files = rocblas("gfx942") | {"lib/librocblas.so.4": library(*BOTH)}
    report = verify(tree(tmp_path, files))
    assert errors(report) == [("missing-target", "gfx950")] * 3
    details = [line for f in report.findings for line in f.details]
    assert "librocblas.so.4 beside has code for it" in details
    messages = " ".join(f.message for f in report.findings)
    assert "TensileLibrary_lazy_gfx950.dat is not there" in messages
    assert "Kernels.so-000-gfx950.hsaco is not there" in messages


def test_a_library_that_lacks_a_target_of_its_sidecars(tmp_path):
    files = rocblas(*BOTH) | {"lib/librocblas.so.4": library("gfx942")}
    report = verify(tree(tmp_path, files))
    assert errors(report) == [("missing-target", "gfx950")]
    assert report.findings[0].path.endswith("librocblas.so.4")


def test_targets_that_nobody_required_are_compared_too(tmp_path):
    files = rocblas(*BOTH, "gfx90a") | {"lib/librocblas.so.4": library(*BOTH, "gfx1100")}
    report = verify(tree(tmp_path, files))
    assert report.verdict is Verdict.PASS
    assert {(f.rule, f.target, f.severity) for f in report.findings} == {
        ("missing-target", "gfx1100", Severity.NOTE),
        ("missing-target", "gfx90a", Severity.NOTE),
    }


@pytest.mark.parametrize(
    "lost",
    [
        f"TensileLibrary_Type_{PROBLEMS[1]}_gfx950.co",
        f"TensileLibrary_Type_{PROBLEMS[1]}_gfx950.dat",
        f"TensileLibrary_Type_{PROBLEMS[0]}_fallback_gfx950.hsaco",
    ],
)
def test_a_file_that_a_lazy_library_loads_and_that_is_lost(tmp_path, lost):
    root = tree(tmp_path, rocblas(*BOTH))
    (root / "lib/rocblas/library" / lost).unlink()
    report = verify(root)
    assert report.verdict is Verdict.FAIL
    assert errors(report) == [("missing-kernel", "gfx950")]
    (finding,) = [f for f in report.findings if f.rule == "missing-kernel"]
    assert "of 3 files that it loads, 1 is not there" in finding.message
    assert lost.split("_gfx950")[0] in finding.message


def test_a_file_that_is_lost_for_a_target_that_nobody_required(tmp_path):
    root = tree(tmp_path, rocblas(*BOTH, "gfx90a"))
    lost = f"TensileLibrary_Type_{PROBLEMS[1]}_gfx90a.co"
    (root / "lib/rocblas/library" / lost).unlink()
    report = verify(root)
    assert report.verdict is Verdict.PASS
    (warning,) = [f for f in report.findings if f.severity is Severity.WARNING]
    assert (warning.rule, warning.target) == ("missing-kernel", "gfx90a")


def test_targets_may_have_problems_of_their_own(tmp_path):
    """What counts is that each lazy library finds what it loads."""
    files = rocblas(*BOTH)
    at = "lib/rocblas/library"
    only = "TensileLibrary_Type_F8_gfx950"
    tuned = [f"TensileLibrary_Type_{p}_gfx950" for p in PROBLEMS]
    files[f"{at}/TensileLibrary_lazy_gfx950.dat"] = master(*tuned, only)
    files[f"{at}/{only}.dat"] = packed({"library": {}})
    files[f"{at}/{only}.co"] = kernel("f8", "gfx950")
    assert verify(tree(tmp_path, files)).verdict is Verdict.PASS


def test_a_lazy_library_that_is_damaged_could_not_be_told(tmp_path):
    files = rocblas(*BOTH)
    files["lib/rocblas/library/TensileLibrary_lazy_gfx950.dat"] = b"\xdf\xff\xff"
    report = verify(tree(tmp_path, files))
    assert report.verdict is Verdict.UNKNOWN
    assert errors(report) == [("unreadable", None)]


def test_a_lazy_library_that_was_copied_for_another_target(tmp_path):
    files = rocblas("gfx942")
    at = "lib/rocblas/library/TensileLibrary_lazy"
    files[f"{at}_gfx950.dat"] = files[f"{at}_gfx942.dat"]
    found = errors(verify(tree(tmp_path, files)))
    assert ("target-mismatch", "gfx950") in found


def test_the_layout_of_hipblaslt_a_directory_for_each_target(tmp_path):
    """Mappings of numbers to names, compressed (`.dat.zlib`), in the newest releases."""
    files = {}
    for target in BOTH:
        at = f"lib/hipblaslt/library/{target}"
        name = f"TensileLibrary_BB_BB_HA_{target}"
        mapping = zlib.compress(packed({0: name}))
        files[f"{at}/TensileLiteLibrary_lazy_{target}_Mapping.dat.zlib"] = mapping
        files[f"{at}/TensileLibrary_lazy_{target}.dat.zlib"] = zlib.compress(master())
        files[f"{at}/{name}.dat.zlib"] = zlib.compress(packed({"library": {}}))
        files[f"{at}/{name}.co"] = kernel(name, target)
        files[f"{at}/extop_{target}.co"] = kernel("extop", target)
    files["lib/hipblaslt/library/gfx950/rr_custom_kernels_gfx950.co"] = kernel(
        "rr", "gfx950"
    )
    files["lib/libhipblaslt.so.1"] = library(*BOTH)
    root = tree(tmp_path, files)
    report = verify(root)
    assert report.verdict is Verdict.PASS
    (root / "lib/hipblaslt/library/gfx950/TensileLibrary_BB_BB_HA_gfx950.co").unlink()
    assert errors(verify(root)) == [("missing-kernel", "gfx950")]
    (root / "lib/hipblaslt/library/gfx950/extop_gfx950.co").unlink()
    assert ("missing-target", "gfx950") in errors(verify(root))


def test_a_bundle_of_all_targets_whose_name_claims_none(tmp_path):
    good = bundle(*[(t, kernel("transform", t)) for t in BOTH])
    files = {"lib/hipblaslt/library/hipblasltTransform.hsaco": good}
    assert verify(tree(tmp_path, files)).verdict is Verdict.PASS
    lacks = bundle(("gfx942", kernel("transform", "gfx942")))
    root = tree(tmp_path, {"lib/hipblaslt/library/hipblasltTransform.hsaco": lacks})
    assert errors(verify(root)) == [("missing-target", "gfx950")]


def test_the_same_in_a_wheel_reads_just_what_it_needs(tmp_path):
    files = rocblas(*BOTH, at="torch/lib/rocblas/library")
    lost = f"torch/lib/rocblas/library/TensileLibrary_Type_{PROBLEMS[1]}_gfx950.co"
    del files[lost]
    path = build(tmp_path, files)
    assert errors(verify(path)) == [("missing-kernel", "gfx950")]


# --- Tensile's files --------------------------------------------------------------------


def names(data: bytes, path: str = "TensileLibrary_lazy_gfx942.dat") -> tuple[str, ...]:
    return tensile.references(view(data, path))


def test_names_are_found_at_any_depth():
    assert names(master("b", "a")) == ("a", "b")
    assert names(packed({0: "x", 1: "y"}), "…_Mapping.dat") == ("x", "y")
    assert names(packed({"library": {"type": "Problem", "value": "no"}})) == ()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x93\x01",
        packed([1, 2]),
        b"\x91" * 200_000,
        b"\x81\xa1k\xc4",
    ],
)
def test_what_is_no_library_could_not_be_read(data):
    with pytest.raises(FormatError):
        names(data)


@pytest.mark.parametrize(
    "data",
    [
        zlib.compress(master("a"))[:-4],
        zlib.compress(master("a")) + b"x",
        b"no zlib",
        zlib.compress(bytes(2**16)),
    ],
)
def test_a_compressed_library_that_is_damaged(data):
    with pytest.raises(FormatError):
        tensile.references(view(data, "x.dat.zlib"), Limits(metadata=2**15))


# --- MIOpen -----------------------------------------------------------------------------


def test_a_kernel_database_that_is_not_there_is_no_failure(tmp_path):
    files = family() | {"share/miopen/db/gfx942130.kdb": b"SQLite format 3\0"}
    report = verify(tree(tmp_path, files))
    assert report.verdict is Verdict.PASS
    (note,) = report.findings
    assert (note.severity, note.target) == (Severity.NOTE, "gfx950")


# --- groups -----------------------------------------------------------------------------


def test_a_report_tells_of_groups_and_not_of_each_file(tmp_path):
    files = rocblas(*BOTH) | aotriton("gfx942") | family()
    report = verify(tree(tmp_path, files))
    told = text.report(report)
    assert "lib/rocblas/library   6 files, 2 targets" in told
    assert "lib/kernels_gfx*.hsaco   2 files, 2 targets" in told
    (line,) = [line for line in told.splitlines() if "MISSING" in line]
    assert line.split() == ["gfx950", "-", "-", "-", "MISSING"]
    assert "kernels_gfx942.hsaco   " in text.report(report, verbose=1)
    rows = [line for line in markdown.report(report).splitlines() if line.startswith("| `")]
    assert len(rows) == 4
    assert rows[-1].startswith(
        "| `torch/lib/aotriton.images/amd-gfx*` | 2 files, 1 target |"
    )
    assert rows[-1].endswith("| **MISSING** |")


def test_many_files_that_stand_alone_are_one_table(tmp_path):
    files = {f"{n}/k.hsaco": kernel("k", "gfx950") for n in range(7)}
    report = verify(tree(tmp_path, files))
    rows = [line.split() for line in text.report(report).splitlines()]
    assert ["files", "that", "stand", "alone", "7", "files,", "1", "target"] in rows
    assert ["gfx942", "-", "-", "-", "MISSING"] in rows
    assert [row[:3] for row in rows if row[-1:] == ["ok"]] == [["gfx950", "7/7", "7"]]
    assert len(report.findings) == 7


def test_groups_are_told_by_their_paths(tmp_path):
    files = rocblas(*BOTH) | aotriton("gfx942") | family()
    found = groups([inspect(tree(tmp_path, files))])
    shapes = [(g.path.removeprefix(str(tmp_path)), g.directory, g.tuned) for g in found]
    assert shapes == [
        ("/lib/kernels_gfx*.hsaco", False, False),
        ("/lib/rocblas/library", True, True),
        ("/lib/rocblas/library/Kernels.so-000-gfx*.hsaco", False, False),
        ("/torch/lib/aotriton.images/amd-gfx*", True, True),
    ]
    assert groups([Artifact("x", "file")]) == []


def test_a_code_object_of_the_samples_alone():
    report = verify(SAMPLES / "code_object_gfx942.co")
    (finding,) = report.findings
    assert (finding.rule, finding.target, finding.bundle) == ("missing-target", "gfx950", 0)
