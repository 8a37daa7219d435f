"""Faults that only the wire shows: what the vantage does to its own packets, who replies for others, what is cut short.

Each has a healthy twin, in which the same thing is there and does no harm.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from clusters import budgets, wait
from clusters.api.resources import ENDPOINT_SLICES
from clusters.checks import Scope
from clusters.faults import filters, lab_hosts
from clusters.lab.plan import Host
from tests.faults.catalogue_bgp import GATEWAY
from tests.faults.catalogue_consumers import promised, serving
from tests.faults.catalogue_fault import ALL_BY_NETWORK, ONE_ADDRESS, ONE_RANGE, Fault, Healthy, Less, Summary
from tests.faults.catalogue_forwarding import ANY_NODE, OPEN, owner_of
from tests.faults.catalogue_network import ADDRESS, TRAEFIK, announcer_of
from tests.faults.catalogue_stage import SHOP, WHY, Json, Stage

#: A hardware address that no host of a lab has.
NOBODY = "02:00:00:00:99:99"
FIRST_FREE = "172.30.0.202"
VANTAGE_ALONE = Summary(Scope.NONE, "the vantage alone")
#: More than an Ethernet carries in one packet.
_LARGE = {"protocol": "http", "port": 80, "path": f"/echo?msg={'x' * 1900}"}


def _owner(stage: Stage) -> str:
    return announcer_of(stage, "traefik", "traefik")


@contextmanager
def kept_back(stage: Stage) -> Iterator[None]:
    """A leftover of somebody's test: the vantage itself drops what it would send to one address."""
    with lab_hosts.routed_to(stage.changes, stage.lab, "client", ADDRESS):
        yield


@contextmanager
def another_kept_back(stage: Stage) -> Iterator[None]:
    with lab_hosts.routed_to(stage.changes, stage.lab, "client", "198.51.100.7"):
        yield


@contextmanager
def dropped_by_itself(stage: Stage) -> Iterator[None]:
    """A rule of the vantage's own drops what it sends to one address."""
    with filters.sending_lost(stage.changes, stage.lab, "client", ADDRESS):
        # A kernel that has spoken with the address just before still knows it, whether it sends or not.
        stage.lab.run("client", ["ip", "neighbour", "flush", "to", ADDRESS])
        yield


@contextmanager
def sent_astray(stage: Stage) -> Iterator[None]:
    """An entry that somebody made by hand, long before the address moved."""
    with lab_hosts.remembers(stage.changes, stage.lab, "client", ADDRESS, mac=NOBODY):
        yield


@contextmanager
def sent_right_by_hand(stage: Stage) -> Iterator[None]:
    owner = next(host for host in stage.lab.nodes if host.name == _owner(stage))
    with lab_hosts.remembers(stage.changes, stage.lab, "client", ADDRESS, mac=owner.mac):
        yield


@contextmanager
def replied_for(stage: Stage) -> Iterator[None]:
    """The router believes that the address is behind it."""
    with lab_hosts.replying_for(stage.changes, stage.lab, ADDRESS):
        yield


@contextmanager
def others_replied_for(stage: Stage) -> Iterator[None]:
    """The router replies for an address of its network that is in no pool."""
    with lab_hosts.replying_for(stage.changes, stage.lab, "172.30.0.240"):
        yield


@contextmanager
def free_replied_for(stage: Stage) -> Iterator[None]:
    """The router believes that the pool's first free address is behind it."""
    with lab_hosts.replying_for(stage.changes, stage.lab, FIRST_FREE):
        yield


@contextmanager
def cut_short(stage: Stage) -> Iterator[None]:
    """Small answers come back from the announcing node, and large ones do not."""
    with (
        serving(stage),
        filters.large_lost(stage.changes, stage.lab, announcer_of(stage, SHOP, "promised"), size=600),
    ):
        yield


@contextmanager
def too_large_to_arrive(stage: Stage) -> Iterator[None]:
    """Small packets of the client's get to the announcing node, and large ones do not."""
    with (
        serving(stage),
        filters.large_lost(
            stage.changes, stage.lab, announcer_of(stage, SHOP, "promised"), size=600, inward=True
        ),
    ):
        yield


@contextmanager
def half_a_bond(stage: Stage) -> Iterator[None]:
    """One of two links to the announcing node is dead: it loses the flows that are sent by it."""
    client = stage.lab.client.address
    with filters.flows_lost(stage.changes, stage.lab, _owner(stage), client):
        yield


@contextmanager
def deaf_pod(stage: Stage) -> Iterator[None]:
    """One of the edge's pods drops what comes from outside, and its node passes on all else."""
    owner = _announcing(stage)
    found = stage.api.list(ENDPOINT_SLICES, "traefik", labels="kubernetes.io/service-name=traefik")
    pods = {
        one["nodeName"]: one["addresses"][0]
        for raw in found
        if raw["addressType"] == "IPv4"
        for one in raw["endpoints"]
    }
    node = next(name for name in sorted(pods) if name != owner.name)
    with filters.arriving_lost(
        stage.changes, stage.lab, node, sender=owner.address, to=pods[node], ports="8000"
    ):
        yield


@contextmanager
def gone_pod(stage: Stage) -> Iterator[None]:
    """A slice that somebody keeps by hand still has an endpoint whose pod is gone."""
    with stage.addressed("open"):
        owner = owner_of(stage, "open")
        host = next(each for each in stage.lab.nodes if each.name != owner)
        address = str(host.pod_ranges[0].network_address + 250)
        left: Json = {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {
                "name": "open-left",
                "namespace": SHOP,
                "labels": {
                    "kubernetes.io/service-name": "open",
                    "endpointslice.kubernetes.io/managed-by": "hand",
                },
            },
            "addressType": "IPv4",
            "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
            "endpoints": [
                {"addresses": [address], "conditions": {"ready": True}, "nodeName": host.name},
            ],
        }
        with stage.changes.created(left, foreign=WHY):
            wait.until(
                "kube-proxy on the announcing node has a rule for it",
                read=lambda: (
                    stage.lab.run(owner, ["sh", "-c", "nft list ruleset; iptables-save -t nat"]).stdout
                ),
                accept=lambda rules: address in rules,
                budget=budgets.SERVED,
            )
            yield


@contextmanager
def smaller_everywhere(stage: Stage) -> Iterator[None]:
    """Every host knows of the smaller MTU, as in a provider's network."""
    hosts = (*(host.name for host in stage.lab.nodes), "client")
    with serving(stage), lab_hosts.smaller_frames(stage.changes, stage.lab, 1400, *hosts):
        yield


@contextmanager
def limited(stage: Stage) -> Iterator[None]:
    """A rule against floods that lets too little pass."""
    with filters.connections_limited(stage.changes, stage.lab, _owner(stage), ADDRESS, rate=10, burst=2):
        yield


@contextmanager
def hardly_limited(stage: Stage) -> Iterator[None]:
    with filters.connections_limited(stage.changes, stage.lab, _owner(stage), ADDRESS, rate=2000, burst=500):
        yield


@contextmanager
def replies_lost(stage: Stage) -> Iterator[None]:
    """A switch passes what is sent to an address, and not what comes from it."""
    with filters.replies_lost(stage.changes, stage.lab, ADDRESS):
        yield


def _announcing(stage: Stage) -> Host:
    owner = _owner(stage)
    return next(host for host in stage.lab.nodes if host.name == owner)


@contextmanager
def no_way_back(stage: Stage) -> Iterator[None]:
    """The announcing node takes everything in, and knows no way back to where it came from."""
    with lab_hosts.routed_to(stage.changes, stage.lab, _owner(stage), stage.lab.client.address):
        yield


@contextmanager
def answers_astray(stage: Stage) -> Iterator[None]:
    """The announcing node keeps another MAC for the client than the client has."""
    owner, client = _owner(stage), stage.lab.client.address
    with lab_hosts.remembers(stage.changes, stage.lab, owner, client, mac=NOBODY):
        yield


@contextmanager
def kept_apart(stage: Stage) -> Iterator[None]:
    """The switch keeps the ports of the client and of the announcing node apart, and no others."""
    with filters.parted(stage.changes, stage.lab, stage.lab.client, _announcing(stage)):
        yield


@contextmanager
def frames_astray(stage: Stage) -> Iterator[None]:
    """The switch takes the announcing node for a host at another port."""
    with filters.frames_astray(stage.changes, stage.lab, stage.lab.client, _announcing(stage)):
        yield


@contextmanager
def hardly_any(stage: Stage) -> Iterator[None]:
    """A limit that drops what comes slowly as well."""
    with filters.connections_limited(stage.changes, stage.lab, _owner(stage), ADDRESS, rate=3, burst=5):
        yield


@contextmanager
def by_the_router(stage: Stage) -> Iterator[None]:
    """What the announcing node answers goes by way of the router, though it came from the same segment."""
    client = stage.lab.client.address
    with lab_hosts.routed_to(stage.changes, stage.lab, _owner(stage), client, via=GATEWAY):
        yield


@contextmanager
def held_by_its_announcer(stage: Stage) -> Iterator[None]:
    """The announcing node holds the address on its loopback as well, and replies by the same card."""
    with lab_hosts.holding_address(stage.changes, stage.lab, ADDRESS, _owner(stage)):
        yield


FAULTS = (
    Fault(
        name="a route of the vantage's own that drops what it sends",
        cause="vantage-not-on-segment",
        make=kept_back,
        says=VANTAGE_ALONE,
        shows={"traffic.l2-segment": TRAEFIK},
    ),
    Fault(
        name="an entry by hand in the vantage's neighbour table",
        cause="vantage-neighbour-wrong",
        make=sent_astray,
        says=VANTAGE_ALONE,
        shows={"traffic.l2-segment": TRAEFIK},
    ),
    Fault(
        name="a filter of the vantage's own that drops what it sends",
        cause="vantage-drops-packets",
        make=dropped_by_itself,
        says=VANTAGE_ALONE,
        shows={"traffic.l2-segment": TRAEFIK},
        # That it passes says that the segment is the right one, which it is.
        undecided=frozenset({"traffic.l2-segment"}),
        less=Less(
            why="Only the kernel asks then, and one that may not send asks nobody: it looks as if nobody replied.",
            cause="nobody-answers",
            shows={"traffic.single-announcer": TRAEFIK},
            says=ONE_ADDRESS,
        ),
    ),
    Fault(
        name="a router that replies for an assigned address",
        cause="proxy-arp",
        make=replied_for,
        says=ALL_BY_NETWORK,
        shows={"traffic.single-announcer": "cluster"},
        less=Less(why="A kernel believes whom it hears first, and a proxy takes its time."),
    ),
    Fault(
        name="a router that replies for a free address",
        cause="proxy-arp",
        make=free_replied_for,
        says=ALL_BY_NETWORK,
        shows={"traffic.single-announcer": "cluster"},
        less=Less(
            why="A kernel cannot tell a proxy from a host that holds the address.",
            cause="foreign-responder",
            shows={"traffic.no-squatter": "pool metallb-pool"},
            says=ONE_RANGE,
        ),
    ),
    Fault(
        name="large answers are lost on the way back",
        cause="large-answers-lost",
        make=cut_short,
        says=ONE_ADDRESS,
        shows={"trigger.edge-address": "service shop/promised"},
        profile=promised(_LARGE),
    ),
    Fault(
        name="large requests are lost on the way in",
        cause="large-requests-lost",
        make=too_large_to_arrive,
        says=ONE_ADDRESS,
        shows={"trigger.edge-address": "service shop/promised"},
        profile=promised(_LARGE),
    ),
    Fault(
        name="one of two links to the announcing node is dead",
        cause="backend-not-reached",
        neutral="What is lost by flow is lost the same whether a link of the bond or a limit on the node loses it.",
        make=half_a_bond,
        says=ONE_ADDRESS,
        shows={"trigger.unreachable-address": TRAEFIK},
    ),
    Fault(
        name="one pod of several that drops what comes from outside",
        cause="backend-not-reached",
        neutral="A pod that drops and a broken way to its node are the same share where nothing else there is tried.",
        make=deaf_pod,
        says=ONE_ADDRESS,
        shows={"trigger.unreachable-address": TRAEFIK},
    ),
    Fault(
        name="an endpoint whose pod is gone",
        cause="backend-not-reached",
        neutral="A pod that is gone and a broken way to its node are the same share where nothing else there is tried.",
        make=gone_pod,
        says=ONE_ADDRESS,
        shows={"trigger.unreachable-address": OPEN},
    ),
    Fault(
        name="a limit on new connections at the announcing node",
        cause="connections-limited",
        make=limited,
        says=ONE_ADDRESS,
        shows={"trigger.unreachable-address": TRAEFIK},
    ),
    Fault(
        name="a switch that passes no replies of an address",
        cause="address-not-forwarded",
        neutral="What is lost on the way back and what was never sent are one silence from outside.",
        make=replies_lost,
        says=ONE_ADDRESS,
        shows={"trigger.unreachable-address": TRAEFIK},
    ),
    Fault(
        name="an announcing node that knows no way back to the clients",
        cause="node-not-reached",
        make=no_way_back,
        says=ALL_BY_NETWORK,
        shows={"trigger.unreachable-address": ANY_NODE},
    ),
    Fault(
        name="an announcing node that keeps a wrong MAC for a client",
        cause="node-not-reached",
        make=answers_astray,
        says=ALL_BY_NETWORK,
        shows={"trigger.unreachable-address": ANY_NODE},
    ),
    Fault(
        name="ports of a switch that are kept apart",
        cause="node-not-reached",
        make=kept_apart,
        says=ALL_BY_NETWORK,
        shows={"trigger.unreachable-address": ANY_NODE},
    ),
    Fault(
        name="a switch that has the announcing node's MAC at another port",
        cause="node-not-reached",
        make=frames_astray,
        says=ALL_BY_NETWORK,
        shows={"trigger.unreachable-address": ANY_NODE},
    ),
    Fault(
        name="a limit that drops slow connections, too",
        cause="backend-not-reached",
        neutral="What is lost at any pace, and now and then only, is as well a lossy cable.",
        make=hardly_any,
        says=ONE_ADDRESS,
        shows={"trigger.unreachable-address": TRAEFIK},
    ),
)
HEALTHY = (
    Healthy(name="answers that go by way of the router", make=by_the_router),
    Healthy(name="a route of the vantage's own to what is no concern of the cluster", make=another_kept_back),
    Healthy(
        name="an entry by hand in the vantage's neighbour table, and a right one", make=sent_right_by_hand
    ),
    Healthy(name="a router that replies for an address in no pool", make=others_replied_for),
    Healthy(name="a smaller MTU that every host knows", make=smaller_everywhere, profile=promised(_LARGE)),
    Healthy(name="a limit on new connections that nobody meets", make=hardly_limited),
    Healthy(name="an announcer that holds its address itself", make=held_by_its_announcer),
)
