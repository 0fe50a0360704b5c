"""Inspect and verify artifacts: what the command line does, for Python."""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from kinspect import checks
from kinspect.errors import InputError, Where
from kinspect.formats import code_object
from kinspect.formats.metadata import RESOURCES, Kernel
from kinspect.limits import DEFAULT, Limits
from kinspect.model import Artifact, Report, Unreadable
from kinspect.names import demangle
from kinspect.policy import Policy
from kinspect.version import __version__
from kinspect.view import File, View
from kinspect.walk import each_bundle, read_binary

Path = str | os.PathLike[str]


def inspect(path: Path, *, limits: Limits = DEFAULT, code_objects: bool = True) -> Artifact:
    """Read everything that kinspect can tell of an artifact.

    `code_objects=False` lists entries only: it opens no code object and inflates just
    the head of a compressed bundle. Raises InputError where the path can't be read;
    what can't be read inside of it is part of the result (`unreadable`).
    """
    name = os.fspath(path)
    with closing(File(name)) as file:
        binary = read_binary(View(file, name), limits, code_objects=code_objects)
    return Artifact(name, "file", () if binary is None else (binary,))


def verify(
    paths: Path | Iterable[Path],
    policy: Policy | None = None,
    *,
    limits: Limits = DEFAULT,
) -> Report:
    """Hold artifacts to a policy (by default: gfx942 and gfx950 in every bundle).

    Never raises for what an artifact holds: what can't be read is a finding, and the
    verdict then is not `Verdict.PASS`.
    """
    policy = policy or Policy()
    names = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
    artifacts = tuple(_inspected(name, limits) for name in names)
    findings = checks.run(artifacts, policy)
    return Report(
        version=__version__,
        required=tuple(map(str, policy.required)),
        artifacts=artifacts,
        findings=findings,
        verdict=checks.verdict(artifacts, findings),
    )


def _inspected(path: Path, limits: Limits) -> Artifact:
    try:
        return inspect(path, limits=limits)
    except InputError as error:
        unreadable = Unreadable(error.message, Where(os.fspath(path)))
        return Artifact(os.fspath(path), "missing", unreadable=(unreadable,))


@dataclass(frozen=True, slots=True)
class KernelRow:
    """A kernel with where it was found."""

    path: str
    bundle: int
    target: str
    kernel: Kernel

    def values(self) -> dict[str, Any]:
        """Plain values, named as in the metadata without the dot."""
        resources = {name: getattr(self.kernel, name) for name in RESOURCES}
        return {
            "path": self.path,
            "bundle": self.bundle,
            "target": self.target,
            "name": self.kernel.name,
            "demangled": demangle(self.kernel.name),
            **resources,
        }


def kernels(
    path: Path, *, limits: Limits = DEFAULT, problems: list[Unreadable] | None = None
) -> Iterator[KernelRow]:
    """Every kernel of an artifact, as it is read: memory stays bounded by one bundle.

    What can't be read is added to `problems`.
    """
    problems = [] if problems is None else problems
    found: dict[int, Sequence[Kernel]] = {}

    def opener(view: View) -> None:
        found[view.start] = code_object.kernels(view, limits)

    name = os.fspath(path)
    with closing(File(name)) as file:
        for part in each_bundle(View(file, name), opener, limits):
            if isinstance(part, Unreadable):
                problems.append(part)
                continue
            for entry in part.entries:
                if isinstance(entry.code_object, Unreadable):
                    problems.append(entry.code_object)
                for kernel in found.pop(entry.offset, ()):
                    yield KernelRow(name, part.index, entry.id.target_name, kernel)
