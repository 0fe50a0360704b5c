"""Reports for machines: valid by the schemas of others, and the same verdict in each."""

import json
import re
import time
from dataclasses import replace
from pathlib import Path

import cmarkgfm
import jsonschema
import junitparser
import pytest
from cmarkgfm.cmark import Options
from lxml import etree

from kinspect import schemas
from kinspect.model import Artifact, Finding, Report, Severity, Verdict
from kinspect.render import github, gitlab, html, junit, markdown, sarif, text
from kinspect.render import json as as_json
from tests.conftest import ROOT
from tests.render import reports

SCHEMAS = ROOT / "tests/schemas"
SARIF = jsonschema.Draft4Validator(
    json.loads((SCHEMAS / "sarif-2.1.0.json").read_text("utf-8"))
)
XSD = etree.XMLSchema(file=str(SCHEMAS / "junit-10.xsd"))
DTD = etree.DTD(file=str(SCHEMAS / "ant-junit.dtd"))
OURS = jsonschema.Draft202012Validator(json.loads(schemas.report()))

#: https://docs.gitlab.com/ci/testing/code_quality/, "Code Quality report format"
GITLAB = jsonschema.Draft202012Validator(
    {
        "type": "array",
        "items": {
            "type": "object",
            "required": [
                "description",
                "check_name",
                "fingerprint",
                "severity",
                "location",
            ],
            "properties": {
                "description": {"type": "string", "minLength": 1},
                "check_name": {"type": "string", "minLength": 1},
                "fingerprint": {"type": "string", "minLength": 1},
                "severity": {"enum": ["info", "minor", "major", "critical", "blocker"]},
                "location": {
                    "type": "object",
                    "required": ["path", "lines"],
                    "properties": {
                        "path": {"type": "string", "pattern": r"^(?!\./)."},
                        "lines": {"type": "object", "required": ["begin"]},
                    },
                },
            },
        },
    }
)

RENDERERS = {
    "text": text.report, "json": as_json.report, "junit": junit.report, "sarif": sarif.report,
    "github": github.report, "gitlab": gitlab.report, "markdown": markdown.report,
    "html": html.report,
}  # fmt: skip


@pytest.fixture(scope="module")
def all_samples():
    """The reports of the samples, by name."""
    return {name: reports.sample_report(name) for name in reports.SAMPLE_NAMES}


@pytest.fixture(params=[*reports.SAMPLE_NAMES, "hostile", "huge", "wide", "nothing"])
def report(request, all_samples):
    if request.param in all_samples:
        return all_samples[request.param]
    return other(request.param)


_MADE: dict[str, object] = {}


def other(name):
    """The reports that are made, once each."""
    if name not in _MADE:
        _MADE[name] = {
            "hostile": reports.hostile_report,
            "huge": reports.huge_report,
            "wide": lambda: reports.wide_report(3000, 3000),
            "nothing": lambda: reports.report_of(Artifact("notes.txt", "file")),
        }[name]()
    return _MADE[name]


# --- valid, and the verdict can be told from each alone -----------------------------------


def test_json_is_valid(report):
    value = json.loads(as_json.report(report))
    # the findings of a large report are alike
    value["findings"] = value["findings"][:300]
    for artifact in value["artifacts"]:
        artifact["binaries"] = artifact["binaries"][:100]
    OURS.validate(value)


def test_junit_is_valid_and_tells_the_verdict(report):
    text = junit.report(report)
    root = etree.fromstring(text.encode(), etree.XMLParser(huge_tree=True))
    bare = etree.fromstring(text.encode(), etree.XMLParser(huge_tree=True))
    del bare.attrib[
        "skipped"
    ]  # of <testsuites>: Ant and pytest write it, this schema lacks it
    XSD.assertValid(bare)
    DTD.assertValid(root)
    cases = root.findall("./testsuite/testcase")
    failures, errors = root.findall(".//failure"), root.findall(".//error")
    counts = {"tests": len(cases), "failures": len(failures), "errors": len(errors)}
    assert {name: int(root.get(name)) for name in counts} == counts
    for name, number in counts.items():
        assert sum(int(suite.get(name)) for suite in root) == number
    assert told(violated=bool(failures), unknown=bool(errors)) is report.verdict


def told(*, violated, unknown):
    if violated:
        return Verdict.FAIL
    return Verdict.UNKNOWN if unknown else Verdict.PASS


def test_no_two_cases_have_the_same_name(report):
    """GitLab drops the second."""
    root = etree.fromstring(junit.report(report).encode(), etree.XMLParser(huge_tree=True))
    names = [(one.get("classname"), one.get("name")) for one in root.iter("testcase")]
    assert len(names) == len(set(names))


#: rules that say that something could not be told
UNKNOWN = {"unreadable", "kpack-alone", "nothing-to-check"}


def test_sarif_is_valid_and_tells_the_verdict(report):
    log = json.loads(sarif.report(report))
    (run,) = log["runs"]
    results = run["results"]
    SARIF.validate(log | {"runs": [run | {"results": results[:200]}]})
    (invocation,) = run["invocations"]
    assert invocation["executionSuccessful"] is (report.verdict is not Verdict.UNKNOWN)
    assert invocation["exitCode"] == {"pass": 0, "fail": 1, "unknown": 2}[report.verdict]
    errors = [one["ruleId"] for one in results if one["level"] == "error"]
    violated = [rule for rule in errors if rule not in UNKNOWN]
    assert told(violated=bool(violated), unknown=bool(errors)) is report.verdict


def test_sarif_has_what_github_wants(report):
    """GitHub, "SARIF support for code scanning": required properties and limits."""
    text = sarif.report(report)
    assert len(text.encode()) < 10_000_000
    log = json.loads(text)
    assert log["$schema"]
    (run,) = log["runs"]
    rules = run["tool"]["driver"]["rules"]
    for rule in rules:
        assert rule["shortDescription"]["text"]
        assert len(rule["shortDescription"]["text"]) < 1024
        assert rule["fullDescription"]["text"]
        assert rule["help"]["text"]
        assert len(rule["properties"]["tags"]) <= 10
    assert len(run["results"]) <= 5000
    for result in run["results"]:
        assert result["ruleId"] == rules[result["ruleIndex"]]["id"]
        assert result["message"]["text"]
        assert 0 < len(result["locations"]) <= 100
        place = result["locations"][0]["physicalLocation"]
        assert place["artifactLocation"]["uri"]
        assert place["region"]["startLine"] == 1
        assert result["partialFingerprints"]
    fingerprints = [str(one["partialFingerprints"]) for one in run["results"]]
    assert len(fingerprints) == len(set(fingerprints))


def test_gitlab_issues_are_valid(report):
    issues = json.loads(gitlab.report(report))
    GITLAB.validate(issues)
    fingerprints = [issue["fingerprint"] for issue in issues]
    assert len(fingerprints) == len(set(fingerprints))
    severities = {issue["severity"] for issue in issues}
    violated, unknown = "critical" in severities, "major" in severities
    assert told(violated=violated, unknown=unknown) is report.verdict


def commands(text):
    """The commands of a log, as the runner of GitHub reads them (its ActionCommand)."""
    for line in re.split("\r\n|\n|\r", text):
        if line.lstrip().startswith("::"):
            head, separator, data = line.lstrip()[2:].partition("::")
            assert separator
            name, _, rest = head.partition(" ")
            properties = {}
            for pair in rest.split(","):
                key, _, value = pair.partition("=")
                properties[key] = unescaped(value, {"%3A": ":", "%2C": ","})
            yield name, properties, unescaped(data, {})
        else:
            assert not re.search(r"##\w*\[", line)  # of older runners, and of others
            yield None, {}, line


def unescaped(text, more):
    for written, meant in {"%0D": "\r", "%0A": "\n", **more, "%25": "%"}.items():
        text = text.replace(written, meant)
    return text


def test_github_commands_are_ours_alone(report):
    found = list(commands(github.report(report)))
    assert [name for name, _, _ in found if name is None] == [None, None]  # the last line
    names = [name for name, _, _ in found if name]
    assert set(names) <= {"error", "warning", "notice"}
    assert all(names.count(name) <= 10 for name in names)
    assert bool("error" in names) is (report.verdict is not Verdict.PASS)
    for name, properties, data in found:
        if name:
            assert properties.keys() <= {"file", "title"}
            assert properties["title"]
            assert data


def test_what_an_annotation_says_is_what_was_found():
    """Percent signs too: the runner takes back what looks like an escape."""
    finding = Finding(
        "unreadable",
        Severity.ERROR,
        "./a%0A,b:c.so",
        "100%25 of 50%\nx, y::z",
        "100%, or %3A",
    )
    made = Report("1.0", ("gfx942",), (), (finding,), Verdict.UNKNOWN)
    (name, properties, data), *_ = commands(github.report(made))
    assert name == "error"
    assert properties == {"file": "a%0A,b:c.so", "title": "unreadable (./a%0A,b:c.so)"}
    assert data == "100%25 of 50%\\x0ax, y::z\nhint: 100%, or %3A"


@pytest.mark.parametrize(
    ("path", "file"),
    [("./dist/x.whl!lib.so", "dist/x.whl"), ("x.so", "x.so"), ("../x.so", "../x.so")],
)
def test_gitlab_gets_the_file_on_disk(path, file):
    finding = Finding("unreadable", Severity.ERROR, path, "it ends early")
    made = Report("1.0", ("gfx942",), (), (finding,), Verdict.UNKNOWN)
    (issue,) = json.loads(gitlab.report(made))
    assert issue["location"]["path"] == file


ELEMENTS = {
    "h3", "table", "thead", "tbody", "tr", "th", "td", "ul", "li", "strong", "code", "br",
    "details", "summary", "p",
}  # fmt: skip


def test_markdown_is_ours_alone(report):
    """Rendered by GitHub's own library: no element but those that we write, and no link."""
    text = markdown.report(report)
    assert len(text.encode()) < 1 << 20
    html = cmarkgfm.github_flavored_markdown_to_html(text, Options.CMARK_OPT_UNSAFE)
    root = etree.HTML(f"<html><body>{html}</body></html>")
    assert {one.tag for one in root.iter()} <= ELEMENTS | {"html", "body"}
    assert not [one for one in root.iter() if set(one.attrib) - {"align"}]
    assert len(root.findall(".//h3")) == 1
    heads = root.findall(".//th")
    assert len(heads) in {0, 4}
    for row in root.findall(".//tbody/tr"):
        assert len(row.findall("td")) == 4


def test_names_that_mean_harm_are_told_as_they_are_otherwise():
    """Escaping must not lose them: what is shown is what `escape` makes of the name."""
    root = etree.fromstring(junit.report(other("hostile")).encode())
    shown = " ".join(root.itertext())
    assert "</failure></testcase><testcase name='forged'/> ]]>" in shown
    log = sarif.report(other("hostile"))
    assert "<script>alert(1)</script>" in log
    html = cmarkgfm.github_flavored_markdown_to_html(
        markdown.report(other("hostile")), Options.CMARK_OPT_UNSAFE
    )
    told = "".join(etree.HTML(html).itertext())
    assert "**bold** _emphasis_ ~~gone~~ http://example.org www.example.org" in told
    assert "| forged | cell |" in told
    assert "[link](javascript:alert(1))" in told


@pytest.mark.parametrize("name", RENDERERS)
def test_no_format_lets_a_control_character_through(name):
    shown = RENDERERS[name](other("hostile"))
    assert (
        re.findall("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\ud800-\udfff\ufffe]", shown)
        == []
    )


# --- read by others ---------------------------------------------------------------------


def test_a_reader_of_junit_finds_binary_target_and_what_to_do(all_samples):
    xml = junitparser.JUnitXml.fromstring(
        junit.report(all_samples["deep_ep_no_gfx950.so"]).encode()
    )
    (suite,) = xml
    assert suite.name == "samples/deep_ep_no_gfx950.so"
    results = {case.name: case.result for case in suite}
    assert results["gfx942"] == []
    ((failure,),) = [result for result in results.values() if result]
    assert failure.type == "missing-target"
    assert "gfx950" in failure.message
    # GitLab shows the text only
    assert "hint: this is an RDC link" in failure.text
    assert "packed: gfx942" in failure.text


def test_sarif_points_at_the_file_and_names_what_is_in_it():
    (result,) = results_of(wheel_report("dist/deep_ep-1.0-py3.whl"))
    assert result["ruleId"] == "missing-target"
    (location,) = result["locations"]
    place = location["physicalLocation"]["artifactLocation"]
    assert place == {"uri": "dist/deep_ep-1.0-py3.whl"}
    logical = location["logicalLocations"]
    assert [one["name"] for one in logical] == ["lib/a b.so", "bundle 0"]
    assert logical[1]["fullyQualifiedName"] == (
        "dist/deep_ep-1.0-py3.whl!lib/a b.so#bundle=0&target=gfx950"
    )


def wheel_report(path, inner="lib/a b.so", verdict=Verdict.FAIL):
    made = reports.wide_report(1, 1)
    (artifact,), (finding,) = made.artifacts, made.findings
    (binary,) = artifact.binaries
    name = f"{path}!{inner}"
    artifact = replace(artifact, path=path, binaries=(replace(binary, path=name),))
    return replace(made, artifacts=(artifact,), findings=(replace(finding, path=name),))


def results_of(report):
    return json.loads(sarif.report(report))["runs"][0]["results"]


def fingerprint_of(report):
    (result,) = results_of(report)
    (issue,) = json.loads(gitlab.report(report))
    assert [issue["fingerprint"]] == list(result["partialFingerprints"].values())
    return issue["fingerprint"]


def test_a_fingerprint_stays_from_run_to_run():
    """Neither the place of the wheel nor its version tells one problem from another."""
    one = fingerprint_of(wheel_report("dist/deep_ep-1.0-cp312-linux_x86_64.whl"))
    two = fingerprint_of(wheel_report("/tmp/x/deep_ep-1.1+rocm7-cp313-linux_x86_64.whl"))
    assert one == two
    assert fingerprint_of(wheel_report("dist/other-1.0-cp312-linux_x86_64.whl")) != one
    assert fingerprint_of(wheel_report("deep_ep-1.0-py3.whl", "lib/b.so")) != one


@pytest.mark.parametrize(
    ("path", "uri"),
    [
        ("./dist/a b#1%.so", "dist/a%20b%231%25.so"),
        ("../x.so", "../x.so"),
        ("/opt/x.so", "file:///opt/x.so"),
        (b"caf\xe9\xff.so".decode("utf-8", "surrogateescape"), "caf%E9%FF.so"),
        ("a!b.whl", "a!b.whl"),
        ("c:x.so", "c%3Ax.so"),
    ],
)
def test_a_file_is_a_uri_in_sarif(path, uri):
    (result,) = results_of(wheel_report(path, "x.so"))
    found = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert found == uri


# --- large ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", RENDERERS)
@pytest.mark.parametrize(
    ("kind", "seconds"),
    [("huge", 3), ("wide", 10)],
    ids=["100,000 kernels", "3,000 binaries"],
)
def test_a_large_report_is_rendered_in_time_and_in_bounds(name, kind, seconds):
    made = other(kind)
    begun = time.process_time()  # whatever else the machine does
    shown = RENDERERS[name](made)
    assert time.process_time() - begun < seconds
    if name != "json":  # which leaves nothing out
        assert len(shown) < 10_000_000


def test_a_hundred_thousand_findings_of_a_kind_are_one_problem():
    made = other("huge")
    assert len(made.findings) >= 100_000
    assert len(results_of(made)) < 10
    assert "99,9" in sarif.report(made)
    assert len(json.loads(gitlab.report(made))) < 10
    assert len(junit.report(made)) < 100_000
    assert len(markdown.report(made)) < 100_000


def test_what_is_beyond_the_limits_is_told():
    made = reports.wide_report(1, 6000)
    (run,) = json.loads(sarif.report(made))["runs"]
    assert len(run["results"]) == 5000
    (notification,) = run["invocations"][0]["toolExecutionNotifications"]
    assert "1,000 more problems left out" in notification["message"]["text"]
    shown = github.report(made)
    assert shown.count("::error") == 10
    assert "title=kinspect%3A 5%2C991 more problems::" in shown
    assert "left out" in markdown.report(reports.wide_report(1, 6000))


@pytest.mark.parametrize("binaries", [1, 3000])
def test_suites_that_are_left_out_fail_all_the_same(monkeypatch, binaries):
    """Passing suites go first, and one case stands for all that there is no room for."""
    made = reports.wide_report(binaries, 2000)
    monkeypatch.setattr(junit, "BYTES", 50_000)
    text = junit.report(made)
    assert len(text) < 150_000
    root = etree.fromstring(text.encode())
    DTD.assertValid(root)
    assert root[-1].get("name") == "kinspect: left out"
    assert root[-1].get("failures") == "1"
    assert int(root.get("failures")) == len(root.findall(".//failure")) > 10
    assert "suites left out" in text


def test_the_files_of_others_are_as_they_came():
    assert "OASIS" in (SCHEMAS / "README.md").read_text("utf-8")
    assert "Permission is hereby granted" in Path(SCHEMAS / "junit-10.xsd").read_text(
        "utf-8"
    )
