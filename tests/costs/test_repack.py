"""Bundles packed anew equal those of another writer, byte by byte."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinspect.costs import repack
from kinspect.costs.repack import Slot
from kinspect.formats.ccob import Method
from tests.writers import bundle, ccob
from tests.writers.bundles import HOST, device

A, B = b"a" * 5000, b"b" * 77


def slots(*entries):
    found = [Slot(HOST.encode(), 0)]
    return found + [Slot(device(target).encode(), len(data)) for target, data in entries]


@pytest.mark.parametrize("align", [1, 8, 256, 4096])
def test_a_plain_bundle(align):
    entries = [("gfx942", A), ("gfx950", B), ("gfx90a", A[:64])]
    contents = [b"", *(data for _, data in entries)]
    data = repack.plain(slots(*entries), contents, align)
    assert data == bundle(*entries, align=align)
    assert repack.offsets(slots(*entries), align)[1] == len(data)


@given(
    sizes=st.lists(st.integers(1, 9000), min_size=1, max_size=5),
    align=st.sampled_from([1, 2, 8, 64, 256, 4096]),
)
def test_alignment_is_found_again(sizes, align):
    """Another one may give the same places: it must give the same bundle."""
    given_ = [Slot(b"hip-amdgcn-amd-amdhsa--gfx942", size) for size in sizes]
    places, size = repack.offsets(given_, align)
    found = repack.alignment(given_, places)
    assert found >= align
    assert repack.offsets(given_, found) == (places, size)


def test_alignment_of_a_layout_that_clang_does_not_make():
    assert repack.alignment([Slot(b"x", 10), Slot(b"y", 10)], [0x3000, 0x1800]) == 2048
    assert repack.alignment([Slot(b"x", 10), Slot(b"y", 10)], [0x3001, 0x1800]) == 1


@pytest.mark.parametrize("version", [1, 2, 3])
def test_a_compressed_bundle(version):
    data = bundle(("gfx942", A), ("gfx950", B), align=4096)
    size = repack.compressed(data, version, Method.ZLIB, repack.ZLIB_LEVEL)
    assert size == len(ccob(data, version, "zlib"))
    head = {1: 20, 2: 24, 3: 32}[version]
    smaller = repack.compressed(data, version, Method.ZSTD, 3)
    assert head < smaller < len(data) // 10
