"""LLVM's bitstream, written bit by bit: what was written is read, however it is encoded."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinspect.errors import FormatError
from kinspect.formats import bitstream
from kinspect.limits import Limits
from tests.reading import view
from tests.writers.bitstream import (
    CHAR6,
    Abbreviation,
    Block,
    Info,
    Operand,
    Raw,
    Record,
    stream,
    wrapped,
)

WIDEST = (1 << 64) - 1


def read(data, *wanted):
    """The parts as plain values: `>8` where block 8 begins, `<` where one ends."""
    found: list[object] = []
    for part in bitstream.read(view(data), wanted or (8,)):
        if isinstance(part, bitstream.Block):
            found.append(f">{part.id}")
        elif isinstance(part, bitstream.End):
            found.append("<")
        else:
            found.append((part.code, part.values, part.blob))
    return found


def one(*parts, **block):
    return stream(Block(8, parts, **block))


# --- what is sound ------------------------------------------------------------------


def test_blocks_nest_and_those_that_nobody_asked_for_are_skipped():
    inner = Block(9, [Record(1, [2])], width=7)
    other = Block(30, [Record(3, [4]), inner], width=5)
    data = stream(other, Block(8, [Record(1), other, inner, Record(2, [WIDEST])]), inner)
    assert read(data, 8, 9) == [
        ">8", (1, (), b""), ">9", (1, (2,), b""), "<", (2, (WIDEST,), b""), "<",
        ">9", (1, (2,), b""), "<",
    ]  # fmt: skip
    assert read(data, 9) == [">9", (1, (2,), b""), "<"]


def test_abbreviations_of_a_block_end_with_it_and_those_of_its_info_stay():
    own, shared = [("literal", 5), ("fixed", 9)], [("literal", 6), ("char6", 0)]
    blocks = [
        Block(8, [Abbreviation(own), Record(6, [97], by=0), Record(5, [300], by=1)]),
        Block(8, [Record(6, [95], by=0)]),
        # neither is known in a block of another ID
        Block(9, [Abbreviation(own), Record(5, [1], by=0)]),
    ]
    data = stream(Info({8: [shared]}), *blocks)
    assert read(data, 8, 9) == [
        ">8", (6, (97,), b""), (5, (300,), b""), "<", ">8", (6, (95,), b""), "<",
        ">9", (5, (1,), b""), "<",
    ]  # fmt: skip


@pytest.mark.parametrize("element", [("literal", 7), ("fixed", 0), ("vbr", 0)])
def test_an_array_of_what_takes_no_bits_is_refused(element):
    """As LLVM does: "Array element type has to be an encoding of a type"."""
    operands = [("literal", 1), ("array", 0), element]
    data = one(Abbreviation(operands), Record(1, by=0))
    with pytest.raises(FormatError, match="an array of nothing"):
        read(data)


@pytest.mark.parametrize("kind", ["fixed", "vbr"])
def test_an_operand_without_bits_is_zero(kind):
    """LLVM takes it for the literal 0 (BitstreamReader.cpp, ReadAbbrevRecord)."""
    data = one(Abbreviation([("literal", 1), (kind, 0)]), Record(1, [0]))
    assert read(data)[1:-1] == [(1, (0,), b"")]
    by = Raw([(4, 4)])  # the record by its abbreviation: no bit follows
    assert read(one(Abbreviation([("literal", 1), (kind, 0)]), by))[1] == (1, (0,), b"")


def test_a_record_of_block_info_that_names_no_block_is_passed_over():
    """BLOCKNAME and SETRECORDNAME (codes 2 and 3) are for people."""
    unabbreviated, set_bid, name = (3, 4), (1, 6), (2, 6)
    numbers = [unabbreviated, name, (1, 6), (65 & 31 | 32, 6), (2, 6)]
    numbers += [unabbreviated, set_bid, (1, 6), (8, 6)]
    # DEFINE_ABBREV: one operand, a literal, 9
    numbers += [(2, 4), (1, 5), (1, 1), (9, 8)]
    data = stream(Block(0, [Raw(numbers)]), Block(8, [Raw([(4, 4)])]))
    assert read(data)[1] == (9, (), b"")


def values_for(operand: Operand):
    kind, number = operand
    if kind == "literal":
        return st.just(number)
    if kind == "char6":
        return st.sampled_from([ord(one) for one in CHAR6])
    return st.integers(0, (1 << number) - 1 if kind == "fixed" else WIDEST)


SCALARS = st.one_of(
    st.tuples(st.just("literal"), st.integers(0, WIDEST)),
    st.tuples(st.just("fixed"), st.integers(1, 64)),
    st.tuples(st.just("vbr"), st.integers(2, 32)),
    st.just(("char6", 0)),
)


@st.composite
def records(draw):
    """A record with the abbreviation that it is written by, or with none."""
    operands = draw(st.lists(SCALARS, min_size=1, max_size=4))
    values = [draw(values_for(one)) for one in operands]
    blob = b""
    tail = draw(st.sampled_from(["", "array", "blob"]))
    if tail == "array":
        element = draw(SCALARS.filter(lambda scalar: scalar[0] != "literal"))
        values += draw(st.lists(values_for(element), max_size=9))
        operands += [("array", 0), element]
    elif tail == "blob":
        blob = draw(st.binary(max_size=40))
        operands.append(("blob", 0))
    return operands, Record(values[0], values[1:], blob)


@given(
    st.lists(st.tuples(records(), st.sampled_from(["own", "info", "none"])), max_size=6),
    st.integers(4, 32),
    st.integers(0, 300),
    st.booleans(),
)
def test_what_was_written_is_read_however_it_is_encoded(parts, width, number, wrapper):
    """By an abbreviation of the block, of BLOCKINFO, or by none, at every bit."""
    number = number or 1  # 0 is BLOCKINFO
    shared = [operands for (operands, _), how in parts if how == "info"]
    content: list[Abbreviation | Record] = []
    expected: list[object] = [f">{number}"]
    infos, defined = 0, len(shared)
    for (operands, record), how in parts:
        code, values, blob = record.code, record.values, record.blob or b""
        if how == "none":
            content.append(Record(code, values))
            expected.append((code, tuple(values), b""))
            continue
        if how == "own":
            content.append(Abbreviation(operands))
        content.append(Record(code, values, blob, by=defined if how == "own" else infos))
        defined, infos = defined + (how == "own"), infos + (how == "info")
        expected.append((code, tuple(values), blob))
    data = stream(Info({number: shared}), Block(number, content, width=width))
    assert read(wrapped(data) if wrapper else data, number) == [*expected, "<"]


# --- damage -------------------------------------------------------------------------

DEEP = Block(8)
for _ in range(16):
    DEEP = Block(8, [DEEP])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (stream(Block(8, end=False), Block(9)), "block 8 has no end"),
        (one(Raw([(3, 4), *[(63, 6)] * 4]), end=False), "ends within a record"),
        (one(words=2), "beyond the end"),
        (one(width=1), "abbreviation IDs of 1 bits"),
        (one(width=33), "abbreviation IDs of 33 bits"),
        (stream(DEEP), "nested more than 16 deep"),
        (stream(Raw([(3, 2), (0, 94)])), "expected a block"),
        (one(Raw([(3, 4), *[(63, 6)] * 30])), "more than 64 bits"),
        (one(Raw([(4, 4)])), "abbreviation 4 is not defined"),
        (one(Abbreviation([("literal", 1)]), Raw([(5, 4)])), "abbreviation 5"),
        (one(Abbreviation([("fixed", 65)])), "an operand of 65 bits"),
        (one(Abbreviation([("vbr", 65)])), "an operand of 65 bits"),
        (one(Abbreviation([("vbr", 1)])), "operand of one bit"),
        (one(Raw([(2, 4), (1, 5), (0, 1), (0, 3)])), "operand encoding 0"),
        (one(Raw([(2, 4), (1, 5), (0, 1), (6, 3)])), "operand encoding 6"),
        (one(Abbreviation([("array", 0)]), Raw([(4, 4)])), "an array of nothing"),
        (
            one(Abbreviation([("array", 0), ("blob", 0)]), Raw([(4, 4)])),
            "an array of nothing",
        ),
        (
            one(Abbreviation([("array", 0), ("array", 0)]), Raw([(4, 4)])),
            "an array of nothing",
        ),
        # an array of no elements: not even a code
        (
            one(Abbreviation([("array", 0), ("char6", 0)]), Raw([(4, 4), (0, 6)])),
            "without a code",
        ),
        (one(Abbreviation([]), Raw([(4, 4)])), "without a code"),
        (
            one(Abbreviation([("array", 0), ("fixed", 7)]), Raw([(4, 4), (31, 6), (1, 6)])),
            "31 elements do not fit",
        ),
        (one(Raw([(3, 4), (1, 6), (31, 6)])), "31 elements do not fit"),
        (
            one(Abbreviation([("literal", 1), ("blob", 0)]), Raw([(4, 4), (31, 6)])),
            "a blob of 31 bytes does not fit",
        ),
        (stream(Block(0, [Abbreviation([("literal", 1)])])), "abbreviation for no block"),
        (stream(Block(0, [Block(8)])), "a block within BLOCKINFO"),
        (stream(Block(0, end=False), Block(9)), "BLOCKINFO has no end"),
        # a record of BLOCKINFO by an abbreviation, of which it has none
        (stream(Block(0, [Raw([(4, 4)])])), "a block within BLOCKINFO"),
        (b"BC\xc0\xde" + bytes(12), "expected a block"),
        (b"BC\xc0\xdf" + bytes(12), "no bitcode"),
        (b"", "no bitcode"),
    ],
)
def test_what_breaks_the_format_is_told(data, message):
    with pytest.raises(FormatError, match=message):
        read(data)


@pytest.mark.parametrize("width", [2, 3, 31, 32])
def test_abbreviation_ids_have_2_to_32_bits(width):
    assert read(one(Record(1, [2]), width=width)) == [">8", (1, (2,), b""), "<"]


def test_blocks_behind_one_another_are_not_nested():
    assert read(stream(*[Block(8)] * 40)) == [">8", "<"] * 40
    assert read(one(*[Block(8)] * 40)) == [">8", *[">8", "<"] * 40, "<"]


@pytest.mark.parametrize(
    "record",
    [
        [(3, 4), (1, 6), (0, 6)],  # SETBID without a value
        [(3, 4), (2, 6), (1, 6), (8, 6)],  # BLOCKNAME
    ],
)
def test_what_names_no_block_gives_it_no_abbreviation(record):
    define = [(2, 4), (1, 5), (1, 1), (9, 8)]
    data = stream(Block(0, [Raw([*record, *define])]), Block(8))
    with pytest.raises(FormatError, match="an abbreviation for no block"):
        read(data)


def test_a_bitstream_may_nest_as_deep_as_the_limit():
    deep = Block(8, [Record(1)])
    for _ in range(15):
        deep = Block(8, [deep])
    assert read(stream(deep)).count(">8") == 16


def test_a_block_ends_where_its_length_says():
    """LLVM reads on from the end, and skips by the length: where they differ, which?"""
    hidden = Block(8, [Record(1, [1])])
    words = len(stream(Block(8), hidden)) // 4 - 3
    with pytest.raises(FormatError, match="block 8 ends elsewhere"):
        read(stream(Block(8, words=words), hidden))
    with pytest.raises(FormatError, match=r"ends elsewhere|has no end"):
        read(one(Record(1, [WIDEST]), words=1))


def test_no_more_records_than_the_limit():
    data = one(Record(1), Record(1))
    assert len(list(bitstream.read(view(data), {8}, Limits(bitcode_records=2)))) == 4
    with pytest.raises(FormatError, match="bitcode_records is 2"):
        list(bitstream.read(view(data), {8}, Limits(bitcode_records=1)))
