"""Profiles against the samples, and policy files against what they excuse."""

import json

import jsonschema
import pytest

from kinspect import schemas
from tests.conftest import SAMPLES
from tests.writers import Host, bundle, code_object

#: what a build of May 2026 holds, as `nm` of its code objects shows them
DEEP_EP = {
    "layout": ("get_dispatch_layout",),
    "intranode": (
        "barrier", "notify_dispatch", "cached_notify_dispatch", "cached_notify_combine",
        "dispatch", "combine",
    ),
    "internode": (
        "get_dispatch_layout", "notify_dispatch", "dispatch", "cached_notify", "combine",
    ),
    "internode_ll": (
        "dispatch", "combine", "clean_low_latency_buffer", "clean_mask_buffer",
        "query_mask_buffer", "update_mask_buffer",
    ),
}  # fmt: skip


def symbol(space, name):
    return f"_ZN7deep_ep{len(space)}{space}{len(name)}{name}EPi"


def deep_ep(*spaces, lost=()):
    """An RDC library with these families for gfx942, less `lost` for gfx950."""
    names = [symbol(space, name) for space in spaces for name in DEEP_EP[space]]
    second = [name for name in names if name not in lost]
    data = bundle(
        ("gfx942", code_object("gfx942", *names)),
        ("gfx950", code_object("gfx950", *second)),
    )
    return Host(data).build().data


#: the linkage of these is not RDC: one bundle, one wrapper
LINKED = ("--ignore", "wrong-linkage")


@pytest.mark.parametrize(
    "name",
    [
        "deep_ep_both.so",
        "deep_ep_stripped.so",
        "deep_ep_no_sections.so",
        "deep_ep_one_note.so",
    ],
)
def test_deep_ep_as_it_should_be(kinspect, name):
    done = kinspect("verify", "--profile", "deep-ep", SAMPLES / name)
    assert done.code == 0
    assert "(policy: profile deep-ep)" in done.out


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        (
            "deep_ep_no_gfx950.so",
            "put --offload-arch=gfx950 into extra_link_args of setup.py",
        ),
        ("deep_ep_no_gfx950_no_sections.so", "--offload-arch=gfx950 into extra_link_args"),
        ("deep_ep_no_arch.so", "--offload-arch=gfx942 into extra_link_args"),
        ("deep_ep_empty_gfx950.so", "PYTORCH_ROCM_ARCH must name gfx950"),
        # of another name: who names a file means it
        ("ccob_no_gfx950.so", "--offload-arch=gfx950 into extra_link_args"),
    ],
)
def test_each_broken_variant_with_the_hint_that_mends_it(kinspect, name, hint):
    done = kinspect("verify", "--profile", "deep-ep", SAMPLES / name)
    assert done.code == 1
    assert hint in " ".join(done.out.split())


def test_an_intranode_only_build_has_no_internode_families(kinspect, tmp_path):
    path = tmp_path / "deep_ep_cpp.so"
    path.write_bytes(deep_ep("layout", "intranode"))
    done = kinspect("verify", "--profile", "deep-ep", *LINKED, path)
    assert done.code == 0, done.out
    assert "11 of 12 kernels that may be left out are" in done.out


@pytest.mark.parametrize(
    ("space", "name", "rule"),
    [
        ("intranode", "dispatch", "missing-kernel"),  # of the core
        ("internode_ll", "dispatch", "kernel-parity"),  # optional, and not whole
    ],
)
def test_a_family_that_one_target_lacks(kinspect, tmp_path, space, name, rule):
    path = tmp_path / "deep_ep_cpp.so"
    path.write_bytes(deep_ep(*DEEP_EP, lost=[symbol(space, name)]))
    done = kinspect("verify", "--profile", "deep-ep", *LINKED, "--format", "json", path)
    assert done.code == 1
    errors = [f for f in json.loads(done.out)["findings"] if f["severity"] == "error"]
    assert (rule, "gfx950") in {(f["rule"], f["target"]) for f in errors}


def test_a_core_family_that_is_gone_for_both(kinspect, tmp_path):
    """Parity holds: only the profile knows."""
    path = tmp_path / "deep_ep_cpp.so"
    path.write_bytes(deep_ep("layout", "internode"))
    assert kinspect("verify", path).code == 0
    done = kinspect("verify", "--profile", "deep-ep", *LINKED, path)
    assert done.code == 1
    assert "deep_ep::intranode::combine" in done.out


def test_deep_ep_that_is_not_linked_as_rdc(kinspect):
    done = kinspect("verify", "--profile", "deep-ep", SAMPLES / "per_tu_both.so")
    assert done.code == 1
    assert "error[wrong-linkage]" in done.out


@pytest.mark.parametrize(
    ("name", "code", "text"),
    [
        ("librocshmem.a", 0, "OK"),
        ("librocshmem_one_member_gfx942_only.a", 1, "name gfx950 in GPU_TARGETS"),
        ("rocshmem_shaped.so", 0, "OK"),
        ("deep_ep_both.so", 1, "nothing here is what profile rocshmem is for"),
    ],
)
def test_rocshmem(kinspect, name, code, text):
    done = kinspect("verify", "--profile", "rocshmem", SAMPLES / name)
    assert done.code == code
    assert text in " ".join(done.out.split())


def test_a_profile_of_ones_own(kinspect, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ci").mkdir()
    (tmp_path / "ci/mine.toml").write_text(
        '[[binary]]\npath = "*.so"\nkernels = "nothing"\n'
    )
    (tmp_path / "kinspect.toml").write_text('profiles = "ci"\n')
    sample = SAMPLES / "deep_ep_both.so"
    for name in ("mine", "ci/mine.toml"):
        done = kinspect("verify", "--profile", name, sample)
        assert done.code == 1
        assert "matches 'nothing' (ci/mine.toml:1)" in " ".join(done.out.split())
    done = kinspect("verify", "--profile", "deep-epp", sample)
    assert (done.code, "did you mean deep-ep?" in done.err) == (2, True)


# --- policy files -------------------------------------------------------------------

EXCEPTION = """
[[exception]]
kernel = "deep_ep::internode_ll::dispatch"
targets = ["gfx942"]
reason = "comes with the next release"
"""
IGNORE = """
[[ignore]]
rule = "missing-target"
path = "deep_ep*.so"
reason = "the link flags are being mended"
expires = {}
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lost = [symbol("internode_ll", "dispatch")]
    (tmp_path / "deep_ep_cpp.so").write_bytes(deep_ep(*DEEP_EP, lost=lost))
    return tmp_path


def test_an_exception_excuses_one_kernel_and_no_other(kinspect, project):
    assert kinspect("verify", "deep_ep_cpp.so").code == 1
    (project / "kinspect.toml").write_text(EXCEPTION)
    assert kinspect("verify", "deep_ep_cpp.so").code == 0
    assert kinspect("verify", "--no-policy", "deep_ep_cpp.so").code == 1
    # what it says is meant for gfx942 must be there
    (project / "kinspect.toml").write_text(EXCEPTION.replace("gfx942", "gfx950"))
    assert kinspect("verify", "deep_ep_cpp.so").code == 1
    (project / "kinspect.toml").write_text(EXCEPTION.replace("::dispatch", "::combine"))
    assert kinspect("verify", "deep_ep_cpp.so").code == 1


@pytest.mark.parametrize(("expires", "code"), [("2999-01-01", 0), ("2020-01-01", 1)])
def test_an_ignore_holds_until_it_expires(kinspect, tmp_path, monkeypatch, expires, code):
    monkeypatch.chdir(tmp_path)
    text = f"[tool.kinspect]\n{IGNORE.format(expires).replace('[ignore]', '[tool.kinspect.ignore]')}"
    (tmp_path / "pyproject.toml").write_text(text)
    done = kinspect("verify", SAMPLES / "deep_ep_no_gfx950.so")
    assert done.code == code
    shown = " ".join(done.out.split())
    told = (
        "warning[expired-ignore] pyproject.toml:3: ignoring missing-target for deep_ep*.so"
    )
    assert (told in shown) is (code == 1)
    assert ("error[missing-target]" in shown) is (code == 1)
    assert "(policy: pyproject.toml)" in shown


def test_a_policy_that_can_not_be_meant_is_no_verdict(kinspect, project):
    (project / "kinspect.toml").write_text('only = true\nrequired = "gfx942"\n')
    done = kinspect("verify", "deep_ep_cpp.so")
    assert (done.code, done.out) == (2, "")
    assert (
        "kinspect.toml:2: required: there is no such key; did you mean require?" in done.err
    )


def test_flags_win_over_the_file_and_a_binary_has_its_own(kinspect, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sample = SAMPLES / "deep_ep_no_gfx950.so"
    (tmp_path / "kinspect.toml").write_text('require = "gfx942"\n')
    assert kinspect("verify", sample).code == 0
    assert kinspect("verify", "--require", "gfx950", sample).code == 1
    (tmp_path / "kinspect.toml").write_text(
        '[[binary]]\npath = "deep_ep_no*.so"\nrequire = "gfx942"\n'
    )
    done = kinspect("verify", "--format", "json", sample, SAMPLES / "deep_ep_both.so")
    assert done.code == 0
    found = json.loads(done.out)
    jsonschema.validate(found, json.loads(schemas.report()))
    assert found["required_of"] == {str(sample): ["gfx942"]}
    assert found["policy"] == ["kinspect.toml"]
    assert kinspect("verify", SAMPLES / "ccob_no_gfx950.so").code == 1


def test_what_holds_and_where_it_comes_from(kinspect, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KINSPECT_REQUIRE", "gfx90a")
    text = f'require = "gfx950"\nonly = true\nkernels = ["a",\n"b"]\n{IGNORE.format("2999-01-01")}'
    (tmp_path / "kinspect.toml").write_text(text)
    done = kinspect("policy", "show", "--profile", "deep-ep", "--kernel", "c")
    assert done.code == 0
    lines = done.out.splitlines()
    for line in (
        "require: gfx90a  (KINSPECT_REQUIRE)",
        "accept: -  (default)",
        "only: true  (kinspect.toml:2)",
        "kernels: a  (kinspect.toml:3)",
        "kernels: b  (kinspect.toml:4)",
        "kernels: c  (--kernel)",
        "binary:  (profile deep-ep)",
        "ignore:  (kinspect.toml:6)",
        "  expires: 2999-01-01",
    ):
        assert line in lines
    done = kinspect("policy", "show", "--format", "json", "--require", "gfx942")
    found = {one["key"]: one for one in json.loads(done.out)["settings"]}
    assert found["require"] == {"key": "require", "value": ["gfx942"], "from": "--require"}
    assert found["ignore"]["value"]["rule"] == "missing-target"


def test_a_profile_is_proposed_by_name():
    from kinspect.settings.profiles import proposed  # noqa: PLC0415

    paths = ["x.whl!deep_ep_cpp.so", "librocshmem.a!a.o", "deep_ep.txt", "other.so"]
    assert dict(proposed(paths)) == {"deep-ep": paths[0], "rocshmem": paths[1]}


@pytest.mark.parametrize(("expires", "code"), [("2999-01-01", 0), ("2020-01-01", 1)])
def test_an_exception_and_an_ignore_in_one_file(kinspect, project, expires, code):
    """The exception goes on to hold when the ignore beside it has expired."""
    lacks = (SAMPLES / "deep_ep_no_gfx950.so").read_bytes()
    (project / "deep_ep_old.so").write_bytes(lacks)
    (project / "kinspect.toml").write_text(EXCEPTION + IGNORE.format(expires))
    done = kinspect("verify", "--format", "json", "deep_ep_cpp.so", "deep_ep_old.so")
    assert done.code == code
    found = json.loads(done.out)["findings"]
    told = {(one["rule"], one["severity"]) for one in found if one["severity"] != "note"}
    expired = {("missing-target", "error"), ("expired-ignore", "warning")}
    assert told == (expired if code else set())
    assert not [one for one in found if one["rule"] == "kernel-parity"]


def test_the_device_libraries_of_rocshmem(kinspect, tmp_path):
    """One for each processor, where one is installed."""
    for target in ("gfx942", "gfx950"):
        name = f"librocshmem_device_{target}.bc"
        (tmp_path / name).write_bytes((SAMPLES / name).read_bytes())
    assert kinspect("verify", "--profile", "rocshmem", tmp_path).code == 0
    (tmp_path / "librocshmem_device_gfx950.bc").unlink()
    done = kinspect("verify", "--profile", "rocshmem", tmp_path)
    assert done.code == 1
    assert "error[missing-bitcode]" in done.out
    assert "gfx950" in done.out
