"""What every host format has to say, whatever its headers look like."""

from collections.abc import Callable
from typing import Final, NamedTuple

from kinspect.errors import Where
from kinspect.model import Linkage, Registration, Unreadable
from kinspect.target import EntryID
from kinspect.view import U32, U64, View

#: magic of a wrapper: the code object is in the binary, or in a kpack archive
HIPF = 0x48495046
HIPK = 0x4B504948

#: what the old driver's bundler names the sections of an RDC object, a target each
BUNDLE: Final = "__CLANG_OFFLOAD_BUNDLE__"


def device_entry(section: str) -> EntryID | None:
    """The entry ID in the name of a section that keeps HIP device code for a link."""
    entry = EntryID.parse(section.removeprefix(BUNDLE))
    return entry if section.startswith(BUNDLE) and entry.is_hip else None


class FatBinaryWrapper(NamedTuple):
    """The argument of `__hipRegisterFatBinary`, 24 bytes (hip_platform.cpp)."""

    magic: U32
    version: U32
    binary: U64
    reserved: U64


class Wrapper(NamedTuple):
    """A fat-binary wrapper whose pointer was followed."""

    #: file offset of the wrapper
    offset: int
    magic: int
    version: int
    #: index of a HIPK wrapper into its kpack reference
    reserved: int
    #: what it points at, up to the end of the region that holds it; None where the
    #: pointer leads nowhere in this file, and then `problem` says why
    target: View | None
    problem: str = ""
    #: the symbol that its pointer is relocated against (`__hip_fatbin_<cuid>`)
    symbol: str = ""


class Registered(NamedTuple):
    """What a host registers, as far as its names and data tell."""

    registration: Registration
    #: mangled names of the device stubs that the host defines
    stubs: frozenset[str] = frozenset()
    #: parts that could not be read
    unreadable: tuple[Unreadable, ...] = ()


class Host(NamedTuple):
    """A host object, as far as device code is concerned."""

    #: as binutils name it: `elf64-x86-64`, `pe-x86-64`
    format: str
    wrappers: tuple[Wrapper, ...] = ()
    #: sections of bundles back to back (`.hip_fatbin`)
    fatbins: tuple[View, ...] = ()
    #: a section of bundles that has no bytes in the file
    hollow: Where | None = None
    #: the section of the kpack reference, whether or not a wrapper points at it
    reference: View | None = None
    #: sections of OffloadBinary containers (`.llvm.offloading`)
    offloading: tuple[View, ...] = ()
    #: device bitcode of an RDC object, by the entry IDs in its section names
    bitcode: tuple[tuple[EntryID, View], ...] = ()
    #: other data that may embed device code
    data: tuple[View, ...] = ()
    #: what the headers alone say of the linkage; the wrappers may say more
    linkage: Linkage | None = None
    #: libraries that the dynamic loader needs for it
    needed: tuple[str, ...] = ()
    #: a relocatable object, whose device code a link may still complete
    relocatable: bool = False
    #: mangled names of the device stubs that the host defines
    stubs: frozenset[str] = frozenset()
    registration: Registration = Registration()
    #: parts of the headers that could not be read
    unreadable: tuple[Unreadable, ...] = ()
    #: finds out what it registers, which costs a look at all of its names and data
    register: Callable[[], Registered] | None = None

    def registered(self) -> "Host":
        """The host with what it registers; raises FormatError."""
        if self.register is None:
            return self
        found = self.register()
        return self._replace(
            registration=found.registration,
            stubs=found.stubs,
            unreadable=self.unreadable + found.unreadable,
            register=None,
        )
