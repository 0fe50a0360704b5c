"""The file of a snapshot as it is read: JSON, compressed or not.

Its schema is `kinspect/schemas/snapshot.schema.json`.
"""

import gzip
import io
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, Generic, TypeVar

import msgspec

from kinspect.errors import InputError
from kinspect.snapshot.model import (
    BinaryRecord,
    Resources,
    Snapshot,
    TargetRecord,
    UnitRecord,
)

#: raised when an old kinspect would misread what a new one writes
SNAPSHOT_VERSION: Final = 1

#: bytes that are read of a snapshot: 400,000 kernels take 40 MB
CEILING: Final = 1 << 30

_GZIP: Final = b"\x1f\x8b"


class _Target(msgspec.Struct):
    size: int
    abi_version: int | None = None


Row = list[int | None]
#: of a kernel, by target
Rows = dict[str, Row]
#: the same as values, or as the text that stands for them
R = TypeVar("R", Rows, msgspec.Raw)


class _Unit(msgspec.Struct, Generic[R]):
    form: str
    size: int
    targets: dict[str, _Target]
    kernels: dict[str, R]
    version: int | None = None
    method: str | None = None


class _Binary(msgspec.Struct, Generic[R]):
    artifact: str
    path: str
    units: list[_Unit[R]]
    linkage: str | None = None
    bitcode: dict[str, list[str]] = {}


class _Snapshot(msgspec.Struct, Generic[R]):
    snapshot_version: int
    resources: list[str]
    binaries: list[_Binary[R]]


class _Version(msgspec.Struct):
    snapshot_version: int


def is_snapshot(path: str) -> bool:
    """Whether a file is a snapshot by its first bytes, or at least by its name."""
    try:
        with open(path, "rb") as raw:
            head = raw.read(2)
            raw.seek(0)
            packed = head == _GZIP
            stream: io.BufferedIOBase = gzip.GzipFile(fileobj=raw) if packed else raw
            head = stream.read(4096).lstrip()
    except (OSError, EOFError, zlib.error):
        return False  # whoever reads it will say why
    named = path.lower().endswith((".json", ".json.gz"))
    return head.startswith(b"{") and (named or b'"snapshot_version"' in head)


def load(path: str) -> Snapshot:
    """Read a snapshot; raise InputError where it is none, or none that can be judged.

    That is so for an empty one too: everything would be held against nothing.
    """
    data = _read(path)
    try:
        return _fast(data, path)
    except (ValueError, RecursionError, msgspec.MsgspecError, InputError):
        return _careful(data, path)


def _fast(data: bytes, path: str) -> Snapshot:
    """What kernels take as text first: of 400,000 rows, few texts differ.

    Raises any error where something is wrong, or where names are no text.
    """
    found = msgspec.json.decode(data, type=_Snapshot[msgspec.Raw])
    if found.snapshot_version != SNAPSHOT_VERSION or not found.binaries:
        raise ValueError
    return Snapshot(tuple(_Reader(found.resources, path).binaries(found.binaries)))


def _careful(data: bytes, path: str) -> Snapshot:
    """Says what is wrong, and takes names that are no text in any encoding."""
    try:
        value = json.loads(data)
        _check_version(value, path)
        found = msgspec.convert(value, _Snapshot[Rows])
    except (ValueError, RecursionError, msgspec.ValidationError) as error:
        message = f"no snapshot that can be read: {error}"
        raise InputError(message, path) from error
    if not found.binaries:
        message = "this snapshot records nothing: no binary in it carries device code"
        raise InputError(message, path)
    return Snapshot(tuple(_Reader(found.resources, path).binaries(found.binaries)))


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as raw:
            head = raw.read(2)
            raw.seek(0)
            stream: io.BufferedIOBase = raw
            if head == _GZIP:
                stream = gzip.GzipFile(fileobj=raw)
            data = stream.read(CEILING + 1)
    except (OSError, EOFError, zlib.error) as error:  # gzip's own are OSErrors
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(reason, path) from error
    if len(data) > CEILING:
        message = f"larger than the {CEILING} bytes that a snapshot may have"
        raise InputError(message, path)
    return data


def _check_version(value: object, path: str) -> None:
    try:
        version = msgspec.convert(value, _Version).snapshot_version
    except msgspec.ValidationError:
        message = "not a snapshot of kinspect: it has no snapshot_version"
        raise InputError(message, path) from None
    if version != SNAPSHOT_VERSION:
        message = (
            f"snapshot_version {version}, and this kinspect reads {SNAPSHOT_VERSION}:"
            " update kinspect, or record the snapshot again"
        )
        raise InputError(message, path)


class _Reader:
    """From the file's order, kernel by kernel, to the model's, target by target."""

    def __init__(self, columns: list[str], path: str) -> None:
        #: where in a row each resource stands that this kinspect knows
        self._columns = [
            columns.index(name) if name in columns else None for name in Resources._fields
        ]
        self._width = len(columns)
        self._path = path
        #: each row once in memory: few differ
        self._rows: dict[tuple[int | None, ...], Resources] = {}
        self._texts: dict[bytes, Mapping[str, Resources]] = {}
        self._decoder = msgspec.json.Decoder(Rows)

    def binaries(self, found: Iterable[_Binary[R]]) -> Iterator[BinaryRecord]:
        for one in found:
            yield BinaryRecord(
                one.artifact,
                one.path,
                one.linkage,
                tuple(map(self._unit, one.units)),
                {target: frozenset(names) for target, names in one.bitcode.items()},
            )

    def _unit(self, unit: _Unit[R]) -> UnitRecord:
        kernels: dict[str, dict[str, Resources]] = {name: {} for name in unit.targets}
        for name, rows in unit.kernels.items():
            for target, row in self._of_kernel(rows).items():
                if target not in kernels:
                    message = f"kernel {name!r} is of {target!r}, which its unit lacks"
                    raise InputError(message, self._path)
                kernels[target][name] = row
        targets = {
            name: TargetRecord(one.size, one.abi_version, kernels[name])
            for name, one in unit.targets.items()
        }
        return UnitRecord(unit.form, unit.size, targets, unit.version, unit.method)

    def _of_kernel(self, rows: Rows | msgspec.Raw) -> Mapping[str, Resources]:
        if isinstance(rows, dict):
            return {target: self._resources(row) for target, row in rows.items()}
        text = bytes(rows)
        if text not in self._texts:
            self._texts[text] = self._of_kernel(self._decoder.decode(text))
        return self._texts[text]

    def _resources(self, row: Row) -> Resources:
        if len(row) != self._width:
            message = f"a kernel has {len(row)} resources, the head names {self._width}"
            raise InputError(message, self._path)
        key = tuple(row)
        if key not in self._rows:
            values = [None if at is None else row[at] for at in self._columns]
            self._rows[key] = Resources(*values)
        return self._rows[key]
