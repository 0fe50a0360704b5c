"""Sizes equal those of LLVM's, ROCm's and zstd's own tools.

clang-offload-bundler-19 knows no gfx950: bundles are made for gfx942 and gfx90a. Releases
of zstd differ in what they make of the same bytes, so where that of Debian and that of
Python's package differ, theirs stands in for ours: what is held against clang then is the
layout, the header and what zstd is asked for.
"""

import ctypes
import json
import re
from collections import Counter

import pytest
import zstandard

from tests.conftest import SAMPLES, manifest
from tests.writers import kpack

pytestmark = pytest.mark.oracle

#: roc-obj-ls reads sections by their names, and plain bundles alone
PLAIN = [
    name
    for name in sorted(sample["file"] for sample in manifest())
    if name.endswith(".so")
    and not name.startswith(("ccob", "kpack"))
    and "no_sections" not in name
    and name not in {"embedded.so", "host_only.so", "mixed.so", "unowned.so"}
]
DESCRIPTOR = 64
#: of zstd.h: ZSTD_c_compressionLevel and ZSTD_c_enableLongDistanceMatching
LEVEL, LONG_DISTANCE = 100, 160


@pytest.fixture
def sized(kinspect):
    def call(*arguments):
        done = kinspect("size", "--format", "json", *arguments)
        assert done.code == 0, done.err
        (artifact,) = json.loads(done.out)["artifacts"]
        return artifact

    return call


# --- code objects --------------------------------------------------------------------


def sections(run, path):
    """Bytes of each section that lie in the file, by readelf."""
    lines = run("llvm-readelf-19", "-S", "-W", path).splitlines()
    found = [
        re.match(r"\s*\[ ?\d+\] (\.\S+)\s+(\S+)\s+\S+ \S+ (\S+)", one) for one in lines
    ]
    return {m[1]: (m[2], int(m[3], 16)) for m in found if m and m[2] != "NOBITS"}


def symbols(run, path):
    """Name, type and size of each symbol of .symtab."""
    text = run("llvm-readelf-19", "-s", "-W", path).partition("'.symtab'")[2]
    rows = [line.split() for line in text.splitlines()[2:]]
    return [
        (row[7], row[3], int(row[2])) for row in rows if len(row) > 7 and row[6] != "UND"
    ]


@pytest.fixture
def extracted(kinspect, tmp_path):
    """Every code object of a sample, as a file."""

    def call(name):
        kinspect("extract", "-q", "-o", tmp_path / name, SAMPLES / name)
        return sorted((tmp_path / name).rglob("*.hsaco"))

    return call


@pytest.mark.parametrize("name", ["deep_ep_both.so", "kinds_tu.so", "ccob_v3_zstd.so",
                                  "xnack_both.so", "variables_rdc.so"])  # fmt: skip
def test_parts_of_code_objects_equal_what_readelf_tells(run, sized, extracted, name):
    files = extracted(name)
    assert files
    for path in files:
        own = sections(run, path)
        named = symbols(run, path)
        described = {name for name, _, _ in named if name.endswith(".kd")}
        functions = {name: size for name, kind, size in named if kind == "FUNC"}
        kernels = {
            name: size + DESCRIPTOR
            for name, size in functions.items()
            if f"{name}.kd" in described
        }
        found = sized("--by", "kernel", path)
        ours = {row["kernel"]: row["inflated"] for row in found["rows"] if row["kernel"]}
        assert ours == kernels
        parts = {part: one["inflated"] for part, one in found["parts"].items()}
        others = sum(functions.values()) - sum(functions[name] for name in kernels)
        assert parts.get("functions", 0) == others
        code = own[".text"][1] - sum(functions.values())
        assert parts.get("code", 0) == code
        assert parts["metadata"] == own[".note"][1]
        loaded = {".text", ".note", ".rodata", ".data", ".comment"}
        linking = sum(size for name, (_, size) in own.items() if name not in loaded)
        assert parts["symbols"] == linking
        data = sum(own[name][1] for name in (".rodata", ".data") if name in own)
        assert parts.get("data", 0) == data - DESCRIPTOR * len(kernels)


@pytest.mark.parametrize("name", PLAIN)
def test_sizes_by_target_equal_those_of_roc_obj_ls(run, sized, name):
    printed = run("roc-obj-ls", SAMPLES / name)
    theirs: Counter[str] = Counter()
    for target, size in re.findall(r"hip\S*--(gfx\S+)\s+\S*&size=(\d+)", printed):
        theirs[target] += int(size)
    rows = sized(SAMPLES / name)["rows"]
    ours = {row["target"]: row["stored"] for row in rows if row["target"]}
    assert ours == {target: size for target, size in theirs.items() if size}
    assert ours


# --- bundles -------------------------------------------------------------------------


@pytest.fixture
def bundled(run, tmp_path):
    """A bundle of code objects, as clang-offload-bundler makes it."""

    def call(code, *options):
        out = tmp_path / "out.hipfb"
        (tmp_path / "empty").write_bytes(b"")
        ids, inputs = ["host-x86_64-unknown-linux-gnu"], [tmp_path / "empty"]
        for number, (target, data) in enumerate(code.items()):
            ids.append(f"hipv4-amdgcn-amd-amdhsa--{target}")
            inputs.append(tmp_path / f"{number}.hsaco")
            inputs[-1].write_bytes(data)
        run(
            "clang-offload-bundler-19", "-type=o", f"-targets={','.join(ids)}",
            *(f"-input={one}" for one in inputs), f"-output={out}", *options,
        )  # fmt: skip
        return out.read_bytes()

    return call


@pytest.fixture
def with_debians_zstd(monkeypatch):
    """Compress with the library that clang is linked with, by the same parameters."""
    library = ctypes.CDLL("libzstd.so.1")
    for name in ("ZSTD_createCCtx", "ZSTD_CCtx_setParameter", "ZSTD_compress2"):
        getattr(library, name).restype = ctypes.c_size_t
    library.ZSTD_createCCtx.restype = ctypes.c_void_p
    library.ZSTD_compressBound.restype = ctypes.c_size_t

    class Compressor:
        def __init__(self, *, compression_params):
            self.level = compression_params["compression_level"]
            self.long = compression_params["enable_ldm"]

        def compress(self, data):
            data = bytes(data)
            size = library.ZSTD_compressBound(ctypes.c_size_t(len(data)))
            out = ctypes.create_string_buffer(size)
            context = ctypes.c_void_p(library.ZSTD_createCCtx())
            for key, value in ((LEVEL, self.level), (LONG_DISTANCE, int(self.long))):
                library.ZSTD_CCtx_setParameter(context, key, value)
            count = library.ZSTD_compress2(
                context, out, ctypes.c_size_t(size), data, ctypes.c_size_t(len(data))
            )
            library.ZSTD_freeCCtx(context)
            return out.raw[:count]

    monkeypatch.setattr(zstandard, "ZstdCompressor", Compressor)
    monkeypatch.setattr(zstandard, "ZstdCompressionParameters", dict)


def real(target):
    """A code object of some size, of one compiler; the target is in its name alone."""
    return (SAMPLES / f"code_object_{target}.co").read_bytes()


CODE = {"gfx942": real("gfx942"), "gfx90a": real("gfx950"), "gfx908": real("gfx942") * 3}


@pytest.mark.parametrize("align", [1, 64, 4096])
def test_a_bundle_without_a_target_is_as_clang_makes_it(sized, bundled, tmp_path, align):
    path = tmp_path / "x.hipfb"
    path.write_bytes(bundled(CODE, f"-bundle-align={align}"))
    found = sized("--without", "each", path)
    assert len(found["changes"]) == 3
    for change in found["changes"]:
        rest = {t: code for t, code in CODE.items() if [t] != change["without"]}
        assert change["stored"] == len(bundled(rest, f"-bundle-align={align}"))


@pytest.mark.parametrize("level", [1, 3, 9, 19, 22])
def test_compressed_bundles_are_as_clang_makes_them(
    sized, bundled, tmp_path, with_debians_zstd, level
):
    path = tmp_path / "x.hipfb"
    path.write_bytes(bundled(CODE, "-bundle-align=4096"))
    options = ["-bundle-align=4096", "-compress", f"-compression-level={level}"]
    found = sized("--without", "gfx90a", "--compress", level, path)
    stored = {tuple(one["without"]): one["stored"] for one in found["changes"]
              if one["compress"]}  # fmt: skip
    rest = {target: code for target, code in CODE.items() if target != "gfx90a"}
    more = 32 - 24  # clang 19 writes version 2, whose header is shorter
    assert stored[()] == len(bundled(CODE, *options)) + more
    assert stored["gfx90a",] == len(bundled(rest, *options)) + more


def test_our_own_zstd_is_asked_for_the_same(sized, bundled, tmp_path):
    """At low levels releases agree on a bundle as small as this."""
    small = {target: CODE[target] for target in ("gfx942", "gfx90a")}
    path = tmp_path / "x.hipfb"
    for level in (1, 3):
        options = ["-bundle-align=4096", "-compress", f"-compression-level={level}"]
        path.write_bytes(bundled(small, *options))
        found = sized("--compress", level, path)
        assert found["changes"][0]["stored"] == path.stat().st_size + 8


def test_a_compressed_bundle_loses_a_target_as_clang_makes_it(sized, bundled, tmp_path):
    options = ["-bundle-align=4096", "-compress"]
    path = tmp_path / "x.hipfb"
    path.write_bytes(bundled({t: CODE[t] for t in ("gfx942", "gfx90a")}, *options))
    found = sized("--without", "gfx90a", path)
    rest = len(bundled({"gfx942": CODE["gfx942"]}, *options))
    assert found["changes"][0]["stored"] == rest
    size = path.stat().st_size
    assert found["packed_anew"] == {"stored": size, "again": size}


def test_frames_of_an_archive_are_as_large_as_those_of_zstd(run, sized, tmp_path):
    code = {("lib.so#0", target): data for target, data in CODE.items()}
    path = tmp_path / "x.kpack"
    path.write_bytes(kpack.archive(code))
    for level in (1, 3):
        theirs = 0
        for number, data in enumerate(CODE.values()):
            plain = tmp_path / f"{number}.plain"
            plain.write_bytes(data)
            run("zstd", "-q", "-f", "--single-thread", "--no-check", f"-{level}", plain)
            theirs += (tmp_path / f"{number}.plain.zst").stat().st_size + 4
        found = sized("--compress", level, path)
        frames = found["changes"][0]["stored"] - found["parts"]["bundle"]["stored"]
        assert frames == theirs
