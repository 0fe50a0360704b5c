"""The table of kernels: a row for each kernel of a bundle, with the targets that have it.

A report keeps the names of kernels and not their resources, which would take many times
the memory: `kinspect kernels` reads those.
"""

import json
from typing import Any, Final

from kinspect.loader import Unit, units
from kinspect.model import CodeObject, Report
from kinspect.names import demangle, escape
from kinspect.render.html.markup import text
from kinspect.render.html.matrix_view import by_processor, left_out
from kinspect.render.matrix import carrying
from kinspect.render.place import short_name
from kinspect.render.words import shortened

#: how many targets are named one by one
FEW: Final = 4
#: how many rows a browser still scrolls well
MOST: Final = 500_000
#: how much of a C++ name; templates make some that no line holds
_LENGTH: Final = 1000

_NONE: Final[frozenset[str]] = frozenset()

Data = dict[str, Any]


class _Index(dict[str, int]):
    """The texts of a column, once each, by their place."""

    def of(self, text: str) -> int:
        return self.setdefault(text, len(self))


def data(report: Report) -> Data:
    """What the script makes the table of; indexes in place of texts that repeat."""
    names, binaries, bundles, sets = _Index(), _Index(), _Index(), _Index()
    targets = _targets(report)
    rows: list[list[int]] = []
    left = 0
    for binary in carrying(report):
        own = binaries.of(escape(short_name(binary.path, report.artifacts)))
        found = [(unit, _having(unit)) for unit in units(binary)]
        everything = frozenset().union(*(s for _, having in found for s in having.values()))
        each = {some for _, having in found for some in having.values()}
        places = {
            some: sets.of(_set(some, everything, targets))
            for some in sorted(each, key=sorted)
        }
        for unit, having in found:
            bundle = bundles.of(unit.name)
            room = MOST - len(rows)
            left += max(0, len(having) - room)
            for name in sorted(having)[:room]:
                shown = shortened(escape(demangle(name)), _LENGTH)
                rows.append([names.of(shown), own, bundle, places[having[name]]])
    return {
        "names": list(names),
        "binaries": list(binaries),
        "units": list(bundles),
        "targets": [escape(target) for target in targets],
        "sets": [json.loads(one) for one in sets],
        "rows": rows,
        "left": left,
    }


def _targets(report: Report) -> list[str]:
    """Every target of a code object, by processor."""
    found = {
        entry.id.target_name
        for binary in carrying(report)
        for unit in units(binary)
        for entry in unit.entries
        if isinstance(entry.code_object, CodeObject)
    }
    return sorted(found, key=by_processor)


def _set(having: frozenset[str], everything: frozenset[str], targets: list[str]) -> str:
    """The targets that have a kernel: how to tell it, and which they are."""
    own = [target for target in targets if target in having]
    lacking = [target for target in targets if target in everything - having]
    told = ", ".join(own)
    if not lacking and len(own) > FEW:
        told = f"all {len(own)} targets"
    elif len(lacking) <= FEW < len(own):
        told = f"all but {', '.join(lacking)}"
    return json.dumps([escape(told), [targets.index(target) for target in own]])


def _having(unit: Unit) -> dict[str, frozenset[str]]:
    """The targets of each kernel; kernels of the same targets share them."""
    found: dict[str, frozenset[str]] = {}
    for entry in unit.entries:
        if isinstance(entry.code_object, CodeObject):
            target = entry.id.target_name
            more: dict[frozenset[str], frozenset[str]] = {}
            for name in entry.code_object.kernels:
                before = found.get(name, _NONE)
                if before not in more:
                    more[before] = before | {target}
                found[name] = more[before]
    return found


def section(table: Data) -> str:
    """What the script fills; nothing where there are no kernels."""
    if not table["rows"]:
        return ""
    binaries = "".join(
        f'<option value="{index}">{text(name)}</option>'
        for index, name in enumerate(table["binaries"])
    )
    targets = "".join(
        f'<option value="{how} {index}">{how} {text(name)}</option>'
        for how in ("without", "with")
        for index, name in enumerate(table["targets"])
    )
    return "".join(
        [
            '<section id="kernels" aria-labelledby="kernels-head">',
            '<h2 id="kernels-head">Kernels</h2>',
            '<p id="bare">The table of kernels needs JavaScript.</p>',
            '<div hidden id="table"><div class="controls">',
            '<label>Filter by name <input type="search" id="filter"',
            ' autocomplete="off" spellcheck="false"></label>',
            '<label>Binary <select id="binary"><option value="">all</option>',
            f"{binaries}</select></label>",
            '<label>Target <select id="target"><option value="">all</option>',
            f'{targets}</select></label><span role="status"></span></div>',
            '<div class="scroll" tabindex="0" role="region" aria-label="Table of kernels">',
            f'<table class="kernels"><thead><tr aria-rowindex="1">{_heads(table)}</tr>',
            "</thead><tbody></tbody></table></div></div>",
            left_out(table["left"], "kernel"),
            "</section>",
        ]
    )


def _heads(table: Data) -> str:
    """Of one binary, its name is no news. The script finds a column by its place."""
    places = {"kernel": 0, "binary": 1, "bundle": 2, "targets": 3}
    shown = ["binary", "bundle", "targets", "kernel"]
    return "".join(
        f'<th scope="col" data-place="{places[name]}">'
        f'<button type="button">{name}</button></th>'
        for name in (shown if len(table["binaries"]) > 1 else shown[1:])
    )
