"""How many waves of a kernel an execution unit (SIMD) can hold at a time.

The estimate of the AMDGPU backend of LLVM: GCNSubtarget.cpp (computeOccupancy),
AMDGPUSubtarget.cpp (getOccupancyWithWorkGroupSizes, its upper end) and
Utils/AMDGPUBaseInfo.cpp. It is what `-Rpass-analysis=kernel-resource-usage` prints: for
a kernel that is alone on a compute unit, launched with the best of the workgroup sizes
that it allows, and without LDS that only the launch asks for.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from kinspect.machine import Machine

#: workgroups with more than one wave need a barrier; a compute unit has so many
_BARRIERS: Final = 16
_UNITS: Final = 4


class Limit(StrEnum):
    """What keeps more waves away."""

    VGPR = "VGPR"
    SGPR = "SGPR"
    LDS = "LDS"
    WORKGROUP = "workgroup"  #: its size, or the barriers of a compute unit


@dataclass(frozen=True, slots=True)
class Use:
    """What a kernel takes of an execution unit and a compute unit."""

    #: vector registers of a lane, accumulation registers among them where the file is one
    vgprs: int
    #: scalar registers of a wave
    sgprs: int
    #: bytes of a workgroup
    lds: int
    #: lanes of a wave
    wave: int = 64
    #: lanes of the smallest and of the largest workgroup
    smallest: int = 1
    largest: int = 1024
    #: workgroups spread over two compute units
    pairs: bool = False


@dataclass(frozen=True, slots=True)
class Occupancy:
    """Waves of an execution unit, of how many it has slots for, and why not more."""

    waves: int
    most: int
    limits: tuple[Limit, ...]


def occupancy(machine: Machine, use: Use) -> Occupancy:
    by = {
        Limit.VGPR: _by_vgprs(machine, use),
        Limit.SGPR: _by_sgprs(machine, use),
        Limit.LDS: _by_workgroups(machine, use, use.lds),
        Limit.WORKGROUP: _by_workgroups(machine, use, 0),
    }
    waves = min(by.values())
    limits = [limit for limit, most in by.items() if most == waves < machine.waves]
    if Limit.WORKGROUP in limits and Limit.LDS in limits:
        limits.remove(Limit.LDS)  # which would allow no more without
    return Occupancy(waves, machine.waves, tuple(limits))


def _by_vgprs(machine: Machine, use: Use) -> int:
    """IsaInfo::getNumWavesPerEUWithNumVGPRs"""
    scale = 2 if machine.wave32 and use.wave == 32 else 1
    granule = machine.granule * scale
    if use.vgprs < granule:
        return machine.waves
    return max(min(machine.vgprs * scale // _up(use.vgprs, granule), machine.waves), 1)


def _by_sgprs(machine: Machine, use: Use) -> int:
    """IsaInfo::getOccupancyWithNumSGPRs"""
    fitting = (waves for most, waves in machine.sgprs if use.sgprs <= most)
    fewest = machine.sgprs[-1][1] if machine.sgprs else machine.waves
    return min(next(fitting, fewest), machine.waves)


def _by_workgroups(machine: Machine, use: Use, lds: int) -> int:
    """AMDGPUSubtarget::getOccupancyWithWorkGroupSizes, the upper end."""
    paired = machine.pairs and use.pairs
    units = _UNITS if paired or not machine.pairs else _UNITS // 2
    room = machine.lds * 2 if paired else machine.lds
    by_lds = room // max(lds, 1)
    if not by_lds:
        return 1
    slots = machine.waves * units

    barriers = 2 * _BARRIERS if paired else _BARRIERS

    def groups_of(waves: int) -> int:
        """IsaInfo::getMaxWorkGroupsPerCU, as far as there is LDS for them."""
        most = slots if waves == 1 else min(slots // waves, barriers)
        return min(most, by_lds)

    fewest, largest = (-(-size // use.wave) for size in (use.smallest, use.largest))
    small, large = fewest * groups_of(fewest), largest * groups_of(largest)
    if large >= small:
        waves = large
    else:
        # Larger groups than the smallest may fill what is left over.
        groups = groups_of(fewest)
        left = slots // groups - fewest
        waves = small + groups * min(left, largest - fewest)
    return min(max(-(-waves // units), 1), machine.waves)


def _up(number: int, step: int) -> int:
    return -(-number // step) * step
