"""Families of kernels, and kernels side by side."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinspect.formats.metadata import Kernel
from kinspect.resources.comparing import columns, compare
from kinspect.resources.families import _folded, family, groups
from kinspect.resources.rows import KernelRow


@pytest.mark.parametrize(
    ("name", "folded"),
    [
        ("_Z3fooIiLi4EEvPT_", "foo<…>"),
        ("_Z8dispatchPi", "dispatch"),
        ("_ZN7deep_ep9internode7combineILi7168EEEvPf", "deep_ep::internode::combine<…>"),
        ("_ZN12_GLOBAL__N_14anonEPi", "(anonymous namespace)::anon"),
        ("_Z6kernelIZ4mainEUlvE_EvT_", "kernel<…>"),
        ("plain_c", "plain_c"),
        ("Cijk_Ailk_Bljk_HHS_BH_MT128x64x32_MI32x32x8x1_SN_1", "Cijk_Ailk_Bljk_HHS_BH_MT…"),
        ("_Zbroken", "_Zbroken"),
        ("", ""),
    ],
)
def test_template_arguments_parameters_and_return_types_are_folded(name, folded):
    assert family(name) == folded


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("bool operator< <int>(A const&, B)", "operator<<…>"),
        ("A<int>::operator()(int) const", "A<…>::operator()"),
        ("void f<&A::operator<< >(int)", "f<…>"),
        ("void k<(E)1, (a > b)>(int)", "k<…>"),
        ("void a::b<c<d>, e<f> >::g<h>(i) [clone .intern.12ab]", "a::b<…>::g<…>"),
    ],
)
def test_brackets_that_are_no_template_are_told_apart(text, folded):
    assert _folded(text) == folded


@given(st.text(max_size=60))
def test_any_name_has_a_family(text):
    assert isinstance(family(text), str)


def row(name, target="gfx942", path="a.so", bundle=0, **fields):
    return KernelRow(path, bundle, target, Kernel(name, f"{name}.kd", **fields), None, 100)


def test_a_group_tells_spans_and_sums():
    (a, b) = groups(
        [
            row("_Z3fooIiEvT_", vgpr_count=32, sgpr_count=10),
            row("_Z3fooIfEvT_", vgpr_count=96, sgpr_count=10, vgpr_spill_count=3),
            row("_Z3fooIdEvT_"),
            row("_Z3barv", sgpr_spill_count=1),
        ]
    )
    assert (a.family, a.kernels, a.spilling, a.code_size) == ("foo<…>", 3, 1, 300)
    assert (a.spans["vgpr_count"].low, a.spans["vgpr_count"].high) == (32, 96)
    assert (a.spans["sgpr_count"].low, a.spans["sgpr_count"].high) == (10, 10)
    assert a.spans["agpr_count"].low is None
    assert (a.spans["occupancy"].low, a.spans["occupancy"].high) == (5, 8)
    assert (b.family, b.spilling) == ("bar", 1)


def test_binaries_and_targets_have_groups_of_their_own():
    found = groups(
        [row("k"), row("k", "gfx950"), row("k", path="b.so"), row("k", bundle=1)]
    )
    assert [(g.path, g.target, g.kernels) for g in found] == [
        ("a.so", "gfx942", 2), ("a.so", "gfx950", 1), ("b.so", "gfx942", 1),
    ]  # fmt: skip


def compared(*rows, targets=("gfx942", "gfx950")):
    return [
        (one.name, one.path, one.bundle, [r and r.kernel.vgpr_count for r in one.rows])
        for one in compare(list(rows), targets)
    ]


def test_kernels_of_a_name_are_side_by_side():
    assert compared(
        row("k", vgpr_count=1), row("k", "gfx950", vgpr_count=2), row("a", "gfx950", vgpr_count=3),
        row("other", "gfx90a"),
    ) == [("a", "a.so", 0, [None, 3]), ("k", "a.so", 0, [1, 2])]  # fmt: skip


def test_a_static_kernel_of_two_bundles_is_matched_within_each():
    assert compared(
        row("k", vgpr_count=1), row("k", "gfx950", vgpr_count=2),
        row("k", bundle=1, vgpr_count=3), row("k", "gfx950", bundle=1, vgpr_count=4),
        row("once", bundle=0, vgpr_count=5), row("once", "gfx950", bundle=1, vgpr_count=6),
    ) == [
        ("k", "a.so", 0, [1, 2]), ("k", "a.so", 1, [3, 4]), ("once", "a.so", None, [5, 6]),
    ]  # fmt: skip


def test_files_for_one_target_each_are_compared():
    """`k_gfx942.co` and `k_gfx950.co`."""
    found = compared(
        row("k", path="k_gfx942.co", vgpr_count=1),
        row("k", "gfx950", path="k_gfx950.co", vgpr_count=2),
    )
    assert found == [("k", "k_gfx942.co", 0, [1, 2])]


def test_two_libraries_are_compared_each_for_itself():
    rows = [
        row("k", target, path, vgpr_count=number)
        for number, (path, target) in enumerate(
            [("a", "gfx942"), ("a", "gfx950"), ("b", "gfx942"), ("b", "gfx950")]
        )
    ]
    assert compared(*rows) == [("k", "a", 0, [0, 1]), ("k", "b", 0, [2, 3])]


def test_what_differs_is_named():
    (one,) = compare(
        [
            row("k", vgpr_count=64, sgpr_count=8, vgpr_spill_count=0),
            row("k", "gfx950", vgpr_count=65, sgpr_count=8, vgpr_spill_count=None),
        ],
        ("gfx942", "gfx950"),
    )
    assert set(one.differing) == {"vgpr_count", "vgpr_spill_count", "occupancy"}
    assert not one.missing


def test_a_target_stands_for_its_modes_and_a_missing_one_for_itself():
    rows = [row("k", "gfx942:xnack-"), row("k", "gfx942:xnack+"), row("k", "gfx950")]
    assert columns(rows, ("gfx950", "gfx942", "gfx90a")) == (
        "gfx950", "gfx942:xnack+", "gfx942:xnack-", "gfx90a",
    )  # fmt: skip
