"""A sample that is cut anywhere ends in a finding, and never passes."""

from pathlib import Path

import pytest

from kinspect import Policy, Verdict, checks, parse_required
from kinspect.model import Artifact
from kinspect.overlay.laying import lay_over
from kinspect.view import Memory, View
from kinspect.walk import read_binary
from tests.conftest import SAMPLES, manifest

#: what each raw file holds by itself
HELD = {"code_object_gfx942.co": "gfx942", "code_object_gfx950.co": "gfx950"}
GOOD = {
    sample["file"]: HELD.get(sample["file"], "gfx942,gfx950")
    for sample in manifest()
    if sample["verify"]["exit"] == 0 or sample["file"] in HELD
}
SMALL = [name for name in GOOD if (SAMPLES / name).stat().st_size < 20_000]


def archive(path: Path) -> Artifact:
    binary = read_binary(View(Memory(path.read_bytes()), path.name))
    assert binary is not None
    return Artifact(path.name, "file", (binary,))


#: what the host of a split needs to be whole
ARCHIVES = {
    "kpack_per_tu.so": [archive(path) for path in SAMPLES.glob("kpack_per_tu_*.kpack")]
}


def verdict_of(data: bytes, name: str) -> Verdict:
    """What verify says of these bytes, without a file."""
    binary = read_binary(View(Memory(data), name))
    artifact = Artifact(name, "file", () if binary is None else (binary,))
    artifacts = lay_over((artifact, *ARCHIVES.get(name, ())))
    policy = Policy(required=parse_required((GOOD[name],)))
    return checks.verdict(artifacts, checks.run(artifacts, policy))


def loaded(data: bytes) -> int:
    """How many bytes of an ELF file its loader needs; all of what is none."""
    if data[:4] != b"\x7fELF" or data[0x12] == 224:
        return len(data)
    offset = int.from_bytes(data[0x20:0x28], "little")
    ends = []
    for index in range(int.from_bytes(data[0x38:0x3A], "little")):
        record = data[offset + 56 * index :][:56]
        if record[:4] == b"\x01\0\0\0":
            ends.append(
                int.from_bytes(record[8:16], "little")
                + int.from_bytes(record[32:40], "little")
            )
    sections = int.from_bytes(data[0x28:0x30], "little")
    return len(data) if sections else max(ends)


@pytest.mark.parametrize("name", sorted(GOOD))
def test_a_whole_sample_passes(name):
    assert verdict_of((SAMPLES / name).read_bytes(), name) is Verdict.PASS


@pytest.mark.parametrize("name", sorted(GOOD))
def test_no_cut_sample_passes(name):
    """At a stride that shares no factor with any alignment, and near both ends."""
    data = (SAMPLES / name).read_bytes()
    needed = loaded(data)
    stride = max(needed // 40, 1) | 1
    for size in {*range(0, needed, stride), *range(20), *range(needed - 10, needed)}:
        assert verdict_of(data[:size], name) is not Verdict.PASS, size


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(SMALL))
def test_every_cut_of_a_small_sample_is_noticed(name):
    data = (SAMPLES / name).read_bytes()
    for size in range(loaded(data)):
        assert verdict_of(data[:size], name) is not Verdict.PASS, size
