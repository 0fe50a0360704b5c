"""Names of files from names in files: harmless everywhere, and no two the same."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kinspect.extraction import Namer
from kinspect.extraction.naming import component

#: any text that a name in a file can become, bytes that are no UTF-8 among it
TEXTS = st.text(st.characters(codec=None), max_size=40)


@pytest.mark.parametrize(
    ("text", "spelled"),
    [
        ("libfoo.so.1.2", "libfoo.so.1.2"),
        ("deep_ep-1.0+rocm7-cp312-cp312-linux_x86_64.whl",) * 2,
        ("gfx942:sramecc+:xnack-", "gfx942_sramecc+_xnack-"),
        ("..", "%2E%2E"),
        (".", "%2E"),
        ("", "%00"),
        ("   ", "%20%20%20"),
        ("a/b", "a%2Fb"),
        ("a\\b", "a%5Cb"),
        ("a\0b", "a%00b"),
        ("100%", "100%25"),
        ("-rf", "%2Drf"),
        ("name.", "name%2E"),
        ("name ", "name%20"),
        ("~", "%7E"),
        ("NUL", "%4EUL"),
        ("com1.so", "%63om1.so"),
        ("console", "console"),
        ("caf\xe9", "caf%C3%A9"),
        (b"\xff.so".decode("utf-8", "surrogateescape"), "%FF.so"),
        ("\ud800", "%ED%A0%80"),
        ("new\nline\x1b[31m", "new%0Aline%1B%5B31m"),
    ],
)
def test_a_component_is_spelled(text, spelled):
    assert component(text) == spelled


@given(TEXTS)
@example("." * 400)
@example("CON." + "x" * 300)
@example("-" * 300)
def test_a_component_is_harmless(text):
    name = component(text)
    assert re.fullmatch(r"[A-Za-z0-9._+=,@ %~-]{1,200}", name)
    assert name not in {".", ".."}
    assert name[0] not in "-~"
    assert name[-1] not in ". "


def test_long_names_that_differ_at_their_end_stay_apart():
    long = "x" * 5000
    assert component(long + "a") != component(long + "b")
    assert len(component(long)) <= 200


def directories(*paths, artifact="x.whl"):
    namer = Namer()
    return ["/".join(namer.binary(path, artifact)) for path in paths]


def test_a_breadcrumb_becomes_a_path_below_its_artifact():
    assert directories("x.whl!pkg/lib.so", "x.whl!inner.zip!a/b.so") == [
        "x.whl/pkg/lib.so",
        "x.whl/inner.zip/a/b.so",
    ]
    assert directories("build/lib/pkg/a.so", artifact="build/lib") == ["lib/pkg/a.so"]
    assert directories("/opt/rocm/lib/a.so", artifact="/opt/rocm/lib/a.so") == ["a.so"]


def test_the_working_directory_has_the_name_that_it_has(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert directories("./a.so", artifact=".") == [f"{tmp_path.name}/a.so"]
    assert directories("/a.so", artifact="/") == ["root/a.so"]


@pytest.mark.parametrize(
    "path",
    ["x.whl!../../etc/cron.d/x", "x.whl!/etc/passwd", "x.whl!a/../../../b", "x.whl!.."],
)
def test_no_breadcrumb_leads_out(path):
    (found,) = directories(path)
    assert not found.startswith("/")
    assert not {"..", ".", ""} & set(found.split("/"))
    assert found.startswith("x.whl/")


def test_binaries_of_the_same_name_stay_apart():
    """Twice in an archive, or two files of different directories, or in case only."""
    assert directories("x.whl!a.so", "x.whl!a.so", "x.whl!A.SO", "x.whl!a.so~2") == [
        "x.whl/a.so",
        "x.whl/a.so~2",
        "x.whl/A.SO~3",
        "x.whl/a.so%7E2",
    ]


def test_files_of_the_same_name_stay_apart():
    namer = Namer()
    one = namer.binary("a.so", "a.so")
    other = namer.binary("b.so", "b.so")
    names = ["bundle0.gfx942", "bundle0.gfx942", "BUNDLE0.gfx942", "bundle0.gfx950"]
    assert [namer.file(one, name) for name in names] == [
        "bundle0.gfx942", "bundle0.gfx942~2", "BUNDLE0.gfx942~3", "bundle0.gfx950",
    ]  # fmt: skip
    assert namer.file(other, "bundle0.gfx942") == "bundle0.gfx942"


def test_a_directory_never_has_the_name_of_a_file():
    namer = Namer()
    one = namer.binary("z!x.so", "z")
    assert namer.file(one, "bundle0.gfx942") == "bundle0.gfx942"
    below = namer.binary("z!x.so/bundle0.gfx942/y.so", "z")
    assert below == ("z", "x.so", "bundle0.gfx942~2", "y.so")


def test_nothing_takes_the_name_of_the_manifest():
    assert directories("manifest.json", artifact="manifest.json") == ["manifest.json~2"]
    assert directories("Manifest.JSON!x.so", artifact="Manifest.JSON") == [
        "Manifest.JSON~2/x.so"
    ]


def test_a_path_of_thousands_of_levels_is_cut():
    deep = "x.whl!" + "/".join(["d" * 100] * 3000) + "/lib.so"
    other = deep.replace("d", "e", 1)
    first, second = directories(deep, other)
    assert first.startswith("x.whl/~")
    assert first.endswith("/lib.so")
    assert len(first) < 100
    assert first != second


@given(st.lists(st.tuples(TEXTS, TEXTS), max_size=8))
def test_no_two_pieces_share_a_path_whatever_they_are_called(crumbs):
    namer = Namer()
    files: set[tuple[str, ...]] = {("manifest.json",)}
    above = set()
    for path, name in crumbs:
        directory = namer.binary(f"x!{path}", "x")
        place = *directory, namer.file(directory, name)
        folded = tuple(level.casefold() for level in place)
        assert folded not in files
        files.add(folded)
        above |= {folded[:end] for end in range(1, len(folded))}
    assert not files & above
