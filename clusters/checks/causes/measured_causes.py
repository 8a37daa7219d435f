"""Causes that only a measurement on the wire shows."""

from __future__ import annotations

from clusters.checks.causes.cause import Cause, Layer
from clusters.checks.outcome import Scope
from clusters.checks.path_links import Link
from clusters.commands import CAPTURE_ANYWHERE

CAUSES = (
    Cause(
        id="gratuitous-arp-missing",
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
        reported_by="announcement.gratuitous",
    ),
    Cause(
        id="kube-proxy-stale",
        title="A node does not forward to the service",
        meaning=(
            "The address is answered by the right node, or a pod on the node asks for it, and ready endpoints exist, "
            "but the node passes nothing on: its kube-proxy, or what stands in for it, has not programmed the service."
        ),
        remedy="Restart kube-proxy on that node (the announcing one, for clients outside) and read its log.",
        commands=(
            "kubectl -n kube-system get pods -o wide -l k8s-app=kube-proxy",
            "kubectl -n kube-system logs -l k8s-app=kube-proxy --tail=100",
            "kubectl -n {namespace} get endpointslices -l kubernetes.io/service-name={service}",
        ),
        scope=Scope.SERVICE,
        link=Link.FORWARD,
        layer=Layer.NODES_AND_NETWORK,
        proven_by=(
            "The announcing node replies to ARP, an endpoint is ready, and no answer comes back from the "
            "port."
        ),
        excluded_by="The port answers or refuses.",
        effects=frozenset(),
        rank=None,
        narrowed_by_subject=False,
        reported_by="trigger.unreachable-address",
    ),
    Cause(
        id="source-not-allowed",
        title="The service lets in other clients only",
        meaning=(
            "The service has loadBalancerSourceRanges, and the nodes drop the packets of every client outside them: "
            "its address answers ARP and its ports stay silent."
        ),
        remedy="Add these clients' network to the service's loadBalancerSourceRanges, if they are meant to come in.",
        commands=(
            "kubectl -n {namespace} get svc {service} -o jsonpath='{{.spec.loadBalancerSourceRanges}}'",
            "kubectl -n {namespace} edit svc {service}",
        ),
        scope=Scope.SERVICE,
        link=Link.FORWARD,
        layer=Layer.CONFIGURATION,
        proven_by=(
            "The service has loadBalancerSourceRanges, the vantage's address is in none, and no answer comes "
            "back."
        ),
        excluded_by="The vantage's address is allowed.",
        effects=frozenset(),
        rank=None,
        narrowed_by_subject=False,
        reported_by="trigger.unreachable-address",
    ),
    Cause(
        id="over-budget",
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
    ),
    Cause(
        id="unexplained",
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
    ),
)
