"""Manifests are applied in an order that needs no second try, at the paths that the API server has."""

from __future__ import annotations

from typing import Any

import pytest

from clusters.lab import manifests, rendering, serving
from clusters.lab.rest import Answer, collection_path, object_path


def _thing(kind: str, name: str = "x", *, version: str = "v1", **meta: str) -> dict[str, Any]:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, **meta}}


def test_webhooks_come_last_and_what_others_stand_on_first() -> None:
    kinds = ["ValidatingWebhookConfiguration", "Deployment", "Secret", "Namespace", "IPAddressPool"]

    ordered = [[thing["kind"] for thing in wave] for wave in manifests.waves(map(_thing, kinds))]

    assert ordered == [
        ["Namespace"],
        ["Secret"],
        ["Deployment", "IPAddressPool"],
        ["ValidatingWebhookConfiguration"],
    ]


@pytest.mark.parametrize(
    ("thing", "path"),
    [
        (_thing("Namespace", "shop"), "/api/v1/namespaces/shop"),
        (_thing("Service", "web", namespace="shop"), "/api/v1/namespaces/shop/services/web"),
        (
            _thing("Deployment", "shop", version="apps/v1", namespace="shop"),
            "/apis/apps/v1/namespaces/shop/deployments/shop",
        ),
        (
            _thing("IPAddressPool", "p", version="metallb.io/v1beta1", namespace="m"),
            "/apis/metallb.io/v1beta1/namespaces/m/ipaddresspools/p",
        ),
        (
            _thing("ClusterRole", "r", version="rbac.authorization.k8s.io/v1"),
            "/apis/rbac.authorization.k8s.io/v1/clusterroles/r",
        ),
    ],
)
def test_an_object_has_the_path_of_its_kind(thing: dict[str, Any], path: str) -> None:
    assert object_path(thing) == path


@pytest.mark.parametrize(
    ("kind", "plural"), [("NetworkPolicy", "networkpolicies"), ("StorageClass", "storageclasses")]
)
def test_plurals_that_are_not_an_s(kind: str, plural: str) -> None:
    assert collection_path("v1", kind).endswith(plural)


def test_a_refusal_is_told_in_the_servers_words() -> None:
    assert Answer(403, b'{"message": "no"}').message == "no"
    assert Answer(502, b"bad gateway").message == "bad gateway"


def _controller(secret: str) -> dict[str, Any]:
    env = [{"name": "METALLB_ML_SECRET_NAME", "value": secret}] if secret else []
    thing = _thing("Deployment", "controller", version="apps/v1", namespace="metallb-system")
    thing["spec"] = {"template": {"spec": {"containers": [{"name": "controller", "env": env}]}}}
    return thing


def test_speakers_find_their_secret_when_they_start() -> None:
    things = manifests.with_secrets([_controller("metallb-memberlist")])

    secrets = [thing for thing in things if thing["kind"] == "Secret"]
    assert [secret["metadata"]["name"] for secret in secrets] == ["metallb-memberlist"]
    assert "secretkey" in secrets[0]["data"]


def test_a_secret_of_the_users_own_is_left_alone() -> None:
    own = _thing("Secret", "memberlist", namespace="metallb-system") | {"data": {"secretkey": "eA=="}}

    things = manifests.with_secrets([_controller("memberlist"), own])

    assert [thing for thing in things if thing["kind"] == "Secret"] == [own]


def test_the_webhooks_empty_secret_is_filled() -> None:
    empty = _thing("Secret", "metallb-webhook-cert", namespace="metallb-system")

    (filled,) = manifests.with_secrets([empty])

    assert set(filled["data"]) == {"ca.crt", "ca.key", "tls.crt", "tls.key"}


class _Client:
    """Answers lists from a dictionary."""

    def __init__(self, lists: dict[str, list[dict[str, Any]]]) -> None:
        self.lists = lists

    def get(self, path: str) -> dict[str, Any]:
        return {"items": self.lists.get(path.rpartition("/")[2], [])}


@pytest.mark.parametrize(
    ("deployment", "daemonset", "left"),
    [
        (
            {"availableReplicas": 1, "updatedReplicas": 1},
            {"desiredNumberScheduled": 2, "numberAvailable": 2},
            [],
        ),
        (
            {},
            {"desiredNumberScheduled": 2, "numberAvailable": 1},
            ["deployment x: 0 of 1", "daemonset x: 1 of 2"],
        ),
        ({"availableReplicas": 1, "updatedReplicas": 1}, {}, ["daemonset x: 0 of 0"]),
    ],
)
def test_what_is_not_rolled_out_is_listed(
    deployment: dict[str, int], daemonset: dict[str, int], left: list[str]
) -> None:
    client = _Client(
        {
            "deployments": [_thing("Deployment") | {"spec": {"replicas": 1}, "status": deployment}],
            "daemonsets": [_thing("DaemonSet") | {"spec": {}, "status": daemonset}],
        }
    )

    assert serving.unfinished(client) == left  # type: ignore[arg-type]


def test_only_nodes_that_are_ready_and_take_pods_count() -> None:
    ready = {"conditions": [{"type": "Ready", "status": "True"}]}
    tainted = {"taints": [{"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}]}
    client = _Client(
        {
            "nodes": [
                _thing("Node", "a") | {"spec": {}, "status": ready},
                _thing("Node", "b") | {"spec": {}},
                _thing("Node", "c") | {"spec": tainted, "status": ready},
            ]
        }
    )

    assert serving.ready_nodes(client) == {"a"}  # type: ignore[arg-type]


def test_the_shipped_overlays_pin_a_version() -> None:
    folder = rendering.EXAMPLES / "metallb" / "overlays"

    assert {rendering.pinned_version(folder / name) for name in ("lab", "lab-ipv6", "lab-dual")} == {"0.16.2"}
