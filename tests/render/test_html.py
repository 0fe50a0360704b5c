"""The HTML report as a file: nothing fetched, nothing forged, nothing left out."""

import base64
import hashlib
import json
import re
from dataclasses import replace

import pytest
from lxml import etree

from kinspect.render import html
from kinspect.render.html import kernels, matrix_view
from kinspect.render.matrix import Cell
from kinspect.target import TargetID
from tests.conftest import manifest
from tests.render import reports
from tests.render.test_reports import RENDERERS

ELEMENTS = {
    "html", "head", "meta", "link", "title", "style", "body", "a", "header", "h1", "h2", "h3",
    "span", "dl", "div", "dt", "dd", "nav", "main", "section", "table", "thead", "tbody", "tr",
    "th", "td", "b", "small", "svg", "rect", "ul", "li", "details", "summary", "article", "p",
    "footer", "script", "label", "input", "select", "option", "button",
}  # fmt: skip
ATTRIBUTES = {
    "lang", "charset", "http-equiv", "content", "name", "rel", "href", "class", "id", "title",
    "aria-label", "aria-labelledby", "aria-hidden", "aria-rowindex", "role", "tabindex", "scope",
    "viewbox", "viewBox", "preserveaspectratio", "preserveAspectRatio", "x", "width", "height",
    "rx", "type", "autocomplete", "spellcheck", "hidden", "value", "data-place",
}  # fmt: skip


def parsed(text):
    return etree.HTML(text, etree.HTMLParser(huge_tree=True))


@pytest.fixture(scope="module", params=["deep_ep_no_gfx950.so", "librocshmem.a", "hostile"])
def page(request):
    hostile = request.param == "hostile"
    made = reports.hostile_report() if hostile else reports.sample_report(request.param)
    return html.report(made)


def test_every_element_and_attribute_is_ours(page):
    root = parsed(page)
    assert {one.tag for one in root.iter(etree.Element)} <= ELEMENTS
    assert {name for one in root.iter(etree.Element) for name in one.attrib} <= ATTRIBUTES
    assert {one.get("href") for one in root.iter("a", "link")} <= {
        "data:,", "#coverage", "#findings", "#sizes", "#kernels",
    }  # fmt: skip
    assert [one.get("type") for one in root.iter("script")] == ["application/json", None]


def test_nothing_is_fetched_and_only_our_script_runs(page):
    """The policy names script and style by their hashes, so that no other one counts."""
    root = parsed(page)
    (policy,) = [
        one.get("content") for one in root.iter("meta")
        if one.get("http-equiv") == "Content-Security-Policy"
    ]  # fmt: skip
    rules = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["img-src"] == "data:"
    for name, tag in (("style-src", "style"), ("script-src", "script")):
        text = re.findall(f"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        (content,) = text
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert rules[name] == f"'sha256-{digest}'"
    assert not re.search(r"(src|url\()\s*=?\s*[\"']?(https?:|//)", page)


def test_ids_are_unique_and_labels_lead_somewhere(page):
    root = parsed(page)
    ids = [one.get("id") for one in root.iter(etree.Element) if one.get("id")]
    assert len(ids) == len(set(ids))
    labels = {one.get("aria-labelledby") for one in root.iter("section")}
    assert labels <= set(ids)


def test_the_table_has_every_kernel_with_the_targets_that_have_it():
    """Against what the manifest's tools read."""
    sample = "deep_ep_no_gfx950.so"
    made = reports.sample_report(sample)
    table = kernels.data(made)
    (entries,) = [
        one["bundles"][0]["entries"] for one in manifest() if one["file"] == sample
    ]
    expected = {name for entry in entries for name in entry.get("kernels", ())}
    assert len(table["rows"]) == len(expected) == 18
    assert table["targets"] == ["gfx942"]
    assert table["sets"] == [["gfx942", [0]]]
    assert {table["binaries"][row[1]] for row in table["rows"]} == {f"samples/{sample}"}
    shown = {table["names"][row[0]] for row in table["rows"]}
    assert "void deep_ep::intranode::dispatch<8, 768>(int*, int const*)" in shown


@pytest.mark.parametrize(
    ("having", "everything", "told"),
    [
        (["gfx942"], ["gfx942", "gfx950"], "gfx942"),
        (["gfx1030", "gfx942"], ["gfx942", "gfx1030"], "gfx942, gfx1030"),
        ([f"gfx{n}" for n in range(100, 109)], [f"gfx{n}" for n in range(100, 109)], "all 9 targets"),
        ([f"gfx{n}" for n in range(100, 108)], [f"gfx{n}" for n in range(100, 109)], "all but gfx108"),
    ],
)  # fmt: skip
def test_targets_of_a_kernel_are_told_briefly(having, everything, told):
    targets = sorted(everything, key=lambda name: (len(name), name))
    shown, indexes = json.loads(
        kernels._set(frozenset(having), frozenset(everything), targets)
    )
    assert shown == told
    assert sorted(targets[index] for index in indexes) == sorted(having)


def test_what_is_too_much_is_told(monkeypatch):
    monkeypatch.setattr(kernels, "MOST", 10)
    text = html.report(reports.sample_report("deep_ep_no_gfx950.so"))
    assert "8 more kernels left out." in text


def test_text_that_ends_a_script_stays_text():
    data = re.search(
        r'<script type="application/json" id="data">(.*?)</script>',
        html.report(reports.hostile_report()),
        re.DOTALL,
    )
    assert data
    assert not re.search("[<>&]", data[1])
    names = json.loads(data[1])["names"]
    assert any("<script>alert(1)</script>" in name for name in names)


@pytest.mark.parametrize("name", RENDERERS)
def test_every_format_knows_binaries_that_need_not_serve_a_target(name):
    made = reports.sample_report("per_tu_one_lacks.so")
    path = "samples/per_tu_one_lacks.so"
    for others in ((), ("gfx90a",)):
        assert RENDERERS[name](replace(made, exceptions={path: others}))
    assert RENDERERS[name](replace(made, required=(), artifacts=()))


def test_what_is_for_other_targets_is_no_hole_in_the_matrix():
    made = reports.sample_report("per_tu_one_lacks.so")
    cell = Cell(TargetID("gfx950"), (), elsewhere=True)
    assert matrix_view._cell(cell) == '<td class="cell none">not here</td>'
    assert matrix_view._group_cell(cell) == '<td class="cell none">not here</td>'
    page = html.report(
        replace(made, exceptions={"samples/per_tu_one_lacks.so": ("gfx942",)})
    )
    assert '<td class="cell none">not required</td>' in page
    assert "cell error" not in page
