"""Field by field: what counts as a difference, and what servers and controllers may do."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from clusters.gitops import field_comparison
from clusters.gitops.field_comparison import schema_of, schemas_in
from clusters.gitops.repository_collection import bare
from tests.unit.gitops import manifest
from tests.unit.gitops.site import lived

Json = dict[str, Any]


def changed(rendered: Json, live: Json) -> list[str]:
    return [difference.field for difference in field_comparison.differences(rendered, live)]


def pool(**spec: Any) -> Json:
    return {"apiVersion": "metallb.io/v1beta1", "kind": "IPAddressPool", "spec": spec}


def pod(**container: Any) -> Json:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "spec": {"containers": [{"name": "main", **container}]},
    }


@pytest.mark.parametrize("rendered", manifest.objects("0.16.2"), ids=lambda each: each["kind"])
def test_what_the_cluster_adds_is_no_difference(rendered: Json) -> None:
    assert changed(rendered, lived(rendered)) == []


@pytest.mark.parametrize(
    ("rendered", "live"),
    [
        pytest.param({"a": None}, {}, id="null"),
        pytest.param({"a": {}, "b": [], "c": "", "d": 0, "e": False}, {}, id="empty-values"),
        pytest.param(
            pod(resources={"limits": {"cpu": "1000m"}}), pod(resources={"limits": {"cpu": "1"}}), id="cpu"
        ),
        pytest.param(
            pod(resources={"limits": {"memory": "1Gi"}}),
            pod(resources={"limits": {"memory": "1024Mi"}}),
            id="memory",
        ),
        pytest.param(
            pod(ports=[{"containerPort": 80}]),
            pod(ports=[{"containerPort": 80, "protocol": "TCP"}]),
            id="default-protocol",
        ),
        pytest.param(
            pod(env=[{"name": "A"}, {"name": "B"}]),
            pod(env=[{"name": "B"}, {"name": "A"}]),
            id="order-of-names",
        ),
        pytest.param(pool(addresses=["a", "b"]), pool(addresses=["b", "a"]), id="order-of-ranges"),
        pytest.param(
            {"rules": [{"verbs": ["get", "list"]}]},
            {"rules": [{"verbs": ["list", "get"]}]},
            id="order-of-verbs",
        ),
        pytest.param(
            {"metadata": {"annotations": {"a": "1"}}},
            {"metadata": {"annotations": {"a": "1", "kubectl.kubernetes.io/restartedAt": "now"}}},
            id="annotation-of-others",
        ),
        pytest.param(
            {"webhooks": [{"name": "a", "clientConfig": {"caBundle": "x"}}]},
            {"webhooks": [{"name": "a", "clientConfig": {"caBundle": "y"}}]},
            id="certificate-of-the-controller",
        ),
        pytest.param({"status": {"a": 1}, "spec": 1}, {"status": {"a": 2}, "spec": 1}, id="status"),
    ],
)
def test_the_same_in_other_words_is_no_difference(rendered: Json, live: Json) -> None:
    assert changed(rendered, live) == []


@pytest.mark.parametrize(
    ("rendered", "live", "field"),
    [
        pytest.param(
            pool(autoAssign=False), pool(autoAssign=True), "spec.autoAssign", id="default-that-was-not-meant"
        ),
        pytest.param(pool(avoidBuggyIPs=True), pool(), "spec.avoidBuggyIPs", id="missing"),
        pytest.param(
            pool(addresses=["a"]), pool(addresses=["a", "b"]), "spec.addresses", id="one-range-more"
        ),
        pytest.param(
            pod(args=["a", "b"]),
            pod(args=["b", "a"]),
            "spec.containers[main].args[0]",
            id="order-of-arguments",
        ),
        pytest.param(
            pod(args=["a"]), pod(args=["a", "b"]), "spec.containers[main].args", id="one-argument-more"
        ),
        pytest.param(
            pod(env=[{"name": "A"}]),
            pod(env=[{"name": "A"}, {"name": "B"}]),
            "spec.containers[main].env[B]",
            id="extra",
        ),
        pytest.param(
            pod(ports=[{"containerPort": 53, "protocol": "UDP"}]),
            pod(ports=[{"containerPort": 53}]),
            "spec.containers[main].ports[53/UDP]",
            id="protocol",
        ),
        pytest.param(
            pod(resources={"limits": {"cpu": "1"}}),
            pod(resources={"limits": {"cpu": "1m"}}),
            "spec.containers[main].resources.limits.cpu",
            id="quantity",
        ),
        pytest.param(
            {"data": {"a.yaml": "1"}}, {"data": {"a.yaml": "2"}}, "data[a.yaml]", id="key-with-a-dot"
        ),
        pytest.param({"a": True}, {"a": 1}, "a", id="truth-is-no-number"),
    ],
)
def test_a_difference_is_named_by_its_field(rendered: Json, live: Json, field: str) -> None:
    assert field in changed(rendered, live)


#: As MetalLB's own definitions have it, but for the fields that are not looked at here.
SCHEMAS = {
    **schemas_in(bare(found) for found in manifest.objects("0.15.2")),
    "BGPAdvertisement v1beta1": {
        "properties": {
            "spec": {
                "properties": {
                    "aggregationLength": {"type": "integer", "default": 32},
                    "aggregationLengthV6": {"type": "integer", "default": 128},
                }
            }
        }
    },
    "BGPPeer v1beta2": {
        "properties": {
            "spec": {
                "properties": {"ebgpMultiHop": {"type": "boolean"}, "passwordSecret": {"type": "object"}},
            }
        }
    },
}


def drifted(rendered: Json, live: Json) -> list[str]:
    kind, version = rendered["kind"], rendered["apiVersion"]
    schema = schema_of(kind, version, SCHEMAS)
    assert schema is not None
    return [difference.field for difference in field_comparison.differences(rendered, live, schema)]


def resource(kind: str, version: str = "v1beta1", **spec: Any) -> Json:
    return {"apiVersion": f"metallb.io/{version}", "kind": kind, "spec": spec}


@pytest.mark.parametrize(
    ("rendered", "live", "field"),
    [
        pytest.param(
            pool(addresses=["a"]), pool(addresses=["a"], autoAssign=False), "spec.autoAssign", id="off"
        ),
        pytest.param(
            pool(addresses=["a"], autoAssign=False), pool(addresses=["a"]), "spec.autoAssign", id="on-again"
        ),
        pytest.param(pool(avoidBuggyIPs=True), pool(), "spec.avoidBuggyIPs", id="taken-away"),
        pytest.param(pool(), pool(avoidBuggyIPs=True), "spec.avoidBuggyIPs", id="added"),
        pytest.param(
            pool(serviceAllocation={"namespaces": ["a"]}),
            pool(serviceAllocation={"namespaces": ["a"], "priority": 5}),
            "spec.serviceAllocation.priority",
            id="added-below",
        ),
        pytest.param(
            resource("L2Advertisement"),
            resource("L2Advertisement", interfaces=["eth1"]),
            "spec.interfaces",
            id="interfaces",
        ),
        pytest.param(
            resource("L2Advertisement", nodeSelectors=[]),
            resource("L2Advertisement", nodeSelectors=[{}]),
            "spec.nodeSelectors",
            id="a-selector-of-everything-is-one",
        ),
        pytest.param(
            resource("BGPAdvertisement"),
            resource("BGPAdvertisement", aggregationLength=24),
            "spec.aggregationLength",
            id="aggregation",
        ),
        pytest.param(
            resource("BGPPeer", "v1beta2", myASN=1, peerASN=2),
            resource("BGPPeer", "v1beta2", myASN=1, peerASN=2, ebgpMultiHop=True),
            "spec.ebgpMultiHop",
            id="multi-hop",
        ),
        pytest.param(
            resource("BGPPeer", "v1beta2", myASN=1, peerASN=2, passwordSecret={"name": "a"}),
            resource("BGPPeer", "v1beta2", myASN=1, peerASN=2),
            "spec.passwordSecret",
            id="secret",
        ),
    ],
)
def test_every_field_of_metallbs_resources_counts_once_its_default_is_known(
    rendered: Json, live: Json, field: str
) -> None:
    assert drifted(rendered, live) == [field]
    assert drifted(live, rendered) == [field]


@pytest.mark.parametrize(
    ("rendered", "live"),
    [
        pytest.param(
            pool(addresses=["a"]), pool(addresses=["a"], autoAssign=True, avoidBuggyIPs=False), id="defaults"
        ),
        pytest.param(pool(autoAssign=None), pool(autoAssign=True), id="null-is-the-default"),
        pytest.param(
            resource("L2Advertisement"),
            resource("L2Advertisement", interfaces=[], nodeSelectors=None),
            id="empty",
        ),
        pytest.param(
            resource("BGPAdvertisement"),
            resource("BGPAdvertisement", aggregationLength=32, aggregationLengthV6=128),
            id="aggregation",
        ),
        pytest.param(
            resource("BGPPeer", "v1beta2", myASN=1, peerASN=2),
            resource("BGPPeer", "v1beta2", myASN=1, peerASN=2, ebgpMultiHop=False),
            id="false-without-a-default",
        ),
    ],
)
def test_a_default_that_the_api_server_fills_in_is_no_difference(rendered: Json, live: Json) -> None:
    assert drifted(rendered, live) == drifted(live, rendered) == []


@pytest.mark.parametrize(
    ("security", "field"),
    [
        ({"allowPrivilegeEscalation": False}, "allowPrivilegeEscalation"),
        ({"runAsUser": 0}, "runAsUser"),
        ({"readOnlyRootFilesystem": False}, "readOnlyRootFilesystem"),
    ],
)
def test_false_and_zero_that_kubernetes_keeps_are_missed_where_they_are_gone(
    security: Json, field: str
) -> None:
    rendered, live = pod(securityContext=security), pod(securityContext={})

    assert changed(rendered, live) == [f"spec.containers[main].securityContext.{field}"]


def test_a_difference_shows_both_sides() -> None:
    (found,) = field_comparison.differences({"a": {"b": 1}}, {"a": {}})

    assert str(found) == "a.b: intended 1, live absent"


def test_of_a_list_without_names_only_what_differs_is_shown() -> None:
    (found,) = field_comparison.differences(
        {"rules": [{"verbs": ["get"]}, {"verbs": ["*"]}]}, {"rules": [{"verbs": ["get"]}]}
    )

    assert (found.rendered, found.live) == ([{"verbs": ["*"]}], [])


def test_elements_that_share_a_name_are_compared_by_place() -> None:
    rendered = {"subjects": [{"name": "a", "kind": "User"}, {"name": "a", "kind": "Group"}]}

    assert changed(rendered, copy.deepcopy(rendered)) == []
    assert changed(rendered, {"subjects": [*reversed(rendered["subjects"])]}) == [
        "subjects[0].kind",
        "subjects[1].kind",
    ]


def test_prose_in_a_definition_does_not_matter() -> None:
    rendered = manifest.definition("A", "as", {"description": {"type": "string", "description": "prose"}})
    live = manifest.definition("A", "as", {"description": {"type": "string", "description": "other prose"}})

    assert changed(bare(rendered), bare(live)) == []
    assert "description" in str(bare(rendered))
    assert "prose" not in str(bare(rendered))


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(st.text(max_size=5), _JSON, max_size=4))
@example({"hard": [":"]})  # no quantity, where one would stand
def test_an_object_never_differs_from_itself(found: Json) -> None:
    assert field_comparison.differences(found, copy.deepcopy(found)) == ()


@given(
    st.dictionaries(st.text(max_size=5), _JSON, max_size=4),
    st.dictionaries(st.text(max_size=5), _JSON, max_size=4),
)
def test_what_is_kept_of_the_live_object_says_the_same(rendered: Json, live: Json) -> None:
    assert field_comparison.differences(
        rendered, field_comparison.pruned(live, rendered)
    ) == field_comparison.differences(rendered, live)
