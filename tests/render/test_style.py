"""Tables of plain text, held against those of tabulate."""

import subprocess
import sys

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tabulate import tabulate

from kinspect.render.style import narrow_table, table

#: what is plain, and what is not: wide signs, colours, ends of lines
PLAIN = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=12)
ANY = PLAIN | st.sampled_from(["…", "カーネル", "\x1b[32mok\x1b[0m", "é", "a\nb", "0123"])


def tables(cells):
    """Rows, and as many headers."""

    def of_width(width):
        row = st.lists(cells, min_size=width, max_size=width)
        headers = st.lists(
            st.sampled_from(["", "size", "kernels", "URI"]), min_size=width, max_size=width
        )
        return st.tuples(st.lists(row, min_size=1, max_size=6), headers)

    return st.integers(1, 5).flatmap(of_width)


def expected(rows, headers, align):
    text = tabulate(rows, headers, tablefmt="plain", disable_numparse=True, colalign=align)
    return [line.rstrip() for line in text.split("\n")]


@pytest.mark.parametrize("cells", [PLAIN, ANY], ids=["plain", "any"])
def test_a_table_is_that_of_tabulate(cells):
    @given(tables(cells))
    @example(([["gfx942", "1/1", "18", "25.3 kB", "ok"]], ["", "a", "kernels", "size", ""]))
    @example(([[" x ", "12"], ["y", "3"]], ["name", "size"]))
    def holds(drawn):
        rows, headers = drawn
        align = ["right" if name == "size" else "left" for name in headers]
        assert table(rows, headers) == expected(rows, headers, align)

    holds()


@given(tables(ANY), st.booleans())
def test_a_narrow_table_is_that_of_tabulate(drawn, text):
    rows, headers = drawn
    left = {"URI", "kernels"} if text else set()
    align = ["left" if name in left else "right" for name in headers]
    assert narrow_table(rows, headers, left) == expected([headers, *rows], (), align)


def test_no_rows_are_no_table():
    assert table([], ["name"]) == []


@pytest.mark.parametrize(("cell", "imports"), [("plain", False), ("\x1b[32mok", True)])
def test_tabulate_is_imported_for_what_is_not_plain(cell, imports):
    code = (
        "import sys; from kinspect.render.style import table; table([[sys.argv[1]]], ['a'])"
    )
    code += "; print('tabulate' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code, cell], capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == str(imports), done.stderr
