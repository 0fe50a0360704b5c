"""What a binary carries, with its bytes: `walk.each_content`."""

import pytest

from kinspect.errors import FormatError
from kinspect.model import Unreadable
from kinspect.walk import Packed, each_content
from tests.reading import view
from tests.writers import Host, Image, Slot, bundle, ccob, code_object, offload_binary
from tests.writers.bundles import device

OBJECTS = {name: code_object(name) for name in ("gfx942", "gfx950")}
PAIR = bundle(*OBJECTS.items())
IMAGES = [Image(data, name) for name, data in OBJECTS.items()]
FORMS = {
    "plain": PAIR,
    "ccob v1": ccob(PAIR, 1, "zlib"),
    "ccob v2": ccob(PAIR, 2),
    "ccob v3": ccob(PAIR, 3, "zlib"),
    "offload binary": offload_binary(*IMAGES, version=2),
    "inflated offload binary": offload_binary(*IMAGES, version=3, method="zstd"),
}


def packed(data):
    found = [one for one in each_content(view(data)) if isinstance(one, Packed)]
    assert len(found) == 1
    return found


@pytest.mark.parametrize("form", FORMS)
def test_entries_and_stored_bytes_are_those_that_were_written(form):
    """Two bundles behind each other, read in turn: neither has the other's bytes."""
    other = bundle(("gfx942", code_object("gfx942", "another")))
    stored = FORMS[form]
    data = Host(stored + bytes(-len(stored) % 16) + ccob(other, 3)).build().data
    seen = []
    for one in each_content(view(data)):
        assert isinstance(one, Packed)
        filled = [entry for entry in one.bundle.entries if entry.size]
        bytes_of = [bytes(one.contents.entry(entry).bytes()) for entry in filled]
        seen.append((bytes(one.contents.stored.bytes()), bytes_of))
    assert seen == [
        (stored, list(OBJECTS.values())),
        (ccob(other, 3), [code_object("gfx942", "another")]),
    ]


@pytest.mark.parametrize("version", [1, 2, 3])
def test_the_space_of_a_compressed_bundle_is_the_bundle_that_was_compressed(version):
    (one,) = packed(ccob(PAIR, version))
    assert bytes(one.contents.space.bytes()) == PAIR
    assert one.contents.faults == ()


def test_what_was_inflated_is_let_go_of():
    """What is asked for again is inflated again."""
    (one,) = packed(ccob(PAIR, 3))
    space = one.contents.space
    assert one.contents.space is space
    one.contents.forget()
    assert one.contents.space is not space
    assert bytes(one.contents.space.bytes()) == PAIR


def test_a_bare_code_object_is_its_own_entry():
    (one,) = packed(OBJECTS["gfx942"])
    (entry,) = one.bundle.entries
    assert bytes(one.contents.entry(entry).bytes()) == OBJECTS["gfx942"]


def test_a_wrong_checksum_is_told_with_the_contents():
    (one,) = packed(ccob(PAIR, 3, digest=1))
    assert one.bundle.faults == ()  # a listing computes no checksum
    assert bytes(one.contents.space.bytes()) == PAIR
    assert ["MD5 mismatch" in fault.message for fault in one.contents.faults] == [True]


def test_an_entry_beyond_the_bundle_has_no_bytes():
    data = bundle(Slot(device("gfx942"), OBJECTS["gfx942"], size=1 << 40))
    (one,) = packed(data)
    with pytest.raises(FormatError, match="needs 1099511627776 bytes"):
        one.contents.entry(one.bundle.entries[1])


def test_only_what_is_asked_for_is_inflated():
    """A payload that is damaged behind its head is met by who asks for its inside."""
    large = bundle(("gfx942", bytes(range(256)) * 4096))
    stored = bytearray(ccob(large, 3, "zlib"))
    stored[-1] ^= 0xFF  # Adler-32 of the zlib stream
    (one,) = packed(bytes(stored))
    with pytest.raises(FormatError, match="zlib payload"):
        _ = one.contents.space


def test_what_can_not_be_read_is_given_in_its_place():
    data = Host(PAIR + b"garbage").build().data
    kinds = [type(one) for one in each_content(view(data))]
    assert kinds == [Packed, Unreadable]
