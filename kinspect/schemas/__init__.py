"""JSON Schemas of what kinspect prints, and of policies; shipped with it."""

from importlib import resources
from typing import Final

_END: Final = ".schema.json"


def names() -> list[str]:
    """`kernel`, `report`, …"""
    files = resources.files(__package__).iterdir()
    return sorted(f.name.removesuffix(_END) for f in files if f.name.endswith(_END))


def read(name: str) -> str:
    return resources.files(__package__).joinpath(f"{name}{_END}").read_text("utf-8")


def report() -> str:
    """The schema of `verify --format json` and `list --format json`."""
    return read("report")


def snapshot() -> str:
    """The schema of what `kinspect snapshot` writes."""
    return read("snapshot")


def kernel() -> str:
    """The schema of an object of `kernels --format json`, or a line of `jsonl`."""
    return read("kernel")


def extraction() -> str:
    """The schema of the `manifest.json` that `kinspect extract` writes."""
    return read("extraction")


def diff() -> str:
    """The schema of `diff --format json`."""
    return read("diff")


def size() -> str:
    """The schema of `size --format json`."""
    return read("size")
