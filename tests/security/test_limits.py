"""Each limit is enforced, told with its name and how to raise it, and can be raised so."""

import gzip
import importlib
import json
import re
from dataclasses import fields

import pytest

from kinspect import Limits, Verdict, verify
from kinspect.errors import UsageError
from kinspect.limits import DEFAULT
from tests.conftest import ROOT, SAMPLES
from tests.security.test_traps import zipped
from tests.writers import Host, Kernel, Slot, Wrapper, bundle, ccob, code_object
from tests.writers.bundles import device
from tests.writers.images import layer, oci, tar
from tests.writers.kpack import archive
from tests.writers.packages import rpm

A, B = code_object("gfx942"), code_object("gfx950")
PAIR = bundle(("gfx942", A), ("gfx950", B))
MANY = [f"k{number}" for number in range(5)]
RECORDS = [Kernel(name, record=number) for number, name in enumerate(MANY)]
GOOD = Host(PAIR).build().data
IMAGE = oci([layer({"a.so": GOOD}), layer({"b": b""})])
HOST = Host(PAIR, [Wrapper()] * 3, functions=["f", "g"]).build().data


def overlapping():
    """Two entries for the bytes of one."""
    at = bundle(("gfx942", A), Slot(device("gfx950"), b"", 0, 0)).index(A)
    return bundle(("gfx942", A), Slot(device("gfx950"), b"", at, len(A)))


#: limit → a file, and a ceiling that it is above
CASES = {
    "entries": (PAIR, 1),
    "bundles": (Host(PAIR * 3, []).build().data, 2),
    "overlap": (overlapping(), 0),
    "entry_id": (PAIR, 20),
    "inflated": (ccob(PAIR), 1000),
    "ratio": (ccob(bundle(("gfx942", A + bytes(20_000)), ("gfx950", B))), 1),
    "metadata": (PAIR, 100),
    "records": (bundle(("gfx942", code_object("gfx942", *RECORDS)), ("gfx950", B)), 3),
    "kernels": (bundle(("gfx942", code_object("gfx942", *MANY)), ("gfx950", B)), 3),
    "symbols": (PAIR, 1),
    "relocations": (HOST, 1),
    "headers": (HOST, 2),
    "wrappers": (HOST, 2),
    "members": (zipped({"a.so": GOOD, "b.so": GOOD, "c.so": GOOD}), 2),
    "member": (zipped({"a.so": GOOD}), 100),
    "broken": (zipped(dict.fromkeys("abc", b"\x7fELF")), 2),
    "total": (gzip.compress(tar({"a.so": GOOD, "b.so": GOOD})), len(GOOD)),
    "nesting": (zipped({"x.zip": zipped({"a.so": GOOD})}), 1),
    "temporary": (gzip.compress(tar(IMAGE)), 1000),
    "manifest": (tar(IMAGE), 100),
    "layers": (tar(IMAGE), 1),
    "rpm_header": (rpm({"a.so": GOOD}), 100),
    "toc": (archive({("lib/a.so#0", "gfx942"): A}), 10),
    "bitcode_records": ((SAMPLES / "rdc_old_driver.o").read_bytes(), 20),
    "payloads": (archive({("lib/a.so#0", "gfx942"): A, ("lib/a.so#0", "gfx950"): B}), 1),
}


def test_every_limit_has_a_case():
    assert set(CASES) == {field.name for field in fields(Limits)}


def exceeded(done):
    """What was beyond a limit: by its name, and what is told."""
    report = json.loads(done.out)
    told = {}

    def look(value):
        if isinstance(value, dict):
            if value.get("limit"):
                told[value["limit"]] = value["message"]
            value = list(value.values())
        for one in value if isinstance(value, list) else ():
            look(one)

    look(report)
    return told, report


@pytest.mark.parametrize("name", CASES)
def test_a_limit_is_told_by_its_name_and_can_be_raised(kinspect, tmp_path, name):
    data, ceiling = CASES[name]
    path = tmp_path / "x"
    path.write_bytes(data)
    verify_it = ["verify", "--format", "json"]
    told, _ = exceeded(kinspect(*verify_it, path))
    assert told == {}
    for _ in range(100):  # what is told is where it stopped, not how far it would go
        done = kinspect(*verify_it, "--limit", f"{name}={ceiling}", path)
        told, report = exceeded(done)
        if not told:
            break
        assert set(told) == {name}
        assert done.code in {1, 2}
        assert report["verdict"] != "pass"
        errors = [f["message"] for f in report["findings"] if f["severity"] == "error"]
        assert any(str(path) in message and name in message for message in errors)
        match = re.search(rf"raise it with --limit {name}=(\d+) if", told[name])
        assert match
        assert int(match[1]) > ceiling
        ceiling = max(int(match[1]), ceiling * 2)
    assert told == {}


@pytest.mark.parametrize("name", CASES)
def test_a_limit_holds_in_python_too(tmp_path, name):
    data, ceiling = CASES[name]
    (tmp_path / "x").write_bytes(data)
    report = verify(tmp_path / "x", limits=DEFAULT.raised(**{name: ceiling}))
    assert report.verdict is not Verdict.PASS
    assert any(f"{name} is" in finding.message for finding in report.findings)


@pytest.mark.parametrize(
    "text", ["nonsense=1", "entries", "entries=", "entries=x", "entries=-1"]
)
def test_a_limit_that_is_none_is_a_usage_error(kinspect, tmp_path, text):
    (tmp_path / "x").write_bytes(PAIR)
    done = kinspect("verify", "--limit", text, tmp_path / "x")
    assert (done.code, done.out) == (2, "")


def test_a_limit_that_is_none_is_an_error_in_python():
    with pytest.raises(UsageError, match="no limit named 'nonsense'"):
        DEFAULT.raised(nonsense=1)


def test_the_reference_page_has_every_limit(monkeypatch):
    """And so has the one on security."""
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    written = (ROOT / "docs/security.md").read_text("utf-8")
    for page in (importlib.import_module("reference").limits(), written):
        for field in fields(Limits):
            assert f"| `{field.name}` | {getattr(DEFAULT, field.name):,} |" in page
