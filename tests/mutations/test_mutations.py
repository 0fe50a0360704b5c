"""Every way to break a binary is told by the rule that the table names, or listed."""

import pytest

from kinspect.checks import RULES
from tests.mutations.limits import listed
from tests.mutations.model import judged, wrong
from tests.mutations.samples import SAMPLES
from tests.mutations.table import MUTATIONS

TRIED = [(one, name) for one in MUTATIONS for name in one.on]


@pytest.mark.parametrize("name", SAMPLES)
def test_what_is_mutated_passes_as_it_is(name, tmp_path):
    sample = SAMPLES[name]
    outcome = judged(sample, sample.read(), tmp_path, record=True)
    assert (outcome.verdict, [one for one in outcome.findings if one[0] == "error"]) == (
        "pass",
        [],
    )


@pytest.mark.parametrize(("one", "name"), TRIED, ids=lambda v: getattr(v, "name", v))
def test_a_mutation_is_told_or_listed(one, name, tmp_path):
    sample = SAMPLES[name]
    files = sample.read()
    changed = one.change(files)
    assert changed != files
    outcome = judged(sample, changed, tmp_path, record=one.record)
    assert wrong(one, outcome) == ""


def test_each_mutation_is_either_told_or_a_limit():
    assert all(bool(one.told) != bool(one.limit) for one in MUTATIONS)
    assert {one.told.rule for one in MUTATIONS if one.told} <= {*RULES, ""}


def test_names_tell_mutations_apart():
    names = [one.name for one in MUTATIONS]
    assert len(names) == len(set(names))


def test_every_sample_is_mutated():
    assert {name for _, name in TRIED} == set(SAMPLES)


def test_the_page_lists_each_limit_that_a_mutation_shows_and_no_other():
    assert set(listed()) == {one.limit for one in MUTATIONS if one.limit}
