"""AMDGPU code objects: ELF64, EM_AMDGPU (224), OSABI 64 (AMDGPU_HSA).

Virtual addresses lie `BIAS` above file offsets, so that who mistakes one for the other is
found out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from struct import pack

from tests.writers.msgpack import packed

BIAS = 0x10000
#: EI_ABIVERSION of code object versions
V2, V3, V4, V5, V6 = range(5)
#: e_flags of targets with every feature at `any` (v4 and later), by ELF.h
E_FLAGS = {
    "gfx90a": 0x53F,
    "gfx942": 0x54C,
    "gfx950": 0x54F,
    "gfx1100": 0x041,
    "gfx9-generic": 0x0100_0151,
    "gfx9-4-generic": 0x0100_055F,
}
LOCAL, GLOBAL, WEAK = 0, 1, 2
NOTYPE, OBJECT, FUNC = 0, 1, 2
PROTECTED = 3
HASH, DYNSYM, STRTAB, NOTE, PROGBITS, DYNAMIC, SYMTAB = 5, 11, 3, 7, 1, 6, 2
#: bytes that the code of kernels is aligned to
ALIGN = 256
#: s_endpgm, the instruction that ends a kernel
END = bytes.fromhex("000081bf")


@dataclass(frozen=True)
class Kernel:
    """A kernel; each of its parts can be left out or bent."""

    name: str
    symbol: str | None = None
    #: more of its metadata: names without their dot
    fields: Mapping[str, object] = field(default_factory=dict)
    #: what its descriptor says instead
    described: Mapping[str, int] = field(default_factory=dict)
    listed: bool = True
    descriptor: bool = True
    binding: int = GLOBAL
    size: int = 64
    #: address of the descriptor, where it is not where it should be
    address: int | None = None
    #: the note that lists it
    record: int = 0
    #: its instructions
    code: bytes = END

    @property
    def kd(self) -> str:
        return f"{self.name}.kd" if self.symbol is None else self.symbol

    def metadata(self) -> dict[str, object]:
        required: dict[str, object] = {
            ".name": self.name,
            ".symbol": self.kd,
            ".kernarg_segment_size": 8,
            ".kernarg_segment_align": 8,
            ".group_segment_fixed_size": 0,
            ".private_segment_fixed_size": 0,
            ".wavefront_size": 64,
            ".sgpr_count": 12,
            ".vgpr_count": 4,
            ".max_flat_workgroup_size": 1024,
            ".args": [{".size": 8, ".offset": 0, ".value_kind": "global_buffer"}],
        }
        return required | {f".{name}": value for name, value in self.fields.items()}


@dataclass(frozen=True)
class CodeObject:
    """What a code object is made of; the defaults are sound."""

    target: str = "gfx942"
    kernels: Sequence[Kernel | str] = ("kernel",)
    abi: int = V5
    #: by the target, unless given
    e_flags: int | None = None
    #: `amdhsa.target`, by the target unless given; None leaves the key out
    metadata_target: str | None = ""
    #: contents of the metadata notes, instead of what the kernels say
    records: Sequence[bytes] | None = None
    notes: bool = True
    #: undefined symbols, with their binding
    undefined: Mapping[str, int] = field(default_factory=dict)
    #: section headers
    sections: bool = True
    #: `.symtab`, which the loader goes by; strip takes it
    symtab: bool = True
    #: program headers of the notes; else only a section tells them
    note_segment: bool = True
    dynamic: bool = True
    machine: int = 224
    osabi: int = 64
    #: what the code of each kernel is aligned to, in bytes
    align: int = ALIGN
    #: bytes of an application's own, after the notes
    padding: int = 0
    #: the code of functions that are no kernels, behind that of the kernels: local ones,
    #: which `.symtab` alone names
    functions: Mapping[str, bytes] = field(default_factory=dict)

    def build(self) -> bytes:
        return _Layout(self).build()


def code_object(target: str = "gfx942", *kernels: Kernel | str, **fields) -> bytes:
    """A sound code object of a target, unless `fields` say otherwise."""
    return replace(CodeObject(target, kernels or ("kernel",)), **fields).build()


def useless() -> bytes:
    """What an RDC link makes for a target that no input has.

    e_flags 0, ABI version 0, no notes and no symbols.
    """
    return CodeObject(kernels=(), e_flags=0, abi=V2, notes=False, dynamic=False).build()


def bitcode() -> bytes:
    """The start of LLVM IR: no code object."""
    return b"BC\xc0\xde" + bytes(60)


def note(name: bytes, kind: int, data: bytes) -> bytes:
    """A record of an ELF note, name and contents padded to four bytes."""
    padded = name + bytes(-len(name) % 4)
    return pack("<III", len(name), len(data), kind) + padded + data + bytes(-len(data) % 4)


class _Layout:
    def __init__(self, spec: CodeObject) -> None:
        self.spec = spec
        self.kernels = [
            Kernel(one) if isinstance(one, str) else one for one in spec.kernels
        ]
        segments = 1 + spec.note_segment + spec.dynamic
        self.out = bytearray(64 + 56 * segments)
        #: name → (offset, size)
        self.place: dict[str, tuple[int, int]] = {}

    def put(self, name: str, data: bytes, align: int = 8) -> int:
        self.out += bytes(-len(self.out) % align)
        self.place[name] = len(self.out), len(data)
        self.out += data
        return self.place[name][0]

    def records(self) -> Sequence[bytes]:
        spec = self.spec
        if spec.records is not None:
            return spec.records
        count = 1 + max((kernel.record for kernel in self.kernels), default=0)
        version = {V3: [1, 0], V4: [1, 1]}.get(spec.abi, [1, 2])
        texts = []
        for number in range(count):
            record: dict[str, object] = {
                "amdhsa.version": version,
                "amdhsa.kernels": [
                    one.metadata()
                    for one in self.kernels
                    if one.listed and one.record == number
                ],
            }
            named = spec.metadata_target
            if named is not None and spec.abi >= V4:
                record["amdhsa.target"] = named or f"amdgcn-amd-amdhsa--{spec.target}"
            texts.append(packed(record))
        return texts

    def build(self) -> bytes:
        spec = self.spec
        if spec.notes:
            notes = b"".join(note(b"AMDGPU\0", 32, text) for text in self.records())
            self.put(".note", notes, 4)
        if spec.padding:
            self.put(".padding", b"\xaa" * spec.padding)
        described = [one for one in self.kernels if one.descriptor]
        starts, code = [], bytearray()
        for one in self.kernels or [Kernel("")]:
            starts.append(len(code))
            code += one.code + bytes(-len(one.code) % spec.align)
        self.functions = []
        for name, data in spec.functions.items():
            self.functions.append((name, len(code), len(data)))
            code += data + bytes(-len(data) % spec.align)
        self.put(".text", bytes(code), spec.align)
        self.starts = [
            start
            for start, one in zip(starts, self.kernels, strict=False)
            if one.descriptor
        ]
        self.out += bytes(-len(self.out) % 64)
        rodata = b"".join(
            _descriptor(one, spec.target, self.entry(number, one))
            for number, one in enumerate(described)
        )
        self.put(".rodata", rodata, 64)
        self.symbols(described)
        if spec.dynamic:
            self.put(".dynamic", self.tags())
        headers_at = self.sections() if spec.sections else 0
        self.out[:64] = self.header(headers_at)
        self.program_headers()
        return bytes(self.out)

    def entry(self, number: int, kernel: Kernel) -> int:
        """From a descriptor to the code of its kernel."""
        at = len(self.out) + 64 * number
        if kernel.address is not None:
            at = kernel.address - BIAS
        distance = self.place[".text"][0] + self.starts[number] - at
        return (distance + 2**63) % 2**64 - 2**63

    def symbols(self, described: Sequence[Kernel]) -> None:
        strings = bytearray(b"\0")
        table = [bytes(24)]
        local: list[bytes] = []

        def add(
            name: str,
            info: int,
            section: int,
            value: int,
            size: int,
            to: list[bytes] = table,
        ) -> None:
            fields = (len(strings), info, PROTECTED, section, value, size)
            to.append(pack("<IBBHQQ", *fields))
            strings.extend(name.encode() + b"\0")

        rodata = self.place[".rodata"][0] + BIAS
        text = self.place[".text"][0] + BIAS
        for number, one in enumerate(described):
            at = rodata + 64 * number if one.address is None else one.address
            start = text + self.starts[number]
            add(one.name, one.binding << 4 | FUNC, 2, start, len(one.code))
            add(one.kd, one.binding << 4 | OBJECT, 1, at, one.size)
        for name, binding in self.spec.undefined.items():
            add(name, binding << 4 | NOTYPE, 0, 0, 0)
        for name, start, size in self.functions:
            add(name, LOCAL << 4 | FUNC, 2, text + start, size, local)
        self.put(".dynsym", b"".join(table))
        self.put(".dynstr", bytes(strings), 1)
        if self.spec.symtab:
            self.put(".symtab", b"".join([table[0], *local, *table[1:]]))
            self.put(".strtab", bytes(strings), 1)
        # one bucket that holds nothing: only nchain, the number of symbols, is of use
        chain = pack("<3I", 1, len(table), 0) + bytes(4 * len(table))
        self.put(".hash", chain)

    def tags(self) -> bytes:
        symbols, strings = self.place[".dynsym"], self.place[".dynstr"]
        tags = (
            (6, symbols[0] + BIAS),  # DT_SYMTAB
            (11, 24),  # DT_SYMENT
            (5, strings[0] + BIAS),  # DT_STRTAB
            (10, strings[1]),  # DT_STRSZ
            (4, self.place[".hash"][0] + BIAS),  # DT_HASH
            (0, 0),
        )
        return b"".join(pack("<qQ", *tag) for tag in tags)

    def sections(self) -> int:
        kinds = {
            ".rodata": PROGBITS,
            ".text": PROGBITS,
            ".note": NOTE,
            ".dynsym": DYNSYM,
            ".dynstr": STRTAB,
            ".hash": HASH,
            ".dynamic": DYNAMIC,
            ".symtab": SYMTAB,
            ".strtab": STRTAB,
        }
        present = [name for name in kinds if name in self.place]
        strings = b"\0" + b"".join(name.encode() + b"\0" for name in present)
        strings += b".shstrtab\0"
        self.put(".shstrtab", strings, 1)
        rows = [bytes(64)]
        for name in present:
            offset, size = self.place[name]
            linked = {
                ".dynsym": ".dynstr", ".dynamic": ".dynstr", ".hash": ".dynsym",
                ".symtab": ".strtab",
            }  # fmt: skip
            link = 1 + present.index(linked[name]) if name in linked else 0
            entry = {".dynsym": 24, ".symtab": 24, ".dynamic": 16, ".hash": 4}.get(name, 0)
            at = strings.index(name.encode() + b"\0")
            flags = 6 if name == ".text" else 2  # SHF_ALLOC, SHF_EXECINSTR
            place = (flags, offset + BIAS, offset, size)
            rows.append(pack("<IIQQQQIIQQ", at, kinds[name], *place, link, 0, 4, entry))
        offset, size = self.place[".shstrtab"]
        at = strings.index(b".shstrtab")
        rows.append(pack("<IIQQQQIIQQ", at, STRTAB, 0, 0, offset, size, 0, 0, 1, 0))
        self.count = len(rows)
        return self.put("headers", b"".join(rows))

    def header(self, headers_at: int) -> bytes:
        spec = self.spec
        flags = E_FLAGS[spec.target] if spec.e_flags is None else spec.e_flags
        ident = b"\x7fELF" + bytes([2, 1, 1, spec.osabi, spec.abi]) + bytes(7)
        segments = 1 + spec.note_segment + spec.dynamic
        count = self.count if headers_at else 0
        return ident + pack(
            "<HHIQQQIHHHHHH",
            3, spec.machine, 1, 0, 64, headers_at, flags, 64, 56, segments,
            64, count, max(count - 1, 0),
        )  # fmt: skip

    def program_headers(self) -> None:
        size = len(self.out)
        rows = [pack("<IIQQQQQQ", 1, 5, 0, BIAS, BIAS, size, size, 0x1000)]
        spans = {2: ".dynamic"} if self.spec.dynamic else {}
        if self.spec.note_segment:
            spans[4] = ".note"
        for kind, name in spans.items():
            offset, size = self.place.get(name, (0, 0))
            rows.append(
                pack("<IIQQQQQQ", kind, 4, offset, offset + BIAS, offset + BIAS, size, size, 4)
            )  # fmt: skip
        self.out[64 : 64 + 56 * len(rows)] = b"".join(rows)


#: vector registers in a block of a descriptor, for waves of 64 lanes
_BLOCKS = {"gfx90a": 8, "gfx942": 8, "gfx950": 8, "gfx9-4-generic": 8}


def _descriptor(kernel: Kernel, target: str, entry: int) -> bytes:
    """A kernel descriptor of 64 bytes (AMDHSAKernelDescriptor.h, AMDGPUUsage).

    It agrees with the metadata, unless the kernel says otherwise.
    """

    def told(name: str, default: int) -> int:
        fields = dict(kernel.metadata()) | {f".{k}": v for k, v in kernel.described.items()}
        return int(str(fields.get(f".{name}", default)))

    wave32 = told("wavefront_size", 64) == 32
    older = not target.startswith("gfx1")
    block = _BLOCKS.get(target, 4) * (2 if wave32 and not older else 1)
    vgprs, agprs, sgprs = (told(f"{kind}gpr_count", 0) for kind in ("v", "a", "s"))
    rsrc1 = (max(vgprs, 1) - 1) // block
    if older:
        rsrc1 |= (max(sgprs, 1) - 1) // 8 << 6
    else:
        rsrc1 |= told("workgroup_processor_mode", 0) << 29
    accum_offset = told("accum_offset", max(vgprs - agprs + 3, 4) // 4 * 4)
    rsrc3 = accum_offset // 4 - 1 if target in _BLOCKS else 0
    properties = wave32 << 10 | bool(told("dynamic_stack", 0)) << 11
    sizes = pack(
        "<III4xq20x",
        told("group_segment_fixed_size", 0),
        told("private_segment_fixed_size", 0),
        told("kernarg_segment_size", 8),
        told("entry", entry),
    )
    return sizes + pack("<IIIHH4x", rsrc3, rsrc1, 0, properties, 0)
