"""The kernels of an artifact, as they are read."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

from kinspect.choosing import KernelChoice, admits_binary, admits_target
from kinspect.errors import FormatError
from kinspect.formats import bitstream
from kinspect.formats.metadata import Detail
from kinspect.limits import DEFAULT, Limits
from kinspect.model import Entry, Unreadable
from kinspect.resources.kernels import Measured, measure
from kinspect.resources.rows import KernelRow
from kinspect.sources import Named, open_source
from kinspect.walk import Packed, each_content, worth_reading


@dataclass(frozen=True, slots=True)
class Query:
    """Which kernels are asked for, and how much of them."""

    targets: frozenset[str] = frozenset()
    bundles: frozenset[int] = frozenset()
    binaries: tuple[str, ...] = ()
    kernels: KernelChoice = field(default_factory=KernelChoice)
    detail: Detail = Detail.RESOURCES

    def admits(self, bundle: int, entry: Entry) -> bool:
        """Whether an entry may have kernels that are asked for."""
        if self.bundles and bundle not in self.bundles:
            return False
        if entry.id.is_spirv or not entry.id.is_hip:
            return False
        return not self.targets or admits_target(entry.id.target_name, self.targets)


def kernels(
    path: Named,
    query: Query | None = None,
    *,
    limits: Limits = DEFAULT,
    exclude: tuple[str, ...] = (),
    problems: list[Unreadable],
) -> Iterator[KernelRow]:
    """Every kernel that is asked for: memory stays bounded by one bundle.

    What can't be read, or is damaged, is added to `problems`.
    """
    query = query or Query()
    source = open_source(path, limits=limits, exclude=exclude, wanted=worth_reading)
    for member in source.members():
        if isinstance(member, Unreadable):
            problems.append(member)
        elif admits_binary(member.path, query.binaries):
            for part in each_content(member.view, limits):
                if isinstance(part, Unreadable):
                    problems.append(part)
                elif isinstance(part, Packed):
                    yield from _of_bundle(member.path, part, query, limits, problems)


def _of_bundle(
    path: str, packed: Packed, query: Query, limits: Limits, problems: list[Unreadable]
) -> Iterator[KernelRow]:
    index = packed.bundle.index
    entries = [one for one in packed.bundle.entries if query.admits(index, one)]
    for entry in entries:
        for one in _measured(packed, entry, limits, query.detail):
            if isinstance(one, Unreadable):
                problems.append(one)
            elif query.kernels.admits(one.kernel.name):
                target = entry.id.target_name
                yield KernelRow(
                    path, index, target, one.kernel, one.descriptor, one.code_size
                )
    if entries:
        with suppress(FormatError):  # what can't be inflated at all is told already
            problems += [Unreadable(f.message, f.where) for f in packed.contents.faults]


def _measured(
    packed: Packed, entry: Entry, limits: Limits, detail: Detail
) -> Iterable[Measured | Unreadable]:
    if not entry.size:
        yield Unreadable(
            f"the entry for {entry.id.target_name} is empty", packed.bundle.where
        )
        return
    try:
        data = packed.contents.entry(entry)
        if not bitstream.is_bitcode(data):  # an image for a later link
            yield from measure(data, limits, detail)
    except FormatError as error:
        yield Unreadable.of(error, packed.bundle.where)
