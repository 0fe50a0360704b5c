"""The lines of keys, held against tomllib: it knows which keys there are."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinspect.settings.lines import lines

TEXT = '''\
# a comment = "not a key"
title = "a # in text" # and beside it
"quoted \\"key\\"" = 1
'it''s' = 2

[tool.kinspect]
require = [ # over
  "gfx942", # several = lines
  "gfx950",
]
budget = {gfx942 = "40 MB", "gfx950" = { a = [1, {b = 2}] }}
long = """
[not.a.table]
key = 1
quotes at the end"""""
raw = \'\'\'
[nor.this] \'\'\'
day = 1979-05-27 07:32:00
a.b."c.d" = true

[[tool.kinspect.binary]]
path = "x"
[tool.kinspect.binary.hints]
missing-target = "y"

[[tool.kinspect.binary]]
path = "z"
[[tool.kinspect.binary.deep]]
n = 1
[[tool.kinspect.binary.deep]]
n = 2
'''


def paths(value, path=()):
    """Every key, table and element that tomllib finds."""
    if path:
        yield path
    if isinstance(value, dict):
        for key, one in value.items():
            yield from paths(one, (*path, key))
    elif isinstance(value, list):
        for number, one in enumerate(value):
            yield from paths(one, (*path, number))


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("title",), 2),
        (('quoted "key"',), 3),
        (("tool", "kinspect"), 6),
        (("tool", "kinspect", "require"), 7),
        (("tool", "kinspect", "require", 0), 8),
        (("tool", "kinspect", "require", 1), 9),
        (("tool", "kinspect", "budget", "gfx950", "a", 1, "b"), 11),
        (("tool", "kinspect", "long"), 12),
        (("tool", "kinspect", "raw"), 16),
        (("tool", "kinspect", "day"), 18),
        (("tool", "kinspect", "a", "b", "c.d"), 19),
        (("tool", "kinspect", "binary", 0), 21),
        (("tool", "kinspect", "binary", 0, "hints", "missing-target"), 24),
        (("tool", "kinspect", "binary", 1, "path"), 27),
        (("tool", "kinspect", "binary", 1, "deep", 1, "n"), 31),
    ],
)
def test_the_line_of_a_key(path, line):
    text = TEXT.replace("'it''s'", "'its'")
    assert lines(text)[path] == line
    assert lines(text.replace("\n", "\r\n"))[path] == line


def test_every_key_that_tomllib_knows_has_a_line_and_no_other():
    text = TEXT.replace("'it''s'", "'its'")
    assert set(lines(text)) == set(paths(tomllib.loads(text)))


# --- any document -------------------------------------------------------------------

KEYS = st.one_of(
    st.from_regex(r"[A-Za-z0-9_-]{1,6}", fullmatch=True),
    st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), max_size=5).map(
        lambda text: '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
    ),
)
SPACE = st.sampled_from(["", " ", "\t"])
BREAK = st.sampled_from(["", "\n", " # [x] = {\n", "\n\n  "])
SCALARS = st.sampled_from(
    [
        "1", "-1.5e3", "true", "inf", "0x1F", '"]"', "'}'", '"\\" # ="', "''", '""',
        "1979-05-27 07:32:00Z", "07:32:00", '"""\n]"" \\" """', "'''\n'' # '''", '"""a"""""',
    ]
)  # fmt: skip


def arrays(inner):
    parts = st.lists(st.tuples(BREAK, inner, BREAK), max_size=3)
    return st.tuples(parts, BREAK).map(
        lambda both: (
            "["
            + ",".join(f"{before}{one}{after}" for before, one, after in both[0])
            + f"{both[1]}]"
        )
    )


def inline_tables(inner):
    pairs = st.lists(st.tuples(KEYS, SPACE, inner), max_size=3)
    return pairs.map(
        lambda found: "{" + ", ".join(f"{k}{s}={s}{v}" for k, s, v in found) + "}"
    )


VALUES = st.recursive(SCALARS, lambda one: st.one_of(arrays(one), inline_tables(one)))
DOTTED = st.lists(KEYS, min_size=1, max_size=3).map(" . ".join)
PAIRS = st.tuples(DOTTED, SPACE, VALUES).map(lambda p: f"{p[0]}{p[1]}={p[1]}{p[2]}")
HEADERS = st.one_of(DOTTED.map(lambda k: f"[{k}]"), DOTTED.map(lambda k: f"[[ {k} ]]"))
DOCUMENTS = st.lists(st.one_of(PAIRS, HEADERS, st.just("# x = 1"), st.just(""))).map(
    "\n".join
)


@given(DOCUMENTS)
def test_any_document_that_tomllib_reads(text):
    try:
        value = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        lines(text)  # no TOML: nothing is promised, but that it ends
        return
    found = lines(text)
    assert set(found) == set(paths(value))
    assert all(1 <= line <= text.count("\n") + 1 for line in found.values())


@given(st.text(st.sampled_from("[]{}=.,#\"'\n ab1\\")))
def test_what_is_no_toml_ends_without_an_error(text):
    lines(text)


def test_what_is_nested_too_deep_ends_without_an_error():
    lines("a = " + "[" * 100_000)
