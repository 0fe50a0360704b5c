"""What changed between two builds as JSON: `kinspect/schemas/diff.schema.json`."""

import json
from collections.abc import Sequence
from typing import Any, Final

from kinspect.diff import BinaryDiff, Changed, Diff, Packing, Side, TargetDiff, Violation
from kinspect.names import demangle, inert
from kinspect.snapshot import BinaryRecord, Lists, Resources
from kinspect.version import __version__

SCHEMA_VERSION: Final = 1


def report(diff: Diff, violations: Sequence[Violation] = ()) -> str:
    """The whole diff; nothing is folded or left out."""
    value = {
        "schema_version": SCHEMA_VERSION,
        "tool": {"name": "kinspect", "version": __version__},
        "old": _side(diff.old),
        "new": _side(diff.new),
        "same": diff.same,
        "lost_binaries": [_binary(one) for one in diff.lost],
        "new_binaries": [_binary(one) for one in diff.gained],
        "binaries": [_change(one) for one in diff.binaries],
        "violations": [
            {
                "kind": one.kind,
                "binary": one.binary,
                "target": one.target,
                "kernels": list(one.kernels),
            }
            for one in violations
        ],
    }
    return inert(json.dumps(value, indent=1)) + "\n"


def _side(side: Side) -> dict[str, Any]:
    unread = [{"where": str(o.where), "message": o.message} for o in side.unreadable]
    return {"path": side.path, "unreadable": unread}


def _binary(binary: BinaryRecord) -> dict[str, Any]:
    return {
        "artifact": binary.artifact,
        "path": binary.path,
        "targets": list(binary.targets),
        "size": sum(unit.size for unit in binary.units),
    }


def _change(binary: BinaryDiff) -> dict[str, Any]:
    change = binary.change
    return {
        "old": binary.old.path,
        "new": binary.new.path,
        "same": binary.same,
        "linkage": [binary.old.linkage, binary.new.linkage],
        "packing": [_packing(one) for one in binary.packing],
        "lost_targets": list(change.lost_targets),
        "thinned_targets": {
            target: {"bundles": serving, "of": of}
            for target, (serving, of) in sorted(change.thinned_targets.items())
        },
        "new_targets": list(change.new_targets),
        "targets": [_target(one) for one in binary.targets],
        "lost_kernels": _lists(binary.lost_kernels),
        "new_kernels": _lists(binary.new_kernels),
        "renamed_kernels": [
            {"old": one.old, "new": one.new, "targets": list(one.targets)}
            for one in binary.renamed
        ],
        "moved_kernels": [
            {"kernel": one.kernel, "old": one.old, "new": one.new} for one in binary.moved
        ],
        "lost_functions": _lists(change.lost_functions),
        "new_functions": _lists(change.new_functions),
        "resources": [_changed(one) for one in binary.resources],
    }


def _packing(one: Packing) -> dict[str, Any]:
    floor = one.floor and f"{one.floor[0]}.{one.floor[1]}"
    return {"forms": dict(one.forms), "size": one.size, "rocm": floor}


def _target(one: TargetDiff) -> dict[str, Any]:
    return {
        "target": one.target,
        "bundles": list(one.bundles),
        "kernels": list(one.kernels),
        "size": list(one.size),
    }


def _lists(lists: Lists) -> dict[str, list[str]]:
    return {target: list(names) for target, names in lists.items()}


def _changed(one: Changed) -> dict[str, Any]:
    deltas = {name: one.delta(name) for name in Resources._fields}
    return {
        "target": one.target,
        "kernel": one.kernel,
        "old_kernel": one.old_kernel,
        "demangled": demangle(one.kernel),
        "changed": {name: list(delta) for name, delta in deltas.items() if delta},
    }
