"""The inside of a container: inflated when it is first asked for, its checksum beside."""

from collections.abc import Callable
from functools import cached_property
from threading import Thread
from typing import Final

from kinspect.errors import Where
from kinspect.formats import ccob
from kinspect.model import Entry, Fault
from kinspect.view import View

#: what is wrong with something; may take a while
Faults = Callable[[], tuple[Fault, ...]]

#: what entries lie in, and what is wrong with it
Loaded = tuple[View, Faults]

#: from how many bytes on a bundle is hashed in a thread of its own
BESIDE: Final = 1 << 20


def no_faults() -> tuple[Fault, ...]:
    return ()


def digesting(inflated: View) -> Callable[[], int]:
    """Start on the MD5 of a bundle; the result waits for it.

    MD5 is half of the work on a compressed bundle. A large one is hashed in a thread,
    beside the reading of its code objects: hashlib lets go of the interpreter's lock.
    """
    if len(inflated) < BESIDE:
        return lambda: ccob.digest(inflated)
    results: list[int] = []
    thread = Thread(target=lambda: results.append(ccob.digest(inflated)), daemon=True)
    thread.start()

    def wait() -> int:
        thread.join()
        return results[0]

    return wait


def faults(
    header: ccob.Header, inflated: View, digest: int, where: Where
) -> tuple[Fault, ...]:
    """Where an inflated bundle is not what its header says."""
    found = []
    if len(inflated) < header.uncompressed:
        message = (
            f"inflates to {len(inflated)} bytes, its header says {header.uncompressed}"
        )
        found.append(Fault(message, where))
    if digest != header.hash:
        message = (
            f"MD5 mismatch: the header says {header.hash:016x}, the inflated"
            f" bundle has {digest:016x}"
        )
        found.append(Fault(message, where))
    return tuple(found)


def loaded(inflater: ccob.Inflater, header: ccob.Header, layer: str, view: View) -> Loaded:
    """The inside of a compressed bundle, inflated now."""
    inflated = inflater.inflate(header, layer)
    digest_of = digesting(inflated)
    return inflated, lambda: faults(header, inflated, digest_of(), view.where())


def known(inflated: View, found: tuple[Fault, ...]) -> Loaded:
    """One that was inflated and checked already."""
    return inflated, lambda: found


class Contents:
    """The bytes of a container, valid until its reader reads the next one.

    A compressed container is inflated when its inside is first asked for.
    """

    def __init__(self, stored: View, load: Callable[[], Loaded] | None = None) -> None:
        #: the container as the binary has it, header and all
        self.stored = stored
        self._load = load or (lambda: (stored, no_faults))

    @cached_property
    def _loaded(self) -> Loaded:
        return self._load()

    @property
    def space(self) -> View:
        """What the entries lie in; raises FormatError where it can't be inflated."""
        return self._loaded[0]

    @cached_property
    def faults(self) -> tuple[Fault, ...]:
        """What is wrong with the inside: it is short, or its checksum another.

        Best asked for last: the checksum is computed beside what the caller does.
        """
        return self._loaded[1]()

    def forget(self) -> None:
        """Let go of what was inflated; it is inflated anew if it is asked for again."""
        self.__dict__.pop("_loaded", None)

    def entry(self, entry: Entry) -> View:
        """The bytes of an entry; raises FormatError where they are not all there."""
        return self.space.slice(entry.offset - self.space.start, entry.size)
