"""`kinspect explain`: what HIP would load on a device, and why."""

import click

from kinspect import api
from kinspect.cli import options
from kinspect.cli.exit import Exit
from kinspect.loader import units
from kinspect.model import Artifact
from kinspect.names import escape
from kinspect.runtime import NEWEST, Runtime, runtime
from kinspect.target import TargetID, parse_required

EPILOG = """\
\b
Examples:
  kinspect explain libfoo.so --device gfx950
  kinspect explain libfoo.so --device gfx942:sramecc+:xnack- --rocm 6.4

\b
A device without modes stands for each of its modes. MI300X runs as
gfx942:sramecc+:xnack- and MI355X as gfx950:sramecc+:xnack- unless HSA_XNACK=1 is set.
"""


@click.command("explain", epilog=EPILOG)
@options.paths
@click.option(
    "-d", "--device", "devices", metavar="TARGET", multiple=True, required=True,
    help="The device, such as gfx950 or gfx942:sramecc+:xnack-. Repeatable.",
)  # fmt: skip
@click.option(
    "--rocm", metavar="VERSION", help=f"The ROCm release [default: {NEWEST.name[5:]}].",
)  # fmt: skip
@options.limit
def command(
    paths: tuple[str, ...],
    devices: tuple[str, ...],
    rocm: str | None,
    limits: tuple[str, ...],
) -> None:
    """Print, for each bundle, the candidates, HIP's choice and the reason.

    Exits with 1 where something would not load, and with 2 where something could not
    be read.
    """
    wanted = [mode for target in parse_required(devices) for mode in target.devices()]
    generation = runtime(rocm) if rocm else NEWEST
    ceilings = options.read_limits(limits)
    ends = [
        _explain(api.inspect(path, limits=ceilings), wanted, generation) for path in paths
    ]
    violated = Exit.VIOLATION in ends
    raise click.exceptions.Exit(Exit.VIOLATION if violated else max(ends))


def _explain(artifact: Artifact, devices: list[TargetID], runtime: Runtime) -> Exit:
    from kinspect.render.explain import explain  # noqa: PLC0415

    loads: list[bool] = []
    for binary in artifact.binaries:
        for unit in units(binary):
            for device in devices:
                told = explain(unit, device, runtime)
                head = f"{escape(binary.path)}  {unit.name}  {device}  ({runtime.name})"
                options.write("\n  ".join([head, *told.lines]) + "\n\n")
                loads.append(told.loads)
    unreadable = list(artifact.unreadable)
    unreadable += [part for binary in artifact.binaries for part in binary.unreadable]
    problems = [f"{part.where}: {part.message}" for part in unreadable]
    if not loads and not problems:
        problems = [f"{artifact.path}: {_nothing(artifact)}"]
    for problem in problems:
        click.echo(f"kinspect: error: {escape(problem)}", err=True)
    if not all(loads):
        return Exit.VIOLATION
    return Exit.COULD_NOT_TELL if problems else Exit.VERIFIED


def _nothing(artifact: Artifact) -> str:
    if artifact.device_code:
        return "just device bitcode: HIP loads none of it, a link compiles it"
    return "no HIP device code"
