"""`kinspect verify`: the assertion."""

import os

import click

from kinspect import api
from kinspect.checks import RULES
from kinspect.cli import options
from kinspect.cli.exit import Exit
from kinspect.errors import UsageError
from kinspect.model import Report, Verdict
from kinspect.policy import ACCEPTABLE, DEFAULT_REQUIRED, Ignore, Policy
from kinspect.runtime import NEWEST, runtime
from kinspect.target import parse_required

EPILOG = """\
\b
Examples:
  kinspect verify build/lib/deep_ep_cpp*.so
  kinspect verify --require "$PYTORCH_ROCM_ARCH" dist/deep_ep_cpp.so
  kinspect verify --require gfx942:xnack+ --kernel '*dispatch*' libfoo.so
  kinspect verify --format text --format json=report.json libfoo.so

\b
Exit codes: 0 every requirement holds; 1 a requirement is violated;
2 could not tell. A violation outranks what could not be told.
"""

EXITS = {
    Verdict.PASS: Exit.VERIFIED,
    Verdict.FAIL: Exit.VIOLATION,
    Verdict.UNKNOWN: Exit.COULD_NOT_TELL,
}


@click.command("verify", epilog=EPILOG)
@options.paths
@click.option(
    "-r",
    "--require",
    "require",
    metavar="TARGET",
    multiple=True,
    help="A target that every bundle must serve, such as gfx950 or gfx942:xnack-; several"
    " joined by ';' or ',' too. Repeatable. [env: KINSPECT_REQUIRE;"
    " default: gfx942,gfx950]",
)
@click.option(
    "--accept",
    type=click.Choice(ACCEPTABLE),
    multiple=True,
    help="Let generic code objects or SPIR-V stand in for native code. Repeatable.",
)
@click.option(
    "--rocm",
    metavar="VERSION",
    help="The ROCm release whose runtime is meant, such as 6.4 [default: the newest].",
)
@click.option(
    "--exclude",
    metavar="GLOB",
    multiple=True,
    help="Files of a directory or archive to leave out. Repeatable.",
)
@click.option("--only", is_flag=True, help="Allow no other targets than the required ones.")
@click.option(
    "--kernel",
    "kernels",
    metavar="GLOB",
    multiple=True,
    help="A kernel (mangled or demangled) that must exist for every target. Repeatable.",
)
@click.option(
    "--expect",
    metavar="GLOB",
    multiple=True,
    help="Binaries that must be there and carry device code. Repeatable.",
)
@click.option(
    "--ignore",
    metavar="RULE[:GLOB]",
    multiple=True,
    help="Don't report a rule, for binaries that match the glob. Repeatable.",
)
@click.option(
    "--format", "formats", metavar="NAME[=FILE]", multiple=True,
    help=f"text or json. {options.FORMAT_HELP}",
)  # fmt: skip
@click.option("-q", "--quiet", is_flag=True, help="Print the last line only.")
@click.option(
    "-v", "--verbose", count=True, help="Name the binaries without device code too."
)
@options.no_color
@options.limit
def command(
    paths: tuple[str, ...],
    require: tuple[str, ...],
    accept: tuple[str, ...],
    rocm: str | None,
    exclude: tuple[str, ...],
    only: bool,
    kernels: tuple[str, ...],
    expect: tuple[str, ...],
    ignore: tuple[str, ...],
    formats: tuple[str, ...],
    quiet: bool,
    verbose: int,
    color: bool | None,
    limits: tuple[str, ...],
) -> None:
    """Assert that every bundle has code that HIP would load on each required target."""
    output = options.Output(formats, ("text", "json"))
    policy = Policy(
        required=parse_required(_required(require)) or DEFAULT_REQUIRED,
        accept=frozenset(accept),
        only=only,
        runtime=runtime(rocm) if rocm else NEWEST,
        kernels=kernels,
        expect=expect,
        ignore=tuple(map(_ignore, ignore)),
    )
    report = api.verify(paths, policy, limits=options.read_limits(limits), exclude=exclude)

    def render(name: str, to_file: bool) -> str:
        styled = options.use_color(color, to_file=to_file)
        return _render(report, name, styled, -1 if quiet else verbose)

    output.write(render)
    raise click.exceptions.Exit(EXITS[report.verdict])


def _render(report: Report, name: str, color: bool, verbose: int) -> str:
    if name == "json":
        from kinspect.render import json  # noqa: PLC0415

        return json.report(report)
    from kinspect.render import text  # noqa: PLC0415

    return text.report(report, color=color, verbose=verbose)


def _required(texts: tuple[str, ...]) -> tuple[str, ...]:
    """The option, else the environment; a value that names no target is a mistake.

    An empty build argument must not silently mean the default, or nothing.
    """
    if not texts and "KINSPECT_REQUIRE" in os.environ:
        texts = (os.environ["KINSPECT_REQUIRE"],)
        source = "KINSPECT_REQUIRE"
    else:
        source = "--require"
    if not all(parse_required((text,)) for text in texts):
        message = f"{source} is empty: name a target, such as gfx942, or leave it out"
        raise UsageError(message)
    return texts


def _ignore(text: str) -> Ignore:
    rule, _, glob = text.partition(":")
    if rule not in RULES:
        message = f"--ignore {text!r}: no rule named {rule!r}; see kinspect rules"
        raise UsageError(message)
    return Ignore(rule, glob or "*")
