"""The fixture that a project's own tests use, run by pytest in a project of its own."""

import pytest

from tests.conftest import SAMPLES

pytest_plugins = ["pytester"]

PLUGIN = ("-p", "kinspect.pytest_plugin")


def run(pytester: pytest.Pytester, call: str) -> pytest.RunResult:
    pytester.makepyfile(f"def test_wheel(assert_targets):\n    assert_targets({call})\n")
    return pytester.runpytest_subprocess(*PLUGIN)


def sample(name: str) -> str:
    return repr(str(SAMPLES / name))


@pytest.mark.parametrize(
    "call",
    [
        sample("deep_ep_both.so"),
        sample("deep_ep_both.so") + ", ['gfx942', 'gfx950']",
        sample("deep_ep_no_gfx950.so") + ", 'gfx942'",
        sample("generic.so") + ", 'gfx942;gfx950', accept=['generic']",
        sample("deep_ep_both.so") + ", profile='deep-ep'",
    ],
)
def test_what_holds_passes(pytester, call):
    run(pytester, call).assert_outcomes(passed=1)


def test_a_failure_shows_the_report_with_its_hint(pytester):
    result = run(pytester, sample("deep_ep_no_gfx950.so"))
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*error[[]missing-target]*gfx950",
            "*hint: *--offload-arch=gfx950*",
            "*FAILED: 1 error*",
        ]
    )


@pytest.mark.parametrize(
    ("call", "line"),
    [
        ("'not_there.so'", "*not_there.so*No such file*"),
        (sample("per_tu_both.so") + ", profile=['deep-ep']", "*wrong-linkage*"),
        (sample("deep_ep_both.so") + ", policy='none.toml'", "*none.toml*No such file*"),
        (sample("deep_ep_both.so") + ", []", "*name at least one target*"),
        (sample("deep_ep_both.so") + ", 'gfx9500'", "*gfx9500*"),
    ],
)
def test_what_could_not_be_told_is_no_pass(pytester, call, line):
    result = run(pytester, call)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([line])
