"""A rebuild in stages: each begins only when the gates of those before it are open, and has a gate of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from clusters import budgets, wait
from clusters.api import ApiError, Invalid, WebhookFailed
from clusters.api.resources import IP_ADDRESS_POOLS, NODES
from clusters.cause_ids import CauseId
from clusters.checks import CheckFailed
from clusters.errors import ConformanceError
from clusters.gitops.pool_objects import key
from clusters.observation import reading
from clusters.observation.snapshot import Objects, Status
from clusters.providers import Cluster
from clusters.vantage import failover
from clusters.wait import NotWithinBudget
from suites.plugin.phase_outcome import unexplained
from suites.scenes.announced import Announced
from suites.scenes.announcement_state import AnnouncementState
from suites.scenes.committed_overlay import OverlayPart
from suites.scenes.drill import Drill
from suites.scenes.own_services import Services
from suites.scenes.promise_explainer import (
    CONFIG_PRESENT,
    INCIDENT_SCOPE,
    PENDING_SERVICES,
    PODS_READY,
    ObserveCheck,
)


class Stage(StrEnum):
    """The stages of a rebuild, in the runbook's order."""

    NETWORK = "node networking"
    METALLB = "controller and speakers"
    CONFIGURATION = "pools and advertisements"
    CONSUMERS = "consumers"


class TooEarly(ConformanceError):  # noqa: N818 - it says why a stage is not begun
    """A stage was asked for while an earlier one's gate was closed; nothing of it was begun."""

    def __init__(self, stage: Stage, reasons: list[str]) -> None:
        super().__init__(f"Too early for {stage}: {'; '.join(reasons)}.")


@dataclass(frozen=True)
class Gate:
    """What must hold before anything after its stage begins.

    `closed` gives what does not hold, a sentence each. `check` is the observe check that knows why, `cause`
    is named where it knows nothing.
    """

    claim: str
    closed: Callable[[], list[str]]
    check: ObserveCheck
    cause: str


class Rebuild:
    """The rebuild of one cluster's MetalLB from its overlay, and of one consumer of the run's own."""

    def __init__(self, drill: Drill, cluster: Cluster, services: Services, *, address: str) -> None:
        self._drill, self._cluster, self._services, self._address = drill, cluster, services, address
        self._before: AnnouncementState | None = None
        self.gates: Mapping[Stage, Gate] = {
            Stage.NETWORK: Gate(
                "every node is Ready and answers on the segment",
                self._network, INCIDENT_SCOPE, CauseId.NODE_NETWORK_UNAVAILABLE,
            ),
            Stage.METALLB: Gate(
                "controller and speakers are ready, and the webhook decides",
                self._metallb, PODS_READY, CauseId.CONTROLLER_DOWN,
            ),
            Stage.CONFIGURATION: Gate(
                "pools and advertisements are as the overlay renders them",
                lambda: drill.overlay.missing(OverlayPart.CONFIGURATION), CONFIG_PRESENT, CauseId.OVERLAY_DRIFT,
            ),
            Stage.CONSUMERS: Gate(
                "every consumer has its address, and keeps what its probe promises",
                self._consumers, PENDING_SERVICES, CauseId.UNEXPLAINED,
            ),
        }  # fmt: skip

    @contextmanager
    def torn_down(self, before: AnnouncementState) -> Iterator[None]:
        """Configuration, controller and speakers are gone through the block, in the reverse order of a rebuild."""
        self._before = before
        with self._drill.pinned(before), ExitStack() as stack:
            stack.enter_context(self._drill.wire.consumers_asked(self._drill.record))
            stack.enter_context(self._drill.lost(OverlayPart.CONFIGURATION))
            stack.enter_context(self._drill.lost(OverlayPart.WORKLOADS))
            yield

    def begin(self, stage: Stage) -> None:
        """Build one stage and wait until its gate is open. TooEarly where an earlier one is closed."""
        stages = list(Stage)
        closed = [why for each in stages[: stages.index(stage)] for why in self.gates[each].closed()]
        if closed:
            raise TooEarly(stage, closed)
        with self._drill.timed(f"{stage} built in", budget=budgets.STAGE_BUILT):
            self._built(stage)
            self._passed(self.gates[stage])

    def refuses(self, stage: Stage) -> None:
        """See that a stage is refused now: by its gate, and past its gate by MetalLB; nothing of it is there."""
        try:
            self.begin(stage)
        except TooEarly as refused:
            self._drill.record.note(str(refused))
        else:
            raise CheckFailed(unexplained(f"The stage {stage} was begun although an earlier one is missing."))
        if stage is Stage.CONFIGURATION:
            self._configuration_refused()
        if stage is Stage.CONSUMERS:
            self._consumer_refused()

    def _built(self, stage: Stage) -> None:
        match stage:
            case Stage.METALLB:
                self._drill.overlay.apply(OverlayPart.GROUND, OverlayPart.WORKLOADS, OverlayPart.WEBHOOKS)
            case Stage.CONFIGURATION:
                self._drill.overlay.apply(OverlayPart.CONFIGURATION)
            case Stage.CONSUMERS:
                assert self._before is not None
                service = self._services.create("consumer", address=self._address)
                consumer = Announced(service, service.assigned(), self._drill.wire)
                consumer.announcer()
                consumer.served()
                self._drill.same(self._before, budget=budgets.REAPPLIED)
            case Stage.NETWORK:
                pass  # which no manifest builds

    def _passed(self, gate: Gate) -> None:
        try:
            wait.until(
                gate.claim,
                read=gate.closed,
                accept=lambda why: not why,
                budget=budgets.get(budgets.STAGE_BUILT),
            )
        except NotWithinBudget as late:
            raise self._drill.attribution.failure_of(gate.check, gate.cause, str(late)) from None

    def _configuration_refused(self) -> None:
        """Send every object all the same: MetalLB's webhook, which nobody answers for yet, must keep it out."""
        overlay = self._drill.overlay
        for obj in overlay.part(OverlayPart.CONFIGURATION):
            try:
                overlay.changes.create(obj)
            except (Invalid, WebhookFailed) as error:
                self._drill.record.note(
                    f"{key(obj)} was sent all the same and refused: {error.message or error}"
                )
            else:
                raise CheckFailed(
                    unexplained(f"{key(obj)} was accepted before MetalLB's controller was there.")
                )
        there = [each for each in overlay.missing(OverlayPart.CONFIGURATION) if "does not exist" not in each]
        if there:
            raise CheckFailed(unexplained(f"The refused stage is half there: {'; '.join(there)}."))

    def _consumer_refused(self) -> None:
        """Make the consumer all the same: it must stay without an address as long as there are no pools.

        MetalLB sends no event then (`convergeBalancer` in controller/service.go, 0.15.2 and 0.16.2).
        """
        early = self._services.create("early", address=self._address)
        early.stays_without_address()
        said = "; ".join(early.refusals()) or "no event says why"
        self._drill.record.note(f"a consumer that was made all the same stayed without an address: {said}")
        self._services.delete(early)

    def _network(self) -> list[str]:
        wire, api = self._drill.wire, self._drill.overlay.api
        found = []
        for raw in api.list(NODES):
            conditions = {one["type"]: one["status"] for one in raw.get("status", {}).get("conditions") or ()}
            if conditions.get("Ready") != "True":
                found.append(f"node {raw['metadata']['name']} is not Ready")
            if conditions.get("NetworkUnavailable") == "True":
                found.append(f"node {raw['metadata']['name']} has no network")
        own = {str(node.addresses[0]): node.name for node in self._cluster.nodes if node.addresses}
        heard = wire.vantage.who_answers_all(own, rounds=3, probe=False)
        for address, name in own.items():
            answered = {failover.node_name(mac, wire.macs.nodes) for mac in heard[address].macs}
            if answered != {name}:
                found.append(
                    f"{address} of node {name} is answered by {', '.join(sorted(answered)) or 'nobody'}"
                )
        return found

    def _consumers(self) -> list[str]:
        now = self._drill.disruption.addresses()
        held = self._before.addresses if self._before else {}
        lost = [f"{name} has no address" for name, had in held.items() if had and not now.get(name, had)]
        asking = self._drill.wire.consumers
        return lost or (asking.unkept(self._drill.serving) if asking else [])

    def _metallb(self) -> list[str]:
        if unready := self._drill.disruption.metallb.unready():
            return unready
        overlay = self._drill.overlay
        try:
            pools = overlay.api.list(IP_ADDRESS_POOLS, self._drill.profile.namespace)
        except ApiError as error:
            return [str(error.args[0])]
        items: tuple[dict[str, Any], ...] = tuple(pools)
        tried = reading.dry_run(
            overlay.api, self._drill.profile.namespace, Objects(status=Status.OK, items=items)
        )
        return [] if tried.accepted else [f"MetalLB's webhook does not decide: {tried.detail}"]
