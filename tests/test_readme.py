"""The README shows what the program prints."""

import re
import subprocess
import sys

from tests.conftest import ROOT, SAMPLES

README = (ROOT / "README.md").read_text("utf-8")


def test_the_example_is_what_verify_prints():
    (shown,) = re.findall(r"```console\n\$ kinspect (.*?)\n(.*?)```", README, re.DOTALL)
    command, printed = shown
    done = subprocess.run(
        [sys.executable, "-m", "kinspect", *command.split()],
        cwd=SAMPLES,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stdout == printed


def test_the_first_command_verifies_a_sample_that_is_there():
    (name,) = re.findall(r"kinspect verify (samples/\S+)\n", README)
    assert (ROOT / name).is_file()


def test_every_command_is_in_the_table():
    from kinspect.cli import COMMANDS  # noqa: PLC0415

    for name in COMMANDS:
        assert f"| `kinspect {name} " in README
