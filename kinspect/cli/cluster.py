"""`--dask ADDRESS`: artifacts read in the workers of a Dask cluster."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import click

from kinspect import api
from kinspect.errors import UsageError, WorkerError
from kinspect.sources import Installed, Named

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from distributed import Client

#: how long a scheduler may take to answer, in seconds
PATIENCE: Final = 10

#: artifacts that each thread of the workers has before it: so it never waits for the next
AHEAD: Final = 4

option = click.option(
    "--dask", metavar="ADDRESS",
    help="Read the artifacts in the workers of a Dask cluster, which must have the same"
    " files under the same paths: the address of its scheduler, such as"
    " tcp://10.0.0.1:8786. Needs kinspect[dask].",
)  # fmt: skip


class Pool(NamedTuple):
    """Who reads the artifacts: by default, this process."""

    executor: "Executor | None" = None
    in_flight: int = api.IN_FLIGHT


@contextmanager
def pool(address: str | None, paths: Iterable[Named]) -> Iterator[Pool]:
    """The workers of the cluster at `address`, if there is one. Raises a KinspectError."""
    if address is None:
        yield Pool()
        return
    if any(isinstance(path, Installed) for path in paths):
        message = "--dask is for paths: --installed names an environment of this machine"
        raise UsageError(message)
    client = _connected(address)
    try:
        _check_versions(client, address)
        threads = sum(client.nthreads().values())
        executor = client.get_executor(pure=False)
        yield Pool(executor, max(api.IN_FLIGHT, AHEAD * threads))
    finally:
        client.close()


def _connected(address: str) -> "Client":
    import logging  # noqa: PLC0415  # not needed where there is no cluster

    try:
        from distributed import Client  # noqa: PLC0415  # an extra
        from distributed.comm import resolve_address  # noqa: PLC0415
    except ImportError as error:
        message = f"--dask needs an extra: pip install 'kinspect[dask]' ({error})"
        raise UsageError(message) from error
    # what matters of what it has to say is told as an error, in one line
    for name in ("distributed", "distributed.client"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        resolve_address(address)  # a client that has none takes long to close
        return Client(address, timeout=PATIENCE, set_as_default=False)
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        message = f"no Dask scheduler answers there: {reason}"
        raise WorkerError(message, address) from error


def _check_versions(client: "Client", address: str) -> None:
    """Refuse a cluster that would not understand what it is asked, or answer differently.

    The scheduler unpacks what workers get, so it counts too.
    """
    found: dict[str, Any] = client.get_versions(packages=["kinspect"])
    here = _versions(found["client"])
    if not found["workers"]:
        message = "the Dask cluster has no workers"
        raise WorkerError(message, address)
    nodes = {"the scheduler": found["scheduler"]}
    nodes |= {f"worker {name}": one for name, one in found["workers"].items()}
    for name, one in sorted(nodes.items()):
        there = _versions(one)
        if wrong := [f"{what} {there[what]}" for what in here if here[what] != there[what]]:
            ours = ", ".join(f"{what} {version}" for what, version in here.items())
            message = f"{name} has {', '.join(wrong)}; this is {ours}"
            raise WorkerError(message, address)


def _versions(node: dict[str, Any]) -> dict[str, str]:
    """What has to be the same: of Python, the first two numbers."""
    packages = node["packages"]
    python = ".".join(packages["python"].split(".")[:2])
    names = ("distributed", "kinspect")
    return {"Python": python} | {one: packages.get(one) or "(none)" for one in names}
