"""The file of a snapshot as it is written: a line for each kernel.

Kernels come first and targets below, so that a name that 27 targets share is there once.
"""

import gzip
import json
from collections.abc import Callable, Iterable, Iterator

from kinspect.errors import InputError
from kinspect.names import inert
from kinspect.snapshot.file import SNAPSHOT_VERSION
from kinspect.snapshot.model import BinaryRecord, Resources, Snapshot, UnitRecord


def save(snapshot: Snapshot, path: str, version: str) -> None:
    """Write a snapshot, compressed if the name ends in `.gz`; `version` is kinspect's.

    Raises InputError where the file can't be written.
    """
    try:
        with open(path, "wb") as raw:
            if path.endswith(".gz"):
                with gzip.GzipFile("", "wb", 6, raw, mtime=0) as packed:
                    _write(snapshot, version, packed.write)
            else:
                _write(snapshot, version, raw.write)
    except OSError as error:
        raise InputError(error.strerror or str(error), path) from error


def _write(snapshot: Snapshot, version: str, write: Callable[[bytes], object]) -> None:
    lines: list[str] = []
    for line in text(snapshot, version):
        lines.append(line)
        if len(lines) == 4096:
            write("".join(lines).encode("ascii"))
            lines.clear()
    write("".join(lines).encode("ascii"))


def text(snapshot: Snapshot, version: str) -> Iterator[str]:
    """The file in pieces, each with the end of its line."""
    tool = {"name": "kinspect", "version": version}
    yield f'{{\n "snapshot_version": {SNAPSHOT_VERSION},\n'
    yield f' "tool": {_json(tool)},\n "resources": {_json(Resources._fields)},\n'
    yield from _listed(' "binaries": [', map(_binary, snapshot.own), " ]\n")
    yield "}\n"


def _json(value: object) -> str:
    # ASCII only: what is no text in any encoding stays escaped
    return inert(json.dumps(value, separators=(",", ":")))


def _listed(head: str, parts: Iterable[Iterable[str]], tail: str) -> Iterator[str]:
    """Parts with commas between, where each ends its own last line without one."""
    yield head
    first = True
    for part in parts:
        yield "\n" if first else ",\n"
        yield from part
        first = False
    yield tail.lstrip(" ") if first else f"\n{tail}"


def _binary(binary: BinaryRecord) -> Iterator[str]:
    yield f'  {{\n   "artifact": {_json(binary.artifact)},\n'
    yield f'   "path": {_json(binary.path)},\n   "linkage": {_json(binary.linkage)},\n'
    bitcode = {
        target: sorted(functions) for target, functions in sorted(binary.bitcode.items())
    }
    lines = ([f"    {_json(target)}: {_json(names)}"] for target, names in bitcode.items())
    yield from _listed('   "bitcode": {', lines, "   },\n")
    yield from _listed('   "units": [', map(_unit, binary.units), "   ]\n")
    yield "  }"


def _unit(unit: UnitRecord) -> Iterator[str]:
    yield f'    {{"form": {_json(unit.form)}, "size": {unit.size},'
    yield f"{_compression(unit)}\n"
    facts = {
        name: {"size": one.size, "abi_version": one.abi_version}
        for name, one in unit.targets.items()
    }
    targets = ([f"      {_json(name)}: {_json(fact)}"] for name, fact in facts.items())
    yield from _listed('     "targets": {', targets, "     },\n")
    names = sorted(unit.kernels)
    rows = ([f"      {_json(name)}: {_json(_of_kernel(unit, name))}"] for name in names)
    yield from _listed('     "kernels": {', rows, "     }}")


def _compression(unit: UnitRecord) -> str:
    if unit.version is None:
        return ""
    return f' "version": {unit.version}, "method": {_json(unit.method)},'


def _of_kernel(unit: UnitRecord, name: str) -> dict[str, Resources]:
    return {
        target: one.kernels[name]
        for target, one in unit.targets.items()
        if name in one.kernels
    }
