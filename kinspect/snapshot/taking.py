"""A snapshot of artifacts, with the resources of every kernel."""

import os
import sys
from collections.abc import Iterable, Iterator
from operator import attrgetter
from typing import Final

from kinspect.formats import code_object
from kinspect.limits import DEFAULT, Limits
from kinspect.model import CodeObject, Entry, Unreadable
from kinspect.resources.kernels import Measured, measure
from kinspect.resources.rows import KernelRow
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
    rows = _Rows()
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
    rows: "_Rows",
    problems: list[Unreadable],
) -> BinaryRecord | None:
    """A binary with device code; None for anything else."""
    found: dict[int, dict[str, Resources]] = {}

    def opener(view: View) -> CodeObject:
        one = code_object.parse(view, limits)
        target = str(one.flags.target or "")
        # by identity: the object stays alive as long as the binary that it is part of
        found[id(one)] = {
            sys.intern(part.kernel.name): rows.of(target, part)
            for part in measure(view, limits)
            if isinstance(part, Measured)  # what else there is, is a fault of `one`
        }
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


#: the fields of the metadata, in their order, which occupancy comes after
_of_metadata: Final = attrgetter(*Resources._fields[:-1])


class _Rows:
    """The resources of kernels, each row once: few differ."""

    def __init__(self) -> None:
        self._known: dict[tuple[object, ...], Resources] = {}
        self._rows: dict[Resources, Resources] = {}

    def of(self, target: str, one: Measured) -> Resources:
        kernel, described = one.kernel, one.descriptor
        told = _of_metadata(kernel)
        # what else its occupancy depends on
        key = (
            told,
            target,
            kernel.workgroup_processor_mode,
            None if kernel.reqd_workgroup_size is None else (*kernel.reqd_workgroup_size,),
            None if described is None else described.compute_pgm_rsrc1,
            None if described is None else described.kernel_code_properties,
        )
        row = self._known.get(key)
        if row is None:
            found = KernelRow("", 0, target, kernel, described).occupancy
            waves = None if found is None else found.waves
            row = Resources._make((*told, waves))
            self._known[key] = row = self._rows.setdefault(row, row)
        return row
