"""The pages of checks and causes are made from the declarations, and it is said which is stale."""

from __future__ import annotations

from pathlib import Path

import pytest

from clusters.checks.causes import CAUSES
from suites import docs
from suites.plugin import declare
from suites.plugin.declare import OBSERVE, check


@pytest.fixture(autouse=True)
def _one_check(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(declare, "_REGISTRY", {})
    monkeypatch.setattr(docs, "load", lambda _: declare.registry())
    monkeypatch.setattr(docs, "_ROOT", tmp_path)
    monkeypatch.setattr(docs, "_DOCS", tmp_path / "docs")

    @check(
        "health.x",
        runbook="1",
        level=OBSERVE,
        needs={"wire"},
        causes=("speaker-down",),
        commands=("ls | wc",),
    )
    def test_x() -> None:
        """Holds | always.

        And why.
        """


def test_a_check_has_its_commands_and_causes_on_the_page_of_its_section() -> None:
    pages = docs.pages(declare.registry())

    assert (
        "| [health.x](checks/health.md#healthx) | 1 | observe, wire | Holds \\| always. |"
        in pages["checks.md"]
    )
    assert "```sh\nls | wc\n```" in pages["checks/health.md"]
    assert "And why." in pages["checks/health.md"]
    assert "May refer to: [speaker-down](../causes.md#speaker-down)" in pages["checks/health.md"]


def test_every_cause_stands_once_with_its_proof() -> None:
    page = docs.pages(declare.registry())["causes.md"]

    for cause in CAUSES.values():
        assert page.count(f"#### {cause.id}\n") == 1
        assert f"- Proven by: {cause.proven_by}\n- Excluded by: {cause.excluded_by}\n" in page


def test_a_stale_page_is_told_and_written_anew(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert docs.main(["--check"]) == 1
    assert "docs/checks/health.md is stale" in capsys.readouterr().err

    assert docs.main([]) == 0
    assert docs.main(["--check"]) == 0

    (tmp_path / "docs" / "checks" / "gone.md").write_text("# Checks: gone\n")
    assert docs.main(["--check"]) == 1
