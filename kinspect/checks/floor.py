"""The ROCm release that a binary needs, against the one that it links."""

import re
from collections.abc import Callable, Iterator
from typing import Final

from kinspect.checks.finding import finding
from kinspect.loader import coverage, units
from kinspect.lookup import How
from kinspect.model import Binary, Bundle, Finding, Form
from kinspect.policy import Policy
from kinspect.runtime import NEWEST, RUNTIMES, Runtime

#: `libamdhip64.so.6`, `amdhip64_7.dll`: the major release of ROCm
_RUNTIME: Final = re.compile(r"amdhip64(?:\.so\.|_)(\d+)")


def runtime_floor(binary: Binary, policy: Policy) -> Iterator[Finding]:
    """What the runtime that is linked could be too old for."""
    linked = [int(m[1]) for name in binary.needed if (m := _RUNTIME.search(name))]
    if not linked:
        return
    for reason, floor in sorted(_needs(binary, policy)):
        if floor[0] > max(linked):
            yield finding(
                "runtime-floor",
                binary.path,
                f"{reason} needs ROCm {floor[0]}.{floor[1]} or newer, and the binary links"
                f" the runtime of ROCm {max(linked)}",
                hint="build with the compiler of the ROCm release that will run it",
            )


def _needs(binary: Binary, policy: Policy) -> set[tuple[str, tuple[int, int]]]:
    found = {need for bundle in binary.bundles for need in _form_needs(bundle)}
    for unit in units(binary):
        for target in policy.required:
            for how in coverage(unit, target, NEWEST).hows:
                if how is How.SPIRV:
                    found.add(("SPIR-V", _since(lambda one: one.spirv)))
                elif how is How.GENERIC and unit.compressed:
                    found.add(
                        ("a compressed generic code object", _since(_generic_compressed))
                    )
                elif how is How.GENERIC:
                    found.add(("a generic code object", _since(lambda one: one.generic)))
    return found


def _generic_compressed(runtime: Runtime) -> bool:
    return runtime.generic_compressed


def _form_needs(bundle: Bundle) -> Iterator[tuple[str, tuple[int, int]]]:
    if bundle.form is Form.KPACK:
        yield "kpack", _since(lambda one: one.kpack)
    version = bundle.version
    if bundle.form is Form.CCOB and version in NEWEST.ccob:
        yield f"CCOB version {version}", _since(lambda one: version in one.ccob)


def _since(able: Callable[[Runtime], bool]) -> tuple[int, int]:
    """The first generation that can."""
    return next(one.since for one in RUNTIMES if able(one))
