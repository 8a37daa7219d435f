"""What is told before it is a fault, and what was passed over once: expected nodes that left, a CPU without a limit."""

from __future__ import annotations

import copy
import datetime as dt
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from clusters.metallb import selectors
from clusters.metallb.selectors import SelectorError
from clusters.observation import Snapshot, load
from clusters.observation.snapshot import LogTail, Route
from clusters.observation.wire_records import Purpose
from tests.answers import Told, all_answered, answered
from tests.unit.diagnosis.test_unusual_clusters import edited

FOLDER = Path(__file__).parent / "observations"


@pytest.fixture
def healthy() -> Snapshot:
    return load(FOLDER / "healthy.json.gz")


def expecting(seen: Snapshot, **announcers: Any) -> Told:
    return answered(
        "traffic.speakers-placed", replace(seen, expectations=replace(seen.expectations, **announcers))
    )


class TestExpectedAnnouncers:
    def test_a_node_that_left_the_cluster_is_named(self, healthy: Snapshot) -> None:
        names = [each["metadata"]["name"] for each in healthy.nodes.items]

        (found,) = expecting(healthy, announcers=(*names, "gone")).findings

        assert (found.cause, found.subject) == ("speaker-missing-on-node", "node gone")
        assert found.summary == "Node gone is expected to announce, and the cluster has no node of that name."
        assert not expecting(healthy, announcers=tuple(names)).findings

    @pytest.mark.parametrize(
        "selector",
        [
            "kubernetes.io/os=linux",
            "kubernetes.io/os in (linux, darwin),!spare",
            "kubernetes.io/hostname",
            "kubernetes.io/os!=windows",
        ],
    )
    def test_every_form_of_a_selector_that_fits_is_well(self, healthy: Snapshot, selector: str) -> None:
        told = expecting(healthy, announcer_selector=selector)

        assert not told.findings
        assert not told.missing

    @pytest.mark.parametrize("selector", ["role=nobody", "role in (a,b)", "!kubernetes.io/os"])
    def test_a_selector_that_fits_no_node_stays_open(self, healthy: Snapshot, selector: str) -> None:
        (said,) = expecting(healthy, announcer_selector=selector).missing

        assert f"{selector!r} for announcers fits no node" in said

    def test_a_selector_that_cannot_be_read_stays_open(self, healthy: Snapshot) -> None:
        (said,) = expecting(healthy, announcer_selector="role is edge").missing

        assert "'role is edge' for announcers cannot be read" in said

    @pytest.mark.parametrize("text", ["", "a=b,", "a in b", "a in ()", "in (a)", "=b", "a b", "a>1"])
    def test_what_is_no_selector_is_refused(self, text: str) -> None:
        with pytest.raises(SelectorError):
            selectors.parse_text(text)


def test_a_pool_that_fills_up_is_noted_before_it_is_full(healthy: Snapshot) -> None:
    held = {
        each["ip"]
        for raw in healthy.services.items
        for each in raw["status"]["loadBalancer"].get("ingress", ())
    }

    def told(extra: int) -> list[str]:
        first = min(int(each.rpartition(".")[2]) for each in held)
        net = next(iter(held)).rpartition(".")[0]
        last = max(int(each.rpartition(".")[2]) for each in held)
        assert last - first + 1 + extra > len(held)

        def shrink(raw: dict[str, Any]) -> None:
            raw["spec"]["addresses"] = [f"{each}/32" for each in sorted(held)]
            raw["spec"]["addresses"] += [f"{net}.{last + one}/32" for one in range(1, extra + 1)]

        seen = replace(healthy, ip_address_pools=edited(healthy.ip_address_pools, shrink))
        answer = answered("pending.free-address", seen)
        assert not answer.findings
        return [note for note in answer.notes if "taken" in note]

    usable = len(held)
    assert told(usable) == []  # half of it
    (note,) = told(1)
    assert f"1 of {usable + 1} IPv4 address left; widen it" in note
    assert "is more than 75% taken" in note


class TestControllerCpu:
    @staticmethod
    def seen(limit: str, used: str, *, allocatable: str = "4") -> Told:
        found = load(FOLDER / "controller-cpu-bound.json.gz")

        def pod(raw: dict[str, Any]) -> None:
            for each in raw["spec"]["containers"]:
                each.setdefault("resources", {})["limits"] = {"cpu": limit} if limit else {}

        def usage(raw: dict[str, Any]) -> None:
            for each in raw.get("containers", ()):
                each["usage"]["cpu"] = used if each["name"] == "controller" else "1m"

        def node(raw: dict[str, Any]) -> None:
            raw["status"]["allocatable"] = {"cpu": allocatable}

        return answered(
            "scaling.controller-cpu",
            replace(
                found,
                pods=edited(found.pods, pod),
                pod_usage=edited(found.pod_usage, usage),
                nodes=edited(found.nodes, node),
            ),
        )

    def test_without_a_limit_it_is_bound_by_its_node(self) -> None:
        (found,) = self.seen("", "3900m").findings

        assert found.cause == "controller-cpu-bound"
        assert "uses 3900.0m of all that node " in found.summary
        assert found.summary.endswith("can give, which is 4000m.")

    def test_without_a_limit_a_busy_one_is_noted_with_what_decides(self) -> None:
        told = self.seen("", "612m")

        assert not told.findings
        assert any(
            "whether it stays busy is told by kubectl -n metallb-system top pod" in one for one in told.notes
        )
        assert not any("stays busy" in one for one in self.seen("", "4m").notes)

    def test_a_limit_of_its_own_still_decides(self) -> None:
        assert self.seen("100m", "95m").findings
        assert not self.seen("1", "95m").findings


def test_how_many_lines_were_read_and_an_empty_log_are_noted(healthy: Snapshot) -> None:
    name = next(tail.pod for tail in healthy.logs if tail.container == "controller" and not tail.previous)
    empty = replace(
        healthy,
        logs=tuple(
            replace(tail, lines=(), noise=0, since="") if tail.pod == name else tail for tail in healthy.logs
        ),
    )

    def count(tail: LogTail) -> int:
        return len(tail.lines) + tail.noise

    lines = sum(count(tail) for tail in healthy.logs if tail.container == "controller" and not tail.previous)
    (note,) = [one for one in answered("health.controller-log", healthy).notes if "were read" in one]
    assert note.startswith(f"{lines} lines of 1 pod were read")
    assert (
        f"the log of {name} is empty, so it tells of no failure and of no health"
        in answered("health.controller-log", empty).notes
    )


class TestUnprivileged:
    """Lines as a speaker of 0.16.2 writes them."""

    @staticmethod
    def told(seen: Snapshot, error: str, *, ago: float = 5.0, of: int = 1) -> dict[str, Told]:
        at = dt.datetime.fromisoformat(seen.taken_at) - dt.timedelta(seconds=ago)
        line = json.dumps(
            {
                "caller": "announcer.go:148",
                "error": f'creating ARP responder for "eth0": {error}',
                "interface": "eth0",
                "level": "error",
                "msg": "failed to create ARP responder",
                "op": "createARPResponder",
                "ts": f"{at:%Y-%m-%dT%H:%M:%SZ}",
            }
        )
        speakers = [each.pod for each in seen.logs if each.container == "speaker" and not each.previous][:of]
        logs = tuple(
            replace(each, lines=(*each.lines, line)) if each.pod in speakers and not each.previous else each
            for each in seen.logs
        )
        return all_answered(replace(seen, logs=logs))

    def test_what_the_kernel_refuses_is_named_with_the_nodes(self, healthy: Snapshot) -> None:
        told = self.told(healthy, "listen packet 02:6d:6c:00:00:0c: socket: operation not permitted")

        (found,) = told["health.speaker-log"].findings
        assert (found.cause, found.subject) == ("speaker-unprivileged", "daemonset speaker")
        assert re.match(r"The speaker on node \S+ may not open raw sockets", found.summary)
        whole = self.told(healthy, "listen packet: socket: operation not permitted", of=9)
        (found,) = whole["health.speaker-log"].findings
        assert found.summary.startswith("The speaker on every node may not")

    def test_a_silent_address_of_its_node_is_explained_by_it(self, healthy: Snapshot) -> None:
        heard = tuple(
            replace(each, macs=()) if each.purpose is Purpose.ASSIGNED else each
            for each in healthy.wire.heard
        )
        silent = replace(healthy, wire=replace(healthy.wire, heard=heard))
        told = self.told(silent, "listen packet: socket: operation not permitted", of=9)

        assert {each.cause for each in told["traffic.single-announcer"].findings} == {"speaker-unprivileged"}

    @pytest.mark.parametrize(
        ("error", "ago"),
        [
            ("listen packet: socket: operation not permitted", 300.0),
            ("no such network interface", 5.0),
            ('route "operation not permitted" has no address', 5.0),
        ],
    )
    def test_what_is_over_and_what_is_something_else_is_not(
        self, healthy: Snapshot, error: str, ago: float
    ) -> None:
        assert not self.told(healthy, error, ago=ago)["health.speaker-log"].findings


def test_a_controller_that_logs_errors_alone_is_noted(healthy: Snapshot) -> None:
    def quiet(raw: dict[str, Any]) -> None:
        for each in raw["spec"]["template"]["spec"]["containers"]:
            each["args"] = [
                *(one for one in each.get("args", ()) if "log-level" not in one),
                "--log-level=error",
            ]

    told = answered("health.controller-log", replace(healthy, deployments=edited(healthy.deployments, quiet)))

    assert "the controller logs at level error only: what it does at level info goes unseen" in told.notes
    assert not any("goes unseen" in one for one in answered("health.controller-log", healthy).notes)


class TestRoutable:
    @staticmethod
    def told(seen: Snapshot, *ranges: str, **route: Any) -> Told:
        def pool(raw: dict[str, Any]) -> None:
            raw["spec"]["addresses"] = [*raw["spec"]["addresses"], *ranges]

        ways = (Route(address="198.51.100.10", **route),) if route else ()
        wire = replace(seen.wire, routes=(*seen.wire.routes, *ways))
        return answered(
            "recovery.address-routable",
            replace(seen, wire=wire, ip_address_pools=edited(seen.ip_address_pools, pool)),
        )

    def test_one_range_that_the_vantage_has_no_way_to_is_told_though_another_is_near(
        self, healthy: Snapshot
    ) -> None:
        (found,) = self.told(healthy, "198.51.100.10-198.51.100.19", problem="there is no route").findings

        assert found.cause == "vantage-not-on-segment"
        assert "has no route to 198.51.100.10: there is no route" in found.summary

    def test_a_second_range_on_the_segment_is_well(self, healthy: Snapshot) -> None:
        told = self.told(healthy, "198.51.100.10-198.51.100.19", on_link=True, source="198.51.100.1")

        assert not told.findings
        assert not told.missing

    def test_a_range_of_which_no_address_was_looked_at_is_noted(self, healthy: Snapshot) -> None:
        told = self.told(healthy, "203.0.113.10-203.0.113.19")

        assert not told.findings
        assert any("no address in 203.0.113.10-203.0.113.19 was looked at" in note for note in told.notes)


def test_a_pod_beside_controller_and_speakers_that_is_not_ready_is_noted(healthy: Snapshot) -> None:
    pod = copy.deepcopy(healthy.pods.items[0])
    pod["metadata"].update(name="frr-k8s-x1", labels={"app": "frr-k8s"})
    pod["spec"]["containers"] = [{"name": "frr", "image": "quay.io/frrouting/frr:10"}]
    pod["status"] = {"phase": "Pending", "conditions": [{"type": "Ready", "status": "False"}]}
    beside = replace(healthy, pods=replace(healthy.pods, items=(*healthy.pods.items, pod)))

    told = answered("health.pods-ready", beside)

    assert not told.findings
    assert "pod frr-k8s-x1, which is neither controller nor speaker, is not ready" in told.notes
    assert not any("neither controller" in one for one in answered("health.pods-ready", healthy).notes)


def test_a_service_that_got_one_family_of_two_is_noted(healthy: Snapshot) -> None:
    about = healthy.services.items[0]["metadata"]
    event = {
        "metadata": {"name": "e", "namespace": about["namespace"]},
        "involvedObject": {"kind": "Service", "name": about["name"], "namespace": about["namespace"]},
        "reason": "AdditionalAssignFailed",
        "message": "no IPv6 address in the pool",
        "type": "Warning",
        "lastTimestamp": healthy.taken_at,
    }
    seen = replace(healthy, service_events=replace(healthy.service_events, items=(event,)))

    (note,) = [one for one in answered("health.allocation-events", seen).notes if "of one family" in one]

    assert note.startswith(f"service {about['namespace']}/{about['name']} has an address of one family")


def test_warnings_that_are_no_finding_are_noted(healthy: Snapshot) -> None:
    pod = next(
        each["metadata"] for each in healthy.pods.items if each["metadata"]["name"].startswith("controller")
    )
    event = {
        "metadata": {"name": "w", "namespace": pod["namespace"]},
        "involvedObject": {
            "kind": "Pod",
            "name": pod["name"],
            "namespace": pod["namespace"],
            "uid": pod["uid"],
        },
        "reason": "Unhealthy",
        "message": "Readiness probe failed: HTTP 500",
        "type": "Warning",
        "count": 1,
        "lastTimestamp": healthy.taken_at,
    }
    told = answered(
        "health.probes",
        replace(healthy, events=replace(healthy.events, items=(*healthy.events.items, event))),
    )

    assert not told.findings
    assert any(f"pod {pod['name']}, 0 s ago: event Unhealthy: Readiness" in one for one in told.notes)


class TestBeingDeleted:
    @staticmethod
    def deleted(seen: Snapshot, part: str, *, ago: float, finalizers: list[str]) -> Snapshot:
        at = dt.datetime.fromisoformat(seen.taken_at) - dt.timedelta(seconds=ago)

        def leave(raw: dict[str, Any]) -> None:
            raw["metadata"] |= {"deletionTimestamp": at.isoformat(), "finalizers": finalizers}

        return replace(seen, **{part: edited(getattr(seen, part), leave)})

    @pytest.mark.parametrize(
        ("part", "subject", "kind"),
        [
            ("ip_address_pools", "pool", "IPAddressPool"),
            ("l2_advertisements", "advertisement", "L2Advertisement"),
        ],
    )
    def test_what_a_finalizer_keeps_is_told(
        self, healthy: Snapshot, part: str, subject: str, kind: str
    ) -> None:
        seen = self.deleted(healthy, part, ago=3600, finalizers=["example.org/guard"])

        (found,) = answered("health.config-present", seen).findings

        assert found.cause == "configuration-leaving"
        assert found.subject.startswith(f"{subject} ")
        assert found.summary.startswith(f"{kind} ")
        assert (
            "was deleted 60 min ago and is gone as soon as the finalizer example.org/guard is"
            in found.summary
        )
        assert ("addresses of services go with it" in found.summary) == (subject == "pool")

    @pytest.mark.parametrize(("ago", "finalizers"), [(3.0, ["example.org/guard"]), (3600.0, [])])
    def test_what_is_only_on_its_way_is_not(
        self, healthy: Snapshot, ago: float, finalizers: list[str]
    ) -> None:
        seen = self.deleted(healthy, "ip_address_pools", ago=ago, finalizers=finalizers)

        assert not answered("health.config-present", seen).findings


def test_services_that_wait_alike_are_each_told_of_themselves(healthy: Snapshot) -> None:
    """What was decided once for all of a kind names no other of them."""

    def keep(raw: dict[str, Any]) -> None:
        raw["spec"]["serviceAllocation"] = {"serviceSelectors": [{"matchLabels": {"tier": "gold"}}]}

    def take(raw: dict[str, Any]) -> None:
        raw["status"]["loadBalancer"] = {}

    seen = replace(
        healthy,
        ip_address_pools=edited(healthy.ip_address_pools, keep),
        services=edited(healthy.services, take),
    )
    keys = {f"{raw['metadata']['namespace']}/{raw['metadata']['name']}" for raw in seen.services.items}

    found = answered("trigger.pending-services", seen).findings

    assert len(found) > 1
    for each in found:
        assert not any(key in each.summary for key in keys - {each.subject.removeprefix("service ")})
