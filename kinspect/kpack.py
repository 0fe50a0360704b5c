"""Device code that lies in archives beside the host, as results speak of it.

A host that was split for kpack (TheRock) keeps a reference in place of its device code,
and its wrappers ask for a code object by their index. `formats.kpack` reads archives,
`formats.kpack_search` knows how HIP's loader searches them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from kinspect.errors import Where

#: the first bytes of an archive
MAGIC: Final = b"KPAK"

#: the target, in the path of an archive
PLACEHOLDER: Final = "@GFXARCH@"

#: the place of an archive that is looked at by itself, with no host
HERE: Final = "."


@dataclass(frozen=True, slots=True)
class KpackReference:
    """What a host binary has in place of its device code (`.rocm_kpack_ref`)."""

    #: the binary's name in tables of contents, before `#` and the wrapper's index
    kernel_name: str
    #: archives, relative to the directory of the binary; may hold `@GFXARCH@`
    search_paths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class KpackUse:
    """A HIPK wrapper: it asks archives for its code object."""

    #: the wrapper
    where: Where
    #: which code object of the binary it asks for (`reserved`)
    index: int
    reference: KpackReference


@dataclass(frozen=True, slots=True)
class KpackSource:
    """An archive that the loader opens on behalf of a wrapper."""

    #: where the loader finds it, as `kpack_search.search_paths` spells it
    place: str
    #: breadcrumb of the archive
    path: str
    #: the targets that it claims to serve: the loader looks no further without
    listed: tuple[str, ...]
    #: the loader may read it, kinspect could not
    unreadable: bool = False


@dataclass(frozen=True, slots=True)
class KpackLookup:
    """Where the entries of a bundle come from: what HIP's loader goes through."""

    reference: KpackReference
    #: of the wrapper; None for code of an archive that no wrapper asks for
    index: int | None
    #: where the host lies, as its loader sees it
    directory: str
    sources: tuple[KpackSource, ...]
    #: paths are those of Windows
    windows: bool = False

    @property
    def key(self) -> str:
        """As tables of contents spell it: `lib/libfoo.so#0`."""
        name = self.reference.kernel_name
        return name if self.index is None else f"{name}#{self.index}"


@dataclass(frozen=True, slots=True)
class KpackClaims:
    """What an archive says of itself."""

    group_name: str
    #: the targets that it claims to serve
    listed: tuple[str, ...]
    #: how the payloads are stored: `none`, `zstd-per-kernel`
    scheme: str
    #: hosts of this run that HIP would open it for
    hosts: tuple[str, ...] = ()

    @property
    def alone(self) -> bool:
        """Whether it has to be judged by itself."""
        return not self.hosts


def listing(sources: Sequence[KpackSource]) -> tuple[str, ...]:
    """Every target that one of the archives claims to serve."""
    return tuple(sorted({target for source in sources for target in source.listed}))
