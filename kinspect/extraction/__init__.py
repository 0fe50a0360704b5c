"""Taking device code out of what holds it, and putting it into files.

Nothing that a file names decides where something is written: see `naming` and
`directory`.
"""

from kinspect.extraction.directory import Directory
from kinspect.extraction.extract import Extracted, Request, extract, only
from kinspect.extraction.naming import Namer
from kinspect.extraction.pieces import Kind, Piece, pieces
from kinspect.extraction.selection import Selection

__all__ = [
    "Directory",
    "Extracted",
    "Kind",
    "Namer",
    "Piece",
    "Request",
    "Selection",
    "extract",
    "only",
    "pieces",
]
