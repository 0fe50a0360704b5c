"""What device code costs, as text: numbers before names, which may be long."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from kinspect.costs.measured import Measured
from kinspect.costs.tally import Dimension
from kinspect.render import size_words as words
from kinspect.render.size_words import Look
from kinspect.render.style import Style, narrow_table, wrapped

#: of prose; tables are as wide as names are
_WIDTH: Final = 80


def report(found: Iterable[Measured], look: Look, *, color: bool) -> str:
    """A block for each artifact."""
    style = Style(color=color)
    return "\n\n".join("\n".join(_artifact(one, look, style)) for one in found) + "\n"


def _artifact(one: Measured, look: Look, style: Style) -> Iterator[str]:
    name = style("strong", words.label(one))
    if not one.tally.parts:
        yield f"{name}   {look.nothing}"
        return
    yield f"{name}   {words.head(one, look)}"
    names = [dimension.value for dimension in one.tally.by]
    rows = [numbers + label for numbers, label in words.table(one, look, str)]
    yield from _table(rows, words.COLUMNS, names)
    if Dimension.PART not in one.tally.by:
        yield ""
        yield from _table(words.parts(one, look), words.COLUMNS, ["part"])
    changes = words.changes(one, look, str)
    if changes:
        yield ""
        yield from _table(changes, words.CHANGES, ["what if"])
    for note in words.notes(one, look):
        yield wrapped(f"  {note}", _WIDTH)


def _table(
    rows: Sequence[Sequence[str]], numbers: Sequence[str], names: Sequence[str]
) -> Iterator[str]:
    for line in narrow_table(rows, [*numbers, *names], names):
        yield f"  {line}"
