"""Device bitcode: what it is for, what it defines; damaged in every byte, it is told."""

import subprocess
from struct import pack

import pytest
from elftools.elf.elffile import ELFFile

from kinspect.errors import FormatError, LimitExceeded
from kinspect.formats import bitcode
from kinspect.limits import Limits
from kinspect.model import Bitcode
from kinspect.sources import Member, open_source
from tests.conftest import SAMPLES
from tests.reading import ends_well, flips, view

PREFIX = "__CLANG_OFFLOAD_BUNDLE__hip-amdgcn-amd-amdhsa-unknown-"


def sections(stream) -> dict[str, bytes]:
    """The device bitcode of an RDC object, by target, as pyelftools finds it."""
    return {
        section.name.removeprefix(PREFIX).rstrip("-"): section.data()
        for section in ELFFile(stream).iter_sections()
        if section.name.startswith(PREFIX)
    }


@pytest.fixture(scope="module")
def layout() -> dict[str, bytes]:
    with (SAMPLES / "rdc_old_driver.o").open("rb") as stream:
        return sections(stream)


def parse(data: bytes) -> Bitcode:
    return bitcode.parse(view(data))


@pytest.mark.parametrize("target", ["gfx942", "gfx950"])
def test_bitcode_says_what_it_is_for_and_what_it_defines(layout, target):
    """By samples/src/layout.hip, built by a clang of LLVM 22."""
    found = parse(layout[target])
    kernel = "_ZN7deep_ep6layout19get_dispatch_layoutILi256EEEvPii"
    assert found.producer.startswith("LLVM22.")
    assert found.triple == "amdgcn-amd-amdhsa"
    assert found.processors == (target,)
    assert found.functions == found.kernels == (kernel,)
    assert found.undefined == ()


def test_a_wrapper_is_seen_through(layout):
    data = layout["gfx942"]
    wrapped = pack("<5I", 0x0B17C0DE, 0, 20, len(data), 0xE0) + data
    assert parse(wrapped) == parse(data)
    for size in (len(data) + 1, 2**32 - 1):
        lying = pack("<5I", 0x0B17C0DE, 0, 20, size, 0xE0) + data
        with pytest.raises(FormatError):
            parse(lying)


def test_no_cut_of_a_file_defines_less(layout):
    """It is damaged, or what is lost says nothing of functions (the symbol table)."""
    data = layout["gfx942"]
    whole = parse(data)
    for size in range(0, len(data), 4):
        if ends_well(parse, data[:size]):
            assert parse(data[:size]) == whole


def test_every_spoiled_byte_ends_in_a_result_or_a_format_error(layout):
    data = layout["gfx942"]
    good = sum(ends_well(parse, spoiled) for spoiled in flips(data, range(0, len(data), 7)))
    assert good < len(data)


def test_no_more_records_than_the_limit(layout):
    with pytest.raises(LimitExceeded, match="bitcode_records"):
        bitcode.parse(view(layout["gfx942"]), Limits(bitcode_records=3))


@pytest.mark.parametrize("data", [b"", b"BC\xc0\xde", b"BC\xc0\xdf" + bytes(64)])
def test_what_holds_no_module_is_no_bitcode(data):
    with pytest.raises(FormatError):
        parse(data)


def nm(run, path) -> tuple[set[str], set[str]]:
    """The undefined and the defined global symbols, by LLVM's own reader."""
    rows = [line.split()[:2] for line in run("llvm-nm-19", "-P", path).splitlines()]
    undefined = {name for name, letter in rows if letter == "U"}
    return undefined, {n for n, letter in rows if letter.isupper() and letter != "U"}


SOURCE = """
__attribute__((device)) int elsewhere(int);
__attribute__((device, weak)) int perhaps(int);
__attribute__((device)) int counter;
static __attribute__((device, noinline)) int own(int n) { return n * elsewhere(n); }
__attribute__((device)) int doubled(int n) { return own(n) + perhaps(n); }
template <int N> __attribute__((global)) void kernel(int *p) { *p = doubled(N) + counter; }
template __attribute__((global)) void kernel<1>(int *);
template __attribute__((global)) void kernel<2>(int *);
"""


@pytest.mark.oracle
@pytest.mark.parametrize("target", ["gfx942", "gfx90a"])
def test_symbols_are_those_of_llvm_nm(run, tmp_path, target):
    source, out = tmp_path / "a.hip", tmp_path / "a.bc"
    source.write_text(SOURCE)
    options = f"-x hip -nogpulib -nogpuinc -fgpu-rdc --offload-arch={target} -O1"
    run(
        "clang-19", *options.split(), "--offload-device-only", "-emit-llvm", "-c", source,
        "-o", out,
    )  # fmt: skip
    found = parse(out.read_bytes())
    undefined, defined = nm(run, out)
    assert set(found.undefined) == undefined == {"_Z9elsewherei"}
    assert {*found.functions, *found.variables} == defined
    assert set(found.kernels) == {"_Z6kernelILi1EEvPi", "_Z6kernelILi2EEvPi"}
    assert found.processors == (target,)


@pytest.mark.oracle
def test_symbols_of_every_member_of_an_archive_are_those_of_llvm_nm(run, tmp_path):
    compared = 0
    for target in ("gfx942", "gfx90a"):
        for name in ("one", "two"):
            source = tmp_path / f"{name}.hip"
            source.write_text(SOURCE.replace("doubled", f"doubled_{name}"))
            options = (
                "-x hip -nogpulib -nogpuinc -fgpu-rdc --offload-device-only -emit-llvm"
            )
            out = tmp_path / f"{name}_{target}.bc"
            arch = f"--offload-arch={target}"
            run("clang-19", *options.split(), arch, "-c", source, "-o", out)
    members = sorted(tmp_path.glob("*.bc"))
    archive = tmp_path / "lib.a"
    subprocess.run(["llvm-ar-19", "rcD", archive, *members], check=True)
    for member in open_source(archive).members():
        assert isinstance(member, Member)
        found = bitcode.parse(member.view)
        undefined, defined = nm(run, tmp_path / member.path.rsplit("!", 1)[1])
        assert set(found.undefined) == undefined
        assert {*found.functions, *found.variables} == defined
        compared += 1
    assert compared == len(members) == 4
