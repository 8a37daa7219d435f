"""What the failover checks do to a cluster, with its moment marked in the measurement, and what that may cost.

What was done is restored after the block.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from clusters import budgets, wait
from clusters.api.resources import NODES
from clusters.budgets import Budget
from clusters.cause_ids import CauseId
from clusters.checks import CheckFailed, Finding, NotSupported
from clusters.diagnosis.symptoms import Symptom
from clusters.errors import CleanupFailed
from clusters.metallb.nodes import EXCLUDE_LABEL
from clusters.observation import announcers
from clusters.providers.cluster import Cluster, Machines
from clusters.subject import CLUSTER
from clusters.vantage import failover
from clusters.vantage.failover import FAULT, RESTORED, Failover
from clusters.vantage.watch import Measurement
from clusters.wait import NotWithinBudget
from clusters.workloads.metallb_control import MetalLB
from suites.plugin.record import Record
from suites.scenes.announced import Announced, Wire
from suites.scenes.asked_consumers import record_gaps
from suites.scenes.own_services import Services, held_addresses


@dataclass(frozen=True)
class Disruption:
    """Disturbs one cluster's MetalLB and nodes."""

    cluster: Cluster
    metallb: MetalLB

    @contextmanager
    def speaker_deleted(self, node: str, seen: Measurement) -> Iterator[None]:
        """The speaker's pod on `node` is deleted; its successor is ready when the block begins."""
        self._takes_over(node)
        seen.mark(FAULT)
        self.metallb.delete_speaker(node)
        self.metallb.speaker_ready_on(node)
        yield

    @contextmanager
    def speaker_killed(self, node: str, seen: Measurement) -> Iterator[None]:
        """The speaker on `node` dies at once and stays away through the block; then it comes back, ready."""
        self._takes_over(node)
        machines = self._machines()
        with self.metallb.held_away(node):
            seen.mark(FAULT)
            machines.kill(node, "speaker")
            # Kubelet would start the container again within a second; without its pod it does not.
            self.metallb.delete_speaker(node, grace=0)
            yield
            seen.mark(RESTORED)

    @contextmanager
    def node_lost(self, node: str, seen: Measurement) -> Iterator[None]:
        """The cable of `node` is pulled through the block; then it is plugged in, and the node is Ready again."""
        self._takes_over(node)
        machines = self._machines()
        seen.mark(FAULT)
        with machines.unplugged(self.metallb.changes, node):
            yield
            seen.mark(RESTORED)
        self._node_ready(node)
        self.metallb.speaker_ready_on(node)

    @contextmanager
    def node_excluded(self, node: str, seen: Measurement) -> Iterator[None]:
        """`node` carries the label that excludes it from load balancing through the block."""
        self._takes_over(node)
        seen.mark(FAULT)
        with self.metallb.changes.labelled_node(node, {EXCLUDE_LABEL: "true"}):
            yield
            seen.mark(RESTORED)

    def restart_controller(self, seen: Measurement) -> None:
        """The controller's pod is deleted; another one is ready when this returns.

        CheckFailed where none becomes ready: whatever kept it away, the cluster is without its controller now.
        """
        seen.mark(FAULT)
        try:
            self.metallb.restart_controller()
        except NotWithinBudget as late:
            raise CheckFailed(
                Finding(
                    cause=CauseId.CONTROLLER_DOWN,
                    subject=CLUSTER,
                    summary="The controller was restarted and did not become ready again.",
                    evidence=tuple(str(late).splitlines()),
                )
            ) from None

    def addresses(self) -> dict[str, tuple[str, ...]]:
        """The addresses that every LoadBalancer service of the cluster holds now."""
        return held_addresses(self.metallb.api)

    def changed_since(self, before: dict[str, tuple[str, ...]]) -> str:
        """What became of each service whose addresses are others than they were, as a sentence; "" for none."""
        now = self.addresses()
        changes = [
            f"{name} held {', '.join(held) or 'nothing'} and now holds {', '.join(now[name]) or 'nothing'}"
            for name, held in before.items()
            if name in now and now[name] != held
        ]
        return "; ".join(changes)

    def undecided(self, wire: Wire) -> frozenset[str]:
        """The addresses that not exactly one node answers for now."""
        held = {address for found in self.addresses().values() for address in found}
        return frozenset(wire.undecided(sorted(held)))

    def recovered(self, wire: Wire, *, but: frozenset[str], foreign: str) -> None:
        """Wait until MetalLB serves, every node is ready, and one node alone answers for each address again.

        Addresses in `but` were undecided before the disturbance, and may stay so. `foreign` is one that no pool holds.

        CleanupFailed where that does not come true: the disturbance outlived its check.
        """
        try:
            self.metallb.controller_ready()
            self.metallb.speakers_ready()
            for node in self.cluster.nodes:
                self._node_ready(node.name)
            self._controller_serves(foreign)
            wait.until(
                "one node alone answers for each address, three times in a row",
                read=lambda: [sorted(self.undecided(wire) - but) for _ in range(3)],
                accept=lambda seen: not any(seen),
                budget=budgets.get(budgets.SETTLED),
            )
        except NotWithinBudget as late:
            raise CleanupFailed(
                f"The cluster is not as well as before it was disturbed: {late}",
                remedy="Look at MetalLB's pods and the nodes before anything else is disturbed.",
            ) from None

    def _controller_serves(self, foreign: str) -> None:
        """Wait until the controller decides about a service: its pod is Ready long before its watches stand again.

        The service asks for an address that no pool holds, so that the answer costs none.
        """
        with ExitStack() as stack:
            services = Services(
                self.metallb.api,
                self.metallb.changes,
                app="nobody",
                stack=stack,
                metallb_namespace=self.metallb.namespace,
            )
            asked = services.create("refused", address=foreign)
            wait.until(
                f"MetalLB's controller refuses service {asked.key} the address {foreign}",
                read=asked.refusals,
                accept=bool,
                budget=budgets.get(budgets.CONTROLLER_SERVES),
            )

    def _takes_over(self, node: str) -> None:
        """See that there is a node to take over from `node`; NotSupported where no other one has a speaker."""
        running = announcers.speakers(self.metallb.api, self.metallb.namespace)
        if not {pod["spec"]["nodeName"] for pod in running} - {node}:
            raise NotSupported(
                f"no node but {node} has a speaker, so nobody can take an address over from it"
            )

    def _machines(self) -> Machines:
        """The cluster's machines; NotSupported where the provider gives no access to them."""
        if self.cluster.machines is None:
            raise NotSupported(
                f"provider {self.cluster.provider} gives no access to a node's processes and cables"
            )
        return self.cluster.machines

    def _node_ready(self, node: str) -> None:
        def ready() -> str:
            conditions = self.metallb.api.get(NODES, node).get("status", {}).get("conditions") or ()
            return next((one["status"] for one in conditions if one["type"] == "Ready"), "unknown")

        wait.until(
            f"node {node} is Ready",
            read=ready,
            accept=lambda status: status == "True",
            budget=budgets.get(budgets.NODE_READY),
        )


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Budgets by figure; `moves` says whether the address is to move at all."""

    budgets: Mapping[str, Budget]
    moves: bool = True
    lossless: bool = False

    def seconds(self) -> dict[str, float]:
        """The limit of every limited figure, in seconds."""
        limits = {figure: budgets.get(budget).within for figure, budget in self.budgets.items()}
        return limits | ({"failed requests": 0.0} if self.lossless else {})


GRACEFUL = Limits(
    budgets={
        "address moved after": budgets.FAILED_OVER_GRACEFUL,
        "gap of the address": budgets.NOBODY_ANSWERS_GRACEFUL,
        "gap of the service": budgets.TRAFFIC_GAP_GRACEFUL,
        "two nodes answering": budgets.DOUBLE_ANSWERS_OVERLAP,
        "back on its node after": budgets.FAILED_BACK,
    }
)
KILLED = Limits(
    budgets={
        "address moved after": budgets.FAILED_OVER_KILLED,
        "gap of the address": budgets.FAILED_OVER_KILLED,
        "gap of the service": budgets.TRAFFIC_GAP_KILLED,
        "two nodes answering": budgets.DOUBLE_ANSWERS_OVERLAP,
        "two nodes answering after the return": budgets.DOUBLE_ANSWERS_OVERLAP,
        "back on its node after": budgets.FAILED_BACK,
    }
)
LOST = Limits(
    budgets={
        "address moved after": budgets.FAILED_OVER_NODE_LOST,
        "gap of the address": budgets.FAILED_OVER_NODE_LOST,
        "gap of the service": budgets.TRAFFIC_GAP_NODE_LOST,
        "service steady again after": budgets.SERVICE_RECOVERED_AFTER_NODE_LOST,
        "two nodes answering": budgets.DOUBLE_ANSWERS_OVERLAP,
        "two nodes answering after the return": budgets.DOUBLE_ANSWERS_REJOINED,
        "back on its node after": budgets.FAILED_BACK,
    }
)
EXCLUDED = Limits(
    budgets={
        "address moved after": budgets.MOVED_ON_EXCLUSION,
        "gap of the address": budgets.TRAFFIC_GAP_EXCLUDED,
        "gap of the service": budgets.TRAFFIC_GAP_EXCLUDED,
        "two nodes answering": budgets.DOUBLE_ANSWERS_OVERLAP,
        "back on its node after": budgets.MOVED_ON_EXCLUSION,
    },
    lossless=True,
)
RESTARTED = Limits(
    budgets={"gap of the service": budgets.TRAFFIC_GAP_CONTROLLER_RESTART}, moves=False, lossless=True
)


def expect_failover(announced: Announced, measured: Measurement, limits: Limits, record: Record) -> Failover:
    """Keep every figure of a failover and raise BrokenPromise where it did not happen as promised.

    Figures over their budget are told by the record when the check has ended, so all of them are kept first.
    """
    seen = announced.failover(measured.timeline)
    failover.record(seen, record, limits.seconds())
    record_gaps(measured, record, budget=limits.budgets["gap of the service"])
    turns = " → ".join(seen.owners) or "nobody"
    record.note(f"{announced.address} was answered by {turns}")
    if seen.unseen:
        record.note(seen.unseen)
    outsiders = sorted(set(seen.owners) - set(announced.wire.macs.nodes.values()))
    if outsiders:
        text = f"a host outside the cluster answered ARP for {announced.address}: {', '.join(outsiders)} ({turns})"
        raise announced.broken_promise(Symptom.WRONG_ANNOUNCER, text)
    if limits.moves and seen.moved_after is None:
        text = f"{seen.before} went away and nobody else answered for {announced.address} ({turns})"
        raise announced.broken_promise(Symptom.NOT_MOVED, text)
    if not limits.moves and len(set(seen.owners)) > 1:
        raise announced.broken_promise(
            Symptom.WRONG_ANNOUNCER, f"the announcer changed ({turns}) although no node failed"
        )
    expected = announced.predicted()
    if seen.last_owner != expected:
        text = f"it ended on {seen.last_owner}, the election says {expected} ({turns})"
        raise announced.broken_promise(Symptom.NOT_BACK, text)
    return seen
