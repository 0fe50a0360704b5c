"""Policy files: what they say, what they can't say, and that the schema says the same."""

import json
import tomllib
from datetime import date
from pathlib import Path

import jsonschema
import pytest

from kinspect import schemas
from kinspect.checks.rules import RULES
from kinspect.errors import InputError, PolicyError
from kinspect.model import Linkage, Severity
from kinspect.policy import BinaryPolicy, Exemption, Ignore
from kinspect.settings import file
from kinspect.settings.keys import KEYS, TABLES
from kinspect.settings.setting import Setting
from kinspect.target import TargetID, parse_required
from tests.conftest import ROOT

SCHEMA = json.loads(schemas.read("policy"))
GFX942, GFX950 = TargetID("gfx942"), TargetID("gfx950")


@pytest.fixture
def read(tmp_path, monkeypatch):
    """Read a policy from text, in a directory of its own."""
    monkeypatch.chdir(tmp_path)

    def call(text, name="kinspect.toml"):
        Path(name).write_bytes(text.encode())
        return file.read(Path(name))

    return call


def valid(text):
    """Whether the schema takes it; editors show TOML's dates to it as text."""
    value = json.loads(json.dumps(tomllib.loads(text), default=lambda day: day.isoformat()))
    errors = jsonschema.Draft202012Validator(SCHEMA).iter_errors(value)
    return not list(errors)


# --- what a policy says -------------------------------------------------------------

GOOD = [
    ('require = ["gfx942;gfx950", "gfx90a:xnack+"]',
     [("require", parse_required(("gfx90a:xnack+", "gfx942", "gfx950")), 1)]),
    ('require = "gfx942"', [("require", (GFX942,), 1)]),
    ("accept = []", [("accept", frozenset(), 1)]),
    ('only = true\naccept = ["generic", "spirv"]',
     [("only", True, 1), ("accept", frozenset({"generic", "spirv"}), 2)]),
    ('kernels = [\n "*dispatch*",\n "a"\n]\nexpect = "x.so"\nexclude = "y"',
     [("kernels", "*dispatch*", 2), ("kernels", "a", 3), ("expect", "x.so", 5),
      ("exclude", "y", 6)]),
    ('[severity]\nunowned-bundle = "error"\nunreadable = "error"',
     [("severity", ("unowned-bundle", Severity.ERROR), 2),
      ("severity", ("unreadable", Severity.ERROR), 3)]),
    ('budget = {gfx942 = "40 MB", gfx950 = 4096}\n',
     [("budget", (GFX942, 40_000_000), 1), ("budget", (GFX950, 4096), 1)]),
    ('[budget]\ngfx942 = "1.5 GiB"', [("budget", (GFX942, 3 << 29), 2)]),
    (('[[ignore]]\nrule = "kernel-parity"\nreason = "tuned"\nexpires = 2027-01-31\n'
     '[[ignore]]\nrule = "shadowed"\npath = "x.so"\nreason = "y"\nexpires = 2027-02-01'),
     [("ignore", Ignore("kernel-parity", "*", "tuned", date(2027, 1, 31), "kinspect.toml:1"), 1),
      ("ignore", Ignore("shadowed", "x.so", "y", date(2027, 2, 1), "kinspect.toml:5"), 5)]),
    ('\n[[exception]]\nkernel = "*fp8*"\ntargets = ["gfx950"]\nreason = "no fp8 there"',
     [("exception",
       Exemption("*fp8*", (GFX950,), "no fp8 there", "*", "kinspect.toml:2"), 2)]),
    (('[[binary]]\npath = "a*.so"\nrequire = "gfx942"\naccept = "generic"\nonly = false\n'
     'kernels = "k"\noptional = ["o"]\nfunctions = ["f"]\nlinkage = "per-tu"\n'
     'budget = {gfx942 = 1}\nhints = {missing-target = "see there"}'),
     [("binary",
       BinaryPolicy(glob="a*.so", required=(GFX942,), accept=frozenset({"generic"}),
                    only=False, kernels=("k",), optional=("o",), functions=("f",),
                    linkage=Linkage.PER_TU, budget={GFX942: 1},
                    hints={"missing-target": "see there"}, origin="kinspect.toml:1"), 1)]),
    ('about = "ours"\nprofile = ["deep-ep"]\nprofiles = "ci"',
     [("about", "ours", 1), ("profile", "deep-ep", 2), ("profiles", "ci", 3)]),
    ("", []),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), GOOD)
def test_what_a_policy_says(read, text, expected):
    wanted = [Setting(key, value, f"kinspect.toml:{line}") for key, value, line in expected]
    assert list(read(text)) == wanted
    assert valid(text)


def test_the_same_keys_in_a_pyproject(read):
    text = '[project]\nname = "x"\n\n[tool.kinspect]\nonly = true\n[[tool.kinspect.binary]]\npath = "a"\n'
    first, second = read(text, "pyproject.toml")
    assert first == Setting("only", value=True, origin="pyproject.toml:5")
    assert second.origin == second.value.origin == "pyproject.toml:6"
    assert read(text, "named.toml")[0].key == "only"


# --- what a policy can't say --------------------------------------------------------

IGNORE = '[[ignore]]\nrule = "shadowed"\nreason = "r"\nexpires = 2027-01-01\n'
#: text, line, key, part of the message; the last are those that no schema can tell
BAD = [
    ("\nrequires = 1", 2, "requires", "did you mean require?"),
    ("zzz = 1", 1, "zzz", "there is no such key"),
    ("require = 942", 1, "require", "expected text, not a number"),
    ("require = []", 1, "require", "this is empty"),
    ('require = [\n"gfx942", \n""]', 3, "require[1]", "this is empty"),
    ('only = "yes"', 1, "only", "expected true or false, not text"),
    ('accept = ["generics"]', 1, "accept[0]", "did you mean generic?"),
    ("rocm = 7.1", 1, "rocm", "write the release as text"),
    ("kernels = [1]", 1, "kernels[0]", "expected text"),
    ("expect = {}", 1, "expect", "expected text, not a table"),
    ('severity = "error"', 1, "severity", "expected a table"),
    ('[severity]\nkernel-parita = "note"', 2, "severity.kernel-parita", "did you mean kernel-parity?"),
    ('[severity]\nshadowed = "off"', 2, "severity.shadowed", "expected error, warning, note"),
    ('[severity]\nunreadable = "note"', 2, "severity.unreadable", "never a pass"),
    ("[budget]\ngfx942 = true", 2, "budget.gfx942", "expected text"),
    ('[budget]\ngfx942 = "40 apples"', 2, "budget.gfx942", "no size"),
    ("budget = {gfx942 = -1}", 1, "budget.gfx942", "can't be negative"),
    ('[ignore]\nrule = "x"', 1, "ignore", "[[ignore]]"),
    (IGNORE.replace('reason = "r"\n', ""), 1, "ignore[0]", "reason is missing"),
    (IGNORE.replace("expires = 2027-01-01\n", ""), 1, "ignore[0]", "expires is missing"),
    (IGNORE.replace('"r"', '" "'), 3, "ignore[0].reason", "this is empty"),
    (IGNORE.replace("shadowed", "shadow"), 2, "ignore[0].rule", "did you mean shadowed?"),
    (IGNORE + IGNORE.replace("rule", "rules", 1), 6, "ignore[1].rules", "did you mean rule?"),
    (IGNORE.replace("2027-01-01", "2027-01-01T00:00:00"), 4, "ignore[0].expires", "not a time"),
    (IGNORE.replace("2027-01-01", "20270101"), 4, "ignore[0].expires", "not a number"),
    ('[[exception]]\nkernel = "k"\nreason = "r"', 1, "exception[0]", "targets is missing"),
    ('[[exception]]\nkernel = "k"\ntargets = []\nreason = "r"', 3, "exception[0].targets", "empty"),
    ('[[binary]]\nlinkage = "rdc"', 1, "binary[0]", "path is missing"),
    ('[[binary]]\npath = "a"\nlinkage = "RDC"', 3, "binary[0].linkage", "expected rdc, per-tu"),
    ('[[binary]]\npath = "a"\n[binary.hints]\nnone = "x"', 4, "binary[0].hints.none", "see kinspect rules"),
    ('[[binary]]\npath = "a"\nbudget = {gfx942 = "x"}', 3, "binary[0].budget.gfx942", "no size"),
]  # fmt: skip
BEYOND_A_SCHEMA = [
    ('require = ["gfx942", "gfx9500"]', 1, "require[1]", "did you mean gfx950"),
    ('require = ";"', 1, "require", "names no target"),
    ('rocm = "5.7"', 1, "rocm", "ROCm 6 and newer"),
    ('budget = {gfx94 = 1}', 1, "budget.gfx94", "did you mean gfx942"),
    ('[[exception]]\nkernel = "k"\ntargets = "gfx942:foo+"\nreason = "r"', 3, "exception[0].targets", "foo"),
    # an editor shows a date and its text alike
    (IGNORE.replace("2027-01-01", '"2027-01-01"'), 4, "ignore[0].expires", "without quotes"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "line", "key", "message"), BAD + BEYOND_A_SCHEMA)
def test_an_error_names_file_line_and_key(read, text, line, key, message):
    with pytest.raises(PolicyError) as caught:
        read(text)
    error = caught.value
    assert (error.file, error.line, error.key) == ("kinspect.toml", line, key)
    assert message in str(error)
    assert str(error).startswith(f"kinspect.toml:{line}: {key}: ")


@pytest.mark.parametrize(("text", "line", "key", "message"), BAD)
def test_the_schema_refuses_the_same(text, line, key, message):
    assert not valid(text)


def test_the_key_in_a_pyproject_is_named_in_full(read):
    with pytest.raises(
        PolicyError, match=r"^pyproject.toml:3: tool.kinspect.onyl: .*only\?"
    ):
        read("[tool.ruff]\n[tool.kinspect]\nonyl = true", "pyproject.toml")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a = 1\nb = \n", "kinspect.toml:2: this is no TOML: Invalid value"),
        ('a = "\n', "kinspect.toml:1: this is no TOML"),
        ("a = [", "kinspect.toml:1: this is no TOML"),
        ("a = " + "[" * 50_000, "kinspect.toml: .*nested too deep"),
        ("a = " + "9" * 5_000, "kinspect.toml:1: this is no TOML"),
        ("[tool]\nkinspect = 1", "kinspect.toml:2: tool.kinspect: expected a table"),
    ],
)
def test_what_is_no_policy_at_all(read, text, message):
    with pytest.raises(PolicyError, match=message):
        read(text)


def test_what_is_no_text(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("kinspect.toml").write_bytes(b"# good\na = '\xff'\n")
    with pytest.raises(PolicyError, match=r"kinspect\.toml:2: this is no UTF-8"):
        file.read(Path("kinspect.toml"))
    Path("big.toml").write_bytes(b"#" * (file.CEILING + 1))
    with pytest.raises(InputError, match=r"big\.toml: larger than"):
        file.read(Path("big.toml"))
    with pytest.raises(InputError, match="No such file"):
        file.read(Path("none.toml"))
    Path("pyproject.toml").write_text("[project]\n")
    with pytest.raises(PolicyError, match=r"it has no \[tool.kinspect\]"):
        file.read(Path("pyproject.toml"))


# --- in step with the schema --------------------------------------------------------


def test_schema_and_parser_know_the_same_keys():
    assert set(SCHEMA["properties"]) == set(KEYS)
    for name, table in TABLES.items():
        described = SCHEMA["$defs"][name]
        assert set(described["properties"]) == set(table.keys)
        assert set(described["required"]) == set(table.required)
    assert SCHEMA["$defs"]["rule"]["enum"] == sorted(RULES), "a new rule belongs into it"


def test_every_key_of_the_schema_is_described():
    for part in (SCHEMA, *(one for one in SCHEMA["$defs"].values() if "properties" in one)):
        for name, one in part["properties"].items():
            assert "description" in one or "$ref" in one, name


# --- which file ---------------------------------------------------------------------


def test_the_nearest_file_upwards_is_found(tmp_path):
    deep = tmp_path / "a/b/c"
    deep.mkdir(parents=True)
    found = file.find(deep)
    assert found is None or not found.is_relative_to(tmp_path)
    (tmp_path / "kinspect.toml").write_text("")
    assert file.find(deep) == tmp_path / "kinspect.toml"
    (tmp_path / "a/pyproject.toml").write_text("[tool.other]\n")  # none of ours
    assert file.find(deep) == tmp_path / "kinspect.toml"
    (tmp_path / "a/pyproject.toml").write_text("[tool.kinspect]\n")  # empty, yet ours
    (tmp_path / "a/kinspect.toml").write_text("")
    assert file.find(deep) == tmp_path / "a/pyproject.toml"
    (tmp_path / "a/b/.git").mkdir()  # what is outside of the repository is not meant
    assert file.find(deep) is None
    (tmp_path / "a/b/kinspect.toml").write_text("")
    assert file.find(deep) == tmp_path / "a/b/kinspect.toml"


def test_a_pyproject_that_can_not_be_read_is_no_empty_policy(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("pyproject.toml").write_text("[tool.kinspect\n")
    with pytest.raises(PolicyError, match=r"pyproject\.toml:1: this is no TOML"):
        file.find(tmp_path)


def test_the_example_of_the_documentation_is_a_policy(read):
    page = (ROOT / "docs/policy.md").read_text("utf-8")
    text = page.split("```toml\n")[1].split("```")[0]
    keys = {one.key for one in read(text, "pyproject.toml")}
    assert keys == {
        "require",
        "expect",
        "profile",
        "budget",
        "binary",
        "exception",
        "ignore",
    }
    for key in KEYS:
        if key != "about":
            assert f"`{key}`" in page or f"`[[{key}]]`" in page
