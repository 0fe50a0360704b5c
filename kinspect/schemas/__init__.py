"""JSON Schemas of what kinspect prints, shipped with it."""

from importlib import resources


def report() -> str:
    """The schema of `verify --format json` and `list --format json`."""
    return _read("report.schema.json")


def snapshot() -> str:
    """The schema of what `kinspect snapshot` writes."""
    return _read("snapshot.schema.json")


def _read(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text("utf-8")
