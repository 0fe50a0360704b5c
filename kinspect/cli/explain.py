"""`kinspect explain`: what HIP would load on a device, and why."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

import click

from kinspect import api
from kinspect.checks import host
from kinspect.cli import options
from kinspect.cli.exit import Exit
from kinspect.cli.progress import progress
from kinspect.cli.telling import tell
from kinspect.loader import units
from kinspect.model import Artifact, Binary, Severity
from kinspect.names import escape
from kinspect.policy import Policy, name_matches
from kinspect.render.explain import explain, kernels_of, some
from kinspect.render.words import count
from kinspect.runtime import NEWEST, Runtime, runtime
from kinspect.sidecars import BARE, CONTAINER
from kinspect.sources import Named
from kinspect.target import TargetID, parse_required

EPILOG = """\
\b
Examples:
  kinspect explain libfoo.so --device gfx950
  kinspect explain libfoo.so --device gfx942:sramecc+:xnack- --rocm 6.4
  kinspect explain dist/foo.whl --device gfx950 --kernel '*combine*'

A device without modes stands for each of its modes. MI300X runs as
gfx942:sramecc+:xnack- and MI355X as gfx950:sramecc+:xnack- unless HSA_XNACK=1 is set.
"""


@click.command("explain", epilog=EPILOG)
@options.artifacts
@click.option(
    "-d", "--device", "devices", metavar="TARGET", multiple=True, required=True,
    help="The device, such as gfx950 or gfx942:sramecc+:xnack-. Repeatable.",
)  # fmt: skip
@click.option(
    "-k", "--kernel", "globs", metavar="GLOB", multiple=True,
    help="Also tell what becomes of these kernels (mangled or demangled). Repeatable.",
)  # fmt: skip
@click.option(
    "--rocm", metavar="VERSION", help=f"The ROCm release [default: {NEWEST.name[5:]}].",
)  # fmt: skip
@click.option(
    "--force-spirv", is_flag=True,
    help="As with HIP_FORCE_SPIRV_CODEOBJECT=1: nothing but SPIR-V counts.",
)  # fmt: skip
@options.exclude
@options.limit
@options.jobs
def command(
    paths: tuple[Named, ...],
    devices: tuple[str, ...],
    globs: tuple[str, ...],
    rocm: str | None,
    force_spirv: bool,
    exclude: tuple[str, ...],
    limits: tuple[str, ...],
    jobs: int | None,
) -> None:
    """Print, for each bundle, the candidates, HIP's choice and the reason.

    Or the error that a user would meet, bundle by bundle and kernel by kernel. Exits
    with 1 where something would not load, and with 2 where something could not be read.
    Files of device code beside a library are told and not counted: `verify` judges them
    together.
    """
    generation = runtime(rocm) if rocm else NEWEST
    asked = _Asked(
        tuple(mode for one in parse_required(devices) for mode in one.devices()),
        globs,
        replace(generation, spirv_only=force_spirv),
    )
    ceilings = options.read_limits(limits)
    with progress(paths) as watch:
        artifacts = api.inspect_all(
            paths,
            limits=ceilings,
            exclude=exclude,
            jobs=options.read_jobs(jobs),
            watch=watch,
        )
    ends = [_explain(artifact, asked) for artifact in artifacts]
    for glob in asked.globs:
        if glob not in asked.matched:
            tell(f"no kernel matches {glob!r}")
            ends.append(Exit.COULD_NOT_TELL)
    violated = Exit.VIOLATION in ends
    raise click.exceptions.Exit(Exit.VIOLATION if violated else max(ends))


@dataclass(slots=True)
class _Asked:
    """What is to be told, and which globs of kernels matched something."""

    devices: tuple[TargetID, ...]
    globs: tuple[str, ...]
    runtime: Runtime
    matched: set[str] = field(default_factory=set)

    def kernels(self, names: Iterable[str]) -> list[str]:
        found = []
        for name in names:
            hits = [glob for glob in self.globs if name_matches(name, glob)]
            self.matched.update(hits)
            if hits:
                found.append(name)
        return found


def _explain(artifact: Artifact, asked: _Asked) -> Exit:
    loads: list[bool] = []
    for binary in artifact.binaries:
        for unit in units(binary) if not binary.referred else ():
            kernels = asked.kernels(kernels_of(unit))
            for device in asked.devices:
                told = explain(unit, device, asked.runtime, kernels)
                _write(binary, f"{unit.name}  {device}  ({asked.runtime.name})", told.lines)
                loads.append(told.loads or _judged_with_others(artifact, binary))
        lost = tuple(_lost(binary))
        told_of = (*_evidence(binary), *lost)
        if told_of:
            _write(binary, "the host", told_of)
            loads.append(not lost)
    unreadable = list(artifact.unreadable)
    unreadable += [part for binary in artifact.binaries for part in binary.unreadable]
    problems = [f"{part.where}: {part.message}" for part in unreadable]
    if not (loads or problems or any(binary.referred for binary in artifact.binaries)):
        problems = [f"{artifact.path}: {_nothing(artifact)}"]
    for problem in problems:
        tell(problem)
    if not all(loads):
        return Exit.VIOLATION
    return Exit.COULD_NOT_TELL if problems else Exit.VERIFIED


def _nothing(artifact: Artifact) -> str:
    if artifact.device_code:
        return "just device bitcode: HIP loads none of it, a link compiles it"
    return "no HIP device code"


def _judged_with_others(artifact: Artifact, binary: Binary) -> bool:
    """A file of device code beside others: that it is for one target is its purpose."""
    return artifact.kind != "file" and binary.format in {BARE, CONTAINER}


def _write(binary: Binary, what: str, lines: tuple[str, ...]) -> None:
    head = f"{escape(binary.path)}  {what}"
    options.write("\n  ".join([head, *lines]) + "\n\n")


def _evidence(binary: Binary) -> Iterator[str]:
    """How sure it is that the host registers what the device code has."""
    found = host.evidence(binary)
    if found is None:
        return
    registration = binary.registration
    how = "the table of the new driver" if registration.exact else "stubs and handles"
    if found.proven:
        yield f"proven    {count(len(found.proven), 'kernel')} registered, by {how}"
    if found.named:
        why = "" if registration.symbols else ": its symbols are stripped or hidden"
        kernels = count(len(found.named), "kernel")
        yield f"named     {kernels} in the host's data, which is no proof{why}"
    if found.unseen:
        kernels = count(len(found.unseen), "kernel")
        yield f"unseen    {kernels} that no stub and no name tell of: {some(found.unseen)}"


def _lost(binary: Binary) -> Iterator[str]:
    """Kernels that the host registers and no code object has, whatever the device."""
    for one in host.registered_kernels(binary, Policy(required=())):
        if one.severity is Severity.ERROR:
            yield f"problem   {escape(one.message)}"
            yield "error     abort at its first launch"
