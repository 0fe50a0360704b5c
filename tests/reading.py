"""Short ways from bytes to what kinspect makes of them, through its own layers."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from kinspect import checks
from kinspect.errors import FormatError
from kinspect.limits import DEFAULT, Limits
from kinspect.model import Artifact, Binary, Finding, Report, Verdict
from kinspect.policy import Policy
from kinspect.render import json, listing, text
from kinspect.view import Memory, View
from kinspect.walk import read_binary


def view(data: bytes, path: str = "t.so", layer: str = "") -> View:
    return View(Memory(data), path, layer)


def read(data: bytes, limits: Limits = DEFAULT, *, code_objects: bool = True) -> Binary:
    """The binary; the bytes must be one."""
    binary = read_binary(view(data), limits, code_objects=code_objects)
    assert binary is not None
    return binary


def artifact(data: bytes, limits: Limits = DEFAULT) -> Artifact:
    """The bytes as a file that was named on its own."""
    binary = read_binary(view(data), limits)
    return Artifact("t.so", "file", () if binary is None else (binary,))


def judge(
    *artifacts: bytes | Artifact, limits: Limits = DEFAULT, **policy: Any
) -> tuple[Verdict, tuple[Finding, ...]]:
    """What `verify` says of files with these contents."""
    found = [
        one if isinstance(one, Artifact) else artifact(one, limits) for one in artifacts
    ]
    findings = checks.run(found, Policy(**policy))
    return checks.verdict(found, findings), findings


def rules(findings: Iterable[Finding]) -> list[str]:
    return sorted({finding.rule for finding in findings})


def ends_well(call: Callable[..., object], *arguments: Any, **more: Any) -> bool:
    """Whether a parser gave a result; what is no FormatError goes through."""
    try:
        call(*arguments, **more)
    except FormatError:
        return False
    return True


def survives(data: bytes, limits: Limits = DEFAULT) -> Verdict:
    """Read, judge and render: nothing may be raised, whatever the bytes are."""
    found = artifact(data, limits)
    policy = Policy()
    findings = checks.run([found], policy)
    verdict = checks.verdict([found], findings)
    report = Report("0", ("gfx942", "gfx950"), (found,), findings, verdict)
    json.report(report)
    text.report(report, verbose=1)
    listing.listing([found], verbose=1)
    return verdict


def flips(data: bytes, places: Iterable[int] | None = None) -> Iterator[bytes]:
    """`data` with one byte changed at a time: all bits, and the lowest."""
    for place in range(len(data)) if places is None else places:
        for mask in (0xFF, 0x01):
            spoiled = bytearray(data)
            spoiled[place] ^= mask
            yield bytes(spoiled)
