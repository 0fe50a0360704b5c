"""The policy that a run is held to: from defaults, profiles, a file, and options."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from kinspect.policy import DEFAULT_REQUIRED, Policy
from kinspect.runtime import NEWEST
from kinspect.settings import file, profiles
from kinspect.settings.setting import Setting

DEFAULTS: Final = (
    Setting("require", DEFAULT_REQUIRED, "default"),
    Setting("accept", frozenset(), "default"),
    Setting("only", value=False, origin="default"),
    Setting("rocm", NEWEST, "default"),
)


class Effective(NamedTuple):
    """Everything that was said, from the weakest source to the strongest."""

    settings: tuple[Setting, ...]
    #: the policy file and the profiles, for a report to name
    sources: tuple[str, ...] = ()

    def last(self, key: str) -> Setting:
        """The one that decides, of a key with a single value."""
        return [one for one in self.settings if one.key == key][-1]

    def all(self, key: str) -> tuple[Any, ...]:
        """What all sources say together, in order, each once."""
        return tuple(dict.fromkeys(one.value for one in self.settings if one.key == key))

    def listed(self, key: str) -> tuple[Any, ...]:
        return tuple(one.value for one in self.settings if one.key == key)

    @property
    def policy(self) -> Policy:
        return Policy(
            required=self.last("require").value,
            accept=self.last("accept").value,
            only=self.last("only").value,
            runtime=self.last("rocm").value,
            kernels=self.all("kernels"),
            expect=self.all("expect"),
            exclude=self.all("exclude"),
            ignore=self.listed("ignore"),
            exemptions=self.listed("exception"),
            binaries=self.listed("binary"),
            budget=dict(self.listed("budget")),
            severities=dict(self.listed("severity")),
            sources=self.sources,
        )


def effective(
    options: Sequence[Setting] = (), path: Path | None = None, *, discover: bool = False
) -> Effective:
    """Put together what options, a policy file and profiles say.

    With `discover` and no `path`, the file is the nearest one upwards of the working
    directory, if any. Raises UsageError, PolicyError, InputError.
    """
    if path is None and discover:
        path = file.find(Path.cwd())
    written = () if path is None else file.read(path)
    base = Path() if path is None else path.parent
    directories = [base / one.value for one in written if one.key == "profiles"]
    chosen = {one.value: (one, base) for one in written if one.key == "profile"}
    chosen |= {one.value: (one, Path()) for one in options if one.key == "profile"}
    of_profiles = [
        setting
        for one, start in chosen.values()
        for setting in profiles.load(one, start, directories)
    ]
    return Effective(
        (*DEFAULTS, *of_profiles, *written, *options), tuple(_sources(path, chosen))
    )


def _sources(path: Path | None, chosen: Iterable[str]) -> Iterable[str]:
    if path is not None:
        yield file.shown(path)
    for name in chosen:
        yield f"profile {name}"
