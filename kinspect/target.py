"""Target IDs: the only place that takes one apart.

Sources: LLVM, User Guide for AMDGPU Backend, "Processors", "Target ID", "Generic
Processor Versioning" and "Header" (`e_flags`); llvm/BinaryFormat/ELF.h
(`EF_AMDGPU_*`); Clang Offload Bundler, "Bundle Entry ID".
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from types import MappingProxyType
from typing import Final, NamedTuple, Self

from kinspect.errors import TargetError


class Mode(StrEnum):
    """The mode of a target feature in a target ID."""

    ANY = ""
    ON = "+"
    OFF = "-"

    @property
    def word(self) -> str:
        return {"": "any", "+": "on", "-": "off"}[self.value]


class Isa(NamedTuple):
    """A processor of the AMDGPU backend."""

    processor: str
    #: EF_AMDGPU_MACH_AMDGCN_*
    mach: int
    #: the features that its target IDs may carry, in canonical order
    features: tuple[str, ...] = ()
    #: the processors that a generic one stands for, as HIP's runtime maps them
    covers: tuple[str, ...] = ()

    @property
    def generic(self) -> bool:
        return self.processor.endswith("-generic")


SRAMECC: Final = "sramecc"
XNACK: Final = "xnack"
_BOTH: Final = (SRAMECC, XNACK)
_XNACK: Final = (XNACK,)

_TABLE: Final = (
    Isa("gfx600", 0x20),
    Isa("gfx601", 0x21),
    Isa("gfx700", 0x22),
    Isa("gfx701", 0x23),
    Isa("gfx702", 0x24),
    Isa("gfx703", 0x25),
    Isa("gfx704", 0x26),
    Isa("gfx801", 0x28, _XNACK),
    Isa("gfx802", 0x29),
    Isa("gfx803", 0x2A),
    Isa("gfx810", 0x2B, _XNACK),
    Isa("gfx900", 0x2C, _XNACK),
    Isa("gfx902", 0x2D, _XNACK),
    Isa("gfx904", 0x2E, _XNACK),
    Isa("gfx906", 0x2F, _BOTH),
    Isa("gfx908", 0x30, _BOTH),
    Isa("gfx909", 0x31, _XNACK),
    Isa("gfx90c", 0x32, _XNACK),
    Isa("gfx1010", 0x33, _XNACK),
    Isa("gfx1011", 0x34, _XNACK),
    Isa("gfx1012", 0x35, _XNACK),
    Isa("gfx1030", 0x36),
    Isa("gfx1031", 0x37),
    Isa("gfx1032", 0x38),
    Isa("gfx1033", 0x39),
    Isa("gfx602", 0x3A),
    Isa("gfx705", 0x3B),
    Isa("gfx805", 0x3C),
    Isa("gfx1035", 0x3D),
    Isa("gfx1034", 0x3E),
    Isa("gfx90a", 0x3F, _BOTH),
    Isa("gfx940", 0x40, _BOTH),
    Isa("gfx1100", 0x41),
    Isa("gfx1013", 0x42, _XNACK),
    Isa("gfx1150", 0x43),
    Isa("gfx1103", 0x44),
    Isa("gfx1036", 0x45),
    Isa("gfx1101", 0x46),
    Isa("gfx1102", 0x47),
    Isa("gfx1200", 0x48),
    Isa("gfx1250", 0x49),
    Isa("gfx1151", 0x4A),
    Isa("gfx941", 0x4B, _BOTH),
    Isa("gfx942", 0x4C, _BOTH),
    Isa("gfx1201", 0x4E),
    Isa("gfx950", 0x4F, _BOTH),
    Isa("gfx1310", 0x50),
    Isa(
        "gfx9-generic",
        0x51,
        _XNACK,
        ("gfx900", "gfx902", "gfx904", "gfx906", "gfx909", "gfx90c"),
    ),
    Isa(
        "gfx10-1-generic", 0x52, _XNACK, ("gfx1010", "gfx1011", "gfx1012", "gfx1013")
    ),
    Isa(
        "gfx10-3-generic",
        0x53,
        (),
        (
            "gfx1030", "gfx1031", "gfx1032", "gfx1033", "gfx1034", "gfx1035", "gfx1036",
        ),
    ),
    Isa(
        "gfx11-generic",
        0x54,
        (),
        (
            "gfx1100", "gfx1101", "gfx1102", "gfx1103",
            "gfx1150", "gfx1151", "gfx1152", "gfx1153",
        ),
    ),
    Isa("gfx1152", 0x55),
    Isa("gfx1154", 0x57),
    Isa("gfx1153", 0x58),
    Isa("gfx12-generic", 0x59, (), ("gfx1200", "gfx1201")),
    Isa("gfx1251", 0x5A),
    # HIP's map (clr hip_fatbin.cpp, TargetGenericMap) has gfx1250 in a text of no known
    # release, and none of LLVM's other new families: nothing is promised for these.
    Isa("gfx12-5-generic", 0x5B),
    Isa("gfx1172", 0x5C),
    Isa("gfx1170", 0x5D),
    Isa("gfx1171", 0x5E),
    Isa("gfx9-4-generic", 0x5F, _BOTH, ("gfx942", "gfx950")),
    Isa("gfx11-7-generic", 0x62),
    Isa("gfx13-generic", 0x63),
)  # fmt: skip

PROCESSORS: Final[Mapping[str, Isa]] = MappingProxyType(
    {isa.processor: isa for isa in _TABLE}
)
_BY_MACH: Final = {isa.mach: isa for isa in _TABLE}
_GENERIC_OF: Final = {name: isa.processor for isa in _TABLE for name in isa.covers}

#: the processor name that stands for SPIR-V in an entry ID
SPIRV: Final = "amdgcnspirv"

# e_flags of an AMDGPU ELF
_MACH: Final = 0x0FF
_V3_XNACK: Final = 0x100
_V3_SRAMECC: Final = 0x200
_V4_XNACK_SHIFT: Final = 8
_V4_SRAMECC_SHIFT: Final = 10
_GENERIC_VERSION_SHIFT: Final = 24
#: the two bits of a v4 feature field: 0 unsupported, 1 any, 2 off, 3 on
_V4_MODES: Final = (None, Mode.ANY, Mode.OFF, Mode.ON)

#: EI_ABIVERSION of code object v2 to v6
ABI_V2, ABI_V3, ABI_V4, ABI_V5, ABI_V6 = range(5)


@dataclass(frozen=True, slots=True)
class TargetID:
    """A processor with the modes of its features: `gfx942:sramecc+:xnack-`.

    Printed in canonical form: features in alphabetical order, `any` left out.
    """

    processor: str
    sramecc: Mode = Mode.ANY
    xnack: Mode = Mode.ANY

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse a target ID in any order of features; raise TargetError."""
        processor, *features = text.split(":")
        isa = PROCESSORS.get(processor)
        if isa is None:
            raise UnknownProcessor(processor)
        modes: dict[str, Mode] = {}
        for feature in features:
            name, sign = feature[:-1], feature[-1:]
            if sign not in {"+", "-"}:
                message = f"{text!r}: feature {feature!r} must end in '+' or '-'"
                raise TargetError(message)
            if name not in isa.features:
                has = " and ".join(isa.features) or "no features"
                message = f"{text!r}: {processor} has {has}, not {name!r}"
                raise TargetError(message)
            if name in modes:
                message = f"{text!r}: feature {name!r} stands twice"
                raise TargetError(message)
            modes[name] = Mode(sign)
        return cls(processor, **modes)

    def __str__(self) -> str:
        text = self.processor
        if self.sramecc:
            text += f":{SRAMECC}{self.sramecc}"
        if self.xnack:
            text += f":{XNACK}{self.xnack}"
        return text

    @property
    def isa(self) -> Isa:
        return PROCESSORS[self.processor]

    @property
    def generic(self) -> Self | None:
        """The generic target that HIP tries after this one, with the same modes."""
        name = _GENERIC_OF.get(self.processor)
        return None if name is None else type(self)(name, self.sramecc, self.xnack)

    def mode(self, feature: str) -> Mode:
        return self.sramecc if feature == SRAMECC else self.xnack

    def serves(self, other: Self) -> bool:
        """Whether code for this target runs in every mode that `other` names.

        A feature that this target leaves at `any` suits every mode; a `+` or `-`
        suits only the same.
        """
        return self.processor == other.processor and all(
            self.mode(feature) in (Mode.ANY, other.mode(feature))
            for feature in self.isa.features
        )

    def devices(self) -> "tuple[TargetID, ...]":
        """The targets with every mode settled that this one stands for.

        A device runs each feature either on or off, never `any`.
        """
        return _devices(self)


@lru_cache(maxsize=256)
def _devices(target: TargetID) -> tuple[TargetID, ...]:
    choices: list[dict[str, Mode]] = [{}]
    for feature in target.isa.features:
        mode = target.mode(feature)
        settled = (Mode.ON, Mode.OFF) if mode is Mode.ANY else (mode,)
        choices = [{**chosen, feature: one} for chosen in choices for one in settled]
    return tuple(TargetID(target.processor, **chosen) for chosen in choices)


class UnknownProcessor(TargetError):
    """A target ID of a processor that kinspect does not know.

    Names that are close are looked for when somebody reads this: in a file whose entries
    are for such processors, nobody does.
    """

    def __str__(self) -> str:
        import difflib  # noqa: PLC0415

        from kinspect.products import processor_of  # noqa: PLC0415

        (processor,) = self.args
        sold = processor_of(processor)
        if sold is not None:
            return f"{processor!r} is what a GPU is sold as: its processor is {sold}"
        message = f"{processor!r} is not an AMDGPU processor that kinspect knows"
        close = difflib.get_close_matches(processor, PROCESSORS, n=3)
        return f"{message}; did you mean {' or '.join(close)}?" if close else message


@dataclass(frozen=True, slots=True)
class MachineFlags:
    """What `e_flags` of an AMDGPU code object says (ELF.h, `EF_AMDGPU_*`)."""

    #: None where EF_AMDGPU_MACH is no processor that kinspect knows
    target: TargetID | None
    mach: int
    #: the version of a generic processor (v6 only), else 0
    generic_version: int
    #: features that the field calls unsupported while the processor has them
    unsupported: tuple[str, ...]

    def __str__(self) -> str:
        return str(self.target) if self.target else f"EF_AMDGPU_MACH {self.mach:#04x}"


def from_e_flags(e_flags: int, abi_version: int) -> MachineFlags:
    """Decode `e_flags`, whose feature fields depend on EI_ABIVERSION."""
    mach = e_flags & _MACH
    isa = _BY_MACH.get(mach)
    generic_version = e_flags >> _GENERIC_VERSION_SHIFT if abi_version >= ABI_V6 else 0
    if isa is None:
        return MachineFlags(None, mach, generic_version, ())
    modes: dict[str, Mode | None]
    if abi_version >= ABI_V4:
        modes = {
            XNACK: _V4_MODES[e_flags >> _V4_XNACK_SHIFT & 3],
            SRAMECC: _V4_MODES[e_flags >> _V4_SRAMECC_SHIFT & 3],
        }
    else:  # one bit each: on, or off
        modes = {
            XNACK: Mode.ON if e_flags & _V3_XNACK else Mode.OFF,
            SRAMECC: Mode.ON if e_flags & _V3_SRAMECC else Mode.OFF,
        }
    settled = {name: modes[name] for name in isa.features}
    target = TargetID(
        isa.processor, **{name: mode or Mode.ANY for name, mode in settled.items()}
    )
    unsupported = tuple(name for name, mode in settled.items() if mode is None)
    return MachineFlags(target, mach, generic_version, unsupported)


def parse_required(texts: tuple[str, ...]) -> tuple[TargetID, ...]:
    """Targets from values such as `gfx942;gfx950` or `gfx942,gfx950`, sorted, once each.

    Build arguments join them with either sign, or with spaces.
    """
    words = " ".join(texts).replace(";", " ").replace(",", " ").split()
    return tuple(sorted({TargetID.parse(word) for word in words}, key=str))


@dataclass(frozen=True, slots=True)
class EntryID:
    """A bundle entry ID, taken apart: `hipv4-amdgcn-amd-amdhsa--gfx942:xnack+`.

    Grammar: `<kind>-<arch>-<vendor>-<os>-<env>[-<target-id>]`; split five times at
    most, so that `gfx9-4-generic` stays whole (Clang Offload Bundler, "Bundle Entry
    ID"; OffloadBundler.cpp, OffloadTargetInfo).
    """

    text: str
    kind: str
    arch: str = ""
    vendor: str = ""
    os: str = ""
    env: str = ""
    target: str = ""

    HIP_KINDS = frozenset({"hip", "hipv4", "hcc"})

    def __hash__(self) -> int:
        return hash(self.text)  # the other fields follow from it

    @classmethod
    def parse(cls, text: str) -> "EntryID":
        """Never fails: what is missing stays empty."""
        return _entry_id(text)

    @property
    def is_hip(self) -> bool:
        """Whether this names HIP device code (and not the host, OpenMP, SYCL, …)."""
        return self.kind in self.HIP_KINDS and self.arch in {"amdgcn", "spirv64"}

    @property
    def is_spirv(self) -> bool:
        return self.is_hip and self.arch == "spirv64" and self.target == SPIRV

    @property
    def target_id(self) -> TargetID | None:
        """The target, or None where HIP's matching would not understand it.

        Debian's bundler of LLVM 19 spells a processor that it does not know with a
        stray dash, `…--gfx950-`; no runtime matches that.
        """
        if not self.is_hip or self.is_spirv:
            return None
        try:
            return TargetID.parse(self.target)
        except TargetError:
            return None

    @property
    def target_name(self) -> str:
        """What to call the target in a report, understood or not."""
        _, colon, feature = self.target.rpartition(":")
        signed = colon and feature[:-1].isalnum()  # xnack-: no stray dash
        name = self.target if signed else self.target.removesuffix("-")
        return name or self.arch or self.text


@lru_cache(maxsize=1024)
def _entry_id(text: str) -> EntryID:
    """Kept, since the bundles of a library have the same few IDs."""
    return EntryID(text, *text.rstrip("\0").split("-", 5))
