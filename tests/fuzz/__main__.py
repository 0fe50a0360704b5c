"""Mutate and run, on every core: `python -m tests.fuzz --runs 1000000 --seed 1`."""

import argparse
import os
import resource
import signal
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from random import Random

from tests.fuzz.mutate import mutated
from tests.fuzz.seeds import seeds
from tests.fuzz.targets import TARGETS, Escaped, run

#: what one input may cost
SECONDS = 2
MEMORY = 512 << 20
BATCH = 500


class TooSlow(BaseException):
    """Not an Exception: no parser may catch it."""


def _late(*_: object) -> None:
    raise TooSlow


def prepare() -> None:
    """In each worker: ceilings on time and memory, above what it has already."""
    signal.signal(signal.SIGALRM, _late)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    size = pages * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (size, size))


def batch(
    name: str, seed: int, runs: int
) -> tuple[Counter[str], list[tuple[str, bytes, str]], float]:
    """`runs` inputs for a target; what was read, what escaped, and the slowest."""
    random = Random(f"{name} {seed}")
    good = seeds()[name]
    others = [one for several in seeds().values() for one in several]
    counts: Counter[str] = Counter()
    escaped = []
    slowest = 0.0
    for _ in range(runs):
        data = mutated(random, good, others)
        began = time.perf_counter()
        signal.setitimer(signal.ITIMER_REAL, SECONDS)
        try:
            counts["read" if run(name, data) else "refused"] += 1
        except Escaped as error:
            escaped.append((name, data, repr(error.error)))
        except (TooSlow, MemoryError) as error:
            escaped.append((name, data, repr(error)))
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        slowest = max(slowest, time.perf_counter() - began)
    return counts, escaped, slowest


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--runs", type=int, default=20_000, help="inputs over all targets")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--target", action="append", choices=sorted(TARGETS))
    parser.add_argument("--findings", type=Path, default=Path("fuzz-findings"))
    asked = parser.parse_args()
    names = asked.target or sorted(TARGETS)
    each = -(-asked.runs // len(names))
    tasks = [
        (name, asked.seed * 1_000_003 + start, min(BATCH, each - start))
        for start in range(0, each, BATCH)
        for name in names
    ]
    counts: dict[str, Counter[str]] = {name: Counter() for name in names}
    slowest = dict.fromkeys(names, 0.0)
    escaped: list[tuple[str, bytes, str]] = []
    with ProcessPoolExecutor(asked.jobs, initializer=prepare) as pool:
        results = pool.map(batch, *zip(*tasks, strict=True))
        for (name, _, _), (found, bad, slow) in zip(tasks, results, strict=True):
            counts[name] += found
            escaped += bad
            slowest[name] = max(slowest[name], slow)
    for name in names:
        own = sum(one == name for one, _, _ in escaped)
        total = counts[name].total() + own
        read = counts[name]["read"]
        print(
            f"{name:16} {total:9,} inputs {read:9,} read {own:5} escaped, slowest {slowest[name]:.2f} s"
        )
    for number, (name, data, error) in enumerate(escaped[:50]):
        asked.findings.mkdir(exist_ok=True)
        path = asked.findings / f"{name}-{number:03}"
        path.write_bytes(data)
        print(f"{path}: {error[:200]}")
    total = sum(one.total() for one in counts.values()) + len(escaped)
    print(f"{total:,} inputs, seed {asked.seed}: {len(escaped)} escaped")
    return 1 if escaped else 0


if __name__ == "__main__":
    sys.exit(main())
