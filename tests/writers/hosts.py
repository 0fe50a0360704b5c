"""ELF hosts with fat binaries: what clang embeds and a linker lays out.

Segments keep different distances between file offset and address, so that who mistakes
one for the other is found out.
"""

import re
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from struct import pack, pack_into

FATBIN, SEGMENT = ".hip_fatbin", ".hipFatBinSegment"
HIPF, HIPK = 0x48495046, 0x4B504948
#: e_machine, relocation types of a pointer relative to the load address and of a symbol
MACHINES = {"x86-64": (62, 8, 1), "aarch64": (183, 1027, 257)}
TYPES = {"rel": 1, "exec": 2, "dyn": 3}
PROGBITS, SYMTAB, STRTAB, RELA, NOBITS, DYNAMIC, DYNSYM, RELR = 1, 2, 3, 4, 8, 6, 11, 19
OFFLOADING = 0x6FFF4C0B
WRITE, ALLOC, EXECUTE, EXCLUDE = 1, 2, 4, 0x80000000
LOADED, READ_ONLY, WRITABLE, REFERENCE = 0, 1, 2, 3
#: what a split for kpack puts in place of the device code
KPACK_REFERENCE = ".rocm_kpack_ref"
HASHES = {"sysv": ".hash", "gnu": ".gnu.hash"}
HASH_TAGS = {".hash": 4, ".gnu.hash": 0x6FFFFEF5}


@dataclass(frozen=True)
class Wrapper:
    """A fat-binary wrapper and how its pointer gets its value."""

    #: where in the section it points
    at: int = 0
    to: str = FATBIN
    #: `relative`, `symbolic`, `relr`, `in-place` or `nothing`
    by: str = "relative"
    magic: int = HIPF
    version: int = 1
    reserved: int = 0
    symbol: str = "__hip_fatbin_0123456789abcdef"
    defined: bool = True
    #: of a symbolic relocation: how far behind its symbol it points
    addend: int = 0
    #: an address that it points at instead
    address: int | None = None
    #: a relocation type of its own
    kind: int | None = None


@dataclass(frozen=True)
class Built:
    """The bytes of a host, and where in them its sections lie."""

    data: bytes
    #: name → file offset
    place: Mapping[str, int]
    #: name → virtual address
    address: Mapping[str, int]


@dataclass(frozen=True)
class Host:
    """What a host is made of; the defaults are those of a per-TU shared object."""

    fatbin: bytes | None = None
    #: one at the start of the fat binary, unless given
    wrappers: Sequence[Wrapper] | None = None
    machine: str = "x86-64"
    type: str = "dyn"
    #: section headers
    sections: bool = True
    #: read-only sections of other data
    data: Mapping[str, bytes] = field(default_factory=dict)
    #: writable ones
    variables: Mapping[str, bytes] = field(default_factory=dict)
    #: contents of `.llvm.offloading`
    offloading: bytes = b""
    #: sections without bytes
    empty: Sequence[str] = ()
    needed: Sequence[str] = ()
    #: functions that it defines, in `.dynsym`
    functions: Sequence[str | bytes] = ()
    #: the hash table of its symbols: `sysv`, `gnu`, or none
    hash: str = ""
    #: buckets of a GNU hash table, and its first symbol
    gnu: tuple[int, int] = (2, 1)
    #: the names of kernels that it registers; those of its device stubs, unless given
    registers: Sequence[str | bytes] | None = None
    align: int = 16
    nobits: bool = False
    wrapper_section: str = SEGMENT
    fatbin_section: str = FATBIN
    e_machine: int | None = None
    #: contents of `.rocm_kpack_ref`, which gets a segment of its own
    reference: bytes = b""

    @property
    def texts(self) -> dict[str, bytes]:
        """The section with the names of kernels, if there are any."""
        names = _registered(self.functions) if self.registers is None else self.registers
        texts = [one if isinstance(one, bytes) else one.encode() for one in names]
        return {".rodata.str1.1": b"\0".join([b"", *texts, b""])} if texts else {}

    def build(self) -> Built:
        return (_Object(self) if self.type == "rel" else _Image(self)).build()


@dataclass
class _Part:
    """A section."""

    name: str
    type: int
    flags: int
    data: bytearray
    align: int = 8
    segment: int | None = None
    link: str = ""
    info: str = ""
    entry: int = 0
    size: int | None = None
    offset: int = 0
    address: int = 0


class _Writer:
    def __init__(self, spec: Host) -> None:
        self.spec = spec
        self.machine, self.relative, self.symbolic = MACHINES[spec.machine]
        wrappers = spec.wrappers
        if wrappers is None:
            wrappers = [Wrapper()] if spec.fatbin is not None else []
        self.wrappers = wrappers
        self.parts: list[_Part] = []

    def add(self, name: str, kind: int, flags: int, data: bytes, **more) -> _Part:
        part = _Part(name, kind, flags, bytearray(data), **more)
        self.parts.append(part)
        return part

    def part(self, name: str) -> _Part:
        return next(one for one in self.parts if one.name == name)

    def number(self, name: str) -> int:
        """Of its section header; 0 is nobody's."""
        return 1 + next(i for i, one in enumerate(self.parts) if one.name == name)

    def add_common(self) -> None:
        spec = self.spec
        for name, data in (*spec.data.items(), *spec.texts.items()):
            self.add(name, PROGBITS, ALLOC, data, segment=LOADED)
        if spec.fatbin is not None:
            kind = NOBITS if spec.nobits else PROGBITS
            data = b"" if spec.nobits else spec.fatbin
            self.add(
                spec.fatbin_section, kind, ALLOC, data,
                align=spec.align, segment=READ_ONLY, size=len(spec.fatbin),
            )  # fmt: skip
        if self.wrappers:
            records = b"".join(
                pack("<IIQQ", one.magic, one.version, 0, one.reserved)
                for one in self.wrappers
            )
            name = spec.wrapper_section
            self.add(name, PROGBITS, ALLOC | WRITE, records, segment=WRITABLE)
        for name, data in spec.variables.items():
            self.add(name, PROGBITS, ALLOC | WRITE, data, segment=WRITABLE)
        if spec.offloading:
            self.add(".llvm.offloading", OFFLOADING, EXCLUDE, spec.offloading)
        if spec.reference:
            self.add(KPACK_REFERENCE, PROGBITS, ALLOC, spec.reference, segment=REFERENCE)
        for name in spec.empty:
            self.add(name, NOBITS, ALLOC | WRITE, b"", size=8)

    def names(self, texts: Iterable[str | bytes]) -> tuple[bytes, dict[str | bytes, int]]:
        """A string table and where each text lies in it."""
        table, places = bytearray(1), dict[str | bytes, int]({"": 0})
        for text in texts:
            if text not in places:
                places[text] = len(table)
                table += (text if isinstance(text, bytes) else text.encode()) + b"\0"
        return bytes(table), places

    def lay_out(self, at: int, bias: int) -> bytes:
        """Give every section its place; return everything behind the headers."""
        body = bytearray()
        for part in self.parts:
            body += bytes(-(at + len(body)) % part.align)
            part.offset = at + len(body)
            if part.segment is not None:
                part.address = bias + part.offset + 0x1000 * part.segment
            body += part.data
        return bytes(body)

    def section_headers(self, at: int) -> tuple[bytes, int]:
        """The string table and the headers, and where these start."""
        strings, places = self.names([one.name for one in self.parts] + [".shstrtab"])
        rows = [bytes(64)]
        for part in self.parts:
            size = len(part.data) if part.size is None else part.size
            rows.append(
                pack(
                    "<IIQQQQIIQQ",
                    places[part.name], part.type, part.flags, part.address, part.offset,
                    size, self.number(part.link) if part.link else 0,
                    self.number(part.info) if part.info else 0, part.align, part.entry,
                )
            )  # fmt: skip
        rows.append(
            pack(
                "<IIQQQQIIQQ", places[".shstrtab"], STRTAB, 0, 0, at, len(strings), 0, 0, 1, 0
            )
        )  # fmt: skip
        padding = bytes(-(at + len(strings)) % 8)
        return strings + padding + b"".join(rows), at + len(strings) + len(padding)

    def header(self, segments: int, headers_at: int) -> bytes:
        machine = self.machine if self.spec.e_machine is None else self.spec.e_machine
        count = len(self.parts) + 2 if headers_at else 0
        ident = b"\x7fELF" + bytes([2, 1, 1]) + bytes(9)
        return ident + pack(
            "<HHIQQQIHHHHHH",
            TYPES[self.spec.type], machine, 1, 0, 64 if segments else 0, headers_at, 0,
            64, 56, segments, 64, count, max(count - 1, 0),
        )  # fmt: skip

    def built(self, data: bytes) -> Built:
        return Built(
            data,
            {part.name: part.offset for part in self.parts},
            {part.name: part.address for part in self.parts},
        )


class _Image(_Writer):
    """A shared object or an executable."""

    def build(self) -> Built:
        symbols = [one for one in self.wrappers if one.by == "symbolic"]
        names: list[str | bytes] = list(dict.fromkeys(one.symbol for one in symbols))
        names += self.spec.functions
        strings, places = self.names([*names, *self.spec.needed])
        places_of = [(24 * i + 8, one) for i, one in enumerate(self.wrappers)]
        rela = [pair for pair in places_of if pair[1].by in {"relative", "symbolic"}]
        relr = [pair for pair in places_of if pair[1].by == "relr"]
        size = 24 * (1 + len(names))
        self.add(".dynsym", DYNSYM, ALLOC, bytes(size), segment=0, link=".dynstr", entry=24)
        self.add(".dynstr", STRTAB, ALLOC, strings, segment=LOADED)
        if rela:
            more = {"link": ".dynsym", "entry": 24}
            self.add(".rela.dyn", RELA, ALLOC, bytes(24 * len(rela)), segment=0, **more)
        if relr:
            size = 8 * (1 + len(relr))
            self.add(".relr.dyn", RELR, ALLOC, bytes(size), segment=LOADED, entry=8)
        if self.spec.hash:
            gnu = self.spec.hash == "gnu"
            table = gnu_hash(names, *self.spec.gnu) if gnu else sysv_hash(1 + len(names))
            self.add(HASHES[self.spec.hash], 5, ALLOC, table, segment=LOADED)
        self.add_common()
        count = len(self.spec.needed) + 12
        self.add(
            ".dynamic", DYNAMIC, ALLOC | WRITE, bytes(16 * count),
            segment=WRITABLE, link=".dynstr", entry=16,
        )  # fmt: skip
        self.parts.sort(key=lambda one: 9 if one.segment is None else one.segment)
        present = sorted({one.segment for one in self.parts if one.segment is not None})
        start = 64 + 56 * (len(present) + 1)
        bias = 0x400000 if self.spec.type == "exec" else 0
        self.lay_out(start, bias)
        self.set_symbols(names, places)
        self.relocate(names, rela, relr)
        self.set_dynamic(places)
        body = self.lay_out(start, bias)
        end = start + len(body)
        headers, headers_at = self.section_headers(end) if self.spec.sections else (b"", 0)
        head = self.header(len(present) + 1, headers_at)
        return self.built(head + self.program_headers(present, bias) + body + headers)

    def set_symbols(
        self, names: Sequence[str | bytes], places: Mapping[str | bytes, int]
    ) -> None:
        table = self.part(".dynsym").data
        # of several with one symbol, the first says where it lies
        symbolic = {w.symbol: w for w in reversed(self.wrappers) if w.by == "symbolic"}
        for index, name in enumerate(names, 1):
            one = symbolic.get(name) if isinstance(name, str) else None
            if one is None:
                pack_into("<IBBHQQ", table, 24 * index, places[name], 0x12, 0, 1, 0x40, 4)
                continue
            section = self.number(one.to) if one.defined else 0
            value = self.target(one) - one.addend if one.defined else 0
            fields = (places[name], 0x11, 0, section, value, 0)
            pack_into("<IBBHQQ", table, 24 * index, *fields)

    def target(self, one: Wrapper) -> int:
        if one.address is not None:
            return one.address
        return self.part(one.to).address + one.at

    def relocate(
        self,
        names: Sequence[str | bytes],
        rela: list[tuple[int, Wrapper]],
        relr: list[tuple[int, Wrapper]],
    ) -> None:
        if not self.wrappers:
            return
        home = self.part(self.spec.wrapper_section)
        for index, one in enumerate(self.wrappers):
            if one.by in {"relr", "in-place"}:
                pack_into("<Q", home.data, 24 * index + 8, self.target(one))
        numbers = {name: n for n, name in reversed([*enumerate(names, 1)])}
        for index, (place, one) in enumerate(rela):
            kind, symbol, addend = self.relative, 0, self.target(one)
            if one.by == "symbolic":
                kind, symbol, addend = (
                    self.symbolic,
                    numbers[one.symbol],
                    one.addend,
                )
            kind = kind if one.kind is None else one.kind
            fields = (home.address + place, symbol << 32 | kind, addend)
            pack_into("<QQq", self.part(".rela.dyn").data, 24 * index, *fields)
        if relr:
            words = relr_words([home.address + place for place, _ in relr])
            pack_into(f"<{len(words)}Q", self.part(".relr.dyn").data, 0, *words)
            self.relr_size = 8 * len(words)

    def set_dynamic(self, places: Mapping[str | bytes, int]) -> None:
        address = {part.name: part.address for part in self.parts}
        size = {part.name: len(part.data) for part in self.parts}
        tags = [(1, places[name]) for name in self.spec.needed]
        tags += [(5, address[".dynstr"]), (10, size[".dynstr"])]
        tags += [(6, address[".dynsym"]), (11, 24)]
        if ".rela.dyn" in size:
            tags += [(7, address[".rela.dyn"]), (8, size[".rela.dyn"]), (9, 24)]
        if ".relr.dyn" in size:
            tags += [(36, address[".relr.dyn"]), (35, self.relr_size), (37, 8)]
        if self.spec.hash:
            name = HASHES[self.spec.hash]
            tags.append((HASH_TAGS[name], address[name]))
        dynamic = self.part(".dynamic").data
        for index, tag in enumerate(tags):
            pack_into("<qQ", dynamic, 16 * index, *tag)

    def program_headers(self, present: Sequence[int], bias: int) -> bytes:
        rows = []
        for segment in present:
            own = [one for one in self.parts if one.segment == segment]
            start = 0 if segment == LOADED else own[0].offset
            size = own[-1].offset + len(own[-1].data) - start
            address = bias + start + 0x1000 * segment
            flags = {LOADED: 4, READ_ONLY: 4, WRITABLE: 6, REFERENCE: 4}[segment]
            fields = (1, flags, start, address, address, size, size, 0x1000)
            rows.append(pack("<IIQQQQQQ", *fields))
        one = self.part(".dynamic")
        span = (one.offset, one.address, one.address, len(one.data), len(one.data))
        rows.append(pack("<IIQQQQQQ", 2, 6, *span, 8))
        return b"".join(rows)


class _Object(_Writer):
    """A relocatable object: sections, and relocations for its link."""

    def build(self) -> Built:
        self.add_common()
        related = [
            (24 * index + 8, one)
            for index, one in enumerate(self.wrappers)
            if one.by in {"relative", "symbolic"}
        ]
        names = [one.symbol if one.by == "symbolic" else "" for _, one in related]
        strings, places = self.names(names)
        # a symbol for each relocation: named, or that of the section
        symbols, rows = bytes(24), b""
        for index, (at, one) in enumerate(related, 1):
            named = one.by == "symbolic"
            section = self.number(one.to) if one.defined else 0
            value, addend = (one.at, 0) if named else (0, one.at)
            info = 0x10 if named else 0x03
            fields = (places[names[index - 1]], info, 0, section, value, 0)
            symbols += pack("<IBBHQQ", *fields)
            rows += pack("<QQq", at, index << 32 | self.symbolic, addend)
        if self.wrappers:
            home = self.spec.wrapper_section
            self.add(f".rela{home}", RELA, 0, rows, link=".symtab", info=home, entry=24)
        self.add(".symtab", SYMTAB, 0, symbols, link=".strtab", entry=24)
        self.add(".strtab", STRTAB, 0, strings)
        for part in self.parts:
            part.segment = None
        body = self.lay_out(64, 0)
        headers, headers_at = self.section_headers(64 + len(body))
        return self.built(self.header(0, headers_at) + body + headers)


def _registered(functions: Iterable[str | bytes]) -> list[bytes]:
    """The kernels of device stubs, as constructors register them (CGCUDANV.cpp).

    A stub's identifier is that of its kernel behind 15 letters, which its length counts.
    """
    found = []
    for function in functions:
        text = function if isinstance(function, bytes) else function.encode()
        head, mark, tail = text.partition(b"__device_stub__")
        if mark:
            length = re.search(rb"[0-9]{1,4}$", head)
            if length is not None:
                head = head[: length.start()] + b"%d" % max(int(length[0]) - 15, 0)
            found.append(head + tail)
    return found


def relr_words(addresses: Sequence[int]) -> list[int]:
    """RELR: an even word is an address, an odd one a bitmap of the 63 words after it."""
    words: list[int] = []
    rest = deque(sorted(addresses))
    while rest:
        start = rest.popleft()
        words.append(start)
        base = start + 8
        while rest and rest[0] < base + 63 * 8:
            bitmap = 0
            while rest and rest[0] < base + 63 * 8:
                bitmap |= 1 << (rest.popleft() - base) // 8
            words.append(bitmap << 1 | 1)
            base += 63 * 8
    return words


def sysv_hash(count: int) -> bytes:
    """System V ABI, "Hash Table": one bucket that holds nothing, a chain each symbol."""
    return pack("<3I", 1, count, 0) + bytes(4 * count)


def gnu_hash(names: Sequence[str | bytes], buckets: int, first: int) -> bytes:
    """DT_GNU_HASH (binutils, elflink.c), of the symbols from the number `first` on.

    Buckets, the first symbol, words and shift of the Bloom filter; the filter; a bucket
    names its first symbol, and the chain goes on until a hash whose lowest bit is set.
    Symbols go to buckets by their place here: no reader of names would find them.
    """
    hashes = []
    for name in names[first - 1 :]:
        value = 5381
        for byte in name if isinstance(name, bytes) else name.encode():
            value = (value * 33 + byte) & 0xFFFFFFFF
        hashes.append(value & ~1)
    each = -(-len(hashes) // buckets)
    starts = [n if n < len(hashes) else -first for n in range(0, each * buckets, each or 1)]
    starts += [-first] * (buckets - len(starts))
    for start in starts:
        if start >= 0:
            hashes[min(start + each, len(hashes)) - 1] |= 1
    bloom = bytes(8 * 3)
    head = pack("<4I", buckets, first, 3, 6) + bloom
    return head + pack(f"<{buckets + len(hashes)}I", *(first + n for n in starts), *hashes)
