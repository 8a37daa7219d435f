"""The announcer goes away, in every way that it can: its address moves, and ends where the election says."""

from __future__ import annotations

from clusters.commands import ARPING
from clusters.diagnosis.symptoms import Symptom
from suites.causes import STUCK
from suites.plugin import BEYOND, DISRUPT, Record, check
from suites.scenes import scene_permissions
from suites.scenes.announced import Announced
from suites.scenes.disruption import EXCLUDED, GRACEFUL, KILLED, LOST, RESTARTED, Disruption, expect_failover
from suites.scenes.own_services import expect

_COMMANDS = (
    "kubectl -n {metallb_namespace} get pods -o wide",
    "kubectl -n {metallb_namespace} logs {speaker} --tail=200",
    "kubectl get nodes -o wide",
    ARPING,
)


@check(
    "failover.speaker-deleted",
    runbook=BEYOND,
    level=DISRUPT,
    needs={"wire"},
    causes=STUCK,
    commands=_COMMANDS,
    uses=scene_permissions.METALLB_PODS,
    measured=True,
)
def test_the_address_moves_when_its_speaker_is_deleted(
    announced: Announced, disruption: Disruption, record: Record
) -> None:
    """The announcing speaker's pod is deleted: another node takes over within budget, and gives it back."""
    owner = announced.announcer()

    with announced.watched(record) as seen, disruption.speaker_deleted(owner, seen):
        announced.settles(seen)

    expect_failover(announced, seen, GRACEFUL, record)


@check(
    "failover.speaker-killed",
    runbook=BEYOND,
    level=DISRUPT,
    needs={"wire"},
    causes=STUCK,
    commands=_COMMANDS,
    uses=(*scene_permissions.METALLB_PODS, *scene_permissions.NODES),
    measured=True,
)
def test_the_address_moves_when_its_speaker_dies_without_a_farewell(
    announced: Announced, disruption: Disruption, record: Record
) -> None:
    """The announcing speaker dies without a farewell: another node takes over within budget."""
    owner = announced.announcer()

    with announced.watched(record) as seen:
        with disruption.speaker_killed(owner, seen):
            announced.settles(seen)
        announced.settles(seen)

    expect_failover(announced, seen, KILLED, record)


@check(
    "failover.node-lost",
    runbook=BEYOND,
    level=DISRUPT,
    needs={"wire"},
    causes=STUCK,
    commands=_COMMANDS,
    uses=scene_permissions.METALLB_PODS,
    measured=True,
)
def test_the_address_moves_when_its_node_is_lost(
    announced: Announced, disruption: Disruption, record: Record
) -> None:
    """The announcing node drops off the network: the address moves, and its service recovers."""
    owner = announced.announcer()

    with announced.watched(record) as seen:
        with disruption.node_lost(owner, seen):
            announced.answered_by_another(owner)
            announced.serves_steadily(seen)
        announced.settles(seen)

    expect_failover(announced, seen, LOST, record)


@check(
    "failover.node-excluded",
    runbook=BEYOND,
    level=DISRUPT,
    needs={"wire"},
    causes=STUCK,
    commands=("kubectl get nodes --show-labels", *_COMMANDS),
    uses=(*scene_permissions.METALLB_PODS, *scene_permissions.NODES),
    measured=True,
)
def test_an_excluded_node_hands_its_address_over_without_loss(
    announced: Announced, disruption: Disruption, record: Record
) -> None:
    """Labelling the owner out of load balancing moves the address with no failed request, and back."""
    owner = announced.announcer()

    with announced.watched(record) as seen:
        with disruption.node_excluded(owner, seen):
            announced.settles(seen)
        announced.settles(seen)

    expect_failover(announced, seen, EXCLUDED, record)


@check(
    "failover.controller-restart",
    runbook=BEYOND,
    level=DISRUPT,
    needs={"wire"},
    causes=STUCK,
    commands=("kubectl -n {metallb_namespace} rollout status {controller}", *_COMMANDS),
    uses=scene_permissions.METALLB_PODS,
    measured=True,
)
def test_restarting_the_controller_changes_nothing(
    announced: Announced, disruption: Disruption, record: Record
) -> None:
    """Restarting the controller changes no address and loses no traffic."""
    before = disruption.addresses()

    with announced.watched(record) as seen:
        disruption.restart_controller(seen)

    changed = disruption.changed_since(before)
    expect(not changed, announced.broken_promise(Symptom.ADDRESS_CHANGED, changed))
    expect_failover(announced, seen, RESTARTED, record)
