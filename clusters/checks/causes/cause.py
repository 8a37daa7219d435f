"""What a cause is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from clusters.cause_ids import CauseId
from clusters.check_ids import CheckId
from clusters.checks.outcome import Scope
from clusters.checks.path_links import Link
from clusters.commands import Command, commands


class Layer(StrEnum):
    """Where a cause lies: whose work it is to fix it."""

    CONFIGURATION = "configuration"
    METALLB = "MetalLB itself"
    NODES_AND_NETWORK = "nodes and network"
    CONSUMER = "consumers' workloads"
    VANTAGE = "the vantage"
    REPOSITORY = "the repository"
    UPGRADE = "the upgrade"
    UNKNOWN = "not known"


class Effect(StrEnum):
    """What a cause does to services other than the object that it is found at."""

    STOPS_CONTROLLER = "no service is given an address"
    STOPS_SPEAKER = "the node's speaker takes no part in an election"
    LOSES_NODE = "what runs on the node cannot be relied on"
    PODS_NOT_READY = "a pod of MetalLB's is not ready"
    PREVENTS_TAKEOVER = "no other node takes an address over"
    SPLITS = "two sides announce one address"
    SILENCES = "the elected node does not announce"
    REFUSES_CONFIGURATION = "MetalLB keeps working with an older configuration"
    CHANGES_ADDRESS = "addresses change, or are given out against the rules"
    KEEPS_ADDRESS = "an address that no pool holds is not taken back"
    NOTHING_BEHIND = "nothing serves behind an address"
    CUTS_OFF = "pods on the node are not reached from other hosts"


@dataclass(frozen=True, kw_only=True)
class Cause:
    """One thing that can be wrong: everything that is known about it stands here, and nowhere else.

    `meaning` is one sentence for somebody who was not there, `remedy` one sentence that says what to do, and
    `commands` the templates of what to type for it: first what shows the fault, then what fixes it.

    `link` is the link of a service's path that it breaks, None where it is on no path (the repository, an
    upgrade). `layer` says whose work it is. `proven_by` is what has to be read before a finding may name the
    cause, `excluded_by` what proves that it is not this one. `effects` is what services elsewhere suffer from
    it; of several causes with one effect the one of the lowest `rank` explains it, and `rank` is None where
    there are no effects. `scope` is how far such a fault reaches unless its finding says otherwise, and only
    as far as the object that it is found at where it is `narrowed_by_subject`. `reported_by` is the check that
    reports it and that all others refer to, "" where it is whichever check measured it. `rests_on` are the lists of
    an observation (`clusters.checks.spec`) that have to be known as a whole, as an object more in them could
    take the cause back. A `last_resort` is named where nothing else explains what was seen.
    """

    id: CauseId
    title: str
    meaning: str
    remedy: str
    commands: tuple[str, ...]
    scope: Scope
    link: Link | None
    layer: Layer
    proven_by: str
    excluded_by: str
    effects: frozenset[Effect]
    rank: int | None
    narrowed_by_subject: bool
    reported_by: CheckId | Literal[""]
    rests_on: tuple[str, ...]
    last_resort: bool

    def __post_init__(self) -> None:
        if (self.rank is None) != (not self.effects):
            raise ValueError(f"The cause {self.id} needs a rank if it has effects, and none if it has not.")

    def render(self, **fields: str) -> tuple[Command, ...]:
        """The commands, filled in (see `clusters.commands`): a missing or unfit field stays "<name>"."""
        return commands(self.commands, **fields)
