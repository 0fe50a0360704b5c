"""The loader agrees with clang's unbundler, which the runtime runs on compressed bundles.

comgr calls `OffloadBundler::UnbundleFiles` with HipOpenmpCompatible; so does
`clang-offload-bundler -unbundle -hip-openmp-compatible`. LLVM 19 knows gfx942, and not
gfx950, and reads CCOB up to version 2.
"""

import itertools
import subprocess
from dataclasses import replace

import pytest

from kinspect.loader import choose
from kinspect.lookup import How, mismatch
from kinspect.runtime import NEWEST
from kinspect.target import TargetID
from tests.reading import read
from tests.writers import Slot, bundle, ccob
from tests.writers.bundles import device

pytestmark = pytest.mark.oracle

#: one name is asked for, as the tests do
NATIVE = replace(NEWEST, generic_compressed=False, spirv=False)
MI300X = "gfx942:sramecc+:xnack-"


@pytest.fixture
def unbundle(tool, tmp_path):
    """What the unbundler writes for a target: the bytes, empty if it finds nothing."""

    def ask(data, target):
        (tmp_path / "in.o").write_bytes(data)
        (tmp_path / "out.o").unlink(missing_ok=True)
        command = [tool("clang-offload-bundler-19"), "-unbundle", "-type=o"]
        command += ["-allow-missing-bundles", "-hip-openmp-compatible"]
        command += [f"-targets=hipv4-amdgcn-amd-amdhsa--{target}"]
        command += [f"-input={tmp_path / 'in.o'}", f"-output={tmp_path / 'out.o'}"]
        subprocess.run(command, check=True, capture_output=True)
        return (tmp_path / "out.o").read_bytes()

    return ask


def packed(*ids, empty=()):
    """A compressed bundle whose entries hold their own number."""
    slots = [
        Slot(text, b"" if number in empty else b"%d" % number)
        for number, text in enumerate(ids)
    ]
    return ccob(bundle(*slots), 2)


def ours(data, target):
    """The bytes of the entry that is chosen; None where nothing is certain."""
    (found,) = read(data, code_objects=False).bundles
    choice = choose(found.entries, TargetID.parse(target), NATIVE, compressed=True)
    if choice.entry is not None:
        assert choice.how is How.NATIVE
        start = next(i for i, e in enumerate(found.entries) if e is choice.entry)
        return b"%d" % (start - 1)  # behind the host's entry
    suits = [
        e
        for e in found.entries
        if not mismatch(e.id, TargetID.parse(target), compressed=True)
    ]
    return None if suits else b""


def spellings(processor, signs):
    for sramecc, xnack in itertools.product(signs, repeat=2):
        words = [f + s for f, s in (("sramecc", sramecc), ("xnack", xnack)) if s]
        yield ":".join([processor, *words])


@pytest.mark.parametrize("target", [MI300X, "gfx942:sramecc-:xnack+"])
def test_every_mode_of_one_entry(unbundle, target):
    for name in spellings("gfx942", ("", "+", "-")):
        data = packed(device(name))
        assert unbundle(data, target) == ours(data, target), name


@pytest.mark.parametrize("kind", ["hip", "hipv4", "openmp", "hcc", "host"])
@pytest.mark.parametrize("env", ["", "unknown", "gnu"])
def test_every_kind_and_environment(unbundle, kind, env):
    data = packed(device("gfx942", kind, env), device("gfx90a"))
    expected = ours(data, MI300X)
    if expected is None:
        assert kind == "openmp"  # it suits, and is none of HIP's
        expected = b"0"
    assert unbundle(data, MI300X) == expected


@pytest.mark.parametrize(
    "names",
    [
        ["gfx942-"],
        ["gfx942:xnack"],
        ["gfx942:tgsplit+"],
        ["GFX942"],
        ["gfx942\0"],
        ["gfx90a", "gfx942", "gfx1100"],
        ["gfx942:xnack+", "gfx942:xnack-"],
        ["gfx942:xnack-:sramecc+"],
        ["gfx1100"],
    ],
)
def test_spellings_and_companies(unbundle, names):
    data = packed(*map(device, names))
    assert unbundle(data, MI300X) == ours(data, MI300X)


@pytest.mark.parametrize(
    ("names", "empty"),
    [
        ([device("gfx942", "openmp"), device("gfx942")], ()),
        ([device("gfx942"), device("gfx942:xnack-")], (0,)),
        ([device("gfx942"), device("gfx942:xnack-")], (1,)),
    ],
)
def test_where_nothing_is_certain_nothing_is_promised(unbundle, names, empty):
    """Which one it is hangs on a hash; kinspect says that none is there for sure."""
    data = packed(*names, empty=empty)
    assert ours(data, MI300X) is None
    assert unbundle(data, MI300X) in {b"0", b"1", b""}


def test_of_one_id_the_last_is_kept(unbundle):
    data = packed(device("gfx942"), device("gfx942"))
    assert unbundle(data, MI300X) == ours(data, MI300X) == b"1"


def test_an_entry_outside_of_the_bundle_ends_the_reading(unbundle):
    slots = [Slot(device("gfx942"), b"0"), Slot(device("gfx90a"), b"1", offset=0)]
    try:
        found = unbundle(ccob(bundle(*slots), 2), MI300X)
    except subprocess.CalledProcessError:
        return  # it fails as a whole
    assert found == b""
