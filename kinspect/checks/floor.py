"""The ROCm release that a binary needs, against the one that it links."""

import re
from collections.abc import Iterator
from typing import Final

from kinspect.checks.finding import finding
from kinspect.model import Binary, Finding
from kinspect.needs import needs
from kinspect.policy import Policy

#: `libamdhip64.so.6`, `amdhip64_7.dll`: the major release of ROCm
_RUNTIME: Final = re.compile(r"amdhip64(?:\.so\.|_)(\d+)")


def runtime_floor(binary: Binary, policy: Policy) -> Iterator[Finding]:
    """What the runtime that is linked could be too old for."""
    linked = [int(m[1]) for name in binary.needed if (m := _RUNTIME.search(name))]
    if not linked:
        return
    for reason, floor in sorted(needs(binary, policy.required)):
        if floor[0] > max(linked):
            yield finding(
                "runtime-floor",
                binary.path,
                f"{reason} needs ROCm {floor[0]}.{floor[1]} or newer, and the binary links"
                f" the runtime of ROCm {max(linked)}",
                hint="build with the compiler of the ROCm release that will run it",
            )
