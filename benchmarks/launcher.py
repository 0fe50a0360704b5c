"""Runs one command and prints what it took, as JSON.

A program of its own, and a small one: Linux counts the memory of a process from before
its exec(), so that what is started from a large process seems large itself. What takes
less than this one, some 10 MB, seems to take as much.
"""

import json
import os
import sys
import time
from pathlib import Path

#: seconds between two samples
INTERVAL = 0.01


def main() -> None:
    together = sys.argv[1] == "--together"
    command = sys.argv[2:]
    null = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
        (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
    ]
    began = time.perf_counter()
    pid = os.posix_spawnp(command[0], command, os.environ, file_actions=null)
    most = _most(pid) if together else None
    _, status, used = os.wait4(pid, 0)
    seconds = time.perf_counter() - began
    json.dump(
        {
            "seconds": seconds,
            "cpu": used.ru_utime + used.ru_stime,
            "code": os.waitstatus_to_exitcode(status),
            # of the largest process, in KiB on Linux: getrusage(2)
            "peak": used.ru_maxrss * 1024,
            "together": most,
        },
        sys.stdout,
    )


def _most(pid: int) -> int:
    """The most that a process and those below it had together, until it ended."""
    most = 0
    while not os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
        most = max(most, sum(map(_memory, _tree(pid))))
        time.sleep(INTERVAL)
    return most


def _tree(pid: int) -> list[int]:
    found = [pid]
    for one in found:  # grows on the way
        for file in Path(f"/proc/{one}/task").glob("*/children"):
            try:
                found += map(int, file.read_text().split())
            except OSError:  # it has ended
                continue
    return found


def _memory(pid: int) -> int:
    """Pss: what several processes share is counted once. In bytes."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    return sum(
        1024 * int(line.split()[1]) for line in text.splitlines() if line[:4] == "Pss:"
    )


if __name__ == "__main__":
    main()
