"""What a mutation is, and what came of one."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kinspect import Policy, Report, Severity, Verdict, verify
from kinspect.target import parse_required

#: what verify is called with: names of files below one directory, and their bytes
Files = Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class Sample:
    """Files that pass as they are."""

    name: str
    read: Callable[[], Files]
    require: str = "gfx942;gfx950"
    #: what is handed to verify; all files, unless given
    named: Sequence[str] = ()

    @property
    def policy(self) -> Policy:
        return Policy(required=parse_required((self.require,)))


@dataclass(frozen=True, slots=True)
class Told:
    """The finding that a mutation must lead to."""

    #: none where nothing is left to check: exit 2 says that
    rule: str
    #: a part of its message, so that no other fault of the same rule will do
    says: str
    target: str | None = None


@dataclass(frozen=True, slots=True)
class Mutation:
    """A way to break files."""

    name: str
    #: what it does, for readers of the table
    does: str
    #: the samples that it is tried on
    on: Sequence[str]
    change: Callable[[Files], Files]
    #: what must be told; nothing for what passes
    told: Told | None = None
    #: why nothing can be told: the anchor of a section of docs/limits.md
    limit: str = ""
    #: with `kinspect audit`: RECORD is read too
    record: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What verify said."""

    verdict: Verdict
    #: rules with their messages, but for notes
    findings: Sequence[tuple[Severity, str, str, str | None]] = field(default_factory=tuple)

    @classmethod
    def of(cls, report: Report) -> "Outcome":
        found = [(f.severity, f.rule, f.message, f.target) for f in report.findings]
        return cls(report.verdict, [one for one in found if one[0] is not Severity.NOTE])

    def tells(self, told: Told) -> bool:
        """Whether an error says so, and the verdict with it."""
        if not told.rule:
            return self.verdict is Verdict.UNKNOWN and not self.findings
        return self.verdict is not Verdict.PASS and any(
            severity is Severity.ERROR
            and rule == told.rule
            and told.says in message
            and told.target in (None, target)
            for severity, rule, message, target in self.findings
        )


def judged(sample: Sample, files: Files, directory: Path, *, record: bool) -> Outcome:
    """Write the files and verify them."""
    for name, data in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    named = [directory / name for name in sample.named or files]
    return Outcome.of(verify(named, sample.policy, record=record))


def wrong(one: Mutation, outcome: Outcome) -> str:
    """Why what verify said of a mutation is not what the table says; empty if it is."""
    said = "; ".join(f"{rule}: {message}" for _, rule, message, _ in outcome.findings)
    if one.told is None:
        passes = outcome.verdict is Verdict.PASS
        return "" if passes else f"told, and listed as a limit: {said}"
    if outcome.tells(one.told):
        return ""
    wanted = f"{one.told.rule} {one.told.says!r}"
    return f"{wanted} expected, said was ({outcome.verdict}): {said or 'nothing'}"
