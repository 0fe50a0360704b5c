"""Inflating ahead of the use: the same pieces, bounded, and nothing left behind."""

import threading
import zipfile
from contextlib import closing
from pathlib import Path

import pytest

from kinspect import inspect
from kinspect.errors import FormatError, Where
from kinspect.sources import inflate
from kinspect.sources import zip as zips
from tests.conftest import SAMPLES


def threads() -> int:
    return threading.active_count()


def test_the_same_pieces_in_order() -> None:
    pieces = [bytes([n]) * n for n in range(200)]
    before = threads()
    assert list(inflate.ahead(iter(pieces))) == pieces
    assert threads() == before


def test_damage_is_raised_where_it_is_met() -> None:
    def pieces():
        yield b"one"
        message = "damaged"
        raise FormatError(message, Where("x"))

    found = inflate.ahead(pieces())
    assert next(found) == b"one"
    with pytest.raises(FormatError, match="damaged"):
        next(found)


def test_what_nobody_asks_for_is_not_inflated() -> None:
    """Memory stays bounded, and the thread ends with its reader."""
    made = []

    def pieces():
        for n in range(1000):
            made.append(n)
            yield bytes([n % 256])

    before = threads()
    with closing(inflate.ahead(pieces())) as found:
        assert next(found) == b"\0"
        assert next(found) == b"\1"
    assert threads() == before
    assert len(made) <= inflate.AHEAD + 3


@pytest.mark.parametrize("large", [1, 1 << 30])
def test_members_read_alike(large: int, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(zips, "LARGE", large)
    wheel = tmp_path / "x.zip"
    names = ["deep_ep_both.so", "bundle_ccob.hipfb", "README.md"]
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.write(SAMPLES / name, name)
    found = [(b.path, len(b.bundles)) for b in inspect(wheel).binaries]
    assert found == [(f"{wheel}!deep_ep_both.so", 1), (f"{wheel}!bundle_ccob.hipfb", 1)]
    damaged = bytearray(wheel.read_bytes())
    damaged[2000] ^= 0x40
    wheel.write_bytes(damaged)
    (lost,) = inspect(wheel).unreadable
    assert lost.where.path == f"{wheel}!deep_ep_both.so"
