"""The costs of whole artifacts, and what was tried on them."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from kinspect.costs.changes import Asked, Trial
from kinspect.costs.reading import Request, containers
from kinspect.costs.tally import Dimension, Tally
from kinspect.limits import DEFAULT, Limits
from kinspect.model import Unreadable
from kinspect.sources import Named, Watch, open_source
from kinspect.walk import worth_reading


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of artifacts."""

    by: Sequence[Dimension] = (Dimension.TARGET,)
    #: of the rows; empty for all
    targets: frozenset[str] = frozenset()
    #: globs
    binaries: tuple[str, ...] = ()
    asked: Asked = field(default_factory=Asked)
    limits: Limits = DEFAULT
    exclude: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Measured:
    """What was found out about an artifact."""

    path: str
    #: name and version of an installed distribution
    distribution: str
    #: sizes of the files that carry device code
    carriers: dict[str, int]
    tally: Tally
    trial: Trial
    problems: tuple[Unreadable, ...]


def measure(path: Named, question: Question, watch: Watch | None = None) -> Measured:
    """Raises InputError where the path can't be opened."""
    source = open_source(
        path,
        limits=question.limits,
        exclude=question.exclude,
        wanted=worth_reading,
        watch=watch,
    )
    request = Request(source, question.limits, question.binaries)
    tally = Tally(question.by, question.targets)
    trial = Trial(question.asked)
    for container in containers(request):
        if watch is not None:
            watch.reading(container.path)
        tally.take(container)
        if question.asked.anything:
            trial.take(container)
    problems = dict.fromkeys([*request.problems, *trial.problems])
    return Measured(
        source.path, source.distribution, request.carriers, tally, trial, tuple(problems)
    )
