#include "rocshmem.h"
namespace deep_ep { namespace intranode {
template <int kRanks> __global__ void barrier(int *p) { p[lane()] += kRanks; rocshmem_quiet(); }
template <int kRanks> __global__ void notify_dispatch(int *p) { p[lane()] = rocshmem_my_pe() + kRanks; }
template <int kRanks> __global__ void cached_notify_dispatch(int *p) { p[lane()] -= kRanks; }
template <int kRanks> __global__ void cached_notify_combine(int *p) { p[lane()] ^= kRanks; }
template <int kRanks, int kThreads> __global__ void dispatch(int *p, const int *q) {
  rocshmem_putmem_nbi(p, q, kThreads, kRanks);
}
template <int kRanks, int kThreads> __global__ void combine(float *p) { p[lane()] *= kRanks; }
void launch(int *p, float *f) {
  barrier<8><<<1, 64>>>(p);
  notify_dispatch<8><<<1, 64>>>(p); cached_notify_dispatch<8><<<1, 64>>>(p);
  cached_notify_combine<8><<<1, 64>>>(p);
  dispatch<8, 768><<<1, 64>>>(p, p);
  combine<8, 768><<<1, 64>>>(f);
}
}}
