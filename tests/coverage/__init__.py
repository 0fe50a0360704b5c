"""What the fast tests reach of the readers: every line, and every branch but those named.

The readers are what meets untrusted bytes: `formats/`, `hosts/`, `sources/`. Measured
without generated examples and spoiled bytes, so that each line has a test that says what
it is for, and not one that met it by chance. `python -m tests.coverage` runs it.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

#: what is run; the other tests reach no more of the readers
TESTS: Final = (
    "tests/formats", "tests/hosts", "tests/sources", "tests/test_frames.py",
    "tests/test_audit.py", "tests/test_kpack.py", "tests/test_linear.py",
    "tests/test_sidecars.py", "tests/test_walk.py",
)  # fmt: skip
MARKS: Final = " and ".join(
    f"not {one}" for one in ("corpus", "oracle", "slow", "browser", "hypothesis")
)
#: tests that try every byte, or any
BY_CHANCE: Final = "not spoiled and not flipped"

#: a branch that no test takes: file, line, and the line that it would lead to (`exit` for
#: the end of the function) → why
Branch = tuple[str, str, str]
PARTIAL: Final[Mapping[Branch, str]] = {}


def problems(
    report: Mapping[str, Any], named: Mapping[Branch, str], root: Path
) -> Iterator[str]:
    """Where coverage's JSON report is not what was promised."""
    partial = set()
    for name, file in sorted(report["files"].items()):
        text = ["", *(root / name).read_text("utf-8").splitlines()]
        missing = file["missing_lines"]
        for number in missing:
            yield f"{name}:{number}: no test runs this line: {text[number].strip()}"
        for start, end in file["missing_branches"]:
            if start not in missing:
                where = text[end].strip() if end > 0 else "exit"
                branch = name, text[start].strip(), where
                partial.add(branch)
                if branch not in named:
                    yield f"{name}:{start}: never goes to {where!r}: {branch[1]}"
    for name, line, where in sorted(named.keys() - partial):
        yield f"{name}: named as never taken, and it is, or is gone: {line} → {where}"
