"""Code objects as a compiler makes them, whatever it is asked for: nothing is wrong."""

import pytest

from kinspect.formats import code_object as reader
from tests.compiling import Compiler
from tests.reading import view

pytestmark = pytest.mark.oracle

#: calls by pointer, recursion, tables of pointers, LDS up to the limit, many arguments,
#: variables of each kind, kernels that are weak, hidden, static, empty or unreachable
SOURCE = """\
struct Big { int words[250]; };
__device__ int counter;
__attribute__((device, constant)) int table[4] = {1, 2, 3, 4};
__device__ int *pointer = &counter;
__device__ const char *texts[2] = {"one", "two"};
typedef int (*Call)(int);
__device__ __attribute__((noinline)) int twice(int x) { return 2 * x; }
__device__ __attribute__((noinline)) int deep(int x) { return x ? deep(x - 1) + x : 0; }
__device__ Call calls[2] = {twice, deep};
extern "C" __global__ void plain(int *p) { p[0] = counter + table[p[1]]; }
extern "C" __global__ void by_pointer(int *p) { p[0] = calls[p[1]](p[2]) + *pointer; }
extern "C" __global__ void recursive(int *p) { p[0] = deep(p[1]) + texts[p[2]][0]; }
extern "C" __global__ void shared(int *p) {
  __shared__ int words[16384]; words[p[0] & 16383] = p[1]; p[2] = words[p[3] & 16383];
}
extern "C" __global__ void many(Big big, int *p, char c, double d) { p[0] = big.words[p[1]] + c + d; }
extern "C" __global__ void nothing() {}
extern "C" __global__ void unreachable() { __builtin_unreachable(); }
extern "C" __global__ void trap() { __builtin_trap(); }
template <typename T> __global__ void weak(T *p) { p[0] += 1; }
template __global__ void weak<int>(int *);
template __global__ void weak<double>(double *);
__attribute__((visibility("hidden"))) __global__ void hidden(int *p) { p[0] = 1; }
extern "C" __attribute__((amdgpu_flat_work_group_size(64, 64))) __global__ void small(float *p) {
  float v[64];
  for (int i = 0; i < 64; i++) v[i] = p[i * p[3] > 1 ? i : 0];
  for (int i = 0; i < 64; i++) p[i] = v[63 - i] * v[i];
}
"""
TARGETS = (
    "gfx803", "gfx900", "gfx906", "gfx908", "gfx90a", "gfx942", "gfx942:xnack+", "gfx950",
    "gfx1010", "gfx1030", "gfx1100", "gfx1151", "gfx1201", "gfx1250", "gfx9-4-generic",
    "gfx11-generic",
)  # fmt: skip
OPTIONS = (
    (), ("-O0", "-g"), ("-mcode-object-version=4",), ("-mcode-object-version=6",),
    ("-mwavefrontsize64",), ("-Xoffload-linker", "--emit-relocs"),
    ("-Xoffload-linker", "-x"), ("-Xoffload-linker", "--icf=all", "-ffunction-sections"),
    ("-mcumode",),
)  # fmt: skip


@pytest.mark.parametrize("options", OPTIONS, ids=" ".join)
@pytest.mark.parametrize("target", TARGETS)
def test_nothing_is_wrong_with_what_a_compiler_makes(target, options, tmp_path):
    if "generic" in target and any("version" in one for one in options):
        options = ("-mcode-object-version=6",)
    older = not target.startswith("gfx1") or target.startswith("gfx125")
    if older and set(options) & {"-mwavefrontsize64", "-mcumode"}:
        pytest.skip("has no choice")
    data, _ = Compiler(tmp_path).code_object(SOURCE, target, *options)
    found = reader.parse(view(data))
    assert found.faults == ()
    assert found.broken == ()
    assert len(found.kernels) == 12
    assert (found.undescribed, found.unlisted, found.undefined) == ((), (), ())


@pytest.mark.parametrize("target", ["gfx942", "gfx1100"])
def test_a_linker_that_strips_takes_what_the_loader_goes_by(target, tmp_path):
    data, _ = Compiler(tmp_path).code_object(SOURCE, target, "-Xoffload-linker", "-s")
    found = reader.parse(view(data))
    assert [fault.message for fault in found.faults] == [
        "its symbol table (.symtab) is gone, in which the loader finds kernels"
    ]
