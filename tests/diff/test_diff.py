"""What changed between two builds whose bytes, or records, the tests write."""

import json
from dataclasses import replace

import jsonschema
import pytest

from kinspect import schemas
from kinspect.diff import KINDS, Side, diff, untold, violations
from kinspect.snapshot import BinaryRecord, Resources, Snapshot, TargetRecord, UnitRecord
from tests.writers import Host, Kernel, bundle, ccob, code_object

ROW = Resources(vgpr_count=8, vgpr_spill_count=0, sgpr_spill_count=0, occupancy=8)


def unit(form="plain", **targets):
    records = {
        name: TargetRecord(
            100, 4, rows if isinstance(rows, dict) else dict.fromkeys(rows, ROW)
        )
        for name, rows in targets.items()
    }
    version = 3 if form == "ccob" else None
    return UnitRecord(form, 1000, records, version, "zstd" if version else None)


def between(old, new):
    sides = [
        Side(name, Snapshot((BinaryRecord("l.so", "l.so", units=tuple(units)),)))
        for name, units in (("old", old), ("new", new))
    ]
    return diff(*sides)


def of(old, new):
    (binary,) = between(old, new).binaries
    return binary


def kinds(old, new):
    return {one.kind for one in violations(between(old, new), list(KINDS))}


BOTH = unit(gfx942=["_Z1av", "_Z1bv"], gfx950=["_Z1av", "_Z1bv"])


def test_the_same():
    found = between([BOTH], [BOTH])
    assert found.same
    assert not list(violations(found, list(KINDS)))


def test_bundles_in_another_order_are_the_same():
    other = unit(gfx942=["_Z1cv"])
    assert between([BOTH, other], [other, BOTH]).same


def test_a_renamed_kernel_is_neither_lost_nor_new():
    new = unit(gfx942=["_Z1ai", "_Z1bv"], gfx950=["_Z1ai", "_Z1bv"])
    found = of([BOTH], [new])
    assert found.lost_kernels == found.new_kernels == {}
    ((old, now, targets),) = [(o.old, o.new, o.targets) for o in found.renamed]
    assert (old, now, targets) == ("_Z1av", "_Z1ai", ("gfx942", "gfx950"))
    assert kinds([BOTH], [new]) == {"renamed-kernel"}


def test_a_kernel_that_is_renamed_for_one_target_only_is_lost_for_the_other():
    new = unit(gfx942=["_Z1ai", "_Z1bv"], gfx950=["_Z1bv"])
    found = of([BOTH], [new])
    assert found.lost_kernels == {"gfx950": ("_Z1av",)}
    assert [one.targets for one in found.renamed] == [("gfx942",)]


def test_a_kernel_that_is_still_there_for_another_target_is_not_renamed():
    new = unit(gfx942=["_Z1av", "_Z1bv"], gfx950=["_Z1ai", "_Z1bv"])
    found = of([BOTH], [new])
    assert found.renamed == ()
    assert found.lost_kernels == {"gfx950": ("_Z1av",)}


def test_a_kernel_moved_to_another_bundle():
    old = [unit(gfx942=["a", "b", "c"]), unit(gfx942=["x", "y"])]
    new = [unit(gfx942=["a", "b"]), unit(gfx942=["c", "x", "y"])]
    found = of(old, new)
    assert [one.kernel for one in found.moved] == ["c"]
    assert found.lost_kernels == found.new_kernels == {}
    assert kinds(old, new) == {"moved-kernel"}


def test_a_bundle_that_was_split():
    """The larger part is where the bundle went."""
    found = of([unit(gfx942="abcd")], [unit(gfx942="abc"), unit(gfx942="d")])
    assert [one.kernel for one in found.moved] == ["d"]


def test_a_kernel_that_several_bundles_have_does_not_move():
    old = [unit(gfx942="as"), unit(gfx942="bs")]
    assert of(old, [unit(gfx942="as"), unit(gfx942="b")]).moved == ()


def spilling(**values):
    return unit(gfx942={"_Z1av": ROW._replace(**values), "_Z1bv": ROW})


PLAIN = spilling()


@pytest.mark.parametrize(
    ("new", "expected"),
    [
        ({"vgpr_spill_count": 3}, {"new-spill"}),
        ({"sgpr_spill_count": 1}, {"new-spill"}),
        ({"vgpr_count": 9}, {"more-registers"}),
        ({"agpr_count": 1}, {"more-registers"}),
        ({"private_segment_fixed_size": 16}, {"more-scratch"}),
        ({"group_segment_fixed_size": 16}, {"more-lds"}),
        ({"vgpr_count": 7}, set()),
        ({"occupancy": 7}, {"lower-occupancy"}),
        ({"occupancy": 9}, set()),
    ],
)
def test_resources(new, expected):
    assert kinds([PLAIN], [spilling(**new)]) == expected


def test_a_spill_that_shrinks_is_no_new_one():
    old, new = spilling(vgpr_spill_count=3), spilling(vgpr_spill_count=2)
    assert kinds([old], [new]) == set()


def test_a_renamed_kernel_that_spills():
    new = unit(gfx942={"_Z1ai": ROW._replace(vgpr_spill_count=3), "_Z1bv": ROW})
    assert kinds([PLAIN], [new]) == {"renamed-kernel", "new-spill"}


def test_a_new_kernel_that_spills():
    rows = {"_Z1av": ROW, "_Z1bv": ROW, "_Z3newv": ROW._replace(sgpr_spill_count=1)}
    found = list(violations(between([PLAIN], [unit(gfx942=rows)]), list(KINDS)))
    assert [(one.kind, one.target, one.kernels) for one in found] == [
        ("new-spill", "gfx942", ("_Z3newv",))
    ]


def test_what_one_side_does_not_know_can_not_be_told():
    """No row, or no count in it: a spill may hide there."""
    for unknown in (Resources(), ROW._replace(vgpr_spill_count=None)):
        nothing = unit(gfx942={"_Z1av": unknown, "_Z1bv": ROW})
        assert untold(between([PLAIN], [nothing]), ["new-spill"]) == 1
        assert untold(between([nothing], [PLAIN]), ["new-spill"]) == 0  # 0 now
        assert untold(between([nothing], [spilling(vgpr_spill_count=2)]), ["new-spill"])
        assert untold(between([nothing], [nothing]), ["new-spill"]) == 0
        assert untold(between([PLAIN], [nothing]), ["lost-kernel"]) == 0


def test_a_snapshot_that_knows_no_occupancy():
    """As those are that an older kinspect wrote: no change, and nothing to vouch for."""
    before = unit(gfx942=dict.fromkeys(["_Z1av", "_Z1bv"], ROW._replace(occupancy=None)))
    assert between([before], [PLAIN]).same
    assert between([PLAIN], [before]).same
    assert untold(between([before], [PLAIN]), ["lower-occupancy"]) == 2
    assert untold(between([before], [PLAIN]), ["new-spill"]) == 0
    (binary,) = between([before], [spilling(vgpr_count=9)]).binaries
    (one,) = binary.resources
    assert (one.delta("vgpr_count"), one.delta("occupancy")) == ((8, 9), None)
    renamed = unit(gfx942={"_Z1ai": ROW, "_Z1bv": ROW})
    assert of([before], [renamed]).resources == ()


def test_targets_and_sizes():
    found = of([BOTH], [unit(gfx942=["_Z1av", "_Z1bv"], gfx1100=["_Z1av"])])
    assert [(t.target, t.bundles, t.kernels, t.size) for t in found.targets] == [
        ("gfx1100", (0, 1), (0, 1), (0, 100)),
        ("gfx942", (1, 1), (2, 2), (100, 100)),
        ("gfx950", (1, 0), (2, 0), (100, 0)),
    ]
    assert found.change.lost_targets == ("gfx950",)


@pytest.mark.parametrize(
    ("old", "new", "floors", "expected"),
    [
        # which releases read what: docs/architecture.md, runtime.py
        ("plain", "ccob", ((6, 0), (7, 0)), {"higher-floor"}),
        ("ccob", "plain", ((7, 0), (6, 0)), set()),
        ("ccob", "kpack", ((7, 0), (7, 12)), {"higher-floor"}),
    ],
)
def test_packing_and_the_release_that_it_needs(old, new, floors, expected):
    sides = [unit(form, gfx942=["a"]) for form in (old, new)]
    found = of([sides[0]], [sides[1]])
    assert tuple(one.floor for one in found.packing) == floors
    assert kinds([sides[0]], [sides[1]]) == expected


def test_a_version_that_no_release_reads_is_higher_than_any():
    one = unit("ccob", gfx942=["a"])
    assert kinds([one], [replace(one, version=1)]) == {"higher-floor"}


# --- the command --------------------------------------------------------------------

FIELDS = {"vgpr_count": 96, "vgpr_spill_count": 0, "sgpr_spill_count": 0}
A = code_object("gfx942", Kernel("_Z1av", fields=FIELDS), "_Z1bv")
SPILLS = code_object(
    "gfx942", Kernel("_Z1av", fields=FIELDS | {"vgpr_spill_count": 7}), "_Z1bv"
)
#: the SIMD of a gfx942 has room for 512 registers: 5 waves of 96, 3 of 160 (here alone
#: the descriptor says so, which the hardware gets)
CROWDED = code_object(
    "gfx942", Kernel("_Z1av", fields=FIELDS, described={"vgpr_count": 160}), "_Z1bv"
)
ONE_KERNEL = code_object("gfx942", Kernel("_Z1av", fields=FIELDS))
B = code_object("gfx950", "_Z1av", "_Z1bv")


def host(tmp_path, name, *entries, packed=False):
    path = tmp_path / name
    data = bundle(*entries)
    path.write_bytes(Host(ccob(data, version=3) if packed else data).build().data)
    return path


@pytest.fixture
def old(tmp_path):
    return host(tmp_path, "old.so", ("gfx942", A), ("gfx950", B))


def test_no_change(kinspect, old):
    done = kinspect("diff", old, old, "--fail-on", ",".join(KINDS))
    assert (done.code, done.out.splitlines()[-1][:5]) == (0, "SAME:")


@pytest.mark.parametrize(
    ("entries", "kind"),
    [
        ([("gfx942", A)], "lost-target"),
        ([("gfx942", ONE_KERNEL), ("gfx950", B)], "lost-kernel"),
        ([("gfx942", SPILLS), ("gfx950", B)], "new-spill"),
        ([("gfx942", CROWDED), ("gfx950", B)], "lower-occupancy"),
    ],
)
def test_fail_on(kinspect, tmp_path, old, entries, kind):
    new = host(tmp_path, "new.so", *entries)
    assert kinspect("diff", old, new).code == 0
    done = kinspect("diff", old, new, "--fail-on", kind)
    assert done.code == 1
    assert f"error[{kind}] new.so" in done.out
    assert done.out.endswith("FAILED: 1 error\n")
    others = [one for one in KINDS if one != kind]
    assert kinspect("diff", old, new, "--fail-on", ",".join(others)).code == 0
    assert kinspect("diff", new, old, "--fail-on", kind).code == 0


def test_resources_come_by_what_matters(kinspect, tmp_path, old):
    """Spills, then occupancy; what got worse is first, and alarming."""
    more = {"vgpr_count": 160, "vgpr_spill_count": 7, "private_segment_fixed_size": 16}
    worse = Kernel("_Z1av", fields=FIELDS | more)
    better = Kernel("_Z1bv", fields={"vgpr_count": 200})
    now = code_object("gfx942", worse, Kernel("_Z1bv"))
    then = code_object("gfx942", Kernel("_Z1av", fields=FIELDS), better)
    pair = [host(tmp_path, n, ("gfx942", d)) for n, d in (("a.so", then), ("b.so", now))]
    done = kinspect("diff", *pair)
    heads = [line for line in done.out.splitlines() if line.startswith("  ~")]
    assert heads == [
        "  ~ VGPR spills: more in 1 kernel",
        "  ~ occupancy: more in 1 kernel, fewer in 1 kernel",
        "  ~ scratch bytes: more in 1 kernel",
        "  ~ VGPRs: more in 1 kernel, fewer in 1 kernel",
    ]
    at = done.out.index("~ occupancy")
    rows = done.out[at:].splitlines()[1:3]
    assert [row.split("  (")[0].strip() for row in rows] == ["5 → 3  a", "2 → 8  b"]
    colored = kinspect("diff", *pair, "--color").out
    assert "\x1b[1;31moccupancy\x1b[0m" in colored
    assert "\x1b[1;31mscratch" not in colored
    done = kinspect("diff", *reversed(pair), "--fail-on", "lower-occupancy")
    assert (done.code, "error[lower-occupancy] a.so: gfx942\n  b" in done.out) == (1, True)


def test_a_snapshot_stands_in_for_either_side(kinspect, tmp_path, old):
    new = host(tmp_path, "new.so", ("gfx942", SPILLS), packed=True)
    for name in ("old.json", "old.json.gz", "without_ending"):
        record = tmp_path / name
        assert kinspect("snapshot", old, "-o", record).code == 0
        done = kinspect("diff", record, new, "--fail-on", "new-spill,lost-target")
        assert (done.code, done.err) == (1, "")
        assert kinspect("diff", old, record).out.splitlines()[-1][:5] == "SAME:"
    record = tmp_path / "new.json"
    assert kinspect("snapshot", new, "-o", record).code == 0
    jsonschema.validate(json.loads(record.read_text()), json.loads(schemas.snapshot()))
    assert kinspect("diff", new, record).out.splitlines()[-1][:5] == "SAME:"
    done = kinspect("diff", old, record)
    assert "1 plain → 1 ccob 3 zstd" in done.out
    assert "6.0 → 7.0" in done.out


def test_json_is_as_its_schema_says(kinspect, tmp_path, old):
    new = host(tmp_path, "new.so", ("gfx942", SPILLS), packed=True)
    done = kinspect("diff", old, new, "--format", "json", "--fail-on", "new-spill")
    assert done.code == 1
    value = json.loads(done.out)
    schema = json.loads(schemas.diff())
    jsonschema.validate(value, schema)
    (kind,) = schema["properties"]["violations"]["items"]["properties"]["kind"].values()
    assert kind == list(KINDS)
    (binary,) = value["binaries"]
    assert binary["lost_targets"] == ["gfx950"]
    assert binary["packing"][1]["forms"] == {"ccob 3 zstd": 1}
    (change,) = binary["resources"]
    assert change["kernel"] == "_Z1av"
    assert change["changed"] == {"vgpr_spill_count": [0, 7]}
    assert value["violations"] == [
        {"kind": "new-spill", "binary": "new.so", "target": "gfx942", "kernels": ["_Z1av"]}
    ]


def test_markdown(kinspect, tmp_path, old):
    new = host(tmp_path, "new.so", ("gfx942", SPILLS))
    done = kinspect("diff", old, new, "--format", "markdown", "--fail-on", "lost-target")
    assert "- ❌ **lost-target** in `new.so` for `gfx950`" in done.out
    assert "| `gfx950` | 1 → 0 | 2 → 0 |" in done.out
    assert "VGPR spills: more in 1 kernel" in done.out


@pytest.mark.parametrize("side", [0, 1])
def test_what_can_not_be_read_is_never_0(kinspect, tmp_path, old, side):
    for name, data in (
        ("gone.so", None),
        ("broken.json", b'{"snapshot_version": 9}'),
        ("half.so", old.read_bytes()[:-3000]),
        ("empty.so", b""),
    ):
        path = tmp_path / name
        if data is not None:
            path.write_bytes(data)
        pair = (path, old) if side == 0 else (old, path)
        done = kinspect("diff", *pair, "--fail-on", "new-spill")
        assert done.code == 2, name
        assert done.err.startswith("kinspect: error: ")


def test_what_may_be_in_an_unreadable_part_is_not_called_lost(kinspect, tmp_path, old):
    new = host(tmp_path, "new.so", ("gfx942", A), ("gfx950", B[:100]))
    done = kinspect("diff", old, new, "--fail-on", "lost-kernel,lost-target")
    assert done.code == 2
    assert "error[" not in done.out
    assert done.out.splitlines()[-1].startswith("UNKNOWN")


def test_a_new_spill_outranks_what_could_not_be_read(kinspect, tmp_path, old):
    new = host(tmp_path, "new.so", ("gfx942", SPILLS), ("gfx950", B[:100]))
    assert kinspect("diff", old, new, "--fail-on", "new-spill").code == 1


def test_nothing_to_hold_against(kinspect, tmp_path, old):
    nothing = tmp_path / "nothing"
    nothing.mkdir()
    assert kinspect("diff", nothing, old, "--fail-on", "lost-target").code == 2
    assert kinspect("diff", nothing, nothing).code == 2
    assert kinspect("diff", nothing, old).code == 0
    done = kinspect("diff", old, nothing, "--fail-on", "lost-binary")
    assert done.code == 1
    assert kinspect("diff", old, nothing, "--fail-on", "lost-target").code == 1


def test_a_kind_that_is_none(kinspect, old):
    done = kinspect("diff", old, old, "--fail-on", "lost-targets")
    assert done.code == 2
    assert "expected one of lost-binary, lost-target" in done.err


def test_names_can_not_forge(kinspect, tmp_path, old):
    evil = code_object("gfx942", "\x1b[2J::error::x", "_Z1bv")
    new = host(tmp_path, "new.so", ("gfx942", evil))
    for format_ in ("text", "markdown"):
        out = kinspect("diff", old, new, "--format", format_, "-v").out
        assert "\x1b" not in out
        assert "[2J" in out
