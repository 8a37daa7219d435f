"""What a busy machine or a vantage without raw sockets lets one see counts for what it is, and no more."""

from __future__ import annotations

import copy
import datetime as dt
import json
from dataclasses import replace
from pathlib import Path

import pytest

from clusters.checks import Finding
from clusters.diagnosis import Diagnosis
from clusters.observation import Snapshot, load
from tests.answers import answered

FOLDER = Path(__file__).parent / "observations"
BLOCKED = (
    "memberlist: Was able to connect to {peer} over TCP but UDP probes failed, network may be misconfigured"
)


@pytest.fixture
def healthy() -> Snapshot:
    """A lab in good health; its speakers run for hours, where `later` says so."""
    seen = load(FOLDER / "healthy.json.gz")
    later = dt.datetime.fromisoformat(seen.taken_at) + dt.timedelta(seconds=80)
    return replace(seen, taken_at=later.isoformat())


def told(seen: Snapshot, check: str) -> tuple[Finding, ...]:
    return answered(check, seen).findings


def saying(seen: Snapshot, *ages: float) -> Snapshot:
    """node1's speaker has said so many seconds ago that it reached node2 by TCP only."""
    pod = next(
        raw["metadata"]["name"]
        for raw in seen.pods.items
        if raw["metadata"]["name"].startswith("speaker") and raw["spec"]["nodeName"] == "node1"
    )
    now = dt.datetime.fromisoformat(seen.taken_at)
    lines = tuple(
        json.dumps(
            {
                "component": "Memberlist",
                "level": "warn",
                "msg": BLOCKED.format(peer="node2"),
                "ts": f"{now - dt.timedelta(seconds=age):%Y-%m-%dT%H:%M:%SZ}",
            }
        )
        for age in ages
    )
    logs = tuple(
        replace(tail, lines=(*tail.lines, *lines)) if tail.pod == pod and not tail.previous else tail
        for tail in seen.logs
    )
    return replace(seen, logs=logs)


@pytest.mark.parametrize("ages", [(5.0,), (100.0, 60.0, 5.0)])
def test_a_probe_lost_now_and_then_splits_nothing(healthy: Snapshot, ages: tuple[float, ...]) -> None:
    assert told(saying(healthy, *ages), "health.speaker-log") == ()


def test_probes_lost_in_every_round_are_a_split(healthy: Snapshot) -> None:
    found = told(saying(healthy, 9.0, 6.0, 3.0), "health.speaker-log")

    assert [finding.cause for finding in found] == ["memberlist-partition"]
    assert "UDP probes failed" in "".join(found[0].evidence)


@pytest.mark.parametrize("by_kernel", [True, False])
def test_a_kernel_that_knows_another_machine_does_not_say_that_only_that_one_answers(
    healthy: Snapshot, *, by_kernel: bool
) -> None:
    macs = {one.macs for one in healthy.wire.heard if one.purpose == "node"}
    heard = tuple(
        replace(one, macs=next(iter(sorted(macs - {one.macs})))) if one.purpose == "assigned" else one
        for one in healthy.wire.heard
    )
    seen = replace(healthy, wire=replace(healthy.wire, heard=heard, by_kernel=by_kernel))

    found = told(seen, "traffic.owner-agreed")

    assert {finding.cause for finding in found} == {"owner-disagreement"}
    assert all(("may answer as well" in "".join(each.evidence)) == by_kernel for each in found)


@pytest.mark.parametrize(("later", "words"), [(0, "yet"), (3600, "which has run for 60 min")])
def test_a_controller_without_a_figure_is_young_or_on_a_node_that_tells_none(
    healthy: Snapshot, later: int, words: str
) -> None:
    (pod,) = Diagnosis(healthy).facts.components.controllers
    began = dt.datetime.fromisoformat(healthy.taken_at) - dt.timedelta(seconds=pod.started or 0)
    seen = replace(
        healthy,
        taken_at=(began + dt.timedelta(seconds=later)).isoformat(),
        pod_usage=replace(healthy.pod_usage, items=()),
    )

    missing = answered("scaling.controller-cpu", seen).missing

    assert len(missing) == 1
    assert f"pod {pod.name} on node {pod.node}" in missing[0]
    assert words in missing[0]


def leaving(seen: Snapshot, *, began: float, ready: bool) -> Snapshot:
    """node1's speaker takes node2's for gone, whose container began so many seconds before; 20 s later all is read."""
    left = dt.datetime.fromisoformat(seen.taken_at) - dt.timedelta(seconds=20)
    line = json.dumps(
        {
            "level": "info", "msg": "node event - forcing sync", "node addr": "172.30.0.12",
            "node event": "NodeLeave", "node name": "node2", "ts": f"{left:%Y-%m-%dT%H:%M:%SZ}",
        }
    )  # fmt: skip
    pods = {
        raw["spec"]["nodeName"]: raw for raw in seen.pods.items if raw["metadata"]["name"][:7] == "speaker"
    }
    changed = copy.deepcopy(pods["node2"])
    (status,) = changed["status"]["containerStatuses"]
    status["state"]["running"]["startedAt"] = f"{left - dt.timedelta(seconds=began):%Y-%m-%dT%H:%M:%SZ}"
    for condition in changed["status"]["conditions"]:
        condition["status"] = str(ready)
    listener = pods["node1"]["metadata"]["name"]
    return replace(
        seen,
        pods=replace(
            seen.pods, items=tuple(changed if raw is pods["node2"] else raw for raw in seen.pods.items)
        ),
        logs=tuple(
            replace(tail, lines=(*tail.lines, line)) if tail.pod == listener else tail for tail in seen.logs
        ),
    )


@pytest.mark.parametrize(
    ("began", "ready", "split"),
    [
        (12.0, True, True),  # it ran when it was taken for gone
        (60.0, True, True),
        (-2.0, True, False),  # it was gone, and the next one has just begun
        (5.0, True, False),  # one that is killed is missed so much later
        (12.0, False, False),  # it crashes, and runs for a moment at each try
    ],
)
def test_a_speaker_is_cut_off_where_it_ran_while_it_was_taken_for_gone(
    healthy: Snapshot, *, began: float, ready: bool, split: bool
) -> None:
    found = told(leaving(healthy, began=began, ready=ready), "health.speaker-log")

    assert [finding.cause for finding in found] == ["memberlist-partition"] * split


def speaker_logs(seen: Snapshot, **lines: tuple[str, ...] | None) -> Snapshot:
    """The logs of some nodes' speakers are these lines alone; None leaves one as it is."""
    pods = {raw["metadata"]["name"]: raw["spec"]["nodeName"] for raw in seen.pods.items}
    return replace(
        seen,
        logs=tuple(
            replace(tail, lines=kept, whole=False)
            if "speaker" in tail.pod and (kept := lines.get(pods[tail.pod])) is not None
            else tail
            for tail in seen.logs
        ),
    )


def unjoined(seen: Snapshot, *addresses: str, word: str = "failed") -> str:
    """What a speaker says once a minute of the peers that it has lost and cannot reach."""
    now = dt.datetime.fromisoformat(seen.taken_at)
    each = "".join(f"\n\t* {word} to join {one}:7946: dial tcp {one}:7946: i/o timeout" for one in addresses)
    return json.dumps(
        {
            "caller": "speakerlist.go:286", "error": f"{len(addresses)} errors occurred:{each}\n\n",
            "expected": len(addresses), "joined": 0, "level": "error", "msg": "partial join", "op": "memberDiscovery",
            "ts": f"{now - dt.timedelta(seconds=20):%Y-%m-%dT%H:%M:%SZ}",
        }
    )  # fmt: skip


def event(seen: Snapshot, kind: str, node: str) -> str:
    now = dt.datetime.fromisoformat(seen.taken_at)
    when = f"{now - dt.timedelta(seconds=10):%Y-%m-%dT%H:%M:%SZ}"
    return json.dumps({"msg": "node event - forcing sync", "node event": kind, "node name": node, "ts": when})


ONE, TWO, THREE = "172.30.0.11", "172.30.0.12", "172.30.0.13"


def test_the_node_that_is_apart_is_known_by_one_whole_log_where_others_begin_too_late(
    healthy: Snapshot,
) -> None:
    left = event(healthy, "NodeLeave", "node2")
    joined = [event(healthy, "NodeJoin", each) for each in ("node1", "node2", "node3")]

    whole = speaker_logs(healthy, node1=(), node2=(), node3=(*joined, left))
    late = speaker_logs(healthy, node1=(), node2=(), node3=(left,))
    both = speaker_logs(
        healthy, node1=(), node2=(event(healthy, "NodeLeave", "node3"),), node3=(*joined, left)
    )

    assert [each.subject for each in told(whole, "health.speaker-log")] == ["node node2"]
    assert [each.subject for each in told(both, "health.speaker-log")] == ["node node2"]
    assert [each.subject for each in told(late, "health.speaker-log")] == ["cluster"]


@pytest.mark.parametrize("word", ["failed", "Failed"])
def test_peers_that_cannot_be_joined_any_more_are_lost_as_well(healthy: Snapshot, word: str) -> None:
    seen = speaker_logs(
        healthy,
        node1=(unjoined(healthy, TWO, word=word),),
        node2=(unjoined(healthy, ONE, THREE, word=word),),
        node3=(),
    )
    again = speaker_logs(
        seen,
        node1=(unjoined(healthy, TWO), event(healthy, "NodeJoin", "node2")),
        node2=(
            unjoined(healthy, ONE, THREE), event(healthy, "NodeJoin", "node1"), event(healthy, "NodeJoin", "node3")
        ),
    )  # fmt: skip

    (found,) = told(seen, "health.speaker-log")

    assert (found.cause, found.subject) == ("memberlist-partition", "node node2")
    assert told(again, "health.speaker-log") == ()
