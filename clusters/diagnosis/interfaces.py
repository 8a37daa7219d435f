"""Advertisements that name interfaces which an announcing node does not have.

The election does not look at interfaces: such a node wins and says nothing. What it already announced when the
advertisement was changed goes on, so that nothing breaks before the next speaker starts. The speaker tells its
own interfaces in the line that it logs then (`SetBalancer` in MetalLB's speaker/layer2_controller.go).
"""

from __future__ import annotations

from collections.abc import Iterator

from clusters import json_text
from clusters.cause_ids import CauseId
from clusters.diagnosis.facts import Facts
from clusters.diagnosis.root_cause import RootCause
from clusters.metallb import advertisements
from clusters.metallb.advertisements import Advertisement
from clusters.metallb.log_lines import fields_of
from clusters.subject import Subject

_SHOWN = 6


def root_causes(facts: Facts) -> Iterator[RootCause]:
    """One for each advertisement that names interfaces which a node it selects does not have, as its speaker logged."""
    naming = [each for each in facts.advertisements if each.interfaces]
    if not naming:
        return
    present = {name: found for name in facts.nodes if (found := _present(facts, name)) is not None}
    for advertisement in naming:
        others = [each for each in facts.advertisements if _together(facts, advertisement, each)]
        mute = {
            name: reason.text
            for name, interfaces in present.items()
            if advertisement.allows(node := facts.nodes[name])
            and (reason := advertisements.interface_missing(node, others, interfaces))
        }
        name = advertisement.name
        if mute:
            yield RootCause(
                cause=CauseId.ADVERTISEMENT_INTERFACE_MISSING,
                subject=Subject("advertisement", name),
                summary=f"L2Advertisement {name} names interfaces that {len(mute)} of its nodes do not have.",
                evidence=tuple(mute.values())[:_SHOWN],
                nodes=tuple(mute),
                fields=facts.command_fields(),
            )


def _together(facts: Facts, one: Advertisement, other: Advertisement) -> bool:
    """Whether two advertisements cover a pool in common, so that a node may use the interfaces of either."""
    return one == other or any(one in found and other in found for found in facts.covering.values())


def _present(facts: Facts, node: str) -> set[str] | None:
    """The interfaces that a node's speaker said it has when it last lacked one; None where it never did."""
    pod = facts.components.speakers.get(node)
    for hit in reversed(facts.hits.get(pod.name, ())) if pod else ():
        if hit.signature.id == "interface-missing":
            return _names(fields_of(hit.line).get("localIfs", "[]"))
    return None


def _names(text: str) -> set[str] | None:
    """The names in a JSON list; None where a log line has something else in its place."""
    try:
        found = json_text.parsed(text)
    except json_text.NotJson:
        return None
    return set(map(str, found)) if isinstance(found, list) else None
