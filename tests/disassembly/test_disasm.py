"""`kinspect disasm` with an llvm-objdump that is none: what it says is what a test wants.

It behaves as LLVM's does: `--mattr=help` names its processors on the standard error, `-d`
prints a line for each instruction. What LLVM itself says is the matter of test_oracle.py.
"""

import csv
import io
import json
import os
import re
import sys
import time

import jsonschema
import pytest

from kinspect import schemas
from kinspect.disassembly import Kind, Tools, kind_of
from kinspect.errors import ToolError, UsageError
from tests.writers import Host, Kernel, bundle, code_object

#: s_nop 0; s_endpgm, as words in memory
NOP, END = bytes.fromhex("000080bf"), bytes.fromhex("000081bf")
FOO, BAR = "_Z3fooPi", "_ZN2ns3barEi"

FAKE = """\
#!{python} -S
import sys
arguments = sys.argv[1:]
if "--version" in arguments:
    print("Fake LLVM version {version}")
elif "--mattr=help" in arguments:
    for name in {processors!r}:
        sys.stderr.write(f"  {{name}}  - Select the {{name}} processor.\\n")
else:
    (processor,) = [a[7:] for a in arguments if a.startswith("--mcpu=")]
    {body}
"""


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """Puts an llvm-objdump into the only directory of PATH."""
    directory = tmp_path / "bin"
    directory.mkdir()
    monkeypatch.setenv("PATH", str(directory))
    monkeypatch.setenv("ROCM_PATH", str(tmp_path / "rocm"))

    def make(
        body="",
        *,
        name="llvm-objdump-22",
        processors=("gfx942", "gfx90a"),
        version="22.1.8",
    ):
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(
            FAKE.format(
                python=sys.executable,
                version=version,
                processors=list(processors),
                body=body or "pass",
            )
        )
        path.chmod(0o755)
        return path

    return make


def kernel(name, *words, **fields):
    return Kernel(name, code=b"".join(words), **fields)


@pytest.fixture
def lib(tmp_path, monkeypatch):
    """Two kernels for gfx942, of two instructions and of one."""
    monkeypatch.chdir(tmp_path)
    data = code_object("gfx942", kernel(FOO, NOP, END), kernel(BAR, END), align=4)
    place = data.index(NOP + END + END) + 0x10000
    (tmp_path / "lib.so").write_bytes(Host(bundle(("gfx942", data))).build().data)
    return place


def printed(at, *lines):
    """The body of a fake: `text | words` after each other, from an address on."""
    out = ["0000 <x>:"]
    for line in lines:
        if "|" not in line:
            out.append(line)
            continue
        text, words = (part.strip() for part in line.split("|"))
        label = ""
        if "<" in words:
            words, label = words.split("<")
            words, label = words.strip(), f" <{label}"
        out.append(f"\t{text:58} // {at:012X}: {words}{label}")
        at += 4 * len(words.split())
    return "\n    ".join(f"print({line!r})" for line in out)


SOUND = ("s_nop 0 | BF800000", "s_endpgm | BF810000", "s_endpgm | BF810000")


# --- listings -----------------------------------------------------------------------------


def test_a_listing_reads_as_it_should(kinspect, fake, lib):
    fake(
        printed(
            lib,
            "; /src/foo.hip:3",
            "s_branch 65535 | BF800000 <_Z3fooPi+0x4>",
            "s_endpgm | BF810000",
            "s_endpgm | BF810000",
        )
    )
    done = kinspect("disasm", "lib.so")
    assert (done.code, done.err) == (0, "")
    assert (
        done.out
        == f"""\
lib.so   bundle 0, gfx942, 8 bytes at {lib:#x}
foo(int*)
        ; /src/foo.hip:3
  0000  s_branch 65535  → 0004
  0004  s_endpgm
lib.so   bundle 0, gfx942, 4 bytes at {lib + 8:#x}
ns::bar(int)
  0000  s_endpgm
"""
    )


def test_what_llvm_remarks_is_no_part_of_an_instruction(kinspect, fake, lib):
    remark = " ; Warning: SGPR_64: scalar reg is not aligned 15"
    first = printed(lib, f"s_branch 1 | BF800000 <{FOO}+0x4>").replace(
        "+0x4>", f"+0x4>{remark}"
    )
    fake(
        f"{first}\n    {printed(lib + 4, *SOUND[1:])}".replace(
            "BF810000", "BF810000" + remark
        )
    )
    done = kinspect("disasm", "lib.so")
    assert (done.code, done.err) == (0, "")
    assert "  0000  s_branch 1  → 0004\n  0004  s_endpgm\n" in done.out


def test_kernels_are_chosen(kinspect, fake, lib):
    fake(printed(lib, *SOUND))
    assert "foo" not in kinspect("disasm", "-k", "ns::*", "lib.so").out
    assert "bar" not in kinspect("disasm", "-e", "foo", "-t", "gfx942", "lib.so").out
    for choice in (["-k", "none"], ["-b", "7"], ["--binary", "x"], ["-t", "gfx950"]):
        done = kinspect("disasm", *choice, "lib.so")
        assert (done.code, done.out) == (2, "")
        assert "no kernel there is what was asked for" in done.err


def test_what_has_no_kernels(kinspect, fake, tmp_path):
    """Nothing was asked for: nothing was asked for in vain."""
    fake()
    (tmp_path / "host.so").write_bytes(Host().build().data)
    done = kinspect("disasm", tmp_path / "host.so")
    assert (done.code, done.err) == (2, "kinspect: error: there is no kernel\n")


def test_a_listing_for_programs(kinspect, fake, lib):
    fake(printed(lib, "s_branch 1 | BF800000 <_Z3fooPi+0x4>", *SOUND[1:]))
    schema = json.loads(schemas.read("disassembly"))
    values = json.loads(kinspect("disasm", "--format", "json", "lib.so").out)
    lines = kinspect("disasm", "--format", "jsonl", "lib.so").out.splitlines()
    assert [json.loads(line) for line in lines] == values
    for value in values:
        jsonschema.validate(value, schema)
    foo, bar = values
    assert (foo["name"], foo["demangled"], foo["code_size"]) == (FOO, "foo(int*)", 8)
    assert (foo["address"], bar["address"]) == (lib, lib + 8)
    assert (foo["processor"], foo["llvm"]) == ("gfx942", "LLVM 22.1.8")
    assert foo["instructions"][0] == {
        "offset": 0,
        "bytes": "000080bf",
        "text": "s_branch 1",
        "kind": "branch",
        "label": "_Z3fooPi+0x4",
        "source": [],
    }


def test_names_of_the_file_are_spelled_out(kinspect, fake, tmp_path):
    bad = "evil\x1b[31m"
    data = code_object("gfx942", kernel(bad, NOP), kernel("other", END), align=4)
    at = data.index(NOP + END) + 0x10000
    (tmp_path / "x.co").write_bytes(data)
    fake(
        printed(
            at,
            "; /src\x1b[2J",
            f"s_nop 0 | BF800000 <{bad}2+0x4>",
            "s_endpgm | BF810000",
        )
    )
    done = kinspect("disasm", tmp_path / "x.co")
    assert done.code == 0
    assert "evil\\x1b[31m\n" in done.out
    assert "→ evil\\x1b[31m2+0x4" in done.out
    assert "; /src\\x1b[2J" in done.out
    assert "\x1b" not in done.out + done.err


def test_kernels_that_share_their_code_are_told_together(kinspect, fake, tmp_path):
    """As a linker that folds identical code leaves them."""
    data = code_object("gfx942", kernel("one", END), kernel("two", END), align=4)
    at = data.index(END + END) + 0x10000
    second = (at + 4).to_bytes(8, "little")
    assert data.count(second) == 2  # both symbol tables
    data = data.replace(second, at.to_bytes(8, "little"))
    (tmp_path / "x.co").write_bytes(data)
    fake(printed(at, "s_endpgm | BF810000"))
    done = kinspect("disasm", tmp_path / "x.co")
    assert (done.code, done.out.splitlines()[1:]) == (0, ["one", "two", "  0000  s_endpgm"])
    (value,) = json.loads(kinspect("disasm", "--format", "json", tmp_path / "x.co").out)
    assert (value["name"], value["aliases"]) == ("one", ["two"])


def test_code_without_a_size_ends_where_the_next_begins(kinspect, fake, tmp_path):
    """Hand-written assembly, such as AITER's, often tells none."""
    kernels = kernel("one", NOP, NOP), kernel("two", END)
    data = code_object("gfx942", *kernels, align=4)
    at = data.index(NOP + NOP + END) + 0x10000
    symbol = at.to_bytes(8, "little") + (8).to_bytes(8, "little")
    assert data.count(symbol) == 2  # both symbol tables
    data = data.replace(symbol, symbol[:8] + bytes(8))
    (tmp_path / "x.co").write_bytes(data)
    fake(printed(at, "s_nop 0 | BF800000", *SOUND[:2]))
    values = json.loads(kinspect("disasm", "--format", "json", tmp_path / "x.co").out)
    assert [value["code_size"] for value in values] == [8, 4]


# --- functions that kernels call ----------------------------------------------------------

LEAF, ALONE = "_ZL4leafi", "_ZL5alonei"
#: foo calls leaf, which lies 28 bytes behind where its program counter was
CALL = (
    "s_getpc_b64 s[0:1] | BE801C00",
    "s_add_u32 s0, s0, 28 | 8000FF00 0000001C",
    "s_addc_u32 s1, s1, lit(0x0) | 8201FF01 00000000",
    "s_swappc_b64 s[30:31], s[0:1] | BE9E1E00",
    "s_endpgm | BF810000",
)
REST = (
    "s_endpgm | BF810000",
    "s_setpc_b64 s[30:31] | BE801D1E",
    "v_mfma_f32_4x4x4_16b_f16 a[0:3] | DEADBEEF",
    "s_setpc_b64 s[30:31] | BE801D1E",
)


def words(*lines):
    numbers = " ".join(line.partition("|")[2] for line in lines).split()
    return b"".join(bytes.fromhex(number)[::-1] for number in numbers)


@pytest.fixture
def calling(tmp_path, monkeypatch, fake):
    """foo, which calls leaf; bar; and alone, which nothing calls."""
    monkeypatch.chdir(tmp_path)
    kernels = kernel(FOO, words(*CALL)), kernel(BAR, words(REST[0]))
    functions = {LEAF: words(REST[1]), ALONE: words(*REST[2:])}
    data = code_object("gfx942", *kernels, align=4, functions=functions)
    at = data.index(words(*CALL)) + 0x10000
    (tmp_path / "x.co").write_bytes(data)
    fake(printed(at, *CALL, *REST), processors=["gfx942"])
    return at


def test_functions_are_listed_as_kernels_are(kinspect, calling):
    done = kinspect("disasm", "x.co")
    assert (done.code, done.err) == (0, "")
    assert (
        done.out
        == f"""\
x.co   bundle 0, gfx942, 28 bytes at {calling:#x}
foo(int*)
  0000  s_getpc_b64 s[0:1]
  0004  s_add_u32 s0, s0, 28
  000c  s_addc_u32 s1, s1, lit(0x0)  → leaf(int)
  0014  s_swappc_b64 s[30:31], s[0:1]
  0018  s_endpgm
x.co   bundle 0, gfx942, 4 bytes at {calling + 28:#x}
ns::bar(int)
  0000  s_endpgm
x.co   bundle 0, gfx942, a function of 4 bytes at {calling + 32:#x}
leaf(int)
  0000  s_setpc_b64 s[30:31]
x.co   bundle 0, gfx942, a function of 8 bytes at {calling + 36:#x}
alone(int)
  0000  v_mfma_f32_4x4x4_16b_f16 a[0:3]
  0004  s_setpc_b64 s[30:31]
"""
    )


def test_kernels_that_were_compiled_to_nothing_are_told(
    kinspect, tmp_path, monkeypatch, fake
):
    """As those of rocPRIM for other processors: another kernel lies at their address."""
    monkeypatch.chdir(tmp_path)
    kernels = kernel(FOO, b""), kernel(BAR, words(REST[0]))
    data = code_object("gfx942", *kernels, align=4)
    at = data.index(words(REST[0])) + 0x10000
    (tmp_path / "x.co").write_bytes(data)
    fake(printed(at, REST[0]), processors=["gfx942"])
    done = kinspect("disasm", "x.co")
    assert (done.code, done.err) == (0, "")
    assert (
        done.out
        == f"""\
x.co   bundle 0, gfx942, 4 bytes at {at:#x}
ns::bar(int)
  0000  s_endpgm
x.co   bundle 0, gfx942  without code: 1 kernel, compiled to nothing, foo(int*) first
"""
    )
    lines = kinspect("disasm", "--stats", "x.co").out.splitlines()
    assert lines[0] == "x.co   bundle 0, gfx942, 1 kernel"
    assert lines[-1] == "  without code: 1 kernel, compiled to nothing, foo(int*) first"
    done = kinspect("disasm", "-k", "foo*", "x.co")
    assert done.code == 2
    assert "foo(int*) was compiled to nothing: it has no instructions" in done.err


def test_functions_are_counted_as_kernels_are(kinspect, calling):
    """An instruction of a newer processor may be in one of them alone."""
    lines = kinspect("disasm", "--stats", "x.co").out.splitlines()
    assert lines[0] == "x.co   bundle 0, gfx942, 2 kernels, 2 functions"
    rows = [line.split(maxsplit=12) for line in lines[2:]]
    assert [(row[0], row[1], row[-1]) for row in rows] == [
        ("5", "0", "foo(int*)"),
        ("1", "0", "ns::bar(int)"),
        ("1", "0", "function leaf(int)"),
        ("2", "1", "function alone(int)"),
        ("9", "1", "in all"),
    ]


def test_functions_for_programs(kinspect, calling):
    values = json.loads(kinspect("disasm", "--stats", "--format", "json", "x.co").out)
    schema = json.loads(schemas.read("instruction-statistics"))
    for value in values:
        jsonschema.validate(value, schema)
    assert {v["name"]: (v["kernel"], v["calls"]) for v in values} == {
        FOO: (True, [LEAF]),
        BAR: (True, []),
        LEAF: (False, []),
        ALONE: (False, []),
    }
    text = kinspect("disasm", "--stats", "--format", "csv", "x.co").out
    rows = csv.DictReader(io.StringIO(text))
    assert {row["name"]: (row["kernel"], row["calls"]) for row in rows} == {
        FOO: ("true", LEAF),
        BAR: ("true", ""),
        LEAF: ("false", ""),
        ALONE: ("false", ""),
    }
    schema = json.loads(schemas.read("disassembly"))
    values = json.loads(kinspect("disasm", "--format", "json", "x.co").out)
    for value in values:
        jsonschema.validate(value, schema)
    assert [value["kernel"] for value in values] == [True, True, False, False]


def test_with_a_kernel_comes_what_it_calls(kinspect, calling):
    out = kinspect("disasm", "--stats", "-k", "foo*", "x.co").out
    assert out.startswith("x.co   bundle 0, gfx942, 1 kernel, 1 function\n")
    assert "function leaf(int)\n" in out
    assert out.endswith(
        "  not counted: 1 function that nothing here calls, unless by a pointer\n"
    )
    assert "alone" not in out
    assert "leaf(int)\n  0000  s_setpc" in kinspect("disasm", "-k", "foo*", "x.co").out
    out = kinspect("disasm", "--stats", "-k", "ns::bar*", "x.co").out
    assert out.startswith("x.co   bundle 0, gfx942, 1 kernel\n")
    assert "not counted: 2 functions" in out


def test_a_function_is_chosen_by_its_name(kinspect, calling):
    out = kinspect("disasm", "-e", "alone", "x.co").out
    assert re.findall(r"^\S+\(.*\)$", out, re.MULTILINE) == ["alone(int)"]
    out = kinspect("disasm", "--stats", "-k", LEAF, "x.co").out
    assert out.startswith("x.co   bundle 0, gfx942, 1 function\n")


def test_what_is_part_of_a_kernel_is_not_told_twice(kinspect, fake, tmp_path):
    """A symbol within a kernel, or one for all of it, as assembly may have them."""
    kernels = kernel("one", NOP, NOP, END), kernel("two", END)
    data = code_object("gfx942", *kernels, align=4, functions={"in": NOP, "same": END})
    at = data.index(NOP + NOP + END) + 0x10000

    def symbol(offset, size):
        return (at + offset).to_bytes(8, "little") + size.to_bytes(8, "little")

    for old, new in [((16, 4), (4, 4)), ((20, 4), (12, 4))]:
        assert data.count(symbol(*old)) == 1
        data = data.replace(symbol(*old), symbol(*new))
    (tmp_path / "x.co").write_bytes(data)
    fake(printed(at, "s_nop 0 | BF800000", *SOUND, *SOUND[:2]))
    values = json.loads(kinspect("disasm", "--format", "json", tmp_path / "x.co").out)
    assert [(v["name"], v["aliases"], v["code_size"]) for v in values] == [
        ("one", [], 12),
        ("two", [], 4),
    ]


def test_a_function_that_is_not_in_the_file(kinspect, calling, tmp_path):
    path = tmp_path / "x.co"
    data = path.read_bytes()
    symbol = (calling + 32).to_bytes(8, "little") + (4).to_bytes(8, "little")
    assert data.count(symbol) == 1
    path.write_bytes(data.replace(symbol, symbol[:8] + (1 << 30).to_bytes(8, "little")))
    for choice in ([], ["-k", "foo*"]):
        done = kinspect("disasm", *choice, "x.co")
        assert (done.code, done.out) == (2, "")
        assert "x.co" in done.err
        assert "Traceback" not in done.err
    assert kinspect("disasm", "-k", "ns::bar*", "x.co").code == 0


# --- an llvm-objdump that does not do ----------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (SOUND[:2], "leaves out"),
        (SOUND[1:], "contradicts the bytes"),
        ((), "leaves out"),
        (("s_nop 1 | BF800001", *SOUND[1:]), "contradicts the bytes"),
        ((SOUND[0], "forged | BF810000 00000000", *SOUND[1:]), "leaves out"),
        (("s_nop 0 | BF800000 BF800000", *SOUND[1:]), "contradicts"),
    ],
)
def test_what_contradicts_the_bytes_is_an_error(kinspect, fake, lib, lines, message):
    fake(printed(lib, *lines))
    for options in ([], ["--stats"], ["--format", "json"]):
        done = kinspect("disasm", *options, "lib.so")
        assert done.code == 2
        assert f"llvm-objdump {message}" in done.err
        assert "lib.so[bundle 0 gfx942]" in done.err


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_line_that_a_name_forges_is_found_out(kinspect, fake, lib, place):
    """A label may hold line ends, and then anything: here an instruction that is there."""
    words = SOUND[place].split("|")[1]
    forged = f"\tv_mfma_f32_4x4x4_16b_f16 v0 // {lib + 4 * place:012X}:{words}"
    before, after = printed(lib, *SOUND[:place]), printed(lib + 4 * place, *SOUND[place:])
    fake(f"{before}\n    print({forged!r})\n    {after}")
    done = kinspect("disasm", "--stats", "lib.so")
    assert (done.code, done.out) == (2, "")
    assert re.search(r"contradicts the bytes|tells 0x\w+ twice", done.err)


def test_a_processor_that_nobody_knows(kinspect, fake, lib):
    fake(processors=["gfx900", "gfx90a"], version="14.0.6")
    done = kinspect("disasm", "lib.so")
    assert (done.code, done.out) == (2, "")
    assert "no llvm-objdump here knows gfx942; LLVM 17 or newer" in done.err
    assert "llvm-objdump-22 (LLVM 14.0.6)" in done.err


def test_no_llvm_at_all(kinspect, tmp_path, monkeypatch, lib):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("ROCM_PATH", str(tmp_path))
    done = kinspect("disasm", "lib.so")
    assert (done.code, done.out) == (2, "")
    assert "there is no llvm-objdump; LLVM 17 or newer" in done.err
    assert "takes gfx942 apart" in done.err


def test_the_one_that_was_named_and_no_other(kinspect, fake, lib, tmp_path):
    fake(printed(lib, *SOUND))
    old = fake(name="old", processors=["gfx900"])
    assert kinspect("disasm", "lib.so").code == 0
    done = kinspect("disasm", "--objdump", old, "lib.so")
    assert (done.code, "Tried: " + str(old) in done.err) == (2, True)
    done = kinspect("disasm", "--objdump", tmp_path / "none", "lib.so")
    assert (done.code, "there is no such program" in done.err) == (2, True)


def test_the_first_that_knows_the_processor_is_taken(fake, tmp_path):
    paths = {
        "rocm": fake(name="../rocm/lib/llvm/bin/llvm-objdump", processors=["gfx1"]),
        "19": fake(name="llvm-objdump-19", processors=["gfx1", "gfx2", "gfx3", "gfx4"]),
        "9": fake(name="llvm-objdump-9", processors=["gfx1", "gfx2", "gfx3"]),
        "22": fake(name="llvm-objdump-22", processors=["gfx1", "gfx2"]),
        "": fake(name="llvm-objdump", processors=[f"gfx{n}" for n in range(1, 6)]),
    }
    fake(name="llvm-objdump-x", processors=["gfx6"])
    tools = Tools(None, os.environ)
    chosen = [tools.knowing(f"gfx{n}").path for n in range(1, 6)]
    expected = [paths[name].resolve() for name in ("rocm", "22", "19", "19", "")]
    assert chosen == list(map(str, expected))
    with pytest.raises(ToolError, match="no llvm-objdump here knows gfx6"):
        tools.knowing("gfx6")
    with pytest.raises(UsageError):
        Tools("nothing", os.environ)


def test_one_that_fails(kinspect, fake, lib):
    fake(
        printed(lib, *SOUND)
        + "\n    sys.stderr.write('hint\\nLLVM ERROR: \\x1b[31mno\\n')\n    sys.exit(3)"
    )
    done = kinspect("disasm", "--stats", "lib.so")
    assert done.code == 2
    assert "llvm-objdump-22 ended with 3: LLVM ERROR: \\x1b[31mno" in done.err
    fake("import os; os.kill(os.getpid(), 9)")
    assert "was ended by signal 9" in kinspect("disasm", "lib.so").err


def test_one_that_does_not_end(kinspect, fake, lib):
    fake("import time; time.sleep(60)")
    start = time.monotonic()
    done = kinspect("disasm", "--timeout", "0.5", "lib.so")
    assert time.monotonic() - start < 30
    assert done.code == 2
    assert "took longer than 0.5 s; --timeout gives more" in done.err


def test_one_that_says_too_much(kinspect, fake, lib):
    """What is kept of lines and complaints does not grow with them."""
    body = "\n    ".join(
        [
            "for _ in range(200): sys.stderr.write('x' * 100_000)",
            "print('<' + 'y' * 20_000_000 + '>:')",
            printed(lib, *SOUND),
        ]
    )
    fake(body)
    done = kinspect("disasm", "lib.so")
    assert (done.code, done.out.count("s_endpgm")) == (0, 2)


def test_what_kinspect_finds_fault_with_is_not_handed_over(kinspect, fake, tmp_path):
    """The fake would tell: it prints what was handed to it."""
    seen = tmp_path / "seen"
    fake(f"open({str(seen)!r}, 'wb').write(sys.stdin.buffer.read())")
    data = code_object("gfx942", Kernel("k", size=63))
    (tmp_path / "x.co").write_bytes(data)
    done = kinspect("disasm", tmp_path / "x.co")
    assert done.code == 2
    assert "k.kd has 63 bytes, a kernel descriptor 64: it is not handed to" in done.err
    assert not seen.exists()
    (tmp_path / "x.co").write_bytes(code_object("gfx942", Kernel("k")))
    kinspect("disasm", tmp_path / "x.co")
    assert seen.read_bytes() == code_object("gfx942", Kernel("k"))


def test_nothing_is_written_beside_the_input(kinspect, fake, lib, tmp_path):
    fake(printed(lib, *SOUND))
    before = sorted(tmp_path.rglob("*"))
    assert kinspect("disasm", "--stats", "lib.so").code == 0
    assert sorted(tmp_path.rglob("*")) == before


# --- statistics ---------------------------------------------------------------------------

#: the bytes are all the same, so that a fake may say of them what it likes
MANY = (
    "v_mfma_f32_4x4x4_16b_f16 a[0:3] | DEADBEEF",
    "v_add_f32_e32 v1 | DEADBEEF",
    "s_add_u32 s1 | DEADBEEF",
    "global_load_dword v1 | DEADBEEF",
    "buffer_load_dwordx4 off, lds | DEADBEEF",
    "s_load_dword s1 | DEADBEEF",
    "ds_read_b32 v1 | DEADBEEF",
    "flat_load_dword v1 | DEADBEEF",
    "scratch_store_dword v1 | DEADBEEF",
    "s_waitcnt 0 | DEADBEEF",
    "s_cbranch_scc0 1 | DEADBEEF",
    "s_endpgm | DEADBEEF",
)
OLDER = (
    "v_mfma_f32_4x4x4f16 a[0:3] | DEADBEEF",
    ".long 0x00000000 | DEADBEEF",
    *MANY[2:4],
    ".long 0x00000000 | DEADBEEF",
    "s_load_dword s1 | DEADBEEF DEADBEEF",
    *MANY[7:],
)


@pytest.fixture
def many(tmp_path, monkeypatch, fake):
    monkeypatch.chdir(tmp_path)
    words = bytes.fromhex("efbeadde") * len(MANY)
    data = code_object("gfx950", kernel(FOO, words))
    at = data.index(words) + 0x10000
    (tmp_path / "x.co").write_bytes(data)

    def make(lines, older=OLDER):
        body = f"if processor == 'gfx950':\n        {_in(printed(at, *lines))}\n"
        body += f"    else:\n        {_in(printed(at, *older))}"
        return fake(body, processors=["gfx942", "gfx950", "gfx90a", "gfx1100"])

    return make


def _in(text):
    return text.replace("\n", "\n    ")


def test_statistics_read_as_they_should(kinspect, many):
    many(MANY)
    done = kinspect("disasm", "--stats", "x.co")
    assert (done.code, done.err) == (0, "")
    assert (
        done.out
        == """\
x.co   bundle 0, gfx950, 1 kernel
  all  MFMA  VALU  SALU  VMEM  SMEM  LDS  flat  scratch  waits  branches  other  not gfx942  kernel
   12     1     1     1     2     1    1     1        1      1         1      1           3  foo(int*)
  not in gfx942: buffer_load_dwordx4 lds 1, v_add_f32 1
  something else to gfx942: v_mfma_f32_4x4x4_16b_f16 1 (v_mfma_f32_4x4x4f16 there)
"""
    )


def test_statistics_fit_into_a_narrow_terminal(kinspect, many, monkeypatch):
    many(MANY)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    lines = kinspect("disasm", "--stats", "x.co").out.splitlines()
    assert lines[1:6] == [
        "  all  MFMA  VALU  SALU  VMEM  SMEM  LDS  flat  scratch  waits  branches  other",
        "  not gfx942",
        "  foo(int*)",
        "   12     1     1     1     2     1    1     1        1      1         1      1",
        "           3",
    ]
    assert lines[-2:] == [
        "  something else to gfx942: v_mfma_f32_4x4x4_16b_f16 1 (v_mfma_f32_4x4x4f16",
        "    there)",
    ]


def test_code_objects_for_a_target_are_added_up(kinspect, many, tmp_path):
    many(MANY)
    (tmp_path / "y.co").write_bytes((tmp_path / "x.co").read_bytes())
    blocks = kinspect("disasm", "--stats", "x.co", "y.co").out.split("\n\n")
    assert [block.splitlines()[0] for block in blocks] == [
        "x.co   bundle 0, gfx950, 1 kernel",
        "y.co   bundle 0, gfx950, 1 kernel",
        "gfx950 in all: 2 code objects, 2 kernels",
    ]
    numbers = [block.splitlines()[2].split()[:13] for block in blocks]
    assert [int(n) for n in numbers[2]] == [2 * int(n) for n in numbers[0]]
    assert "not in gfx942: buffer_load_dwordx4 lds 2, v_add_f32 2\n" in blocks[2]


def test_statistics_for_programs(kinspect, many):
    """Where the older one begins no instruction, nothing is told of it: ds_read_b32."""
    many(MANY)
    (value,) = json.loads(kinspect("disasm", "--stats", "--format", "json", "x.co").out)
    jsonschema.validate(value, json.loads(schemas.read("instruction-statistics")))
    assert value["instructions"] == sum(value["kinds"].values()) == 12
    assert value["kinds"]["vmem"] == 2
    assert value["beyond"] == {
        "processor": "gfx942",
        "instructions": [
            {"name": "buffer_load_dwordx4 lds", "there": None, "count": 1},
            {"name": "v_add_f32", "there": None, "count": 1},
            {
                "name": "v_mfma_f32_4x4x4_16b_f16",
                "there": "v_mfma_f32_4x4x4f16",
                "count": 1,
            },
        ],
    }
    text = kinspect("disasm", "--stats", "--format", "csv", "x.co").out
    (row,) = csv.DictReader(io.StringIO(text))
    assert (row["name"], row["mfma"], row["other"]) == (FOO, "1", "1")
    assert (row["beyond"], row["beyond_count"], row["undecoded"]) == ("gfx942", "3", "0")


def test_another_sibling(kinspect, many):
    many(MANY, MANY)
    out = kinspect("disasm", "--stats", "--beyond", "gfx90a", "x.co").out
    assert "nothing that gfx90a does not have" in out
    out = kinspect("disasm", "--stats", "--beyond", "gfx1100", "x.co").out
    assert "gfx1100" not in out  # another encoding: nothing to compare
    done = kinspect("disasm", "--stats", "--beyond", "gfx908", "x.co")
    assert (done.code, "no llvm-objdump here knows gfx908" in done.err) == (2, True)


def test_words_that_are_not_decoded_are_told(kinspect, many):
    """As an LLVM that knows no gfx950 leaves them, if it is made to try."""
    many((".long 0x00000000 | DEADBEEF", *MANY[1:]))
    done = kinspect("disasm", "--mcpu", "gfx942", "x.co")
    assert done.code == 2
    assert "gfx950 taken for gfx942" in done.out
    assert "  0004  .long 0x00000000  ; not decoded\n" in done.out
    assert "2 words are no instruction of gfx942 to LLVM 22.1.8" in done.err
    done = kinspect("disasm", "--stats", "x.co")
    assert done.code == 2
    assert done.out.splitlines()[1].split()[12] == "undecoded"
    assert done.out.splitlines()[2].split()[:2] == ["11", "0"]
    assert "1 word is no instruction of gfx950" in done.err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--format", "xml"], "expected text, json, jsonl, csv"),
        (["--format", "csv"], "--format csv is for --stats"),
        (["--beyond", "gfx942"], "--beyond is for --stats"),
        (["--mcpu", "sm_90"], "--mcpu"),
        (["--stats", "--beyond", "gfx1"], "--beyond"),
        (["--timeout", "0"], "--timeout"),
        (["--stats", "--lines"], "--lines and --source are for listings"),
        (["--stats", "-S"], "--lines and --source are for listings"),
    ],
)
def test_options_that_make_no_sense(kinspect, fake, lib, options, message):
    done = kinspect("disasm", *options, "lib.so")
    assert (done.code, done.out) == (2, "")
    assert message in done.err


def test_kinds_of_other_generations():
    """By the ISA documents of RDNA 3 and 4, and LLVM's tests of gfx1250."""
    expected = {
        "v_wmma_f32_16x16x16_f16": Kind.MFMA,
        "v_swmmac_f32_16x16x32_f16": Kind.MFMA,
        "v_dual_mov_b32": Kind.VALU,
        "s_wait_loadcnt_dscnt": Kind.WAIT,
        "s_barrier_signal": Kind.WAIT,
        "s_swap_pc_i64": Kind.BRANCH,
        "s_set_pc_i64": Kind.BRANCH,
        "s_get_pc_i64": Kind.SALU,
        "s_delay_alu": Kind.OTHER,
        "s_buffer_load_b128": Kind.SMEM,
        "lds_direct_load": Kind.LDS,
        "exp": Kind.OTHER,
    }
    assert {name: kind_of(name) for name in expected} == expected
