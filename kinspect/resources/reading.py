"""The kernels of an artifact, as they are read."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field

from kinspect.choosing import KernelChoice, admits_binary, admits_target
from kinspect.errors import FormatError
from kinspect.formats import bitstream
from kinspect.formats.code_object import Parser
from kinspect.formats.metadata import Detail
from kinspect.limits import DEFAULT, Limits
from kinspect.model import Bundle, Entry, Unreadable
from kinspect.resources.kernels import Measured, measure
from kinspect.resources.rows import KernelRow
from kinspect.sources import Named, Watch, open_source
from kinspect.view import View
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


@dataclass(frozen=True, slots=True)
class Opened:
    """A code object with its bytes, which are valid until the next one is asked for."""

    path: str
    bundle: Bundle
    entry: Entry
    data: View

    @property
    def target(self) -> str:
        return self.entry.id.target_name


def opened(
    path: Named,
    query: Query,
    *,
    limits: Limits = DEFAULT,
    exclude: tuple[str, ...] = (),
    problems: list[Unreadable],
    watch: Watch | None = None,
) -> Iterator[Opened]:
    """Every code object that may have kernels which are asked for.

    What can't be read, or is damaged, is added to `problems`.
    """
    source = open_source(
        path, limits=limits, exclude=exclude, wanted=worth_reading, watch=watch
    )
    for member in source.members():
        if isinstance(member, Unreadable):
            problems.append(member)
        elif admits_binary(member.path, query.binaries):
            if watch is not None:
                watch.reading(member.path)
            for part in each_content(member.view, limits):
                if isinstance(part, Unreadable):
                    problems.append(part)
                elif isinstance(part, Packed):
                    yield from _of_bundle(member.path, part, query, problems)


def _of_bundle(
    path: str, packed: Packed, query: Query, problems: list[Unreadable]
) -> Iterator[Opened]:
    bundle = packed.bundle
    entries = [one for one in bundle.entries if query.admits(bundle.index, one)]
    for entry in entries:
        if not entry.size:
            message = f"the entry for {entry.id.target_name} is empty"
            problems.append(Unreadable(message, bundle.where))
            continue
        try:
            data = packed.contents.entry(entry)
            if bitstream.is_bitcode(data):  # an image for a later link
                continue
        except FormatError as error:
            problems.append(Unreadable.of(error, bundle.where))
        else:
            yield Opened(path, bundle, entry, data)
    if entries:
        with suppress(FormatError):  # what can't be inflated at all is told already
            problems += [Unreadable(f.message, f.where) for f in packed.contents.faults]


def kernels(
    path: Named,
    query: Query | None = None,
    *,
    limits: Limits = DEFAULT,
    exclude: tuple[str, ...] = (),
    problems: list[Unreadable],
    watch: Watch | None = None,
) -> Iterator[KernelRow]:
    """Every kernel that is asked for: memory stays bounded by one bundle.

    What can't be read, or is damaged, is added to `problems`.
    """
    query = query or Query()
    found = opened(
        path, query, limits=limits, exclude=exclude, problems=problems, watch=watch
    )
    parser = Parser(limits)
    for one in found:
        for part in _measured(one, limits, query.detail, parser):
            if isinstance(part, Unreadable):
                problems.append(part)
            elif query.kernels.admits(part.kernel.name):
                yield KernelRow(
                    one.path,
                    one.bundle.index,
                    one.target,
                    part.kernel,
                    part.descriptor,
                    part.code_size,
                )


def _measured(
    one: Opened, limits: Limits, detail: Detail, parser: Parser
) -> Iterator[Measured | Unreadable]:
    try:
        yield from measure(one.data, limits, detail, parser)
    except FormatError as error:
        yield Unreadable.of(error, one.bundle.where)
