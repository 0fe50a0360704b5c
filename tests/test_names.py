"""Names from a file: shown so that they can't move a cursor or forge a line."""

import contextlib
import subprocess
import sys
import unicodedata

import pydemumble
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinspect import mangled, names
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
    if not number:
        return "S_"
    high, low = divmod(number - 1, 36)
    return f"S{digits[high] if high else ''}{digits[low]}_"


def doubled(levels):
    """`c<T, T>` of `c<T, T>` of …: each level refers twice to the one before."""
    symbol = "_Z1f1cIiiE"
    for level in range(levels):
        one = back_reference(2 * level + 1)
        symbol += f"1cI{one}{one}E"
    return symbol


#: symbols of some hundred bytes that stand for more than any memory holds
ENDLESS = {
    "substitutions": doubled(30),
    # each argument is the one before, twice
    "parameters": "_Z1fI1aIiE"
    + "".join(f"1bIT{n}_T{n}_E" for n in ("", *range(30)))
    + "Evv",
    "pointers": "_Z1fM1aS_" + "".join(
        f"M{back_reference(n)}{back_reference(n)}" for n in range(1, 30)
    ),
}  # fmt: skip


@pytest.mark.parametrize("symbol", ENDLESS.values(), ids=ENDLESS)
def test_a_symbol_that_doubles_itself_is_not_demangled(symbol):
    assert len(symbol) < 1000
    assert demangle(symbol) == symbol


def test_a_symbol_that_doubles_itself_does_not_fill_the_memory():
    """16 doublings make 2 MB of 170 bytes, 30 make 34 GB."""
    sizes = [len(demangle(doubled(levels))) for levels in range(31)]
    assert max(sizes) <= names.KEPT
    assert sizes[4] > len(doubled(4))  # which is a name as any other
    assert sizes[16:] == [len(doubled(levels)) for levels in range(16, 31)]


def test_a_symbol_that_takes_the_demangler_down_is_not_demangled():
    """An array of nothing at the start: LLVM's demangler reads before its buffer."""
    code = "from kinspect.names import demangle; print(demangle('_Z1aIJEEDpA5_T_j'))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "_Z1aIJEEDpA5_T_j\n")


ROCPRIM = (
    "_ZN7rocprim17ROCPRIM_400500_NS6detail17trampoline_kernelINS0_14default_configE"
    "NS1_38merge_sort_block_merge_config_selectorIttEEZZNS1_27merge_sort_block_merge"
    "_implIS3_PtS7_jNS1_19radix_merge_compareILb0ELb1EtNS0_19identity_decomposerEEEEE"
    "10hipError_tT0_T1_T2_jT3_P12ihipStream_tbPNSt15iterator_traitsISC_E10value_type"
    "EPNSI_ISD_E10value_typeEPSE_NS1_7vsmem_tEENKUlT_SC_SD_SE_E_clIS7_S7_S7_S7_EESB_"
    "SR_SC_SD_SE_EUlSR_E_NS1_11comp_targetILNS1_3genE2ELNS1_11target_archE906ELNS1_3"
    "gpuE6ELNS1_3repE0EEENS1_48merge_mergepath_partition_config_static_selectorELNS0"
    "_4arch9wavefront6targetE1EEEvSD_"
)
ONNXRUNTIME = (
    "_ZN11onnxruntime4rocm46VariadicElementWiseNoBroadcastInputBatchKernelImNS0_6OP"
    "_MinImmmEELi8ELi4EEEvT0_mNS0_6TArrayIPKT_XT1_EEEPS6_"
)


@pytest.mark.parametrize(
    ("symbol", "size"),
    [
        (ROCPRIM, 1000),
        (ONNXRUNTIME, 200),
        ("_Z1fIJiidEEvDpRKT_U3AS1PKcPFvPvEA4_DF16_u6__bf16Dv4_fM1aFviE", 100),
    ],
)
def test_long_names_of_libraries_are_demangled(symbol, size):
    assert len(demangle(symbol)) > size


class Symbols:
    """Symbols at random, most of whose types are what was named before."""

    def __init__(self, random):
        self.random = random

    def one(self, *choices):
        """One of the choices; those that are functions are called."""
        chosen = self.random.choice(choices)
        return chosen if isinstance(chosen, str) else chosen()

    def many(self, make, least, most):
        return "".join(make() for _ in range(self.random.randint(least, most)))

    def back(self):
        return back_reference(self.random.choice((0, 1, 1, 2, 3, 4, 5, 6, 8, 12, 20)))

    def identifier(self):
        text = self.one("a", "foo", "x" * 30, "_GLOBAL__N_1")
        return f"{len(text)}{text}"

    def unqualified(self, depth):
        return self.one(
            self.identifier, self.identifier, self.identifier, "Ut_", "cl", "C1",
            lambda: f"L{self.identifier()}", lambda: f"{self.identifier()}B1b",
            lambda: f"Ul{self.many(lambda: self.type(depth), 1, 2)}E_",
        )  # fmt: skip

    def argument(self, depth):
        return self.one(
            lambda: self.type(depth), lambda: self.type(depth), "Li5E", "Lb1E", "XT_E",
            lambda: f"J{self.many(lambda: self.argument(depth - 1), 0, 3)}E",
        )  # fmt: skip

    def arguments(self, depth):
        return f"I{self.many(lambda: self.argument(depth), 1, 4)}E"

    def nested(self, depth):
        start = self.one("", "K", "St", "T_", self.back, self.back)
        levels = self.many(
            lambda: self.unqualified(depth) + self.one("", lambda: self.arguments(depth)),
            1, 3,
        )  # fmt: skip
        return f"N{start}{levels}E"

    def name(self, depth):
        if depth <= 0:
            return self.identifier()
        return self.one(
            self.identifier,
            lambda: self.nested(depth - 1),
            lambda: self.unqualified(depth - 1) + self.arguments(depth - 1),
            lambda: self.back() + self.arguments(depth - 1),
            lambda: f"Z{self.encoding(depth - 1)}E{self.identifier()}",
        )

    def type(self, depth):
        if depth <= 0:
            return self.one("i", "c", "T_", "T0_", "Ss", self.back, self.back, self.back)
        prefix = self.one("P", "R", "K", "VK", "A5_", "Dp", "U3AS1", "M1a", "Dv4_")
        return self.one(
            "j", self.back, self.back, lambda: prefix + self.type(depth - 1),
            lambda: f"F{self.many(lambda: self.type(depth - 1), 1, 3)}E",
            lambda: f"T_{self.arguments(depth - 1)}", lambda: self.name(depth - 1),
        )  # fmt: skip

    def encoding(self, depth):
        return self.name(depth) + self.many(lambda: self.type(depth), 1, 3)


@given(st.randoms(use_true_random=False), st.integers(2, 4))
def test_no_name_is_longer_than_it_was_said_to_be(random, depth):
    symbol = f"_Z{Symbols(random).encoding(depth)}"
    bounds = [mangled._crude(symbol)]
    with contextlib.suppress(mangled._Unknown):
        bounds.append(mangled._Parser(symbol, names.ROOM).length())
    if min(bounds) <= names.ROOM:
        assert len(pydemumble.demangle(symbol)) <= min(bounds)


@given(st.randoms(use_true_random=False), st.integers(2, 4))
def test_names_that_differ_in_letters_and_digits_alone_are_as_long(random, depth):
    """And any other bit makes another name."""
    symbol = f"_Z{Symbols(random).encoding(depth)}"
    parser = mangled._Parser(symbol, names.ROOM)
    try:
        size = parser.length()
    except mangled._Unknown:
        return
    shapes = mangled._Shapes()
    shapes.add(symbol, names.ROOM, parser.fixed)
    free = {0x00: "abcZEIS_059", 0xF0: "0123456789"}
    alike = "".join(
        random.choice(free[fixed]) if fixed in free else one
        for one, fixed in zip(symbol, parser.fixed, strict=True)
    )
    assert shapes.has(alike, names.ROOM)
    assert mangled._Parser(alike, names.ROOM).length() == size
    places = [place for place, fixed in enumerate(parser.fixed) if fixed == 0xFF]
    place = random.choice(places)
    other = symbol[:place] + chr(ord(symbol[place]) ^ 1) + symbol[place + 1 :]
    assert not shapes.has(other, names.ROOM)
    assert not shapes.has(symbol + "i", names.ROOM)
    assert not shapes.has(symbol, names.ROOM - 1)


def test_few_shapes_are_kept():
    shapes = mangled._Shapes()
    for size in range(2000):
        for letter in "abcdefgh":
            shapes.add(letter * size, 1, bytearray(b"\xff" * size))
    assert len(shapes._known) <= shapes.ALL
    assert all(len(known) <= shapes.EACH for known in shapes._known.values())


def test_a_digit_in_place_of_a_first_letter_is_part_of_the_length():
    parser = mangled._Parser("_Z3abcv", names.ROOM)
    parser.length()
    shapes = mangled._Shapes()
    shapes.add("_Z3abcv", names.ROOM, parser.fixed)
    assert shapes.has("_Z3axyv", names.ROOM)
    assert not shapes.has("_Z31bcv", names.ROOM)


def test_kernels_go_by_their_names_without_the_hash_of_a_unit() -> None:
    given = {
        "_ZL3fooPi.intern.0a1b": "_ZL3fooPi",
        "_ZL3fooPi.static.0a1b": "_ZL3fooPi",
        "_Z3fooPi": "_Z3fooPi",
        "kernel.intern.x.y": "kernel.intern.x.y",  # no hash at its end
        "a.b": "a.b",
    }
    assert {name: names.plain_kernel(name) for name in given} == given
    assert names.plain_kernels(given) == set(given.values())
    assert names.plain_kernels(["one", "one"]) == {"one"}
