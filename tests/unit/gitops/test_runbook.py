"""postincident.runbook-current, and the example runbook: every statement of it has a check."""

from __future__ import annotations

from pathlib import Path

import pytest

from clusters.checks import Finding
from clusters.errors import Inconclusive
from clusters.gitops import runbook
from clusters.gitops.documents import FileError
from suites.plugin.declare import load
from tests.unit.gitops.site import EXAMPLE, Site

RUNBOOK = EXAMPLE / "runbooks" / "metallb.md"
ENCODING = EXAMPLE / "runbooks" / "metallb.checks.yaml"


def current(site: Site) -> list[Finding]:
    return runbook.runbook_current(site.repository())


def example() -> runbook.Coverage:
    return runbook.coverage(RUNBOOK.read_text(), runbook.read_encoding(ENCODING.read_text(), ENCODING.name))


class TestTheExample:
    def test_every_statement_has_a_check(self) -> None:
        assert [f"line {piece.line}: {piece.text}" for piece in example().missing] == []

    def test_no_check_is_named_for_a_statement_that_is_gone(self) -> None:
        assert example().stale == ()

    def test_every_named_check_exists(self) -> None:
        known = set(load(Path(__file__).parents[3] / "suites"))

        assert example().checks <= known

    def test_every_observe_check_of_a_numbered_section_encodes_a_statement(self) -> None:
        known = load(Path(__file__).parents[3] / "suites")
        numbered = {
            name
            for name, declared in known.items()
            if any(section[0].isdigit() or section == "Trigger" for section in declared.spec.runbook)
        }

        assert numbered - example().checks == set()


class TestSentences:
    def test_items_commands_and_statements_are_sentences(self) -> None:
        text = (
            "# A\n\n## B\n\nDo this first:\n\n- one\n- two\n  wrapped\n\n"
            "```sh\n# a comment\nls -l\n```\n\nIt is so.\n"
        )

        found = [(piece.kind, piece.text, piece.line) for piece in runbook.runbook_sentences(text)]

        assert found == [
            ("item", "one", 7),
            ("item", "two wrapped", 8),
            ("command", "ls -l", 13),
            ("text", "It is so.", 16),
        ]

    def test_tables_are_no_sentences(self) -> None:
        assert runbook.runbook_sentences("# A\n\n| Field | Value |\n| --- | --- |\n| a | b |\n") == ()


class TestCurrent:
    def test_the_example_is_current(self, site: Site) -> None:
        assert current(site) == []

    @pytest.mark.parametrize(
        ("day", "said"),
        [
            pytest.param(
                "2026-08-25", "was last validated on 2026-08-25, 91 days ago; 90 are allowed", id="too-old"
            ),
            pytest.param("2026-11-25", "which is in the future", id="in-the-future"),
            pytest.param("last spring", "gives 'last spring' as the day of its last validation", id="no-day"),
        ],
    )
    def test_a_validation_that_does_not_count_is_named(self, site: Site, day: str, said: str) -> None:
        site.edit("runbooks/metallb.md", "| Last validated | 2026-11-03 |", f"| Last validated | {day} |")

        (finding,) = current(site)

        assert finding.cause == "validation-stale"
        assert said in finding.summary

    def test_the_last_day_of_the_budget_is_in_order(self, site: Site) -> None:
        site.edit("runbooks/metallb.md", "| Last validated | 2026-11-03 |", "| Last validated | 2026-08-26 |")

        assert current(site) == []

    def test_a_runbook_without_a_validation_is_named(self, site: Site) -> None:
        site.edit("runbooks/metallb.md", "| Last validated | 2026-11-03 |\n", "")

        assert "does not say when it was last validated" in current(site)[0].summary

    def test_a_new_step_without_a_check_is_named_with_its_line(self, site: Site) -> None:
        site.edit("runbooks/metallb.md", "- Apply the config.yaml from before.\n", "- Turn it off and on.\n")

        (finding,) = current(site)

        assert finding.summary.startswith(
            "1 statements of runbooks/metallb.md have no check; the first is on line "
        )
        assert finding.summary.endswith("'Turn it off and on.'.")

    def test_a_check_that_does_not_exist_encodes_nothing(self, site: Site) -> None:
        site.edit("runbooks/metallb.checks.yaml", "checks: [rollback.drill]", "checks: [rollback.dril]")

        (finding,) = current(site)

        assert finding.cause == "validation-stale"
        assert finding.summary == (
            "runbooks/metallb.checks.yaml names what is no check: there is no check 'rollback.dril'; did you mean "
            "rollback.drill?"
        )

    def test_an_encoded_statement_that_is_gone_is_noted(self, site: Site) -> None:
        site.edit("runbooks/metallb.md", "- Apply the config.yaml from before.\n", "")
        notes: list[str] = []

        assert runbook.runbook_current(site.repository(), notes.append) == []
        assert len(notes) == 1
        assert notes[0].endswith("apply the config.yaml from before")

    def test_a_statement_that_is_context_needs_no_check(self, site: Site) -> None:
        statement = "- says: Apply the config.yaml from before.\n        "
        site.edit(
            "runbooks/metallb.checks.yaml",
            f"{statement}checks: [rollback.drill]",
            f"{statement}context: said above",
        )

        assert current(site) == []

    def test_without_an_encoding_it_stays_open(self, site: Site) -> None:
        site.git("rm", "--quiet", "runbooks/metallb.checks.yaml")

        with pytest.raises(Inconclusive, match=r"runbooks/metallb.checks.yaml does not exist"):
            current(site)

    def test_a_misspelt_field_of_the_encoding_is_named_with_its_line(self, site: Site) -> None:
        site.write("runbooks/metallb.checks.yaml", "sections:\n  - section: A\n    statments: []\n")

        with pytest.raises(
            FileError, match=r"checks.yaml line 3: sections.0.statments: there is no such field"
        ):
            current(site)
