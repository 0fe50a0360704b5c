"""Memory is bounded by the largest member, and by nothing else in an archive."""

import gzip
import os
import subprocess
import sys
import zipfile

import pytest
import zstandard

from tests.conftest import SAMPLES
from tests.writers import Host, bundle, ccob, code_object, images, packages

pytestmark = pytest.mark.slow

MB = 1_000_000
GOOD = (SAMPLES / "per_tu_both.so").read_bytes()
#: what Python and kinspect take, beside the member
REST = 60 * MB


def large(size):
    """A good library with bytes behind it that no loader reads, as debug sections are."""
    block = os.urandom(MB)
    return GOOD + block * (size // MB)


def peak(path, expected=0, command=("verify", "-q")):
    """Bytes that a command takes at most: another process starts it, as memory is inherited."""
    program = (
        "import resource, subprocess, sys\n"
        "code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode\n"
        "print(code, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024)"
    )
    whole = [sys.executable, "-m", "kinspect", *command, str(path)]
    done = subprocess.run(
        [sys.executable, "-c", program, *whole],
        capture_output=True,
        text=True,
        check=True,
    )
    code, size = map(int, done.stdout.split())
    assert code == expected
    return size


def write_wheel(path, members, compression=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", compression, compresslevel=0) as archive:
        for name, content in members:
            archive.writestr(name, content)
        archive.writestr("x-1.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr(
            "x-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: x\nVersion: 1\n"
        )


def test_sizes_of_many_bundles_take_the_memory_of_one(tmp_path):
    """Inflated, packed anew, compressed: three times its bytes, however many there are."""
    size, number = 30 * MB, 8
    bundles = []
    for _ in range(number):
        code = code_object("gfx942", "kernel") + os.urandom(size)
        data = ccob(bundle(("gfx942", code), ("gfx950", code_object("gfx950"))), 3)
        bundles.append(data + bytes(-len(data) % 4096))
    path = tmp_path / "lib.so"
    path.write_bytes(Host(b"".join(bundles)).build().data)
    options = ("size", "--without", "gfx950", "--compress", "1")
    assert peak(path, command=options) < REST + 4 * size < number * size


def test_a_wheel_member_of_500_mb(tmp_path):
    path = tmp_path / "x.whl"
    write_wheel(path, [("x/lib.so", large(500 * MB))])
    assert peak(path) < 500 * MB + REST


def test_members_of_a_wheel_one_after_the_other(tmp_path):
    """Four of 100 MB take what one does."""
    path = tmp_path / "x.whl"
    content = large(100 * MB)
    write_wheel(path, [(f"x/lib{n}.so", content) for n in range(4)])
    assert peak(path) < 100 * MB + REST


def test_what_is_stored_takes_no_memory(tmp_path):
    path = tmp_path / "x.whl"
    write_wheel(path, [("x/lib.so", large(500 * MB))], zipfile.ZIP_STORED)
    assert peak(path) < REST


def tarred(content, count):
    return images.layer({f"lib{n}.so": content for n in range(count)})


STREAMS = {
    "x.tar.gz": lambda content: gzip.compress(tarred(content, 3), 0),
    "x.tar.zst": lambda content: zstandard.compress(tarred(content, 3), 0),
    "x.deb": lambda content: packages.deb(
        {f"lib{n}.so": content for n in range(3)},
        suffix=".zst",
        compress=lambda data: zstandard.compress(data, 1),
    ),
    "x.rpm": lambda content: packages.rpm(
        {f"lib{n}.so": content for n in range(3)},
        compress=lambda data: zstandard.compress(data, 1),
    ),
    "image.tar": lambda content: images.tar(
        images.oci([tarred(content, 3)], compress=lambda data: gzip.compress(data, 0))
    ),
    # inflated to a temporary file, not to memory
    "image.tar.gz": lambda content: gzip.compress(
        images.tar(images.oci([tarred(content, 3)])), 0
    ),
    "lib.so.zst": lambda content: zstandard.compress(content, 1),
}


@pytest.mark.parametrize("name", STREAMS)
def test_streams(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(STREAMS[name](large(100 * MB)))
    assert peak(path) < 100 * MB + REST


def test_an_uncompressed_image_takes_no_memory(tmp_path):
    path = tmp_path / "image.tar"
    path.write_bytes(images.tar(images.oci([tarred(large(100 * MB), 3)])))
    assert peak(path) < REST


@pytest.mark.corpus
def test_the_largest_library_of_the_corpus(wheel):
    """513,394,976 bytes with 95 bundles and 81,688 kernels."""
    assert peak(wheel("onnxruntime"), expected=1) < 513_394_976 + 80 * MB
