"""Tables of text, against those of the library tabulate."""

from hypothesis import given
from hypothesis import strategies as st
from tabulate import tabulate

from kinspect.render.style import Style, narrow_table, table

NAMES = ["target", "bundles", "size", "", "kernels"]
#: tabulate strips cells; no renderer has spaces at the ends of one
CELLS = st.text("ab…7, ", max_size=12).map(str.strip)


@st.composite
def tables(draw):
    headers = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=5, unique=True))
    style = Style(color=True)
    colored = CELLS.map(lambda text: style("ok", text) if text else text)
    row = st.tuples(*[CELLS | colored for _ in headers])
    return draw(st.lists(row, min_size=1, max_size=5)), headers


def lines(rows, headers, align):
    text = tabulate(rows, headers, "plain", disable_numparse=True, colalign=align)
    return [line.rstrip() for line in text.split("\n")]


@given(tables())
def test_a_table_is_as_tabulate_lays_it_out(made):
    rows, headers = made
    align = ["right" if name == "size" else "left" for name in headers]
    assert table(rows, headers) == lines(rows, headers, align)


@given(tables(), st.sets(st.sampled_from(NAMES)))
def test_a_narrow_table_has_its_headers_for_a_row(made, left):
    rows, headers = made
    align = ["left" if name in left else "right" for name in headers]
    assert narrow_table(rows, headers, left) == lines([headers, *rows], [], align)


def test_without_rows_there_is_no_table():
    assert table([], ["target"]) == []
