"""What device code costs, as Markdown (GitHub's), for a job's summary."""

from collections.abc import Iterable, Iterator, Sequence

from kinspect.costs.measured import Measured
from kinspect.costs.tally import Dimension
from kinspect.render import size_words as words
from kinspect.render.markdown import BYTES, code, fitted, prose, row
from kinspect.render.size_words import Look


def report(found: Iterable[Measured], look: Look) -> str:
    """No more than GitHub takes: what is left out is told."""
    return fitted([line for one in found for line in _artifact(one, look)], BYTES)


def _artifact(one: Measured, look: Look) -> Iterator[str]:
    yield f"### kinspect size: {code(words.label(one))}\n"
    if not one.tally.parts:
        yield f"{look.nothing.replace('no', 'No', 1)}.\n"
        return
    yield f"{prose(words.head(one, look))}\n"
    names = [dimension.value for dimension in one.tally.by]
    rows = [numbers + label for numbers, label in words.table(one, look, code)]
    yield from _table(rows, words.COLUMNS, names)
    if Dimension.PART not in one.tally.by:
        yield from _table(words.parts(one, look), words.COLUMNS, ["part"])
    yield from _table(words.changes(one, look, code), words.CHANGES, ["what if"])
    for note in words.notes(one, look):
        yield f"- {prose(note)}"
    for part in one.problems:
        yield f"- ❔ could not be read: {prose(f'{part.where}: {part.message}')}"


def _table(
    rows: Sequence[Sequence[str]], numbers: Sequence[str], names: Sequence[str]
) -> Iterator[str]:
    if rows:
        yield row([*numbers, *names])
        yield row([*["---:"] * len(numbers), *["---"] * len(names)])
        yield from map(row, rows)
        yield ""
