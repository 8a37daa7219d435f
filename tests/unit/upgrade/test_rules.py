"""Every rule is tripped by the one thing that it is about, and is silent on a healthy lab."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from clusters.metallb.nodes import EXCLUDE_LABEL
from clusters.observation.snapshot import Json, Objects, Status
from clusters.upgrade.decision import RULES, Result, Verdict
from tests.unit.upgrade.scenes import (
    ADVERTISEMENTS,
    Edit,
    both,
    decided,
    definition,
    edited,
    healthy,
    results,
    running,
)

Parts = dict[str, list[Json]]
STOPS, HEED, UNKNOWN = Result.STOPS, Result.HEED, Result.UNKNOWN


def nothing(_: Parts) -> None:
    """Edit nothing."""


def without_speaker_beside_controller(parts: Parts) -> None:
    (controller,) = [pod for pod in parts["pods"] if pod["metadata"]["name"].startswith("controller")]
    node = controller["spec"]["nodeName"]
    parts["pods"] = [pod for pod in parts["pods"] if pod is controller or pod["spec"]["nodeName"] != node]


def cordoned(parts: Parts) -> None:
    parts["nodes"][1]["spec"]["unschedulable"] = True


def mixed(parts: Parts) -> None:
    container = next(pod for pod in parts["pods"] if "speaker" in pod["metadata"]["name"])["status"]
    for status in container["containerStatuses"]:
        status["image"] = "quay.io/metallb/speaker:v0.14.9"


def config_map(name: str, data: Json) -> Edit:
    return lambda parts: parts["config_maps"].append(
        {"metadata": {"name": name, "namespace": "metallb-system"}, "data": data}
    )


def legacy_pool(parts: Parts) -> None:
    parts["legacy_pools"].append({"metadata": {"name": "old", "namespace": "metallb-system"}})


def legacy_definition(parts: Parts) -> None:
    parts["custom_resource_definitions"].append({"metadata": {"name": "addresspools.metallb.io"}})


def labelled(count: int) -> Edit:
    def edit(parts: Parts) -> None:
        for node in parts["nodes"][:count]:
            node["metadata"].setdefault("labels", {})[EXCLUDE_LABEL] = ""

    return edit


def told_to_ignore_the_label(parts: Parts) -> None:
    for container in parts["daemon_sets"][0]["spec"]["template"]["spec"]["containers"]:
        container["args"] = [*container.get("args", ()), "--ignore-exclude-lb"]


def outside(parts: Parts) -> None:
    parts["ip_address_pools"][0]["spec"]["addresses"] = ["172.30.0.250-172.30.0.251"]


def annotated(parts: Parts) -> None:
    parts["services"][0]["metadata"].setdefault("annotations", {})["metallb.universe.tf/address-pool"] = "x"


def hook(name: str) -> Edit:
    return lambda parts: parts["webhooks"].append({**parts["webhooks"][0], "metadata": {"name": name}})


def renamed_hook(parts: Parts) -> None:
    parts["webhooks"][0]["metadata"]["name"] = "validating-webhook-configuration"


def no_states_definition(parts: Parts) -> None:
    name = "servicebgpstatuses.metallb.io"
    parts["custom_resource_definitions"] = [
        each for each in parts["custom_resource_definitions"] if each["metadata"]["name"] != name
    ]


def stored(parts: Parts) -> None:
    for each in parts["custom_resource_definitions"]:
        if each["metadata"]["name"] == "ipaddresspools.metallb.io":
            each.setdefault("status", {})["storedVersions"] = ["v1alpha1", "v1beta1"]


def unknown_field(parts: Parts) -> None:
    parts["ip_address_pools"][0]["spec"]["protocol"] = "layer2"


def a_speaker_not_ready(parts: Parts) -> None:
    (pod, *_) = [pod for pod in parts["pods"] if "speaker" in pod["metadata"]["name"]]
    for condition in pod["status"]["conditions"]:
        if condition["type"] == "Ready":
            condition["status"] = "False"
    for status in pod["status"]["containerStatuses"]:
        status["ready"] = False
        status["state"] = {"waiting": {"reason": "CrashLoopBackOff"}}


def two_speakers_not_ready(parts: Parts) -> None:
    speakers = [pod for pod in parts["pods"] if "speaker" in pod["metadata"]["name"]]
    for pod in speakers[1:]:
        a_speaker_not_ready({"pods": [pod]})


def one_node_alone(parts: Parts) -> None:
    name = parts["nodes"][0]["metadata"]["name"]
    for each in parts["l2_advertisements"]:
        each["spec"]["nodeSelectors"] = [{"matchLabels": {"kubernetes.io/hostname": name}}]


def on_the_host(port: int, *, host_network: bool = True) -> Edit:
    def edit(parts: Parts) -> None:
        ports = [{"containerPort": port}] if host_network else [{"containerPort": 80, "hostPort": port}]
        parts["host_pods"].append(
            {
                "metadata": {"name": "exporter", "namespace": "monitoring"},
                "spec": {
                    "nodeName": parts["nodes"][0]["metadata"]["name"],
                    "hostNetwork": host_network,
                    "containers": [{"name": "exporter", "ports": ports}],
                },
            }
        )

    return edit


def no_memberlist(parts: Parts) -> None:
    for container in parts["daemon_sets"][0]["spec"]["template"]["spec"]["containers"]:
        container["env"] = [one for one in container["env"] if not one["name"].startswith("METALLB_ML")]


MEMBERLIST = {"memberlist.json": "{}", "config.json": json.dumps({"TCPTimeout": "10s"})}

CASES: list[tuple[str, Edit, str, Mapping[str, Any], Result]] = [
    ("avoid-0-14-6", nothing, "0.14.6", {}, STOPS),
    ("avoid-0-14-7", nothing, "0.14.7", {}, STOPS),
    ("avoid-0-15-0", nothing, "0.15.0", {}, STOPS),
    ("avoid-0-16-0", nothing, "0.16.0", {}, STOPS),
    ("speaker-beside-controller", without_speaker_beside_controller, "0.16.0", {}, STOPS),
    ("cordoned-nodes", both(running("0.14.5"), cordoned), "0.14.9", {}, STOPS),
    ("kubernetes-1-36", nothing, "0.15.3", {"kubernetes_version": "v1.36.0"}, STOPS),
    ("kubernetes-1-36", nothing, "0.15.3", {"kubernetes_version": "?"}, UNKNOWN),
    ("kubernetes-1-21", nothing, "0.16.2", {"kubernetes_version": "v1.20.15"}, STOPS),
    ("one-version", mixed, "0.16.2", {}, STOPS),
    (
        "config-map",
        both(running("0.12.1"), config_map("config", {"config": "address-pools:\n"})),
        "0.13.12",
        {},
        STOPS,
    ),
    ("address-pools", both(running("0.13.12"), legacy_pool), "0.14.9", {}, STOPS),
    ("address-pool-definition", legacy_definition, "0.16.2", {}, HEED),
    ("exclude-label", both(running("0.13.12"), labelled(1)), "0.14.9", {}, HEED),
    ("exclude-label", both(running("0.13.12"), labelled(3)), "0.14.9", {}, STOPS),
    ("addresses-in-pools", outside, "0.16.2", {}, STOPS),
    ("annotations", annotated, "0.16.2", {}, HEED),
    ("webhook-left-over", hook("validating-webhook-configuration"), "0.16.2", {}, STOPS),
    ("webhook-renamed", both(running("0.13.3"), renamed_hook), "0.13.12", {}, HEED),
    ("memberlist-file", config_map("metallb-memberlist-config", MEMBERLIST), "0.16.2", {}, STOPS),
    ("definitions", no_states_definition, "0.15.3", {}, HEED),
    ("roles", nothing, "0.16.2", {}, HEED),
    ("objects-valid", unknown_field, "0.16.2", {}, STOPS),
    ("stored-versions", stored, "0.16.2", {}, STOPS),
    ("way-back", nothing, "0.16.2", {}, HEED),
    ("memberlist-key-256", running("0.13.12"), "0.14.9", {}, HEED),
    ("memberlist-key-hashed", nothing, "0.16.2", {}, HEED),
    ("every-speaker", a_speaker_not_ready, "0.16.2", {}, STOPS),
    ("spare-speaker", two_speakers_not_ready, "0.16.2", {}, STOPS),
    ("spare-speaker", one_node_alone, "0.16.2", {}, HEED),
    ("addresses-move", nothing, "0.16.2", {}, HEED),
    ("metrics-port", nothing, "0.16.2", {}, HEED),
    ("host-ports", on_the_host(9120), "0.16.2", {}, STOPS),
    ("host-ports", on_the_host(17472, host_network=False), "0.16.2", {}, STOPS),
]
VALUES: list[tuple[str, Json | None, str, Result]] = [
    ("values-config-inline", {"configInline": {"address-pools": []}}, "0.16.2", STOPS),
    ("values-frr-k8s", {"frr-k8s": {"enabled": False}}, "0.16.2", STOPS),
    ("values-frr-k8s", {"speaker": {"frr": {"enabled": True}}}, "0.16.2", STOPS),
    ("values-frr-k8s", {"speaker": {}}, "0.16.2", HEED),
    (
        "values-frr-k8s",
        {"frrk8s": {"enabled": False}, "speaker": {"frr": {"enabled": True}}},
        "0.16.2",
        Result.CLEAR,
    ),
    ("values-crds", {"crds": {"enabled": False}}, "0.16.2", STOPS),
    ("values-crds", {"crds": "none"}, "0.16.2", Result.CLEAR),
]


@pytest.mark.parametrize(("rule", "edit", "target", "fields", "expected"), CASES)
def test_a_rule_is_tripped(
    *, rule: str, edit: Edit, target: str, fields: Mapping[str, Any], expected: Result
) -> None:
    found = decided(edited(edit, **fields), target)

    assert results(found)[rule] is expected
    ruling = next(each for each in found.rulings if each.rule.id == rule)
    assert all(seen.summary.endswith(".") and seen.subject for seen in ruling.seen)
    assert (
        found.verdict is Verdict.NO_GO
        if expected is STOPS
        else found.verdict is not Verdict.GO or expected is HEED
    )


@pytest.mark.parametrize(("rule", "values", "target", "expected"), VALUES)
def test_a_helm_value_is_seen(rule: str, values: Json, target: str, expected: Result) -> None:
    assert results(decided(healthy(), target, values=values))[rule] is expected


def test_every_rule_has_a_case() -> None:
    assert {rule.id for rule in RULES} == {case[0] for case in CASES} | {case[0] for case in VALUES}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_a_rule_is_said_in_whole_sentences(rule: Any) -> None:
    for text in (rule.consequence, rule.remedy):
        assert text.endswith(".")
    assert rule.condition
    assert rule.source
    assert all(command.strip() for command in rule.commands)


def test_a_healthy_lab_may_go_on_and_is_told_what_to_expect() -> None:
    found = decided(healthy())

    assert found.verdict is Verdict.GO
    assert {rule.id for rule, _ in found.heed} == {
        "definitions", "roles", "way-back", "memberlist-key-hashed", "addresses-move", "metrics-port",
    }  # fmt: skip
    assert found.findings == ()


def test_the_label_does_not_matter_where_it_is_ignored() -> None:
    snapshot = edited(both(running("0.13.12"), labelled(3), told_to_ignore_the_label))

    assert results(decided(snapshot, "0.14.9"))["exclude-label"] is Result.CLEAR


def test_without_a_key_no_key_changes() -> None:
    assert results(decided(edited(no_memberlist)))["memberlist-key-hashed"] is Result.CLEAR


def test_a_webhook_that_is_the_present_one_is_no_left_over() -> None:
    assert results(decided(healthy()))["webhook-left-over"] is Result.CLEAR


def test_a_pod_elsewhere_takes_no_port() -> None:
    def elsewhere(parts: Parts) -> None:
        on_the_host(9120)(parts)
        parts["host_pods"][0]["spec"]["nodeName"] = "another"

    assert results(decided(edited(elsewhere)))["host-ports"] is Result.CLEAR
    assert results(decided(edited(on_the_host(9100))))["host-ports"] is Result.CLEAR


def test_an_object_of_a_version_that_is_no_longer_served_stops() -> None:
    pools = definition("IPAddressPool", "ipaddresspools", {})
    pools["spec"]["versions"][0]["name"] = "v1"

    found = decided(healthy(), manifest=(pools, ADVERTISEMENTS))

    assert results(found)["objects-valid"] is STOPS
    assert "which 0.16.2 does not serve" in found.findings[0].summary


@pytest.mark.parametrize(
    ("field", "rule"),
    [
        ("cluster_roles", "roles"),
        ("host_pods", "host-ports"),
        ("services", "addresses-in-pools"),
        ("webhooks", "webhook-left-over"),
        ("custom_resource_definitions", "definitions"),
    ],
)
def test_what_may_not_be_read_leaves_it_undecided(field: str, rule: str) -> None:
    refused = Objects(status=Status.NOT_PERMITTED, verb="list", resource=field)

    found = decided(replace(healthy(), **{field: refused}))

    assert results(found)[rule] is UNKNOWN
    assert found.verdict is Verdict.UNDECIDED
    assert f"may not list {field}" in " ".join(found.unknown)
