"""Kernel descriptors: bits at the places that LLVM's tables give."""

from struct import pack

import pytest

from kinspect.formats.descriptor import Descriptor
from kinspect.view import wire
from tests.reading import view


def read(rsrc1=0, rsrc3=0, properties=0) -> Descriptor:
    """AMDHSAKernelDescriptor.h: 3 sizes and 4 bytes, the entry, 20 bytes, the registers."""
    head = pack("<III4xq20x", 1, 2, 3, -256)
    data = head + pack("<IIIHH4x", rsrc3, rsrc1, 5, properties, 6)
    assert len(data) == wire(Descriptor).size == 64
    return view(data).read(Descriptor, 0)


def test_sizes_stand_at_the_start():
    found = read()
    assert (found.group_segment_fixed_size, found.private_segment_fixed_size) == (1, 2)
    assert (found.kernarg_size, found.kernel_code_entry_byte_offset) == (3, -256)
    assert (found.compute_pgm_rsrc2, found.kernarg_preload) == (5, 6)


@pytest.mark.parametrize(("bits", "blocks"), [(0, 1), (1, 2), (0x3F, 64), (0xFFFF_FFC0, 1)])
def test_blocks_of_vector_registers_are_bits_0_to_5(bits, blocks):
    assert read(rsrc1=bits).vgpr_blocks == blocks


@pytest.mark.parametrize(
    ("bits", "blocks"), [(0, 1), (1 << 6, 2), (0xF << 6, 16), (0xFFFF_FC3F, 1)]
)
def test_blocks_of_scalar_registers_are_bits_6_to_9(bits, blocks):
    assert read(rsrc1=bits).sgpr_blocks == blocks


@pytest.mark.parametrize(("bits", "first"), [(0, 4), (1, 8), (0x3F, 256), (0xFFFF_FFC0, 4)])
def test_the_first_accumulation_register_is_counted_in_fours(bits, first):
    assert read(rsrc3=bits).accum_offset == first


@pytest.mark.parametrize(
    ("name", "field", "bit"),
    [
        ("wave32", "properties", 10),  # ENABLE_WAVEFRONT_SIZE32
        ("dynamic_stack", "properties", 11),  # USES_DYNAMIC_STACK
        ("wgp_mode", "rsrc1", 29),  # WGP_MODE
    ],
)
def test_flags_are_single_bits(name, field, bit):
    every = 0xFFFF if field == "properties" else 0xFFFF_FFFF
    assert getattr(read(**{field: 1 << bit}), name)
    assert not getattr(read(**{field: every & ~(1 << bit)}), name)
