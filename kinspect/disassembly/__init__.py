"""Instructions of kernels, as an llvm-objdump that is there takes them apart.

kinspect itself decodes none: what is printed or counted is what LLVM says, held against
the bytes of the code object, so that nothing is told twice, left out or made up.
"""

from kinspect.disassembly.kinds import Kind, kind_of
from kinspect.disassembly.listing import Function, Instruction
from kinspect.disassembly.objdump import Tools
from kinspect.disassembly.reading import Decoder, Disassembled, disassembled
from kinspect.disassembly.statistics import Statistics, statistics

__all__ = [
    "Decoder",
    "Disassembled",
    "Function",
    "Instruction",
    "Kind",
    "Statistics",
    "Tools",
    "disassembled",
    "kind_of",
    "statistics",
]
