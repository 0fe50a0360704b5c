"""The command line: the only code that prints or exits.

Exit codes: 0 every requirement holds; 1 a requirement is violated; 2 could not tell.
"""

import atexit
import gc
import io
import os
import sys
from importlib import import_module
from types import MappingProxyType
from typing import Final

import click

from kinspect.cli.exit import Exit
from kinspect.errors import KinspectError
from kinspect.names import escape
from kinspect.version import __version__

#: command → (module, one line of help); imported when used, so that start-up stays short
COMMANDS: Final = MappingProxyType(
    {
        "list": ("listing", "List bundles and entries, with code-object URIs."),
        "kernels": ("kernels", "List kernels and their resources."),
        "disasm": ("disasm", "Take kernels apart with an LLVM, or count instructions."),
        "size": ("size", "Tell what device code costs, and what would make it smaller."),
        "extract": ("extract", "Take code objects and bundles out, into files."),
        "verify": ("verify", "Assert that the required targets are packed."),
        "audit": ("audit", "Show all that is in an artifact, then what is wrong."),
        "explain": ("explain", "Explain what HIP would load on a device, and why."),
        "browse": ("browse", "Walk through an artifact in the terminal."),
        "diff": ("diff", "Tell what changed between two builds."),
        "snapshot": ("snapshot", "Record what is there, as a baseline for later builds."),
        "policy": ("policy", "Show the policy that holds, and where it comes from."),
        "schema": ("schema", "Print the JSON Schema of a report."),
        "rules": ("rules", "Explain what a rule means and how to mend it."),
    }
)

EPILOG: Final = """\
\b
Examples:
  kinspect verify --require gfx942,gfx950 build/lib/deep_ep_cpp*.so
  kinspect list librocshmem.so
  kinspect kernels --target gfx950 deep_ep_cpp.so

\b
Exit codes: 0 every requirement holds; 1 a requirement is violated;
2 could not tell (usage error, unreadable input, nothing to check).
"""


#: how many objects are made before Python looks for cycles among them. The start makes
#: fewer, and what is read of a file has no cycles: looking often costs a seventh of the
#: time on large ones and frees nothing
YOUNG: Final = 100_000

#: what a shell reports for a process that SIGINT ended
INTERRUPTED: Final = 130


class ReaderGone(Exception):
    """Nobody reads the output any more (`| head`)."""


class LazyGroup(click.Group):
    """A group that imports a command's module when the command is used."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            # click would exit with 1, which is for a requirement that is violated
            raise ReaderGone from error

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        command = import_module(f"kinspect.cli.{COMMANDS[cmd_name][0]}").command
        return command if isinstance(command, click.Command) else None

    def format_commands(self, _: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, help_) for name, (_, help_) in COMMANDS.items()])


@click.group(
    cls=LazyGroup,
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 88},
)
@click.version_option(__version__, "-V", "--version", prog_name="kinspect")
def cli() -> None:
    """Will the GPU kernels in this artifact load on the GPUs that you promised?

    Reads HIP fat binaries without a GPU, ROCm or LLVM, and computes the choice that
    HIP's runtime would make for each of them.
    """


def main() -> None:
    """Run the command line; every error of ours becomes one line and exit 2."""
    gc.set_threshold(YOUNG)
    atexit.register(gc.freeze)  # else Python looks for cycles in all that goes anyway
    _check_streams()
    try:
        # A command ends by raising Exit, whose code is what main() then returns.
        code = cli.main(standalone_mode=False, prog_name="kinspect") or Exit.VERIFIED
        sys.stdout.flush()
    except click.ClickException as error:
        _show(error)
        code = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        code = INTERRUPTED
    except (BrokenPipeError, ReaderGone):
        _forget_output()
        code = Exit.COULD_NOT_TELL
    except KinspectError as error:
        click.echo(f"kinspect: error: {escape(str(error))}", err=True)
        code = Exit.COULD_NOT_TELL
    except OSError as error:  # stdout is full; without this, 1 would say: a violation
        click.echo(f"kinspect: error: standard output: {error.strerror}", err=True)
        _forget_output()
        code = Exit.COULD_NOT_TELL
    except MemoryError:
        click.echo("kinspect: error: not enough memory", err=True)
        code = Exit.COULD_NOT_TELL
    except Exception:  # noqa: BLE001  # Python's own exit code, 1, is for a violation
        import traceback  # noqa: PLC0415

        traceback.print_exc()
        click.echo("kinspect: error: this is a bug of kinspect; please report it", err=True)
        code = Exit.COULD_NOT_TELL
    sys.exit(code)


def _show(error: click.ClickException) -> None:
    """Words of the command line come from build arguments and names of branches."""
    text = io.StringIO()
    error.show(text)
    click.echo("\n".join(map(escape, text.getvalue().rstrip().split("\n"))), err=True)


def _check_streams() -> None:
    """Who starts us may have closed them (`>&-`), and the next file gets the number."""
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    if sys.stdout is None:
        click.echo("kinspect: error: standard output is closed", err=True)
        sys.exit(Exit.COULD_NOT_TELL)


def _forget_output() -> None:
    """Nobody takes the output any more. Python would try, and complain, again at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
