"""A policy that holds for artifacts as they are now: what `kinspect policy init` writes."""

import glob
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Final

from kinspect import checks
from kinspect.linking import link_units
from kinspect.loader import coverage, units
from kinspect.model import Artifact, Binary, Finding, Severity, Verdict
from kinspect.names import inert
from kinspect.policy import BinaryPolicy, Ignore, Policy
from kinspect.target import TargetID

#: how long what is wrong today is not reported
GRACE: Final = timedelta(days=90)
#: the Python that an extension module was built for, which the next one may not have
_PYTHON: Final = re.compile(r"\.(?:cpython|pypy|abi)[-\w]*")


@dataclass(frozen=True, slots=True)
class Proposal:
    """A policy as TOML, and what no policy can excuse."""

    text: str
    left: tuple[Finding, ...]
    holds: bool


def propose(artifacts: Sequence[Artifact], today: date, *, table: str = "") -> Proposal:
    """What holds now: targets, binaries, and for a while what is wrong already.

    `table` is the table that it is to stand in: `tool.kinspect` for pyproject.toml.
    """
    served = {
        binary.path: _served(binary)
        for artifact in artifacts
        for binary in artifact.binaries
        if binary.device_code
    }
    common = _common(list(served.values()))
    policy = Policy(
        required=common,
        expect=tuple(sorted({_glob(path) for path in served})),
        binaries=tuple(
            BinaryPolicy(glob=_glob(path), required=own)
            for path, own in served.items()
            if own and not set(common) <= set(own)
        ),
        today=today,
    )
    wrong = _errors(artifacts, policy)
    reason = f"as it was on {today}: look into it"
    ignores = sorted({(f.rule, _glob(f.path)) for f in wrong if _excusable(f)})
    policy = replace(
        policy,
        ignore=tuple(Ignore(rule, path, reason, today + GRACE) for rule, path in ignores),
    )
    left = _errors(artifacts, policy)
    holds = checks.verdict(artifacts, checks.run(artifacts, policy)) is Verdict.PASS
    return Proposal(
        "\n".join(_toml(policy, today, table)) + "\n", left, holds and any(served)
    )


def _served(binary: Binary) -> tuple[TargetID, ...]:
    """The processors that every bundle, and every object to be linked, has code for."""
    found = list(units(binary))
    linked = list(link_units(binary))
    parts = [part.target for unit in linked for part in unit.parts]
    named = [entry.id.target_id for unit in found for entry in unit.entries]
    processors = {one.processor for one in (*named, *parts) if one is not None}
    return tuple(
        target
        for target in map(TargetID, sorted(processors))
        if not any(coverage(unit, target).missing for unit in found)
        and all(
            any(part.target in {None, target} for part in unit.parts) for unit in linked
        )
    )


def _common(served: list[tuple[TargetID, ...]]) -> tuple[TargetID, ...]:
    """What all binaries serve; else what the first does, and the others are told apart."""
    sets = [set(own) for own in served if own]
    if not sets:
        return Policy().required
    return tuple(sorted(set.intersection(*sets) or sets[0], key=str))


def _glob(path: str) -> str:
    """A glob for a file of that name, in the next version too."""
    name = path.rsplit("!", 1)[-1].replace("\\", "/").rsplit("/", 1)[-1]
    return _PYTHON.sub("*", glob.escape(name)) or "*"


def _errors(artifacts: Sequence[Artifact], policy: Policy) -> tuple[Finding, ...]:
    found = checks.run(artifacts, policy)
    return tuple(one for one in found if one.severity is Severity.ERROR)


def _excusable(finding: Finding) -> bool:
    return not checks.RULES[finding.rule].unknown


def _toml(policy: Policy, today: date, table: str) -> Iterator[str]:
    yield f"# What held on {today}, by `kinspect policy init`. Every key: docs/policy.md."
    if table:
        yield f"[{table}]"
    yield f"require = {_list(policy.required)}"
    yield f"expect = {_list(policy.expect)}"
    inside = f"{table}." if table else ""
    for one in policy.binaries:
        yield from ("", f"[[{inside}binary]]", f"path = {_text(one.glob)}")
        yield f"require = {_list(one.required)}"
    for ignore in policy.ignore:
        yield from ("", f"[[{inside}ignore]]", f"rule = {_text(ignore.rule)}")
        yield f"path = {_text(ignore.glob)}"
        yield f"reason = {_text(ignore.reason)}"
        yield f"expires = {ignore.expires}"


def _list(values: Iterable[object]) -> str:
    return f"[{', '.join(_text(str(one)) for one in values)}]"


def _text(value: str) -> str:
    """A basic string of TOML, which is one of JSON but for DEL."""
    text = json.dumps(value.encode("utf-8", "replace").decode())
    return inert(text.replace("\x7f", "\\u007f"))
