"""How many instructions of each kind kernels have, and which an older processor lacks.

What an older processor lacks comes of no table: the same bytes are taken apart for it
too, by the same LLVM. Where both begin an instruction at an address, they see the same
bytes there, and what the older one makes of them is told as it is: nothing, or another
instruction. After one that it does not know it may lose step for a while, and addresses
where it begins none tell nothing; a name counts as new where any of its places is.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, NamedTuple

from kinspect.disassembly.calls import Leads
from kinspect.disassembly.kinds import Kind, kind_of
from kinspect.disassembly.listing import Function, Instruction
from kinspect.disassembly.reading import Disassembled
from kinspect.machine import machine_of

#: the processor before one whose instructions are encoded alike
BEFORE: Final[Mapping[str, str]] = MappingProxyType(
    {"gfx950": "gfx942", "gfx942": "gfx90a", "gfx90a": "gfx908", "gfx908": "gfx906"}
)
#: how the encoding of an instruction is told, after its name: LLVM's, not the hardware's
_ENCODINGS: Final = ("_e32", "_e64", "_dpp", "_sdwa", "_e64_dpp", "_dpp8", "_dpp16")


class Foreign(NamedTuple):
    """An instruction that another processor has not, or not under that name."""

    name: str
    #: what it takes the bytes for; None where they are no instruction to it
    there: str | None


@dataclass(slots=True)
class Statistics:
    """The instructions of one function."""

    function: Function
    kinds: Counter[Kind] = field(default_factory=Counter)
    #: those that the other processor does not have; None where none was asked
    foreign: Counter[Foreign] | None = None
    #: the addresses that they lead to
    reached: set[int] = field(default_factory=set)
    _leads: Leads = field(default_factory=Leads, repr=False)

    def take(self, instruction: Instruction) -> None:
        self.kinds[kind_of(instruction.mnemonic)] += 1
        address = self._leads.take(instruction)
        if address is not None:
            self.reached.add(address)

    @property
    def count(self) -> int:
        """Instructions, without the words that are none."""
        return self.kinds.total() - self.kinds[Kind.UNDECODED]


def sibling_of(one: Disassembled, asked: str | None) -> str | None:
    """What to hold it against; None where that would be another encoding altogether."""
    if one.processor != one.native:
        return None
    other = asked or BEFORE.get(one.native)
    if other is None or other == one.native:
        return None
    if asked is None and not one.objdump.knows(other):
        return None
    here, there = machine_of(one.native), machine_of(other)
    alike = here is not None and there is not None and here.generation == there.generation
    return other if alike else None


def statistics(one: Disassembled, sibling: str | None) -> list[Statistics]:
    """Those of each function by its address; raises ToolError and FormatError."""
    found = {
        function: Statistics(function, foreign=Counter() if sibling else None)
        for function in one.code.functions
    }
    with closing(one.instructions()) as told:
        if sibling is None:
            for function, instruction in told:
                found[function].take(instruction)
            return list(found.values())
        with closing(one.read_as(sibling)) as there:
            for function, instruction, other in _beside(told, there):
                row = found[function]
                row.take(instruction)
                foreign = _foreign(instruction, other)
                if foreign is not None and row.foreign is not None:
                    row.foreign[foreign] += 1
    return list(found.values())


def called(one: Disassembled, row: Statistics) -> list[Function]:
    """The functions that a function leads to, by their addresses, itself left out."""
    addresses = row.reached - {row.function.address}
    return [one.others[at] for at in sorted(addresses & one.others.keys())]


def _beside(
    told: Iterator[tuple[Function, Instruction]],
    there: Iterator[tuple[Function, Instruction]],
) -> Iterator[tuple[Function, Instruction, Instruction | None]]:
    """Each instruction with what the other processor has at its address, if anything."""
    other = next(there, None)
    for function, instruction in told:
        while other is not None and other[1].address < instruction.address:
            other = next(there, None)
        same = other is not None and other[1].address == instruction.address
        yield function, instruction, other[1] if same and other is not None else None
    for _ in there:  # to its end, which tells whether all went well
        pass


def _foreign(here: Instruction, there: Instruction | None) -> Foreign | None:
    if there is None or not here.decoded:
        return None
    if not there.decoded:
        return Foreign(_named(here), None)
    name, other = _plain(here.mnemonic), _plain(there.mnemonic)
    return None if name == other else Foreign(name, other)


def _named(one: Instruction) -> str:
    """Its name, and `lds` where loads go there: some processors load less at once."""
    to_lds = one.text.split()[-1] == "lds"
    return f"{_plain(one.mnemonic)} lds" if to_lds else _plain(one.mnemonic)


def _plain(mnemonic: str) -> str:
    for ending in _ENCODINGS:
        mnemonic = mnemonic.removesuffix(ending)
    return mnemonic
