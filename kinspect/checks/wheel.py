"""Rules on what names, tags and metadata promise, against what is packed."""

import re
from collections.abc import Iterator
from typing import Final

from kinspect.checks.finding import finding
from kinspect.errors import TargetError
from kinspect.model import Artifact, Binary, Finding, Severity
from kinspect.policy import Policy
from kinspect.target import TargetID

#: a processor in a name, and nothing that is longer: gfx942, gfx9-4-generic
_TARGET: Final = re.compile(
    r"(?<![a-z0-9])gfx(?:\d+(?:-\d+)?-generic|[0-9a-f]{3,4})(?![0-9a-z])"
)

#: `+rocm7.0`, `_rocm64`, `-rocm-7-`: the release that something is built for
_RELEASE: Final = re.compile(r"rocm[-_.]?(1\d|\d)", re.IGNORECASE)

#: `libamdhip64.so.7`, `amdhip64_7.dll`
_LINKED: Final = re.compile(r"amdhip64(?:\.so\.|_)(\d+)")

#: the machine of a platform tag → how binutils name its binaries
_MACHINES: Final = {
    "x86_64": {"elf64-x86-64"},
    "aarch64": {"elf64-littleaarch64"},
    "ppc64le": {"elf64-powerpcle"},
    "riscv64": {"elf64-littleriscv"},
    "loongarch64": {"elf64-loongarch"},
    "i686": {"elf32-i386"},
    "armv7l": {"elf32-littlearm"},
    "win_amd64": {"pei-x86-64"},
    "win_arm64": {"pei-aarch64-little"},
    "win32": {"pei-i386"},
}
#: no code for a host: code objects, bundles, bitcode
_DEVICE: Final = ("raw", "elf64-amdgpu", "bitcode", "kpack", "unknown")


def record(artifact: Artifact, _: Policy) -> Iterator[Finding]:
    """What RECORD says otherwise; where it just says nothing, once for all files."""
    faults = artifact.wheel.faults if artifact.wheel is not None else ()
    for fault in faults:
        if not fault.unknown:
            path = f"{artifact.path}!{fault.path}"
            yield finding("record-mismatch", path, fault.message)
    silent = [fault for fault in faults if fault.unknown]
    if silent:
        count = f"{len(silent)} files" if len(silent) > 1 else "a file"
        yield finding(
            "record-mismatch",
            artifact.path,
            f"RECORD has no hash of {count}, {silent[0].path} among them: nothing vouches"
            " for what is in them",
            severity=Severity.WARNING,
        )


def file_name(artifact: Artifact, _: Policy) -> Iterator[Finding]:
    """A wheel's file name against METADATA and WHEEL: pip reads the name first."""
    wheel = artifact.wheel
    if wheel is None or not artifact.path.endswith(".whl"):
        return
    from packaging.tags import parse_tag  # noqa: PLC0415
    from packaging.utils import (  # noqa: PLC0415
        InvalidWheelFilename,
        canonicalize_name,
        parse_wheel_filename,
    )
    from packaging.version import InvalidVersion, Version  # noqa: PLC0415

    base = artifact.path.replace("\\", "/").rsplit("/", 1)[-1]
    try:
        name, version, _build, tags = parse_wheel_filename(base)
        own = Version(wheel.version)
    except (InvalidWheelFilename, InvalidVersion) as error:
        yield finding("claim-mismatch", artifact.path, f"no installer takes it: {error}")
        return
    told = {tag for text in wheel.tags for tag in parse_tag(text)}
    claims = (
        ("name", name, canonicalize_name(wheel.name)),
        ("version", str(version), str(own)),
        ("tags", " ".join(sorted(map(str, tags))), " ".join(sorted(map(str, told)))),
    )
    for what, named, inside in claims:
        if named != inside:
            message = f"the file name gives the {what} {named}, the metadata {inside}"
            yield finding("claim-mismatch", artifact.path, message)


def machines(artifact: Artifact, _: Policy) -> Iterator[Finding]:
    """The platform tag against the machine of the binaries with device code."""
    if artifact.wheel is None:
        return
    hosts = [b for b in artifact.binaries if not b.format.startswith(_DEVICE)]
    platforms = {text.rsplit("-", 1)[-1] for text in artifact.wheel.tags}
    if hosts and platforms == {"any"}:
        message = (
            f"tagged for any platform, and holds binaries ({hosts[0].path} among"
            f" {len(hosts)}): pip installs it everywhere"
        )
        yield finding("claim-mismatch", artifact.path, message)
        return
    expected: set[str] = set()
    for platform in platforms:
        known = [f for m, f in _MACHINES.items() if platform.endswith(m)]
        if not known:
            return  # a platform that kinspect can't tell
        expected = expected.union(*known)
    for binary in hosts:
        if binary.device_code and binary.format not in expected:
            message = (
                f"is {binary.format}, the wheel is tagged {', '.join(sorted(platforms))}"
            )
            yield finding("claim-mismatch", binary.path, message)


def promised_targets(artifact: Artifact, _: Policy) -> Iterator[Finding]:
    """Targets in the name or version of a wheel, and in the names of its binaries."""
    if artifact.wheel is not None and artifact.device_code:
        packed = {name for binary in artifact.binaries for name in _packed(binary)}
        base = artifact.path.replace("\\", "/").rsplit("/", 1)[-1]
        names = f"{artifact.wheel.name} {artifact.wheel.version} {base}"
        yield from _unkept(artifact.path, names, packed)
    for binary in artifact.binaries:
        if binary.device_code and not binary.format.startswith(_DEVICE):
            base = binary.path.rsplit("!", 1)[-1].rsplit("/", 1)[-1]
            yield from _unkept(binary.path, base, set(_packed(binary)))


def _packed(binary: Binary) -> Iterator[str]:
    for bundle in binary.bundles:
        for entry in bundle.hip_entries:
            if entry.size:
                yield entry.id.target_name.split(":")[0]
    for one in binary.bitcode:
        yield one.name.split(":")[0]


def _unkept(path: str, names: str, packed: set[str]) -> Iterator[Finding]:
    for target in sorted({word for word in _TARGET.findall(names.lower()) if _known(word)}):
        if target not in packed:
            yield finding(
                "claim-mismatch",
                path,
                f"its name promises {target}, and no code for it is packed",
                target=target,
                details=(f"packed: {', '.join(sorted(packed))}",),
            )


def _known(word: str) -> bool:
    try:
        TargetID.parse(word)
    except TargetError:
        return False
    return True


def promised_release(artifact: Artifact, _: Policy) -> Iterator[Finding]:
    """The ROCm release in a name, against the runtime that is linked."""
    whole = ""
    if artifact.wheel is not None:
        local = artifact.wheel.version.partition("+")[2]
        whole = f"{artifact.wheel.name} {local}"
    for binary in artifact.binaries:
        linked = {int(m[1]) for name in binary.needed if (m := _LINKED.search(name))}
        base = binary.path.rsplit("!", 1)[-1].rsplit("/", 1)[-1]
        promised = {int(m) for m in _RELEASE.findall(base)} or {
            int(m) for m in _RELEASE.findall(whole)
        }
        if linked and promised and linked.isdisjoint(promised):
            yield finding(
                "claim-mismatch",
                binary.path,
                f"its name promises ROCm {_list(promised)}, and it links the runtime of"
                f" ROCm {_list(linked)}",
            )


def _list(numbers: set[int]) -> str:
    return " and ".join(map(str, sorted(numbers)))
