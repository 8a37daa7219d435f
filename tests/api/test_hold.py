"""One run at a time: the Lease that a run holds, against a real API server."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from clusters import lease, sweep, wait
from clusters.api import Api
from clusters.api.resources import LEASES
from clusters.budgets import Budget
from clusters.changes import Changes, hold
from clusters.changes.target import Target
from clusters.checks import Level
from clusters.errors import Refused
from clusters.journal import STATE_VARIABLE, Journal
from tests.api.server import Server

QUICK = Budget(name="cluster_held", within=30, every=0.05, reason="A test waits for renewals.")
SOON = Budget(name="test.soon", within=10, every=0.05, reason="A renewal on a busy machine.")


@pytest.fixture(autouse=True)
def _own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(STATE_VARIABLE, str(tmp_path / "state"))


def run_of(api: Api, name: str) -> Changes:
    return Changes(api, Journal.for_run(name, cluster="edge"), name)


@pytest.fixture
def first(api: Api) -> Iterator[Changes]:
    changes = run_of(api, "first")
    yield changes
    changes.undo_all()


@pytest.fixture
def second(api: Api) -> Iterator[Changes]:
    changes = run_of(api, "second")
    yield changes
    changes.undo_all()


def leases(api: Api, namespace: str) -> list[dict[str, Any]]:
    return api.list(LEASES, namespace)


def expire(api: Api, namespace: str) -> None:
    long_ago = lease.written(dt.datetime(2020, 1, 1, tzinfo=dt.UTC))
    api.patch(LEASES, lease.NAME, {"spec": {"renewTime": long_ago}}, namespace)


def test_a_run_holds_the_cluster_until_its_end(api: Api, namespace: str, tmp_path: Path) -> None:
    changes = run_of(api, "whole")

    changes.hold(namespace, Level.CREATE)
    (held,) = leases(api, namespace)
    changes.undo_all()

    assert held["metadata"]["labels"] == changes.labels
    assert held["spec"]["holderIdentity"].startswith("whole@")
    assert leases(api, namespace) == []
    assert list(tmp_path.rglob("*.jsonl")) == []


def test_a_second_run_is_refused_with_the_first_ones_name(
    api: Api, namespace: str, first: Changes, second: Changes
) -> None:
    first.hold(namespace, Level.DISRUPT)

    with pytest.raises(Refused, match=r"Run first on \S+ holds the cluster at level disrupt \(until \d\d:"):
        second.hold(namespace, Level.CREATE)
    second.undo_all()

    assert leases(api, namespace)[0]["spec"]["holderIdentity"].startswith("first@")


def test_a_hold_is_renewed_while_its_run_lives(
    api: Api, namespace: str, first: Changes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hold.budgets, "get", lambda _: QUICK)
    taken = first.hold(namespace, Level.CREATE)
    expire(api, namespace)

    wait.until(
        "the hold is renewed",
        read=lambda: lease.Holder.of(leases(api, namespace)[0]),
        accept=lambda holder: not holder.is_over(lease.now()),
        budget=SOON,
    )
    assert taken.lost == ""


def test_a_dead_runs_hold_is_taken_over_and_goes_with_the_new_run(
    api: Api, namespace: str, first: Changes, second: Changes
) -> None:
    first.hold(namespace, Level.CREATE)
    expire(api, namespace)

    taken = second.hold(namespace, Level.DISRUPT)

    (now,) = leases(api, namespace)
    assert now["spec"]["holderIdentity"].startswith("second@")
    assert now["spec"]["leaseTransitions"] == 1
    assert now["metadata"]["labels"] == second.labels
    assert taken.note.startswith("run first held the cluster until 2020-01-01 00:01:00 UTC and never let go")
    first.undo_all()  # what the first one made is the second one's now
    assert leases(api, namespace) == [now]
    second.undo_all()
    assert leases(api, namespace) == []


def test_of_two_that_take_over_at_once_one_gets_it(
    api: Api, namespace: str, first: Changes, *, second: Changes, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_of(api, "dead").hold(namespace, Level.CREATE)
    expire(api, namespace)
    (seen_by_both,) = leases(api, namespace)
    first.hold(namespace, Level.CREATE)
    monkeypatch.setattr(Target, "read", lambda *_: seen_by_both)

    with pytest.raises(Refused, match="at the same moment"):
        second.hold(namespace, Level.CREATE)
    monkeypatch.undo()

    assert leases(api, namespace)[0]["spec"]["holderIdentity"].startswith("first@")


def test_a_hold_that_another_run_took_is_lost(
    api: Api, namespace: str, first: Changes, *, second: Changes, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = first.hold(namespace, Level.CREATE)  # renewed in 15 s, as by a machine that was asleep
    expire(api, namespace)
    second.hold(namespace, Level.CREATE)

    taken._renew()

    assert taken.lost == "The hold on the cluster is lost: run second has it."
    assert leases(api, namespace)[0]["spec"]["holderIdentity"].startswith("second@")


def test_a_hold_that_somebody_deleted_is_lost(api: Api, namespace: str, first: Changes) -> None:
    taken = first.hold(namespace, Level.CREATE)
    api.delete(LEASES, lease.NAME, namespace)

    taken._renew()

    assert taken.lost == "The hold on the cluster is lost: somebody deleted it."


def test_a_killed_runs_hold_is_swept(
    server: Server, api: Api, namespace: str, *, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    profile = tmp_path / "edge.yaml"
    profile.write_text(
        f"name: edge\nprovider: existing\ncontext: loopback\nkubeconfig: {server.admin}\nnamespace: {namespace}\n"
    )
    with monkeypatch.context() as past:
        past.setattr("psutil.Process.create_time", lambda _: 0.0)
        run_of(api, "killed").hold(namespace, Level.CREATE)

    assert sweep.main(["--cluster", str(profile)]) == 0
    assert leases(api, namespace) == []
