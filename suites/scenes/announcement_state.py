"""Who holds which address, and who answers for it: what must be the same before and after. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from clusters.diagnosis.symptoms import Symptom


@dataclass(frozen=True)
class AnnouncementState:
    """The addresses of every LoadBalancer service by "namespace/name", and who answers for each address.

    Whoever answers is a node's name, or the MAC of a host outside the cluster.
    """

    addresses: Mapping[str, tuple[str, ...]]
    owners: Mapping[str, tuple[str, ...]]

    @classmethod
    def seen(
        cls,
        addresses: Mapping[str, tuple[str, ...]],
        answering: Callable[[Iterable[str]], Mapping[str, tuple[str, ...]]],
    ) -> AnnouncementState:
        """The state of services with these addresses; `answering` tells who answers for each of them."""
        return cls(addresses, answering(cls(addresses, {}).held))

    @property
    def held(self) -> tuple[str, ...]:
        """Every address that a service holds."""
        return tuple(sorted({address for found in self.addresses.values() for address in found}))


@dataclass(frozen=True)
class AnnouncementChange:
    """What is other than it was, at one service. `text` is a sentence."""

    service: str
    symptom: Symptom
    text: str
    address: str = ""

    def __str__(self) -> str:
        return self.text


def changes(
    before: AnnouncementState, now: AnnouncementState, *, nodes: frozenset[str]
) -> list[AnnouncementChange]:
    """How services that are still there differ. Addresses that not one machine alone answered for are left out."""
    found = []
    for service, held in sorted(before.addresses.items()):
        has = now.addresses.get(service, held)
        if has != held:
            found.append(_moved(service, held, has))
            continue
        found += [
            _answered(service, address, was[0], now.owners.get(address, ()), nodes)
            for address in held
            if len(was := before.owners.get(address, ())) == 1 and now.owners.get(address, ()) != was
        ]
    return found


def _moved(service: str, held: tuple[str, ...], has: tuple[str, ...]) -> AnnouncementChange:
    text = f"{service} held {_listed(held)} and now holds {_listed(has)}"
    symptom = Symptom.ADDRESS_CHANGED if has else Symptom.PENDING
    return AnnouncementChange(service, symptom, text, (has or held or ("",))[0])


def _answered(
    service: str, address: str, was: str, now: tuple[str, ...], nodes: frozenset[str]
) -> AnnouncementChange:
    text = f"{address} of {service} was answered by {was} and is now by {_listed(now, none='nobody')}"
    symptom = Symptom.NOT_BACK
    if not now:
        symptom = Symptom.SILENT
    elif not nodes.issuperset(now):
        symptom = Symptom.WRONG_ANNOUNCER
    elif len(now) > 1:
        symptom = Symptom.TWO_ANNOUNCERS
    return AnnouncementChange(service, symptom, text, address)


def _listed(names: tuple[str, ...], *, none: str = "nothing") -> str:
    return ", ".join(names) or none
