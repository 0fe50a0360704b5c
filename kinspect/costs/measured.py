"""The costs of whole artifacts, and what was tried on them."""

from dataclasses import dataclass

from kinspect.choosing import admits_binary
from kinspect.costs.account import Account, Question
from kinspect.costs.changes import Trial
from kinspect.costs.tally import Tally
from kinspect.model import Unreadable
from kinspect.sources import Named, Watch, open_source
from kinspect.urls import is_url
from kinspect.walk import worth_reading

__all__ = ["Measured", "Question", "measure"]


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


def measure(
    path: Named, question: Question, watch: Watch | None = None, jobs: int = 1
) -> Measured:
    """Raises InputError where the path can't be opened.

    `jobs` processes share the work, if there is enough; what is found is the same.
    """
    if is_url(path) or question.asked.share:
        jobs = 1  # a copy of this process has no connection, and knows no other's digests
    source = open_source(
        path,
        limits=question.limits,
        exclude=question.exclude,
        wanted=worth_reading,
        watch=watch,
    )
    account = Account(question, jobs)
    for member in source.members():
        if isinstance(member, Unreadable):
            account.lack(member)
        elif admits_binary(member.path, question.binaries):
            if watch is not None:
                watch.reading(member.path)
            account.take(member, alone=source.kind == "file")
    account.settle()
    problems = dict.fromkeys([*account.problems, *account.trial.problems])
    return Measured(
        source.path,
        source.distribution,
        account.carriers,
        account.tally,
        account.trial,
        tuple(problems),
    )
