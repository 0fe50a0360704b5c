"""The kpack reference of a host binary: where its device code went.

Source: ROCm/rocm-systems shared/kpack, python/rocm_kpack/elf/kpack_transform.py
(section `.rocm_kpack_ref`) and coff/kpack_transform.py (`.kpackrf`); runtime/src/
loader.cpp, `parse_hipk_metadata`; for the extent, the msgpack specification.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple, TypeVar

import msgspec

from kinspect.errors import FormatError
from kinspect.kpack import KpackReference
from kinspect.limits import KiB
from kinspect.view import View

#: how much of a reference the loader reads (loader.cpp, MAX_METADATA_SIZE)
REFERENCE: Final = 64 * KiB

T = TypeVar("T")


class _Reference(msgspec.Struct, frozen=True):
    kernel_name: str
    kpack_search_paths: list[object]


def parse_reference(view: View) -> KpackReference:
    """Parse the reference at the start of `view`; raise FormatError.

    Bytes may follow: nothing but the msgpack itself says where it ends.
    """
    window = view.slice(0, min(len(view), REFERENCE), "kpack reference")
    whole = window.slice(0, _extent(window))
    reference = decode(_Reference, whole)
    # as the loader does: what is no text is passed over
    paths = [path for path in reference.kpack_search_paths if isinstance(path, str)]
    if not paths:
        message = "kpack reference without search paths"
        raise FormatError(message, view.where())
    return KpackReference(reference.kernel_name, tuple(paths))


class _Format(NamedTuple):
    """A msgpack format: bytes after the first, and what a count in them counts."""

    size: int
    counted: int = 0  #: bytes of the count
    elements: int = 0  #: objects for each; if none, it counts bytes


_MSGPACK: Final[Mapping[int, _Format]] = MappingProxyType(
    {first: _Format(0) for first in (0xC0, 0xC2, 0xC3)}
    | {first: _Format(1 << (first - 0xCC) % 4) for first in range(0xCC, 0xD4)}
    | {0xCA: _Format(4), 0xCB: _Format(8)}
    | {0xD4 + n: _Format(1 + (1 << n)) for n in range(5)}  # fixext
    | {0xC4 + n: _Format(0, 1 << n) for n in range(3)}  # bin
    | {0xC7 + n: _Format(1, 1 << n) for n in range(3)}  # ext
    | {0xD9 + n: _Format(0, 1 << n) for n in range(3)}  # str
    | {0xDC + n: _Format(0, 2 << n, 1) for n in range(2)}  # array
    | {0xDE + n: _Format(0, 2 << n, 2) for n in range(2)}  # map
)


def _extent(view: View) -> int:
    """Measure the msgpack object at the start of `view` (msgpack specification).

    msgspec decodes no object that others bytes follow.
    """
    data = bytes(view.bytes())
    at, objects = 0, 1
    while objects:
        # every object takes a byte at least: no count can keep this going
        view.require(at, objects)
        first = data[at]
        at += 1
        objects -= 1
        if first <= 0x7F or first >= 0xE0:  # fixint
            continue
        if first <= 0x9F:  # fixmap, fixarray
            objects += (first & 0x0F) * (2 if first <= 0x8F else 1)
        elif first <= 0xBF:  # fixstr
            at += first & 0x1F
        else:
            at, more = _skip(view, data, at, first)
            objects += more
    view.require(0, at)
    return at


def _skip(view: View, data: bytes, at: int, first: int) -> tuple[int, int]:
    """Step over a format with a count or of fixed size; tell how many objects follow."""
    if first not in _MSGPACK:
        message = f"msgpack of no format: {first:#x}"
        raise FormatError(message, view.where(at - 1))
    size, counted, elements = _MSGPACK[first]
    view.require(at, counted)
    count = int.from_bytes(data[at : at + counted], "big")
    at += counted + size + (0 if elements else count)
    return at, count * elements


def decode(kind: type[T], view: View) -> T:
    """Decode the msgpack that fills `view`; raise FormatError."""
    try:
        return msgspec.msgpack.decode(view.bytes(), type=kind)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        message = f"msgpack: {error}"
        raise FormatError(message, view.where()) from error
