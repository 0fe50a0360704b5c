"""The benchmarks: what they tell of a run, and that their files hold what they claim.

No time is asserted anywhere.
"""

import io
import json
import struct
import sys
import tarfile
import zipfile

import pytest
import zstandard
from elftools.elf.elffile import ELFFile

from benchmarks import __main__ as command
from benchmarks import generated, measuring, report, rows
from benchmarks.measuring import (
    OURS,
    Command,
    CommandFailed,
    Faster,
    Growth,
    Measured,
    Memory,
    Ratio,
    Run,
    Seconds,
    measure,
)
from benchmarks.report import Outcome
from benchmarks.rows import Row

# --- what a run says --------------------------------------------------------------------


def measured(name, *seconds, peak=50_000_000, count=0):
    runs = [Run(one, one, peak) for one in seconds]
    return Measured(
        Command(name, ["no-such-program", "/some/where/x.so"], count=count), runs
    )


def outcome(goals, *found, problem="", scaled=False):
    row = Row("name", "title", list, goals, scaled=scaled)
    return Outcome(row, {one.command.name: one for one in found}, problem)


def test_medians_are_held_against_the_peer_of_the_same_run():
    found = outcome(
        [
            Ratio("peer", 2),
            Memory(limit=40e6),
            Seconds(),
            Ratio("absent", 1),
            Faster("peer", 3),
        ],
        measured(OURS, 1.0, 3.0, 90.0),  # median 3, mean 31
        measured("peer", 2.0, 2.0, 2.0),
    )
    assert report.ratios([found]) == [
        ("title", "3.00 s", "50 MB", "peer, 2.00 s", "1.50 ×", "≤ 2.00 ×", "met"),
        ("", "", "", "", "50 MB", "≤ 40 MB", "MISSED"),
        ("", "", "", "", "3.00 s", "", ""),
        ("", "", "", "absent", "not installed", "≤ 1.00 ×", "not measured"),
        ("", "", "", "peer, 2.00 s", "0.67 × faster", "≥ 3.00 × faster", "MISSED"),
    ]


def test_growth_is_that_of_the_worst_step_for_ten_times_as_many():
    found = outcome(
        [Growth(limit=11), Memory(limit=60e6)],
        measured("10", 1.0, count=10),
        measured("100", 5.0, count=100),
        measured("400", 25.0, peak=61_000_000, count=400),  # 5 × for 4 ×
        scaled=True,
    )
    heads, lines = report.growth([found])
    assert heads[:4] == ("", "10", "100", "400")
    assert lines == [
        ["title", "1.00 s", "5.00 s", "25.00 s", "12.5 × (≤ 11.0 ×)", "MISSED", "61 MB (≤ 60 MB)", "MISSED"]
    ]  # fmt: skip
    assert report.ratios([found]) == []


def test_a_command_that_fails_is_told_and_has_no_time():
    def commands():
        yield Command(OURS, [sys.executable, "-c", "raise SystemExit(2)"], rows.JUDGED)

    found = command.outcome(Row("name", "title", commands, [Seconds(limit=1)]), 1)
    (line,) = report.ratios([found])
    assert line[1] == ""
    assert line[4].startswith("failed: exit 2")
    assert line[6] == "not measured"


def test_whatever_was_missed_the_command_ends_well(monkeypatch, tmp_path, capsys):
    """Times depend on the machine: no build may fail by them."""

    def slow(commands, runs):
        assert runs == 3
        return {one.name: measured(one.name, 1000.0 if one.name == OURS else 1.0) for one in commands}  # fmt: skip

    monkeypatch.setattr(command, "measure", slow)
    command.main(["--only", "start", "--quick", "--json", str(tmp_path / "out.json")])
    assert "MISSED" in capsys.readouterr().out
    written = json.loads((tmp_path / "out.json").read_text())
    (row,) = written["benchmarks"]
    assert row["name"] == "start"
    assert row["targets"] == [
        {"peer": rows.CLICK, "target": "≤ 2.00 ×", "measured": 1000.0, "verdict": "MISSED"}
    ]
    assert {one["name"] for one in row["commands"]} == {OURS, rows.CLICK}
    assert row["commands"][0]["runs"] == [
        {"seconds": 1000.0, "cpu": 1000.0, "peak": 50_000_000}
    ]
    assert "/some/where" not in json.dumps(written)  # names, no paths of this machine
    assert {"kinspect", "click"} <= written["versions"].keys()


def test_a_name_that_no_benchmark_has_is_refused():
    with pytest.raises(SystemExit, match="no benchmark is called nothing"):
        command.main(["--only", "nothing"])


def test_the_tables_replace_those_of_the_page_and_nothing_else(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(f"before\n\n{report.BEGIN}\nold\n{report.END}\n\nafter\n")
    report.refresh(page, "| new |\n")
    assert page.read_text() == f"before\n\n{report.BEGIN}\n| new |\n{report.END}\n\nafter\n"
    page.write_text("nothing")
    with pytest.raises(ValueError, match="has no"):
        report.refresh(page, "| new |\n")


def test_the_page_of_the_documentation_has_a_place_for_them():
    text = command.PAGE.read_text("utf-8")
    assert 0 < text.index(report.BEGIN) < text.index(report.END)


# --- how it is measured -----------------------------------------------------------------


def test_commands_take_turns_after_a_first_one_that_is_not_counted(monkeypatch):
    order = []

    def run(one, *, together=False):
        order.append(one.name)
        return {"seconds": len(order), "cpu": 0, "peak": 1}

    monkeypatch.setattr(measuring, "_run", run)
    found = measure([Command("a", []), Command("b", [])], 2)
    assert order == ["a", "b", "a", "b", "a", "b"]
    assert [one.seconds for one in found["a"].runs] == [3, 5]


def test_memory_is_that_of_the_command_and_not_of_who_measures():
    """Linux hands the peak of a process on to what it starts."""
    ballast = bytearray(b"x") * 150_000_000
    code = "data = bytearray(b'x') * 60_000_000"
    found = measure(
        [
            Command("small", [sys.executable, "-c", "pass"]),
            Command("large", [sys.executable, "-c", code]),
        ],
        1,
    )
    assert found["small"].memory < 50_000_000 < len(ballast)
    assert 60_000_000 < found["large"].memory < 120_000_000


def test_memory_of_several_processes_is_counted_together():
    code = (
        "import os, time\n"
        "pid = os.fork()\n"
        "data = bytearray(b'x') * 40_000_000\n"  # in both
        "time.sleep(0.3)\n"
        "pid and os.wait()\n"
    )
    found = measure([Command("two", [sys.executable, "-c", code], parallel=True)], 1)
    assert found["two"].runs[0].peak < 80_000_000 < found["two"].memory


def test_a_command_must_end_as_it_should():
    with pytest.raises(CommandFailed, match="exit 3"):
        measure([Command("x", [sys.executable, "-c", "raise SystemExit(3)"])], 1)


# --- files that grow --------------------------------------------------------------------

COUNTS = (10, 30)


def elf(data):
    return ELFFile(io.BytesIO(data))


def fatbin(data):
    return elf(data).get_section_by_name(".hip_fatbin").data()


def code_objects(data):
    """Of the plain bundle at the start of a fat binary, by its table."""
    fat = fatbin(data)
    (count,) = struct.unpack_from("<Q", fat, 24)
    at, found = 32, []
    for _ in range(count):
        offset, size, length = struct.unpack_from("<3Q", fat, at)
        at += 24 + length
        if size:
            found.append(ELFFile(io.BytesIO(fat[offset : offset + size])))
    return found


def names_of(file, section=".dynsym"):
    return [symbol.name for symbol in file.get_section_by_name(section).iter_symbols()]


def count_of(wanted, names):
    return len({name for name in names if wanted in name})


def count_bundles(data):
    wrappers = elf(data).get_section_by_name(".hipFatBinSegment").data_size // 24
    relocated = elf(data).get_section_by_name(".rela.dyn").num_relocations()
    assert wrappers == relocated == fatbin(data).count(b"__CLANG_OFFLOAD_BUNDLE__")
    return wrappers


def count_stripped(data):
    assert elf(data).num_sections() == 0
    segments = [one.data() for one in elf(data).iter_segments("PT_LOAD")]
    return sum(one.count(b"__CLANG_OFFLOAD_BUNDLE__") for one in segments)


def count_compressed(data):
    fat = fatbin(data)
    starts, at = 0, 0
    while at < len(fat):  # by the size in each header, and the padding behind it
        assert fat.startswith(b"CCOB", at)
        at += struct.unpack_from("<Q", fat, at + 8)[0]
        at += -at % generated.ALIGN
        starts += 1
    assert elf(data).get_section_by_name(".rela.dyn").num_relocations() == starts
    return starts


def count_entries(data):
    bundle = zstandard.ZstdDecompressor().decompressobj().decompress(fatbin(data)[32:])
    return struct.unpack_from("<Q", bundle, 24)[0]


def count_kernels(data):
    first, second = code_objects(data)
    assert names_of(first) == names_of(second)
    return count_of(".kd", names_of(first))


def count_stubs(data):
    stubs = count_of("__device_stub__", names_of(elf(data)))
    assert stubs == count_kernels(data)
    return stubs


def count_symbols(data):
    return count_of("_Z14function", names_of(elf(data)))


def count_wrappers(data):
    assert fatbin(data).count(b"__CLANG_OFFLOAD_BUNDLE__") == 1
    return elf(data).get_section_by_name(".rela.dyn").num_relocations()


def count_relative(data):
    table = elf(data).get_section_by_name(".relr.dyn")
    places = {one["r_offset"] for one in table.iter_relocations()}
    return len(places - {0})  # DT_RELRSZ ends the table before the zeros of the section


def count_members(data):
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        return len(set(archive.namelist()))


def count_libraries(data):
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert all(archive.read(name).startswith(b"\x7fELF") for name in archive.namelist())
    return count_members(data)


def count_tarred(data):
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        return len(set(archive.getnames()))


def count_nested(data):
    levels = 0
    while data.startswith(b"PK"):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            (name,) = archive.namelist()
            data = archive.read(name)
        levels += 1
    return levels


COUNTED = {
    "bundles": count_bundles,
    "listed": count_bundles,
    "stripped": count_stripped,
    "compressed": count_compressed,
    "entries": count_entries,
    "kernels": count_kernels,
    "stubs": count_stubs,
    "symbols": count_symbols,
    "wrappers": count_wrappers,
    "relr": count_relative,
    "members": count_members,
    "tarred": count_tarred,
    "libraries": count_libraries,
    "nested": count_nested,
}


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("name", generated.FAMILIES)
def test_a_generated_file_holds_as_many_as_it_claims(name, count):
    """As pyelftools, zstandard and the standard library read it."""
    assert COUNTED[name](generated.FAMILIES[name].write(count)) == count


@pytest.mark.parametrize("name", generated.FAMILIES)
def test_a_generated_file_is_sound(kinspect, tmp_path, name):
    """Else it would be measured how soon kinspect gives up."""
    path = generated.path(name, 12, tmp_path)
    path.write_bytes(generated.FAMILIES[name].write(12))
    done = kinspect("verify", path, "--limit", "nesting=20")
    assert (done.code, done.err) == (0, "")


@pytest.mark.oracle
def test_roc_obj_ls_lists_the_bundles_of_a_generated_file(run, tmp_path):
    path = tmp_path / "x.so"
    path.write_bytes(generated.bundles(25))
    lines = run("roc-obj-ls", path).splitlines()
    assert sum("gfx942" in line for line in lines) == 25
    assert sum("gfx950" in line for line in lines) == 25


@pytest.mark.oracle
def test_readelf_reads_the_kernels_of_a_generated_file(run, tmp_path):
    fat = fatbin(generated.kernels(40))
    start = fat.index(b"\x7fELF")
    (tmp_path / "x.co").write_bytes(fat[start:])
    notes = run("llvm-readelf-19", "--notes", tmp_path / "x.co")
    assert notes.count(".symbol:") == 40


def test_sizes_grow_tenfold_up_to_what_makes_sense():
    assert generated.sizes(generated.FAMILIES["kernels"], 100_000) == [10, 100, 1000, 10_000, 100_000]  # fmt: skip
    assert generated.sizes(generated.FAMILIES["entries"], 100_000) == [10, 100, 1000, 4096]
    assert generated.sizes(generated.FAMILIES["bundles"], 1000) == [10, 100, 1000]
