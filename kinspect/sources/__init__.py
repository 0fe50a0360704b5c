"""From a path to named byte ranges.

A source yields the files of an artifact one by one, archives inside of archives opened
on the way; what can't be read is yielded in its place, and the rest goes on.
"""

from kinspect.sources.magic import is_archive
from kinspect.sources.member import Counted, Member, Part, Watch, unreadable
from kinspect.sources.named import Installed, Named, label
from kinspect.sources.opening import Source, open_source

__all__ = [
    "Counted",
    "Installed",
    "Member",
    "Named",
    "Part",
    "Source",
    "Watch",
    "is_archive",
    "label",
    "open_source",
    "unreadable",
]
