"""The table of what is measured, with its targets."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from shutil import which
from sys import executable
from typing import Final

from benchmarks import generated, inputs
from benchmarks.measuring import OURS, Command, Faster, Goal, Growth, Memory, Ratio, Seconds
from tests import corpus
from tests.conftest import SAMPLES

#: a verdict either way
JUDGED: Final = frozenset({0, 1})


@dataclass(frozen=True)
class Row:
    """Commands that are run in turns, and what is asked of them."""

    name: str
    title: str
    commands: Callable[[], Sequence[Command]]
    goals: Sequence[Goal]
    #: of files that grow: a table of their own
    scaled: bool = False


def kinspect(*arguments: str | Path, name: str = OURS, count: int = 0) -> Command:
    """The installed command, as users call it."""
    script = Path(executable).with_name("kinspect")
    program = [script] if script.exists() else [executable, "-m", "kinspect"]
    codes = JUDGED if arguments[0] == "verify" else frozenset({0})
    parallel = name == OURS and arguments[0] in ("verify", "diff")
    return Command(name, [*program, *arguments], codes, parallel=parallel, count=count)


CLICK: Final = "python -c 'import click'"
LISTED: Final = "roc-obj-ls"
BUNDLER: Final = "clang-offload-bundler-19 (first bundle only)"
ZSTD: Final = "zstd -t"
ZSTD_BOTH: Final = "zstd -t of both"
UNZIP: Final = "unzip -p"
ONE_JOB: Final = "--jobs 1"
ONE_CORE: Final = "one core (taskset)"


def _click() -> Command:
    return Command(CLICK, [executable, "-c", "import click"])


def _version() -> list[Command]:
    return [kinspect("--version"), _click()]


def _small() -> list[Command]:
    return [kinspect("verify", SAMPLES / "deep_ep_both.so"), _click()]


def _list_plain() -> list[Command]:
    library = inputs.member(*inputs.ONNX)
    bundler = ["clang-offload-bundler-19", "--list", "--type=o"]
    found = [kinspect("list", library), Command(LISTED, [LISTED, library])]
    if which("llvm-objcopy-19"):
        section = inputs.section(library)
        found.append(Command(BUNDLER, [*bundler, f"--input={section}"]))
    return found


def _list_compressed() -> list[Command]:
    return [kinspect("list", inputs.member(*inputs.XLA)), _click()]


def _verify_compressed() -> list[Command]:
    library = inputs.member(*inputs.XLA)
    found = [kinspect("verify", library)]
    if which("llvm-objcopy-19"):
        found.append(Command(ZSTD, ["zstd", "-t", "-q", *inputs.payloads(library)]))
    return found


def _verify_plain() -> list[Command]:
    return [
        kinspect("verify", inputs.member(*inputs.ONNX)),
        kinspect("verify", inputs.member(*inputs.ONNX), "--jobs", "1", name=ONE_JOB),
    ]


def _diff() -> list[Command]:
    """Both sides are read in full: what is the same in both is not looked for."""
    library = inputs.member(*inputs.XLA)
    one_job = kinspect("diff", library, library, "--jobs", "1", name=ONE_JOB)
    found = [kinspect("diff", library, library), one_job]
    if which("llvm-objcopy-19"):
        payloads = inputs.payloads(library)
        found.append(Command(ZSTD_BOTH, ["zstd", "-t", "-q", *payloads, *payloads]))
    return found


def _diff_snapshots() -> list[Command]:
    recorded = inputs.snapshot(inputs.member(*inputs.XLA))
    return [kinspect("diff", recorded, recorded), _click()]


def _verify_wheel() -> list[Command]:
    wheel, inner = inputs.ONNX
    path = corpus.fetch(wheel)
    unzip = Command(UNZIP, ["unzip", "-p", path, inner])
    return [kinspect("verify", path), unzip]


def _verify_corpora() -> list[Command]:
    wheels = inputs.wheels()
    found = [kinspect("verify", *wheels)]
    found.append(kinspect("verify", "--jobs", "1", *wheels, name=ONE_JOB))
    if which("taskset"):
        # one job hashes and inflates in threads: this is without any help
        core = str(min(os.sched_getaffinity(0)))
        alone = ["taskset", "--cpu-list", core, *found[0].argv]
        found.append(Command(ONE_CORE, alone, JUDGED))
    return found


ROWS: Final = (
    Row("start", "`kinspect --version`", _version, (Ratio(CLICK, 2),)),
    Row(
        "small", "`verify` of a small library (86 kB)", _small,
        (Seconds(limit=0.2), Ratio(CLICK)),
    ),
    Row(
        "list-plain", "`list` of a library of 513 MB with 95 bundles", _list_plain,
        (Ratio(LISTED, 1), Ratio(BUNDLER)),
    ),
    Row(
        "list-compressed", "`list` of a library of 459 MB with 45 compressed bundles",
        _list_compressed, (Seconds(limit=0.3), Ratio(CLICK)),
    ),
    Row(
        "verify-plain", "`verify` of the library of 513 MB", _verify_plain,
        (Faster(ONE_JOB),),
    ),
    Row(
        "verify-compressed", "`verify` of the 45 compressed bundles (2.4 GB inflated)",
        _verify_compressed, (Ratio(ZSTD, 2.5), Memory(limit=400e6)),
    ),
    Row(
        "diff", "`diff` of two libraries with 410,000 kernels each (2.4 GB inflated)",
        _diff, (Seconds(limit=5), Faster(ONE_JOB), Ratio(ZSTD_BOTH)),
    ),
    Row(
        "diff-snapshots", "`diff` of two snapshots with 410,000 kernels each",
        _diff_snapshots, (Seconds(limit=2), Ratio(CLICK)),
    ),
    Row(
        "verify-wheel", "`verify` of the wheel of the library of 513 MB", _verify_wheel,
        (Ratio(UNZIP, 0.6),),
    ),
    Row(
        "verify-corpora", "`verify` of all wheels of the corpus in one call",
        _verify_corpora, (Faster(ONE_JOB, 1.6), Faster(ONE_CORE)),
    ),
)  # fmt: skip


def scaling(most: int) -> Iterator[Row]:
    """A row for each family of generated files, up to so many of what it counts."""
    for name, family in generated.FAMILIES.items():
        yield Row(
            f"scale-{name}",
            family.title,
            partial(_scaled, name, generated.sizes(family, most)),
            (Growth(limit=11), Memory(limit=family.memory * 1e6)),
            scaled=True,
        )


def _scaled(name: str, counts: Iterable[int]) -> list[Command]:
    family = generated.FAMILIES[name]
    found = []
    for count in counts:
        more = ["--limit", f"{family.limit}={count}"] if family.limit else []
        more += ["--jobs", "1"] if family.command == "verify" else []
        path = inputs.scaled(name, count)
        found.append(kinspect(family.command, *more, path, name=f"{count:,}", count=count))
    return found
