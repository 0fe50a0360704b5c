"""What a snapshot records of binaries whose bytes the tests write."""

import io
import json
import shutil
import zipfile

import pytest

from kinspect import Installed, Unreadable, api, copies
from kinspect.formats import ccob as ccob_format
from kinspect.hosts import registered
from kinspect.names import plain_kernel
from kinspect.resources.reading import kernels
from kinspect.snapshot import Resources, load, of_artifacts, save, take, text
from tests.conftest import SAMPLES
from tests.sources.test_installed import install
from tests.writers import Host, Kernel, Slot, bundle, ccob, code_object, kpack
from tests.writers.bundles import device

RESOURCES = {
    "vgpr_count": 96,
    "agpr_count": 32,
    "sgpr_count": 40,
    "group_segment_fixed_size": 1024,
    "private_segment_fixed_size": 16,
    "kernarg_segment_size": 56,
    "wavefront_size": 64,
    "max_flat_workgroup_size": 256,
    "vgpr_spill_count": 3,
    "sgpr_spill_count": 2,
}
A = code_object("gfx942", Kernel("_Z1av", fields=RESOURCES), "_Z1bv")
B = code_object("gfx950", "_Z1av")
PAIR = bundle(("gfx942", A), ("gfx950", B))


def taken(*paths):
    problems: list[Unreadable] = []
    snapshot = take(paths, problems=problems)
    assert problems == []
    return snapshot


def wheel(path, members):
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def test_targets_kernels_and_resources(tmp_path):
    path = tmp_path / "l.so"
    path.write_bytes(Host(PAIR).build().data)
    (binary,) = taken(path).binaries
    assert (binary.artifact, binary.path, binary.name) == ("l.so",) * 3
    (unit,) = binary.units
    assert (unit.form, unit.size) == ("plain", len(PAIR))
    assert {name: (one.size, one.abi_version) for name, one in unit.targets.items()} == {
        "gfx942": (len(A), 3),
        "gfx950": (len(B), 3),
    }
    kernels = unit.targets["gfx942"].kernels
    assert list(kernels) == ["_Z1av", "_Z1bv"]
    # a SIMD of gfx942 has 512 registers: room for five waves of 96, but eight at most
    assert kernels["_Z1av"] == Resources(**RESOURCES, occupancy=5)
    # what the writer puts into each kernel: nothing of AGPRs and spills
    assert kernels["_Z1bv"] == Resources(4, None, 12, 0, 0, 8, 64, 1024, occupancy=8)
    assert list(unit.targets["gfx950"].kernels) == ["_Z1av"]


def test_what_can_not_be_launched_is_no_kernel(tmp_path):
    path = tmp_path / "l.co"
    path.write_bytes(code_object("gfx942", Kernel("a", descriptor=False), "b"))
    (binary,) = taken(path).binaries
    assert list(binary.units[0].targets["gfx942"].kernels) == ["b"]


def test_an_empty_slot_is_no_code(tmp_path):
    path = tmp_path / "l.hipfb"
    path.write_bytes(bundle(("gfx942", A), Slot(device("gfx950"), b"")))
    problems: list[Unreadable] = []
    (binary,) = take([path], problems=problems).binaries
    assert binary.targets == ("gfx942",)


def test_the_hash_that_an_rdc_compile_appends_is_left_out(tmp_path):
    """It is of paths, so that it differs from machine to machine; the rest is kept."""
    names = ["_ZL1sv.intern.0123456789abcdef", "_ZL1sv.intern.fedcba9876543210", "_Z1fv"]
    path = tmp_path / "l.co"
    path.write_bytes(code_object("gfx942", *names))
    (binary,) = taken(path).binaries
    assert list(binary.units[0].targets["gfx942"].kernels) == [
        "_Z1fv",
        "_ZL1sv",
        "_ZL1sv#2",
    ]


def test_units_come_in_the_order_of_their_kernels_and_not_of_the_link(tmp_path):
    parts = [
        ccob(bundle(("gfx942", code_object("gfx942", name))), 2) for name in ("a", "b", "c")
    ]
    texts = set()
    for order in ([0, 1, 2], [2, 0, 1]):
        path = tmp_path / "l.hipfb"
        path.write_bytes(b"".join(parts[index] for index in order))
        texts.add("".join(text(taken(path), "1")))
    assert len(texts) == 1


def test_paths_are_those_inside_of_the_artifact(tmp_path, monkeypatch):
    data = Host(PAIR).build().data
    wheel(tmp_path / "p-1.0-py3-none-any.whl", {"p/l.so": data, "p/host.py": b"pass"})
    inner = io.BytesIO((tmp_path / "p-1.0-py3-none-any.whl").read_bytes())
    (tmp_path / "d" / "e").mkdir(parents=True)
    (tmp_path / "d" / "e" / "l.so").write_bytes(data)
    wheel(tmp_path / "d" / "w.zip", {"p.whl": inner.getvalue()})
    monkeypatch.chdir(tmp_path / "d")
    for directory in (tmp_path / "d", "../d/", "../d"):
        assert [(one.artifact, one.path) for one in taken(directory).binaries] == [
            ("d", "e/l.so"),
            ("d", "w.zip!p.whl!p/l.so"),
        ]
    (one,) = taken("../p-1.0-py3-none-any.whl").binaries
    assert (one.artifact, one.path) == ("p-1.0-py3-none-any.whl", "p/l.so")
    assert [one.path for one in taken(".").binaries] == ["e/l.so", "w.zip!p.whl!p/l.so"]


def test_bitcode_is_recorded_by_target():
    found = taken(SAMPLES / "librocshmem.a").binaries
    assert [one.path for one in found] == [
        "rocshmem_context.o",
        "rocshmem_team_collectives.o",
    ]
    for one in found:
        assert one.targets == ("gfx942", "gfx950")
        assert one.bitcode["gfx942"] == one.bitcode["gfx950"]
        assert any("rocshmem" in name for name in one.bitcode["gfx942"])


def test_what_can_not_be_read_is_told(tmp_path):
    path = wheel(
        tmp_path / "w.whl", {"l.so": Host(bundle(("gfx942", A))[:80]).build().data}
    )
    problems: list[Unreadable] = []
    take([path], problems=problems)
    assert [one.where.path for one in problems] == [f"{path}!l.so"]
    path.write_bytes(bundle(("gfx942", A[:100])))
    problems.clear()
    take([path], problems=problems)
    assert "needs" in problems[0].message or "truncated" in problems[0].message


# --- what kernels take, read by columns ------------------------------------------------


def each_by_itself(path):
    """The resources of kernels as `kinspect kernels` reads them: one after the other."""
    problems: list[Unreadable] = []
    rows = {}
    for one in kernels(path, problems=problems):
        metadata = [getattr(one.kernel, name) for name in Resources._fields[:-1]]
        waves = None if one.occupancy is None else one.occupancy.waves
        place = (one.path, one.bundle, one.target, plain_kernel(one.name))
        rows[place] = Resources._make((*metadata, waves))
    assert not problems
    return rows


def by_columns(path):
    return {
        (binary.breadcrumb, unit.index, target, name): row
        for binary in taken(path).binaries
        for unit in binary.units
        for target, one in unit.targets.items()
        for name, row in one.kernels.items()
    }


@pytest.mark.parametrize(
    "name", ["deep_ep_both.so", "per_tu_one_lacks.so", "ccob_v3_zstd.so", "xnack_both.so"]
)
def test_kernels_take_what_they_take_one_by_one(name):
    path = str(SAMPLES / name)
    assert by_columns(path) == each_by_itself(path) != {}


FEW = {"vgpr_count": 4}


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param(
            [Kernel("a"), Kernel("b", described={"vgpr_count": 96})], id="together"
        ),
        pytest.param([Kernel("a", described={"vgpr_count": 256})], id="more registers"),
        pytest.param(
            [Kernel("b", fields={"vgpr_count": None}, described=FEW), "a"], id="unknown"
        ),
        pytest.param(
            [Kernel("a", fields={"reqd_workgroup_size": [13, 8, 8]}), "b"], id="workgroup"
        ),
    ],
)
@pytest.mark.parametrize("target", ["gfx942", "gfx1100"])
def test_what_a_kernel_takes_depends_on_its_descriptor(tmp_path, target, parts):
    path = tmp_path / "l.hipfb"
    path.write_bytes(bundle((target, code_object(target, *parts))))
    assert by_columns(str(path)) == each_by_itself(str(path)) != {}


def test_a_kernel_that_is_listed_twice_takes_what_the_last_one_says(tmp_path):
    twice = [Kernel("a", fields={"sgpr_count": count}) for count in (16, 32)]
    path = tmp_path / "l.co"
    path.write_bytes(code_object("gfx942", "b", *twice, "c"))
    problems: list[Unreadable] = []
    (binary,) = take([path], problems=problems).binaries
    assert [one.message for one in problems] == ["kernels listed twice: a"]
    found = binary.units[0].targets["gfx942"].kernels
    assert {name: row.sgpr_count for name, row in found.items()} == {
        "a": 32, "b": 12, "c": 12,
    }  # fmt: skip


def test_several_processes_take_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr(copies, "SMALL", 1)
    parts = [
        ccob(bundle(("gfx942", A), ("gfx950", code_object("gfx950", name))), 2)
        for name in ("a", "b", "_ZL1sv.intern.0123456789abcdef")
    ]
    path = tmp_path / "l.hipfb"
    path.write_bytes(b"".join(parts))
    problems: list[Unreadable] = []
    assert take([path], problems=problems, jobs=3) == taken(path)
    assert not problems


# --- what a snapshot does not ask ------------------------------------------------------


def test_checksums_are_left_to_verify(tmp_path, monkeypatch):
    """The same in `diff`: who compares reads the bytes, and does not judge them."""
    data = bytearray(ccob(PAIR, 3))
    data[24] ^= 1  # of the eight bytes of the MD5
    path = tmp_path / "l.hipfb"
    path.write_bytes(data)
    (bundle_,) = api.inspect(path).binaries[0].bundles
    assert "MD5 mismatch" in bundle_.faults[0].message
    monkeypatch.delattr(ccob_format, "digest")
    assert taken(path).binaries[0].targets == ("gfx942", "gfx950")


def test_a_bundle_that_can_not_be_inflated_is_told(tmp_path):
    data = bytearray(ccob(PAIR, 3))
    data[40:60] = bytes(20)
    path = tmp_path / "l.hipfb"
    path.write_bytes(data)
    problems: list[Unreadable] = []
    take([path], problems=problems)
    assert ["zstd payload" in one.message for one in problems] == [True]


def test_what_the_host_registers_is_left_to_verify(tmp_path, monkeypatch):
    monkeypatch.delattr(registered, "registered_names")
    path = tmp_path / "l.so"
    path.write_bytes(Host(PAIR).build().data)
    assert taken(path).binaries[0].targets == ("gfx942", "gfx950")


def test_metadata_that_can_not_be_decoded_is_told(tmp_path):
    path = tmp_path / "l.co"
    path.write_bytes(code_object("gfx942", Kernel("a", fields={"uses_dynamic_stack": 3})))
    problems: list[Unreadable] = []
    take([path], problems=problems)
    assert ["metadata record" in one.message for one in problems] == [True]


@pytest.mark.parametrize(
    "name",
    ["deep_ep_both.so", "kinds_rdc.so", "embedded.so", "librocshmem.a", "generic.so"],
)
def test_what_verify_sees_is_what_was_recorded_but_for_the_resources(name, tmp_path):
    path = SAMPLES / name
    save(taken(path), str(tmp_path / "s.json"), "1")
    seen = of_artifacts([api.inspect(path)])
    recorded = load(str(tmp_path / "s.json"))
    assert [one.targets for one in seen.binaries] == [
        one.targets for one in recorded.binaries
    ]
    for mine, theirs in zip(seen.binaries, recorded.binaries, strict=True):
        assert mine.bitcode == theirs.bitcode
        for one, other in zip(mine.units, theirs.units, strict=True):
            assert {t: list(r.kernels) for t, r in one.targets.items()} == {
                t: list(r.kernels) for t, r in other.targets.items()
            }


# --- kpack ----------------------------------------------------------------------------

CODE = {("lib/l.so#0", "gfx942"): A, ("lib/l.so#0", "gfx950"): B}


@pytest.fixture
def split(tmp_path, monkeypatch):
    """A host, and an archive for each target in another directory."""
    monkeypatch.chdir(tmp_path)
    host = kpack.split_host("lib/l.so", "../.kpack/l_@GFXARCH@.kpack")
    for name in ("host/lib", ".kpack"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "host/lib/l.so").write_bytes(host)
    for (key, target), data in CODE.items():
        archive = kpack.archive({(key, target): data}, "zstd-per-kernel")
        (tmp_path / f".kpack/l_{target}.kpack").write_bytes(archive)
    return tmp_path


def kernels_of(binary):
    (unit,) = binary.units
    return {name: dict(one.kernels) for name, one in unit.targets.items()}


def test_a_split_host_has_what_its_archives_have(split):
    """In whatever order they are named, and with other binaries between them."""
    (split / "l.so").write_bytes(Host(PAIR).build().data)
    (whole,) = taken("l.so").binaries
    archives = [".kpack/l_gfx942.kpack", ".kpack/l_gfx950.kpack"]
    for paths in (
        ["host/lib/l.so", "l.so", *archives],
        [*archives, "l.so", "host/lib/l.so"],
    ):
        found = taken(*paths).binaries
        assert len(found) == 4
        (host,) = [one for one in found if one.breadcrumb == "host/lib/l.so"]
        assert kernels_of(host) == kernels_of(whole)
        for row in kernels_of(host).values():
            assert all(one.wavefront_size == 64 for one in row.values())


def test_archives_that_lie_around_a_host_are_found(split):
    (split / ".kpack").rename(split / "host/.kpack")
    (host,) = taken("host/lib/l.so").binaries
    assert set(kernels_of(host)) == {"gfx942", "gfx950"}
    assert kernels_of(host)["gfx942"]["_Z1av"] == Resources(**RESOURCES, occupancy=5)
    assert len(taken("host").binaries) == 3


def test_a_host_without_its_archives_is_no_snapshot(split, kinspect):
    problems: list[Unreadable] = []
    take(["host/lib/l.so"], problems=problems)
    (problem,) = problems
    assert (
        "kpack archives, and none is here: ../.kpack/l_@GFXARCH@.kpack" in problem.message
    )
    done = kinspect("snapshot", "-o", "s.json", "host")
    assert (done.code, (split / "s.json").exists()) == (2, False)
    assert kinspect("diff", "host", "host").code == 2


def test_damage_in_an_archive_around_is_told_once(split):
    (split / ".kpack").rename(split / "host/.kpack")
    cut = kpack.archive({("lib/l.so#0", "gfx942"): A[:200]})
    (split / "host/.kpack/l_gfx942.kpack").write_bytes(cut)
    problems: list[Unreadable] = []
    take(["host"], problems=problems)
    assert problems
    assert len(set(problems)) == len(problems)


def test_a_build_that_was_split_has_lost_nothing(kinspect, monkeypatch):
    """The samples' build moved the code of the one to the archives of the other."""
    monkeypatch.chdir(SAMPLES)
    options = ["--fail-on", "lost-target,lost-kernel,renamed-kernel"]
    assert kinspect("diff", *options, "per_tu_both.so", "kpack_per_tu.so").code == 0
    assert kinspect("diff", *options, "kpack_per_tu.so", "per_tu_one_lacks.so").code == 1


def test_a_baseline_of_a_split_build_holds_for_it(split, kinspect):
    (split / ".kpack").rename(split / "host/.kpack")
    assert kinspect("snapshot", "-o", "s.json", "host").code == 0
    verify = ["verify", "--ignore", "kernel-parity", "--baseline", "s.json", "host"]
    assert kinspect(*verify).code == 0
    (split / "host/.kpack/l_gfx950.kpack").unlink()
    done = kinspect(*verify, "--require", "gfx942")
    assert (done.code, "lost-target" in done.out) == (1, True)


def test_what_a_host_has_from_archives_is_told_there_and_once(split, kinspect):
    (split / ".kpack").rename(split / "host/.kpack")
    done = kinspect("snapshot", "-o", "s.json", "host")
    assert done.err == "s.json: 1 binary, 2 targets, 3 kernels\n"
    assert [one.path for one in load("s.json").binaries] == ["lib/l.so"]
    assert [one.path for one in taken("host").own] == ["lib/l.so"]
    # without its only kernel for gfx950
    lesser = kpack.archive({("lib/l.so#0", "gfx950"): code_object("gfx950", "_Z1cv")})
    (split / "host/.kpack/l_gfx950.kpack").write_bytes(lesser)
    verify = ["verify", "--ignore", "kernel-parity", "--baseline", "s.json", "host"]
    done = kinspect(*verify, "--format", "json")
    found = [(one["path"], one["rule"]) for one in json.loads(done.out)["findings"]]
    assert sorted(found) == [
        ("host/lib/l.so", "beyond-baseline"),  # _Z1cv
        ("host/lib/l.so", "lost-kernel"),
    ]
    shutil.copytree("host", "next")
    done = kinspect("diff", "--format", "json", "host", "next")
    assert [one["new"] for one in json.loads(done.out)["binaries"]] == ["lib/l.so"]


def test_what_no_host_asks_for_is_the_archives_own(split):
    other = ("lib/other.so#0", "gfx942")
    archive = kpack.archive({("lib/l.so#0", "gfx942"): A, other: B})
    (split / "host/.kpack").mkdir()
    (split / "host/.kpack/l_gfx942.kpack").write_bytes(archive)
    host, rest = sorted(taken("host").own, key=lambda one: one.path, reverse=True)
    assert kernels_of(host).keys() == {"gfx942"}
    assert list(kernels_of(host)["gfx942"]) == ["_Z1av", "_Z1bv"]
    assert rest.path == ".kpack/l_gfx942.kpack"
    assert list(kernels_of(rest)["gfx942"]) == ["_Z1av"]


def test_a_baseline_of_an_archive_holds_beside_its_host(split, kinspect):
    (split / ".kpack").rename(split / "host/.kpack")
    (split / "host/lib").rename(split / "lib")
    assert kinspect("snapshot", "-o", "s.json", "host").code == 0
    assert len(load("s.json").binaries) == 2
    (split / "lib").rename(split / "host/lib")
    verify = ["verify", "--ignore", "kernel-parity", "--baseline", "s.json", "host"]
    done = kinspect(*verify)
    assert (done.code, "lost" in done.out) == (0, False)


def test_a_host_takes_what_its_archives_store_for_it(split):
    (split / ".kpack").rename(split / "host/.kpack")
    (host,) = taken("host/lib/l.so").binaries
    (unit,) = host.units
    assert unit.size == len(kpack.frame(A)) + len(kpack.frame(B))


# --- installed ------------------------------------------------------------------------


def test_what_is_installed_is_named_by_its_distribution(tmp_path, kinspect, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = Host(PAIR).build().data
    install(tmp_path / "venv", {"pkg/l.so": data})
    (binary,) = taken(Installed("deep-ep", "venv")).binaries
    assert binary.name == "Deep.EP-1.0!pkg/l.so"
    options = ["--installed", "deep-ep", "--python", "venv"]
    assert kinspect("snapshot", "-o", "s.json", *options).code == 0
    verify = ["verify", "--ignore", "kernel-parity", "--baseline", "s.json", *options]
    assert kinspect(*verify).code == 0
    # the next version, and the wheel that it was installed from
    install(tmp_path / "next", {"pkg/l.so": data}, version="1.1")
    assert kinspect(*verify[:-1], "next").code == 0
    wheel(tmp_path / "deep_ep-1.0-py3-none-any.whl", {"pkg/l.so": data})
    done = kinspect("diff", "s.json", "deep_ep-1.0-py3-none-any.whl")
    assert done.out.splitlines()[-1].startswith("SAME")
