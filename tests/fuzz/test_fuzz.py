"""What the fuzzers found stays mended, and the fuzzers themselves can find something."""

from random import Random

import pytest

from tests.fuzz import targets
from tests.fuzz.__main__ import batch
from tests.fuzz.mutate import MUTATIONS, mutated
from tests.fuzz.seeds import seeds
from tests.fuzz.targets import TARGETS, Escaped, regressions, run


@pytest.mark.parametrize("path", regressions(), ids=lambda path: path.name)
@pytest.mark.parametrize("target", ["file", "binary"])
def test_what_was_found_stays_mended(path, target):
    run(target, path.read_bytes())


@pytest.mark.parametrize("name", TARGETS)
def test_every_target_reads_its_seeds(name):
    """Mutations of what is refused as it is would only ever test the refusal."""
    read = [run(name, data) for data in seeds()[name]]
    assert any(read)
    assert len(read) >= 1


@pytest.mark.parametrize("name", TARGETS)
def test_a_short_run(name):
    counts, escaped, _ = batch(name, 1, 150)
    assert escaped == []
    assert counts.total() == 150


def test_a_bug_would_be_found(monkeypatch):
    def broken(data):
        if data[:4] != b"CCOB":
            raise IndexError

    monkeypatch.setattr(targets, "TARGETS", {"ccob": broken})
    with pytest.raises(Escaped):
        run("ccob", b"XCOB")
    _, escaped, _ = batch("ccob", 1, 200)
    assert escaped


def test_mutations_are_the_same_for_the_same_seed():
    good = seeds()["bundle"]
    first = [mutated(Random(7), good, good) for _ in range(3)]
    assert first == [mutated(Random(7), good, good) for _ in range(3)]


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda one: one.__name__)
def test_every_mutation_takes_the_smallest_input(mutation):
    for seed in range(200):
        data = bytearray(b"x")
        mutation(data, Random(seed), [b"y", b""])


@pytest.mark.slow
@pytest.mark.parametrize("name", TARGETS)
def test_a_longer_run(name):
    _, escaped, _ = batch(name, 2, 3_000)
    assert escaped == []
