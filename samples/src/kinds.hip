// One kernel of each kind of linkage, and variables of each kind.
#include "mini_hip.h"
__constant__ int constant_table[4];
__device__ int device_counter;
static __global__ void static_kernel(int *p) { p[0] = constant_table[0]; }
__attribute__((visibility("hidden"))) __global__ void hidden_kernel(int *p) { p[1] = device_counter; }
template <typename T> __global__ void template_kernel(T *p) { p[2] += 1; }
namespace { __global__ void anonymous_kernel(int *p) { p[3] = 1; } }
extern "C" __global__ void c_kernel(int *p) { p[4] = 1; }
void launch_kinds(int *p, float *f) {
  static_kernel<<<1, 1>>>(p); hidden_kernel<<<1, 1>>>(p); template_kernel<<<1, 1>>>(p);
  template_kernel<<<1, 1>>>(f); anonymous_kernel<<<1, 1>>>(p); c_kernel<<<1, 1>>>(p);
}
