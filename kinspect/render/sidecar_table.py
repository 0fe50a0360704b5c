"""Files of device code beside a library, in numbers and as text: a table for each group."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from kinspect.model import Artifact, Report
from kinspect.names import escape
from kinspect.render.style import Style, table
from kinspect.render.words import count, size
from kinspect.sidecars import Group, Served, groups, served
from kinspect.target import TargetID


@dataclass(frozen=True, slots=True)
class Cell:
    """A group of files on one required target."""

    target: str
    found: Served

    @property
    def files(self) -> int:
        return len(self.found.files)

    @property
    def kernels(self) -> int:
        return sum(len(one.kernels) for one in self.found.files)

    @property
    def size(self) -> int:
        return sum(entry.size for one in self.found.files for entry in one.entries)

    @property
    def status(self) -> str:
        """`ok`, `by generic`, `MISSING` or `SOME MODES ONLY`."""
        if self.found.bare:
            return "MISSING" if self.found.missing else "SOME MODES ONLY"
        others = sorted(how.value for how in self.found.hows if how.value != "native")
        return f"by {', '.join(others)}" if others else "ok"

    @property
    def style(self) -> str:
        if self.status == "ok":
            return "ok"
        return "warning" if self.status.startswith("by ") else "error"


def together(artifacts: Iterable[Artifact]) -> list[Group]:
    """The groups that are more than one file, which would say little by itself."""
    return [one for one in groups(artifacts) if one.directory or len(one.members) > 1]


def paths(found: Iterable[Group]) -> frozenset[str]:
    """The files of the groups."""
    return frozenset(one.binary.path for group in found for one in group.members)


def cells(group: Group, report: Report) -> list[Cell]:
    """The group on each required target."""
    return [
        Cell(text, served(group, TargetID.parse(text), report.runtime))
        for text in report.required
    ]


def facts(group: Group) -> str:
    """`340 files, 2 targets`."""
    targets = {target for one in group.members for target in one.targets}
    return f"{count(len(group.members), 'file')}, {count(len(targets), 'target')}"


def blocks(found: Iterable[Group], report: Report, style: Style) -> Iterator[str]:
    for group in found:
        name = group.name if len(report.artifacts) == 1 else group.path
        rows = [_row(cell, style) for cell in cells(group, report)]
        lines = [f"{style('strong', escape(name))}   {facts(group)}"]
        lines += table(rows, ["target", "files", "kernels", "size", ""])
        yield "\n  ".join(lines)


def _row(cell: Cell, style: Style) -> list[str]:
    numbers = [f"{cell.files:,}", f"{cell.kernels:,}", size(cell.size)]
    return [
        cell.target,
        *(numbers if cell.files else "---"),
        style(cell.style, cell.status),
    ]
