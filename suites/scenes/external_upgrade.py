"""An upgrade that somebody else performs: what holds before it is kept, and compared with what holds after it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from clusters import budgets, wait
from clusters.api import Api
from clusters.diagnosis.symptoms import Symptom
from clusters.errors import Inconclusive
from clusters.wait import NotWithinBudget
from suites.plugin import saved_phase
from suites.plugin.record import Record
from suites.plugin.saved_phase import SavedPhase
from suites.scenes import announcement_state
from suites.scenes.announced import Wire
from suites.scenes.announcement_state import AnnouncementChange, AnnouncementState
from suites.scenes.failure_attribution import FailureAttribution
from suites.scenes.own_services import held_addresses


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
        )
        saved_phase.write(kept, self.file)
        self.record.attach("upgrade.json", self.file)
        self.record.note(f"kept in {self.file}: {len(now.held)} addresses of {len(now.addresses)} services")
        return now

    def one_owner_each(self, now: AnnouncementState) -> None:
        """CheckFailed that names every address which not one node alone answers for."""
        found = _undecided(now, nodes=self._nodes)
        if found:
            raise self.attribution.changes(found)

    def before(self) -> AnnouncementState:
        """Who held which address before the upgrade, by what was kept then. Inconclusive where nothing was upgraded."""
        kept = saved_phase.read(self.file).for_cluster(self.api.uid(), now=dt.datetime.now(dt.UTC))
        was = (kept.kubernetes_version, kept.metallb_version)
        text = [
            f"{name} {a} → {b}"
            for name, a, b in zip(("Kubernetes", "MetalLB"), was, self.versions, strict=True)
        ]
        self.record.note(f"kept {kept.taken_at:%Y-%m-%d %H:%M} UTC; {', '.join(text)}")
        return AnnouncementState(kept.addresses, kept.owners)

    @contextmanager
    def made(self, before: AnnouncementState) -> Iterator[None]:
        """Nothing: somebody else has made it."""
        del before
        yield

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
        self._upgraded()

    def _upgraded(self) -> None:
        kept = saved_phase.read(self.file)
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
