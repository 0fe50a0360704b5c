"""The pages show what the program prints, and the site builds."""

import json
import os
import re
import subprocess
import sys

import pytest

from kinspect import schemas
from tests.conftest import ROOT, SAMPLES

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
EXAMPLES = [
    pytest.param(command, printed, id=f"{page.name}: {command}")
    for page in PAGES
    for command, printed in re.findall(
        r"^```console\n\$ kinspect (.*?)\n(.*?)^```$",
        page.read_text("utf-8"),
        re.MULTILINE | re.DOTALL,
    )
]


@pytest.mark.parametrize(("command", "printed"), EXAMPLES)
def test_an_example_is_what_the_command_prints(command, printed):
    done = subprocess.run(
        [sys.executable, "-m", "kinspect", *command.split()],
        cwd=SAMPLES, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout == printed


def test_there_are_examples():
    assert len(EXAMPLES) >= 6


@pytest.mark.slow
def test_site_and_man_page(tmp_path):
    """Every link leads somewhere: warnings are errors."""
    for builder in ("html", "man"):
        command = [sys.executable, "-m", "sphinx", "-q", "-W", "-b", builder]
        command += ["-d", str(tmp_path / "doctrees"), str(ROOT / "docs"), str(tmp_path)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    rules = (tmp_path / "reference/rules.html").read_text("utf-8")
    assert "missing-target" in rules
    keys = (tmp_path / "reference/policy.html").read_text("utf-8")
    properties = json.loads(schemas.read("policy"))["properties"]
    assert [key for key in properties if f">{key}<" not in keys] == []
    page = (tmp_path / "kinspect.1").read_text("utf-8")
    assert "\\-\\-require" in page


@pytest.mark.parametrize(
    ("words", "expected"),
    [("kinspect ver", "verify"), ("kinspect verify --req", "--require")],
)
def test_shell_completion(words, expected):
    environment = os.environ | {
        "_KINSPECT_COMPLETE": "bash_complete",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split()) - 1),
    }
    done = subprocess.run(
        [sys.executable, "-c", "from kinspect.cli import main; main()"],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert f"plain,{expected}" in done.stdout.split()
