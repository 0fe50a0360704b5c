"""Kernel descriptors: the 64 bytes that a kernel is launched by.

Source: LLVM, User Guide for AMDGPU Backend, "Kernel Descriptor" (with the tables of
compute_pgm_rsrc1, compute_pgm_rsrc3 for GFX90A and kernel code properties);
Support/AMDHSAKernelDescriptor.h. Register counts are stored as blocks, whose size depends
on the processor.
"""

from typing import Annotated, Final, NamedTuple

from kinspect.view import I64, U16, U32

#: of kernel_code_properties
_WAVE32: Final = 1 << 10
_DYNAMIC_STACK: Final = 1 << 11
#: of compute_pgm_rsrc1, gfx10 and later
_WGP_MODE: Final = 1 << 29


class Descriptor(NamedTuple):
    """A kernel descriptor, field by field. Sizes are bytes."""

    group_segment_fixed_size: U32
    private_segment_fixed_size: U32
    kernarg_size: U32
    reserved0: U32
    #: from the descriptor to the first instruction
    kernel_code_entry_byte_offset: I64
    reserved1: Annotated[bytes, "20s"]
    compute_pgm_rsrc3: U32
    compute_pgm_rsrc1: U32
    compute_pgm_rsrc2: U32
    kernel_code_properties: U16
    kernarg_preload: U16
    reserved2: U32

    @property
    def vgpr_blocks(self) -> int:
        return (self.compute_pgm_rsrc1 & 0x3F) + 1

    @property
    def sgpr_blocks(self) -> int:
        """Blocks of 8; on gfx10 and later always 1, which means nothing."""
        return (self.compute_pgm_rsrc1 >> 6 & 0xF) + 1

    @property
    def accum_offset(self) -> int:
        """On gfx90a and later: the number of the first register that is an AGPR."""
        return 4 * ((self.compute_pgm_rsrc3 & 0x3F) + 1)

    @property
    def wave32(self) -> bool:
        return bool(self.kernel_code_properties & _WAVE32)

    @property
    def dynamic_stack(self) -> bool:
        return bool(self.kernel_code_properties & _DYNAMIC_STACK)

    @property
    def wgp_mode(self) -> bool:
        return bool(self.compute_pgm_rsrc1 & _WGP_MODE)
