"""Causes that only a measurement on the wire shows."""

from __future__ import annotations

from clusters.cause_ids import CauseId
from clusters.check_ids import CheckId
from clusters.checks.causes.cause import Cause, Layer
from clusters.checks.outcome import Scope
from clusters.checks.path_links import Link
from clusters.commands import CAPTURE_ANYWHERE

CAUSES = (
    Cause(
        id=CauseId.GRATUITOUS_ARP_MISSING,
        title="The owner's gratuitous ARP does not arrive",
        meaning=(
            "The announcing node answers questions, but its gratuitous ARP is not seen, so neighbours that know "
            "an older MAC keep it until their entry ages out."
        ),
        remedy="Let the switch ports of the nodes pass gratuitous ARP (port security, ARP inspection, filters).",
        commands=(
            CAPTURE_ANYWHERE,
            "kubectl -n {metallb_namespace} logs {speaker} --tail=200",
        ),
        scope=Scope.SERVICE,
        link=Link.ANSWER,
        layer=Layer.NODES_AND_NETWORK,
        proven_by=(
            "The address moved while the capture ran, and no gratuitous frame of the new announcer is in it."
        ),
        excluded_by="Such a frame was captured.",
        effects=frozenset(),
        rank=None,
        narrowed_by_subject=False,
        reported_by=CheckId.ANNOUNCEMENT_GRATUITOUS,
        rests_on=(),
        last_resort=False,
    ),
    Cause(
        id=CauseId.OVER_BUDGET,
        title="It happened, but later than promised",
        meaning="What was promised came true after its time budget, and nothing else was found wrong.",
        remedy="Compare with earlier runs; look for load on the nodes and lossy links, and for slow suspicion.",
        commands=(
            "kubectl top nodes",
            "kubectl -n {metallb_namespace} logs {speaker} --tail=200",
        ),
        scope=Scope.CLUSTER,
        link=None,
        layer=Layer.UNKNOWN,
        proven_by="The claim was seen to come true after its budget.",
        excluded_by="It came true within its budget, or not at all.",
        effects=frozenset(),
        rank=None,
        narrowed_by_subject=False,
        reported_by="",
        rests_on=(),
        last_resort=False,
    ),
    Cause(
        id=CauseId.UNEXPLAINED,
        title="No cause was found",
        meaning="A promise does not hold, and nothing that was looked at says why.",
        remedy="Look through the evidence of the check; the timeline and the capture show what the wire saw.",
        commands=(
            "kubectl -n {namespace} describe svc {service}",
            "kubectl -n {metallb_namespace} logs {speaker} --tail=200",
        ),
        scope=Scope.SERVICE,
        link=None,
        layer=Layer.UNKNOWN,
        proven_by="The claim did not come true, and no known cause was found.",
        excluded_by="A cause was found.",
        effects=frozenset(),
        rank=None,
        narrowed_by_subject=False,
        reported_by="",
        rests_on=(),
        last_resort=False,
    ),
)
