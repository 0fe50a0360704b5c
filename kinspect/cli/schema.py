"""`kinspect schema`: the JSON Schemas of what kinspect prints."""

import difflib

import click

from kinspect import schemas
from kinspect.cli import options
from kinspect.errors import UsageError

EPILOG = """\
\b
Examples:
  kinspect schema > report.schema.json
  kinspect schema kernel
"""


@click.command("schema", epilog=EPILOG)
@click.argument("name", default="report")
def command(name: str) -> None:
    """Print a JSON Schema: diff, extraction, kernel, policy, report, size or snapshot.

    report [default]: verify and list --format json; kernel: an object of kernels
    --format json, or a line of jsonl; kernel-family, kernel-comparison: the same with
    --group and --compare; disassembly, instruction-statistics: disasm, --stats;
    snapshot: what kinspect snapshot writes; extraction: the manifest.json of kinspect
    extract; diff, size: diff and size --format json; policy: kinspect.toml,
    [tool.kinspect] and profiles, for editors.
    """
    known = schemas.names()
    if name not in known:
        close = difflib.get_close_matches(name, known, n=1)
        also = f"did you mean {close[0]}?" if close else f"expected {', '.join(known)}"
        message = f"no schema named {name!r}; {also}"
        raise UsageError(message)
    options.write(schemas.read(name))
