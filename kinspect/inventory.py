"""What the members of an artifact turn out to be: binaries, and files beside them."""

import re
from typing import Final, NamedTuple

from kinspect.copies import Later, Lost
from kinspect.errors import FormatError, InputError, KinspectError, Where
from kinspect.formats import tensile
from kinspect.limits import Limits
from kinspect.model import Binary, SideFile, Unreadable
from kinspect.sources import Member, Part, Watch, is_archive, unreadable
from kinspect.view import View
from kinspect.walk import is_binary, read_binary, worth_reading

#: files that libraries find their kernels by, or in, though they are no binaries
SIDE_FILE: Final = re.compile(
    r"(?:^|[/!])(?:Tensile[^/]*\.dat(?:\.zlib)?|[^/]*\.(?:co|hsaco|kdb))$"
)

#: members from this size on are read beside the next ones, in bytes
BESIDE: Final = 2 << 20
#: and from this size on, each by all processes at once
LARGE: Final = 128 << 20

#: a binary, or that there is none, or why the file can't be read any more, or inflated
Result = Binary | Unreadable | InputError | None


class _Awaited(NamedTuple):
    """A member that is being read beside others."""

    path: str
    read: Later[Result]


class Inventory:
    """Takes the members of an artifact, one after the other, and knows what they are."""

    def __init__(
        self, limits: Limits, *, code_objects: bool, jobs: int, watch: Watch | None
    ) -> None:
        self._limits = limits
        self._code_objects = code_objects
        self._jobs = jobs if code_objects else 1
        self._watch = watch
        #: what was read, and what is being read beside other members
        self._found: list[Binary | Unreadable | _Awaited] = []
        self._side_files: dict[str, SideFile] = {}

    def wanted(self, name: str, size: int, head: bytes) -> bool:
        """Whether a member of an archive is worth inflating."""
        if worth_reading(name, size, head) or tensile.is_lazy(name):
            if self._watch is not None:
                self._watch.reading(name)
            return True
        if SIDE_FILE.search(name):
            self._side_files[name] = SideFile(name, size)
        return False

    def put_off(self, name: str, size: int, head: bytes) -> bool:
        """Whether a member of an archive is inflated by the process that will read it."""
        if self._jobs < 2 or not _beside(name, size):
            return False
        return is_binary(head) and not is_archive(head)  # a tar may start with `MZ`

    def take(self, part: Part, *, alone: bool) -> bool:
        """A member, whose bytes need not be there after this; or the artifact, `alone`.

        True if it is known by now to be a binary that can't be read in all of its parts.
        """
        if isinstance(part, Unreadable):
            self._found.append(part)
            return False
        if self._watch is not None:
            self._watch.reading(part.path)
        if self._jobs > 1 and not alone and _beside(part.path, len(part.view)):
            self._settle(self._jobs - 1)
            self._found.append(_Awaited(part.path, Later(lambda: self._loaded(part))))
            return False
        result = self._read(part.view, self._jobs)
        if isinstance(result, InputError):
            raise result
        if result is not None:
            self._found.append(result)
        elif SIDE_FILE.search(part.path):
            self._side_files[part.path] = _side_file(part, self._limits)
        return isinstance(result, Binary) and bool(result.unreadable)

    @property
    def binaries(self) -> tuple[Binary, ...]:
        """All binaries, in the order of the members."""
        self._settle(0)
        return tuple(one for one in self._found if isinstance(one, Binary))

    @property
    def unreadable(self) -> tuple[Unreadable, ...]:
        self._settle(0)
        return tuple(one for one in self._found if isinstance(one, Unreadable))

    @property
    def side_files(self) -> tuple[SideFile, ...]:
        return tuple(self._side_files.values())

    def _read(self, view: View, jobs: int) -> Result:
        try:
            return read_binary(
                view, self._limits, code_objects=self._code_objects, jobs=jobs
            )
        except InputError as error:
            return error

    def _loaded(self, part: Member) -> Result:
        try:
            whole = part if part.load is None else part.load()
        except KinspectError as error:
            return unreadable(error, part.path)
        return None if whole is None else self._read(whole.view, 1)

    def _settle(self, most: int) -> None:
        """Wait until at most so many members are still being read, the first ones first."""
        waiting = [n for n, one in enumerate(self._found) if isinstance(one, _Awaited)]
        for index in reversed(waiting[: max(len(waiting) - most, 0)]):
            self._found[index : index + 1] = self._settled(index)

    def _settled(self, index: int) -> list[Binary | Unreadable]:
        one = self._found[index]
        if not isinstance(one, _Awaited):
            return [one]
        try:
            result = one.read.result()
        except Lost as lost:
            message = f"the process that read it {lost}; --jobs 1 reads it without one"
            where = Where(one.path)
            result = Binary(one.path, "unknown", unreadable=(Unreadable(message, where),))
        if isinstance(result, InputError):
            raise result
        return [] if result is None else [result]


def _beside(name: str, size: int) -> bool:
    return BESIDE <= size < LARGE and not SIDE_FILE.search(name)


def _side_file(part: Member, limits: Limits) -> SideFile:
    refers: tuple[str, ...] | Unreadable | None = None
    if tensile.is_lazy(part.path):
        try:
            refers = tensile.references(part.view, limits)
        except FormatError as error:
            refers = Unreadable.of(error, part.view.where())
    return SideFile(part.path, len(part.view), refers)
