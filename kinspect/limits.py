"""How much of an untrusted file kinspect is willing to believe."""

from dataclasses import dataclass, fields, replace
from typing import Final, Self

from kinspect.errors import LimitExceeded, UsageError, Where

KiB: Final = 1 << 10
MiB: Final = 1 << 20
GiB: Final = 1 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Ceilings on what a file may make kinspect do; each can be raised by its name.

    The defaults leave room above the largest libraries in the wild (513 MB, 95
    bundles; 2.4 GB inflated, 409,773 kernels) by a factor of four or more.
    """

    #: entries in one bundle
    entries: int = 4096
    #: bundles in one binary
    bundles: int = 65_536
    #: how many times over the entries of a bundle, or the bundles of a binary, may claim
    #: the bytes that are there
    overlap: int = 8
    #: bytes of one entry ID
    entry_id: int = 4 * KiB
    #: bytes that one compressed bundle may inflate to
    inflated: int = 4 * GiB
    #: inflated bytes for each compressed byte
    ratio: int = 4096
    #: bytes of one metadata record
    metadata: int = 256 * MiB
    #: metadata records in one code object
    records: int = 1024
    #: kernels in one code object
    kernels: int = 1_000_000
    #: symbols of one code object or host binary
    symbols: int = 16_000_000
    #: dynamic relocations of one host binary
    relocations: int = 64_000_000
    #: sections or segments of one ELF file
    headers: int = 65_536
    #: wrappers in one host binary
    wrappers: int = 1_000_000
    #: members of one artifact, over all levels of archives
    members: int = 1_000_000
    #: members of one artifact that can't be read, until no more of it is read
    broken: int = 10_000
    #: bytes that one member of an archive may inflate to
    member: int = 8 * GiB
    #: bytes that all archives of one artifact may inflate to, over all levels
    total: int = 512 * GiB
    #: archives inside of archives
    nesting: int = 8
    #: bytes of a temporary file, for a compressed image, whose parts come in any order
    temporary: int = 64 * GiB
    #: bytes of one JSON document of an image
    manifest: int = 16 * MiB
    #: layers of one container image, and manifests of one archive of images
    layers: int = 4096
    #: bytes of one header of an RPM package
    rpm_header: int = 256 * MiB
    #: bytes of the table of contents of one kpack archive
    toc: int = 64 * MiB
    #: records of the headers of one file of device bitcode
    bitcode_records: int = 4_000_000
    #: payloads in one kpack archive
    payloads: int = 1 << 20

    def check(self, limit: str, actual: int, where: Where) -> None:
        """Raise LimitExceeded if `actual` is above the limit of that name."""
        ceiling: int = getattr(self, limit)
        if actual > ceiling:
            raise LimitExceeded(limit, actual, ceiling, where)

    def raised(self, **limits: int) -> Self:
        """A copy with other ceilings; an unknown or negative one is a UsageError."""
        known = {field.name for field in fields(self)}
        for name, value in limits.items():
            if name not in known:
                message = f"no limit named {name!r}; there are {', '.join(sorted(known))}"
                raise UsageError(message)
            if value < 0:
                message = f"limit {name} can't be negative ({value})"
                raise UsageError(message)
        return replace(self, **limits)


DEFAULT: Final = Limits()
