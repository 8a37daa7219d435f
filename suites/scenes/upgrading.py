"""An upgrade: what holds before it must hold after it.

A lab performs one of MetalLB itself, to the other version that it has, and back, measured throughout. Elsewhere
somebody else performs it: what holds before is kept in a file, and compared in a later run.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from clusters import budgets, wait
from clusters.api import Api
from clusters.api.resources import PODS, SERVICES
from clusters.budgets import Budget
from clusters.cause_ids import CauseId
from clusters.checks import NotSupported
from clusters.diagnosis.symptoms import Symptom
from clusters.errors import Inconclusive
from clusters.gitops import example, pool_objects
from clusters.gitops.kustomize import Kustomize, Render
from clusters.gitops.pool_objects import is_configuration
from clusters.metallb import install, services, versions
from clusters.objects import Object
from clusters.profile import Profile
from clusters.providers import Cluster
from clusters.vantage import failover
from clusters.vantage.failover import FAULT, RESTORED
from clusters.vantage.targets import Target
from clusters.vantage.timeline import Timeline
from clusters.vantage.watch import Measurement
from clusters.wait import NotWithinBudget
from clusters.workloads.builders import HTTP_PORT
from suites.plugin import upgrade_state
from suites.plugin.record import Record
from suites.plugin.upgrade_state import GapsFile, SavedGaps, SavedPhase
from suites.scenes import announcement_state
from suites.scenes.announced import BASELINE, Announced, Wire, keep
from suites.scenes.announcement_state import AnnouncementChange, AnnouncementState
from suites.scenes.asked_consumers import missed, record_gaps, record_missed
from suites.scenes.committed_overlay import OverlayPart, part_of
from suites.scenes.drill import Drill
from suites.scenes.own_services import held_addresses
from suites.scenes.promise_explainer import EDGE_ADDRESS, PODS_READY, FailureAttribution

#: So many addresses are measured at once; more would make the vantage itself late.
MOST_WATCHED = 6
_WHY = "MetalLB is upgraded and taken back"
#: Seconds between two questions to each consumer while it is waited for.
_ASKED_EVERY = 0.5
#: Seconds that the vantage measures on, at most, where nobody ends it any more.
_LONGER = 60.0
_LIMITS = {
    "gap of the address": budgets.NOBODY_ANSWERS_UPGRADE,
    "gap of the service": budgets.TRAFFIC_GAP_UPGRADE,
    "two nodes answering": budgets.DOUBLE_ANSWERS_OVERLAP,
}


def performed_here(cluster: Cluster, profile: Profile) -> None:
    """Raises NotSupported where somebody else upgrades the cluster: to be asked before anything is made for it."""
    if not cluster.releases or cluster.kubectl is None or profile.gitops is None:
        raise NotSupported(
            f"provider {cluster.provider} upgrades nothing itself: run --phase before and --phase after"
        )


@dataclass(frozen=True)
class LabUpgrade:
    """From the version that runs to another one that the lab has, and back.

    What the last commit renders is what runs; what is upgraded to is the working tree, with the other version.
    """

    drill: Drill
    cluster: Cluster
    announced: Announced
    wanted: str

    def before(self) -> AnnouncementState:
        """Who held which address before it, and who answered for it."""
        return self.drill.begin()

    @contextmanager
    def made(self, before: AnnouncementState) -> Iterator[None]:
        """The other version runs in the block, the first one again after it; both ways are measured."""
        first, other = self._renders()
        with self._watched(before) as seen:
            with self.drill.overlay.changes.scope():
                seen.mark(FAULT)
                self._roll_out(first, other)
                yield
                seen.mark(RESTORED)
                self._roll_out(other, first)
                self.drill.same(before, budget=budgets.SETTLED)
            self.announced.settles(seen)
        self._record(seen)

    def compare(self, before: AnnouncementState) -> None:
        """Wait until every service holds its address and the same node answers for it. CheckFailed else."""
        self.drill.same(before, budget=budgets.SETTLED)

    def _renders(self) -> tuple[Render, Render]:
        """What runs, and what is upgraded to. Inconclusive where there is no such version."""
        gitops, kubectl = self.drill.profile.gitops, self.cluster.kubectl
        assert gitops is not None, "performed_here has seen to it"
        assert kubectl is not None, "performed_here has seen to it"
        manifests, intended = self.cluster.releases, self.drill.repository.intended
        target = self.wanted or next((each for each in manifests if each != intended.version), "")
        if target not in manifests:
            raise Inconclusive(
                f"There is no MetalLB {target} to upgrade to here.",
                remedy=f"There is {' and '.join(manifests)}.",
            )
        kustomize, overlay = Kustomize(kubectl, manifests), gitops.overlay.strip("/")
        with example.opened(gitops.repository) as root:
            runs = kustomize.render(root, overlay, version=intended.version)
            other = kustomize.render(root, overlay, version=target)
        # Definitions are whole here, and cut down in the observation; what is configured is what was committed.
        objects = [obj for obj in runs.objects if not is_configuration(obj)]
        objects += [obj for obj in self.drill.overlay.objects if is_configuration(obj)]
        return runs.model_copy(update={"objects": tuple(objects)}), other

    def _roll_out(self, earlier: Render, later: Render) -> None:
        overlay = self.drill.overlay
        steps = pool_objects.steps(_public(earlier), _public(later))
        with self.drill.timed(f"rolled out {later.version} in", budget=budgets.ROLLOUT):
            for step in sorted(steps, key=lambda each: list(OverlayPart).index(part_of(each.obj))):
                meta, resource = step.obj["metadata"], overlay.api.resource_for(step.obj)
                # MetalLB writes its certificate into the webhooks, so their list is never replaced as a whole.
                if step.patch is None or part_of(step.obj) is OverlayPart.WEBHOOKS:
                    overlay.changes.apply(step.obj, foreign=_WHY)
                else:
                    overlay.changes.patch(
                        resource, meta["name"], step.patch, meta.get("namespace"), foreign=_WHY
                    )
            self._rolled_out(later.version)

    def _rolled_out(self, version: str) -> None:
        try:
            wait.until(
                f"all of MetalLB runs {version}, ready",
                read=lambda: [*self.drill.disruption.metallb.unready(), *self._behind(version)],
                accept=lambda found: not found,
                budget=budgets.get(budgets.ROLLOUT),
            )
        except NotWithinBudget as late:
            raise self.drill.attribution.failure_of(PODS_READY, CauseId.VERSION_SKEW, str(late)) from None

    def _behind(self, version: str) -> list[str]:
        """The pods of MetalLB that run another version."""
        found = []
        for pod in self.drill.overlay.api.list(PODS, self.drill.profile.namespace):
            images = (
                [each["image"] for each in pod["spec"]["containers"]] if install.component_of(pod) else []
            )
            runs = {str(known) for image in images if (known := versions.of_image(image))}
            found += (
                [f"pod {pod['metadata']['name']} runs {', '.join(sorted(runs))}"] if runs - {version} else []
            )
        return found

    @contextmanager
    def _watched(self, before: AnnouncementState) -> Iterator[Measurement]:
        """Traffic and questions for the run's own service and others of the cluster, once all are served."""
        wire, targets = self.announced.wire, self._targets(before)
        asked = wire.to_ask(self.drill.record)
        with wire.vantage.watch_all(targets, neighbours=wire.neighbours, asked=asked) as seen:
            wait.until(
                "the measurement sees every address answered and served before anything is upgraded",
                read=lambda: {each.name: failover.baseline(seen.so_far(each)) for each in targets},
                accept=lambda served: min(served.values()) >= BASELINE,
                budget=budgets.get(budgets.SERVED),
            )
            yield seen

    def _targets(self, before: AnnouncementState) -> list[Target]:
        own = self.announced.address
        found = [Target(address=own, port=HTTP_PORT)]
        for service in map(services.parse, self.drill.overlay.api.list(SERVICES)):
            held = (address for address in before.addresses.get(service.key, ()) if address != own)
            port = next((each.number for each in service.ports if each.protocol == "TCP"), 0)
            found += [Target(address=address, port=port, protocol="tcp") for address in held if port]
        if len(found) > MOST_WATCHED:
            self.drill.record.note(
                f"{MOST_WATCHED} of {len(found)} addresses were measured during the upgrade"
            )
        return found[:MOST_WATCHED]

    def _record(self, seen: Measurement) -> None:
        keep(seen, self.drill.record)
        for timeline in seen.timelines.values():
            timeline.require_control()
            for way in (timeline.between(FAULT, RESTORED), timeline.between(RESTORED)):
                self._figures(way)
        record_gaps(seen, self.drill.record, budget=_LIMITS["gap of the service"])

    def _figures(self, way: Timeline) -> None:
        figures = {
            "gap of the address": way.address_gap,
            "gap of the service": way.outages.longest,
            "two nodes answering": way.overlap,
        }
        for name, value in figures.items():
            self.drill.record.measure(name, value, budget=budgets.get(_LIMITS[name]).within)
        failed = sum(not attempt.ok for attempt in way.attempts)
        self.drill.record.measure("failed requests", failed, unit="requests")


def _public(render: Render) -> Sequence[Object]:
    """What is rendered but for Secrets, which are never written."""
    return [obj for obj in render.objects if obj.get("kind") != "Secret"]


@dataclass(frozen=True)
class BeforeAndAfter:
    """Looks at one cluster before and after. `versions` are those of Kubernetes and MetalLB that run now."""

    api: Api
    wire: Wire
    attribution: FailureAttribution
    record: Record
    file: Path
    versions: tuple[str, str]

    def keep(self) -> AnnouncementState:
        """Keep who holds which address now, and who answers for it."""
        now = self._state()
        kubernetes, metallb = self.versions
        kept = SavedPhase(
            cluster=self.attribution.profile.name,
            uid=self.api.uid(),
            taken_at=dt.datetime.now(dt.UTC),
            kubernetes_version=kubernetes,
            metallb_version=metallb,
            addresses=dict(now.addresses),
            owners=dict(now.owners),
            serving=tuple(sorted(self.wire.consumers.keeping() if self.wire.consumers else ())),
        )
        upgrade_state.write(kept, self.file)
        self.gaps.forget()
        self.record.attach("upgrade.json", self.file)
        self.record.note(f"kept in {self.file}: {len(now.held)} addresses of {len(now.addresses)} services")
        return now

    @property
    def gaps(self) -> GapsFile:
        """Where what consumers miss during the upgrade is kept."""
        return GapsFile(self.file)

    def kept(self) -> SavedPhase:
        """What was kept before the upgrade. Inconclusive where it is not of this cluster, or too old."""
        return upgrade_state.read(self.file).for_cluster(self.api.uid(), now=dt.datetime.now(dt.UTC))

    def one_owner_each(self, now: AnnouncementState) -> None:
        """CheckFailed that names every address which not one node alone answers for."""
        found = _undecided(now, nodes=self._nodes)
        if found:
            raise self.attribution.changes(found)

    def before(self) -> AnnouncementState:
        """Who held which address before the upgrade, by what was kept then. Inconclusive where nothing was upgraded."""
        kept = self.kept()
        was = (kept.kubernetes_version, kept.metallb_version)
        text = [
            f"{name} {a} → {b}"
            for name, a, b in zip(("Kubernetes", "MetalLB"), was, self.versions, strict=True)
        ]
        self.record.note(f"kept {kept.taken_at:%Y-%m-%d %H:%M} UTC; {', '.join(text)}")
        return AnnouncementState(kept.addresses, kept.owners)

    @contextmanager
    def made(self, before: AnnouncementState) -> Iterator[None]:
        """Somebody else has made it: who asked consumers meanwhile is told so, and what they missed is kept."""
        del before
        self._missed()
        yield

    def _missed(self) -> None:
        """Keep what consumers missed, by who measured it."""
        gaps, kept = self.gaps, self.kept()
        found = gaps.read(kept.uid, since=kept.taken_at)
        if found is None:
            if self.attribution.profile.consumers:
                self.record.note(
                    "what it cost consumers was not measured: that takes --phase during, beside the upgrade"
                )
            return
        if not found.ended:
            found = self._ended(kept) or found
        for each in found.consumers:
            record_missed(each, self.record, budget=_LIMITS["gap of the service"])
        self.record.note(
            f"--phase during asked consumers from {found.since:%Y-%m-%d %H:%M:%S} to {found.until:%H:%M:%S} UTC"
            + ("" if found.ended else ", and has not ended")
        )

    def _ended(self, kept: SavedPhase) -> SavedGaps | None:
        """The figures to the end, which who measures writes when it learns that it is over; None if nobody does."""
        self.gaps.end()
        try:
            return wait.until(
                "who measures has written what consumers missed",
                read=lambda: self.gaps.read(kept.uid, since=kept.taken_at),
                accept=lambda found: found is not None and found.ended,
                budget=budgets.get(budgets.UPGRADE_FIGURES),
            )
        except NotWithinBudget:
            return None

    def compare(self, before: AnnouncementState) -> None:
        """CheckFailed that names every service whose address or owner is another one, or not one alone."""
        last: list[AnnouncementChange] = []

        def read() -> list[str]:
            now = self._state()
            last[:] = [
                *announcement_state.changes(before, now, nodes=self._nodes),
                *_undecided(now, nodes=self._nodes),
            ]
            return [str(each) for each in last]

        try:
            wait.until(
                "every service has the address of before, and one node alone, the same, answers for it",
                read=read,
                accept=lambda found: not found,
                budget=budgets.get(budgets.ANNOUNCED),
            )
        except NotWithinBudget as late:
            raise self.attribution.changes(last, str(late)) from None
        self._serves()
        self._upgraded()

    def _serves(self) -> None:
        """Wait until consumers that served before serve again. CheckFailed where they do not."""
        asking, serving = self.wire.consumers, frozenset(self.kept().serving)
        if asking is None or not serving:
            return
        try:
            wait.until(
                f"consumers serve as their probes promise: {', '.join(sorted(serving))}",
                read=lambda: asking.unkept(serving),
                accept=lambda found: not found,
                budget=replace(budgets.get(budgets.ANNOUNCED), every=_ASKED_EVERY),
            )
        except NotWithinBudget as late:
            raise self.attribution.failure_of(
                EDGE_ADDRESS, CauseId.CONSUMER_ANSWER_WRONG, str(late)
            ) from None

    def _upgraded(self) -> None:
        kept = upgrade_state.read(self.file)
        if (kept.kubernetes_version, kept.metallb_version) == self.versions:
            raise Inconclusive(
                f"Nothing was upgraded since the state was kept: MetalLB is still {self.versions[1]} and "
                f"Kubernetes {self.versions[0]}.",
                remedy="Run --phase after when the upgrade is done.",
            )

    @property
    def _nodes(self) -> frozenset[str]:
        return frozenset(self.wire.macs.nodes.values())

    def _state(self) -> AnnouncementState:
        return AnnouncementState.seen(held_addresses(self.api), self.wire.owners)


@dataclass(frozen=True)
class WhileUpgraded:
    """Asks consumers while somebody else upgrades the cluster, until it is told that the upgrade is over."""

    around: BeforeAndAfter

    def before(self) -> AnnouncementState:
        """Who held which address before the upgrade, by what was kept then."""
        return self.around.before()

    @contextmanager
    def made(self, before: AnnouncementState) -> Iterator[None]:
        """The upgrade, while consumers are asked; the block begins when it is over."""
        del before
        around, began = self.around, dt.datetime.now(dt.UTC)
        asked = around.wire.to_ask(around.record)
        if not asked:
            raise NotSupported(
                "no consumer of the profile serves, so there is nobody to ask during an upgrade"
            )
        limit = budgets.get(budgets.UPGRADE_MEASURED)
        around.gaps.begin()
        with ExitStack() as stack:
            seen = stack.enter_context(
                around.wire.vantage.watch_all([], asked=asked, at_most=limit.within + _LONGER)
            )
            try:
                self._until_over(seen, began, limit)
            finally:
                # Also where a person ends it: what was seen until then is what was asked for.
                self._keep(seen, began, ended=True)
            stack.close()
            keep(seen, around.record)
        record_gaps(seen, around.record, budget=_LIMITS["gap of the service"])
        yield

    def compare(self, before: AnnouncementState) -> None:
        """Nothing: who runs `--phase after` compares."""
        del before

    def _until_over(self, seen: Measurement, began: dt.datetime, limit: Budget) -> None:
        def over() -> bool:
            self._keep(seen, began, ended=False)
            return self.around.gaps.over

        try:
            wait.until("the upgrade is over", read=over, accept=bool, budget=limit)
        except NotWithinBudget:
            self.around.record.note(
                f"nobody said within {limit.within / 3600:g} h that the upgrade is over: consumers are asked no longer"
            )

    def _keep(self, seen: Measurement, began: dt.datetime, *, ended: bool) -> None:
        found = tuple(missed(asked, whole) for asked, whole in seen.answers_so_far() if whole.attempts)
        now = dt.datetime.now(dt.UTC)
        self.around.gaps.write(SavedGaps(uid=self._uid, since=began, until=now, ended=ended, consumers=found))

    @cached_property
    def _uid(self) -> str:
        return self.around.kept().uid


def _undecided(now: AnnouncementState, *, nodes: frozenset[str]) -> list[AnnouncementChange]:
    """The addresses that not one node alone answers for."""
    return [
        AnnouncementChange(
            service,
            _symptom(who, nodes),
            f"{address} of {service} is answered by {', '.join(who) or 'nobody'}",
            address,
        )
        for service, held in now.addresses.items()
        for address in held
        if len(who := now.owners.get(address, ())) != 1 or not nodes.issuperset(who)
    ]


def _symptom(who: tuple[str, ...], nodes: frozenset[str]) -> Symptom:
    if not who:
        return Symptom.SILENT
    return Symptom.TWO_ANNOUNCERS if nodes.issuperset(who) else Symptom.WRONG_ANNOUNCER
