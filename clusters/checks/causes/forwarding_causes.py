"""Causes on the way from the announcing node to a backend and back.

Where that stretch fails and nothing proves which of its links is broken, one of the two neutral causes is named,
`address-not-forwarded` or `backend-not-reached`; a finding then lists the candidates with what decides between them.
"""

from __future__ import annotations

from clusters.cause_ids import CauseId
from clusters.check_ids import CheckId
from clusters.checks.causes.cause import Cause, Effect, Layer
from clusters.checks.outcome import Scope
from clusters.checks.path_links import Link
from clusters.checks.spec import POLICIES, SLICES

_PROXY_PODS = "kubectl -n kube-system get pods -o wide -l k8s-app=kube-proxy"
_PROXY_LOGS = "kubectl -n kube-system logs -l k8s-app=kube-proxy --tail=100"
_SLICES = "kubectl -n {namespace} get endpointslices -l kubernetes.io/service-name={service} -o wide"
_POLICIES = "kubectl -n {namespace} get networkpolicies -o yaml"
#: Typed on the node itself.
FORWARDS = "sysctl net.ipv4.ip_forward net.ipv6.conf.all.forwarding"
FILTERS = "nft list ruleset | grep -A 4 -E 'hook (prerouting|forward)'"
WAY_BACK = "ip route get {address}"
#: A rule for what pods send may lead elsewhere than the route that the node itself takes, and a neighbour entry astray.
WAYS_BACK = (WAY_BACK, "ip rule show", "ip neighbour show {address}")
#: kube-proxy's rules for an address, in either of its modes.
RULES = "nft list ruleset | grep -F {address}"
#: Whose an endpoint's address is: no pod's, or one of a pod that is not well.
POD_OF = "kubectl get pods --all-namespaces -o wide --field-selector status.podIP={address}"
#: Counters of what limits connections, in rules and in the kernel.
LIMITS = "nft list ruleset | grep -B 3 -A 1 -E 'limit|ct count|meter'"
TO_ENDPOINT = "nc -vz -w 3 {address} {port}"

CAUSES = (
    Cause(
        id=CauseId.KUBE_PROXY_STALE,
        title="kube-proxy on the node does not work",
        meaning=(
            "The right node replies for the address, and its kube-proxy is not running, or says of itself that it has "
            "fallen behind, so what is sent to the service there goes nowhere."
        ),
        remedy="Read the log of kube-proxy on that node, then restart its pod.",
        commands=(_PROXY_PODS, _PROXY_LOGS, _SLICES),
        scope=Scope.CLUSTER,
        link=Link.FORWARD,
        layer=Layer.NODES_AND_NETWORK,
        proven_by=(
            "The pod of kube-proxy on the announcing node is not ready or missing, it says at /healthz that it has "
            "fallen behind, or says nothing there while other nodes' do; and nothing comes back from the port."
        ),
        excluded_by="By its own word kube-proxy on that node is healthy, or the port answers or refuses.",
        effects=frozenset(),
        rank=None,
        narrowed_by_subject=True,
        reported_by=CheckId.TRIGGER_UNREACHABLE_ADDRESS,
        rests_on=(),
        last_resort=False,
    ),
    Cause(
        id=CauseId.SOURCE_NOT_ALLOWED,
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
        reported_by=CheckId.TRIGGER_UNREACHABLE_ADDRESS,
        rests_on=(),
        last_resort=False,
    ),
    Cause(
        id=CauseId.NODE_NOT_REACHED,
        title="Nothing comes back from a node",
        meaning=(
            "The vantage gets nothing back from one node, at its own address either, and does from others: frames do "
            "not get to that node, or its answers do not get back."
        ),
        remedy=(
            "See on that node whether the vantage's packets arrive. Where they do not, look at the switch port, its "
            "VLAN and its table of MACs; where they do, at the node's way back, its neighbour entry for the vantage, "
            "rp_filter and its input filter."
        ),
        commands=(
            "tcpdump -n -e -c 20 -i any host {address}",
            WAY_BACK,
            "ip neighbour show",
            "sysctl -a 2>/dev/null | grep '[.]rp_filter'",
            "nft list ruleset | grep -A 4 'hook input'",
        ),
        scope=Scope.CLUSTER,
        link=Link.NODE,
        layer=Layer.NODES_AND_NETWORK,
        proven_by=(
            "The node's own addresses and all that it announces are silent from the vantage, to connections or to "
            "ARP, and another node's own address is not."
        ),
        excluded_by="Anything comes back from the node, or no other node's own address is reached either.",
        effects=frozenset({Effect.CUTS_OFF}),
        rank=92,
        narrowed_by_subject=True,
        reported_by=CheckId.TRIGGER_UNREACHABLE_ADDRESS,
        rests_on=(),
        last_resort=False,
    ),
    Cause(
        id=CauseId.NODE_DOES_NOT_FORWARD,
        title="A filter on the node refuses to forward",
        meaning=(
            "The announcing node takes the packets, and its own packet filter refuses to hand them on: the zone of a "
            "firewall, or a FORWARD chain that rejects."
        ),
        remedy=(
            "On that node let the firewall forward between the network of the clients and the pods (firewalld: policy "
            "or trusted zone; ufw: DEFAULT_FORWARD_POLICY; Docker: the DOCKER-USER chain), and keep ip_forward at 1."
        ),
        commands=(FILTERS, "firewall-cmd --list-all-zones", FORWARDS),
        scope=Scope.CLUSTER,
        link=Link.FORWARD,
        layer=Layer.NODES_AND_NETWORK,
        proven_by="The node that replies for the address refuses the packets by ICMP, administratively prohibited.",
        excluded_by="The port answers or refuses, or another address that this node announces is served.",
        effects=frozenset({Effect.CUTS_OFF}),
        rank=94,
        narrowed_by_subject=True,
        reported_by=CheckId.TRIGGER_UNREACHABLE_ADDRESS,
        rests_on=(),
        last_resort=False,
    ),
    Cause(
        id=CauseId.ADDRESS_NOT_FORWARDED,
        title="Nothing comes back from the announcing node",
        meaning=(
            "The right node replies for the address, or a pod in the cluster asks for it, and nothing comes back from "
            "the service's ports. Why is not proved: a packet filter, kube-proxy, a NetworkPolicy or the way to the "
            "endpoints may be it."
        ),
        remedy="Type the commands of the candidates in their order: each one decides whether that candidate holds.",
        commands=(FORWARDS, FILTERS, _PROXY_PODS, _POLICIES, _SLICES),
        scope=Scope.CLUSTER,
        link=Link.FORWARD,
        layer=Layer.NODES_AND_NETWORK,
        proven_by=(
            "One node replies for the address, an endpoint counts as ready, no try at the port was answered or "
            "refused, and no other cause of this stretch is proved."
        ),
        excluded_by="Something comes back from the port, or another cause of this stretch is proved.",
        effects=frozenset({Effect.CUTS_OFF}),
        rank=96,
        narrowed_by_subject=True,
        reported_by=CheckId.TRIGGER_UNREACHABLE_ADDRESS,
        rests_on=(),
        last_resort=True,
    ),
    Cause(
        id=CauseId.BACKEND_PATH_BROKEN,
        title="Connections to the endpoints of some nodes are lost",
        meaning=(
            "The announcing node serves from some endpoints, and what it hands on to the endpoints of one node, or of "
            "every other node, is lost: the network between the nodes drops it."
        ),
        remedy=(
            "Test from pod to pod between the two nodes: the tunnel's port (VXLAN 8472 or 4789/UDP, Geneve 6081/UDP, "
            "WireGuard 51820/UDP) in every firewall between them, the MTU, checksum offload of the network card, and "
            "the routes to the pods' ranges."
        ),
        commands=(_SLICES, "nc -vz -w 3 {endpoint} {port}", "ip route get {endpoint}"),
        scope=Scope.CLUSTER,
        link=Link.BACKEND_PATH,
        layer=Layer.NODES_AND_NETWORK,
        proven_by=(
            "Of many tries from different source ports some were lost, in the share that the endpoints of one other "
            "node, or of all other nodes, have of the service's endpoints; from the same source ports they were lost "
            "again, more slowly made, the announcing node's own address lost none, and no single pod explains what "
            "is lost. Or that node says by ICMP from its own address that it knows no way to a network, or none to a "
            "host while other tries are served."
        ),
        excluded_by=(
            "No try was lost, the lost share fits no other node's endpoints, a lost try is served from the same source "
            "port, or another service has endpoints on that node and loses nothing."
        ),
        effects=frozenset(),
        rank=None,
        narrowed_by_subject=True,
        reported_by=CheckId.TRIGGER_UNREACHABLE_ADDRESS,
        rests_on=(SLICES,),
        last_resort=False,
    ),
    Cause(
        id=CauseId.CONNECTIONS_LIMITED,
        title="Connections that begin fast are lost",
        meaning=(
            "Tries at the port are lost while they follow one another fast, and none is at ten a second: a limit on "
            "new connections drops what is above it, on the announcing node or before it."
        ),
        remedy=(
            "Find the limit on the announcing node, then on what stands before it, and raise it above what clients "
            "need; where it is meant, let the suite try more slowly (`budgets: tries_apart` of the profile)."
        ),
        commands=(LIMITS, "iptables-save -c | grep -E 'limit|hashlimit|connlimit'", "conntrack -S"),
        scope=Scope.SERVICE,
        link=Link.FORWARD,
        layer=Layer.NODES_AND_NETWORK,
        proven_by=(
            "Of many fast tries some were lost, and of those that were made again, and of others beside them, at ten a "
            "second or fewer, none: too many for chance. As fast again after that, some were lost again."
        ),
        excluded_by="A try is lost at the slower pace, too, or none was lost.",
        effects=frozenset(),
        rank=None,
        narrowed_by_subject=False,
        reported_by=CheckId.TRIGGER_UNREACHABLE_ADDRESS,
        rests_on=(),
        last_resort=False,
    ),
    Cause(
        id=CauseId.BACKEND_NOT_REACHED,
        title="Some connections to the service are lost",
        meaning=(
            "Some tries at the port were served and others were lost, and which endpoints the lost ones went to is not "
            "proved."
        ),
        remedy="Type the commands of the candidates in their order: each one decides whether that candidate holds.",
        commands=(_SLICES, "nc -vz -w 3 {endpoint} {port}"),
        scope=Scope.SERVICE,
        link=Link.BACKEND_PATH,
        layer=Layer.NODES_AND_NETWORK,
        proven_by="Of many tries from different source ports some were served and at least two were lost.",
        excluded_by="No try was lost, or all were.",
        effects=frozenset(),
        rank=None,
        narrowed_by_subject=False,
        reported_by=CheckId.TRIGGER_UNREACHABLE_ADDRESS,
        rests_on=(),
        last_resort=True,
    ),
    Cause(
        id=CauseId.POLICY_DENIES,
        title="A NetworkPolicy admits no client from outside",
        meaning=(
            "A NetworkPolicy selects the service's pods, and none that does admits where the packets come from: the "
            "client with externalTrafficPolicy Local, the announcing node otherwise."
        ),
        remedy=(
            "Add an ingress rule to a policy of these pods that admits the clients' network by ipBlock, and with "
            "externalTrafficPolicy Cluster the nodes' addresses."
        ),
        commands=(_POLICIES, "kubectl -n {namespace} describe networkpolicies"),
        scope=Scope.SERVICE,
        link=Link.BACKEND,
        layer=Layer.CONSUMER,
        proven_by=(
            "Every NetworkPolicy of the namespace was read, one selects the service's pods, none of those that do "
            "admits the packets' source at the endpoints' port, and nothing comes back from the port."
        ),
        excluded_by="No policy selects the pods, one of them admits the source, or the policies could not be read.",
        effects=frozenset(),
        rank=None,
        narrowed_by_subject=False,
        reported_by=CheckId.TRAFFIC_BACKENDS_HEALTHY,
        rests_on=(POLICIES,),
        last_resort=False,
    ),
)
