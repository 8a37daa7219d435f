"""With metrics that nobody could read, the ordinary case from 0.16.0 on, no other wrong cause is named than with them.

What was not read never counts as a denial: then a cause is proved another way, or it is the symptom that is told.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from clusters.diagnosis import Diagnosis, announcer_sources
from clusters.diagnosis.announcer_sources import Claim
from clusters.metallb.election import Prediction
from clusters.observation import Snapshot, Status, load
from clusters.observation.announcers import Sources
from clusters.observation.snapshot import PodMetrics
from tests.answers import all_answered, answered

FOLDER = Path(__file__).parent / "observations"
NAMES = sorted(path.name.removesuffix(".json.gz") for path in FOLDER.glob("*.json.gz"))
#: What is told where more than one node answers, or the sources differ, and no cause is proved.
SYMPTOMS = {"duplicate-announcer", "owner-disagreement"}
#: Causes that the metrics alone prove.
BY_METRICS_ALONE = {"strict-arp-off"}
WEB = "shop/web"


@cache
def observed(name: str) -> Snapshot:
    return load(FOLDER / f"{name}.json.gz")


def unread(seen: Snapshot, pods: Iterable[str] | None = None, **how: object) -> Snapshot:
    """The observation with the metrics of these pods, by default of all, not read."""
    chosen = {page.pod for page in seen.metrics} if pods is None else set(pods)
    pages = tuple(
        PodMetrics(pod=page.pod, **(how or {"status": Status.NOT_ASKED, "detail": "no login"}))  # type: ignore[arg-type]  # as given
        if page.pod in chosen
        else page
        for page in seen.metrics
    )
    return replace(seen, metrics=pages)


@cache
def told_before(name: str) -> dict[str, set[str]]:
    return told(observed(name))


@cache
def causes_before(name: str) -> set[str]:
    return causes(observed(name))


def causes(seen: Snapshot) -> set[str]:
    return {root.cause for root in Diagnosis(seen).root_causes}


def told(seen: Snapshot) -> dict[str, set[str]]:
    """The causes that each check tells."""
    return {
        check: {finding.cause for finding in found.findings} for check, found in all_answered(seen).items()
    }


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "how",
    [
        {"status": Status.NOT_ASKED, "detail": "no login"},
        {"status": Status.FAILED, "detail": "answered 500"},
        {"status": Status.NOT_PERMITTED, "verb": "get", "resource": "/metrics", "detail": "refused"},
        {"status": Status.OK},  # an answer without a word of MetalLB's in it
    ],
    ids=["not asked", "failed", "refused", "empty"],
)
def test_no_other_cause_appears_without_metrics(name: str, how: dict[str, object]) -> None:
    before, after = told_before(name), told(unread(observed(name), **how))
    allowed = SYMPTOMS if causes_before(name) & BY_METRICS_ALONE else set()

    for check, found in after.items():
        assert found <= before[check] | allowed, check
    lost = causes_before(name) - causes(unread(observed(name), **how))
    assert lost <= BY_METRICS_ALONE


@pytest.mark.parametrize("name", NAMES)
def test_no_other_cause_appears_with_the_metrics_of_some_pods(name: str) -> None:
    seen, before = observed(name), causes_before(name)

    for page in seen.metrics:
        found = causes(unread(seen, [page.pod]))
        assert found <= before | (SYMPTOMS if before & BY_METRICS_ALONE else set()), page.pod


def test_two_announcers_without_any_word_of_theirs_are_the_symptom_with_its_candidates() -> None:
    (root,) = {
        root.key: root
        for root in Diagnosis(unread(observed("strict-arp-off"))).root_causes
        if root.subject == f"service {WEB}"
    }.values()

    assert root.cause == "duplicate-announcer"
    assert "The cause cannot be determined" in root.summary
    for candidate in ("memberlist", "by hand", "strict ARP"):
        assert candidate in root.summary
    assert "`ip -brief address`" in root.remedy
    assert "not read" in root.evidence[0]


def split(seen: Snapshot) -> Snapshot:
    """Two nodes answer for every address of a healthy lab of 0.16, and no log tells of it; one has the status."""
    macs = {heard.address: heard.macs for heard in seen.wire.heard if heard.purpose == "node"}
    two = tuple(sorted({mac for found in list(macs.values())[:2] for mac in found}))
    heard = tuple(replace(one, macs=two) if one.purpose == "assigned" else one for one in seen.wire.heard)
    newer = json.loads(
        json.dumps([seen.pods.items, seen.daemon_sets.items, seen.deployments.items]).replace(
            "v0.15.2", "v0.16.2"
        )
    )
    pods, daemon_sets, deployments = (tuple(each) for each in newer)
    return replace(
        seen,
        wire=replace(seen.wire, heard=heard),
        pods=replace(seen.pods, items=pods),
        daemon_sets=replace(seen.daemon_sets, items=daemon_sets),
        deployments=replace(seen.deployments, items=deployments),
    )


def test_a_split_that_no_log_tells_of_is_not_blamed_on_kube_proxy() -> None:
    seen = split(observed("healthy"))
    assert seen.service_l2_statuses.items  # one speaker's word, which was taken for the other's denial

    assert causes(unread(seen)) <= SYMPTOMS
    assert "duplicate-announcer" in causes(unread(seen))


def test_a_speaker_that_was_read_and_denies_leaves_the_node_s_own_interfaces() -> None:
    seen = split(observed("healthy"))
    told = {root.key: root for root in Diagnosis(seen).root_causes}

    assert {root.cause for root in told.values()} == {"duplicate-announcer"}
    by_hand = [root for root in told.values() if "which its speaker does not announce" in root.summary]
    assert by_hand
    assert all("`ip -brief address`" in root.remedy and "strict" not in root.remedy for root in by_hand)


def test_a_node_s_word_has_three_values() -> None:
    seen = observed("healthy")
    facts = Diagnosis(seen).facts
    ((address, nodes), *_) = facts.signals.announced.items()
    (node,) = nodes
    others = set(facts.nodes) - nodes

    assert announcer_sources.claim_of(facts, node, address) is Claim.CLAIMED
    assert {announcer_sources.claim_of(facts, each, address) for each in others} == {Claim.DENIED}
    blind = Diagnosis(unread(seen)).facts
    assert {announcer_sources.claim_of(blind, each, address) for each in facts.nodes} == {Claim.NOT_READ}
    unseen = Diagnosis(replace(seen, pods=replace(seen.pods, status=Status.NOT_PERMITTED, items=()))).facts
    assert announcer_sources.claim_of(unseen, next(iter(others)), address) is Claim.NOT_READ


def test_what_was_not_read_is_said_as_such_and_not_as_nobody() -> None:
    diagnosis = Diagnosis(unread(observed("healthy")))
    service = next(iter(diagnosis.facts.layer2.values()))
    found = announcer_sources.sources(diagnosis.facts, diagnosis.announcers, service)

    assert "metric: not read" in str(found)
    assert "metric: nobody" not in str(found)
    assert announcer_sources.describe_claims(diagnosis.facts, str(service.ingress[0])).endswith(": not read")


@pytest.mark.parametrize(
    "resource",
    ["tokenreviews.authentication.k8s.io", "subjectaccessreviews.authorization.k8s.io"],
)
def test_a_look_at_the_metrics_that_metallb_could_not_check_is_no_fault_of_its(resource: str) -> None:
    """What 0.16.2 logs for each scrape where it may not create token reviews."""
    seen = observed("healthy")
    plural, _, group = resource.partition(".")
    line = (
        "E1130 15:09:11.343620       1 webhook.go:154] Failed to make webhook authenticator request: "
        f'{resource} is forbidden: User "system:serviceaccount:metallb-system:speaker" cannot create resource '
        f'"{plural}" in API group "{group}" at the cluster scope'
    )
    logs = tuple(replace(tail, lines=(*tail.lines, line)) for tail in seen.logs)

    assert told(replace(seen, logs=logs)) == told(seen)
    assert not causes(replace(seen, logs=logs))


def test_a_check_says_once_why_metrics_were_not_read() -> None:
    found = answered("traffic.owner-agreed", unread(observed("healthy")))

    assert not found.findings
    assert [note for note in found.notes if "metrics" in note] == [
        "4 pods: their metrics were not read: no login"
    ]


@pytest.mark.parametrize(
    ("metric", "read", "disagrees"),
    [
        (None, frozenset(), False),
        ((), frozenset({"node2"}), False),  # the announcer's own speaker was not read
        ((), frozenset({"node1", "node2"}), True),
        (("node2",), frozenset({"node2"}), True),
        (("node1",), frozenset({"node1"}), False),
    ],
)
def test_a_live_look_takes_no_unread_speaker_for_a_denial(
    metric: tuple[str, ...] | None, read: frozenset[str], *, disagrees: bool
) -> None:
    found = Sources(prediction=Prediction("node1"), status=(), metric=metric, read=read)

    assert bool(found.disagreement("node1")) == disagrees
