"""The loader agrees with the runtime's own matcher, `amd_comgr_lookup_code_object`.

Debian's libamd-comgr2 is comgr of ROCm 5.2: it knows gfx90a, gfx908 and older, no
generic targets and no SPIR-V. Where newer runtimes differ, the difference has a source.
"""

import ctypes
import ctypes.util
import itertools
import os
import struct

import pytest

from kinspect.loader import choose
from kinspect.model import Entry
from kinspect.runtime import RUNTIMES
from kinspect.target import EntryID, TargetID

pytestmark = pytest.mark.oracle

#: before generic targets and SPIR-V the runtime asks for one name, as this test does
OLD = RUNTIMES[0]
FATBIN = 0x10  # AMD_COMGR_DATA_KIND_FATBIN


class Data(ctypes.Structure):
    _fields_ = [("handle", ctypes.c_uint64)]


class Info(ctypes.Structure):
    _fields_ = [
        ("isa", ctypes.c_char_p),
        ("size", ctypes.c_size_t),
        ("offset", ctypes.c_uint64),
    ]


@pytest.fixture(scope="module")
def lookup():
    """Ask comgr which entry of a bundle serves a device: its index, or None."""
    try:
        library = ctypes.CDLL("libamd_comgr.so.2")
    except OSError as error:
        message = f"libamd-comgr2 is not installed: {error}"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)

    def ask(ids, sizes, device):
        table = b"__CLANG_OFFLOAD_BUNDLE__" + struct.pack("<Q", len(ids))
        for index, (text, size) in enumerate(zip(ids, sizes, strict=True)):
            offset = 4096 * (index + 1)
            table += struct.pack("<QQQ", offset, size, len(text)) + text.encode()
        table = table.ljust(4096, b"\0")
        data = Data()
        assert library.amd_comgr_create_data(FATBIN, ctypes.byref(data)) == 0
        size = ctypes.c_size_t(len(table))
        assert library.amd_comgr_set_data(data, size, ctypes.c_char_p(table)) == 0
        isa = f"amdgcn-amd-amdhsa--{device}".encode()
        query = (Info * 1)(Info(isa, 0, 0))
        assert library.amd_comgr_lookup_code_object(data, query, ctypes.c_size_t(1)) == 0
        library.amd_comgr_release_data(data)
        return query[0].offset // 4096 - 1 if query[0].size else None

    return ask


def ours(ids, sizes, device):
    entries = [
        Entry(EntryID.parse(text), 4096 * (index + 1), size)
        for index, (text, size) in enumerate(zip(ids, sizes, strict=True))
    ]
    found = choose(entries, TargetID.parse(device), OLD).entry
    return None if found is None else entries.index(found)


BOTH = ("sramecc", "xnack")
MODES = {
    "gfx90a": BOTH,
    "gfx908": BOTH,
    "gfx906": BOTH,
    "gfx900": ("xnack",),
    "gfx1010": ("xnack",),
    "gfx1030": (),
}


def spellings(processor, signs):
    """The processor with each feature left out or in one of the modes."""
    features = MODES[processor]
    for chosen in itertools.product(signs, repeat=len(features)):
        words = [f + sign for f, sign in zip(features, chosen, strict=True) if sign]
        yield ":".join([processor, *words])


DEVICES = [d for p in MODES for d in spellings(p, "+-")]


@pytest.mark.parametrize("device", DEVICES)
def test_every_mode_and_kind_of_one_entry(lookup, device):
    for kind in ("hip", "hipv4", "hcc", "openmp", "host", "sycl", "HIP", ""):
        for processor in MODES:
            for target in spellings(processor, ("", "+", "-")):
                ids = [f"{kind}-amdgcn-amd-amdhsa--{target}"]
                assert ours(ids, [1], device) == lookup(ids, [1], device), ids


TRIPLES = [
    "amdgcn-amd-amdhsa-",
    "amdgcn-amd-amdhsa-unknown",
    "amdgcn-amd-amdhsa-gnu",
    "amdgcn-hsa-amdhsa-",
    "amdgcn-amd-amdpal-",
    "amdgcn-unknown-unknown-",
    "x86_64-amd-amdhsa-",
    "amdgcn-amd-amdhsa",
]
ODD = (
    *("gfx90a-", "gfx90a:", "gfx90a:foo+", "gfx90a:xnack", "gfx90a:XNACK+", "GFX90A"),
    *("gfx90", "gfx90a:xnack-:sramecc+", "gfx90a:sramecc+:xnack-", "90a"),
)


@pytest.mark.parametrize("triple", TRIPLES)
def test_odd_spellings_match_nothing_that_comgr_does_not(lookup, triple):
    for target in ODD:
        ids = [f"hipv4-{triple}-{target}"]
        for device in ("gfx90a:sramecc+:xnack-", "gfx90a:sramecc+:xnack+"):
            assert ours(ids, [1], device) == lookup(ids, [1], device), ids


def test_the_first_that_suits_wins_in_every_order(lookup):
    targets = [
        "gfx90a",
        "gfx90a:xnack-",
        "gfx90a:xnack+",
        "gfx90a:sramecc+:xnack-",
        "gfx908",
    ]
    for order in itertools.permutations(targets, 3):
        ids = [
            "host-x86_64-unknown-linux--",
            *(f"hipv4-amdgcn-amd-amdhsa--{t}" for t in order),
        ]
        for device in DEVICES:
            sizes = [0, 1, 1, 1]
            assert ours(ids, sizes, device) == lookup(ids, sizes, device), ids


def test_empty_entries_never_count(lookup):
    ids = ["hipv4-amdgcn-amd-amdhsa--gfx90a"] * 3
    for sizes in itertools.product((0, 1), repeat=3):
        device = "gfx90a:sramecc+:xnack-"
        assert ours(ids, sizes, device) == lookup(ids, sizes, device), sizes


def test_an_id_that_is_the_name_itself_needs_no_known_processor(lookup):
    """String-equal comes first; what the library does not know, it can only compare so."""
    same = ["hipv4-amdgcn-amd-amdhsa--gfx942:sramecc+:xnack-"]
    device = "gfx942:sramecc+:xnack-"
    assert ours(same, [1], device) == lookup(same, [1], device) == 0
    # a difference between generations: comgr of ROCm 6 knows gfx942
    wider = ["hipv4-amdgcn-amd-amdhsa--gfx942"]
    assert (ours(wider, [1], device), lookup(wider, [1], device)) == (0, None)


@pytest.mark.parametrize("tail", ["\0", "\0\0", " ", "-", ":"])
def test_nothing_is_taken_off_the_end_of_an_id(lookup, tail):
    ids = [f"hipv4-amdgcn-amd-amdhsa--gfx90a{tail}"]
    device = "gfx90a:sramecc+:xnack-"
    assert ours(ids, [1], device) == lookup(ids, [1], device) is None


def combinations():
    """Every kind × modes × triple of one entry, for each of the named processors."""
    kinds = ("hip", "hipv4", "hcc", "openmp")
    for processor in ("gfx90a", "gfx908", "gfx1030"):
        for kind, triple in itertools.product(kinds, TRIPLES):
            for target in spellings(processor, ("", "+", "-")):
                yield processor, f"{kind}-{triple}-{target}"


def test_every_combination_of_kind_triple_and_modes(lookup):
    asked = 0
    for processor, text in combinations():
        for device in spellings(processor, "+-"):
            assert ours([text], [1], device) == lookup([text], [1], device), (text, device)
            asked += 1
    assert asked == 4 * 8 * (9 * 4 + 9 * 4 + 1)


def test_every_pair_of_entries_of_one_processor(lookup):
    """Which of two, whatever their modes, their kinds and whether one is empty."""
    kinds = (("hip", "hipv4"), ("hcc", "hip"), ("openmp", "hipv4"))
    for processor in ("gfx90a", "gfx1030"):
        devices = list(spellings(processor, "+-"))
        names = list(spellings(processor, ("", "+", "-")))
        for pair, one_kind in itertools.product(itertools.product(names, repeat=2), kinds):
            ids = [
                f"{k}-amdgcn-amd-amdhsa--{t}" for k, t in zip(one_kind, pair, strict=True)
            ]
            for sizes in ((1, 1), (0, 1), (1, 0)):
                for device in devices:
                    assert ours(ids, sizes, device) == lookup(ids, sizes, device), ids
