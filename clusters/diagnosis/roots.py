"""A root: one cause that holds, with its proof, and the one check where it is at home.

What one fault breaks shows in several checks. The check at which the cause is at home names the root; every
other one refers to it by that check's id, so that a reader mends one thing and not ten.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from clusters.checks import Finding
from clusters.checks.causes import get

#: Where each cause is at home, unless a root says otherwise.
HOMES = {
    "controller-down": "health.pods-ready",
    "controller-crashing": "health.pods-ready",
    "speaker-down": "health.pods-ready",
    "speaker-crashing": "health.pods-ready",
    "memberlist-secret-missing": "health.pods-ready",
    "pool-missing": "health.config-present",
    "pool-not-advertised": "health.config-present",
    "advertisement-unknown-pool": "health.config-present",
    "rival-controller": "health.services-addressed",
    "permission-missing": "health.controller-log",
    "api-unreachable": "recovery.incident-scope",
    "memberlist-partition": "health.speaker-log",
    "memberlist-key-mismatch": "health.speaker-log",
    "memberlist-disabled": "health.speaker-log",
    "webhook-unreachable": "health.config-accepted",
    "config-rejected": "health.config-accepted",
    "pool-exhausted": "pending.free-address",
    "pool-autoassign-off": "pending.free-address",
    "pool-restricted": "pending.free-address",
    "requested-outside-pools": "pending.requested-address",
    "requested-taken": "pending.requested-address",
    "requested-twice": "pending.annotations",
    "requested-wrong-pool": "pending.annotations",
    "family-unavailable": "pending.annotations",
    "sharing-refused": "pending.annotations",
    "class-mismatch": "pending.annotations",
    "deprecated-annotation": "pending.annotations",
    "speaker-missing-on-node": "traffic.speakers-placed",
    "node-excluded": "traffic.speakers-placed",
    "advertisement-selects-nothing": "traffic.speakers-placed",
    "advertisement-interface-missing": "traffic.speakers-placed",
    "wrong-segment": "traffic.l2-segment",
    "vantage-not-on-segment": "traffic.l2-segment",
    "no-endpoints": "traffic.backends-healthy",
    "endpoints-unready": "traffic.backends-healthy",
    "local-policy-no-endpoint-on-announcer": "traffic.backends-healthy",
    "backend-refuses": "traffic.backends-healthy",
    "duplicate-announcer": "traffic.single-announcer",
    "strict-arp-off": "traffic.single-announcer",
    "nobody-answers": "traffic.single-announcer",
    "foreign-responder": "traffic.single-announcer",
    "owner-disagreement": "traffic.owner-agreed",
    "not-routed": "traffic.routed",
    "kube-proxy-stale": "trigger.unreachable-address",
    "source-not-allowed": "trigger.unreachable-address",
    "crd-outdated": "overlay.version-skew",
    "version-skew": "overlay.version-skew",
    "address-not-intended": "trigger.edge-address",
    "pool-overlap": "overlay.ranges-valid",
    "pool-range-invalid": "overlay.ranges-valid",
    "pool-holds-node-address": "overlay.ranges-valid",
    "pool-holds-gateway-address": "overlay.ranges-valid",
    "node-not-ready": "recovery.incident-scope",
    "node-network-unavailable": "recovery.incident-scope",
    "controller-cpu-bound": "scaling.controller-cpu",
    "speaker-unschedulable": "scaling.speaker-scheduling",
}


@dataclass(frozen=True, kw_only=True)
class Root:
    """One cause that holds for one subject ("service shop/web", "pool edge", "node w1", "cluster").

    `fields` fill in the commands of the cause (see `clusters.checks.causes.FIELDS`). `remedy` is given where
    more is known than the cause's own says.
    """

    cause: str
    subject: str
    summary: str
    evidence: tuple[str, ...] = ()
    ruled_out: tuple[str, ...] = ()
    home: str = ""
    remedy: str = ""
    fields: dict[str, str] = field(default_factory=dict)

    @property
    def at(self) -> str:
        """The check at which this root is at home."""
        return self.home or HOMES[self.cause]

    @property
    def key(self) -> tuple[str, str]:
        """What makes two roots the same."""
        return self.cause, self.subject

    def finding(self) -> Finding:
        """The root as a finding of the check that it is at home at."""
        known = get(self.cause)
        return Finding(
            cause=self.cause,
            subject=self.subject,
            summary=self.summary,
            evidence=self.evidence,
            remedy=self.remedy or known.remedy,
            commands=known.render(**self.fields),
            ruled_out=self.ruled_out,
        )


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """Why something is wrong with one subject: the root behind it, told for this subject."""

    root: Root
    subject: str
    summary: str
    evidence: tuple[str, ...] = ()
    ruled_out: tuple[str, ...] = ()
    fields: dict[str, str] = field(default_factory=dict)

    def finding(self, check: str) -> Finding:
        """The explanation as a finding of `check`, referring to the root where that is at home elsewhere."""
        known = get(self.root.cause)
        return Finding(
            cause=self.root.cause,
            subject=self.subject,
            summary=self.summary,
            evidence=tuple(dict.fromkeys((*self.evidence, *self.root.evidence))),
            remedy=self.root.remedy or known.remedy,
            commands=known.render(**(self.root.fields | self.fields)),
            ruled_out=tuple(dict.fromkeys((*self.ruled_out, *self.root.ruled_out))),
            root="" if self.root.at == check else self.root.at,
        )


def referring(finding: Finding, root: str) -> Finding:
    """A finding that only repeats what check `root` names."""
    return replace(finding, root=root)
