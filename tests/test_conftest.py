"""A library or a tool that is missing fails in CI, and is a skip elsewhere."""

import pytest

pytest_plugins = ["pytester"]

MODULE = "import pytest\npytest.importorskip('no_such_library')\ndef test_a(): pass"
TEST = "import pytest\ndef test_a(): pytest.importorskip('no_such_library')"
OTHER = "import pytest\ndef test_a(): pytest.skip('on other systems')"


@pytest.mark.parametrize(
    ("ci", "text", "passes"),
    [
        ("", MODULE, True),
        ("", TEST, True),
        ("true", MODULE, False),
        ("true", TEST, False),
        ("true", OTHER, True),
    ],
)
def test_a_library_that_is_missing(ci, text, passes, pytester, monkeypatch):
    monkeypatch.setenv("CI", ci)
    pytester.makeconftest("from tests.conftest import *")
    pytester.makepyfile(text)
    done = pytester.runpytest_inprocess("-p", "no:cacheprovider")
    assert done.ret in ({0, 5} if passes else {1, 2})
