"""The keys of a policy: `[tool.kinspect]`, `kinspect.toml`, and profiles alike.

`docs/policy.md` says what they mean, `kinspect/schemas/policy.schema.json` tells editors.
"""

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from kinspect.policy import BinaryPolicy, Exemption, Ignore
from kinspect.settings import values
from kinspect.settings.setting import Place, Setting
from kinspect.settings.values import Parser


class Table(NamedTuple):
    """A table that may stand several times: its keys, and what it becomes."""

    keys: Mapping[str, Parser]
    required: tuple[str, ...]
    make: Callable[[dict[str, Any], Place], object]

    def __call__(self, value: object, at: Place) -> object:
        found = values.table(value, at)
        check_keys(found, self.keys, at)
        for key in self.required:
            if key not in found:
                at.refuse(f"{key} is missing: every such table must have it")
        parsed = {name: self.keys[name](one, at / name) for name, one in found.items()}
        return self.make(parsed, at)


def _ignore(found: dict[str, Any], at: Place) -> Ignore:
    return Ignore(
        found["rule"], found.get("path", "*"), found["reason"], found["expires"], at.origin
    )


def _exemption(found: dict[str, Any], at: Place) -> Exemption:
    return Exemption(
        found["kernel"],
        found["targets"],
        found["reason"],
        found.get("path", "*"),
        at.origin,
    )


def _binary(found: dict[str, Any], at: Place) -> BinaryPolicy:
    names = {"path": "glob", "require": "required"}
    renamed = {names.get(key, key): value for key, value in found.items()}
    return BinaryPolicy(**renamed, origin=at.origin)


IGNORE: Final = Table(
    MappingProxyType(
        {
            "rule": values.rule,
            "path": values.text,
            "reason": values.text,
            "expires": values.day,
        }
    ),
    ("rule", "reason", "expires"),
    _ignore,
)

EXCEPTION: Final = Table(
    MappingProxyType(
        {
            "kernel": values.text,
            "targets": values.targets,
            "path": values.text,
            "reason": values.text,
        }
    ),
    ("kernel", "targets", "reason"),
    _exemption,
)

BINARY: Final = Table(
    MappingProxyType(
        {
            "path": values.text,
            "require": values.targets,
            "accept": values.accept,
            "only": values.boolean,
            "kernels": values.texts,
            "optional": values.texts,
            "functions": values.texts,
            "linkage": values.linkage,
            "budget": values.budgets,
            "hints": values.hints,
        }
    ),
    ("path",),
    _binary,
)

#: keys with one value: of several sources, the last that names it decides
SINGLE: Final[Mapping[str, Parser]] = MappingProxyType(
    {
        "require": values.targets,
        "accept": values.accept,
        "only": values.boolean,
        "rocm": values.release,
        "about": values.text,
    }
)

#: keys with several values: those of all sources hold
SEVERAL: Final[Mapping[str, Parser]] = MappingProxyType(
    {
        "kernels": values.text,
        "expect": values.text,
        "exclude": values.text,
        "profile": values.text,
        "profiles": values.text,
    }
)

#: tables that stand several times: those of all sources hold
TABLES: Final[Mapping[str, Table]] = MappingProxyType(
    {"binary": BINARY, "exception": EXCEPTION, "ignore": IGNORE}
)

#: tables of names: of several sources, the last that names an item decides
ITEMS: Final[Mapping[str, Callable[[str, object, Place], object]]] = MappingProxyType(
    {"severity": values.severity, "budget": values.budget}
)

KEYS: Final = (*SINGLE, *SEVERAL, *TABLES, *ITEMS)


def settings(value: Mapping[str, object], at: Place) -> Iterator[Setting]:
    """The settings of a policy's table, in the file's order; raise PolicyError."""
    check_keys(value, KEYS, at)
    for key, one in value.items():
        place = at / key
        if key in SINGLE:
            yield Setting(key, SINGLE[key](one, place), place.origin)
        elif key in SEVERAL:
            for part, where in values.elements(one, place):
                yield Setting(key, SEVERAL[key](part, where), where.origin)
        elif key in TABLES:
            yield from _tables(key, one, place)
        else:
            for name, item in values.table(one, place).items():
                found = ITEMS[key](name, item, place / name)
                yield Setting(key, found, (place / name).origin)


def _tables(key: str, value: object, at: Place) -> Iterator[Setting]:
    if not isinstance(value, list):
        at.refuse(f"expected tables, as [[{at.key}]], with two brackets")
    for number, one in enumerate(value):
        place = at / number
        yield Setting(key, TABLES[key](one, place), place.origin)


def check_keys(
    found: Mapping[str, object], known: Mapping[str, object] | tuple[str, ...], at: Place
) -> None:
    for key in found:
        if key not in known:
            import difflib  # noqa: PLC0415

            close = difflib.get_close_matches(key, known, n=1)
            also = f"did you mean {close[0]}?" if close else f"expected {', '.join(known)}"
            (at / key).refuse(f"there is no such key; {also}")
