"""Names that mean harm, in every format of every command.

Nothing of a file moves a cursor, sets a colour, forges a line, or is a command to the
system that reads the log. What each format takes for its own markup is tested where the
format is (tests/render, tests/diff, tests/resources).
"""

import re

import pytest

from kinspect.render import RENDERERS
from tests.writers import Host, Kernel, Slot, bundle, code_object, packed
from tests.writers.bundles import device

#: cursor, colour, bell, a line that says that all is well, the other direction of writing
TERMINAL = "\x1b[2J\x1b[31m\a\x9b2K\u202e\r\n\u2028\x85OK: all is well\n"
#: commands of GitHub, Azure Pipelines and TeamCity; annotations of GitLab are JSON
LOGS = (
    "\n::set-output name=x::y\n::error::z\n##vso[task.complete]\n##[error]\n##teamcity[x]"
)
#: markup, and what a spreadsheet or a shell would run
OTHERS = "<script>alert(1)</script>`$(id)`|x|\n=cmd()"
HOSTILE = TERMINAL + LOGS + OTHERS


@pytest.fixture
def hostile(tmp_path, monkeypatch):
    """Two files with such names wherever a file may hold a name."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    text = HOSTILE.encode()
    paths = []
    for number in range(2):
        kernel = Kernel(HOSTILE + "k" * number, fields={"vgpr_count": 4 + 8 * number})
        data = bundle(
            ("gfx942", code_object("gfx942", kernel, Kernel("k", symbol=f"{HOSTILE}.kd"))),
            ("gfx950", code_object("gfx950", kernel, undefined={HOSTILE: 1})),
            Slot(device(HOSTILE), code_object("gfx942", HOSTILE)),
            Slot(b"hip-amdgcn-amd-amdhsa--" + text + b"\xff", code_object("gfx942")),
            Slot(text, b""),
            Slot(device("gfx90a"), code_object("gfx90a", records=[claimed(HOSTILE)])),
        )
        functions = [f"__device_stub__{HOSTILE}"]
        built = Host(data, functions=functions, needed=[HOSTILE], data={HOSTILE: b"x"})
        path = tmp_path / f"{number}{HOSTILE.replace('/', '')}.so"
        path.write_bytes(built.build().data)
        paths.append(path.name)
    return paths


def claimed(target):
    return packed(
        {"amdhsa.version": [1, 2], "amdhsa.kernels": [], "amdhsa.target": f"x-{target}"}
    )


def harm(text, format_):
    """What of a text a terminal or the reader of a log would act on."""
    found = re.findall("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\ud800-\udfff]", text)
    found += re.findall(r"##(?:vso|teamcity)?\[", text)
    for line in text.splitlines():
        ours = format_ == "github" and re.match(r"::(error|warning|notice) file=", line)
        if re.match(r"\s*::", line) and not ours:
            found.append(line)
        if re.match(r"OK: all is well|=cmd", line):
            found.append(line)
    return found


ONE = [
    *((command, "--format", name) for command in ("verify", "audit") for name in RENDERERS),
    ("verify", "-vv"),
    ("verify", "-q"),
    ("verify", "--only", "--kernel", "nothing"),
    ("verify", "--expect", HOSTILE),
    *(("list", "-v", "--format", name) for name in ("text", "json")),
    *(("kernels", "--format", name) for name in ("text", "json", "jsonl", "csv")),
    ("kernels", "--args"),
    ("kernels", "--group"),
    ("kernels", "--compare", "gfx942,gfx950"),
    ("kernels", "--sort", "name"),
    ("kernels", "--target", "gfx942", "--kernel", HOSTILE),
    *(("explain", "--device", "gfx942", "--format", name) for name in ("text", "json")),
    *(
        ("size", "--by", "binary,target,kernel", "--format", name)
        for name in ("text", "json", "csv", "markdown")
    ),
    ("snapshot", "-o", "-"),
    ("policy", "init"),
    ("extract", "-o", "out"),
]
TWO = [
    *(("diff", "--format", name) for name in ("text", "json", "markdown")),
]


def format_of(arguments):
    return arguments[arguments.index("--format") + 1] if "--format" in arguments else ""


@pytest.mark.parametrize("arguments", [*ONE, *TWO], ids=lambda words: " ".join(words)[:60])
def test_no_command_and_format_lets_a_hostile_name_through(kinspect, hostile, arguments):
    names = hostile if arguments in TWO else hostile[:1]
    done = kinspect(*arguments, *names)
    assert done.code in {0, 1, 2}
    assert done.out or done.err
    assert "Traceback" not in done.err
    assert harm(done.out, format_of(arguments)) == []
    assert harm(done.err, "") == []


def test_the_manifest_of_what_was_extracted_is_safe_to_print(kinspect, hostile, tmp_path):
    kinspect("extract", "-o", "out", hostile[0])
    (manifest,) = (tmp_path / "out").glob("*.json")
    assert harm(manifest.read_text("utf-8"), "json") == []


@pytest.mark.parametrize(
    "arguments",
    [
        ("verify", HOSTILE),
        ("verify", "--require", HOSTILE, "x"),
        ("verify", "--format", HOSTILE, "x"),
        ("verify", "--policy", HOSTILE, "x"),
        ("verify", "--profile", HOSTILE, "x"),
        ("verify", "--limit", HOSTILE, "x"),
        ("rules", HOSTILE),
        ("schema", HOSTILE),
        ("diff", HOSTILE, HOSTILE),
        ("explain", "--device", HOSTILE, "x"),
        ("kernels", "--sort", HOSTILE, "x"),
        (HOSTILE,),
    ],
    ids=lambda words: " ".join(words)[:20],
)
def test_no_usage_error_lets_a_hostile_word_through(kinspect, hostile, arguments):
    """Words come from build arguments and the names of branches, too."""
    done = kinspect(*arguments)
    assert done.code == 2
    assert harm(done.out, "") == harm(done.err, "") == []


def test_the_harm_of_a_name_would_be_seen():
    assert len(harm(HOSTILE, "")) > 10
    assert harm("::error file=x::y", "github") == []
    assert harm("::error::y", "github")
