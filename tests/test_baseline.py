"""`kinspect snapshot` and `verify --baseline`, as users call them."""

import json

import jsonschema
import pytest

from kinspect import schemas
from tests.conftest import SAMPLES
from tests.writers import Host, bundle, code_object
from tests.writers.wheels import build

LIB = "deep_ep_cpp.cpython-312-x86_64-linux-gnu.so"


def library(**kernels):
    """A shared object: for each target a text of kernel letters."""
    parts = [(target, code_object(target, *names)) for target, names in kernels.items()]
    return Host(bundle(*parts)).build().data


BEFORE = library(gfx942="ab", gfx950="ab", gfx1100="ab")


@pytest.fixture
def baseline(kinspect, tmp_path, monkeypatch):
    """A baseline of version 1.0, and a function that judges another build by it."""
    monkeypatch.chdir(tmp_path)
    build(tmp_path, {LIB: BEFORE}, version="1.0")
    done = kinspect(
        "snapshot", "deep_ep-1.0-cp312-cp312-linux_x86_64.whl", "-o", "base.json"
    )
    assert (done.code, done.out) == (0, "")
    assert done.err == "base.json: 1 binary, 3 targets, 6 kernels\n"

    def judge(*arguments, **members):
        path = build(tmp_path, members, version="1.1")
        done = kinspect(
            "verify", path, "--baseline", "base.json", "--format", "json", *arguments
        )
        found = json.loads(done.out)
        jsonschema.validate(found, json.loads(schemas.report()))
        return done.code, [
            (f["rule"], f["target"], f["kernel"], f["path"].rsplit("!", 1)[-1])
            for f in found["findings"]
        ]

    return judge


def test_the_file_is_what_its_schema_says(baseline, tmp_path):
    written = json.loads((tmp_path / "base.json").read_text())
    jsonschema.validate(written, json.loads(schemas.snapshot()))


def test_a_new_version_with_the_same_passes(baseline):
    assert baseline(**{LIB: BEFORE}) == (0, [])


def test_a_target_is_gone_that_nobody_required(baseline):
    """gfx1100 is in no requirement: only the baseline knows of it."""
    code, found = baseline(**{LIB: library(gfx942="ab", gfx950="ab")})
    assert (code, found) == (1, [("lost-target", "gfx1100", None, LIB)])


def test_a_kernel_is_gone_for_all_targets_alike(baseline):
    """Parity holds, and no rule but this one notices."""
    code, found = baseline(**{LIB: library(gfx942="a", gfx950="a", gfx1100="a")})
    assert code == 1
    assert found == [("lost-kernel", t, "b", LIB) for t in ("gfx1100", "gfx942", "gfx950")]


def test_a_binary_is_gone(baseline):
    code, found = baseline(
        **{"other.so": library(gfx942="x", gfx950="x"), "more.so": BEFORE}
    )
    gone = ("lost-target", None, None, LIB)
    news = [("beyond-baseline", None, None, name) for name in ("more.so", "other.so")]
    assert (code, found) == (1, [gone, *news])


def test_a_binary_that_was_built_for_the_host_only(baseline):
    code, found = baseline(**{LIB: Host().build().data, "other.so": BEFORE})
    assert code == 1
    assert ("lost-target", None, None, LIB) in found


def test_news_are_notes(baseline):
    new = library(gfx942="abc", gfx950="abc", gfx1100="abc", gfx90a="abc")
    code, found = baseline(**{LIB: new})
    assert (code, found) == (
        0,
        [("beyond-baseline", None, None, LIB), ("beyond-baseline", None, "c", LIB)],
    )


def test_losses_can_be_ignored_by_rule_and_binary(baseline):
    lost = {LIB: library(gfx942="ab", gfx950="ab")}
    assert baseline("--ignore", "lost-target:deep_ep_cpp*", **lost) == (0, [])
    assert baseline("--ignore", "lost-target:other*", **lost)[0] == 1


def test_what_could_not_be_read_is_not_lost_and_does_not_pass(baseline):
    code, found = baseline(**{LIB: BEFORE[:-40], "host.so": BEFORE})
    assert code == 2, found
    assert not any(rule.startswith("lost") for rule, *_ in found)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "No such file or directory"),
        ("{}", "not a snapshot of kinspect"),
        ('{"snapshot_version": 99}', "snapshot_version 99, and this kinspect reads 1"),
        ('{"snapshot_version": 1, "resources": [], "binaries": []}', "records nothing"),
    ],
)
def test_a_baseline_that_can_not_be_used_is_no_pass(kinspect, tmp_path, content, message):
    path = tmp_path / "base.json"
    if content is not None:
        path.write_text(content)
    done = kinspect("verify", SAMPLES / "deep_ep_both.so", "--baseline", path)
    assert (done.code, done.out) == (2, "")
    assert str(path) in done.err
    assert message in done.err


def test_nothing_is_written_where_something_could_not_be_read(kinspect, tmp_path):
    (tmp_path / "l.so").write_bytes(BEFORE[:-40])
    done = kinspect(
        "snapshot", tmp_path / "l.so", SAMPLES / "deep_ep_both.so", "-o", tmp_path / "b"
    )
    assert done.code == 2
    assert "section headers: needs" in done.err
    assert not (tmp_path / "b").exists()


def test_nothing_is_written_where_there_is_nothing(kinspect, tmp_path):
    done = kinspect("snapshot", SAMPLES / "host_only.so", "-o", tmp_path / "b")
    assert (done.code, done.out) == (2, "")
    assert "no device code to record" in done.err
    assert not (tmp_path / "b").exists()


def test_a_snapshot_to_the_standard_output(kinspect, tmp_path):
    done = kinspect("snapshot", SAMPLES / "deep_ep_both.so", "-o", "-")
    kinspect("snapshot", SAMPLES / "deep_ep_both.so", "-o", tmp_path / "b")
    assert done.out == (tmp_path / "b").read_text()
    assert done.err == ""


@pytest.mark.parametrize(
    ("name", "rules"),
    [
        ("deep_ep_stripped.so", set()),
        ("deep_ep_no_sections.so", set()),
        ("ccob_v3_zstd.so", set()),
        ("deep_ep_one_note.so", set()),
        ("deep_ep_no_gfx950.so", {"lost-target"}),
        ("deep_ep_empty_gfx950.so", {"lost-kernel"}),
        ("deep_ep_no_arch.so", {"lost-target", "beyond-baseline"}),
    ],
)
def test_builds_of_the_same_sources(kinspect, tmp_path, name, rules):
    """By real compilers: forms and links differ, what HIP could launch does not."""
    kinspect("snapshot", SAMPLES / "deep_ep_both.so", "-o", tmp_path / "b.json.gz")
    done = kinspect(
        "verify", SAMPLES / name, "--baseline", tmp_path / "b.json.gz", "--format", "json"
    )
    found = {f["rule"] for f in json.loads(done.out)["findings"]}
    assert found & {"lost-target", "lost-kernel", "beyond-baseline"} == rules


def test_the_committed_baseline_is_what_is_written_today(kinspect, monkeypatch):
    """Files of users were written by this version: it is read as long as version 1 is."""
    monkeypatch.chdir(SAMPLES)
    done = kinspect("snapshot", "deep_ep_both.so", "-o", "-")
    committed = (SAMPLES / "deep_ep.baseline.json").read_text()
    now, then = (json.loads(one) for one in (done.out, committed))
    assert now.pop("tool")["name"] == then.pop("tool")["name"]
    assert now == then
    done = kinspect(
        "verify", "deep_ep_both.so", "--baseline", "deep_ep.baseline.json", "-q"
    )
    assert done.code == 0
