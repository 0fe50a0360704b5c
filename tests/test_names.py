"""Names from a file: shown so that they can't move a cursor or forge a line."""

import subprocess
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinspect.names import demangle, escape


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain_name.kd", "plain_name.kd"),
        ("ünïcödé×…", "ünïcödé×…"),
        ("a\nOK: all is well", "a\\x0aOK: all is well"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("\r\t\b\0\x7f", "\\x0d\\x09\\x08\\x00\\x7f"),
        ("\x9b31m", "\\x9b31m"),  # CSI in one character
        ("\x85", "\\x85"),  # next line
        ("\u202egnp.so", "\\u202egnp.so"),  # right-to-left override
        ("\u2066\u2069\u200b\ufeff\u2028", "\\u2066\\u2069\\u200b\\ufeff\\u2028"),
        ("\U000e0041", "\\U000e0041"),  # a tag character
        (b"caf\xe9".decode("utf-8", "surrogateescape"), "caf\\xe9"),
        ("\ud800", "\\ud800"),
        ("\ufffe\uffff", "\\ufffe\\uffff"),  # no characters of XML
        # what a build system would take for a command in its log
        ("::error::all is well", "\\x3a:error::all is well"),
        ("\t ::set-output name=x::y", "\\x09 \\x3a:set-output name=x::y"),
        ("##vso[task.complete]", "#\\x23vso[task.complete]"),
        ("x ##[group]y", "x #\\x23[group]y"),
        ("###teamcity[x]", "##\\x23teamcity[x]"),
        ("a::b ns::f(std::vector<int>) ## #[", "a::b ns::f(std::vector<int>) ## #["),
    ],
)
def test_what_is_not_to_be_seen_is_spelled_out(text, shown):
    assert escape(text) == shown


#: controls, formats such as bidirectional overrides, surrogates, line and paragraph ends
UNSAFE = {"Cc", "Cs", "Zl", "Zp"}
BIDIRECTIONAL = set("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067")


@given(st.text(st.characters(codec=None, categories=["C", "Z", "L"])))
def test_nothing_unsafe_is_left_of_any_text(text):
    shown = escape(text)
    assert not any(unicodedata.category(one) in UNSAFE for one in shown)
    assert not BIDIRECTIONAL & set(shown)
    shown.encode()
    assert escape(shown) == shown


@pytest.mark.parametrize(
    ("symbol", "name"),
    [
        ("_Z3fooPi", "foo(int*)"),
        ("_ZN7deep_ep9intranode8dispatchILi8EEEvPi", "void deep_ep::intranode::dispatch<8>(int*)"),
        ("_ZN12_GLOBAL__N_14anonEPi", "(anonymous namespace)::anon(int*)"),
        ("foo", "foo"),
        ("_Z", "_Z"),
        ("_Znonsense", "_Znonsense"),
        ("", ""),
        ("_Zbad\udcff", "_Zbad\udcff"),
    ],
)  # fmt: skip
def test_a_mangled_name_is_demangled_and_another_is_left_alone(symbol, name):
    assert demangle(symbol) == name


@given(st.text("_ZN1234567890abcISEPKRv", max_size=60).map(lambda text: f"_Z{text}"))
def test_any_symbol_has_some_name(symbol):
    assert isinstance(demangle(symbol), str)


@pytest.mark.parametrize(
    "nested",
    ["P" * 1_000_000 + "i", "I1a" * 300_000, "F" * 60_000, "Z" * 20_000],
    ids=["pointers", "templates", "functions", "locals"],
)
def test_a_symbol_that_nests_without_end_does_not_take_the_process_down(nested):
    """The demangler recurses; a name of a file must not overflow its stack."""
    code = "import sys; from kinspect.names import demangle; demangle(sys.stdin.read())"
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=f"_Z{'' if nested[0] == 'Z' else '1f'}{nested}",
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def back_reference(number):
    """`S_`, `S0_`, `S1_`, …: what was named before (Itanium ABI, "Compression")."""
    digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    return f"S{digits[number - 1]}_" if number else "S_"


@pytest.mark.xfail(
    strict=True,
    reason="pydemumble has no ceiling: 16 doublings make 2 MB of 170 bytes, 30 make 34 GB",
)
def test_a_symbol_that_doubles_itself_does_not_fill_the_memory():
    """`c<T, T>` of `c<T, T>` of …: each level refers twice to the one before."""
    symbol = "_Z1f1cIiiE"
    for level in range(16):
        one = back_reference(2 * level + 1)
        symbol += f"1cI{one}{one}E"
    assert len(symbol) < 200
    assert len(demangle(symbol)) < 1 << 16
