"""Around an upgrade that somebody else performs: which checks run in which phase, and what is kept between."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest

from clusters import budgets
from clusters.errors import ExitCode, Inconclusive, UsageError
from suites.plugin import upgrade_state
from suites.plugin.upgrade_state import ConsumerGaps, GapsFile, SavedGaps, SavedPhase
from tests.unit.plugin.project import Project

CHECKS = '''
@check("upgrade.recorded", runbook="pre-upgrade", level=OBSERVE, phases=("before",))
def test_recorded(run):
    """SavedPhase."""
    run.phase_file.write_text(KEPT)

@check("upgrade.preserved", runbook="pre-upgrade", level=DISRUPT, phases=("during", "after"))
def test_preserved(run):
    """Preserved."""

@check("health.sees", runbook="1", level=OBSERVE)
def test_sees():
    """Sees."""
'''
NOW = dt.datetime(2026, 1, 10, 12, 0, tzinfo=dt.UTC)
KEPT = SavedPhase(
    cluster="edge",
    uid="u-1",
    taken_at=NOW - dt.timedelta(hours=3),
    kubernetes_version="v1.34.4",
    metallb_version="0.15.2",
    addresses={"shop/web": ("192.0.2.1",)},
    owners={"192.0.2.1": ("node1",)},
)


@pytest.fixture
def around(project: Project) -> Project:
    project.checks(f"KEPT = {KEPT.model_dump_json()!r}\n" + CHECKS)
    return project


def test_without_a_phase_an_upgrade_is_performed_and_nothing_is_kept(around: Project) -> None:
    around.run(allow="disrupt")

    assert around.outcomes == {"health.sees": "passed", "upgrade.preserved": "passed"}
    assert around.not_tested == {"upgrade.recorded": "needs --phase before"}


def test_a_phase_only_looks_and_the_second_finds_what_the_first_kept(around: Project) -> None:
    before = around.run("--phase", "before", allow="observe")

    assert before.ret == ExitCode.PASSED
    assert around.outcomes == {"health.sees": "passed", "upgrade.recorded": "passed"}
    assert around.not_tested == {"upgrade.preserved": "needs --phase during or after"}

    after = around.run("--phase", "after", allow="observe")

    assert after.ret == ExitCode.PASSED
    assert around.outcomes == {"health.sees": "passed", "upgrade.preserved": "passed"}
    assert around.check("upgrade.preserved")["level"] == "observe"


def test_while_somebody_upgrades_nothing_is_asked_but_what_belongs_there(around: Project) -> None:
    around.run("--phase", "before", allow="observe")

    during = around.run("--phase", "during", allow="observe")

    assert during.ret == ExitCode.PASSED
    assert around.outcomes == {"upgrade.preserved": "passed"}
    assert around.not_tested == {
        "health.sees": "not asked while somebody upgrades (--phase during)",
        "upgrade.recorded": "needs --phase before",
    }


def test_what_is_measured_needs_the_state_of_before(around: Project) -> None:
    result = around.pytest_apart(
        *around.arguments(["--phase", "during", "--phase-file", str(around.path / "none.json")], "observe")
    )

    assert result.ret == ExitCode.USAGE


GAPS = SavedGaps(
    uid="u-1",
    since=NOW - dt.timedelta(hours=2),
    until=NOW - dt.timedelta(hours=1),
    ended=True,
    consumers=(
        ConsumerGaps(
            service="traefik/traefik",
            longest=2.5,
            total=3.0,
            cut=1,
            failed=14,
            sent=600,
            by="tcp 192.0.2.1:80",
        ),
    ),
)


def test_what_consumers_missed_is_kept_beside_the_state_until_another_upgrade(tmp_path: Path) -> None:
    file = GapsFile(tmp_path / "upgrade-edge.json")
    assert file.read("u-1", since=KEPT.taken_at) is None

    file.write(GAPS)
    file.end()

    assert file.path.name == "upgrade-edge.consumers.json"
    assert (file.read("u-1", since=KEPT.taken_at), file.over) == (GAPS, True)
    assert file.read("u-2", since=KEPT.taken_at) is None  # of another cluster
    assert file.read("u-1", since=NOW) is None  # of the upgrade before
    file.begin()
    assert (file.path.exists(), file.over) == (True, False)
    file.forget()
    assert not file.path.exists()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{" * 5000,
        GAPS.model_dump_json().replace("2.5", "-1"),
        GAPS.model_dump_json().replace("2.5", "NaN"),
        GAPS.model_dump_json().replace("traefik/traefik", "a b\\u001b[31m"),
    ],
)
def test_figures_that_are_none_are_one_sentence(tmp_path: Path, text: str) -> None:
    file = GapsFile(tmp_path / "kept.json")
    file.path.write_text(text)

    with pytest.raises(Inconclusive, match=r"cannot be read from .*kept\.consumers\.json") as told:
        file.read("u-1", since=KEPT.taken_at)

    assert "\x1b" not in str(told.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, r"There is no state from before the upgrade: .*kept\.json does not exist\."),
        ("", r"kept\.json holds no state from before an upgrade: it: Invalid JSON"),
        (
            '{"upgrade_state": 2}',
            r"kept\.json was written by another version of this suite \(upgrade_state is 2, not 1\)",
        ),
        (
            '{"schema_version": 1}',
            r"kept\.json holds no state from before an upgrade: cluster: Field required\.",
        ),
        (
            '{"cluster": ' + "[" * 5000,
            r"kept\.json holds no state from before an upgrade: it: Invalid JSON: recursion limit",
        ),
        (
            '{"cluster": "a", "uid": "b", "taken_at": "2026-01-01T00:00:00"}',
            r"holds no state from before an upgrade: taken_at: Input should have timezone info\.",
        ),
    ],
)
def test_a_file_that_is_none_ends_the_run_in_one_sentence(
    around: Project, text: str | None, said: str
) -> None:
    file = around.path / "kept.json"
    if text is not None:
        file.write_text(text)

    result = around.pytest_apart(
        *around.arguments(["--phase", "after", "--phase-file", str(file)], "observe")
    )

    assert result.ret == ExitCode.USAGE
    (line,) = [line for line in result.errlines if line.startswith("ERROR:")]
    assert len(result.errlines) <= 2
    with pytest.raises(UsageError, match=said):
        upgrade_state.read(file)
    assert str(file) in line


def test_a_phase_has_no_kept_observation(around: Project, tmp_path: Path) -> None:
    snapshot = around.path / "snapshot.json"
    snapshot.write_text("{}")

    result = around.pytest_apart(
        *around.arguments(["--phase", "before", "--snapshot", str(snapshot)], "observe")
    )

    assert result.ret == ExitCode.USAGE


def test_what_is_kept_is_read_back(tmp_path: Path) -> None:
    file = tmp_path / "there" / "kept.json"

    upgrade_state.write(KEPT, file)

    assert upgrade_state.read(file) == KEPT
    assert json.loads(file.read_text())["upgrade_state"] == upgrade_state.VERSION
    assert upgrade_state.read(file).for_cluster("u-1", now=NOW) == KEPT


def test_a_place_that_cannot_be_written_to_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(
        UsageError, match=r"cannot be written to .*(File exists|Not a directory)\. Name another place"
    ):
        upgrade_state.write(KEPT, tmp_path / "file" / "kept.json")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"uid": "u-2"}, r"of another cluster: of edge \(UID u-2\).*this one's UID is u-1"),
        (
            {"taken_at": NOW - dt.timedelta(seconds=budgets.get(budgets.UPGRADE_WINDOW).within + 86400)},
            r"taken 2026-01-02 12:00 UTC, 8 days ago: too long",
        ),
    ],
)
def test_a_state_of_another_cluster_or_of_long_ago_decides_nothing(change: dict[str, Any], said: str) -> None:
    with pytest.raises(Inconclusive, match=said):
        KEPT.model_copy(update=change).for_cluster("u-1", now=NOW)
