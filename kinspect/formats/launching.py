"""Kernels that the loader finds and that can't run: descriptors and what they lead to.

Source: LLVM, User Guide for AMDGPU Backend, "Kernel Descriptor" and "Symbols"; the
hardware starts a kernel where its descriptor says, with what its descriptor gives it, and
HIP prepares the launch by the metadata.
"""

from array import array
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from kinspect.errors import FormatError
from kinspect.formats.agreement import disagreements
from kinspect.formats.amdgpu_elf import PF_X, PT_LOAD, Elf, ProgramHeader
from kinspect.formats.descriptor import Descriptor
from kinspect.formats.loading import DESCRIPTOR_SIZE
from kinspect.formats.metadata import KernelWithRoom
from kinspect.formats.symbols import SymbolTable
from kinspect.machine import Machine
from kinspect.view import column

#: bytes that the code of a kernel is aligned to
ENTRY_ALIGN: Final = 256
#: what stands where code was wiped out: no kernel starts so
BLANK: Final = (bytes(8), b"\xff" * 8)
#: what hand-written code gets wrong without harm: gfx9's waves have all scalar registers
HARMLESS: Final = frozenset({"sgpr_count"})


class Launched(NamedTuple):
    """A kernel that the loader finds."""

    #: the number of its metadata record
    record: int
    #: the rows of its descriptor and of its code in the loader's symbol table
    descriptor: int
    function: int | None


class Launcher:
    """Judges the kernels of one code object."""

    def __init__(self, elf: Elf, machine: Machine | None, table: SymbolTable) -> None:
        self._elf = elf
        self._machine = machine
        self._table = table
        self._loads = [one for one in elf.segments if one.p_type == PT_LOAD]
        self._base = self._loads[0].p_vaddr if self._loads else 0

    def broken(
        self, kernels: Sequence[KernelWithRoom], launched: Sequence[Launched]
    ) -> Iterator[tuple[str, str]]:
        """Kernels with a descriptor that can't run, by name, and the first reason."""
        values, sizes = self._table.values, self._table.sizes
        places = [values[one.descriptor] for one in launched]
        sheet = _Sheet(self._elf, self._loads, places)
        for (record, row, function), address in zip(launched, places, strict=True):
            kernel = kernels[record]
            code = None if function is None else (values[function], sizes[function])
            if code is not None and self._sound(kernel, address, code, sheet):
                continue
            descriptor = self._read(address, sizes[row])
            if descriptor is not None:
                reason = self._unfit(kernel, descriptor, address, code)
                if reason:
                    yield kernel.name, reason

    def _sound(
        self, kernel: KernelWithRoom, address: int, code: tuple[int, int], sheet: "_Sheet"
    ) -> bool:
        """Whether nothing is wrong for sure: a quick look, since nearly all are sound."""
        machine = self._machine
        row = sheet.row(address)
        if row is None or machine is None:
            return False
        entry, size = code
        words = sheet.words
        wave32 = words[row + 14] >> 10 & 1
        return (
            address + sheet.quads[row // 2 + 2] == entry
            and not (entry - self._base) % ENTRY_ALIGN
            and words[row] == kernel.group_segment_fixed_size
            and words[row] <= machine.lds
            and words[row + 1] == kernel.private_segment_fixed_size
            and words[row + 2] in (kernel.kernarg_segment_size, 0)
            and kernel.room <= (kernel.kernarg_segment_size or 0)
            and kernel.wavefront_size == (32 if wave32 else 64)
            and wave32 <= machine.wave32
            and (words[row + 14] >> 11 & 1) == bool(kernel.uses_dynamic_stack)
            and ((words[row + 12] & 0x3F) + 1) * machine.encoding
            >= (kernel.vgpr_count or 0)
            and not kernel.agpr_count
            and (not size or not self._no_code(entry))
        )

    def _read(self, address: int, size: int) -> Descriptor | None:
        """None where it is not whole in the file: a fault of the code object."""
        load = self._load(address)
        if size != DESCRIPTOR_SIZE or load is None:
            return None
        at = address - load.p_vaddr
        if at > load.p_filesz - size:
            return None
        return self._elf.view.read(Descriptor, load.p_offset + at)

    def _load(self, address: int) -> ProgramHeader | None:
        for one in self._loads:
            if one.p_vaddr <= address < one.p_vaddr + one.p_filesz:
                return one
        return None

    def _unfit(
        self,
        kernel: KernelWithRoom,
        descriptor: Descriptor,
        address: int,
        code: tuple[int, int] | None,
    ) -> str:
        if address % DESCRIPTOR_SIZE:
            return (
                f"its descriptor at {address:#x} is not aligned to {DESCRIPTOR_SIZE} bytes"
            )
        entry = address + descriptor.kernel_code_entry_byte_offset
        function, size = code or (entry, None)
        return (
            self._misled(entry, function)
            or ("" if size == 0 else self._no_code(entry))
            or self._unlike(kernel, descriptor)
        )

    def _misled(self, entry: int, function: int) -> str:
        if (entry - self._base) % ENTRY_ALIGN:
            return f"its entry {entry:#x} is not aligned to {ENTRY_ALIGN} bytes"
        if entry != function:
            return f"its code starts at {function:#x}, its descriptor leads to {entry:#x}"
        return ""

    def _no_code(self, entry: int) -> str:
        """Not asked of kernels of no bytes: the compiler found that they never run."""
        load = self._load(entry)
        if load is None:
            return f"its entry {entry:#x} lies in no segment of the file"
        if not load.p_flags & PF_X:
            return f"its entry {entry:#x} lies in a segment that is not executable"
        at = load.p_offset + entry - load.p_vaddr
        try:
            start = bytes(self._elf.view.bytes(at, 8))
        except FormatError:  # cut: a fault of the code object
            return ""
        if start in BLANK:
            return f"there is no instruction at its entry {entry:#x}: {start.hex(' ')}"
        return ""

    def _unlike(self, kernel: KernelWithRoom, descriptor: Descriptor) -> str:
        machine = self._machine
        wrong = set(disagreements(kernel, descriptor, machine)) - HARMLESS
        if wrong:
            return f"its descriptor and its metadata disagree on {', '.join(sorted(wrong))}"
        told = kernel.kernarg_segment_size
        if told is not None and kernel.room > told:
            return f"its arguments take {kernel.room} bytes, kernarg_segment_size is {told}"
        if machine is None:
            return ""
        if descriptor.wave32 and not machine.wave32:
            return "its descriptor asks for waves of 32 lanes, which the processor has not"
        if descriptor.group_segment_fixed_size > machine.lds:
            return (
                f"it takes {descriptor.group_segment_fixed_size} bytes of LDS, the"
                f" processor has {machine.lds}"
            )
        return ""


class _Sheet:
    """The descriptors of a code object as columns, where they lie together."""

    #: bytes for each descriptor, at most: they are no longer together
    _SPARSE: Final = 16 * DESCRIPTOR_SIZE

    def __init__(
        self, elf: Elf, loads: Sequence[ProgramHeader], values: Sequence[int]
    ) -> None:
        self._first = self._end = 0
        data: bytes | bytearray | memoryview = b""
        low, high = min(values, default=0), max(values, default=0) + DESCRIPTOR_SIZE
        for one in loads:
            inside = one.p_vaddr <= low and high <= one.p_vaddr + one.p_filesz
            if inside and high - low <= len(values) * self._SPARSE:
                data = elf.view.bytes(one.p_offset + low - one.p_vaddr, high - low)
                self._first, self._end = low, high
        whole = data[: len(data) // DESCRIPTOR_SIZE * DESCRIPTOR_SIZE]
        self.words: array[int] = column(whole, "I")
        self.quads: array[int] = column(whole, "q")

    def row(self, address: int) -> int | None:
        """Which of the words is the first of a descriptor."""
        at = address - self._first
        if at % DESCRIPTOR_SIZE or not self._first <= address < self._end:
            return None
        return at // 4
