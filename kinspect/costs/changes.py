"""What packing device code in another way would save, measured by doing it."""

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from kinspect.choosing import admits_target
from kinspect.costs.packings import Kept, Packing, packing
from kinspect.costs.reading import Container
from kinspect.errors import FormatError
from kinspect.model import Unreadable

#: what is left out: targets, or with True, what equals something before it
_Less = tuple[tuple[str, ...], bool]


@dataclass(frozen=True, slots=True)
class Change:
    """Another way to pack: what is left out, and how the rest is compressed."""

    #: target IDs; a processor alone stands for all of its modes
    without: tuple[str, ...] = ()
    #: each equal code object but the first is left out
    share: bool = False
    #: of zstd; None: as it is stored now
    level: int | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the device code of an artifact would take then."""

    change: Change
    stored: int
    saved: int


@dataclass(frozen=True, slots=True)
class Asked:
    """Which changes are to be tried: all that can be combined, combined."""

    without: tuple[tuple[str, ...], ...] = ()
    #: also every target by itself
    each: bool = False
    share: bool = False
    levels: tuple[int, ...] = ()

    @property
    def anything(self) -> bool:
        return bool(self.without or self.each or self.share or self.levels)


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of the changes on one container."""

    #: its bytes now
    stored: int
    #: those in it, as far as it can be read
    targets: tuple[str, ...]
    #: bytes by level, with nothing left out
    whole: Counter[int | None] = field(default_factory=Counter)
    #: bytes that leaving out saves then
    saved: dict[_Less, Counter[int | None]] = field(default_factory=dict)
    #: bytes of a compressed bundle that is packed anew whole; 0 where nothing is left out
    again: int = 0
    #: why it can't be packed anew
    problem: Unreadable | None = None


class Trial:
    """The changes that were asked for, tried on one container after the other.

    What is tried on one does not depend on others, unless equal code objects are shared.
    """

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._levels: tuple[int | None, ...] = (None, *asked.levels)
        #: bytes by level, with nothing left out
        self._whole: Counter[int | None] = Counter()
        #: bytes that leaving out saves then
        self._saved: dict[_Less, Counter[int | None]] = {}
        if asked.share:
            self._saved[(), True] = Counter()
        for names in asked.without:
            self._saved[names, False] = Counter()
        self._digests: set[bytes] = set()
        #: those that were seen
        self._targets: set[str] = set()
        #: what can't be packed anew
        self.problems: list[Unreadable] = []
        #: compressed bundles that lost something: bytes as stored, and packed anew whole
        self.before = 0
        self.anew = 0
        #: code objects that equal an earlier one, and their bytes once inflated
        self.equal = 0
        self.equal_size = 0

    def tried(self, container: Container) -> Tried:
        """Try everything on a container; one that can't be read stays as it is."""
        targets: tuple[str, ...] = ()
        try:
            pack = packing(container)
            targets = tuple(pack.targets)
            whole, saved, again = self._tried(pack)
        except FormatError as error:
            problem = Unreadable.of(error, container.view.where())
            return Tried(container.stored, targets, problem=problem)
        return Tried(container.stored, targets, whole, saved, again)

    def add(self, one: Tried) -> None:
        self._targets.update(one.targets)
        if one.problem is not None:
            self.problems.append(one.problem)
        for level in self._levels:
            self._whole[level] += one.whole.get(level, one.stored)
        for less, sizes in one.saved.items():
            self._saved.setdefault(less, Counter()).update(sizes)
        if one.again:
            self.before += one.stored
            self.anew += one.again

    def _tried(
        self, pack: Packing
    ) -> tuple[Counter[int | None], dict[_Less, Counter[int | None]], int]:
        """Bytes by level; bytes that leaving out saves; those of the bundle made anew."""
        whole = Counter({level: pack.size(pack.whole, level) for level in self._levels})
        saved = {}
        again = 0
        for less, kept in self._kept(pack):
            saved[less] = Counter(
                {level: whole[level] - pack.size(kept, level) for level in self._levels}
            )
            if pack.again is not None and whole[None] > saved[less][None]:
                again = pack.again()
        return whole, saved, again

    def _kept(self, pack: Packing) -> Iterator[tuple[_Less, Kept]]:
        """What is kept, for each way that leaves something out."""
        names = list(self._asked.without)
        if self._asked.each:
            names += [(name,) for name in pack.targets if name]
        for one in dict.fromkeys(names):
            kept = {
                number
                for number, target in enumerate(pack.targets)
                if not admits_target(target, one)
            }
            if len(kept) < len(pack.targets):
                yield (one, False), frozenset(kept)
        if self._asked.share:
            kept = set(self._firsts(pack))
            if len(kept) < len(pack.targets):
                yield ((), True), frozenset(kept)

    def _firsts(self, pack: Packing) -> Iterator[int]:
        """The pieces that equal none before them, in any container."""
        for number, target in enumerate(pack.targets):
            if not target:
                yield number
                continue
            data = pack.read(number)
            digest = hashlib.sha256(data.bytes()).digest()
            if digest in self._digests:
                self.equal += 1
                self.equal_size += len(data)
            else:
                self._digests.add(digest)
                yield number

    @property
    def now(self) -> int:
        """Bytes as everything is stored."""
        return self._whole[None]

    @property
    def absent(self) -> list[str]:
        """Targets that were to be left out, and were nowhere."""
        named = dict.fromkeys(name for names in self._asked.without for name in names)
        return [n for n in named if not any(admits_target(t, [n]) for t in self._targets)]

    def outcomes(self) -> list[Outcome]:
        """Every change with what it comes to: by what is left out, then by level."""
        now = self.now
        found = [
            Outcome(Change(level=level), self._whole[level], now - self._whole[level])
            for level in self._asked.levels
        ]
        for (names, share), saved in self._saved.items():
            for level in self._levels:
                stored = self._whole[level] - saved[level]
                found.append(Outcome(Change(names, share, level), stored, now - stored))
        return found
