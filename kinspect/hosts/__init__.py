"""Host objects: where a binary keeps its device code, and what points at it."""
