"""Parts of one run that are started all at once take turns on a real API server; a stranger is still refused."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from clusters import budgets, preflight, wait
from clusters.api import Api
from clusters.api.resources import CONFIG_MAPS
from clusters.budgets import Budget
from clusters.changes import Changes, cluster_lease
from clusters.changes.cluster_lease import LeaseTaken
from clusters.checks import Level
from clusters.errors import ExitCode, Refused
from clusters.journal import STATE_VARIABLE, Journal
from clusters.preflight import left_behind
from clusters.profile import Profile, Provider
from clusters.providers import Cluster
from reports.__main__ import main as reports
from reports.model import load
from tests.api.objects import config_map
from tests.api.server import Server
from tests.api.test_cluster_lease import expire, leases
from tests.api.test_preflight import Wanted, controller

ROOT = Path(__file__).parents[2]
SOON = Budget(name="test.soon", within=120, every=0.1, reason="Three processes begin on a busy machine.")
QUICK = Budget(name="part_turn", within=60, every=0.05, reason="A test does not wait for seconds.")
PARTS = (1, 2, 3)
CHECKS = '''
import os, threading
from pathlib import Path
import pytest
from suites.plugin import CREATE, OBSERVE, check

def stay(name):
    """Be alone for a while: the first one until the others are known to wait."""
    log = Path("log").open("a")
    log.write(f"begin {name}\\n"); log.flush()
    while not Path("go").exists():
        threading.Event().wait(0.1)
    threading.Event().wait(0.5)
    log.write(f"end {name}\\n"); log.flush()

@check("health.looks", runbook="1", level=OBSERVE)
def test_looks():
    """Looks only."""
    stay("looks")

@check("allocation.makes", runbook="shape", level=CREATE)
def test_makes(changes):
    """Makes something."""
    changes.namespace()
    stay("makes")

@check("allocation.too", runbook="shape", level=CREATE)
def test_too(changes):
    """Makes something, too."""
    changes.namespace()
    stay("too")
'''


@pytest.fixture(autouse=True)
def _own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(STATE_VARIABLE, str(tmp_path / "state"))


@pytest.fixture
def metallb(api: Api, namespace: str) -> str:
    api.create(controller(namespace, "quay.io/metallb/controller:v0.15.2"))
    return namespace


@pytest.fixture
def project(server: Server, metallb: str, tmp_path: Path) -> Path:
    """A folder with checks of its own and a profile of the API server."""
    (tmp_path / "suites").mkdir()
    (tmp_path / "suites" / "test_checks.py").write_text(CHECKS)
    (tmp_path / "conftest.py").write_text(
        "pytest_plugins = ('suites.plugin.registration', 'reports.plugin')\n"
    )
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --import-mode=importlib -p no:cacheprovider\n")
    (tmp_path / "edge.yaml").write_text(
        f"name: edge\nprovider: existing\ncontext: loopback\nkubeconfig: {server.admin}\n"
        f"namespace: {metallb}\nallow: create\n"
    )
    return tmp_path


def part(project: Path, number: int) -> subprocess.Popen[bytes]:
    chosen = ["--run-id", "night", "--shard", f"{number}/{len(PARTS)}", "--report-dir", f"out/night.{number}"]
    with (project / f"output-{number}").open("wb") as output:
        return subprocess.Popen(
            [
                sys.executable,
                "-m",
                "pytest",
                "suites",
                "--cluster",
                "edge.yaml",
                "--allow",
                "create",
                *chosen,
            ],
            cwd=project,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdout=output,
            stderr=subprocess.STDOUT,
        )


def output(project: Path, number: int) -> str:
    return (project / f"output-{number}").read_text()


def test_parts_that_begin_at_once_run_one_after_the_other(
    project: Path, api: Api, metallb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with ExitStack() as started:
        processes = [started.enter_context(part(project, number)) for number in PARTS]
        for process in processes:
            started.callback(process.kill)
        wait.until(
            "two wait for the third",
            read=lambda: sum("waiting for part night." in output(project, number) for number in PARTS),
            accept=lambda waiting: waiting == len(PARTS) - 1,
            budget=SOON,
        )
        (project / "go").write_text("")
        codes = [process.wait(SOON.within) for process in processes]

    told = [output(project, number) for number in PARTS]
    assert codes == [ExitCode.PASSED] * len(PARTS), told
    log = (project / "log").read_text().split()
    assert log[::4] == ["begin"] * len(PARTS)
    assert log[2::4] == ["end"] * len(PARTS)
    assert log[1::4] == log[3::4]  # who begins ends before the next one begins
    assert sum("the cluster is free, after " in text for text in told) == len(PARTS) - 1
    assert leases(api, metallb) == []
    assert (
        reports(["merge", *(str(project / f"out/night.{n}") for n in PARTS), "-o", str(project / "whole")])
        == 0
    )
    assert {check.id: str(check.outcome) for check in load(project / "whole").checks} == {
        "health.looks": "passed",
        "allocation.makes": "passed",
        "allocation.too": "passed",
    }


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    known = budgets.get
    monkeypatch.setattr(budgets, "get", lambda asked: QUICK if asked is budgets.PART_TURN else known(asked))


@pytest.fixture
def holding(api: Api, metallb: str) -> Iterator[Changes]:
    """Part 1 of run night, which holds the cluster."""
    changes = run_of(api, "night.1")
    changes.take_lease(metallb, Level.DISRUPT)
    yield changes
    changes.undo_all()


def run_of(api: Api, name: str) -> Changes:
    return Changes(api, Journal.for_run(name, cluster="elsewhere"), name)


def wanted(namespace: str, run: str, level: Level = Level.CREATE) -> Wanted:
    fields = {
        "name": "edge",
        "provider": "existing",
        "context": "c",
        "namespace": namespace,
        "allow": "disrupt",
    }
    return Wanted(Profile.model_validate(fields, strict=False), level, "", run)


class Beginning:
    """What a run does when its turn has come: preflight, and the Lease."""

    def __init__(self, server: Server, api: Api, asked: Wanted) -> None:
        self._cluster = Cluster(name="edge", provider="existing", kubeconfig=server.admin, context="loopback")
        self._api, self._asked = api, asked
        self.changes = run_of(api, asked.run_id)
        self.said: list[str] = []
        self.calls = 0

    def __call__(self) -> None:
        self.calls += 1
        preflight.check(self._asked, self._cluster, self._api)
        self.changes.take_lease(self._asked.profile.namespace, Level.CREATE)

    def take(self) -> None:
        preflight.Turn(self._asked, self._api, self.said.append).take(self)


@pytest.mark.usefixtures("quick", "holding")
@pytest.mark.parametrize("run", ["evening.2", "evening", "night", "nightly.2"])
def test_a_run_that_is_no_part_of_the_holders_is_refused_at_once(
    server: Server, api: Api, metallb: str, run: str
) -> None:
    stranger = Beginning(server, api, wanted(metallb, run))

    with pytest.raises(Refused, match=r"Run night\.1 on \S+ holds the cluster at level disrupt"):
        stranger.take()

    assert (stranger.calls, stranger.said) == (1, [])
    assert [one["spec"]["holderIdentity"].partition("@")[0] for one in leases(api, metallb)] == ["night.1"]


@pytest.mark.usefixtures("quick")
def test_a_dead_parts_hold_is_taken_over_when_its_time_is_over(
    server: Server, api: Api, metallb: str, holding: Changes
) -> None:
    second = Beginning(server, api, wanted(metallb, "night.2"))
    waiting = threading.Thread(target=second.take)
    waiting.start()
    wait.until("it waits", read=lambda: second.said, accept=bool, budget=SOON)
    expire(api, metallb)
    waiting.join(SOON.within)

    (held,) = leases(api, metallb)
    assert held["spec"]["holderIdentity"].startswith("night.2@")
    assert held["spec"]["leaseTransitions"] == 1
    assert second.said[0].startswith("waiting for part night.1 on ")
    assert second.said[0].endswith(", at most 60 s in all")
    second.changes.undo_all()


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("owed", [Refused("Too few addresses are free."), LeaseTaken("At the same moment.")])
def test_what_is_seen_while_another_part_came_between_is_looked_at_again(
    server: Server, api: Api, metallb: str, *, owed: Refused
) -> None:
    first, second = run_of(api, "night.1"), Beginning(server, api, wanted(metallb, "night.2"))

    def begin() -> None:
        if not second.calls:
            second.calls += 1
            first.take_lease(metallb, Level.CREATE)
            threading.Timer(1, first.undo_all).start()
            raise owed
        second()

    preflight.Turn(wanted(metallb, "night.2"), api, second.said.append).take(begin)

    assert second.calls == 2
    assert leases(api, metallb)[0]["spec"]["holderIdentity"].startswith("night.2@")
    second.changes.undo_all()


@pytest.mark.usefixtures("quick")
def test_a_refusal_that_is_owed_to_no_other_part_stands(api: Api, metallb: str) -> None:
    def begin() -> None:
        raise Refused("Too few addresses are free.")

    with pytest.raises(Refused, match="Too few addresses"):
        preflight.Turn(wanted(metallb, "night.2"), api, print).take(begin)


@pytest.mark.usefixtures("holding")
def test_a_part_waits_no_longer_than_its_budget(
    server: Server, api: Api, metallb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budgets, "get", lambda asked: replace(asked, within=0.3, every=0.05))
    second = Beginning(server, api, wanted(metallb, "night.2"))

    with pytest.raises(
        Refused, match=r"Part night\.1 on \S+ still holds the cluster after 0\.3 s\. Give the parts"
    ):
        second.take()

    assert second.calls == 0


@pytest.mark.usefixtures("quick")
def test_a_part_that_only_looks_waits_for_one_that_disrupts_alone(
    server: Server, api: Api, metallb: str
) -> None:
    making, looking = run_of(api, "night.make"), wanted(metallb, "night.look", Level.OBSERVE)
    making.take_lease(metallb, Level.CREATE)
    said: list[str] = []

    preflight.Turn(looking, api, said.append).take(lambda: None)
    making.undo_all()
    assert said == []

    breaking = run_of(api, "night.break")
    breaking.take_lease(metallb, Level.DISRUPT)
    threading.Timer(1, breaking.undo_all).start()
    preflight.Turn(looking, api, said.append).take(lambda: None)
    assert said[0].startswith("waiting for part night.break on ")


def test_the_names_of_parts() -> None:
    assert [cluster_lease.whole_of(run) for run in ("night.3", "night.look", "night")] == [
        "night",
        "night",
        "",
    ]


def dead_part(api: Api, namespace: str, run: str, monkeypatch: pytest.MonkeyPatch) -> Journal:
    """A part in a pod that was lost with its node an hour ago; its Lease is over."""
    journal = Journal.for_run(run, cluster="edge")
    with monkeypatch.context() as there:
        there.setattr("clusters.journal.run_origin.place", lambda: f"boot-of-{run}/1")
        there.setattr("platform.node", lambda: run.replace(".", "-"))
        there.setattr("time.time", lambda: 1_700_000_000.0)
        changes = Changes(api, journal, run)
        changes.create(config_map(f"of-{run}", namespace), foreign="test")
        journal.close()
    return journal


def test_a_part_that_is_begun_anew_undoes_what_its_former_self_and_its_siblings_left(
    api: Api, metallb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = [dead_part(api, metallb, run, monkeypatch) for run in ("night.2", "night.3", "other.1", "alone")]
    told: list[str] = []

    preflight.undo_former_parts(Wanted(edge(metallb), Level.CREATE, run_id="night.3"), api, told.append)

    left = {each["metadata"]["name"] for each in api.list(CONFIG_MAPS, metallb)}
    assert left == {"of-other.1", "of-alone"}
    assert [journal.path.exists() for journal in lost] == [False, False, True, True]
    assert told == [
        "undone for part night.2 on night-2, which ended without: 1 changes",
        "undone for part night.3 on night-3, which ended without: 1 changes",
    ]


def test_whoever_is_no_part_or_only_looks_undoes_nothing(
    api: Api, metallb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = dead_part(api, metallb, "night.3", monkeypatch)

    preflight.undo_former_parts(Wanted(edge(metallb), Level.CREATE, run_id="night"), api, pytest.fail)
    preflight.undo_former_parts(Wanted(edge(metallb), Level.OBSERVE, run_id="night.3"), api, pytest.fail)

    assert lost.path.exists()


def test_a_run_is_refused_on_top_of_what_another_pod_s_run_left(
    api: Api, metallb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead_part(api, metallb, "yesterday", monkeypatch)
    dead_part(api, metallb, "night.3", monkeypatch).path.write_text("garbage\n")

    first, second = sorted(map(str, left_behind(edge(metallb), api.uid(), api)))

    sweep = "Undo them: python -m clusters.sweep --cluster edge"
    assert first.startswith("Its journal ")
    assert first.endswith(
        f"night.3.jsonl is damaged: it does not say whose it is; line 1 is damaged. {sweep}"
    )
    assert second == f"Run yesterday ended without undoing 1 of its changes. {sweep}"


def edge(namespace: str) -> Profile:
    return Profile(name="edge", provider=Provider.EXISTING, context="loopback", namespace=namespace)
