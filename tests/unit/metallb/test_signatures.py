"""Log lines and events are recognised in both versions' words, healthy ones are not, and mended faults fade."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from packaging.version import Version

from clusters.checks.causes import CAUSES
from clusters.metallb import log_lines
from clusters.metallb.log_table import LOG_SIGNATURES
from clusters.metallb.signature_table import ALLOCATION_ERRORS, EVENT_SIGNATURES, POD_EVENTS, Component
from clusters.metallb.signatures import match_event, match_log, read_log

DATA = Path(__file__).parent / "data"
HEALTHY = sorted(DATA.glob("healthy-*.log"))
NOW = datetime(2026, 11, 24, 4, 10, 0, tzinfo=UTC)


def line(ago_s: float = 10.0, /, **fields: Any) -> str:
    """A line of MetalLB's log, written this long before NOW."""
    when = (NOW - timedelta(seconds=ago_s)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return json.dumps({"caller": "x.go:1", "level": "error", "ts": when, **fields})


def memberlist(text: str, ago_s: float = 10.0) -> str:
    return line(ago_s, component="Memberlist", msg=f"memberlist: {text}")


def allocation(error: str) -> str:
    return line(op="allocateIPs", error=error, msg="IP allocation failed")


JOIN_REFUSED = (
    "1 error occurred:\n\t* Failed to join 172.30.0.13:7946: dial tcp 172.30.0.13:7946: i/o timeout\n\n"
)
JOIN_DEAF = (
    "1 error occurred:\n\t* Failed to join 172.30.0.13:7946: no installed keys could decrypt the message\n\n"
)
FORBIDDEN = (
    'servicel2statuses.metallb.io is forbidden: User "system:serviceaccount:metallb-system:speaker" cannot list '
    'resource "servicel2statuses" in API group "metallb.io" at the cluster scope'
)
OUTAGE = (
    'Get "https://10.96.0.1:443/api/v1/nodes?limit=500": dial tcp 10.96.0.1:443: connect: connection refused'
)
CONTROLLER_LINES = [
    (allocation("no available IPs"), "pool-exhausted"),
    (allocation("no available IPs in pool edge"), "pool-exhausted"),
    (allocation('["<nil>"] is not allowed in config'), "pool-exhausted"),
    (allocation('["10.0.0.9"] is not allowed in config'), "requested-outside-pools"),
    (allocation('["10.0.0.9" "fd00::1"] is not allowed in config'), "requested-outside-pools"),
    (allocation("pool edge not compatible for ip assignment"), "pool-restricted"),
    (
        allocation('can\'t change sharing key for "10.0.0.1", address also in use by shop/web'),
        "requested-taken",
    ),
    (allocation('port TCP/80 is already in use on "10.0.0.1"'), "sharing-refused"),
    (allocation('unknown pool "edge"'), "pool-missing"),
    (
        allocation('requested loadBalancer IP(s) ["10.0.0.1"] does not match the ipFamily of the service'),
        "family-unavailable",
    ),
    (
        allocation(
            'requested loadBalancer IP(s) ["10.0.0.1"] is not compatible with requested address pool edge'
        ),
        "requested-wrong-pool",
    ),
    (
        allocation("service can not have both metallb.io/loadBalancerIPs and svc.Spec.LoadBalancerIP"),
        "requested-twice",
    ),
    (allocation('invalid metallb.io/loadBalancerIPs: "10.0.0.300"'), "requested-outside-pools"),
    (
        line(
            event="loadbalancerIP",
            msg="invalid requested loadbalancer IPs",
            error="service can not have both metallb.io/loadBalancerIPs and svc.Spec.LoadBalancerIP",
        ),
        "requested-twice",
    ),
    (
        line(event="deprecatedAnnotation", annotation="metallb.universe.tf/address-pool"),
        "deprecated-annotation",
    ),
    (
        line(
            controller="PoolReconciler",
            error='CIDR "10.0.0.2/31" in pool "b" overlaps with already defined CIDR "10.0.0.0/30"',
        ),
        "pool-overlap",
    ),
    (
        line(
            controller="PoolReconciler",
            error='parsing address pool edge: invalid CIDR "10.0.0.1" in pool "edge": invalid CIDR "10.0.0.1"',
        ),
        "pool-range-invalid",
    ),
    (line(controller="PoolReconciler", error="duplicate definition in namespaces field"), "config-rejected"),
    (line(op="startup", msg="failed to create memberlist secret", error="x"), "memberlist-secret-missing"),
    (line(op="startup", msg="failed to run k8s client", error="x"), "controller-crashing"),
    (line(op="updateServiceStatus", error="services is forbidden: no", msg="x"), "permission-missing"),
    (f"W1124 04:09:50.123456       1 reflector.go:569] failed to list *v1.Node: {OUTAGE}", "api-unreachable"),
    (
        line(controller="PoolReconciler", message="failed to get ipaddresspools", error=OUTAGE),
        "api-unreachable",
    ),
    (line(op="startup", msg="failed to run k8s client", error=FORBIDDEN), "permission-missing"),
]
KEY = "memberlist-key-mismatch"
SPEAKER_LINES = [
    (memberlist("Decrypt packet failed: No installed keys could decrypt the message from=1"), KEY),
    (
        memberlist("failed to receive: no installed keys could decrypt the message from=1"),
        "memberlist-key-mismatch",
    ),
    (
        memberlist("failed to receive: Encryption is configured but remote state is not encrypted from=1"),
        "memberlist-key-mismatch",
    ),
    (
        memberlist("failed to receive: remote state is encrypted and encryption is not configured from=1"),
        "memberlist-key-mismatch",
    ),
    (line(msg="partial join", joined=0, expected=1, error=JOIN_DEAF), "memberlist-key-mismatch"),
    (line(msg="partial join", joined=0, expected=1, error=JOIN_REFUSED), "memberlist-partition"),
    (memberlist("Suspect node2 has failed, no acks received"), "memberlist-partition"),
    (
        memberlist(
            "Was able to connect to node2 over TCP but UDP probes failed, network may be misconfigured"
        ),
        "memberlist-partition",
    ),
    (
        memberlist("Push/Pull with node2 failed: dial tcp 172.30.0.12:7946: i/o timeout"),
        "memberlist-partition",
    ),
    (
        line(
            op="startup",
            level="info",
            msg="not starting fast dead node detection (memberlist), need ml-bindaddr",
        ),
        "memberlist-disabled",
    ),
    (line(op="startup", msg="failed to read memberlist secret key file"), "memberlist-secret-missing"),
    (line(op="startup", msg="failed to create memberlist", error="address in use"), "speaker-crashing"),
    (
        line(
            level="warn",
            op="SetBalancer",
            service="shop/web",
            msg="the specified interfaces used to announce LB IP don't exist",
        ),
        "advertisement-interface-missing",
    ),
    (
        line(
            level="warn",
            service="shop/web",
            reason="allow-shared-ip is incompatible with serviceSelectors on L2 advertisements",
        ),
        "sharing-refused",
    ),
    (line(op="setBalancer", error="assigned IP not allowed by config"), "requested-outside-pools"),
    (line(op="setBalancer", error='invalid LoadBalancer IP ""'), "rival-controller"),
    (line(op="arpReply", msg="failed to send ARP reply"), "nobody-answers"),
    (f"E1124 04:09:50.123456       1 reflector.go:166] Failed to watch: {FORBIDDEN}", "permission-missing"),
    (
        line(
            msg="Could not wait for Cache to sync",
            error='no matches for kind "ConfigurationState" in version "metallb.io/v1beta1"',
        ),
        "crd-outdated",
    ),
]


@pytest.mark.parametrize(("text", "cause"), CONTROLLER_LINES)
def test_controller_lines(text: str, cause: str) -> None:
    found = match_log("controller", text)

    assert found is not None
    assert found.cause == cause


@pytest.mark.parametrize(("text", "cause"), SPEAKER_LINES)
def test_speaker_lines(text: str, cause: str) -> None:
    found = match_log("speaker", text)

    assert found is not None
    assert found.cause == cause


@pytest.mark.parametrize("path", HEALTHY, ids=lambda path: path.stem)
def test_healthy_logs_leave_nothing_standing(path: Path) -> None:
    component = path.stem.split("-")[1]

    assert read_log(component, path.read_text()) == ()


@pytest.mark.parametrize("path", HEALTHY, ids=lambda path: path.stem)
def test_healthy_lines_prove_nothing(path: Path) -> None:
    component = path.stem.split("-")[1]

    found = [match_log(component, each) for each in path.read_text().splitlines()]

    assert [each.id for each in found if each and each.certain] == []


def test_text_of_a_service_in_a_line_proves_nothing() -> None:
    dumped = json.dumps({"annotations": {"note": "no available IPs"}, "reason": "partial join"})

    assert (
        match_log("controller", line(controller="ServiceReconciler", service=dumped, event="failed")) is None
    )


def test_component_and_version_limit_the_rows() -> None:
    shared = SPEAKER_LINES[13][0]

    assert match_log("controller", shared) is None
    assert match_log("speaker", shared, Version("0.16.1")) is None
    assert match_log("speaker", shared, Version("0.16.2")) is not None


def test_subjects_and_counts_are_kept() -> None:
    text = "\n".join([memberlist("Suspect node2 has failed, no acks received", ago) for ago in (30, 20, 10)])

    (hit,) = read_log("speaker", text, now=NOW)

    assert hit.subjects == {"node": "node2"}
    assert hit.count == 3
    assert hit.when == NOW - timedelta(seconds=10)


def test_a_fault_that_would_have_been_repeated_fades() -> None:
    text = line(200, msg="partial join", error=JOIN_REFUSED)

    assert read_log("speaker", text, now=NOW) == ()
    assert len(read_log("speaker", text, now=NOW - timedelta(seconds=100))) == 1


def test_a_returning_node_mends_what_was_said_of_it() -> None:
    lines = [
        memberlist("Suspect node2 has failed, no acks received", 40),
        memberlist("Suspect node3 has failed, no acks received", 40),
        line(
            30,
            level="info",
            msg="node event - forcing sync",
            **{"node event": "NodeJoin", "node name": "node2"},
        ),
    ]

    found = read_log("speaker", "\n".join(lines), now=NOW)

    assert [hit.subjects["node"] for hit in found] == ["node3"]


def reconcile(*inside: str) -> list[str]:
    who = {"controller": "PoolReconciler", "level": "info"}
    return [line(**who, **{"start reconcile": "x/y"}), *inside, line(**who, **{"end reconcile": "x/y"})]


BAD = line(controller="PoolReconciler", error="duplicate definition in namespaces field")


def test_a_good_round_mends_a_rejected_configuration() -> None:
    assert len(read_log("controller", "\n".join([*reconcile(BAD)]), now=NOW)) == 1
    assert len(read_log("controller", "\n".join([*reconcile(), *reconcile(BAD)]), now=NOW)) == 1
    assert read_log("controller", "\n".join([*reconcile(BAD), *reconcile()]), now=NOW) == ()


def test_a_failed_allocation_stands_until_the_services_say_otherwise() -> None:
    later = line(1, level="info", event="ipAllocated", msg="IP address assigned by controller")

    found = read_log("controller", f"{allocation('no available IPs')}\n{later}", now=NOW + timedelta(hours=1))

    assert [hit.cause for hit in found] == ["pool-exhausted"]
    assert not found[0].signature.certain


def test_a_line_cut_off_is_read_as_text() -> None:
    assert log_lines.fields_of('{"caller":"x.go:1","msg":"par') == {"msg": '{"caller":"x.go:1","msg":"par'}
    assert read_log("speaker", "") == ()


FAILED = 'Failed to allocate IP for "shop/web": '


@pytest.mark.parametrize(
    ("reason", "message", "cause", "certain"),
    [
        ("AllocationFailed", FAILED + "no available IPs", "pool-exhausted", False),
        (
            "AllocationFailed",
            FAILED + '["10.9.9.9"] is not allowed in config',
            "requested-outside-pools",
            True,
        ),
        ("AllocationFailed", FAILED + "something new", "", False),
        (
            "LoadBalancerFailed",
            "invalid requested loadbalancer IPs: service can not have both metallb.io/loadBalancerIPs and "
            "svc.Spec.LoadBalancerIP",
            "requested-twice",
            True,
        ),
        (
            "ClearAssignment",
            'current IP for "shop/web" not allowed by config, will attempt for new IP assignment: '
            '["10.9.9.9"] is not allowed in config',
            "requested-outside-pools",
            False,
        ),
        (
            "announceFailed",
            'the interfaces specified by LB IP "10.0.0.1" doesn\'t exist in assigned node "node2" with protocol '
            '"layer2"',
            "advertisement-interface-missing",
            True,
        ),
        ("deprecatedAnnotation", "Service uses deprecated annotation x", "deprecated-annotation", True),
    ],
)
def test_service_events(reason: str, message: str, cause: str, *, certain: bool) -> None:
    found = match_event(reason, message)

    assert found is not None
    assert (found.cause, found.certain) == (cause, certain)


@pytest.mark.parametrize(
    ("component", "reason", "message", "cause"),
    [
        (
            "speaker",
            "FailedMount",
            'SetUp failed: secret "memberlist" not found',
            "memberlist-secret-missing",
        ),
        ("speaker", "FailedScheduling", "0/3 nodes are available", "speaker-unschedulable"),
        ("speaker", "BackOff", "Back-off restarting failed container speaker in pod x", "speaker-crashing"),
        ("speaker", "BackOff", "Back-off pulling image x", "speaker-down"),
        (
            "controller",
            "BackOff",
            "Back-off restarting failed container controller in pod x",
            "controller-crashing",
        ),
        ("controller", "Unhealthy", "Readiness probe failed: connection refused", "controller-down"),
    ],
)
def test_pod_events(component: str, reason: str, message: str, cause: str) -> None:
    found = match_event(reason, message, pod_of=component)

    assert found is not None
    assert found.cause == cause


@pytest.mark.parametrize("reason", ["IPAllocated", "nodeAssigned", "Scheduled", "Pulled"])
def test_healthy_events(reason: str) -> None:
    assert match_event(reason, "announcing from node x") is None
    assert match_event(reason, "x", pod_of="speaker") is None


def test_every_row_is_sound() -> None:
    ids = [row.id for row in LOG_SIGNATURES]
    assert len(ids) == len(set(ids))
    for row in LOG_SIGNATURES:
        assert row.cause in CAUSES
        assert row.source
        for pattern in row.where.values():
            assert re.compile(pattern)
    for event in (*EVENT_SIGNATURES, *POD_EVENTS[Component.CONTROLLER], *POD_EVENTS[Component.SPEAKER]):
        assert event.errors or event.cause in CAUSES
    assert all(error.cause in CAUSES for error in ALLOCATION_ERRORS)


def test_a_refusal_of_the_metrics_endpoints_hides_no_other() -> None:
    account = "system:serviceaccount:metallb-system:speaker"
    refused = (
        f'servicel2statuses.metallb.io is forbidden: User "{account}" cannot list resource "servicel2statuses" '
        'in API group "metallb.io" at the cluster scope'
    )
    metrics = (
        f'tokenreviews.authentication.k8s.io is forbidden: User "{account}" cannot create resource "tokenreviews" '
        'in API group "authentication.k8s.io" at the cluster scope'
    )
    lines = (
        line(logger="controller-runtime.cache.UnhandledError", msg="Failed to watch", error=refused),
        line(logger="controller-runtime.metrics", msg="Authentication failed", error=metrics),
    )

    found = read_log("speaker", "\n".join(lines))

    assert [hit.refusal.resource for hit in found if hit.refusal] == ["servicel2statuses", "tokenreviews"]
