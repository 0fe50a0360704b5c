"""Tensile's library files, as MessagePack that the tests write."""

import zlib

import pytest

from kinspect.errors import FormatError, LimitExceeded
from kinspect.formats import tensile
from kinspect.limits import Limits
from tests.reading import view
from tests.writers import packed

LAZY = {
    "solutions": [],
    "library": {
        "type": "Problem",
        "rows": [
            {"type": "Placeholder", "value": "b_gfx942"},
            [{"library": {"type": "Placeholder", "value": "a_gfx942"}}],
        ],
    },
}


def read(value, path="TensileLibrary_lazy_gfx942.dat", **limits):
    data = value if isinstance(value, bytes) else packed(value)
    return tensile.references(view(data, path), Limits(**limits))


@pytest.mark.parametrize(
    ("name", "lazy"),
    [
        ("TensileLibrary_lazy_gfx942.dat", True),
        ("lib/TensileLibrary_lazy_gfx942.dat", True),
        ("TensileLibrary_lazy_gfx942.dat.zlib", True),
        ("TensileLiteLibrary_lazy_gfx950_Mapping.dat", True),
        ("TensileLiteLibrary_lazy_gfx950.dat", False),
        ("TensileLibrary_gfx942.dat", False),
        ("TensileLibrary_lazy_gfx942.dat/x", False),
        ("xTensileLibrary_lazy_gfx942.dat", False),
        ("TensileLibrary_lazy_gfx942.co", False),
    ],
)
def test_the_name_of_a_file_that_refers_to_others(name, lazy):
    assert tensile.is_lazy(name) is lazy


def test_placeholders_at_any_depth():
    assert read(LAZY) == ("a_gfx942", "b_gfx942")
    assert read(zlib.compress(packed(LAZY)), "x.dat.zlib") == ("a_gfx942", "b_gfx942")


def test_a_mapping_of_numbers_to_names():
    assert read({0: "one", 1: "two", 2: 3}) == ("one", "two")
    assert read({0: "one", "x": "two"}) == ()  # then it is no mapping
    assert read({}) == ()


@pytest.mark.parametrize(
    "node",
    [
        {"type": "Placeholder", "value": 1},
        {"type": "Placeholder", "value": ["a"]},
        {"type": "Placeholder"},
        {"type": "Other", "value": "a"},
        {"value": "a"},
        {"type": ["Placeholder"], "value": "a"},
    ],
)
def test_what_is_no_placeholder_names_no_file(node):
    assert read({"library": [node, {"type": "Placeholder", "value": "b"}]}) == ("b",)


@pytest.mark.parametrize(
    ("data", "path", "message"),
    [
        (b"\xc1", "x.dat", "Tensile library: "),
        (packed([]), "x.dat", "a list, expected a map"),
        (packed("text"), "x.dat", "a str, expected a map"),
        (packed(LAZY)[:-1], "x.dat", "Tensile library: "),
        (b"no stream", "x.dat.zlib", "Tensile library: "),
        (zlib.compress(packed(LAZY))[:-1], "x.dat.zlib", "does not end with the file"),
        (zlib.compress(packed(LAZY)) + b"x", "x.dat.zlib", "does not end with the file"),
    ],
)
def test_a_library_that_can_not_be_read_is_told(data, path, message):
    with pytest.raises(FormatError, match=message):
        read(data, path)


def test_no_more_metadata_than_the_limit():
    size = len(packed(LAZY))
    assert read(LAZY, metadata=size)
    with pytest.raises(LimitExceeded, match=f"metadata is {size}"):
        read(LAZY, metadata=size - 1)
    bomb = zlib.compress(packed({"x": "y" * 100_000}))
    with pytest.raises(LimitExceeded, match="metadata is 1001"):
        read(bomb, "x.dat.zlib", metadata=1000)
