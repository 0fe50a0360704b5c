"""Every committed sample, against what other tools read in it and what must be said of it."""

import hashlib
import json
import subprocess
import sys

import jsonschema
import pytest

from kinspect import CodeObject, Report, Severity, inspect, schemas, verify
from tests.conftest import SAMPLES, manifest

SAMPLE = {sample["file"]: sample for sample in manifest()}
EXITS = {"pass": 0, "fail": 1, "unknown": 2}


@pytest.fixture(params=sorted(SAMPLE))
def sample(request):
    return SAMPLE[request.param]


def kinspect(*arguments):
    """Run the command line as a user does."""
    return subprocess.run(
        [sys.executable, "-m", "kinspect", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_committed_bytes_are_those_of_the_manifest(sample):
    data = (SAMPLES / sample["file"]).read_bytes()
    assert hashlib.sha256(data).hexdigest() == sample["sha256"]
    assert len(data) < 100_000


def test_verify_says_what_the_manifest_expects(sample):
    expected = sample["verify"]
    report = verify(SAMPLES / sample["file"])
    assert EXITS[report.verdict] == expected["exit"]
    assert said(report) == sorted(
        (f["rule"], f["severity"], f["bundle"], f["target"]) for f in expected["findings"]
    )


def said(report: Report):
    """The findings that matter for a verdict; notes are information."""
    return sorted(
        (f.rule, f.severity.value, f.bundle, f.target)
        for f in report.findings
        if f.severity is not Severity.NOTE
    )


def test_bundles_and_entries_are_those_that_other_tools_read(sample):
    (binary,) = inspect(SAMPLES / sample["file"], code_objects=False).binaries
    assert [
        {
            "offset": bundle.offset,
            "form": bundle.form.value,
            "registered": bundle.registered,
            "entries": [
                {"id": entry.id.text, "offset": entry.offset, "size": entry.size}
                for entry in bundle.entries
            ],
        }
        for bundle in binary.bundles
    ] == [
        {
            "offset": bundle["offset"],
            "form": bundle["form"],
            "registered": bundle["registered"],
            "entries": [
                {name: entry[name] for name in ("id", "offset", "size")}
                for entry in bundle["entries"]
            ],
        }
        for bundle in sample["bundles"]
    ]


def test_code_objects_are_those_that_other_tools_read(sample):
    (binary,) = inspect(SAMPLES / sample["file"]).binaries
    assert [
        (part.e_flags, part.abi_version, list(part.kernels))
        for bundle in binary.bundles
        for entry in bundle.entries
        if isinstance(part := entry.code_object, CodeObject)
    ] == [
        (entry["e_flags"], entry["abi_version"], sorted(entry["kernels"]))
        for bundle in sample["bundles"]
        for entry in bundle["entries"]
        if "e_flags" in entry
    ]


@pytest.mark.parametrize("command", ["verify", "list"])
def test_json_is_valid_against_the_schema_that_is_shipped(sample, command):
    done = kinspect(command, "--format", "json", SAMPLES / sample["file"])
    assert done.stderr == ""
    jsonschema.validate(json.loads(done.stdout), json.loads(schemas.report()))


def test_the_command_exits_as_the_manifest_says(sample):
    done = kinspect("verify", SAMPLES / sample["file"])
    assert done.returncode == sample["verify"]["exit"]
    for finding in sample["verify"]["findings"]:
        assert finding["rule"] in done.stdout
        assert finding["target"] is None or finding["target"] in done.stdout
