"""Kernels that the loader finds and that can't run: descriptors and what they lead to.

Source: LLVM, User Guide for AMDGPU Backend, "Kernel Descriptor" and "Symbols"; the
hardware starts a kernel where its descriptor says, with what its descriptor gives it, and
HIP prepares the launch by the metadata. Hot: a large binary holds 400,000 kernels. They
are looked at by columns, and those alone where a column tells of a fault.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from operator import add, attrgetter
from struct import Struct
from typing import Final

from kinspect.formats.agreement import disagreements
from kinspect.formats.amdgpu_elf import PF_X, PT_LOAD, Elf, ProgramHeader
from kinspect.formats.descriptor import Descriptor
from kinspect.formats.loading import DESCRIPTOR_SIZE
from kinspect.formats.metadata import LAUNCH, LaunchedKernel, Metadata
from kinspect.formats.symbols import SymbolTable
from kinspect.machine import Machine
from kinspect.view import wire

#: bytes that the code of a kernel is aligned to
ENTRY_ALIGN: Final = 256
#: bytes at the entry of a kernel that are looked at
_START: Final = 8
#: what stands where code was wiped out: no kernel starts so
BLANK: Final = (bytes(_START), b"\xff" * _START)
#: what hand-written code gets wrong without harm: gfx9's waves have all scalar registers
HARMLESS: Final = frozenset({"sgpr_count"})


@dataclass(frozen=True, slots=True)
class Launched:
    """The kernels that the loader finds, a column for each thing."""

    #: the numbers of their metadata records
    records: Sequence[int]
    #: the rows of their descriptors in the loader's symbol table
    descriptors: Sequence[int]
    #: the rows of their code there; None where no symbol tells of it
    functions: Sequence[int | None]


#: a descriptor before and behind the place of its code, what the metadata tells of the
#: kernel, and the room of its arguments: where these are alike, so is the judgement
_Pair = tuple[bytes, bytes, tuple[object, ...], int]

_told = attrgetter(*LAUNCH)


class Launcher:
    """Judges the kernels of code objects, one object after the other.

    Most descriptors and records are like many others, for other kernels and for other
    targets, so what each pair comes to is remembered.
    """

    #: pairs that are remembered for a processor, at most
    _KEPT: Final = 1 << 13

    def __init__(self) -> None:
        self._known: dict[Machine | None, dict[_Pair, str]] = {}

    def broken(
        self,
        elf: Elf,
        machine: Machine | None,
        table: SymbolTable,
        metadata: Metadata,
        launched: Launched,
    ) -> Iterator[tuple[str, str]]:
        """Kernels with a descriptor that can't run, by name, and the first reason.

        `table` is the loader's.
        """
        if not launched.records:
            return
        kernels, rooms = metadata.launched, metadata.rooms
        chosen = [kernels[record] for record in launched.records]
        room = [rooms[record] for record in launched.records]
        code = _Code(elf, table, launched)
        descriptors = code.descriptors()
        if descriptors is None:
            suspects: Iterable[int] = range(len(chosen))
        else:
            heads, offsets, tails = zip(*descriptors, strict=True)
            pairs = list(zip(heads, tails, map(_told, chosen), room, strict=True))
            unlike = self._unlike(machine, pairs, chosen)
            suspects = sorted(unlike | code.misled(offsets))
        for row in suspects:
            descriptor = code.descriptor(row)
            if descriptor is not None:
                reason = code.unfit(row, descriptor) or _unlike(
                    chosen[row], room[row], descriptor, machine
                )
                if reason:
                    yield chosen[row].name, reason

    def _unlike(
        self,
        machine: Machine | None,
        pairs: Sequence[_Pair],
        kernels: Sequence[LaunchedKernel],
    ) -> set[int]:
        """The kernels with metadata that their descriptors don't agree with."""
        known = self._known.setdefault(machine, {})
        if len(known) > self._KEPT:
            known.clear()
        reasons = list(map(known.get, pairs))
        if None in reasons:
            new = {pair: row for row, pair in enumerate(pairs) if reasons[row] is None}
            for pair, row in new.items():
                head, tail, _, room = pair
                descriptor = Descriptor(*wire(Descriptor).unpack(head + bytes(8) + tail))
                known[pair] = _unlike(kernels[row], room, descriptor, machine)
            reasons = [known[pair] for pair in pairs]
        return (
            {row for row, reason in enumerate(reasons) if reason} if any(reasons) else set()
        )


def _unlike(
    kernel: LaunchedKernel, room: int, descriptor: Descriptor, machine: Machine | None
) -> str:
    """Why a descriptor does not give a kernel what its metadata says.

    By no more of the two than is in a `_Pair`.
    """
    wrong = set(disagreements(kernel, descriptor, machine)) - HARMLESS
    if wrong:
        return f"its descriptor and its metadata disagree on {', '.join(sorted(wrong))}"
    told = kernel.kernarg_segment_size
    if told is not None and room > told:
        return f"its arguments take {room} bytes, kernarg_segment_size is {told}"
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


class _Code:
    """Where the descriptors of the kernels and their code lie, kernel by kernel."""

    #: bytes for each descriptor, at most, where they lie together
    _SPARSE: Final = 16 * DESCRIPTOR_SIZE
    #: a descriptor, with the place of its code apart
    _PARTS: Final = Struct("<16sq40s")

    def __init__(self, elf: Elf, table: SymbolTable, launched: Launched) -> None:
        self._elf = elf
        self._loads = [one for one in elf.segments if one.p_type == PT_LOAD]
        self._base = self._loads[0].p_vaddr if self._loads else 0
        self._values, self._sizes = table.values, table.sizes
        self._launched = launched
        self._addresses = [self._values[row] for row in launched.descriptors]

    def descriptors(self) -> list[tuple[bytes, int, bytes]] | None:
        """All of them in parts; None where they don't lie together."""
        addresses = self._addresses
        low, size = min(addresses), max(addresses) - min(addresses) + DESCRIPTOR_SIZE
        at = self._place(low, size)
        if at is None or size > len(addresses) * self._SPARSE:
            return None
        if any(address % DESCRIPTOR_SIZE for address in addresses):
            return None
        slots = list(self._PARTS.iter_unpack(self._elf.view.bytes(at, size)))
        return [slots[(address - low) // DESCRIPTOR_SIZE] for address in addresses]

    def misled(self, offsets: Sequence[int]) -> set[int]:
        """The kernels with descriptors that may lead to no code of theirs."""
        values, sizes, base = self._values, self._sizes, self._base
        functions = self._launched.functions
        entries = list(map(add, self._addresses, offsets))
        starts = [None if row is None else values[row] for row in functions]
        found = {row for row, at in enumerate(entries) if (at - base) % ENTRY_ALIGN}
        if starts != entries:
            found.update(row for row, at in enumerate(entries) if starts[row] != at)
        filled = [row for row, of in enumerate(functions) if of is not None and sizes[of]]
        return found | self._blank({row: entries[row] for row in filled})

    def _blank(self, starts: dict[int, int]) -> set[int]:
        """Those of the entries that may lie outside of code, or where there is none."""
        if not starts:
            return set()
        low, last = min(starts.values()), max(starts.values())
        home, at = self._load(low), self._place(low, last - low + 1)
        if home is None or not home.p_flags & PF_X or at is None:
            return set(starts)
        # The last kernel may be one instruction at the end of its segment.
        size = min(last - low + _START, len(self._elf.view) - at)
        text = self._elf.view.bytes(at, size)
        return {
            row
            for row, entry in starts.items()
            if bytes(text[entry - low : entry - low + _START]) in BLANK
        }

    def descriptor(self, row: int) -> Descriptor | None:
        """None where it is not whole in the file: a fault of the code object."""
        size = self._sizes[self._launched.descriptors[row]]
        at = self._place(self._addresses[row], size)
        if size != DESCRIPTOR_SIZE or at is None:
            return None
        return self._elf.view.read(Descriptor, at)

    def _load(self, address: int) -> ProgramHeader | None:
        for one in self._loads:
            if one.p_vaddr <= address < one.p_vaddr + one.p_filesz:
                return one
        return None

    def _place(self, address: int, size: int) -> int | None:
        """Where in the file some bytes are, if one segment has them and none is cut off."""
        home = self._load(address)
        if home is None or address + size > home.p_vaddr + home.p_filesz:
            return None
        at = home.p_offset + address - home.p_vaddr
        return at if at + size <= len(self._elf.view) else None

    def unfit(self, row: int, descriptor: Descriptor) -> str:
        """Why a descriptor leads to no code of its kernel."""
        address, function = self._addresses[row], self._launched.functions[row]
        if address % DESCRIPTOR_SIZE:
            return (
                f"its descriptor at {address:#x} is not aligned to {DESCRIPTOR_SIZE} bytes"
            )
        entry = address + descriptor.kernel_code_entry_byte_offset
        start = entry if function is None else self._values[function]
        # The compiler found that kernels of no bytes never run.
        empty = function is not None and not self._sizes[function]
        return self._misled(entry, start) or ("" if empty else self._no_code(entry))

    def _misled(self, entry: int, function: int) -> str:
        if (entry - self._base) % ENTRY_ALIGN:
            return f"its entry {entry:#x} is not aligned to {ENTRY_ALIGN} bytes"
        if entry != function:
            return f"its code starts at {function:#x}, its descriptor leads to {entry:#x}"
        return ""

    def _no_code(self, entry: int) -> str:
        load = self._load(entry)
        if load is None:
            return f"its entry {entry:#x} lies in no segment of the file"
        if not load.p_flags & PF_X:
            return f"its entry {entry:#x} lies in a segment that is not executable"
        at = load.p_offset + entry - load.p_vaddr
        if at + _START > len(self._elf.view):  # cut: a fault of the code object
            return ""
        start = bytes(self._elf.view.bytes(at, _START))
        if start in BLANK:
            return f"there is no instruction at its entry {entry:#x}: {start.hex(' ')}"
        return ""
