"""The functions of a code object: its kernels, and those that kernels call.

Source: LLVM, User Guide for AMDGPU Backend, "Symbols". A function that is no kernel is
local once it is linked, so that the table for linkers (`.symtab`) alone names it.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from kinspect.disassembly.listing import Function
from kinspect.errors import FormatError
from kinspect.formats import symbols
from kinspect.formats.amdgpu_elf import Elf
from kinspect.limits import Limits
from kinspect.resources.extents import Extents

#: whether a function of that name is asked for
Admits = Callable[[str], bool]
#: address and size in bytes
Place = tuple[int, int]

_ALL: Final[Admits] = lambda _: True  # noqa: E731


class Functions:
    """Where the code of each function is."""

    def __init__(self, elf: Elf, kernels: Iterable[str], limits: Limits) -> None:
        """Raises FormatError where a symbol table can't be read."""
        self._elf = elf
        self._names = sorted(kernels)
        dynamic = symbols.dynamic(elf, limits)
        table = symbols.full(elf, limits) or dynamic
        rows = [] if table is None else table.functions_at()
        self._rows = sorted((name, (at, size)) for name, _, at, size in rows)
        self._places = {} if dynamic is None else dynamic.functions()
        places = (*self._places.values(), *(place for _, place in self._rows))
        self._extents = Extents(elf, places)

    def kernels(self, admits: Admits = _ALL) -> tuple[list[Function], list[str]]:
        """Those that are asked for, and the names of those that have no code.

        Raises FormatError where nothing tells of one.
        """
        found, empty = [], []
        for name in filter(admits, self._names):
            if name not in self._places:
                message = f"no symbol tells where the code of {name} is"
                raise FormatError(message, self._elf.view.where())
            if self._size(self._places[name]):
                found.append((name, self._places[name]))
            else:
                empty.append(name)
        return list(self._shared(found, kernel=True)), empty

    def others(self) -> list[Function]:
        """Those that are no kernels, nor part of the code of one."""
        named = ((name, self._places.get(name)) for name in self._names)
        kernels = self._shared(((n, place) for n, place in named if place), kernel=True)
        every = [*kernels, *self._shared(self._rows, kernel=False)]
        found, end = [], 0
        for one in sorted(every, key=lambda f: (f.address, -f.size, not f.kernel)):
            if not one.kernel and one.end > end:
                found.append(one)
            end = max(end, one.end)
        return found

    def _shared(
        self, rows: Iterable[tuple[str, Place]], *, kernel: bool
    ) -> Iterator[Function]:
        """Functions by where they are: those that share their code are one."""
        found: dict[Place, list[str]] = {}
        for name, place in rows:
            found.setdefault((place[0], self._size(place)), []).append(name)
        for (address, size), names in found.items():
            if size:
                yield Function(tuple(names), address, size, kernel)

    def _size(self, place: Place) -> int:
        address, size = place
        return size or self._extents.size(address)
