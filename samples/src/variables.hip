// A variable of each kind that a host registers, and a kernel that uses them.
#include "mini_hip.h"
struct textureReference { int words[32]; };
struct surfaceReference { void *object; };
template <typename T, int D, int M> struct __attribute__((device_builtin_texture_type)) texture : textureReference {};
template <typename T, int D> struct __attribute__((device_builtin_surface_type)) surface : surfaceReference {};
__device__ int plain_variable;
__constant__ int constant_variable[4];
#ifndef __CLANG_RDC__  // a static one does not survive the device link of clang 22
static __device__ int static_variable;
#else
#define static_variable plain_variable
#endif
namespace named { __device__ int spaced_variable; }
__managed__ int managed_variable = 7;
texture<float, 2, 0> texture_variable;
surface<void, 2> surface_variable;
extern "C" __global__ void use_variables(int *p) {
  p[0] = plain_variable + constant_variable[p[1]] + static_variable + named::spaced_variable +
         managed_variable;
}
extern "C" hipError_t hipMemcpyToSymbol(const void *, const void *, size_t, size_t, int);
void set_variables(int *p) {
  hipMemcpyToSymbol(&plain_variable, p, 4, 0, 1);
  hipMemcpyToSymbol(&static_variable, p, 4, 0, 1);
  hipMemcpyToSymbol(&named::spaced_variable, p, 4, 0, 1);
  hipMemcpyToSymbol(constant_variable, p, 4, 0, 1);
  use_variables<<<1, 1>>>(p);
}
