"""Clusters that are well and unlike the lab: nothing may be said of them; and what looks like them and is not well."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from clusters.observation import Snapshot, load
from clusters.observation.snapshot import Json, Objects
from tests.answers import all_answered

FOLDER = Path(__file__).parent / "observations"


@pytest.fixture
def healthy() -> Snapshot:
    return load(FOLDER / "healthy.json.gz")


def edited(found: Objects, edit: Callable[[Json], None]) -> Objects:
    """The objects after `edit` has seen each of them."""
    items = tuple(copy.deepcopy(each) for each in found.items)
    for each in items:
        edit(each)
    return replace(found, items=items)


def causes(seen: Snapshot) -> dict[str, set[tuple[str, str]]]:
    return {
        check: {(finding.cause, finding.subject) for finding in told.findings}
        for check, told in all_answered(seen).items()
        if told.findings
    }


def with_class(seen: Snapshot, *, name: str) -> Snapshot:
    """MetalLB serves one class only, and all services that hold an address are of it."""

    def workload(each: Json) -> None:
        for container in each["spec"]["template"]["spec"]["containers"]:
            if container["name"] in {"controller", "speaker"}:
                container.setdefault("args", []).append(f"--lb-class={name}")

    def service(each: Json) -> None:
        each["spec"]["loadBalancerClass"] = name

    return replace(
        seen,
        deployments=edited(seen.deployments, workload),
        daemon_sets=edited(seen.daemon_sets, workload),
        services=edited(seen.services, service),
    )


def more(seen: Snapshot, **changed: Any) -> Snapshot:
    """One service more, made long ago, like the first one but for `changed` fields of its metadata, spec and status."""
    other = copy.deepcopy(seen.services.items[0])
    other["metadata"] |= {"name": "other", "creationTimestamp": "2020-01-01T00:00:00Z", "managedFields": []}
    for part, fields in changed.items():
        other[part] = {**other[part], **fields}
    return replace(seen, services=replace(seen.services, items=(*seen.services.items, other)))


def test_a_service_that_another_load_balancer_serves_by_a_host_name_waits_for_nothing(
    healthy: Snapshot,
) -> None:
    named = {"loadBalancer": {"ingress": [{"hostname": "lb.example.org"}]}}
    seen = more(with_class(healthy, name="metallb"), spec={"loadBalancerClass": None}, status=named)

    assert causes(seen) == {}


def test_the_same_service_without_a_host_name_is_of_no_class_that_is_served(healthy: Snapshot) -> None:
    nothing: Json = {"loadBalancer": {}}
    seen = more(with_class(healthy, name="metallb"), spec={"loadBalancerClass": None}, status=nothing)

    assert causes(seen)["pending.annotations"] == {("class-mismatch", f"service {_namespace(seen)}/other")}


def _namespace(seen: Snapshot) -> str:
    return str(seen.services.items[-1]["metadata"]["namespace"])


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("metallb.io/loadBalancerIP", "metallb.io/loadBalancerIPs"),
        ("metallb.universe.tf/pool-name", "metallb.io/address-pool"),
        ("metallb.io/ip-address-pool", "metallb.io/address-pool"),
        ("metallb.io/allow-share-ip", "metallb.io/allow-shared-ip"),
        ("metallb.org/address-pool", "metallb.io/address-pool"),
        ("metallb.io/loadbalancerips", "metallb.io/loadBalancerIPs"),
    ],
)
def test_an_annotation_that_metallb_does_not_know_is_told_with_what_was_meant(
    healthy: Snapshot, name: str, meant: str
) -> None:
    seen = more(healthy, metadata={"annotations": {name: "172.30.0.219"}})

    (finding,) = all_answered(seen)["pending.annotations"].findings

    assert finding.cause == "annotation-unknown"
    assert f"Did you mean {meant}?" in finding.summary


@pytest.mark.parametrize(
    "name",
    [
        "metallb.io/ip-allocated-from-pool",
        "example.org/metallb.io",
        "app.kubernetes.io/part-of",
        "traefik.io/pool",
    ],
)
def test_other_annotations_are_nobodys_business(healthy: Snapshot, name: str) -> None:
    seen = more(healthy, metadata={"annotations": {name: "metallb-pool"}})

    assert "pending.annotations" not in causes(seen)


def as_version(seen: Snapshot, version: str) -> Snapshot:
    """The images name another version."""

    def workload(each: Json) -> None:
        for container in each["spec"]["template"]["spec"]["containers"]:
            container["image"] = f"{container['image'].rpartition(':')[0]}:v{version}"

    def pod(each: Json) -> None:
        for container in each["spec"]["containers"]:
            container["image"] = f"{container['image'].rpartition(':')[0]}:v{version}"

    return replace(
        seen,
        deployments=edited(seen.deployments, workload),
        daemon_sets=edited(seen.daemon_sets, workload),
        pods=edited(seen.pods, pod),
    )


def test_before_0_14_9_the_new_prefix_is_not_read_and_the_old_one_not_deprecated(healthy: Snapshot) -> None:
    new = more(
        as_version(healthy, "0.14.8"), metadata={"annotations": {"metallb.io/address-pool": "metallb-pool"}}
    )
    old = more(
        as_version(healthy, "0.14.8"),
        metadata={"annotations": {"metallb.universe.tf/address-pool": "metallb-pool"}},
    )

    service = f"service {_namespace(new)}/other"
    (finding,) = [
        each for each in all_answered(new)["pending.annotations"].findings if each.subject == service
    ]
    assert finding.cause == "annotation-unknown"
    assert "Did you mean metallb.universe.tf/address-pool?" in finding.summary
    assert service not in {subject for _, subject in causes(old).get("pending.annotations", ())}


def test_a_node_that_repels_speakers_is_a_fault_only_where_the_profile_names_it() -> None:
    seen = load(FOLDER / "speaker-unschedulable.json.gz")
    names = tuple(each["metadata"]["name"] for each in seen.nodes.items)
    expected = replace(seen, expectations=replace(seen.expectations, announcers=names))

    assert causes(seen) == {}
    assert causes(expected)["scaling.speaker-scheduling"] == {("speaker-unschedulable", "node node3")}


def test_two_replicas_of_the_controller_are_one_too_many(healthy: Snapshot) -> None:
    def scaled(each: Json) -> None:
        each["spec"]["replicas"] = 2

    found = causes(replace(healthy, deployments=edited(healthy.deployments, scaled)))

    assert found["health.pods-ready"] == {("controller-doubled", "deployment controller")}


def test_whoever_writes_a_status_under_a_name_like_the_controllers_is_a_rival(healthy: Snapshot) -> None:
    def written(each: Json) -> None:
        each["metadata"]["managedFields"] = [{"manager": "kube-controllers", "time": "2026-11-30T00:00:00Z"}]

    seen = replace(healthy, services=edited(healthy.services, written))

    findings = all_answered(seen)["health.services-addressed"].findings
    assert {finding.cause for finding in findings} == {"rival-controller"}
    assert "Calico's kube-controllers" in findings[0].summary
    assert "RequestedServicesOnly" in findings[0].remedy
