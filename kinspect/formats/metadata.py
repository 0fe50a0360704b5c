"""Kernel metadata: the msgpack of an NT_AMDGPU_METADATA record.

Source: LLVM, User Guide for AMDGPU Backend, "Code Object V3 Metadata" and later;
BinaryFormat/AMDGPUMetadataVerifier.cpp. Decoded typed, so that what is not asked for
(`.args` above all) is skipped and not built.
"""

from collections.abc import Sequence
from enum import Enum, auto
from functools import cache
from typing import Final, cast

import msgspec

from kinspect.errors import FormatError
from kinspect.limits import DEFAULT, Limits
from kinspect.view import View


class KernelName(msgspec.Struct, frozen=True, gc=False, rename=lambda name: f".{name}"):
    """What names a kernel: HIP looks up `.name`, the loader `.symbol`."""

    name: str
    symbol: str


class Kernel(KernelName, frozen=True, gc=False, rename=lambda name: f".{name}"):
    """A kernel's resources, by their msgpack names without the dot.

    Sizes are bytes, counts are registers of a lane (VGPR, AGPR) or a wave (SGPR).
    None stands for a key that the compiler did not write.
    """

    vgpr_count: int | None = None
    agpr_count: int | None = None
    sgpr_count: int | None = None
    group_segment_fixed_size: int | None = None
    private_segment_fixed_size: int | None = None
    kernarg_segment_size: int | None = None
    kernarg_segment_align: int | None = None
    wavefront_size: int | None = None
    max_flat_workgroup_size: int | None = None
    vgpr_spill_count: int | None = None
    sgpr_spill_count: int | None = None
    uses_dynamic_stack: bool | None = None
    reqd_workgroup_size: tuple[int, int, int] | None = None
    uniform_work_group_size: int | None = None
    workgroup_processor_mode: int | None = None
    language: str | None = None


class Room(msgspec.Struct, frozen=True, gc=False, rename=lambda name: f".{name}"):
    """Where an argument lies in the kernarg segment, in bytes."""

    offset: int
    size: int


class LaunchedKernel(Kernel, frozen=True, gc=False, rename=lambda name: f".{name}"):
    """A kernel's resources, and where its arguments lie.

    The resources are decoded though a launch needs few of them: HIP reads all fields
    that it knows, and refuses a list where a number belongs (comgr's metadata kinds).
    """

    #: decoded apart, since kernels have few different lists: see `Metadata.rooms`
    args: msgspec.Raw = msgspec.Raw(b"\x90")


#: what a launch needs of a descriptor
LAUNCH: Final = (
    "vgpr_count",
    "agpr_count",
    "sgpr_count",
    "group_segment_fixed_size",
    "private_segment_fixed_size",
    "kernarg_segment_size",
    "wavefront_size",
    "uses_dynamic_stack",
)


class Argument(msgspec.Struct, frozen=True, gc=False, rename=lambda name: f".{name}"):
    """An argument of a kernel; sizes and offsets are bytes of the kernarg segment."""

    offset: int
    size: int
    value_kind: str
    name: str | None = None
    type_name: str | None = None
    address_space: str | None = None
    access: str | None = None
    actual_access: str | None = None
    is_const: bool | None = None
    is_restrict: bool | None = None
    is_volatile: bool | None = None


class KernelWithArguments(Kernel, frozen=True, gc=False, rename=lambda name: f".{name}"):
    """A kernel's resources and its arguments, which are most of a record."""

    args: list[Argument] = []


class _Names(msgspec.Struct, frozen=True, rename=lambda name: f"amdhsa.{name}"):
    version: list[int]
    kernels: list[KernelName] = []
    target: str | None = None


class _Full(msgspec.Struct, frozen=True, rename=lambda name: f"amdhsa.{name}"):
    version: list[int]
    kernels: list[Kernel] = []
    target: str | None = None


class _Fullest(msgspec.Struct, frozen=True, rename=lambda name: f"amdhsa.{name}"):
    version: list[int]
    kernels: list[KernelWithArguments] = []
    target: str | None = None


class _Launched(msgspec.Struct, frozen=True, rename=lambda name: f"amdhsa.{name}"):
    version: list[int]
    kernels: list[LaunchedKernel] = []
    target: str | None = None


class Detail(Enum):
    """How much of a kernel is decoded."""

    NAMES = auto()
    RESOURCES = auto()
    #: resources, and the places of arguments
    LAUNCH = auto()
    ARGUMENTS = auto()


class Metadata(msgspec.Struct, frozen=True):
    """All records of a code object, merged as comgr merges them."""

    version: tuple[int, ...] | None
    target: str | None
    kernels: Sequence[KernelName]
    #: bytes from the start of the kernarg segment to the end of the last argument, for
    #: each kernel; empty unless what a launch needs was decoded
    rooms: tuple[int, ...] = ()

    @property
    def launched(self) -> Sequence[LaunchedKernel]:
        """The kernels, where what a launch needs was decoded."""
        return cast("Sequence[LaunchedKernel]", self.kernels) if self.rooms else ()

    @property
    def resources(self) -> Sequence[Kernel]:
        """The kernels, where more than their names was decoded."""
        return [one for one in self.kernels if isinstance(one, Kernel)]


RESOURCES: Final = tuple(
    field.name for field in msgspec.structs.fields(Kernel) if field.name != "symbol"
)


_Record = _Names | _Full | _Launched | _Fullest


@cache
def _decoder(detail: Detail) -> msgspec.msgpack.Decoder[_Record]:
    records: dict[Detail, type[_Record]] = {
        Detail.NAMES: _Names,
        Detail.RESOURCES: _Full,
        Detail.LAUNCH: _Launched,
        Detail.ARGUMENTS: _Fullest,
    }
    return msgspec.msgpack.Decoder(records[detail])


def parse(
    records: Sequence[View], limits: Limits = DEFAULT, detail: Detail = Detail.NAMES
) -> Metadata:
    """Decode and merge the records; with more detail, the kernels are `Kernel`s.

    RDC links leave up to eight records in one code object, in any order (clang's
    `--lto-partitions`). Records that disagree raise FormatError.
    """
    version: tuple[int, ...] | None = None
    target: str | None = None
    kernels: list[KernelName] = []
    rooms: list[int] = []
    for view in records:
        limits.check("metadata", len(view), view.where())
        try:
            record = _decoder(detail).decode(view.bytes())
            if isinstance(record, _Launched):
                rooms += _rooms(record.kernels)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            message = f"metadata record: {error}"
            raise FormatError(message, view.where()) from error
        if version not in (None, tuple(record.version)):
            message = f"metadata of version {record.version} beside {list(version)}"
            raise FormatError(message, view.where())
        if record.target is not None and target not in (None, record.target):
            message = f"metadata for {record.target} beside {target}"
            raise FormatError(message, view.where())
        version = tuple(record.version)
        target = target or record.target
        kernels.extend(record.kernels)
        limits.check("kernels", len(kernels), view.where())
    return Metadata(version, target, kernels, tuple(rooms))


_arguments: Final = msgspec.msgpack.Decoder(list[Room])


def _rooms(kernels: Sequence[LaunchedKernel]) -> list[int]:
    """The room of each kernel's arguments; raises msgspec.DecodeError."""
    lists = [bytes(kernel.args) for kernel in kernels]
    rooms = {}
    for data in dict.fromkeys(lists):
        try:
            places = _arguments.decode(data)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            message = f"arguments of {kernels[lists.index(data)].name}: {error}"
            raise msgspec.DecodeError(message) from error
        rooms[data] = max((one.offset + one.size for one in places), default=0)
    return [rooms[data] for data in lists]
