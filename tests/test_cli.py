"""The command line: exit codes, what goes where, and that no name can forge a report."""

import fcntl
import json
import os
import pty
import re
import subprocess
import sys
from contextlib import closing

import jsonschema
import pytest

from kinspect import cli, schemas
from kinspect.checks import RULES
from kinspect.version import __version__
from tests.conftest import SAMPLES
from tests.writers import Host, Kernel, Slot, Wrapper, bundle, ccob, code_object
from tests.writers.bundles import device

A, B = code_object("gfx942"), code_object("gfx950")
PAIR = bundle(("gfx942", A), ("gfx950", B))
GOOD = Host(PAIR).build()
LACKS = Host(bundle(("gfx942", A))).build().data
BAD = Host(bundle(("gfx942", A)) + b"garbage").build().data
HOSTILE = "\x1b[31mred\x1b[0m\r\nOK: gfx942 and gfx950 in 9 bundles\x07\x9b2J\u202e"


@pytest.fixture
def run(kinspect):
    return kinspect


@pytest.fixture
def files(tmp_path, monkeypatch):
    """A directory with a file of each kind, and the working directory."""
    monkeypatch.chdir(tmp_path)
    contents = {
        "good.so": GOOD.data,
        "compressed.so": Host(ccob(PAIR)).build().data,
        "lacks.so": LACKS,
        "cut.so": GOOD.data[:-300],
        "host.so": Host().build().data,
        "both.so": BAD,
        "notes.txt": b"no binary\n",
        "empty": b"",
        "only942.hipfb": bundle(("gfx942", A)),
    }
    for name, data in contents.items():
        (tmp_path / name).write_bytes(data)
    os.mkfifo(tmp_path / "pipe")
    return tmp_path


def process(*arguments, **more):
    return subprocess.run(
        [sys.executable, "-m", "kinspect", *map(str, arguments)],
        capture_output=True,
        check=False,
        **more,
    )


# --- exit codes ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "code"),
    [
        (["good.so"], 0),
        (["compressed.so"], 0),
        (["good.so", "compressed.so"], 0),
        (["lacks.so"], 1),
        (["only942.hipfb"], 1),
        (["host.so"], 1),  # a binary that is named on its own must carry device code
        (["good.so", "host.so"], 1),
        (["cut.so"], 2),
        (["missing.so"], 2),
        (["notes.txt"], 2),
        (["empty"], 2),
        (["pipe"], 2),
        (["/dev/null"], 2),
        (["good.so", "missing.so"], 2),
        (["good.so", "notes.txt"], 2),
        (["both.so"], 1),  # a violation outranks what could not be told
        (["missing.so", "lacks.so"], 1),
    ],
)
def test_verify_exits_with_0_1_or_2(run, files, names, code):
    done = run("verify", *names)
    assert done.code == code
    assert done.err == ""
    words = {0: "OK:", 1: "FAILED:", 2: "COULD NOT TELL:"}
    assert done.out.splitlines()[-1].startswith(words[code])
    assert json.loads(run("verify", "--format", "json", *names).out)["verdict"] == {
        0: "pass", 1: "fail", 2: "unknown",
    }[code]  # fmt: skip


@pytest.mark.parametrize(
    ("names", "code"),
    [
        (["good.so"], 0),
        (["lacks.so"], 0),
        (["host.so"], 0),
        (["cut.so"], 2),
        (["both.so"], 2),
    ],
)
def test_listing_judges_nothing_but_what_it_could_not_read(run, files, names, code):
    assert run("list", *names).code == code
    assert run("kernels", *names).code == code


@pytest.mark.parametrize("command", ["list", "kernels"])
def test_listing_a_file_that_is_not_there_is_an_error(run, files, command):
    done = run(command, "missing.so")
    assert (done.code, done.out) == (2, "")
    assert done.err == "kinspect: error: missing.so: No such file or directory\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ["verify"],
        ["verify", "--no-such-option", "good.so"],
        ["verify", "--require", "gfx9999", "good.so"],
        ["verify", "--require", "gfx942:tgsplit+", "good.so"],
        ["verify", "--accept", "nvptx", "good.so"],
        ["verify", "--ignore", "no-such-rule", "good.so"],
        ["verify", "--format", "yaml", "good.so"],
        ["verify", "--format", "json", "--format", "text", "good.so"],
        ["verify", "--format", "json=no/such/directory/x.json", "good.so"],
        ["verify", "--limit", "inflated", "good.so"],
        ["verify", "--limit", "inflated=many", "good.so"],
        ["verify", "--limit", "inflated=-1", "good.so"],
        ["verify", "--limit", "colours=3", "good.so"],
        ["list"],
        ["list", "--format", "xml", "good.so"],
        ["kernels", "--format", "xml", "good.so"],
        ["kernels", "--target", "gfx9999", "good.so"],
        ["rules", "missing-targets"],
        ["no-such-command"],
        ["--no-such-option"],
    ],
    ids=" ".join,
)
def test_a_usage_error_is_told_on_stderr_and_exits_with_2(run, files, arguments):
    done = run(*arguments)
    assert (done.code, done.out) == (2, "")
    assert "rror" in done.err
    assert "Traceback" not in done.err


COMMANDS = [[name] for name in cli.COMMANDS if name != "policy"]
COMMANDS += [["policy", "init"], ["policy", "show"]]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_fits_into_80_columns(run, monkeypatch, command):
    """All but commands to copy: a terminal breaks what is longer within words."""
    monkeypatch.setenv("COLUMNS", "80")
    lines = run(*command, "--help").out.splitlines()
    assert lines
    wide = [line for line in lines if len(line) > 80 and "  kinspect " not in line]
    assert wide == []


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["verify", "-h"], ["--version"]])
def test_help_and_version_are_no_errors(run, arguments):
    done = run(*arguments)
    assert (done.code, done.err) == (0, "")
    assert __version__ in done.out or "Usage: kinspect" in done.out


def test_the_module_runs_as_a_program(files):
    done = process("verify", "good.so", "lacks.so")
    assert (done.returncode, done.stderr) == (1, b"")
    assert done.stdout.endswith(b"FAILED: 1 error in 1 binary\n")


# --- requirements -------------------------------------------------------------------


@pytest.mark.parametrize(
    "texts",
    [
        ["gfx942;gfx950"],
        ["gfx942,gfx950"],
        ["gfx942 gfx950"],
        ["gfx942", "gfx950"],
        ["gfx950;", "gfx942"],
        ["gfx950,gfx942,gfx950"],
    ],
)
def test_targets_are_required_in_every_form(run, files, texts):
    options = [word for text in texts for word in ("--require", text)]
    value = json.loads(run("verify", *options, "--format", "json", "good.so").out)
    assert value["required"] == ["gfx942", "gfx950"]


def test_gfx942_and_gfx950_are_required_by_default(run, files):
    value = json.loads(run("verify", "--format", "json", "lacks.so").out)
    assert value["required"] == ["gfx942", "gfx950"]


@pytest.mark.parametrize("text", ["gfx942", "gfx942;", " gfx942 "])
def test_the_environment_requires_targets_unless_the_command_line_does(
    run, files, monkeypatch, text
):
    monkeypatch.setenv("KINSPECT_REQUIRE", text)
    assert run("verify", "lacks.so").code == 0
    assert run("verify", "--require", "gfx950", "lacks.so").code == 1


@pytest.mark.parametrize("text", ["", " ", ";", ",;, "])
def test_an_empty_requirement_is_an_error(run, files, monkeypatch, text):
    """An unset build argument must not silently mean the default, or nothing."""
    done = run("verify", "--require", text, "good.so")
    assert (done.code, done.out) == (2, "")
    assert "--require" in done.err
    monkeypatch.setenv("KINSPECT_REQUIRE", text)
    done = run("verify", "good.so")
    assert (done.code, done.out) == (2, "")
    assert "KINSPECT_REQUIRE" in done.err


@pytest.mark.parametrize("order", [["gfx942", ""], ["", "gfx942"]])
def test_one_empty_requirement_among_others_is_an_error_too(run, files, order):
    """`--require gfx942 --require "$ARCH"` with ARCH unset: half of a promise."""
    options = [word for text in order for word in ("-r", text)]
    assert run("verify", *options, "lacks.so").code == 2


@pytest.mark.parametrize(
    ("options", "name", "code"),
    [
        (["--only"], "good.so", 0),
        (["--only", "-r", "gfx942"], "good.so", 1),
        (["--kernel", "kern*"], "good.so", 0),
        (["--kernel", "dispatch"], "good.so", 1),
        (["--expect", "good*"], "good.so", 0),
        (["--expect", "deep_ep*"], "good.so", 1),
        (["--ignore", "missing-target"], "lacks.so", 0),
        (["--ignore", "missing-target:*.so"], "lacks.so", 0),
        (["--ignore", "missing-target:*.pyd"], "lacks.so", 1),
        (["--limit", "symbols=1"], "good.so", 2),
        (["--limit", "symbols=1", "--limit", "symbols=0x100"], "good.so", 0),
    ],
)
def test_options_reach_the_policy(run, files, options, name, code):
    assert run("verify", *options, name).code == code


@pytest.mark.parametrize(("accept", "code"), [([], 1), (["generic"], 0), (["spirv"], 1)])
def test_fallbacks_are_accepted_by_name(run, files, accept, code):
    generic = code_object("gfx9-4-generic", abi=4)
    (files / "generic.so").write_bytes(
        Host(bundle(("gfx9-4-generic", generic))).build().data
    )
    options = [word for name in accept for word in ("--accept", name)]
    assert run("verify", *options, "generic.so").code == code


# --- text ---------------------------------------------------------------------------


def test_the_report_reads_as_the_design_says(run, files):
    wrappers = [Wrapper(by="symbolic", symbol=f"__hip_fatbin_{n}") for n in range(3)]
    (files / "rdc.so").write_bytes(Host(bundle(("gfx942", A)), wrappers).build().data)
    lines = run("verify", "rdc.so").out.splitlines()
    assert re.fullmatch(r"rdc\.so +RDC, 1 bundle, 1 target", lines[0])
    assert lines[1].split() == ["target", "bundles", "kernels", "size"]
    assert re.fullmatch(r" *gfx942 +1/1 +1 +2\.\d kB +ok", lines[2])
    assert re.fullmatch(r" *gfx950 +0/1 +- +- +MISSING", lines[3])
    rest = "\n".join(line.strip() for line in lines[4:])
    assert (
        "error[missing-target] bundle 0 has no code object that HIP would load on gfx950"
    ) in rest
    assert "\npacked: gfx942\n" in rest
    assert "\nhint: this is an RDC link" in rest
    assert "--offload-arch=gfx950" in rest
    assert lines[-1] == "FAILED: 1 error in 1 binary"


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("good.so", "OK: gfx942 and gfx950 in 1 bundle in 1 binary"),
        ("lacks.so", "FAILED: 1 error in 1 binary"),
        ("cut.so", "COULD NOT TELL: 1 part could not be read"),
    ],
)
def test_quiet_prints_the_last_line_only(run, files, name, line):
    assert run("verify", "-q", name).out.startswith(line[:14])
    assert run("verify", "-q", name).out.count("\n") == 1
    assert (
        run("verify", name).out.splitlines()[-1] == run("verify", "-q", name).out.rstrip()
    )


def test_nothing_to_check_is_told_with_its_name(run, files):
    done = run("verify", "good.so", "notes.txt")
    assert done.out.splitlines()[-1] == (
        "COULD NOT TELL: there is no binary to check in notes.txt"
    )


def test_many_findings_of_a_kind_are_told_once(run, files):
    """A kernel for each line would drown the report; JSON has them all."""
    names = [f"kernel{number}" for number in range(30)]
    data = bundle(("gfx942", code_object("gfx942", *names)), ("gfx950", B))
    (files / "parity.so").write_bytes(Host(data).build().data)
    text = run("verify", "parity.so").out
    assert text.count("error[kernel-parity]") < 5
    value = json.loads(run("verify", "--format", "json", "parity.so").out)
    found = [f["kernel"] for f in value["findings"] if f["rule"] == "kernel-parity"]
    assert sorted(found) == sorted([*names, "kernel"])


# --- JSON ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["good.so", "compressed.so", "lacks.so", "cut.so", "host.so", "both.so",
             "missing.so", "notes.txt", "only942.hipfb"]
)  # fmt: skip
def test_json_is_valid_by_the_shipped_schema(run, files, name):
    schema = json.loads(schemas.report())
    value = json.loads(run("verify", "--format", "json", name).out)
    jsonschema.validate(value, schema)
    if name != "missing.so":
        listed = json.loads(run("list", "--format", "json", name).out)
        jsonschema.validate(listed, schema)
        assert listed.keys() == {"schema_version", "tool", "artifacts"}


@pytest.mark.parametrize("name", ["good.so", "compressed.so"])
def test_json_tells_what_was_written(run, files, name):
    value = json.loads(run("verify", "--format", "json", name).out)
    assert value["schema_version"] == 1
    assert value["tool"] == {"name": "kinspect", "version": __version__}
    assert (value["verdict"], value["findings"]) == ("pass", [])
    (artifact,) = value["artifacts"]
    assert (artifact["path"], artifact["kind"]) == (name, "file")
    (binary,) = artifact["binaries"]
    assert (binary["path"], binary["format"], binary["linkage"]) == (
        name, "elf64-x86-64", "per-tu",
    )  # fmt: skip
    (one,) = binary["bundles"]
    packed = name == "compressed.so"
    data = (files / name).read_bytes()
    start = data.index(b"CCOB" if packed else b"__CLANG")
    assert (one["index"], one["offset"], one["registered"]) == (0, start, True)
    assert one["form"] == ("ccob" if packed else "plain")
    assert one["size"] == (len(ccob(PAIR)) if packed else len(PAIR))
    assert one["uncompressed_size"] == (len(PAIR) if packed else None)
    space = PAIR if packed else data  # what offsets of entries count in
    for entry, (target, written) in zip(
        one["entries"][1:], [("gfx942", A), ("gfx950", B)], strict=True
    ):
        assert entry["id"] == f"hipv4-amdgcn-amd-amdhsa--{target}"
        assert (entry["kind"], entry["target"]) == ("hipv4", target)
        assert space[entry["offset"] :][: entry["size"]] == written
        assert entry["code_object"]["target"] == target
        assert entry["code_object"]["abi_version"] == 3
        assert entry["code_object"]["kernel_count"] == 1


def test_a_finding_in_json_has_every_name_of_the_design(run, files):
    value = json.loads(run("verify", "--format", "json", "lacks.so").out)
    (finding,) = value["findings"]
    names = {"rule", "severity", "path", "bundle", "target", "kernel", "message", "hint"}
    assert names <= finding.keys()
    assert (finding["rule"], finding["severity"]) == ("missing-target", "error")
    assert (finding["path"], finding["bundle"], finding["target"]) == (
        "lacks.so", 0, "gfx950",
    )  # fmt: skip
    assert finding["kernel"] is None


def test_a_listing_opens_no_code_object(run, files):
    value = json.loads(run("list", "--format", "json", "good.so").out)
    entries = value["artifacts"][0]["binaries"][0]["bundles"][0]["entries"]
    assert all("code_object" not in entry for entry in entries)


def test_several_formats_go_to_several_places(run, files):
    done = run("verify", "--format", "text", "--format", "json=out.json", "lacks.so")
    assert done.code == 1
    assert done.out.splitlines()[-1].startswith("FAILED")
    assert json.loads((files / "out.json").read_text())["verdict"] == "fail"
    done = run("verify", "--format", "json=a.json", "--format", "text=b.txt", "good.so")
    assert (done.code, done.out) == (0, "")
    assert json.loads((files / "a.json").read_text())["verdict"] == "pass"
    assert (files / "b.txt").read_text().splitlines()[-1].startswith("OK")


# --- list ---------------------------------------------------------------------------


def uris(text):
    return re.findall(r"file://\S+", text)


def test_the_uri_of_a_plain_entry_is_exact(run, files):
    found = uris(run("list", "good.so").out)
    assert len(found) == 3
    for uri, written in zip(found[1:], [A, B], strict=True):
        match = re.fullmatch(r"file://good\.so#offset=(\d+)&size=(\d+)", uri)
        assert match
        offset, size = int(match[1]), int(match[2])
        assert GOOD.data[offset : offset + size] == written


def test_the_uri_of_a_compressed_entry_leads_to_its_bundle_and_says_so(run, files):
    data = (files / "compressed.so").read_bytes()
    for uri, written in zip(
        uris(run("list", "compressed.so").out)[1:], [A, B], strict=True
    ):
        match = re.fullmatch(
            r"file://compressed\.so#offset=(\d+)&size=(\d+)"
            r"&inflated-offset=(\d+)&inflated-size=(\d+)",
            uri,
        )
        assert match
        offset, size, inside, length = map(int, match.groups())
        assert data[offset : offset + size] == ccob(PAIR)
        assert PAIR[inside : inside + length] == written


@pytest.mark.parametrize(
    ("name", "quoted"),
    [
        ("a b.so", "a%20b.so"),
        ("a#offset=1&size=2.so", "a%23offset=1%26size=2.so"),
        ("100%.so", "100%25.so"),
        ("caf\xe9.so", "caf%C3%A9.so"),
        (b"bytes\xff.so".decode("utf-8", "surrogateescape"), "bytes%FF.so"),
        ("new\nline.so", "new%0Aline.so"),
    ],
)
def test_a_path_in_a_uri_is_quoted(run, files, name, quoted):
    (files / name).write_bytes(GOOD.data)
    for uri in uris(run("list", name).out):
        assert uri.startswith(f"file://{quoted}#offset=")


# --- kernels ------------------------------------------------------------------------


@pytest.fixture
def kernels(files):
    fields = {"vgpr_count": 96, "sgpr_count": 20, "group_segment_fixed_size": 1024}
    data = bundle(
        ("gfx942", code_object("gfx942", Kernel("_Z8dispatchPi", fields=fields), "plain")),
        ("gfx950", code_object("gfx950", "_Z8dispatchPi")),
        ("gfx90a:xnack-", code_object("gfx90a", "plain", e_flags=0x63F)),
    )
    for name, content in (("kernels.so", data), ("packed.so", ccob(data, 3))):
        (files / name).write_bytes(Host(content).build().data)
    return files


@pytest.mark.parametrize("name", ["kernels.so", "packed.so"])
def test_kernels_are_listed_with_their_resources(run, kernels, name):
    rows = json.loads(run("kernels", "--format", "json", name).out)
    lines = run("kernels", "--format", "jsonl", name).out.splitlines()
    assert [json.loads(line) for line in lines] == rows
    assert [(row["target"], row["name"]) for row in rows] == [
        ("gfx942", "_Z8dispatchPi"),
        ("gfx942", "plain"),
        ("gfx950", "_Z8dispatchPi"),
        ("gfx90a:xnack-", "plain"),
    ]
    first = rows[0]
    assert (first["path"], first["bundle"]) == (name, 0)
    assert first["demangled"] == "dispatch(int*)"
    assert (first["vgpr_count"], first["sgpr_count"]) == (96, 20)
    assert first["group_segment_fixed_size"] == 1024
    assert first["agpr_count"] is None
    names = {"private_segment_fixed_size", "wavefront_size", "vgpr_spill_count"}
    assert names <= first.keys()
    text = run("kernels", name).out
    assert text.count("dispatch(int*)") == 2
    assert " 96 " in text


@pytest.mark.parametrize(
    ("options", "count"),
    [
        (["--target", "gfx942"], 2),
        (["--target", "gfx942", "--target", "gfx950"], 3),
        (["--target", "gfx90a"], 1),
        (["--target", "gfx90a:xnack-"], 1),
        (["--kernel", "*dispatch*"], 2),
        (["--kernel", "dispatch(int*)"], 2),
        (["--kernel", "plain", "--target", "gfx942"], 1),
    ],
)
def test_kernels_are_selected_by_target_and_name(run, kernels, options, count):
    done = run("kernels", "--format", "json", *options, "kernels.so")
    assert (len(json.loads(done.out)), done.code) == (count, 0)


def test_kernels_that_could_not_be_read_are_told(run, files):
    data = bundle(("gfx942", A), ("gfx950", code_object("gfx950", records=[b"\xc1"])))
    (files / "broken.so").write_bytes(Host(data).build().data)
    done = run("kernels", "--format", "jsonl", "broken.so")
    assert [json.loads(line)["target"] for line in done.out.splitlines()] == ["gfx942"]
    assert done.code == 2
    assert "broken.so" in done.err


# --- rules --------------------------------------------------------------------------


def test_rules_are_listed_and_explained(run):
    lines = run("rules").out.splitlines()
    assert [line.split()[0] for line in lines] == list(RULES)
    for name, rule in RULES.items():
        page = run("rules", name)
        assert page.code == 0
        assert page.out.startswith(f"{name} ({rule.severity}):")
        assert "What to do:" in page.out


def test_a_rule_that_is_misspelt_is_suggested(run):
    assert "missing-target" in run("rules", "missing-targets").err


# --- names can't forge a report -----------------------------------------------------


@pytest.fixture
def hostile(files):
    """Control characters in every name that a file may hold."""
    text = HOSTILE.encode()
    target = f"amdgcn-amd-amdhsa--{HOSTILE}"
    data = bundle(
        ("gfx942", code_object("gfx942", HOSTILE, Kernel("k", symbol=f"{HOSTILE}.kd"))),
        ("gfx950", code_object("gfx950", metadata_target=target, undefined={HOSTILE: 1})),
        Slot(device(HOSTILE), A),
        Slot(b"hip-amdgcn-amd-amdhsa--" + text + b"\xff", B),
        Slot(text, b""),
        Slot(device("gfx90a"), code_object(records=[_record("gfx90a"), _record(HOSTILE)])),
    )
    functions = [f"__device_stub__{HOSTILE}"]
    built = Host(data, functions=functions, needed=[HOSTILE], data={HOSTILE: b"x"})
    path = files / f"x{HOSTILE.replace('/', '')}.so"
    path.write_bytes(built.build().data)
    return path.name


def _record(target):
    from tests.writers import packed  # noqa: PLC0415

    return packed(
        {"amdhsa.version": [1, 2], "amdhsa.kernels": [], "amdhsa.target": f"x-{target}"}
    )


def unsafe(text):
    return re.findall("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\ud800-\udfff]", text)


@pytest.mark.parametrize(
    "arguments",
    [
        ["verify"],
        ["verify", "-v"],
        ["verify", "--format", "json"],
        ["verify", "--kernel", "nothing"],
        ["list"],
        ["list", "-v"],
        ["list", "--format", "json"],
        ["kernels"],
        ["kernels", "--format", "json"],
        ["kernels", "--format", "jsonl"],
    ],
    ids=" ".join,
)
def test_no_name_of_a_file_reaches_a_terminal_as_it_is(run, hostile, arguments):
    done = run(*arguments, hostile)
    assert unsafe(done.out) == []
    assert unsafe(done.err) == []
    assert done.code in {0, 1, 2}
    for line in (done.out + done.err).splitlines():
        assert not line.startswith("OK: gfx942 and gfx950 in 9")


@pytest.mark.parametrize("command", ["verify", "list", "kernels"])
def test_the_name_of_a_missing_file_reaches_no_terminal_as_it_is(run, files, command):
    done = run(command, f"gone{HOSTILE}")
    assert done.code == 2
    assert unsafe(done.out) == unsafe(done.err) == []
    assert "\nOK: gfx942 and gfx950 in 9" not in done.out + done.err


# --- colours ------------------------------------------------------------------------


def on_a_terminal(*arguments, env):
    """The output of a run whose stdout is a terminal."""
    leader, follower = pty.openpty()
    with closing(os.fdopen(leader, "rb", buffering=0)) as screen:
        command = [sys.executable, "-m", "kinspect", *arguments]
        clean = {k: v for k, v in os.environ.items() if k not in {"NO_COLOR", "TERM"}}
        done = subprocess.Popen(command, stdout=follower, env=clean | env)
        os.close(follower)
        out = b""
        try:
            while chunk := screen.read(4096):
                out += chunk
        except OSError:  # Linux: the other side is closed
            pass
        done.wait()
    return out.decode()


@pytest.mark.parametrize(
    ("env", "options", "colored"),
    [
        ({"TERM": "xterm"}, [], True),
        ({"TERM": "xterm", "NO_COLOR": "1"}, [], False),
        ({"TERM": "xterm", "NO_COLOR": ""}, [], True),  # empty: as if it were not set
        ({"TERM": "dumb"}, [], False),
        ({"TERM": "xterm"}, ["--no-color"], False),
        ({"TERM": "xterm", "NO_COLOR": "1"}, ["--color"], True),
    ],
)
def test_a_terminal_gets_colours_unless_they_are_not_wanted(files, env, options, colored):
    assert ("\x1b[" in on_a_terminal("verify", *options, "lacks.so", env=env)) is colored


def test_a_file_gets_no_colours_of_the_terminal(files):
    options = ["--format", "json", "--format", "text=report.txt"]
    on_a_terminal("verify", *options, "lacks.so", env={"TERM": "xterm"})
    assert "\x1b[" not in (files / "report.txt").read_text()


def test_a_pipe_gets_colours_only_on_request(run, files):
    assert "\x1b[" not in run("verify", "lacks.so").out
    assert "\x1b[" in run("verify", "--color", "lacks.so").out
    assert "\x1b[" not in run("list", "good.so").out


# --- where output goes --------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [["verify"], ["list", "--format", "json"], ["kernels", "--format", "jsonl"]],
    ids=" ".join,
)
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_goes_away_is_no_error_and_no_violation(files, arguments, unbuffered):
    """`| head` closes the pipe: nothing on stderr, and not the 1 of a violation.

    Unbuffered, Python does not notice that a write was cut short.
    """
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)  # so that the output does not fit
    command = [sys.executable, "-m", "kinspect", *arguments, *["good.so"] * 60]
    env = os.environ | {"PYTHONUNBUFFERED": unbuffered}
    with subprocess.Popen(command, stdout=writer, stderr=subprocess.PIPE, env=env) as done:
        os.close(writer)
        os.read(reader, 10)
        os.close(reader)
        assert done.stderr is not None
        assert done.stderr.read() == b""
        assert done.wait() in ({0, 2} if unbuffered else {2})


def test_what_an_encoding_can_not_say_is_spelled_out(files):
    (files / "caf\xe9\u2026.so").write_bytes(GOOD.data)
    env = os.environ | {"PYTHONIOENCODING": "ascii"}
    done = process("list", "caf\xe9\u2026.so", env=env)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"caf\\xe9\\u2026.so" in done.stdout


@pytest.mark.parametrize("command", ["verify", "list", "kernels"])
def test_nothing_is_written_beside_what_was_asked_for(run, files, command):
    before = sorted(files.iterdir())
    run(command, "good.so", "compressed.so")
    assert sorted(files.iterdir()) == before


def test_verbose_names_the_binaries_without_device_code(run, files):
    assert "host.so   host code only" in run("verify", "-v", "host.so").out
    assert "host code only" not in run("verify", "host.so").out


def test_a_bug_of_ours_is_no_verdict(run, files, monkeypatch):
    """A traceback must not look like a requirement that is violated (exit 1)."""

    def broken(*_, **__):
        raise IndexError

    monkeypatch.setattr("kinspect.api.verify", broken)
    done = run("verify", "good.so")
    assert done.code == 2
    assert "IndexError" in done.err
    assert "please report it" in done.err


@pytest.mark.parametrize("command", ["list", "kernels", "size", "verify", "audit"])
def test_what_is_excluded_is_not_read(kinspect, tmp_path, command):
    data = (SAMPLES / "per_tu_both.so").read_bytes()
    for name in ("a.so", "b.so"):
        (tmp_path / name).write_bytes(data)
    (tmp_path / "c.so").write_bytes(b"\x7fELF")  # no ELF file: told, unless left out
    done = kinspect(command, "--exclude", "b.so", "--exclude", "c.so", tmp_path)
    assert done.code == 0
    assert "b.so" not in done.out
    assert kinspect(command, "--exclude", "b.so", tmp_path).code != 0


@pytest.mark.parametrize("command", ["verify", "audit", "explain"])
def test_an_empty_path_says_where_it_may_come_from(run, command):
    device = ["--device", "gfx942"] if command == "explain" else []
    done = run(command, *device, "")
    assert (done.code, done.out) == (2, "")
    assert "PATH is empty: a variable that is not set" in done.err
