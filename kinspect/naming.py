"""Targets in the names of files: `librocshmem_device_gfx942.bc`, `hsa/gfx950/fwd.co`.

Files that are for one target each come in families, whose names differ in the target
only. How they are spelled: rocSHMEM DeviceBitcode.cmake; ROCm-Device-Libs
(`oclc_isa_version_942.bc`); Tensile (`…_gfx90a-xnack+.hsaco`); AOTriton
(`amd-gfx11xx/…`).
"""

import re
from functools import lru_cache
from typing import Final, NamedTuple

from kinspect.errors import TargetError
from kinspect.target import PROCESSORS, TargetID

_GENERIC: Final = r"\d+(?:-\d+)*-generic"
#: a digit may be left open: `gfx11xx`
_PLAIN: Final = r"\d[0-9a-fA-F]{1,2}[0-9a-fxX]{0,2}(?![0-9A-Za-z])"
_MODES: Final = r"(?:[:_-](?:sramecc|xnack)[+-])*"
_TOKEN: Final = re.compile(
    rf"(?<![0-9A-Za-z])(?:gfx(?:{_GENERIC}|{_PLAIN})|(?<=isa_version_)(?:{_GENERIC}|{_PLAIN}))"
    rf"{_MODES}"
)


class Claim(NamedTuple):
    """The target that a name claims."""

    #: as it is written
    text: str
    #: what it may stand for: one target, several where a digit is left open, none
    #: where it is no processor that kinspect knows
    targets: tuple[TargetID, ...]

    def covers(self, processor: str) -> bool:
        return any(target.processor == processor for target in self.targets)


@lru_cache(maxsize=65536)
def claim(path: str) -> Claim | None:
    """What the name of a file claims, by itself or by its directory: the last target."""
    found = _TOKEN.findall(path)
    return _claim(found[-1]) if found else None


def family(path: str) -> str:
    """The path without its targets: the same for all files of one family."""
    return _TOKEN.sub("gfx*", path)


def renamed(path: str, processor: str) -> str:
    """The path of the sibling for another processor, spelled in the same way."""

    def spelled(match: re.Match[str]) -> str:
        return processor if match[0].startswith("gfx") else processor.removeprefix("gfx")

    return _TOKEN.sub(spelled, path)


def _claim(text: str) -> Claim:
    words = re.split(r"[:_-](?=sramecc|xnack)", text)
    name = words[0] if words[0].startswith("gfx") else f"gfx{words[0]}"
    open_ = re.compile(
        name.lower().replace("x", "[0-9a-f]").replace("gf[0-9a-f]", "gfx", 1)
    )
    targets = []
    for processor in PROCESSORS:
        if open_.fullmatch(processor):
            try:
                targets.append(TargetID.parse(":".join([processor, *words[1:]])))
            except TargetError:
                continue
    return Claim(text, tuple(targets))
