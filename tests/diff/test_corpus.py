"""Diffs of real libraries, held against what LLVM's readelf says of both.

The code objects come out of the libraries by an ELF section table, zstandard and a table
of offsets, all read here; targets, kernels and resources from `llvm-readelf-19 --notes`.
"""

import json
import re
import struct
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import zstandard

pytestmark = pytest.mark.corpus

BNB = "bitsandbytes/libbitsandbytes_"

FIELDS = {
    "agpr_count",
    "group_segment_fixed_size",
    "kernarg_segment_size",
    "max_flat_workgroup_size",
    "private_segment_fixed_size",
    "sgpr_count",
    "sgpr_spill_count",
    "vgpr_count",
    "vgpr_spill_count",
    "wavefront_size",
}

#: kernel → resources, by target
Facts = dict[str, dict[str, dict[str, int]]]


def inflated(data: bytes) -> list[bytes]:
    """The bundles of a file, by LLVM's CompressedOffloadBundle headers."""
    found = []
    for match in re.finditer(rb"CCOB(?=[\x02\x03]\0\x01\0)", data):
        (version,) = struct.unpack_from("<H", data, match.start() + 4)
        layout, head = {2: ("<II", 24), 3: ("<QQ", 32)}[version]
        total, size = struct.unpack_from(layout, data, match.start() + 8)
        payload = data[match.start() + head : match.start() + total]
        found.append(zstandard.ZstdDecompressor().decompress(payload, max_output_size=size))
    return found


def entries(bundle: bytes) -> list[tuple[str, bytes]]:
    (number,) = struct.unpack_from("<Q", bundle, 24)
    at, found = 32, []
    for _ in range(number):
        offset, size, length = struct.unpack_from("<QQQ", bundle, at)
        name = bundle[at + 24 : at + 24 + length].decode()
        at += 24 + length
        if name.startswith("hip") and size:
            found.append((name.split("--")[1], bundle[offset : offset + size]))
    return found


@pytest.fixture
def facts(run: Callable[..., str], tmp_path: Path) -> Callable[[Path], Facts]:
    """What readelf says of every kernel of a library."""

    def read(library: Path) -> Facts:
        found: Facts = {}
        for bundle in inflated(library.read_bytes()):
            for target, data in entries(bundle):
                path = tmp_path / "code_object"
                path.write_bytes(data)
                notes = run("llvm-readelf-19", "--notes", path)
                assert f"amdhsa.target:   amdgcn-amd-amdhsa--{target}" in notes.replace(
                    "'", ""
                )
                kernels = found.setdefault(target, {})
                for block in re.split(r"^  - (?=\.)", notes, flags=re.MULTILINE)[1:]:
                    pairs = re.findall(r"^(?:    )?\.(\w+):\s+(\S+)$", block, re.MULTILINE)
                    row = dict(pairs)
                    name = row["name"].strip("'")
                    assert name not in kernels
                    kernels[name] = {key: int(row[key]) for key in FIELDS & row.keys()}
        assert found
        return found

    return read


def check(change: dict[str, Any], old: Facts, new: Facts) -> None:
    """Every list of a diff follows from the two tables."""
    assert change["lost_targets"] == sorted(old.keys() - new.keys())
    assert change["new_targets"] == sorted(new.keys() - old.keys())
    assert change["thinned_targets"] == {}
    numbers = {one["target"]: one["kernels"] for one in change["targets"]}
    assert numbers == {
        target: [len(old.get(target, ())), len(new.get(target, ()))]
        for target in old.keys() | new.keys()
    }
    pairs = {
        (o["old"], o["new"], t) for o in change["renamed_kernels"] for t in o["targets"]
    }
    for target in old.keys() & new.keys():
        lost = set(change["lost_kernels"].get(target, ()))
        gained = set(change["new_kernels"].get(target, ()))
        before = {one for one, _, where in pairs if where == target}
        after = {one for _, one, where in pairs if where == target}
        assert not lost & before
        assert not gained & after
        assert lost | before == old[target].keys() - new[target].keys()
        assert gained | after == new[target].keys() - old[target].keys()
    names = {one: one for target in old.keys() & new.keys() for one in old[target]}
    names |= {one: other for one, other, _ in pairs}
    expected = {}
    for target in old.keys() & new.keys():
        for name, row in old[target].items():
            now = new[target].get(names[name])
            changed = {
                key: [row.get(key), now.get(key)]
                for key in sorted(FIELDS)
                if now is not None and row.get(key) != now.get(key)
            }
            if changed:
                expected[target, names[name]] = changed
    told = {}
    for one in change["resources"]:
        waves = one["changed"].pop("occupancy", None)  # the matter of tests/resources
        assert waves is None or min(waves) >= 1
        if one["changed"]:
            told[one["target"], one["kernel"]] = dict(sorted(one["changed"].items()))
    assert expected == told


@pytest.mark.oracle
def test_rocm_6_4_against_7_2_in_one_wheel(kinspect, member, facts):
    libraries = [member("bitsandbytes", f"{BNB}{name}.so") for name in ("rocm64", "rocm72")]
    done = kinspect("diff", *libraries, "--format", "json", "--fail-on", "higher-floor")
    assert done.code == 1  # CCOB version 2, version 3
    (change,) = json.loads(done.out)["binaries"]
    check(change, *map(facts, libraries))
    assert change["new_targets"] == ["gfx950"]
    assert [one["forms"] for one in change["packing"]] == [
        {"ccob 2 zstd": 2},
        {"ccob 3 zstd": 2},
    ]


@pytest.mark.oracle
@pytest.mark.parametrize("name", ["rocm64", "rocm72"])
def test_two_versions_of_bitsandbytes(kinspect, wheel, member, facts, name):
    wheels = [wheel("bitsandbytes-0.49"), wheel("bitsandbytes")]
    done = kinspect(
        "diff", *wheels, "--format", "json", "--fail-on", "lost-binary,lost-target"
    )
    assert done.code == 1
    value = json.loads(done.out)
    lost = [f"{BNB}rocm62.so", f"{BNB}rocm63.so"]
    assert [one["path"] for one in value["lost_binaries"]] == lost
    gained = [f"{BNB}rocm714.so", f"{BNB}rocm715.so"]
    assert [one["path"] for one in value["new_binaries"]] == gained
    changes = {one["new"]: one for one in value["binaries"]}
    path = f"{BNB}{name}.so"
    libraries = [member(one, path) for one in ("bitsandbytes-0.49", "bitsandbytes")]
    check(changes[path], *map(facts, libraries))
    # by eye: bfloat16 is spelled in another way; 36 kernels have no counterpart, such as
    # kPercentileClipping and kspmm_coo_very_sparse_naive
    renamed = changes[path]["renamed_kernels"]
    assert len(renamed) == 44
    for one in renamed:
        assert one["old"].replace("12hip_bfloat16", "14__hip_bfloat16") == one["new"]
    lost_names = set().union(*changes[path]["lost_kernels"].values())
    assert len(lost_names) == 36


def test_it_reads_well(kinspect, wheel):
    done = kinspect("diff", wheel("bitsandbytes-0.49"), wheel("bitsandbytes"))
    assert done.code == 0
    assert "- bitsandbytes/libbitsandbytes_rocm62.so   lost: 4 targets" in done.out
    assert "  - 36 kernels lost on all 9 targets\n" in done.out
    assert "    hip_bfloat16 → __hip_bfloat16 in kQuantizeBlockwise<…>  ×22\n" in done.out
    assert "OK: binaries" not in done.out  # nothing was asked for
    assert done.out.endswith("CHANGED: binaries: 2 lost, 2 new, 4 changed\n")


@pytest.fixture(scope="session")
def recorded(member, tmp_path_factory):
    """A snapshot of 409,773 kernels, taken once; each load of it is another one."""
    from kinspect.snapshot import load, save, take  # noqa: PLC0415

    library = member("jax-pjrt", "jax_plugins/xla_rocm7/xla_rocm_plugin.so")
    path = tmp_path_factory.mktemp("snapshot") / "xla.json.gz"
    problems: list[Any] = []
    save(take([library], problems=problems), str(path), "0")
    assert problems == []
    return lambda: load(str(path))


@pytest.mark.slow
def test_400_000_kernels_against_themselves(recorded):
    """Within 5 s, apart from reading; of the processor, since a machine may be busy."""
    from kinspect.diff import Side, diff  # noqa: PLC0415

    sides = [Side(name, recorded()) for name in ("old", "new")]
    start = time.process_time()
    found = diff(*sides)
    assert time.process_time() - start < 5
    assert found.same
    (binary,) = found.binaries
    assert sum(one.kernels[1] for one in binary.targets) == 409_773


@pytest.mark.slow
def test_400_000_kernels_of_another_rocprim(recorded):
    """Nearly all of them have its version in their names: none is lost or new."""
    from kinspect.diff import Side, diff  # noqa: PLC0415

    old, new = recorded(), recorded()
    (binary,) = old.binaries
    units = [
        replace(
            unit,
            targets={
                target: replace(
                    one,
                    kernels={
                        name.replace("ROCPRIM_400500_NS", "ROCPRIM_400400_NS"): row
                        for name, row in one.kernels.items()
                    },
                )
                for target, one in unit.targets.items()
            },
        )
        for unit in binary.units
    ]
    old = replace(old, binaries=(replace(binary, units=tuple(units)),))
    start = time.process_time()
    (change,) = diff(Side("old", old), Side("new", new)).binaries
    assert time.process_time() - start < 60
    assert change.lost_kernels == change.new_kernels == {}
    assert not change.resources
    assert not change.moved
    assert len(change.renamed) == 27_330
    for one in change.renamed:
        assert one.new == one.old.replace("ROCPRIM_400400_NS", "ROCPRIM_400500_NS")
