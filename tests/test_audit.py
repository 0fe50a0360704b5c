"""Wheels: what they say of themselves, their RECORD, and the full picture of `audit`."""

import hashlib
import json
import os
import zipfile

import jsonschema
import pytest

from kinspect import Severity, Verdict, schemas, verify
from kinspect.render import audit
from kinspect.render import json as as_json
from tests.test_bitcode import LIBRARY, without_processor
from tests.writers import Host, bundle, ccob, code_object
from tests.writers.wheels import build, digest

PAIR = bundle(("gfx942", code_object("gfx942")), ("gfx950", code_object("gfx950")))
GOOD = Host(PAIR).build().data
LACKS = Host(bundle(("gfx942", code_object("gfx942")))).build().data
HOST_ONLY = Host().build().data


def told(path, rule, **more):
    report = verify(path, **more)
    return [
        (f.path.rsplit("!", 1)[-1], f.message) for f in report.findings if f.rule == rule
    ]


# --- RECORD -------------------------------------------------------------------------


def test_a_wheel_as_it_was_built_has_nothing_to_tell(tmp_path):
    path = build(tmp_path, {"deep_ep_cpp.so": GOOD, "deep_ep/__init__.py": b"x = 1\n"})
    report = verify(path, record=True)
    assert report.verdict is Verdict.PASS
    assert report.findings == ()
    (wheel,) = report.artifacts[0].wheels
    assert (wheel.name, wheel.version, wheel.checked) == ("deep_ep", "1.0", 4)
    assert wheel.tags == ("cp312-cp312-linux_x86_64",)


ROWS = {
    "sha384": (digest(GOOD, "sha384"), None),
    "sha512": (digest(GOOD, "sha512"), None),
    "hexadecimal, as rocm-kpack writes": (
        f"sha256={hashlib.sha256(GOOD).hexdigest()}",
        None,
    ),
    "padded": (f"{digest(GOOD)}=", None),
    "another file's": (digest(b"x"), "its sha256 is"),
    "md5": (digest(GOOD, "md5"), "'md5', which is no hash that it may use"),
    "none": ("", None),  # told of all files at once
}


@pytest.mark.parametrize("kind", ROWS)
def test_hashes_of_record(tmp_path, kind):
    row, problem = ROWS[kind]
    rows = {"a.so": f"a.so,{row},{len(GOOD)}"}
    path = build(tmp_path, {"a.so": GOOD}, rows=rows)
    found = [one for one in told(path, "record-mismatch", record=True) if one[0] == "a.so"]
    assert bool(found) is bool(problem)
    if problem:
        assert problem in found[0][1]


@pytest.mark.parametrize(
    ("rows", "where", "problem"),
    [
        (
            {"a.so": f"a.so,{digest(GOOD)},17"},
            "a.so",
            f"has {len(GOOD)} bytes, RECORD says 17",
        ),
        ({"a.so": ""}, "a.so", "RECORD does not list it"),
        ({"b.so": f"b.so,{digest(b'')},0"}, "b.so", "RECORD lists it, and it is not there"),
    ],
)
def test_files_that_record_does_not_vouch_for(tmp_path, rows, where, problem):
    path = build(tmp_path, {"a.so": GOOD}, rows=rows)
    assert told(path, "record-mismatch", record=True) == [(where, problem)]
    assert verify(path, record=True).verdict is Verdict.FAIL
    assert verify(path).verdict is Verdict.PASS  # not asked for


def test_files_without_a_hash_are_told_at_once_as_a_warning(tmp_path):
    rows = {name: f"{name},," for name in ("a.so", "b.py")}
    path = build(tmp_path, {"a.so": GOOD, "b.py": b""}, rows=rows)
    report = verify(path, record=True)
    (finding,) = report.findings
    assert (finding.rule, finding.severity) == ("record-mismatch", Severity.WARNING)
    assert "no hash of 2 files" in finding.message
    assert report.verdict is Verdict.PASS


def test_a_damaged_member_that_is_no_binary_is_told(tmp_path):
    path = build(tmp_path, {"a.so": GOOD, "data.bin": os.urandom(20_000)})
    raw = bytearray(path.read_bytes())
    raw[raw.index(b"data.bin") + 5_000] ^= 0xFF
    path.write_bytes(raw)
    report = verify(path, record=True)
    (finding,) = report.findings
    assert finding.rule == "unreadable"
    assert finding.path == f"{path}!data.bin"
    assert report.verdict is Verdict.UNKNOWN


@pytest.mark.parametrize("lost", ["METADATA", "RECORD"])
def test_a_wheel_without_its_metadata_is_not_judged(tmp_path, lost):
    path = build(tmp_path, {"a.so": GOOD})
    with zipfile.ZipFile(path) as old:
        contents = {n: old.read(n) for n in old.namelist() if not n.endswith(lost)}
    with zipfile.ZipFile(path, "w") as new:
        for name, data in contents.items():
            new.writestr(name, data)
    report = verify(path, record=True)
    assert report.verdict is Verdict.UNKNOWN
    (finding,) = report.findings
    assert (finding.rule, finding.path) == ("unreadable", str(path))
    assert f"no deep_ep-1.0.dist-info/{lost}, which a wheel must have" in finding.message


@pytest.mark.parametrize("name", ["a\u2028b.py", "a,b.py", 'a"b.py', "a\nb.py"])
def test_record_may_hold_any_name(tmp_path, name):
    quoted = name.replace('"', '""')
    rows = {name: f'"{quoted}",{digest(b"x")},1'}
    path = build(tmp_path, {"a.so": GOOD, name: b"x"}, rows=rows)
    assert verify(path, record=True).findings == ()


def test_wheels_in_a_directory_are_held_to_their_record_too(tmp_path):
    build(tmp_path, {"a.so": GOOD})
    bad = {"a.so": f"a.so,{digest(b'x')},{len(GOOD)}"}
    path = build(tmp_path, {"a.so": GOOD}, name="other", rows=bad)
    report = verify(tmp_path, record=True)
    assert [one.name for one in report.artifacts[0].wheels] == ["deep_ep", "other"]
    (finding,) = report.findings
    assert (finding.rule, finding.path) == ("record-mismatch", f"{path}!a.so")
    assert "  RECORD     3 files, 1 problem, see below" in audit.report(report)


# --- claims -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({}, None),
        ({"metadata_version": "1.1"}, "gives the version 1.0, the metadata 1.1"),
        ({"file_name": "deepep-1.0-cp312-cp312-linux_x86_64.whl"}, "gives the name deepep"),
        ({"file_name": "deep_ep-1.0-cp311-cp311-linux_x86_64.whl"}, "gives the tags cp311"),
        ({"file_name": "deep_ep.whl"}, "no installer takes it"),
        ({"tag": "cp312-cp312-linux_aarch64"}, "is elf64-x86-64, the wheel is tagged"),
        ({"tag": "cp312-cp312-win_amd64"}, "is elf64-x86-64, the wheel is tagged"),
        ({"tag": "py3-none-any"}, "tagged for any platform"),
        ({"tag": "py3-none-manylinux_2_28_x86_64"}, None),
        ({"tag": "py3-none-linux_aarch64.linux_x86_64"}, None),
        ({"tag": "py3-none-macosx_11_0_arm64"}, None),  # kinspect can't tell
        ({"version": "1.0+gfx942.gfx950"}, None),
        ({"version": "1.0+gfx942.gfx90a"}, "promises gfx90a"),
        ({"name": "deep_ep_device_gfx1100"}, "promises gfx1100"),
        ({"name": "deep_ep_gfx94X"}, None),
        ({"name": "deep_ep_gfx110X"}, "promises gfx110x"),
        ({"version": "1.0+rocm7.0"}, None),
        ({"version": "1.0+rocm6.4"}, "promises ROCm 6, and it links the runtime of ROCm 7"),
        ({"version": "1.0+rocm10.1"}, "promises ROCm 10"),
    ],
)  # fmt: skip
def test_claims_of_a_wheel(tmp_path, options, problem):
    library = Host(PAIR, needed=("libamdhip64.so.7",)).build().data
    path = build(tmp_path, {"a.so": library}, **options)
    messages = [message for _, message in told(path, "claim-mismatch")]
    assert bool(messages) is bool(problem)
    if problem:
        assert any(problem in message for message in messages)
    assert verify(path).verdict is Verdict.PASS  # a warning


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("lib_gfx942.so", None),
        ("lib_gfx950-gfx942.so", None),
        ("lib_gfx90a.so", "promises gfx90a"),
        ("lib_gfx94.so", None),  # no processor
        ("lib_no_gfx90a.so", None),
        ("lib_rocm72.so", None),
        ("lib_rocm64.so", "promises ROCm 6"),
        ("lib_rocm714.so", None),
        ("lib_rocm_2024.so", None),  # no release
    ],
)
def test_claims_of_a_library(tmp_path, name, problem):
    path = tmp_path / name
    path.write_bytes(Host(PAIR, needed=("libamdhip64.so.7",)).build().data)
    messages = [message for _, message in told(path, "claim-mismatch")]
    assert [problem in one for one in messages] == [True] * bool(problem)


# --- --expect and nothing at all ----------------------------------------------------


def test_a_wheel_without_any_device_code_fails(tmp_path):
    path = build(tmp_path, {"a.so": HOST_ONLY, "b.so": HOST_ONLY})
    report = verify(path)
    assert [finding.rule for finding in report.findings] == ["no-device-code"]
    assert report.verdict is Verdict.FAIL


def test_a_host_only_rebuild_does_not_hide_behind_others(tmp_path):
    from kinspect import Policy  # noqa: PLC0415

    path = build(tmp_path, {"deep_ep_cpp.so": HOST_ONLY, "other.so": GOOD})
    assert verify(path).verdict is Verdict.PASS
    report = verify(path, Policy(expect=("deep_ep_cpp*.so",)))
    assert report.verdict is Verdict.FAIL
    (finding,) = report.findings
    assert finding.path.endswith("!deep_ep_cpp.so")


# --- the picture --------------------------------------------------------------------


def test_the_first_lines_say_what_a_wheel_runs_on(tmp_path):
    library = Host(ccob(PAIR, version=3, method="zstd"), needed=("libamdhip64.so.7",))
    path = build(tmp_path, {"a.so": library.build().data, "b.so": LACKS})
    lines = audit.report(verify(path, record=True)).splitlines()
    assert lines[0].endswith("wheel of deep_ep 1.0")
    assert lines[1] == "  runs on    gfx942"
    assert lines[2] == "  in part    gfx950: 1 of 2 bundles"
    assert any("ccob v3 zstd (1), plain (1)" in line for line in lines)
    assert (
        "  runtime    links libamdhip64.so.7; needs ROCm 7.0 or newer (CCOB version 3)"
        in lines
    )
    assert "  RECORD     4 files, all hashes hold" in lines
    rows = [line.split() for line in lines if line.startswith("  gfx9")]
    assert rows[0][:3] == ["gfx942", "2", "2/2"]
    assert rows[1][:3] == ["gfx950", "1", "1/2"]
    assert any(line.rstrip().endswith("lacks gfx950") for line in lines)
    assert lines[-1].startswith("FAILED: 1 error in 1 binary")


def test_an_artifact_without_device_code(tmp_path):
    path = build(tmp_path, {"a.so": HOST_ONLY})
    lines = audit.report(verify(path)).splitlines()
    assert lines[1] == "  runs on    no GPU: no device code in 1 binary"


def test_device_libraries_for_no_processor_have_no_row(tmp_path):
    """ROCm's `ocml.bc` is linked into code for any processor."""
    (tmp_path / "a.so").write_bytes(GOOD)
    (tmp_path / "ocml.bc").write_bytes(without_processor(LIBRARY["gfx942"]))
    picture = audit.report(verify(tmp_path))
    assert "runs on    gfx942, gfx950\n" in picture


def test_names_can_not_forge_lines(tmp_path):
    path = build(tmp_path, {"a.so": GOOD}, requires=("rocm\x1b[31m; x",), tag="a\x07-b-c")
    assert "\x1b" not in audit.report(verify(path), verbose=1)
    assert "\x07" not in audit.report(verify(path), verbose=1)


def test_json_has_the_facts_of_a_wheel(tmp_path):
    path = build(tmp_path, {"a.so": GOOD}, requires=("torch",))
    for record in (False, True):
        value = json.loads(as_json.report(verify(path, record=record)))
        jsonschema.validate(value, json.loads(schemas.report()))
        wheel = value["artifacts"][0]["wheels"][0]
        assert wheel["requires"] == ["torch"]
        assert (wheel["record"] == {"checked": 3, "faults": []}) is record
