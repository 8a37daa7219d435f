"""Whoever follows a link of the documents arrives: at a file that is there, and at a heading that it has."""

import re
from pathlib import Path
from urllib.parse import unquote

import pytest
import yaml

from clusters.checks.causes import CAUSES, Layer
from clusters.checks.path_links import Link

ROOT = Path(__file__).parents[3]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
#: A file or folder of the project, named as code; `*` stands for whatever fits.
CODE_PATH = re.compile(
    r"`((?:clusters|suites|reports|metallb_conformance|tests|benchmarks|deploy|docs|examples|requirements)/[\w./*-]+)`"
)
#: A module named without its folder: module names are unique.
MODULE = re.compile(r"`([a-z0-9_]+\.py)`")
MODULES = {
    path.name
    for folder in ("clusters", "suites", "reports", "metallb_conformance", "tests", "benchmarks")
    for path in (ROOT / folder).rglob("*.py")
}
#: Runs make these.
OF_A_RUN = ("reports/out", "reports/history.db")
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """What the headings of a page are called in links, as GitHub and GitLab make it."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    plain = [re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).strip().lower() for heading in headings]
    return {re.sub(r"[^\w\- ]", "", heading).replace(" ", "-") for heading in plain}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    astray = []
    for link in LINK.findall(FENCE.sub("", page.read_text(encoding="utf-8"))):
        if "://" in link or link.startswith("mailto:"):
            continue
        place, _, anchor = link.partition("#")
        target = page.parent / unquote(place) if place else page
        if not target.exists() or (anchor and target.suffix == ".md" and anchor not in anchors(target)):
            astray.append(link)

    assert astray == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_file_that_a_page_names_is_there(page: Path) -> None:
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    named = CODE_PATH.findall(text)

    assert set(MODULE.findall(text)) - MODULES == set()
    assert [path for path in named if not path.startswith(OF_A_RUN) and not any(ROOT.glob(path))] == []


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*.md")), ids=lambda page: page.name)
def test_every_page_is_found_from_the_first_one(page: Path) -> None:
    linked = {
        (source.parent / link.partition("#")[0]).resolve()
        for source in PAGES
        if source != page
        for link in LINK.findall(source.read_text(encoding="utf-8"))
        if "://" not in link
    }

    assert page in linked


def test_the_page_on_the_diagnosis_has_every_link_of_the_two_paths() -> None:
    page = (ROOT / "docs" / "diagnosis.md").read_text(encoding="utf-8")

    for link in Link:
        assert f"| {link.path} | {link} | {link.question} |" in page


def test_the_page_on_the_diagnosis_says_which_check_reports_each_cause_of_a_cluster() -> None:
    page = (ROOT / "docs" / "diagnosis.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `([a-z0-9.-]+)` \| ([a-z0-9, -]+) \|$", page, re.MULTILINE))
    reported: dict[str, set[str]] = {}
    for cause in CAUSES.values():
        if cause.reported_by and cause.layer not in (Layer.REPOSITORY, Layer.UPGRADE):
            reported.setdefault(cause.reported_by, set()).add(cause.id)

    assert {check: set(causes.split(", ")) for check, causes in rows.items()} == reported


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_yaml_of_a_page_is_yaml(page: Path) -> None:
    blocks = re.findall(r"^```yaml\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)

    for block in blocks:
        assert list(yaml.safe_load_all(block))
