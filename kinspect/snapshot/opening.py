"""Code objects as a snapshot needs them: kernels with what they take, and no verdict.

Work goes by columns, since a large library has hundreds of thousands of kernels, of which
few take anything that no other does.
"""

from collections.abc import Sequence
from dataclasses import fields
from operator import attrgetter
from typing import Final, cast

from kinspect.errors import FormatError
from kinspect.formats.code_object import Parsed, Parser
from kinspect.formats.descriptor import Descriptor
from kinspect.formats.metadata import Kernel
from kinspect.limits import Limits
from kinspect.machine import Machine, machine_of
from kinspect.model import CodeObject
from kinspect.resources.kernels import descriptor_bytes
from kinspect.resources.rows import KernelRow
from kinspect.snapshot.model import Measured, Resources
from kinspect.view import Memory, View

#: the fields of the metadata that are recorded, in their order
_RECORDED: Final = Resources._fields[:-1]
#: these, and what else occupancy depends on
_of_metadata: Final = attrgetter(
    *_RECORDED, "workgroup_processor_mode", "reqd_workgroup_size"
)
#: what occupancy depends on in a descriptor: compute_pgm_rsrc1 at 48 to
#: kernel_code_properties at 56, two bytes
_OF_DESCRIPTOR: Final = slice(48, 58)

_OWN: Final = tuple(field.name for field in fields(CodeObject))


class Opener:
    """Opens code objects, one after the other; each row of resources is made once."""

    def __init__(self, limits: Limits) -> None:
        self._parser = Parser(limits)
        #: by processor, since others of its kind are no different; and then by what
        #: metadata and descriptor say
        self._known: dict[Machine | None, dict[tuple[object, ...], Resources]] = {}
        self._rows: dict[Resources, Resources] = {}

    def open(self, view: View) -> Measured:
        """Read a code object; raise FormatError where it is none."""
        parsed = self._parser.measured(view)
        own = {name: getattr(parsed.code_object, name) for name in _OWN}
        return Measured(**own, resources=tuple(self._resources(parsed)))

    def _resources(self, parsed: Parsed) -> Sequence[Resources]:
        target = str(parsed.code_object.flags.target or "")
        known = self._known.setdefault(machine_of(target), {})
        described = _descriptors(parsed)
        parts = [None if one is None else one[_OF_DESCRIPTOR] for one in described]
        keys = list(zip(map(_of_metadata, parsed.kernels), parts, strict=True))
        rows = [*map(known.get, keys)]
        missing = {keys[at]: at for at, row in enumerate(rows) if row is None}
        for key, at in missing.items():
            row = _row(target, parsed.kernels[at], described[at])
            known[key] = self._rows.setdefault(row, row)
        return [known[key] for key in keys] if missing else cast("list[Resources]", rows)


def _row(target: str, kernel: Kernel, data: bytes | None) -> Resources:
    one = None if data is None else View(Memory(data), "").read(Descriptor, 0)
    found = KernelRow("", 0, target, kernel, one).occupancy
    waves = None if found is None else found.waves
    return Resources._make((*(getattr(kernel, name) for name in _RECORDED), waves))


def _descriptors(parsed: Parsed) -> Sequence[bytes | None]:
    """None where there is none, or where they can't be read: a fault of the code object."""
    try:
        return descriptor_bytes(parsed.elf, parsed.descriptors)
    except FormatError:
        return [None] * len(parsed.descriptors)
