"""One run in parts: nothing left out, nothing twice, the same for whoever asks, and about equally long."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clusters.errors import UsageError
from suites.plugin.sharding import recorded, shares
from tests.unit.plugin.project import Project

_IDS = st.text(alphabet="abc.", min_size=1, max_size=5)
_SECONDS = st.floats(min_value=0, max_value=600)
_FOUR = """\
    @check("health.a", runbook="1", level=OBSERVE)
    def test_a():
        \"\"\"A.\"\"\"

    @check("health.b", runbook="1", level=OBSERVE, measured=True)
    def test_b(record):
        \"\"\"B.\"\"\"
        record.measure("gap", 1.0)

    @check("health.c", runbook="1", level=OBSERVE)
    @pytest.mark.parametrize("which", ["x", "y"])
    def test_c(which):
        \"\"\"C.\"\"\"

    @check("health.d", runbook="1", level=CREATE)
    def test_d():
        \"\"\"D.\"\"\"
"""


@given(ids=st.lists(_IDS), durations=st.dictionaries(_IDS, _SECONDS), count=st.integers(1, 9), data=st.data())
def test_every_check_is_in_exactly_one_part_whoever_asks(
    ids: list[str], durations: dict[str, float], count: int, data: st.DataObject
) -> None:
    parts = shares(ids, durations, count)

    assert len(parts) == count
    assert sum(len(part) for part in parts) == len(set(ids))
    assert frozenset().union(*parts) == set(ids)
    assert shares(data.draw(st.permutations(ids)), dict(reversed(durations.items())), count) == parts


@given(durations=st.dictionaries(_IDS, _SECONDS, min_size=1), count=st.integers(1, 9))
def test_no_part_is_longer_than_a_fair_share_and_one_check(durations: dict[str, float], count: int) -> None:
    loads = [sum(durations[one] for one in part) for part in shares(durations, durations, count)]

    # Less can always be had by giving a check to a part that has less to do.
    assert max(loads) - min(loads) <= max(durations.values()) + 1e-6
    assert max(loads) <= sum(durations.values()) / count + max(durations.values()) + 1e-6


def test_checks_that_nobody_has_timed_are_spread() -> None:
    assert [len(part) for part in shares([f"a.{number}" for number in range(8)], {}, 4)] == [2, 2, 2, 2]


def test_the_parts_of_a_run_are_the_run(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    project.checks(_FOUR)
    for number in (1, 2, 3):
        result = project.run("--run-id", "night", "--shard", f"{number}/3", "--repeat", "2", allow="observe")
        assert result.ret == 0
    shards = [project.path / "reports" / "out" / f"night.{number}" for number in (1, 2, 3)]
    from reports.__main__ import main  # noqa: PLC0415 - pytester forgets what a run imported

    assert main(["merge", *map(str, shards), "-o", str(project.path / "whole")]) == 0

    whole = json.loads((project.path / "whole" / "results.json").read_text())
    assert whole["run"]["id"] == "night"
    assert sorted(check["id"] for check in whole["checks"]) == ["health.a", "health.b", "health.c"]
    assert whole["not_tested"] == [{"id": "health.d", "reason": "needs --allow create"}]
    (b,) = [check for check in whole["checks"] if check["id"] == "health.b"]
    assert b["measurements"]["gap"]["samples"] == [1.0, 1.0]


def test_a_part_says_what_the_others_do(project: Project) -> None:
    project.checks(_FOUR)

    project.run("--run-id", "night", "--shard", "1/3", allow="observe")

    elsewhere = [
        name for name, why in project.not_tested.items() if why == "in another shard, this is 1 of 3"
    ]
    assert sorted([*project.outcomes, *elsewhere]) == ["health.a", "health.b", "health.c"]
    assert len(project.outcomes) == 1


def test_parts_are_balanced_by_what_an_earlier_run_took(project: Project) -> None:
    project.checks(_FOUR)
    project.run(allow="observe")
    data = project.results
    for check in data["checks"]:
        check["duration_s"] = 30.0 if check["id"] == "health.c" else 1.0
    earlier = project.path / "earlier.json"
    earlier.write_text(json.dumps(data))

    arguments = ("--run-id", "night", "--balance-by", str(earlier))
    project.run(*arguments, "--shard", "1/2", allow="observe")
    assert set(project.outcomes) == {"health.c"}
    project.run(*arguments, "--shard", "2/2", allow="observe")
    assert set(project.outcomes) == {"health.a", "health.b"}


def test_worker_processes_agree_on_the_part(project: Project) -> None:
    project.checks(_FOUR)

    assert project.run_apart("--run-id", "night", "--shard", "2/3", "-n", "2", allow="observe").ret == 0

    assert len(project.outcomes) == 1
    assert project.results["run"]["id"] == "night.2"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--shard", "0/4", "--run-id", "x"), "*--shard 0/4 is not I/N, like 1/4, with I from 1 to N.*"),
        (("--shard", "5/4", "--run-id", "x"), "*--shard 5/4 is not I/N*"),
        (("--shard", "half", "--run-id", "x"), "*--shard half is not I/N*"),
        (("--shard", "1/4"), "*--shard needs --run-id, and the same one for all parts of the run.*"),
        (("--balance-by", "x.json"), "*--balance-by is for --shard, and there is none.*"),
        (
            ("--shard", "1/4", "--run-id", "x", "--balance-by", "x.json"),
            "*--balance-by x.json cannot be read: No such*",
        ),
    ],
)
def test_a_part_that_cannot_be_is_refused(project: Project, arguments: tuple[str, ...], said: str) -> None:
    project.checks(_FOUR)

    result = project.pytest_apart(*project.arguments(arguments, "observe"))

    assert result.ret == 4
    result.stderr.fnmatch_lines([said])


@pytest.mark.parametrize(
    "text", ["[]", "{", '{"checks": [{"id": "a.b"}]}', '{"checks": [{"id": "a.b", "duration_s": -1}]}']
)
def test_a_file_of_something_else_gives_no_durations(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.json").write_text(text)

    with pytest.raises(UsageError, match=r"x\.json is no results\.json"):
        recorded(tmp_path / "x.json")
