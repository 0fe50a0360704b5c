"""A report as text, JSON, JUnit XML, …: each renderer takes a report and gives a string."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

#: format → the module whose `report()` renders it; imported when used
RENDERERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "text": "kinspect.render.text",
        "json": "kinspect.render.json",
        "junit": "kinspect.render.junit",
        "sarif": "kinspect.render.sarif",
        "github": "kinspect.render.github",
        "gitlab": "kinspect.render.gitlab",
        "markdown": "kinspect.render.markdown",
        "html": "kinspect.render.html",
    }
)
