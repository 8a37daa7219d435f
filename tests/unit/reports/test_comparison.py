"""What is otherwise between two runs: told once each, noise apart, with real observations behind it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as some

from clusters.checks import Measurement, Outcome, RunResult
from clusters.errors import ExitCode
from clusters.observation import Snapshot, load, save
from reports.__main__ import main
from reports.history.comparison import Comparison, band, compared, moves, reconfigured, side_of
from reports.model import save as save_results
from tests.unit.reports.past_runs import a_run, keep

OBSERVATIONS = Path(__file__).parents[1] / "diagnosis" / "observations"
PASSED, FAILED, SKIPPED = Outcome.PASSED, Outcome.FAILED, Outcome.SKIPPED


@pytest.fixture(scope="module")
def healthy() -> Snapshot:
    """A lab in order, as it was observed."""
    return load(OBSERVATIONS / "healthy.json.gz")


def beside(before: RunResult, after: RunResult, **usual: list[float]) -> Comparison:
    bands = {("failover.a", name.replace("_", " ")): values for name, values in usual.items()}
    return compared(side_of(before), side_of(after), against="the previous run", usual=bands)


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (PASSED, FAILED, "newly_failing"),
        (SKIPPED, FAILED, "newly_failing"),
        (None, FAILED, "newly_failing"),
        (FAILED, PASSED, "fixed"),
        (PASSED, SKIPPED, "newly_untested"),
        (FAILED, Outcome.INCONCLUSIVE, "newly_untested"),
        (Outcome.WAIVED, None, "newly_untested"),
        (FAILED, FAILED, ""),
        (SKIPPED, PASSED, ""),
        (SKIPPED, Outcome.INCONCLUSIVE, ""),
        (FAILED, Outcome.WAIVED, ""),
    ],
)
def test_each_change_is_told_as_what_it_is(before: Outcome | None, after: Outcome | None, said: str) -> None:
    one, other = (
        a_run(name, 0, {"health.a": outcome} if outcome else {})
        for name, outcome in (("A", before), ("B", after))
    )

    found = beside(one, other)

    told = {name for name in ("newly_failing", "fixed", "newly_untested") if getattr(found, name)}
    assert told == ({said} if said else set())
    assert found.nothing is (not said)


def test_a_check_that_was_left_out_says_why() -> None:
    after = a_run("B", 1, {"health.b": PASSED}, not_tested={"health.a": "deselected"})

    (change,) = beside(a_run("A", 0, {"health.a": PASSED, "health.b": PASSED}), after).newly_untested

    assert (change.check, change.after, change.reason) == ("health.a", None, "deselected")


def measured(name: str, value: float, *, unit: str = "s", lowest: bool = False) -> RunResult:
    one = Measurement(value=value, unit=unit, worst="lowest" if lowest else "highest")
    return a_run(name, 0, {"failover.a": PASSED}, figures={"failover.a": {"moved after": one}})


@pytest.mark.parametrize(
    ("before", "after", "earlier", "slower"),
    [
        (1.0, 1.4, [], False),
        (1.0, 1.6, [], True),
        (0.1, 0.25, [], False),
        (1.0, 1.6, [0.6, 1.4, 0.8, 1.5, 1.0, 1.2], False),
        (1.0, 1.6, [1.0, 1.01, 0.99, 1.0, 1.0, 1.02], True),
        (1.0, 2.9, [0.6, 1.4, 0.8, 1.5, 1.0, 1.2], True),
        (3.0, 2.0, [1.0] * 9, False),
    ],
)
def test_a_figure_is_slower_only_beyond_the_noise(
    before: float,
    after: float,
    earlier: list[float],
    slower: bool,  # noqa: FBT001 - a parameter
) -> None:
    found = beside(measured("A", before), measured("B", after), moved_after=earlier)

    assert bool(found.regressions) is slower
    assert all((one.usual is not None) is bool(earlier) for one in found.regressions)


def test_a_figure_that_must_be_reached_is_worse_below() -> None:
    def count(name: str, value: float) -> RunResult:
        return measured(name, value, unit="frames", lowest=True)

    assert beside(count("A", 8), count("B", 2)).regressions
    assert not beside(count("A", 2), count("B", 8)).regressions


@given(values=some.lists(some.floats(0, 1e6), min_size=1, max_size=40), shift=some.floats(0, 100))
def test_what_is_usual_holds_the_middle_and_moves_with_the_figures(values: list[float], shift: float) -> None:
    low, high = band(values, "s")

    assert low < median(values) < high
    moved_low, moved_high = band([one + shift for one in values], "s")
    assert moved_high >= high - 1e-6
    assert moved_low >= low - shift * 0.5 - 1e-6


def test_an_observation_does_not_differ_from_itself(healthy: Snapshot) -> None:
    later = replace(healthy, taken_at="2099-01-01T00:00:00Z")

    assert list(moves(healthy, later)) == []
    assert list(reconfigured(healthy, later)) == []
    assert list(reconfigured(None, healthy)) == list(moves(healthy, None)) == []


@pytest.mark.parametrize(
    ("observation", "said"),
    [
        ("pool-not-advertised", "L2Advertisement metallb-system/metallb-l2 is gone."),
        ("node-excluded", 'exclude-from-external-load-balancers] was absent, is "(empty)"'),
        ("memberlist-disabled", "DaemonSet metallb-system/speaker: spec.template.spec.containers[speaker]"),
        ("pool-autoassign-off", "spec.autoAssign"),
    ],
)
def test_real_changes_of_the_configuration_are_named(healthy: Snapshot, observation: str, said: str) -> None:
    told = list(reconfigured(healthy, load(OBSERVATIONS / f"{observation}.json.gz")))

    assert [one for one in told if said in one], told


def with_address(healthy: Snapshot, address: str | None) -> Snapshot:
    first, *rest = healthy.services.items
    status = {"loadBalancer": {"ingress": [{"ip": address}] if address else []}}
    items = ({**first, "status": status}, *rest)
    return replace(healthy, services=replace(healthy.services, items=items))


@pytest.mark.parametrize(("address", "after"), [("172.18.255.77", ("172.18.255.77",)), (None, ())])
def test_an_address_that_moved_is_named(
    healthy: Snapshot, address: str | None, after: tuple[str, ...]
) -> None:
    (move,) = moves(healthy, with_address(healthy, address))

    assert move.subject.startswith("service ")
    assert len(move.before) == 1
    assert move.after == after
    assert list(reconfigured(healthy, with_address(healthy, address))) == []


@pytest.fixture
def kept(tmp_path: Path, healthy: Snapshot) -> tuple[str, str]:
    """Two runs' directories; in the second a check fails, one is left out, an address moved and it is slower."""
    before = measured("A", 1.0)
    more = a_run("A", 0, {"health.a": PASSED, "health.b": PASSED, "health.c": FAILED})
    before = replace(before, checks=(*before.checks, *more.checks))
    after = measured("B", 9.0)
    rest = a_run("B", 1, {"health.a": FAILED, "health.c": PASSED}, not_tested={"health.b": "deselected"})
    after = replace(after, run=rest.run, checks=(*after.checks, *rest.checks), not_tested=rest.not_tested)
    for name, result, seen in (("a", before, healthy), ("b", after, with_address(healthy, None))):
        save_results(result, tmp_path / name / "results.json")
        save(seen, tmp_path / name / "snapshot.json")
    return str(tmp_path / "a"), str(tmp_path / "b")


def test_what_an_older_release_left_in_an_observation_is_not_told(
    tmp_path: Path, healthy: Snapshot, capsys: pytest.CaptureFixture[str]
) -> None:
    def with_peer(password: str, note: str) -> Snapshot:
        (pod, *pods) = healthy.deployments.items
        template = pod["spec"]["template"]
        (one, *others) = template["spec"]["containers"]
        env = [{"name": "FOO", "value": password}, {"name": "METALLB_DEPLOYMENT", "value": note}]
        spec = {**template["spec"], "containers": [{**one, "env": env}, *others]}
        changed = {**pod, "spec": {**pod["spec"], "template": {**template, "spec": spec}}}
        return replace(healthy, deployments=replace(healthy.deployments, items=(changed, *pods)))

    run = a_run("A", 0, {"health.a": PASSED})
    for name, seen in (("A", with_peer("hunter2", "one")), ("B", with_peer("hunter3", "two\u202e"))):
        (tmp_path / name).mkdir()
        save_results(run, tmp_path / name / "results.json")
        save(seen, tmp_path / name / "snapshot.json")

    main(["compare", str(tmp_path / "A"), str(tmp_path / "B")])

    told = capsys.readouterr().out
    assert "hunter" not in told
    # Escaped for whoever looks at the file, and once more for Markdown.
    assert 'was "one", is "two\\\\u202e"' in told


def test_the_command_says_it_to_people(kept: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", *kept]) == ExitCode.FAILED

    text = capsys.readouterr().out
    assert text.startswith(
        "# `B` beside `A`\n\npassed before, failed now.\n\n## Newly failing (1)\n\n- health.a ("
    )
    assert "## Fixed (1)\n\n- health.c\n" in text
    assert "## No longer tested (1)\n\n- health.b (passed before): deselected\n" in text
    assert "## Slower (1)\n\n- failover.a, moved after: 1 s before, 9 s now\n" in text
    assert "→ no address" in text


def test_the_command_says_it_to_machines(kept: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", *kept, "--format", "json", "--fail-on", "never"]) == ExitCode.PASSED

    told = json.loads(capsys.readouterr().out)
    assert (told["before"]["id"], told["after"]["id"]) == ("A", "B")
    assert [one["check"] for one in told["newly_failing"]] == ["health.a"]
    assert told["regressions"][0] | {"usual": None} == {
        "check": "failover.a",
        "figure": "moved after",
        "unit": "s",
        "before": 1.0,
        "after": 9.0,
        "usual": None,
    }
    assert len(told["moves"]) == 1
    assert told["reconfigured"] == []


@pytest.mark.parametrize(
    ("policy", "code"),
    [
        ("failing", 1),
        ("untested", 1),
        ("slower", 1),
        ("moved", 1),
        ("reconfigured", 0),
        ("reconfigured,moved", 1),
        ("any", 1),
        ("never", 0),
        ("weather", 4),
    ],
)
def test_the_exit_code_follows_the_policy(
    kept: tuple[str, str], policy: str, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", *kept, "--fail-on", policy]) == code


def test_a_run_beside_itself_has_nothing_to_tell(
    kept: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", kept[0], kept[0], "--fail-on", "any"]) == ExitCode.PASSED
    assert capsys.readouterr().out.endswith("\nNothing changed.\n")


def test_the_history_tells_noise_from_change(
    kept: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    history = keep(tmp_path / "h.db", *(
        replace(run, run=replace(run.run, id=f"run-{number}", started=f"2025-12-0{number + 1}T00:00:00Z"))
        for number, run in enumerate(measured("x", value) for value in (2, 12, 3, 11, 4, 10))
    ))  # fmt: skip

    main(["compare", *kept, "--history", str(history)])

    assert "## Slower" not in capsys.readouterr().out
