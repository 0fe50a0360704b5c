"""Breadcrumbs taken apart: the file that lies on disk, and what is in it."""

from collections.abc import Iterable

from kinspect.model import Artifact


def outer(path: str, artifacts: Iterable[Artifact]) -> tuple[str, str]:
    """The file on disk that holds a binary, and the rest of its breadcrumb.

    A file's own name may hold a `!` as well, so what the user named is asked first.
    """
    for artifact in artifacts:
        if path == artifact.path:
            return path, ""
        if path.startswith(f"{artifact.path}!"):
            return artifact.path, path[len(artifact.path) + 1 :]
        if artifact.on_disk and path.startswith(artifact.path):
            file, _, inner = path[len(artifact.path) :].partition("!")
            return artifact.path + file, inner
    file, _, inner = path.partition("!")
    return file, inner


def short_name(path: str, artifacts: tuple[Artifact, ...]) -> str:
    """A breadcrumb without the artifact that it begins with, where there is just one."""
    if len(artifacts) != 1:
        return path
    whole = artifacts[0].path
    start = f"{whole.rstrip('/')}/" if artifacts[0].on_disk else f"{whole}!"
    return path.removeprefix(start) or path


def stable_name(path: str, artifacts: tuple[Artifact, ...]) -> str:
    """A name for a binary that stays when the artifact moves or gets a new version."""
    file, inner = outer(path, artifacts)
    for artifact in artifacts:
        if artifact.on_disk and file.startswith(artifact.path):
            return f"{file[len(artifact.path) :].lstrip('/')}!{inner}"
    name = file.rstrip("/").rsplit("/", 1)[-1]
    if name.endswith(".whl"):
        name = name.split("-", 1)[0]
    return f"{name}!{inner}"
