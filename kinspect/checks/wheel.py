"""Rules on what wheels, names and tags promise, against what is packed."""

import re
from collections.abc import Iterable, Iterator
from typing import Final

from kinspect.checks.finding import finding
from kinspect.errors import TargetError
from kinspect.model import Artifact, Binary, Finding, Severity, Wheel
from kinspect.policy import Policy
from kinspect.target import TargetID

#: a processor in a name, and nothing that is longer; or a family: gfx94x. `no_gfx950`
#: promises the reverse
_TARGET: Final = re.compile(
    r"(?<![a-z0-9])(?<!no[-_.])(?<!without[-_.])gfx(?:\d+(?:-\d+)?-generic|[0-9a-f]{3,4}|\d{2,3}x)(?![0-9a-z])"
)

#: `+rocm7.0`, `_rocm64`, `-rocm-7-`: the release that something is built for
_RELEASE: Final = re.compile(r"rocm[-_.]?(\d{1,3})(?![0-9])", re.IGNORECASE)

#: `libamdhip64.so.7`, `amdhip64_7.dll`
_LINKED: Final = re.compile(r"amdhip64(?:\.so\.|_)(\d+)")

#: the machine of a platform tag → how binutils name its binaries
_MACHINES: Final = {
    "x86_64": "elf64-x86-64",
    "aarch64": "elf64-littleaarch64",
    "ppc64le": "elf64-powerpcle",
    "riscv64": "elf64-littleriscv",
    "loongarch64": "elf64-loongarch",
    "i686": "elf32-i386",
    "armv7l": "elf32-littlearm",
    "win_amd64": "pei-x86-64",
    "win_arm64": "pei-aarch64-little",
    "win32": "pei-i386",
}
#: no code for a host: code objects, bundles, bitcode
_DEVICE: Final = ("raw", "elf64-amdgpu", "bitcode", "kpack", "unknown")


def record(artifact: Artifact, _: Policy) -> Iterator[Finding]:
    for wheel in artifact.wheels:
        yield from _record(wheel)


def _record(wheel: Wheel) -> Iterator[Finding]:
    """What RECORD says otherwise; where it just says nothing, once for all files."""
    for fault in wheel.faults:
        if not fault.unknown:
            path = f"{wheel.path}!{fault.path}"
            yield finding("record-mismatch", path, fault.message)
    silent = [fault for fault in wheel.faults if fault.unknown]
    if silent:
        count = f"{len(silent)} files" if len(silent) > 1 else "a file"
        yield finding(
            "record-mismatch",
            wheel.path,
            f"RECORD has no hash of {count}, {silent[0].path} among them: nothing vouches"
            " for what is in them",
            severity=Severity.WARNING,
        )


def file_names(artifact: Artifact, _: Policy) -> Iterator[Finding]:
    """The file names of wheels against METADATA and WHEEL: pip reads the name first."""
    for wheel in artifact.wheels:
        base = _base(wheel.path)
        if base.endswith(".whl"):
            for problem in _misnamed(base, wheel):
                yield finding("claim-mismatch", wheel.path, problem)


def _misnamed(base: str, wheel: Wheel) -> Iterator[str]:
    from packaging.tags import parse_tag  # noqa: PLC0415
    from packaging.utils import (  # noqa: PLC0415
        InvalidWheelFilename,
        canonicalize_name,
        parse_wheel_filename,
    )
    from packaging.version import InvalidVersion, Version  # noqa: PLC0415

    try:
        name, version, _build, tags = parse_wheel_filename(base)
        own = Version(wheel.version)
        told = {tag for text in wheel.tags for tag in parse_tag(text)}
    except (InvalidWheelFilename, InvalidVersion, ValueError) as error:
        yield f"no installer takes it: {error}"
        return
    claims = (
        ("name", name, canonicalize_name(wheel.name)),
        ("version", str(version), str(own)),
        ("tags", " ".join(sorted(map(str, tags))), " ".join(sorted(map(str, told)))),
    )
    for what, named, inside in claims:
        if named != inside:
            yield f"the file name gives the {what} {named}, the metadata {inside}"


def machines(artifact: Artifact, _: Policy) -> Iterator[Finding]:
    """The platform tags of wheels against the machine of their binaries."""
    for wheel in artifact.wheels:
        hosts = [b for b in _of(wheel, artifact) if not b.format.startswith(_DEVICE)]
        platforms = {p for text in wheel.tags for p in text.rsplit("-", 1)[-1].split(".")}
        tagged = ", ".join(sorted(platforms))
        if hosts and platforms == {"any"}:
            message = (
                f"tagged for any platform, and holds binaries ({_base(hosts[0].path)} among"
                f" {len(hosts)}): pip installs it everywhere"
            )
            yield finding("claim-mismatch", wheel.path, message)
            continue
        expected = {_format(platform) for platform in platforms}
        for binary in hosts if None not in expected else ():
            if binary.device_code and binary.format not in expected:
                message = f"is {binary.format}, the wheel is tagged {tagged}"
                yield finding("claim-mismatch", binary.path, message)


def _format(platform: str) -> str | None:
    """How binutils name the binaries of a platform; None where kinspect can't tell."""
    return next((f for m, f in _MACHINES.items() if platform.endswith(m)), None)


def _of(wheel: Wheel, artifact: Artifact) -> Iterable[Binary]:
    return (b for b in artifact.binaries if b.path.startswith(f"{wheel.path}!"))


def promised_targets(artifact: Artifact, _: Policy) -> Iterator[Finding]:
    """Targets in the name or version of a wheel, and in the names of its binaries."""
    for wheel in artifact.wheels:
        packed = {name for binary in _of(wheel, artifact) for name in _packed(binary)}
        names = f"{wheel.name} {wheel.version} {_base(wheel.path)}"
        if packed:  # else there is nothing at all, which is told
            yield from _unkept(wheel.path, names, packed)
    for binary in artifact.binaries:
        if binary.device_code and not binary.format.startswith(_DEVICE):
            yield from _unkept(binary.path, _base(binary.path), set(_packed(binary)))


def _base(path: str) -> str:
    return path.rsplit("!", 1)[-1].replace("\\", "/").rsplit("/", 1)[-1]


def _packed(binary: Binary) -> Iterator[str]:
    for bundle in binary.bundles:
        for entry in bundle.hip_entries:
            if entry.size:
                yield entry.id.target_name.split(":")[0]
    for one in binary.bitcode:
        yield one.name.split(":")[0]


def _unkept(path: str, names: str, packed: set[str]) -> Iterator[Finding]:
    for word in sorted(set(_TARGET.findall(names.lower()))):
        if not _kept(word, packed):
            yield finding(
                "claim-mismatch",
                path,
                f"its name promises {word}, and no code for it is packed",
                target=word,
                details=(f"packed: {', '.join(sorted(packed))}",),
            )


def _kept(word: str, packed: set[str]) -> bool:
    if word.endswith("x"):  # a family, as TheRock names them: gfx94X
        return any(name.startswith(word[:-1]) for name in packed)
    try:
        TargetID.parse(word)
    except TargetError:
        return True  # no processor: it promises nothing
    return word in packed


def promised_release(artifact: Artifact, _: Policy) -> Iterator[Finding]:
    """The ROCm release in a name, against the runtime that is linked."""
    for binary in artifact.binaries:
        linked = {int(m[1]) for name in binary.needed if (m := _LINKED.search(name))}
        promised = _releases(_base(binary.path))
        for wheel in artifact.wheels:
            if not promised and binary.path.startswith(f"{wheel.path}!"):
                promised = _releases(f"{wheel.name} {wheel.version.partition('+')[2]}")
        if linked and promised and linked.isdisjoint(promised):
            yield finding(
                "claim-mismatch",
                binary.path,
                f"its name promises ROCm {_list(promised)}, and it links the runtime of"
                f" ROCm {_list(linked)}",
            )


def _releases(text: str) -> set[int]:
    """The major releases: `rocm7.0`, `rocm64` and `rocm714` have one digit of it."""
    digits = _RELEASE.findall(text)
    return {int(one[:2] if one.startswith("1") else one[0]) for one in digits}


def _list(numbers: set[int]) -> str:
    return " and ".join(map(str, sorted(numbers)))
