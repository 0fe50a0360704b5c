"""HIP's choice of a code object, cell by cell of the reference's tables.

Source of what is expected: hip-code-objects.md, 1.2 to 1.4.
"""

from itertools import product

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from kinspect import inspect, loader
from kinspect.errors import Where
from kinspect.loader import Unit, choose, coverage, units
from kinspect.lookup import How
from kinspect.model import Bundle, Entry, Form
from kinspect.runtime import RUNTIMES
from kinspect.target import EntryID, TargetID
from tests.conftest import SAMPLES
from tests.reading import read
from tests.writers import HOST, Host, Image, Slot, bundle, ccob, code_object, offload_binary
from tests.writers.bundles import device

MI300X = "gfx942:sramecc+:xnack-"
SPIRV = "hip-spirv64-amd-amdhsa--amdgcnspirv"
SPIRV_UNKNOWN = "hipv4-spirv64-amd-amdhsa-unknown-amdgcnspirv"


def entries(*ids, sizes=None):
    """Entries with these IDs, or for these targets, in the order of the file."""
    texts = [device(one) if one.startswith("gfx") else one for one in ids]
    sizes = sizes or [100] * len(ids)
    return [
        Entry(EntryID.parse(text), 1000 * number, size)
        for number, (text, size) in enumerate(zip(texts, sizes, strict=True))
    ]


def chosen(found, target=MI300X, **how):
    """The index of the entry that HIP takes for a device, and by which name."""
    choice = choose(found, TargetID.parse(target), **how)
    return (None if choice.entry is None else found.index(choice.entry)), choice.how


NATIVE, NONE = (0, How.NATIVE), (None, None)

# code object (row) against device (column): any suits both, + and - their own
CELLS = {
    ("", "+"): True, ("", "-"): True,
    ("+", "+"): True, ("+", "-"): False,
    ("-", "+"): False, ("-", "-"): True,
}  # fmt: skip


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("processor", ["gfx942", "gfx950", "gfx90a"])
@pytest.mark.parametrize(("sramecc", "on_device"), CELLS)
@pytest.mark.parametrize(("xnack", "xnack_on_device"), CELLS)
def test_every_cell_of_the_feature_table(
    processor, sramecc, on_device, xnack, xnack_on_device, compressed
):
    own = processor + (f":sramecc{sramecc}" if sramecc else "")
    own += f":xnack{xnack}" if xnack else ""
    target = f"{processor}:sramecc{on_device}:xnack{xnack_on_device}"
    suits = CELLS[sramecc, on_device] and CELLS[xnack, xnack_on_device]
    found = chosen(entries(own), target, compressed=compressed)
    assert found == (NATIVE if suits else NONE)


@pytest.mark.parametrize(
    "own", ["gfx950", "gfx90a", "gfx940", "gfx941", "gfx94", "gfx9420", "gfx9-generic"]
)
def test_code_of_another_processor_never_suits(own):
    assert chosen(entries(own)) == NONE


# --- names of entries ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "plain", "compressed"),
    [
        ("hip", True, True),
        ("hipv4", True, True),
        ("hcc", True, False),  # comgr's lookup knows it, the unbundler does not
        ("host", False, False),
        ("sycl", False, False),
        ("HIP", False, False),
        ("", False, False),
    ],
)
def test_an_entry_counts_by_its_kind(kind, plain, compressed):
    found = entries(device("gfx942", kind))
    assert chosen(found) == (NATIVE if plain else NONE)
    assert chosen(found, compressed=True) == (NATIVE if compressed else NONE)


def test_an_openmp_entry_of_a_plain_bundle_never_counts():
    assert chosen(entries(device("gfx942", "openmp"))) == NONE


@pytest.mark.parametrize(
    "text",
    [
        "hipv4-amdgcn-amd-amdhsa--gfx942-",  # as Debian's bundler spells what it lacks
        "hipv4-amdgcn-amd-amdhsa--",
        "hipv4-amdgcn-amd-amdhsa-gfx942",
        "hipv4-amdgcn-amd-amdhsa--gfx942:",
        "hipv4-amdgcn-amd-amdhsa--gfx942:xnack",
        "hipv4-amdgcn-amd-amdhsa--gfx942:tgsplit+",
        "hipv4-amdgcn-amd-amdhsa--gfx942 ",
        "hipv4-amdgcn-amd-amdhsa--GFX942",
        HOST,
    ],
)
@pytest.mark.parametrize("compressed", [False, True])
def test_a_spelling_that_no_runtime_knows_matches_nothing(text, compressed):
    assert chosen(entries(text), compressed=compressed) == NONE


@pytest.mark.parametrize("compressed", [False, True])
def test_an_id_that_ends_in_nul_is_another_one(compressed):
    """Nothing takes it off: see test_comgr.py."""
    found = entries("hipv4-amdgcn-amd-amdhsa--gfx942\0\0")
    assert chosen(found, compressed=compressed) == NONE


@pytest.mark.parametrize("text", ["gfx942:sramecc+:xnack-", "gfx942:xnack-:sramecc+"])
def test_features_may_stand_in_any_order(text):
    assert chosen(entries(text)) == NATIVE


def test_an_environment_of_unknown_is_that_of_none_for_the_unbundler_only():
    """comgr looks for the name of an ISA, the unbundler for a triple."""
    found = entries(device("gfx942", "hip", env="unknown"))
    assert chosen(found) == NONE
    assert chosen(found, compressed=True) == NATIVE


# --- native over generic over SPIR-V ------------------------------------------------

PREFERENCE = ["gfx942", "gfx9-4-generic", SPIRV]
HOWS = [How.NATIVE, How.GENERIC, How.SPIRV]


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("present", list(product([False, True], repeat=3)))
@pytest.mark.parametrize("backwards", [False, True])
def test_native_comes_before_generic_before_spirv(present, backwards, compressed):
    """Wherever in the file they stand."""
    there = [index for index in range(3) if present[index]]
    names = [PREFERENCE[index] for index in there]
    found = entries(*(names[::-1] if backwards else names))
    best = len(there) - 1 if backwards else 0
    expected = (best, HOWS[there[0]]) if there else NONE
    assert chosen(found, compressed=compressed) == expected


@pytest.mark.parametrize("text", [SPIRV, SPIRV_UNKNOWN])
@pytest.mark.parametrize("target", [MI300X, "gfx950:sramecc+:xnack-", "gfx1100"])
def test_spirv_serves_every_device_in_either_spelling(text, target):
    assert chosen(entries(text), target) == (0, How.SPIRV)


@pytest.mark.parametrize(
    ("own", "device_modes", "suits"),
    [
        ("gfx9-4-generic", "sramecc+:xnack-", True),
        ("gfx9-4-generic:xnack-", "sramecc+:xnack-", True),
        ("gfx9-4-generic:xnack+", "sramecc+:xnack-", False),
        ("gfx9-4-generic:sramecc-", "sramecc+:xnack-", False),
        ("gfx9-4-generic:sramecc+:xnack-", "sramecc+:xnack-", True),
    ],
)
@pytest.mark.parametrize("processor", ["gfx942", "gfx950"])
def test_generic_code_is_asked_for_in_the_modes_of_the_device(
    processor, own, device_modes, suits
):
    target = f"{processor}:{device_modes}"
    assert chosen(entries(own), target) == ((0, How.GENERIC) if suits else NONE)


@pytest.mark.parametrize("target", ["gfx90a:sramecc+:xnack-", "gfx908:sramecc+:xnack-"])
def test_a_processor_outside_of_the_map_takes_no_generic_code(target):
    found = entries("gfx9-generic", "gfx9-4-generic")
    assert chosen(found, target) == NONE


def test_a_gfx906_asks_for_a_generic_name_that_does_not_exist():
    """`gfx9-generic:sramecc+…`: gfx9-generic has no sramecc, so comgr can't parse it."""
    found = entries("gfx9-generic")
    assert chosen(found, "gfx906:sramecc+:xnack-") == NONE
    assert chosen(found, "gfx900:xnack-") == (0, How.GENERIC)


# --- order and empty entries --------------------------------------------------------


def test_of_several_that_suit_the_first_in_the_file_wins():
    """And not the most specific one."""
    found = entries("gfx90a", "gfx942", MI300X, "gfx942:xnack-")
    assert chosen(found) == (1, How.NATIVE)
    assert chosen(found[::-1]) == (0, How.NATIVE)
    assert chosen(entries(SPIRV, SPIRV_UNKNOWN)) == (0, How.SPIRV)


@pytest.mark.parametrize("name", PREFERENCE)
def test_an_empty_entry_never_counts(name):
    assert chosen(entries(name, sizes=[0])) == NONE
    assert chosen(entries(name, name, sizes=[0, 1])) == (1, HOWS[PREFERENCE.index(name)])


def test_an_empty_native_entry_does_not_hide_generic_code():
    found = entries("gfx942", "gfx9-4-generic", SPIRV, sizes=[0, 10, 10])
    assert chosen(found) == (1, How.GENERIC)
    found = entries("gfx942", "gfx9-4-generic", SPIRV, sizes=[0, 0, 10])
    assert chosen(found) == (2, How.SPIRV)


def test_nothing_serves_where_there_is_nothing():
    assert chosen([]) == NONE
    assert chosen(entries(HOST, sizes=[0])) == NONE


NAMES = st.sampled_from(
    [
        "gfx942", "gfx942:xnack+", "gfx942:xnack-", "gfx942:sramecc+:xnack-", "gfx950",
        "gfx90a", "gfx9-4-generic", "gfx9-4-generic:xnack-", SPIRV, SPIRV_UNKNOWN, HOST,
        "hip-amdgcn-amd-amdhsa--gfx942", "openmp-amdgcn-amd-amdhsa--gfx942",
    ]
)  # fmt: skip
BUNDLES = st.lists(st.tuples(NAMES, st.sampled_from([0, 1, 100])), max_size=7)


DEVICES = st.sampled_from(
    [
        f"{processor}:sramecc{sramecc}:xnack{xnack}"
        for processor, sramecc, xnack in product(("gfx942", "gfx950"), "+-", "+-")
    ]
)
GENERATIONS = st.sampled_from(RUNTIMES)


def made(found):
    return entries(*(name for name, _ in found), sizes=[size for _, size in found])


def picked(found, target, generation, compressed):
    """The ID that is chosen, its size, and by which name."""
    choice = choose(made(found), TargetID.parse(target), generation, compressed=compressed)
    entry = choice.entry
    return choice.how, entry and entry.id.text, entry and entry.size


@given(BUNDLES, st.integers(0, 7), DEVICES, GENERATIONS, st.booleans())
def test_an_entry_for_another_processor_never_changes_the_choice(
    found, at, target, generation, compressed
):
    for other in (("gfx1100", 100), ("gfx90a:xnack+", 0), ("hip-host", 5)):
        more = [*found[:at], other, *found[at:]]
        before = picked(found, target, generation, compressed)
        assert picked(more, target, generation, compressed) == before


@given(BUNDLES, st.integers(0, 7), DEVICES, GENERATIONS, st.booleans())
def test_native_code_always_wins(found, at, target, generation, compressed):
    """Code for the processor, in any mode, wherever it stands among filled entries."""
    filled = [(name, 1) for name, _ in found if not name.startswith("openmp")]
    more = [*filled[:at], (target.split(":")[0], 7), *filled[at:]]
    assert picked(more, target, generation, compressed)[0] is How.NATIVE


@given(BUNDLES, st.randoms(use_true_random=False), DEVICES, GENERATIONS)
def test_the_order_of_unrelated_entries_does_not_matter(found, random, target, generation):
    """Where no two entries suit one name, a bundle may be sorted in any way."""
    found = list(
        {_name_that_it_answers(name): (name, size) for name, size in found}.values()
    )
    shuffled = list(found)
    random.shuffle(shuffled)
    for compressed in (False, True):
        before = picked(found, target, generation, compressed)
        assert picked(shuffled, target, generation, compressed) == before


def _name_that_it_answers(name):
    """The processor, or SPIR-V; OpenMP's and the host's stand for themselves."""
    if name.startswith(("openmp", "host")):
        return name
    if "spirv64" in name:
        return "spirv"
    return name.removeprefix("hip-amdgcn-amd-amdhsa--").split(":")[0]


@given(BUNDLES, DEVICES, st.booleans())
def test_a_newer_runtime_serves_whatever_an_older_one_serves(found, target, compressed):
    served = [
        choose(made(found), TargetID.parse(target), one, compressed=compressed).entry
        for one in RUNTIMES
    ]
    assert sorted(served, key=lambda entry: entry is not None) == served


@given(BUNDLES, st.tuples(NAMES, st.integers(1, 9)), DEVICES, GENERATIONS)
def test_one_more_filled_entry_never_takes_a_plain_bundle_away(
    found, more, target, generation
):
    """Behind the others; empty ones that came before may have ended the search already."""
    before = picked(found, target, generation, False)[0]
    after = picked([*found, more], target, generation, False)[0]
    order = [None, How.SPIRV, How.GENERIC, How.NATIVE]
    assert order.index(after) >= order.index(before)


@given(BUNDLES, st.sampled_from(["gfx942", "gfx942:xnack-", "gfx950:sramecc+", "gfx1100"]))
def test_a_requirement_holds_if_each_of_its_devices_is_served(found, required):
    target = TargetID.parse(required)
    served = [choose(made(found), one).entry is not None for one in target.devices()]
    unit = Unit((Bundle(0, 0, Form.PLAIN, 0, tuple(made(found)), Where("t")),))
    assert (coverage(unit, target).missing == ()) is all(served)


@given(BUNDLES)
def test_the_choice_is_filled_and_the_best_that_is_there(found):
    # comgr's search ends when as many entries suited as it has names to look up (native,
    # generic, SPIR-V in two spellings), empty ones too: see test_comgr.py.
    assume(len(found) < 4 or all(size for _, size in found))
    there = entries(*(n for n, _ in found), sizes=[s for _, s in found])
    choice = choose(there, TargetID.parse(MI300X))
    native = {"gfx942", "gfx942:xnack-", MI300X}
    hip = [e for e in there if e.size and e.id.kind in {"hip", "hipv4"}]
    if any(e.id.target in native for e in hip):
        assert choice.how is How.NATIVE
    elif any(e.id.target.startswith("gfx9-4-generic") for e in hip):
        assert choice.how is How.GENERIC
    elif any(e.id.is_spirv for e in hip):
        assert choice.how is How.SPIRV
    else:
        assert choice.entry is None
    assert choice.entry is None or choice.entry.size


# --- units and coverage -------------------------------------------------------------


def covered(data, required):
    (unit,) = units(read(data))
    return coverage(unit, TargetID.parse(required))


@pytest.mark.parametrize(
    ("held", "required", "missing"),
    [
        (["gfx942"], "gfx942", []),
        (["gfx942:xnack+", "gfx942:xnack-"], "gfx942", []),
        (["gfx942:xnack+"], "gfx942:xnack+", []),
        (["gfx942:xnack+"], "gfx942:xnack-", ["sramecc+:xnack-", "sramecc-:xnack-"]),
        (["gfx942:xnack+"], "gfx942", ["sramecc+:xnack-", "sramecc-:xnack-"]),
        (["gfx942:sramecc+:xnack-"], MI300X, []),
        (
            ["gfx942:sramecc+:xnack-", "gfx942:sramecc-:xnack+"],
            "gfx942",
            ["sramecc+:xnack+", "sramecc-:xnack-"],
        ),
        (["gfx950"], "gfx942", [f"sramecc{a}:xnack{b}" for a in "+-" for b in "+-"]),
    ],
)
@pytest.mark.parametrize("wrap", [bytes, ccob], ids=["plain", "compressed"])
def test_a_target_is_covered_in_all_of_its_modes_or_in_some(held, required, missing, wrap):
    objects = [(name, code_object(name.split(":")[0])) for name in held]
    found = covered(wrap(bundle(*objects)), required)
    assert sorted(map(str, found.missing)) == [f"gfx942:{modes}" for modes in missing]


def test_covering_code_has_the_kernels_that_every_mode_has():
    data = bundle(
        ("gfx942:xnack+", code_object("gfx942", "a", "b", e_flags=0x74C)),
        ("gfx942:xnack-", code_object("gfx942", "b", "c", e_flags=0x64C)),
    )
    assert covered(data, "gfx942").kernels == {"b"}
    assert covered(data, "gfx942:xnack+").kernels == {"a", "b"}


def test_hip_chooses_from_one_bundle_at_a_time():
    """Never from the union of them."""
    data = bundle(("gfx942", code_object())) + bytes(8) + bundle(("gfx950", code_object()))
    found = list(units(read(data)))
    assert [unit.index for unit in found] == [0, 1]
    assert [coverage(unit, TargetID("gfx950")).entries != () for unit in found] == [
        False, True,
    ]  # fmt: skip


def test_bare_code_objects_among_data_are_one_unit():
    """A program that embeds them picks among them by itself."""
    both = {f".{name}": code_object(name) for name in ("gfx942", "gfx950")}
    (unit,) = units(read(Host(data=both).build().data))
    assert [one.form for one in unit.bundles] == [Form.ELF] * 2
    assert [str(entry.id.target_id) for entry in unit.entries] == ["gfx942", "gfx950"]


def test_a_bundle_without_hip_code_is_no_unit():
    openmp = bundle(("openmp-amdgcn-amd-amdhsa--gfx942", code_object()))
    assert list(units(read(openmp))) == []
    assert list(units(read(bundle()))) == []


def test_the_images_of_an_offload_binary_are_chosen_from_together():
    images = [Image(code_object()), Image(code_object("gfx950"), "gfx950")]
    data = offload_binary(*images, version=2)
    assert covered(data, "gfx950").missing == ()


def test_where_a_target_repeats_the_images_of_the_next_translation_unit_begin():
    """`ld -r` and a static link lay the OffloadBinaries of objects one behind another."""
    both = [Image(code_object()), Image(code_object("gfx950"), "gfx950")]
    data = b"".join(map(offload_binary, [*both, both[0], *both]))
    found = list(units(read(data)))
    assert [[str(e.id.target_id) for e in unit.entries] for unit in found] == [
        ["gfx942", "gfx950"], ["gfx942"], ["gfx942", "gfx950"],
    ]  # fmt: skip
    lacking = [unit for unit in found if coverage(unit, TargetID("gfx950")).missing]
    assert [unit.index for unit in lacking] == [found[1].index]


@pytest.mark.parametrize(("table", "found"), [(4096, True), (4097, False)])
def test_hip_reads_the_first_4096_bytes_of_a_plain_bundle(table, found):
    """A longer table is a read error; in a compressed bundle it may have any length."""
    fixed = 24 + 8 + 2 * 24 + len(device("gfx942"))
    filler = Slot("x" * (table - fixed), b"filler")
    data = bundle(("gfx942", code_object()), filler, host=False)
    assert (covered(data, "gfx942").entries != ()) is found
    assert covered(ccob(data), "gfx942").entries != ()


def test_four_empty_entries_end_the_search():
    """Native, generic and SPIR-V by two names: as many empty answers starve the query."""
    empty = [("gfx942", 0)] * 4
    for count, how in ((3, How.NATIVE), (4, None)):
        found = [*empty[:count], ("gfx942", 1)]
        there = entries(*(n for n, _ in found), sizes=[s for _, s in found])
        assert choose(there, TargetID.parse(MI300X)).how is how


def test_what_a_unit_covers_is_found_once_while_it_is_remembered(monkeypatch):
    """And is the same; nothing is remembered behind it, nor more than so much."""
    asked = []
    real = loader._coverage

    def noted(unit, required, runtime):
        asked.append(required)
        return real(unit, required, runtime)

    monkeypatch.setattr(loader, "_coverage", noted)
    binary = inspect(SAMPLES / "deep_ep_both.so").binaries[0]
    targets = [TargetID.parse("gfx942"), TargetID.parse("gfx950")]

    def covered():
        return [loader.coverage(u, t) for u in loader.units(binary) for t in targets]

    expected = covered()
    count = len(asked)
    with loader.remembering():
        assert covered() == covered() == expected
        assert len(asked) == 2 * count
    monkeypatch.setattr(loader, "MOST", 1)
    with loader.remembering():
        assert covered() == covered() == expected
    assert len(asked) == 4 * count  # each pushes out the other
    covered()
    assert len(asked) == 5 * count
