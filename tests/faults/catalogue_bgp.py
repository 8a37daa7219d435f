"""What is announced by BGP: to a router that leads there, to one that forgets, and to one that is not there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from clusters import budgets, wait
from clusters.faults import bgp_router
from tests.faults.catalogue_clone import Clone
from tests.faults.catalogue_fault import ALL_BY_NETWORK, ONE_ADDRESS, ONE_POOL, OWN, Fault, Healthy, drift
from tests.faults.catalogue_renderings import EDGE, renders
from tests.faults.catalogue_services import POOL
from tests.faults.catalogue_stage import NAMESPACE, Json, Stage

OPEN = "service shop/open"
#: On no network of the lab: only a router that was told can lead there.
RANGE = "10.99.0.10-10.99.0.12"
OURS, THEIRS, GATEWAY = 64512, 64513, "172.30.0.1"


def _peer(name: str) -> Json:
    return {
        "apiVersion": "metallb.io/v1beta2",
        "kind": "BGPPeer",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"myASN": OURS, "peerASN": THEIRS, "peerAddress": GATEWAY},
    }


def _advertisement() -> Json:
    return {
        "apiVersion": "metallb.io/v1beta1",
        "kind": "BGPAdvertisement",
        "metadata": {"name": EDGE, "namespace": NAMESPACE},
        "spec": {"ipAddressPools": [EDGE]},
    }


def _until_told(stage: Stage, says: str) -> None:
    """Wait until the speakers tell of the session with the gateway, so that `says` is in what they tell."""
    wait.until(
        f"the speakers tell of the session: {says}",
        read=lambda: [each for each in stage.look().notes["traffic.bgp-session"] if GATEWAY in each],
        accept=lambda told: any(says in each for each in told),
        budget=budgets.get(budgets.ROLLOUT),
    )


@contextmanager
def no_router(stage: Stage) -> Iterator[None]:
    """A BGP peer at whose address no router listens."""
    with stage.by_hand(_peer("nobody")):
        _until_told(stage, "")
        yield


@contextmanager
def tells_nobody(stage: Stage) -> Iterator[None]:
    """A pool that BGP alone would announce, and no BGPPeer: no router is told."""
    with (
        stage.pool(EDGE, RANGE),
        stage.by_hand(_advertisement()),
        stage.addressed("open", serves=False, annotations={POOL: EDGE}),
    ):
        yield


@contextmanager
def _by_bgp_alone(stage: Stage, *, takes_routes: bool) -> Iterator[str]:
    """A pool that BGP alone announces to a router, and a service with an address of it."""
    with (
        bgp_router.peering(stage.changes, stage.lab, asn=THEIRS, takes_routes=takes_routes),
        stage.pool(EDGE, RANGE),
        stage.by_hand(_advertisement()),
        stage.by_hand(_peer(EDGE)),
        stage.addressed("open", serves=takes_routes, annotations={POOL: EDGE}) as address,
    ):
        _until_told(stage, "is 1")
        yield address


@contextmanager
def keeps_no_route(stage: Stage) -> Iterator[None]:
    """The router holds the session, and forgets every route that it is told of, as a filter on it does."""
    with _by_bgp_alone(stage, takes_routes=False):
        yield


@contextmanager
def routed(stage: Stage) -> Iterator[None]:
    with _by_bgp_alone(stage, takes_routes=True):
        yield


def renders_bgp(clone: Clone) -> None:
    """The overlay has the pool, the peer and the advertisement by BGP, and the documents say so."""
    peer = (
        f"---\napiVersion: metallb.io/v1beta2\nkind: BGPPeer\nmetadata:\n  name: {EDGE}\n  namespace: {NAMESPACE}\n"
        f"spec:\n  myASN: {OURS}\n  peerASN: {THEIRS}\n  peerAddress: {GATEWAY}\n"
    )
    renders(clone, RANGE, advertised="BGPAdvertisement", more=peer)


_BY_HAND = (*OWN, *drift(f"BGPPeer {NAMESPACE}/{EDGE}", f"BGPAdvertisement {NAMESPACE}/{EDGE}"))
FAULTS = (
    Fault(
        name="a pool that BGP alone announces, and no router to tell it",
        cause="pool-not-advertised",
        make=tells_nobody,
        says=ONE_POOL,
        also=(*OWN, *drift(f"BGPAdvertisement {NAMESPACE}/{EDGE}")),
        undecided=frozenset({"traffic.no-squatter"}),
        shows={"health.config-present": "pool edge", "trigger.unreachable-address": OPEN},
    ),
    Fault(
        name="a BGP peer at which no router listens",
        cause="bgp-session-down",
        make=no_router,
        says=ALL_BY_NETWORK,
        also=drift(f"BGPPeer {NAMESPACE}/nobody"),
        shows={"traffic.bgp-session": "peer .*"},
    ),
    Fault(
        name="a router that holds the BGP session and keeps no route",
        cause="bgp-route-missing",
        make=keeps_no_route,
        says=ONE_ADDRESS,
        also=_BY_HAND,
        shows={"trigger.unreachable-address": OPEN},
        reports=("metallb#1354", "metallb#1292", "metallb#2904"),
        full=True,
    ),
)
HEALTHY = (Healthy(name="a pool that BGP alone announces", make=routed, edit=renders_bgp, full=True),)
