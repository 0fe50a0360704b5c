"""The README names what is there."""

import re

from tests.conftest import ROOT

README = (ROOT / "README.md").read_text("utf-8")


def test_the_first_command_verifies_a_sample_that_is_there():
    (name,) = re.findall(r"kinspect verify (samples/\S+)\n", README)
    assert (ROOT / name).is_file()


def test_every_command_is_in_the_table():
    from kinspect.cli import COMMANDS  # noqa: PLC0415

    for name in COMMANDS:
        assert f"| `kinspect {name} " in README
