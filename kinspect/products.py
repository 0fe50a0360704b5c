"""What AMD's GPUs are sold as, for those who name one where a processor is asked for.

Source: ROCm documentation, "AMD GPU specifications" (LLVM target name); LLVM, User Guide
for AMDGPU Backend, "AMDGPU Processors" (Example Products). Those that ROCm runs on.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

_SOLD_AS: Final = {
    "gfx900": "MI25",
    "gfx906": "MI50, MI60, Radeon VII",
    "gfx908": "MI100",
    "gfx90a": "MI210, MI250, MI250X",
    "gfx942": "MI300A, MI300X, MI325X",
    "gfx950": "MI350X, MI355X",
    "gfx1030": "RX 6800, RX 6800 XT, RX 6900 XT, RX 6950 XT, W6800, V620",
    "gfx1100": "RX 7900 XTX, RX 7900 XT, RX 7900 GRE, W7900, W7800",
    "gfx1101": "RX 7800 XT, RX 7700 XT, RX 7700, W7700, V710",
    "gfx1102": "RX 7600 XT, RX 7600",
    "gfx1200": "RX 9060 XT, RX 9060",
    "gfx1201": "RX 9070 XT, RX 9070, RX 9070 GRE",
}
#: what stands before the name of a product, or may
_BRAND: Final = re.compile(r"AMD|INSTINCT|RADEON|PRO|[-_\s]")


def _bare(name: str) -> str:
    return _BRAND.sub("", name.upper())


#: the processor of a product, by its name without brand and spaces
_PROCESSORS: Final[Mapping[str, str]] = MappingProxyType(
    {
        _bare(product): processor
        for processor, products in _SOLD_AS.items()
        for product in products.split(", ")
    }
)


def processor_of(product: str) -> str | None:
    """What compilers call a GPU: `gfx942` for `MI300X`, `AMD Instinct MI300X`."""
    return _PROCESSORS.get(_bare(product))
