#include "rocshmem.h"
namespace deep_ep { namespace internode {
__global__ void get_dispatch_layout(int *p) { p[lane()] += rocshmem_team_my_pe(1); }
template <bool kLowLatency, int kRanks> __global__ void notify_dispatch(int *p) { p[lane()] = kRanks + kLowLatency; }
template <int kRanks> __global__ void dispatch(int *p, const int *q) { rocshmem_putmem_nbi(p, q, 64, kRanks); }
template <bool kLowLatency> __global__ void cached_notify(int *p) { p[lane()] |= kLowLatency; }
template <int kRanks> __global__ void combine(float *p) { p[lane()] += kRanks; }
void launch(int *p, float *f) {
  get_dispatch_layout<<<1, 64>>>(p); notify_dispatch<true, 2><<<1, 64>>>(p);
  dispatch<2><<<1, 64>>>(p, p); cached_notify<false><<<1, 64>>>(p); combine<2><<<1, 64>>>(f);
}
}}
