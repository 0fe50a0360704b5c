"""JSON Schemas of what kinspect prints, shipped with it."""

from importlib import resources


def report() -> str:
    """The schema of `verify --format json` and `list --format json`."""
    return resources.files(__package__).joinpath("report.schema.json").read_text("utf-8")
