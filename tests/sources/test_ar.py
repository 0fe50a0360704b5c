"""Archives of `ar`, written field by field: GNU, BSD and thin."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinspect import Limits
from kinspect.sources import Member, open_source
from tests.writers.archives import SYMBOLS, ar, slot

FILES = [("a.o", b"first"), ("a_name_of_more_than_sixteen.o", b"2nd"), ("b.o", b"")]
FORMS = [(form, name) for form in ("gnu", "bsd") for name in ["", *SYMBOLS[form]]]


def read(path, **options):
    """Names and contents in their order, and messages of what could not be read."""
    found, broken = [], []
    for part in open_source(path, **options).members():
        if isinstance(part, Member):
            name = part.path.removeprefix(f"{path}!")
            found.append((name, bytes(part.view.bytes())))
        else:
            broken.append(part.message)
    return found, broken


def written(directory, data):
    path = directory / "lib.a"
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(("form", "symbols"), FORMS)
def test_symbol_tables_are_no_members(tmp_path, form, symbols):
    path = written(tmp_path, ar(FILES, form, symbols))
    assert read(path) == (FILES, [])


def test_import_libraries_have_two_symbol_tables(tmp_path):
    """Microsoft, "PE Format", "Archive (Library) File Format": both linker members."""
    data = ar(FILES, "gnu", "/")
    assert read(written(tmp_path, data[:8] + slot("/", b"\2\0") + data[8:])) == (FILES, [])


@pytest.mark.parametrize("name", ["/", "/SYM64/", "__.SYMDEF", "#1/12"])
def test_a_member_by_the_name_of_a_symbol_table_is_one(tmp_path, name):
    """The linker looks for its table at the start alone."""
    late = b"__.SYMDEF\0\0\0late" if name == "#1/12" else b"late"
    found, broken = read(written(tmp_path, ar([("a.o", b"1")]) + slot(name, late)))
    shown = {"/SYM64/": "/SYM64", "#1/12": "__.SYMDEF"}.get(name, name)
    assert (found, broken) == ([("a.o", b"1"), (shown, b"late")], [])


@pytest.mark.parametrize(("form", "symbols"), FORMS)
def test_an_archive_that_is_cut_is_told_wherever(tmp_path, form, symbols):
    data = ar(FILES[:2], form, symbols, table=bytes(99))
    whole = {b"", *(content for _, content in FILES)}
    ends = {8}
    for start in range(8, len(data)):
        if data[start + 58 : start + 60] == b"`\n":
            size = int(data[start + 48 : start + 58])
            ends |= {start + 60 + size, start + 60 + size + size % 2}
    for size in range(8, len(data)):
        found, broken = read(written(tmp_path, data[:size]))
        assert broken if size not in ends else not broken, size
        assert {content for _, content in found} <= whole


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"!<arch>\n" + b"x" * 60, "no archive member starts here"),
        (
            ar([("a.o", b"1")]).replace(b"1         `\n", b"1x        `\n"),
            "'1x' is no number",
        ),
        (ar([("a.o", b"1")]).replace(b"1         `\n", b"-1        `\n"), "'-1' is no"),
        (ar([("a.o", b"1")]).replace(b"1         `\n", b"          `\n"), "'' is no"),
        # ARABIC-INDIC DIGIT ONE
        (b"!<arch>\n" + slot("#1/\u0661".encode(), b"1"), "is no number"),
        (b"!<arch>\n" + slot("#1/9", b"short"), "needs 9 bytes, 6 left"),
        (b"!<arch>\n" + slot("#1/x", b"1"), "'x' is no number"),
        (b"!<arch>\n" + slot("/0", b"1"), "no table of long names"),
        (b"!<arch>\n" + slot("/x", b"1"), "'x' is no number"),
        (b"!<arch>\n" + slot("//", b"a/\n") + slot("/9", b"1"), "needs"),
    ],
)
def test_headers_that_can_not_be_read_are_told(tmp_path, data, message):
    found, (told,) = read(written(tmp_path, data))
    assert found == []
    assert message in told


def test_the_last_long_name_may_lack_its_end(tmp_path):
    data = b"!<arch>\n" + slot("//", b"first.o/\nlast.o") + slot("/9", b"1")
    assert read(written(tmp_path, data)) == ([("last.o", b"1")], [])


# --- thin archives ------------------------------------------------------------------


def test_a_thin_archive_names_files_from_its_own_directory(tmp_path):
    (tmp_path / "sub").mkdir()
    for name, content in FILES:
        (tmp_path / "sub" / name).write_bytes(content)
    members = [(f"sub/{name}", content) for name, content in FILES]
    path = written(tmp_path, ar(members, "thin", "/"))
    assert read(path) == (members, [])
    found, broken = read(path, exclude=("*sixteen*",))
    assert (found, broken) == ([members[0], members[2]], [])


def test_a_member_of_a_thin_archive_that_is_gone_is_told(tmp_path):
    (tmp_path / "b.o").write_bytes(b"b")
    (tmp_path / "directory").mkdir()
    # no system takes a name as long as the last
    members = [("a.o", b"a"), ("directory", b""), ("n" * 300, b"n"), ("b.o", b"b")]
    found, broken = read(written(tmp_path, ar(members, "thin")))
    assert found == [("b.o", b"b")]
    assert ["is not there" in one for one in broken] == [True, True, True]
    # what nobody wants to see may be gone
    assert read(tmp_path / "lib.a", exclude=("a.o", "directory", "nn*"))[1] == []


def test_a_thin_archive_in_an_archive_has_nothing_beside_it(tmp_path):
    (tmp_path / "a.o").write_bytes(b"another")
    path = written(tmp_path, ar([("inner.a", ar([("a.o", b"1")], "thin"))]))
    found, (told,) = read(path)
    assert found == []
    assert "lie beside it, and this one is in an archive" in told
    assert read(path, exclude=("a.o",)) == ([], [])


def test_members_are_counted(tmp_path):
    path = written(tmp_path, ar(FILES))
    assert read(path, limits=Limits(members=4)) == (FILES, [])
    found, (told,) = read(path, limits=Limits(members=2))
    assert found == FILES[:2]
    assert "members is 3" in told


# --- what was written is read ---------------------------------------------------------

NAMES = st.text("abcxyz._ -+é", min_size=1, max_size=40).filter(
    lambda name: name == name.strip(" ")
)
#: what does not start like an archive
CONTENTS = st.binary(max_size=30).map(lambda data: b"o" + data)


@given(
    st.lists(st.tuples(NAMES, CONTENTS), max_size=6),
    st.sampled_from(FORMS),
    st.binary(max_size=40),
)
def test_what_was_written_is_read(tmp_path_factory, members, form, table):
    """At every alignment; a name may stand twice, as that of an object does."""
    data = ar(members, form[0], form[1], table)
    assert read(written(tmp_path_factory.mktemp("ar"), data)) == (members, [])


@given(st.dictionaries(NAMES, CONTENTS, max_size=4), st.booleans())
def test_what_a_thin_archive_names_is_read(tmp_path_factory, members, symbols):
    directory = tmp_path_factory.mktemp("thin")
    rows = []
    for name, content in members.items():
        (directory / f"d{name}").mkdir()
        (directory / f"d{name}" / "x.o").write_bytes(content)
        rows.append((f"d{name}/x.o", content))
    path = written(directory, ar(rows, "thin", "/" if symbols else ""))
    assert read(path) == (rows, [])
