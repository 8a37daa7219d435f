"""Causes that keep what MetalLB announces by BGP from arriving."""

from __future__ import annotations

from clusters.cause_ids import CauseId
from clusters.check_ids import CheckId
from clusters.checks.causes.cause import Cause, Layer
from clusters.checks.outcome import Scope
from clusters.checks.path_links import Link

SESSIONS = "kubectl get bgpsessionstates.frrk8s.metallb.io -A"
_PEERS = "kubectl -n {metallb_namespace} get bgppeers -o yaml"
_LOG = "kubectl -n {metallb_namespace} logs {speaker} --all-containers --tail=200"
_STATUS = "kubectl -n {metallb_namespace} get servicebgpstatuses -l metallb.io/service-name={service} -o yaml"

CAUSES = (
    Cause(
        id=CauseId.BGP_SESSION_DOWN,
        title="A BGP session is down",
        meaning="A speaker has no session with a router, so that router does not learn of the addresses by it.",
        remedy=(
            "Compare the BGPPeer with the router: address, AS numbers, password, TTL, and whether TCP port 179 passes "
            "between the node and the router."
        ),
        commands=(SESSIONS, _PEERS, _LOG),
        scope=Scope.CLUSTER,
        link=Link.ADVERTISED,
        layer=Layer.NODES_AND_NETWORK,
        proven_by="A BGPSessionState that is not Established, or metallb_bgp_session_up of the peer is 0.",
        excluded_by="Every session that is told of is up, or none was read.",
        effects=frozenset(),
        rank=None,
        narrowed_by_subject=False,
        reported_by=CheckId.TRAFFIC_BGP_SESSION,
        rests_on=(),
        last_resort=False,
    ),
    Cause(
        id=CauseId.BGP_ROUTE_MISSING,
        title="No route to the address, although a BGP session is up",
        meaning=(
            "A router in front of the vantage has no route to an address that is announced by BGP: it was not sent, it "
            "was filtered, or it does not get that far."
        ),
        remedy=(
            "Look on the router whether it received the route and uses it (show bgp ipv4 unicast), and in the "
            "ServiceBGPStatus to whom the service is announced; clear a session that holds and sends nothing."
        ),
        commands=("ip route get {address}", _STATUS, SESSIONS),
        scope=Scope.SERVICE,
        link=Link.ROUTE,
        layer=Layer.NODES_AND_NETWORK,
        proven_by=(
            "The address is announced by BGP alone, a session is up, and the vantage's kernel or a router on the way "
            "says that there is no way to it."
        ),
        excluded_by="Something comes back from the address, or no session is up.",
        effects=frozenset(),
        rank=None,
        narrowed_by_subject=False,
        reported_by=CheckId.TRIGGER_UNREACHABLE_ADDRESS,
        rests_on=(),
        last_resort=False,
    ),
)
