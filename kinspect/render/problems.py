"""What the verdict rests on: findings, grouped where they say the same.

A report of 40 bundles that all lack gfx950, or of 100,000 kernels that one target has and
another lacks, is one problem to a reader. The formats that people read tell it once.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from kinspect.checks.rules import RULES, Rule
from kinspect.model import Artifact, Finding, Report, Severity
from kinspect.render.place import stable_name
from kinspect.render.words import count

#: from how many findings of a kind on, one stands for all
FOLD: Final = 4

#: the reason of a verdict that no finding gives
NOTHING: Final = Rule(
    "nothing-to-check",
    Severity.ERROR,
    "there is a binary to check",
    "The artifact holds no binary at all, so that nothing in it could be judged.",
    "Check the path. To allow it, leave the artifact out.",
    unknown=True,
)


class Group(NamedTuple):
    """Findings of one rule for one target in one binary, in their order."""

    findings: tuple[Finding, ...]

    @property
    def first(self) -> Finding:
        return self.findings[0]

    @property
    def rule(self) -> Rule:
        return NOTHING if self.first.rule == NOTHING.name else RULES[self.first.rule]

    @property
    def error(self) -> bool:
        return self.first.severity is Severity.ERROR

    @property
    def folded(self) -> bool:
        return len(self.findings) >= FOLD

    @property
    def hint(self) -> str:
        """The hints of all; mostly it is the same."""
        return " ".join(dict.fromkeys(one.hint for one in self.findings if one.hint))

    def told(self) -> Iterator[str]:
        """Messages, details and the hint, a line each; names as they are in the file."""
        for one in self.findings[:1] if self.folded else self.findings:
            yield one.message
            yield from one.details
        if self.folded:
            yield self.also()
        if hint := self.first.hint if self.folded else self.hint:
            yield f"hint: {hint}"

    def also(self) -> str:
        """What else the same is said of: bundles as ranges, kernels by their number."""
        one, more = self.first, self.findings[1:]
        bundles = sorted({f.bundle for f in more if f.bundle is not None} - {one.bundle})
        if any(f.kernel is not None for f in more):
            where = f" in bundles {ranges(bundles)}" if bundles else ""
            return f"and {count(len(more), 'more kernel')}{where} (--format json names all)"
        if bundles:
            number = count(len(bundles), "more bundle")
            return f"and the same of {number}: {ranges(bundles)}"
        return f"and {len(more)} more of the same kind (--format json names all)"


def groups(findings: Iterable[Finding]) -> list[Group]:
    """The findings in groups, worst first, else in their order."""
    found: dict[tuple[Severity, str, str, str | None], list[Finding]] = {}
    for one in findings:
        key = (one.severity, one.path, one.rule, one.target)
        found.setdefault(key, []).append(one)
    order = list(Severity)
    all_of_them = [Group(tuple(same)) for same in found.values()]
    return sorted(all_of_them, key=lambda group: order.index(group.first.severity))


def problems(report: Report) -> list[Group]:
    """The groups of a report, and what its verdict rests on beside them.

    So the verdict can be told from these alone: it passes if none is an error, and fails
    if one is whose rule does not stand for what could not be told.
    """
    return groups((*report.findings, *_nothing(report)))


def _nothing(report: Report) -> Iterator[Finding]:
    errors = [one.path for one in report.findings if one.severity is Severity.ERROR]
    for artifact in report.artifacts:
        if artifact.binaries or any(_within(path, artifact) for path in errors):
            continue
        message = "there is no binary to check"
        yield Finding(NOTHING.name, NOTHING.severity, artifact.path, message, NOTHING.mend)


def _within(path: str, artifact: Artifact) -> bool:
    return path == artifact.path or path.startswith(
        (f"{artifact.path}!", f"{artifact.path}/")
    )


def fingerprints(found: Sequence[Group], report: Report) -> list[str]:
    """A name for each group that stays from run to run, as long as the problem does.

    It does not depend on where the artifact lies, on the version in a wheel's name, on
    messages, or on how many bundles and kernels are concerned.
    """
    import hashlib  # noqa: PLC0415  # text has no fingerprints

    seen: Counter[str] = Counter()
    names = []
    for group in found:
        one = group.first
        parts = (one.rule, stable_name(one.path, report.artifacts), one.target or "")
        text = "\0".join(parts).encode("utf-8", "surrogatepass")
        digest = hashlib.sha256(text).hexdigest()[:32]
        seen[digest] += 1
        names.append(f"{digest}:{seen[digest]}")
    return names


def ranges(numbers: Sequence[int]) -> str:
    """`0–3, 7, 9–12`."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1][1:] = [number]
        else:
            runs.append([number])
    return ", ".join("–".join(map(str, run)) for run in runs)
