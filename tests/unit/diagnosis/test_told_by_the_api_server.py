"""Verdicts that the API server alone decides: classes, ports without endpoints, refused writes, and since when."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from clusters.checks import Finding
from clusters.commands import PLACEHOLDER
from clusters.diagnosis import Diagnosis
from clusters.diagnosis.paths import of_service
from clusters.observation import Snapshot, load
from clusters.observation.field_types import ProbeOutcome
from clusters.observation.snapshot import (
    Consumer,
    ConsumerAnswer,
    ConsumerProbe,
    DryRun,
    Objects,
    Route,
    Status,
)
from tests.answers import all_answered, answered

FOLDER = Path(__file__).parent / "observations"
CLASS = "example.org/metallb"
WEB, KEY = "service shop/web", "shop/web"
GUARD = "guard.example.org"
DEAD = (
    f'Internal error occurred: failed calling webhook "{GUARD}": failed to call webhook: Post '
    '"https://guard.example.org:443/check?timeout=2s": dial tcp 10.96.7.7:443: connect: connection refused'
)
DENIED = f'admission webhook "{GUARD}" denied the request: change freeze until Monday'
FROZEN = "services \"web\" is forbidden: ValidatingAdmissionPolicy 'freeze' with binding 'freeze' denied request: no"

Json = dict[str, Any]


@pytest.fixture
def healthy() -> Snapshot:
    return load(FOLDER / "healthy.json.gz")


def edited(found: Objects, change: Callable[[Json], None], name: str = "") -> Objects:
    """The list with each object changed, or the one of that name."""
    items = deepcopy(found.items)
    for raw in items:
        if not name or raw["metadata"]["name"] == name:
            change(raw)
    return replace(found, items=items)


def classed(seen: Snapshot, *, controller: str = "", speakers: str = "", services: str = "") -> Snapshot:
    """Both workloads with their --lb-class, and every service with its own."""

    def started(with_class: str) -> Callable[[Json], None]:
        def change(raw: Json) -> None:
            own = raw["spec"]["template"]["spec"]["containers"][0]
            own["args"] = [*own.get("args", ()), *([f"--lb-class={with_class}"] if with_class else ())]

        return change

    def asking(raw: Json) -> None:
        if services:
            raw["spec"]["loadBalancerClass"] = services

    return replace(
        seen,
        deployments=edited(seen.deployments, started(controller), "controller"),
        daemon_sets=edited(seen.daemon_sets, started(speakers), "speaker"),
        services=edited(seen.services, asking),
    )


def found_in(seen: Snapshot) -> dict[str, tuple[Finding, ...]]:
    return {check: told.findings for check, told in all_answered(seen).items() if told.findings}


def own(seen: Snapshot) -> set[tuple[str, str, str]]:
    """What is reported, and not only referred to: check, cause and subject."""
    return {
        (check, each.cause, each.subject)
        for check, found in found_in(seen).items()
        for each in found
        if not each.root
    }


def without_address(seen: Snapshot, key: str = KEY) -> Snapshot:
    def change(raw: Json) -> None:
        raw["status"]["loadBalancer"] = {}

    return replace(seen, services=edited(seen.services, change, key.partition("/")[2]))


@pytest.mark.parametrize(
    ("controller", "speakers", "services", "subject"),
    [
        ("", CLASS, "", "daemonset speaker"),
        (CLASS, "", CLASS, "deployment controller"),
        (CLASS, "example.org/other", CLASS, "daemonset speaker"),
    ],
)
def test_controller_and_speakers_of_different_classes_are_told_before_any_silence(
    healthy: Snapshot, *, controller: str, speakers: str, services: str, subject: str
) -> None:
    silent = tuple(replace(one, macs=()) if one.purpose == "assigned" else one for one in healthy.wire.heard)
    seen = classed(healthy, controller=controller, speakers=speakers, services=services)
    seen = replace(seen, wire=replace(seen.wire, heard=silent, reached=()))

    assert {("traffic.speakers-placed", "class-mismatch", subject)} == {
        each for each in own(seen) if each[0] not in {"health.scope", "scaling.verdict"}
    }
    assert {each.cause for found in found_in(seen).values() for each in found} == {"class-mismatch"}
    (link,) = (
        one for path in of_service(Diagnosis(seen), KEY) for one in path.links if one.reading == "broken"
    )
    assert link.link == "class"


@pytest.mark.parametrize(
    ("speakers", "stage", "named"),
    [
        ("example.org/other", "connecting", {("class-mismatch", "traffic.speakers-placed")}),
        # Something there keeps another promise than it was asked for, or both are of one class.
        ("example.org/other", "waiting for its answer", {("consumer-answer-wrong", "")}),
        (CLASS, "connecting", {("consumer-answer-wrong", "")}),
    ],
)
def test_a_consumer_that_neither_class_serves_any_more_is_no_trouble_of_its_own(
    healthy: Snapshot, speakers: str, stage: str, named: set[tuple[str, str]]
) -> None:
    edge = "traefik/traefik"
    address = str(Diagnosis(healthy).facts.services[edge].ingress[0])
    consumer = Consumer(namespace="traefik", name="traefik", addresses=(address,))
    answer = ConsumerAnswer(
        service=edge,
        address=address,
        probe=ConsumerProbe(protocol="http", port=80),
        error="timeout",
        stage=stage,
    )
    seen = classed(healthy, controller=CLASS, speakers=speakers)
    seen = replace(
        seen,
        expectations=replace(seen.expectations, consumers=(consumer,)),
        wire=replace(seen.wire, consumers=(answer,)),
    )

    found = answered("trigger.edge-address", seen).findings

    assert {(each.cause, each.root) for each in found} == named


def test_one_class_for_controller_speakers_and_services_is_well(healthy: Snapshot) -> None:
    assert found_in(classed(healthy, controller=CLASS, speakers=CLASS, services=CLASS)) == {}


def test_a_service_without_a_class_waits_for_the_class_that_only_the_controller_has(
    healthy: Snapshot,
) -> None:
    seen = without_address(classed(healthy, controller=CLASS))

    (waits,) = answered("trigger.pending-services", seen).findings

    assert (waits.cause, waits.subject, waits.root) == ("class-mismatch", WEB, "traffic.speakers-placed")


def ported(seen: Snapshot, change: Callable[[Json], None], service: str = "web") -> Snapshot:
    return replace(
        seen,
        endpoint_slices=edited(
            seen.endpoint_slices,
            lambda raw: (
                change(raw)
                if raw["metadata"]["labels"].get("kubernetes.io/service-name") == service
                else None
            ),
        ),
    )


def refusing(seen: Snapshot, key: str = KEY) -> Snapshot:
    """Every try at the service's ports is refused, as kube-proxy does for a port without endpoints."""
    reached = tuple(
        replace(one, outcome=ProbeOutcome.REFUSED, ends=(), lost=one.tries) if one.service == key else one
        for one in seen.wire.reached
    )
    return replace(seen, wire=replace(seen.wire, reached=reached))


@pytest.mark.parametrize(
    "ports", [[], [{"name": "other", "port": 8080, "protocol": "TCP"}], [{"name": "http", "protocol": "TCP"}]]
)
def test_a_port_that_no_ready_endpoint_has_is_told_without_the_wire(
    healthy: Snapshot, ports: list[Json]
) -> None:
    seen = ported(healthy, lambda raw: raw.update(ports=ports))

    for each in (seen, refusing(seen)):
        assert ("traffic.backends-healthy", "target-port-missing", WEB) in own(each)
        assert {one.cause for found in found_in(each).values() for one in found} == {"target-port-missing"}
    (finding,) = answered("traffic.backends-healthy", seen).findings
    assert "Port TCP/80 (http) of service shop/web leads to no endpoint" in finding.summary


def test_a_slice_that_some_pods_lack_the_port_in_is_well(healthy: Snapshot) -> None:
    spare = [
        {**deepcopy(raw), "metadata": {**raw["metadata"], "name": "web-spare"}, "ports": []}
        for raw in healthy.endpoint_slices.items
        if raw["metadata"]["labels"].get("kubernetes.io/service-name") == "web"
    ]
    more = replace(healthy.endpoint_slices, items=(*healthy.endpoint_slices.items, *spare))

    assert found_in(replace(healthy, endpoint_slices=more)) == {}


def test_of_slices_that_were_not_all_read_no_port_is_missing(healthy: Snapshot) -> None:
    seen = ported(healthy, lambda raw: raw.update(ports=[]))
    seen = replace(
        seen, endpoint_slices=replace(seen.endpoint_slices, status=Status.FAILED, detail="a page was lost")
    )

    assert "target-port-missing" not in {each.cause for found in found_in(seen).values() for each in found}


def saying(seen: Snapshot, error: str, *, age: float = 5.0) -> Snapshot:
    """The controller could not write a status, so many seconds ago."""
    (pod,) = Diagnosis(seen).facts.components.controllers
    when = dt.datetime.fromisoformat(seen.taken_at) - dt.timedelta(seconds=age)
    line = json.dumps(
        {
            "caller": "main.go:131",
            "error": error,
            "level": "error",
            "msg": "failed to update service",
            "op": "updateServiceStatus",
            "ts": f"{when:%Y-%m-%dT%H:%M:%SZ}",
        }
    )
    logs = tuple(
        replace(tail, lines=(*tail.lines, line)) if tail.pod == pod.name and not tail.previous else tail
        for tail in seen.logs
    )
    return replace(seen, logs=logs)


def guarded(seen: Snapshot, resource: str) -> Snapshot:
    """Somebody's webhook is asked about a resource of the core group."""
    hook = {
        "metadata": {"name": "guards", "uid": "1"},
        "webhooks": [
            {
                "name": GUARD,
                "rules": [{"apiGroups": [""], "resources": [resource]}],
                "clientConfig": {"service": {"namespace": "guard", "name": "guard"}},
            }
        ],
    }
    return replace(seen, webhooks=replace(seen.webhooks, items=(*seen.webhooks.items, hook)))


@pytest.mark.parametrize(
    ("error", "resource", "subject"),
    [
        (DEAD, "services/status", "ValidatingWebhookConfiguration guards"),
        (DENIED, "services/status", "ValidatingWebhookConfiguration guards"),
        (DENIED, "*/*", "ValidatingWebhookConfiguration guards"),
        (DENIED, "pods", f"webhook {GUARD}"),
        (FROZEN, "pods", "ValidatingAdmissionPolicy freeze"),
    ],
)
def test_an_admission_control_of_somebody_else_is_named_where_it_keeps_an_address_from_being_written(
    healthy: Snapshot, error: str, resource: str, subject: str
) -> None:
    seen = saying(guarded(without_address(healthy), resource), error)

    assert ("health.controller-log", "status-write-refused", subject) in own(seen)
    (waits,) = answered("trigger.pending-services", seen).findings
    assert (waits.cause, waits.subject) == ("status-write-refused", WEB)
    (link,) = (
        one for path in of_service(Diagnosis(seen), KEY) for one in path.links if one.reading == "broken"
    )
    assert link.link == "written"


@pytest.mark.parametrize("error", [DEAD, DENIED, FROZEN])
def test_what_was_refused_once_is_over_where_every_service_has_its_address(
    healthy: Snapshot, error: str
) -> None:
    seen = saying(guarded(healthy, "services/status"), error)

    assert found_in(seen) == {}
    assert any("no longer the case" in note for note in answered("health.controller-log", seen).notes)


def test_a_refusal_of_long_ago_explains_no_service_that_waits_now(healthy: Snapshot) -> None:
    seen = saying(without_address(healthy), DENIED, age=3600.0)

    assert "status-write-refused" not in {each.cause for found in found_in(seen).values() for each in found}


def test_what_a_denial_quotes_is_nobodys_word(healthy: Snapshot) -> None:
    quoted = f'admission webhook "{GUARD} denied the request: failed calling webhook" asked'
    seen = saying(without_address(healthy), quoted)

    assert "status-write-refused" not in {each.cause for found in found_in(seen).values() for each in found}


def event(reason: str, seen: Snapshot, *, first: float, last: float, count: int = 1) -> Json:
    now = dt.datetime.fromisoformat(seen.taken_at)
    stamps = [f"{now - dt.timedelta(seconds=each):%Y-%m-%dT%H:%M:%SZ}" for each in (first, last)]
    return {
        "metadata": {"name": f"web.{reason}", "namespace": "shop", "creationTimestamp": stamps[0]},
        "involvedObject": {"kind": "Service", "namespace": "shop", "name": "web"},
        "reason": reason,
        "message": "",
        "type": "Normal",
        "count": count,
        "firstTimestamp": stamps[0],
        "lastTimestamp": stamps[1],
    }


@pytest.mark.parametrize(
    ("events", "said"),
    [
        ((), "has no address, "),
        (
            ({"reason": "AllocationFailed", "first": 90.0, "last": 90.0},),
            "has been waiting for an address for 91 s: ",
        ),
        (
            (
                {"reason": "IPAllocated", "first": 400.0, "last": 400.0},
                {"reason": "ClearAssignment", "first": 30.0, "last": 30.0},
                {"reason": "AllocationFailed", "first": 900.0, "last": 20.0, "count": 3},
            ),
            "has been waiting for an address for 31 s: ",
        ),
        (({"reason": "IPAllocated", "first": 40.0, "last": 40.0},), "has no address, "),
    ],
)
def test_a_service_waits_since_an_event_says_so_else_its_age_is_told(
    healthy: Snapshot, events: tuple[Mapping[str, Any], ...], said: str
) -> None:
    def asking(raw: Json) -> None:
        raw["metadata"]["annotations"] = {"metallb.io/loadBalancerIPs": "10.99.0.1"}

    seen = without_address(healthy)
    seen = replace(seen, services=edited(seen.services, asking, "web"))
    told = tuple(event(seen=seen, **each) for each in events)
    seen = replace(seen, service_events=replace(seen.service_events, items=told))

    (waits,) = answered("trigger.pending-services", seen).findings

    assert waits.cause == "requested-outside-pools"
    assert waits.summary.startswith(said)


def test_two_addresses_of_one_family_are_no_matter_of_pools(healthy: Snapshot) -> None:
    def asking(raw: Json) -> None:
        raw["metadata"]["annotations"] = {"metallb.io/loadBalancerIPs": "172.30.0.218,172.30.0.219"}

    seen = without_address(healthy)
    seen = replace(seen, services=edited(seen.services, asking, "web"))

    (waits,) = answered("trigger.pending-services", seen).findings

    assert waits.cause == "family-unavailable"
    assert waits.remedy.startswith("Ask for one IPv4 address")


#: What no observation knows: the vantage's interface, and the folder that a cluster is configured from.
_UNKNOWN = {"<interface>", "<overlay>"}
#: An advertisement is found without looking at a single service.
_OF_NO_SERVICE = {"advertisement-interface-missing": {"<namespace>", "<service>"}}


@pytest.mark.parametrize("recording", sorted(each.name for each in FOLDER.glob("*.json.gz")))
def test_no_command_leaves_open_what_the_observation_knows(recording: str) -> None:
    for check, found in found_in(load(FOLDER / recording)).items():
        for finding in found:
            lacking = {one for command in finding.commands for one in PLACEHOLDER.findall(command)}
            lacking -= _UNKNOWN | _OF_NO_SERVICE.get(finding.cause, set())
            assert not lacking, f"{check}: {finding.cause}: {finding.subject}: {finding.commands}"


def restless(seen: Snapshot, *, address: str) -> Snapshot:
    """A service that prefers both families and has one cluster IP, whose pool has both; it holds an address or none."""

    def preferring(raw: Json) -> None:
        raw["spec"]["ipFamilyPolicy"] = "PreferDualStack"
        raw["spec"]["clusterIPs"] = [raw["spec"]["clusterIP"]]
        raw["status"]["loadBalancer"] = {"ingress": [{"ip": address}]} if address else {}

    def both(raw: Json) -> None:
        raw["spec"]["addresses"] = [*raw["spec"]["addresses"], "fd00:172:30::230-fd00:172:30::232"]

    return replace(
        seen,
        expectations=replace(seen.expectations, pools={}),
        services=edited(seen.services, preferring, "web"),
        ip_address_pools=edited(seen.ip_address_pools, both, "metallb-pool"),
    )


@pytest.mark.parametrize("address", ["", "172.30.0.202", "fd00:172:30::230"])
def test_a_service_that_never_settles_is_told_as_such_at_every_moment(
    healthy: Snapshot, address: str
) -> None:
    (pool,) = (raw for raw in healthy.ip_address_pools.items if raw["metadata"]["name"] == "metallb-pool")
    seen = restless(healthy, address=address)
    gone = tuple(
        replace(
            one, address=address or one.address, outcome=ProbeOutcome.UNREACHABLE, ends=(), lost=one.tries
        )
        if one.service == KEY
        else one
        for one in seen.wire.reached
    )
    seen = replace(seen, wire=replace(seen.wire, reached=gone))

    assert pool["spec"]["addresses"]
    assert own(seen) == {("pending.annotations", "family-unavailable", WEB)}


def test_a_free_address_that_a_service_which_never_settles_just_lost_is_nobodys_squat(
    healthy: Snapshot,
) -> None:
    seen = restless(healthy, address="")
    node = next(one for one in seen.wire.heard if one.purpose == "node" and one.macs)
    heard = tuple(
        replace(one, macs=node.macs) if one.purpose == "free" and one.pool == "metallb-pool" else one
        for one in seen.wire.heard
    )

    def given(raw: Json) -> None:
        raw["metadata"].setdefault("annotations", {})["metallb.io/ip-allocated-from-pool"] = "metallb-pool"

    seen = replace(seen, wire=replace(seen.wire, heard=heard), services=edited(seen.services, given, "web"))

    assert own(seen) == {("pending.annotations", "family-unavailable", WEB)}


def second_deployment(seen: Snapshot, *arguments: str) -> Snapshot:
    (one,) = (raw for raw in seen.deployments.items if raw["metadata"]["name"] == "controller")
    other = deepcopy(one)
    other["metadata"]["name"] = "another"
    own_container = other["spec"]["template"]["spec"]["containers"][0]
    own_container["args"] = [*own_container.get("args", ()), *arguments]
    return replace(seen, deployments=replace(seen.deployments, items=(other, one)))


def test_two_deployments_that_assign_are_two_controllers(healthy: Snapshot) -> None:
    (finding,) = answered("health.pods-ready", second_deployment(healthy)).findings

    assert finding.cause == "controller-doubled"
    assert "2 Deployments run a controller (another, controller)" in finding.summary


def test_a_deployment_that_answers_the_webhook_alone_is_no_second_controller(healthy: Snapshot) -> None:
    assert found_in(second_deployment(healthy, "--webhook-mode=onlywebhook")) == {}


def test_a_controller_that_only_answers_the_webhook_is_told_by_its_argument(healthy: Snapshot) -> None:
    def started(raw: Json) -> None:
        container = raw["spec"]["template"]["spec"]["containers"][0]
        container["args"] = [*container["args"], "--webhook-mode=onlywebhook"]

    seen = replace(without_address(healthy), deployments=edited(healthy.deployments, started, "controller"))

    assert ("health.pods-ready", "controller-down", "deployment controller") in own(seen)
    (waits,) = answered("trigger.pending-services", seen).findings
    assert waits.cause == "controller-down"
    assert "--webhook-mode=onlywebhook" in waits.summary


@pytest.mark.parametrize(
    ("count", "first", "last", "fought"),
    [(6, 20.0, 1.0, True), (2, 20.0, 1.0, False), (6, 9000.0, 1.0, False)],
)
def test_an_address_that_is_given_again_and_again_is_taken_away_by_somebody(
    healthy: Snapshot, *, count: int, first: float, last: float, fought: bool
) -> None:
    again = event("IPAllocated", healthy, first=first, last=last, count=count)
    seen = replace(healthy, service_events=replace(healthy.service_events, items=(again,)))

    assert (("health.services-addressed", "rival-controller", WEB) in own(seen)) == fought


@pytest.mark.parametrize(("before", "fought"), [(60.0, True), (10.0, False)])
def test_what_kept_metallb_from_writing_before_it_gave_the_address_first_excuses_nobody(
    healthy: Snapshot, *, before: float, fought: bool
) -> None:
    when = dt.datetime.fromisoformat(healthy.taken_at) - dt.timedelta(seconds=before)
    refused = {
        "level": "error",
        "ts": f"{when:%Y-%m-%dT%H:%M:%SZ}",
        "op": "updateServiceStatus",
        "error": 'Put "https://10.96.0.1:443/api": dial tcp 10.96.0.1:443: connect: connection refused',
    }
    logs = tuple(
        replace(tail, lines=(*tail.lines, json.dumps(refused))) if tail.container == "controller" else tail
        for tail in healthy.logs
    )
    again = event("IPAllocated", healthy, first=20.0, last=1.0, count=6)
    events = replace(healthy.service_events, items=(again,))

    seen = replace(healthy, service_events=events, logs=logs)

    assert (("health.services-addressed", "rival-controller", WEB) in own(seen)) == fought


def asking_for(seen: Snapshot, annotation: str, value: str) -> Snapshot:
    def asking(raw: Json) -> None:
        raw["metadata"]["annotations"] = {annotation: value}

    seen = without_address(seen)
    return replace(seen, services=edited(seen.services, asking, "web"))


@pytest.mark.parametrize(
    ("pool", "hint"),
    [
        ("Metallb-Pool", "Is metallb-pool meant?"),
        ("edge,metallb-pool", "for the name of one pool; metallb-pool exists."),
        ("somewhere-else", "which does not exist."),
    ],
)
def test_a_pool_by_another_name_is_told_with_the_one_that_may_be_meant(
    healthy: Snapshot, pool: str, hint: str
) -> None:
    (waits,) = answered(
        "trigger.pending-services", asking_for(healthy, "metallb.io/address-pool", pool)
    ).findings

    assert waits.cause == "pool-missing"
    assert waits.summary.endswith(hint)


@pytest.mark.parametrize(
    "asked", ["172.30.0.219/32", "172.30.0.218;172.30.0.219", "172.30.0.218-172.30.0.219"]
)
def test_an_address_that_is_none_is_no_matter_of_ranges(healthy: Snapshot, asked: str) -> None:
    (waits,) = answered(
        "trigger.pending-services", asking_for(healthy, "metallb.io/loadBalancerIPs", asked)
    ).findings

    assert waits.cause == "requested-outside-pools"
    assert waits.remedy.startswith("Write each address alone")


@pytest.mark.parametrize("leaving", [True, False])
def test_an_address_whose_holder_is_being_deleted_is_told_with_what_keeps_the_holder(
    healthy: Snapshot, *, leaving: bool
) -> None:
    def going(raw: Json) -> None:
        if leaving:
            raw["metadata"] |= {
                "deletionTimestamp": "2026-11-24T05:00:00Z",
                "finalizers": ["example.org/guard"],
            }

    (held,) = (raw for raw in healthy.services.items if raw["metadata"]["name"] == "traefik")
    address = held["status"]["loadBalancer"]["ingress"][0]["ip"]
    seen = asking_for(healthy, "metallb.io/loadBalancerIPs", address)
    seen = replace(seen, services=edited(seen.services, going, "traefik"))

    (waits,) = answered("trigger.pending-services", seen).findings

    assert waits.cause == "requested-taken"
    assert any("what keeps it: example.org/guard" in line for line in waits.evidence) == leaving
    assert ("finalizer" in waits.remedy) == leaving


def test_a_list_that_was_told_of_is_not_told_of_again(healthy: Snapshot) -> None:
    seen = replace(
        healthy,
        ip_address_pools=replace(
            healthy.ip_address_pools, status=Status.NOT_PERMITTED, detail="403", verb="list"
        ),
    )
    missing = answered("trigger.pending-services", seen).missing

    assert len([each for each in missing if "the pools" in each]) == 1


LATE = (
    'Internal error occurred: failed calling webhook "ipaddresspoolvalidationwebhook.metallb.io": failed to call '
    'webhook: Post "https://metallb-webhook-service.metallb-system.svc:443/validate?timeout=10s": '
)


@pytest.mark.parametrize(
    ("recording", "end", "unreachable"),
    [
        ("controller-cpu-bound", "context deadline exceeded", False),
        ("controller-cpu-bound", "dial tcp 10.96.0.7:443: connect: connection refused", True),
        ("healthy", "context deadline exceeded", True),
    ],
)
def test_a_webhook_that_is_late_is_a_consequence_of_a_cpu_limit_that_is_used_up(
    recording: str, end: str, *, unreachable: bool
) -> None:
    seen = load(FOLDER / f"{recording}.json.gz")
    tried = DryRun(status=Status.OK, accepted=False, webhook_failed=True, detail=LATE + end)

    causes = {cause for _, cause, _ in own(replace(seen, dry_run=tried))}

    assert ("webhook-unreachable" in causes) == unreachable
    assert ("controller-cpu-bound" in causes) == (recording != "healthy")


def test_a_refusal_from_before_a_service_was_made_does_not_explain_it(healthy: Snapshot) -> None:
    now = dt.datetime.fromisoformat(healthy.taken_at)

    def young(raw: Json) -> None:
        raw["metadata"]["creationTimestamp"] = f"{now - dt.timedelta(seconds=30):%Y-%m-%dT%H:%M:%SZ}"

    seen = without_address(healthy)
    seen = replace(seen, services=edited(seen.services, young, "web"))

    assert "status-write-refused" not in {cause for _, cause, _ in own(saying(seen, DENIED, age=200.0))}
    assert "status-write-refused" in {cause for _, cause, _ in own(saying(seen, DENIED, age=20.0))}


def test_nobody_needs_a_way_to_a_family_that_neither_nodes_nor_services_have(healthy: Snapshot) -> None:
    def both(raw: Json) -> None:
        raw["spec"]["addresses"] = [*raw["spec"]["addresses"], "fd00:172:30::230-fd00:172:30::232"]

    away = Route(address="fd00:172:30::230", problem="Network is unreachable.")
    seen = replace(
        healthy,
        expectations=replace(healthy.expectations, pools={}),
        ip_address_pools=edited(healthy.ip_address_pools, both, "metallb-pool"),
        wire=replace(healthy.wire, routes=(*healthy.wire.routes, away)),
    )

    def of_both(raw: Json) -> None:
        raw["status"]["addresses"].append({"type": "InternalIP", "address": "fd00:172:30::11"})

    assert found_in(seen) == {}
    dual = replace(seen, nodes=edited(seen.nodes, of_both, "node1"))
    (found,) = answered("recovery.address-routable", dual).findings
    assert found.cause == "vantage-not-on-segment"


@pytest.mark.parametrize("both", [False, True])
def test_an_address_of_a_family_that_its_service_has_not_is_on_no_segment_that_counts(
    healthy: Snapshot, *, both: bool
) -> None:
    def second(raw: Json) -> None:
        raw["status"]["loadBalancer"]["ingress"].append({"ip": "fd00:172:30::230"})
        if both:
            raw["spec"]["clusterIPs"] = [*raw["spec"]["clusterIPs"], "fd00:10:96::7"]

    away = Route(address="fd00:172:30::230", gateway="fd00:172:30::1")
    seen = replace(
        healthy,
        services=edited(healthy.services, second, "web"),
        wire=replace(healthy.wire, routes=(*healthy.wire.routes, away)),
    )

    said = [text for text in answered("traffic.l2-segment", seen).missing if "segment of the vantage" in text]
    assert said == (["fd00:172:30::230 is not on a segment of the vantage."] if both else [])
