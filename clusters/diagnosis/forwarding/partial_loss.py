"""Where some tries at a port are served and others lost: to a limit, or to the endpoints of some nodes.

What is lost to a limit is lost only while tries follow one another fast. What is lost on the way to an endpoint sticks
to a source port, which the announcing node hands on to the same endpoint again, and is as large a share as the
endpoints of the nodes behind that way.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from clusters.cause_ids import CauseId
from clusters.diagnosis.facts import Facts
from clusters.diagnosis.forwarding import undecided
from clusters.diagnosis.forwarding.stretch import SEVERAL, Stretch
from clusters.diagnosis.root_cause import RootCause
from clusters.diagnosis.wire_index import MOST_LOST, Responder, same_family
from clusters.observation.field_types import ProbeOutcome
from clusters.observation.snapshot import Reached
from clusters.subject import Subject

#: A lost share fits that of some endpoints within so many standard deviations.
_DEVIATIONS = 2.5
#: What is less likely than this does not happen by chance.
_CHANCE = 0.02


class PartialLoss:
    """Explains ports of which some tries are lost. `explain` says why nothing at all comes back from a stretch."""

    def __init__(self, facts: Facts, explain: Callable[[Stretch], RootCause]) -> None:
        self.facts, self._explain = facts, explain
        self._mute: dict[str, RootCause | None] = {}

    def root(self, stretch: Stretch) -> RootCause | None:
        """Some tries are served and others lost, perhaps those to the endpoints of some nodes."""
        one = stretch.partly
        if one is None:
            return None
        share = f"{one.lost} of {one.tries} tries at {one.protocol} {one.address}:{one.port} are lost"
        if limited := _limited(stretch, one, share):
            return limited
        fits = self._losing(stretch, one)
        if not fits or not stretch.node:
            return undecided.some_are_lost(stretch, share, by_endpoint=_sticks(one))
        # What is proved of one that fits counts for more than how well the others do, which is chance.
        for _, each in sorted(fits):
            if len(each) == 1 and (root := self._forwards_nothing(each[0])):
                return root
        fitting = [each for off, each in fits if off == min(fits)[0]]
        nodes = tuple(sorted({name for each in fitting for name in each}))
        if not (_sticks(one) and _reached_whole(stretch) and self._no_single_pod(stretch, one)):
            return undecided.some_are_lost(stretch, share, nodes, by_endpoint=_sticks(one))
        every = sum(stretch.endpoints.values())
        behind = sum(stretch.endpoints[node] for node in fitting[0])
        among = " or ".join(", ".join(each) for each in fitting)
        whose = f"node {among}" if len(fitting[0]) < 2 else f"the other nodes ({among})"
        found = stretch.root(
            CauseId.BACKEND_PATH_BROKEN,
            f"{share}, as many as go from node {stretch.node} to the endpoints on {whose}.",
            f"{behind} of {every} endpoints are on {among}, {100 * behind // every} % of them, or "
            f"{100 * behind * behind // (every * every)} % where a lost packet is sent again to any endpoint; "
            f"{100 * one.lost // one.tries} % of the tries were lost",
            f"{one.again} of the lost tries were made again from their source ports, which that node hands on to the "
            "same endpoints, and all were lost again",
            *(f"endpoint {stretch.endpoint(node)} is on node {node}" for node in nodes),
        )
        return replace(
            found,
            # Of nodes with equally many endpoints nobody outside can tell which one it is.
            subject=Subject.node(nodes[0] if len(nodes) == 1 else stretch.node),
        )

    def _forwards_nothing(self, node: str) -> RootCause | None:
        """Why a node passes nothing on at all, where that is proved by what it announces itself."""
        if node not in self._mute:
            self._mute[node] = None
            wire = self.facts.wire_index
            for address in wire.announced_alone.get(node, ()):
                service = self.facts.services.get(
                    next((one.service for one in wire.of_address.get(address, ())), "")
                )
                lost = wire.unreached(service.key) if service else ()
                if service is None or not lost or any(one.replied for one in lost):
                    continue
                own = Stretch(self.facts, service, lost, node)
                if own.located or own.prohibitions:
                    self._mute[node] = self._explain(own)
                    break
        return self._mute[node]

    def _losing(self, stretch: Stretch, one: Reached) -> list[tuple[float, tuple[str, ...]]]:
        """The other nodes, or all of them, whose endpoints have the lost share, each with how far that is off."""
        others = sorted(set(stretch.endpoints) - {stretch.node, ""})
        sets = [(name,) for name in others] + ([tuple(others)] if len(others) > 1 else [])
        every = sum(stretch.endpoints.values())
        fits = []
        for nodes in sets:
            off = _off(one, sum(stretch.endpoints[name] for name in nodes) / every)
            if off <= _DEVIATIONS and not any(self._serves_from(stretch, name) for name in nodes):
                fits.append((off, nodes))
        return fits

    def _no_single_pod(self, stretch: Stretch, one: Reached) -> bool:
        """Whether no single pod that drops what comes, or is gone, explains what is lost.

        None does where another service by the same announcer loses tries that has other pods, or where more is lost
        than goes to one endpoint.
        """
        pods = [set(map(str, stretch.addresses))]
        for key, tries in self.facts.wire_index.reached.items():
            service = self.facts.services.get(key)
            if key == stretch.service.key or service is None or service.local_policy:
                continue
            if any(each.partly and each.lost >= MOST_LOST for each in tries if self._by(stretch, each)):
                found = self.facts.endpoints.get(key, ())
                pods.append(
                    {
                        address
                        for each in found
                        for address in each.addresses[:1]
                        if each.servable and same_family(address, stretch.address)
                    }
                )
        if not set.intersection(*pods):
            return True
        return _off(one, 1 / sum(stretch.endpoints.values())) > _DEVIATIONS

    def _by(self, stretch: Stretch, one: Reached) -> bool:
        """Whether the same announcer alone replies for what was tried, by the same family."""
        alone = self.facts.wire_index.responders(one.address) == (Responder(node=stretch.node),)
        return alone and same_family(one.address, stretch.address)

    def _serves_from(self, stretch: Stretch, name: str) -> bool:
        """Whether another service of the same announcer loses nothing although that node has endpoints of it.

        By addresses of the same family: what comes back by the other one went another way.
        """
        for key, tries in self.facts.wire_index.reached.items():
            service = self.facts.services.get(key)
            if key == stretch.service.key or service is None or service.local_policy:
                continue
            found = [each.node for each in self.facts.endpoints.get(key, ()) if each.servable]
            whole = [
                one
                for one in tries
                if one.outcome == ProbeOutcome.ANSWERED and not one.lost and one.tries >= SEVERAL
                and self._by(stretch, one)
            ]  # fmt: skip
            # That so many tries all went elsewhere by chance is to be unlikely.
            if whole and found and (1 - found.count(name) / len(found)) ** whole[0].tries < _CHANCE:
                return True
        return False


def _limited(stretch: Stretch, one: Reached, share: str) -> RootCause | None:
    """What is lost while tries follow one another fast, and in between more slowly is not, is lost to a limit."""
    slow = one.again + one.slower
    if (
        one.burst_lost < MOST_LOST
        or one.again_lost
        or one.slower_lost
        or (1 - one.lost / one.tries) ** slow >= _CHANCE
    ):
        return None
    return stretch.root(
        CauseId.CONNECTIONS_LIMITED,
        f"{share} while they follow one another fast, and none of {slow} at ten a second or fewer: something "
        "limits how many connections a second may begin.",
        f"made as fast again after that, {one.burst_lost} of {one.burst} tries were lost",
    )


def _reached_whole(stretch: Stretch) -> bool:
    """Whether the announcing node itself loses no try: what drops some connections before it would show there."""
    reach = stretch.reach
    return bool(
        reach and reach.replied and not any(end.outcome is ProbeOutcome.TIMEOUT for end in reach.ends)
    )


def _sticks(one: Reached) -> bool:
    """Whether what was lost is lost again from the same source ports, and not by chance."""
    return (
        1 < one.again == one.again_lost
        and one.slower_lost < one.slower
        and (one.lost / one.tries) ** one.again < _CHANCE
    )


def _off(one: Reached, share: float) -> float:
    """By how many standard deviations the lost tries miss those that go to a share of the endpoints.

    A first packet that is lost on the announcing node itself leaves no trace there: sent again after a second, within
    the time of a try, it may be sent to another endpoint, and the try is lost only where both met that share.
    """
    return min(
        abs(one.lost - one.tries * lost) / (math.sqrt(one.tries * lost * (1 - lost)) or 0.5)
        for lost in (share, share * share)
    )
