"""Files of device code beside a library, in numbers and as text: a table for each group.

Large libraries have thousands, each for one target: one by one they would say little.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from kinspect.loader import units
from kinspect.model import Report
from kinspect.names import escape
from kinspect.render import matrix
from kinspect.render.style import Style, table
from kinspect.render.words import count, size
from kinspect.sidecars import Group, Served, Sidecar, groups, served
from kinspect.target import TargetID

#: from how many files on that stand alone one table stands for all
MANY: Final = 5


class Cell(NamedTuple):
    """A group of files on one required target."""

    target: TargetID
    found: Served
    #: whether the policy requires the target of these files
    wanted: bool = True

    @property
    def files(self) -> str:
        return f"{len(self.found.files):,}"

    @property
    def kernels(self) -> int:
        return sum(len(one.kernels) for one in self.found.files)

    @property
    def size(self) -> int:
        return sum(entry.size for one in self.found.files for entry in one.entries)

    @property
    def status(self) -> str:
        """`ok`, `by generic`, `MISSING` or `SOME MODES ONLY`."""
        if self.found.bare and not self.wanted:
            return matrix.NOT_REQUIRED
        if self.found.bare:
            return "MISSING" if self.found.missing else "SOME MODES ONLY"
        others = sorted(how.value for how in self.found.hows if how.value != "native")
        return f"by {', '.join(others)}" if others else "ok"

    @property
    def style(self) -> str:
        if self.status in {"ok", matrix.NOT_REQUIRED}:
            return "ok"
        return "warning" if self.status.startswith("by ") else "error"


class Table(NamedTuple):
    """Files that are told of together, on each required target."""

    name: str
    members: tuple[Sidecar, ...]
    cells: Sequence[Cell | matrix.Cell]

    @property
    def facts(self) -> str:
        """`340 files, 2 targets`."""
        targets = {target for one in self.members for target in one.targets}
        return f"{count(len(self.members), 'file')}, {count(len(targets), 'target')}"

    @property
    def paths(self) -> frozenset[str]:
        return frozenset(one.binary.path for one in self.members)


def tables(report: Report) -> list[Table]:
    """The groups of more than one file, and those that stand alone if they are many."""
    found: list[Table] = []
    alone: list[Sidecar] = []
    for group in groups(report.artifacts):
        if group.directory or len(group.members) > 1:
            name = group.name if len(report.artifacts) == 1 else group.path
            found.append(Table(name, group.members, _cells(group, report)))
        else:
            alone += group.members
    if len(alone) >= MANY:
        each = [unit for one in alone for unit in units(one.binary)]
        name = "files that stand alone"
        found.append(Table(name, tuple(alone), matrix.cells(each, report)))
    return found


def _cells(group: Group, report: Report) -> list[Cell]:
    wanted = report.required_of(group.members[0].binary.path)
    found = []
    for text in report.targets:
        target = TargetID.parse(text)
        how = served(group, target, report.runtime)
        found.append(Cell(target, how, text in wanted))
    return found


def blocks(found: Iterable[Table], style: Style) -> Iterator[str]:
    for one in found:
        rows = [_row(cell, style) for cell in one.cells if cell.wanted]
        lines = [f"{style('strong', escape(one.name))}   {one.facts}"]
        lines += table(rows, ["target", "files", "kernels", "size", ""])
        yield "\n  ".join(lines)


def _row(cell: Cell | matrix.Cell, style: Style) -> list[str]:
    if isinstance(cell, Cell):
        files, any_ = cell.files, bool(cell.found.files)
    else:
        files, any_ = f"{len(cell.served)}/{cell.total}", bool(cell.served)
    numbers = [files, f"{cell.kernels:,}", size(cell.size)]
    return [
        str(cell.target),
        *(numbers if any_ else "---"),
        style(cell.style, cell.status),
    ]
