"""What is wrong with MetalLB's configuration as a whole: pools, advertisements, and whether it is accepted."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from clusters import json_text
from clusters.cause_ids import CauseId
from clusters.checks.causes import Effect, having
from clusters.diagnosis import workloads
from clusters.diagnosis.facts import Facts
from clusters.diagnosis.metallb_components import Pod
from clusters.diagnosis.root_cause import Explanation, RootCause
from clusters.diagnosis.signals import lasting, seconds
from clusters.metallb import advertisements, configuration, install, services
from clusters.metallb.advertisements import Advertisement
from clusters.metallb.log_lines import fields_of
from clusters.metallb.reasons import Reason
from clusters.subject import CLUSTER, Subject

#: A deletion that takes longer than this many seconds is held up by somebody.
LEAVING = 10.0
#: How the API server says that a webhook did not answer in time, rather than not at all.
_TOO_LATE = re.compile(r"deadline exceeded|Client\.Timeout exceeded|handshake timeout")

#: How it says that what it sent to the webhook, or asked of the network, never came there.
_LOST = re.compile(r"deadline exceeded|Client\.Timeout exceeded|i/o timeout|timed out|no route to host")
#: On such a node the API server may run.
_CONTROL_PLANE = {f"node-role.kubernetes.io/{role}" for role in ("control-plane", "master")}


def root_causes(facts: Facts) -> Iterator[RootCause]:
    """Every root in the configuration; nothing is said of parts that could not be read."""
    yield from _present(facts)
    refusals = tuple(refused(facts))
    yield from refusals
    if not refusals:
        yield from _reported(facts)
    yield from _leaving(facts)
    yield from _elsewhere(facts)
    yield from _webhook(facts, known=bool(refusals))
    yield from _annotations(facts)


def _present(facts: Facts) -> Iterator[RootCause]:
    seen = facts.snapshot
    if not (seen.ip_address_pools.known and seen.l2_advertisements.known):
        return
    if not facts.pools:
        yield RootCause(
            cause=CauseId.POOL_MISSING,
            subject=CLUSTER,
            summary="There is no IPAddressPool, so no service gets an address.",
            fields=facts.command_fields(),
        )
        return
    reasons = list(
        advertisements.problems(facts.advertisements, pools=facts.pools, nodes=tuple(facts.nodes.values()))
    )
    unknown = [each for each in reasons if each.cause == CauseId.ADVERTISEMENT_UNKNOWN_POOL]
    selecting = [each for each in reasons if each.cause == CauseId.ADVERTISEMENT_SELECTS_NOTHING]
    bare = [each for each in reasons if each.cause == CauseId.POOL_NOT_ADVERTISED]
    elsewhere = facts.bgp_only | facts.announced_by_others.keys()
    bare = [each for each in bare if each.subject.name not in elsewhere]
    yield from (_root(facts, each, *(one.text for one in bare)) for each in unknown)
    yield from (_root(facts, each, *(one.text for one in bare)) for each in selecting)
    if not (unknown or any(_no_pool(facts, each.subject) for each in selecting)):
        # With such an advertisement about, a bare pool is what it was meant for: one fault, told once.
        yield from (_root(facts, each) for each in bare)
    yield from _without_peer(facts)


def _without_peer(facts: Facts) -> Iterator[RootCause]:
    """Pools that BGP alone would announce, and no router is told of: a BGPAdvertisement tells nobody by itself."""
    seen = facts.snapshot
    if not (seen.bgp_peers.known and seen.bgp_advertisements.known) or seen.bgp_peers.items:
        return
    for name in sorted(facts.bgp_only - facts.announced_by_others.keys()):
        tries = (facts.wire_index.of_address.get(str(address), ()) for address, _ in facts.usage[name].held)
        if any(one.replied for found in tries for one in found):
            continue  # then somebody else tells the routers
        yield RootCause(
            cause=CauseId.POOL_NOT_ADVERTISED,
            subject=Subject.pool(name),
            summary=f"Pool {name} is announced by BGP alone, and there is no BGPPeer: no router is told of it.",
            evidence=("no L2Advertisement selects it", "BGPPeers: none"),
            remedy="Make the BGPPeer of the router, or an L2Advertisement for the pool if it is meant for a segment.",
            fields=facts.command_fields(pool=name),
        )


def _elsewhere(facts: Facts) -> Iterator[RootCause]:
    """Objects in namespaces that no MetalLB reads: that of another one is its own matter."""
    seen = facts.snapshot
    if not seen.metallb_pods_elsewhere.ok:
        return
    read = {raw["metadata"]["namespace"] for raw in seen.metallb_pods_elsewhere.items}
    for part, kind in ((seen.pools_elsewhere, "pool"), (seen.advertisements_elsewhere, "advertisement")):
        for raw in part.items:
            namespace, name = raw["metadata"]["namespace"], raw["metadata"]["name"]
            if namespace not in read:
                what = "IPAddressPool" if kind == "pool" else "L2Advertisement"
                yield RootCause(
                    cause=CauseId.POOL_IN_OTHER_NAMESPACE,
                    subject=Subject(kind, name, namespace=namespace),
                    summary=f"{what} {name} stands in namespace {namespace}, and MetalLB reads {facts.namespace} only.",
                    evidence=(f"no pod of a MetalLB is in namespace {namespace}",),
                    fields=facts.command_fields(),
                )


def _leaving(facts: Facts) -> Iterator[RootCause]:
    """Pools and advertisements that somebody deleted and a finalizer keeps: MetalLB uses them until they are gone."""
    seen = facts.snapshot
    for part, kind in ((seen.ip_address_pools, "pool"), (seen.l2_advertisements, "advertisement")):
        for raw in part.items:
            about = raw["metadata"]
            since, kept = about.get("deletionTimestamp"), about.get("finalizers") or ()
            gone = seconds(since)
            if gone is None or not kept or facts.now - gone < LEAVING:
                continue
            name = about["name"]
            what = "IPAddressPool" if kind == "pool" else "L2Advertisement"
            used = facts.usage.get(name) if kind == "pool" else None
            lost = f" {len(used.held)} addresses of services go with it." if used and used.held else ""
            yield RootCause(
                cause=CauseId.CONFIGURATION_LEAVING,
                subject=Subject(kind, name),
                summary=f"{what} {name} was deleted {lasting(facts.now - gone)} ago and is gone as soon as the "
                f"finalizer {', '.join(kept)} is taken away.{lost}",
                evidence=(f"deletionTimestamp {since}", f"finalizers: {', '.join(kept)}"),
                fields=facts.command_fields(),
            )


def _no_pool(facts: Facts, advertisement: Subject) -> bool:
    """Whether an L2Advertisement that selects pools by their labels covers none."""
    chosen = [each for each in facts.advertisements if each.name == advertisement.name]
    return any(
        each.pool_selectors and not any(each in covering for covering in facts.covering.values())
        for each in chosen
    )


def _root(facts: Facts, reason: Reason, *evidence: str) -> RootCause:
    about = reason.subject
    place = facts.command_fields(pool=about.name) if about.kind == "pool" else facts.command_fields()
    return RootCause(
        cause=reason.named, subject=reason.subject, summary=reason.text, evidence=evidence, fields=place
    )


def refused(facts: Facts) -> Iterator[RootCause]:
    """What MetalLB would reject, by its own rules."""
    found = configuration.read(facts.snapshot.ip_address_pools.items, facts.snapshot.l2_advertisements.items)
    for reason in found.refusals:
        yield _root(facts, reason)


def _reported(facts: Facts) -> Iterator[RootCause]:
    """What MetalLB itself says of its configuration: states, and the metric for a stale one."""
    said = [
        f"ConfigurationState {raw['metadata']['name']}: {raw['status'].get('errorSummary') or 'Invalid'}"
        for raw in facts.snapshot.configuration_states.items
        if (raw.get("status") or {}).get("result") == "Invalid"
    ]
    said += [
        f"pod {pod.name}: metallb_k8s_client_config_stale_bool is 1"
        for pod in facts.components.pods
        if facts.signals.value(pod.name, "metallb_k8s_client_config_stale_bool") == 1
        and not _accepted_since(facts, pod)
    ]
    if said:
        yield RootCause(
            cause=CauseId.CONFIG_REJECTED,
            subject=CLUSTER,
            summary="MetalLB rejected the configuration and keeps using the previous one.",
            evidence=tuple(said[:6]),
            fields=facts.command_fields(),
        )


def _accepted_since(facts: Facts, pod: Pod) -> bool:
    """Whether a pod's log is known and tells of no refusal that still holds, or cannot be had as its node is lost.

    The metric stays at 1 where what was refused is taken back: MetalLB then sees the configuration that it
    has, and changes nothing. (`clusters.metallb.configuration` says where that was seen.)
    """
    tail = facts.signals.logs.get(pod.name)
    if tail is None or not tail.lines:
        return pod.node in facts.nodes and not facts.nodes[pod.node].ready
    return all(hit.signature.id != "config-rejected" for hit in facts.hits.get(pod.name, ()))


def _webhook(facts: Facts, *, known: bool) -> Iterator[RootCause]:
    """What the dry run of a pool met: no webhook, or one that said no for another reason than those `known`."""
    tried = facts.snapshot.dry_run
    working = any(pod.ready for pod in facts.components.controllers)
    if not working:
        return  # a webhook without its controller is the controller's trouble, which is told as such
    idle = [f"{namespace}/{name}" for (namespace, name), ready in _served(facts).items() if not ready]
    if facts.snapshot.endpoint_slices.ok and idle:
        yield _no_webhook(facts, idle[0])
        return
    if not tried.ok or tried.accepted or (known and not tried.webhook_failed):
        return
    if tried.webhook_failed and _TOO_LATE.search(tried.detail) and workloads.cpu_bound(facts):
        return  # it works, and too slowly: that it has no CPU left is told as such
    cause = CauseId.WEBHOOK_UNREACHABLE if tried.webhook_failed else CauseId.CONFIG_REJECTED
    meaning = (
        "MetalLB's webhook cannot be reached"
        if tried.webhook_failed
        else "The dry run of a valid pool was rejected"
    )
    yield RootCause(
        cause=cause,
        subject=facts.components.workload("controller") if tried.webhook_failed else CLUSTER,
        summary=f"{meaning}: {tried.detail}",
        evidence=(f"server-side dry run of a pool: {tried.detail}",),
        ruled_out=("the controller is ready", "the webhook's service has ready endpoints"),
        fields=facts.command_fields(),
    )


def _no_webhook(facts: Facts, service: str) -> RootCause:
    """A webhook behind whose service is nobody; an API server that is still connected to it does not notice."""
    tried = facts.snapshot.dry_run
    said = (
        "was still accepted, over a connection that was already open"
        if tried.accepted
        else f"ended with: {tried.detail}"
    )
    return RootCause(
        cause=CauseId.WEBHOOK_UNREACHABLE,
        subject=facts.components.workload("controller"),
        summary=f"Service {service}, through which MetalLB's webhook is called, is missing or has no ready endpoint.",
        evidence=(f"server-side dry run of a pool: it {said}",) if tried.ok else (),
        ruled_out=("the controller is ready",),
        fields=facts.command_fields(),
    )


def behind_nodes(facts: Facts, webhook: RootCause, roots: Sequence[RootCause]) -> Explanation | None:
    """Why the webhook cannot be reached, where every controller is on nodes that are proved to hand nothing on.

    The API server's call is lost there as clients' packets are. One that runs on such a node itself would not notice.
    """
    places = {
        (each.node or "", address)
        for key in _served(facts)
        for each in facts.endpoints.get("/".join(key), ())
        if each.servable
        for address in each.addresses
    }
    if not places or not _LOST.search(facts.snapshot.dry_run.detail):
        return None
    mute = [
        next((root for root in roots if _mutes(facts, root, node, address)), None) for node, address in places
    ]
    root = mute[0]
    if root is None or None in mute:
        return None
    nodes = ", ".join(sorted({node for node, _ in places}))
    return Explanation(
        root=root,
        subject=webhook.subject,
        summary=f"{webhook.summary.rstrip('.')}. The controller runs on node {nodes}: {root.summary}",
        evidence=webhook.evidence,
        ruled_out=webhook.ruled_out,
        fields=webhook.fields,
    )


def _mutes(facts: Facts, root: RootCause, node: str, address: str) -> bool:
    """Whether a root keeps what comes from other hosts from an address on this node."""
    known, seen = facts.nodes.get(node), root.fields.get("address", "")
    return (
        root.cause in having(Effect.CUTS_OFF)
        and root.subject == Subject.node(node)
        and known is not None
        and not _CONTROL_PLANE & known.labels.keys()
        and (":" in seen) == (":" in address)
    )


def _served(facts: Facts) -> Mapping[tuple[str, str], int]:
    """The services by which MetalLB's webhooks are asked, with how many ready endpoints each has."""
    wanted = {
        (hook["clientConfig"]["service"]["namespace"], hook["clientConfig"]["service"]["name"])
        for raw in facts.snapshot.webhooks.items
        if install.asked_about_metallb(raw)
        for hook in raw["webhooks"]
        if hook["clientConfig"].get("service")
    }
    return {
        (namespace, name): sum(each.servable for each in facts.endpoints.get(f"{namespace}/{name}", ()))
        for namespace, name in sorted(wanted)
    }


def _annotations(facts: Facts) -> Iterator[RootCause]:
    """Services with annotations that MetalLB does not read, or that it will not read for ever."""
    for key, service in facts.owned.items():
        place = facts.command_fields(namespace=service.namespace, service=service.name)
        unread = services.unread_annotations(service)
        if unread:
            yield RootCause(
                cause=CauseId.ANNOTATION_UNKNOWN,
                subject=Subject.service(key),
                summary=f"MetalLB ignores the annotation {unread[0].name} of service {key}: {_meant(unread[0])}",
                evidence=tuple(f"{each.name}: {_meant(each)}" for each in unread),
                fields=place,
            )
        if found := services.deprecated_annotations(service):
            yield RootCause(
                cause=CauseId.DEPRECATED_ANNOTATION,
                subject=Subject.service(key),
                summary=f"Service {key} uses the deprecated {', '.join(found)}.",
                fields=place,
            )


def _meant(unread: services.Unread) -> str:
    return f"{unread.why} Did you mean {unread.meant}?" if unread.meant else unread.why


_NODES_SHOWN = 6


def interfaces_missing(facts: Facts) -> Iterator[RootCause]:
    """One for each advertisement that names interfaces which a node it selects does not have, as its speaker logged.

    The election does not look at interfaces: such a node wins and says nothing. What it already announced when the
    advertisement was changed goes on, so that nothing breaks before the next speaker starts. The speaker tells its own
    interfaces in the line that it logs then (`SetBalancer` in MetalLB's speaker/layer2_controller.go).
    """
    naming = [each for each in facts.advertisements if each.interfaces]
    if not naming:
        return
    present = {name: found for name in facts.nodes if (found := _present_on(facts, name)) is not None}
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
                evidence=tuple(mute.values())[:_NODES_SHOWN],
                nodes=tuple(mute),
                fields=facts.command_fields(),
            )


def _together(facts: Facts, one: Advertisement, other: Advertisement) -> bool:
    """Whether two advertisements cover a pool in common, so that a node may use the interfaces of either."""
    return one == other or any(one in found and other in found for found in facts.covering.values())


def _present_on(facts: Facts, node: str) -> set[str] | None:
    """The interfaces that a node's speaker said it has when it last lacked one; None where it never did."""
    pod = facts.components.speakers.get(node)
    for hit in reversed(facts.hits.get(pod.name, ())) if pod else ():
        if hit.signature.id == "interface-missing":
            return _interface_names(fields_of(hit.line).get("localIfs", "[]"))
    return None


def _interface_names(text: str) -> set[str] | None:
    """The names in a JSON list; None where a log line has something else in its place."""
    try:
        found = json_text.parsed(text)
    except json_text.NotJson:
        return None
    return set(map(str, found)) if isinstance(found, list) else None
