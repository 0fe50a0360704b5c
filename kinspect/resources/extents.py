"""Where functions end whose symbols tell no size, as those of assembly often do.

Source: System V ABI, "Symbol Table" (st_size is 0 where the size is not known).
"""

from bisect import bisect_right
from collections.abc import Iterable

from kinspect.formats.amdgpu_elf import PT_LOAD, SHF_EXECINSTR, Elf


class Extents:
    """The ends of functions, by where all of them lie in memory: address and size."""

    def __init__(self, elf: Elf, places: Iterable[tuple[int, int]]) -> None:
        places = set(places)
        self._starts = sorted({address for address, _ in places})
        self._taken = {address for address, size in places if size}
        sections = [s for s in elf.sections if s.sh_flags & SHF_EXECINSTR]
        segments = [s for s in elf.segments if s.p_type == PT_LOAD]
        self._spans = [(s.sh_addr, s.sh_addr + s.sh_size) for s in sections]
        self._spans += [(s.p_vaddr, s.p_vaddr + s.p_filesz) for s in segments]

    def size(self, address: int) -> int:
        """Up to the next function, or to where the section or segment ends.

        None at all where another function lies: this one was compiled to nothing, as
        rocPRIM's kernels for other processors are.
        """
        if address in self._taken:
            return 0
        after = bisect_right(self._starts, address)
        ends = [end for start, end in self._spans if start <= address < end]
        return min(self._starts[after : after + 1] + ends, default=address) - address
