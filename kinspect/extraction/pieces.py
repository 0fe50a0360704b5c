"""The pieces of an artifact: whatever device code can be taken out of it.

They are told without being opened: a compressed bundle is inflated when the bytes of a
piece of it are asked for.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from kinspect.formats import amdgpu_elf, offload_binary
from kinspect.formats.contents import Contents
from kinspect.limits import DEFAULT, Limits
from kinspect.model import Bundle, DeviceBitcode, Entry, Fault, Form, Unreadable
from kinspect.sources import Member, Source
from kinspect.target import EntryID
from kinspect.uri import Place
from kinspect.view import View
from kinspect.walk import Packed, each_content


class Kind(StrEnum):
    """What a piece is."""

    CODE_OBJECT = "code-object"  #: an AMDGPU ELF
    BITCODE = "bitcode"  #: LLVM IR
    SPIRV = "spirv"  #: for the compiler of a runtime
    OTHER = "other"  #: what else an entry may hold: a host's object, an empty slot
    BUNDLE = "bundle"  #: a whole bundle, as it is stored
    INFLATED = "inflated"  #: a whole compressed bundle, inflated


#: how the contents of an entry begin, by what they are
_MAGICS: Final = (
    (b"BC\xc0\xde", Kind.BITCODE),
    (b"\xde\xc0\x17\x0b", Kind.BITCODE),  # with a wrapper before it
    (b"\x03\x02\x23\x07", Kind.SPIRV),
)


#: a bare code object is its only entry, and the bundles of an archive are in no one place
_NO_WHOLE: Final = {Form.ELF, Form.KPACK}


@dataclass(frozen=True, slots=True)
class Piece:
    """Something that can be taken out; its bytes are valid until the next piece is told.

    Its name is what it is called beside the other pieces of its binary.
    """

    #: breadcrumb of the binary, from the artifact inwards
    path: str
    #: the artifact that it is in
    artifact: str
    name: str
    place: Place
    #: None where only the bytes tell: see `kind_of`
    kind: Kind | None
    open: Callable[[], View]
    #: what is wrong with the bundle that it came from, once it was opened
    faults: Callable[[], tuple[Fault, ...]]
    bundle: Bundle | None = None
    entry: Entry | None = None
    id: EntryID | None = None

    @property
    def targets(self) -> frozenset[str]:
        """The targets that it has code for: one, or those of a whole bundle."""
        if self.id is not None:
            return frozenset({self.id.target_name})
        entries = self.bundle.hip_entries if self.bundle is not None else ()
        return frozenset(entry.id.target_name for entry in entries)


def kind_of(data: View) -> Kind:
    """What the bytes of an entry are."""
    if amdgpu_elf.is_code_object(data):
        return Kind.CODE_OBJECT
    return next((kind for magic, kind in _MAGICS if data.startswith(magic)), Kind.OTHER)


def pieces(
    source: Source, limits: Limits = DEFAULT
) -> Iterator[Piece | Unreadable | Member]:
    """Every piece of an artifact, each binary before its pieces.

    What can't be read is given in its place.
    """
    for part in source.members():
        yield part
        if isinstance(part, Member):
            for found in each_content(part.view, limits):
                if isinstance(found, Packed):
                    yield from _of_bundle(source.path, part.path, found)
                elif isinstance(found, DeviceBitcode):
                    yield _bitcode(source.path, part, found)
                else:
                    yield found


def _of_bundle(artifact: str, path: str, packed: Packed) -> Iterator[Piece]:
    bundle, contents = packed.bundle, packed.contents
    name = f"bundle{bundle.index}"
    for entry in bundle.entries:
        yield Piece(
            path,
            artifact,
            f"{name}.{entry_name(entry.id)}",
            Place.of(path, bundle, entry),
            None,
            _opening(contents, entry),
            lambda: contents.faults,
            bundle,
            entry,
            entry.id,
        )
    # a code object is its only entry, and those of a kpack archive lie by themselves
    if bundle.form not in {Form.ELF, Form.KPACK}:
        yield from _whole(artifact, path, name, bundle, contents)


def _opening(contents: Contents, entry: Entry) -> Callable[[], View]:
    return lambda: contents.entry(entry)


def _whole(
    artifact: str, path: str, name: str, bundle: Bundle, contents: Contents
) -> Iterator[Piece]:
    place = Place.of(path, bundle)
    stored, none = contents.stored, lambda: ()
    yield Piece(path, artifact, name, place, Kind.BUNDLE, lambda: stored, none, bundle)
    if bundle.inflated:
        inflated = Place(path, place.offset, place.size, 0, bundle.uncompressed_size)
        yield Piece(
            path,
            artifact,
            f"{name}.inflated",
            inflated,
            Kind.INFLATED,
            lambda: contents.space,
            lambda: contents.faults,
            bundle,
        )


def _bitcode(artifact: str, member: Member, one: DeviceBitcode) -> Piece:
    return Piece(
        member.path,
        artifact,
        f"bitcode.{one.name}",
        Place(member.path, one.offset, one.size),
        Kind.BITCODE,
        lambda: member.view.slice(one.offset, one.size),
        lambda: (),
        id=one.id,
    )


def entry_name(entry_id: EntryID) -> str:
    """What to call an entry: a target is enough for HIP's own."""
    if entry_id.is_hip:
        return entry_id.target_name
    return "-".join(filter(None, [entry_id.kind, entry_id.target or entry_id.arch]))


def extension(kind: Kind, data: View) -> str:
    """The ending of a file, as ROCm's tools and LLVM's name it."""
    if kind is Kind.BUNDLE and data.startswith(offload_binary.MAGIC):
        return ".offload"
    return {
        Kind.CODE_OBJECT: ".hsaco",
        Kind.BITCODE: ".bc",
        Kind.SPIRV: ".spv",
        Kind.OTHER: ".bin",
        Kind.BUNDLE: ".hipfb",
        Kind.INFLATED: ".hipfb",
    }[kind]
