"""Occupancy, descriptors and resources equal what the compiler and LLVM's tools tell.

Kernels of every shape are compiled here, for every processor that the compiler knows;
`-Rpass-analysis=kernel-resource-usage` is its own estimate. llvm-objdump-19 takes kernel
descriptors apart, llvm-readelf-19 prints the metadata.
"""

import re
from collections.abc import Iterator

import pytest
import yaml

from kinspect import api
from kinspect.formats import code_object
from kinspect.formats.metadata import RESOURCES, Detail
from kinspect.machine import MACHINES
from kinspect.resources.kernels import Measured, measure
from kinspect.resources.reading import Query
from kinspect.resources.rows import KernelRow
from tests.compiling import Compiler
from tests.conftest import SAMPLES, manifest
from tests.reading import view

pytestmark = pytest.mark.oracle

ALL = sorted(sample["file"] for sample in manifest())

#: none of these has another row of the table to be held against
KNOWN = {
    "gfx600", "gfx700", "gfx803", "gfx810", "gfx900", "gfx906", "gfx908", "gfx90a", "gfx90c",
    "gfx942", "gfx950", "gfx9-generic", "gfx9-4-generic",
    "gfx1010", "gfx1013", "gfx10-1-generic", "gfx1030", "gfx1036", "gfx10-3-generic",
    "gfx1100", "gfx1101", "gfx1102", "gfx1103", "gfx1150", "gfx1151", "gfx1152", "gfx1153",
    "gfx11-generic", "gfx1200", "gfx1201", "gfx12-generic", "gfx1250", "gfx1251",
}  # fmt: skip

SIZES = ["", "FLAT(1,64)", "FLAT(1,256)", "FLAT(1,1000)", "FLAT(1,1024) WAVES(1,2)"]
LDS = [0, 1000, 9000, 20000, 30000]
LARGE_LDS = [40000, 64000]
VGPRS = [3, 24, 63, 64, 79, 95, 96, 127, 128, 160, 250]
SGPRS = [40, 79, 80, 81, 88, 94, 95, 99, 101]


MACRO = (
    '#define K(N, A, L, ...) extern "C" __global__ A void N(int *p) {'
    " __shared__ int l[L / 4 + 1]; if (L) { l[p[0]] = 1; p[1] = l[p[2]]; }"
    ' __asm__ volatile("" ::: __VA_ARGS__); }'
)


def sources(target: str) -> str:
    """Kernels with as many registers as their inline assembly spoils, and so much LDS."""
    lines = [
        "#define FLAT(a,b) __attribute__((amdgpu_flat_work_group_size(a,b)))",
        "#define WAVES(a,b) __attribute__((amdgpu_waves_per_eu(a,b)))",
        MACRO,
    ]
    old = target == "gfx600"
    lds = LDS if old else LDS + LARGE_LDS
    for number, size in enumerate(SIZES):
        for place, amount in enumerate(lds):
            # not all of them: a few of each
            for vgprs in VGPRS[(number + place) % 3 :: 3]:
                name = f"k{number}_{amount}_v{vgprs}"
                lines.append(f'K({name}, {size}, {amount}, "v{vgprs}")')
    lines += [f'K(s{n}, , 0, "s{n}")' for n in SGPRS]
    unified = target in {"gfx90a", "gfx942", "gfx950", "gfx9-4-generic"}
    if unified or target == "gfx908":
        lines += [f'K(a{n}, , 0, "v20", "a{n}")' for n in (0, 30, 63, 127, 200)]
    return "\n".join(lines).replace(
        "reqd_work_group_size(16,8,2)", "reqd_work_group_size(16,8,2)"
    )


def remarks(text: str) -> dict[str, dict[str, str]]:
    """What the compiler says of each kernel."""
    found: dict[str, dict[str, str]] = {}
    current: dict[str, str] = {}
    for name, value in re.findall(r"remark: +([^:\[]+?)(?: \[[^]]*\])?: (\S+)", text):
        if name == "Function Name":
            current = found[value] = {}
        current[name] = value
    return found


@pytest.fixture(scope="session")
def compiler(tmp_path_factory):
    return Compiler(tmp_path_factory.mktemp("compiler"))


@pytest.fixture(scope="session")
def compiled(compiler):
    """Code objects of the kernels above, each compiled once a session."""
    known: dict[str, tuple[bytes, str]] = {}

    def get(target: str) -> tuple[bytes, str]:
        if target not in known:
            option = "-Rpass-analysis=kernel-resource-usage"
            known[target] = compiler.code_object(sources(target), target, option)
        return known[target]

    return get


def rows(data: bytes, target: str) -> Iterator[KernelRow]:
    for one in measure(view(data)):
        assert isinstance(one, Measured)
        yield KernelRow("x", 0, target, one.kernel, one.descriptor, one.code_size)


@pytest.mark.parametrize("target", sorted(KNOWN))
def test_occupancy_is_what_the_compiler_says(compiled, target):
    data, said = compiled(target)
    theirs = {name: int(facts["Occupancy"]) for name, facts in remarks(said).items()}
    ours = {}
    for row in rows(data, target):
        assert row.occupancy is not None
        ours[row.name] = row.occupancy.waves
    assert len(theirs) >= 10
    assert ours == theirs


def test_every_row_of_the_table_is_compiled_for():
    assert {MACHINES[name] for name in KNOWN} == set(MACHINES.values())


@pytest.mark.parametrize("target", ["gfx942", "gfx950"])
def test_the_kernels_tell_occupancies_apart(compiled, target):
    """From one wave to all, and every limit that a kernel has by itself."""
    each = (row.occupancy for row in rows(compiled(target)[0], target))
    found = [one for one in each if one is not None]
    assert {one.waves for one in found} >= {1, 2, 3, 4, 5, 6, 7, 8}
    limits = {limit.value for one in found for limit in one.limits}
    assert limits == {"VGPR", "SGPR", "LDS"}


@pytest.mark.parametrize("target", sorted(KNOWN))
def test_resources_are_what_the_compiler_says(compiled, target):
    """And descriptor and metadata agree in what a compiler wrote."""
    data, said = compiled(target)
    theirs = remarks(said)
    for row in rows(data, target):
        facts = theirs[row.name]
        kernel = row.kernel
        vector, accumulation = int(facts["VGPRs"]), int(facts.get("AGPRs", 0))
        total = max(vector, accumulation)
        if MACHINES[target].unified and accumulation:
            total = -(-vector // 4) * 4 + accumulation
        assert kernel.vgpr_count == total
        assert (kernel.agpr_count or 0) == accumulation
        assert kernel.group_segment_fixed_size == int(facts["LDS Size"])
        assert kernel.private_segment_fixed_size == int(facts["ScratchSize"])
        assert kernel.vgpr_spill_count == int(facts["VGPRs Spill"])
        assert kernel.sgpr_spill_count == int(facts["SGPRs Spill"])
        assert row.disagreements == ()


def taken_apart(run, path, *symbols):
    """Kernel descriptors as llvm-objdump prints them: by kernel, then by directive."""
    printed = run("llvm-objdump-19", "-D", "-j", ".rodata", path)
    found = {}
    for name, body in re.findall(
        r"^\.amdhsa_kernel (\S+)\n(.*?)^\.end_amdhsa_kernel",
        printed,
        re.MULTILINE | re.DOTALL,
    ):
        pairs = re.findall(r"^\s+\.amdhsa_(\w+) (\d+)", body, re.MULTILINE)
        found[name] = {key: int(value) for key, value in pairs}
    return found


#: of those, the ones that LLVM 19 can take apart
@pytest.mark.parametrize(
    "target", ["gfx90a", "gfx942", "gfx906", "gfx1030", "gfx1100", "gfx1201"]
)
def test_descriptors_are_what_llvm_objdump_takes_apart(run, compiled, tmp_path, target):
    data, _ = compiled(target)
    path = tmp_path / "code_object"
    path.write_bytes(data)
    theirs = taken_apart(run, path)
    seen = 0
    for row in rows(data, target):
        told = row.values()["descriptor"]
        facts = theirs[row.name]
        assert told["group_segment_fixed_size"] == facts["group_segment_fixed_size"]
        assert told["private_segment_fixed_size"] == facts["private_segment_fixed_size"]
        assert told["kernarg_size"] == facts["kernarg_size"]
        assert told["vgprs"] == facts["next_free_vgpr"]
        assert told["accum_offset"] == facts.get("accum_offset")
        assert told["wave32"] is bool(facts.get("wavefront_size32", 0))
        assert told["uses_dynamic_stack"] is bool(facts["uses_dynamic_stack"])
        if told["sgprs"] is not None:
            assert told["sgprs"] == facts["next_free_sgpr"]
        if told["wgp_mode"] is not None:
            assert told["wgp_mode"] is bool(facts["workgroup_processor_mode"])
        seen += 1
    assert seen == len(theirs) >= 10


# --- metadata and code sizes of samples and wheels ----------------------------------------

#: kernel fields of readelf's YAML that are numbers on one line
NUMBERS = set(RESOURCES) - {"name", "language", "reqd_workgroup_size", "uses_dynamic_stack"}


def noted(run, path):
    """The kernels of a code object, as llvm-readelf prints their notes."""
    notes = run("llvm-readelf-19", "--notes", path)
    found = []
    for block in re.split(r"^  - (?=\.)", notes, flags=re.MULTILINE)[1:]:
        pairs = dict(re.findall(r"^(?:    )?\.(\w+): +(\S.*)$", block, re.MULTILINE))
        if "symbol" not in pairs:
            continue
        numbers: dict[str, object] = {
            key: int(pairs[key]) for key in NUMBERS & pairs.keys()
        }
        required = re.search(
            r"^(?:    )?\.reqd_workgroup_size:\s+- (\d+)\s+- (\d+)\s+- (\d+)",
            block,
            re.MULTILINE,
        )
        numbers["reqd_workgroup_size"] = required and tuple(map(int, required.groups()))
        dynamic = pairs.get("uses_dynamic_stack")
        numbers["uses_dynamic_stack"] = None if dynamic is None else dynamic == "true"
        found.append((pairs["name"].strip("'"), numbers))
    return found


def sized(run, path):
    """The bytes of every function, as llvm-readelf prints the dynamic symbols."""
    printed = run("llvm-readelf-19", "--dyn-syms", "-W", path)
    rows_ = re.findall(r"^ +\d+: \S+ +(\d+) FUNC .* (\S+)$", printed, re.MULTILINE)
    return {name: int(size) for size, name in rows_}


def equal_to_readelf(run, tmp_path, artifact, **query):
    """Every kernel that we tell of an artifact, held against the tool's; how many."""
    from kinspect.extraction import Directory, Kind, Request, Selection, extract  # noqa: PLC0415

    place = tmp_path / "objects"
    selection = Selection(kinds=frozenset({Kind.CODE_OBJECT}), **query)
    with Directory(str(place)) as to:
        files = list(extract(Request((str(artifact),), selection), to))
    theirs: dict[object, list[object]] = {}
    sizes = {}
    for one in files:
        key = one.place.path, one.bundle, one.id and one.id.target_name
        theirs[key] = noted(run, place / one.file)
        sizes[key] = sized(run, place / one.file)
    ours: dict[object, list[object]] = {key: [] for key in theirs}
    asked = Query(binaries=query.get("binaries", ()))
    count = 0
    for row in api.kernels(artifact, asked):
        key = row.path, row.bundle, row.target
        told = {
            name: getattr(row.kernel, name)
            for name in RESOURCES
            if name not in {"name", "language"}
        }
        present = {
            k: v
            for k, v in told.items()
            if v is not None or k in {"reqd_workgroup_size", "uses_dynamic_stack"}
        }
        ours[key].append((row.name, present))
        assert row.code_size == sizes[key][row.name]
        assert row.disagreements == ()
        count += 1
    for place_, kernels in ours.items():
        assert sorted(kernels, key=repr) == sorted(theirs[place_], key=repr)
    return count


@pytest.mark.parametrize("name", ALL)
def test_kernels_of_samples_equal_what_llvm_readelf_prints(run, tmp_path, name):
    equal_to_readelf(run, tmp_path, SAMPLES / name)


@pytest.mark.corpus
@pytest.mark.parametrize(
    ("wheel_name", "query", "count"),
    [
        ("bitsandbytes", {}, 19_000),
        ("jax-plugin", {}, 400),
        ("cupy", {}, 12_492),
    ],
)
def test_kernels_of_whole_wheels_equal_what_llvm_readelf_prints(
    run, wheel, tmp_path, wheel_name, query, count
):
    assert equal_to_readelf(run, tmp_path, wheel(wheel_name), **query) >= count


@pytest.mark.parametrize("name", ["kinds_tu.so", "deep_ep_both.so", "generic.so"])
def test_arguments_equal_what_llvm_readelf_prints(run, tmp_path, name):
    from tests.test_oracle import code_objects  # noqa: PLC0415

    for data, _ in code_objects(name):
        path = tmp_path / "code_object"
        path.write_bytes(data)
        text = run("llvm-readelf-19", "--notes", path)
        theirs = {}
        for note in re.findall(
            r"^        ---\n(.*?)^\.\.\.", text, re.MULTILINE | re.DOTALL
        ):
            for kernel in yaml.safe_load(note)["amdhsa.kernels"]:
                theirs[kernel[".name"]] = kernel.get(".args", [])
        ours = {
            kernel.name: [
                {
                    f".{key}": getattr(one, key)
                    for key in one.__struct_fields__
                    if getattr(one, key) is not None
                }
                for one in getattr(kernel, "args", ())
            ]
            for kernel in code_object.kernels(view(data), detail=Detail.ARGUMENTS)
        }
        assert ours == theirs
