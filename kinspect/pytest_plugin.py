"""A fixture for the tests of projects that ship HIP libraries.

def test_the_wheel_runs_on_our_gpus(assert_targets):
    assert_targets("dist/deep_ep-1.0-cp312-cp312-linux_x86_64.whl", ["gfx942", "gfx950"])
"""

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol

import pytest

if TYPE_CHECKING:
    from kinspect.model import Report

Path = str | os.PathLike[str]


class AssertTargets(Protocol):
    """What the fixture gives."""

    def __call__(
        self,
        paths: Path | Iterable[Path],
        targets: str | Iterable[str] = ...,
        *,
        accept: Iterable[str] = ...,
        only: bool = ...,
        kernels: Iterable[str] = ...,
        expect: Iterable[str] = ...,
    ) -> "Report": ...


@pytest.fixture(scope="session")
def assert_targets() -> AssertTargets:
    """Assert that HIP would load every bundle of an artifact on the targets.

    The call fails with kinspect's report, the hints that mend it included; else it
    returns the report. `targets` are target IDs (by default gfx942 and gfx950); the
    keywords are the options of `kinspect verify`.
    """
    # Imported when it is used: every pytest run of the environment loads this plugin.
    from kinspect.api import verify  # noqa: PLC0415
    from kinspect.model import Verdict  # noqa: PLC0415
    from kinspect.policy import Policy  # noqa: PLC0415
    from kinspect.render import text  # noqa: PLC0415
    from kinspect.target import parse_required  # noqa: PLC0415

    def check(
        paths: Path | Iterable[Path],
        targets: str | Iterable[str] = ("gfx942", "gfx950"),
        *,
        accept: Iterable[str] = (),
        only: bool = False,
        kernels: Iterable[str] = (),
        expect: Iterable[str] = (),
    ) -> "Report":
        __tracebackhide__ = True
        required = parse_required(
            (targets,) if isinstance(targets, str) else tuple(targets)
        )
        if not required:
            message = "assert_targets: name at least one target, such as gfx942"
            raise ValueError(message)
        policy = Policy(
            required=required,
            accept=frozenset(accept),
            only=only,
            kernels=tuple(kernels),
            expect=tuple(expect),
        )
        report = verify(paths, policy)
        if report.verdict is not Verdict.PASS:
            pytest.fail(text.report(report), pytrace=False)
        return report

    return check
