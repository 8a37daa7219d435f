"""The page as people meet it: on a desk, on a phone, on paper, with a keyboard alone, with and without scripts."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from reports.model import load
from reports.pages.page import page as rendered
from tests.browser.conftest import Opener, keep
from tests.unit.reports.kept_pages import unpacked

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
FIRST_COMMAND = "kubectl get pods -o wide | grep -v '<none>'"


def test_without_scripts_nothing_is_missing(opened: Opener, report: Path) -> None:
    page = opened(report, java_script_enabled=False)

    for title in ("What changed", "What failed (2)", "Last validated", "What was measured", "Addresses"):
        expect(page.get_by_role("heading", name=title)).to_be_visible()
    expect(page.get_by_role("searchbox")).to_have_count(0)
    expect(page.locator("th button")).to_have_count(0)
    passed = page.locator("details", has_text="1 check")
    expect(passed.get_by_role("cell", name="health.passes")).to_be_hidden()
    passed.locator("summary").click()
    expect(passed.get_by_role("cell", name="health.passes")).to_be_visible()
    keep(page, "without-scripts", whole=True)


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no-scripts"])
def test_on_a_phone_the_first_screen_says_what_to_type(
    opened: Opener, report: Path, *, scripts: bool
) -> None:
    page = opened(report, java_script_enabled=scripts, device_scale_factor=2, **PHONE)

    for seen in (
        page.get_by_role("heading", name="FAILED: MetalLB on lab"),
        page.locator("header ol li").first,
        page.locator("header pre").first,
    ):
        box = seen.bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 390
        assert box["y"] + box["height"] <= 844
    expect(page.locator("header pre").first).to_have_text(FIRST_COMMAND)
    keep(page, f"phone-{'scripts' if scripts else 'no-scripts'}")


def test_nothing_is_wider_than_a_phone(opened: Opener, report: Path) -> None:
    page = opened(report, **PHONE)

    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    keep(page, "phone-whole", whole=True)


def test_one_tap_selects_a_whole_command(opened: Opener, report: Path) -> None:
    page = opened(report, **PHONE)

    page.locator("header pre code").first.click()

    assert page.evaluate("getSelection().toString().trim()") == FIRST_COMMAND


def test_on_paper_everything_is_unfolded(opened: Opener, report: Path, tmp_path: Path) -> None:
    page = opened(report)

    page.pdf(path=tmp_path / "report.pdf", format="A4")

    printed = subprocess.run(
        ["pdftotext", "-layout", tmp_path / "report.pdf", "-"], capture_output=True, text=True, check=True
    ).stdout
    for text in (
        "FAILED: MetalLB on lab",
        FIRST_COMMAND,
        "memberlist: all members agree",  # folded on the screen
        "passes of health",  # folded on the screen
        "gratuitous announcement (reply)",  # folded on the screen
        "free, but answered",
    ):
        assert text in " ".join(printed.split())
    assert "Filter" not in printed
    keep(page, "desktop", whole=True)


def test_paper_is_white_whatever_the_screen_is(opened: Opener, report: Path) -> None:
    page = opened(report, color_scheme="dark")

    assert _background(page) == "rgb(20, 23, 27)"
    keep(page, "desktop-dark", whole=True)
    page.emulate_media(media="print")
    assert _background(page) == "rgb(255, 255, 255)"


def _background(page: Page) -> str:
    return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))


def test_the_filter_keeps_what_has_every_word(opened: Opener, report: Path) -> None:
    page = opened(report)

    page.get_by_label("Filter").fill("health PASSES")

    expect(page.get_by_role("cell", name="passes of health")).to_be_visible()  # its fold was opened
    expect(page.locator("article:visible")).to_have_count(0)
    expect(page.locator("tr.row:visible")).to_have_count(2)
    expect(page.get_by_role("status")).to_have_text("2 of 21 entries")
    page.get_by_label("Filter").fill("")
    expect(page.locator("article:visible")).to_have_count(3)
    expect(page.get_by_role("cell", name="passes of health")).to_be_hidden()
    expect(page.get_by_role("status")).to_have_text("")


def test_a_head_sorts_its_table_by_value(opened: Opener, report: Path) -> None:
    page = opened(report)
    table = page.get_by_role("region", name="Measured figures")
    head = table.get_by_role("columnheader", name="Worst")

    head.get_by_role("button").click()
    assert _column(table.locator("tbody tr"), 2) == ["120 ms", "1 frames under", "12.5 s over", "120 frames"]
    expect(head).to_have_attribute("aria-sort", "ascending")
    head.get_by_role("button").click()
    assert _column(table.locator("tbody tr"), 2) == ["120 frames", "12.5 s over", "1 frames under", "120 ms"]
    expect(head).to_have_attribute("aria-sort", "descending")


def test_sections_stay_together_when_their_rows_are_sorted(opened: Opener, report: Path) -> None:
    page = opened(report)
    table = page.get_by_role("region", name="Last validated")
    before = table.locator("tr.group").all_inner_texts()

    table.get_by_role("columnheader", name="State").get_by_role("button").click()

    assert table.locator("tr.group").all_inner_texts() == before
    assert table.locator("tbody tr:first-child.group").count() == len(before)


def _column(rows: object, number: int) -> list[str]:
    texts: list[str] = rows.locator(f"td:nth-child({number + 1})").all_inner_texts()  # type: ignore[attr-defined]
    return [text.strip() for text in texts]


def test_a_keyboard_alone_reaches_everything(opened: Opener, report: Path) -> None:
    page = opened(report)
    reached: list[str] = []
    for _ in range(120):
        page.keyboard.press("Tab")
        place = page.evaluate(
            "(() => { const e = document.activeElement; return e === document.body ? '' :"
            " e.tagName + ' ' + (e.getAttribute('aria-label') ?? e.textContent).trim().slice(0, 40)"
            " + ' ' + (getComputedStyle(e).outlineStyle !== 'none') })()"
        )
        if not place:
            break
        reached.append(place)

    assert all(place.endswith(" true") for place in reached), "the focus is not seen"
    kinds = {place.partition(" ")[0] for place in reached}
    assert {"A", "INPUT", "BUTTON", "SUMMARY", "PRE", "DIV"} <= kinds
    for wanted in (
        "BUTTON Worst",
        "SUMMARY 1 check",
        "DIV Who announces what",
        "PRE kubectl delete pod speaker-x",
    ):
        assert any(place.startswith(wanted) for place in reached)


def test_a_keyboard_alone_filters_sorts_and_unfolds(opened: Opener, report: Path) -> None:
    page = opened(report)

    page.get_by_role("columnheader", name="Budget").get_by_role("button").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("columnheader", name="Budget")).to_have_attribute("aria-sort", "ascending")
    page.locator("details.fold summary").last.focus()
    page.keyboard.press("Space")
    expect(page.get_by_role("cell", name="passes of health")).to_be_visible()
    page.get_by_label("Filter").focus()
    page.keyboard.type("gap")
    page.keyboard.press("Enter")
    expect(page.locator("article:visible")).to_have_count(0)
    expect(page.get_by_role("cell", name="gap", exact=True)).to_be_visible()


@pytest.mark.parametrize(
    ("options", "scripts"),
    [({}, True), ({"color_scheme": "dark"}, True), (PHONE, True), ({}, False)],
    ids=["light", "dark", "phone", "no-scripts"],
)
def test_axe_finds_nothing_serious(
    opened: Opener, report: Path, options: dict[str, object], *, scripts: bool
) -> None:
    if not scripts:  # axe is a script itself, so the page's own is taken out
        report.write_text(re.sub(r"<script>.*</script>", "", report.read_text(), flags=re.DOTALL))
    page = opened(report, **options)
    for fold in page.locator("details").all():
        fold.evaluate("fold => fold.open = true")

    found = Axe().run(page)

    serious = [one for one in found.response["violations"] if one["impact"] in {"serious", "critical"}]
    assert [(one["id"], [node["target"] for node in one["nodes"]]) for one in serious] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_real_failover_that_failed_is_told_on_a_phone(
    opened: Opener, tmp_path: Path, *, scheme: str
) -> None:
    directory = unpacked("failover-failed", tmp_path)
    path = directory / "report.html"
    path.write_text(rendered(load(directory), directory=directory))

    page = opened(path, color_scheme=scheme, device_scale_factor=2, **PHONE)
    keep(page, f"failover-phone-{scheme}")

    first = page.locator("header pre").first
    expect(first).to_have_text("kubectl -n metallb-system get pods --field-selector status.phase=Pending")
    box = first.bounding_box()
    assert box is not None
    assert box["y"] + box["height"] <= 844
    page.locator("header ol a").first.click()
    expect(page.locator("article:target")).to_be_in_viewport()
    failure = page.locator("article", has_text="failover.speaker-deleted").first
    failure.locator("svg.wide").scroll_into_view_if_needed()
    expect(failure.locator("svg text", has_text="no reply 1.46 s")).to_be_in_viewport()
    keep(page, f"failover-phone-{scheme}-whole", whole=True)
