"""`kinspect extract`: code objects, bitcode and bundles to files."""

import sys

import click

from kinspect import choosing, extraction
from kinspect.cli import options
from kinspect.cli.elsewhere import in_archives
from kinspect.cli.exit import Exit
from kinspect.cli.telling import tell, tell_each
from kinspect.errors import UsageError
from kinspect.extraction import Kind
from kinspect.extraction.manifest import manifest
from kinspect.extraction.naming import MANIFEST
from kinspect.extraction.selection import Selection, normal, split
from kinspect.names import escape
from kinspect.render.words import count, size
from kinspect.sources import Named
from kinspect.uri import Place
from kinspect.version import __version__

EPILOG = """\
\b
Examples:
  kinspect extract -o out deep_ep-1.0-cp312-cp312-linux_x86_64.whl
  kinspect extract -o out --target gfx950 --binary '*rocm72*' bitsandbytes*.whl
  kinspect extract -o out --installed deep_ep --python .venv --target gfx942
  kinspect extract -o out --kind bundle --kind inflated libfoo.so
  kinspect extract -o - --target gfx942 --bundle 3 libfoo.so | llvm-readelf --notes -
  kinspect extract -o - --uri 'file://libfoo.so#offset=8192&size=4048'

Files are called after where they come from: ARTIFACT/PATH/bundleN.TARGET.hsaco for code
objects, .bc for bitcode, .spv for SPIR-V; bitcode.TARGET.bc for that of RDC objects and
device libraries; bundleN.hipfb for a bundle as it is stored, bundleN.inflated.hipfb once
inflated. A colon becomes _, what is not plain %XX, and a name that is taken gets ~2.
DIR/manifest.json says what each of them is.
"""


KINDS = [kind.value for kind in Kind]


@click.command("extract", epilog=EPILOG)
@options.optional_artifacts
@click.option(
    "-o", "--output", metavar="DIR", required=True, type=click.Path(allow_dash=True),
    help="Where to put the files; - for one piece to the standard output.",
)  # fmt: skip
@options.targets
@options.bundles
@options.binaries
@click.option(
    "--uri", "uris", metavar="URI", multiple=True,
    help="What is there, as `kinspect list` prints it; needs no PATH. Repeatable.",
)  # fmt: skip
@click.option(
    "--kind", "kinds", metavar="KIND", multiple=True, type=click.Choice(KINDS),
    help=f"{', '.join(KINDS)} [default: the first three]. Repeatable.",
)  # fmt: skip
@click.option("-f", "--force", is_flag=True, help="Replace files that are there.")
@click.option("-q", "--quiet", is_flag=True, help="Do not name the files.")
@options.exclude
@options.limit
def command(
    paths: tuple[Named, ...],
    output: str,
    targets: tuple[str, ...],
    bundles: tuple[int, ...],
    binaries: tuple[str, ...],
    uris: tuple[str, ...],
    kinds: tuple[str, ...],
    force: bool,
    quiet: bool,
    exclude: tuple[str, ...],
    limits: tuple[str, ...],
) -> None:
    """Write code objects, bitcode and whole bundles to files, byte by byte as they are.

    Whatever kinspect reads can be taken from: wheels and other archives, compressed
    bundles, kpack. No file is written outside of DIR or replaced, whatever a name says.
    Exits with 2 if something could not be read, or nothing is what was asked for.
    """
    if not output:
        message = "-o is empty: a variable that is not set?"
        raise UsageError(message)
    places = [Place.parse(uri) for uri in uris]
    paths = paths or tuple(dict.fromkeys(split(place.path)[0] for place in places))
    if not paths:
        message = "name a PATH, --installed NAME, or what to extract with --uri"
        raise UsageError(message)
    selection = Selection(
        choosing.targets(targets),
        frozenset(bundles),
        binaries,
        frozenset(map(normal, places)),
        frozenset(map(Kind, kinds)),
    )
    request = extraction.Request(paths, selection, options.read_limits(limits), exclude)
    if output == "-":
        found = _to_stdout(request, force=force)
    else:
        found = _to_directory(request, output, force=force, quiet=quiet)
    if not found and not request.problems:
        request.problems.extend(in_archives(paths, request.limits, exclude))
    if not found and not request.problems:
        tell("nothing there is what was asked for; `kinspect list` shows what there is")
    missed = [
        uri
        for uri, place in zip(uris, places, strict=True)
        if found and normal(place) not in request.met
    ]
    for uri in missed:
        tell(f"{uri}: nothing there is what was asked for")
    tell_each(request.problems)
    whole = found and not missed and not request.problems
    raise click.exceptions.Exit(Exit.VERIFIED if whole else Exit.COULD_NOT_TELL)


def _to_stdout(request: extraction.Request, *, force: bool) -> bool:
    if sys.stdout.isatty() and not force:
        message = "this is a terminal, and no place for bytes; --force writes them"
        raise UsageError(message)
    data = extraction.only(request)
    if data is not None:
        sys.stdout.buffer.write(data)
    return data is not None


def _to_directory(
    request: extraction.Request, path: str, *, force: bool, quiet: bool
) -> bool:
    done = []
    with extraction.Directory(path, force=force) as directory:
        directory.check()
        for one in extraction.extract(request, directory):
            done.append(one)
            if not quiet:
                options.write(f"{escape(path)}/{one.file}  {size(one.size)}\n")
        if done:
            text = manifest(done, dict.fromkeys(request.problems), __version__)
            directory.write((MANIFEST,), [text])
    if done:
        total = size(sum(one.size for one in done))
        click.echo(f"{escape(path)}: {count(len(done), 'file')}, {total}", err=True)
    return bool(done)
