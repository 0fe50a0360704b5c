"""What descriptors say, field by field (LLVM, User Guide for AMDGPU Backend)."""

import pytest

from kinspect.formats.agreement import described, disagreements, wave_of
from kinspect.formats.descriptor import Descriptor
from kinspect.formats.metadata import Kernel
from kinspect.machine import machine_of

#: 5 blocks of vector and 3 of scalar registers, AGPRs from register 8 on
GOOD = Descriptor(16, 8, 280, 0, 256, bytes(20), 1, 2 << 6 | 4, 0, 0, 0, 0)


@pytest.mark.parametrize(
    ("target", "more"),
    [
        ("gfx942", {"vgprs": 40, "sgprs": 24, "accum_offset": 8, "wgp_mode": None}),
        ("gfx906", {"vgprs": 20, "sgprs": 24, "accum_offset": None, "wgp_mode": None}),
        # in waves of 64 lanes, since the descriptor does not ask for 32
        ("gfx1100", {"vgprs": 20, "sgprs": None, "accum_offset": None, "wgp_mode": False}),
        ("gfx9999", dict.fromkeys(("vgprs", "sgprs", "accum_offset", "wgp_mode"))),
    ],
)
def test_a_descriptor_is_told_as_its_processor_reads_it(target, more):
    assert described(GOOD, machine_of(target)) == {
        "group_segment_fixed_size": 16,
        "private_segment_fixed_size": 8,
        "kernarg_size": 280,
        "wave32": False,
        "uses_dynamic_stack": False,
        **more,
    }


@pytest.mark.parametrize(
    ("target", "fields", "wrong"),
    [
        ("gfx942", {"vgpr_count": 40, "sgpr_count": 32}, []),
        ("gfx942", {"vgpr_count": 41}, ["vgpr_count"]),
        ("gfx942", {"vgpr_count": 40, "agpr_count": 33}, ["agpr_count"]),
        ("gfx942", {"sgpr_count": 33}, ["sgpr_count"]),
        ("gfx942", {"wavefront_size": 32}, ["wavefront_size"]),
        ("gfx1100", {"wavefront_size": 32, "sgpr_count": 99}, ["wavefront_size"]),
        ("gfx9999", {"vgpr_count": 99, "wavefront_size": 32}, []),
        ("gfx9999", {"kernarg_segment_size": 272}, ["kernarg_segment_size"]),
    ],
)
def test_the_metadata_may_ask_for_no_more_than_that(target, fields, wrong):
    kernel = Kernel(name="k", symbol="k.kd", **fields)
    assert list(disagreements(kernel, GOOD, machine_of(target))) == wrong


@pytest.mark.parametrize(
    ("told", "descriptor", "target", "lanes"),
    [
        (32, None, "gfx942", 32),
        (64, None, "gfx1100", 64),
        (None, None, "gfx1100", 64),
        (32, GOOD, "gfx9999", 32),  # a processor that nobody knows
        (32, GOOD, "gfx1100", 64),
    ],
)
def test_the_descriptor_decides_on_waves_where_there_is_one(
    told, descriptor, target, lanes
):
    kernel = Kernel(name="k", symbol="k.kd", wavefront_size=told)
    assert wave_of(kernel, descriptor, machine_of(target)) == lanes
