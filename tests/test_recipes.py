"""The recipes of docs/recipes.md, run as they stand there: a good wheel and a bad one."""

import os
import re
import subprocess
import sys
import textwrap
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests.conftest import ROOT, SAMPLES
from tests.sources.test_installed import install
from tests.writers import images

pytestmark = pytest.mark.slow

WHEEL = "deep_ep-1.0-cp312-cp312-linux_x86_64.whl"
LIBRARIES = {
    "good": SAMPLES / "deep_ep_both.so",
    "bad": SAMPLES / "deep_ep_no_gfx950.so",
}
MISSING = "missing-target"
#: the Python below the virtual environment, which has nothing of ours
BARE = Path(sys.base_prefix, "bin", f"python{sys.version_info[0]}.{sys.version_info[1]}")

#: stands for DeepEP's own build: a wheel that holds what it was told to build
SETUP = """
import os, pathlib, zipfile
pathlib.Path("dist").mkdir(exist_ok=True)
with zipfile.ZipFile("dist/{wheel}", "w") as wheel:
    wheel.write(os.environ["LIBRARY"], "deep_ep_cpp.so")
"""


def block(language, *, containing=""):
    """The fenced block of the page in that language, dedented."""
    page = (ROOT / "docs/recipes.md").read_text("utf-8")
    found = re.findall(rf"^```{language}\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    (text,) = [one for one in found if containing in one]
    return textwrap.dedent(text)


@dataclass(frozen=True)
class Ended:
    code: int
    output: str


@dataclass(frozen=True)
class Workshop:
    """A directory with a build's results, and an environment that finds kinspect."""

    path: Path
    environment: dict[str, str]
    good: bool

    def run(self, *command, **more):
        environment = self.environment | more
        done = subprocess.run(
            command, cwd=self.path, env=environment, check=False, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        return Ended(done.returncode, done.stdout)

    def shell(self, script, **more):
        """A script, as `sh -e` of a CI runs it; its /tmp is ours."""
        (self.path / "tmp").mkdir(exist_ok=True)
        script = script.replace("/tmp/", f"{self.path}/tmp/")
        return self.run("bash", "-e", "-c", script, **more)

    def check(self, ended):
        """Whatever ran the recipe: it must fail for the bad library, and say why."""
        if self.good:
            assert ended.code == 0, ended.output
        else:
            assert ended.code != 0
            assert MISSING in ended.output or "no code object" in ended.output
            assert "gfx950" in ended.output


@pytest.fixture(scope="session")
def packages(tmp_path_factory):
    """A directory that pip finds kinspect in, as it is here."""
    directory = tmp_path_factory.mktemp("packages")
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w"]
    subprocess.run([*command, str(directory), str(ROOT)], check=True)
    return directory


@pytest.fixture(params=["good", "bad"])
def workshop(request, tmp_path, packages):
    library = LIBRARIES[request.param]
    (tmp_path / "dist").mkdir()
    with zipfile.ZipFile(tmp_path / "dist" / WHEEL, "w") as wheel:
        wheel.write(library, "deep_ep_cpp.so")
    (tmp_path / "deep_ep_cpp.so").write_bytes(library.read_bytes())
    environment = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": os.environ.get("HOME", "/"),
        "LIBRARY": str(library),
        "PIP_FIND_LINKS": str(packages),
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }
    return Workshop(tmp_path, environment, request.param == "good")


# --- Dockerfile ---------------------------------------------------------------------


def instructions(dockerfile):
    """ARG defaults, and the scripts of the RUN instructions."""
    lines = re.sub(r"\\\n", " ", dockerfile).splitlines()
    arguments = dict(
        line[4:].replace('"', "").split("=", 1) for line in lines if line.startswith("ARG ")
    )
    scripts = [line[4:] for line in lines if line.startswith("RUN ")]
    return arguments, scripts


def test_dockerfile_with_a_throw_away_environment(workshop):
    arguments, scripts = instructions(block("dockerfile", containing="venv"))
    (workshop.path / "setup.py").write_text(SETUP.format(wheel=WHEEL))
    (workshop.path / "dist" / WHEEL).unlink()
    ended = [workshop.shell(script, **arguments) for script in scripts]
    assert ended[0].code == 0
    workshop.check(ended[-1])
    if workshop.good:
        assert not list((workshop.path / "tmp").iterdir())


def test_dockerfile_with_the_single_file(workshop, single_file):
    arguments, (script,) = instructions(block("dockerfile", containing="--mount"))
    mount, command = script.removeprefix("--mount=").split(maxsplit=1)
    options = dict(one.split("=", 1) for one in mount.split(","))
    assert options["type"] == "bind"
    assert options["source"] == "kinspect.pyz"
    target = workshop.path / options["target"].lstrip("/")
    target.parent.mkdir(exist_ok=True)
    target.symlink_to(single_file)
    workshop.check(workshop.shell(command, **arguments))


# --- images --------------------------------------------------------------------------------


def test_a_whole_image(workshop):
    """A program in place of `docker` writes what Docker 25 does."""
    library = (workshop.path / "deep_ep_cpp.so").read_bytes()
    other = LIBRARIES["bad" if workshop.good else "good"].read_bytes()
    name = "opt/venv/lib/deep_ep_cpp.so"
    layers = [images.layer({name: other}), images.layer({name: library})]
    (workshop.path / "saved.tar").write_bytes(images.tar(images.saved_by_docker_25(layers)))
    docker = workshop.path / "bin/docker"
    docker.parent.mkdir()
    docker.write_text('#!/bin/sh\n[ "$1 $2 $4" = "save -o x:1" ] && cp saved.tar "$3"\n')
    docker.chmod(0o755)
    environment = {"PATH": f"{docker.parent}:{workshop.environment['PATH']}"}
    script = block("sh", containing="docker save")
    ended = workshop.shell(
        script, IMAGE="x:1", DEEPEP_ROCM_ARCH="gfx942;gfx950", **environment
    )
    workshop.check(ended)


def test_a_distribution_inside_of_an_image(workshop):
    prefix = workshop.path / "venv"
    install(prefix, {"deep_ep_cpp.so": (workshop.path / "deep_ep_cpp.so").read_bytes()})
    script = block("sh", containing="--installed").replace("/opt/venv", prefix.name)
    workshop.check(workshop.shell(script, DEEPEP_ROCM_ARCH="gfx942,gfx950"))


# --- the single file ----------------------------------------------------------------


@pytest.fixture(scope="session")
def single_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("pyz") / "kinspect.pyz"
    command = [sys.executable, ROOT / "tools/build_pyz.py", "-o", path]
    subprocess.run(command, check=True)
    return path


def test_single_file_gives_the_same_verdicts(single_file, tmp_path):
    """`-I` keeps out everything installed: what runs is what the file holds."""
    for sample in sorted(SAMPLES.glob("*.so")):
        arguments = ["verify", "--format", "json", str(sample)]
        alone = subprocess.run(
            [BARE, "-I", "-S", single_file, *arguments],
            cwd=tmp_path, capture_output=True, check=False, env={},
        )  # fmt: skip
        installed = subprocess.run(
            [sys.executable, "-m", "kinspect", *arguments], capture_output=True, check=False
        )
        assert (alone.returncode, alone.stdout) == (installed.returncode, installed.stdout)
    assert not list(tmp_path.iterdir())


def test_single_file_says_which_python_it_was_built_for(single_file, tmp_path):
    """As another Python would see it: none of the extension modules is its own."""
    code = (
        "import importlib.machinery as m, runpy, sys;"
        "m.EXTENSION_SUFFIXES[:] = ['.cpython-299-none.so'];"
        f"sys.argv = [{str(single_file)!r}, '--version'];"
        f"runpy.run_path({str(single_file)!r}, run_name='__main__')"
    )
    done = subprocess.run(
        [BARE, "-I", "-S", "-c", code],
        cwd=tmp_path, capture_output=True, text=True, check=False, env={},
    )  # fmt: skip
    assert done.returncode == 2
    major, minor = sys.version_info[:2]
    assert f"built for CPython {major}.{minor}" in done.stderr


# --- CI systems ---------------------------------------------------------------------


def test_gitlab(workshop):
    (job,) = yaml.safe_load(block("yaml", containing="codequality")).values()
    workshop.check(workshop.shell("\n".join(job["script"])))
    for report in job["artifacts"]["reports"].values():
        assert (workshop.path / report).stat().st_size > 0


def test_buildkite(workshop):
    (step,) = yaml.safe_load(block("yaml", containing="artifact_paths"))["steps"]
    workshop.check(workshop.shell(step["command"]))
    assert (workshop.path / step["artifact_paths"]).exists()


def test_jenkins(workshop):
    stage = block("groovy")
    (script,) = re.findall(r"sh '''(.*?)'''", stage, re.DOTALL)
    workshop.check(workshop.shell(textwrap.dedent(script)))
    (report,) = re.findall(r"junit '(.*?)'", stage)
    assert (workshop.path / report).exists()


def test_github_without_the_action(workshop):
    (step,) = yaml.safe_load(block("yaml", containing="- run:"))
    summary = workshop.path / "summary.md"
    script = f"python3 -m venv e; . e/bin/activate\n{step['run']}"
    ended = workshop.shell(script, GITHUB_STEP_SUMMARY=str(summary))
    workshop.check(ended)
    assert ("::error" in ended.output) is not workshop.good
    assert "gfx950" in summary.read_text()


@pytest.mark.parametrize("formats", ["sarif=kinspect.sarif", ""])
def test_action(workshop, tmp_path_factory, formats):
    action = yaml.safe_load((ROOT / "action.yml").read_text())
    (use,) = yaml.safe_load(block("yaml", containing="uses:"))
    inputs = {name: one.get("default", "") for name, one in action["inputs"].items()}
    inputs |= use["with"] | {"formats": formats, "python": sys.executable}
    runner = tmp_path_factory.mktemp("runner")
    output, summary = runner / "output", runner / "summary"
    known = {f"inputs.{name}": value for name, value in inputs.items()}
    known["github.action_path"] = str(ROOT)
    ended = Ended(0, "")
    for step in action["runs"]["steps"]:
        assert "${{" not in step["run"]  # an input must never become part of a script
        assert step["shell"] == "bash"
        environment = {
            name: re.sub(r"\$\{\{ (\S+) \}\}", lambda m: known[m[1]], value)
            for name, value in step["env"].items()
        }
        ended = workshop.run(
            "bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"],
            RUNNER_TEMP=str(runner), GITHUB_OUTPUT=str(output),
            GITHUB_STEP_SUMMARY=str(summary), **environment,
        )  # fmt: skip
        if ended.code:
            break
    workshop.check(ended)
    assert output.read_text() == f"verdict={'pass' if workshop.good else 'fail'}\n"
    assert "gfx950" in summary.read_text()
    assert (workshop.path / "kinspect.sarif").exists() is bool(formats)


def test_action_names_a_path_that_is_not_there(workshop):
    action = yaml.safe_load((ROOT / "action.yml").read_text())
    script = action["runs"]["steps"][-1]["run"]
    binary = workshop.path / "kinspect/bin/kinspect"
    binary.parent.mkdir(parents=True)
    binary.symlink_to(Path(sys.executable).parent / "kinspect")
    ended = workshop.run(
        "bash", "-eo", "pipefail", "-c", script, RUNNER_TEMP=str(workshop.path),
        GITHUB_OUTPUT=str(workshop.path / "output"), KINSPECT_PATHS="nowhere/*.whl\n",
        KINSPECT_TARGETS="", KINSPECT_POLICY="", KINSPECT_FORMATS="", KINSPECT_ARGS="",
    )  # fmt: skip
    assert ended.code == 2
    assert "nowhere/*.whl" in ended.output
    assert (workshop.path / "output").read_text() == "verdict=unknown\n"


# --- build systems ------------------------------------------------------------------


def test_make(workshop):
    (workshop.path / "Makefile").write_text(block("make"))
    workshop.check(workshop.run("make", "check"))


CMAKE = """\
cmake_minimum_required(VERSION 3.20)
project(extension C)
file(WRITE stub.c "")
set(CMAKE_C_CREATE_SHARED_LIBRARY "cp $ENV{LIBRARY} <TARGET>")
add_library(deep_ep_cpp SHARED stub.c)
"""


def test_cmake(workshop):
    (workshop.path / "CMakeLists.txt").write_text(CMAKE + block("cmake"))
    configured = workshop.run("cmake", "-B", "build", ".")
    assert configured.code == 0, configured.output
    workshop.check(workshop.run("cmake", "--build", "build"))


def test_setuptools(workshop):
    recipe = block("python", containing="VerifiedBuildExt")
    # stands for a compiler that knows HIP: the library is copied into its place
    rest = """
import shutil
from setuptools import Extension, setup

class Copied(VerifiedBuildExt):
    def build_extension(self, extension):
        path = self.get_ext_fullpath(extension.name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        shutil.copy(os.environ["LIBRARY"], path)

setup(name="deep_ep", version="1.0", ext_modules=[Extension("deep_ep_cpp", [])],
      cmdclass={"build_ext": Copied})
"""
    (workshop.path / "setup.py").write_text(recipe + rest)
    workshop.check(workshop.run(sys.executable, "setup.py", "-q", "build_ext"))


# --- pre-commit ---------------------------------------------------------------------


def test_pre_commit(workshop):
    """The real pre-commit, on a repository that keeps a binary."""
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b", "-c", "safe.directory=*"]
    ours = workshop.path / "kinspect"
    files = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    for name in filter(None, files.split("\0")):
        if not name.startswith(("samples/", "tests/")) and (ROOT / name).is_file():
            (ours / name).parent.mkdir(parents=True, exist_ok=True)
            (ours / name).write_bytes((ROOT / name).read_bytes())
    workshop.run(*git, "init", "-q", "-b", "main", "kinspect")
    workshop.run(*git, "-C", "kinspect", "add", "-A")
    workshop.run(*git, "-C", "kinspect", "commit", "-qm", "all")
    theirs = workshop.path / "theirs"
    theirs.mkdir()
    config = yaml.safe_load(block("yaml", containing="repos:"))
    config["repos"][0]["repo"] = str(ours)
    (theirs / ".pre-commit-config.yaml").write_text(yaml.safe_dump(config))
    (theirs / "libdeep_ep.so").write_bytes((workshop.path / "deep_ep_cpp.so").read_bytes())
    (theirs / "notes.txt").write_text("no binary\n")
    workshop.run(*git, "init", "-q", "theirs")
    workshop.run(*git, "-C", "theirs", "add", "-A")
    home = str(workshop.path / "cache")
    ended = workshop.run(
        "bash", "-c", f"cd theirs && {sys.executable} -m pre_commit run --all-files",
        PRE_COMMIT_HOME=home, GIT_CONFIG_COUNT="1", GIT_CONFIG_KEY_0="safe.directory",
        GIT_CONFIG_VALUE_0="*",
    )  # fmt: skip
    assert "no files to check" not in ended.output
    workshop.check(ended)
