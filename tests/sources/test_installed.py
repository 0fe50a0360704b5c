"""An installed distribution is the files of its RECORD, and nothing beside them."""

import base64
import hashlib
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import jsonschema
import pytest

from kinspect import InputError, Installed, Verdict, inspect, schemas, verify
from kinspect.sources import Member, open_source
from tests.conftest import SAMPLES

GOOD = (SAMPLES / "per_tu_both.so").read_bytes()
BAD = (SAMPLES / "per_tu_one_lacks.so").read_bytes()
SITE = "lib/python3.12/site-packages"


def install(
    prefix, files, *, name="Deep.EP", version="1.0", site=SITE, record=True, **more
):
    """What an installer leaves: files, and a RECORD of them (by PyPA's specification)."""
    root = prefix / site
    info = f"{name.lower().replace('.', '_')}-{version}.dist-info"
    metadata = {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode(),
        f"{info}/INSTALLER": b"pip\n",
    }
    metadata |= {f"{info}/{key.replace('__', '.')}": value for key, value in more.items()}
    rows = []
    for path, content in {**files, **metadata}.items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=")
        quoted = f'"{path}"' if "," in path else path
        rows.append(f"{quoted},sha256={digest.decode()},{len(content)}")
    if record:
        (root / info / "RECORD").write_text("\n".join([*rows, f"{info}/RECORD,,"]))
    return root


def names(python, name="deep_ep", **options):
    source = open_source(Installed(name, python), **options)
    return [
        os.path.relpath(part.path, source.path) if isinstance(part, Member) else part
        for part in source.members()
        if ".dist-info" not in str(getattr(part, "path", ""))
    ]


def test_the_files_of_record_are_read_and_no_others(tmp_path):
    files = {"deep_ep_cpp.so": GOOD, "deep_ep/__init__.py": b"", "deep_ep/a,b.so": GOOD}
    root = install(tmp_path, files)
    (root / "deep_ep/stray.so").write_bytes(BAD)
    (root / "other.so").write_bytes(BAD)
    assert names(tmp_path) == ["deep_ep/__init__.py", "deep_ep/a,b.so", "deep_ep_cpp.so"]
    report = verify(Installed("deep_ep", tmp_path))
    assert report.verdict is Verdict.PASS
    (artifact,) = report.artifacts
    assert (artifact.kind, artifact.path) == ("installed", str(root))
    assert artifact.distribution == "Deep.EP 1.0"
    # real paths, which a URI may name
    assert {binary.path for binary in artifact.binaries} == {
        f"{root}/deep_ep_cpp.so",
        f"{root}/deep_ep/a,b.so",
    }


@pytest.mark.parametrize("name", ["deep_ep", "Deep-EP", "deep.ep", "DEEP_EP"])
def test_names_are_normalized(tmp_path, name):
    install(tmp_path, {"a.so": GOOD})
    assert names(tmp_path, name) == ["a.so"]


@pytest.mark.parametrize(
    ("site", "python"),
    [
        (SITE, ""),
        (SITE, SITE),
        (SITE, "bin/python"),
        ("lib64/python3.11/site-packages", ""),
        ("lib/python3/dist-packages", "bin/python3"),
        ("local/lib/python3.13/dist-packages", "bin/python3"),
        ("Lib/site-packages", ""),
    ],
)
def test_an_environment_by_prefix_interpreter_or_directory(tmp_path, site, python):
    install(tmp_path, {"a.so": GOOD}, site=site)
    (tmp_path / "bin").mkdir()
    # as in a virtual environment: the link leads out of it, and is not followed
    (tmp_path / "bin/python").symlink_to(sys.executable)
    (tmp_path / "bin/python3").symlink_to("python")
    assert names(tmp_path / python) == ["a.so"]


def test_what_record_lists_and_is_not_there_is_told_if_it_may_be_a_binary(tmp_path):
    gone = [
        "a.so",
        "b.cpython-312-x86_64-linux-gnu.so",
        "c.so.1.2",
        "d.dll",
        "bin/tool",
        "k.co",
    ]
    quiet = ["a.py", "__pycache__/a.cpython-312.pyc", "readme.txt"]
    root = install(tmp_path, dict.fromkeys([*gone, *quiet], b"") | {"good.so": GOOD})
    for name in [*gone, *quiet, "deep_ep-1.0.dist-info/INSTALLER"]:
        (root / name).unlink()
    told = [part for part in names(tmp_path) if not isinstance(part, str)]
    assert sorted(part.where.path for part in told) == sorted(
        f"{root}/{name}" for name in gone
    )
    assert {part.message for part in told} == {
        "in the RECORD of Deep.EP 1.0, but: No such file or directory"
    }
    assert verify(Installed("deep_ep", tmp_path)).verdict is Verdict.UNKNOWN


def test_files_outside_of_site_packages_belong_to_it_too(tmp_path):
    install(tmp_path, {"../../../bin/tool": BAD, "a.so": GOOD})
    report = verify(Installed("deep_ep", tmp_path))
    assert {f.path for f in report.findings if f.severity == "error"} == {
        f"{tmp_path}/bin/tool"
    }


def test_each_file_is_read_once_and_special_ones_never(tmp_path):
    root = install(
        tmp_path, {"a.so": GOOD, "b.so": b"", "c.so": b"", "d.so": b"", "pkg": b""}
    )
    for name in ("b.so", "c.so", "d.so", "pkg"):
        (root / name).unlink()
    (root / "b.so").symlink_to("a.so")
    os.link(root / "a.so", root / "c.so")
    os.mkfifo(root / "d.so")
    (root / "pkg").mkdir()
    assert names(tmp_path) == ["a.so"]


def test_exclude_works_as_below_a_directory(tmp_path):
    install(tmp_path, {"pkg/a.so": GOOD, "pkg/cuda/b.so": BAD, "c.so": GOOD})
    assert names(tmp_path, exclude=("cuda", "c.so")) == ["pkg/a.so"]
    assert names(tmp_path, exclude=("pkg/cuda",)) == ["c.so", "pkg/a.so"]


@pytest.mark.parametrize("name", ["nope", "", " ", "deep_ep_cpp"])
def test_what_is_not_installed_is_told(tmp_path, name):
    install(tmp_path, {"a.so": GOOD})
    with pytest.raises(InputError, match=r"not installed|empty name"):
        open_source(Installed(name, tmp_path))
    report = verify([Installed(name, tmp_path), tmp_path])
    assert report.verdict is Verdict.UNKNOWN
    assert [one.kind for one in report.artifacts] == ["missing", "directory"]


def test_an_environment_that_is_none_is_told(tmp_path):
    with pytest.raises(InputError, match="no site-packages below"):
        open_source(Installed("deep_ep", tmp_path))


def test_an_editable_install_names_its_directory(tmp_path):
    """PEP 610: RECORD lists a pointer only, so there is nothing to judge."""
    origin = {"url": "file:///src/deep_ep", "dir_info": {"editable": True}}
    direct = json.dumps(origin).encode()
    install(tmp_path, {"__editable___deep_ep.pth": b""}, direct_url__json=direct)
    with pytest.raises(InputError, match="an editable install of file:///src/deep_ep"):
        open_source(Installed("deep_ep", tmp_path))


@pytest.mark.parametrize("direct", [b"{}", b'{"dir_info": {}}', b"[]", b"{", b"\xff"])
def test_other_origins_are_no_hindrance(tmp_path, direct):
    install(tmp_path, {"a.so": GOOD}, direct_url__json=direct)
    assert names(tmp_path) == ["a.so"]


def test_a_distribution_without_a_record_is_told(tmp_path):
    """As distributions of Linux install them."""
    install(tmp_path, {"a.so": GOOD}, record=False)
    with pytest.raises(InputError, match="no RECORD"):
        open_source(Installed("deep_ep", tmp_path))


@pytest.mark.parametrize("record", [b"\xff\xfe", b'"' + b"x" * 200_000, b"a\0b.so,,\n"])
def test_a_record_that_can_not_be_read_never_passes(tmp_path, record):
    root = install(tmp_path, {"a.so": GOOD})
    (root / "deep_ep-1.0.dist-info/RECORD").write_bytes(record)
    assert verify(Installed("deep_ep", tmp_path)).verdict is Verdict.UNKNOWN


def test_a_distribution_in_two_places_wants_one_of_them(tmp_path):
    first = install(tmp_path, {"a.so": GOOD})
    install(tmp_path, {"b.so": GOOD}, site="lib/python3.11/site-packages")
    with pytest.raises(InputError, match=r"in several places, name one of them: .*3\.11"):
        open_source(Installed("deep_ep", tmp_path))
    assert names(first) == ["a.so"]


def test_by_default_it_is_the_environment_of_kinspect():
    (artifact,) = verify(Installed("msgspec")).artifacts
    assert [Path(b.path).parent.name for b in artifact.binaries] == ["msgspec"]
    assert artifact.distribution.startswith("msgspec ")


def test_as_pip_installs_it(tmp_path):
    """A wheel with data that pip puts elsewhere."""
    wheel = tmp_path / "deep_ep-1.0-py3-none-any.whl"
    info = "deep_ep-1.0.dist-info"
    files = {
        "deep_ep_cpp.so": GOOD.decode("latin-1"),
        "deep_ep-1.0.data/scripts/tool": BAD.decode("latin-1"),
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: deep_ep\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: py3-none-any\n",
    }
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content.encode("latin-1"))
        archive.writestr(f"{info}/RECORD", "".join(f"{name},,\n" for name in files))
    prefix = tmp_path / "env"
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-index", "--no-deps"]
    command += [
        "--ignore-installed",
        "--disable-pip-version-check",
        f"--prefix={prefix}",
        wheel,
    ]
    subprocess.run(command, check=True)
    report = verify(Installed("deep-ep", prefix))
    assert report.verdict is Verdict.FAIL
    assert {f.path for f in report.findings if f.severity == "error"} == {
        f"{prefix}/bin/tool"
    }
    assert len(report.artifacts[0].binaries) == 2
    assert inspect(Installed("deep-ep", prefix / "bin/tool")).kind == "installed"


@pytest.mark.parametrize(
    "command",
    [
        ["verify"],
        ["audit"],
        ["list"],
        ["kernels"],
        ["size"],
        ["explain", "-dgfx942"],
        ["policy", "init"],
    ],
)
def test_installed_stands_for_a_path_of_every_command(tmp_path, kinspect, command):
    root = install(tmp_path, {"a.so": GOOD})
    done = kinspect(*command, "--installed", "deep-ep", "--python", tmp_path)
    assert done.code == 0
    assert "a.so" in done.out or command in (["kernels"], ["size"])
    assert kinspect(*command, root / "a.so", "--installed", "nope").code == 2
    assert kinspect(*command).code == 2
    done = kinspect(*command, "--python", tmp_path, root / "a.so")
    assert (done.code, "--installed" in done.err) == (2, True)


@pytest.mark.parametrize("command", ["verify", "list"])
def test_json_names_the_distribution(tmp_path, kinspect, command):
    root = install(tmp_path, {"a.so": GOOD})
    options = ("--format", "json", "--installed", "deep-ep", "--python", tmp_path)
    value = json.loads(kinspect(command, *options).out)
    jsonschema.validate(value, json.loads(schemas.report()))
    (artifact,) = value["artifacts"]
    assert (artifact["kind"], artifact["distribution"]) == ("installed", "Deep.EP 1.0")
    assert artifact["path"] == str(root)
    uri = artifact["binaries"][0]["bundles"][0]["entries"][0]["uri"]
    assert uri.startswith(f"file://{root}/a.so#offset=")
