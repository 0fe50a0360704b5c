"""LLVM's bitstream container: blocks and records of a bitcode file.

Source: LLVM Bitcode File Format, "Bitstream Format" and "Bitcode Wrapper Format".
Blocks that nobody asked for are skipped by their length, so that function bodies,
nearly all of a module, cost nothing.
"""

from collections.abc import Collection, Iterator
from typing import Final, NamedTuple, NoReturn

from kinspect.errors import FormatError
from kinspect.limits import DEFAULT, Limits
from kinspect.view import U32, View

MAGIC: Final = b"BC\xc0\xde"
WRAPPER: Final = b"\xde\xc0\x17\x0b"

END_BLOCK: Final = 0
ENTER_SUBBLOCK: Final = 1
DEFINE_ABBREV: Final = 2
UNABBREV_RECORD: Final = 3
#: the first ID that DEFINE_ABBREV gives out
FIRST_ABBREV: Final = 4

BLOCKINFO: Final = 0
SETBID: Final = 1

FIXED: Final = 1
VBR: Final = 2
ARRAY: Final = 3
CHAR6: Final = 4
BLOB: Final = 5
#: what an array may consist of: not of literals, which take no bits (LLVM refuses them too)
ELEMENTS: Final = frozenset({FIXED, VBR, CHAR6})
CHAR6_LETTERS: Final = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._"
#: the widest field that LLVM's reader takes (BitstreamReader.cpp)
WIDEST: Final = 64
#: operands of an abbreviation that are as much work as a record
FREE: Final = 32
#: what may follow the last block, in bits
PADDING: Final = 64
#: LLVM nests its blocks four deep
DEEPEST: Final = 16


class Wrapper(NamedTuple):
    magic: U32
    version: U32
    offset: U32
    size: U32
    cpu_type: U32


class Block(NamedTuple):
    """A block that begins; its records follow, then its `End`."""

    id: int


class End:
    """The end of the block that began last."""


class Record(NamedTuple):
    code: int
    values: tuple[int, ...]
    blob: bytes = b""


class Operand(NamedTuple):
    #: 0 is a literal, whose value is `value`
    encoding: int
    value: int


Abbreviation = tuple[Operand, ...]


def is_bitcode(view: View) -> bool:
    return any(view.startswith(magic) for magic in (MAGIC, WRAPPER))


def unwrapped(view: View) -> View:
    """The bitstream itself, without the wrapper that Darwin's tools put around it."""
    if not view.startswith(WRAPPER):
        return view
    header = view.read(Wrapper, 0)
    return view.slice(header.offset, header.size)


def read(
    view: View, wanted: Collection[int], limits: Limits = DEFAULT
) -> Iterator[Block | End | Record]:
    """The blocks of the IDs in `wanted`, and their records; raise FormatError."""
    stream = unwrapped(view)
    if not stream.startswith(MAGIC):
        message = "no bitcode: expected 'BC' 0xC0DE"
        raise FormatError(message, stream.where())
    yield from _Reader(stream, frozenset(wanted), limits).blocks()


class _Reader:
    """Reads bits; `at` counts them from the start of the stream."""

    def __init__(self, view: View, wanted: frozenset[int], limits: Limits) -> None:
        self.view = view
        self.data = bytes(view.bytes())
        self.bits = len(self.data) * 8
        self.at = 32
        self.wanted = wanted
        self.limits = limits
        self.count = 0
        self.depth = 0
        #: abbreviations that BLOCKINFO gives to every block of an ID
        self.info: dict[int, list[Abbreviation]] = {}

    def fail(self, message: str) -> NoReturn:
        raise FormatError("bitcode: " + message, self.view.where(self.at // 8))

    # --- numbers ----------------------------------------------------------------------

    def fixed(self, width: int) -> int:
        end = self.at + width
        if end > self.bits:
            self.fail("it ends within a record")
        first = self.at >> 3
        chunk = int.from_bytes(self.data[first : (end + 7) >> 3], "little")
        value = chunk >> (self.at & 7) & ((1 << width) - 1)
        self.at = end
        return value

    def vbr(self, width: int) -> int:
        more = 1 << (width - 1)
        value = shift = 0
        while True:
            piece = self.fixed(width)
            value |= (piece & (more - 1)) << shift
            if not piece & more:
                return value
            shift += width - 1
            if shift > WIDEST:
                self.fail(f"a number of more than {WIDEST} bits")

    def align(self) -> None:
        self.at = -(-self.at // 32) * 32

    # --- blocks -----------------------------------------------------------------------

    def blocks(self) -> Iterator[Block | End | Record]:
        """What stands at the top: blocks alone.

        Up to eight bytes behind the last one are padding that some tools leave, as
        LLVM's reader takes it (BitcodeReader.cpp, getBitcodeFileContents).
        """
        while self.bits - self.at > PADDING:
            if self.data.startswith(MAGIC, self.at // 8):
                # the old driver's sections, put behind one another: LLVM refuses it too
                self.fail("another file follows the first: objects merged by ld -r?")
            if self.fixed(2) != ENTER_SUBBLOCK:
                self.fail("expected a block")
            yield from self.block()

    def block(self) -> Iterator[Block | End | Record]:
        number = self.vbr(8)
        width = self.vbr(4)
        self.align()
        size = self.fixed(32) * 32
        end = self.at + size
        if end > self.bits:
            self.fail(f"block {number} reaches beyond the end")
        if number == BLOCKINFO:
            self.block_info(width, end)
        elif number in self.wanted:
            if not 2 <= width <= 32:
                self.fail(f"block {number} has abbreviation IDs of {width} bits")
            self.depth += 1
            if self.depth > DEEPEST:
                self.fail(f"blocks nested more than {DEEPEST} deep")
            yield Block(number)
            yield from self.inside(number, width, end)
            yield End()
            self.depth -= 1
        else:
            self.at = end
        self.align()
        if self.at != end:  # LLVM reads on from its end, and skips by its length
            self.fail(f"block {number} ends elsewhere than its length says")

    def inside(self, number: int, width: int, end: int) -> Iterator[Block | End | Record]:
        abbreviations = list(self.info.get(number, ()))
        self.work(len(abbreviations))
        while self.at < end:
            kind = self.fixed(width)
            if kind == END_BLOCK:
                return
            if kind == ENTER_SUBBLOCK:
                yield from self.block()
            elif kind == DEFINE_ABBREV:
                abbreviations.append(self.abbreviation())
            else:
                yield self.record(kind, abbreviations)
        self.fail(f"block {number} has no end")

    def block_info(self, width: int, end: int) -> None:
        current: list[Abbreviation] | None = None
        while self.at < end:
            kind = self.fixed(width)
            if kind == END_BLOCK:
                return
            if kind == DEFINE_ABBREV:
                if current is None:
                    self.fail("an abbreviation for no block")
                current.append(self.abbreviation())
            elif kind == UNABBREV_RECORD:
                record = self.record(kind, [])
                if record.code == SETBID and record.values:
                    current = self.info.setdefault(record.values[0], [])
            else:
                self.fail("a block within BLOCKINFO")
        self.fail("BLOCKINFO has no end")

    # --- records ----------------------------------------------------------------------

    def abbreviation(self) -> Abbreviation:
        operands = []
        for _ in range(self.vbr(5)):
            if self.fixed(1):
                operands.append(Operand(0, self.vbr(8)))
                continue
            encoding = self.fixed(3)
            if not FIXED <= encoding <= BLOB:
                self.fail(f"operand encoding {encoding}")
            sized = encoding in {FIXED, VBR}
            value = self.vbr(5) if sized else 0
            if value > WIDEST:
                self.fail(f"an operand of {value} bits")
            if encoding == VBR and value == 1:  # all of it would say that more follows
                self.fail("a variable operand of one bit")
            # LLVM: a width of 0 is the literal 0
            operands.append(Operand(encoding if value or not sized else 0, value))
        return tuple(operands)

    def record(self, kind: int, abbreviations: list[Abbreviation]) -> Record:
        self.work(FREE)
        if kind == UNABBREV_RECORD:
            code = self.vbr(6)
            count = self.counted(self.vbr(6), 6)
            return Record(code, tuple(self.vbr(6) for _ in range(count)))
        if kind - FIRST_ABBREV >= len(abbreviations):
            self.fail(f"abbreviation {kind} is not defined")
        self.work(len(abbreviations[kind - FIRST_ABBREV]))
        values: list[int] = []
        blob = b""
        operands = iter(abbreviations[kind - FIRST_ABBREV])
        for operand in operands:
            if operand.encoding == ARRAY:
                element = next(operands, None)
                if element is None or element.encoding not in ELEMENTS:
                    self.fail("an array of nothing")
                count = self.counted(self.vbr(6), _least(element))
                values.extend(self.scalar(element) for _ in range(count))
            elif operand.encoding == BLOB:
                blob = self.blob()
            else:
                values.append(self.scalar(operand))
        if not values:
            self.fail("a record without a code")
        return Record(values[0], tuple(values[1:]), blob)

    def work(self, items: int) -> None:
        """Count what takes time and perhaps not a bit of the file, as literals do."""
        self.count += items // FREE
        self.limits.check("bitcode_records", self.count, self.view.where(self.at // 8))

    def counted(self, count: int, least: int) -> int:
        """A count of elements, of which each takes `least` bits or more."""
        if count * least > self.bits - self.at:
            self.fail(f"{count} elements do not fit")
        return count

    def scalar(self, operand: Operand) -> int:
        if operand.encoding == VBR:
            return self.vbr(operand.value)
        if operand.encoding == FIXED:
            return self.fixed(operand.value)
        if operand.encoding == CHAR6:
            return CHAR6_LETTERS[self.fixed(6)]
        return operand.value

    def blob(self) -> bytes:
        size = self.vbr(6)
        self.align()
        start = self.at >> 3
        if size > len(self.data) - start:
            self.fail(f"a blob of {size} bytes does not fit")
        self.at += size * 8
        self.align()
        return self.data[start : start + size]


def _least(operand: Operand) -> int:
    """The bits that an element takes at least."""
    return 6 if operand.encoding == CHAR6 else operand.value
