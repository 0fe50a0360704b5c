"""Device stubs: the kernels that a host launches, by its own symbols.

For each kernel, clang emits a host function whose name carries `__device_stub__`; it is
what `hipLaunchKernel` is called from. Both symbol tables may hold it: `.dynsym` where
the kernel is visible, `.symtab` where the file was not stripped. Source:
clang/lib/CodeGen/CGCUDANV.cpp, `getKernelHandle`.
"""

import sys
from array import array
from collections.abc import Iterator
from typing import Final

from kinspect.hosts.elf_image import Image, Section
from kinspect.limits import Limits
from kinspect.view import View, decode

STUB: Final = b"__device_stub__"
SYMBOL_SIZE: Final = 24


def device_stubs(image: Image, limits: Limits) -> frozenset[str]:
    """The names of the stubs that the file defines, as they are mangled."""
    if not image.hip_host:
        return frozenset()
    tables = [s for s in image.sections if s.type in {"SHT_SYMTAB", "SHT_DYNSYM"}]
    return frozenset(name for table in tables for name in _of_table(image, table, limits))


def _of_table(image: Image, table: Section, limits: Limits) -> Iterator[str]:
    if not 0 < table.link < len(image.sections):
        return
    home = image.sections[table.link]
    strings = image.view.slice(home.offset, home.size, home.name)
    # A large host has a hundred megabytes of names and a few thousand stubs: find these
    # in the names first, and then the symbols that use them.
    names = dict(_names(strings))
    if not names:
        return
    count = table.size // SYMBOL_SIZE
    symbols = image.view.slice(table.offset, count * SYMBOL_SIZE, table.name)
    limits.check("symbols", count, symbols.where())
    data = bytes(symbols.bytes())
    starts = _column(data, "I")[0::6]
    sections = _column(data, "H")[3::12]
    for index, start in enumerate(starts):
        if start in names and sections[index]:
            yield names[start]


def _names(strings: View) -> Iterator[tuple[int, str]]:
    """Every name with a stub in it, by its offset."""
    for at, _ in strings.find(STUB):
        # the name starts behind the NUL before, which is near
        window = min(at, 16_384)
        before = bytes(strings.bytes(at - window, window))
        start = at - window + before.rfind(b"\0") + 1
        text = bytes(strings.bytes(start, min(len(strings) - start, 65_536)))
        yield start, decode(text.split(b"\0", 1)[0])


def _column(data: bytes, code: str) -> "array[int]":
    column = array(code, data)
    if sys.byteorder == "big":
        column.byteswap()
    return column
