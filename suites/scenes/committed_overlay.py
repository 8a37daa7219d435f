"""The overlay that the profile names, as something to apply: part by part, as it is or spoilt on purpose."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_address

from clusters import outbound
from clusters.api import Api, Invalid, WebhookFailed
from clusters.cause_ids import CauseId
from clusters.changes import Changes
from clusters.checks import CheckFailed, Finding
from clusters.errors import Inconclusive
from clusters.gitops import field_comparison, repository_collection
from clusters.gitops.findings import subject_of
from clusters.gitops.pool_objects import POOL, is_configuration, key, pool_of
from clusters.gitops.repository_snapshot import RepositorySnapshot, usable
from clusters.metallb.ranges import Address
from clusters.objects import Object

#: RFC 5737: what a typing error makes of a range; no network uses these addresses.
WRONG = "192.0.2.0/28"
_WHY = "the overlay of the cluster is applied"


class OverlayPart(StrEnum):
    """The parts of an overlay, in the order in which they are applied.

    Pools come before the controller, which then finds the pools of the addresses that services hold, and
    does not take these away; and before the webhook, which refuses them as long as its controller starts.
    """

    GROUND = "ground"
    CONFIGURATION = "configuration"
    WORKLOADS = "workloads"
    WEBHOOKS = "webhooks"


@dataclass(frozen=True)
class Overlay:
    """What the last commit renders for the cluster, but for its Secrets: they are never read nor written."""

    name: str
    objects: tuple[Object, ...]
    api: Api
    changes: Changes

    @classmethod
    def of(cls, repository: RepositorySnapshot, api: Api, changes: Changes) -> Overlay:
        """The overlay as it was committed. Raises Inconclusive where it cannot be rendered as a whole."""
        render = usable(repository.intended)
        if render.left_out:
            raise Inconclusive(
                f"Only the configuration of {render.overlay} was rendered, for {', '.join(render.left_out)} is "
                "not there.",
                remedy="Put MetalLB's release manifest in place, or run make setup for the versions of the lab.",
            )
        objects = tuple(found for found in render.objects if found.get("kind") != "Secret")
        if outbound.REDACTED[:-1] in "".join(map(field_comparison.canonical, objects)):
            raise Inconclusive(
                f"The kept overlay {render.overlay} is without its secrets, so it cannot be applied.",
                remedy="Run the drill with the repository that the profile names.",
            )
        return cls(render.overlay, objects, api, changes)

    def part(self, *parts: OverlayPart) -> tuple[Object, ...]:
        """The objects of some parts, in the order in which they are applied; of all where none is named."""
        wanted = parts or tuple(OverlayPart)
        return tuple(
            obj for part in OverlayPart if part in wanted for obj in self.objects if part_of(obj) is part
        )

    def missing(self, *parts: OverlayPart) -> list[str]:
        """The objects that are not live as they are rendered, a sentence each."""
        wanted = self.part(*parts)
        found = zip(wanted, repository_collection.counterparts(self.api, wanted), strict=True)
        return [text for obj, each in found if (text := _drift(obj, each.found, each.unreadable))]

    def apply(self, *parts: OverlayPart) -> None:
        """Make the cluster hold these parts, or all; what is as it should be is not written to.

        Raises CheckFailed for what MetalLB, or what stands in its way, refuses.
        """
        wanted = self.part(*parts)
        for obj, each in zip(wanted, repository_collection.counterparts(self.api, wanted), strict=True):
            if _drift(obj, each.found, each.unreadable):
                try:
                    self.changes.apply(obj, foreign=_WHY)
                except (Invalid, WebhookFailed) as error:
                    raise CheckFailed(refusal(obj, error)) from None

    def without(self, address: str) -> tuple[Object, ...]:
        """Its pools, the one that holds `address` without it: a change that one service suffers from."""
        wanted = ip_address(address)
        return tuple(_with_addresses(obj, lambda pool: _without(pool, wanted)) for obj in self._pools())

    def misplaced(self, *, but: Iterable[str]) -> tuple[Object, ...]:
        """Its pools with the wrong range, the first with the addresses `but` as well: a bad overlay."""
        kept = [f"{one}-{one}" for one in but]
        first, *others = self._pools()
        # A pool may not overlap another, and must have a range.
        moved = [
            _with_addresses(obj, lambda _, n=number: [f"192.0.2.{16 + n}/32"])  # type: ignore[misc]  # n is an int
            for number, obj in enumerate(others)
        ]
        return (_with_addresses(first, lambda _: [WRONG, *kept]), *moved)

    def _pools(self) -> tuple[Object, ...]:
        found = tuple(obj for obj in self.part(OverlayPart.CONFIGURATION) if obj["kind"] == POOL)
        if not found:
            raise Inconclusive(f"The overlay {self.name} renders no pool, so there is none to change.")
        return found


def part_of(obj: Object) -> OverlayPart:
    """The part that a rendered object belongs to."""
    if is_configuration(obj):
        return OverlayPart.CONFIGURATION
    kinds = {
        "Deployment": OverlayPart.WORKLOADS,
        "DaemonSet": OverlayPart.WORKLOADS,
        "ValidatingWebhookConfiguration": OverlayPart.WEBHOOKS,
    }
    return kinds.get(str(obj.get("kind")), OverlayPart.GROUND)


def refusal(obj: Object, error: Invalid | WebhookFailed) -> Finding:
    """A refusal of an object as a finding, by what refused it."""
    said = error.message or str(error.args[0])
    cause = CauseId.WEBHOOK_UNREACHABLE
    if isinstance(error, Invalid):
        cause = (
            CauseId.POOL_OVERLAP
            if "overlaps" in said
            else CauseId.CONFIG_REJECTED
            if error.webhook
            else CauseId.OVERLAY_INVALID
        )
    kind, _, name = key(obj).partition(" ")
    return Finding(
        cause=cause,
        subject=subject_of(kind, name),
        summary=f"{key(obj)} is refused: {said}",
        evidence=(said,),
    )


def _drift(obj: Object, found: Object | None, unreadable: str) -> str:
    if unreadable:
        raise Inconclusive(unreadable)
    if found is None:
        return f"{key(obj)} does not exist"
    mark = outbound.SameMark()
    different = field_comparison.differences(outbound.value(obj, mark), outbound.value(found, mark))
    return f"{key(obj)} is not as it is rendered: {different[0]}" if different else ""


def _with_addresses(obj: Object, addresses: Callable[[Object], list[str]]) -> Object:
    changed = copy.deepcopy(obj)
    changed["spec"]["addresses"] = addresses(obj)
    return changed


def _without(pool: Object, address: Address) -> list[str]:
    """The pool's ranges but for one address."""
    listed = []
    for each in pool_of(pool).ranges:
        if address not in each:
            listed.append(str(each))
            continue
        low, high = int(each.first), int(each.last)
        pieces = ((low, int(address) - 1), (int(address) + 1, high))
        kind = type(address)
        listed += [f"{kind(first)}-{kind(last)}" for first, last in pieces if first <= last]
    return listed or [WRONG]
