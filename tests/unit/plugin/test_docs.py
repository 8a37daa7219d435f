"""docs/checks.md is made from the declarations and says when it is stale."""

from __future__ import annotations

from pathlib import Path

import pytest

from suites import docs
from suites.plugin import declare
from suites.plugin.declare import OBSERVE, check


@pytest.fixture(autouse=True)
def _one_check(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(declare, "_REGISTRY", {})
    monkeypatch.setattr(docs, "load", lambda _: declare.registry())
    monkeypatch.setattr(docs, "_ROOT", tmp_path)
    monkeypatch.setattr(docs, "_PAGE", tmp_path / "checks.md")

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


def test_the_page_has_the_check_its_commands_and_its_causes() -> None:
    text = docs.page(declare.registry())

    assert "| [health.x](#healthx) | 1 | observe, wire | Holds \\| always. |" in text
    assert "```sh\nls | wc\n```" in text
    assert "And why." in text
    assert "[speaker-down](#speaker-down)" in text
    assert "### speaker-down" in text


def test_a_stale_page_is_told_and_written_anew(capsys: pytest.CaptureFixture[str]) -> None:
    assert docs.main(["--check"]) == 1
    assert "checks.md is stale" in capsys.readouterr().err

    assert docs.main([]) == 0
    assert docs.main(["--check"]) == 0
