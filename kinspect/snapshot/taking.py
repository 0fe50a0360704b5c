"""A snapshot of artifacts, with the resources of every kernel."""

import os
import sys
from collections.abc import Iterable, Iterator

from kinspect.formats import code_object
from kinspect.formats.metadata import Kernel
from kinspect.limits import DEFAULT, Limits
from kinspect.model import CodeObject, Entry, Unreadable
from kinspect.snapshot.model import BinaryRecord, Resources, Snapshot, record, sorted_
from kinspect.sources import Member, open_source
from kinspect.view import View
from kinspect.walk import read_binary, worth_reading


def take(
    paths: Iterable[str | os.PathLike[str]],
    *,
    limits: Limits = DEFAULT,
    exclude: tuple[str, ...] = (),
    problems: list[Unreadable],
) -> Snapshot:
    """Record what artifacts hold, binary by binary.

    What can't be read is added to `problems`: with any of these, the snapshot is not
    whole, and nothing should be held against it. Raises InputError where a path can't
    be opened.
    """
    found: list[BinaryRecord] = []
    #: each row once in memory: few differ
    rows: dict[Resources, Resources] = {}
    for path in paths:
        source = open_source(path, limits=limits, exclude=exclude, wanted=worth_reading)
        for part in source.members():
            if isinstance(part, Unreadable):
                problems.append(part)
            elif one := _record(source.path, part, limits, rows, problems):
                found.append(one)
    return sorted_(found)


def _record(
    artifact: str,
    member: Member,
    limits: Limits,
    rows: dict[Resources, Resources],
    problems: list[Unreadable],
) -> BinaryRecord | None:
    """A binary with device code; None for anything else."""
    found: dict[int, dict[str, Resources]] = {}

    def opener(view: View) -> CodeObject:
        one = code_object.parse(view, limits)
        # by identity: the object stays alive as long as the binary that it is part of
        kernels = code_object.kernels(view, limits)
        named = ((sys.intern(kernel.name), _resources(kernel)) for kernel in kernels)
        found[id(one)] = {name: rows.setdefault(row, row) for name, row in named}
        return one

    binary = read_binary(member.view, limits, opener=opener)
    if binary is None:
        return None
    problems += binary.unreadable
    for bundle in binary.bundles:
        for entry in bundle.hip_entries:
            problems += _damage(entry)
    return record(artifact, binary, found) if binary.device_code else None


def _damage(entry: Entry) -> Iterator[Unreadable]:
    """Why a code object can't be vouched for; an empty slot is no code."""
    part = entry.code_object
    if isinstance(part, Unreadable) and entry.size:
        yield part
    elif isinstance(part, CodeObject):
        yield from (Unreadable(fault.message, fault.where) for fault in part.faults)


def _resources(kernel: Kernel) -> Resources:
    return Resources(*(getattr(kernel, name) for name in Resources._fields))
