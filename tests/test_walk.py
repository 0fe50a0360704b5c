"""From the bytes of a binary to its bundles: where they start, end, and who owns them."""

from dataclasses import replace
from itertools import permutations, product
from struct import pack_into

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinspect.formats import code_object as objects
from kinspect.limits import Limits
from kinspect.model import Bundle, CodeObject, Form, Linkage, Unreadable, Verdict
from kinspect.walk import each_bundle, read_binary
from tests.reading import flips, judge, read, survives, view
from tests.writers import (
    Host,
    Image,
    Kernel,
    Wrapper,
    bundle,
    ccob,
    code_object,
    offload_binary,
)
from tests.writers.hosts import FATBIN

OBJECTS = {name: code_object(name) for name in ("gfx942", "gfx950", "gfx90a")}
PLAIN = bundle(*OBJECTS.items())
BOTH = bundle(("gfx942", OBJECTS["gfx942"]), ("gfx950", OBJECTS["gfx950"]))
SMALL = bundle(("gfx942", b"not opened here"))
#: a bundle in every form that may stand in `.hip_fatbin`
FORMS = {
    "plain": BOTH,
    "v1-zlib": ccob(BOTH, 1, "zlib"),
    "v1-zstd": ccob(BOTH, 1, "zstd"),
    "v2": ccob(BOTH, 2),
    "v3": ccob(BOTH, 3),
    "elf": OBJECTS["gfx942"],
}


def starts(binary):
    return [bundle.offset for bundle in binary.bundles]


def joined(parts, align):
    """Parts back to back, each at a multiple of `align`; and where each starts."""
    data, places = b"", []
    for part in parts:
        data += bytes(-len(data) % align)
        places.append(len(data))
        data += part
    return data, places


# --- bundles back to back -----------------------------------------------------------


@pytest.mark.parametrize("align", [1, 8, 4096])
@pytest.mark.parametrize("order", [*permutations(FORMS, 2), tuple(FORMS)], ids="-".join)
def test_bundles_of_all_forms_lie_back_to_back(order, align):
    """Only the wrapper of the first leads there: the others are found all the same."""
    data, places = joined([FORMS[name] for name in order], align)
    built = Host(data).build()
    binary = read(built.data)
    assert binary.unreadable == ()
    assert starts(binary) == [built.place[FATBIN] + place for place in places]
    assert [one.index for one in binary.bundles] == list(range(len(order)))
    assert [one.form.value for one in binary.bundles] == [
        {"p": "plain", "v": "ccob", "e": "elf"}[name[0]] for name in order
    ]
    assert [one.registered for one in binary.bundles] == [True] + [False] * (len(order) - 1)
    assert [one.size for one in binary.bundles] == [len(FORMS[name]) for name in order]
    for one in binary.bundles:
        assert all(isinstance(e.code_object, CodeObject) for e in one.hip_entries)


@given(
    st.lists(st.sampled_from(sorted(set(FORMS) - {"elf"})), min_size=1, max_size=6),
    st.sampled_from([1, 2, 8, 16, 256]),
    st.integers(0, 40),
)
@settings(max_examples=40)
def test_a_section_of_any_bundles_is_read_to_its_end(names, align, padding):
    data, places = joined([FORMS[name] for name in names], align)
    built = Host(data + bytes(padding), [Wrapper(place) for place in places]).build()
    binary = read(built.data, code_objects=False)
    assert starts(binary) == [built.place[FATBIN] + place for place in places]
    assert all(one.registered for one in binary.bundles)
    assert (binary.unreadable, binary.dangling) == ((), ())


@pytest.mark.parametrize("magic", [b"__CLANG_OFFLOAD_BUNDLE__", b"CCOB\2\0\1\0"])
def test_a_magic_in_a_payload_is_no_bundle(magic):
    """Where a bundle ends is told by its own table, never by a search."""
    inside = code_object("gfx942", padding=0)
    with_magic = inside + magic * 40
    data = bundle(("gfx942", with_magic), ("gfx950", OBJECTS["gfx950"]))
    assert [one.form for one in read(Host(data).build().data).bundles] == [Form.PLAIN]
    packed = ccob(data, 3, "zlib")
    assert len(read(Host(packed + packed).build().data).bundles) == 2


def test_padding_within_a_bundle_is_not_its_end():
    """`-bundle-align=4096`: the last object is not padded, those before it are."""
    data = bundle(*OBJECTS.items(), align=4096)
    binary = read(Host(data + SMALL, align=4096).build().data, code_objects=False)
    assert [one.size for one in binary.bundles] == [len(data), len(SMALL)]


@pytest.mark.parametrize("form", sorted(FORMS))
def test_a_raw_file_may_be_any_container(form):
    binary = read(FORMS[form])
    assert binary.format == ("elf64-amdgpu" if form == "elf" else "raw")
    assert starts(binary) == [0]
    assert binary.device_code
    assert binary.linkage is None


def test_a_raw_file_may_hold_several_bundles():
    data, places = joined([FORMS["plain"], FORMS["v2"], FORMS["v1-zstd"], SMALL], 8)
    assert starts(read(data, code_objects=False)) == places


@pytest.mark.parametrize("version", [1, 2, 3])
def test_an_offload_binary_is_a_raw_file_too(version):
    images = [Image(OBJECTS["gfx942"]), Image(OBJECTS["gfx950"], "gfx950")]
    data = offload_binary(*images[: 1 if version == 1 else 2], version=version)
    binary = read(data)
    assert [one.form for one in binary.bundles] == [Form.OFFLOAD_BINARY]
    assert binary.kernel_count == (1 if version == 1 else 2)


@pytest.mark.parametrize("data", [b"", b"\0" * 100, b"#!/bin/sh\n", b"PK\3\4", b"\x7fEL"])
def test_what_is_no_binary_is_none(data):
    assert read_binary(view(data)) is None


def test_what_follows_a_bundle_and_is_none_is_unreadable():
    """It may be a bundle that a tool damaged: what can't be judged never passes."""
    binary = read(Host(BOTH + b"garbage").build().data)
    assert len(binary.bundles) == 1
    (part,) = binary.unreadable
    assert "no offload bundle" in part.message
    assert judge(Host(BOTH + b"garbage").build().data)[0] is Verdict.UNKNOWN


def test_one_unreadable_bundle_hides_no_other():
    broken = bytearray(ccob(BOTH))
    pack_into("<H", broken, 4, 9)
    data, places = joined([BOTH, bytes(broken), BOTH], 16)
    built = Host(data, [Wrapper(place) for place in places]).build()
    binary = read(built.data)
    assert starts(binary) == [
        built.place[FATBIN] + places[0],
        built.place[FATBIN] + places[2],
    ]
    assert ["version 9" in part.message for part in binary.unreadable] == [True]


# --- wrappers -----------------------------------------------------------------------


def test_many_wrappers_of_one_bundle_are_an_rdc_link():
    names = [f"__hip_fatbin_{number}" for number in range(7)]
    wrappers = [Wrapper(by="symbolic", symbol=name) for name in names]
    binary = read(Host(BOTH, wrappers).build().data)
    assert [one.wrappers for one in binary.bundles] == [7]
    assert binary.linkage is Linkage.RDC


@pytest.mark.parametrize(
    ("wrappers", "fields", "linkage"),
    [
        ([Wrapper()], {}, Linkage.PER_TU),
        ([Wrapper()], {"empty": [".hip_gpubin_handle"]}, Linkage.RDC),
        ([Wrapper()], {"sections": False}, None),
        ([Wrapper(), Wrapper()], {"sections": False}, Linkage.RDC),
        ([Wrapper(by="symbolic")], {"sections": False}, Linkage.RDC),
        ([Wrapper(), Wrapper(len(BOTH))], {}, Linkage.PER_TU),
        ([Wrapper(), Wrapper(len(BOTH))], {"sections": False}, Linkage.PER_TU),
    ],
)
def test_linkage_is_told_as_far_as_the_file_tells_it(wrappers, fields, linkage):
    data = BOTH + BOTH if len(BOTH) in [w.at for w in wrappers] else BOTH
    assert read(Host(data, wrappers, **fields).build().data).linkage is linkage


def test_without_section_headers_the_wrappers_lead_to_every_bundle():
    data, places = joined([FORMS["plain"], FORMS["v2"], FORMS["v3"]], 16)
    built = Host(data, [Wrapper(place) for place in places], sections=False).build()
    binary = read(built.data)
    assert starts(binary) == [built.place[FATBIN] + place for place in places]
    assert all(one.registered and not one.embedded for one in binary.bundles)


def test_without_section_headers_a_bundle_that_nobody_points_at_is_found_as_data():
    data, _ = joined([BOTH, BOTH], 16)
    binary = read(Host(data, [Wrapper()], sections=False).build().data)
    assert [one.registered for one in binary.bundles] == [True, False]
    assert [one.embedded for one in binary.bundles] == [False, True]


@pytest.mark.parametrize(
    ("wrapper", "words"),
    [
        (Wrapper(8), "no bundle and no code object"),
        (Wrapper(by="nothing"), "no relocation"),
        (Wrapper(magic=0x1234), "magic 0x1234"),
        (Wrapper(version=2), "version 2"),
        (Wrapper(address=2**40), "no bytes in the file"),
    ],
)
def test_a_wrapper_that_hip_would_not_take_is_dangling(wrapper, words):
    binary = read(Host(BOTH, [Wrapper(), wrapper]).build().data)
    (fault,) = binary.dangling
    assert words in fault.message
    assert len(binary.bundles) == 1


def test_hip_takes_no_offload_binary_from_a_wrapper():
    data = offload_binary(Image(OBJECTS["gfx942"]))
    binary = read(Host(data).build().data)
    assert len(binary.dangling) == 1


def test_an_rdc_object_waits_for_its_link():
    """Its wrapper points at what the device link will make: no damage."""
    images = offload_binary(Image(OBJECTS["gfx942"]))
    wrapper = Wrapper(by="symbolic", defined=False)
    binary = read(Host(b"", [wrapper], type="rel", offloading=images).build().data)
    assert binary.dangling == ()
    assert [one.form for one in binary.bundles] == [Form.OFFLOAD_BINARY]


# --- device code as plain data ------------------------------------------------------


@pytest.mark.parametrize(
    ("form", "where"), list(product(sorted(FORMS), ["data", "variables"]))
)
def test_device_code_among_data_is_found_and_marked(form, where):
    """Programs embed files and load them with hipModuleLoadData."""
    noise = b"\0\1\2some text" * 50
    content = noise + bytes(-len(noise) % 16) + FORMS[form] + noise
    spec = replace(Host(), **{where: {".mydata": content}})  # type: ignore[arg-type]
    built = spec.build()
    (one,) = read(built.data).bundles
    assert one.embedded
    assert not one.registered
    assert one.offset == built.data.index(FORMS[form])


@pytest.mark.parametrize(
    "text",
    [
        b"__CLANG_OFFLOAD_BUNDLE__",
        b"expected __CLANG_OFFLOAD_BUNDLE__ or CCOB\n",
        b"CCOB",
        b"CCOB\2\0\1\0 but no header",
        b"CCOB\0\0\0\0" * 9,
        bundle(("sycl-spir64-unknown-unknown", b"x" * 80), host=False),
        bundle(("openmp-amdgcn-amd-amdhsa--gfx942", OBJECTS["gfx942"]), host=False)[:90],
        b"\x7fELF\x02\x01\x01\x40" + bytes(80),
    ],
)
def test_a_magic_among_data_is_not_always_device_code(text):
    """Tools that handle bundles hold the magic as text, and SYCL uses the container."""
    binary = read(Host(data={".rodata": text + bytes(200)}).build().data)
    assert (binary.bundles, binary.unreadable) == ((), ())


def test_damaged_device_code_among_data_is_told():
    broken = bytearray(ccob(BOTH))
    broken[40] ^= 0xFF
    binary = read(Host(data={".rodata": bytes(broken)}).build().data)
    assert binary.unreadable or any(one.faults for one in binary.bundles)


def test_code_objects_inside_of_an_embedded_bundle_are_not_found_again():
    binary = read(Host(data={".rodata": PLAIN}).build().data)
    assert [one.form for one in binary.bundles] == [Form.PLAIN]


def test_what_wrappers_point_at_is_not_embedded_too():
    built = Host(data={".rodata": BOTH}, wrappers=[Wrapper(0, ".rodata")]).build()
    (one,) = read(built.data).bundles
    assert (one.registered, one.embedded) == (True, False)


# --- listing ------------------------------------------------------------------------


@pytest.mark.parametrize("form", sorted(set(FORMS) - {"elf"}))
def test_a_listing_opens_no_code_object(form):
    binary = read(Host(FORMS[form]).build().data, code_objects=False)
    opened = read(Host(FORMS[form]).build().data)
    entries = [one.bundles[0].entries for one in (binary, opened)]
    for listed, whole in zip(*entries, strict=True):
        assert (listed.id, listed.offset, listed.size) == (
            whole.id,
            whole.offset,
            whole.size,
        )
        assert listed.code_object is None


@pytest.mark.parametrize(("version", "method"), list(product([2, 3], ["zlib", "zstd"])))
def test_a_listing_inflates_just_the_head(version, method):
    """Damage at the end of a large compressed bundle is for `verify` to tell."""
    large = bundle(("gfx942", bytes(range(256)) * 4096), ("gfx950", OBJECTS["gfx950"]))
    stored = bytearray(ccob(large, version, method))
    stored[-6:] = b"\xff" * 6
    listed = read(bytes(stored), code_objects=False)
    assert [e.id.target for e in listed.bundles[0].hip_entries] == ["gfx942", "gfx950"]
    assert listed.unreadable == ()
    whole = read(bytes(stored))
    assert whole.unreadable or whole.bundles[0].faults


def test_an_entry_table_beyond_the_head_is_listed_all_the_same():
    ids = [f"hip-amdgcn-amd-amdhsa--gfx942{'x' * 900}{n}" for n in range(80)]
    large = bundle(*((name, b"object") for name in ids))
    (one,) = read(ccob(large), code_objects=False).bundles
    assert [e.id.text for e in one.hip_entries] == ids
    assert one.header_size > 65536


def test_bundles_are_given_out_as_they_are_read():
    """For `kernels`: memory stays bounded by one bundle."""
    data, _ = joined([BOTH, ccob(BOTH), BOTH], 16)
    seen = []
    parts = each_bundle(
        view(Host(data + b"garbage").build().data), lambda v: seen.append(len(v)), Limits()
    )
    assert len(seen) == 0
    first = next(parts)
    assert isinstance(first, Bundle)
    assert len(seen) == 2
    rest = list(parts)
    assert [type(one) for one in rest] == [Bundle, Bundle, Unreadable]
    assert seen == [len(OBJECTS["gfx942"])] * 6


def test_an_opener_sees_the_bytes_of_every_hip_code_object():
    kernels = []
    data = bundle(
        ("gfx942", code_object("gfx942", "a", Kernel("b"))),
        ("host-x86_64-unknown-linux-gnu-", b"host"),
        ("openmp-amdgcn-amd-amdhsa--gfx950", OBJECTS["gfx950"]),
        ("hip-spirv64-amd-amdhsa--amdgcnspirv", b"spirv"),
    )
    list(each_bundle(view(data), lambda v: kernels.append(objects.parse(v).kernels)))
    assert kernels == [("a", "b")]


# --- limits and damage --------------------------------------------------------------


def test_the_number_of_bundles_is_limited():
    data, _ = joined([SMALL] * 5, 8)
    built = Host(data).build().data
    assert len(read(built, Limits(bundles=5), code_objects=False).bundles) == 5
    binary = read(built, Limits(bundles=4), code_objects=False)
    assert [part.limit for part in binary.unreadable] == ["bundles"]


@pytest.mark.parametrize(
    "limits", [{"kernels": 1}, {"symbols": 2}, {"records": 0}, {"metadata": 9}], ids=str
)
def test_a_code_object_above_a_limit_is_not_judged(limits):
    data = bundle(("gfx942", code_object("gfx942", "a", "b")))
    binary = read(Host(data).build().data, Limits(**limits))
    part = binary.bundles[0].entries[1].code_object
    assert isinstance(part, Unreadable)
    assert part.limit in limits


TINY = {
    "plain": bundle(("gfx942", code_object("gfx942"))),
    "zlib": ccob(bundle(("gfx942", OBJECTS["gfx942"])), 2, "zlib"),
    "zstd": ccob(bundle(("gfx942", OBJECTS["gfx942"])), 3, "zstd"),
    "elf": OBJECTS["gfx942"],
    "offload": offload_binary(Image(OBJECTS["gfx942"]), version=3, method="zlib"),
}


@pytest.mark.parametrize("name", TINY)
def test_no_truncation_of_a_raw_file_passes(name):
    """Nor raises: it ends in a finding."""
    data = TINY[name]
    assert judge(data, required=_gfx942())[0] is Verdict.PASS
    for size in range(0, len(data), 7):
        assert survives(data[:size]) is not Verdict.PASS
        assert judge(data[:size], required=_gfx942())[0] is not Verdict.PASS


def _gfx942():
    from kinspect.target import parse_required  # noqa: PLC0415

    return parse_required(("gfx942",))


@pytest.mark.parametrize("name", TINY)
def test_every_spoiled_byte_of_a_raw_file_can_be_judged_and_told(name):
    for data in flips(TINY[name], range(0, len(TINY[name]), 5)):
        survives(data)


@pytest.mark.parametrize("sections", [True, False])
def test_every_spoiled_byte_of_a_host_can_be_judged_and_told(sections):
    small = bundle(("gfx942", code_object("gfx942", sections=False)))
    built = Host(small, [Wrapper(), Wrapper(by="symbolic")], sections=sections).build()
    for data in flips(built.data, range(0, len(built.data), 9)):
        survives(data)


@given(st.sampled_from([b"__CLANG_OFFLOAD_BUNDLE__", b"CCOB", b"\x7fELF", b"\x10\xff\x10\xad"]),
       st.binary(max_size=200))  # fmt: skip
def test_arbitrary_bytes_after_any_magic_can_be_judged_and_told(magic, tail):
    survives(magic + tail)


@given(st.binary(max_size=300))
@settings(max_examples=50)
def test_arbitrary_bytes_in_a_fat_binary_section_can_be_judged_and_told(data):
    assert survives(Host(data, [Wrapper()]).build().data) is not Verdict.PASS
    survives(Host(BOTH + data, [Wrapper()]).build().data)
