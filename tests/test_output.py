"""Where reports go: files whole or not at all, stdout, and the summary of a GitHub job."""

import io
import json
import os
import re
import resource
import stat
import subprocess
import sys
import threading

import jsonschema
import pytest

from kinspect import schemas
from kinspect.cli import options
from kinspect.render.style import wrapped
from tests.writers import Host, bundle, code_object

A, B = code_object("gfx942"), code_object("gfx950")
CLEAN = {k: v for k, v in os.environ.items() if not k.startswith(("GITHUB_", "KINSPECT_"))}


@pytest.fixture(autouse=True)
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pair = bundle(("gfx942", A), ("gfx950", B))
    (tmp_path / "good.so").write_bytes(Host(pair).build().data)
    (tmp_path / "lacks.so").write_bytes(Host(bundle(("gfx942", A))).build().data)
    return tmp_path


def kinspect(*arguments, env=None, **more):
    return subprocess.run(
        [sys.executable, "-m", "kinspect", *arguments],
        capture_output="stdout" not in more, text=True, check=False,
        env=CLEAN | (env or {}), **more,
    )  # fmt: skip


def names_in(directory):
    return sorted(path.name for path in directory.iterdir())


def test_all_formats_come_from_one_run(files):
    names = ["json", "junit", "sarif", "github", "gitlab", "markdown"]
    options = [word for name in names for word in ("--format", f"{name}=out.{name}")]
    done = kinspect("verify", "--format", "text", *options, "lacks.so")
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.endswith("FAILED: 1 error in 1 binary\n")
    for name in names:
        assert "missing-target" in (files / f"out.{name}").read_text("utf-8")


# --- what can't be written is told, before the work where that can be known ---------------


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["json=no/such/x.json"], "there is no directory no/such"),
        (["json=good.so/x.json"], "there is no directory good.so"),
        (["json=."], "that is a directory"),
        (["json=x", "junit=x"], "two formats for one file"),
        (["json", "junit"], "only one can go to stdout"),
        (["yaml=x"], "expected one of"),
    ],
)
def test_a_place_that_takes_no_report_is_a_usage_error(files, options, told):
    words = [word for one in options for word in ("--format", one)]
    done = kinspect("verify", *words, "lacks.so")
    assert (done.returncode, done.stdout) == (2, "")
    assert told in done.stderr
    assert names_in(files) == ["good.so", "lacks.so"]


@pytest.mark.parametrize(("name", "code"), [("good.so", 2), ("lacks.so", 1)])
def test_a_report_that_can_not_be_written_is_no_pass(files, name, code):
    """And a violation stays one."""
    done = kinspect("verify", "--format", "text", "--format", "json=/dev/full", name)
    assert done.returncode == code
    assert done.stderr == (
        "kinspect: error: /dev/full: the report could not be written:"
        " No space left on device\n"
    )
    assert done.stdout.splitlines()[-1].startswith("OK" if code == 2 else "FAILED")


@pytest.mark.parametrize("command", [["verify"], ["list"], ["kernels"], ["rules"]])
def test_a_full_stdout_is_no_pass_and_no_violation(command):
    names = [] if command == ["rules"] else ["lacks.so"]
    with open("/dev/full", "wb") as full:
        done = kinspect(*command, *names, stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 2
    assert done.stderr == "kinspect: error: standard output: No space left on device\n"


def test_a_file_keeps_its_content_until_the_new_one_is_whole(files):
    """The disk is full at 100 bytes: what was there stays, and nothing else is left."""
    (files / "out.json").write_text("old")
    done = kinspect(
        "verify", "--format", "json=out.json", "good.so",
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100)),
    )  # fmt: skip
    assert done.returncode == 2
    assert "out.json: the report could not be written: File too large" in done.stderr
    assert (files / "out.json").read_text() == "old"
    assert names_in(files) == ["good.so", "lacks.so", "out.json"]


def test_a_file_is_replaced_and_keeps_its_mode(files):
    (files / "out.json").write_text("old" * 10_000)
    (files / "out.json").chmod(0o600)
    with open("out.json") as reader:  # whoever has it open reads on in the old one
        assert kinspect("verify", "--format", "json=out.json", "good.so").returncode == 0
        assert reader.read() == "old" * 10_000
    assert json.loads((files / "out.json").read_text())["verdict"] == "pass"
    assert stat.S_IMODE((files / "out.json").stat().st_mode) == 0o600


def test_a_new_file_has_the_mode_of_any_other(files):
    (files / "other").touch()
    kinspect("verify", "--format", "json=out.json", "good.so")
    assert (files / "out.json").stat().st_mode == (files / "other").stat().st_mode


def test_a_link_stays_a_link(files):
    (files / "real.json").write_text("old")
    (files / "out.json").symlink_to("real.json")
    kinspect("verify", "--format", "json=out.json", "good.so")
    assert (files / "out.json").is_symlink()
    assert json.loads((files / "real.json").read_text())["verdict"] == "pass"


def test_a_pipe_is_written_to(files):
    os.mkfifo(files / "pipe")
    found = []
    reader = threading.Thread(target=lambda: found.append((files / "pipe").read_text()))
    reader.start()
    assert kinspect("verify", "--format", "json=pipe", "good.so").returncode == 0
    reader.join(10)
    assert json.loads(found[0])["verdict"] == "pass"


# --- the summary of a GitHub job ----------------------------------------------------------


def test_the_summary_is_added_where_github_wants_it(files):
    (files / "summary").write_text("before\n")
    env = {"GITHUB_STEP_SUMMARY": str(files / "summary")}
    done = kinspect("verify", "--format", "github", "lacks.so", env=env)
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.startswith("::error file=lacks.so,title=missing-target gfx950")
    kinspect("verify", "--format", "github=x", "good.so", env=env)
    text = (files / "summary").read_text("utf-8")
    assert text.startswith("before\n### ❌ kinspect: FAILED")
    assert "### ✅ kinspect: OK" in text


@pytest.mark.parametrize(
    ("format_", "variable"), [("text", "summary"), ("json", "summary"), ("github", "")]
)
def test_no_summary_is_written_that_nobody_asked_for(files, format_, variable):
    env = {"GITHUB_STEP_SUMMARY": variable}
    kinspect("verify", "--format", format_, "good.so", env=env)
    assert names_in(files) == ["good.so", "lacks.so"]


def test_a_summary_that_can_not_be_written_is_told_and_changes_nothing(files):
    env = {"GITHUB_STEP_SUMMARY": "no/such/file"}
    done = kinspect("verify", "--format", "github", "good.so", env=env)
    assert done.returncode == 0
    assert (
        done.stderr == "kinspect: warning: GITHUB_STEP_SUMMARY: No such file or directory\n"
    )


@pytest.mark.parametrize("before", [0, 1_000_000, 1_048_500, 2_000_000])
def test_all_summaries_of_a_step_stay_below_what_github_takes(files, before):
    (files / "summary").write_text("x" * before)
    env = {"GITHUB_STEP_SUMMARY": "summary"}
    kinspect("verify", "--format", "github", *["lacks.so"] * 40, env=env)
    assert (files / "summary").stat().st_size <= max(before, 1 << 20)
    assert (files / "summary").read_text("utf-8").count("kinspect: FAILED") == (
        before < 1_048_000
    )


# --- schemas ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", schemas.names())
def test_a_schema_is_printed_and_is_one(name):
    done = kinspect("schema", name)
    assert (done.returncode, done.stderr) == (0, "")
    schema = json.loads(done.stdout)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$id"].startswith(f"urn:kinspect:{name}:")
    if name == "report":
        assert kinspect("schema").stdout == done.stdout


def test_every_schema_is_named_in_the_help():
    told = kinspect("schema", "--help").stdout
    assert all(f"{name}" in told for name in schemas.names())
    done = kinspect("schema", "reports")
    assert (done.returncode, done.stdout) == (2, "")
    assert "did you mean report?" in done.stderr


def test_kernels_are_valid_by_their_schema():
    check = jsonschema.Draft202012Validator(json.loads(schemas.kernel()))
    rows = json.loads(kinspect("kernels", "--format", "json", "good.so").stdout)
    lines = kinspect("kernels", "--format", "jsonl", "good.so").stdout.splitlines()
    assert len(rows) == len(lines) == 2
    for row in [*rows, *map(json.loads, lines)]:
        check.validate(row)


# --- the width of a terminal --------------------------------------------------------------


@pytest.mark.parametrize("width", [20, 40, 80, 160])
def test_long_lines_are_broken_at_spaces_and_lose_nothing(width):
    text = (
        "  \x1b[1mhead[one]\x1b[0m " + "word " * 60 + "\n\n"
        "  gfx942    1/1  ok\n    " + "x" * 200 + " y\n"
    )
    shown = wrapped(text, width)
    for line in shown.splitlines():
        bare = re.sub("\x1b\\[[0-9;]*m", "", line)
        assert len(bare) <= width or " " not in bare.strip()
    assert shown.split() == text.split()
    assert "\n    word" in shown  # two deeper than the line began
    assert shown.splitlines().count("  gfx942    1/1  ok") == 1
    assert wrapped(shown, 10_000) == shown


def test_only_a_terminal_has_a_width(files):
    env = {"COLUMNS": "40", "TERM": "xterm"}
    piped = kinspect("verify", "lacks.so", env=env).stdout
    assert max(map(len, piped.splitlines())) > 40
    command = f"{sys.executable} -m kinspect verify --no-color lacks.so"
    done = subprocess.run(
        ["script", "-qec", command, "/dev/null"], capture_output=True, text=True,
        check=False, env=CLEAN | env,
    )  # fmt: skip
    lines = done.stdout.replace("\r\n", "\n").splitlines()
    assert max(map(len, lines)) <= 40
    assert " ".join(done.stdout.split()) == " ".join(piped.split())


@pytest.mark.parametrize(("encoding", "spelled"), [("utf-8", "é"), ("ascii", "\\xe9")])
def test_a_long_text_is_written_whole(encoding, spelled, monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr(sys, "stdout", stream)
    options.write("aé" * 100_000 + "end")
    assert stream.buffer.getvalue() == ("a" + spelled).encode() * 100_000 + b"end"
