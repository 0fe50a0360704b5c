"""What a processor has for its waves: registers, LDS, slots.

Source: LLVM, lib/Target/AMDGPU: Utils/AMDGPUBaseInfo.cpp (IsaInfo: getEUsPerCU,
getMaxWavesPerEU, getMaxWorkGroupsPerCU, getOccupancyWithNumSGPRs, getTotalNumVGPRs,
getVGPRAllocGranule, getVGPREncodingGranule), GCNSubtarget.cpp
(initializeSubtargetDependencies, for the LDS of a work-group processor), and AMDGPU.td
(FeatureISAVersion*, for the LDS and the registers of each processor). The tests compile
kernels for every row, and hold it against what the compiler tells.
"""

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Final, NamedTuple

KiB: Final = 1 << 10

#: up to how many scalar registers as many waves fit, on gfx6 and gfx7, and on gfx8 and gfx9
_SGPRS_6: Final = ((48, 10), (56, 9), (64, 8), (72, 7), (80, 6), (104, 5))
_SGPRS_8: Final = ((80, 10), (88, 9), (100, 8), (112, 7))


class Machine(NamedTuple):
    """A processor, as far as the number of its waves goes.

    Its execution unit is the SIMD. Counts of registers are those of a lane in waves of
    64 lanes; in waves of 32 there are twice as many, in blocks of twice the size.
    """

    #: major version: 9 for gfx942
    generation: int
    #: waves of an execution unit
    waves: int
    #: bytes of LDS that a compute unit has, and a workgroup can have
    lds: int
    #: vector registers of an execution unit
    vgprs: int
    #: vector registers are given out in blocks of so many …
    granule: int
    #: … and counted by kernel descriptors in blocks of so many
    encoding: int
    #: scalar registers → waves; empty where they never limit
    sgprs: tuple[tuple[int, int], ...] = ()
    #: vector and accumulation registers share a file (gfx90a and its successors)
    unified: bool = False
    #: two compute units can work as one (WGP mode)
    pairs: bool = False

    @property
    def wave32(self) -> bool:
        """Whether kernels choose between waves of 32 and of 64 lanes."""
        return self.generation >= 10

    def block(self, wave: int) -> int:
        """Vector registers in a block of a descriptor, for waves of so many lanes."""
        return self.encoding * 2 if self.wave32 and wave == 32 else self.encoding


_GFX6: Final = Machine(6, 10, 32 * KiB, 256, 4, 4, _SGPRS_6)
_GFX7: Final = _GFX6._replace(generation=7, lds=64 * KiB)
_GFX8: Final = _GFX7._replace(generation=8, sgprs=_SGPRS_8)
_GFX9: Final = _GFX8._replace(generation=9)
_GFX90A: Final = _GFX9._replace(waves=8, vgprs=512, granule=8, encoding=8, unified=True)
_GFX950: Final = _GFX90A._replace(lds=160 * KiB)
_GFX101: Final = Machine(10, 20, 64 * KiB, 512, 4, 4, pairs=True)
_GFX103: Final = _GFX101._replace(waves=16, granule=8)
_GFX11: Final = _GFX103._replace(generation=11)
#: with one and a half times as many vector registers
_GFX11_LARGE: Final = _GFX11._replace(vgprs=768, granule=12)
_GFX12: Final = _GFX11_LARGE._replace(generation=12)
_GFX125: Final = _GFX12._replace(
    waves=16, lds=320 * KiB, vgprs=512, granule=8, encoding=8, pairs=False
)

MACHINES: Final[Mapping[str, Machine]] = MappingProxyType(
    {
        processor: machine
        for machine, processors in (
            (_GFX6, "gfx600 gfx601 gfx602"),
            (_GFX7, "gfx700 gfx701 gfx702 gfx703 gfx704 gfx705"),
            (_GFX8, "gfx801 gfx802 gfx803 gfx805 gfx810"),
            (_GFX9, "gfx900 gfx902 gfx904 gfx906 gfx908 gfx909 gfx90c gfx9-generic"),
            (_GFX90A, "gfx90a gfx940 gfx941 gfx942 gfx9-4-generic"),
            (_GFX950, "gfx950"),
            (_GFX101, "gfx1010 gfx1011 gfx1012 gfx1013 gfx10-1-generic"),
            (
                _GFX103,
                "gfx1030 gfx1031 gfx1032 gfx1033 gfx1034 gfx1035 gfx1036 gfx10-3-generic",
            ),
            (_GFX11, "gfx1102 gfx1103 gfx1150 gfx1152 gfx1153 gfx11-generic"),
            (_GFX11_LARGE, "gfx1100 gfx1101 gfx1151"),
            (_GFX12, "gfx1200 gfx1201 gfx12-generic"),
            (_GFX125, "gfx1250 gfx1251 gfx12-5-generic"),
        )
        for processor in processors.split()
    }
)


@lru_cache(maxsize=4096)
def machine_of(target: str) -> Machine | None:
    """The processor of a target ID; None where its registers are not known."""
    return MACHINES.get(target.split(":", maxsplit=1)[0])
