"""Hosts that were split for kpack, with their archives, in wheels, trees and by themselves.

Archives and hosts are written field by field; what must be said of them follows from
loader.cpp (rocm-systems shared/kpack) and hip_fatbin.cpp, not from what kinspect prints.
"""

import json
import os
import sys
import tarfile
import tracemalloc
import zipfile
from pathlib import Path
from unittest.mock import patch

import jsonschema
import pytest

from kinspect import (
    Form,
    Limits,
    Policy,
    Severity,
    TargetID,
    Unreadable,
    Verdict,
    api,
    cli,
    inspect,
    inspect_all,
    parse_required,
    schemas,
    verify,
)
from kinspect.checks import RULES
from kinspect.formats import code_object as reader
from kinspect.model import Report
from kinspect.render import json as as_json
from kinspect.render import text
from kinspect.runtime import runtime
from kinspect.uri import entry_uri
from kinspect.view import File, Memory, View
from kinspect.walk import Packed, each_bundle, each_content
from tests.hosts import test_coff
from tests.reading import rules, survives
from tests.writers import Host, Kernel, Wrapper, bundle, code_object
from tests.writers.hosts import HIPF, HIPK, KPACK_REFERENCE
from tests.writers.kpack import archive, frame, reference, split_host, toc_of

NAME = "lib/libfoo.so"
SEARCH = "../.kpack/foo_@GFXARCH@.kpack"
BOTH = ("gfx942", "gfx950")

SCHEMES = pytest.mark.parametrize("scheme", ["none", "zstd-per-kernel"])


def packed(target, *units, scheme="zstd-per-kernel", name=NAME, **fields):
    """An archive for a target: for each unit its kernels, None where it has no code."""
    code = {
        (f"{name}#{index}", target): code_object(target.split(":")[0], *kernels)
        for index, kernels in enumerate(units)
        if kernels is not None
    }
    return archive(code, scheme, **{"gfx_arches": [target]} | fields)


def tree(root: Path, host: bytes | None = None, **archives: bytes) -> Path:
    """An install tree: the host in `lib`, archives by their target in `.kpack`."""
    (root / "lib").mkdir(parents=True)
    (root / ".kpack").mkdir()
    if host is not None:
        (root / "lib" / "libfoo.so").write_bytes(host)
    for target, data in archives.items():
        (root / ".kpack" / f"foo_{target}.kpack").write_bytes(data)
    return root


def said(report: Report) -> set[tuple[str, str | None]]:
    """Rules with their targets, but for notes."""
    return {
        (one.rule, one.target)
        for one in report.findings
        if one.severity is not Severity.NOTE
    }


def require(*targets: str, **more) -> Policy:
    return Policy(required=parse_required(targets), **more)


# --- an install tree --------------------------------------------------------------------


@SCHEMES
def test_a_host_is_judged_by_what_its_archives_hold(tmp_path, scheme):
    units = [("a", "b"), ("c",)]
    root = tree(
        tmp_path / "rocm",
        split_host(NAME, SEARCH, wrappers=2),
        gfx942=packed("gfx942", *units, scheme=scheme),
        gfx950=packed("gfx950", *units, scheme=scheme),
    )
    report = verify(root)
    assert report.findings == ()
    assert report.verdict is Verdict.PASS
    (host,) = [one for one in report.artifacts[0].binaries if one.kpack]
    assert [(one.form, one.registered) for one in host.bundles] == [(Form.KPACK, True)] * 2
    assert [[e.id.target for e in one.entries] for one in host.bundles] == [[*BOTH]] * 2
    assert host.kernel_count == 6
    shown = text.report(report)
    assert "2/2" in shown
    assert shown.endswith("in 2 bundles in 1 binary, from 2 kpack archives\n")


@pytest.mark.parametrize("target", BOTH)
def test_an_archive_that_is_missing_is_named(tmp_path, target):
    (there,) = set(BOTH) - {target}
    root = tree(
        tmp_path / "rocm", split_host(NAME, SEARCH), **{there: packed(there, ["a"])}
    )
    report = verify(root)
    assert report.verdict is Verdict.FAIL
    assert said(report) == {("kpack-unresolved", target)}
    (found,) = report.findings
    assert found.path == f"{root}/lib/libfoo.so"
    assert found.bundle == 0
    assert f"foo_{target}.kpack" in found.message
    assert "name what installs it" in found.hint


def test_a_host_without_any_archive_never_passes(tmp_path):
    path = tmp_path / "libfoo.so"
    path.write_bytes(split_host(NAME, SEARCH))
    report = verify(path)
    assert report.verdict is Verdict.FAIL
    assert said(report) == {("kpack-unresolved", target) for target in BOTH}


def test_each_wrapper_is_judged_by_itself(tmp_path):
    """The archive lists the target, and lacks the code object of one wrapper."""
    root = tree(
        tmp_path / "rocm",
        split_host(NAME, SEARCH, wrappers=3),
        gfx942=packed("gfx942", ["a"], ["b"], ["c"]),
        gfx950=packed("gfx950", ["a"], None, ["c"]),
    )
    (found,) = verify(root).findings
    assert (found.rule, found.target, found.bundle) == ("kpack-unresolved", "gfx950", 1)
    assert f"{NAME}#1 is not in" in found.message


def test_a_target_that_is_held_and_not_listed_is_never_loaded(tmp_path):
    root = tree(
        tmp_path / "rocm",
        split_host(NAME, SEARCH),
        gfx942=packed("gfx942", ["a"]),
        gfx950=packed("gfx950", ["a"], gfx_arches=["gfx90a"]),
    )
    report = verify(root)
    assert said(report) == {("kpack-unresolved", "gfx950"), ("corrupt-bundle", None)}
    assert any("list gfx90a" in one.message for one in report.findings)


def test_an_archive_of_another_name_is_not_looked_at(tmp_path):
    """The file for gfx950 lists gfx942 too: no device of gfx942 opens it."""
    both = packed("gfx950", ["a"], gfx_arches=["gfx942", "gfx950"])
    root = tree(tmp_path / "rocm", split_host(NAME, SEARCH), gfx950=both)
    assert said(verify(root)) == {("kpack-unresolved", "gfx942")}


def test_one_archive_may_serve_several_targets(tmp_path):
    code = {(f"{NAME}#0", target): code_object(target, "a") for target in BOTH}
    root = tree(tmp_path / "rocm", split_host(NAME, "../.kpack/all.kpack"))
    (root / ".kpack" / "all.kpack").write_bytes(archive(code))
    assert verify(root).verdict is Verdict.PASS


def test_kernels_of_archives_are_held_against_each_other_and_the_host(tmp_path):
    host = split_host(NAME, SEARCH, functions=["__device_stub__a", "__device_stub__gone"])
    root = tree(
        tmp_path / "rocm",
        host,
        gfx942=packed("gfx942", ["a", "b"]),
        gfx950=packed("gfx950", ["a"]),
    )
    found = {(one.rule, one.kernel) for one in verify(root).findings}
    assert ("kernel-parity", "b") in found
    assert ("missing-kernel", "gone") in found
    policy = require(*BOTH, kernels=("b",))
    asked = [one for one in verify(root, policy).findings if one.rule == "missing-kernel"]
    assert [one.target for one in asked if one.kernel == "b"] == ["gfx950"]


def test_an_rdc_binary_has_one_code_object_for_all_wrappers(tmp_path):
    """The first constructor registers it; the others have no entry, and need none."""
    root = tree(
        tmp_path / "rocm",
        split_host(NAME, SEARCH, wrappers=7, rdc=True),
        gfx942=packed("gfx942", ["a"]),
        gfx950=packed("gfx950", ["a"]),
    )
    report = verify(root)
    assert report.verdict is Verdict.PASS
    (host,) = [one for one in report.artifacts[0].binaries if one.kpack]
    assert [one.wrappers for one in host.bundles] == [7]


def test_generic_code_in_an_archive_is_a_fallback(tmp_path):
    flags = {"abi": 4, "e_flags": 0x0100_055F}
    generic = "gfx9-4-generic"
    code = {(f"{NAME}#0", generic): code_object(generic, "a", **flags)}
    root = tree(tmp_path / "rocm", split_host(NAME, SEARCH), **{generic: archive(code)})
    assert said(verify(root)) == {("generic-only", target) for target in BOTH}
    accepted = require(*BOTH, accept=frozenset({"generic"}))
    assert verify(root, accepted).verdict is Verdict.PASS


def test_spirv_in_an_archive_serves_nobody(tmp_path):
    code = {(f"{NAME}#0", "amdgcnspirv"): b"\x03\x02\x23\x07" + bytes(60)}
    root = tree(tmp_path / "rocm", split_host(NAME, SEARCH), gfx942=archive(code))
    report = verify(root, require("gfx942"))
    assert said(report) == {("kpack-unresolved", "gfx942")}


def test_other_targets_are_extra_with_only(tmp_path):
    root = tree(
        tmp_path / "rocm",
        split_host(NAME, SEARCH),
        **{target: packed(target, ["a"]) for target in (*BOTH, "gfx90a")},
    )
    assert verify(root).verdict is Verdict.PASS
    report = verify(root, require(*BOTH, only=True))
    assert said(report) == {("extra-target", "gfx90a")}


def test_all_formats_and_commands_can_tell(tmp_path):
    root = tree(
        tmp_path / "rocm",
        split_host(NAME, SEARCH, wrappers=2),
        gfx942=packed("gfx942", ["a"], ["b"]),
        gfx950=packed("gfx950", ["a"]),
    )
    report = verify(root)
    value = json.loads(as_json.report(report))
    jsonschema.validate(value, json.loads(schemas.report()))
    binaries = {
        one["path"].rsplit("/", 1)[-1]: one for one in value["artifacts"][0]["binaries"]
    }
    first, second = binaries["libfoo.so"]["bundles"]
    assert first["kpack"]["kernel_name"] == NAME
    assert [first["kpack"]["index"], second["kpack"]["index"]] == [0, 1]
    assert first["entries"][0]["archive"] == f"{root}/.kpack/foo_gfx942.kpack"
    assert binaries["foo_gfx942.kpack"]["archive"]["hosts"] == [f"{root}/lib/libfoo.so"]
    for verbose in (-1, 0, 1, 2):
        text.report(report, verbose=verbose)


# --- generations of the loader ----------------------------------------------------------


def test_older_runtimes_read_no_archives(tmp_path):
    root = tree(
        tmp_path / "rocm",
        split_host(NAME, SEARCH),
        **{target: packed(target, ["a"]) for target in BOTH},
    )
    report = verify(root, require(*BOTH, runtime=runtime("7.2")))
    assert said(report) == {("missing-target", target) for target in BOTH}
    assert all("kpack archives" in one.message for one in report.findings)


#: what device wheels of torch 2.12 held for gfx90a: a few units have code for one mode of
#: xnack too, in an archive of its own
SPLIT_MODES = {
    "gfx942": packed("gfx942", ["a"], ["b"], ["c"]),
    "gfx942:xnack-": packed("gfx942:xnack-"),
}


def test_an_archive_of_one_mode_that_lacks_the_code_stops_older_loaders(tmp_path):
    """ROCm/TheRock#7081: hipErrorInvalidImage up to ROCm 7.14, the base archive later."""
    host = split_host(NAME, SEARCH, wrappers=3)
    root = tree(tmp_path / "rocm", host, **SPLIT_MODES)
    report = verify(root, require("gfx942"))
    assert report.verdict is Verdict.PASS
    assert [one.severity for one in report.findings] == [Severity.WARNING]  # a stub
    older = verify(root, require("gfx942", runtime=runtime("7.14")))
    assert older.verdict is Verdict.FAIL
    errors = [one for one in older.findings if one.severity is Severity.ERROR]
    assert [(one.rule, one.bundle) for one in errors] == [
        ("partial-target", index) for index in range(3)
    ]
    assert "xnack-" in errors[0].message


def test_code_for_one_mode_is_taken_before_code_for_any(tmp_path):
    """Its archive counts its own units: the first one there is not the first of all."""
    one_mode = {(f"{NAME}#0", "gfx942:xnack-"): code_object("gfx942", "c", e_flags=0x64C)}
    archives = SPLIT_MODES | {"gfx942:xnack-": archive(one_mode)}
    root = tree(tmp_path / "rocm", split_host(NAME, SEARCH, wrappers=3), **archives)
    report = verify(root, require("gfx942"))
    assert report.verdict is Verdict.FAIL
    (shift,) = [one for one in report.findings if one.rule == "kpack-index"]
    assert (shift.bundle, shift.kernel) == (0, "c")
    assert "the kernels that bundle 2 has for gfx942" in shift.message


# --- indices ----------------------------------------------------------------------------


def test_a_unit_that_lacks_a_target_moves_up_those_behind_it(tmp_path):
    root = tree(
        tmp_path / "rocm",
        split_host(NAME, SEARCH, wrappers=4),
        gfx942=packed("gfx942", ["a"], ["b"], ["c"], ["d"]),
        gfx950=packed("gfx950", ["a"], ["c"], ["d"]),
    )
    report = verify(root)
    found = {
        (one.rule, one.bundle, one.target)
        for one in report.findings
        if one.rule.startswith("kpack-")
    }
    # gfx942 lacks nothing: it is not blamed
    assert found == {
        ("kpack-index", 1, "gfx950"),
        ("kpack-index", 2, "gfx950"),
        ("kpack-unresolved", 3, "gfx950"),
    }


def test_units_that_only_differ_are_no_shift(tmp_path):
    root = tree(
        tmp_path / "rocm",
        split_host(NAME, SEARCH, wrappers=2),
        gfx942=packed("gfx942", ["a", "fp8"], ["b"]),
        gfx950=packed("gfx950", ["a"], ["b"]),
    )
    assert rules(verify(root).findings) == ["kernel-parity"]


def test_wrappers_that_are_not_numbered_ask_for_the_same_code(tmp_path):
    """What early splits of Windows binaries left: `reserved` is 0 in all of them."""
    own = [Wrapper(to=KPACK_REFERENCE, magic=HIPK)] * 2
    units = [["a"], ["b"]]
    root = tree(
        tmp_path / "rocm",
        Host(bytes(16), wrappers=own, reference=reference(NAME, SEARCH)).build().data,
        **{target: packed(target, *units) for target in BOTH},
    )
    assert ("kpack-index", None) in said(verify(root))


def test_of_the_index_32_bits_count(tmp_path):
    own = [Wrapper(to=KPACK_REFERENCE, magic=HIPK, reserved=1 << 32)]
    host = Host(bytes(16), wrappers=own, reference=reference(NAME, SEARCH)).build().data
    root = tree(
        tmp_path / "rocm", host, **{target: packed(target, ["a"]) for target in BOTH}
    )
    assert verify(root).verdict is Verdict.PASS


# --- wheels -----------------------------------------------------------------------------

TAGS = "cp312-cp312-manylinux_2_28_x86_64"
TORCH = "../.kpack/torch_@GFXARCH@.kpack"


def wheel(
    directory: Path, name: str, version="2.10.0+rocm7.14", tags=TAGS, **files
) -> Path:
    directory.mkdir(exist_ok=True)
    path = directory / f"{name}-{version}-{tags}.whl"
    inside = f"{name}-{version}.dist-info"
    facts = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    files |= {
        f"{inside}/WHEEL": f"Wheel-Version: 1.0\nTag: {tags}\n".encode(),
        f"{inside}/METADATA": facts.encode(),
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        for inner, data in files.items():
            out.writestr(inner, data)
    return path


def host_wheel(directory: Path, wrappers=2, top="torch/", **more) -> Path:
    host = split_host(NAME, TORCH, wrappers=wrappers)
    return wheel(directory, "torch", **{f"{top}lib/libtorch_hip.so": host}, **more)


def device_wheel(directory: Path, target: str, *units, top="torch/", **more) -> Path:
    units = units or (["a"], ["b"])
    files = {f"{top}.kpack/torch_{target}.kpack": packed(target, *units)}
    return wheel(directory, f"amd_torch_device_{target}", **files, **more)


def test_a_host_wheel_with_all_of_its_device_wheels(tmp_path):
    paths = [host_wheel(tmp_path), *(device_wheel(tmp_path, t) for t in BOTH)]
    assert verify(paths[::-1]).verdict is Verdict.PASS
    report = verify(paths)
    assert report.findings == ()
    assert report.verdict is Verdict.PASS
    shown = text.report(report)
    assert "torch/lib/libtorch_hip.so" in shown
    assert "from 2 kpack archives" in shown


def test_without_one_of_its_device_wheels(tmp_path):
    paths = [host_wheel(tmp_path), device_wheel(tmp_path, "gfx942")]
    report = verify(paths)
    assert report.verdict is Verdict.FAIL
    assert said(report) == {("kpack-unresolved", "gfx950")}
    (first, *_) = report.findings
    assert first.path.endswith(".whl!torch/lib/libtorch_hip.so")
    assert "torch/.kpack/torch_gfx950.kpack" in first.message
    assert "device wheel" in first.hint
    assert verify(paths, require("gfx942")).verdict is Verdict.PASS


def test_a_device_wheel_alone_is_judged_for_what_it_is_for(tmp_path):
    path = device_wheel(tmp_path, "gfx942")
    report = verify(path)
    assert report.verdict is Verdict.UNKNOWN
    assert said(report) == {("kpack-alone", "gfx950")}
    (found,) = [one for one in report.findings if one.rule == "kpack-alone"]
    assert "--require gfx942" in found.hint
    narrow = verify(path, require("gfx942"))
    assert narrow.verdict is Verdict.PASS
    assert rules(narrow.findings) == ["kpack-unreferenced"]
    other = verify(path, require("gfx950"))
    assert other.verdict is Verdict.UNKNOWN


def test_a_device_wheel_alone_with_broken_code_fails(tmp_path):
    broken = archive({(f"{NAME}#0", "gfx942"): b"\x7fELF no code object".ljust(200)})
    path = wheel(
        tmp_path, "amd_torch_device_gfx942", **{"torch/.kpack/torch_gfx942.kpack": broken}
    )
    report = verify(path, require("gfx942"))
    assert report.verdict is Verdict.FAIL
    assert "broken-code-object" in rules(report.findings)


def test_a_device_wheel_with_code_for_another_target(tmp_path):
    swapped = archive({(f"{NAME}#0", "gfx942"): code_object("gfx950", "a")})
    path = wheel(
        tmp_path, "amd_torch_device_gfx942", **{"torch/.kpack/torch_gfx942.kpack": swapped}
    )
    report = verify(path, require("gfx942"))
    assert report.verdict is Verdict.FAIL
    assert "target-mismatch" in rules(report.findings)


def test_all_wheels_in_one_directory(tmp_path):
    for target in BOTH:
        device_wheel(tmp_path / "dist", target)
    host_wheel(tmp_path / "dist")
    assert verify(tmp_path / "dist").verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("more", "joins"),
    [
        ({}, True),
        ({"tags": "py3-none-manylinux_2_28_x86_64"}, True),
        ({"tags": "py3-none-any"}, True),
        ({"tags": f"1-{TAGS}"}, True),  # a build tag
        ({"version": "2.9.1+rocm7.14"}, False),
        ({"tags": TAGS.replace("312", "313")}, False),
        ({"tags": TAGS.replace("x86_64", "aarch64")}, False),
    ],
)
def test_wheels_of_one_release_are_installed_together(tmp_path, more, joins):
    paths = [host_wheel(tmp_path), device_wheel(tmp_path, "gfx942", **more)]
    report = verify(paths, require("gfx942"))
    assert report.verdict is (Verdict.PASS if joins else Verdict.FAIL)


def test_wheels_for_two_pythons_find_their_own(tmp_path):
    for tags in (TAGS, TAGS.replace("312", "313")):
        host_wheel(tmp_path / "dist", tags=tags)
        for target in BOTH:
            device_wheel(tmp_path / "dist", target, tags=tags)
    report = verify(tmp_path / "dist")
    assert report.verdict is Verdict.PASS
    archives = [one for one in report.artifacts[0].binaries if one.claims]
    assert [len(one.claims.hosts) for one in archives if one.claims] == [1] * 4


def test_which_of_two_archives_is_installed_can_not_be_told(tmp_path):
    paths = [host_wheel(tmp_path), device_wheel(tmp_path, "gfx942")]
    paths.append(device_wheel(tmp_path / "other", "gfx942"))
    report = verify(paths, require("gfx942"))
    assert report.verdict is Verdict.UNKNOWN
    (found,) = [one for one in report.findings if one.rule == "unreadable"]
    assert "name one of them" in found.message


def test_an_archive_of_the_own_wheel_comes_first(tmp_path):
    files = {"torch/.kpack/torch_gfx942.kpack": packed("gfx942", ["a"], ["b"])}
    paths = [host_wheel(tmp_path, **files), device_wheel(tmp_path, "gfx942", ["other"])]
    report = verify(paths, require("gfx942"))
    assert report.verdict is Verdict.PASS
    (host,) = [one for one in report.artifacts[0].binaries if one.kpack]
    assert host.bundles[0].entries[0].archive.startswith(str(paths[0]))


def test_data_directories_of_wheels_lie_in_site_packages(tmp_path):
    top = "torch-2.10.0+rocm7.14.data/platlib/torch/"
    paths = [host_wheel(tmp_path, top=top), device_wheel(tmp_path, "gfx942")]
    assert verify(paths, require("gfx942")).verdict is Verdict.PASS


def test_a_wheel_that_holds_archives_itself(tmp_path):
    files = {f"torch/.kpack/torch_{t}.kpack": packed(t, ["a"], ["b"]) for t in BOTH}
    assert verify(host_wheel(tmp_path, **files)).verdict is Verdict.PASS


def test_artifacts_of_a_build_are_laid_over_each_other(tmp_path):
    """TheRock's artifacts: a generic one, and one for each target, with the same prefix."""
    prefix = "blas/stage"
    name = f"{prefix}/lib/libfoo.so"
    paths = []
    for target in BOTH:
        data = packed(target, ["a"], name=name)
        paths.append(tmp_path / f"blas_lib_{target}.tar")
        (tmp_path / f"{target}.kpack").write_bytes(data)
        with tarfile.open(paths[-1], "w") as out:
            out.add(tmp_path / f"{target}.kpack", f"./{prefix}/.kpack/foo_{target}.kpack")
    root = tree(tmp_path / "blas_lib_generic" / prefix, split_host(name, SEARCH))
    assert root.exists()
    assert verify([tmp_path / "blas_lib_generic", *paths]).verdict is Verdict.PASS


def test_a_file_and_archives_that_are_named_beside_it(tmp_path):
    host, first = tmp_path / "libfoo.so", tmp_path / "foo_gfx942.kpack"
    host.write_bytes(split_host(NAME, SEARCH))
    first.write_bytes(packed("gfx942", ["a"]))
    assert verify([host, first], require("gfx942")).verdict is Verdict.PASS
    assert verify([host, first]).verdict is Verdict.FAIL
    wrong = tmp_path / "bar_gfx942.kpack"
    wrong.write_bytes(packed("gfx942", ["a"]))
    assert verify([host, wrong], require("gfx942")).verdict is Verdict.FAIL


# --- around a file on disk --------------------------------------------------------------


def test_a_file_by_itself_finds_what_lies_around_it(tmp_path, monkeypatch):
    root = tree(
        tmp_path / "rocm",
        split_host(NAME, SEARCH),
        **{target: packed(target, ["a"]) for target in BOTH},
    )
    report = verify(root / "lib" / "libfoo.so")
    assert report.verdict is Verdict.PASS
    monkeypatch.chdir(root / "lib")
    assert verify("libfoo.so").verdict is Verdict.PASS
    assert verify(".").verdict is Verdict.PASS  # the archives lie outside of it
    (tmp_path / "link.so").symlink_to(root / "lib" / "libfoo.so")
    assert verify(tmp_path / "link.so").verdict is Verdict.PASS


def test_archives_in_the_directory_of_the_host_itself(tmp_path, monkeypatch):
    host = split_host(NAME, "foo_@GFXARCH@.kpack")
    (tmp_path / "libfoo.so").write_bytes(host)
    (tmp_path / "foo_gfx942.kpack").write_bytes(packed("gfx942", ["a"]))
    monkeypatch.chdir(tmp_path)
    for path in ("libfoo.so", "./libfoo.so", ".", str(tmp_path / "libfoo.so")):
        assert verify(path, require("gfx942")).verdict is Verdict.PASS
    (found,) = verify("libfoo.so", require("gfx950")).findings
    assert found.message.endswith("no foo_gfx950.kpack or foo_gfx9-4-generic.kpack")


def test_a_directory_for_each_target(tmp_path):
    host = split_host(NAME, "kernels/@GFXARCH@/foo.kpack")
    (tmp_path / "libfoo.so").write_bytes(host)
    for target in BOTH:
        (tmp_path / "kernels" / target).mkdir(parents=True)
        data = packed(target, ["a"])
        (tmp_path / "kernels" / target / "foo.kpack").write_bytes(data)
    assert verify(tmp_path / "libfoo.so").verdict is Verdict.PASS
    assert verify(tmp_path).verdict is Verdict.PASS


def test_a_link_on_the_way_decides_where_above_is(tmp_path):
    """`lib` leads elsewhere: its archives lie beside that directory, as for the kernel."""
    root = tree(tmp_path / "real", split_host(NAME, SEARCH), gfx942=packed("gfx942", ["a"]))
    (tmp_path / "opt").mkdir()
    (tmp_path / "opt" / "lib").symlink_to(root / "lib")
    wrong = tmp_path / "opt" / ".kpack"
    wrong.mkdir()
    (wrong / "foo_gfx950.kpack").write_bytes(packed("gfx950", ["a"]))
    path = tmp_path / "opt" / "lib" / "libfoo.so"
    assert verify(path, require("gfx942")).verdict is Verdict.PASS
    assert verify(path, require("gfx950")).verdict is Verdict.FAIL


def test_a_tree_is_read_once_whatever_links_lead_to_it(tmp_path):
    root = tree(
        tmp_path / "rocm",
        split_host(NAME, SEARCH),
        **{target: packed(target, ["a"]) for target in BOTH},
    )
    (tmp_path / "current").symlink_to("rocm")
    (root / "lib64").symlink_to("lib")
    report = verify(tmp_path / "current")
    assert report.verdict is Verdict.PASS
    assert report.findings == ()


def test_the_environment_is_not_asked(tmp_path, monkeypatch):
    """ROCM_KPACK_PATH of a build machine says nothing of the one that runs it."""
    monkeypatch.setenv("ROCM_KPACK_PATH", str(tmp_path / "foo.kpack"))
    monkeypatch.setenv("ROCM_KPACK_DISABLE", "1")
    (tmp_path / "foo.kpack").write_bytes(packed("gfx942", ["a"]))
    root = tree(tmp_path / "rocm", split_host(NAME, SEARCH))
    assert verify(root, require("gfx942")).verdict is Verdict.FAIL
    (root / ".kpack" / "foo_gfx942.kpack").write_bytes(packed("gfx942", ["a"]))
    assert verify(root, require("gfx942")).verdict is Verdict.PASS


def test_an_absolute_path_leads_into_the_artifact_alone(tmp_path):
    """On this machine it may lead to anything; in a file system that was packed it counts."""
    elsewhere = tmp_path / "elsewhere.kpack"
    elsewhere.write_bytes(packed("gfx942", ["a"]))
    root = tree(tmp_path / "rocm", split_host(NAME, str(elsewhere)))
    assert verify(root, require("gfx942")).verdict is Verdict.FAIL
    inside = tmp_path / "image" / str(elsewhere).lstrip("/")
    inside.parent.mkdir(parents=True)
    inside.write_bytes(elsewhere.read_bytes())
    tree(tmp_path / "image" / "opt", split_host(NAME, str(elsewhere)))
    report = verify(tmp_path / "image", require("gfx942"))
    assert report.verdict is Verdict.PASS


def test_what_is_no_archive_is_passed_over(tmp_path):
    root = tree(tmp_path / "rocm", split_host(NAME, SEARCH), gfx942=b"no archive")
    assert said(verify(root / "lib" / "libfoo.so", require("gfx942"))) == {
        ("kpack-unresolved", "gfx942")
    }


# --- damage -----------------------------------------------------------------------------


def damaged_toc():
    return packed("gfx950", ["a"])[:-3]


def test_an_archive_that_can_not_be_read_leaves_its_hosts_open(tmp_path):
    root = tree(
        tmp_path / "rocm",
        split_host(NAME, SEARCH),
        gfx942=packed("gfx942", ["a"]),
        gfx950=damaged_toc(),
    )
    for path in (root, root / "lib" / "libfoo.so"):
        report = verify(path)
        assert report.verdict is Verdict.UNKNOWN
        assert {one.rule for one in report.findings} == {"unreadable"}
        told = [one for one in report.findings if one.path.endswith("libfoo.so")]
        assert any("foo_gfx950.kpack" in one.message for one in told)


def test_a_payload_that_is_damaged_is_a_violation(tmp_path):
    code = {(f"{NAME}#0", "gfx950"): code_object("gfx950", "a")}
    bad = archive(code, "zstd-per-kernel", frames=[frame(b"x" * 30)])
    root = tree(
        tmp_path / "rocm",
        split_host(NAME, SEARCH),
        gfx942=packed("gfx942", ["a"]),
        gfx950=bad,
    )
    report = verify(root)
    assert report.verdict is Verdict.FAIL
    assert ("broken-code-object", "gfx950") in said(report)
    assert {one.path.rsplit("/", 1)[-1] for one in report.findings} >= {
        "libfoo.so",
        "foo_gfx950.kpack",
    }


def test_a_payload_that_grows_beyond_the_limit_is_not_inflated(tmp_path):
    """100 MB of zeros in a frame of some kilobytes."""
    bomb = bytes(100_000_000)
    code = {(f"{NAME}#0", "gfx950"): bomb}
    root = tree(
        tmp_path / "rocm",
        split_host(NAME, SEARCH),
        gfx942=packed("gfx942", ["a"]),
        gfx950=archive(code, "zstd-per-kernel"),
    )
    tracemalloc.start()
    report = verify(root)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert report.verdict is Verdict.UNKNOWN
    assert {one.rule for one in report.findings} == {"unreadable"}
    assert any("ratio is" in one.message for one in report.findings)
    assert peak < 30_000_000
    small = verify(root, limits=Limits(inflated=1000, ratio=1 << 40))
    assert any("inflated is" in one.message for one in small.findings)


def test_memory_is_bounded_by_the_largest_payload(tmp_path):
    """Twenty payloads of 4 MB each, of which one is there at a time."""
    noise = os.urandom(4_000_000)
    code = {
        (f"{NAME}#{index}", "gfx942"): code_object("gfx942", "a", padding=4_000_000)
        + noise[index:]
        for index in range(20)
    }
    path = tmp_path / "foo_gfx942.kpack"
    path.write_bytes(archive(code, "zstd-per-kernel"))
    largest = max(map(len, code.values()))
    inspect(path)
    tracemalloc.start()
    inspect(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * largest


def test_entries_that_share_a_payload_inflate_it_once():
    code = {(f"{NAME}#{index}", "gfx942"): code_object("gfx942", "a") for index in range(3)}
    toc = toc_of(code)
    for key in toc:
        toc[key]["gfx942"]["ordinal"] = 0
    seen: list[View] = []
    data = archive(code, "zstd-per-kernel", toc=toc)
    found = list(each_bundle(View(Memory(data), "t.kpack"), seen.append))
    assert len(found) == 3
    assert len(seen) == 1


@SCHEMES
def test_any_flipped_byte_is_told_or_harmless(scheme):
    data = packed("gfx942", ["a"], ["b"], scheme=scheme)
    step = max(len(data) // 150, 1)
    for place in range(0, len(data), step):
        spoiled = bytearray(data)
        spoiled[place] ^= 0xFF
        survives(bytes(spoiled))


@SCHEMES
def test_an_archive_that_is_cut_anywhere_never_passes(scheme):
    data = packed("gfx942", ["a"], scheme=scheme)
    for size in range(4, len(data), 7):
        assert survives(data[:size]) is not Verdict.PASS


# --- half-done splits -------------------------------------------------------------------


def embedded(*targets, **more) -> bytes:
    return (
        Host(bundle(*((target, code_object(target, "a")) for target in targets)), **more)
        .build()
        .data
    )


def test_a_host_that_was_not_split_beside_archives_of_its_own(tmp_path):
    """ROCm/rocm-libraries#8660: HIPF with code for one target, beside a correct archive."""
    archives = {target: packed(target, ["a"]) for target in BOTH}
    root = tree(tmp_path / "old", embedded("gfx90a"), **archives)
    report = verify(root)
    assert ("kpack-left-behind", "gfx942") in said(report)
    (found,) = [one for one in report.findings if one.rule == "kpack-left-behind"]
    assert found.severity is Severity.ERROR
    assert "HIPF" in found.message
    assert "gfx942, gfx950" in found.message or "gfx942" in found.message
    complete = verify(tree(tmp_path / "new", embedded(*BOTH), **archives))
    (found,) = [one for one in complete.findings if one.rule == "kpack-left-behind"]
    assert found.severity is Severity.WARNING
    assert complete.verdict is Verdict.PASS


def test_a_reference_that_no_wrapper_points_at(tmp_path):
    path = tmp_path / "libfoo.so"
    path.write_bytes(embedded("gfx942", reference=reference(NAME, SEARCH)))
    report = verify(path)
    assert {("kpack-left-behind", "gfx950"), ("missing-target", "gfx950")} == said(report)
    assert SEARCH in next(
        one.message for one in report.findings if one.rule == "kpack-left-behind"
    )


@pytest.mark.parametrize(
    "host",
    [
        Host(bytes(0x2000), nobits=True),
        Host(bytes(0x2000), nobits=True, wrappers=[]),
        Host(bytes(0x2000), wrappers=[]),
        Host(bytes(0x2000)),
    ],
    ids=["nobits", "nobits, no wrapper", "zeros, no wrapper", "zeros"],
)
def test_a_section_without_bytes_and_without_reference(tmp_path, host):
    """In a wheel, where host-only libraries are ordinary, it must not look like one."""
    path = wheel(
        tmp_path,
        "foo",
        **{"foo/libfoo.so": host.build().data, "foo/libbar.so": embedded(*BOTH)},
    )
    report = verify(path)
    assert report.verdict is Verdict.FAIL
    assert ("kpack-unresolved", None) in said(report)


def test_what_a_split_leaves_of_a_small_section_is_not_judged(tmp_path):
    """Less than a page can't be taken out: the bundle is still there, and never loaded."""
    own = [Wrapper(to=KPACK_REFERENCE, magic=HIPK)]
    left = bundle(("gfx90a", code_object("gfx90a", "old")))
    host = Host(left, wrappers=own, reference=reference(NAME, SEARCH)).build().data
    root = tree(tmp_path / "rocm", host, **{t: packed(t, ["a"]) for t in BOTH})
    report = verify(root)
    assert report.findings == ()
    assert report.verdict is Verdict.PASS


def test_a_hipk_wrapper_that_points_at_no_reference(tmp_path):
    """As if `per_tu_both.so` had been half split: HIPK in place of HIPF, and no more."""
    host = Host(bundle(("gfx942", code_object())), wrappers=[Wrapper(magic=HIPK)])
    path = tmp_path / "libfoo.so"
    path.write_bytes(host.build().data)
    report = verify(path, require("gfx942"))
    assert report.verdict is Verdict.FAIL
    assert ("dangling-wrapper", None) in said(report)
    assert any("no kpack reference starts" in one.message for one in report.findings)


def test_a_stub_archive(tmp_path):
    path = tmp_path / "foo_gfx942.kpack"
    path.write_bytes(packed("gfx942"))
    report = verify(path, require("gfx942"))
    assert report.verdict is Verdict.FAIL
    assert ("kpack-unresolved", None) in said(report)


def test_archives_for_binaries_that_are_not_there(tmp_path):
    code = {(f"lib/{name}.so#0", "gfx942"): code_object() for name in ("foo", "bar")}
    host = split_host("lib/foo.so", SEARCH)
    root = tree(tmp_path / "rocm", host, gfx942=archive(code))
    report = verify(root, require("gfx942"))
    assert report.verdict is Verdict.PASS
    (found,) = report.findings
    assert found.rule == "kpack-unreferenced"
    assert "lib/bar.so" in found.message
    assert "lib/foo.so" not in found.message


def test_code_objects_that_no_wrapper_asks_for_need_no_host(tmp_path):
    """Libraries that load their kernels from an archive themselves, by their own names."""
    path = tmp_path / "sdpa_gfx942.kpack"
    path.write_bytes(archive({("fmha_v3_fwd/fwd.co", "gfx942"): code_object()}))
    report = verify(path, require("gfx942"))
    assert report.verdict is Verdict.PASS
    assert report.findings == ()


# --- PE images --------------------------------------------------------------------------


def pe_host(
    indices, magic=HIPK, name="bin/foo.dll", search="../.kpack/foo_@GFXARCH@.kpack"
):
    """A DLL as a split leaves it: `.kpackrf`, and nothing in `.hip_fat`."""
    kpackrf = 0x4000
    wrappers = b"".join(
        test_coff.wrapper(test_coff.BASE + kpackrf, magic, index) for index in indices
    )
    places = [0x2008 + 24 * at for at in range(len(indices))]
    return test_coff.image(
        test_coff.Part(b".hip_fat", b"", virtual_size=0x1000, address=0x1000),
        test_coff.Part(b".hipFatB", wrappers, address=0x2000),
        test_coff.Part(
            b".reloc", test_coff.relocs(*places), flags=0x42000040, address=0x3000
        ),
        test_coff.Part(b".kpackrf", reference(name, search), address=kpackrf),
        directories={5: (0x3000, len(test_coff.relocs(*places)))},
    )


def windows_tree(root: Path, host: bytes, *units) -> Path:
    (root / "bin").mkdir(parents=True)
    (root / ".kpack").mkdir()
    (root / "bin" / "foo.dll").write_bytes(host)
    for target in BOTH:
        data = packed(target, *units, name="bin/foo.dll")
        (root / ".kpack" / f"FOO_{target}.kpack").write_bytes(data)
    return root


def test_a_dll_that_was_split(tmp_path):
    search = "..\\.kpack\\FOO_@GFXARCH@.kpack"
    root = windows_tree(tmp_path / "rocm", pe_host([0, 1], search=search), ["a"], ["b"])
    report = verify(root)
    assert report.findings == ()
    assert report.verdict is Verdict.PASS
    (root / ".kpack" / "FOO_gfx950.kpack").unlink()
    assert said(verify(root)) == {("kpack-unresolved", "gfx950")}
    assert said(verify(root / "bin" / "foo.dll")) == {("kpack-unresolved", "gfx950")}


def test_names_on_windows_differ_in_more_than_their_case(tmp_path):
    root = windows_tree(tmp_path / "rocm", pe_host([0]), ["a"])
    path = tmp_path / "rocm.zip"
    with zipfile.ZipFile(path, "w") as out:
        for file in root.rglob("*.*"):
            if file.is_file():
                out.write(file, file.relative_to(root))
    assert pe_host([0]).find(b"foo_@GFXARCH@") > 0
    assert verify(path).verdict is Verdict.PASS


def test_a_dll_whose_wrappers_are_not_numbered(tmp_path):
    search = "../.kpack/FOO_@GFXARCH@.kpack"
    root = windows_tree(tmp_path / "rocm", pe_host([0, 0], search=search), ["a"], ["b"])
    assert ("kpack-index", None) in said(verify(root))


def test_a_dll_without_its_device_code(tmp_path):
    path = tmp_path / "foo.dll"
    path.write_bytes(pe_host([0], magic=HIPF))
    report = verify(path)
    assert report.verdict is Verdict.FAIL
    assert {"dangling-wrapper", "kpack-unresolved"} <= {one.rule for one in report.findings}


# --- archives as inputs of the other commands --------------------------------------------


@SCHEMES
def test_kernels_of_an_archive(tmp_path, scheme):
    first = Kernel("a", fields={"vgpr_count": 7})
    code = {
        (f"{NAME}#0", "gfx942"): code_object("gfx942", first, "b"),
        (f"{NAME}#0", "gfx950"): code_object("gfx950", "a"),
        (f"{NAME}#1", "gfx942"): code_object("gfx942", "c"),
    }
    path = tmp_path / "foo.kpack"
    path.write_bytes(archive(code, scheme))
    problems: list[Unreadable] = []
    rows = list(api.kernels(path, problems=problems))
    assert problems == []
    assert [(row.bundle, row.target, row.kernel.name) for row in rows] == [
        (0, "gfx942", "a"),
        (0, "gfx942", "b"),
        (0, "gfx950", "a"),
        (1, "gfx942", "c"),
    ]
    assert rows[0].kernel.vgpr_count == 7


def test_kernels_tells_of_what_can_not_be_read(tmp_path):
    code = {(f"{NAME}#0", "gfx942"): code_object(), (f"{NAME}#1", "gfx942"): code_object()}
    frames = [b"no frame", frame(code[f"{NAME}#1", "gfx942"])]
    path = tmp_path / "foo.kpack"
    path.write_bytes(archive(code, "zstd-per-kernel", frames=frames))
    problems: list[Unreadable] = []
    assert len(list(api.kernels(path, problems=problems))) == 1
    assert len(problems) == 1
    path.write_bytes(damaged_toc())
    assert list(api.kernels(path, problems=problems)) == []
    assert len(problems) == 2


def test_kernels_of_a_host_lie_elsewhere(tmp_path, capsys):
    root = tree(tmp_path / "rocm", split_host(NAME, SEARCH), gfx942=packed("gfx942", ["a"]))
    assert run("kernels", root / "lib" / "libfoo.so") == 2
    assert f"{root}/.kpack/foo_gfx942.kpack" in capsys.readouterr().err
    assert run("kernels", root) == 0
    assert capsys.readouterr().err == ""
    (root / ".kpack" / "foo_gfx942.kpack").unlink()
    assert run("kernels", root / "lib" / "libfoo.so") == 2
    assert SEARCH in capsys.readouterr().err


def run(*arguments) -> int:
    """The command line in this process."""
    with (
        patch.object(sys, "argv", ["kinspect", *map(str, arguments)]),
        pytest.raises(SystemExit) as stop,
    ):
        cli.main()
    return int(stop.value.code or 0)


def test_audit_tells_what_a_split_tree_runs_on(tmp_path, capsys):
    archives = {target: packed(target, ["a"]) for target in BOTH}
    root = tree(tmp_path / "rocm", split_host(NAME, SEARCH), **archives)
    assert run("audit", root) == 0
    assert "runs on    gfx942, gfx950" in capsys.readouterr().out
    assert run("audit", root / ".kpack" / "foo_gfx942.kpack") == 2
    shown = capsys.readouterr().out
    assert "runs on    gfx942\n" in shown
    assert "lacks      gfx950" in shown


def test_extract_takes_code_objects_out_of_archives(tmp_path, capsys):
    code = {(f"{NAME}#0", target): code_object(target, "a") for target in BOTH}
    path = tmp_path / "foo.kpack"
    path.write_bytes(archive(code, "zstd-per-kernel"))
    assert run("extract", path, "-o", tmp_path / "out") == 0
    found = {one.read_bytes() for one in (tmp_path / "out").rglob("*.hsaco")}
    assert found == set(code.values())
    capsys.readouterr()
    (binary,) = inspect(path).binaries
    uri = entry_uri(str(path), binary.bundles[0], binary.bundles[0].entries[1])
    assert run("extract", "--uri", uri, "-o", tmp_path / "one") == 0
    (one,) = (tmp_path / "one").rglob("*.hsaco")
    assert one.read_bytes() == code[f"{NAME}#0", "gfx950"]


@SCHEMES
@pytest.mark.parametrize("rocm", ["7.14", "10.0"])
def test_explain_agrees_with_verify(tmp_path, capsys, scheme, rocm):
    """On every device, for archives that are whole, lack code or are for one mode."""
    roots = {
        "whole": {t: packed(t, ["a"], ["b"], scheme=scheme) for t in BOTH},
        "lacks": {"gfx942": packed("gfx942", ["a"], scheme=scheme)},
        "mode": SPLIT_MODES,
        "nothing": {},
    }
    for name, archives in roots.items():
        host = split_host(NAME, SEARCH, wrappers=2)
        root = tree(tmp_path / name, host, **archives)
        for target in BOTH:
            for device in TargetID(target).devices():
                policy = require(str(device), runtime=runtime(rocm))
                passed = verify(root, policy).verdict is Verdict.PASS
                end = run("explain", root, "-d", device, "--rocm", rocm)
                assert (end == 0) is passed, (name, device)
    capsys.readouterr()


@SCHEMES
def test_the_bytes_of_every_entry_can_be_had(tmp_path, scheme):
    code = {
        (f"{NAME}#{index}", target): code_object(target, f"k{index}")
        for index in range(2)
        for target in BOTH
    }
    path = tmp_path / "foo.kpack"
    path.write_bytes(archive(code, scheme))
    file = File(path)
    got = {}
    for part in each_content(View(file, "foo.kpack")):
        assert isinstance(part, Packed)
        for entry in part.bundle.entries:
            assert part.bundle.kpack is not None
            data = bytes(part.contents.entry(entry).bytes())
            got[part.bundle.kpack.key, entry.id.target] = data
            if scheme == "none":
                assert path.read_bytes()[entry.offset :].startswith(data)
    file.close()
    assert got == code


def test_a_listing_inflates_nothing(tmp_path):
    code = {(f"{NAME}#0", "gfx942"): code_object()}
    path = tmp_path / "foo.kpack"
    path.write_bytes(archive(code, "zstd-per-kernel", frames=[b"no frame at all"]))
    (binary,) = inspect(path, code_objects=False).binaries
    (entry,) = binary.bundles[0].entries
    assert entry.id.text == "hipv4-amdgcn-amd-amdhsa--gfx942"
    assert entry.size == len(code_object())
    assert entry.stored == 15
    assert entry.code_object is None


def test_code_objects_of_an_archive_are_those_that_were_packed(tmp_path):
    data = code_object("gfx950", "a", "b")
    path = tmp_path / "foo.kpack"
    path.write_bytes(archive({(f"{NAME}#0", "gfx950"): data}, "zstd-per-kernel"))
    (binary,) = inspect(path).binaries
    assert binary.format == "kpack"
    assert binary.bundles[0].entries[0].code_object == reader.parse(
        View(Memory(data), "foo.kpack", f"{NAME}#0 gfx950 inflated")
    )


def test_several_artifacts_are_read_together(tmp_path):
    paths = [host_wheel(tmp_path), device_wheel(tmp_path, "gfx942")]
    host, device = inspect_all(paths)
    assert len(host.binaries[0].bundles[0].entries) == 1
    assert device.binaries[0].referred
    alone = inspect(paths[0])
    assert alone.binaries[0].bundles[0].entries == ()


def test_every_rule_on_kpack_is_broken_here():
    source = Path(__file__).read_text("utf-8")
    for rule in RULES:
        if rule.startswith("kpack-"):
            assert f'"{rule}"' in source
