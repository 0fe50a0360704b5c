"""Instructions of kernels, and of what they call: as a listing, and counted."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any, Final

from kinspect.disassembly import Disassembled, Function, Instruction, Kind, kind_of
from kinspect.disassembly.calls import Leads
from kinspect.disassembly.statistics import Foreign, Statistics, called
from kinspect.names import brief, demangle, escape
from kinspect.render.style import fitting_table
from kinspect.render.words import count

#: the columns of the table, by what is counted in them
COLUMNS: Final = {
    Kind.MFMA: "MFMA",
    Kind.VALU: "VALU",
    Kind.SALU: "SALU",
    Kind.VMEM: "VMEM",
    Kind.SMEM: "SMEM",
    Kind.LDS: "LDS",
    Kind.FLAT: "flat",
    Kind.SCRATCH: "scratch",
    Kind.WAIT: "waits",
    Kind.BRANCH: "branches",
    Kind.OTHER: "other",
    Kind.UNDECODED: "undecoded",
}
#: the columns of the CSV
CSV: Final = (
    "path",
    "bundle",
    "target",
    "processor",
    "name",
    "demangled",
    "kernel",
    "calls",
    "code_size",
    "instructions",
    *COLUMNS,
    "beyond",
    "beyond_count",
)


# --- listings -----------------------------------------------------------------------------


def listing(one: Disassembled) -> Iterator[str]:
    """The instructions of each function, by their offset in it."""
    place = f"{escape(one.path)}   bundle {one.bundle}, {_targets(one)}"
    for function, told in groupby(one.instructions(), key=lambda pair: pair[0]):
        names = "\n".join(escape(demangle(name)) for name in function.names)
        size = f"{function.size} bytes at {function.address:#x}"
        what = "" if function.kernel else "a function of "
        yield f"{place}, {what}{size}\n{names}\n"
        leads = Leads()
        for _, instruction in told:
            address = leads.take(instruction)
            callee = None if address is None else one.others.get(address)
            yield from _lines(function, instruction, callee)
    if one.empty:
        yield f"{place}{_without_code(one)}"


def _lines(function: Function, one: Instruction, callee: Function | None) -> Iterator[str]:
    """An instruction with its source; `callee`: the function whose address it makes."""
    for line in one.source:
        yield f"        ; {escape(line)}\n"
    offset = one.address - function.address
    text = f"  {offset:04x}  {one.text}"
    if one.label is not None:
        text += f"  → {_label(function, one.label)}"
    elif callee is not None:
        text += f"  → {escape(demangle(callee.names[0]))}"
    yield text + ("" if one.decoded else "  ; not decoded") + "\n"


def _label(function: Function, label: str) -> str:
    """Where a branch leads: an offset in its own function, or another symbol."""
    name, plus, offset = label.rpartition("+0x")
    if not plus:
        name, offset = label, "0"
    if name in function.names:
        return offset.zfill(4)
    text = escape(demangle(name))
    return f"{text}+0x{offset}" if plus else text


def _targets(one: Disassembled) -> str:
    taken = "" if one.processor == one.native else f" taken for {one.processor}"
    return f"{escape(one.target)}{taken}"


def listed(one: Disassembled) -> Iterator[dict[str, Any]]:
    """The same for programs, an object a function."""
    for function, told in groupby(one.instructions(), key=lambda pair: pair[0]):
        instructions = [
            {
                "offset": each.address - function.address,
                "bytes": each.data.hex(),
                "text": each.text,
                "kind": kind_of(each.mnemonic).value,
                "label": each.label,
                "source": list(each.source),
            }
            for _, each in told
        ]
        yield _head(one, function) | {"instructions": instructions}


def _head(one: Disassembled, function: Function) -> dict[str, Any]:
    name, *aliases = function.names
    return {
        "path": one.path,
        "bundle": one.bundle,
        "target": one.target,
        "processor": one.processor,
        "llvm": one.objdump.version,
        "name": name,
        "demangled": demangle(name),
        "aliases": aliases,
        "kernel": function.kernel,
        "address": function.address,
        "code_size": function.size,
    }


# --- statistics ---------------------------------------------------------------------------


def table(
    one: Disassembled,
    rows: Sequence[Statistics],
    sibling: str | None,
    width: int | None = None,
) -> str:
    """A row for each function of a code object, and what an older processor lacks."""
    rows = sorted(rows, key=lambda row: (not row.function.kernel, row.function.names))
    place = f"{escape(one.path)}   bundle {one.bundle}, {_targets(one)}"
    named = [(row, _name(row.function)) for row in rows]
    if len(rows) > 1:
        named.append((_sum(rows), "in all"))
    text = _text(f"{place}, {_number(_counts(rows))}", named, sibling, width)
    if one.left_out:
        functions = count(one.left_out, "function")
        text += f"  not counted: {functions} that nothing here calls, unless by a pointer\n"
    return text + _without_code(one)


def _without_code(one: Disassembled) -> str:
    if not one.empty:
        return ""
    kernels = count(len(one.empty), "kernel")
    return f"  without code: {kernels}, compiled to nothing, {brief(one.empty[0])} first\n"


def _name(function: Function) -> str:
    name = escape(demangle(function.names[0]))
    return name if function.kernel else f"function {name}"


def _counts(rows: Iterable[Statistics]) -> tuple[int, int]:
    """How many are kernels, and how many other functions."""
    found = Counter(row.function.kernel for row in rows)
    return found[True], found[False]


def _number(counts: tuple[int, int]) -> str:
    """`2 kernels`, `2 kernels, 1 function`"""
    kernels, functions = counts
    told = [count(kernels, "kernel")] if kernels else []
    return ", ".join([*told, count(functions, "function")] if functions else told)


def _text(
    head: str,
    named: Sequence[tuple[Statistics, str]],
    sibling: str | None,
    width: int | None,
) -> str:
    """A table, whose last row says what is new in all of them."""
    rows = [row for row, _ in named]
    kinds = [k for k in COLUMNS if k is not Kind.UNDECODED or any(r.kinds[k] for r in rows)]
    headers = ["all", *(COLUMNS[kind] for kind in kinds)]
    if sibling is not None:
        headers.append(f"not {sibling}")
    lines = [[*_cells(row, kinds), name] for row, name in named]
    text = fitting_table(lines, [*headers, "kernel"], {"kernel"}, width)
    return "\n  ".join([head, *text, *_new(rows[-1:], sibling)]) + "\n"


class Totals:
    """All code objects for a target together, where there are more than one."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str | None], Statistics] = {}
        self._numbers: Counter[tuple[str, str | None]] = Counter()
        self._functions: dict[tuple[str, str | None], tuple[int, int]] = {}

    def add(
        self, one: Disassembled, rows: Sequence[Statistics], sibling: str | None
    ) -> None:
        key = _targets(one), sibling
        before = [self._found[key]] if key in self._found else []
        self._found[key] = _sum([*before, *rows])
        self._numbers[key] += 1
        here, before_ = _counts(rows), self._functions.get(key, (0, 0))
        self._functions[key] = here[0] + before_[0], here[1] + before_[1]

    def text(self, width: int | None = None) -> Iterator[str]:
        for (target, sibling), row in self._found.items():
            number = self._numbers[target, sibling]
            if number > 1:
                functions = _number(self._functions[target, sibling])
                head = f"{target} in all: {count(number, 'code object')}, {functions}"
                yield "\n" + _text(head, [(row, "in all")], sibling, width)


def _cells(row: Statistics, kinds: Sequence[Kind]) -> list[str]:
    numbers = [row.count, *(row.kinds[kind] for kind in kinds)]
    if row.foreign is not None:
        numbers.append(row.foreign.total())
    return [str(number) for number in numbers]


def _sum(rows: Sequence[Statistics]) -> Statistics:
    kinds: Counter[Kind] = Counter()
    for row in rows:
        kinds.update(row.kinds)
    return Statistics(rows[0].function, kinds, _foreign(rows))


def _foreign(rows: Sequence[Statistics]) -> "Counter[Foreign] | None":
    found: Counter[Foreign] = Counter()
    for row in rows:
        if row.foreign is None:
            return None
        found.update(row.foreign)
    return found


def _new(rows: Sequence[Statistics], sibling: str | None) -> Iterator[str]:
    foreign = _foreign(rows)
    if sibling is None or foreign is None:
        return
    if not foreign:
        yield f"nothing that {sibling} does not have"
    told = sorted(foreign.items(), key=lambda item: (-item[1], item[0].name))
    new = [f"{one.name} {number}" for one, number in told if one.there is None]
    other = [
        f"{one.name} {number} ({one.there} there)"
        for one, number in told
        if one.there is not None
    ]
    if new:
        yield f"not in {sibling}: {', '.join(new)}"
    if other:
        yield f"something else to {sibling}: {', '.join(other)}"


def counted(
    one: Disassembled, rows: Sequence[Statistics], sibling: str | None
) -> Iterator[dict[str, Any]]:
    """The same for programs, an object a function."""
    for row in rows:
        beyond = None
        if sibling is not None and row.foreign is not None:
            told = sorted(row.foreign.items(), key=lambda item: (-item[1], item[0].name))
            beyond = {
                "processor": sibling,
                "instructions": [
                    {"name": foreign.name, "there": foreign.there, "count": number}
                    for foreign, number in told
                ],
            }
        yield _head(one, row.function) | {
            "calls": [function.names[0] for function in called(one, row)],
            "instructions": row.count,
            "kinds": {kind.value: row.kinds[kind] for kind in COLUMNS},
            "beyond": beyond,
        }


def flat(value: dict[str, Any]) -> dict[str, Any]:
    """A value of `counted` as a row of CSV."""
    beyond = value["beyond"]
    return value | {
        **value["kinds"],
        "beyond": None if beyond is None else beyond["processor"],
        "beyond_count": None
        if beyond is None
        else sum(one["count"] for one in beyond["instructions"]),
    }
