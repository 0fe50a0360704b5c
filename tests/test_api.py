"""The library: `inspect()` and `verify()`, as `from kinspect import …` gives them."""

import copy
import dataclasses
import importlib
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

import kinspect
from kinspect import (
    Artifact,
    Binary,
    CodeObject,
    Form,
    Ignore,
    InputError,
    KinspectError,
    Limits,
    Linkage,
    Policy,
    Severity,
    TargetError,
    TargetID,
    Unreadable,
    Verdict,
    api,
    inspect,
    parse_required,
    verify,
)
from tests.writers import Host, Kernel, Wrapper, bundle, ccob, code_object

A, B = code_object("gfx942", "_Z3fooPi", "bar"), code_object("gfx950", "_Z3fooPi", "bar")
PAIR = bundle(("gfx942", A), ("gfx950", B))
CONTENTS = {
    "good.so": Host(PAIR, [Wrapper(), Wrapper()], needed=["libamdhip64.so.7"]).build().data,
    "compressed.so": Host(ccob(PAIR, 3)).build().data,
    "lacks.so": Host(bundle(("gfx942", A))).build().data,
    "cut.so": Host(PAIR).build().data[:-300],
    "host.so": Host().build().data,
    "text": b"no binary",
}


@pytest.fixture
def files(tmp_path):
    for name, data in CONTENTS.items():
        (tmp_path / name).write_bytes(data)
    return tmp_path


def test_inspect_tells_what_is_in_a_file(files):
    found = inspect(files / "good.so")
    assert isinstance(found, Artifact)
    assert (found.path, found.kind) == (str(files / "good.so"), "file")
    (binary,) = found.binaries
    assert isinstance(binary, Binary)
    assert (binary.format, binary.linkage) == ("elf64-x86-64", Linkage.RDC)
    assert binary.needed == ("libamdhip64.so.7",)
    assert binary.kernel_count == 4
    (one,) = binary.bundles
    assert (one.form, one.wrappers, one.registered) == (Form.PLAIN, 2, True)
    for entry, written in zip(one.hip_entries, [A, B], strict=True):
        data = CONTENTS["good.so"][entry.offset : entry.offset + entry.size]
        assert data == written
        assert isinstance(entry.code_object, CodeObject)
        assert entry.code_object.kernels == ("_Z3fooPi", "bar")
        assert entry.code_object.flags.target == entry.id.target_id


def test_inspect_lists_without_opening_code_objects(files):
    for name in ("good.so", "compressed.so"):
        (binary,) = inspect(files / name, code_objects=False).binaries
        assert binary.device_code
        assert {e.code_object for b in binary.bundles for e in b.entries} == {None}


def test_inspect_of_what_is_no_binary_is_empty(files):
    assert inspect(files / "text").binaries == ()
    assert not inspect(files / "text").device_code


def test_inspect_of_what_is_not_there_is_an_input_error(files):
    with pytest.raises(InputError, match="No such file") as caught:
        inspect(files / "missing.so")
    assert caught.value.path == str(files / "missing.so")


def test_what_is_damaged_is_part_of_the_result(files):
    (binary,) = inspect(files / "cut.so").binaries
    assert binary.unreadable
    assert all(isinstance(part, Unreadable) for part in binary.unreadable)
    assert all(part.where.path == str(files / "cut.so") for part in binary.unreadable)


@pytest.mark.parametrize("kind", [str, Path])
def test_paths_are_texts_or_path_objects(files, kind):
    path = kind(files / "good.so")
    assert inspect(path).device_code
    assert verify(path).verdict is Verdict.PASS
    assert verify([path, path]).verdict is Verdict.PASS
    assert verify(iter([path])).verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("names", "verdict"),
    [
        (["good.so"], Verdict.PASS),
        (["good.so", "compressed.so"], Verdict.PASS),
        (["lacks.so"], Verdict.FAIL),
        (["host.so"], Verdict.FAIL),
        (["cut.so"], Verdict.UNKNOWN),
        (["missing.so"], Verdict.UNKNOWN),
        (["text"], Verdict.UNKNOWN),
        ([], Verdict.UNKNOWN),
        (["good.so", "missing.so"], Verdict.UNKNOWN),
        (["good.so", "text"], Verdict.UNKNOWN),
        (["missing.so", "lacks.so"], Verdict.FAIL),
    ],
)
def test_verify_never_raises_for_what_an_artifact_holds(files, names, verdict):
    report = verify([files / name for name in names])
    assert report.verdict is verdict
    assert report.required == ("gfx942", "gfx950")
    assert report.version == kinspect.__version__
    assert [one.path for one in report.artifacts] == [str(files / name) for name in names]


def test_verify_holds_to_a_policy(files):
    policy = Policy(required=parse_required(("gfx942",)))
    assert verify(files / "lacks.so", policy).verdict is Verdict.PASS
    assert verify(files / "lacks.so", policy).required == ("gfx942",)
    assert verify(
        files / "good.so", Policy(required=(TargetID("gfx942"),), only=True)
    ).verdict is (Verdict.FAIL)
    ignoring = Policy(ignore=(Ignore("missing-target", "lacks.so"),))
    assert verify(files / "lacks.so", ignoring).verdict is Verdict.PASS


def test_a_finding_says_what_where_and_how_bad(files):
    (found,) = verify(files / "lacks.so").findings
    assert (found.rule, found.severity) == ("missing-target", Severity.ERROR)
    assert (found.path, found.bundle, found.target) == (
        str(files / "lacks.so"),
        0,
        "gfx950",
    )
    assert found.hint


def test_limits_are_those_of_the_caller(files):
    report = verify(files / "good.so", limits=Limits(symbols=1))
    assert report.verdict is Verdict.UNKNOWN
    assert {one.rule for one in report.findings} == {"unreadable"}
    found = inspect(files / "compressed.so", limits=Limits(inflated=10))
    assert [part.limit for part in found.binaries[0].unreadable] == ["inflated"]


@pytest.mark.parametrize("name", sorted(CONTENTS))
def test_results_are_frozen_values(files, name):
    """They compare, pickle (for worker processes) and can't be changed."""
    report = verify(files / name)
    assert pickle.loads(pickle.dumps(report)) == report == copy.deepcopy(report)
    with pytest.raises(dataclasses.FrozenInstanceError):
        report.verdict = Verdict.PASS  # type: ignore[misc]
    assert report == verify(files / name)


@pytest.mark.parametrize("name", ["good.so", "compressed.so"])
def test_kernels_are_given_with_where_they_are(files, name):
    rows = list(api.kernels(files / name))
    assert [(row.bundle, row.target, row.kernel.name) for row in rows] == [
        (0, "gfx942", "_Z3fooPi"),
        (0, "gfx942", "bar"),
        (0, "gfx950", "_Z3fooPi"),
        (0, "gfx950", "bar"),
    ]
    assert rows[0].values()["demangled"] == "foo(int*)"
    assert rows[0].path == str(files / name)


def test_kernels_of_two_entries_for_the_same_bytes_are_given_twice(tmp_path):
    """A relabelled code object is damage, which is no reason to lose its kernels."""
    from tests.writers import Slot  # noqa: PLC0415
    from tests.writers.bundles import device  # noqa: PLC0415

    first = bundle(("gfx942", A), Slot(device("gfx950"), b""), host=False).index(A)
    data = bundle(
        ("gfx942", A), Slot(device("gfx950"), b"", offset=first, size=len(A)), host=False
    )
    (tmp_path / "twice").write_bytes(data)
    rows = list(api.kernels(tmp_path / "twice"))
    assert [row.target for row in rows] == ["gfx942", "gfx942", "gfx950", "gfx950"]


def test_kernels_of_what_can_not_be_read_are_told(tmp_path):
    broken = code_object("gfx950", Kernel("k"), records=[b"\xc1"])
    (tmp_path / "broken").write_bytes(bundle(("gfx942", A), ("gfx950", broken)))
    problems: list[Unreadable] = []
    rows = list(api.kernels(tmp_path / "broken", problems=problems))
    assert {row.target for row in rows} == {"gfx942"}
    assert len(problems) == 1
    assert "metadata" in problems[0].message


@pytest.mark.parametrize("name", sorted(kinspect.__all__))
def test_every_public_name_is_there(name):
    assert getattr(kinspect, name) is not None


def test_what_is_not_public_is_not_there():
    with pytest.raises(AttributeError, match="no_such_name"):
        kinspect.no_such_name  # noqa: B018
    assert {"inspect", "verify", "Policy", "KinspectError"} <= set(kinspect.__all__)


@pytest.mark.parametrize(
    "name", ["InputError", "FormatError", "LimitExceeded", "TargetError", "UsageError"]
)
def test_every_error_is_a_kinspect_error(name):
    assert issubclass(getattr(kinspect, name), KinspectError)


def test_a_requirement_that_names_nothing_known_is_a_target_error():
    with pytest.raises(TargetError):
        parse_required(("gfx9999",))


def test_importing_the_package_imports_no_reader():
    """Start-up stays short: what is used is imported when it is used."""
    code = (
        "import sys, kinspect; kinspect.__version__; "
        "heavy = {'elftools', 'zstandard', 'msgspec', 'click', 'tabulate', 'pydemumble'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert done.stdout.strip() == b"[]"


def test_the_example_of_the_package_holds(files, monkeypatch):
    """The lines of its docstring, on a file of that name."""
    monkeypatch.chdir(files)
    (files / "deep_ep_cpp.so").write_bytes(CONTENTS["good.so"])
    module = importlib.import_module("kinspect")
    lines = [
        line.strip().removeprefix(">>> ")
        for line in (module.__doc__ or "").splitlines()
        if line.strip().startswith(">>> ")
    ]
    names: dict[str, object] = {}
    for line in lines[:-1]:
        exec(line, names)
    assert eval(lines[-1], names) is Verdict.PASS
