"""Section 2.2 of the runbook: an address is assigned, but traffic does not arrive."""

from __future__ import annotations

from clusters.cause_ids import CauseId
from clusters.commands import ARPING, NEIGHBOUR
from clusters.diagnosis.answers import routed, traffic
from suites.causes import NOT_ANSWERED, SPEAKER, SPLIT, UNANNOUNCED
from suites.plugin import OBSERVE, check
from suites.plugin.run_fixtures import Observed

_LOG = "kubectl -n {metallb_namespace} logs {speaker} --tail=200"
_NODES = "kubectl get nodes -o wide"
_ENDPOINTS = "kubectl -n {namespace} get endpoints {service}"
_STATUS = "kubectl -n {metallb_namespace} get servicel2statuses"


@check(
    "traffic.speakers-placed",
    runbook="2.2",
    level=OBSERVE,
    causes=UNANNOUNCED,
    commands=(_LOG, _NODES),
)
def test_each_address_has_a_speaker_to_announce_it(observed: Observed) -> None:
    """A ready speaker runs on every node expected to announce, and at least one can announce each address.

    A node that the profile names and the cluster lacks is told, and a selector that fits no node leaves it open.
    """
    observed.expect(traffic.speakers_placed)


@check(
    "traffic.l2-segment",
    runbook="2.2",
    level=OBSERVE,
    needs={"wire"},
    commands=(_NODES, "ip route get {address}"),
)
def test_each_address_is_on_its_nodes_segment(observed: Observed) -> None:
    """Each address lies on a network of the nodes that announce it, and the vantage sees its owner there."""
    observed.expect(traffic.l2_segment)


@check(
    "traffic.backends-healthy",
    runbook="2.2",
    level=OBSERVE,
    causes=SPEAKER,
    commands=(_ENDPOINTS,),
)
def test_every_service_has_a_healthy_endpoint(observed: Observed) -> None:
    """Every service has a healthy endpoint, so that a fault is MetalLB's and not the consumer's.

    With externalTrafficPolicy Local the endpoint has to be on an announcing node.
    """
    observed.expect(traffic.backends_healthy)


@check(
    "traffic.single-announcer",
    runbook="2.2",
    level=OBSERVE,
    needs={"wire"},
    causes=NOT_ANSWERED,
    commands=(ARPING,),
)
def test_one_node_answers_for_each_address(observed: Observed) -> None:
    """Exactly one machine answers for each address, and it is a node."""
    observed.expect(traffic.single_announcer)


@check(
    "traffic.owner-agreed",
    runbook="2.2",
    level=OBSERVE,
    needs={"wire"},
    causes=SPLIT,
    commands=(_STATUS, ARPING),
)
def test_all_sources_name_one_owner(observed: Observed) -> None:
    """Predicted owner, ServiceL2Status, metric and the wire name the same node."""
    observed.expect(traffic.owner_agreed)


@check(
    "traffic.no-squatter",
    runbook="2.2",
    level=OBSERVE,
    needs={"wire"},
    causes=(CauseId.FOREIGN_RESPONDER, CauseId.API_UNREACHABLE, CauseId.POOL_HOLDS_GATEWAY_ADDRESS),
    commands=(ARPING, NEIGHBOUR),
)
def test_nobody_answers_for_a_free_address(observed: Observed) -> None:
    """Nobody answers for a free address of a pool.

    Of a large pool only a part is asked for; the check notes how large a part.
    """
    observed.expect(traffic.no_squatter)


@check(
    "traffic.bgp-session",
    runbook="2.2",
    level=OBSERVE,
    commands=("kubectl get bgpsessionstates.frrk8s.metallb.io -A", _LOG),
)
def test_every_bgp_session_is_established(observed: Observed) -> None:
    """Every BGP session of MetalLB's is established, where it announces by BGP.

    By the BGPSessionStates of frr-k8s, and by the speakers' metrics in native and FRR mode.
    """
    observed.expect(traffic.bgp_session)


@check(
    "traffic.routed",
    runbook="2.2",
    level=OBSERVE,
    needs={"wire"},
    commands=("traceroute -n -T -p {port} {address}", "ip route get {address}"),
)
def test_what_serves_on_its_segment_serves_through_a_router(observed: Observed) -> None:
    """Every port that is reached on its address's segment is reached from behind a router as well.

    Only where the profile names a routed_vantage. What neither place reaches is no matter of routes.
    """
    observed.expect(routed.routed)
