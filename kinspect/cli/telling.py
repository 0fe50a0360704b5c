"""What went wrong, on the standard error, a line each."""

from collections.abc import Iterable

import click

from kinspect.model import Unreadable
from kinspect.names import escape


def tell(reason: str) -> None:
    """`reason` may hold names of a file."""
    click.echo(f"kinspect: error: {escape(reason)}", err=True)


def tell_each(problems: Iterable[Unreadable]) -> None:
    """Each of them once; of what is wrong with a whole file, no offset."""
    for problem in dict.fromkeys(problems):
        where = problem.where
        place = where if where.layer or where.offset else where.path
        tell(f"{place}: {problem.message}")
