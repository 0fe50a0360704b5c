"""Hostile input by the million.

    python -m tests.fuzz --runs 1000000 --seed 1      # mutations that know the formats
    python -m tests.fuzz.guided bundle -max_total_time=60   # coverage-guided, by atheris

An input that makes a parser raise anything but a KinspectError, or take too much time or
memory, is written to a file. Once mended, it goes to `regressions/` under a name that
says what it was.
"""
