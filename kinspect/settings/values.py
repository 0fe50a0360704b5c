"""From the values of a TOML file to those that kinspect knows: a function for each type."""

from collections.abc import Callable, Iterable
from datetime import date, datetime
from typing import Any, Final, NoReturn

from kinspect.checks.rules import RULES
from kinspect.errors import TargetError, UsageError
from kinspect.model import Linkage, Severity
from kinspect.policy import ACCEPTABLE
from kinspect.runtime import Runtime
from kinspect.runtime import runtime as runtime_of
from kinspect.settings.setting import Place
from kinspect.sizes import parse_size
from kinspect.target import TargetID, parse_required

#: names that an error does not list any more: those of rules
MANY: Final = 10

Parser = Callable[[object, Place], Any]


def refuse(what: str, value: object, at: Place) -> NoReturn:
    at.refuse(f"expected {what}, not {_kind(value)}")


def _kind(value: object) -> str:
    kinds = {bool: "a boolean", int: "a number", float: "a number", str: "text"}
    kinds |= {list: "an array", dict: "a table", date: "a date", datetime: "a time"}
    return kinds.get(type(value), "that")


def one_of(value: object, known: Iterable[str], what: str, at: Place) -> str:
    """A word that must be known; the error proposes one that is like it."""
    known = list(known)
    word = text(value, at)
    if word not in known:
        import difflib  # noqa: PLC0415

        close = difflib.get_close_matches(word, known, n=1)
        some = f"expected {', '.join(known)}" if len(known) < MANY else "see kinspect rules"
        also = f"did you mean {close[0]}?" if close else some
        at.refuse(f"no {what} named {word!r}; {also}")
    return word


# --- text ---------------------------------------------------------------------------


def text(value: object, at: Place) -> str:
    if not isinstance(value, str):
        refuse("text", value, at)
    if not value.strip():
        at.refuse("this is empty: give a value, or leave the key out")
    return value


def texts(value: object, at: Place) -> tuple[str, ...]:
    """Text, or an array of it; a pattern each."""
    return tuple(text(one, place) for one, place in elements(value, at))


def elements(value: object, at: Place) -> list[tuple[object, Place]]:
    """The elements of an array with their places; a value by itself is one."""
    if isinstance(value, list):
        if not value:
            at.refuse("this is empty: name at least one, or leave the key out")
        return [(one, at / number) for number, one in enumerate(value)]
    return [(value, at)]


def boolean(value: object, at: Place) -> bool:
    if not isinstance(value, bool):
        refuse("true or false", value, at)
    return value


# --- words of the field -------------------------------------------------------------


def targets(value: object, at: Place) -> tuple[TargetID, ...]:
    found = {one for part, place in elements(value, at) for one in _targets(part, place)}
    return tuple(sorted(found, key=str))


def _targets(value: object, at: Place) -> tuple[TargetID, ...]:
    try:
        found = parse_required((text(value, at),))
    except TargetError as error:
        at.refuse(str(error))
    if not found:
        at.refuse("this names no target: expected one such as gfx942")
    return found


def target(name: str, at: Place) -> TargetID:
    try:
        return TargetID.parse(name)
    except TargetError as error:
        at.refuse(str(error))


def accept(value: object, at: Place) -> frozenset[str]:
    """May be empty: no fallback counts, whatever else was said."""
    if value == []:
        return frozenset()
    parts = elements(value, at)
    return frozenset(one_of(one, ACCEPTABLE, "fallback", place) for one, place in parts)


def release(value: object, at: Place) -> Runtime:
    if isinstance(value, float | int):
        at.refuse(f'write the release as text, "{value}": 7.1 and 7.10 differ')
    try:
        return runtime_of(text(value, at))
    except UsageError as error:
        at.refuse(str(error).removeprefix("--rocm "))


def rule(value: object, at: Place) -> str:
    return one_of(value, RULES, "rule", at)


def linkage(value: object, at: Place) -> Linkage:
    return Linkage(one_of(value, list(Linkage), "linkage", at))


def size(value: object, at: Place) -> int:
    """Bytes, as a number or as text."""
    if isinstance(value, int) and not isinstance(value, bool):
        count = value
    else:
        try:
            count = parse_size(text(value, at))
        except ValueError as error:
            at.refuse(str(error))
    if count < 0:
        at.refuse("a size can't be negative")
    return count


def day(value: object, at: Place) -> date:
    if isinstance(value, datetime) or not isinstance(value, date):
        example = "write it as 2027-01-01, without quotes"
        at.refuse(f"expected a date, not {_kind(value)}: {example}")
    return value


# --- tables of names ----------------------------------------------------------------


def table(value: object, at: Place) -> dict[str, object]:
    if not isinstance(value, dict):
        refuse("a table", value, at)
    return value


def severity(name: str, value: object, at: Place) -> tuple[str, Severity]:
    """The severity of a rule. What could not be judged stays an error: never a pass."""
    found = RULES[one_of(name, RULES, "rule", at)]
    chosen = Severity(one_of(value, list(Severity), "severity", at))
    if found.unknown and chosen is not Severity.ERROR:
        at.refuse(
            "what could not be judged is never a pass, so that its severity can't be"
            " lowered; ignore it where that is in order: [[ignore]], with a reason"
        )
    return found.name, chosen


def budget(name: str, value: object, at: Place) -> tuple[TargetID, int]:
    return target(name, at), size(value, at)


def budgets(value: object, at: Place) -> dict[TargetID, int]:
    items = table(value, at).items()
    return dict(budget(name, one, at / name) for name, one in items)


def hints(value: object, at: Place) -> dict[str, str]:
    items = table(value, at).items()
    return {rule(name, at / name): text(one, at / name) for name, one in items}
