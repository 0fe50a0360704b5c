"""A report as one HTML file that needs nothing else: no network, no other file.

The page is made here and reads well without its script; the script makes the table of
kernels, whose rows come as JSON, since a browser would choke on 100,000 rows of HTML. The
content security policy names the script by its hash, so that nothing else runs.
"""

import json
import re
from base64 import b64encode
from hashlib import sha256
from importlib import resources
from typing import Any, Final

from kinspect.model import Report
from kinspect.render.html import kernels, matrix_view, parts
from kinspect.render.html.markup import text
from kinspect.render.matrix import verdict
from kinspect.render.words import shortened

_FIELD: Final = re.compile(r"\{\{(\w+)\}\}")

#: of the title, and of the reason beside the verdict
_LENGTH: Final = 500


def report(report: Report) -> str:
    word, reason = verdict(report)
    style, script = _file("style.css"), _file("script.js")
    table = kernels.data(report)
    sections = {
        "Coverage": matrix_view.coverage(report),
        "Findings": parts.findings(report),
        "Sizes": parts.sizes(report),
        "Kernels": kernels.section(table),
    }
    there = {name: html for name, html in sections.items() if html}
    fields = {
        "policy": _policy(style, script),
        "generator": f"kinspect {text(report.version)}",
        "title": f"kinspect: {word}: {text(shortened(reason, _LENGTH))}",
        "style": style,
        "script": script,
        "verdict": report.verdict.value,
        "word": word,
        "reason": text(shortened(reason, _LENGTH)),
        "facts": parts.facts(report),
        "nav": "".join(f'<a href="#{name.lower()}">{name}</a>' for name in there),
        "sections": "\n".join(there.values()),
        "data": _script_safe(table),
    }
    # in one pass: what is put in is never looked at again
    return _FIELD.sub(lambda match: fields[match[1]], _file("page.html"))


def _file(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text("utf-8")


def _policy(style: str, script: str) -> str:
    """Nothing is fetched, and no other script or style counts."""
    sources = {
        "default-src": "'none'",
        "img-src": "data:",
        "style-src": _hash(style),
        "script-src": _hash(script),
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    return "; ".join(f"{name} {value}" for name, value in sources.items())


def _hash(content: str) -> str:
    return f"'sha256-{b64encode(sha256(content.encode()).digest()).decode()}'"


def _script_safe(value: dict[str, Any]) -> str:
    """JSON that can't end the script element that holds it, or open a comment in it."""
    data = json.dumps(value, separators=(",", ":"))
    for sign in "<>&":
        data = data.replace(sign, f"\\u{ord(sign):04x}")
    return data
