"""Print the table: what was tried, what was told, and what no static check can see."""

import sys
import tempfile
from collections import Counter
from pathlib import Path

from tabulate import tabulate

from tests.mutations.limits import listed
from tests.mutations.model import Mutation, judged, wrong
from tests.mutations.samples import SAMPLES
from tests.mutations.table import MUTATIONS


def tried(one: Mutation) -> tuple[str, list[str]]:
    """What came of a mutation, and what is wrong with that."""
    problems = []
    for name in one.on:
        sample = SAMPLES[name]
        with tempfile.TemporaryDirectory() as directory:
            changed = one.change(sample.read())
            outcome = judged(sample, changed, Path(directory), record=one.record)
        problem = wrong(one, outcome)
        if problem:
            problems.append(f"{one.name} on {name}: {problem}")
    if problems:
        return "WRONG", problems
    return one.told.rule if one.told else f"passes: limits.md#limit-{one.limit}", []


def main() -> int:
    rows, problems, counts = [], [], Counter[str]()
    for one in MUTATIONS:
        came, found = tried(one)
        problems += found
        counts["wrong" if found else "listed limits" if one.limit else "told"] += 1
        rows.append((one.name, one.does, ", ".join(one.on), came))
    print(tabulate(rows, ("mutation", "what it does", "samples", "what is told")))
    print()
    cases = sum(len(one.on) for one in MUTATIONS)
    print(f"{len(MUTATIONS)} mutations, {cases} files changed: {counts['told']} told,")
    print(f"{counts['listed limits']} that {len(listed())} listed limits explain,", end=" ")
    print(f"{counts['wrong']} wrong (a pass that nothing explains, or another rule)")
    for problem in problems:
        print(f"WRONG  {problem}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
