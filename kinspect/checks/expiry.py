"""Ignores that hold until a day."""

from collections.abc import Iterator, Sequence
from datetime import date

from kinspect.checks.finding import finding
from kinspect.model import Artifact, Finding
from kinspect.policy import Ignore, Policy


def expired_ignores(_: Sequence[Artifact], policy: Policy) -> Iterator[Finding]:
    """What is told again, since its ignore has expired."""
    for one in policy.ignore:
        if one.expired(_today(policy)):
            where = "" if one.glob == "*" else f" for {one.glob}"
            yield finding(
                "expired-ignore",
                "",
                f"{one.origin}: ignoring {one.rule}{where} ended on {one.expires}"
                f" ({one.reason})",
                hint="mend what it excuses and remove it, or give it a new date",
            )


def holding(policy: Policy) -> tuple[Ignore, ...]:
    """The ignores that have not expired."""
    return tuple(one for one in policy.ignore if not one.expired(_today(policy)))


def _today(policy: Policy) -> date:
    return policy.today or date.today()
