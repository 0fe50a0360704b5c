"""`kinspect size` on the command line: rows, formats, what could not be read."""

import csv
import io
import json
import zipfile

import jsonschema
import pytest

from kinspect import schemas
from tests.conftest import SAMPLES
from tests.writers import (
    Host,
    Image,
    Slot,
    bitcode,
    bundle,
    ccob,
    code_object,
    kpack,
    offload_binary,
)
from tests.writers.bundles import device

FOO, FOO2, BAR = "_Z3fooIiEvPT_", "_Z3fooIfEvPT_", "_ZN2ns3barEi"
ONE = code_object("gfx942", FOO, FOO2, BAR)
TWO = code_object("gfx950", FOO)


@pytest.fixture
def sized(kinspect, tmp_path, monkeypatch):
    """The one artifact of the JSON, which the schema allows."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments, code=0):
        done = kinspect("size", "--format", "json", *arguments)
        assert (done.code, bool(done.err)) == (code, bool(code)), done.err
        value = json.loads(done.out)
        jsonschema.validate(value, json.loads(schemas.size()))
        (artifact,) = value["artifacts"]
        for numbers in ("code_objects", "inflated", "stored"):
            total = artifact["total"][numbers]
            if numbers != "code_objects":
                assert sum(one[numbers] for one in artifact["parts"].values()) == total
                if "--top" not in arguments:
                    assert sum(row[numbers] for row in artifact["rows"]) == total
        return artifact

    return call


def values(artifact, *names):
    return [tuple(row[name] for name in names) for row in artifact["rows"]]


# --- what is counted -----------------------------------------------------------------


def test_a_plain_bundle(sized, tmp_path):
    data = bundle(("gfx942", ONE), ("gfx950", TWO), align=4096)
    built = Host(data).build().data
    (tmp_path / "lib.so").write_bytes(built)
    found = sized("lib.so")
    assert found["files"] == [{"path": "lib.so", "size": len(built)}]
    rest = len(data) - len(ONE) - len(TWO)
    assert sorted(
        values(found, "stored", "inflated", "code_objects", "target"), key=str
    ) == (
        sorted(
            [
                (rest, rest, 0, None),
                (len(ONE), len(ONE), 1, "gfx942"),
                (len(TWO), len(TWO), 1, "gfx950"),
            ],
            key=str,
        )
    )
    assert found["total"] == {"code_objects": 2, "inflated": len(data), "stored": len(data)}


def test_shares_of_a_compressed_bundle_add_up_to_it(sized, tmp_path):
    data = bundle(("gfx942", ONE), ("gfx950", TWO))
    stored = len(ccob(data, 3, "zlib"))
    (tmp_path / "x.hipfb").write_bytes(ccob(data, 3, "zlib"))
    found = sized("--by", "kernel,target", "x.hipfb")
    assert found["total"] == {"code_objects": 2, "inflated": len(data), "stored": stored}
    for row in found["rows"]:
        exact = row["inflated"] * stored / len(data)
        # rounded where each part begins and ends, some of several parts
        assert abs(row["stored"] - exact) < 9


def test_kernels_and_families(sized, tmp_path):
    (tmp_path / "x.hipfb").write_bytes(bundle(("gfx942", ONE), ("gfx950", TWO)))
    kernels = sized("--by", "kernel", "--sort", "name", "x.hipfb")
    assert values(kernels, "kernel", "demangled", "code_objects", "inflated")[:-1] == [
        (FOO2, "void foo<float>(float*)", 1, 68),
        (FOO, "void foo<int>(int*)", 2, 136),
        (BAR, "ns::bar(int)", 1, 68),
    ]
    assert kernels["rows"][-1]["kernel"] is None
    families = sized("--by", "family", "--target", "gfx942", "x.hipfb")
    assert values(families, "family", "inflated") == [
        (None, len(ONE) - 3 * 68), ("foo<…>", 136), ("ns::bar", 68),
    ]  # fmt: skip


def test_bundles_are_told_with_their_binaries(sized, tmp_path):
    first, second = bundle(("gfx942", ONE)), bundle(("gfx942", TWO))
    pages = first + bytes(-len(first) % 4096) + second
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("lib/a.so", Host(pages).build().data)
        archive.writestr("lib/none.so", Host().build().data)
    found = sized("--by", "bundle", "x.zip")
    assert found["by"] == ["binary", "bundle"]
    assert values(found, "binary", "bundle", "stored") == [
        ("x.zip!lib/a.so", 0, len(first)),
        ("x.zip!lib/a.so", 1, len(second)),
    ]
    assert len(found["files"]) == 1


def test_modes_of_a_target_are_told_apart_and_chosen_together(sized, tmp_path):
    data = bundle(("gfx942:xnack+", ONE), ("gfx942:xnack-", TWO), ("gfx950", TWO))
    (tmp_path / "x.hipfb").write_bytes(data)
    found = sized("--target", "gfx942", "x.hipfb")
    assert values(found, "target") == [("gfx942:xnack+",), ("gfx942:xnack-",)]


def test_an_archive_is_all_of_its_file(sized, tmp_path):
    code = {("lib.so#0", "gfx942"): ONE, ("lib.so#0", "gfx950"): TWO}
    data = kpack.archive(code, "zstd-per-kernel")
    (tmp_path / "x.kpack").write_bytes(data)
    found = sized("--sort", "name", "x.kpack")
    frames = [len(kpack.frame(one)) for one in (ONE, TWO)]
    assert values(found, "target", "inflated", "stored") == [
        ("gfx942", len(ONE), frames[0]),
        ("gfx950", len(TWO), frames[1]),
        (None, len(data) - sum(frames), len(data) - sum(frames)),
    ]


def test_bitcode_of_every_form(sized, tmp_path):
    images = offload_binary(Image(bitcode(), "gfx942"))
    (tmp_path / "x.bin").write_bytes(images)
    found = sized("--by", "part", "x.bin")
    assert values(found, "part", "stored") == [
        ("bundle", len(images) - len(bitcode())), ("bitcode", len(bitcode())),
    ]  # fmt: skip
    rdc = sized(str(SAMPLES / "rdc_old_driver.o"))
    assert list(rdc["parts"]) == ["bitcode"]
    assert values(rdc, "target", "code_objects") == [("gfx950", 1), ("gfx942", 1)]


def test_spirv_and_entries_of_others(sized, tmp_path):
    spirv = b"\x03\x02\x23\x07" + bytes(60)
    data = bundle(("hip-spirv64-amd-amdhsa--amdgcnspirv", spirv), ("openmp-x--", b"x" * 99))
    (tmp_path / "x.hipfb").write_bytes(data)
    found = sized("--sort", "-stored", "--by", "target,part", "x.hipfb")
    assert ("amdgcnspirv", "spirv", 64) in values(found, "target", "part", "stored")
    assert ("openmp-x", "other", 99) in values(found, "target", "part", "stored")
    assert found["total"]["code_objects"] == 1


def test_bitcode_is_not_called_a_code_object(kinspect):
    head = kinspect("size", SAMPLES / "librocshmem.a").out.splitlines()[0]
    assert head.endswith(", 4 bitcode modules")
    head = kinspect("size", SAMPLES / "per_tu_both.so").out.splitlines()[0]
    assert head.endswith(", 6 code objects")


def test_an_empty_slot_costs_nothing(sized, tmp_path):
    (tmp_path / "x.hipfb").write_bytes(bundle(("gfx942", ONE), ("gfx950", b"")))
    assert {row[0] for row in values(sized("x.hipfb"), "target")} == {"gfx942", None}


# --- what could not be read ----------------------------------------------------------


def test_no_device_code_costs_nothing(sized, kinspect, tmp_path):
    (tmp_path / "host.so").write_bytes(Host().build().data)
    assert sized("host.so", "--without", "gfx942", "--share")["rows"] == []
    done = kinspect("size", "host.so")
    assert done.out == "host.so   no HIP device code\n"
    (tmp_path / "empty").mkdir()
    assert sized("empty")["files"] == []


@pytest.mark.parametrize("choice", [["-t", "gfx90a"], ["--binary", "nothing"]])
def test_nothing_that_was_asked_for_is_told(kinspect, tmp_path, monkeypatch, choice):
    """That is another thing than no device code at all."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.hipfb").write_bytes(bundle(("gfx942", ONE)))
    done = kinspect("size", *choice, "x.hipfb")
    assert (done.code, done.out) == (2, "x.hipfb   no such device code\n")
    assert "nothing there is what was asked for" in done.err
    out = kinspect("size", *choice, "--format", "markdown", "x.hipfb").out
    assert "No such device code.\n" in out
    assert kinspect("size", *choice, "-t", "gfx942", "x.hipfb").code == (
        2 if "--binary" in choice else 0
    )


def test_a_split_host_names_its_archives(kinspect, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    host = kpack.split_host("lib.so", "lib_@GFXARCH@.kpack")
    (tmp_path / "lib.so").write_bytes(host)
    done = kinspect("size", "lib.so")
    assert done.code == 2
    assert "kpack archives, name these: lib_@GFXARCH@.kpack" in done.err


def test_a_wrong_checksum_is_told(sized, tmp_path):
    data = bundle(("gfx942", ONE))
    (tmp_path / "x.hipfb").write_bytes(ccob(data, digest=1))
    found = sized("--without", "gfx942", "x.hipfb", code=2)
    assert "MD5 mismatch" in found["unreadable"][0]["message"]


@pytest.mark.parametrize("spoil", [60, 200])
def test_a_stream_that_ends_early_is_told(sized, tmp_path, spoil):
    data = bytearray(ccob(bundle(("gfx942", ONE), ("gfx950", TWO)), 2, "zlib"))
    data[spoil : spoil + 40] = bytes(40)
    (tmp_path / "x.hipfb").write_bytes(data)
    found = sized("--without", "gfx942", "--compress", "3", "x.hipfb", code=2)
    assert found["unreadable"]


def test_an_entry_beyond_the_end_is_told(sized, tmp_path):
    data = bundle(("gfx950", TWO), Slot(device("gfx942"), ONE, size=len(ONE) + 1))
    (tmp_path / "x.hipfb").write_bytes(data)
    found = sized("--without", "gfx950", "x.hipfb", code=2)
    assert any("needs" in one["message"] for one in found["unreadable"])
    (change,) = found["changes"]
    assert change["saved"] == 0


def test_what_is_no_code_object_after_all_is_told(sized, tmp_path):
    data = bytearray(bundle(("gfx942", ONE)))
    at = bytes(data).index(b"\x7fELF")
    data[at + 4] = 1  # 32-bit
    (tmp_path / "x.hipfb").write_bytes(data)
    found = sized("--by", "part", "x.hipfb", code=2)
    assert ("other", len(ONE)) in values(found, "part", "stored")


def test_a_missing_file_and_wrong_options_are_errors(kinspect, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.hipfb").write_bytes(bundle(("gfx942", ONE)))
    assert kinspect("size", "nowhere.so").code == 2
    for options, told in (
        (["--by", "colour"], "expected target, binary"),
        (["--sort", "colour"], "expected one of stored"),
        (["--without", "gfx9000"], "--without"),
        (["--compress", "23"], "23 is not in the range"),
        (["--format", "xml"], "expected one of text"),
    ):
        done = kinspect("size", *options, "x.hipfb")
        assert done.code == 2
        assert told in done.err


# --- how it reads --------------------------------------------------------------------


def test_the_text_reads_as_it_should(kinspect, monkeypatch):
    monkeypatch.chdir(SAMPLES)
    done = kinspect("size", "--without", "gfx950", "--without", "gfx906", "deep_ep_both.so")
    assert done.code == 0
    assert (
        done.out
        == """\
deep_ep_both.so   58.0 kB of 86.1 kB in 1 file (67.4%), 2 code objects
   stored   share  inflated  objects  target
  25.3 kB   43.5%   25.3 kB        1  gfx942
  25.3 kB   43.5%   25.3 kB        1  gfx950
   7.5 kB   12.9%    7.5 kB        -  (no target)
  58.0 kB  100.0%   58.0 kB        2  total

   stored  share  inflated  objects  part
  18.9 kB  32.6%   18.9 kB        2  metadata
  15.6 kB  26.9%   15.6 kB        2  symbols, their names, relocations
   7.5 kB  12.9%    7.5 kB        -  bundles and archives: headers, padding
   6.7 kB  11.6%    6.7 kB        2  code without a name, fill
   4.9 kB   8.4%    4.9 kB        2  kernels: instructions and descriptors
   3.9 kB   6.8%    3.9 kB        2  code objects: headers, padding
    352 B   0.6%     352 B        2  constants and variables
     82 B   0.1%      82 B        2  debug information, comments

   stored    saved  share  what if
  29.4 kB  28.7 kB  49.4%  without gfx950
  58.0 kB      0 B   0.0%  without gfx906
  not there: gfx906
"""
    )


def test_rows_of_a_target_beside_changes_of_everything(kinspect, monkeypatch):
    monkeypatch.chdir(SAMPLES)
    options = ["--target", "gfx942", "--without", "gfx942"]
    done = kinspect("size", *options, "deep_ep_both.so")
    assert done.out.splitlines()[-1] == "  what if: of all device code, 58.0 kB as it is"


def test_no_line_is_wider_than_80_columns(kinspect, monkeypatch):
    monkeypatch.chdir(SAMPLES)
    options = ["--without", "each", "--share", "--compress", "3"]
    for by in ("target", "part", "bundle"):
        done = kinspect("size", "--by", by, *options, "ccob_v3_zstd.so", "per_tu_both.so")
        assert max(map(len, done.out.splitlines())) <= 80


def test_what_top_leaves_out_is_told(kinspect, monkeypatch):
    monkeypatch.chdir(SAMPLES)
    done = kinspect("size", "--by", "kernel", "--top", "2", "--bytes", "per_tu_both.so")
    # three kernels in each of three units, and what is in none
    assert "(8 more)" in done.out
    assert "59,808  100.0%    59,808        6  total" in done.out


def test_names_from_files_can_forge_nothing(kinspect, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.hipfb").write_bytes(
        bundle(("gfx942", code_object("gfx942", "a\x1b[31m|b")))
    )
    for format_ in ("text", "csv", "markdown"):
        done = kinspect("size", "--by", "kernel", "--format", format_, "x.hipfb")
        assert "\x1b" not in done.out
        assert "a" in done.out


def test_csv_has_the_rows_alone(kinspect, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.hipfb").write_bytes(bundle(("gfx942", ONE)))
    (tmp_path / "y.hipfb").write_bytes(bundle(("gfx950", TWO)))
    done = kinspect("size", "--by", "kernel", "--format", "csv", "x.hipfb", "y.hipfb")
    rows = list(csv.DictReader(io.StringIO(done.out)))
    assert [(row["artifact"], row["kernel"], row["inflated"]) for row in rows if row["kernel"]] == [
        ("x.hipfb", FOO2, "68"), ("x.hipfb", FOO, "68"), ("x.hipfb", BAR, "68"),
        ("y.hipfb", FOO, "68"),
    ]  # fmt: skip


def test_several_formats_at_once(kinspect, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.hipfb").write_bytes(bundle(("gfx942", ONE)))
    done = kinspect("size", "--format", "text", "--format", "markdown=x.md", "x.hipfb")
    assert done.out.startswith("x.hipfb   ")
    assert (
        (tmp_path / "x.md").read_text("utf-8").startswith("### kinspect size: `x.hipfb`\n")
    )
