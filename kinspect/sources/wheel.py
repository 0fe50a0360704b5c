"""What a wheel says of itself: METADATA, WHEEL and RECORD.

Source: PyPA specifications, "Binary distribution format" and "Core metadata";
"Recording installed projects" for RECORD.
"""

import csv
import hashlib
import io
import zipfile
from base64 import urlsafe_b64encode
from collections.abc import Iterable, Iterator, Mapping
from email.message import Message
from email.parser import HeaderParser
from typing import Final

from kinspect.errors import FormatError, KinspectError, Where
from kinspect.model import RecordFault, Unreadable, Wheel
from kinspect.sources import zip
from kinspect.sources.member import SEPARATOR, Context, unreadable
from kinspect.view import View, decode

#: the largest METADATA that is read, in bytes
LARGEST: Final = 64 << 20

#: RECORD can't hold its own hash, nor those of its signatures
UNRECORDED: Final = frozenset({"RECORD", "RECORD.jws", "RECORD.p7s"})

NO_HASH: Final = "RECORD has no hash of it"

#: "hash algorithms … sha256 or better; md5 and sha1 are not permitted"
ALGORITHMS: Final = frozenset({"sha256", "sha384", "sha512"})


def read(
    view: View, entries: Iterable[zipfile.ZipInfo], context: Context
) -> tuple[Wheel, list[Unreadable]]:
    """Read a wheel's metadata, and what kept files from being held to RECORD.

    Raises FormatError where METADATA, WHEEL or RECORD can't be read.
    """
    infos = {info.filename: info for info in entries if not zip.is_directory(info)}
    inside = _dist_info(infos, view)
    metadata = _headers(view, infos, f"{inside}METADATA")
    wheel = _headers(view, infos, f"{inside}WHEEL")
    faults: list[RecordFault] = []
    lost: list[Unreadable] = []
    files = [name for name in infos if not _unrecorded(name, inside)]
    if context.record:
        for one in _faults(view, infos, inside, context):
            if isinstance(one, RecordFault):
                faults.append(one)
            else:
                lost.append(one)
    found = Wheel(
        path=view.path,
        name=str(metadata.get("Name", "")),
        version=str(metadata.get("Version", "")),
        tags=tuple(sorted(map(str, wheel.get_all("Tag", [])))),
        purelib=str(wheel.get("Root-Is-Purelib", "")).strip().lower() == "true",
        requires=tuple(map(str, metadata.get_all("Requires-Dist", []))),
        checked=len(files) if context.record else None,
        faults=tuple(faults),
    )
    return found, lost


def _dist_info(infos: Mapping[str, zipfile.ZipInfo], view: View) -> str:
    found = {n[: -len("WHEEL")] for n in infos if n.endswith(".dist-info/WHEEL")}
    top = sorted(one for one in found if one.count("/") == 1)
    if len(top) != 1:
        message = f"a wheel has one .dist-info directory, this has {len(top)}"
        raise FormatError(message, view.where())
    return top[0]


def _unrecorded(name: str, inside: str) -> bool:
    return name.startswith(inside) and name[len(inside) :] in UNRECORDED


def _headers(view: View, infos: Mapping[str, zipfile.ZipInfo], name: str) -> Message:
    return HeaderParser().parsestr(_text(view, infos, name))


def _text(view: View, infos: Mapping[str, zipfile.ZipInfo], name: str) -> str:
    path = f"{view.path}{SEPARATOR}{name}"
    if name not in infos:
        message = f"no {name}, which a wheel must have"
        raise FormatError(message, Where(path))
    if infos[name].file_size > LARGEST:
        message = f"{name} of {infos[name].file_size} bytes, expected {LARGEST} or less"
        raise FormatError(message, Where(path))
    return decode(b"".join(zip.content(view, infos[name], path)))


# --- RECORD -------------------------------------------------------------------------


def _faults(
    view: View,
    infos: Mapping[str, zipfile.ZipInfo],
    inside: str,
    context: Context,
) -> Iterator[RecordFault | Unreadable]:
    rows = _rows(view, infos, f"{inside}RECORD")
    for name in sorted({*infos, *rows}):
        if _unrecorded(name, inside):
            continue
        if name not in rows:
            yield RecordFault(name, "RECORD does not list it")
        elif name not in infos:
            yield RecordFault(name, "RECORD lists it, and it is not there")
        else:
            path = f"{view.path}{SEPARATOR}{name}"
            try:
                problem = _problem(view, infos[name], path, *rows[name], context)
            except KinspectError as error:
                yield unreadable(error, path)
                continue
            if problem:
                yield RecordFault(name, problem, unknown=problem == NO_HASH)


def _rows(
    view: View, infos: Mapping[str, zipfile.ZipInfo], record: str
) -> dict[str, tuple[str, str]]:
    """Hash and size by path: `path,algorithm=digest,size`."""
    text = _text(view, infos, record)
    found = {}
    try:
        for row in csv.reader(io.StringIO(text, newline="")):
            if row:
                name, digest, size = [*row, "", ""][:3]
                found[name] = digest, size
    except csv.Error as error:
        message = f"no CSV: {error}"
        raise FormatError(message, Where(f"{view.path}{SEPARATOR}{record}")) from error
    return found


def _problem(
    view: View, info: zipfile.ZipInfo, path: str, digest: str, size: str, context: Context
) -> str:
    """Why RECORD does not vouch for a file; empty if it does. Raises FormatError."""
    algorithm, _, expected = digest.partition("=")
    if not algorithm:
        return NO_HASH
    if algorithm not in ALGORITHMS:
        return f"RECORD has {algorithm!r}, which is no hash that it may use"
    if size and size != str(info.file_size):
        return f"has {info.file_size} bytes, RECORD says {size}"
    found = hashlib.new(algorithm, usedforsecurity=False)
    context.limits.check("member", info.file_size, Where(path))
    for piece in zip.content(view, info, path):
        context.inflated(len(piece), Where(path))
        found.update(piece)
    encoded = urlsafe_b64encode(found.digest()).rstrip(b"=").decode()
    # rocm-kpack's splitter writes the digest in hexadecimal, and pip does not look
    if expected.rstrip("=") not in {encoded, found.hexdigest()}:
        return f"its {algorithm} is {encoded}, RECORD says {expected}"
    return ""
