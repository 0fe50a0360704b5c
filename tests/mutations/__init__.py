"""Good binaries, broken on purpose in every way that kinspect must see, or says it can't.

`python -m tests.mutations` prints the table. Each mutation must be told by the rule that
the table names, or be one of those that docs/limits.md lists.
"""
