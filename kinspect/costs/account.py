"""The costs of the members of an artifact, added up in their order, on several cores.

Members of some size are read by copies of this process, beside each other; a large one is
shared out by what it holds.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from kinspect import inventory
from kinspect.copies import Later, Lost, share
from kinspect.costs.changes import Asked, Trial, Tried
from kinspect.costs.reading import Held, Request, container, each_held
from kinspect.costs.tally import Dimension, Tally
from kinspect.errors import InputError, Where
from kinspect.limits import DEFAULT, Limits
from kinspect.model import Unreadable
from kinspect.sources import Member
from kinspect.view import View

#: to pack a bundle anew takes so many times as long as to read it
PACKING: Final = 10
#: small members that wait for one before them: their costs are in memory
DUE: Final = 256


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
class _Costs:
    """Those of something that holds device code."""

    tally: Tally
    #: None where no change was asked for
    tried: Tried | None
    problems: Sequence[Unreadable]


#: what a member holds, in order
_Parts = Iterable[_Costs | Unreadable]


@dataclass(frozen=True, slots=True)
class _Due:
    """A member that is not added up yet, since one before it is still being read."""

    member: str
    size: int
    parts: "list[_Costs | Unreadable] | Later[list[_Costs | Unreadable] | InputError]"


class Account:
    """Takes the members of an artifact, one after the other, and adds up their costs."""

    def __init__(self, question: Question, jobs: int) -> None:
        self._question = question
        self._jobs = jobs
        self._due: deque[_Due] = deque()
        self.tally = Tally(question.by, question.targets)
        self.trial = Trial(question.asked)
        #: what can't be read
        self.problems: list[Unreadable] = []
        #: the sizes of the files that carry device code, by their paths
        self.carriers: dict[str, int] = {}

    def take(self, member: Member, *, alone: bool) -> None:
        """A member, whose bytes need not be there after this; or the artifact, `alone`."""
        view, size = member.view, len(member.view)
        if self._jobs > 1 and not alone and inventory.BESIDE <= size < inventory.LARGE:
            self.settle(self._jobs - 1)
            self._due.append(_Due(member.path, size, Later(lambda: self._tried(view))))
        elif self._due and size < inventory.BESIDE and len(self._due) < DUE:
            self._due.append(_Due(member.path, size, list(self._read(view, 1))))
        else:
            self.settle()
            self._add(member.path, size, self._read(view, self._jobs))

    def lack(self, part: Unreadable) -> None:
        """A member that can't be read."""
        self._due.append(_Due(part.where.path, 0, [part]))
        self.settle(self._jobs - 1)

    def settle(self, most: int = 0) -> None:
        """Wait until at most so many members are still being read, the first ones first."""
        running = sum(isinstance(one.parts, Later) for one in self._due)
        while self._due and (running > most or isinstance(self._due[0].parts, list)):
            one = self._due.popleft()
            if isinstance(one.parts, Later):
                running -= 1
                self._add(one.member, one.size, _result(one.member, one.parts))
            else:
                self._add(one.member, one.size, one.parts)

    def _add(self, path: str, size: int, parts: _Parts) -> None:
        for part in parts:
            if isinstance(part, Unreadable):
                self.problems.append(part)
                continue
            self.carriers[path] = size
            self.problems += part.problems
            self.tally.merge(part.tally)
            if part.tried is not None:
                self.trial.add(part.tried)

    def _tried(self, view: View) -> list[_Costs | Unreadable] | InputError:
        try:
            return list(self._read(view, 1))
        except InputError as error:
            return error

    def _read(self, view: View, jobs: int) -> Iterator[_Costs | Unreadable]:
        if jobs < 2:
            for one in each_held(view, self._question.limits):
                yield one if isinstance(one, Unreadable) else self._costs(one)
            return
        found = list(each_held(view, self._question.limits))
        todo = [one for one in found if isinstance(one, Held)]
        effort = PACKING if self._question.asked.anything else 1
        results = share(self._costs, todo, [one.weight * effort for one in todo], jobs)
        for one in found:
            if isinstance(one, Unreadable):
                yield one
            else:
                yield next(results)
                view.read_elsewhere(one.size)

    def _costs(self, held: Held) -> _Costs:
        request = Request(self._question.limits)
        tally = Tally(self._question.by, self._question.targets)
        one = container(held, request)
        tally.take(one)
        tried = self.trial.tried(one) if self._question.asked.anything else None
        held.forget()
        return _Costs(tally, tried, request.problems)


def _result(
    path: str, later: "Later[list[_Costs | Unreadable] | InputError]"
) -> list[_Costs | Unreadable]:
    try:
        found = later.result()
    except Lost as lost:
        message = f"the process that read it {lost}; --jobs 1 reads it without one"
        return [Unreadable(message, Where(path))]
    if isinstance(found, InputError):
        raise found
    return found
