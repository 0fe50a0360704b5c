"""Generations of HIP's runtime, as far as they choose a code object differently.

Each row says from which ROCm release on something holds, and where that is known from.
Where a source gives a date and no release, the row takes the first release branched
after it, and says "by date".
"""

import re
from dataclasses import dataclass, replace
from typing import Final

from kinspect.errors import UsageError

_NO_BINARY: Final = "hipErrorNoBinaryForGpu"
_INVALID_IMAGE: Final = "hipErrorInvalidImage, then hipErrorInvalidKernelFile"


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
    #: loads code objects from kpack archives
    kpack: bool = False
    #: what the first launch of a kernel reports where nothing was found
    error: str = _INVALID_IMAGE

    @property
    def name(self) -> str:
        return f"ROCm {self.since[0]}.{self.since[1]}"


_6_0: Final = Runtime(since=(6, 0), error=_NO_BINARY)
# CCOB needs comgr 2.8 (clr hip_fatbin.cpp of October 2024); version 2 by date (LLVM
# #88827, April 2024). Never version 1: the runtime takes the u32 at offset 8 for the size
# of the bundle, where that version keeps the uncompressed one (rocm-systems
# hip_fatbin.cpp), so that it reads beyond the end.
_6_2: Final = replace(_6_0, since=(6, 2), ccob=frozenset({2}))
# Generic targets: ROCm 6.4.0 (ROCm/Tensile #2124), yet not with compression
# (ROCm/legacy-rocm-build #4602). SPIR-V: beta in 6.4 (ROCm documentation), after native
# code since 6.4.1 (HIP changelog). Error codes: rocm-systems hip_fatbin.cpp.
_6_4: Final = replace(_6_2, since=(6, 4), generic=True, spirv=True, error=_INVALID_IMAGE)
# Generic with compression: resolved in 7.0.0 (the same issue). CCOB version 3 by date
# (LLVM #122307, January 2025).
_7_0: Final = replace(_6_4, since=(7, 0), generic_compressed=True, ccob=frozenset({2, 3}))
# kpack: by date (rocm-systems #2622, January 2026).
_7_12: Final = replace(_7_0, since=(7, 12), kpack=True)

#: oldest first
RUNTIMES: Final = (_6_0, _6_2, _6_4, _7_0, _7_12)

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
