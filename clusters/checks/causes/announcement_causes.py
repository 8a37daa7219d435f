"""Causes that keep an assigned address from being reached: advertisements, announcers, the wire, backends."""

from __future__ import annotations

from clusters.cause_ids import CauseId
from clusters.check_ids import CheckId
from clusters.checks.causes.cause import Cause, Effect, Layer
from clusters.checks.outcome import Scope
from clusters.checks.path_links import Link
from clusters.checks.spec import (
    ADVERTISEMENTS,
    BGP_ADVERTISEMENTS,
    ELECTION,
    NODES,
    POOLS,
    SERVICES,
    SLICES,
)
from clusters.commands import ARPING, CAPTURE, CARDS, NEIGHBOUR

_ADS = "kubectl -n {metallb_namespace} get l2advertisements -o yaml"
_NODES = "kubectl get nodes -o wide"
_LABELS = "kubectl get nodes --show-labels"
_SPEAKER_LOG = "kubectl -n {metallb_namespace} logs {speaker} --tail=200"
_SLICES = "kubectl -n {namespace} get endpointslices -l kubernetes.io/service-name={service} -o wide"
_STATUS = "kubectl -n {metallb_namespace} get servicel2statuses -l metallb.io/service-name={service}"
_EDIT_ADS = "kubectl -n {metallb_namespace} edit l2advertisements"

CAUSES = (
    Cause(
        id=CauseId.POOL_NOT_ADVERTISED,
        title="No advertisement covers the pool",
        meaning=(
            "Addresses of the pool are assigned, but no L2Advertisement lets a node announce them, or BGP alone would "
            "and no router is configured."
        ),
        remedy="Create an L2Advertisement that names the pool, or one without a pool selection.",
        commands=(_ADS, "kubectl apply -k {overlay}"),
        scope=Scope.POOL,
        link=Link.ADVERTISED,
        layer=Layer.CONFIGURATION,
        proven_by=(
            "Pools and advertisements were read, and none of the latter covers the pool; or BGPAdvertisements alone "
            "do, there is no BGPPeer, and none of its addresses is reached."
        ),
        excluded_by="An advertisement covers it, or the advertisements could not be read.",
        effects=frozenset(),
        rank=None,
        narrowed_by_subject=False,
        reported_by=CheckId.HEALTH_CONFIG_PRESENT,
        rests_on=(ADVERTISEMENTS, BGP_ADVERTISEMENTS),
        last_resort=False,
    ),
    Cause(
        id=CauseId.ADVERTISEMENT_UNKNOWN_POOL,
        title="An advertisement names a pool that does not exist",
        meaning="MetalLB accepts such an L2Advertisement without a warning, and announces nothing for that pool.",
        remedy="Correct the name in spec.ipAddressPools.",
        commands=(_ADS, "kubectl -n {metallb_namespace} get ipaddresspools", _EDIT_ADS),
        scope=Scope.POOL,
        link=Link.ADVERTISED,
        layer=Layer.CONFIGURATION,
        proven_by="The advertisement names a pool that is not among those that were read.",
        excluded_by="Every pool that it names is there.",
        effects=frozenset(),
        rank=None,
        narrowed_by_subject=False,
        reported_by=CheckId.HEALTH_CONFIG_PRESENT,
        rests_on=(POOLS,),
        last_resort=False,
    ),
    Cause(
        id=CauseId.ADVERTISEMENT_SELECTS_NOTHING,
        title="An advertisement's selectors match nothing",
        meaning="No pool, node or service has the labels that the L2Advertisement selects.",
        remedy="Correct the selector, or label what it is meant to select.",
        commands=(_ADS, _LABELS, "kubectl -n {namespace} get svc {service} --show-labels", _EDIT_ADS),
        scope=Scope.POOL,
        link=Link.ADVERTISED,
        layer=Layer.CONFIGURATION,
        proven_by="No pool or node that was read has the labels that the advertisement selects.",
        excluded_by="Something has them.",
        effects=frozenset(),
        rank=None,
        narrowed_by_subject=False,
        reported_by=CheckId.TRAFFIC_SPEAKERS_PLACED,
        rests_on=(NODES, POOLS),
        last_resort=False,
    ),
    Cause(
        id=CauseId.ADVERTISEMENT_INTERFACE_MISSING,
        title="The announcing node does not have the named interface",
        meaning=(
            "The election ignores interfaces, so a node without the named one can be elected and then announces "
            "nothing."
        ),
        remedy=(
            "Name an interface that every selected node has, or narrow nodeSelectors to the nodes that have "
            "it."
        ),
        commands=(_ADS, "kubectl -n {namespace} describe svc {service} | grep announceFailed", _EDIT_ADS),
        scope=Scope.POOL,
        link=Link.ANNOUNCER,
        layer=Layer.CONFIGURATION,
        proven_by=(
            "A selected node's speaker logs interfaces of which none is one that the advertisement names."
        ),
        excluded_by="The announcing node has one of them.",
        effects=frozenset(),
        rank=None,
        narrowed_by_subject=False,
        reported_by=CheckId.TRAFFIC_SPEAKERS_PLACED,
        rests_on=(),
        last_resort=False,
    ),
    Cause(
        id=CauseId.NODE_EXCLUDED,
        title="A label excludes the node from load balancing",
        meaning="A speaker announces nothing from a node labelled exclude-from-external-load-balancers.",
        remedy="Remove the label once the node may carry traffic again.",
        commands=(
            "kubectl get nodes -l node.kubernetes.io/exclude-from-external-load-balancers",
            "kubectl label node {node} node.kubernetes.io/exclude-from-external-load-balancers-",
        ),
        scope=Scope.CLUSTER,
        link=Link.ANNOUNCER,
        layer=Layer.CONFIGURATION,
        proven_by=(
            "The node has the label node.kubernetes.io/exclude-from-external-load-balancers, and speakers "
            "honour it."
        ),
        excluded_by="The node is not labelled, or the speakers run with --ignore-exclude-lb.",
        effects=frozenset(),
        rank=None,
        narrowed_by_subject=False,
        reported_by=CheckId.TRAFFIC_SPEAKERS_PLACED,
        rests_on=(),
        last_resort=False,
    ),
    Cause(
        id=CauseId.NODE_NETWORK_UNAVAILABLE,
        title="The node's network is marked unavailable",
        meaning="A speaker announces nothing from a node with the condition NetworkUnavailable.",
        remedy="Fix the node's CNI or routes, which set and clear that condition.",
        commands=(
            "kubectl describe node {node} | grep -A3 NetworkUnavailable",
            "kubectl -n kube-system get pods -o wide --field-selector spec.nodeName={node}",
        ),
        scope=Scope.CLUSTER,
        link=Link.ANNOUNCER,
        layer=Layer.NODES_AND_NETWORK,
        proven_by="The node's condition NetworkUnavailable is True.",
        excluded_by="The condition is absent or False.",
        effects=frozenset({Effect.STOPS_SPEAKER, Effect.PREVENTS_TAKEOVER}),
        rank=58,
        narrowed_by_subject=False,
        reported_by=CheckId.RECOVERY_INCIDENT_SCOPE,
        rests_on=(),
        last_resort=False,
    ),
    Cause(
        id=CauseId.DUPLICATE_ANNOUNCER,
        title="More than one node answers ARP for the address",
        meaning="Two nodes answer ARP or NDP for one address, so clients reach either of them.",
        remedy="Find which nodes answer, then restart the speaker on each that is not the elected one.",
        commands=(
            ARPING,
            _STATUS,
            _SPEAKER_LOG,
            "kubectl -n {metallb_namespace} delete pod -l component=speaker --field-selector "
            "spec.nodeName={node}",
        ),
        scope=Scope.SERVICE,
        link=Link.ANSWER,
        layer=Layer.NODES_AND_NETWORK,
        proven_by=(
            "ARP or NDP replies with the MACs of two nodes were captured for one address, twice and with a "
            "pause between."
        ),
        excluded_by="One node alone replied the second time.",
        effects=frozenset(),
        rank=None,
        narrowed_by_subject=False,
        reported_by=CheckId.TRAFFIC_SINGLE_ANNOUNCER,
        rests_on=(),
        last_resort=False,
    ),
    Cause(
        id=CauseId.STRICT_ARP_OFF,
        title="Every node answers ARP for service addresses, as strict ARP is off",
        meaning=(
            "In IPVS mode kube-proxy puts every service address on every node, and without strict ARP every node "
            "answers for it."
        ),
        remedy="Set ipvs.strictARP to true in kube-proxy's configuration and restart kube-proxy.",
        commands=(
            "kubectl -n kube-system get configmap kube-proxy -o yaml | grep -E 'mode:|strictARP'",
            "kubectl -n kube-system edit configmap kube-proxy",
            "kubectl -n kube-system rollout restart daemonset/kube-proxy",
        ),
        scope=Scope.CLUSTER,
        link=Link.ANSWER,
        layer=Layer.NODES_AND_NETWORK,
        proven_by=(
            "The configuration of kube-proxy says IPVS without strictARP, or nodes reply whose speakers are known "
            "not to announce."
        ),
        excluded_by="Every node that replies announces the address, or their claims could not be read.",
        effects=frozenset({Effect.SPLITS}),
        rank=45,
        narrowed_by_subject=False,
        reported_by=CheckId.TRAFFIC_SINGLE_ANNOUNCER,
        rests_on=(),
        last_resort=False,
    ),
    Cause(
        id=CauseId.FOREIGN_RESPONDER,
        title="A host outside the cluster answers ARP for the address",
        meaning="Another host uses an address of the pool, set by hand or leased by DHCP.",
        remedy=(
            "Find the host by its MAC address and give it another address, or take this one out of the pool."
        ),
        commands=(
            ARPING,
            NEIGHBOUR,
            "kubectl -n {metallb_namespace} edit ipaddresspool {pool}",
        ),
        scope=Scope.SERVICE,
        link=Link.ANSWER,
        layer=Layer.NODES_AND_NETWORK,
        proven_by="An ARP or NDP reply was captured with a MAC that belongs to no node.",
        excluded_by="Every MAC that replied is a node's.",
        effects=frozenset(),
        rank=None,
        narrowed_by_subject=False,
        reported_by=CheckId.TRAFFIC_SINGLE_ANNOUNCER,
        rests_on=(NODES, SERVICES),
        last_resort=False,
    ),
    Cause(
        id=CauseId.PROXY_ARP,
        title="A router replies for the addresses of services",
        meaning=(
            "A router, or another host with proxy ARP, replies for addresses that it thinks are behind it, so some "
            "clients send to it what is for MetalLB's node."
        ),
        remedy=(
            "Turn proxy ARP off on the interface of that host that is on this network, or take its route or proxy "
            "entry for these addresses away."
        ),
        commands=(
            "sysctl -a 2>/dev/null | grep -E 'proxy_(arp|ndp)'",
            "ip neighbour show proxy",
            "ip route get {address}",
        ),
        scope=Scope.CLUSTER,
        link=Link.ANSWER,
        layer=Layer.NODES_AND_NETWORK,
        proven_by=(
            "Asked under the vantage's own address, a host replied that had not replied to the same question without a "
            "sender's address, which holders of an address answer and proxies do not."
        ),
        excluded_by="It replies to both questions, or to neither.",
        effects=frozenset(),
        rank=None,
        narrowed_by_subject=False,
        reported_by=CheckId.TRAFFIC_SINGLE_ANNOUNCER,
        rests_on=(),
        last_resort=False,
    ),
    Cause(
        id=CauseId.NOBODY_ANSWERS,
        title="No ARP reply for the address",
        meaning="The address is assigned and a node is elected to announce it, but no host answers ARP or NDP for it.",
        remedy=(
            "Read the elected node's speaker log. On that node, look whether the card of the address's network has a "
            "link and is in the right VLAN, and capture ARP there to see whether requests arrive."
        ),
        commands=(ARPING, _STATUS, _SPEAKER_LOG, CARDS, CAPTURE),
        scope=Scope.SERVICE,
        link=Link.ANSWER,
        layer=Layer.NODES_AND_NETWORK,
        proven_by=(
            "The vantage heard other hosts of that network at the same time, and nobody replied for the "
            "address, twice."
        ),
        excluded_by="Somebody replied, or the vantage heard nobody at all.",
        effects=frozenset(),
        rank=None,
        narrowed_by_subject=False,
        reported_by=CheckId.TRAFFIC_SINGLE_ANNOUNCER,
        rests_on=(),
        last_resort=True,
    ),
    Cause(
        id=CauseId.NOT_ROUTED,
        title="The address is reached on its segment, but not through a router",
        meaning=(
            "The address serves on its own segment, but not behind a router: packets are lost on the way in, or the "
            "announcing node's answers on the way back."
        ),
        remedy=(
            "Give the router a route to the address's network, allow it in the router's firewall, and check that the "
            "announcing node answers through the same router (default route, rp_filter)."
        ),
        commands=(
            "traceroute -n -T -p {port} {address}",
            "ip route get {address}",
            ARPING,
        ),
        scope=Scope.SERVICE,
        link=Link.AFAR,
        layer=Layer.NODES_AND_NETWORK,
        proven_by="A vantage on the segment reaches the port, and the one behind the router does not.",
        excluded_by="Both reach it, or neither does.",
        effects=frozenset(),
        rank=None,
        narrowed_by_subject=False,
        reported_by=CheckId.TRAFFIC_ROUTED,
        rests_on=(),
        last_resort=False,
    ),
    Cause(
        id=CauseId.ROUTER_NEIGHBOUR_STALE,
        title="A router keeps the former announcer's MAC",
        meaning=(
            "The address moved to another node, and a router in front of its network still sends to the former one, "
            "which does not serve it any more: on the segment it answers, and behind that router it does not."
        ),
        remedy=(
            "Clear the router's neighbour entry for the address; then let gratuitous ARP through to it, shorten its "
            "ARP timeout, or have MetalLB repeat gratuitous ARP (0.16.2, --gratuitous-arp-interval)."
        ),
        commands=(
            NEIGHBOUR,
            "kubectl -n {namespace} describe svc {service} | grep nodeAssigned",
            ARPING,
        ),
        scope=Scope.SERVICE,
        link=Link.AFAR,
        layer=Layer.NODES_AND_NETWORK,
        proven_by=(
            "On the segment the port is served and behind the router it is not, other addresses are served there, and "
            "MetalLB's events say that this one moved from one node to another."
        ),
        excluded_by="No other address is served behind the router either, or nothing says that this one moved.",
        effects=frozenset(),
        rank=None,
        narrowed_by_subject=False,
        reported_by=CheckId.TRAFFIC_ROUTED,
        rests_on=(),
        last_resort=False,
    ),
    Cause(
        id=CauseId.OWNER_DISAGREEMENT,
        title="The sources disagree on who announces the address",
        meaning="The election, the ServiceL2Status, the metric and the ARP replies do not name the same node.",
        remedy=(
            "Trust the ARP replies, and restart the speaker of the node that wrongly announces or claims the address."
        ),
        commands=(_STATUS, ARPING, _SPEAKER_LOG),
        scope=Scope.SERVICE,
        link=Link.ANSWER,
        layer=Layer.NODES_AND_NETWORK,
        proven_by="At least two sources that were read name different nodes.",
        excluded_by="All sources that name a node name the same one.",
        effects=frozenset(),
        rank=None,
        narrowed_by_subject=False,
        reported_by=CheckId.TRAFFIC_OWNER_AGREED,
        rests_on=ELECTION,
        last_resort=False,
    ),
    Cause(
        id=CauseId.WRONG_SEGMENT,
        title="The address is outside every node's subnet",
        meaning="No announcing node has an interface in the address's network, so no speaker can announce it by ARP.",
        remedy=(
            "Limit the L2Advertisement's nodeSelectors to the nodes on that network, or use another range."
        ),
        commands=(_NODES, _ADS, _EDIT_ADS),
        scope=Scope.POOL,
        link=Link.ROUTE,
        layer=Layer.NODES_AND_NETWORK,
        proven_by="Every address of a node is on a segment of the vantage, and this address is in no network of it.",
        excluded_by="The address is in a network of the vantage, or a node has an address where the vantage is not.",
        effects=frozenset(),
        rank=None,
        narrowed_by_subject=False,
        reported_by=CheckId.TRAFFIC_L2_SEGMENT,
        rests_on=(),
        last_resort=False,
    ),
    Cause(
        id=CauseId.VANTAGE_NOT_ON_SEGMENT,
        title="The vantage is not on the address's network",
        meaning=(
            "The vantage sees no ARP or NDP for this address, so it proves nothing about who announces it."
        ),
        remedy="Name a vantage in the profile that has an interface in the address's network.",
        commands=("ip -brief address", "ip route get {address}"),
        scope=Scope.NONE,
        link=Link.ROUTE,
        layer=Layer.VANTAGE,
        proven_by=(
            "The vantage's kernel has no route to the address, or a route or rule of its own keeps it from the network "
            "that it is on."
        ),
        excluded_by="The vantage reaches something on that network.",
        effects=frozenset(),
        rank=None,
        narrowed_by_subject=False,
        reported_by=CheckId.TRAFFIC_L2_SEGMENT,
        rests_on=(),
        last_resort=False,
    ),
    Cause(
        id=CauseId.VANTAGE_NEIGHBOUR_WRONG,
        title="The vantage sends to another host than the one that replies",
        meaning=(
            "The vantage's own neighbour table holds another MAC for the address than that of the host that replies to "
            "ARP or NDP, so what it sends there goes astray, whatever MetalLB does."
        ),
        remedy=(
            "Remove the entry on the vantage (`ip neighbour del`). Where nobody made it by hand, the vantage missed "
            "gratuitous ARP: other clients may have missed it, too."
        ),
        commands=(NEIGHBOUR, "ip neighbour flush to {address}", ARPING),
        scope=Scope.NONE,
        link=Link.ROUTE,
        layer=Layer.VANTAGE,
        proven_by=(
            "The vantage heard who replies for the address, and after the tries its kernel's neighbour table had a MAC "
            "of another host; without raw sockets, an entry made by hand whose MAC is no node's."
        ),
        excluded_by="The kernel's entry is a MAC of the host that replies, or the table has no entry.",
        effects=frozenset(),
        rank=None,
        narrowed_by_subject=False,
        reported_by=CheckId.TRAFFIC_L2_SEGMENT,
        rests_on=(),
        last_resort=False,
    ),
    Cause(
        id=CauseId.VANTAGE_DROPS_PACKETS,
        title="The vantage's own filter drops what it sends",
        meaning=(
            "Connections to the address were tried, and the vantage's kernel has not even asked who has it, so "
            "nothing left the vantage: its own packet filter drops what goes there."
        ),
        remedy="Take the rule for this address out of the vantage's output filter, or name another vantage.",
        commands=("nft list ruleset | grep -A 8 'hook output'", "iptables-save | grep -w OUTPUT"),
        scope=Scope.NONE,
        link=Link.ROUTE,
        layer=Layer.VANTAGE,
        proven_by=(
            "The vantage heard who replies for the address, all tries at it were silent, and after them its kernel's "
            "neighbour table had no entry for it."
        ),
        excluded_by="The table has an entry for the address, or something came back.",
        effects=frozenset(),
        rank=None,
        narrowed_by_subject=False,
        reported_by=CheckId.TRAFFIC_L2_SEGMENT,
        rests_on=(),
        last_resort=False,
    ),
    Cause(
        id=CauseId.NO_ENDPOINTS,
        title="The service has no endpoints",
        meaning="No pod matches the service's selector, and MetalLB announces nothing for such a service.",
        remedy="Start the workload, or correct the service's selector.",
        commands=(
            _SLICES,
            "kubectl -n {namespace} get svc {service} -o jsonpath='{{.spec.selector}}'",
            "kubectl -n {namespace} get pods --show-labels",
        ),
        scope=Scope.SERVICE,
        link=Link.BACKEND,
        layer=Layer.CONSUMER,
        proven_by="The service's EndpointSlices were read and hold no endpoint.",
        excluded_by="There is an endpoint, or the slices could not be read.",
        effects=frozenset({Effect.NOTHING_BEHIND}),
        rank=200,
        narrowed_by_subject=False,
        reported_by=CheckId.TRAFFIC_BACKENDS_HEALTHY,
        rests_on=(SLICES,),
        last_resort=False,
    ),
    Cause(
        id=CauseId.ENDPOINTS_UNREADY,
        title="None of the service's endpoints is ready",
        meaning="Pods exist but none is ready, and MetalLB announces nothing for such a service.",
        remedy="Fix the workload: its readiness probe says why it is not ready.",
        commands=(_SLICES, "kubectl -n {namespace} get pods -o wide", "kubectl -n {namespace} describe pods"),
        scope=Scope.SERVICE,
        link=Link.BACKEND,
        layer=Layer.CONSUMER,
        proven_by="The service's EndpointSlices were read, and none of their endpoints may serve.",
        excluded_by="An endpoint is ready or serving.",
        effects=frozenset({Effect.NOTHING_BEHIND}),
        rank=210,
        narrowed_by_subject=False,
        reported_by=CheckId.TRAFFIC_BACKENDS_HEALTHY,
        rests_on=(SLICES,),
        last_resort=False,
    ),
    Cause(
        id=CauseId.TARGET_PORT_MISSING,
        title="A port of the service leads to no endpoint",
        meaning=(
            "No endpoint has the port that spec.ports names, so kube-proxy refuses what comes to it, while MetalLB "
            "announces the address."
        ),
        remedy=(
            "Correct the port's targetPort to a port that the containers have, or the port's name in EndpointSlices "
            "that are written by hand."
        ),
        commands=(
            "kubectl -n {namespace} get svc {service} -o jsonpath='{{.spec.ports}}'",
            "kubectl -n {namespace} get endpointslices -l kubernetes.io/service-name={service} -o "
            "custom-columns=NAME:.metadata.name,PORTS:.ports",
            "kubectl -n {namespace} edit svc {service}",
        ),
        scope=Scope.SERVICE,
        link=Link.BACKEND,
        layer=Layer.CONSUMER,
        proven_by=(
            "The service's EndpointSlices were read: there are ready endpoints, and no slice with one has a port of "
            "that name and protocol."
        ),
        excluded_by="A slice with a ready endpoint has the port, or the slices could not be read.",
        effects=frozenset({Effect.NOTHING_BEHIND}),
        rank=220,
        narrowed_by_subject=False,
        reported_by=CheckId.TRAFFIC_BACKENDS_HEALTHY,
        rests_on=(SLICES,),
        last_resort=False,
    ),
    Cause(
        id=CauseId.LOCAL_POLICY_NO_ENDPOINT_ON_ANNOUNCER,
        title="No node that may announce the address has a ready endpoint",
        meaning="With externalTrafficPolicy Local only nodes with a ready endpoint may announce, and no such node can.",
        remedy="Run a replica on a node with a speaker, or set externalTrafficPolicy to Cluster.",
        commands=(
            _SLICES,
            "kubectl -n {metallb_namespace} get pods -o wide",
            "kubectl -n {namespace} patch svc {service} "
            """-p '{{"spec":{{"externalTrafficPolicy":"Cluster"}}}}'""",
        ),
        scope=Scope.SERVICE,
        link=Link.BACKEND,
        layer=Layer.CONFIGURATION,
        proven_by=(
            "The policy externalTrafficPolicy is Local, and no node that may announce has an endpoint that may serve."
        ),
        excluded_by="A node that may announce has one, or the policy is Cluster.",
        effects=frozenset(),
        rank=None,
        narrowed_by_subject=False,
        reported_by=CheckId.TRAFFIC_BACKENDS_HEALTHY,
        rests_on=ELECTION,
        last_resort=False,
    ),
    Cause(
        id=CauseId.BACKEND_REFUSES,
        title="The workload itself does not answer",
        meaning="The address is announced and reached, but the service's own port refuses or stays silent.",
        remedy="Look at the workload, not at MetalLB: test it from inside the cluster first.",
        commands=(
            _SLICES,
            "kubectl -n {namespace} port-forward svc/{service} 8080:{port}",
            "kubectl -n {namespace} get pods -o wide",
        ),
        scope=Scope.SERVICE,
        link=Link.BACKEND,
        layer=Layer.CONSUMER,
        proven_by=(
            "The connection was refused or reset while the address is announced and an endpoint counts as "
            "ready."
        ),
        excluded_by="The port is reached, or nothing at all comes back.",
        effects=frozenset(),
        rank=None,
        narrowed_by_subject=False,
        reported_by=CheckId.TRAFFIC_BACKENDS_HEALTHY,
        rests_on=(),
        last_resort=False,
    ),
    Cause(
        id=CauseId.STATUS_WRITE_REFUSED,
        title="Somebody's admission control keeps MetalLB from writing an address",
        meaning=(
            "The API server asks a webhook or a policy of somebody else before MetalLB may write a service, and that "
            "denies it or does not answer: MetalLB has chosen an address, and the service does not get it."
        ),
        remedy=(
            "Make the webhook answer, let it admit MetalLB's controller, or take services and services/status out of "
            "its rules."
        ),
        commands=(
            "kubectl get validatingwebhookconfigurations,mutatingwebhookconfigurations,validatingadmissionpolicies "
            "-o yaml | grep -B 30 -A 30 services",
            "kubectl -n {metallb_namespace} logs {controller} --since=10m | grep -i 'failed to update service'",
        ),
        scope=Scope.CLUSTER,
        link=Link.WRITTEN,
        layer=Layer.CONFIGURATION,
        proven_by="The controller's log has the API server's own answer: which webhook or policy it asked in vain.",
        excluded_by="The controller's log has no such answer, or the services have been written since.",
        effects=frozenset(),
        rank=None,
        narrowed_by_subject=False,
        reported_by=CheckId.HEALTH_CONTROLLER_LOG,
        rests_on=(),
        last_resort=False,
    ),
    Cause(
        id=CauseId.RIVAL_CONTROLLER,
        title="A second load-balancer controller manages the same services",
        meaning="ServiceLB, kube-vip or Cilium also writes service addresses or answers for them.",
        remedy="Turn one of the two off, or give each its own loadBalancerClass.",
        commands=(
            "kubectl -n {namespace} get svc {service} -o yaml --show-managed-fields | grep manager:",
            "kubectl get pods -A -o wide | grep -E 'svclb|kube-vip|cilium'",
        ),
        scope=Scope.CLUSTER,
        link=Link.WRITTEN,
        layer=Layer.CONFIGURATION,
        proven_by="The managedFields, annotations, conditions or pods of another load balancer name the service.",
        excluded_by="MetalLB alone wrote the service's status.",
        effects=frozenset({Effect.SILENCES, Effect.CHANGES_ADDRESS}),
        rank=80,
        narrowed_by_subject=True,
        reported_by=CheckId.HEALTH_SERVICES_ADDRESSED,
        rests_on=(),
        last_resort=False,
    ),
)
