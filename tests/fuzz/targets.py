"""What is fuzzed: each format by itself, and whole files as a user would name them.

A target takes bytes and may raise nothing: a KinspectError is what parsers owe for
damaged input, and is caught; anything else is a bug.
"""

import os
import tempfile
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from kinspect import api
from kinspect.costs import measured
from kinspect.costs.anatomy import anatomy
from kinspect.costs.changes import Asked
from kinspect.costs.measured import Question
from kinspect.errors import KinspectError
from kinspect.formats import (
    bitcode,
    bundle,
    ccob,
    code_object,
    kpack,
    kpack_reference,
    metadata,
    offload_binary,
)
from kinspect.hosts import coff, elf
from kinspect.limits import Limits, MiB
from kinspect.names import demangle, escape
from kinspect.render import size_text
from kinspect.render.size_words import Look
from kinspect.resources.kernels import Measured, measure
from kinspect.resources.rows import KernelRow
from kinspect.sources import open_source
from kinspect.target import EntryID, TargetID
from kinspect.view import Memory, View
from tests.reading import survives

#: small enough that an input which deserves a limit meets it within the time and memory
LIMITS: Final = Limits(
    inflated=16 * MiB, member=16 * MiB, metadata=4 * MiB, toc=4 * MiB, ratio=1 << 16,
    symbols=1_000_000, relocations=1_000_000, bitcode_records=200_000, members=10_000,
)  # fmt: skip

Target = Callable[[bytes], None]


def _view(data: bytes) -> View:
    return View(Memory(data), "fuzz")


def _bundle(data: bytes) -> None:
    bundle.parse(_view(data), LIMITS)


def _ccob(data: bytes) -> None:
    header = ccob.parse(_view(data), LIMITS)
    inflated = ccob.Inflater(LIMITS).inflate(header, "inflated")
    bundle.parse(inflated, LIMITS)
    ccob.digest(inflated)


def _offload_binary(data: bytes) -> None:
    for image in offload_binary.parse(_view(data), LIMITS).images:
        len(image.data.bytes())


def _code_object(data: bytes) -> None:
    code_object.parse(_view(data), LIMITS)
    code_object.kernels(_view(data), LIMITS)
    for one in measure(_view(data), LIMITS, metadata.Detail.ARGUMENTS):
        if isinstance(one, Measured):
            KernelRow("x", 0, "gfx942", one.kernel, one.descriptor, one.code_size).values()


def _anatomy(data: bytes) -> None:
    """Whatever the file says, each of its bytes counts once."""
    found = anatomy(_view(data), LIMITS)
    assert sum(found.parts.values()) == len(data)


def _sizes(data: bytes) -> None:
    """Sizes of a file, and everything that may be tried on it."""
    with tempfile.NamedTemporaryFile(dir=_scratch()) as file:
        file.write(data)
        file.flush()
        asked = Asked(each=True, share=True, levels=(1,))
        found = measured.measure(file.name, Question(asked=asked, limits=LIMITS))
        total = found.tally.total
        assert sum(one.stored for one in found.tally.parts.values()) == total.stored
        assert found.trial.now == total.stored
        size_text.report([found], Look(), color=False)


def _metadata(data: bytes) -> None:
    for detail in metadata.Detail:
        metadata.parse([_view(data)], LIMITS, detail)


def _bitcode(data: bytes) -> None:
    bitcode.parse(_view(data), LIMITS)


def _kpack(data: bytes) -> None:
    for entry in kpack.parse_archive(_view(data), LIMITS).entries:
        with suppress(KinspectError):
            kpack.payload(entry, LIMITS)


def _kpack_reference(data: bytes) -> None:
    kpack_reference.parse_reference(_view(data))


def _elf(data: bytes) -> None:
    elf.parse(_view(data), LIMITS)


def _coff(data: bytes) -> None:
    if coff.is_coff(_view(data)):
        coff.parse(_view(data), LIMITS)


def _names(data: bytes) -> None:
    text = data.decode("utf-8", "surrogateescape")
    EntryID.parse(text)
    escape(text)
    with suppress(KinspectError):
        TargetID.parse(text)
    demangle(text)


def _binary(data: bytes) -> None:
    """Read, judge and render."""
    survives(data, LIMITS)


def _file(data: bytes) -> None:
    """A whole file, archives opened: what every command does with a path."""
    with tempfile.NamedTemporaryFile(dir=_scratch()) as file:
        file.write(data)
        file.flush()
        source = open_source(file.name, limits=LIMITS)
        for _ in source.members():
            pass
        api.verify(file.name, limits=LIMITS)


def _scratch() -> str | None:
    return "/dev/shm" if os.path.isdir("/dev/shm") else None


TARGETS: Final[Mapping[str, Target]] = MappingProxyType(
    {
        "anatomy": _anatomy,
        "binary": _binary,
        "bitcode": _bitcode,
        "bundle": _bundle,
        "ccob": _ccob,
        "code_object": _code_object,
        "coff": _coff,
        "elf": _elf,
        "file": _file,
        "kpack": _kpack,
        "kpack_reference": _kpack_reference,
        "metadata": _metadata,
        "names": _names,
        "offload_binary": _offload_binary,
        "sizes": _sizes,
    }
)


@dataclass(frozen=True)
class Escaped(Exception):
    """A target raised what it must not."""

    target: str
    error: BaseException


def run(name: str, data: bytes) -> bool:
    """Run a target; True if it read the input to the end. Raises Escaped."""
    try:
        TARGETS[name](data)
    except KinspectError:
        return False
    except Exception as error:
        raise Escaped(name, error) from error
    return True


def regressions() -> Iterable[Path]:
    return sorted((Path(__file__).parent / "regressions").glob("*"))
