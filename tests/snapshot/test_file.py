"""The file of a snapshot: what is written is read again, and what is none is refused."""

import gzip
import json
import re
from string import ascii_letters

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import MsgspecError

from kinspect import schemas
from kinspect.errors import InputError
from kinspect.snapshot import (
    BinaryRecord,
    Resources,
    Snapshot,
    TargetRecord,
    UnitRecord,
    file,
    load,
    save,
    text,
)
from tests.conftest import SAMPLES

ROWS = st.builds(
    Resources, *(st.none() | st.integers(0, 1 << 32) for _ in Resources._fields)
)
#: names may hold anything, bytes that are no text among it
NAMES = st.text(max_size=6) | st.sampled_from(["\udc80", '"\\', "\n", "ΔΩ"])
SYMBOLS = st.text(ascii_letters + "_$.", min_size=1, max_size=6)
TARGETS = st.builds(
    TargetRecord,
    st.integers(0, 1 << 40),
    st.none() | st.integers(0, 4),
    st.dictionaries(SYMBOLS, ROWS, max_size=3),
)
UNITS = st.builds(
    UnitRecord,
    st.sampled_from(["plain", "ccob", "elf", "offload-binary"]),
    st.integers(0, 1 << 40),
    st.dictionaries(st.sampled_from(["gfx942", "gfx950", "gfx942:xnack+"]), TARGETS),
)
BINARIES = st.builds(
    BinaryRecord,
    NAMES,
    NAMES,
    st.sampled_from([None, "rdc", "per-tu"]),
    st.lists(UNITS, max_size=3).map(tuple),
    st.dictionaries(SYMBOLS, st.frozensets(SYMBOLS, max_size=3), max_size=2),
)
SNAPSHOTS = st.builds(Snapshot, st.lists(BINARIES, min_size=1, max_size=3).map(tuple))


@given(SNAPSHOTS, st.sampled_from(["s.json", "s.json.gz"]))
def test_what_is_written_is_read_again(tmp_path_factory, snapshot, name):
    path = tmp_path_factory.mktemp("snapshot") / name
    save(snapshot, str(path), "1")
    assert load(str(path)) == snapshot


def fast(data):
    """What the fast way makes of a file; None where it leaves it to the careful one."""
    try:
        return file._fast(data, "s.json")
    except (ValueError, RecursionError, MsgspecError, InputError):
        return None


def careful(data):
    try:
        return file._careful(data, "s.json")
    except InputError:
        return None


def test_the_fast_way_is_that_of_ordinary_files():
    """And gives rows that are alike once."""
    data = (SAMPLES / "deep_ep.baseline.json").read_bytes()
    found = fast(data)
    assert found == careful(data) != None  # noqa: E711
    rows = {
        id(row): row
        for binary in found.binaries
        for unit in binary.units
        for one in unit.targets.values()
        for row in one.kernels.values()
    }
    assert len(rows) == len(set(rows.values()))


#: what a file may have in place of a value, or beside one
VALUES = [
    b"1", b"-0", b"1.0", b"1.5", b"1e2", b"1e400", b"9" * 30, b"NaN", b"null", b"true",
    b'"x"', b'"\\udc80"', b'"\\ud83d\\ude00"', b"[]", b"{}", b"\xff", b"\xef\xbb\xbf",
    b'{"gfx942":[1]}', b"[1,2]", b" ", b",", b'"kernels":{},', b"/**/",
]  # fmt: skip


@given(SNAPSHOTS, st.data())
def test_what_the_fast_way_takes_the_careful_one_takes_alike(snapshot, data):
    whole = "".join(text(snapshot, "1")).encode()
    tokens = re.findall(rb'"(?:[^"\\]|\\.)*"|[-\d.]+|\w+|\s+|.', whole)
    for _ in range(data.draw(st.integers(0, 2))):
        at = data.draw(st.integers(0, len(tokens) - 1))
        tokens[at : at + data.draw(st.integers(0, 1))] = [
            data.draw(st.sampled_from([*VALUES, *tokens[:40]]))
        ]
    spoiled = b"".join(tokens)
    found = fast(spoiled)
    assert found is None or found == careful(spoiled)


@given(SNAPSHOTS)
def test_it_is_ascii_json_that_the_schema_describes(snapshot):
    written = "".join(text(snapshot, "1"))
    assert written.isascii()
    assert written.endswith("}\n")
    jsonschema.validate(json.loads(written), json.loads(schemas.snapshot()))


ONE = Snapshot(
    (
        BinaryRecord(
            "w.whl",
            "l.so",
            "rdc",
            (
                UnitRecord(
                    "ccob",
                    512,
                    {
                        "gfx942": TargetRecord(4096, 4, {"_Z1av": Resources(*range(11))}),
                        "gfx950": TargetRecord(4096, 4, {"_Z1av": Resources()}),
                    },
                ),
            ),
        ),
    )
)
FILE = """\
{
 "snapshot_version": 1,
 "tool": {"name":"kinspect","version":"1.2.3"},
 "resources": ["vgpr_count","agpr_count","sgpr_count","group_segment_fixed_size",\
"private_segment_fixed_size","kernarg_segment_size","wavefront_size",\
"max_flat_workgroup_size","vgpr_spill_count","sgpr_spill_count","occupancy"],
 "binaries": [
  {
   "artifact": "w.whl",
   "path": "l.so",
   "linkage": "rdc",
   "bitcode": {},
   "units": [
    {"form": "ccob", "size": 512,
     "targets": {
      "gfx942": {"size":4096,"abi_version":4},
      "gfx950": {"size":4096,"abi_version":4}
     },
     "kernels": {
      "_Z1av": {"gfx942":[0,1,2,3,4,5,6,7,8,9,10],\
"gfx950":[null,null,null,null,null,null,null,null,null,null,null]}
     }}
   ]
  }
 ]
}
"""


def test_the_file_is_this():
    """A line for each kernel; scripts of users read it, so that it does not change."""
    assert "".join(text(ONE, "1.2.3")) == FILE


def test_a_compressed_file_is_the_same_on_every_day(tmp_path):
    path = tmp_path / "s.json.gz"
    save(ONE, str(path), "1.2.3")
    data = path.read_bytes()
    assert gzip.decompress(data).decode() == FILE
    assert data[4:8] == bytes(4)  # RFC 1952: no time
    assert not data[3] & 8  # and no name


def loaded(tmp_path, content):
    path = tmp_path / "s.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return load(str(path))


def test_it_is_compressed_by_its_bytes_and_not_by_its_name(tmp_path):
    assert loaded(tmp_path, gzip.compress(FILE.encode())) == ONE


def test_what_an_older_kinspect_wrote_is_read(tmp_path):
    """It recorded no occupancy."""
    value = json.loads(FILE)
    value["resources"].remove("occupancy")
    rows = value["binaries"][0]["units"][0]["kernels"]["_Z1av"]
    value["binaries"][0]["units"][0]["kernels"]["_Z1av"] = {
        target: row[:-1] for target, row in rows.items()
    }
    (binary,) = loaded(tmp_path, json.dumps(value)).binaries
    kernels = binary.units[0].targets["gfx942"].kernels
    assert kernels["_Z1av"] == Resources(*range(10))


def test_more_than_this_kinspect_knows_is_ignored(tmp_path):
    value = json.loads(FILE)
    value["later"] = 1
    value["resources"].insert(0, "registers_of_tomorrow")
    for row in value["binaries"][0]["units"][0]["kernels"]["_Z1av"].values():
        row.insert(0, 77)
    assert loaded(tmp_path, json.dumps(value)) == ONE


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "no snapshot that can be read"),
        ("{", "no snapshot that can be read"),
        ("[" * 100_000, "no snapshot that can be read"),
        ("null", "not a snapshot of kinspect"),
        ('{"schema_version": 1, "verdict": "pass"}', "not a snapshot of kinspect"),
        (b"\x7fELF\xff\xfe", "no snapshot that can be read"),
        (gzip.compress(FILE.encode())[:-20], "ended before"),
        (b"\x1f\x8b\x08\x00" + bytes(30), "no snapshot|invalid|incorrect|CRC|ended"),
        (FILE.replace('version": 1', 'version": 2'), "snapshot_version 2.*reads 1"),
        (FILE.replace('version": 1', 'version": "1"'), "not a snapshot of kinspect"),
        (FILE.replace("[0,1,2", '["0",1,2'), r"Expected `int \| null`, got `str`"),
        (FILE.replace("[0,1,2", "[1,2"), "has 10 resources, the head names 11"),
        (FILE.replace('"l.so"', "7"), "Expected `str`"),
        (FILE.replace('"gfx950": {', '"gfx90a": {'), "'gfx950', which its unit lacks"),
        (FILE.replace('"path"', '"Path"'), "missing required field `path`"),
        ("".join(text(Snapshot(()), "1")), "records nothing"),
    ],
)
def test_what_is_no_snapshot_is_refused_and_says_why(tmp_path, content, message):
    with pytest.raises(InputError, match=message):
        loaded(tmp_path, content)


@pytest.mark.parametrize("size", range(0, len(FILE) - 2, 7))
def test_a_file_that_was_cut_is_refused(tmp_path, size):
    with pytest.raises(InputError):
        loaded(tmp_path, FILE[:size])


def test_a_file_that_is_not_there_or_can_not_be_written(tmp_path):
    with pytest.raises(InputError, match="No such file"):
        load(str(tmp_path / "none.json"))
    with pytest.raises(InputError, match="No such file"):
        save(ONE, str(tmp_path / "none" / "s.json"), "1")
