"""Reference pages made from the code.

They are written when the site is built and never committed, so that they can't age.
"""

import inspect
import json
from dataclasses import fields
from pathlib import Path
from typing import Any

from kinspect import __all__ as public
from kinspect import schemas
from kinspect.checks import RULES
from kinspect.limits import DEFAULT, Limits


def write(directory: Path) -> None:
    directory.mkdir(exist_ok=True)
    for name, make in PAGES.items():
        path, text = directory / f"{name}.md", make()
        if not path.exists() or path.read_text("utf-8") != text:
            path.write_text(text, "utf-8")


def commands() -> str:
    click = ".. click:: kinspect.cli:cli\n   :prog: kinspect\n   :nested: full"
    return f"# Commands\n\n```{{eval-rst}}\n{click}\n```\n"


def rules() -> str:
    parts = ["# Rules", "", "`kinspect rules NAME` prints the same.", ""]
    for rule in RULES.values():
        parts += [
            f"({rule.name})=", f"## {rule.name}", "",
            f"*{rule.severity.capitalize()}*, if it does not hold: {rule.summary}.", "",
            rule.meaning, "", f"**What to do.** {rule.mend}", "",
        ]  # fmt: skip
    return "\n".join(parts)


def limits() -> str:
    """The comments above the fields of `Limits` are their documentation."""
    comments: dict[str, str] = {}
    pending: list[str] = []
    for line in inspect.getsource(Limits).splitlines():
        text = line.strip()
        if text.startswith("#:"):
            pending.append(text[2:].strip())
        elif ":" in text and pending:
            comments[text.split(":")[0]] = " ".join(pending)
            pending = []
    rows = [
        f"| `{field.name}` | {getattr(DEFAULT, field.name):,} | {comments[field.name]} |"
        for field in fields(Limits)
    ]
    head = (
        "# Limits\n\nWhat a file may make kinspect do. A file beyond one is `unreadable`"
        " (exit 2). Raise one with `--limit NAME=N`, in Python with"
        " `DEFAULT.raised(NAME=N)`.\n\n| limit | default | what it counts |\n|---|--:|---|"
    )
    return "\n".join([head, *rows]) + "\n"


def python() -> str:
    parts = [
        "# Python",
        "",
        "Everything public is in `kinspect` itself.",
        "",
        "```{eval-rst}",
    ]
    parts.append(".. currentmodule:: kinspect\n")
    for name in public:
        if not name.startswith("__"):
            kind = "class" if name[0].isupper() else "function"
            parts.append(f".. auto{kind}:: kinspect.{name}\n")
    return "\n".join([*parts, "```", ""])


def policy() -> str:
    """The keys of a policy, by its schema, which tests hold in step with the parser."""
    schema = json.loads(schemas.read("policy"))
    parts = [
        "# Policy keys",
        "",
        "`kinspect schema policy` prints the same for editors.",
        "",
    ]
    parts += _keys("of the policy itself", schema)
    for name, one in sorted(schema["$defs"].items()):
        if "properties" in one:
            parts += _keys(f"of `[[{name}]]`", one)
    return "\n".join(parts)


def _keys(title: str, table: dict[str, Any]) -> list[str]:
    needed = table.get("required", [])
    rows = [
        f"| `{key}` | {one['description']}{' Required.' if key in needed else ''} |"
        for key, one in table["properties"].items()
    ]
    return [f"## Keys {title}", "", "| key | meaning |", "|---|---|", *rows, ""]


PAGES = {
    "commands": commands,
    "rules": rules,
    "policy": policy,
    "limits": limits,
    "python": python,
}
