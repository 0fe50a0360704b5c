"""What a host registers, by names in its read-only data."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinspect.formats import code_object as objects
from kinspect.formats.container import Reader
from kinspect.hosts.host import HIPF, Host, Wrapper
from kinspect.hosts.registered import completed, registered_names, unnamed
from kinspect.model import Registration
from tests.reading import view
from tests.writers import Kernel, bundle, code_object

STEP = 1 << 20


def names(*data):
    return registered_names(tuple(view(one) for one in data))


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"_Z1kv\0", {"_Z1kv"}),  # no NUL before the first text
        (b"\0_Z1kv\0", {"_Z1kv"}),
        (b"text\0_Z1kv\0_ZN1a1bE.x$y\0", {"_Z1kv", "_ZN1a1bE.x$y"}),
        (b"text_Z1kv\0", set()),  # the end of another text
        (b"\0_Z1kv", set()),  # no end
        (b"_Z1kv", set()),
        (b"\0_Z1\0", set()),  # nothing is that short
        (b"\0_Z12\0", {"_Z12"}),
        (b"\0_Z1k v\0", set()),
        (b"\0Z1kv\0kernel\0", set()),
    ],
)
def test_a_mangled_name_is_a_whole_text(data, expected):
    assert names(data) == expected


def test_names_of_all_sections_are_one_set():
    assert names(b"\0_Z1av\0", b"", b"_Z1bv\0") == {"_Z1av", "_Z1bv"}


@pytest.mark.parametrize("at", [*range(STEP - 12, STEP + 3), 2 * STEP - 3])
def test_a_name_may_lie_across_the_pieces_that_are_read(at):
    data = bytes(at) + b"\0_Z6kernelv\0" + bytes(20)
    assert names(data) == {"_Z6kernelv"}


def test_the_end_of_a_text_is_no_name_where_a_piece_begins():
    assert names(b"x" * STEP + b"_Z6kernelv\0") == frozenset()


@given(
    st.lists(st.text("abN1._$", min_size=2, max_size=20), max_size=6),
    st.sampled_from([b"\0", b"\0text\0", bytes(9)]),
)
def test_what_was_written_is_found(suffixes, between):
    texts = [f"_Z{one}" for one in suffixes]
    assert names(between.join([b"", *(one.encode() for one in texts), b""])) == set(texts)


# --- variables --------------------------------------------------------------------------

WRAPPER = Wrapper(0, HIPF, 1, 0, None)


def read(**variables):
    """A bundle: for each target, the variables that its code object has."""
    parts = {
        target: code_object(
            target, *(Kernel("k", symbol=name, listed=False) for name in names)
        )
        for target, names in variables.items()
    }
    return Reader(opener=objects.parse).read(view(bundle(*parts.items())))


HOST = Host("elf64-x86-64", (WRAPPER,), data=(view(b"\0lost\0both\0almost\0"),))


def test_a_variable_in_dispute_is_looked_for_by_name():
    """One code object of a bundle has it, another has not, and the host names it."""
    found = read(gfx942=["both", "lost", "unnamed"], gfx950=["both"])
    assert completed(HOST, [found]).variables == ("lost",)
    # as a whole text: `most` is the end of another
    assert completed(HOST, [read(gfx942=["most"], gfx950=["x"])]).variables == ()


def test_what_no_sibling_lacks_is_not_in_dispute():
    assert completed(HOST, [read(gfx942=["lost"], gfx950=["lost"])]).variables == ()
    assert completed(HOST, [read(gfx942=["lost"])]).variables == ()
    assert completed(HOST, [read(gfx942=["lost"]), read(gfx950=["both"])]).variables == ()
    assert completed(HOST, []).variables == ()
    damaged = bundle(("gfx942", b"no code"), ("gfx950", b"none"))
    broken = Reader(opener=objects.parse).read(view(damaged))
    assert completed(HOST, [broken]).variables == ()


def test_many_names_are_looked_for_at_once():
    """More than are searched one by one; some stand there, as a part of a text or whole."""
    names = [f"variable_{number:02}" for number in range(20)]
    found = read(gfx942=names, gfx950=["x"])
    texts = b"\0other\0variable_03\0xvariable_04\0variable_05x\0variable_06\0variable_07"
    host = HOST._replace(data=(view(texts), view(b"\0variable_11\0")))
    told = completed(host, [found]).variables
    assert told == ("variable_03", "variable_06", "variable_11")


def test_a_table_or_no_wrapper_leaves_nothing_to_look_for():
    disputed = [read(gfx942=["lost"], gfx950=["both"])]
    assert completed(HOST, disputed).variables == ("both", "lost")
    exact = HOST._replace(registration=Registration(variables=("v",), exact=True))
    assert completed(exact, disputed).variables == ("v",)
    stubs = frozenset({"__device_stub__kernel"})
    bare = HOST._replace(stubs=stubs, data=())
    assert unnamed(bare) == ("kernel",)
    assert unnamed(exact._replace(stubs=stubs)) == ()
    assert unnamed(bare._replace(wrappers=())) == ()
    assert completed(HOST._replace(wrappers=()), disputed).variables == ()


# --- kernels by their stubs -------------------------------------------------------------


@pytest.mark.parametrize(
    ("stub", "data", "told"),
    [
        ("__device_stub__kernel", b"\0kernel\0", ()),
        ("__device_stub__kernel", b"xkernel\0", ()),  # the end of a longer text
        ("__device_stub__kernel", b"\0kernels\0", ("kernel",)),
        ("__device_stub__kernel", b"", ("kernel",)),
        # a static kernel of an RDC compile goes by another name on the device
        ("_ZL18__device_stub__fooPi", b"\0_ZL3fooPi.intern.0123\0", ()),
        ("_ZL18__device_stub__fooPi", b"\0_ZL3fooPi.static.0123\0", ()),
        ("_ZL18__device_stub__fooPi", b"\0_ZL3fopPi\0", ("_ZL3fooPi",)),
        # one of several possible names will do
        ("_ZN12_GLOBAL__N_119__device_stub__anonEPi", b"\0_ZN12_GLOBAL__N_14anonEPi\0", ()),
        ("_Z5__device_stub__", b"", ()),  # no stub
    ],
)
def test_a_kernel_with_a_stub_is_named_in_the_data(stub, data, told):
    host = HOST._replace(stubs=frozenset({stub}), data=(view(data),))
    assert unnamed(host) == told


def test_names_that_were_found_already_are_not_looked_for_again():
    named = Registration(kernels=("_Z3fooPi",))
    host = HOST._replace(
        stubs=frozenset({"_Z18__device_stub__fooPi"}), registration=named, data=()
    )
    assert unnamed(host) == ()


@pytest.mark.parametrize("at", [STEP - 10, STEP - 3, STEP, 2 * STEP + 5])
def test_a_name_across_the_pieces_that_are_read_counts(at):
    data = bytes(at) + b"kernel\0" + bytes(9)
    host = HOST._replace(stubs=frozenset({"__device_stub__kernel"}), data=(view(data),))
    assert unnamed(host) == ()
