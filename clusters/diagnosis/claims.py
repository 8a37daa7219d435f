"""What a node's own speaker says of an address: it announces it, it does not, or nobody knows.

A speaker denies only where its metrics were read and do not name the address. From 0.16.0 unread metrics are the
ordinary case, and what was not read never counts as a denial.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from clusters.diagnosis.facts import Facts

METRIC = "metallb_speaker_announced"


class Claim(StrEnum):
    """What is known of one node and one address."""

    CLAIMED = "claimed"
    DENIED = "denied"
    NOT_READ = "not read"


def of_node(facts: Facts, node: str, address: str) -> Claim:
    """What the speaker of a node says of an address. Where no speaker runs, nobody announces."""
    if node in facts.signals.announced.get(address, ()):
        return Claim.CLAIMED
    absent = node not in facts.components.speakers and facts.snapshot.pods.ok
    return Claim.DENIED if absent or node in facts.speakers_read else Claim.NOT_READ


def unread(facts: Facts, nodes: Iterable[str], address: str) -> tuple[str, ...]:
    """Those of the nodes whose speaker's word on an address is not known."""
    return tuple(node for node in nodes if of_node(facts, node, address) is Claim.NOT_READ)


def describe(facts: Facts, address: str) -> str:
    """Who says that he announces an address, and of whom it was not read."""
    nodes, speakers = sorted(facts.signals.announced.get(address, ())), sorted(facts.components.speakers)
    silent = unread(facts, speakers, address)
    told = [", ".join(nodes)] if nodes else [] if silent else ["on no node"]
    told += (
        ["not read" if len(silent) == len(speakers) else f"not read on {', '.join(silent)}"] if silent else []
    )
    return f"{METRIC} for {address}: {'; '.join(told)}"
