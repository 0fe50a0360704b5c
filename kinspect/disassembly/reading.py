"""The kernels of an artifact that are taken apart, code object by code object."""

from bisect import bisect_right
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, field

from kinspect.disassembly.listing import Code, Function, Instruction, listing
from kinspect.disassembly.objdump import Objdump, Tools
from kinspect.disassembly.running import handed, running
from kinspect.errors import FormatError, ToolError, Where
from kinspect.formats import code_object, symbols
from kinspect.formats.amdgpu_elf import PT_LOAD, SHF_EXECINSTR, Elf, open_elf
from kinspect.formats.metadata import Detail
from kinspect.limits import DEFAULT, Limits
from kinspect.machine import machine_of
from kinspect.model import Unreadable
from kinspect.resources.reading import Opened, Query, opened
from kinspect.sources import Named
from kinspect.target import from_e_flags
from kinspect.view import View

#: what makes LLVM take instructions of gfx10 and newer for those of waves of 64 lanes
_WAVE64 = "--mattr=+wavefrontsize64"


#: instructions with their kernel; who stops early closes it
Told = Generator[tuple[Function, Instruction], None, None]


@dataclass(frozen=True, slots=True)
class Decoder:
    """Who takes code objects apart, and how."""

    tools: Tools
    #: in place of the processor that a code object is for
    processor: str | None = None
    #: seconds for each code object
    timeout: float = 600.0
    #: print file and line, where a code object tells them
    lines: bool = False
    #: print source text too, from the files that a code object names
    source: bool = False

    @property
    def options(self) -> tuple[str, ...]:
        lines = ("-l",) if self.lines or self.source else ()
        return (*lines, "-S") if self.source else lines


@dataclass(slots=True)
class Disassembled:
    """The chosen kernels of a code object; its instructions are asked for."""

    path: str
    bundle: int
    target: str
    #: what it is for, by its own header
    native: str
    #: what it is taken for
    processor: str
    code: Code
    objdump: Objdump
    decoder: Decoder
    _data: View = field(repr=False)
    _options: tuple[str, ...] = ()
    #: words that were no instruction, of those that were asked for
    undecoded: int = 0

    def instructions(self) -> Told:
        """Those of each kernel by their address; raises ToolError."""
        options = (*self._options, *self.decoder.options)
        for function, one in self._told(self.objdump, self.processor, options):
            self.undecoded += not one.decoded
            yield function, one

    def read_as(self, processor: str) -> Told:
        """The same bytes, as another processor would take them; raises ToolError."""
        objdump = self.objdump
        if not objdump.knows(processor):
            objdump = self.decoder.tools.knowing(processor)
        return self._told(objdump, processor, self._options)

    def _told(self, objdump: Objdump, processor: str, options: tuple[str, ...]) -> Told:
        command = objdump.command(processor, *self.code.range, *options)
        with (
            handed(self._data.bytes()) as file,
            running(command, file, self.decoder.timeout) as run,
        ):
            yield from listing(run.lines(), self.code)


def disassembled(
    path: Named,
    query: Query,
    decoder: Decoder,
    *,
    limits: Limits = DEFAULT,
    exclude: tuple[str, ...] = (),
    problems: list[Unreadable],
) -> Iterator[Disassembled]:
    """Every code object with kernels that are asked for.

    What can't be read, or that nobody here can take apart, is added to `problems`. What
    LLVM gets was read by kinspect before, and nothing was wrong with it.
    """
    for one in opened(path, query, limits=limits, exclude=exclude, problems=problems):
        try:
            found = _prepared(one, query, decoder, limits)
        except FormatError as error:
            problems.append(Unreadable.of(error, one.bundle.where))
        except ToolError as error:
            problems.append(Unreadable(str(error), Where(one.path)))
        else:
            if found is not None:
                yield found


def _prepared(
    one: Opened, query: Query, decoder: Decoder, limits: Limits
) -> Disassembled | None:
    """None without a kernel that is asked for; raises ToolError where nobody knows it."""
    parsed = code_object.parse(one.data, limits)
    for fault in parsed.faults:
        message = f"{fault.message}: it is not handed to llvm-objdump"
        raise FormatError(message, fault.where)
    kernels = [
        kernel
        for kernel in code_object.kernels(one.data, limits, Detail.RESOURCES)
        if query.kernels.admits(kernel.name)
    ]
    if not kernels:
        return None
    elf = open_elf(one.data, limits)
    table = symbols.dynamic(elf, limits)
    places = {} if table is None else table.functions()
    code = Code(elf, _functions(elf, [k.name for k in kernels], places))
    flags = from_e_flags(elf.header.e_flags, elf.abi_version)
    if flags.target is None:
        message = f"its e_flags name no processor that kinspect knows ({flags})"
        raise FormatError(message, one.data.where())
    native = flags.target.processor
    processor = decoder.processor or native
    machine = machine_of(processor)
    wide = machine is not None and machine.wave32
    wide = wide and all(kernel.wavefront_size == 64 for kernel in kernels)
    return Disassembled(
        one.path,
        one.bundle.index,
        one.target,
        native,
        processor,
        code,
        decoder.tools.knowing(processor),
        decoder,
        one.data,
        (_WAVE64,) if wide else (),
    )


def _functions(
    elf: Elf, names: Iterable[str], places: dict[str, tuple[int, int]]
) -> Iterator[Function]:
    """The code of the kernels; those that share it are one."""
    found: dict[tuple[int, int], list[str]] = {}
    starts = sorted(address for address, _ in places.values())
    for name in sorted(names):
        if name not in places:
            message = f"no symbol tells where the code of {name} is"
            raise FormatError(message, elf.view.where())
        address, size = places[name]
        if not size:  # hand-written assembly often tells none
            size = _end(elf, address, starts) - address
        found.setdefault((address, size), []).append(name)
    for (address, size), shared in found.items():
        yield Function(tuple(shared), address, size)


def _end(elf: Elf, address: int, starts: list[int]) -> int:
    """Where code ends: at the next function, or with its section or segment."""
    after = starts[bisect_right(starts, address) :][:1]
    sections = ((s.sh_addr, s.sh_size) for s in elf.sections if s.sh_flags & SHF_EXECINSTR)
    segments = ((s.p_vaddr, s.p_filesz) for s in elf.segments if s.p_type == PT_LOAD)
    ends = [
        start + size
        for start, size in (*sections, *segments)
        if start <= address < start + size
    ]
    return min(after + ends, default=address)
