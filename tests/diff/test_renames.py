"""Which kernels count as renamed; mangled names are clang's, spelled out beside them."""

import shutil
import subprocess

import pytest

from kinspect.diff.renames import renames
from kinspect.diff.template import template


def test_a_namespace_that_is_called_after_a_version():
    old = "_ZN7rocprim17ROCPRIM_400100_NS1fIiEEvv"  # rocprim::ROCPRIM_400100_NS::f<int>
    new = "_ZN7rocprim17ROCPRIM_400200_NS1fIiEEvv"
    assert renames({old}, {new}) == {old: new}


@pytest.mark.parametrize("version", ["v2", "_V2", "__1"])
def test_other_namespaces_after_versions(version):
    old, new = (f"_ZN3lib{len(one)}{one}1fEv" for one in (version, version[:-1] + "3"))
    assert renames({old}, {new}) == {old: new}


def test_a_number_in_an_ordinary_namespace_is_no_version():
    """tile1::f and tile2::f are two kernels."""
    assert renames({"_ZN5tile11fEv"}, {"_ZN5tile21fEv"}) == {}


def test_an_abi_tag():
    old, new = "_Z1fB5cxx11i", "_Z1fi"  # f[abi:cxx11](int), f(int)
    assert renames({old}, {new}) == {old: new}


def test_other_parameters():
    old, new = "_Z1fIiEvPi", "_Z1fIiEvPii"  # void f<int>(int*), void f<int>(int*, int)
    assert renames({old}, {new}) == {old: new}
    assert renames({"_Z1fPi"}, {"_Z1fPii"}) == {"_Z1fPi": "_Z1fPii"}


def test_overloads_are_nobodys_guess():
    assert renames({"_Z1fPi", "_Z1fPf"}, {"_Z1fPii", "_Z1fPfi"}) == {}


def test_an_argument_was_added():
    """f<float, 64> became f<float, 64, 0>, and so for each size."""
    old = [f"_Z1fIfLi{n}EEvv" for n in (64, 128, 256)]
    new = [f"_Z1fIfLi{n}ELi0EEvv" for n in (64, 128, 256)]
    assert renames(set(old), set(new)) == dict(zip(old, new, strict=True))
    assert renames(set(new), set(old)) == dict(zip(new, old, strict=True))


def test_an_argument_was_changed():
    """f<1, 2> and f<3, 4> became f<1, 5> and f<6, 4>: each shares one with its own."""
    old = ["_Z1fILi1ELi2EEvv", "_Z1fILi3ELi4EEvv"]
    new = ["_Z1fILi1ELi5EEvv", "_Z1fILi6ELi4EEvv"]
    assert renames(set(old), set(new)) == dict(zip(old, new, strict=True))


def test_a_type_has_a_new_name():
    """Where another instance is new too, how the others changed decides."""
    sizes = (64, 128, 256)
    old = {f"_Z1fI4bf16Li{n}EEvv" for n in sizes}
    new = {f"_Z1fI6__bf16Li{n}EEvv" for n in sizes} | {"_Z1fIfLi64EEvv"}
    assert renames(old, new) == {
        f"_Z1fI4bf16Li{n}EEvv": f"_Z1fI6__bf16Li{n}EEvv" for n in sizes
    }


def test_a_change_that_was_seen_once_decides_nothing():
    old = {"_Z1fI4bf16Li64EEvv", "_Z1fI4bf16Li128EEvv"}
    new = {"_Z1fI6__bf16Li64EEvv", "_Z1fI6__bf16Li128EEvv", "_Z1fIfLi64EEvv"}
    assert renames(old, new) == {"_Z1fI4bf16Li128EEvv": "_Z1fI6__bf16Li128EEvv"}


def test_the_only_instance_has_other_arguments():
    old, new = "_Z4gemmILi16ELi16ELb0EEvv", "_Z4gemmILi32ELi64ELb1EEvv"
    assert renames({old}, {new}) == {old: new}
    assert renames({old}, {new, "_Z4gemmILi8ELi8ELb1EEvv"}) == {}


def test_another_kernel_is_another_kernel():
    assert renames({"_Z1fi"}, {"_Z1gi"}) == {}
    assert renames({"_Z1fIiEvv"}, {"_Z1gIiEvv"}) == {}
    assert renames({"Cijk_MT64"}, {"Cijk_MT32"}) == {}  # no C++ name


def test_names_that_are_no_good():
    odd = {"", ")", "f)", "_Z1f>", "operator<", "_Z", "a<b", "((", "<>", "f<>()", ",>)"}
    for name in odd:
        assert template(name).head in name
        assert renames({name}, {f"{name} "}) in ({}, {name: f"{name} "})


@pytest.mark.parametrize(
    ("symbol", "head", "args"),
    [
        ("_Z1fIfLi64EEvPf", "void f", ("float", "64")),
        ("_Z1fPi", "f", ()),
        ("plain_c", "plain_c", ()),
        # void f<g<int, float>, h<1, 2>>(int)
        ("_Z1fI1gIifE1hILi1ELi2EEEvi", "void f", ("g<int, float>", "h<1, 2>")),
        # void f<int (*)(int, int)>(int)
        ("_Z1fIPFiiiEEvi", "void f", ("int (*)(int, int)",)),
        # void a::f<(a::E)1>(): an enumerator
        ("_ZN1a1fILNS_1EE1EEEvv", "void a::f", ("(a::E)1",)),
    ],
)
def test_a_name_is_taken_apart(symbol, head, args):
    found = template(symbol)
    assert (found.head, found.args) == (head, args)
    demangler = shutil.which("c++filt")
    if demangler:
        done = subprocess.run(
            [demangler, symbol], capture_output=True, text=True, check=True
        )
        spelled = f"{head}<{', '.join(args)}>(" if args else head
        assert done.stdout.replace("> >", ">>").startswith(spelled)
