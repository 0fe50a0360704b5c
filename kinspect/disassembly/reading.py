"""The kernels of an artifact that are taken apart, code object by code object.

With those that are asked for by name come the functions that they call: what a kernel
does may lie in there altogether. Without any names, it is all code that symbols name.
"""

from collections.abc import Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from kinspect.disassembly.calls import reached
from kinspect.disassembly.functions import Admits, Functions
from kinspect.disassembly.listing import Code, Function, Instruction, listing
from kinspect.disassembly.objdump import Objdump, Tools
from kinspect.disassembly.running import handed, running
from kinspect.errors import FormatError, ToolError, Where
from kinspect.formats import code_object
from kinspect.formats.amdgpu_elf import Elf, open_elf
from kinspect.formats.metadata import Detail
from kinspect.limits import DEFAULT, Limits
from kinspect.machine import machine_of
from kinspect.model import Unreadable
from kinspect.names import brief
from kinspect.resources.reading import Opened, Query, opened
from kinspect.sources import Named
from kinspect.target import from_e_flags

#: what makes LLVM take instructions of gfx10 and newer for those of waves of 64 lanes
_WAVE64 = "--mattr=+wavefrontsize64"


#: instructions with their function; who stops early closes it
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
    """The chosen functions of a code object; its instructions are asked for."""

    path: str
    bundle: int
    target: str
    #: what it is for, by its own header
    native: str
    #: what it is taken for
    processor: str
    objdump: Objdump
    decoder: Decoder
    #: kernels that were asked for, and were compiled to nothing
    empty: tuple[str, ...]
    #: the functions that are no kernels, chosen or not, by their addresses
    others: Mapping[int, Function]
    _elf: Elf = field(repr=False)
    #: what was asked for
    _chosen: Code = field(repr=False)
    _options: tuple[str, ...] = ()
    _code: Code | None = field(default=None, repr=False)
    #: words that were no instruction, of those that were asked for
    undecoded: int = 0

    @property
    def code(self) -> Code:
        """What was asked for, and what that leads to.

        Raises ToolError, and FormatError where there is no code.
        """
        if self._code is None:
            called = self._called()
            functions = (*self._chosen.functions, *called)
            self._code = Code(self._elf, functions) if called else self._chosen
        return self._code

    @property
    def left_out(self) -> int:
        """How many functions are neither chosen nor called by what is."""
        return len(self.others) - sum(not one.kernel for one in self.code.functions)

    def instructions(self) -> Told:
        """Those of each function by their address; raises as `code` does."""
        options = (*self._options, *self.decoder.options)
        for function, one in self._told(self.code, self.objdump, self.processor, options):
            self.undecoded += not one.decoded
            yield function, one

    def read_as(self, processor: str) -> Told:
        """The same bytes, as another processor would take them; raises as `code` does."""
        objdump = self.objdump
        if not objdump.knows(processor):
            objdump = self.decoder.tools.knowing(processor)
        return self._told(self.code, objdump, processor, self._options)

    def _called(self) -> list[Function]:
        """The functions that chosen ones lead to, and those that these lead to."""
        new = list(self._chosen.functions)
        chosen = {one.address for one in new}
        missing = {at: one for at, one in self.others.items() if at not in chosen}
        found: list[Function] = []
        while new and missing:
            code = Code(self._elf, new)
            told = self._told(code, self.objdump, self.processor, self._options)
            addresses = sorted(reached(told) & missing.keys())
            new = [missing.pop(address) for address in addresses]
            found += new
        return found

    def _told(
        self, code: Code, objdump: Objdump, processor: str, options: tuple[str, ...]
    ) -> Told:
        command = objdump.command(processor, *code.range, *options)
        with (
            handed(self._elf.view.bytes()) as file,
            running(command, file, self.decoder.timeout) as run,
        ):
            yield from listing(run.lines(), code)


def disassembled(
    path: Named,
    query: Query,
    decoder: Decoder,
    *,
    limits: Limits = DEFAULT,
    exclude: tuple[str, ...] = (),
    problems: list[Unreadable],
) -> Iterator[Disassembled]:
    """Every code object with functions that are asked for.

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
    """None without what is asked for; raises ToolError where nobody knows it."""
    parsed = code_object.parse(one.data, limits)
    for fault in parsed.faults:
        message = f"{fault.message}: it is not handed to llvm-objdump"
        raise FormatError(message, fault.where)
    kernels = code_object.kernels(one.data, limits, Detail.RESOURCES)
    elf = open_elf(one.data, limits)
    functions = Functions(elf, [kernel.name for kernel in kernels], limits)
    admits, others = query.kernels.admits, functions.others()
    own, empty = functions.kernels(admits)
    chosen = [*own, *_admitted(others, admits)]
    if not chosen:
        if not empty:
            return None
        message = f"{brief(empty[0])} was compiled to nothing: it has no instructions"
        raise FormatError(message, one.data.where())
    code = Code(elf, chosen)
    flags = from_e_flags(elf.header.e_flags, elf.abi_version)
    if flags.target is None:
        message = f"its e_flags name no processor that kinspect knows ({flags})"
        raise FormatError(message, one.data.where())
    native = flags.target.processor
    processor = decoder.processor or native
    machine = machine_of(processor)
    wide = machine is not None and machine.wave32
    asked = [kernel for kernel in kernels if admits(kernel.name)] or kernels
    wide = wide and all(kernel.wavefront_size == 64 for kernel in asked)
    return Disassembled(
        one.path,
        one.bundle.index,
        one.target,
        native,
        processor,
        decoder.tools.knowing(processor),
        decoder,
        tuple(empty),
        {function.address: function for function in others},
        elf,
        code,
        (_WAVE64,) if wide else (),
    )


def _admitted(functions: Iterable[Function], admits: Admits) -> Iterator[Function]:
    """Those with a name that is asked for, by their names that are."""
    for one in functions:
        names = tuple(filter(admits, one.names))
        if names:
            yield replace(one, names=names)
