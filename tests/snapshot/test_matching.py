"""Which binary of another build is the same one."""

import pytest

from kinspect.snapshot import BinaryRecord, Snapshot
from kinspect.snapshot.matching import pairs

V1 = "deep_ep-1.0-cp312-cp312-linux_x86_64.whl"
V2 = "deep_ep-1.1+rocm7.0.git1a2b-cp312-cp312-linux_x86_64.whl"
LIB = "deep_ep_cpp.cpython-312-x86_64-linux-gnu.so"


def paired(old, new):
    """Names of the old binaries, each with its partner, in any order."""
    before, after = (
        Snapshot(tuple(BinaryRecord(*name) for name in names)) for names in (old, new)
    )
    found = pairs(before, after)
    return {
        (
            (one.artifact, one.path) if one else None,
            (two.artifact, two.path) if two else None,
        )
        for one, two in found
    }


OTHER = ("x.so", "other_library.so")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ((V1, LIB), (V1, LIB)),
        ((V1, LIB), (V2, LIB)),
        # another Python
        ((V1, LIB), (V1.replace("312", "313"), LIB.replace("312", "313"))),
        ((V1, "a/b.abi3.so"), (V1, "a/b.cpython-312-x86_64-linux-gnu.so")),
        # a build number and another platform tag
        (
            ("a_b-1.0-cp39-abi3-manylinux_2_28_x86_64.whl", "a_b/l.so"),
            ("a_b-2.0.1-3-cp39-abi3-manylinux_2_34_x86_64.whl", "a_b/l.so"),
        ),
        # a wheel whose version has no dot
        (("w-20260101-py3-none-any.whl", "l.so"), ("w-20260202-py3-none-any.whl", "l.so")),
        # names inside of a wheel that carry versions
        ((V1, "deep_ep-1.0.data/purelib/l.so"), (V2, "deep_ep-1.1.data/purelib/l.so")),
        ((V1, "deep_ep.libs/libr-1a2b3c4d.so.5"), (V2, "deep_ep.libs/libr-0a0b0c0d.so.5")),
        (("lib", "libfoo.so.1.2.3"), ("lib", "libfoo.so.1.3.0")),
        # a wheel in a directory, a directory, a tar
        (("dist", f"{V1}!{LIB}"), ("dist", f"{V2}!{LIB}")),
        (("dist", f"{V1}!{LIB}"), ("out", f"{V2}!{LIB}")),
        ((V1, LIB), ("build", LIB)),
        (
            ("foo-1.2.3.tar.gz", "foo-1.2.3/lib/l.so"),
            ("foo-1.3.tar.gz", "foo-1.3/lib/l.so"),
        ),
        (
            ("foo_1.2-3_amd64.deb", "data.tar!l.so"),
            ("foo_1.4-1_amd64.deb", "data.tar!l.so"),
        ),
        (
            ("build", "lib.linux-x86_64-cpython-312/l.so"),
            ("build", "lib.linux-x86_64-cpython-313/l.so"),
        ),
        # a package that carries its ROCm in its name
        (
            ("jax_rocm60_plugin-0.5.0-py3-none-any.whl", "jax_rocm60_plugin/_linalg.so"),
            ("jax_rocm7_plugin-0.10.2-py3-none-any.whl", "jax_rocm7_plugin/_linalg.so"),
        ),
        (("out", "opt/rocm-6.4/lib/l.so"), ("out", "opt/rocm/lib/l.so")),
    ],
)
def test_versions_and_tags_do_not_matter(old, new):
    assert paired([old, OTHER], [new, OTHER]) == {(old, new), (OTHER, OTHER)}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("libbitsandbytes_rocm64.so", "libbitsandbytes_rocm70.so"),
        ("libfoo2.so", "libfoo3.so"),
        ("liba.so", "libb.so"),
        ("gfx942/l.so", "gfx950/l.so"),
        ("gfx942_rocm70/l.so", "gfx950_rocm70/l.so"),
        ("lib/libl_rocm70.so", "lib/libl_rocm71.so"),
    ],
)
def test_numbers_that_are_no_versions_do(old, new):
    old, new = (V1, old), (V1, new)
    assert paired([old, OTHER], [new, OTHER]) == {(old, None), (None, new), (OTHER, OTHER)}


def test_the_finest_key_that_fits_decides():
    """Two wheels for two Pythons: each has the partner of its own Python."""
    old = [
        (f"w-1.0-{py}-{py}-any.whl", f"l.cpython-{py[2:]}.so") for py in ("cp311", "cp312")
    ]
    new = [
        (f"w-1.1-{py}-{py}-any.whl", f"l.cpython-{py[2:]}.so") for py in ("cp312", "cp313")
    ]
    assert paired(old, new) == {(old[1], new[0]), (old[0], new[1])}


def test_what_one_of_several_could_be_is_nobodys_guess():
    old = [("w-1.0-cp311-cp311-any.whl", "l.so"), ("w-1.0-cp312-cp312-any.whl", "l.so")]
    new = [("w-1.1-cp313-cp313-any.whl", "l.so")]
    assert paired(old, new) == {(old[0], None), (old[1], None), (None, new[0])}


def test_members_of_one_name_are_paired_in_order():
    """A static library may hold two members of one name."""
    two = [("lib.a", "context.o"), ("lib.a", "context.o")]
    assert paired(two, two) == {(two[0], two[0])}
    before, after = (Snapshot(tuple(BinaryRecord(*n) for n in two)) for _ in "ab")
    assert [
        (one is before.binaries[i], two is after.binaries[i])
        for i, (one, two) in enumerate(pairs(before, after))
    ] == [(True, True)] * 2


def test_a_single_binary_is_held_against_a_single_one_whatever_they_are_called():
    assert paired([("old.so", "old.so")], [("new.so", "new.so")]) == {
        (("old.so", "old.so"), ("new.so", "new.so"))
    }


def test_a_single_binary_of_a_wheel_keeps_its_name():
    """A rename breaks whoever imports it."""
    old, new = (V1, "liba.so"), (V1, "libb.so")
    assert paired([old], [new]) == {(old, None), (None, new)}
