// Device functions in the shape of rocSHMEM's: defined in a static device library.
#pragma once
#include "mini_hip.h"
__device__ void rocshmem_putmem_nbi(int *to, const int *from, int count, int pe);
__device__ void rocshmem_quiet();
__device__ int rocshmem_my_pe();
__device__ int rocshmem_team_my_pe(int team);
