"""What device code costs, for programs: `kinspect/schemas/size.schema.json`, and CSV."""

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from kinspect.costs.changes import Outcome
from kinspect.costs.measured import Measured
from kinspect.costs.repack import ZSTD_VERSION
from kinspect.costs.tally import Dimension, Row, Sum
from kinspect.names import demangle, inert
from kinspect.render import kernel_lines
from kinspect.render.size_words import Look

SCHEMA_VERSION: Final = 1


def report(found: Iterable[Measured], look: Look, version: str) -> str:
    value = {
        "schema_version": SCHEMA_VERSION,
        "tool": {"name": "kinspect", "version": version, "zstd": ZSTD_VERSION},
        "artifacts": [_artifact(one, look) for one in found],
    }
    return inert(json.dumps(value, indent=1)) + "\n"


def table(found: Sequence[Measured], look: Look) -> Iterator[str]:
    """CSV of the rows alone, with the artifact that each belongs to."""
    by = found[0].tally.by
    kernel = ["demangled"] if Dimension.KERNEL in by else []
    columns = ["artifact", *by, *kernel, "code_objects", "inflated", "stored"]
    rows = (
        {"artifact": one.path} | _row(row)
        for one in found
        for row in one.tally.rows(look.sorts)[: look.top]
    )
    return kernel_lines.table(rows, columns)


def _artifact(one: Measured, look: Look) -> dict[str, Any]:
    trial = one.trial
    return {
        "path": one.path,
        "files": [{"path": path, "size": size} for path, size in one.carriers.items()],
        "total": _sum(one.tally.total),
        "by": list(one.tally.by),
        "rows": [_row(row) for row in one.tally.rows(look.sorts)[: look.top]],
        "parts": {part: _sum(sum_) for part, sum_ in sorted(one.tally.parts.items())},
        "changes": [_change(outcome) for outcome in trial.outcomes()],
        "packed_anew": {"stored": trial.before, "again": trial.anew},
        "equal": {"code_objects": trial.equal, "inflated": trial.equal_size},
        "unreadable": [
            {"where": str(part.where), "message": part.message, "limit": part.limit}
            for part in one.problems
        ],
    }


def _row(row: Row) -> dict[str, Any]:
    value: dict[str, Any] = {name.value: value for name, value in row.values.items()}
    if Dimension.KERNEL in row.values:
        kernel = row.values[Dimension.KERNEL]
        value["demangled"] = None if kernel is None else demangle(str(kernel))
    return value | _sum(row.sum)


def _sum(one: Sum) -> dict[str, int]:
    return {"code_objects": one.pieces, "inflated": one.inflated, "stored": one.stored}


def _change(one: Outcome) -> dict[str, Any]:
    return {
        "without": list(one.change.without),
        "share": one.change.share,
        "compress": one.change.level,
        "stored": one.stored,
        "saved": one.saved,
    }
