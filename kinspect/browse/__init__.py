"""An interactive view of artifacts, for a terminal: needs `kinspect[browse]` (textual)."""
