"""One container, whichever form it has: what is listed, and what is left for later."""

import pytest

from kinspect.errors import FormatError, LimitExceeded
from kinspect.formats import code_object as objects
from kinspect.formats.container import HEAD, Reader, form_of
from kinspect.formats.contents import BESIDE
from kinspect.limits import Limits
from kinspect.model import Bundle, CodeObject, Form, Unreadable
from tests.reading import view
from tests.writers import Image, Slot, bundle, ccob, code_object, md5, offload_binary
from tests.writers.bundles import device

OBJECT = code_object("gfx942", "k")
SMALL = bundle(("gfx942", OBJECT))
#: large enough that its checksum is computed in a thread
LARGE = bundle(("gfx942", OBJECT + bytes(range(256)) * (BESIDE // 256)))
#: an entry table that the head of an inflated bundle does not hold
WIDE = bundle(*(Slot(f"hip-amdgcn-amd-amdhsa--{'x' * 4000}{n}", b"1") for n in range(20)))


@pytest.mark.parametrize(
    ("data", "form"),
    [
        (SMALL, Form.PLAIN),
        (ccob(SMALL), Form.CCOB),
        (offload_binary(Image(OBJECT)), Form.OFFLOAD_BINARY),
        (OBJECT, Form.ELF),
        (OBJECT[:64], Form.ELF),
        (OBJECT[:63], None),
        (b"\x7fELF" + bytes(60), None),
        (b"", None),
    ],
)
def test_the_first_bytes_tell_the_form(data, form):
    assert form_of(view(data)) is form
    if form is None:
        with pytest.raises(FormatError, match="no offload bundle and no AMDGPU code"):
            Reader().read(view(data))


@pytest.mark.parametrize("data", [SMALL, LARGE])
@pytest.mark.parametrize("opens", [True, False])
def test_a_checksum_is_held_against_the_bundle_whatever_its_size(data, opens):
    for digest, faults in ((md5(data), []), (md5(data) ^ 1, [f"{md5(data):016x}"])):
        reader = Reader(opener=objects.parse if opens else None)
        found = reader.read(view(ccob(data, digest=digest)))
        assert reader.contents is not None
        assert bytes(reader.contents.space.bytes()) == data
        messages = [one.message for one in reader.contents.faults]
        assert ["MD5 mismatch" in one for one in messages] == [True] * len(faults)
        assert all(part in messages[0] for part in faults)
        assert [one.message for one in found.faults] == (messages if opens else [])


def test_a_listing_reads_no_further_than_the_entry_table():
    """What lies behind it may be damaged: that is for who opens it."""
    stored = bytearray(ccob(LARGE, 3, "zlib"))
    stored[-1] ^= 1  # of the checksum of the zlib stream
    found = Reader().read(view(bytes(stored)))
    assert [one.size for one in found.entries] == [0, len(LARGE) - found.entries[1].offset]
    with pytest.raises(FormatError, match="zlib payload"):
        Reader(opener=objects.parse).read(view(bytes(stored)))


def test_a_listing_inflates_all_where_the_table_is_larger_than_its_head():
    assert len(WIDE) > HEAD
    found = Reader().read(view(ccob(WIDE)))
    assert len(found.entries) == 21
    assert found.header_size > HEAD
    assert found.faults == ()


@pytest.mark.parametrize(
    "data",
    [
        SMALL.replace(b"__CLANG", b"__klang"),  # small: the head is all there is
        bundle(("gfx942", b"x"), count=9),
        LARGE.replace(b"__CLANG", b"__klang"),
        LARGE[:24] + bytes(7) + b"\xff" + LARGE[32:],
    ],
)
def test_a_table_that_can_not_be_read_is_an_error_of_the_listing_too(data):
    for opener in (None, objects.parse):
        with pytest.raises(FormatError) as caught:
            Reader(opener=opener).read(view(ccob(data)))
        assert caught.value.where.layer == "CCOB at 0x0 inflated"


def test_a_head_that_is_short_is_an_error_of_the_listing():
    """The payload ends within the table: nothing further could mend it."""
    payload = ccob(WIDE[:1000])[24:]
    data = ccob(WIDE, payload=payload)
    with pytest.raises(FormatError, match="needs"):
        Reader().read(view(data))


@pytest.mark.parametrize("opens", [True, False])
def test_entries_of_a_plain_bundle_count_from_the_start_of_the_binary(opens):
    reader = Reader(opener=objects.parse if opens else None)
    data = bytes(100) + SMALL + bytes(50)
    found = reader.read(view(data).slice(100))
    entry = found.entries[1]
    assert data[entry.offset :][: entry.size] == OBJECT
    assert (found.offset, found.size) == (100, len(SMALL))
    assert reader.contents is not None
    assert bytes(reader.contents.entry(entry).bytes()) == OBJECT
    assert isinstance(entry.code_object, CodeObject) is opens


@pytest.mark.parametrize(
    ("slot", "message"),
    [
        (Slot(device("gfx942")), "the entry is empty"),
        (Slot(device("gfx942"), b"no code"), "not an ELF file"),
        (Slot(device("gfx942"), b"x", size=1 << 40), "needs 1099511627776 bytes"),
        (Slot(device("gfx942"), b"BC\xc0\xde" + bytes(60)), "bitcode"),
    ],
)
def test_an_entry_that_can_not_be_opened_is_told_in_its_place(slot, message):
    data = bundle(slot, ("gfx950", OBJECT), host=False)
    for stored in (data, ccob(data)):
        found = Reader(opener=objects.parse).read(view(stored))
        bad, good = (entry.code_object for entry in found.entries)
        assert isinstance(bad, Unreadable)
        assert message in bad.message
        assert isinstance(good, CodeObject)


#: the magic of SPIR-V, and what follows it
NO_CODE = b"\3\2\x23\7 and more"


@pytest.mark.parametrize(
    "id_", ["host-x86_64-unknown-linux--", "openmp-amdgcn-amd-amdhsa--gfx942",
            "hip-spirv64-amd-amdhsa--amdgcnspirv"],
)  # fmt: skip
def test_what_is_not_hips_native_code_is_not_opened(id_):
    found = Reader(opener=objects.parse).read(view(bundle(Slot(id_, NO_CODE))))
    assert found.entries[1].code_object is None


@pytest.mark.parametrize("data", [b"\3\2\x23", b"no code object", b"\7\x23\2\3...."])
def test_what_is_called_spir_v_must_be_some(data):
    slot = Slot("hip-spirv64-amd-amdhsa--amdgcnspirv", data)
    for stored in (bundle(slot), ccob(bundle(slot))):
        part = Reader(opener=objects.parse).read(view(stored)).entries[1].code_object
        assert isinstance(part, Unreadable)
        assert part.message == f"not SPIR-V: it starts with {data[:4].hex(' ')}"
    beyond = Slot(slot.id, data, size=10**6)
    part = Reader(opener=objects.parse).read(view(bundle(beyond))).entries[1].code_object
    assert isinstance(part, Unreadable)


def test_an_empty_slot_for_spir_v_is_no_code():
    slot = Slot("hip-spirv64-amd-amdhsa--amdgcnspirv")
    found = Reader(opener=objects.parse).read(view(bundle(slot)))
    assert found.entries[1].code_object is None


def test_an_error_of_a_limit_keeps_its_name():
    found = Reader(Limits(symbols=1), lambda data: objects.parse(data, Limits(symbols=1)))
    code = found.read(view(SMALL)).entries[1].code_object
    assert isinstance(code, Unreadable)
    assert code.limit == "symbols"
    with pytest.raises(LimitExceeded):
        Reader(Limits(entries=1)).read(view(SMALL))


# --- several at once ------------------------------------------------------------------


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("opens", [True, False])
def test_containers_are_opened_in_their_order_by_any_number_of_jobs(jobs, opens):
    forms = [SMALL, OBJECT, ccob(SMALL), offload_binary(Image(OBJECT))]
    damaged = ccob(SMALL, payload=b"no stream")
    lost = Unreadable("not found", view(b"").where())
    reader = Reader(opener=objects.parse if opens else None, jobs=jobs)
    places = [reader.find(view(data)) for data in (*forms, damaged)]
    found = list(reader.open_each([lost, *places, lost]))
    expected = [
        Reader(opener=objects.parse if opens else None).read(view(d)) for d in forms
    ]
    assert found[1:5] == expected
    assert (found[0], found[6]) == (lost, lost)
    assert isinstance(found[5], Unreadable)
    assert "zstd payload" in found[5].message


@pytest.mark.parametrize("jobs", [1, 2])
def test_something_else_is_done_before_the_first_one_comes(jobs):
    """And what it finds wrong comes before what is wrong with the places."""
    reader = Reader(opener=objects.parse, jobs=jobs)
    done = []
    found = reader.open_each([reader.find(view(SMALL))], lambda: done.append(1))
    assert done == []
    assert isinstance(next(found), Bundle)
    assert done == [1]

    def places():
        yield reader.find(view(SMALL))
        message = "no place"
        raise FormatError(message, view(b"").where())

    def meanwhile():
        message = "of the host"
        raise FormatError(message, view(b"").where())

    with pytest.raises(FormatError, match="no place"):
        list(reader.open_each(places()))
    with pytest.raises(FormatError, match="of the host"):
        list(reader.open_each(places(), meanwhile))


@pytest.mark.parametrize("jobs", [1, 2])
def test_the_host_is_read_where_it_has_no_bundle_as_well(jobs):
    """Those that were split for kpack have none, and register kernels all the same."""
    done = []
    reader = Reader(opener=objects.parse, jobs=jobs)
    assert list(reader.open_each([], lambda: done.append(1))) == []
    assert done == [1]


@pytest.mark.parametrize("count", [1, 9])
def test_bundles_are_read_whole_where_there_are_many(count, monkeypatch):
    """One that is most of the work is read entry by entry, with the same result."""
    data = bundle(*(Slot(f"hipv4-amdgcn-amd-amdhsa--gfx{n}", OBJECT) for n in (90, 942)))
    pieces = []
    real = Reader._piece

    def noted(self, piece):
        pieces.append(piece)
        return real(self, piece)

    monkeypatch.setattr(Reader, "_piece", noted)
    reader = Reader(opener=objects.parse, jobs=2)
    found = list(reader.open_each([reader.find(view(data))] * count))
    assert found == [Reader(opener=objects.parse).read(view(data))] * count
    whole = [piece.entry is None for piece in pieces]
    assert whole == ([True] * 9 if count == 9 else [False] * 3)


def test_a_place_weighs_what_there_is_to_read_in_it():
    reader = Reader()
    for data, weight in (
        (SMALL, len(SMALL)),
        (OBJECT, len(OBJECT)),
        (ccob(SMALL), len(SMALL)),
    ):
        assert reader.find(view(data)).weight == weight


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"\x03\x02\x23\x07" + bytes(16), ""),  # SPIR-V's magic, little-endian
        (b"BC\xc0\xde" + bytes(16), ""),  # bitcode, for a link
        (b"", ""),
        (b"text", "not SPIR-V: it starts with 74 65 78 74"),
        (b"x", "not SPIR-V: it starts with 78"),
        (OBJECT, "not SPIR-V"),
    ],
)
def test_spir_v_is_some_or_it_is_told(content, told):
    data = bundle(Slot("hip-spirv64-amd-amdhsa--amdgcnspirv", content), host=False)
    (entry,) = Reader(opener=objects.parse).read(view(data)).entries
    code = entry.code_object
    if told:
        assert isinstance(code, Unreadable)
        assert told in code.message
    else:
        assert code is None
    (entry,) = Reader().read(view(data)).entries
    assert entry.code_object is None
