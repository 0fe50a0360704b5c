"""Pieces of HTML and SVG."""

from collections.abc import Iterable, Sequence
from html import escape as _entities

from kinspect.names import escape


def text(content: str) -> str:
    """Text, or the value of an attribute: names can't be markup."""
    return _entities(escape(content))


def name(content: str) -> str:
    return f'<span class="name">{text(content)}</span>'


def wide(label: str, content: str) -> str:
    """A box that scrolls sideways, by keys too."""
    return (
        f'<div class="wide" tabindex="0" role="group" aria-label="{label}">{content}</div>'
    )


def section(name: str, title: str, content: str) -> str:
    return (
        f'<section aria-labelledby="{name}"><h2 id="{name}">{title}</h2>{content}</section>'
    )


def table(classes: str, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Cells are markup; the first of a row heads it."""
    head = "".join(f'<th scope="col">{one}</th>' for one in heads)
    body = "".join(
        f'<tr><th scope="row">{first}</th>{"".join(f"<td>{one}</td>" for one in rest)}</tr>'
        for first, *rest in rows
    )
    return (
        f'<table class="{classes}"><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table>"
    )


def strip(kinds: Sequence[str]) -> str:
    """A bar with a part for each of `kinds`, in their order; neighbours alike are one."""
    runs: list[tuple[str, int, int]] = []
    for at, kind in enumerate(kinds):
        if runs and runs[-1][0] == kind:
            runs[-1] = (kind, runs[-1][1], at + 1)
        else:
            runs.append((kind, at, at + 1))
    parts = "".join(
        f'<rect class="{kind}-fill" x="{start}" width="{end - start}" height="1"/>'
        for kind, start, end in runs
    )
    return (
        f'<svg viewBox="0 0 {max(len(kinds), 1)} 1" preserveAspectRatio="none"'
        f' aria-hidden="true">{parts}</svg>'
    )
