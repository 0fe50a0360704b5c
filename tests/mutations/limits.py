"""The sections of docs/limits.md that say what no static check can see."""

import re
from pathlib import Path

PAGE = Path(__file__).parent.parent.parent / "docs" / "limits.md"
#: a label of MyST before a heading: `(limit-code)=`
_LABEL = re.compile(r"^\(limit-([a-z-]+)\)=\n#+ (.+)$", re.MULTILINE)


def listed() -> dict[str, str]:
    """The titles of the sections by their anchors."""
    return dict(_LABEL.findall(PAGE.read_text("utf-8")))
