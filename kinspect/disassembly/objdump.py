"""Which llvm-objdump to ask: where one may be, and which processors it knows.

One that does not know a processor must not be asked about it: LLVM warns, takes another
one, and either ends itself or prints what is not there. So each is asked first.
"""

import os
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Final

from kinspect.disassembly.running import handed, running
from kinspect.errors import ToolError, UsageError
from kinspect.formats.amdgpu_elf import MAGIC, ElfHeader
from kinspect.view import wire

TRIPLE: Final = "--triple=amdgcn-amd-amdhsa"
#: seconds that a question may take
ANSWER: Final = 60
#: an LLVM of its own name and version, as Debian installs it
_VERSIONED: Final = re.compile(r"llvm-objdump-(\d+)")
#: a row of `--mattr=help`
_PROCESSOR: Final = re.compile(r"^\s+(gfx\S+)\s+- Select", re.MULTILINE)
_VERSION: Final = re.compile(r"LLVM version (\d+\S*)")
#: the release of LLVM that first had a processor, where that is no old one
FIRST: Final[Mapping[str, int]] = MappingProxyType(
    {"gfx942": 17, "gfx950": 20, "gfx1200": 18, "gfx1201": 18, "gfx1250": 21}
)


def _empty() -> bytes:
    """A code object without anything in it: EM_AMDGPU is 224, ET_DYN 3, gfx942 0x4C."""
    layout = wire(ElfHeader)
    magic = int.from_bytes(MAGIC[:4], "little")
    fields = (magic, *MAGIC[4:], 4, 3, 224, 1, 0, 0, 0, 0x4C, layout.size, 56, 0, 64, 0, 0)
    return layout.pack(*fields)


@dataclass(frozen=True)
class Objdump:
    """An llvm-objdump."""

    path: str

    def knows(self, processor: str) -> bool:
        return processor in self.processors

    @cached_property
    def processors(self) -> frozenset[str]:
        """What it can take apart: none where it has no AMDGPU backend, or is no LLVM."""
        # gfx900 is known to all; `--mcpu=help` would end with an abort
        options = ["-d", TRIPLE, "--mcpu=gfx900", "--mattr=help", "-"]
        try:
            with (
                handed(_empty()) as file,
                running([self.path, *options], file, ANSWER) as run,
            ):
                for _ in run.lines():
                    pass
                return frozenset(_PROCESSOR.findall(run.complaint()))
        except ToolError:
            return frozenset()

    @cached_property
    def version(self) -> str:
        """`LLVM 19.1.7`, or what can be told of it."""
        try:
            with (
                handed(b"") as file,
                running([self.path, "--version"], file, ANSWER) as run,
            ):
                lines = (line.decode("utf-8", "replace") for line in run.lines())
                found = next(filter(None, map(_VERSION.search, lines)), None)
                return f"LLVM {found[1]}" if found else "no LLVM"
        except ToolError as error:
            return str(error)

    def command(self, processor: str, *options: str) -> list[str]:
        """What takes the code object on its standard input apart."""
        return [self.path, "-d", "-z", TRIPLE, f"--mcpu={processor}", *options, "-"]


class Tools:
    """The llvm-objdump that may be used, the best first."""

    def __init__(self, asked: str | None, environment: Mapping[str, str]) -> None:
        """`asked` is the only one, if it is given; raises UsageError for none."""
        if asked is None:
            found = dict.fromkeys(map(os.path.realpath, _places(environment)))
        else:
            path = shutil.which(asked)
            if path is None:
                message = f"--objdump {asked}: there is no such program"
                raise UsageError(message)
            found = {path: None}
        self._all = [Objdump(path) for path in found]

    def knowing(self, processor: str) -> Objdump:
        """The first that knows a processor; raises ToolError, which says what would do."""
        for one in self._all:
            if one.knows(processor):
                return one
        first = FIRST.get(processor)
        release = f"LLVM {first} or newer" if first else "a newer LLVM"
        wanted = f"{release} (llvm-objdump of ROCm or of a distribution)"
        if not self._all:
            message = f"there is no llvm-objdump; {wanted} takes {processor} apart"
        else:
            tried = ", ".join(f"{one.path} ({one.version})" for one in self._all)
            message = (
                f"no llvm-objdump here knows {processor}; {wanted} does. Tried: {tried}"
            )
        raise ToolError(message)


def _places(environment: Mapping[str, str]) -> Iterator[str]:
    """ROCm's own, then those on PATH: the newest release first, then one without number."""
    rocm = environment.get("ROCM_PATH") or "/opt/rocm"
    name = "llvm-objdump.exe" if os.name == "nt" else "llvm-objdump"
    for inner in ("llvm/bin", "lib/llvm/bin"):
        path = os.path.join(rocm, inner, name)  # noqa: PTH118
        if os.access(path, os.X_OK):
            yield path
    path_of = environment.get("PATH", os.defpath)
    directories = [d for d in path_of.split(os.pathsep) if os.path.isabs(d)]  # noqa: PTH117
    numbered: dict[int, str] = {}
    for directory in directories:
        for file in sorted(Path(directory).glob("llvm-objdump-*")):
            match = _VERSIONED.fullmatch(file.name)
            if match and os.access(file, os.X_OK):
                numbered.setdefault(int(match[1]), str(file))
    yield from (numbered[number] for number in sorted(numbered, reverse=True))
    plain = shutil.which(name, path=os.pathsep.join(directories))
    if plain is not None:
        yield plain
