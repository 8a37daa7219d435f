"""What probe pods say, and what is made of it: a service that they miss, or nothing at all."""

from __future__ import annotations

from typing import Any, cast

import pytest

from clusters.api import Api
from clusters.budgets import Budget
from clusters.diagnosis.symptoms import Symptom
from clusters.errors import Inconclusive
from clusters.wait import NotWithinBudget
from clusters.workloads.builders import probe_deployment
from suites.scenes import own_pods
from suites.scenes.own_pods import InClusterProbes, Readings
from suites.scenes.own_services import BrokenPromise, Service

SERVICE = Service(cast("Api", None), "mlc", "inside-1")
ALL = ("backend", "cluster-ip", "load-balancer")


def late(*readings: Readings) -> NotWithinBudget:
    budget = Budget(name="served", within=15, every=0.1, reason="")
    return NotWithinBudget(
        "pods reach it", budget, list(enumerate(map(tuple, readings))), count=len(readings)
    )


def seen(node: str, *reached: str) -> Readings:
    return tuple((node, target, target in reached) for target in ALL)


def test_each_target_is_a_container_that_is_ready_while_it_is_reached() -> None:
    targets = {"backend": ("10.1.0.7", 8080), "cluster-ip": ("fd00::7", 80)}

    made = probe_deployment("inside-1", namespace="mlc", targets=targets, replicas=2, image="mirror/agnhost")

    pod = made["spec"]["template"]["spec"]
    tried = {each["name"]: each["readinessProbe"]["exec"]["command"][-1] for each in pod["containers"]}
    assert tried == {"backend": "10.1.0.7:8080", "cluster-ip": "[fd00::7]:80"}
    assert {each["image"] for each in pod["containers"]} == {"mirror/agnhost"}
    assert made["spec"]["replicas"] == 2
    assert pod["automountServiceAccountToken"] is False


def test_only_containers_that_run_say_something() -> None:
    states: list[dict[str, Any]] = [
        {"name": "backend", "ready": True, "state": {"running": {}}},
        {"name": "cluster-ip", "ready": False, "state": {"running": {}}},
        {"name": "load-balancer", "ready": False, "state": {"waiting": {}}},
    ]
    pod = {"spec": {"nodeName": "node2"}, "status": {"containerStatuses": states}}

    assert own_pods._readings_of(pod) == (("node2", "backend", True), ("node2", "cluster-ip", False))
    assert own_pods._readings_of({"spec": {}}) == ()


def test_a_service_that_is_missed_although_its_pod_is_reached_is_trouble() -> None:
    found = InClusterProbes._broken(
        SERVICE, late((*seen("node1", *ALL), *seen("node2", "backend", "load-balancer"))), "192.0.2.7"
    )

    assert isinstance(found, BrokenPromise)
    assert found.symptom is Symptom.UNREACHED_INSIDE
    assert found.readings.startswith(
        "Pods of the cluster reach the service's pod and not the service: cluster-ip from node2. "
        "Whether it is reached from outside is not said by this.\n"
    )


def test_pods_that_say_nothing_have_not_reached_anything() -> None:
    both = (*seen("node1", *ALL), *seen("node2", *ALL))

    assert own_pods._whole(both, 6)
    assert not own_pods._whole(both[:-1], 6)
    assert not own_pods._whole((), 6)
    assert not own_pods._whole((*both[:-1], ("node2", "load-balancer", False)), 6)
    assert "stopped while they were asked" in str(
        InClusterProbes._broken(SERVICE, late(both[:-1]), "192.0.2.7")
    )
    assert isinstance(InClusterProbes._broken(SERVICE, late(()), "192.0.2.7"), Inconclusive)


@pytest.mark.parametrize("readings", [seen("node1", "load-balancer", "cluster-ip"), seen("node1")])
def test_pods_that_do_not_reach_the_pod_itself_prove_nothing(readings: Readings) -> None:
    found = InClusterProbes._broken(SERVICE, late(readings), "192.0.2.7")

    assert isinstance(found, Inconclusive)
    assert "do not reach even the service's pod itself" in str(found)
