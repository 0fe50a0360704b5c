"""What a host registers, by names in its read-only data.

The old driver registers by code, which hands over names; these stay as text, whatever is
stripped. Source: clang/lib/CodeGen/CGCUDANV.cpp.
"""

import re
from collections.abc import Collection, Iterable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import Final

from kinspect.hosts.host import Host
from kinspect.model import Bundle, CodeObject, Registration
from kinspect.names import kernels_of_stubs, plain_kernels
from kinspect.view import View, bytes_of, decode

#: an Itanium-mangled name among NUL-terminated text
MANGLED: Final = re.compile(rb"\0(_Z[0-9A-Za-z_.$]{2,})(?=\0)")
#: so many names, or fewer, are searched one by one
FEW: Final = 8
_HASH: Final = re.compile(rb"\.(?:intern|static)\.")
#: bytes that are searched at once, and what of the next ones is looked at too: longer than
#: any name that a compiler makes
STEP: Final = 1 << 20
OVERLAP: Final = 1 << 14
_FIRST: Final = re.compile(rb"_Z[0-9A-Za-z_.$]{2,}(?=\0)")


def registered_names(data: tuple[View, ...]) -> frozenset[str]:
    """Mangled names that stand as text in read-only data."""
    return frozenset(name for view in data for name in _names(view))


def _names(view: View) -> Iterator[str]:
    for start in range(0, len(view), STEP):
        chunk = bytes_of(view.bytes(start, min(STEP + OVERLAP, len(view) - start)))
        if not start and (first := _FIRST.match(chunk)):
            yield decode(first[0])  # no NUL before the first text of a section
        for match in MANGLED.finditer(chunk):
            yield decode(match[1])


def completed(host: Host, bundles: Iterable[Bundle]) -> Registration:
    """What the host registers, once its device code is known.

    Without a table, variables are looked for by name, and only those in dispute: of one
    bundle, some code objects have them, and others have not.
    """
    found = host.registration
    if found.exact or not host.wrappers:
        return found
    disputed = {name for bundle in bundles for name in _disputed(bundle)}
    return replace(found, variables=tuple(sorted(_named(host.data, disputed))))


def unnamed(host: Host) -> tuple[str, ...]:
    """Kernels with a device stub that no text of the data names; without a table."""
    if host.registration.exact or not host.wrappers:
        return ()
    return tuple(sorted(_unnamed(host)))


def _unnamed(host: Host) -> Iterator[str]:
    """Each once."""
    known = plain_kernels(host.registration.kernels)
    candidates = kernels_of_stubs(tuple(sorted(host.stubs)))
    left = [names for names in candidates if known.isdisjoint(names)]
    wanted = {name.encode("utf-8", "surrogateescape") for names in left for name in names}
    if wanted:
        found = {decode(text) for text in _ends(host.data, wanted)}
        yield from (names[-1] for names in left if found.isdisjoint(names))


def _ends(data: Iterable[View], wanted: AbstractSet[bytes]) -> Iterator[bytes]:
    """Those of the names that a text in the data ends with, in one pass.

    Linkers let a text be the end of a longer one, so that nothing need stand before it.
    The hash that an RDC compile appends to a static kernel's name does not count.
    """
    lengths = sorted({len(name) for name in wanted})
    for view in data:
        for start in range(0, len(view), STEP):
            size = min(STEP + OVERLAP, len(view) - start)
            *texts, _ = bytes(view.bytes(start, size)).split(b"\0")
            for text in set(texts):
                stem = _HASH.split(text, 1)[0]
                for length in lengths:
                    if length > len(stem):
                        break
                    if stem[-length:] in wanted:
                        yield stem[-length:]


def _disputed(bundle: Bundle) -> frozenset[str]:
    parts = (entry.code_object for entry in bundle.hip_entries)
    each = [frozenset(one.variables) for one in parts if isinstance(one, CodeObject)]
    return frozenset().union(*each) - frozenset.intersection(*each) if each else frozenset()


def _named(data: Iterable[View], names: Iterable[str]) -> frozenset[str]:
    """Those of the names that stand as whole texts in the data."""
    wanted = {
        b"\0" + name.encode("utf-8", "surrogateescape") + b"\0": name for name in names
    }
    if not wanted:
        return frozenset()
    texts = _texts(data, wanted) if len(wanted) > FEW else _searched(data, wanted)
    return frozenset(wanted[text] for text in texts)


def _searched(data: Iterable[View], needles: Iterable[bytes]) -> Iterator[bytes]:
    """Search for each by itself: the fastest way for a few."""
    for view in data:
        yield from (bytes(needle) for _, needle in view.find(*needles))


def _texts(data: Iterable[View], wanted: Collection[bytes]) -> Iterator[bytes]:
    """Look at every text of the data, once."""
    longest = max(map(len, wanted))
    texts = {text[1:-1]: text for text in wanted}
    for view in data:
        for start in range(0, len(view), STEP):
            chunk = bytes(view.bytes(start, min(STEP + longest, len(view) - start)))
            # nothing ends before the first, nor behind the last
            for text in texts.keys() & set(chunk.split(b"\0")[1:-1]):
                yield texts[text]
