"""What a build lost, gained and changed against another."""

import pytest

from kinspect.snapshot import (
    BinaryRecord,
    Resources,
    Snapshot,
    TargetRecord,
    UnitRecord,
    compare,
)

ROW = Resources(vgpr_count=8)


def unit(**targets):
    """A bundle: for each target (`gfx942_xp` is gfx942:xnack+) a text of kernel letters."""
    spelled = {
        name.replace("_xp", ":xnack+").replace("_xm", ":xnack-"): letters
        for name, letters in targets.items()
    }
    records = {
        name: TargetRecord(100, 4, dict.fromkeys(letters, ROW))
        for name, letters in spelled.items()
    }
    return UnitRecord("plain", 1000, records)


def change(old, new):
    """The change of one binary with these units."""
    before, after = (
        Snapshot((BinaryRecord("l.so", "l.so", units=tuple(units)),))
        for units in (old, new)
    )
    (found,) = compare(before, after).changes
    return found


def quiet(found):
    return not (
        found.lost_targets
        or found.thinned_targets
        or found.new_targets
        or found.lost_kernels
        or found.new_kernels
        or found.resources
    )


BOTH = unit(gfx942="ab", gfx950="ab")


def test_the_same_is_no_change():
    assert quiet(change([BOTH], [BOTH]))
    assert quiet(change([BOTH, unit(gfx942="c")], [unit(gfx942="c"), BOTH]))


def test_a_target_that_no_bundle_has_any_more_is_lost():
    found = change([BOTH], [unit(gfx942="ab")])
    assert found.lost_targets == ("gfx950",)
    assert found.lost_kernels == {}  # its kernels are no news then
    assert found.new_targets == ()


def test_a_target_is_new():
    found = change([unit(gfx942="ab")], [BOTH])
    assert found.new_targets == ("gfx950",)
    assert found.new_kernels == {}


def test_a_kernel_is_lost_for_one_target():
    found = change([BOTH], [unit(gfx942="ab", gfx950="b")])
    assert found.lost_kernels == {"gfx950": ("a",)}
    assert found.new_kernels == {}


def test_a_kernel_is_new_and_another_lost():
    found = change([BOTH], [unit(gfx942="bc", gfx950="bc")])
    assert found.lost_kernels == {"gfx942": ("a",), "gfx950": ("a",)}
    assert found.new_kernels == {"gfx942": ("c",), "gfx950": ("c",)}


def test_one_of_several_bundles_lost_a_target():
    """That one translation unit can't run, whatever the others hold."""
    old = [unit(gfx942="a", gfx950="a"), unit(gfx942="b", gfx950="b")]
    found = change(old, [old[0], unit(gfx942="b")])
    assert found.lost_targets == ()
    assert found.thinned_targets == {"gfx950": (1, 2)}
    assert found.lost_kernels == {"gfx950": ("b",)}


def test_a_new_bundle_lacks_a_target_that_all_bundles_had():
    found = change([BOTH], [BOTH, unit(gfx942="c")])
    assert found.thinned_targets == {"gfx950": (1, 2)}
    assert found.lost_kernels == {}


def test_a_new_bundle_may_lack_a_target_that_others_lacked_too():
    old = [BOTH, unit(gfx942="c")]
    assert change(old, [*old, unit(gfx942="d")]).thinned_targets == {}


def test_a_bundle_that_is_gone_as_a_whole_loses_its_kernels():
    found = change([BOTH, unit(gfx942="c", gfx950="c")], [BOTH])
    assert found.thinned_targets == {}
    assert found.lost_kernels == {"gfx942": ("c",), "gfx950": ("c",)}


def test_a_static_kernel_that_one_of_its_bundles_lost_for_one_target():
    """Its name is still there, in the other bundle: names alone would not tell."""
    old = [unit(gfx942="as", gfx950="as"), unit(gfx942="bs", gfx950="bs")]
    found = change(old, [old[0], unit(gfx942="bs", gfx950="b")])
    assert found.lost_kernels == {"gfx950": ("s",)}


def test_a_static_kernel_of_a_header_that_one_unit_includes_no_more():
    old = [unit(gfx942="as", gfx950="as"), unit(gfx942="bs", gfx950="bs")]
    assert quiet(change(old, [old[0], unit(gfx942="b", gfx950="b")]))


def test_code_for_both_modes_stands_in_for_code_without_a_mode():
    found = change([unit(gfx942="ab")], [unit(gfx942_xp="ab", gfx942_xm="ab")])
    assert quiet(found)
    found = change([unit(gfx942="ab")], [unit(gfx942_xp="ab", gfx942_xm="b")])
    assert found.lost_kernels == {"gfx942": ("a",)}
    assert change([unit(gfx942="ab")], [unit(gfx942_xp="ab")]).lost_targets == ("gfx942",)


def test_code_without_a_mode_stands_in_for_code_for_each():
    both = [unit(gfx942_xp="ab", gfx942_xm="ab")]
    assert quiet(change(both, [unit(gfx942="ab")]))


def test_a_name_that_is_no_target_id_is_held_by_name():
    spirv = unit(amdgcnspirv="a", gfx942="a")
    assert quiet(change([spirv], [spirv]))
    assert change([spirv], [unit(gfx942="a")]).lost_targets == ("amdgcnspirv",)


def with_rows(*rows):
    return UnitRecord("ccob", 9, {"gfx942": TargetRecord(1, 4, dict(rows))})


def test_a_kernel_takes_other_resources():
    more = ROW._replace(vgpr_count=16)
    found = change(
        [with_rows(("a", ROW), ("b", ROW))], [with_rows(("a", more), ("b", ROW))]
    )
    (one,) = found.resources
    assert (one.target, one.kernel, one.old, one.new) == ("gfx942", "a", ROW, more)


def test_resources_that_nobody_looked_at_are_no_change():
    assert quiet(change([with_rows(("a", ROW))], [with_rows(("a", Resources()))]))


def test_binaries_come_and_go():
    a, b, c = (BinaryRecord("w.whl", f"{name}.so", units=(BOTH,)) for name in "abc")
    found = compare(Snapshot((a, b)), Snapshot((b, c)))
    assert (found.lost, found.new) == ((a,), (c,))
    assert [one.new for one in found.changes] == [b]


@pytest.mark.parametrize(
    ("old", "new", "lost_targets", "lost", "fresh"),
    [
        ({"gfx942": "fg"}, {"gfx942": "fg"}, (), {}, {}),
        ({"gfx942": "fg"}, {"gfx942": "fh"}, (), {"gfx942": ("g",)}, {"gfx942": ("h",)}),
        ({"gfx942": "f", "gfx950": "f"}, {"gfx942": "f"}, ("gfx950",), {}, {}),
    ],
)
def test_functions_of_device_bitcode(old, new, lost_targets, lost, fresh):
    before, after = (
        Snapshot(
            (
                BinaryRecord(
                    "l.a", "o.o", bitcode={t: frozenset(names) for t, names in one.items()}
                ),
            )
        )
        for one in (old, new)
    )
    (found,) = compare(before, after).changes
    assert found.lost_targets == lost_targets
    assert found.lost_functions == lost
    assert found.new_functions == fresh


def test_what_was_linked_and_is_an_object_now_serves_nothing_yet():
    """Bitcode is for a link to come: a binary that had code objects lost its target."""
    before = Snapshot((BinaryRecord("l", "l", units=(unit(gfx942="a"),)),))
    after = Snapshot((BinaryRecord("l", "l", bitcode={"gfx942": frozenset("a")}),))
    (found,) = compare(before, after).changes
    assert found.lost_targets == ("gfx942",)
