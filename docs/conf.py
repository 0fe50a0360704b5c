"""The documentation site and the man page: `sphinx-build -W docs site`."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import reference  # noqa: E402  # beside this file
from sphinx.application import Sphinx  # noqa: E402

from kinspect.version import __version__  # noqa: E402

project = "kinspect"
author = "The kinspect authors"
copyright = author  # noqa: A001  # Sphinx's own name
release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx_click"]
exclude_patterns = ["_build", "site"]
myst_heading_anchors = 3
smartquotes = False  # two dashes of an option stay two dashes
nitpicky = False
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_default_options = {"members": True, "undoc-members": False}
suppress_warnings = ["myst.xref_missing", "misc.highlighting_failure"]

html_theme = "furo"
html_title = "kinspect"

man_pages = [
    ("reference/commands", "kinspect", "verify the GPU code of HIP binaries", author, 1)
]


def setup(app: Sphinx) -> None:
    """Write the pages that are made from the code, before Sphinx looks for pages."""
    reference.write(HERE / "reference")
    for part in ("description", "options", "arguments", "epilog"):
        app.connect(f"sphinx-click-process-{part}", plain)


def plain(_app: Sphinx, _context: object, lines: list[str]) -> None:
    """Help texts are no markup: a star in them is a star."""
    lines[:] = [line.replace("*", r"\*") for line in lines]
