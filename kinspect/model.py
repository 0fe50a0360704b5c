"""What kinspect found: frozen values, the same for every input and output format."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from kinspect.errors import FormatError, KinspectError, Where
from kinspect.kpack import KpackClaims, KpackLookup, KpackReference, KpackUse
from kinspect.runtime import NEWEST, Runtime
from kinspect.target import EntryID, MachineFlags, TargetID

#: what `Binary.format` is for a file of bitcode
BITCODE: Final = "bitcode"


class Form(StrEnum):
    """How a bundle is stored."""

    PLAIN = "plain"  #: `__CLANG_OFFLOAD_BUNDLE__`
    CCOB = "ccob"  #: the same, compressed
    ELF = "elf"  #: a bare AMDGPU code object in place of a bundle
    OFFLOAD_BINARY = "offload-binary"  #: 0x10FF10AD
    KPACK = "kpack"


class Linkage(StrEnum):
    """How the device code of a binary was linked."""

    RDC = "rdc"  #: once, for the whole binary: the link line decides
    PER_TU = "per-tu"  #: for each translation unit: its compile line decides

    @property
    def words(self) -> str:
        return {"rdc": "RDC", "per-tu": "per translation unit"}[self.value]


@dataclass(frozen=True, slots=True)
class Fault:
    """Something wrong that could be read around."""

    message: str
    where: Where


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Something that could not be read, in place of what it would have been."""

    message: str
    where: Where
    #: the name of the limit that was exceeded, if that was the reason
    limit: str | None = None
    #: of bitcode, which LLVM's next release may write in another way
    bitcode: bool = False

    @classmethod
    def of(cls, error: KinspectError, where: Where) -> "Unreadable":
        if isinstance(error, FormatError):
            return cls(error.message, error.where, getattr(error, "limit", None))
        return cls(str(error), where)


@dataclass(frozen=True, slots=True)
class CodeObject:
    """An AMDGPU ELF, and what can be launched from it.

    A kernel is a metadata record together with its non-local `.kd` descriptor; the
    other names are kept apart by what they lack.
    """

    flags: MachineFlags
    e_flags: int
    #: EI_ABIVERSION: 2 is code object v4, 3 v5, 4 v6
    abi_version: int
    #: `amdhsa.target` of the metadata
    metadata_target: str | None
    #: how many NT_AMDGPU_METADATA records there are
    records: int
    #: kernels that can be launched, by `.name`, sorted
    kernels: tuple[str, ...]
    #: metadata records without their descriptor, by `.name`
    undescribed: tuple[str, ...] = ()
    #: kernels that have both, and can't run: by `.name`, with the reason
    broken: tuple[tuple[str, str], ...] = ()
    #: descriptors without a metadata record, by symbol
    unlisted: tuple[str, ...] = ()
    #: undefined symbols that are not weak
    undefined: tuple[str, ...] = ()
    #: variables that can be found by name, sorted
    variables: tuple[str, ...] = ()
    #: whether it is the output of a link: what is none can't be loaded
    linked: bool = True
    faults: tuple[Fault, ...] = ()

    @property
    def useless(self) -> bool:
        """No metadata, no kernels, no processor: an RDC link without an architecture."""
        return not (self.kernels or self.records or self.e_flags)


@dataclass(frozen=True, slots=True)
class Bitcode:
    """What a file of device bitcode is for, and what it defines. Names are sorted."""

    #: the compiler that wrote it: `LLVM19.1.7`
    producer: str
    triple: str
    #: the file that it was compiled from, as the compiler was called with it
    source: str
    #: every `target-cpu` of its functions
    processors: tuple[str, ...]
    #: functions that others can call
    functions: tuple[str, ...]
    #: of these, the kernels
    kernels: tuple[str, ...]
    variables: tuple[str, ...]
    #: what others must define: functions and variables, but for weak ones
    undefined: tuple[str, ...]

    @property
    def device(self) -> bool:
        """Whether it is for a GPU of AMD, and not for the host."""
        return self.triple.startswith(("amdgcn-", "spirv64-amd-"))


@dataclass(frozen=True, slots=True)
class DeviceBitcode:
    """What is kept for one target, for a link to compile."""

    id: EntryID
    #: from the start of the binary, or of the inflated bundle
    offset: int
    size: int
    #: None where only a listing was asked for; a code object that is not linked yet
    #: where the compiler made one in place of bitcode
    content: Bitcode | CodeObject | Unreadable | None = None

    @property
    def name(self) -> str:
        return self.id.target_name

    @property
    def target(self) -> TargetID | None:
        """The target, or None where no link would find it by that name."""
        return self.id.target_id


@dataclass(frozen=True, slots=True)
class Entry:
    """One slot of a bundle."""

    id: EntryID
    #: from the start of the binary, or of the inflated bundle (`Bundle.inflated`)
    offset: int
    #: in bytes, once inflated
    size: int
    #: None where it was not opened: no device code, or only a listing was asked for
    code_object: CodeObject | Bitcode | Unreadable | None = None
    #: bytes in the file, where it is compressed by itself
    stored: int | None = None
    #: breadcrumb of the kpack archive that it lies in; empty where it lies in the binary
    archive: str = ""


@dataclass(frozen=True, slots=True)
class Bundle:
    """One offload bundle."""

    index: int
    offset: int
    form: Form
    size: int
    entries: tuple[Entry, ...]
    #: where the bundle lies: a section, or what else the bytes belong to
    where: Where
    #: how many wrappers point at it
    wrappers: int = 0
    #: found as data outside of the fat-binary section
    embedded: bool = False
    #: of a compressed bundle: version, method and size once inflated
    version: int | None = None
    method: str | None = None
    uncompressed_size: int | None = None
    #: bytes of the header with its entry table, as HIP's runtime would read it
    header_size: int = 0
    faults: tuple[Fault, ...] = ()
    unreadable: tuple[Unreadable, ...] = ()
    #: how HIP's loader finds its entries, where these lie in kpack archives
    kpack: KpackLookup | None = None

    @property
    def registered(self) -> bool:
        """Whether a wrapper points at it, as HIP's runtime needs it to."""
        return self.wrappers > 0

    @property
    def inflated(self) -> bool:
        """Whether entry offsets count from the start of the inflated bundle."""
        return self.uncompressed_size is not None

    @property
    def hip_entries(self) -> tuple[Entry, ...]:
        return tuple([entry for entry in self.entries if entry.id.is_hip])


@dataclass(frozen=True, slots=True)
class Registration:
    """What host code registers with HIP, as far as the file tells."""

    kernels: tuple[str, ...] = ()
    #: without a table: those that some code object lacks, where the host names them
    variables: tuple[str, ...] = ()
    #: variables whose memory host and device share, which HIP sets up by itself
    managed: tuple[str, ...] = ()
    #: the table of the new driver says it all; else these are names that were found
    exact: bool = False
    #: of the names that were found, those that an object of the host goes by too: the
    #: handle of a kernel, the shadow of a variable
    objects: tuple[str, ...] = ()
    #: kernels that the host has a device stub for, and whose names are nowhere in its data
    unnamed: tuple[str, ...] = ()
    #: the file has its whole symbol table, hidden and static symbols among it
    symbols: bool = False


@dataclass(frozen=True, slots=True)
class Binary:
    """One binary of an artifact: a host object, or a raw device container."""

    path: str
    #: as binutils name it: `elf64-x86-64`, `elf64-amdgpu`, `pe-x86-64`; `bitcode`;
    #: `kpack`; `raw`
    format: str
    linkage: Linkage | None = None
    bundles: tuple[Bundle, ...] = ()
    #: wrappers whose pointer leads to no device container
    dangling: tuple[Fault, ...] = ()
    unreadable: tuple[Unreadable, ...] = ()
    #: device code for a link to come: sections of an RDC object, or the file itself
    bitcode: tuple[DeviceBitcode, ...] = ()
    #: libraries that it needs (DT_NEEDED)
    needed: tuple[str, ...] = ()
    #: mangled names of the device stubs that its host code defines, sorted
    stubs: tuple[str, ...] = ()
    registration: Registration = field(default_factory=Registration)
    #: wrappers whose device code lies in kpack archives, in the order of the file
    kpack: tuple[KpackUse, ...] = ()
    #: a fat-binary section without bytes, where no wrapper refers to archives either
    hollow: Where | None = None
    #: a kpack reference that no wrapper points at
    idle: KpackReference | None = None
    #: of a kpack archive
    claims: KpackClaims | None = None
    #: what is wrong with the file as a whole
    faults: tuple[Fault, ...] = ()

    @property
    def hosts(self) -> bool:
        """Whether it is host code, and not device code in a file of its own."""
        return self.format not in {"raw", "elf64-amdgpu", "kpack", BITCODE}

    @property
    def referred(self) -> bool:
        """Whether it is a kpack archive that is judged through the hosts that open it."""
        return self.claims is not None and not self.claims.alone

    @property
    def device_code(self) -> bool:
        """Whether it carries any HIP device code, or refers to some in archives."""
        if self.bitcode or self.kpack:
            return True
        return any(bundle.hip_entries for bundle in self.bundles)

    @property
    def kernel_count(self) -> int:
        return sum(
            len(entry.code_object.kernels)
            for bundle in self.bundles
            for entry in bundle.entries
            if isinstance(entry.code_object, CodeObject)
        )


@dataclass(frozen=True, slots=True)
class SideFile:
    """A file that libraries find their kernels by, or should, and that is no binary.

    A Tensile library, a database of kernels, or a `.co` of other bytes.
    """

    path: str
    size: int
    #: of a Tensile library that is loaded lazily: the names of the files that it loads
    refers: tuple[str, ...] | Unreadable | None = None


@dataclass(frozen=True, slots=True)
class RecordFault:
    """A file of a wheel that its RECORD does not vouch for."""

    #: its name in the wheel
    path: str
    message: str
    #: RECORD says nothing of it that could be wrong
    unknown: bool = False


@dataclass(frozen=True, slots=True)
class Wheel:
    """What a wheel says of itself (PyPA, "Binary distribution format")."""

    #: breadcrumb of the wheel
    path: str
    #: of METADATA
    name: str
    version: str
    #: of WHEEL: `cp312-cp312-manylinux_2_28_x86_64`
    tags: tuple[str, ...]
    #: `Root-Is-Purelib` of WHEEL
    purelib: bool
    #: `Requires-Dist` of METADATA
    requires: tuple[str, ...] = ()
    #: how many files were held to RECORD; None where that was not asked for
    checked: int | None = None
    faults: tuple[RecordFault, ...] = ()


@dataclass(frozen=True, slots=True)
class Artifact:
    """What the user named."""

    path: str
    #: `file`, `directory`, `wheel`, …
    kind: str
    binaries: tuple[Binary, ...] = ()
    #: what could not be read at all
    unreadable: tuple[Unreadable, ...] = ()
    side_files: tuple[SideFile, ...] = ()
    #: what the wheels in it say of themselves; of a wheel, what it says itself
    wheels: tuple[Wheel, ...] = ()
    #: name and version of an installed distribution
    distribution: str = ""

    @property
    def on_disk(self) -> bool:
        """Whether its members are files of their own, below its path."""
        return self.kind in {"directory", "installed"}

    @property
    def device_code(self) -> bool:
        return any(binary.device_code for binary in self.binaries)

    def bundles(self) -> Iterator[tuple[Binary, Bundle]]:
        for binary in self.binaries:
            for bundle in binary.bundles:
                yield binary, bundle


class Severity(StrEnum):
    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


class Verdict(StrEnum):
    """What kinspect says of all requirements together."""

    PASS = "pass"  # noqa: S105
    FAIL = "fail"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a rule has to say."""

    rule: str
    severity: Severity
    path: str
    message: str
    hint: str = ""
    bundle: int | None = None
    target: str | None = None
    kernel: str | None = None
    #: facts beside the message, a line each
    details: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that a run found."""

    version: str
    required: tuple[str, ...]
    artifacts: tuple[Artifact, ...]
    findings: tuple[Finding, ...] = ()
    verdict: Verdict = field(default=Verdict.UNKNOWN)
    #: the generation of HIP's runtime that the verdict is for
    runtime: Runtime = NEWEST
    #: binaries that the policy requires other targets of, by their paths
    exceptions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    #: what the policy was made of, beside options: files and profiles
    sources: tuple[str, ...] = ()

    def required_of(self, path: str) -> tuple[str, ...]:
        """The targets that a binary must serve."""
        return self.exceptions.get(path, self.required)

    @property
    def targets(self) -> tuple[str, ...]:
        """The targets that any binary must serve: columns of a table."""
        others = {target for one in self.exceptions.values() for target in one}
        return (*self.required, *sorted(others.difference(self.required)))
