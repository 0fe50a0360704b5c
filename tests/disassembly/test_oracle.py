"""Disassembly and statistics equal a count over what llvm-objdump prints.

The count here knows no names of instructions: the class of each comes of its first word,
by the encodings of AMD's ISA documents ("Microcode Formats"), and its place among the
functions of llvm-readelf.
"""

import json
import os
import re
import shlex
import struct
import subprocess
from bisect import bisect_right
from collections import Counter
from pathlib import Path

import pytest

from kinspect.disassembly import Kind, Tools, kind_of
from kinspect.disassembly.objdump import FIRST, Objdump
from kinspect.errors import ToolError
from tests.compiling import Compiler
from tests.conftest import ROOT, SAMPLES

pytestmark = pytest.mark.oracle

#: which processors each LLVM of Debian takes apart here
OBJDUMPS = {"gfx942": "llvm-objdump-19", "gfx950": "llvm-objdump-22"}

# --- an own count ------------------------------------------------------------------------

#: by the top bits of the first word of gfx9: "AMD Instinct MI300 CDNA3 ISA", chapter 13
ENCODINGS = [
    (0b101111111, 9, "sopp"), (0b101111110, 9, "sopc"), (0b101111101, 9, "sop1"),
    (0b1011, 4, "sopk"), (0b10, 2, "sop2"), (0b110000, 6, "smem"),
    (0b110100111, 9, "vop3p"), (0b110100, 6, "valu"), (0b110110, 6, "lds"),
    (0b110111, 6, "flat"), (0b111000, 6, "vmem"), (0b111010, 6, "vmem"),
    (0b111100, 6, "vmem"), (0b0, 1, "valu"),
]  # fmt: skip
#: opcodes: the branches among SOPP; s_waitcnt and s_barrier; calls and jumps
SOPP_BRANCHES = {2, 4, 5, 6, 7, 8, 9, 23, 24, 25, 26}
SOPP_WAITS = {10, 12}
SOP1_BRANCHES = {29, 30, 31}  # s_setpc_b64, s_swappc_b64, s_rfe_b64
SOPK_BRANCHES = {21}  # s_call_b64
#: VOP3P opcodes of matrix instructions: from 64 on, but for the moves to and from
#: accumulation registers (88, 89); below, what came later
MATRIX = {*range(64, 128)} - {88, 89}
LATER = {"gfx942": {62, 63}, "gfx950": {44, 45, 46, *range(53, 62)}}


def encoded(word: int, target: str) -> str:
    name = next(name for bits, width, name in ENCODINGS if word >> 32 - width == bits)
    if name == "vop3p":
        return "mfma" if word >> 16 & 127 in MATRIX | LATER[target] else "valu"
    if name == "flat":
        return ["flat", "scratch", "vmem"][word >> 14 & 3]
    if name == "sopp":
        opcode = word >> 16 & 127
        if opcode in SOPP_BRANCHES:
            return "branch"
        return "wait" if opcode in SOPP_WAITS else "other"
    branches = {
        "sop1": word >> 8 & 255 in SOP1_BRANCHES,
        "sopk": word >> 23 & 31 in SOPK_BRANCHES,
        "sop2": False,
        "sopc": False,
    }
    if name in branches:
        return "branch" if branches[name] else "salu"
    return name


def counted(run, path, target) -> dict[str, Counter[str]]:
    """The classes of the instructions of each function."""
    symbols = run("llvm-readelf-19", "-s", "-W", path)
    functions = {
        (int(address, 16), int(size)): name
        for address, size, name in re.findall(
            r"^ +\d+: ([0-9a-f]+) +(\d+) FUNC .* (\S+)$", symbols, re.MULTILINE
        )
    }
    places = sorted(functions)
    starts = [address for address, _ in places]
    found: dict[str, Counter[str]] = {name: Counter() for name in functions.values()}
    listed = run(OBJDUMPS[target], "-d", path)
    for address, words in re.findall(r"// ([0-9A-F]{12}): ([0-9A-F ]+)", listed):
        at = int(address, 16)
        place = places[bisect_right(starts, at) - 1]
        if place[0] <= at < sum(place):
            kind = encoded(int(words.split()[0], 16), target)
            found[functions[place]][kind] += 1
    return found


def equal(run, kinspect, tmp_path, artifact, target, *choice) -> int:
    """Our statistics of an artifact, held against the count; how many kernels."""
    from kinspect.extraction import Directory, Kind, Request, Selection, extract  # noqa: PLC0415

    out = tmp_path / "objects"
    selection = Selection(frozenset({target}), kinds=frozenset({Kind.CODE_OBJECT}))
    with Directory(str(out)) as to:
        files = list(extract(Request((str(artifact),), selection), to))
    theirs = {
        (one.place.path, one.bundle, one.id.target_name): counted(
            run, out / one.file, target
        )
        for one in files
        if one.id is not None
    }
    done = kinspect(
        "disasm", "--stats", "-t", target, "--format", "jsonl", *choice,
        "--objdump", OBJDUMPS[target], artifact,
    )  # fmt: skip
    assert done.err == ""
    rows = list(map(json.loads, done.out.splitlines()))
    for row in rows:
        key = row["path"], row["bundle"], row["target"]
        for name in (row["name"], *row["aliases"]):
            kinds = {kind: number for kind, number in row["kinds"].items() if number}
            assert kinds == dict(theirs[key][name])
            assert row["instructions"] == theirs[key][name].total()
    told = {(row["path"], row["bundle"], row["target"], row["name"]) for row in rows}
    assert len(told) == len(rows)
    if not choice:
        aliases = sum(len(row["aliases"]) for row in rows)
        assert len(rows) + aliases == sum(map(len, theirs.values()))
    return len(rows)


@pytest.mark.parametrize("target", ["gfx942", "gfx950"])
def test_statistics_of_samples_equal_a_count_by_encodings(run, kinspect, tmp_path, target):
    kernels = 0
    for number, name in enumerate(
        ["deep_ep_both.so", "per_tu_both.so", "ccob_v3_zstd.so", "kinds_tu.so", "embedded.so",
         "offload_binary.bin", f"code_object_{target}.co"]
    ):  # fmt: skip
        place = tmp_path / str(number)
        kernels += equal(run, kinspect, place, SAMPLES / name, target)
    assert kernels >= 50


@pytest.mark.corpus
@pytest.mark.parametrize("target", ["gfx942", "gfx950"])
def test_statistics_of_a_wheel_equal_a_count_by_encodings(
    run, kinspect, wheel, tmp_path, target
):
    """Among them functions for complex numbers, which kernels call."""
    assert equal(run, kinspect, tmp_path, wheel("jax-plugin"), target) >= 17


#: what uses matrix units, LDS, scratch, flat addresses, calls and loops
KERNELS = """
typedef float f4 __attribute__((ext_vector_type(4)));
typedef _Float16 h4 __attribute__((ext_vector_type(4)));
__device__ __attribute__((noinline)) int twice(int x) { return 2 * x + __builtin_amdgcn_workitem_id_x(); }
__global__ void matrix(f4 *c, h4 *a) {
  int i = __builtin_amdgcn_workitem_id_x();
  for (int j = 0; j < 100; j++)
    c[i] = __builtin_amdgcn_mfma_f32_16x16x16f16(a[i], a[i + j], c[i], 0, 0, 0);
}
__global__ void shared(int *p) {
  __shared__ int l[256];
  int i = __builtin_amdgcn_workitem_id_x();
  l[i] = p[i];
  __builtin_amdgcn_s_barrier();
  p[i] = l[255 - i];
}
__global__ void spill(int *p, int n) {
  int big[999];
  for (int i = 0; i < 999; i++) big[i * n % 999] = p[i];
  p[n] = big[n % 999] + twice(n);
}
__global__ void odd() {
  __asm__ volatile("s_setpc_b64 s[0:1]\\n s_call_b64 s[2:3], 0\\n s_rfe_b64 s[0:1]\\n"
    "s_getpc_b64 s[0:1]\\n s_memtime s[0:1]\\n s_dcache_inv\\n s_getreg_b32 s0, 0x1842\\n"
    "s_sleep 1\\n s_sendmsg 1\\n s_icache_inv\\n v_accvgpr_write_b32 a0, v0\\n v_nop\\n"
    "ds_bpermute_b32 v0, v1, v2\\n buffer_wbl2 sc1\\n v_readfirstlane_b32 s0, v0\\n"
    "v_dot4_i32_i8 v0, v1, v2, v3\\n global_load_lds_dword v[2:3], off\\n s_barrier");
}
__global__ void flat(int **p) { int *q = *(int * volatile *)p; *q = 5; }
"""


@pytest.fixture(scope="session")
def compiler(tmp_path_factory):
    return Compiler(tmp_path_factory.mktemp("compiler"))


@pytest.mark.parametrize("target", ["gfx942", "gfx950"])
def test_statistics_of_all_kinds_equal_a_count_by_encodings(
    run, kinspect, tmp_path, compiler, target
):
    data, _ = compiler.code_object(KERNELS, target)
    path = tmp_path / "x.co"
    path.write_bytes(data)
    assert equal(run, kinspect, tmp_path, path, target) == 6
    done = kinspect("disasm", "--stats", "--format", "json", path)
    rows = json.loads(done.out)
    kinds: Counter[str] = Counter()
    for row in rows:
        kinds.update(row["kinds"])
    assert {k for k, number in kinds.items() if not number} == {"undecoded"}


# --- functions that kernels call ----------------------------------------------------------

CALLING = """
#define FUNCTION static __device__ __attribute__((noinline)) int
FUNCTION leaf(int x) { return 3 * x + __builtin_amdgcn_workitem_id_x(); }
FUNCTION twice(int x) { return leaf(x) * x + 7; }
FUNCTION alone(int x) { return x * x; }
FUNCTION big(int x) { volatile int v[9]; v[x % 9] = x; return leaf(v[3]) + twice(v[x % 5]); }
__device__ int (*volatile pointer)(int) = alone;
extern "C" __global__ void plain(int *p) { p[0] = 1; }
extern "C" __global__ void one(int *p) { p[0] = leaf(p[1]); }
extern "C" __global__ void two(int *p) { p[0] = twice(p[1]); }
extern "C" __global__ void far(int *p) { p[0] = p[1] ? big(p[2]) : twice(p[3]); }
extern "C" __global__ void by_pointer(int *p) { p[0] = pointer(p[1]); }
"""
CALLED = {
    "plain": set(), "one": {"leaf"}, "two": {"twice"}, "far": {"big", "twice"},
    "by_pointer": set(), "leaf": set(), "twice": {"leaf"}, "alone": set(),
    "big": {"leaf", "twice"},
}  # fmt: skip


def function_name(text):
    return re.sub(r"\(int\)$", "", text)


@pytest.mark.parametrize(
    "target",
    ["gfx906", "gfx90a", "gfx942", "gfx950", "gfx1030", "gfx1100", "gfx1201", "gfx1250"],
)
def test_calls_are_those_of_the_source(kinspect, tool, tmp_path, compiler, target):
    objdump = tool("llvm-objdump-22")
    data, _ = compiler.code_object(CALLING, target)
    path = tmp_path / "x.co"
    path.write_bytes(data)

    def counted_with(*choice):
        done = kinspect(
            "disasm", "--stats", "--format", "json", "--objdump", objdump, *choice, path
        )
        assert (done.code, done.err) == (0, "")
        return json.loads(done.out)

    rows = counted_with()
    names = {row["name"]: function_name(row["demangled"]) for row in rows}
    assert {
        names[row["name"]]: {names[name] for name in row["calls"]} for row in rows
    } == CALLED
    kernels = {names[row["name"]] for row in rows if row["kernel"]}
    assert kernels == {"plain", "one", "two", "far", "by_pointer"}
    for kernel, functions in [
        ("plain", set()), ("one", {"leaf"}), ("two", {"twice", "leaf"}),
        ("far", {"big", "twice", "leaf"}), ("by_pointer", set()),
    ]:  # fmt: skip
        told = {names[row["name"]] for row in counted_with("-k", kernel)}
        assert told == {kernel, *functions}
    assert {names[row["name"]] for row in counted_with("-e", "^big")} == {
        "big", "twice", "leaf",
    }  # fmt: skip


def test_what_is_new_may_be_in_a_function_alone(kinspect, tool, tmp_path, compiler):
    """A kernel that only calls what has the instructions of gfx950."""
    tool(OBJDUMPS["gfx950"])
    source = """
    static __device__ __attribute__((noinline)) void work() {
      __asm__ volatile("v_prng_b32 v1, v2\\n v_permlane32_swap_b32 v1, v2");
    }
    extern "C" __global__ void k() { work(); }
    """
    data, _ = compiler.code_object(source, "gfx950")
    path = tmp_path / "x.co"
    path.write_bytes(data)
    out = kinspect("disasm", "--stats", "-k", "k", path).out
    assert "  not in gfx942: v_permlane32_swap_b32 1, v_prng_b32 1\n" in out


# --- the documentation --------------------------------------------------------------------

EXAMPLES = re.findall(
    r"^```sh\nkinspect (disasm .*?) (\S+)\n```\n\n```text\n(.*?)^```$",
    (ROOT / "docs/disassembly.md").read_text("utf-8"),
    re.MULTILINE | re.DOTALL,
)


def test_the_example_of_a_listing(kinspect, tool, monkeypatch):
    tool("llvm-objdump-19")
    monkeypatch.chdir(SAMPLES)
    options, name, printed = EXAMPLES[0]
    assert kinspect(*shlex.split(options), name).out == printed


@pytest.mark.corpus
def test_the_example_of_statistics(kinspect, tool, member, monkeypatch):
    tool("llvm-objdump-22")
    options, name, printed = EXAMPLES[1]
    path = member("aiter", f"aiter_meta/hsa/gfx950/fmha_v3_fwd/{name}")
    monkeypatch.chdir(path.parent)
    assert kinspect(*shlex.split(options), name).out == printed


@pytest.mark.corpus
def test_the_example_of_functions(kinspect, tool, member, monkeypatch):
    tool("llvm-objdump-22")
    options, name, printed = EXAMPLES[2]
    monkeypatch.chdir(member("jax-plugin", f"jax_rocm7_plugin/{name}").parent)
    assert kinspect(*shlex.split(options), name).out == printed


@pytest.mark.corpus
def test_hand_written_kernels_without_sizes(kinspect, tool, member):
    """Where gfx942 loses step, LLVM remarks on what it makes of the rest."""
    tool("llvm-objdump-22")
    for name in ("fmha_v3_bwd/bwd_hd128_bf16_a16_psskddv", "fmha_v3_fwd/fwd_hd128_bf16"):
        path = member("aiter", f"aiter_meta/hsa/gfx950/{name}.co")
        done = kinspect("disasm", "--stats", "--format", "json", path)
        assert (done.code, done.err) == (0, "")
        (row,) = json.loads(done.out)
        new = {one["name"] for one in row["beyond"]["instructions"]}
        assert {"v_mfma_f32_32x32x16_bf16", "ds_read_b64_tr_b16"} <= new
        assert all(one["there"] is None for one in row["beyond"]["instructions"])


# --- listings -----------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["gfx942", "gfx950"])
def test_a_listing_has_what_llvm_objdump_prints(run, kinspect, target):
    path = SAMPLES / f"code_object_{target}.co"
    listed = run(OBJDUMPS[target], "-d", path)
    theirs = {
        int(address, 16): (text.strip(), words.strip())
        for text, address, words in re.findall(
            r"^\t(.*?) *// ([0-9A-F]{12}): ([0-9A-F ]+)", listed, re.MULTILINE
        )
    }
    rows = json.loads(
        kinspect("disasm", "--format", "json", "--objdump", OBJDUMPS[target], path).out
    )
    assert rows
    for row in rows:
        at = row["address"]
        for one in row["instructions"]:
            data = bytes.fromhex(one["bytes"])
            words = struct.unpack(f"<{len(data) // 4}I", data)
            told = " ".join(f"{word:08X}" for word in words)
            assert (one["text"], told) == theirs[at + one["offset"]]


def test_lines_and_source(kinspect, tmp_path, compiler):
    source = 'extern "C" __global__ void k(int *p) {\n  p[0] = 17;\n}\n'
    data, _ = compiler.code_object(source, "gfx942", "-g")
    path = tmp_path / "x.co"
    path.write_bytes(data)
    place = compiler.directory / "kernels.hip"
    number = place.read_text().splitlines().index("  p[0] = 17;") + 1
    done = kinspect("disasm", "--lines", path)
    assert f"; {place}:{number}\n" in done.out
    assert "p[0] = 17" not in done.out
    done = kinspect("disasm", "--source", path)
    assert (done.code, done.err) == (0, "")
    assert re.search(r"^        ;   p\[0\] = 17;$", done.out, re.MULTILINE)
    assert ";" not in kinspect("disasm", path).out


def test_waves_of_64_lanes(kinspect, tmp_path, compiler):
    """Their conditions are in pairs of registers, in waves of 32 in single ones."""
    source = """__global__ void k(int *p) {
      int i = __builtin_amdgcn_workitem_id_x();
      p[i] = p[i] > 7 ? p[i + 64] : p[i + 128];
    }"""
    for options, there, gone in [
        (["-mwavefrontsize64"], "vcc", "vcc_lo"),
        ([], "vcc_lo", "vcc,"),
    ]:
        data, _ = compiler.code_object(source, "gfx1100", *options)
        path = tmp_path / "x.co"
        path.write_bytes(data)
        out = kinspect("disasm", path).out
        assert there in out
        assert gone not in out


# --- what only newer processors have ------------------------------------------------------

#: instructions of gfx950, as the CDNA 4 ISA document and LLVM's tests have them, and
#: whether gfx942 has them too
NEW = {
    "v_mfma_f32_16x16x32_f16 v[0:3], v[0:3], v[4:7], v[0:3]": "v_mfma_f32_16x16x32_f16",
    "v_mfma_f32_32x32x16_bf16 a[0:15], v[0:3], v[4:7], a[0:15]": "v_mfma_f32_32x32x16_bf16",
    "v_mfma_scale_f32_16x16x128_f8f6f4 v[0:3], v[4:11], v[12:19], v[20:23], v24, v25":
        "v_mfma_scale_f32_16x16x128_f8f6f4",
    "v_cvt_scalef32_pk_f32_fp4 v[0:1], v2, v3": "v_cvt_scalef32_pk_f32_fp4",
    "v_permlane32_swap_b32 v1, v2": "v_permlane32_swap_b32",
    "v_prng_b32 v1, v2": "v_prng_b32",
    "v_bitop3_b32 v5, v1, v2, s3": "v_bitop3_b32",
    "v_cvt_pk_bf16_f32 v5, v1, v2": "v_cvt_pk_bf16_f32",
    "buffer_load_dwordx4 off, s[8:11], s3 offset:4095 lds": "buffer_load_dwordx4 lds",
    "global_load_lds_dwordx4 v[2:3], off": "global_load_lds_dwordx4",
    "ds_read_b64_tr_b16 v[0:1], v2": "ds_read_b64_tr_b16",
    "v_dot2c_f32_bf16 v2, v0, v5": "v_dot2c_f32_bf16",
    "v_pk_minimum3_f16 v1, v2, v3, v4": "v_pk_minimum3_f16",
    "buffer_load_dwordx4 v[0:3], off, s[8:11], s3": None,
    "v_mfma_f32_16x16x16_f16 v[0:3], v[4:5], v[6:7], v[0:3]": None,
    "buffer_load_dword off, s[8:11], s3 lds": None,
    "v_add_f32 v1, v2, v3": None,
    "s_endpgm": None,
}  # fmt: skip


def assembled(tmp_path, compiler, lines, target):
    """A kernel of these instructions; None where the assembler has none of them."""
    body = "\\n".join(lines)
    source = f'extern "C" __global__ void k() {{ __asm__ volatile("{body}"); }}'
    try:
        data, _ = compiler.code_object(source, target)
    except AssertionError as error:
        assert "not supported on this GPU" in str(error) or "not a valid" in str(error)
        return None
    path = tmp_path / "x.co"
    path.write_bytes(data)
    return path


def test_what_is_new_in_gfx950(run, kinspect, tool, tmp_path, compiler):
    """All at once, so that gfx942 loses step; then whether it really lacks each."""
    tool(OBJDUMPS["gfx950"])
    path = assembled(tmp_path, compiler, NEW, "gfx950")
    (row,) = json.loads(kinspect("disasm", "--stats", "--format", "json", path).out)
    told = {one["name"]: one["there"] for one in row["beyond"]["instructions"]}
    assert told == {name: None for name in NEW.values() if name}
    assert equal(run, kinspect, tmp_path, path, "gfx950") == 1
    for line, name in NEW.items():
        older = assembled(tmp_path, compiler, [line], "gfx942")
        assert (older is None) is (name is not None)


def test_what_gfx942_names_otherwise(kinspect, tool, tmp_path, compiler):
    lines = [
        "v_mfma_f32_32x32x2_f32 v[0:15], v16, v17, v[0:15]",
        "v_mov_b64 v[0:1], v[2:3]",
    ]
    path = assembled(tmp_path, compiler, lines, "gfx942")
    (row,) = json.loads(kinspect("disasm", "--stats", "--format", "json", path).out)
    told = {one["name"]: one["there"] for one in row["beyond"]["instructions"]}
    assert told == {
        "v_mfma_f32_32x32x2_f32": "v_mfma_f32_32x32x2f32",
        "v_mov_b64": None,
    }


# --- an LLVM that does not know gfx950 ----------------------------------------------------


def test_llvm_19_does_not_know_gfx950(kinspect, tool, tmp_path, compiler):
    """Left to itself, it takes it for an R600 and ends itself."""
    objdump = tool("llvm-objdump-19")
    path = assembled(tmp_path, compiler, NEW, "gfx950")
    crash = subprocess.run([objdump, "-d", path], capture_output=True, check=False)
    assert crash.returncode < 0
    done = kinspect("disasm", "--objdump", objdump, path)
    assert (done.code, done.out) == (2, "")
    assert "no llvm-objdump here knows gfx950; LLVM 20 or newer" in done.err
    done = kinspect("disasm", "--objdump", objdump, "--mcpu", "gfx942", path)
    assert done.code == 2
    assert done.out.count("; not decoded") >= len([name for name in NEW.values() if name])
    assert "words are no instruction of gfx942 to LLVM 19" in done.err
    sample = SAMPLES / "code_object_gfx950.co"
    done = kinspect("disasm", "--objdump", objdump, "--mcpu", "gfx942", sample)
    assert (done.code, done.err) == (0, "")
    assert "gfx950 taken for gfx942" in done.out


@pytest.mark.parametrize("release", [19, 22])
def test_releases_that_know_a_processor(tool, release):
    known = Objdump(tool(f"llvm-objdump-{release}"))
    for processor, first in FIRST.items():
        assert known.knows(processor) is (first <= release)
    assert known.version.startswith(f"LLVM {release}.")


def test_the_newest_that_knows_is_taken(tool, monkeypatch):
    tool("llvm-objdump-19")
    newest = tool("llvm-objdump-22")
    monkeypatch.delenv("ROCM_PATH", raising=False)
    assert Path(Tools(None, os.environ).knowing("gfx950").path).samefile(newest)
    with pytest.raises(ToolError, match="no llvm-objdump here knows gfx000"):
        Tools(None, os.environ).knowing("gfx000")


# --- kinds of other processors ------------------------------------------------------------

#: scalar program control: SOPP, whose top bits are those of gfx9 on all of them
PROCESSORS = ["gfx942", "gfx950", "gfx1030", "gfx1100", "gfx1201", "gfx1250"]


@pytest.mark.parametrize("processor", PROCESSORS)
def test_program_control_is_no_arithmetic(tool, processor):
    """Every opcode of SOPP is a wait, a branch or other; and these lie nowhere else."""
    lines = "\n".join(f"0x00,0x00,0x{0x80 | op & 127:02x},0xbf" for op in range(128))
    done = subprocess.run(
        [tool("llvm-mc-22"), "--disassemble", "-triple=amdgcn-amd-amdhsa", f"-mcpu={processor}"],
        input=lines, capture_output=True, text=True, check=False,
    )  # fmt: skip
    names = {line.split()[0] for line in done.stdout.splitlines() if line.startswith("\t")}
    assert len(names) > 20
    kinds = {name: kind_of(name) for name in names}
    wrong = {
        name for name, kind in kinds.items()
        if kind not in {Kind.WAIT, Kind.BRANCH, Kind.OTHER}
    }  # fmt: skip
    assert wrong == set()
