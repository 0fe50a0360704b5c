"""What kinspect reads in real files equals what LLVM's and ROCm's own tools read.

roc-obj-ls sees plain bundles of ELF hosts; clang-offload-bundler-19 the first bundle of
a section, up to CCOB v2 and to the processors that LLVM 19 knows; llvm-readelf-19 reads
every code object.
"""

import re
from pathlib import Path

import pytest

from kinspect import CodeObject, Form, inspect
from kinspect.formats import code_object
from kinspect.formats.metadata import Kernel
from kinspect.view import Memory, View
from tests.conftest import SAMPLES, manifest

pytestmark = pytest.mark.oracle

ALL = sorted(sample["file"] for sample in manifest())
HOSTS = [name for name in ALL if name.endswith(".so")]
#: roc-obj-ls looks for .hip_fatbin by name, and stops at a compressed bundle
SEEN_BY_ROC_OBJ_LS = [
    name
    for name in HOSTS
    if "no_sections" not in name
    and name not in {"embedded.so", "host_only.so", "unowned.so"}
]

#: LLVM 19 does not know these by name and spells them in its own way
UNKNOWN_TO_LLVM_19 = {"gfx950"}


def bundles_of(name, form):
    (binary,) = inspect(SAMPLES / name).binaries
    return [bundle for bundle in binary.bundles if bundle.form is form]


@pytest.mark.parametrize("name", SEEN_BY_ROC_OBJ_LS)
def test_entries_of_plain_bundles_equal_those_of_roc_obj_ls(run, name):
    printed = run("roc-obj-ls", SAMPLES / name)
    theirs = re.findall(
        r"^\d+\s+(\S+)\s+\S*#offset=(\d+)&size=(\d+)$", printed, re.MULTILINE
    )
    ours = [
        (entry.id.text, str(entry.offset), str(entry.size))
        for bundle in bundles_of(name, Form.PLAIN)
        for entry in bundle.entries
    ]
    assert sorted(ours) == sorted(theirs)


def section(run, name, tmp_path: Path) -> Path:
    dumped = tmp_path / "section"
    run(
        "llvm-objcopy-19",
        f"--dump-section=.hip_fatbin={dumped}",
        SAMPLES / name,
        "/dev/null",
    )
    return dumped


@pytest.mark.parametrize(
    "name",
    [n for n in HOSTS if n.startswith(("deep_ep", "per_tu")) and "no_sections" not in n],
)
def test_first_bundle_equals_that_of_clang_offload_bundler(run, name, tmp_path):
    dumped = section(run, name, tmp_path)
    listed = run("clang-offload-bundler-19", "--list", "--type=o", f"--input={dumped}")
    first = bundles_of(name, Form.PLAIN)[0]
    assert sorted(listed.split()) == sorted(entry.id.text for entry in first.entries)
    data = (SAMPLES / name).read_bytes()
    for entry in first.hip_entries:
        if entry.id.target in UNKNOWN_TO_LLVM_19:
            continue
        output = tmp_path / "entry"
        run(
            "clang-offload-bundler-19",
            "--unbundle",
            "--type=o",
            f"--input={dumped}",
            f"--targets={entry.id.text}",
            f"--output={output}",
        )
        assert output.read_bytes() == data[entry.offset : entry.offset + entry.size]


def code_objects(name):
    """The bytes of every code object of a sample, by our offsets, with what we read."""
    from kinspect.walk import each_bundle  # noqa: PLC0415

    found = []

    def opener(view):
        found.append((bytes(view.bytes()), code_object.parse(view)))
        return found[-1][1]

    data = (SAMPLES / name).read_bytes()
    list(each_bundle(View(Memory(data), name), opener))
    return found


@pytest.mark.parametrize("name", ALL)
def test_code_objects_equal_what_llvm_readelf_prints(run, name, tmp_path):
    for data, ours in code_objects(name):
        assert isinstance(ours, CodeObject)
        path = tmp_path / "code_object"
        path.write_bytes(data)
        printed = run("llvm-readelf-19", "-h", "--notes", "--dyn-syms", "-W", path)
        (flags,) = re.findall(r"^\s+Flags:\s+(0x[0-9A-Fa-f]+)", printed, re.MULTILINE)
        (abi,) = re.findall(r"^\s+ABI Version:\s+(\d+)", printed, re.MULTILINE)
        assert int(flags, 16) == ours.e_flags
        assert int(abi) == ours.abi_version
        assert printed.count("NT_AMDGPU_METADATA") == ours.records
        described = set(
            re.findall(r"OBJECT\s+(?:GLOBAL|WEAK)\s+.*\s(\S+)\.kd$", printed, re.MULTILINE)
        )
        listed = re.findall(r"^    \.symbol:\s+'?(\S+?)\.kd'?$", printed, re.MULTILINE)
        assert set(ours.kernels) == described & set(listed)
        assert set(ours.undescribed) == set(listed) - described
        assert {name.removesuffix(".kd") for name in ours.unlisted} == described - set(
            listed
        )
        target = re.findall(r"^amdhsa\.target:\s+'?(\S+?)'?$", printed, re.MULTILINE)
        assert {ours.metadata_target} == (set(target) or {None})


RESOURCES = {
    "vgpr_count",
    "sgpr_count",
    "agpr_count",
    "group_segment_fixed_size",
    "private_segment_fixed_size",
    "kernarg_segment_size",
    "wavefront_size",
    "max_flat_workgroup_size",
    "vgpr_spill_count",
    "sgpr_spill_count",
}


@pytest.mark.parametrize("name", ALL)
def test_resources_equal_the_notes_that_llvm_readelf_prints(run, name, tmp_path):
    for data, _ in code_objects(name):
        path = tmp_path / "code_object"
        path.write_bytes(data)
        notes = run("llvm-readelf-19", "--notes", path)
        theirs = {}
        for block in re.split(r"^  - (?=\.)", notes, flags=re.MULTILINE)[1:]:
            pairs = dict(re.findall(r"^(?:    )?\.(\w+):\s+(\S+)$", block, re.MULTILINE))
            theirs[pairs["name"].strip("'")] = {
                key: int(pairs[key]) for key in RESOURCES & pairs.keys()
            }
        ours = {
            kernel.name: numbers(kernel)
            for kernel in code_object.kernels(View(Memory(data), name))
        }
        assert ours == theirs


def numbers(kernel: Kernel) -> dict[str, int]:
    values = {key: getattr(kernel, key) for key in RESOURCES}
    return {key: value for key, value in values.items() if value is not None}
