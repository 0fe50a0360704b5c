"""Reports to render: of samples, of names that mean harm, and large ones."""

from pathlib import Path

from kinspect import Report, verify
from kinspect.model import Artifact, Finding, Severity, Verdict
from tests.conftest import SAMPLES, manifest
from tests.reading import judge, read
from tests.writers import Host, bundle, code_object

SAMPLE_NAMES = sorted(sample["file"] for sample in manifest())

#: what one format or another would take for its own markup
HOSTILE = (
    "\x1b[31m\x00\x07\r\n\x85\u2028\u202e\ud800\udcff\ufffe\uffff",
    "\n::error file=x,title=y::forged\n::stop-commands::z",
    " ::set-output name=verdict::pass",
    "##vso[task.complete result=Succeeded;]ok ##[error]no ##teamcity[x]",
    "%0A::error::forged%25",
    "</failure></testcase><testcase name='forged'/> ]]> <!-- & &amp; &#10; -->",
    "<script>alert(1)</script><img src=x onerror=alert(2)>",
    "| forged | cell |\n| --- | --- |",
    "\n\n# heading\n\n- item\n\n```\ncode\n",
    "`code` ``more`` ![picture](http://example.org/x.png) [link](javascript:alert(1))",
    "**bold** _emphasis_ ~~gone~~ http://example.org www.example.org @somebody #1 $x$",
    '"],"results":[]}\\u0022, \\',
    "\\| \\`| a \\",
)


def hostile_report() -> Report:
    """Every text that may come from a file means harm, one after the other."""
    findings = [
        Finding(
            "missing-target" if number % 2 else "unreadable",
            severity,
            f"{text}!{text}",
            f"{text} is in {text}",
            f"mend {text}",
            bundle=number,
            target=text,
            kernel=text if number % 3 else None,
            details=(text, f"packed: {text}"),
        )
        for number, text in enumerate(HOSTILE)
        for severity in Severity
    ]
    binaries = []
    for text in HOSTILE:
        name = text.encode("utf-8", "ignore").decode()
        data = bundle(("gfx942", code_object("gfx942", f"k{name}")))
        found = read(Host(data).build().data)
        binaries.append(type(found)(f"{text}!{text}", text, found.linkage, found.bundles))
    artifacts = (
        *(
            Artifact(text, "wheel", (one,))
            for text, one in zip(HOSTILE, binaries, strict=True)
        ),
        *(Artifact(f"{text}2", "file") for text in HOSTILE),
    )
    return Report("1.0", ("gfx942", "gfx950"), artifacts, tuple(findings), Verdict.FAIL)


def sample_report(name: str) -> Report:
    return verify(Path(SAMPLES.name) / name)


def huge_report(kernels: int = 100_000) -> Report:
    """One target has that many kernels and the other a single one."""
    names = [f"_ZN7deep_ep6kernelILi{number}EEEvPi" for number in range(kernels)]
    data = bundle(
        ("gfx942", code_object("gfx942", *names)), ("gfx950", code_object("gfx950"))
    )
    return report_of(Artifact("huge.so", "file", (read(Host(data).build().data),)))


def wide_report(binaries: int, problems: int) -> Report:
    """Many binaries, and many problems that no folding makes fewer."""
    (one,) = [read(Host(bundle(("gfx942", code_object("gfx942")))).build().data)]
    many = tuple(
        type(one)(f"big.whl!lib{number}.so", one.format, one.linkage, one.bundles)
        for number in range(binaries)
    )
    findings = tuple(
        Finding(
            "missing-target", Severity.ERROR, f"big.whl!lib{number}.so",
            f"bundle 0 has no code object that HIP would load on gfx950 ({'x' * 200})",
            "add it", bundle=0, target="gfx950", details=("packed: gfx942",),
        )
        for number in range(problems)
    )  # fmt: skip
    artifact = Artifact("big.whl", "wheel", many)
    return Report("1.0", ("gfx942", "gfx950"), (artifact,), findings, Verdict.FAIL)


def report_of(*artifacts: Artifact) -> Report:
    verdict, findings = judge(*artifacts)
    return Report("1.0", ("gfx942", "gfx950"), artifacts, findings, verdict)
