"""A fixture for the tests of projects that ship HIP libraries.

def test_the_wheel_runs_on_our_gpus(assert_targets):
    assert_targets("dist/deep_ep-1.0-cp312-cp312-linux_x86_64.whl", ["gfx942", "gfx950"])
"""

import os
import pathlib
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
        targets: str | Iterable[str] | None = ...,
        *,
        accept: Iterable[str] = ...,
        only: bool = ...,
        kernels: Iterable[str] = ...,
        expect: Iterable[str] = ...,
        policy: Path | None = ...,
        profile: Iterable[str] = ...,
    ) -> "Report": ...


@pytest.fixture(scope="session")
def assert_targets() -> AssertTargets:
    """Assert that HIP would load every bundle of an artifact on the targets.

    The call fails with kinspect's report, the hints that mend it included; else it
    returns the report. `targets` are target IDs (by default gfx942 and gfx950); the
    keywords are the options of `kinspect verify`. No policy file is looked for: name
    one as `policy`.
    """
    # Imported when it is used: every pytest run of the environment loads this plugin.
    from kinspect.api import verify  # noqa: PLC0415
    from kinspect.model import Verdict  # noqa: PLC0415
    from kinspect.render import text  # noqa: PLC0415
    from kinspect.settings import Setting, effective  # noqa: PLC0415
    from kinspect.target import parse_required  # noqa: PLC0415

    def check(
        paths: Path | Iterable[Path],
        targets: str | Iterable[str] | None = None,
        *,
        accept: Iterable[str] = (),
        only: bool = False,
        kernels: Iterable[str] = (),
        expect: Iterable[str] = (),
        policy: Path | None = None,
        profile: Iterable[str] = (),
    ) -> "Report":
        __tracebackhide__ = True
        here = "assert_targets"
        said = [Setting("kernels", one, here) for one in kernels]
        said += [Setting("expect", one, here) for one in expect]
        chosen = (profile,) if isinstance(profile, str) else profile
        said += [Setting("profile", one, here) for one in chosen]
        if targets is not None:
            names = (targets,) if isinstance(targets, str) else tuple(targets)
            said.append(Setting("require", parse_required(names), here))
            if not said[-1].value:
                message = "assert_targets: name at least one target, such as gfx942"
                raise ValueError(message)
        if accept := frozenset(accept):
            said.append(Setting("accept", accept, here))
        if only:
            said.append(Setting("only", only, here))
        file = None if policy is None else pathlib.Path(policy)
        report = verify(paths, effective(said, file).policy)
        if report.verdict is not Verdict.PASS:
            pytest.fail(text.report(report), pytrace=False)
        return report

    return check
