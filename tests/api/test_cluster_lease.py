"""One run at a time: the Lease that a run holds, against a real API server."""

from __future__ import annotations

import datetime as dt
import errno
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from clusters import sweep, wait
from clusters.api import Api
from clusters.api.resources import CONFIG_MAPS, LEASES
from clusters.budgets import Budget
from clusters.changes import Changes, HostUndo, cluster_lease
from clusters.changes.changed_fields import Target
from clusters.checks import Level
from clusters.errors import Inconclusive, Refused
from clusters.journal import STATE_VARIABLE, Journal
from tests.api.objects import config_map
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
    long_ago = cluster_lease.micro_time(dt.datetime(2020, 1, 1, tzinfo=dt.UTC))
    api.patch(LEASES, cluster_lease.NAME, {"spec": {"renewTime": long_ago}}, namespace)


def test_a_run_holds_the_cluster_until_its_end(api: Api, namespace: str, tmp_path: Path) -> None:
    changes = run_of(api, "whole")

    changes.take_lease(namespace, Level.CREATE)
    (held,) = leases(api, namespace)
    changes.undo_all()

    assert held["metadata"]["labels"] == changes.labels
    assert held["spec"]["holderIdentity"].startswith("whole@")
    assert leases(api, namespace) == []
    assert list(tmp_path.rglob("*.jsonl")) == []


def test_a_second_run_is_refused_with_the_first_ones_name(
    api: Api, namespace: str, first: Changes, second: Changes
) -> None:
    first.take_lease(namespace, Level.DISRUPT)

    with pytest.raises(Refused, match=r"Run first on \S+ holds the cluster at level disrupt \(until \d\d:"):
        second.take_lease(namespace, Level.CREATE)
    second.undo_all()

    assert leases(api, namespace)[0]["spec"]["holderIdentity"].startswith("first@")


def test_a_hold_is_renewed_while_its_run_lives(
    api: Api, namespace: str, first: Changes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster_lease.budgets, "get", lambda _: QUICK)
    taken = first.take_lease(namespace, Level.CREATE)
    expire(api, namespace)

    wait.until(
        "the Lease is renewed",
        read=lambda: cluster_lease.Holder.of(leases(api, namespace)[0]),
        accept=lambda holder: not holder.is_over(cluster_lease.now()),
        budget=SOON,
    )
    assert taken.lost == ""


def test_a_dead_runs_hold_is_taken_over_and_goes_with_the_new_run(
    api: Api, namespace: str, first: Changes, second: Changes
) -> None:
    first.take_lease(namespace, Level.CREATE)
    expire(api, namespace)

    taken = second.take_lease(namespace, Level.DISRUPT)

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
    run_of(api, "dead").take_lease(namespace, Level.CREATE)
    expire(api, namespace)
    (seen_by_both,) = leases(api, namespace)
    first.take_lease(namespace, Level.CREATE)
    monkeypatch.setattr(Target, "read", lambda *_: seen_by_both)

    with pytest.raises(Refused, match="at the same moment"):
        second.take_lease(namespace, Level.CREATE)
    monkeypatch.undo()

    assert leases(api, namespace)[0]["spec"]["holderIdentity"].startswith("first@")


def test_a_hold_that_another_run_took_is_lost(
    api: Api, namespace: str, first: Changes, *, second: Changes, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = first.take_lease(namespace, Level.CREATE)  # renewed in 15 s, as by a machine that was asleep
    expire(api, namespace)
    second.take_lease(namespace, Level.CREATE)

    taken._renew()

    assert taken.lost == "The cluster's Lease is lost: run second has it."
    assert leases(api, namespace)[0]["spec"]["holderIdentity"].startswith("second@")


def test_whoever_has_lost_the_hold_changes_nothing_more_and_still_undoes(
    api: Api, namespace: str, first: Changes, *, second: Changes
) -> None:
    taken = first.take_lease(namespace, Level.CREATE)
    first.create(config_map("before", namespace), foreign="test")
    api.create(config_map("theirs", namespace, k="0"))
    expire(api, namespace)
    second.take_lease(namespace, Level.CREATE)
    taken._renew()
    undo = HostUndo(text="x", action="clusters.faults.rival_controllers:leave")

    for change in (
        lambda: first.create(config_map("after", namespace), foreign="test"),
        lambda: first.patch(CONFIG_MAPS, "theirs", {"data": {"k": "1"}}, namespace, foreign="test"),
        lambda: first.apply(config_map("theirs", namespace, k="1"), foreign="test"),
        lambda: first.delete(CONFIG_MAPS, "theirs", namespace, foreign="test"),
        lambda: first.host(undo),
        first.namespace,
    ):
        with pytest.raises(Inconclusive, match=r"^The cluster's Lease is lost: run second has it\."):
            change()
    found = {each["metadata"]["name"]: each.get("data") for each in api.list(CONFIG_MAPS, namespace)}
    assert found == {"before": None, "theirs": {"k": "0"}}

    first.undo_all()
    assert [each["metadata"]["name"] for each in api.list(CONFIG_MAPS, namespace)] == ["theirs"]
    assert leases(api, namespace)[0]["spec"]["holderIdentity"].startswith("second@")


def test_a_hold_that_ran_out_on_a_machine_that_was_asleep_is_renewed_before_a_change(
    api: Api, namespace: str, first: Changes, monkeypatch: pytest.MonkeyPatch
) -> None:
    first.take_lease(namespace, Level.CREATE)
    later = cluster_lease.now() + dt.timedelta(hours=1)
    monkeypatch.setattr(cluster_lease, "now", lambda: later)

    first.create(config_map("a", namespace), foreign="test")

    assert not cluster_lease.Holder.of(leases(api, namespace)[0]).is_over(later)


def test_a_worker_process_goes_by_the_hold_of_its_run(
    api: Api, namespace: str, first: Changes, *, second: Changes, monkeypatch: pytest.MonkeyPatch
) -> None:
    first.take_lease(namespace, Level.CREATE)
    worker = run_of(api, "first")
    guest = worker.join(namespace)
    worker.create(config_map("a", namespace), foreign="test")
    expire(api, namespace)
    second.take_lease(namespace, Level.CREATE)
    assert guest.lost == "", "it has looked a moment ago"
    monkeypatch.setattr(guest, "_looked", 0.0)

    with pytest.raises(Inconclusive, match="The cluster's Lease is lost: run second has it"):
        worker.create(config_map("b", namespace), foreign="test")
    worker.undo_all()
    assert api.list(CONFIG_MAPS, namespace) == []


def test_a_part_that_was_begun_anew_has_not_the_hold_of_its_former_self(
    api: Api, namespace: str, first: Changes, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = first.take_lease(namespace, Level.CREATE)
    there = {"metadata": {"annotations": {cluster_lease.PLACE_ANNOTATION: "another-boot/1"}}}
    api.patch(LEASES, cluster_lease.NAME, there, namespace)

    taken._renew()

    assert taken.lost == "The cluster's Lease is lost: run first has it."


def test_a_hold_that_cannot_be_journalled_is_a_refusal(
    api: Api, namespace: str, first: Changes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr("clusters.journal.journal_file.JournalFile.append", full)
        with pytest.raises(Refused, match="No space left on device"):
            first.take_lease(namespace, Level.CREATE)
    assert leases(api, namespace) == []


def test_a_hold_that_somebody_deleted_is_lost(api: Api, namespace: str, first: Changes) -> None:
    taken = first.take_lease(namespace, Level.CREATE)
    api.delete(LEASES, cluster_lease.NAME, namespace)

    taken._renew()

    assert taken.lost == "The cluster's Lease is lost: somebody deleted it."


def test_a_killed_runs_hold_is_swept(
    server: Server, api: Api, namespace: str, *, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    profile = tmp_path / "edge.yaml"
    profile.write_text(
        f"name: edge\nprovider: existing\ncontext: loopback\nkubeconfig: {server.admin}\nnamespace: {namespace}\n"
    )
    with monkeypatch.context() as past:
        past.setattr("psutil.Process.create_time", lambda _: 0.0)
        run_of(api, "killed").take_lease(namespace, Level.CREATE)

    assert sweep.main(["--cluster", str(profile)]) == 0
    assert leases(api, namespace) == []
