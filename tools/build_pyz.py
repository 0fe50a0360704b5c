"""Build `kinspect.pyz`: one file that runs wherever a Python is, with nothing installed.

    python tools/build_pyz.py                      # for this Python and this platform
    python tools/build_pyz.py --python 3.11 --python 3.12 --platform manylinux2014_x86_64

The packages that kinspect uses come from the package index as wheels; their extension
modules for several Pythons lie side by side in the archive.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import tomllib
import zipapp
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent

#: parts of packages that nothing at run time uses
SURPLUS = ("bin", "*.dist-info", "**/__pycache__", "zstandard/_cffi*", "**/*.pyi")


def pip(directory: Path, *arguments: str) -> None:
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--target"]
    command += [str(directory), "--disable-pip-version-check", *arguments]
    subprocess.run(command, check=True)


def requirements() -> list[str]:
    with open(ROOT / "pyproject.toml", "rb") as file:
        return list(tomllib.load(file)["project"]["dependencies"])


def build(output: Path, pythons: list[str], platforms: list[str]) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        tree = Path(scratch) / "tree"
        shutil.copytree(
            ROOT / "kinspect", tree / "kinspect",
            ignore=shutil.ignore_patterns("__pycache__"),
        )  # fmt: skip
        for number, python in enumerate(pythons or [""]):
            part = Path(scratch) / f"part{number}"
            chosen = ["--only-binary=:all:"]
            chosen += ["--python-version", python] if python else []
            for platform in platforms:
                chosen += ["--platform", platform]
            pip(part, *chosen, *requirements())
            # the same release for another Python: the same files but for its extensions
            shutil.copytree(part, tree, dirs_exist_ok=True)
        for pattern in SURPLUS:
            for path in list(tree.glob(pattern)):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        shutil.copy(HERE / "pyz_main.py", tree / "__main__.py")
        zipapp.create_archive(
            tree, output, interpreter="/usr/bin/env python3", compressed=True
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-o", "--output", type=Path, default=Path("kinspect.pyz"))
    parser.add_argument(
        "--python", action="append", default=[], metavar="VERSION",
        help="a Python to serve, such as 3.12; repeatable [default: this one]",
    )  # fmt: skip
    parser.add_argument(
        "--platform", action="append", default=[], metavar="TAG",
        help="a platform tag of wheels, such as manylinux2014_x86_64 [default: this one]",
    )  # fmt: skip
    asked = parser.parse_args()
    if asked.platform and not asked.python:
        parser.error("--platform needs --python: pip wants both")
    if asked.python and not asked.platform:
        parser.error("--python needs --platform: pip wants both")
    build(asked.output, asked.python, asked.platform)
    size = asked.output.stat().st_size / 1e6
    print(f"{asked.output}: {size:.1f} MB")


if __name__ == "__main__":
    main()
