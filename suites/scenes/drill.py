"""Recovery exercised on a cluster: what is lost, what must be the same then, and what a failure is attributed to."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import cached_property

from clusters import budgets, wait
from clusters.api.resources import SERVICES
from clusters.budgets import Budget
from clusters.cause_ids import CauseId
from clusters.checks import CheckFailed
from clusters.diagnosis import Diagnosis, answer
from clusters.diagnosis.symptoms import Symptom
from clusters.errors import CleanupFailed
from clusters.gitops import drift, repository_collection
from clusters.gitops.pool_objects import key
from clusters.gitops.repository_snapshot import RepositorySnapshot
from clusters.metallb import services
from clusters.objects import Object
from clusters.profile import Profile
from clusters.vantage.watch import Measurement
from clusters.wait import NotWithinBudget
from clusters.workloads.builders import REQUESTED
from suites.plugin.record import Record
from suites.scenes import announcement_state
from suites.scenes.announced import Wire
from suites.scenes.announcement_state import AnnouncementChange, AnnouncementState
from suites.scenes.asked_consumers import record_gaps
from suites.scenes.committed_overlay import Overlay, OverlayPart
from suites.scenes.disruption import Disruption
from suites.scenes.promise_explainer import (
    CONFIG_ACCEPTED,
    CONFIG_PRESENT,
    EDGE_ADDRESS,
    PODS_READY,
    FailureAttribution,
)
from suites.scenes.suspension import Suspension

_WHY = "MetalLB is lost in a drill"
#: Seconds between two questions to each consumer while it is waited for.
_ASKED_EVERY = 0.5
#: What must be well before anything is taken away, or it could not be brought back.
_FIRST = (PODS_READY, CONFIG_PRESENT, CONFIG_ACCEPTED)


@dataclass(frozen=True)
class Drill:
    """One drill on one cluster. Whatever it takes away stands in the journal first."""

    disruption: Disruption
    overlay: Overlay
    repository: RepositorySnapshot
    profile: Profile
    wire: Wire
    record: Record
    suspension: Suspension

    @cached_property
    def serving(self) -> frozenset[str]:
        """The consumers that keep what their probes promise before anything is taken away."""
        return self.wire.consumers.keeping() if self.wire.consumers else frozenset()

    def serve(self, *, budget: Budget) -> None:
        """Wait until the consumers that served before serve again, by their own probes. CheckFailed where not."""
        asking = self.wire.consumers
        if asking is None or not self.serving:
            return
        serving = self.serving
        try:
            wait.until(
                f"consumers serve as their probes promise: {', '.join(sorted(serving))}",
                read=lambda: asking.unkept(serving),
                accept=lambda found: not found,
                budget=replace(budgets.get(budget), every=_ASKED_EVERY),
            )
        except NotWithinBudget as late:
            raise self.attribution.failure_of(
                EDGE_ADDRESS, CauseId.CONSUMER_ANSWER_WRONG, str(late)
            ) from None

    @property
    def attribution(self) -> FailureAttribution:
        """Who to ask when something is not as it should be."""
        return FailureAttribution(self.overlay.api, self.profile, self.wire.vantage)

    def begin(self) -> AnnouncementState:
        """How things are. Raises CheckFailed, with nothing changed, where the cluster could not be brought back.

        Then MetalLB, its webhook or its configuration is in trouble, or is not what the overlay renders.
        """
        snapshot = self.attribution.observed()
        diagnosis = Diagnosis(snapshot)
        for check in _FIRST:
            answer.conclude(check.id, answer.ask(check.question, diagnosis), diagnosis)
        now = repository_collection.counterparts(self.overlay.api, self.overlay.objects)
        intended = self.repository.intended.model_copy(update={"objects": self.overlay.objects})
        both = self.repository.model_copy(update={"intended": intended, "live": now}).without_secrets()
        found = drift.intended_config(both, snapshot)
        if found:
            raise CheckFailed(found)
        if self.serving:
            names = ", ".join(sorted(self.serving))
            self.record.note(f"serving as their probes promise, and so to serve at the end: {names}")
        return self.state()

    def state(self) -> AnnouncementState:
        """Who holds which address now, and who answers for it."""
        return AnnouncementState.seen(self.disruption.addresses(), self.wire.owners)

    @contextmanager
    def lost(self, *parts: OverlayPart) -> Iterator[None]:
        """Some parts of the overlay are gone through the block, each object deleted by its name.

        At the end of the block each is as it was, whoever made it again.
        """
        changes, api = self.overlay.changes, self.overlay.api
        with ExitStack() as stack:
            for obj in self.overlay.part(*parts):
                meta, resource = obj["metadata"], api.resource_for(obj)
                gone = changes.deleted(resource, meta["name"], meta.get("namespace"), foreign=_WHY)
                stack.enter_context(gone)
            if OverlayPart.WORKLOADS in parts:
                with self.suspension.watched():
                    wait.until(
                        "no pod of MetalLB is left",
                        read=self.disruption.metallb.pods,
                        accept=lambda left: not left,
                        budget=budgets.get(budgets.POD_GONE),
                    )
            yield

    @contextmanager
    def changed(self, objects: Sequence[Object]) -> Iterator[None]:
        """Objects of the overlay are applied in another form for the block."""
        with ExitStack() as stack:
            for obj in objects:
                stack.enter_context(
                    self.overlay.changes.applied(obj, foreign=f"{key(obj)} is changed in a drill")
                )
            yield

    @contextmanager
    def pinned(self, before: AnnouncementState) -> Iterator[None]:
        """Services that ask for no address ask for the one that they hold, through the block.

        A controller that starts without pools takes every address away, and gives out any when pools are
        there again; so long as that may happen, the addresses are asked for.
        """
        changes, automatic = self.overlay.changes, self.automatic(before)
        with ExitStack() as stack:
            for name in automatic:
                namespace, _, service = name.partition("/")
                patch = {"metadata": {"annotations": {REQUESTED: ",".join(before.addresses[name])}}}
                pin = changes.patched(
                    SERVICES, service, patch, namespace, foreign="its address is kept in a drill"
                )
                stack.enter_context(pin)
            if automatic:
                self.record.note(
                    f"{', '.join(automatic)} ask for no address: each was made to ask for its own during the drill, "
                    "for MetalLB gives any free one to a service that lost its address."
                )
            stack.enter_context(
                changes.awaited({name: held for name, held in before.addresses.items() if held})
            )
            yield

    def automatic(self, before: AnnouncementState) -> list[str]:
        """The services that hold an address which they do not ask for."""
        found = (services.parse(raw) for raw in self.overlay.api.list(SERVICES))
        asking = {one.key for one in found if services.request(one).addresses}
        return sorted(name for name, held in before.addresses.items() if held and name not in asking)

    def kept(self, before: AnnouncementState) -> list[str]:
        """The addresses of the services that do not ask for them."""
        return sorted({each for name in self.automatic(before) for each in before.addresses[name]})

    def asking(self, before: AnnouncementState) -> list[str]:
        """The services that ask for the address that they hold, and share it with none that does not."""
        kept = set(self.kept(before))
        return sorted(name for name, held in before.addresses.items() if held and kept.isdisjoint(held))

    def loses(self, before: AnnouncementState, *lost: str) -> None:
        """Wait until these services hold nothing any more, while all others hold what they held."""

        def others() -> list[str]:
            now = self.disruption.addresses()
            wanted = {**before.addresses, **dict.fromkeys(lost, ())}
            return sorted(name for name, held in wanted.items() if now.get(name, held) != held)

        try:
            wait.until(
                f"{', '.join(lost)} hold no address, and all others hold theirs",
                read=others,
                accept=lambda found: not found,
                budget=budgets.get(budgets.RELEASED),
            )
        except NotWithinBudget as late:
            wrong = [
                AnnouncementChange(name, Symptom.ADDRESS_CHANGED, late.claim) for name in late.readings[-1][1]
            ]
            raise self.attribution.changes(wrong, str(late)) from None

    def metallb_ready(self) -> None:
        """Wait until all of MetalLB is ready. CheckFailed with what keeps it."""
        try:
            wait.until(
                "MetalLB's controller and speakers are ready",
                read=self.disruption.metallb.unready,
                accept=lambda reasons: not reasons,
                budget=budgets.get(budgets.PODS_READY),
            )
        except NotWithinBudget as late:
            raise self.attribution.failure_of(PODS_READY, CauseId.CONTROLLER_DOWN, str(late)) from None

    def same(self, before: AnnouncementState, *, budget: Budget) -> None:
        """Wait until every service holds its address, the same node alone answers for it, and consumers serve.

        CheckFailed where that does not come true.
        """
        nodes = frozenset(self.wire.macs.nodes.values())
        last: list[AnnouncementChange] = []

        def read() -> list[str]:
            last[:] = announcement_state.changes(before, self.state(), nodes=nodes)
            return [str(each) for each in last]

        try:
            wait.until(
                "every service has its address back, and the node that answers for it",
                read=read,
                accept=lambda found: not found,
                budget=budgets.get(budget),
            )
        except NotWithinBudget as late:
            raise self.attribution.changes(last, str(late)) from None
        self.serve(budget=budget)

    @contextmanager
    def timed(self, figure: str, *, budget: Budget) -> Iterator[None]:
        """Measure a block that succeeds against its budget. Inconclusive where it may be another one's work."""
        began = time.monotonic()
        with self.suspension.watched():
            yield
        self.suspension.stands()
        self.record.measure(figure, time.monotonic() - began, budget=budgets.get(budget).within)

    def cost(self, seen: Measurement) -> None:
        """Keep how long the watched address was silent, and its service and the consumers were out; without a limit."""
        self.record.measure("gap of the address", seen.timeline.address_gap)
        self.record.measure("gap of the service", seen.timeline.outages.longest)
        record_gaps(seen, self.record)

    def restored(self, before: AnnouncementState) -> None:
        """Wait until services that are still there hold what they held. CleanupFailed where they do not."""

        def others() -> list[str]:
            now = self.disruption.addresses()
            return [name for name, held in before.addresses.items() if now.get(name, held) != held]

        try:
            wait.until(
                "every service holds the address that it had before the drill",
                read=others,
                accept=lambda found: not found,
                budget=budgets.get(budgets.REAPPLIED),
            )
        except NotWithinBudget as late:
            raise CleanupFailed(
                f"The drill has cost services their addresses: {late}",
                remedy="Look at the pools and at these services' events.",
            ) from None
