"""One member that can't be read: told with its breadcrumb, and the rest is judged.

For every kind of container: damaged, encrypted where the format knows it, cut, a bomb.
The good library beside it never makes the artifact pass, the bad one is still found.
"""

import bz2
import gzip
import lzma
import struct
import zlib
from typing import Any

import pytest
import zstandard

from kinspect import Limits, Verdict, verify
from tests.conftest import SAMPLES
from tests.writers import images, packages
from tests.writers.images import layer, tar

GOOD = (SAMPLES / "per_tu_both.so").read_bytes()
BAD = (SAMPLES / "per_tu_one_lacks.so").read_bytes()
#: what is not a binary, and what looks like one and is larger than a limit
BOMB = b"\x7fELF" + bytes(8_000_000)
#: room for everything but the bomb
LIMITS = Limits(member=1_000_000)


def zipped(files, *, damage="", encrypt="", method=8):
    """A zip by hand: local headers with their data, then the directory."""
    body, directory = b"", b""
    for name, content in files.items():
        raw = zlib.compressobj(9, zlib.DEFLATED, -15)
        packed = raw.compress(content) + raw.flush() if method else content
        if name == damage:
            packed = packed[:40] + bytes([packed[40] ^ 0xFF]) + packed[41:]
        facts = [20, int(name == encrypt), method, 0, 0x21, zlib.crc32(content)]
        facts += [len(packed), len(content), len(name), 0]
        at = len(body)
        body += struct.pack("<I5H3I2H", 0x04034B50, *facts) + name.encode() + packed
        directory += struct.pack("<I6H3I5H2I", 0x02014B50, 20, *facts, 0, 0, 0, 0, at)
        directory += name.encode()
    counts = (0, 0, len(files), len(files), len(directory), len(body), 0)
    return body + directory + struct.pack("<I4H2IH", 0x06054B50, *counts)


#: containers of files, in their order
CONTAINERS = {
    "zip": zipped,
    "stored zip": lambda files: zipped(files, method=0),
    "tar": tar,
    "tar.gz": lambda files: gzip.compress(tar(files)),
    "tar.bz2": lambda files: bz2.compress(tar(files), 1),
    "tar.xz": lambda files: lzma.compress(tar(files)),
    "tar.zst": lambda files: zstandard.compress(tar(files)),
    "ar": packages.ar,
    "deb": lambda files: packages.deb(files, suffix=".xz", compress=lzma.compress),
    "conda": packages.conda,
    "rpm": lambda files: packages.rpm(files, compress=zstandard.compress),
    "image": lambda files: images.tar(images.oci([layer(files)])),
    "image gzip": lambda files: images.tar(
        images.oci([layer(files)], compress=images.gzipped, suffix="+gzip")
    ),
    "image.tar.gz": lambda files: gzip.compress(images.tar(images.oci([layer(files)]))),
}


def judged(tmp_path, data, **options):
    path = tmp_path / "x"
    path.write_bytes(data)
    report = verify(path, **options)
    found = {
        rule: {f.path.removeprefix(f"{path}!") for f in report.findings if f.rule == rule}
        for rule in ("unreadable", "missing-target")
    }
    return report.verdict, found["unreadable"], found["missing-target"]


#: containers whose members are views of them, and take no memory of their own
IN_PLACE = {"stored zip", "tar", "ar", "image", "image.tar.gz"}


@pytest.mark.parametrize("kind", sorted(CONTAINERS.keys() - IN_PLACE))
def test_a_bomb_is_told_and_the_rest_is_judged(tmp_path, kind):
    files = {"a.so": GOOD, "bomb.so": BOMB, "z.so": BAD}
    verdict = judged(tmp_path, CONTAINERS[kind](files), limits=LIMITS)
    assert verdict == (Verdict.FAIL, {"bomb.so"}, {"z.so"})
    del files["z.so"]
    verdict = judged(tmp_path, CONTAINERS[kind](files), limits=LIMITS)
    assert verdict == (Verdict.UNKNOWN, {"bomb.so"}, set())


@pytest.mark.parametrize("kind", CONTAINERS)
def test_a_member_that_is_no_archive_though_it_starts_like_one(tmp_path, kind):
    damaged = {"gz": gzip.compress(GOOD)[:-9], "zip": b"PK\x03\x04" + bytes(100)}
    damaged |= {
        "zst": zstandard.compress(GOOD)[:-9],
        "rpm": b"\xed\xab\xee\xdb" + bytes(99),
    }
    for name, content in damaged.items():
        files = {"a.so": GOOD, f"x.{name}": content, "z.so": BAD}
        verdict, unreadable, missing = judged(tmp_path, CONTAINERS[kind](files))
        assert (verdict, missing) == (Verdict.FAIL, {"z.so"})
        assert {path.split("!")[0] for path in unreadable} == {f"x.{name}"}
        del files["z.so"]
        assert judged(tmp_path, CONTAINERS[kind](files))[0] is Verdict.UNKNOWN


@pytest.mark.parametrize("method", [0, 8])
def test_a_damaged_entry_of_a_zip(tmp_path, method):
    files = {"a.so": GOOD, "bad.so": GOOD, "z.so": BAD}
    data = zipped(files, method=method)
    assert judged(tmp_path, data) == (Verdict.FAIL, set(), {"z.so"})
    for spoiled in ({"damage": "bad.so"}, {"encrypt": "bad.so"}):
        data = zipped(files, method=method, **spoiled)
        assert judged(tmp_path, data) == (Verdict.FAIL, {"bad.so"}, {"z.so"})
        data = zipped({"a.so": GOOD, "bad.so": GOOD}, method=method, **spoiled)
        assert judged(tmp_path, data) == (Verdict.UNKNOWN, {"bad.so"}, set())


@pytest.mark.parametrize("kind", ["tar", "ar", "image", "stored zip"])
def test_a_header_that_is_damaged(tmp_path, kind):
    """What comes before it is judged, and the place is told."""
    data = bytearray(CONTAINERS[kind]({"a.so": BAD, "bad.so": GOOD, "z.so": GOOD}))
    at = data.index(b"bad.so")
    data[at : at + 60] = b"?" * 60
    verdict, unreadable, missing = judged(tmp_path, data)
    assert (verdict, missing) == (Verdict.FAIL, {"a.so"})
    assert unreadable
    data = data.replace(BAD, GOOD)
    assert judged(tmp_path, data)[0] is Verdict.UNKNOWN


def noise(size):
    """Bytes that look like a binary and can't be compressed."""
    parts = (zlib.crc32(n.to_bytes(4)).to_bytes(4) for n in range(size // 4))
    return b"\x7fELF" + b"".join(parts)


@pytest.mark.parametrize(
    "kind", ["tar", "tar.gz", "tar.bz2", "tar.xz", "tar.zst", "ar", "rpm"]
)
def test_what_comes_before_a_cut_is_judged(tmp_path, kind):
    last = noise(240_000)
    data = CONTAINERS[kind]({"a.so": BAD, "last.so": last})
    cut = judged(tmp_path, data[: len(data) - len(last) // 2])
    # a plain tar is told as well
    assert cut in [
        (Verdict.FAIL, told, {"a.so"})
        for told in ({"last.so"}, {"last.so", f"{tmp_path}/x"})
    ]
    data = CONTAINERS[kind]({"a.so": GOOD, "last.so": last})
    assert judged(tmp_path, data[: len(data) - len(last) // 2])[0] is Verdict.UNKNOWN


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("zip", "{path}"),  # the directory comes last: without it, nothing can be told
        ("stored zip", "{path}"),
        ("conda", "{path}"),
        ("deb", "data.tar.xz"),
        ("image.tar.gz", "{path}"),
    ],
)
def test_a_container_that_is_cut_is_told(tmp_path, kind, told):
    data = CONTAINERS[kind]({"a.so": BAD, "last.so": noise(240_000)})
    expected: Any = (Verdict.UNKNOWN, {told.format(path=tmp_path / "x")}, set())
    assert judged(tmp_path, data[: len(data) // 2]) == expected


@pytest.mark.parametrize("suffix", ["", "+gzip", "+zstd"])
def test_a_layer_that_is_cut(tmp_path, suffix):
    """Its blob says another size; what can be read is judged, and the other layers are."""
    compress: Any = {"": bytes, "+gzip": images.gzipped, "+zstd": zstandard.compress}[
        suffix
    ]
    layers = [layer({"low.so": BAD}), layer({"a.so": BAD, "cut.so": GOOD})]
    files = images.oci(layers, compress=compress, suffix=suffix)
    name = images.blob(compress(layers[1]))
    end = -len(GOOD) // 2 - 1024 if not suffix else -100
    files[name] = files[name][:end]
    verdict, unreadable, missing = judged(tmp_path, images.tar(files))
    assert verdict is Verdict.FAIL
    assert "low.so" in missing
    assert {name, "cut.so"} <= unreadable or {name} <= unreadable


#: containers whose format has a checksum over what is compressed, and where that starts
CHECKED = {
    "tar.gz": b"\x1f\x8b\x08",
    "tar.bz2": b"BZh",
    "tar.xz": b"\xfd7zXZ",
    "deb": b"\xfd7zXZ",
    "conda": b"\x28\xb5\x2f\xfd",
    "rpm": b"\x28\xb5\x2f\xfd",
}


@pytest.mark.parametrize("kind", CHECKED)
def test_a_flipped_bit_of_a_stream_never_passes(tmp_path, kind):
    data = CONTAINERS[kind]({"a.so": GOOD})
    assert judged(tmp_path, data)[0] is Verdict.PASS
    start = data.rindex(CHECKED[kind]) if kind == "deb" else data.index(CHECKED[kind])
    start += 10 if kind == "tar.gz" else 0  # gzip's own header has a time
    end = data.index(b"PK", start) if kind == "conda" else len(data) - 2
    passed = []
    for at in range(start, end, max((end - start) // 60, 1)):
        spoiled = bytearray(data)
        spoiled[at] ^= 0x10
        if judged(tmp_path, spoiled)[0] is Verdict.PASS:
            passed.append(at)
    assert passed == []
