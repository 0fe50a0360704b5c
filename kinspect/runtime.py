"""Generations of HIP's runtime, as far as they choose a code object differently.

Each row says from which ROCm release on something holds, and where that is known from.
Where a source gives a date and no release, the row takes the first release branched
after it, and says "by date".
"""

import re
from dataclasses import dataclass, replace
from typing import Final

from kinspect.errors import UsageError
from kinspect.target import ABI_V5, ABI_V6

_NO_BINARY: Final = "hipErrorNoBinaryForGpu"
#: `ihipLaunchKernel` hands on three errors, and this is none of them (hip_platform.cpp)
_UNHANDLED: Final = f"{_NO_BINARY}, in spite of which hipLaunchKernel goes on: a crash"
#: the loop over the devices of a machine stops at the first that finds nothing; the
#: older runtime then fails as a whole (hip_fatbin.cpp)
_ALL: Final = "no device of the machine gets its code"
_LATER: Final = "devices of the machine that come after it get no code either"
_INVALID_IMAGE: Final = "hipErrorInvalidImage"


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """What one generation of the runtime does."""

    #: the first ROCm release that behaves so
    since: tuple[int, int]
    #: falls back to a generic code object
    generic: bool = False
    #: also inside of a compressed bundle
    generic_compressed: bool = False
    #: compiles SPIR-V where there is no code object
    spirv: bool = False
    #: versions of compressed bundles that it reads
    ccob: frozenset[int] = frozenset()
    #: EI_ABIVERSION of the newest code object that it loads: 3 is v5, 4 v6
    abi: int = ABI_V5
    #: loads code objects from kpack archives
    kpack: bool = False
    #: looks into the next archive where one that lists a target lacks the code
    kpack_falls_through: bool = False
    #: takes nothing but SPIR-V (HIP_FORCE_SPIRV_CODEOBJECT=1, off by default)
    spirv_only: bool = False
    #: what the first launch of a kernel reports where nothing was found
    error: str = _INVALID_IMAGE
    #: what the second launch reports then, where that is another error
    again: str = ""
    #: what it reports where the loader refuses what was found
    refused: str = _UNHANDLED
    #: what becomes of other devices where one of a machine finds nothing
    others: str = _LATER

    @property
    def name(self) -> str:
        return f"ROCm {self.since[0]}.{self.since[1]}"


_6_0: Final = Runtime(
    since=(6, 0),
    error=_NO_BINARY,
    refused=_NO_BINARY,
    others=_ALL,
)
# CCOB needs comgr 2.8 (clr hip_fatbin.cpp of October 2024); version 2 by date (LLVM
# #88827, April 2024). Never version 1: the runtime takes the u32 at offset 8 for the size
# of the bundle, where that version keeps the uncompressed one (rocm-systems
# hip_fatbin.cpp), so that it reads beyond the end.
# Code object v6 by date (LLVM #76954, January 2024).
_6_2: Final = replace(_6_0, since=(6, 2), ccob=frozenset({2}), abi=ABI_V6)
# Generic targets: ROCm 6.4.0 (ROCm/Tensile #2124), yet not with compression
# (ROCm/legacy-rocm-build #4602). SPIR-V: beta in 6.4 (ROCm documentation), after native
# code since 6.4.1 (HIP changelog). Error codes: rocm-systems hip_fatbin.cpp.
_6_4: Final = replace(
    _6_2,
    since=(6, 4),
    generic=True,
    spirv=True,
    error=_INVALID_IMAGE,
    again="hipErrorInvalidKernelFile",
    refused=_UNHANDLED,
    others=_LATER,
)
# Generic with compression: resolved in 7.0.0 (the same issue). CCOB version 3 by date
# (LLVM #122307, January 2025).
_7_0: Final = replace(_6_4, since=(7, 0), generic_compressed=True, ccob=frozenset({2, 3}))
# kpack: by date (rocm-systems #2622, January 2026). Up to 7.15 (frozen in July 2026), the
# first archive that lists a target decides (ROCm/TheRock #7081); later ones go on by date
# (rocm-systems #9953, August 2026).
_7_12: Final = replace(_7_0, since=(7, 12), kpack=True)
_10_0: Final = replace(_7_12, since=(10, 0), kpack_falls_through=True)

#: oldest first
RUNTIMES: Final = (_6_0, _6_2, _6_4, _7_0, _7_12, _10_0)

NEWEST: Final = RUNTIMES[-1]


def runtime(text: str) -> Runtime:
    """The generation that a ROCm release belongs to: `6.4`, `7.2.1`, `10`."""
    match = re.fullmatch(r"(\d+)(?:\.(\d+))?(?:\.\d+)*", text)
    if match is None:
        message = f"--rocm {text!r}: expected a release such as 6.4 or 7.2.1"
        raise UsageError(message)
    release = int(match[1]), int(match[2] or 0)
    known = [one for one in RUNTIMES if one.since <= release]
    if not known:
        message = f"--rocm {text}: kinspect knows ROCm {RUNTIMES[0].since[0]} and newer"
        raise UsageError(message)
    return known[-1]
