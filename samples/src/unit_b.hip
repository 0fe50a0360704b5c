#include "mini_hip.h"
namespace unit_b {
template <int N> __global__ void scale(float *p) { p[lane()] *= N; }
__global__ void shift(int *p, int by) { p[lane()] += by; }
void launch(float *f, int *p) { scale<2><<<1, 64>>>(f); scale<3><<<1, 64>>>(f); shift<<<1, 64>>>(p, 1); }
}
