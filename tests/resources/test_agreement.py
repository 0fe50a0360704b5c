"""Descriptors against metadata: bytes written field by field, and lies in each of them."""

import json

import pytest

from kinspect.formats.code_object import Parser
from kinspect.formats.descriptor import Descriptor
from kinspect.model import Unreadable
from kinspect.resources import kernels as kernels_module
from kinspect.resources.kernels import Measured, descriptor_bytes, measure
from kinspect.resources.rows import KernelRow, Launch
from kinspect.view import Memory, View, wire
from tests.reading import view
from tests.writers import CodeObject, Kernel, code_object

FIELDS = {
    "vgpr_count": 96,
    "agpr_count": 32,
    "sgpr_count": 40,
    "group_segment_fixed_size": 1024,
    "private_segment_fixed_size": 16,
    "kernarg_segment_size": 280,
}


def row_of(target="gfx942", described=None, launch=None, **fields):
    kernel = Kernel("k", fields={**FIELDS, **fields}, described=described or {})
    (one,) = measure(view(code_object(target, kernel)))
    assert isinstance(one, Measured)
    return KernelRow(
        "t", 0, target, one.kernel, one.descriptor, one.code_size, launch or Launch()
    )


def test_a_descriptor_is_read_field_by_field():
    """Offsets of LLVM's user guide, a byte pattern that no two fields share."""
    data = bytearray(64)
    places = {0: 4, 4: 4, 8: 4, 16: 8, 44: 4, 48: 4, 52: 4, 56: 2, 58: 2}
    for number, (at, size) in enumerate(places.items(), 1):
        data[at : at + size] = (number * 0x0101).to_bytes(size, "little")
    assert wire(Descriptor).size == 64
    found = View(Memory(bytes(data)), "t").read(Descriptor, 0)
    assert (
        found.group_segment_fixed_size,
        found.private_segment_fixed_size,
        found.kernarg_size,
        found.kernel_code_entry_byte_offset,
        found.compute_pgm_rsrc3,
        found.compute_pgm_rsrc1,
        found.compute_pgm_rsrc2,
        found.kernel_code_properties,
        found.kernarg_preload,
    ) == tuple(number * 0x0101 for number in range(1, 10))


def test_what_a_descriptor_says_is_told():
    told = row_of().values()["descriptor"]
    assert told == {
        "group_segment_fixed_size": 1024,
        "private_segment_fixed_size": 16,
        "kernarg_size": 280,
        "vgprs": 96,
        "sgprs": 40,
        "accum_offset": 64,
        "wave32": False,
        "wgp_mode": None,
        "uses_dynamic_stack": False,
    }
    fields = {"wavefront_size": 32, "workgroup_processor_mode": 1, "agpr_count": 0}
    told = row_of("gfx1100", **fields).values()["descriptor"]
    assert (told["vgprs"], told["wave32"], told["wgp_mode"]) == (96, True, True)
    assert (told["sgprs"], told["accum_offset"]) == (None, None)
    json.dumps(row_of().values())


@pytest.mark.parametrize(
    ("target", "described", "fields"),
    [
        ("gfx942", {}, []),
        ("gfx942", {"group_segment_fixed_size": 0}, ["group_segment_fixed_size"]),
        ("gfx942", {"private_segment_fixed_size": 0}, ["private_segment_fixed_size"]),
        ("gfx942", {"kernarg_segment_size": 24}, ["kernarg_segment_size"]),
        ("gfx942", {"kernarg_segment_size": 0}, []),  # not written by old compilers
        ("gfx942", {"vgpr_count": 88, "accum_offset": 32}, ["vgpr_count"]),
        ("gfx942", {"vgpr_count": 128}, []),  # more than it uses: for fewer waves
        ("gfx942", {"accum_offset": 80}, ["agpr_count"]),
        ("gfx942", {"sgpr_count": 24}, ["sgpr_count"]),
        ("gfx942", {"sgpr_count": 33}, []),  # two blocks of 16 more hold 48
        ("gfx942", {"dynamic_stack": 1}, ["uses_dynamic_stack"]),
        ("gfx1100", {"wavefront_size": 32}, ["wavefront_size"]),
        ("gfx942", {"wavefront_size": 32}, []),  # which only gfx10 and later look at
    ],
)
def test_contradictions_are_told_by_field(target, described, fields):
    more = {"uses_dynamic_stack": False} | ({} if target == "gfx942" else {"agpr_count": 0})
    row = row_of(target, described, **more)
    assert list(row.disagreements) == fields
    assert row.values()["disagreements"] == fields


def test_the_descriptor_decides_how_many_waves_there_are():
    """It is what the hardware gets."""
    found = row_of(described={"vgpr_count": 256}).occupancy
    assert found is not None
    assert (found.waves, [limit.value for limit in found.limits]) == (2, ["VGPR"])


def test_without_a_descriptor_the_metadata_decides():
    kernel = Kernel("k", fields={"vgpr_count": 200}, descriptor=False)
    (one,) = measure(view(code_object("gfx942", kernel)))
    assert isinstance(one, Measured)
    assert (one.descriptor, one.code_size) == (None, None)
    found = KernelRow("t", 0, "gfx942", one.kernel).occupancy
    assert found is not None
    assert found.waves == 2


@pytest.mark.parametrize(
    ("kernel", "read"),
    [
        (Kernel("k"), True),
        (Kernel("k", size=32), False),
        (Kernel("k", address=1 << 40), False),
        (Kernel("k", binding=0), False),  # the loader skips local ones
    ],
)
def test_a_descriptor_is_read_from_where_the_loader_finds_it(kernel, read):
    (one,) = measure(view(code_object("gfx942", kernel)))
    assert isinstance(one, Measured)
    assert (one.descriptor is not None) is read


@pytest.mark.parametrize(
    "kernels",
    [
        pytest.param(["a", "b", "c"], id="together"),
        pytest.param(["c", "a", Kernel("b", size=32)], id="one is cut"),
        pytest.param(["a", Kernel("b", address=1 << 40)], id="one is nowhere"),
    ],
)
def test_descriptors_at_once_are_those_one_by_one(kernels):
    data = view(code_object("gfx942", *kernels))
    parsed = Parser().measured(data)
    one_by_one = {
        one.kernel.name: one.descriptor
        for one in measure(data)
        if isinstance(one, Measured)
    }
    at_once = [
        None if one is None else Descriptor._make(wire(Descriptor).unpack(one))
        for one in descriptor_bytes(parsed.elf, parsed.descriptors)
    ]
    assert dict(zip(parsed.code_object.kernels, at_once, strict=True)) == one_by_one


def test_descriptors_that_lie_far_apart_are_not_read_with_all_between(monkeypatch):
    data = view(code_object("gfx942", "a", "b", "c"))
    parsed = Parser().measured(data)
    near = descriptor_bytes(parsed.elf, parsed.descriptors)
    monkeypatch.setattr(kernels_module, "_SPARSE", 16)
    seen = []
    inner = View.bytes

    def counted(one, at=0, size=None):
        seen.append(size)
        return inner(one, at, size)

    monkeypatch.setattr(View, "bytes", counted)
    assert descriptor_bytes(parsed.elf, parsed.descriptors) == near
    assert seen == [64, 64, 64]


def test_kernels_whose_symbols_can_not_be_read_are_told_all_the_same():
    data = bytearray(CodeObject(kernels=("k",), sections=True).build())
    at = data.index(b"\0k\0k.kd\0")
    data[at : at + 8] = b"\0k\0k.kdX"  # no end before the end of the table
    found = list(measure(view(bytes(data))))
    assert [type(one) for one in found] in ([Unreadable, Measured], [Measured])


@pytest.mark.parametrize(
    ("fields", "launch", "expected"),
    [
        ({}, Launch(), 8),
        ({"reqd_workgroup_size": [13, 8, 8]}, Launch(), 7),
        ({"reqd_workgroup_size": [0, 8, 8]}, Launch(), 8),
        ({}, Launch(workgroup=832), 7),
        ({"group_segment_fixed_size": 30_000}, Launch(), 8),
        ({"group_segment_fixed_size": 30_000}, Launch(lds=10_000), 4),
        ({"group_segment_fixed_size": 30_000}, Launch(workgroup=64), 1),
        ({"max_flat_workgroup_size": 256, "group_segment_fixed_size": 30_000}, Launch(), 2),
        ({"max_flat_workgroup_size": 0}, Launch(), 8),
        ({"group_segment_fixed_size": -1, "sgpr_count": -1}, Launch(), 8),
    ],
)
def test_what_the_launch_decides_is_supposed_or_told(fields, launch, expected):
    base = {"vgpr_count": 32, "agpr_count": 0, "group_segment_fixed_size": 0}
    described = {"group_segment_fixed_size": 0, "sgpr_count": 8}
    found = row_of(described=described, launch=launch, **(base | fields)).occupancy
    assert found is not None
    assert found.waves == expected


def test_a_processor_that_is_not_known_has_no_occupancy():
    row = row_of()
    other = KernelRow("t", 0, "gfx1310", row.kernel, row.descriptor)
    assert other.occupancy is None
    values = other.values()
    assert (values["occupancy"], values["occupancy_limits"]) == (None, [])
    assert values["descriptor"]["vgprs"] is None
    assert KernelRow("t", 0, "gfx942\x1b", row.kernel).occupancy is None
