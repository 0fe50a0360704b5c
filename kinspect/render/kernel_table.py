"""Kernels and their resources as a table, one a code object."""

from collections.abc import Iterable
from itertools import groupby
from typing import Final, Protocol

from tabulate import tabulate

from kinspect.formats.metadata import Kernel
from kinspect.names import demangle, escape
from kinspect.render.words import count

COLUMNS: Final = {
    "vgpr_count": "VGPR",
    "agpr_count": "AGPR",
    "sgpr_count": "SGPR",
    "group_segment_fixed_size": "LDS",
    "private_segment_fixed_size": "scratch",
    "kernarg_segment_size": "kernarg",
    "vgpr_spill_count": "VGPR spills",
    "sgpr_spill_count": "SGPR spills",
    "wavefront_size": "wave",
}


class Row(Protocol):
    """A kernel with where it was found."""

    @property
    def path(self) -> str: ...
    @property
    def bundle(self) -> int: ...
    @property
    def target(self) -> str: ...
    @property
    def kernel(self) -> Kernel: ...


def table(rows: Iterable[Row]) -> str:
    """The rows as text, in their order."""
    blocks = []
    for (path, bundle, target), group in groupby(
        rows, key=lambda row: (row.path, row.bundle, row.target)
    ):
        kernels = sorted((row.kernel for row in group), key=lambda k: k.name)
        lines = [
            [
                "-" if (v := getattr(kernel, column)) is None else str(v)
                for column in COLUMNS
            ]
            + [escape(demangle(kernel.name))]
            for kernel in kernels
        ]
        number = count(len(lines), "kernel")
        head = f"{escape(path)}   bundle {bundle}, {escape(target)}, {number}"
        align = ["right"] * len(COLUMNS) + ["left"]
        text = tabulate(
            lines,
            [*COLUMNS.values(), "kernel"],
            tablefmt="plain",
            disable_numparse=True,
            colalign=align,
        )
        blocks.append("\n  ".join([head, *text.splitlines()]))
    return "\n\n".join(blocks) + "\n" if blocks else "no kernels\n"
