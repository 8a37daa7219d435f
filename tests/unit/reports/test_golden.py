"""The pages of real runs have the structure that somebody looked at; where lines of a picture go may change."""

from __future__ import annotations

from pathlib import Path

import pytest

from clusters.checks import Outcome
from reports.model import load
from reports.pages.page import page
from tests.unit.reports.dom import parsed
from tests.unit.reports.golden import OUTLINE, RUNS, names, structure, unpacked


@pytest.mark.parametrize("name", names())
def test_a_real_run_has_the_page_that_was_looked_at(name: str, tmp_path: Path) -> None:
    expected = (RUNS / name / OUTLINE).read_text(encoding="utf-8")

    assert structure(name, tmp_path).splitlines() == expected.splitlines()


@pytest.mark.parametrize("name", names())
def test_a_real_page_is_small_and_says_everything(name: str, tmp_path: Path) -> None:
    directory = unpacked(name, tmp_path)
    result = load(directory)
    text = page(result, directory=directory)

    assert len(text.encode()) < 1_000_000
    said = parsed(text).without("script", "style", "svg", "head").text
    for check in result.checks:
        assert check.id in said
        for finding in check.findings if check.outcome is Outcome.FAILED else ():
            assert " ".join(finding.summary.split()) in said
            if not finding.root:
                assert all(" ".join(command.split()) in said for command in finding.commands)


def test_a_failed_failover_was_kept() -> None:
    assert {"failover-failed", "failover-passed"} <= set(names())
