"""What a kernel's descriptor says, and where its metadata says something else.

The hardware gets the descriptor; HIP and its tools believe the metadata.
"""

from collections.abc import Iterator
from typing import Any

from kinspect.formats.descriptor import Descriptor
from kinspect.formats.metadata import Kernel
from kinspect.machine import Machine


def wave_of(kernel: Kernel, descriptor: Descriptor | None, machine: Machine | None) -> int:
    """Lanes of a wave: the descriptor decides, where processors have a choice."""
    if descriptor is not None and machine is not None:
        return 32 if machine.wave32 and descriptor.wave32 else 64
    return 32 if kernel.wavefront_size == 32 else 64


def described(descriptor: Descriptor, machine: Machine | None) -> dict[str, Any]:
    """The fields of a descriptor; None for what the processor does not have."""
    vgprs = sgprs = accum_offset = wgp_mode = None
    if machine is not None:
        wave = 32 if machine.wave32 and descriptor.wave32 else 64
        vgprs = descriptor.vgpr_blocks * machine.block(wave)
        sgprs = 8 * descriptor.sgpr_blocks if machine.sgprs else None
        accum_offset = descriptor.accum_offset if machine.unified else None
        wgp_mode = descriptor.wgp_mode if machine.pairs else None
    return {
        "group_segment_fixed_size": descriptor.group_segment_fixed_size,
        "private_segment_fixed_size": descriptor.private_segment_fixed_size,
        "kernarg_size": descriptor.kernarg_size,
        "vgprs": vgprs,
        "sgprs": sgprs,
        "accum_offset": accum_offset,
        "wave32": descriptor.wave32,
        "wgp_mode": wgp_mode,
        "uses_dynamic_stack": descriptor.dynamic_stack,
    }


def disagreements(
    kernel: Kernel, descriptor: Descriptor, machine: Machine | None
) -> Iterator[str]:
    """The fields of the metadata that the descriptor contradicts."""
    pairs = {
        "group_segment_fixed_size": descriptor.group_segment_fixed_size,
        "private_segment_fixed_size": descriptor.private_segment_fixed_size,
        # compilers before LLVM 12 left it at 0
        "kernarg_segment_size": descriptor.kernarg_size or None,
        "uses_dynamic_stack": descriptor.dynamic_stack,
    }
    if machine is not None:
        pairs["wavefront_size"] = wave_of(kernel, descriptor, machine)
    for name, value in pairs.items():
        told = getattr(kernel, name)
        if told is not None and value is not None and told != value:
            yield name
    if machine is not None:
        yield from _registers(kernel, descriptor, machine)


def _registers(kernel: Kernel, descriptor: Descriptor, machine: Machine) -> Iterator[str]:
    """Registers that the kernel uses and does not get.

    To get more than it uses is no contradiction: a kernel that was compiled for few
    waves takes what they can have.
    """
    vgprs = descriptor.vgpr_blocks * machine.block(wave_of(kernel, descriptor, machine))
    # gfx9 gives them out in blocks of 16
    sgprs = -(-descriptor.sgpr_blocks // 2) * 16
    agprs = kernel.agpr_count or 0
    if vgprs < (kernel.vgpr_count or 0):
        yield "vgpr_count"
    if machine.unified and agprs and descriptor.accum_offset + agprs > vgprs:
        yield "agpr_count"
    if machine.sgprs and sgprs < (kernel.sgpr_count or 0):
        yield "sgpr_count"
