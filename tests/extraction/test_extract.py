"""`kinspect extract`: which bytes it writes, under which names, and what it refuses."""

import hashlib
import io
import json
import os
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from kinspect import InputError, Limits, UsageError, cli, schemas
from kinspect.extraction import Directory, Kind, Request, Selection, extract, only
from kinspect.render.words import size
from tests.conftest import SAMPLES
from tests.sources.test_installed import install
from tests.writers import (
    Host,
    Image,
    Slot,
    bundle,
    ccob,
    code_object,
    offload_binary,
)
from tests.writers.bundles import device

A, B = code_object("gfx942", "a"), code_object("gfx950", "b")
C = code_object("gfx942", "c")
IR = b"BC\xc0\xde" + b"bitcode" * 9
SPIRV = b"\x03\x02\x23\x07" + b"words" * 11
PAIR = bundle(("gfx942", A), ("gfx950", B))
OTHER = bundle(("gfx942", C))
SPV = "hip-spirv64-amd-amdhsa--amdgcnspirv"


def padded(data):
    return data + bytes(-len(data) % 16)


TWO = Host(padded(PAIR) + OTHER).build().data
PACKED = Host(padded(ccob(PAIR, 3)) + ccob(OTHER, 2, "zlib")).build().data


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    contents = {
        "two.so": TWO,
        "packed.so": PACKED,
        "bare.hsaco": A,
        "images": offload_binary(Image(A), Image(IR, "gfx950", kind=2), version=2),
        "packed_images": offload_binary(
            Image(A), Image(B, "gfx950"), version=3, method="zstd"
        ),
        "spirv.hipfb": bundle(Slot(SPV, SPIRV), ("gfx942", A)),
        "modes.hipfb": bundle(
            *((f"gfx942:xnack{mode}", code_object("gfx942", mode)) for mode in "+-")
        ),
        "host.so": Host().build().data,
        "wrong.hipfb": ccob(PAIR, 3, digest=1),
        "beyond.hipfb": bundle(("gfx942", A), Slot(device("gfx950"), B, size=1 << 40)),
        "odd.hipfb": bundle(("gfx942", A), ("gfx950", b"what is this")),
        "empty.hipfb": bundle(("gfx942", A), ("gfx950", b"")),
    }
    for name, data in contents.items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / "tree/below").mkdir(parents=True)
    (tmp_path / "tree/below/two.so").write_bytes(TWO)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as wheel:
        wheel.writestr("pkg/two.so", TWO)
        wheel.writestr("pkg/packed.so", PACKED)
        wheel.writestr("../../escaped.so", Host(OTHER).build().data)
        wheel.writestr("x-1.0.dist-info/WHEEL", "")
    (tmp_path / "x-1.0-py3-none-any.whl").write_bytes(archive.getvalue())
    return tmp_path


@dataclass(frozen=True)
class Done:
    """What a run left behind."""

    code: int
    out: bytes
    err: str


@pytest.fixture
def run(monkeypatch, capfdbinary):
    """Run the command line in this process."""

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["kinspect", *arguments])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        sys.stdout.flush()
        out, err = capfdbinary.readouterr()
        code = stop.value.code
        assert isinstance(code, int)
        return Done(int(code), out, err.decode())

    return call


def taken(paths, directory="out", limits=None, **selection):
    """The names and bytes of what was extracted, and what could not be."""
    asked: dict[str, Any] = {name: frozenset(values) for name, values in selection.items()}
    request = Request(tuple(paths), Selection(**asked), limits or Limits())
    with Directory(str(directory)) as to:
        done = list(extract(request, to))
    found = {}
    for one in done:
        found[one.file] = (Path(directory) / one.file).read_bytes()
        assert one.size == len(found[one.file])
        assert one.sha256 == hashlib.sha256(found[one.file]).hexdigest()
    return found, [problem.message for problem in request.problems]


# --- what is extracted --------------------------------------------------------------------


@pytest.mark.parametrize("name", ["two.so", "packed.so"])
def test_code_objects_of_every_bundle_are_written_byte_by_byte(files, name):
    assert taken([name]) == (
        {
            f"{name}/bundle0.gfx942.hsaco": A,
            f"{name}/bundle0.gfx950.hsaco": B,
            f"{name}/bundle1.gfx942.hsaco": C,
        },
        [],
    )


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("bare.hsaco", {"bundle0.gfx942.hsaco": A}),
        ("images", {"bundle0.gfx942.hsaco": A, "bundle0.gfx950.bc": IR}),
        ("packed_images", {"bundle0.gfx942.hsaco": A, "bundle0.gfx950.hsaco": B}),
        ("spirv.hipfb", {"bundle0.amdgcnspirv.spv": SPIRV, "bundle0.gfx942.hsaco": A}),
        (
            "modes.hipfb",
            {
                "bundle0.gfx942_xnack+.hsaco": code_object("gfx942", "+"),
                "bundle0.gfx942_xnack-.hsaco": code_object("gfx942", "-"),
            },
        ),
    ],
)
def test_every_form_is_taken_apart(files, name, expected):
    found, problems = taken([name])
    assert found == {f"{name}/{file}": data for file, data in expected.items()}
    assert problems == []


def test_whole_bundles_are_written_as_stored_and_inflated(files):
    kinds = [Kind.BUNDLE, Kind.INFLATED]
    assert taken(["two.so"], kinds=kinds)[0] == {
        "two.so/bundle0.hipfb": PAIR,
        "two.so/bundle1.hipfb": OTHER,
    }
    assert taken(["packed.so"], kinds=kinds)[0] == {
        "packed.so/bundle0.hipfb": ccob(PAIR, 3),
        "packed.so/bundle0.inflated.hipfb": PAIR,
        "packed.so/bundle1.hipfb": ccob(OTHER, 2, "zlib"),
        "packed.so/bundle1.inflated.hipfb": OTHER,
    }
    (stored,) = taken(["images"], kinds=[Kind.BUNDLE])[0].items()
    assert stored == ("images/bundle0.offload", (files / "images").read_bytes())
    assert taken(["bare.hsaco"], kinds=kinds)[0] == {}


def test_bitcode_of_rdc_objects_is_written(files):
    """The section's bytes, as pyelftools finds them."""
    from elftools.elf.elffile import ELFFile  # noqa: PLC0415

    sample = SAMPLES / "rdc_old_driver.o"
    with open(sample, "rb") as file:
        sections = {
            section.name.rsplit("-", 1)[-1]
            or section.name.rsplit("-", 2)[-2]: section.data()
            for section in ELFFile(file).iter_sections()
            if section.name.startswith("__CLANG_OFFLOAD_BUNDLE__hip")
        }
    assert sections.keys() == {"gfx942", "gfx950"}
    assert taken([str(sample)])[0] == {
        f"rdc_old_driver.o/bitcode.{target}.bc": data for target, data in sections.items()
    }


def test_device_libraries_are_bitcode_too(files):
    name = "librocshmem_device_gfx942.bc"
    expected = {f"{name}/bitcode.gfx942.bc": (SAMPLES / name).read_bytes()}
    assert taken([str(SAMPLES / name)])[0] == expected


def test_members_of_archives_get_directories_below_that_of_the_archive(files):
    found, problems = taken(["x-1.0-py3-none-any.whl"])
    assert set(found) == {
        "x-1.0-py3-none-any.whl/pkg/two.so/bundle0.gfx942.hsaco",
        "x-1.0-py3-none-any.whl/pkg/two.so/bundle0.gfx950.hsaco",
        "x-1.0-py3-none-any.whl/pkg/two.so/bundle1.gfx942.hsaco",
        "x-1.0-py3-none-any.whl/pkg/packed.so/bundle0.gfx942.hsaco",
        "x-1.0-py3-none-any.whl/pkg/packed.so/bundle0.gfx950.hsaco",
        "x-1.0-py3-none-any.whl/pkg/packed.so/bundle1.gfx942.hsaco",
        "x-1.0-py3-none-any.whl/%2E%2E/%2E%2E/escaped.so/bundle0.gfx942.hsaco",
    }
    assert {found[name] for name in found if "escaped" in name} == {C}
    assert {found[name] for name in found if "bundle1" in name} == {C}
    assert problems == []
    assert not list(files.parent.glob("escaped*"))


def test_files_of_the_same_name_from_two_directories_stay_apart(files):
    for name, data in (("a", TWO), ("b", Host(OTHER).build().data)):
        (files / name).mkdir()
        (files / name / "x.so").write_bytes(data)
    found, _ = taken(["a/x.so", "b/x.so"], bundles=[0], targets=["gfx942"])
    assert found == {"x.so/bundle0.gfx942.hsaco": A, "x.so~2/bundle0.gfx942.hsaco": C}


def test_two_entries_for_one_target_stay_apart_whatever_is_chosen(run, files):
    twice = bundle(("gfx942", A), ("gfx942", C), (device("gfx942", "hip"), B))
    (files / "twice").write_bytes(twice)
    expected = {
        "twice/bundle0.gfx942.hsaco": A,
        "twice/bundle0.gfx942~2.hsaco": C,
        "twice/bundle0.gfx942~3.hsaco": B,
    }
    assert taken(["twice"])[0] == expected
    at = twice.index(C)
    done = run("extract", "-o", "one", "--uri", f"file://twice#offset={at}&size={len(C)}")
    assert done.code == 0
    assert (files / "one/twice/bundle0.gfx942~2.hsaco").read_bytes() == C


# --- choosing -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "files_of"),
    [
        ([], ["0.gfx942", "0.gfx950", "1.gfx942"]),
        (["--target", "gfx950"], ["0.gfx950"]),
        (["--target", "gfx942,gfx950"], ["0.gfx942", "0.gfx950", "1.gfx942"]),
        (["--bundle", "1"], ["1.gfx942"]),
        (["-b", "0", "-b", "1", "-t", "gfx942"], ["0.gfx942", "1.gfx942"]),
        (["--binary", "*.so"], ["0.gfx942", "0.gfx950", "1.gfx942"]),
        (["--binary", "packed*"], ["0.gfx942", "0.gfx950", "1.gfx942"]),
    ],
)
def test_pieces_are_chosen_by_options(run, files, options, files_of):
    done = run("extract", "-q", "-o", "out", *options, "packed.so")
    assert (done.code, done.out) == (0, b"")
    found = sorted(path.name for path in (files / "out/packed.so").iterdir())
    assert found == [f"bundle{name}.hsaco" for name in files_of]


def test_binaries_are_chosen_by_name_path_or_breadcrumb(files):
    for glob in ("two.so", "pkg/two.so", "x-*.whl!pkg/two.so", "*/two.so"):
        asked = Selection(binaries=(glob,))
        request = Request(("x-1.0-py3-none-any.whl",), asked)
        with Directory(f"out{len(glob)}") as to:
            found = [one.place.path for one in extract(request, to)]
        assert found == ["x-1.0-py3-none-any.whl!pkg/two.so"] * 3


def test_a_processor_stands_for_its_modes(files):
    assert len(taken(["modes.hipfb"], targets=["gfx942"])[0]) == 2
    (files / "out").rename("old")
    assert list(taken(["modes.hipfb"], targets=["gfx942:xnack-"])[0]) == [
        "modes.hipfb/bundle0.gfx942_xnack-.hsaco"
    ]


def test_a_whole_bundle_is_chosen_by_any_of_its_targets(files):
    found, _ = taken(["two.so"], kinds=[Kind.BUNDLE], targets=["gfx950"])
    assert found == {"two.so/bundle0.hipfb": PAIR}


def test_what_is_not_chosen_is_not_inflated(files):
    """A bundle whose payload is damaged disturbs nobody who wants another one."""
    large = bundle(("gfx942", bytes(range(256)) * 2048))
    damaged = bytearray(ccob(large, 3, "zlib"))
    damaged[-1] ^= 1
    (files / "x.so").write_bytes(Host(padded(bytes(damaged)) + ccob(OTHER)).build().data)
    assert taken(["x.so"], bundles=[1]) == ({"x.so/bundle1.gfx942.hsaco": C}, [])
    (files / "out").rename("old")
    found, problems = taken(["x.so"], kinds=[Kind.BUNDLE])
    assert (found["x.so/bundle0.hipfb"], problems) == (bytes(damaged), [])


# --- URIs ---------------------------------------------------------------------------------


def uris_of(run, name):
    listed = json.loads(run("list", "--format", "json", name).out)
    for artifact in listed["artifacts"]:
        for binary in artifact["binaries"]:
            for one in binary["bundles"]:
                for entry in one["entries"]:
                    yield entry["uri"], entry


@pytest.mark.parametrize(
    "name",
    ["two.so", "packed.so", "bare.hsaco", "images", "packed_images", "spirv.hipfb",
     "x-1.0-py3-none-any.whl", "tree"],
)  # fmt: skip
def test_every_uri_that_list_prints_leads_to_the_same_bytes(run, files, name):
    """Without a path, since a URI names its file."""
    known = {A, B, C, IR, SPIRV}
    seen = set()
    for uri, entry in uris_of(run, name):
        done = run("extract", "-o", "-", "--uri", uri)
        if entry["size"]:
            assert done.code == 0
            assert done.out in known
            assert len(done.out) == entry["size"]
            seen.add(done.out)
        else:
            assert (done.code, done.out) == (2, b"")
            assert "empty" in done.err
    assert seen


def test_a_uri_may_be_spelled_as_other_tools_spell_it(run, files):
    at = TWO.index(B)
    for uri in (
        f"file://two.so#offset={at}&size={len(B)}",
        f"file://two.so?offset={at:#x}&size=0{len(B):o}",
        f"file://{files}/two.so#offset={at}&size={len(B)}",
        f"file://./two.so#offset={at}&size={len(B)}",
        f"file://%74wo.so#offset={at}&size={len(B)}",
    ):
        assert run("extract", "-o", "-", "--uri", uri).out == B
        assert run("extract", "-o", "-", "--uri", uri, "two.so").out == B
        done = run("extract", "-o", "-", "--uri", uri, ".")
        assert (done.out, done.err) == (B, "")


def test_the_uri_of_a_bundle_leads_to_the_bundle(run, files):
    at = PACKED.index(b"CCOB")
    uri = f"file://packed.so#offset={at}&size={len(ccob(PAIR, 3))}"
    assert run("extract", "-o", "-", "--uri", uri).out == ccob(PAIR, 3)
    inflated = f"{uri}&inflated-offset=0&inflated-size={len(PAIR)}"
    assert run("extract", "-o", "-", "--uri", inflated).out == PAIR


def test_a_file_may_have_the_sign_of_archives_in_its_name(run, files):
    (files / "a!b.so").write_bytes(TWO)
    at = TWO.index(A)
    uri = f"file://a!b.so#offset={at}&size={len(A)}"
    assert run("extract", "-o", "-", "--uri", uri).out == A


@pytest.mark.parametrize(
    "uri",
    [
        "two.so",
        "memory://123#offset=0x1&size=2",
        "file://two.so",
        "file://two.so#offset=1",
        "file://two.so#offset=x&size=2",
        "file://two.so#offset=08&size=2",
        "file://two.so#offset=1&size=2&inflated-offset=3",
        "file://two.so#size=2&offset=1",
    ],
)
def test_what_is_no_uri_of_a_code_object_is_a_usage_error(run, files, uri):
    done = run("extract", "-o", "out", "--uri", uri)
    assert done.code == 2
    assert "kinspect: error: " in done.err
    assert "Traceback" not in done.err
    assert not (files / "out").exists()


# --- standard output ----------------------------------------------------------------------


def test_one_piece_goes_to_the_standard_output(run, files):
    done = run("extract", "-o", "-", "-t", "gfx950", "two.so")
    assert (done.code, done.out, done.err) == (0, B, "")
    assert not (files / "-").exists()


def test_several_pieces_do_not(run, files):
    done = run("extract", "-o", "-", "-t", "gfx942", "two.so")
    assert (done.code, done.out) == (2, b"")
    assert "2 match, and only one can go to the standard output" in done.err
    assert f"file://two.so#offset={TWO.index(C)}&size={len(C)}" in done.err
    done = run("extract", "-o", "-", "two.so", "packed.so")
    assert (done.code, done.out) == (2, b"")
    assert "more than three match" in done.err


def test_an_error_is_one_line(run, files):
    done = run("extract", "-o", "-", "two.so", "packed.so")
    assert done.err.count("\n") == 1
    assert "\\x0a" not in done.err


def test_a_uri_that_leads_nowhere_is_told(run, files, tmp_path):
    """What another one leads to is extracted all the same."""
    good = f"file://two.so#offset={TWO.index(C)}&size={len(C)}"
    done = run(
        "extract", "-o", "out", "--uri", good, "--uri", "file://two.so#offset=7&size=1"
    )
    assert done.code == 2
    assert len(list((tmp_path / "out").rglob("*.hsaco"))) == 1
    assert (
        "file://two.so#offset=7&size=1: nothing there is what was asked for\n" in done.err
    )
    assert good not in done.err
    assert run("extract", "-o", "other", "--uri", good, "--uri", good).code == 0


def test_an_empty_directory_name(run, files):
    """A variable of a shell that is not set: not the root of the file system."""
    for command in (["extract", "-o", ""], ["snapshot", "-o", ""]):
        done = run(*command, "two.so")
        assert (done.code, done.out) == (2, b"")
        assert "-o is empty: a variable that is not set?" in done.err


def test_nothing_that_was_asked_for_is_told(run, files):
    for place in ("-", "out"):
        done = run("extract", "-o", place, "-t", "gfx90a", "two.so")
        assert (done.code, done.out) == (2, b"")
        assert "nothing there is what was asked for" in done.err
    done = run("extract", "-o", "out", "host.so")
    assert done.code == 2
    assert not (files / "out").exists()


def test_only_is_a_function_too(files):
    assert only(Request(("two.so",), Selection(targets=frozenset({"gfx950"})))) == B
    assert only(Request(("host.so",))) is None
    with pytest.raises(UsageError, match="3 match"):
        only(Request(("two.so",)))
    with pytest.raises(InputError):
        only(Request(("gone.so",)))


# --- what is damaged ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "written", "told"),
    [
        ("wrong.hipfb", {"gfx942": A, "gfx950": B}, "MD5 mismatch"),
        ("beyond.hipfb", {"gfx942": A}, "needs 1099511627776 bytes"),
        ("odd.hipfb", {"gfx942": A}, "no code object, no bitcode and no SPIR-V"),
        ("empty.hipfb", {"gfx942": A}, "the entry is empty|gfx950: empty"),
    ],
)
def test_what_is_damaged_is_told_and_the_rest_written(run, files, name, written, told):
    done = run("extract", "-o", "out", name)
    assert done.code == 2
    found = {p.name: p.read_bytes() for p in (files / "out" / name).iterdir()}
    assert found == {f"bundle0.{target}.hsaco": data for target, data in written.items()}
    (line,) = done.err.splitlines()[1:]
    assert line.startswith(f"kinspect: error: {name}")
    assert any(words in line for words in told.split("|"))
    value = json.loads((files / "out/manifest.json").read_text("ascii"))
    assert [
        any(w in p["message"] for w in told.split("|")) for p in value["unreadable"]
    ] == [True]


def test_what_is_no_device_code_is_written_on_request(files):
    found, problems = taken(["odd.hipfb"], kinds=[Kind.OTHER])
    assert found == {"odd.hipfb/bundle0.gfx950.bin": b"what is this"}
    assert problems == []


def test_limits_hold(files):
    found, problems = taken(["packed.so"], limits=Limits(inflated=100))
    assert found == {}
    assert any("inflated" in text for text in problems)


@pytest.mark.parametrize("left", [64, 150_000])
def test_a_file_that_shrinks_while_it_is_read_leaves_no_half_file(files, left):
    """The bytes of the second piece are gone when it is its turn."""
    first = code_object("gfx942", padding=100_000)
    second = code_object("gfx950", padding=100_000)
    data = bundle(("gfx942", first), ("gfx950", second))
    (files / "two.so").write_bytes(data)
    request = Request(("two.so",))
    with Directory("out") as to:
        found = []
        for one in extract(request, to):
            found.append(one.file)
            os.truncate("two.so", left)
    assert found == ["two.so/bundle0.gfx942.hsaco"]
    assert [path.name for path in Path("out/two.so").iterdir()] == ["bundle0.gfx942.hsaco"]
    assert request.problems


# --- the manifest, and what is there already ----------------------------------------------


def test_the_manifest_tells_what_came_from_where(run, files):
    done = run("extract", "-o", "out", "x-1.0-py3-none-any.whl", "--kind", "code-object",
               "--kind", "inflated", "--binary", "*packed.so")  # fmt: skip
    total = size(len(A + B + C + PAIR + OTHER))
    assert (done.code, done.err) == (0, f"out: 5 files, {total}\n")
    value = json.loads((files / "out/manifest.json").read_text("ascii"))
    jsonschema.validate(value, json.loads(schemas.extraction()))
    assert value["unreadable"] == []
    by_file = {one["file"].rsplit("/", 1)[-1]: one for one in value["files"]}
    assert by_file.keys() == {
        "bundle0.gfx942.hsaco", "bundle0.gfx950.hsaco", "bundle0.inflated.hipfb",
        "bundle1.gfx942.hsaco", "bundle1.inflated.hipfb",
    }  # fmt: skip
    one = by_file["bundle0.gfx950.hsaco"]
    at, inside = PACKED.index(b"CCOB"), PAIR.index(B)
    assert one == {
        "file": "x-1.0-py3-none-any.whl/pkg/packed.so/bundle0.gfx950.hsaco",
        "kind": "code-object",
        "size": len(B),
        "sha256": hashlib.sha256(B).hexdigest(),
        "path": "x-1.0-py3-none-any.whl!pkg/packed.so",
        "bundle": 0,
        "form": "ccob",
        "id": "hipv4-amdgcn-amd-amdhsa--gfx950",
        "target": "gfx950",
        "uri": f"file://x-1.0-py3-none-any.whl!pkg/packed.so#offset={at}"
        f"&size={len(ccob(PAIR, 3))}&inflated-offset={inside}&inflated-size={len(B)}",
    }
    assert by_file["bundle1.inflated.hipfb"]["id"] is None
    for file in value["files"]:
        data = (files / "out" / file["file"]).read_bytes()
        assert hashlib.sha256(data).hexdigest() == file["sha256"]
        assert only(Request(("x-1.0-py3-none-any.whl",), _at(file["uri"]))) == data


def _at(uri):
    from kinspect.extraction.selection import normal  # noqa: PLC0415
    from kinspect.uri import Place  # noqa: PLC0415

    return Selection(places=frozenset({normal(Place.parse(uri))}))


def test_nothing_is_replaced_unless_that_is_wanted(run, files):
    assert run("extract", "-o", "out", "two.so").code == 0
    before = (files / "out/manifest.json").read_bytes()
    (files / "out/two.so/bundle0.gfx942.hsaco").write_bytes(b"changed")
    done = run("extract", "-o", "out", "two.so")
    assert (done.code, done.out) == (2, b"")
    assert done.err == (
        "kinspect: error: out/manifest.json is there already: --force replaces it\n"
    )
    (files / "out/manifest.json").unlink()
    done = run("extract", "-o", "out", "two.so")
    assert done.code == 2
    assert (files / "out/two.so/bundle0.gfx942.hsaco").read_bytes() == b"changed"
    done = run("extract", "-f", "-o", "out", "two.so")
    assert done.code == 0
    assert (files / "out/two.so/bundle0.gfx942.hsaco").read_bytes() == A
    assert (files / "out/manifest.json").read_bytes() == before


def test_the_input_stays_as_it_is(run, files):
    before = {path: path.read_bytes() for path in files.iterdir() if path.is_file()}
    for place in ("-", "out"):
        run("extract", "-o", place, "-t", "gfx950", "two.so")
    assert (
        before.items()
        <= {p: p.read_bytes() for p in files.iterdir() if p.is_file()}.items()
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ["two.so"],
        ["-o", "out"],
        ["-o", "out", "--kind", "elf", "two.so"],
        ["-o", "out", "--target", "gfx9999", "two.so"],
        ["-o", "out", "--bundle", "-1", "two.so"],
        ["-o", "two.so", "two.so"],
        ["-o", "out", "gone.so"],
        ["-o", "out", "--uri", "file://gone.so#offset=0&size=1"],
    ],
    ids=" ".join,
)
def test_what_makes_no_sense_is_an_error_with_exit_2(files, monkeypatch, capsys, arguments):
    before = sorted(files.iterdir())
    monkeypatch.setattr(sys, "argv", ["kinspect", "extract", *arguments])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    out, err = capsys.readouterr()
    assert (stop.value.code, out) == (2, "")
    assert "rror" in err
    assert sorted(files.iterdir()) == before


def test_no_name_of_a_file_reaches_the_terminal_as_it_is(run, files):
    name = "x\x1b[31m\r\n\u202e.so"
    (files / name).write_bytes(
        Host(bundle(("gfx942", A), ("gfx950\x1b]0;", B))).build().data
    )
    done = run("extract", "-o", "out\x1b[1m", name)
    assert done.code == 0
    for output in (done.out, done.err.encode()):
        assert b"\x1b" not in output
        assert b"\r" not in output
    assert b"/x%1B%5B31m%0D%0A%E2%80%AE.so/bundle0.gfx950%1B%5D0%3B.hsaco" in done.out


# --- kpack archives -------------------------------------------------------------------


def test_code_objects_of_kpack_archives_are_those_of_the_library_before_its_split(files):
    """The samples' build moved them there (samples/build.sh)."""
    names = ["kpack_per_tu_gfx942.kpack", "kpack_per_tu_gfx950.kpack"]
    found, problems = taken([str(SAMPLES / name) for name in names])
    assert problems == []
    whole = taken([str(SAMPLES / "per_tu_both.so")], "whole")[0]
    assert {name.split("/")[1]: data for name, data in found.items()} == {
        name.split("/")[1]: data for name, data in whole.items()
    }
    assert set(found) == {
        f"kpack_per_tu_{target}.kpack/bundle{number}.{target}.hsaco"
        for target in ("gfx942", "gfx950")
        for number in range(3)
    }


def test_the_uris_of_kpack_entries_lead_to_the_same_bytes(run, files):
    name = SAMPLES / "kpack_per_tu_gfx942.kpack"
    expected = taken([str(name)])[0].values()
    uris = [uri for uri, _ in uris_of(run, str(name))]
    assert [run("extract", "-o", "-", "--uri", uri).out for uri in uris] == list(expected)


def test_a_host_alone_names_the_archives_that_it_needs(run, files):
    """They lie beside it; of one whose archives are elsewhere, what it asks for."""
    host = str(SAMPLES / "kpack_per_tu.so")
    archives = [str(SAMPLES / f"kpack_per_tu_{t}.kpack") for t in ("gfx942", "gfx950")]
    done = run("extract", "-o", "out", host)
    assert done.code == 2
    assert f"name these: {', '.join(archives)}\n" in done.err
    (files / "kpack_per_tu.so").write_bytes(Path(host).read_bytes())
    done = run("extract", "-o", "out", "kpack_per_tu.so")
    assert done.code == 2
    assert "name these: kpack_per_tu_@GFXARCH@.kpack\n" in done.err
    assert run("extract", "-o", "out", host, *archives).code == 0
    done = run("extract", "-o", "other", "--target", "gfx900", host, *archives)
    assert (done.code, "name these" in done.err) == (2, False)


# --- installed distributions ----------------------------------------------------------


def test_what_is_installed_is_called_after_its_distribution(run, files):
    install(files / "venv", {"pkg/two.so": TWO, "other.so": Host().build().data})
    done = run("extract", "-o", "out", "--installed", "deep-ep", "--python", "venv")
    assert done.code == 0
    found = {str(one.relative_to("out")) for one in Path("out").rglob("*.hsaco")}
    assert found == {
        f"Deep.EP-1.0/pkg/two.so/{name}.hsaco"
        for name in ("bundle0.gfx942", "bundle0.gfx950", "bundle1.gfx942")
    }
    assert run("extract", "-o", "out2").code == 2
    assert run("extract", "-o", "out2", "--installed", "nope", "--python", "venv").code == 2
