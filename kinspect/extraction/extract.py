"""Extraction: the chosen pieces as files, with a manifest beside them."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from kinspect.errors import FormatError, UsageError, Where
from kinspect.extraction.directory import Directory
from kinspect.extraction.naming import Namer, Names
from kinspect.extraction.pieces import Kind, Piece, extension, kind_of, pieces
from kinspect.extraction.selection import Selection, normal
from kinspect.limits import DEFAULT, Limits
from kinspect.model import Form, Unreadable
from kinspect.sources import Member, Named, open_source
from kinspect.target import EntryID
from kinspect.uri import Place
from kinspect.view import Bytes, View
from kinspect.walk import worth_reading

#: how much is in memory at a time of what is not there already
_CHUNK: Final = 4 << 20


@dataclass(frozen=True, slots=True)
class Extracted:
    """A piece that was written to a file, and where it was."""

    #: the file, from the directory on
    names: Names
    kind: Kind
    size: int
    sha256: str
    place: Place
    id: EntryID | None
    #: number and form of its bundle, if it was in one
    bundle: int | None
    form: Form | None

    @property
    def file(self) -> str:
        return "/".join(self.names)


@dataclass(frozen=True, slots=True)
class _Chosen:
    piece: Piece
    kind: Kind
    names: Names
    data: View


@dataclass(frozen=True, slots=True)
class Request:
    """What to take from which artifacts; `problems` collects what can't be read."""

    paths: tuple[Named, ...]
    selection: Selection = field(default_factory=Selection)
    limits: Limits = DEFAULT
    #: globs of files that are left out
    exclude: tuple[str, ...] = ()
    problems: list[Unreadable] = field(default_factory=list)
    #: the places of what was chosen
    met: set[Place] = field(default_factory=set)


def extract(request: Request, directory: Directory) -> Iterator[Extracted]:
    """Write what was asked for into the directory; each file is told when it is there.

    Raises InputError where a path can't be opened, and OutputError where a file can't be
    written.
    """
    for one in _chosen(request):
        sum_ = hashlib.sha256()
        try:
            directory.write(one.names, _summed(one.data, sum_))
        except FormatError as error:  # the input ended while it was read
            request.problems.append(Unreadable.of(error, one.data.where()))
            continue
        # no piece: that would keep the bytes of its binary in memory
        piece, bundle = one.piece, one.piece.bundle
        yield Extracted(
            one.names,
            one.kind,
            len(one.data),
            sum_.hexdigest(),
            piece.place,
            piece.id,
            None if bundle is None else bundle.index,
            None if bundle is None else bundle.form,
        )


def only(request: Request) -> bytes | None:
    """The bytes of the one piece that is meant, or None; several are a UsageError."""
    data = None
    uris = []
    for one in _chosen(request):
        uris.append(str(one.piece.place))
        if len(uris) == 1:
            data = bytes(one.data.bytes())
        elif len(uris) > 3:
            break
    if len(uris) > 1:
        number = "more than three" if len(uris) > 3 else str(len(uris))
        message = (
            f"{number} match, and only one can go to the standard output; choose with"
            f" --target, --bundle and --binary, or with --uri: {', '.join(uris[:3])}"
        )
        raise UsageError(message)
    return data


def _summed(data: View, sum_: "hashlib._Hash") -> Iterator[Bytes]:
    for at in range(0, len(data), _CHUNK):
        chunk = data.bytes(at, min(_CHUNK, len(data) - at))
        sum_.update(chunk)
        yield chunk


def _chosen(request: Request) -> Iterator[_Chosen]:
    namer = Namer()
    for path in request.paths:
        source = open_source(
            path, limits=request.limits, exclude=request.exclude, wanted=worth_reading
        )
        directory: Names = ()
        for piece in pieces(source, request.limits):
            if isinstance(piece, Unreadable):
                request.problems.append(piece)
            elif isinstance(piece, Member):
                directory = namer.binary(piece.path, source.path, source.distribution)
            else:
                stem = namer.file(directory, piece.name)
                if request.selection.admits(piece):
                    request.met.add(normal(piece.place))
                    yield from _opened(piece, (*directory, stem), request)


def _opened(piece: Piece, names: Names, request: Request) -> Iterator[_Chosen]:
    """The piece with its bytes, if these are what was meant."""
    selection, problems = request.selection, request.problems
    try:
        data = piece.open()
        kind = piece.kind or kind_of(data)
    except FormatError as error:
        problems.append(Unreadable.of(error, Where(piece.path)))
        return
    if len(data) and selection.admits_kind(kind):
        problems += [Unreadable(one.message, one.where) for one in piece.faults()]
        *above, stem = names
        yield _Chosen(piece, kind, (*above, stem + extension(kind, data)), data)
    elif kind is Kind.OTHER and (selection.places or _is_hip(piece)):
        what = "no code object, no bitcode and no SPIR-V" if len(data) else "empty"
        message = f"entry {piece.name}: {what}"
        problems.append(Unreadable(message, data.where()))


def _is_hip(piece: Piece) -> bool:
    return piece.id is not None and piece.id.is_hip
