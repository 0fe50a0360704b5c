"""Kernels with where they are, and what follows from their numbers."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from kinspect.formats.agreement import described, disagreements, wave_of
from kinspect.formats.descriptor import Descriptor
from kinspect.formats.metadata import RESOURCES, Argument, Kernel, KernelWithArguments
from kinspect.machine import Machine, machine_of
from kinspect.names import demangle
from kinspect.resources.occupancy import Limit, Occupancy, Use, occupancy

_occupancy = lru_cache(maxsize=65_536)(occupancy)


@dataclass(frozen=True, slots=True)
class Launch:
    """What only a launch decides, for an estimate of its occupancy."""

    #: lanes of a workgroup; None: the best of those that the kernel allows
    workgroup: int | None = None
    #: bytes of LDS beside those of the kernel
    lds: int = 0


@dataclass(frozen=True, slots=True)
class KernelRow:
    """A kernel with where it was found."""

    path: str
    bundle: int
    target: str
    kernel: Kernel
    #: None where the code object has none for it
    descriptor: Descriptor | None = None
    #: bytes of its instructions, without the functions that it calls
    code_size: int | None = None
    launch: Launch = field(default_factory=Launch)

    @property
    def name(self) -> str:
        return self.kernel.name

    @property
    def demangled(self) -> str:
        return demangle(self.kernel.name)

    @property
    def machine(self) -> Machine | None:
        """None for a processor whose registers kinspect does not know."""
        return machine_of(self.target)

    @property
    def vgprs(self) -> int | None:
        """Vector registers that a wave gets: those of the descriptor, if there is one."""
        if self.descriptor is None or self.machine is None:
            return self.kernel.vgpr_count
        wave = wave_of(self.kernel, self.descriptor, self.machine)
        return self.descriptor.vgpr_blocks * self.machine.block(wave)

    @property
    def occupancy(self) -> Occupancy | None:
        """None where the processor or the registers are not known."""
        kernel, machine, vgprs = self.kernel, self.machine, self.vgprs
        if machine is None or vgprs is None:
            return None
        refused = tuple(self._refused(machine))
        if refused:
            return Occupancy(0, machine.waves, refused)
        smallest, largest = _workgroups(kernel, self.launch.workgroup)
        paired = kernel.workgroup_processor_mode
        if paired is None:
            paired = self.descriptor is not None and self.descriptor.wgp_mode
        use = Use(
            max(vgprs, 0),
            max(kernel.sgpr_count or 0, 0),
            max(kernel.group_segment_fixed_size or 0, 0) + self.launch.lds,
            wave_of(kernel, self.descriptor, machine),
            smallest,
            largest,
            bool(paired),
        )
        return _occupancy(machine, use)

    def _refused(self, machine: Machine) -> Iterator[Limit]:
        """Why the runtime would refuse the launch that was asked for."""
        own = self.kernel.group_segment_fixed_size or 0
        if self.launch.lds and own + self.launch.lds > machine.lds:
            yield Limit.LDS
        most = self.kernel.max_flat_workgroup_size
        if most is not None and (self.launch.workgroup or 0) > most:
            yield Limit.WORKGROUP

    @property
    def disagreements(self) -> tuple[str, ...]:
        """The fields of the metadata that the descriptor contradicts."""
        if self.descriptor is None:
            return ()
        return tuple(disagreements(self.kernel, self.descriptor, self.machine))

    def values(self) -> dict[str, Any]:
        """Plain values, those of the metadata by their names without the dot."""
        found = self.occupancy
        limits = () if found is None else found.limits
        one = self.descriptor
        value: dict[str, Any] = {
            "path": self.path,
            "bundle": self.bundle,
            "target": self.target,
            "name": self.name,
            "demangled": self.demangled,
        }
        value |= {name: getattr(self.kernel, name) for name in RESOURCES if name != "name"}
        value |= {
            "code_size": self.code_size,
            "occupancy": None if found is None else found.waves,
            "max_occupancy": None if found is None else found.most,
            "occupancy_limits": [limit.value for limit in limits],
            "descriptor": None if one is None else described(one, self.machine),
            "disagreements": list(self.disagreements),
        }
        if isinstance(self.kernel, KernelWithArguments):
            value["args"] = [_argument(one) for one in self.kernel.args]
        return value


def _workgroups(kernel: Kernel, asked: int | None) -> tuple[int, int]:
    """Lanes of the smallest and of the largest workgroup that may be launched."""
    if asked is not None:
        return asked, asked
    if kernel.reqd_workgroup_size is not None:
        x, y, z = kernel.reqd_workgroup_size
        if min(x, y, z) > 0:
            return x * y * z, x * y * z
    return 1, max(kernel.max_flat_workgroup_size or 1024, 1)


def _argument(one: Argument) -> dict[str, Any]:
    fields = {name: getattr(one, name) for name in one.__struct_fields__}
    return {name: value for name, value in fields.items() if value is not None}
