"""Occupancy, counted by hand; what compilers say is held against it in test_oracle."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinspect.machine import MACHINES
from kinspect.resources.occupancy import Limit, Use, occupancy
from kinspect.target import PROCESSORS


def waves(processor, **use):
    found = occupancy(
        MACHINES[processor], Use(**({"vgprs": 4, "sgprs": 8, "lds": 0} | use))
    )
    return found.waves, [limit.value for limit in found.limits]


@pytest.mark.parametrize(
    ("processor", "use", "expected"),
    [
        # CDNA 3: 512 registers in blocks of 8, 8 waves
        ("gfx942", {}, (8, [])),
        ("gfx942", {"vgprs": 64}, (8, [])),
        ("gfx942", {"vgprs": 65}, (7, ["VGPR"])),
        ("gfx942", {"vgprs": 128}, (4, ["VGPR"])),
        ("gfx942", {"vgprs": 129}, (3, ["VGPR"])),
        ("gfx942", {"vgprs": 512}, (1, ["VGPR"])),
        ("gfx942", {"sgprs": 102}, (7, ["SGPR"])),
        # 64 KiB of LDS; workgroups of up to 1024 lanes are 16 waves on 4 SIMDs
        ("gfx942", {"lds": 32 << 10}, (8, [])),
        ("gfx942", {"lds": (32 << 10) + 1}, (4, ["LDS"])),
        ("gfx942", {"lds": 32 << 10, "largest": 256}, (2, ["LDS"])),
        ("gfx942", {"lds": 16 << 10, "largest": 64}, (1, ["LDS"])),
        ("gfx942", {"lds": (64 << 10) + 1}, (1, ["LDS"])),
        ("gfx942", {"lds": 40 << 10, "vgprs": 128}, (4, ["VGPR", "LDS"])),
        # CDNA 4: the same with 160 KiB
        ("gfx950", {"lds": (32 << 10) + 1}, (8, [])),
        ("gfx950", {"lds": (80 << 10) + 1}, (4, ["LDS"])),
        ("gfx950", {"vgprs": 65}, (7, ["VGPR"])),
        # a fixed size: 32 waves of 13 at a time are 26, 6.5 for each SIMD
        ("gfx942", {"smallest": 832, "largest": 832}, (7, ["workgroup"])),
        ("gfx942", {"smallest": 64, "largest": 64}, (8, [])),
        # 16 barriers: workgroups of two waves fill 32 slots, of three with 30
        ("gfx942", {"smallest": 128, "largest": 128}, (8, [])),
        # GCN: 256 registers in blocks of 4, 10 waves
        ("gfx906", {"vgprs": 24}, (10, [])),
        ("gfx906", {"vgprs": 25}, (9, ["VGPR"])),
        ("gfx906", {"vgprs": 84}, (3, ["VGPR"])),
        ("gfx906", {"sgprs": 81}, (9, ["SGPR"])),
        ("gfx700", {"sgprs": 49}, (9, ["SGPR"])),
        # RDNA: waves of 32 have twice as many registers
        ("gfx1010", {"wave": 32, "vgprs": 48, "pairs": True}, (20, [])),
        ("gfx1030", {"wave": 32, "vgprs": 64, "pairs": True}, (16, [])),
        ("gfx1030", {"wave": 32, "vgprs": 65, "pairs": True}, (12, ["VGPR"])),
        ("gfx1030", {"wave": 64, "vgprs": 65, "pairs": True}, (7, ["VGPR"])),
        ("gfx1100", {"wave": 32, "vgprs": 97, "pairs": True}, (12, ["VGPR"])),
        ("gfx1102", {"wave": 32, "vgprs": 97, "pairs": True}, (9, ["VGPR"])),
        # two compute units as one have their LDS together
        ("gfx1100", {"wave": 32, "lds": 64 << 10, "pairs": True}, (16, [])),
        ("gfx1100", {"wave": 32, "lds": (64 << 10) + 1, "pairs": True}, (8, ["LDS"])),
        # scalar registers never limit
        ("gfx1100", {"wave": 32, "sgprs": 106, "pairs": True}, (16, [])),
    ],
)  # fmt: skip
def test_waves_are_counted(processor, use, expected):
    assert waves(processor, **use) == expected


@given(
    st.sampled_from(sorted(MACHINES)),
    st.integers(0, 2000),
    st.integers(0, 2000),
    st.integers(0, 1 << 40),
    st.sampled_from([32, 64]),
    st.integers(1, 1 << 20),
    st.integers(1, 1 << 20),
    st.booleans(),
)
def test_whatever_a_file_says_there_is_an_answer(name, v, s, lds, wave, a, b, pairs):
    machine = MACHINES[name]
    found = occupancy(machine, Use(v, s, lds, wave, min(a, b), max(a, b), pairs))
    assert 1 <= found.waves <= found.most == machine.waves
    assert bool(found.limits) == (found.waves < found.most)


@given(
    st.sampled_from(sorted(MACHINES)),
    st.integers(1, 256),
    st.integers(0, 1 << 16),
    st.integers(0, 8),
)
def test_who_takes_more_gets_no_more_waves(name, vgprs, lds, more):
    machine = MACHINES[name]
    less = occupancy(machine, Use(vgprs, 8, lds)).waves
    assert occupancy(machine, Use(vgprs + more, 8, lds)).waves <= less
    assert occupancy(machine, Use(vgprs, 8, lds + more * 512)).waves <= less


def test_every_processor_of_the_table_is_one():
    assert set(MACHINES) <= set(PROCESSORS)


def test_processors_whose_registers_are_not_known_have_no_row():
    """Newer ones than any compiler that the table could be held against."""
    newer = {
        "gfx1154", "gfx1170", "gfx1171", "gfx1172", "gfx11-7-generic", "gfx1310",
        "gfx13-generic",
    }  # fmt: skip
    assert set(PROCESSORS) - set(MACHINES) == newer


def test_a_limit_that_takes_nothing_away_is_not_told():
    found = occupancy(MACHINES["gfx942"], Use(64, 8, 0, largest=1024))
    assert found.limits == ()
    assert [one.value for one in Limit] == ["VGPR", "SGPR", "LDS", "workgroup"]
