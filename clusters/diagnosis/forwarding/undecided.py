"""Packets are lost, and nothing that was read proves by what: a neutral cause, with what is ruled out and what is not.

Every candidate has the command that decides it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from clusters.cause_ids import CauseId
from clusters.checks import Candidate
from clusters.checks.causes import forwarding_causes
from clusters.commands import CARDS, command
from clusters.diagnosis import kube_proxy
from clusters.diagnosis.forwarding.stretch import Stretch
from clusters.diagnosis.root_cause import RootCause
from clusters.subject import Subject

_PROXY_PODS = (
    "kubectl -n kube-system get pods -o wide -l k8s-app=kube-proxy --field-selector spec.nodeName={node}"
)
#: So many endpoints of a node are asked for.
_SHOWN = 3
_POLICIES = "kubectl -n {namespace} get networkpolicies -o yaml"
_BACKENDS = "kubectl -n {namespace} get endpointslices -l kubernetes.io/service-name={service} -o wide"


def nothing_comes_back(stretch: Stretch, others: tuple[Candidate, ...]) -> RootCause:
    """Nothing comes back, and nothing that was read proves why."""
    where = f"node {stretch.node}" if stretch.node else "the node that announces it"
    said = "Nothing comes back from"
    summary = f"{said} {stretch.address}, which {where} replies for."
    located = stretch.located
    if located:
        summary = f"{said} {stretch.address}: {where} is reached and passes nothing on."
    elif not stretch.facts.wire_index.responders(stretch.address):
        summary = f"{said} {stretch.address}."
    root = stretch.root(CauseId.ADDRESS_NOT_FORWARDED, summary, *located)
    if located:
        root = replace(root, subject=Subject.node(stretch.node))
    return _open(root, stretch, (*others, *_candidates(stretch)), f"on {where}", proved=bool(located))


def some_are_lost(
    stretch: Stretch, share: str, fitting: tuple[str, ...] = (), *, by_endpoint: bool
) -> RootCause:
    """Some are lost, and nothing proves where; `fitting` are the nodes whose endpoints have such a share.

    `by_endpoint` says that what was lost is lost again from the same source ports: then no limit loses it.
    """
    lossy = _lossy_way(stretch)
    as_many = f", about as many as go to the endpoints on {', '.join(fitting)}" if fitting else ""
    root = stretch.root(
        CauseId.BACKEND_NOT_REACHED,
        f"{share}{lossy or as_many}; which endpoints they went to is not proved.",
    )
    candidates: tuple[Candidate, ...] = ()
    if lossy:
        candidates += (Candidate(cause=CauseId.NODE_NOT_REACHED, command=command(CARDS, **stretch.place)),)
    for node in (*fitting, *sorted(set(stretch.endpoints) - {"", *fitting})):
        for address in stretch.every_endpoint(node)[:_SHOWN]:
            candidates += (
                Candidate(
                    cause=CauseId.BACKEND_PATH_BROKEN,
                    command=command(forwarding_causes.TO_ENDPOINT, address=address, port=stretch.door),
                ),
            )
            if node in fitting:  # a single pod of that node has the same share, and so has one that is gone
                candidates += (
                    Candidate(
                        cause=CauseId.BACKEND_REFUSES,
                        command=command(forwarding_causes.POD_OF, address=address),
                    ),
                )
    if not by_endpoint:
        candidates += (
            Candidate(cause=CauseId.CONNECTIONS_LIMITED, command=command(forwarding_causes.LIMITS)),
        )
    candidates += (Candidate(cause=CauseId.BACKEND_REFUSES, command=command(_BACKENDS, **stretch.place)),)
    return _open(root, stretch, candidates, f"on node {stretch.node or 'that announces the address'}")


def _lossy_way(stretch: Stretch) -> str:
    """What is lost on the way to the announcing node itself, as the end of a sentence; "" where nothing is."""
    reach = stretch.reach
    other = stretch.facts.wire_index.lossy_way(reach.address) if reach else ""
    if reach is None or not other:
        return ""
    return (
        f", and {reach.lost} of {reach.tries} tries at that node's own address {reach.address} are lost, too, and none "
        f"at {other} of another node: look at the way to node {stretch.node} first"
    )


def _candidates(stretch: Stretch) -> Iterator[Candidate]:
    """What may keep everything from coming back, the likeliest first; what is ruled out is left out."""
    place = stretch.place
    if not stretch.served_beside:
        for looked in (forwarding_causes.FORWARDS, forwarding_causes.FILTERS):
            yield Candidate(cause=CauseId.NODE_DOES_NOT_FORWARD, command=command(looked))
    healthy = any(True for _ in kube_proxy.healthy(stretch.facts, stretch.node))
    if not healthy or stretch.served_beside:
        yield Candidate(cause=CauseId.KUBE_PROXY_STALE, command=command(_PROXY_PODS, **place))
    if not stretch.located and not (stretch.facts.snapshot.network_policies.ok and stretch.source):
        yield Candidate(cause=CauseId.POLICY_DENIES, command=command(_POLICIES, **place))
    if stretch.endpoints and stretch.node not in stretch.endpoints:
        endpoint = stretch.endpoint(min(stretch.endpoints))
        yield Candidate(
            cause=CauseId.BACKEND_PATH_BROKEN,
            command=command(forwarding_causes.TO_ENDPOINT, address=endpoint, port=stretch.door),
        )
    elif not stretch.located:
        yield Candidate(cause=CauseId.BACKEND_REFUSES, command=command(_BACKENDS, **place))
    for looked in forwarding_causes.WAYS_BACK if stretch.source else ():
        yield Candidate(cause=CauseId.NOT_ROUTED, command=command(looked, address=stretch.source))
    if healthy and not stretch.served_beside:  # it says nothing of rules that somebody has taken away
        yield Candidate(
            cause=CauseId.KUBE_PROXY_STALE,
            command=command(forwarding_causes.RULES, address=stretch.address),
        )


def _open(
    root: RootCause,
    stretch: Stretch,
    candidates: tuple[Candidate, ...],
    where: str,
    *,
    proved: bool = True,
) -> RootCause:
    """A neutral root with what is left to be decided."""
    named = list(dict.fromkeys(each.cause for each in candidates))
    return replace(
        root,
        candidates=candidates,
        proved=proved,
        ruled_out=tuple(stretch.ruled_out()),
        remedy=f"Decide between {', '.join(named)} by the commands below, in this order; those that look at a node "
        f"are to be typed {where}.",
    )
