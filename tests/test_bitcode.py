"""RDC objects and archives of them: what a link for a target would find."""

import pytest

from kinspect import Verdict, verify
from kinspect.render import json
from tests.conftest import SAMPLES
from tests.reading import judge, rules

RDC = (SAMPLES / "rdc_old_driver.o").read_bytes()
KERNEL = b"_ZN7deep_ep6layout19get_dispatch_layoutILi256EEEvPii"


def replaced(data: bytes, old: bytes, new: bytes, which: int = 0) -> bytes:
    """`data` with one occurrence of `old` replaced, the size kept."""
    at = -1
    for _ in range(which + 1):
        at = data.index(old, at + 1)
    assert len(old) == len(new)
    return data[:at] + new + data[at + len(old) :]


@pytest.mark.parametrize("name", ["rdc_old_driver.o", "librocshmem.a"])
def test_bitcode_for_every_target_passes(name):
    report = verify(SAMPLES / name)
    assert report.verdict is Verdict.PASS
    assert report.findings == ()


def test_one_member_of_an_archive_that_lacks_a_target_fails():
    report = verify(SAMPLES / "librocshmem_one_member_gfx942_only.a")
    assert report.verdict is Verdict.FAIL
    (finding,) = report.findings
    assert finding.rule == "missing-bitcode"
    assert finding.path.endswith("!rocshmem_team_collectives.942.o")
    assert finding.target == "gfx950"
    assert "--offload-arch=gfx950" in finding.hint


def test_bitcode_for_another_processor_than_its_section_names():
    data = replaced(RDC, b"unknown-gfx942\0", b"unknown-gfx90a\0")
    verdict, findings = judge(data)
    assert verdict is Verdict.FAIL
    assert rules(findings) == ["missing-bitcode", "target-mismatch"]


def test_targets_that_define_different_functions():
    """A name is changed in the string table of the second module alone."""
    other = KERNEL.replace(b"layoutILi", b"layourILi")
    places = RDC.count(KERNEL)
    found = []
    for which in range(places):
        verdict, findings = judge(replaced(RDC, KERNEL, other, which))
        found += [(verdict, rules(findings))]
    assert (Verdict.FAIL, ["kernel-parity"]) in found


def test_damaged_bitcode_could_not_be_told():
    magic = b"BC\xc0\xde"
    verdict, findings = judge(replaced(RDC, magic, b"BC\xc0\xdf"))
    assert verdict is Verdict.UNKNOWN
    assert rules(findings) == ["unreadable"]


@pytest.mark.parametrize("step", [97])
def test_no_cut_of_an_rdc_object_passes(step):
    for size in range(0, len(RDC), step):
        assert judge(RDC[:size])[0] is not Verdict.PASS


def test_the_report_names_producer_and_functions():
    report = verify(SAMPLES / "rdc_old_driver.o")
    assert '"function_count": 1' in json.report(report)
    assert '"producer": "LLVM22' in json.report(report)
