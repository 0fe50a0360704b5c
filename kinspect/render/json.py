"""Results as plain values for JSON: `kinspect/schemas/report.schema.json`."""

import json
from typing import Any, Final

from kinspect.kpack import HERE, KpackClaims, KpackLookup
from kinspect.model import (
    Artifact,
    Binary,
    Bitcode,
    Bundle,
    CodeObject,
    DeviceBitcode,
    Entry,
    Finding,
    Report,
    Unreadable,
    Wheel,
)
from kinspect.names import inert
from kinspect.uri import entry_uri

SCHEMA_VERSION: Final = 1

Value = dict[str, Any]


def report(report: Report) -> str:
    """A whole report, as `verify --format json` prints it."""
    value = {
        "schema_version": SCHEMA_VERSION,
        "tool": {"name": "kinspect", "version": report.version},
        "verdict": report.verdict.value,
        "required": list(report.required),
        "rocm": report.runtime.name.removeprefix("ROCm "),
        **_policy(report),
        "artifacts": [artifact(one, code_objects=True) for one in report.artifacts],
        "findings": [finding(one) for one in report.findings],
    }
    return dump(value)


def _policy(report: Report) -> Value:
    """Where the requirements come from, if there is more than options."""
    found: Value = {}
    if report.sources:
        found["policy"] = list(report.sources)
    if report.exceptions:
        found["required_of"] = {
            path: list(own) for path, own in sorted(report.exceptions.items())
        }
    return found


def listing(artifacts: tuple[Artifact, ...], version: str) -> str:
    """What `list --format json` prints: the artifacts, without their code objects."""
    value = {
        "schema_version": SCHEMA_VERSION,
        "tool": {"name": "kinspect", "version": version},
        "artifacts": [artifact(one, code_objects=False) for one in artifacts],
    }
    return dump(value)


def dump(value: Value) -> str:
    # ASCII only: what is no text in any encoding stays escaped
    return inert(json.dumps(value, indent=1)) + "\n"


def artifact(artifact: Artifact, *, code_objects: bool) -> Value:
    named = {"distribution": artifact.distribution} if artifact.distribution else {}
    value: Value = {
        "path": artifact.path,
        "kind": artifact.kind,
        **named,
        "binaries": [_binary(one, code_objects=code_objects) for one in artifact.binaries],
        "unreadable": [_unreadable(one) for one in artifact.unreadable],
    }
    if artifact.wheels:
        value["wheels"] = [_wheel(one) for one in artifact.wheels]
    return value


def _wheel(wheel: Wheel) -> Value:
    faults = [{"path": one.path, "message": one.message} for one in wheel.faults]
    record = {"checked": wheel.checked, "faults": faults}
    return {
        "path": wheel.path,
        "name": wheel.name,
        "version": wheel.version,
        "tags": list(wheel.tags),
        "purelib": wheel.purelib,
        "requires": list(wheel.requires),
        "record": None if wheel.checked is None else record,
    }


def _binary(binary: Binary, *, code_objects: bool) -> Value:
    return {
        "path": binary.path,
        "format": binary.format,
        "linkage": binary.linkage and binary.linkage.value,
        "needed": list(binary.needed),
        "archive": _claims(binary.claims) if binary.claims is not None else None,
        "bundles": [
            _bundle(binary, one, code_objects=code_objects) for one in binary.bundles
        ],
        "bitcode": [_bitcode(one) for one in binary.bitcode],
        "unreadable": [_unreadable(one) for one in binary.unreadable],
    }


def _bitcode(part: DeviceBitcode) -> Value:
    content = part.content if isinstance(part.content, Bitcode) else None
    return {
        "id": part.id.text,
        "target": part.name,
        "offset": part.offset,
        "size": part.size,
        "producer": content and content.producer,
        "function_count": None if content is None else len(content.functions),
        "kernel_count": None if content is None else len(content.kernels),
    }


def _claims(claims: KpackClaims) -> Value:
    return {
        "group": claims.group_name,
        "scheme": claims.scheme,
        "targets": list(claims.listed),
        "hosts": list(claims.hosts),
    }


def _lookup(lookup: KpackLookup) -> Value:
    return {
        "kernel_name": lookup.reference.kernel_name,
        "index": lookup.index,
        "search_paths": [p for p in lookup.reference.search_paths if p != HERE],
        "archives": [
            {"path": one.path, "targets": list(one.listed)} for one in lookup.sources
        ],
    }


def _bundle(binary: Binary, bundle: Bundle, *, code_objects: bool) -> Value:
    return {
        "index": bundle.index,
        "offset": bundle.offset,
        "form": bundle.form.value,
        "version": bundle.version,
        "method": bundle.method,
        "registered": bundle.registered,
        "embedded": bundle.embedded,
        "size": bundle.size,
        "uncompressed_size": bundle.uncompressed_size,
        "kpack": _lookup(bundle.kpack) if bundle.kpack is not None else None,
        "entries": [
            _entry(binary, bundle, one, code_objects=code_objects) for one in bundle.entries
        ],
    }


def _entry(binary: Binary, bundle: Bundle, entry: Entry, *, code_objects: bool) -> Value:
    value: Value = {
        "id": entry.id.text,
        "kind": entry.id.kind,
        "target": entry.id.target,
        "offset": entry.offset,
        "size": entry.size,
        "stored_size": entry.stored,
        "archive": entry.archive or None,
        "uri": entry_uri(binary.path, bundle, entry),
    }
    if code_objects:
        value["code_object"] = _code_object(entry.code_object)
    return value


def _code_object(part: CodeObject | Bitcode | Unreadable | None) -> Value | None:
    if part is None:
        return None
    if isinstance(part, Bitcode):
        return {
            "bitcode": {
                "producer": part.producer,
                "function_count": len(part.functions),
                "kernel_count": len(part.kernels),
            }
        }
    if isinstance(part, Unreadable):
        return {"unreadable": part.message}
    return {
        "target": str(part.flags.target) if part.flags.target else None,
        "abi_version": part.abi_version,
        "e_flags": part.e_flags,
        "kernel_count": len(part.kernels),
    }


def _unreadable(part: Unreadable) -> Value:
    return {"where": str(part.where), "message": part.message, "limit": part.limit}


def finding(finding: Finding) -> Value:
    return {
        "rule": finding.rule,
        "severity": finding.severity.value,
        "path": finding.path,
        "bundle": finding.bundle,
        "target": finding.target,
        "kernel": finding.kernel,
        "message": finding.message,
        "details": list(finding.details),
        "hint": finding.hint,
    }
