#include "rocshmem.h"
__constant__ int rocshmem_teams[8];
__device__ int rocshmem_team_my_pe(int team) {
  return rocshmem_teams[team & 7] + rocshmem_my_pe();
}
