"""What a service asks for, whose it is, and with whom it may share."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address
from typing import Any

import pytest
from hypothesis import given

from clusters.metallb import services
from clusters.metallb.services import Family, Port, Service, foreign, request, sharing_conflict
from tests.unit.metallb import strategies


def service(name: str = "web", **changes: Any) -> Service:
    plain = Service(
        namespace="shop", name=name, ports=(Port("TCP", 80),), cluster_ips=(ip_address("10.96.0.9"),)
    )
    return replace(plain, **changes)


RAW = {
    "metadata": {"name": "web", "namespace": "shop", "annotations": {"metallb.io/allow-shared-ip": "k"}},
    "spec": {
        "type": "LoadBalancer",
        "clusterIP": "10.96.0.9",
        "clusterIPs": ["10.96.0.9", "fd00::9"],
        "ipFamilies": ["IPv4", "IPv6"],
        "ipFamilyPolicy": "PreferDualStack",
        "externalTrafficPolicy": "Local",
        "selector": {"b": "2", "a": "1"},
        "ports": [{"port": 80}, {"port": 53, "protocol": "UDP"}],
    },
    "status": {"loadBalancer": {"ingress": [{"ip": "10.0.0.1"}, {"hostname": "elsewhere"}]}},
}


def test_a_service_is_read() -> None:
    read = services.parse(RAW)

    assert read.key == "shop/web"
    assert read.family is Family.DUAL
    assert read.ports == (Port("TCP", 80), Port("UDP", 53))
    assert read.backend_key == "a=1,b=2"
    assert read.sharing_key == "k"
    assert read.ingress == (ip_address("10.0.0.1"),)


def test_cluster_ips_decide_the_family_before_the_families_field() -> None:
    read = service(families=("IPv4", "IPv6"))

    assert read.family is Family.IPV4
    assert replace(read, cluster_ips=()).family is Family.DUAL
    assert replace(read, cluster_ips=(ip_address("fd00::1"),)).family is Family.IPV6


@pytest.mark.parametrize(
    ("asked", "served", "cause"),
    [
        (None, "", None),
        ("a/b", "a/b", None),
        (None, "a/b", "class-mismatch"),
        ("a/b", "", "class-mismatch"),
        ("a/b", "a/c", "class-mismatch"),
    ],
)
def test_class(asked: str | None, served: str, cause: str | None) -> None:
    reason = foreign(service(lb_class=asked), served)

    assert (reason.cause if reason else None) == cause


def test_other_types_are_foreign_without_a_fault() -> None:
    reason = foreign(service(type="ClusterIP"))

    assert reason is not None
    assert reason.cause == ""


@pytest.mark.parametrize(
    ("annotations", "field", "addresses", "cause"),
    [
        ({}, "", (), None),
        ({}, "10.0.0.1", ("10.0.0.1",), None),
        ({"metallb.io/loadBalancerIPs": "10.0.0.1"}, "", ("10.0.0.1",), None),
        ({"metallb.universe.tf/loadBalancerIPs": " 10.0.0.1 , fd00::1"}, "", ("10.0.0.1", "fd00::1"), None),
        ({"metallb.io/loadBalancerIPs": "10.0.0.1"}, "10.0.0.1", (), "requested-twice"),
        (
            {"metallb.io/loadBalancerIPs": "10.0.0.1,10.0.0.2"},
            "",
            ("10.0.0.1", "10.0.0.2"),
            "family-unavailable",
        ),
        ({"metallb.io/loadBalancerIPs": "10.0.0.300"}, "", (), "requested-outside-pools"),
        ({"metallb.io/loadBalancerIPs": "10.0.0.1,"}, "", (), "requested-outside-pools"),
        # The current annotation hides the deprecated one, even when it is empty.
        (
            {"metallb.io/loadBalancerIPs": "", "metallb.universe.tf/loadBalancerIPs": "10.0.0.1"},
            "10.0.0.2",
            ("10.0.0.2",),
            None,
        ),
    ],
)
def test_request(
    annotations: dict[str, str], field: str, addresses: tuple[str, ...], cause: str | None
) -> None:
    wanted = request(service(annotations=annotations, load_balancer_ip=field))

    assert tuple(str(each) for each in wanted.addresses) == addresses
    assert (wanted.problem.cause if wanted.problem else None) == cause


def test_deprecated_annotations_are_the_users_only() -> None:
    annotations = {
        "metallb.universe.tf/address-pool": "edge",
        "metallb.universe.tf/ip-allocated-from-pool": "edge",
        "metallb.io/allow-shared-ip": "k",
    }

    found = services.deprecated_annotations(service(annotations=annotations))

    assert found == ("metallb.universe.tf/address-pool",)


KEY = {"metallb.io/allow-shared-ip": "k"}
OTHER_PORT = (Port("TCP", 81),)


@pytest.mark.parametrize(
    ("holder", "newcomer", "cause"),
    [
        ({"annotations": KEY}, {"annotations": KEY, "ports": OTHER_PORT}, None),
        ({"annotations": KEY}, {"annotations": KEY, "ports": (Port("UDP", 80),)}, None),
        ({"annotations": KEY}, {"annotations": KEY}, "sharing-refused"),
        ({}, {"ports": OTHER_PORT}, "requested-taken"),
        ({"annotations": KEY}, {"ports": OTHER_PORT}, "requested-taken"),
        ({}, {"annotations": KEY, "ports": OTHER_PORT}, "sharing-refused"),
        (
            {"annotations": KEY},
            {"annotations": {"metallb.io/allow-shared-ip": "l"}, "ports": OTHER_PORT},
            "sharing-refused",
        ),
        (
            {"annotations": KEY, "selector": {"a": "1"}},
            {"annotations": KEY, "selector": {"a": "1"}, "ports": OTHER_PORT, "local_policy": True},
            "sharing-refused",
        ),
        (
            {"annotations": KEY, "selector": {"a": "1"}, "local_policy": True},
            {"annotations": KEY, "selector": {"a": "1"}, "ports": OTHER_PORT, "local_policy": True},
            None,
        ),
        # Without a selector, policy Local has the same empty backend key as policy Cluster.
        ({"annotations": KEY}, {"annotations": KEY, "ports": OTHER_PORT, "local_policy": True}, None),
    ],
)
def test_sharing(holder: dict[str, Any], newcomer: dict[str, Any], cause: str | None) -> None:
    reason = sharing_conflict(service("one", **holder), service("two", **newcomer))

    assert (reason.cause if reason else None) == cause


def test_a_service_never_conflicts_with_itself() -> None:
    assert sharing_conflict(service(), service()) is None


@given(strategies.scenarios(max_services=2))
def test_sharing_is_symmetric_in_whether_it_is_allowed(scenario: strategies.Scenario) -> None:
    one, *others = (services.parse(each) for each in scenario.services)
    for other in others:
        assert (sharing_conflict(one, other) is None) == (sharing_conflict(other, one) is None)
