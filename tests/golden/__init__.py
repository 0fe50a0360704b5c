"""What kinspect prints for every sample, in every format, as it was last looked at.

A file for each sample holds each command with its exit code and all that it prints. After
a change of the output, write the files anew, look at the difference, and commit it with
the change:

    python -m tests.golden --update
    git diff tests/golden

A conflict in these files needs no merging: take either side and write them anew.
"""

import contextlib
import io
import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

from kinspect import cli
from kinspect.version import __version__
from tests.conftest import SAMPLES, manifest

GOLDEN = Path(__file__).parent

#: with the name of the sample behind them
COMMANDS = (
    "verify",
    "verify -vv",
    "verify -q",
    "audit",
    "list",
    "kernels",
    "size",
    "explain --device gfx950",
    "verify --format markdown",
    "verify --format github",
    "verify --format gitlab",
    "verify --format junit",
    "verify --format sarif",
    "verify --format json",
    "verify --format html",
)


def names() -> list[str]:
    return sorted(sample["file"] for sample in manifest())


def path(name: str) -> Path:
    return GOLDEN / f"{name}.txt"


def made(name: str) -> str:
    """What the file of a sample should hold."""
    return "\n".join(_told(command, name) for command in COMMANDS)


def _told(command: str, name: str) -> str:
    code, out, err = _run([*command.split(), name])
    if out.startswith("<!DOCTYPE html>"):
        out = _page(out)
    elif out.startswith(("{", "[")):
        out = "\n".join(_compact(_bare(json.loads(out)))) + "\n"
    lines = [f"$ kinspect {command} {name}", out.rstrip("\n")]
    lines += [f"stderr: {line}" for line in err.splitlines()]
    text = "\n".join([*lines, f"exit {code}", ""])
    return text.replace(__version__, "VERSION")


def _run(arguments: list[str]) -> tuple[int, str, str]:
    """The command line in this process, with the samples as its directory."""
    out, err = io.StringIO(), io.StringIO()
    environment = {
        k: v for k, v in os.environ.items() if not k.startswith(("GITHUB_", "KINSPECT_"))
    }
    with (
        contextlib.chdir(SAMPLES),
        patch.object(sys, "argv", ["kinspect", *arguments]),
        patch.dict(os.environ, environment, clear=True),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            cli.main()
        except SystemExit as stop:
            return int(stop.code or 0), out.getvalue(), err.getvalue()
    message = "the command line must end by SystemExit"
    raise AssertionError(message)


def _page(page: str) -> str:
    """What a page has of its own, an element a line; the rest is the same each time."""
    main = re.search("<main>\n(.*?)</main>", page, re.DOTALL)
    data = re.search('id="data">(.*?)</script>', page, re.DOTALL)
    assert main
    assert data
    main_ = re.sub("(?s)(What the rule means</summary>).*?(</details>)", r"\1…\2", main[1])
    lines = re.sub("(?=<(?:section|tr|td|article|p|li|details|label)[ >])", "\n", main_)
    return "\n".join([lines.strip(), *_compact(json.loads(data[1]))]) + "\n"


def _bare(value: Any) -> Any:
    """Without the rules of SARIF: a new rule would change every file."""
    if isinstance(value, dict) and "runs" in value:
        (run,) = value["runs"]
        run["tool"]["driver"]["rules"] = "…"
        for result in run["results"]:
            del result["ruleIndex"]
    return value


def _compact(value: Any, indent: str = "", before: str = "") -> Iterator[str]:
    """JSON with a line for each part that is short, or holds no other."""
    line = f"{indent}{before}{json.dumps(value, ensure_ascii=False)}"
    inner = value.values() if isinstance(value, dict) else value
    deep = isinstance(value, dict | list) and any(
        isinstance(part, dict | list) and part for part in inner
    )
    if len(line) < (100 if deep else 300):
        yield line
        return
    if not isinstance(value, dict | list):
        yield line
        return
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    yield f"{indent}{before}{opening}"
    if isinstance(value, dict):
        for key, part in value.items():
            yield from _compact(part, f"{indent} ", f"{json.dumps(key)}: ")
    else:
        for part in value:
            yield from _compact(part, f"{indent} ")
    yield f"{indent}{closing}"


def update() -> list[str]:
    """Write every file that is not as it should be, and remove what no sample has."""
    changed = []
    for name in names():
        text = made(name)
        if not path(name).exists() or path(name).read_text("utf-8") != text:
            path(name).write_text(text, "utf-8")
            changed.append(name)
    for file in GOLDEN.glob("*.txt"):
        if file.name.removesuffix(".txt") not in names():
            file.unlink()
            changed.append(file.name)
    return changed
