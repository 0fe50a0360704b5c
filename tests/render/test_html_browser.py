"""The HTML report in a real browser: headless Chromium."""

import re
import time

import pytest

from kinspect import verify
from kinspect.model import Artifact
from kinspect.render import html
from tests.conftest import SAMPLES
from tests.render import reports

pytestmark = pytest.mark.browser

ARGUMENTS = [
    "--headless", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip


@pytest.fixture(scope="session")
def browser(tool):
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        found = playwright.chromium.launch(
            executable_path=tool("chromium"), args=ARGUMENTS, chromium_sandbox=False
        )
        yield found
        found.close()


@pytest.fixture(scope="session")
def files(tmp_path_factory):
    """Pages by name, written once."""
    directory = tmp_path_factory.mktemp("pages")
    made = {
        "mixed": lambda: reports.sample_report("per_tu_one_lacks.so"),
        "good": lambda: reports.sample_report("deep_ep_both.so"),
        "bitcode": lambda: reports.sample_report("librocshmem_one_member_gfx942_only.a"),
        "nothing": lambda: reports.report_of(Artifact("notes.txt", "file")),
        "hostile": reports.hostile_report,
        "huge": reports.huge_report,
        "all": lambda: verify(SAMPLES),
    }

    def write(name):
        path = directory / f"{name}.html"
        if not path.exists():
            path.write_text(html.report(made[name]()), "utf-8")
        return path

    return write


@pytest.fixture
def opened(browser, files):
    """Open a page; fail on any message, error, dialog or request that leaves it."""
    problems = []
    contexts = []

    def left(found, page):
        if found not in {page, "data:,"}:
            problems.append(f"request: {found}")

    def open_(name, **options):
        context = browser.new_context(
            **{"viewport": {"width": 1280, "height": 900}} | options
        )
        contexts.append(context)
        page = context.new_page()
        url = files(name).as_uri()
        page.on("console", lambda message: problems.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: problems.append(f"error: {error}"))
        page.on("dialog", lambda dialog: problems.append(f"dialog: {dialog.message}"))
        page.on("request", lambda request: left(request.url, url))
        page.goto(url)
        return page

    yield open_
    for context in contexts:
        context.close()
    assert problems == []


def cells(page, column):
    return page.locator(
        f".kernels tbody tr[aria-rowindex] td:nth-child({column})"
    ).all_inner_texts()


def expect_status(page, text):
    from playwright.sync_api import expect  # noqa: PLC0415

    expect(page.locator("#kernels [role=status]")).to_have_text(text)


NAMES = ["mixed", "good", "bitcode", "nothing", "hostile", "all"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_page_is_shown_in_light_and_dark(opened, name, scheme, tmp_path):
    page = opened(name, color_scheme=scheme)
    back = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert back == {"light": "rgb(255, 255, 255)", "dark": "rgb(13, 17, 23)"}[scheme]
    picture = page.screenshot(path=tmp_path / "page.png", full_page=True)
    assert len(picture) > 10_000


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_checker_of_accessibility_finds_nothing_serious(opened, name, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page = opened(name, color_scheme=scheme)
    page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    found = axe.run(page).response["violations"]
    assert [(one["id"], one["impact"], one["nodes"][0]["html"]) for one in found] == []


def test_a_phone_needs_no_scrolling_sideways(opened):
    page = opened("all", viewport={"width": 390, "height": 800})
    wide = page.evaluate("document.scrollingElement.scrollWidth")
    assert wide <= 390


def test_the_matrix_says_what_is_missing(opened):
    page = opened("mixed")
    row = page.locator(".matrix tbody tr")
    assert row.count() == 1
    told = row.locator("td.cell").all_inner_texts()
    assert "9 kernels" in told[0]
    assert "MISSING in part" in told[1]
    assert "2 of 3 bundles" in told[1]
    # the second of three bundles lacks it: that is where the bar is red
    red = row.locator("td.cell .error-fill")
    assert (red.get_attribute("x"), red.get_attribute("width")) == ("1", "1")


def test_kernels_are_sorted_by_keyboard(opened):
    page = opened("mixed")
    names = cells(page, 3)
    assert names == sorted(names)
    assert len(names) == 9
    head = page.locator(".kernels th", has_text="kernel")
    assert head.get_attribute("aria-sort") == "ascending"
    page.locator("#target").focus()
    page.keyboard.press("Tab")  # into the table, which scrolls by keys
    assert page.evaluate("document.activeElement.className") == "scroll"
    for _ in range(3):
        page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "kernel"
    page.keyboard.press("Enter")
    assert head.get_attribute("aria-sort") == "descending"
    assert cells(page, 3) == sorted(names, reverse=True)
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Space")
    assert head.get_attribute("aria-sort") is None
    targets = cells(page, 2)
    assert targets == sorted(targets)
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_kernels_are_filtered_by_keyboard(opened):
    page = opened("mixed")
    status = page.locator("#kernels [role=status]")
    assert status.inner_text() == "9 kernels"
    page.locator("#filter").focus()
    page.keyboard.type("SCALE unit_b")
    expect_status(page, "2 of 9 kernels")
    assert status.inner_text() == "2 of 9 kernels"
    assert cells(page, 3) == [
        "void unit_b::scale<2>(float*)",
        "void unit_b::scale<3>(float*)",
    ]
    page.locator("#filter").fill("")
    page.locator("#target").select_option(label="without gfx950")
    expect_status(page, "3 of 9 kernels")
    assert set(cells(page, 1)) == {"bundle 1"}
    assert page.locator("table.kernels").get_attribute("aria-rowcount") == "4"


def test_a_hundred_thousand_kernels_are_there_within_three_seconds(opened, files):
    """From the start of loading until a key has filtered the table; then every step."""
    files("huge")
    begun = time.perf_counter()
    page = opened("huge")
    page.wait_for_selector("html[data-ready]")
    page.locator("#filter").focus()
    page.keyboard.type("kernel<77777>")
    expect_status(page, re.compile("^1 of"))
    taken = time.perf_counter() - begun
    assert cells(page, 3) == ["void deep_ep::kernel<77777>(int*)"]
    assert taken < 3
    page.locator("#filter").fill("")
    expect_status(page, "100,001 kernels")
    slowest = page.evaluate(
        """async () => {
          const scroll = document.querySelector(".scroll");
          let slowest = 0;
          for (let step = 1; step <= 40; step += 1) {
            const begun = performance.now();
            scroll.scrollTop = (scroll.scrollHeight * step) / 40;
            await new Promise(requestAnimationFrame);
            await new Promise(requestAnimationFrame);
            slowest = Math.max(slowest, performance.now() - begun);
          }
          return slowest;
        }"""
    )
    assert slowest < 500  # milliseconds, two frames each
    rows = page.locator(".kernels tbody tr[aria-rowindex]")
    assert rows.count() < 100
    assert rows.last.get_attribute("aria-rowindex") == "100002"
    assert page.locator("table.kernels").get_attribute("aria-rowcount") == "100002"


def test_sorting_a_hundred_thousand_kernels_takes_no_second(opened):
    page = opened("huge")
    page.wait_for_selector("html[data-ready]")
    taken = page.evaluate(
        """() => {
          const begun = performance.now();
          for (const button of document.querySelectorAll(".kernels th button")) button.click();
          return performance.now() - begun;
        }"""
    )
    assert taken < 3000  # all three columns


def test_a_print_shows_what_is_folded_and_more_than_is_in_view(opened, tmp_path):
    page = opened("huge")
    assert page.locator(".kernels tbody tr[aria-rowindex]").count() < 100
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("details:not([open])").count() == 0
    assert page.locator(".kernels tbody tr[aria-rowindex]").count() == 2000
    assert page.locator("nav").is_hidden()
    data = page.pdf(path=tmp_path / "page.pdf", format="A4")
    page.emulate_media(media="screen")
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator(".kernels tbody tr[aria-rowindex]").count() < 100
    assert len(re.findall(rb"/Type\s*/Page\b", data)) > 10


def test_names_that_mean_harm_are_shown_and_do_none(opened):
    page = opened("hostile")
    page.wait_for_selector("html[data-ready]")
    assert page.locator("script").count() == 2
    assert page.locator("img").count() == 0
    page.locator("#filter").fill("<img src=x onerror")
    expect_status(page, re.compile("^1 of"))
    assert "<script>alert(1)</script><img src=x" in cells(page, 4)[0]


def test_without_its_script_the_page_still_tells_what_is_wrong(opened):
    page = opened("mixed", java_script_enabled=False)
    assert page.locator(".finding").count() == 1
    assert page.get_by_text("The table of kernels needs JavaScript.").is_visible()
