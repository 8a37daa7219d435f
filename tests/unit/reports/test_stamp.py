"""stamp: one cell of the runbook, only after a run that validated it, and nothing else."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from clusters.checks import Outcome, RunResult, Verdict
from clusters.errors import ExitCode, UsageError
from clusters.gitops.runbook import coverage, last_validated, read_encoding
from reports.__main__ import main
from reports.publish.stamp import encoded, find, rewrite
from tests.unit.reports.past_runs import BEGIN, a_run, keep
from tests.unit.reports.test_history_view import replace_verdict

EXAMPLE = Path(__file__).parents[3] / "examples" / "platform" / "runbooks"
PASSED = Outcome.PASSED
LONG_AGO = "2020-01-01"
ITSELF = "postincident.runbook-current"


@pytest.fixture
def runbook(tmp_path: Path) -> Path:
    """The example's runbook, last validated long ago."""
    shutil.copytree(EXAMPLE, tmp_path / "runbooks")
    page = tmp_path / "runbooks" / "metallb.md"
    cell = find(page)
    rewrite(page, cell, LONG_AGO)
    return page


@pytest.fixture
def required(runbook: Path) -> dict[str, Outcome]:
    """The checks that it takes, passed."""
    return dict.fromkeys(sorted(encoded(runbook, runbook.read_text())), PASSED)


def stamp(runbook: Path, *runs: RunResult, more: tuple[str, ...] = (), provider: str = "existing") -> int:
    history = runbook.parents[1] / "history.db"
    keep(history, *(replace(each, run=replace(each.run, provider=provider)) for each in runs))
    return main(["stamp", "--runbook", str(runbook), "--history", str(history), *more])


def test_a_whole_passed_run_stamps_its_day_and_nothing_else(
    runbook: Path, required: dict[str, Outcome], capsys: pytest.CaptureFixture[str]
) -> None:
    runbook.chmod(0o640)
    before = runbook.read_bytes()

    assert stamp(runbook, a_run("run", 50, required)) == ExitCode.PASSED

    assert capsys.readouterr().out == f"{runbook}: last validated 2026-01-03, by run run on lab\n"
    assert runbook.read_bytes() == before.replace(LONG_AGO.encode(), b"2026-01-03")
    assert runbook.stat().st_mode & 0o777 == 0o640
    assert {path.name for path in runbook.parent.iterdir()} == {"metallb.md", "metallb.checks.yaml"}

    inode = runbook.stat().st_ino
    assert stamp(runbook) == ExitCode.PASSED
    assert "already says that it was last validated 2026-01-03" in capsys.readouterr().out
    assert runbook.stat().st_ino == inode


def test_a_later_day_is_not_taken_back_unless_it_is_yet_to_come(
    runbook: Path, required: dict[str, Outcome]
) -> None:
    rewrite(runbook, find(runbook), "2026-01-20")
    assert stamp(runbook, a_run("run", 50, required)) == ExitCode.PASSED
    assert find(runbook).value == "2026-01-20"

    rewrite(runbook, find(runbook), f"{datetime.now(UTC) + timedelta(days=2):%Y-%m-%d}")
    assert stamp(runbook) == ExitCode.PASSED
    assert find(runbook).value == "2026-01-03"


@pytest.mark.parametrize(
    ("outcome", "said"),
    [
        (Outcome.FAILED, "failed: health.pods-ready"),
        (Outcome.INCONCLUSIVE, "inconclusive: health.pods-ready"),
        (Outcome.SKIPPED, "skipped: health.pods-ready"),
        (Outcome.WAIVED, "waived: health.pods-ready"),
        (Outcome.NOT_SUPPORTED, "not supported: health.pods-ready"),
        (None, "not run: health.pods-ready"),
    ],
)
def test_a_required_check_that_did_not_pass_is_named(
    *,
    runbook: Path,
    required: dict[str, Outcome],
    outcome: Outcome | None,
    said: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    outcomes = {**required, "health.pods-ready": outcome}
    ran = {check: each for check, each in outcomes.items() if each is not None}
    run = a_run("run", 50, ran, not_tested={"health.pods-ready": "deselected"} if outcome is None else {})

    assert stamp(runbook, run) == ExitCode.REFUSED

    error = capsys.readouterr().err
    assert f"metallb.md is not validated by run run on lab: {said}; nor by any run before it." in error
    assert "pytest suites --cluster lab --allow disrupt" in error
    assert find(runbook).value == LONG_AGO


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.INCONCLUSIVE])
def test_a_run_that_failed_elsewhere_or_is_incomplete_is_no_passed_run(
    runbook: Path, required: dict[str, Outcome], outcome: Outcome, capsys: pytest.CaptureFixture[str]
) -> None:
    assert stamp(runbook, a_run("run", 50, {**required, "extra.one": outcome})) == ExitCode.REFUSED
    assert f"{outcome}: extra.one" in capsys.readouterr().err


def test_the_check_of_the_cell_itself_may_fail_until_it_is_stamped(
    runbook: Path, required: dict[str, Outcome]
) -> None:
    assert ITSELF not in required
    assert stamp(runbook, a_run("run", 50, {**required, ITSELF: Outcome.FAILED})) == ExitCode.PASSED
    assert find(runbook).value == "2026-01-03"


@pytest.mark.parametrize("verdict", [Verdict.CLEANUP_FAILED, Verdict.REFUSED])
def test_a_run_that_ended_badly_does_not_count(
    runbook: Path, required: dict[str, Outcome], verdict: Verdict, capsys: pytest.CaptureFixture[str]
) -> None:
    assert stamp(runbook, replace_verdict(a_run("run", 50, required), verdict)) == ExitCode.REFUSED
    assert f"the run ended as {verdict}" in capsys.readouterr().err


def test_an_earlier_run_counts_unless_something_failed_since(
    runbook: Path, required: dict[str, Outcome], capsys: pytest.CaptureFixture[str]
) -> None:
    whole, part = a_run("whole", 50, required), a_run("part", 80, {"health.pods-ready": PASSED})
    assert stamp(runbook, whole, part) == ExitCode.PASSED
    assert find(runbook).value == "2026-01-03"

    later = a_run("later", 100, {"health.pods-ready": Outcome.FAILED})
    assert stamp(runbook, later) == ExitCode.REFUSED
    assert "run later on lab has failed since: health.pods-ready" in capsys.readouterr().err
    assert stamp(runbook, a_run("elsewhere", 120, {"health.pods-ready": Outcome.FAILED}, cluster="jls")) == 6
    assert stamp(runbook, more=("--cluster", "nowhere")) == ExitCode.USAGE


def test_what_is_required_can_be_said(runbook: Path) -> None:
    run = a_run("run", 50, {"health.pods-ready": PASSED, "health.probes": PASSED})

    assert stamp(runbook, run, more=("--require", "health.probes,health.pods-ready")) == ExitCode.PASSED
    assert stamp(runbook, more=("--require", "traffic.no-squatter")) == ExitCode.REFUSED


def test_a_statement_without_a_check_cannot_be_validated(
    runbook: Path, required: dict[str, Outcome], capsys: pytest.CaptureFixture[str]
) -> None:
    runbook.write_text(runbook.read_text() + "\n- Water the plants.\n")

    assert stamp(runbook, a_run("run", 50, required)) == ExitCode.REFUSED
    assert "1 of its statements have no check" in capsys.readouterr().err
    runbook.with_suffix(".checks.yaml").unlink()
    assert stamp(runbook) == ExitCode.USAGE


ROW = "| Last validated | 2020-01-01 |"


@pytest.mark.parametrize(
    "page",
    [
        "| Field | Value |\n| --- | --- |\n| Last validated | 2020-01-01 |\n",
        "| Field | Value |\r\n| --- | --- |\r\n| Last validated | 2020-01-01 |\r\n\r\nText\r\n",
        "|Field|Value|\n|-|-|\n|**Last validated**|2020-01-01|",
        "Field | Value\n--- | ---\nLast validated | 2020-01-01\nOwner | me\n",
        "| Field | Value | Who |\n| --- | --- | --- |\n|  last   Validated |  2020-01-01   | a \\| b |\n",
        "\ufeff# T\n\n- x\n\n| Last validated | 2020-01-01 |\n| --- | --- |\n",
        f"```\n{ROW}\n```\n\n| a | b |\n|---|---|\n{ROW}\n",
        "1. x\n\n   | a | b |\n   |---|---|\n   | Last validated | 2020-01-01 |\n",
    ],
)
def test_only_the_cell_changes_in_whatever_table(tmp_path: Path, page: str) -> None:
    path = tmp_path / "page.md"
    path.write_bytes(page.encode())
    cell = find(path)
    assert cell.value == "2020-01-01"

    rewrite(path, cell, "2026-11-26")

    text = path.read_bytes().decode()
    assert find(path).value == last_validated(text) == "2026-11-26"
    place = page.rindex("2020-01-01")
    assert text == page[:place] + "2026-11-26" + page[place + 10 :]


CELLS = some.text(some.characters(exclude_characters="|\\`\r\n", exclude_categories=("C", "Z")), max_size=12)


@given(
    owner=CELLS, value=CELLS, more=some.lists(CELLS, max_size=3), space=some.sampled_from(("", " ", "   "))
)
def test_only_the_cell_changes_whatever_is_in_it(
    *, tmp_path_factory: pytest.TempPathFactory, owner: str, value: str, more: list[str], space: str
) -> None:
    width = 2 + len(more)
    rows = [["Field", "Value", *("x" for _ in more)], ["---"] * width, ["Owner", owner, *more]]
    last = ["Last validated", value, *more]
    page = "\n".join("|" + "|".join(f"{space}{cell}{space}" for cell in row) + "|" for row in (*rows, last))
    path = tmp_path_factory.mktemp("page") / "page.md"
    path.write_text(page, encoding="utf-8")
    before = path.read_bytes().decode()

    cell = find(path)
    rewrite(path, cell, "2026-11-26")

    assert path.read_bytes().decode() == before[: cell.start] + "2026-11-26" + before[cell.end :]
    assert "Last validated" in before[: cell.start].splitlines()[-1]
    assert find(path).value == "2026-11-26"


@pytest.mark.parametrize(
    ("page", "said"),
    [
        ("# T\n\nLast validated: 2020-01-01\n", "has no such field"),
        (f"| a | b |\n|---|---|\n{ROW}\n{ROW}\n", "has the field twice, on lines 3 and 4"),
        (f"```\n{ROW}\n```\n", "has no such field"),
    ],
)
def test_a_page_without_just_one_such_cell_is_refused(tmp_path: Path, page: str, said: str) -> None:
    (tmp_path / "page.md").write_text(page)

    with pytest.raises(UsageError, match=said):
        find(tmp_path / "page.md")
    with pytest.raises(UsageError, match="There is no runbook"):
        find(tmp_path / "other.md")


def test_a_table_that_cannot_be_written_to_is_left_alone(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"> | a | b |\n> |---|---|\n> {ROW}\n")
    before = page.read_bytes()

    with pytest.raises(UsageError, match="cannot be written to"):
        rewrite(page, find(page), "2026-11-26")

    assert page.read_bytes() == before
    assert BEGIN.year == 2026


def git(runbook: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-c", "user.name=a", "-c", "user.email=a@example.org", *arguments],
        cwd=runbook.parent, check=True, capture_output=True, text=True,
    )  # fmt: skip
    return done.stdout


@pytest.fixture
def committed(runbook: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The runbook in a git repository, beside a file with an edit; a hook that would be seen."""
    settings = tmp_path / "gitconfig"
    settings.write_text("[user]\n\tname = Somebody\n\temail = somebody@example.org\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(settings))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    git(runbook, "init", "--quiet", "--initial-branch=main", str(runbook.parents[1] / "runbooks" / ".."))
    (runbook.parents[1] / ".gitignore").write_text("history.db*\ngitconfig\n")
    git(runbook, "add", "--all", "..")
    git(runbook, "commit", "--quiet", "-m", "as it was")
    hook = runbook.parents[1] / ".git" / "hooks" / "pre-commit"
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/hooked\n")
    hook.chmod(0o755)
    (runbook.parents[1] / ".gitignore").write_text("history.db*\ngitconfig\nhooked\n")
    return runbook


def test_a_lab_validates_no_runbook_unless_it_is_named(
    runbook: Path, required: dict[str, Outcome], capsys: pytest.CaptureFixture[str]
) -> None:
    assert stamp(runbook, a_run("run", 50, required), provider="lab") == ExitCode.REFUSED
    assert "only runs on labs and kind clusters have ended (lab)." in capsys.readouterr().err
    assert find(runbook).value == LONG_AGO

    assert stamp(runbook, more=("--cluster", "lab")) == ExitCode.PASSED
    assert find(runbook).value == "2026-01-03"


def test_a_lab_that_passed_later_is_not_taken_for_the_cluster(
    runbook: Path, required: dict[str, Outcome]
) -> None:
    stamp(runbook, a_run("lab", 80, required), provider="lab")

    assert stamp(runbook, a_run("real", 50, required, cluster="homelab")) == ExitCode.PASSED
    assert find(runbook).value == "2026-01-03"


def test_it_commits_the_page_and_nothing_else(
    committed: Path, required: dict[str, Outcome], capsys: pytest.CaptureFixture[str]
) -> None:
    assert stamp(committed, a_run("run", 50, required), more=("--commit",)) == ExitCode.PASSED

    assert "(commit " in capsys.readouterr().out
    assert git(committed, "log", "-1", "--format=%s|%an", "--name-only").split("\n") == [
        "Validate metallb.md on 2026-01-03, by run run on lab|Somebody", "", "runbooks/metallb.md", "",
    ]  # fmt: skip
    assert git(committed, "status", "--porcelain") == " M .gitignore\n"
    assert git(committed, "show", "HEAD:./metallb.md") == committed.read_text()
    assert not (committed.parents[1] / "hooked").exists()
    assert git(committed, "fsck", "--strict") == ""


def test_it_commits_on_a_new_branch_and_leaves_the_working_tree_alone(
    committed: Path, required: dict[str, Outcome], capsys: pytest.CaptureFixture[str]
) -> None:
    before = committed.read_bytes()
    more = ("--commit", "Validated", "--branch", "validated/jan")

    assert stamp(committed, a_run("run", 50, required), more=more) == ExitCode.PASSED

    assert "on branch validated/jan)" in capsys.readouterr().out
    assert committed.read_bytes() == before
    assert git(committed, "branch", "--show-current") == "main\n"
    assert git(committed, "diff", "--stat", "main", "validated/jan").startswith(" runbooks/metallb.md | 2 +-")
    assert git(committed, "log", "-1", "--format=%s", "validated/jan") == "Validated\n"

    assert stamp(committed, more=more) == ExitCode.REFUSED
    assert "The branch validated/jan exists." in capsys.readouterr().err


@pytest.mark.parametrize("branch", ["", "x"])
def test_edits_of_somebody_are_not_committed(
    committed: Path, required: dict[str, Outcome], capsys: pytest.CaptureFixture[str], branch: str
) -> None:
    committed.write_text(committed.read_text().replace("Tier 0", "Tier 1"))
    more = ("--commit", "x", *(("--branch", branch) if branch else ()))

    assert stamp(committed, a_run("run", 50, required), more=more) == ExitCode.REFUSED

    assert "has edits that are not committed." in capsys.readouterr().err
    assert find(committed).value == LONG_AGO


def test_checks_that_do_not_exist_validate_nothing(
    runbook: Path, required: dict[str, Outcome], capsys: pytest.CaptureFixture[str]
) -> None:
    place = runbook.with_suffix(".checks.yaml")
    place.write_text(place.read_text().replace("rollback.drill]", "rollback.dril]", 1))

    assert stamp(runbook, a_run("run", 50, required)) == ExitCode.REFUSED

    error = capsys.readouterr().err
    assert "there is no check 'rollback.dril'; did you mean rollback.drill?" in error
    assert find(runbook).value == LONG_AGO


class TestEncode:
    def test_it_writes_every_statement_of_a_runbook_of_ones_own(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        page = tmp_path / "edge.md"
        page.write_text(
            "# Edge\n\n## First\n\n- an address of that pool is still free\n- ask: 'who' #1\n\n"
            "```sh\nkubectl get svc -A | grep LoadBalancer\n```\n"
        )

        assert main(["encode", str(page), "--write"]) == ExitCode.PASSED

        place = tmp_path / "edge.checks.yaml"
        assert capsys.readouterr().out.endswith("2 statements wait for a check, or for a context\n")
        assert "checks: []  # perhaps pending.free-address" in place.read_text()
        assert "checks: [health.services-addressed]" in place.read_text()
        missing = coverage(page.read_text(), read_encoding(place.read_text(), "x")).missing
        assert [piece.text for piece in missing] == ["an address of that pool is still free", "ask: 'who' #1"]

        assert main(["encode", str(page), "--write"]) == ExitCode.USAGE

    def test_what_is_encoded_stays_and_what_is_gone_is_told(
        self, runbook: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        kept = read_encoding(runbook.with_suffix(".checks.yaml").read_text(), "x")
        runbook.write_text(
            runbook.read_text().replace("- an address of the pool is still free", "- something new")
        )

        assert main(["encode", str(runbook)]) == ExitCode.PASSED

        told = capsys.readouterr()
        assert "and left out: 2.1 a service waits for its address: an address of the pool" in told.err
        now = coverage(runbook.read_text(), read_encoding(told.out, "x"))
        assert [piece.text for piece in now.missing] == ["something new"]
        assert now.stale == ()
        assert now.checks == coverage(runbook.read_text(), kept).checks
