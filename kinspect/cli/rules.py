"""`kinspect rules`: what a rule means and how to mend what it finds."""

import difflib
import textwrap

import click

from kinspect.checks import RULES, Rule
from kinspect.errors import UsageError


@click.command("rules")
@click.argument("name", required=False)
def command(name: str | None) -> None:
    """List the rules, or explain the one of that NAME."""
    if name is None:
        width = max(map(len, RULES))
        for rule in RULES.values():
            click.echo(f"{rule.name:{width}}  {rule.severity:7}  {rule.summary}")
        return
    if name not in RULES:
        close = difflib.get_close_matches(name, RULES, n=1)
        also = f"; did you mean {close[0]}?" if close else "; see kinspect rules"
        message = f"no rule named {name!r}{also}"
        raise UsageError(message)
    click.echo(page(RULES[name]))


def page(rule: Rule) -> str:
    """The page of a rule, for a terminal."""
    parts = [f"{rule.name} ({rule.severity}): {rule.summary}", "", rule.meaning, ""]
    parts.append(f"What to do: {rule.mend}")
    return "\n".join(textwrap.fill(part, 88) for part in parts)
