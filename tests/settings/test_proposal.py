"""`kinspect policy init`: what it writes holds, and stops holding when something is lost."""

import json
import tomllib
import zipfile
from dataclasses import replace
from datetime import date, timedelta

import jsonschema
import pytest

from kinspect import Verdict, schemas, verify
from kinspect.settings import effective
from kinspect.settings.proposal import GRACE
from tests.conftest import SAMPLES, manifest
from tests.writers import Host, bundle, ccob, code_object

GFX942, GFX950, GFX90A = map(code_object, ("gfx942", "gfx950", "gfx90a"))
BOTH = Host(bundle(("gfx942", GFX942), ("gfx950", GFX950))).build().data
ONE = Host(bundle(("gfx942", GFX942))).build().data
OTHER = Host(bundle(("gfx90a", GFX90A))).build().data


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", sorted(sample["file"] for sample in manifest()))
def test_what_it_writes_for_a_sample_holds(kinspect, project, name):
    done = kinspect("policy", "init", SAMPLES / name, "-o", "p.toml")
    if done.code:
        assert done.code == 2
        assert "kinspect: error: " in done.err
        assert not (project / "p.toml").exists()
        # there really is no policy for it: not even one that requires what is packed
        assert kinspect("verify", "--no-policy", SAMPLES / name).code != 0
        return
    assert (done.out, done.err) == ("", "")
    written = (project / "p.toml").read_text("utf-8")
    jsonschema.validate(_plain(tomllib.loads(written)), _schema())
    assert kinspect("verify", "--policy", "p.toml", SAMPLES / name).code == 0


def _schema():
    return json.loads(schemas.read("policy"))


def _plain(value):
    """Dates as text, as editors hand them to a schema."""
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return str(value) if isinstance(value, date) else value


@pytest.mark.parametrize(
    "worse",
    [ONE, OTHER, Host().build().data, BOTH[:-300]],
    ids=["a target less", "another target", "no device code", "cut"],
)
def test_it_stops_holding_when_something_is_lost(kinspect, project, worse):
    (project / "a.so").write_bytes(BOTH)
    assert kinspect("policy", "init", "a.so", "-o", "kinspect.toml").code == 0
    assert kinspect("verify", "a.so").code == 0
    (project / "a.so").write_bytes(worse)
    assert kinspect("verify", "a.so").code != 0


def test_binaries_that_serve_less_are_told_apart(kinspect, project):
    with zipfile.ZipFile("x.whl", "w") as wheel:
        wheel.writestr("a.cpython-312-x86_64-linux-gnu.so", BOTH)
        wheel.writestr("[b].so", OTHER)
    done = kinspect("policy", "init", "x.whl", "--pyproject")
    found = tomllib.loads(done.out)["tool"]["kinspect"]
    assert found["require"] == ["gfx942", "gfx950"]
    assert found["expect"] == ["[[]b].so", "a*.so"]
    assert found["binary"] == [{"path": "[[]b].so", "require": ["gfx90a"]}]
    (project / "pyproject.toml").write_text(done.out)
    assert kinspect("verify", "x.whl").code == 0
    with zipfile.ZipFile("x.whl", "w") as wheel:
        wheel.writestr("a.cpython-313-x86_64-linux-gnu.so", BOTH)
        wheel.writestr("[b].so", ONE)
    assert kinspect("verify", "x.whl").code == 1


def test_what_is_wrong_already_is_ignored_for_a_while(kinspect, project):
    spoiled = bytearray(ccob(bundle(("gfx942", GFX942), ("gfx950", GFX950)), version=3))
    spoiled[24] ^= 1  # the MD5 of version 3
    (project / "a.so").write_bytes(Host(bytes(spoiled)).build().data)
    assert kinspect("policy", "init", "a.so", "-o", "kinspect.toml").code == 0
    (ignore,) = tomllib.loads((project / "kinspect.toml").read_text())["ignore"]
    assert (ignore["rule"], ignore["path"]) == ("corrupt-bundle", "a.so")
    last = ignore["expires"]
    policy = effective(path=project / "kinspect.toml").policy
    for later, verdict in ((0, Verdict.PASS), (1, Verdict.FAIL)):
        day = last + timedelta(days=later)
        assert verify("a.so", replace(policy, today=day)).verdict is verdict
    assert date.today() + GRACE - last <= timedelta(days=1)


def test_nothing_is_written_for_what_can_not_be_read(kinspect, project):
    (project / "a.so").write_bytes(BOTH[:-300])
    done = kinspect("policy", "init", "a.so", "-o", "p.toml")
    assert (done.code, (project / "p.toml").exists()) == (2, False)
    assert "a.so" in done.err


def test_a_file_that_is_there_stays(kinspect, project):
    (project / "a.so").write_bytes(BOTH)
    (project / "p.toml").write_text("mine")
    done = kinspect("policy", "init", "a.so", "-o", "p.toml")
    assert done.code == 2
    assert "--force" in done.err
    assert (project / "p.toml").read_text() == "mine"
    assert kinspect("policy", "init", "a.so", "-o", "p.toml", "--force").code == 0
    assert kinspect("verify", "--policy", "p.toml", "a.so").code == 0
