"""What kinspect does not judge yet is told, and never passes."""

import struct

from kinspect import Verdict, verify
from tests.conftest import SAMPLES


def test_a_wrapper_that_leads_to_kpack_could_not_be_told(tmp_path):
    """As if `per_tu_both.so` had been split: HIPK in place of HIPF."""
    data = (SAMPLES / "per_tu_both.so").read_bytes()
    hipf, hipk = struct.pack("<II", 0x48495046, 1), struct.pack("<II", 0x4B504948, 1)
    assert data.count(hipf) == 3
    path = tmp_path / "split.so"
    path.write_bytes(data.replace(hipf, hipk))
    report = verify(path)
    assert report.verdict is Verdict.UNKNOWN
    assert sum("HIPK" in finding.message for finding in report.findings) == 3
