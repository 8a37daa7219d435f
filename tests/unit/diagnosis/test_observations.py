"""Observations of a real lab in trouble: each shows its cause as the catalogue says, and nothing unrelated."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from clusters.diagnosis import Diagnosis, announcer_sources, explain_service
from clusters.diagnosis.symptoms import Symptom
from clusters.observation import Objects, Snapshot, Status, load, save
from clusters.observation.decoding import Gate
from clusters.observation.store import whole
from suites.plugin.declare import registry
from tests.answers import Told, all_answered
from tests.faults.catalogue_judging import observe_checks
from tests.unit.diagnosis.recorded import FOLDER, HEALTHY, LATE, REFERENCES, TROUBLE, TWICE, observed

#: Reported by a check of the repository's side, which an observation alone does not decide.
REPORTED_ELSEWHERE = {"overlay.ranges-valid"}


def judged(snapshot: Snapshot) -> dict[str, Told]:
    return all_answered(snapshot)


@cache
def judged_as_recorded(name: str) -> dict[str, Told]:
    return judged(observed(name))


def findings(snapshot: Snapshot) -> dict[str, list[list[str]]]:
    """What every check that fails finds: cause, subject, and the check that reports it where that is another."""
    answers = judged(snapshot)
    assert REPORTED_ELSEWHERE - set(answers) == REPORTED_ELSEWHERE
    return {
        check: sorted([f.cause, f.subject, f.root] for f in found.findings)
        for check, found in answers.items()
        if found.findings
    }


@pytest.mark.parametrize("name", sorted(TROUBLE))
def test_one_cause_is_found_where_it_is_reported(name: str) -> None:
    expected = TROUBLE[name]

    roots = Diagnosis(observed(name)).root_causes

    assert {root.cause for root in roots} == {expected.fault.cause}
    assert {root.reported_by for root in roots} == {expected.home}
    assert {root.subject for root in roots} == set(expected.shows[expected.home])


@pytest.mark.parametrize("name", sorted({*TROUBLE, *TWICE}))
def test_a_recorded_fault_is_told_as_the_catalogue_says_and_nothing_else(name: str) -> None:
    expected = {**TROUBLE, **TWICE}[name]

    assert findings(whole(observed(name))) == {
        check: sorted(found) for check, found in expected.findings.items() if check not in REPORTED_ELSEWHERE
    }


@pytest.mark.parametrize("name", sorted(TROUBLE))
def test_a_recorded_fault_is_summed_up_as_the_catalogue_says(name: str) -> None:
    says = TROUBLE[name].fault.says
    answers = judged_as_recorded(name)

    assert says
    for check, pattern in says.notes.items():
        assert re.match(pattern, answers[check].notes[0])


@pytest.mark.parametrize("name", sorted(REFERENCES))
def test_a_check_that_the_catalogue_names_refers_with_the_subjects_that_it_says(name: str) -> None:
    expected = {**TROUBLE, **TWICE}[name]

    for check in set(expected.shows) & set(expected.references):
        assert sorted(expected.references[check]) == sorted(expected.shows[check])


def test_every_recording_has_its_fault_or_is_healthy() -> None:
    assert {*TROUBLE, *TWICE, *HEALTHY} == {path.name.split(".")[0] for path in FOLDER.glob("*.json.gz")}


def test_a_pod_that_is_refused_is_told_with_the_refusal_and_what_mends_it() -> None:
    (found,) = judged(observed("speaker-refused"))["health.pods-ready"].findings

    assert 'the API server refuses it: pods "speaker-' in found.summary
    assert 'violates PodSecurity "restricted:latest"' in found.summary
    assert "Pod Security label" in found.remedy


def test_speakers_that_look_for_other_pods_are_told_to_be_mended_not_restarted() -> None:
    (found,) = judged(observed("memberlist-labels"))["health.speaker-log"].findings

    assert (
        "METALLB_ML_LABELS=app=metallb,component=speakr, and no speaker's pod has these labels"
        in found.summary
    )
    assert found.remedy.startswith("Set METALLB_ML_LABELS")


@pytest.mark.parametrize("name", HEALTHY)
def test_healthy_variants_are_silent(name: str) -> None:
    assert findings(observed(name)) == findings(whole(observed(name))) == {}


@pytest.mark.parametrize("name", sorted({*TROUBLE, *HEALTHY}))
def test_every_check_declares_the_causes_that_it_names(name: str) -> None:
    observe_checks()
    named = {
        (check, finding.cause)
        for check, found in judged_as_recorded(name).items()
        for finding in found.findings
    }

    assert {pair for pair in named if pair[1] not in registry()[pair[0]].spec.causes} == set()


@pytest.mark.parametrize("name", sorted({*TROUBLE, *HEALTHY}))
def test_the_disputed_services_are_all_those_whose_sources_do_not_agree(name: str) -> None:
    diagnosis = Diagnosis(observed(name))
    told = {
        key: announcer_sources.sources(diagnosis.facts, diagnosis.announcers, service)
        for key, service in diagnosis.facts.layer2.items()
    }

    assert diagnosis.disputed == {key: found for key, found in told.items() if not found.agree}


@pytest.mark.parametrize("name", ["memberlist-partition", "pool-exhausted"])
def test_a_kept_observation_is_judged_the_same(name: str, tmp_path: Path) -> None:
    save(observed(name), tmp_path / "again.json")

    assert judged(load(tmp_path / "again.json")) == judged_as_recorded(name)


@pytest.mark.parametrize(
    ("name", "service", "symptom", "cause"),
    [
        ("pool-exhausted", "late", "pending", "pool-exhausted"),
        ("no-endpoints", "late", "silent", "no-endpoints"),
        ("backend-refuses", "late", "unreachable", "backend-refuses"),
        ("kube-proxy-stale", "late", "unreachable", "address-not-forwarded"),
        ("memberlist-partition", "web", "two-announcers", "memberlist-partition"),
        ("strict-arp-off", "web", "two-announcers", "strict-arp-off"),
        ("speaker-unschedulable", "web", "not-moved", "speaker-unschedulable"),
        ("pool-not-advertised", "web", "silent", "pool-not-advertised"),
        ("no-endpoints", "late", "unreached-inside", "no-endpoints"),
        ("endpoints-unready", "web", "unreached-inside", "endpoints-unready"),
    ],
)
def test_a_symptom_leads_to_its_cause(name: str, service: str, symptom: str, cause: str) -> None:
    found = explain_service(observed(name), "shop", service, Symptom(symptom))

    assert found is not None
    assert (found.cause, found.root) == (cause, "")


def test_a_healthy_service_has_no_cause() -> None:
    assert explain_service(observed("healthy"), "shop", "web", Symptom.UNREACHABLE) is None


@pytest.mark.parametrize("name", ["pool-not-advertised", "advertisement-selects-nothing", "kube-proxy-stale"])
def test_pods_need_nobody_to_announce_a_service(name: str) -> None:
    assert explain_service(observed(name), "shop", "web", Symptom.UNREACHED_INSIDE) is None


def test_a_part_that_may_not_be_read_names_the_missing_permission() -> None:
    refused = Objects(status=Status.NOT_PERMITTED, verb="list", resource="services")

    found = judged(replace(observed("healthy"), services=refused))["trigger.pending-services"]

    assert not found.findings
    assert "verb list, resource services" in found.missing[0]


def test_what_the_api_server_refuses_metallb_is_a_command_to_ask_it_again() -> None:
    (finding,) = judged(observed("permission-missing"))["health.controller-log"].findings

    assert finding.summary.endswith(
        "denies requests of the deployment controller: it may not update services/status."
    )
    assert finding.commands[0] == (
        "kubectl auth can-i update services --subresource=status -n shop "
        "--as system:serviceaccount:metallb-system:controller"
    )


@pytest.mark.parametrize(
    ("ranges", "cause"),
    [
        (["10.0.0.0/8"], "source-not-allowed"),
        (["10.0.0.0/8", "172.30.0.0/24"], "address-not-forwarded"),
        ([], "address-not-forwarded"),
    ],
)
def test_a_service_that_lets_in_others_only_is_not_kube_proxys_fault(ranges: list[str], cause: str) -> None:
    seen = observed("kube-proxy-stale")
    items = tuple(
        {**raw, "spec": {**raw["spec"], "loadBalancerSourceRanges": ranges}}
        if f"service {raw['metadata']['namespace']}/{raw['metadata']['name']}" == LATE
        else raw
        for raw in seen.services.items
    )
    routes = tuple(replace(route, source="172.30.0.100") for route in seen.wire.routes)
    changed = replace(
        seen, services=replace(seen.services, items=items), wire=replace(seen.wire, routes=routes)
    )

    found = judged(changed)["trigger.unreachable-address"].findings

    assert [(finding.cause, finding.subject) for finding in found] == [(cause, LATE)]
    assert ("10.0.0.0/8" in found[0].summary) == (cause == "source-not-allowed")


def test_a_part_that_may_not_be_read_leaves_the_scope_open() -> None:
    seen = observed("healthy")
    refused = Objects(
        status=Status.NOT_PERMITTED, verb="list", resource="leases", detail="may not list leases"
    )

    found = judged(replace(seen, node_leases=refused))["health.scope"]
    secrets = judged(replace(seen, secrets=refused))["health.scope"]

    assert found.missing == ("Not all of the cluster may be read: may not list leases",)
    assert secrets.missing == ()


@pytest.mark.parametrize(
    "part", [name for name, part in vars(observed("healthy")).items() if isinstance(part, Objects)]
)
def test_a_part_that_may_not_be_read_is_no_fault_of_a_healthy_cluster(part: str) -> None:
    refused = Objects(status=Status.NOT_PERMITTED, verb="list", resource=part, detail="no")

    answers = judged(replace(observed("healthy"), **{part: refused}))

    assert {check: found.findings for check, found in answers.items() if found.findings} == {}


def test_free_addresses_are_not_counted_where_services_are_not_known() -> None:
    refused = Objects(status=Status.NOT_PERMITTED, verb="list", resource="services", detail="no")

    assert not judged(replace(observed("healthy"), services=refused))["pending.free-address"].figures


def test_a_young_service_is_given_its_time() -> None:
    snapshot = observed("pool-exhausted")
    patient = replace(snapshot.expectations, budgets={"assigned": 3600.0})

    found = judged(replace(snapshot, expectations=patient))["trigger.pending-services"]

    assert not found.findings
    assert "service shop/late waits" in found.notes[0]


def unreadable(seen: Snapshot, part: str, name: str) -> Snapshot:
    """The observation with one object of a list unreadable."""
    kept: Objects = getattr(seen, part)
    gate = Gate(part)
    for raw in kept.items:
        gate.take(
            {**raw, "metadata": {**raw["metadata"], "labels": 5}} if raw["metadata"]["name"] == name else raw,
            trim=dict,
        )
    return replace(seen, **{part: gate.objects()})


@pytest.mark.parametrize(
    ("part", "name", "check"),
    [
        ("nodes", "node2", "traffic.single-announcer"),
        ("ip_address_pools", "metallb-pool", "pending.requested-address"),
        ("l2_advertisements", "metallb-l2", "health.config-present"),
    ],
)
def test_nothing_is_concluded_from_what_cannot_be_read(part: str, name: str, check: str) -> None:
    found = judged(unreadable(observed("healthy"), part, name))

    assert {each for each, told in found.items() if told.findings} == set()
    assert f"{name} cannot be read: metadata.labels: it must be an object." in " ".join(found[check].missing)


def test_an_object_that_cannot_be_read_hides_no_fault_behind_a_pass() -> None:
    seen = observed("controller-cpu-bound")

    found = judged(unreadable(seen, "deployments", "controller"))["scaling.controller-cpu"]

    assert judged(seen)["scaling.controller-cpu"].findings
    assert not found.findings
    assert "Deployment metallb-system/controller cannot be read" in found.missing[0]


def test_what_is_proved_by_other_objects_still_fails() -> None:
    seen = observed("node-not-ready")

    found = judged(unreadable(seen, "nodes", "node1"))["recovery.incident-scope"]

    assert [(each.cause, each.subject) for each in found.findings] == [("node-not-ready", "node node3")]


def test_unreadable_objects_are_told_once_in_the_notes_of_a_run() -> None:
    found = judged(unreadable(observed("healthy"), "services", "web"))

    told = [
        check
        for check, each in found.items()
        if any("Service shop/web cannot be read" in note for note in each.notes)
    ]

    assert told == ["health.scope"]
