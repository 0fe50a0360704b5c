"""`kinspect kernels` on the command line: tables, formats, choice, order."""

import csv
import io
import json
import subprocess
import sys

import jsonschema
import pytest

from kinspect import cli, schemas
from tests.conftest import SAMPLES
from tests.writers import Host, Kernel, bundle, ccob, code_object


@pytest.fixture
def run(monkeypatch, capsys):
    def call(*arguments, code=0):
        monkeypatch.setattr(sys, "argv", ["kinspect", "kernels", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        out, err = capsys.readouterr()
        assert (stop.value.code, err if code == 0 else "") == (code, "")
        return out if code == 0 else err

    return call


def kernel(name, **fields):
    return Kernel(name, fields=fields)


FOO, FOO2, BAR = "_Z3fooIiEvPT_", "_Z3fooIfEvPT_", "_ZN2ns3barEi"


@pytest.fixture
def lib(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = bundle(
        (
            "gfx942",
            code_object(
                "gfx942",
                kernel(FOO, vgpr_count=128, group_segment_fixed_size=2048),
                kernel(FOO2, vgpr_count=32, vgpr_spill_count=7),
                kernel(BAR, vgpr_count=40, reqd_workgroup_size=[16, 8, 1]),
            ),
        ),
        (
            "gfx950",
            code_object(
                "gfx950",
                kernel(FOO, vgpr_count=130, group_segment_fixed_size=2048),
                kernel(BAR, vgpr_count=40, reqd_workgroup_size=[16, 8, 1]),
            ),
        ),
    )
    (tmp_path / "lib.so").write_bytes(Host(ccob(data, 3)).build().data)
    return tmp_path


# --- text -----------------------------------------------------------------------------


def test_the_table_reads_as_it_should(run, lib):
    text = run("-t", "gfx942", "lib.so")
    assert (
        text
        == """\
lib.so   bundle 0, gfx942, 3 kernels
  VGPR  AGPR  SGPR   LDS  scratch  kernarg  spills  SGPR spills  wave  workgroup  occupancy  code  kernel
    32     -    12     0        0        8       7            -    64       1024  8/8           4  void foo<float>(float*)
   128     -    12  2048        0        8       -            -    64       1024  4/8 VGPR      4  void foo<int>(int*)
    40     -    12     0        0        8       -            -    64     16x8x1  8/8           4  ns::bar(int)
"""
    )


@pytest.fixture
def narrow(monkeypatch):
    """A terminal of 60 columns."""
    monkeypatch.setattr("kinspect.cli.reporting.terminal_width", lambda: 60)


def test_a_table_fits_into_a_narrow_terminal(run, lib, narrow):
    """What is alike is told once; names that still are too long have lines of their own."""
    assert (
        run("-t", "gfx942", "lib.so")
        == """\
lib.so   bundle 0, gfx942, 3 kernels
  VGPR   LDS  spills  workgroup  occupancy
  void foo<float>(float*)
    32     0       7       1024  8/8
  void foo<int>(int*)
   128  2048       -       1024  4/8 VGPR
  ns::bar(int)
    40     0       -     16x8x1  8/8
  all alike: AGPR -, SGPR 12, scratch 0, kernarg 8, SGPR
    spills -, wave 64, code 4
"""
    )


def test_a_single_kernel_in_a_narrow_terminal(run, lib, narrow):
    """What says nothing is told once: 0, or that it is not known."""
    text = run("-t", "gfx942", "-k", "ns::bar*", "lib.so")
    _, *lines = text.splitlines()
    assert lines[-2:] == [
        "  all alike: AGPR -, LDS 0, scratch 0, spills -, SGPR spills",
        "    -",
    ]
    assert lines[0].split()[:3] == ["VGPR", "SGPR", "kernarg"]
    assert lines[1] == "  ns::bar(int)"
    assert lines[2].split()[:3] == ["40", "12", "8"]


@pytest.mark.parametrize(
    "view", [["--sort", "vgpr"], ["--group"], ["--compare", "gfx942,gfx950"]]
)
def test_other_tables_fit_too(run, lib, narrow, view):
    assert max(map(len, run(*view, "lib.so").splitlines())) <= 60


def test_what_differs_stays_a_column(run, narrow):
    """Though it is alike in all rows that are shown."""
    view = ["--compare", "gfx942", "--differing"]
    lines = run(*view, SAMPLES / "xnack_both.so").splitlines()
    assert lines[1:] == [
        "  VGPR     SGPR  kernarg  wave  workgroup  waves",
        "  unit_a::shift(int*, int)",
        "     2  11 | 10       12    64       1024      8",
        "  all alike: AGPR 0, LDS 0, scratch 0, spills 0, SGPR spills",
        "    0",
    ]


def test_what_programs_read_is_never_broken(run, lib, narrow):
    for form in ("jsonl", "csv"):
        assert max(map(len, run("--format", form, "lib.so").splitlines())) > 60


def test_a_ranking_is_one_table(run, lib):
    lines = run("--sort", "-vgpr", "--top", "3", "lib.so").splitlines()
    assert [line.split()[0] for line in lines] == ["VGPR", "130", "128", "40"]
    assert lines[1].split()[13:16] == ["gfx950", "0", "void"]


@pytest.mark.parametrize(
    ("sorts", "numbers"),
    [
        (["vgpr"], [32, 40, 40, 128, 130]),
        (["-vgpr"], [130, 128, 40, 40, 32]),
        (["-spills", "vgpr"], [32, 40, 40, 128, 130]),
        (["occupancy", "-vgpr"], [130, 128, 40, 40, 32]),
        (["name", "vgpr"], [40, 40, 32, 128, 130]),
    ],
)
def test_kernels_are_sorted(run, lib, sorts, numbers):
    options = [word for name in sorts for word in ("--sort", name)]
    rows = json.loads(run("--format", "json", *options, "lib.so"))
    assert [row["vgpr_count"] for row in rows] == numbers


def test_contradictions_are_marked_and_told(run, tmp_path):
    bad = Kernel("k", fields={"vgpr_count": 96}, described={"group_segment_fixed_size": 77})
    (tmp_path / "x.co").write_bytes(code_object("gfx942", bad))
    text = run(tmp_path / "x.co")
    assert " 0!" in text
    assert "! k: its descriptor contradicts group_segment_fixed_size:" in text
    assert "group_segment_fixed_size 77" in text


def test_families_are_counted(run, lib):
    text = run("--group", "lib.so")
    assert "gfx942, 3 kernels in 2 families" in text
    line = next(line for line in text.splitlines() if "foo" in line)
    assert line.split() == [
        "2", "32–128", "-", "12", "0–2048", "0", "4–8", "1", "8", "B", "foo<…>",
    ]  # fmt: skip
    values = json.loads(run("--group", "--format", "json", "lib.so"))
    schema = json.loads(schemas.read("kernel-family"))
    for value in values:
        jsonschema.validate(value, schema)
    assert values[0]["vgpr_count"] == {"min": 32, "max": 128}
    assert values[0]["agpr_count"] == {"min": None, "max": None}


def test_targets_are_compared(run, lib):
    lines = run("--compare", "gfx942,gfx950", "lib.so").splitlines()
    assert lines[0] == "gfx942 | gfx950   3 kernels, 1 not alike, 1 without gfx950"
    assert "32 | ·" in lines[2]
    assert "128 | 130" in lines[3]
    assert "4 | 3" in lines[3]
    assert "|" not in lines[4]
    lines = run("--compare", "gfx942,gfx950", "--differing", "lib.so").splitlines()
    assert len(lines) == 4
    for shown in (["--differing", "--top", "1"], ["--top", "1"]):  # the head is for all
        few = run("--compare", "gfx942,gfx950", *shown, "lib.so").splitlines()
        assert (few[0], len(few)) == (lines[0], 3)
    colored = run("--compare", "gfx942,gfx950", "--color", "lib.so")
    assert "\x1b[1;33m128 | 130\x1b[0m" in colored


def test_the_modes_of_a_processor_are_compared(run):
    lines = run("--compare", "gfx942", SAMPLES / "xnack_both.so").splitlines()
    assert lines[0] == "gfx942:xnack+ | gfx942:xnack-   3 kernels, 1 not alike"


def test_a_comparison_is_told_to_programs_too(run, lib):
    lines = run("--compare", "gfx942;gfx950", "--format", "jsonl", "lib.so").splitlines()
    schema = json.loads(schemas.read("kernel-comparison"))
    values = [json.loads(line) for line in lines]
    for value in values:
        jsonschema.validate(value, schema)
    (foo,) = [value for value in values if value["name"] == FOO]
    assert foo["differing"] == ["vgpr_count", "occupancy"]
    assert foo["targets"]["gfx950"]["vgpr_count"] == 130
    (foo2,) = [value for value in values if value["name"] == FOO2]
    assert foo2["targets"]["gfx950"] is None


def test_arguments_are_told(run):
    text = run("--args", "-t", "gfx942", SAMPLES / "kinds_tu.so")
    head, columns, *rows = text.split("\n\n")[0].splitlines()
    assert "gfx942, bundle 0" in head
    assert columns.split() == ["offset", "size", "kind", "space"]
    assert rows[0].split() == ["0", "8", "global_buffer", "global"]
    (row, *_) = json.loads(run("--args", "--format", "json", SAMPLES / "kinds_tu.so"))
    assert row["args"][0] == {
        "offset": 0, "size": 8, "value_kind": "global_buffer", "address_space": "global",
    }  # fmt: skip


# --- formats --------------------------------------------------------------------------


@pytest.mark.parametrize("options", [[], ["--args"]])
def test_json_is_valid_by_the_shipped_schema(run, lib, options):
    schema = json.loads(schemas.kernel())
    rows = json.loads(run("--format", "json", *options, "lib.so"))
    for row in rows:
        jsonschema.validate(row, schema)
    assert len(rows) == 5
    lines = run("--format", "jsonl", *options, "lib.so").splitlines()
    assert [json.loads(line) for line in lines] == rows
    assert rows[0]["occupancy_limits"] == ["VGPR"]
    assert (rows[0]["code_size"], rows[0]["max_occupancy"]) == (4, 8)
    assert rows[2]["reqd_workgroup_size"] == [16, 8, 1]


def test_an_empty_list_is_json_too(run, lib):
    (lib / "host.so").write_bytes(Host().build().data)
    assert json.loads(run("--format", "json", "host.so")) == []
    assert run("--format", "jsonl", "host.so") == ""
    assert run("host.so") == "no kernels\n"
    assert run("--group", "host.so") == "no kernels\n"


@pytest.mark.parametrize(
    "choice",
    [
        ["-k", "nothing"], ["-e", "nothing"], ["-t", "gfx90a"], ["--bundle", "1"],
        ["--binary", "other*"], ["--compare", "gfx90a,gfx908"],
    ],
)  # fmt: skip
def test_nothing_that_was_asked_for_is_told(kinspect, lib, choice):
    """A misspelled name must not look like kernels that are not there."""
    done = kinspect("kernels", "--format", "json", *choice, "lib.so")
    assert (done.code, json.loads(done.out)) == (2, [])
    assert done.err == "kinspect: error: no kernel there is what was asked for\n"


def test_bitcode_has_no_kernels_yet(kinspect, monkeypatch):
    monkeypatch.chdir(SAMPLES)
    for command in (["kernels"], ["disasm"], ["disasm", "--stats"]):
        done = kinspect(*command, "librocshmem.a")
        assert done.code == 2
        assert done.err == (
            "kinspect: error: librocshmem.a: its device code is bitcode, of which a link"
            " makes kernels\n"
        )
        done = kinspect(*command, "kpack_per_tu.so")
        assert done.code == 2
        assert "kpack archives, name these: kpack_per_tu_gfx942.kpack" in done.err


def test_csv_has_a_header_and_a_line_a_kernel(run, lib):
    rows = list(csv.DictReader(io.StringIO(run("--format", "csv", "lib.so"))))
    values = json.loads(run("--format", "json", "lib.so"))
    assert len(rows) == 5
    assert rows[0]["demangled"] == "void foo<int>(int*)"
    assert rows[2]["reqd_workgroup_size"] == "16 8 1"
    for row, value in zip(rows, values, strict=True):
        for name in ("path", "target", "name", "vgpr_count", "occupancy", "code_size"):
            assert row[name] == str(value[name])
        assert row["agpr_count"] == ""


@pytest.mark.parametrize("name", ["=1+1", "+cmd", "-x", "@sum", "\tx", '="a"&"b",'])
def test_no_name_is_a_formula(run, tmp_path, name):
    (tmp_path / "x.co").write_bytes(code_object("gfx942", name))
    (row,) = csv.DictReader(io.StringIO(run("--format", "csv", tmp_path / "x.co")))
    assert row["name"][0] in "'\\"


@pytest.mark.parametrize("form", ["text", "json", "jsonl", "csv"])
@pytest.mark.parametrize(
    "view", [[], ["--args"], ["--group"], ["--compare", "gfx942,gfx950"]]
)
def test_no_name_reaches_the_terminal_as_it_is(run, tmp_path, form, view):
    if form == "csv" and view:
        pytest.skip("not a table of kernels")
    name = "\x1b[31m\r\nx\u202e\x9b"
    bad = Kernel(
        name,
        fields={"args": [{".offset": 0, ".size": 8, ".value_kind": name, ".name": name}]},
        described={"group_segment_fixed_size": 5},
    )
    (tmp_path / "x.co").write_bytes(code_object("gfx942", bad))
    out = run("--format", form, *view, tmp_path / "x.co")
    assert not {"\x1b", "\r", "\u202e", "\x9b"} & set(out)


# --- choice ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "count"),
    [
        (["-e", "^void foo<"], 3),
        (["-e", "bar"], 2),
        (["-e", "_Z3fooIi"], 2),
        (["-e", "float", "-k", "ns::*"], 3),
        (["-k", "*foo*", "-t", "gfx950"], 1),
        (["--bundle", "0"], 5),
        (["--binary", "lib*"], 5),
        (["--top", "2"], 2),
        (["--exclude", "lib.so"], 0),
    ],
)
def test_kernels_are_chosen(run, lib, options, count):
    assert len(json.loads(run("--format", "json", *options, "lib.so"))) == count


def test_the_launch_changes_the_estimate(run, lib):
    def waves(*options):
        rows = json.loads(run("--format", "json", "-t", "gfx942", *options, "lib.so"))
        return [row["occupancy"] for row in rows]

    assert waves() == [4, 8, 8]
    assert waves("--lds", "60000") == [4, 4, 1]
    assert waves("--workgroup", "64", "--lds", "60000") == [1, 1, 1]


def test_a_launch_that_is_refused_has_no_waves(run, lib):
    """Of 64 KiB of LDS, the first kernel has 2 KiB; none allows more than 1024 lanes.

    One workgroup of 1024 lanes is 16 waves on four SIMDs, one of 128 is two.
    """

    def told(*options):
        rows = json.loads(run("--format", "json", "-t", "gfx942", *options, "lib.so"))
        return [(row["occupancy"], row["occupancy_limits"]) for row in rows]

    full = 64 << 10
    assert [waves for waves, _ in told("--lds", full - 2048)] == [4, 4, 1]
    assert told("--lds", full - 2047)[0] == (0, ["LDS"])
    assert told("--lds", full + 1) == [(0, ["LDS"])] * 3
    assert told("--workgroup", 1025, "--lds", full + 1) == [(0, ["LDS", "workgroup"])] * 3
    assert "  0/8 LDS " in run("-t", "gfx942", "--lds", full + 1, "lib.so")


@pytest.mark.parametrize(
    "options",
    [
        ["--format", "xml"],
        ["--sort", "colour"],
        ["--group", "--compare", "gfx942,gfx950"],
        ["--compare", "gfx942"],
        ["--compare", "gfx9999,gfx942"],
        ["--group", "--format", "csv"],
        ["--group", "--sort", "vgpr"],
        ["--group", "--top", "2"],
        ["--group", "--args"],
        ["--compare", "gfx942,gfx950", "--args"],
        ["--args", "--format", "csv"],
        ["--differing"],
        ["-e", "("],
        ["--top", "0"],
        ["--workgroup", "0"],
        ["--target", "gfx9999"],
    ],
    ids=" ".join,
)
def test_what_makes_no_sense_is_a_usage_error(run, lib, options):
    assert "rror" in run(*options, "lib.so", code=2)


def test_code_whose_symbol_has_no_size(run, tmp_path):
    """As in assembly such as AITER's: up to the next function, or the end of its section.

    Here the code ends with its section, and the second kernel is 256 bytes behind.
    """
    kernels = Kernel("one", code=bytes(8)), Kernel("two", code=bytes(12))
    data = code_object("gfx942", *kernels)
    for size in (8, 12):
        at = next(
            n for n in range(0, len(data), 8)
            if data[n : n + 16] == data[n : n + 8] + size.to_bytes(8, "little")
            and int.from_bytes(data[n : n + 8], "little") >= 0x10000
        )  # fmt: skip
        symbol = data[at : at + 16]
        assert data.count(symbol) == 2  # both symbol tables
        data = data.replace(symbol, symbol[:8] + bytes(8))
    (tmp_path / "x.co").write_bytes(data)
    rows = json.loads(run("--format", "json", tmp_path / "x.co"))
    assert {row["name"]: row["code_size"] for row in rows} == {"one": 256, "two": 256}


def test_a_kernel_that_was_compiled_to_nothing_has_no_size(run, tmp_path):
    """As those of rocPRIM for other processors: the next function lies at its address."""
    data = code_object("gfx942", Kernel("one", code=b""), Kernel("two", code=bytes(12)))
    (tmp_path / "x.co").write_bytes(data)
    rows = json.loads(run("--format", "json", tmp_path / "x.co"))
    assert {row["name"]: row["code_size"] for row in rows} == {"one": 0, "two": 12}


def test_damage_is_told_and_the_rest_listed(run, tmp_path, capsys):
    data = bundle(("gfx942", code_object("gfx942", "k")))
    (tmp_path / "x.so").write_bytes(Host(ccob(data, 3, digest=1)).build().data)
    err = run("--format", "json", tmp_path / "x.so", code=2)
    assert "MD5 mismatch" in err


# --- scale ----------------------------------------------------------------------------


def test_lines_come_as_they_are_read(tmp_path):
    """Memory does not grow with the number of bundles."""
    names = [f"_Z{len(t)}{t}v" for n in range(200) for t in [f"kernel_number_{n:04}" * 8]]
    one = ccob(bundle(("gfx942", code_object("gfx942", *names))), 3)
    script = (
        "import resource, sys; sys.argv[1:] = ['kernels', '--format', 'jsonl', {!r}]\n"
        "from kinspect.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)"
    )
    peaks = []
    for count in (2, 60):
        path = tmp_path / f"{count}.hipfb"
        path.write_bytes((one + bytes(-len(one) % 8)) * count)
        done = subprocess.run(
            [sys.executable, "-c", script.format(str(path))],
            capture_output=True,
            check=True,
        )
        assert done.stdout.count(b"\n") == 200 * count
        peaks.append(int(done.stderr))
    assert peaks[1] < peaks[0] + 8 * 1024  # KiB; the text alone is 12 MiB more


@pytest.mark.corpus
@pytest.mark.slow
def test_400000_kernels_stream_in_bounded_memory(member):
    """2.4 GB of code objects in 45 compressed bundles."""
    path = member("jax-pjrt", "jax_plugins/xla_rocm7/xla_rocm_plugin.so")
    script = (
        "import os, subprocess, sys\n"
        "command = [sys.executable, '-m', 'kinspect', 'kernels', '--format', 'jsonl', sys.argv[1]]\n"
        "with subprocess.Popen(command, stdout=subprocess.PIPE) as done:\n"
        "    count = sum(chunk.count(b'\\n') for chunk in iter(lambda: done.stdout.read(1 << 20), b''))\n"
        "    _, status, usage = os.wait4(done.pid, 0)\n"
        "print(count, status, usage.ru_maxrss)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, path], capture_output=True, text=True, check=True
    )
    count, status, peak = map(int, done.stdout.split())
    assert (count, status) == (409_773, 0)
    assert peak < 512 * 1024
