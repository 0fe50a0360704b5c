"""Files in which one thing grows and all else stays: what they cost must grow as much.

Written by the writers of the tests, so that each holds what it claims to hold.
"""

import io
import sys
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from tests.writers import Host, Slot, Wrapper, bundle, ccob, code_object
from tests.writers.bundles import device

BOTH: Final = ("gfx942", "gfx950")
#: where bundles start, in bytes: roc-obj-ls looks for them at pages
ALIGN: Final = 4096


@dataclass(frozen=True)
class Scaled:
    """A family of files."""

    #: what there are `count` of
    title: str
    suffix: str
    write: Callable[[int], bytes]
    #: up to what count it makes sense
    most: int = 100_000
    #: name of the limit of kinspect that this exceeds at some point
    limit: str = ""
    #: MB that kinspect may take for the largest
    memory: int = 100
    #: the subcommand of kinspect
    command: str = "verify"


def library(fatbin: bytes, **more) -> bytes:
    return Host(fatbin=fatbin, **more).build().data


def both(*kernels: str) -> bytes:
    """A bundle with these kernels for both targets."""
    names = kernels or ("kernel",)
    return bundle(*((target, code_object(target, *names)) for target in BOTH))


def _units(one: bytes, count: int, **more) -> bytes:
    """A library with a bundle, and a wrapper, for each of so many translation units."""
    size = -(-len(one) // ALIGN) * ALIGN
    padded = one + bytes(size - len(one))
    wrappers = [Wrapper(at=size * number) for number in range(count)]
    return library(padded * count, wrappers=wrappers, align=ALIGN, **more)


def bundles(count: int) -> bytes:
    return _units(both(), count)


def stripped(count: int) -> bytes:
    """The same without section headers, where device code can't be told from data."""
    return _units(both(), count, sections=False)


def compressed(count: int) -> bytes:
    return _units(ccob(both(), version=3), count)


def entries(count: int) -> bytes:
    """For processors of which kinspect knows two: all others are read as well."""
    others = (f"gfx{number:x}" for number in range(0x100000, 0x100000 + count - 2))
    code = code_object("gfx942")
    slots = [Slot(device(target), code) for target in others]
    own = [Slot(device(target), code_object(target)) for target in BOTH]
    return library(ccob(bundle(*own, *slots, host=False), version=3))


def kernels(count: int) -> bytes:
    return library(both(*(f"_Z12kernel{number:06}v" for number in range(count))))


def symbols(count: int) -> bytes:
    """Of the host."""
    return library(
        both(), functions=[f"_Z14function{number:06}v" for number in range(count)]
    )


def stubs(count: int) -> bytes:
    """Kernels, and the device stub of each: what a host registers."""
    names = [f"kernel{number:06}" for number in range(count)]
    stubs = [f"_Z27__device_stub__{name}v" for name in names]
    return library(both(*(f"_Z12{name}v" for name in names)), functions=stubs)


def wrappers(count: int) -> bytes:
    """All for one bundle, as an RDC link makes them: a relocation for each."""
    return library(both(), wrappers=[Wrapper() for _ in range(count)])


def relative(count: int) -> bytes:
    """The same, relocated by RELR."""
    return library(both(), wrappers=[Wrapper(by="relr") for _ in range(count)])


def members(count: int) -> bytes:
    """A wheel's members: one library, else files of no interest."""
    files = {f"package/module{number:06}.py": b"pass\n" for number in range(count - 1)}
    return _zip({"package/_C.so": library(both()), **files})


def libraries(count: int) -> bytes:
    """A zip of libraries."""
    one = library(both())
    return _zip({f"lib/lib{number:06}.so": one for number in range(count)})


def tarred(count: int) -> bytes:
    """A tar of one library and files of no interest."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for number in range(count):
            data = b"pass\n" if number else library(both())
            info = tarfile.TarInfo(f"package/file{number:06}")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def nested(count: int) -> bytes:
    """A zip in a zip in a zip …, so many levels; a megabyte in the innermost."""
    data = library(both(), data={".rodata": bytes(1 << 20)})
    name = "lib.so"
    for _ in range(count):
        data, name = _zip({name: data}, zipfile.ZIP_STORED), "inner.zip"
    return data


def _zip(files: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name), data, method)
    return out.getvalue()


FAMILIES: Final[Mapping[str, Scaled]] = MappingProxyType(
    {
        "bundles": Scaled("bundles", "so", bundles, most=10_000),
        "stripped": Scaled("bundles, without section headers", "so", stripped, most=10_000),
        # the listing of 100,000 is a text of 50 MB
        "listed": Scaled(
            "bundles, listed", "so", bundles, limit="bundles", command="list", memory=400
        ),
        "compressed": Scaled("compressed bundles", "so", compressed, most=10_000),
        "entries": Scaled("entries of a compressed bundle", "so", entries, most=4096),
        "kernels": Scaled("kernels", "so", kernels, memory=300),
        "stubs": Scaled("kernels with host stubs", "so", stubs, memory=300),
        "symbols": Scaled("symbols of the host", "so", symbols),
        "wrappers": Scaled("wrappers, with their relocations", "so", wrappers),
        "relr": Scaled("wrappers relocated by RELR", "so", relative),
        "members": Scaled("members of a zip", "zip", members),
        "tarred": Scaled("members of a tar", "tar", tarred),
        "libraries": Scaled("libraries in a zip", "zip", libraries, most=1000),
        "nested": Scaled("zips in zips", "zip", nested, most=100, limit="nesting"),
    }
)


def sizes(family: Scaled, most: int) -> list[int]:
    """10, 100, … up to what makes sense."""
    ceiling = min(most, family.most)
    counts = [10**power for power in range(1, 6) if 10**power <= ceiling]
    return sorted({*counts, ceiling})


def path(name: str, count: int, directory: Path) -> Path:
    """Where a file of a family lies; those of one writer are the same file."""
    family = FAMILIES[name]
    return directory / f"{family.write.__name__}-{count}.{family.suffix}"


def main() -> None:
    """Write a file: name of the family, count, path."""
    name, count, target = sys.argv[1:]
    partial = Path(f"{target}.partial")
    partial.parent.mkdir(parents=True, exist_ok=True)
    partial.write_bytes(FAMILIES[name].write(int(count)))
    partial.rename(target)
