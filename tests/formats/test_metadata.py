"""Kernel metadata: records of msgpack, merged as comgr merges them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import asdict

from kinspect.errors import FormatError, LimitExceeded
from kinspect.formats import metadata as reader
from kinspect.limits import DEFAULT, Limits
from tests.reading import ends_well, flips, view
from tests.writers import Kernel, packed

TARGET = "amdgcn-amd-amdhsa--gfx942"


def record(*kernels, version=(1, 2), target=TARGET, **more):
    """A record, as LLVM writes it."""
    value = {
        "amdhsa.version": list(version),
        "amdhsa.kernels": [Kernel(one).metadata() if isinstance(one, str) else one for one in kernels],
    }  # fmt: skip
    return value | ({"amdhsa.target": target} if target else {}) | more


def parse(*records, limits=DEFAULT, resources=False):
    views = [view(one if isinstance(one, bytes) else packed(one)) for one in records]
    detail = reader.Detail.RESOURCES if resources else reader.Detail.NAMES
    return reader.parse(views, limits, detail)


def names(*records):
    return [kernel.name for kernel in parse(*records).kernels]


GOOD = packed(record("alpha", "beta"))


def test_a_record_tells_version_target_and_kernels():
    found = parse(record("alpha", "beta"))
    assert (found.version, found.target) == ((1, 2), TARGET)
    assert [(k.name, k.symbol) for k in found.kernels] == [
        ("alpha", "alpha.kd"),
        ("beta", "beta.kd"),
    ]


def test_no_record_at_all_has_nothing_to_tell():
    assert parse() == reader.Metadata(None, None, [])


@pytest.mark.parametrize("count", [2, 8])
def test_the_kernels_of_several_records_are_one_list(count):
    """An RDC link leaves up to eight of them."""
    records = [record(f"a{number}", f"b{number}") for number in range(count)]
    assert names(*records) == [f"{x}{n}" for n in range(count) for x in "ab"]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (record("a"), record("b", version=(1, 1))),
        (record("a"), record("b", target="amdgcn-amd-amdhsa--gfx950")),
    ],
    ids=["version", "target"],
)
def test_records_that_disagree_are_refused(first, second):
    for records in ((first, second), (second, first)):
        with pytest.raises(FormatError):
            parse(*records)


def test_a_record_without_a_target_agrees_with_any():
    """Code object v3 has no `amdhsa.target`."""
    assert parse(record(target=None, version=(1, 0))).target is None
    assert parse(record(), record(target=None)).target == TARGET
    assert parse(record(target=None), record()).target == TARGET


def test_the_resources_of_a_kernel_are_those_that_the_compiler_wrote():
    written = {
        "vgpr_count": 96,
        "agpr_count": 4,
        "sgpr_count": 33,
        "group_segment_fixed_size": 65536,
        "private_segment_fixed_size": 2**31,
        "kernarg_segment_size": 280,
        "kernarg_segment_align": 16,
        "wavefront_size": 32,
        "max_flat_workgroup_size": 256,
        "vgpr_spill_count": 1,
        "sgpr_spill_count": 2,
        "uses_dynamic_stack": True,
        "reqd_workgroup_size": [64, 2, 1],
        "language": "HIP",
        "language_version": [2, 0],
    }
    found = parse(record(Kernel("k", fields=written).metadata()), resources=True)
    (kernel,) = found.kernels
    assert isinstance(kernel, reader.Kernel)
    for name, value in written.items():
        if name != "language_version":
            expected = tuple(value) if isinstance(value, list) else value
            assert getattr(kernel, name) == expected


def test_a_resource_that_is_not_written_is_not_made_up():
    bare = {".name": "k", ".symbol": "k.kd"}
    (kernel,) = parse(record(bare), resources=True).kernels
    assert isinstance(kernel, reader.Kernel)
    assert {getattr(kernel, name) for name in reader.RESOURCES} == {"k", None}


def test_what_nobody_asked_for_is_skipped_whatever_it_is():
    odd = {".args": [[[-5, None, True], {"x": [b"\xff\xfe"]}]] * 3}
    kernel = Kernel("k").metadata() | odd | {".new_in_llvm_30": {"deep": [{}]}}
    found = parse(record(kernel, **{"amdhsa.printf": ["1:1:4:%d\\n"], "unknown": 2**63}))
    assert [one.name for one in found.kernels] == ["k"]


@pytest.mark.parametrize(
    "spoiled",
    [
        b"",
        b"\xc1",  # a code that msgpack never uses
        b"\x90",
        packed(["amdhsa.version"]),
        packed({}),
        packed({"amdhsa.version": "1.2"}),
        packed({"amdhsa.version": [1, None]}),
        packed(record() | {"amdhsa.kernels": {}}),
        packed(record() | {"amdhsa.kernels": ["kernel"]}),
        packed(record() | {"amdhsa.target": 942}),
        packed(record({".name": "k"})),
        packed(record({".symbol": "k.kd"})),
        packed(record({".name": 1, ".symbol": "k.kd"})),
        packed(record({".name": b"\xff", ".symbol": "k.kd"})),
        packed(record("k")) + b"\0",
        packed(record("k"))[:-1],
        b"\x81\xaeamdhsa.kernels\xdd\xff\xff\xff\xff",  # four thousand million kernels
        b"\xdf\xff\xff\xff\xff",
        b"\x81\xa1x" + b"\x91" * 100_000 + b"\xc0",  # nested without end
        b"\x81" * 100_000,
    ],
    ids=lambda data: data[:12].hex(),
)
def test_what_is_no_metadata_is_a_format_error(spoiled):
    for resources in (False, True):
        with pytest.raises(FormatError) as caught:
            parse(spoiled, resources=resources)
        assert caught.value.where.path == "t.so"


def test_a_resource_of_another_type_is_a_format_error_where_it_is_asked_for():
    bad = Kernel("k", fields={"vgpr_count": "many"}).metadata()
    assert names(record(bad)) == ["k"]
    with pytest.raises(FormatError):
        parse(record(bad), resources=True)


@pytest.mark.parametrize("resources", [False, True])
def test_every_truncation_is_a_format_error(resources):
    for size in range(len(GOOD)):
        with pytest.raises(FormatError):
            parse(GOOD[:size], resources=resources)


@pytest.mark.parametrize("resources", [False, True])
def test_every_spoiled_byte_ends_in_a_result_or_a_format_error(resources):
    for data in flips(GOOD):
        ends_well(parse, data, resources=resources)


@given(st.binary(max_size=200), st.booleans())
def test_arbitrary_bytes_end_in_a_result_or_a_format_error(data, resources):
    ends_well(parse, data, resources=resources)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text(max_size=9)
    | st.binary(max_size=9),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(st.sampled_from([".name", ".symbol", ".args", "x"]), inner),
    max_leaves=9,
)  # fmt: skip


@given(VALUES, VALUES, VALUES, VALUES)
def test_any_values_under_the_known_keys_end_well(version, kernels, target, name):
    value = {
        "amdhsa.version": version,
        "amdhsa.kernels": [kernels, {".name": name, ".symbol": name}],
        "amdhsa.target": target,
    }
    for resources in (False, True):
        ends_well(parse, value, resources=resources)


@given(
    st.lists(st.lists(st.text(max_size=40), max_size=5), min_size=1, max_size=5),
    st.text(max_size=20),
)
def test_what_was_written_is_read(kernels, target):
    records = [record(*names, target=target or None) for names in kernels]
    found = parse(*records)
    assert [one.name for one in found.kernels] == [n for names in kernels for n in names]
    assert found.target == (target or None)
    again = parse(*records, resources=True)
    assert [one.name for one in again.kernels] == [one.name for one in found.kernels]


NUMBERS = (
    "vgpr_count", "agpr_count", "sgpr_count", "group_segment_fixed_size",
    "private_segment_fixed_size", "kernarg_segment_size", "kernarg_segment_align",
    "wavefront_size", "max_flat_workgroup_size", "vgpr_spill_count", "sgpr_spill_count",
    "uniform_work_group_size", "workgroup_processor_mode",
)  # fmt: skip
FIELDS = st.fixed_dictionaries(
    {},
    optional={name: st.integers(0, 2**64 - 1) for name in NUMBERS}
    | {
        "uses_dynamic_stack": st.booleans(),
        "reqd_workgroup_size": st.tuples(*[st.integers(0, 1024)] * 3),
        "language": st.text(max_size=9),
    },
)
ARGUMENTS = st.lists(
    st.fixed_dictionaries(
        {
            "offset": st.integers(0, 2**32),
            "size": st.integers(0, 2**32),
            "value_kind": st.sampled_from(["by_value", "global_buffer", "hidden_none"]),
        },
        optional={
            name: st.text(max_size=9) for name in ("name", "type_name", "address_space",
                                                   "access", "actual_access")
        }
        | {name: st.booleans() for name in ("is_const", "is_restrict", "is_volatile")},
    ),
    max_size=4,
)  # fmt: skip


@given(st.lists(st.lists(st.tuples(FIELDS, ARGUMENTS), max_size=3), min_size=1, max_size=3))
def test_resources_and_arguments_that_were_written_are_read(records):
    """In several records, each key in its shortest form; what is left out is None."""
    written = [
        [
            {".name": f"k{n}{m}", ".symbol": f"k{n}{m}.kd"}
            | {f".{name}": value for name, value in fields.items()}
            | {".args": [{f".{key}": value for key, value in a.items()} for a in arguments]}
            for m, (fields, arguments) in enumerate(kernels)
        ]
        for n, kernels in enumerate(records)
    ]
    views = [view(packed(record(*kernels))) for kernels in written]
    found = reader.parse(views, DEFAULT, reader.Detail.ARGUMENTS).kernels
    flat = [kernel for kernels in records for kernel in kernels]
    assert len(found) == len(flat)
    for kernel, (fields, arguments) in zip(found, flat, strict=True):
        assert isinstance(kernel, reader.KernelWithArguments)
        for name in (*NUMBERS, "uses_dynamic_stack", "reqd_workgroup_size", "language"):
            assert getattr(kernel, name) == fields.get(name)
        assert [
            {key: value for key, value in asdict(one).items() if value is not None}
            for one in kernel.args
        ] == arguments


def test_limits_hold_for_bytes_and_kernels():
    limits = Limits(kernels=2, metadata=len(GOOD))
    assert len(parse(GOOD, limits=limits).kernels) == 2
    with pytest.raises(LimitExceeded, match="kernels is 4"):
        parse(GOOD, GOOD, limits=limits)
    with pytest.raises(LimitExceeded, match="metadata is"):
        parse(GOOD, limits=Limits(metadata=len(GOOD) - 1))
